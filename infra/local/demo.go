package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/shared/cards"
	brandrules "github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/qr"
)

// demo loads a brand to look at, through the API and the feed that everybody
// else uses. Each request has its own fixed Idempotency-Key, so that a start
// that was interrupted is made up for by the next one.
type demo struct {
	address string
	secrets secrets
	now     time.Time
}

const demoFile = "demo.json"

// shown is what the greeting needs of the demo brand.
type shown struct {
	CardToken string `json:"card_token"` // without an address, which may be another at the next start
	Batch     string `json:"batch"`
}

// openDemo loads the demo brand into a new folder, once.
func openDemo(ctx context.Context, c config, s secrets, address string) (shown, error) {
	path := filepath.Join(c.folder, demoFile)
	raw, err := os.ReadFile(path)
	var known shown
	if err == nil {
		return known, json.Unmarshal(raw, &known)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return known, err
	}
	known, err = demo{address, s, time.Now()}.load(ctx)
	if err != nil {
		return known, fmt.Errorf("the demo brand: %w", err)
	}
	raw, err = json.Marshal(known)
	if err != nil {
		return known, err
	}
	return known, os.WriteFile(path, raw, 0o600)
}

func (d demo) load(ctx context.Context) (shown, error) {
	admin := d.secrets.OperatorToken
	var operators [2]string
	for i, name := range []string{"demo-zhang", "demo-li"} {
		var answer struct{ Token string }
		if err := d.call(ctx, admin, "POST", "/v1/operators", "demo-"+name, map[string]any{"name": name, "role": "operator"}, &answer); err != nil {
			return shown{}, err
		}
		operators[i] = answer.Token
	}
	for _, document := range []struct {
		path string
		body map[string]any
	}{
		{"/v1/coupon-templates/welcome-20", map[string]any{
			"name": "新人券 满100减20", "threshold": 10_000, "discount": 2_000, "validity": map[string]any{"months": 3}, "budget": map[string]any{"quantity": 10_000},
		}},
		{"/v1/coupon-templates/milk-250-50", map[string]any{
			"name": "奶粉券 满250减50", "threshold": 25_000, "discount": 5_000, "validity": map[string]any{"days": 30}, "budget": map[string]any{"amount": 5_000_000},
		}},
		{"/v1/audiences/milk-regulars", map[string]any{
			"name": "奶粉老客", "rule": `consents.marketing and categories["milk-powder"].count >= 1 and aov_fen >= 15000`,
		}},
		{"/v1/campaigns/milk-wednesday", map[string]any{
			"name": "周三周五奶粉日", "audience": "milk-regulars", "template": "milk-250-50", "holdout": 10,
			"schedule": map[string]any{"cron": "0 10 * * 3,5"},
		}},
	} {
		if err := d.call(ctx, operators[0], "PUT", document.path, "", document.body, nil); err != nil {
			return shown{}, err
		}
	}
	for i, m := range demoMembers {
		body := map[string]any{
			"identities": []map[string]any{
				{"kind": "buyer", "channel": m.channel, "value": fmt.Sprintf("demo-buyer-%d", i)},
				{"kind": "openid", "channel": "wechat", "value": fmt.Sprintf("demo-openid-%d", i)},
			},
			"consents": m.consents,
		}
		if err := d.call(ctx, operators[0], "POST", "/v1/members", fmt.Sprint("demo-member-", i), body, nil); err != nil {
			return shown{}, err
		}
		for n, o := range m.orders {
			if err := d.order(ctx, fmt.Sprintf("DEMO-%d-%d", i, n), m.channel, fmt.Sprintf("demo-buyer-%d", i), o); err != nil {
				return shown{}, err
			}
		}
	}
	return d.cards(ctx, operators)
}

type demoOrder struct {
	daysAgo       int
	sku, category string
	quantity      int
	paid          int // fen
}

var demoMembers = []struct {
	channel  string
	consents []string
	orders   []demoOrder
}{
	{"tmall", []string{"membership", "marketing", "personalisation"}, []demoOrder{{48, "MILK-400", "milk-powder", 1, 19_900}, {20, "MILK-400", "milk-powder", 1, 19_900}}},
	{"tmall", []string{"membership", "marketing"}, []demoOrder{{3, "MILK-800", "milk-powder", 2, 65_800}}},
	{"douyin", []string{"membership", "marketing"}, []demoOrder{{60, "MILK-400", "milk-powder", 1, 18_900}, {33, "TOY-1", "toys", 1, 3_990}}},
	{"youzan", []string{"membership"}, []demoOrder{{12, "MILK-400", "milk-powder", 2, 38_900}}},
	{"youzan", []string{"membership", "marketing"}, []demoOrder{{1, "TOY-2", "toys", 3, 8_970}}},
}

func (d demo) order(ctx context.Context, id, channel, buyer string, o demoOrder) error {
	at := d.now.AddDate(0, 0, -o.daysAgo).Format(time.RFC3339)
	event := map[string]any{
		"type": "order.paid", "channel": channel, "shop": "flagship", "order_id": id, "occurred_at": at, "currency": "CNY",
		"buyer": map[string]any{"id": buyer},
		"lines": []map[string]any{{"line_id": "1", "sku": o.sku, "category": o.category, "quantity": o.quantity, "paid": o.paid}},
	}
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(d.secrets.WebhookSecret, "whsec_"))
	if err != nil {
		return err
	}
	signer, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		return err
	}
	sent := time.Now()
	signature, err := signer.Sign("demo-"+id, sent, body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.address+"/hooks/orders/generic", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("webhook-id", "demo-"+id)
	request.Header.Set("webhook-timestamp", fmt.Sprint(sent.Unix()))
	request.Header.Set("webhook-signature", signature)
	return d.send(request, nil)
}

// cards makes a batch and lets two operators open it.
func (d demo) cards(ctx context.Context, operators [2]string) (shown, error) {
	// The window is part of the body, and a repeat must send the same body.
	day := time.Date(d.now.Year(), 1, 1, 0, 0, 0, 0, time.FixedZone("CST", 8*3600))
	batch := map[string]any{
		"name": "新客包裹卡", "count": 240, "valid_from": day.Format(time.RFC3339), "valid_to": day.AddDate(2, 0, 0).Format(time.RFC3339),
		"rules_text": "每张卡可刮一次；奖品数量有限，详见公示。",
		"arms": []map[string]any{{"name": "scratch", "form": "scratch", "weight": 1, "prizes": []map[string]any{
			{"kind": "points", "value": 200, "quantity": 150},
			{"kind": "points", "value": 888, "quantity": 10},
			{"kind": "coupon", "value": "welcome-20", "quantity": 60, "worth": 2_000},
		}}},
	}
	var made struct{ ID string }
	if err := d.call(ctx, operators[0], "POST", "/v1/card-batches", "demo-batch", batch, &made); err != nil {
		return shown{}, err
	}
	for i, operator := range operators {
		if err := d.call(ctx, operator, "POST", "/v1/card-batches/"+made.ID+"/activation", fmt.Sprint("demo-activation-", i), nil, nil); err != nil {
			return shown{}, err
		}
	}
	var codes string
	if err := d.call(ctx, operators[0], "GET", "/v1/card-batches/"+made.ID+"/cards.csv?limit=1", "", nil, &codes); err != nil {
		return shown{}, err
	}
	rows, err := csv.NewReader(strings.NewReader(codes)).ReadAll()
	if err != nil || len(rows) != 2 {
		return shown{}, errors.New("the batch has no codes")
	}
	address := rows[1][1]
	return shown{CardToken: address[strings.LastIndexByte(address, '/')+1:], Batch: made.ID}, nil
}

// call sends JSON and reads JSON, or text into a *string.
func (d demo) call(ctx context.Context, operator, method, path, key string, body, answer any) error {
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, d.address+path, sent)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+operator)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	return d.send(request, answer)
}

func (demo) send(request *http.Request, answer any) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", request.Method, request.URL.Path, response.StatusCode, raw)
	}
	switch into := answer.(type) {
	case nil:
		return nil
	case *string:
		*into = string(raw)
		return nil
	default:
		return json.Unmarshal(raw, answer)
	}
}

// greet waits until everything is up and says where it is.
func greet(ctx context.Context, c config, s secrets, address string, out io.Writer) error {
	var health struct{ Status string }
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/healthz", nil)
	if err != nil {
		return err
	}
	if err := (demo{}).send(request, &health); err != nil {
		return err
	}
	var brand shown
	if c.demo {
		if brand, err = openDemo(ctx, c, s, address); err != nil {
			return err
		}
	}
	var rules brandrules.Document
	if err := (demo{address: address}).call(ctx, s.OperatorToken, http.MethodGet, "/v1/program", "", nil, &rules); err != nil {
		return err
	}
	card := ""
	if brand.CardToken != "" {
		card = cards.URL(address, brand.CardToken)
	}
	fmt.Fprintf(out, "huitou 回头 is up; its data is in %s\n\n", c.folder)
	if card != "" {
		fmt.Fprintf(out, "  page      %s   (one card of the demo brand)\n", card)
	}
	fmt.Fprintf(out, "  console   %s/console\n", address)
	fmt.Fprintf(out, "  API       %s/v1   (described in %s/openapi.json)\n", address, address)
	fmt.Fprintf(out, "  local     %s/_local   (schedules, clock, outbox)\n\n", address)
	if missing := rules.MissingLegal(); missing != "" {
		fmt.Fprintf(out, "  note      %s\n\n", missing)
	}
	fmt.Fprintf(out, "  operator token   %s\n", s.OperatorToken)
	fmt.Fprintf(out, "  webhook secret   %s\n\n", s.WebhookSecret)
	if card != "" {
		symbol, err := qr.Encode(card)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, symbol.Terminal())
	}
	fmt.Fprintln(out, "Ctrl-C stops it.")
	return nil
}
