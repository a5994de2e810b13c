package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// held puts a batch of ten cards that give the prize, the first n of them held
// for the member, an hour apart, as redeemcard does.
func (b *brand) held(n int, prize cards.Prize, member loyalty.MemberID) cards.Batch {
	b.t.Helper()
	prize.Quantity = 10
	batch := cards.Batch{
		KeyID: "K", Number: 1, Name: "双十一", Count: 10, State: cards.StateActive,
		Arms: []cards.Arm{{Name: "a", Form: cards.FormPlain, Weight: 1, Prizes: []cards.Prize{prize}}},
	}
	if _, _, err := b.function.Store.CreateBatch(b.t.Context(), batch, "held"); err != nil {
		b.t.Fatal(err)
	}
	if member != "" {
		b.member(member, -1)
	}
	for card := range n {
		code, at := batch.Code(card), now.Add(time.Duration(card-n)*time.Hour)
		redemption := store.Redemption{
			Fact:  points.Fact{Kind: points.FactPrize, At: at, Member: member},
			Batch: batch.ID(), Card: card, Award: prize.Award, Hold: cards.HoldOpen,
		}
		if member == "" {
			redemption.Identity = loyalty.Identity{Kind: loyalty.IdentityPhone, Value: "phone-canary"}
		}
		hold := cards.HoldCard(code, prize.Award, member, cards.SuspectMany, at)
		if err := b.engine.Write(b.t.Context(), store.RedeemCard(code, redemption), store.PutHold(hold)); err != nil {
			b.t.Fatal(err)
		}
	}
	return batch
}

func holdPath(card int, more string) string {
	return fmt.Sprintf("/v1/card-holds/K-00001-%07d%s", card, more)
}

// sent tells apart the requests of one test.
var sent atomic.Int64

// by sends a request of an operator, each under a key of its own.
func (b *brand) by(token, path, body string) (int, string) {
	b.t.Helper()
	status, answer, _ := b.call(request{method: "POST", path: path, token: token, key: fmt.Sprint("by-", sent.Add(1)), body: body})
	return status, answer
}

func (b *brand) sameAs(before, what string) {
	b.t.Helper()
	if diff := cmp.Diff(before, b.snapshot(b.t)); diff != "" {
		b.t.Errorf("%s wrote: %s", what, diff)
	}
}

type shownHold struct {
	ID, State, Why string
	Card           int
	Member         string `json:"member_id"`
	Prize          struct {
		Kind  string
		Value any
	}
	Proposed, Decided *cards.Decision
}

func (b *brand) holdsIn(query string, limit int) (all []shownHold) {
	b.t.Helper()
	for cursor := ""; ; {
		status, answer, _ := b.call(request{method: "GET", path: fmt.Sprintf("/v1/card-holds?%s&limit=%d&cursor=%s", query, limit, cursor), token: adminToken})
		var page struct {
			Items []shownHold
			Next  string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(answer), &page); err != nil || status != http.StatusOK || len(page.Items) > limit {
			b.t.Fatalf("%d %s", status, answer)
		}
		if strings.Contains(answer, "canary") {
			b.t.Fatalf("the queue tells more than it should: %s", answer)
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

var worthless = cards.Prize{Award: cards.Award{Kind: cards.PrizePoints, Amount: 50}, Worth: 100}

func TestTheQueueOfHeldCards(t *testing.T) {
	b := open(t)
	b.held(7, worthless, "")
	for _, limit := range []int{1, 3, 50} {
		var ids []string
		for _, hold := range b.holdsIn("", limit) {
			ids = append(ids, hold.ID)
		}
		if len(ids) != 7 || !slices.IsSorted(ids) {
			t.Errorf("%d a page: %v, want the oldest first", limit, ids)
		}
	}
	want := shownHold{ID: "K-00001-0000003", State: "open", Why: "many_cards", Card: 4}
	want.Prize.Kind, want.Prize.Value = "points", 50.0
	if diff := cmp.Diff(want, b.holdsIn("state=open", 50)[3]); diff != "" {
		t.Error(diff)
	}
	var usage table.Usage
	if _, _, err := b.function.Store.Holds(table.WithUsage(t.Context(), &usage), cards.HoldOpen, false, 50, ""); err != nil || usage.ReadUnits > 2 || usage.RoundTrips != 2 {
		t.Errorf("the queue costs %+v, %v", usage, err)
	}
	for query, want := range map[string]int{"state=released": 0, "state=voided": 0, "appealed=true": 0} {
		if got := b.holdsIn(query, 50); len(got) != want {
			t.Errorf("%s: %v", query, got)
		}
	}
	_, li, _ := b.hands()
	if status, answer := b.by(li, holdPath(3, "/release"), ""); status != http.StatusOK || field(t, answer, "state") != "released" {
		t.Fatalf("%d %s", status, answer)
	}
	if got := b.holdsIn("state=released", 50); len(got) != 1 || got[0].Decided == nil || got[0].Decided.Operator != "li" {
		t.Errorf("released: %+v", got)
	}
	if got := b.holdsIn("", 50); len(got) != 6 {
		t.Errorf("%d are left", len(got))
	}
}

func TestReleasingGivesThePrizeOnce(t *testing.T) {
	b := open(t)
	b.held(1, cards.Prize{Award: cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}}, "m-1")
	_, li, wang := b.hands()
	first := ""
	for i, token := range []string{li, li, wang} {
		status, answer := b.by(token, holdPath(0, "/release"), "")
		if i == 0 {
			first = answer
		}
		if status != http.StatusOK || answer != first {
			t.Errorf("%d %s, first was %s", status, answer, first)
		}
	}
	payouts, _, err := b.function.Store.Payouts(t.Context(), cards.PayoutRequested, 10, "")
	if err != nil || len(payouts) != 1 || payouts[0].Bill != "HTK000010000000" || payouts[0].Member != "m-1" || payouts[0].Amount.Fen() != 188 {
		t.Errorf("the payouts are %+v, %v", payouts, err)
	}
	message := `{"type":"payout.due","bill":"HTK000010000000"}`
	if diff := cmp.Diff([]string{message, message, message}, b.payouts.bodies); diff != "" {
		t.Errorf("a repeat sends again what may have been lost: %s", diff)
	}
	before := b.snapshot(t)
	if status, answer := b.by(wang, holdPath(0, "/void"), `{"reason":"stolen"}`); status != http.StatusConflict || !strings.Contains(answer, "hold_settled") {
		t.Errorf("voiding what was released: %d %s", status, answer)
	}
	b.sameAs(before, "voiding what was released")
}

func TestADearPrizeIsVoidedByTwo(t *testing.T) {
	for name, c := range map[string]struct {
		prize cards.Prize
		two   bool
	}{
		"a cheap red packet":    {cards.Prize{Award: cards.Award{Kind: cards.PrizeRedPacket, Amount: 5_000}}, false},
		"a dear red packet":     {cards.Prize{Award: cards.Award{Kind: cards.PrizeRedPacket, Amount: 5_001}}, true},
		"a cheap gift":          {cards.Prize{Award: cards.Award{Kind: cards.PrizeGift, Text: "试用装"}, Worth: 5_000}, false},
		"a dear gift":           {cards.Prize{Award: cards.Award{Kind: cards.PrizeGift, Text: "试用装"}, Worth: 5_001}, true},
		"a gift of some worth":  {cards.Prize{Award: cards.Award{Kind: cards.PrizeGift, Text: "试用装"}}, true},
		"a coupon of no terms":  {cards.Prize{Award: cards.Award{Kind: cards.PrizeCoupon, Text: "t-1"}}, true},
		"points, few":           {cards.Prize{Award: cards.Award{Kind: cards.PrizePoints, Amount: 1_000}}, false},
		"points, many":          {cards.Prize{Award: cards.Award{Kind: cards.PrizePoints, Amount: 1_001}}, true},
		"points of known worth": {cards.Prize{Award: cards.Award{Kind: cards.PrizePoints, Amount: 1_001}, Worth: 5_000}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.held(1, c.prize, "m-1")
			_, li, wang := b.hands()
			void := func(token, reason string, want int) shownHold {
				t.Helper()
				status, answer := b.by(token, holdPath(0, "/void"), `{"reason":"`+reason+`"}`)
				if status != want {
					t.Fatalf("%d %s", status, answer)
				}
				var hold shownHold
				if err := json.Unmarshal([]byte(answer), &hold); err != nil {
					t.Fatal(err)
				}
				return hold
			}
			if !c.two {
				if hold := void(li, "stolen", 200); hold.State != "voided" || hold.Decided.Operator != "li" || hold.Decided.Approved != "" {
					t.Errorf("%+v", hold)
				}
				return
			}
			void(li, "stolen", 202)
			void(li, "stolen", 202)
			void(li, "returned", 202) // they changed their mind
			void(wang, "stolen", 409) // another reason
			if hold := void(wang, "returned", 200); hold.State != "voided" || hold.Decided.Operator != "li" || hold.Decided.Approved != "wang" {
				t.Errorf("%+v", hold)
			}
			void(li, "returned", 200)
			void(li, "stolen", 409)
			before := b.snapshot(t)
			if status, answer := b.by(wang, holdPath(0, "/release"), ""); status != 409 {
				t.Errorf("releasing what is void: %d %s", status, answer)
			}
			b.sameAs(before, "releasing what is void")
			if held, err := b.function.Store.HeldCard(t.Context(), cards.Code{KeyID: 'K', Batch: 1}); err != nil || held.Redemption.Void != cards.VoidReturned {
				t.Errorf("%+v %v", held, err)
			}
		})
	}
}

// A release beats a void that only one proposed.
func TestAProposedVoidIsReleased(t *testing.T) {
	b := open(t)
	b.held(1, cards.Prize{Award: cards.Award{Kind: cards.PrizePoints, Amount: 5_000}}, "m-1")
	_, li, wang := b.hands()
	if status, answer := b.by(li, holdPath(0, "/void"), `{"reason":"stolen"}`); status != 202 {
		t.Fatalf("%d %s", status, answer)
	}
	if status, answer := b.by(wang, holdPath(0, "/release"), ""); status != 200 || strings.Contains(answer, "proposed") {
		t.Fatalf("%d %s", status, answer)
	}
	if account, err := b.function.Store.Account(t.Context(), "m-1"); err != nil || account.Balance.Available != 5_000 {
		t.Errorf("%+v %v", account.Balance, err)
	}
}

func TestWhoMayNotDecideHolds(t *testing.T) {
	b := open(t)
	b.held(1, worthless, "m-1")
	integration, li, _ := b.hands()
	_, answer := b.post("/v1/operators", "viewer", `{"name":"zhao","role":"viewer"}`)
	viewer := field(t, answer, "token")
	before := b.snapshot(t)
	for name, c := range map[string]struct {
		token, path, body string
		status            int
	}{
		"a viewer":               {viewer, holdPath(0, "/release"), "", 403},
		"an integration":         {integration, holdPath(0, "/void"), `{"reason":"stolen"}`, 403},
		"nobody":                 {"", holdPath(0, "/release"), "", 401},
		"without a reason":       {li, holdPath(0, "/void"), `{}`, 400},
		"for any reason":         {li, holdPath(0, "/void"), `{"reason":"I do not like them"}`, 400},
		"a card nobody redeemed": {li, holdPath(5, "/release"), "", 404},
		"of an unknown batch":    {li, "/v1/card-holds/K-00009-0000000/void", `{"reason":"stolen"}`, 404},
		"no id":                  {li, "/v1/card-holds/K-1-0/release", "", 404},
		"another way to write":   {li, "/v1/card-holds/K00001-0000000/release", "", 404},
		"a free card, no reason": {li, "/v1/card-batches/K-00001/cards/3/void", `{}`, 400},
		"a card beyond":          {li, "/v1/card-batches/K-00001/cards/11/void", `{"reason":"stolen"}`, 404},
		"card nought":            {li, "/v1/card-batches/K-00001/cards/0/void", `{"reason":"stolen"}`, 400},
		"of no batch":            {li, "/v1/card-batches/K-00009/cards/1/void", `{"reason":"stolen"}`, 404},
		"a redeemed card":        {li, "/v1/card-batches/K-00001/cards/1/void", `{"reason":"stolen"}`, 409},
	} {
		if status, answer := b.by(c.token, c.path, c.body); status != c.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	b.sameAs(before, "who may not")
}

// Twenty decisions at once: one outcome, which all later answers tell.
func TestOperatorsDecideAHoldAtOnce(t *testing.T) {
	for range 10 {
		b := open(t)
		b.held(1, worthless, "m-1")
		_, li, wang := b.hands()
		statuses := make([]int, 20)
		var wait sync.WaitGroup
		for i := range statuses {
			wait.Go(func() {
				path, body, token := "/release", "", li
				if i%2 == 1 {
					path, body, token = "/void", `{"reason":"stolen"}`, wang
				}
				statuses[i], _, _ = b.call(request{method: "POST", path: holdPath(0, path), token: token, key: fmt.Sprint("at-once-", i), body: body})
			})
		}
		wait.Wait()
		held, err := b.function.Store.HeldCard(t.Context(), cards.Code{KeyID: 'K', Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		account, err := b.function.Store.Account(t.Context(), "m-1")
		if err != nil {
			t.Fatal(err)
		}
		want, has := loyalty.Points(0), 1
		if held.Hold.State() == cards.HoldReleased {
			want, has = 50, 0
		}
		for i, status := range statuses {
			if status == http.StatusServiceUnavailable {
				continue
			}
			if ok := i%2 == has; ok && status != 200 || !ok && status != 409 {
				t.Errorf("%s: call %d got %d", held.Hold.State(), i, status)
			}
		}
		if account.Balance.Available != want || account.Turnover.Issued != want {
			t.Errorf("%s: %+v", held.Hold.State(), account.Balance)
		}
	}
}

func TestAFreeCardIsVoidedForGood(t *testing.T) {
	b := open(t)
	batch := b.held(1, worthless, "m-1")
	_, li, wang := b.hands()
	const path = "/v1/card-batches/K-00001/cards/3/void"
	_, first := b.by(li, path, `{"reason":"leaked"}`)
	if status, again := b.by(wang, path, `{"reason":"leaked"}`); status != 200 || again != first || field(t, first, "operator") != "li" {
		t.Errorf("%d %s, first was %s", status, again, first)
	}
	if status, answer := b.by(wang, path, `{"reason":"stolen"}`); status != 409 || !strings.Contains(answer, "card_voided") {
		t.Errorf("%d %s", status, answer)
	}
	for _, secret := range []string{"points", "50"} {
		if strings.Contains(first, secret) {
			t.Errorf("the answer tells what the card would have won: %s", first)
		}
	}
	if _, answer := b.by(li, "/v1/card-batches/K-00001/cards/1/void", `{"reason":"leaked"}`); !strings.Contains(answer, "card_redeemed") {
		t.Error(answer)
	}
	look, err := b.function.Store.LookAtCard(t.Context(), table.Strong, batch.Code(2), loyalty.Identity{})
	if err != nil || !look.Closed {
		t.Errorf("%+v %v", look, err)
	}
	if err := b.engine.Write(t.Context(), store.RedeemCard(batch.Code(2), store.Redemption{})); !store.Refused(err) {
		t.Errorf("a voided card was redeemed: %v", err)
	}
	items, err := b.engine.Get(t.Context(), table.Strong, table.CardKey("K-00001", 2))
	if err != nil || items[0].Has(table.ExpiresAttribute) {
		t.Errorf("a void ends by itself: %v %v", items, err)
	}
}

// A card that is held or void has cost nothing and has no winner to announce.
func TestAHeldCardIsNoWinnersAndCostsNothing(t *testing.T) {
	for _, state := range append([]cards.HoldState{""}, cards.HoldStates...) {
		b := open(t)
		batch, draws := b.opened(dear(8))
		card := draws.Holder(1, 1, 0)
		redemption := store.Redemption{
			Batch: batch.ID(), Card: card, Arm: 1, Award: draws.Award(card), Hold: state,
			Fact: points.Fact{Kind: points.FactPrize, At: now, Member: "m-1"},
		}
		b.member("m-1", -1)
		if err := b.engine.Write(t.Context(), store.RedeemCard(batch.Code(card), redemption)); err != nil {
			t.Fatal(err)
		}
		won, spent := 1, int64(120_000)
		if redemption.Suspended() {
			won, spent = 0, 0
		}
		if winners, _ := b.winners(batch, 10); len(winners) != won {
			t.Errorf("%q: %+v", state, winners)
		}
		if result, answer := b.result(batch.ID(), "?by=redeemed"); result.Arms[1].Redeemed.Count != 1 || result.Arms[1].Spent != spent {
			t.Errorf("%q: %s", state, answer)
		}
	}
}
