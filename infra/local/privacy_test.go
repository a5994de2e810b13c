package main

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A phone lives in the request that brings it and nowhere else: not in a file
// of the folder, a line of the log or a dead letter, in no spelling.
func TestPhonesAreNowhere(t *testing.T) {
	p := start(t, t.TempDir(), empty)
	now := time.Now()
	const order, joined, typed, refused = "13612345671", "13612345672", "13612345673", "13612345674"
	e := milk("CANARY-ORDER-1", "", 19_900, now)
	e.Buyer = &buyer{ID: "canary-buyer", Phone: order}
	p.order(t, e)
	// One that the brand's program refuses, so that it is kept for a person.
	foreign := milk("CANARY-FOREIGN-1", "", 19_900, now)
	foreign.Currency, foreign.Buyer = "USD", &buyer{Phone: order}
	p.order(t, foreign)
	e.Type = "order.eaten"
	body := encode(t, e)
	refusal(t, "an unknown type", p.do(t, http.MethodPost, genericHook, p.sign(t, now, body), body), http.StatusBadRequest)
	push, eventSign := youzanPush(t, "trade_TradePaid", "CANARY-YOUZAN-1", "yz-canary", "10.00")
	p.do(t, http.MethodPost, "/hooks/orders/youzan", map[string]string{"Content-Type": "application/json", "Event-Sign": eventSign}, push).read(t, http.StatusOK, nil)
	var member struct {
		ID         string `json:"member_id"`
		Identities []identity
	}
	p.post(t, "/v1/members", map[string]any{"identities": []identity{buyerOf("canary-joined"), {Kind: "phone", Value: joined}}}).
		read(t, http.StatusCreated, &member)
	if len(member.Identities) != 2 || !strings.HasSuffix(member.Identities[1].Value, joined[7:]) || strings.Contains(member.Identities[1].Value, joined) {
		t.Errorf("the phone is shown as %+v", member.Identities)
	}
	batch := p.batch(t, "canary", 2, 50, now.Add(-time.Hour), now.Add(time.Hour))
	p.activate(t, batch)
	codes := p.codes(t, batch)
	p.do(t, http.MethodPost, codes[0]+"/redemption", asJSON, redemption(identity{Kind: "phone", Value: typed})).read(t, http.StatusOK, nil)
	form := url.Values{"phone": {typed}, "consent": {"membership"}}.Encode()
	page := p.do(t, http.MethodPost, codes[1], map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte(form))
	page.read(t, http.StatusOK, nil)
	p.do(t, http.MethodPost, codes[0]+"/redemption", asJSON, redemption(identity{Kind: "phone", Value: refused})).read(t, http.StatusConflict, nil)

	eventually(t, "every message is done", func() bool {
		waiting := 0
		for _, q := range p.queues(t) {
			waiting += q.Waiting + q.InFlight
		}
		return waiting == 0
	})
	kept := p.do(t, http.MethodGet, "/v1/refused", operator(p.token), nil)
	kept.read(t, http.StatusOK, nil)
	if !bytes.Contains(kept.body, []byte("CANARY-FOREIGN-1")) {
		t.Errorf("the foreign order is not kept for a person: %s", kept.body)
	}
	spotless(t, "what is kept for a person", kept.body, order, joined, typed, refused)
	for _, name := range []string{"orders", "coupons", "messages", "friends"} {
		a := p.do(t, http.MethodGet, "/v1/queues/"+name+"/dead", operator(p.token), nil)
		a.read(t, http.StatusOK, nil)
		spotless(t, "the dead letters of "+name, a.body, order, joined, typed, refused)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	spotless(t, "the log", []byte(p.logged.String()), order, joined, typed, refused, "CANARY-", "canary-buyer", codes[0][strings.LastIndex(codes[0], "/")+1:], p.token)
	spotless(t, "what is printed", []byte(p.printed.String()), order, joined, typed, refused)
	canary := false
	err := filepath.WalkDir(p.folder, func(path string, file fs.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		canary = canary || bytes.Contains(raw, []byte("CANARY-ORDER-1")) && bytes.Contains(raw, []byte("CANARY-FOREIGN-1"))
		spotless(t, path, raw, order, joined, typed, refused, "13900000001")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// That the order itself is found shows that the search would find a phone.
	if !canary {
		t.Error("the orders themselves are in no file: the search is blind")
	}
}

// spotless looks for each of the words, as it is and as a phone may be written.
func spotless(t *testing.T, where string, text []byte, words ...string) {
	t.Helper()
	for _, word := range words {
		spellings := []string{word}
		if len(word) == 11 && strings.Trim(word, "0123456789") == "" {
			spellings = append(spellings, word[:3]+" "+word[3:7]+" "+word[7:], word[:3]+"-"+word[3:7]+"-"+word[7:], word[3:])
		}
		for _, spelling := range spellings {
			if bytes.Contains(text, []byte(spelling)) {
				t.Errorf("%s: %q is in it", where, spelling)
			}
		}
	}
}
