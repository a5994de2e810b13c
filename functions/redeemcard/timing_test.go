package redeemcard_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// watched writes down what the table is asked for, by the kinds of the keys.
type watched struct {
	table.Table
	asked []string
}

func (w *watched) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	kinds := make([]string, len(keys))
	for i, key := range keys {
		kinds[i], _, _ = strings.Cut(strings.TrimPrefix(key.PK, "K#"), "#")
	}
	w.asked = append(w.asked, fmt.Sprint(map[table.Consistency]string{table.Strong: "strong", table.Eventual: "eventual"}[consistency], kinds))
	return w.Table.Get(ctx, consistency, keys...)
}

func (w *watched) Query(ctx context.Context, query table.Query) (table.Page, error) {
	w.asked = append(w.asked, "query")
	return w.Table.Query(ctx, query)
}

func (w *watched) Write(ctx context.Context, actions ...table.Action) error {
	w.asked = append(w.asked, "write")
	return w.Table.Write(ctx, actions...)
}

// refusable is a card that is refused, by the code whose tag verifies.
type refusable struct {
	card   cards.Code
	at     time.Time
	status int // of a redemption
}

// refusables are all reasons for which a genuine code is refused; the cards that
// were redeemed are.
func (b *brand) refusables() map[string]refusable {
	b.t.Helper()
	award := prizes[cards.PrizePoints]
	in := func(number int, state cards.State) cards.Batch {
		return b.batch(number, cards.FormPlain, award, func(b *cards.Batch) { b.State, b.Activated = state, nil })
	}
	active := b.batch(1, cards.FormPlain, award)
	froze := b.batch(5, cards.FormPlain, award)
	canaries := b.batch(6, cards.FormPlain, award, func(b *cards.Batch) { b.Canaries = 3 })
	draws, err := b.f.Keys.Draws(canaries)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, batch := range []cards.Batch{active, froze} {
		for card, body := range []string{openid("winner"), phone("13900000000")} {
			if got := b.redeem(b.code(batch, card), nil, body); got.StatusCode != 200 {
				b.t.Fatalf("%d %s", got.StatusCode, got.Body)
			}
		}
	}
	settled := noon.Add(-cards.SettlingTime)
	b.put(table.DocumentBatch, froze.ID(), froze.Freeze("li", settled))
	over := closed.Add(cards.SettlingTime)
	return map[string]refusable{
		"unknown batch":          {cards.Code{KeyID: '1', Batch: 99}, noon, 404},
		"beyond its batch":       {active.Code(10), noon, 404},
		"canary":                 {canaries.Code(draws.Canaries()[0]), noon, 404},
		"created":                {in(2, cards.StateCreated).Code(0), noon, 404},
		"printed":                {in(3, cards.StatePrinted).Code(0), noon, 404},
		"received":               {in(4, cards.StateReceived).Code(0), noon, 404},
		"early":                  {active.Code(2), opened.Add(-time.Second), 404},
		"over, free":             {active.Code(2), over, 404},
		"over, another's":        {active.Code(0), over, 404},
		"over, kept for another": {active.Code(1), over, 404},
		"frozen, free":           {froze.Code(2), noon, 404},
		"frozen, another's":      {froze.Code(0), noon, 404},
		"another's":              {active.Code(0), noon, 409},
		"kept for another":       {active.Code(1), noon, 409},
	}
}

// A caller with a genuine code is refused after the same reads whatever the
// reason, by scan and by keyboard, as a newcomer, a member, a phone and a token;
// and so a page is shown or refused. The answer to a card that somebody else
// has is another, as it has to be.
func TestARefusalReadsTheSameWhateverTheReason(t *testing.T) {
	b := open(t)
	refused := b.refusables()
	known := b.enrol(loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: "known"})
	asJSON, asForm := map[string]string{"content-type": "application/json"}, map[string]string{"content-type": "application/x-www-form-urlencoded"}
	for _, request := range []struct {
		name, method, path, body string
		header                   map[string]string
		page                     bool
		scanned, typed           string
	}{
		{"a newcomer", "POST", "/redemption", openid("new"), asJSON, false, "strong[batch C I]", "strong[batch C L L I]"},
		{"a member", "POST", "/redemption", openid("known"), asJSON, false, "strong[batch C I]", "strong[batch C L L I]"},
		{"a phone", "POST", "/redemption", phone("13800000000"), asJSON, false, "strong[batch C]", "strong[batch C L L]"},
		{"a form", "POST", "", "phone=13800000000&consent=membership", asForm, false, "strong[batch C]", "strong[batch C L L]"},
		{"a token", "POST", "/redemption", "", nil, false, "strong[batch C]", "strong[batch C L L]"},
		{"a wrong form", "POST", "", "phone=1&consent=membership", asForm, true, "eventual[batch C]", "eventual[batch C L L]"},
		{"a page", "GET", "", "", nil, true, "eventual[batch C]", "eventual[batch C L L]"},
	} {
		answers := map[int]string{}
		for _, name := range slices.Sorted(maps.Keys(refused)) {
			card := refused[name]
			b.at(card.at)
			b.page("warm-up") // the program is read once a minute, whatever the code
			header := maps.Clone(request.header)
			if request.name == "a token" {
				header = b.bearer(known)
			}
			token, typed, err := b.f.Keys.Codec().Both(card.card)
			if err != nil {
				t.Fatal(err)
			}
			for code, want := range map[string]string{token: request.scanned, typed: request.typed} {
				b.from = "203.0.113." + fmt.Sprint(len(code)) // each form has its caller
				watch := &watched{Table: b.engine}
				b.f.Store.Table = watch
				var usage table.Usage
				got := b.send(table.WithUsage(t.Context(), &usage), request.method, "/c/"+code+request.path, header, request.body)
				b.f.Store.Table = b.engine
				asked := []string{want}
				if request.name == "a token" && strings.Contains(name, "kept") {
					asked = append(asked, "strong[I]") // whether it is their phone
				}
				if diff := cmp.Diff(asked, watch.asked); diff != "" {
					t.Errorf("%s, %s (%d letters): %s", name, request.name, len(code), diff)
				}
				if !request.page && got.StatusCode != card.status {
					t.Errorf("%s, %s: %d, want %d", name, request.name, got.StatusCode, card.status)
				}
				if seen := answers[got.StatusCode]; got.StatusCode == 404 && seen != "" && seen != outside(got) {
					t.Errorf("%s, %s, is told apart:\n%s\n%s", name, request.name, seen, outside(got))
				}
				answers[got.StatusCode] = outside(got)
				if code == token {
					t.Logf("%-13s %-23s %d: %d round trips, %v read units", request.name, name, got.StatusCode, usage.RoundTrips, usage.ReadUnits)
				}
			}
		}
	}
}

// outside is all that an answer shows.
func outside(r events.APIGatewayV2HTTPResponse) string {
	return fmt.Sprint(r.StatusCode, r.Headers, r.MultiValueHeaders, r.Cookies, r.Body)
}
