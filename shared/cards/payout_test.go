package cards_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
)

var wonAt = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func requested(t *testing.T) cards.Payout {
	t.Helper()
	payout, err := cards.RequestPayout(cards.Code{KeyID: 'K', Batch: 7, Card: 3}, cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}, "m", loyalty.Identity{}, wonAt)
	if err != nil {
		t.Fatal(err)
	}
	return payout
}

func refusalOf(err error) string {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	switch {
	case !ok:
		return ""
	case len(refusal.Fields) > 0:
		return refusal.Fields[0].Code
	}
	return refusal.Code
}

// The type stops what is no red packet: yuan taken for fen, or the other way
// round, a negative sum, and more than the platform lets one packet hold.
func TestAPacketHasItsBounds(t *testing.T) {
	for fen, ok := range map[loyalty.Fen]bool{
		-188: false, 0: false, 1: false, 99: false, 100: true, 188: true, 20_000: true, 20_001: false, 18_800 * 100: false,
	} {
		packet, err := cards.NewPacket(fen)
		if ok != (err == nil) || ok && packet.Fen() != fen {
			t.Errorf("%d fen: %v, %v", fen, packet, err)
		}
		raw, _ := json.Marshal(fen)
		var read cards.Packet
		if err := json.Unmarshal(raw, &read); ok != (err == nil) || ok && read != packet {
			t.Errorf("%s read as %v, %v", raw, read, err)
		}
	}
	if raw, err := json.Marshal(cards.Packet{}); err == nil {
		t.Errorf("no money is written as %s", raw)
	}
}

func TestBillsNameOneCardEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := cards.Code{
			KeyID: cards.Alphabet[rapid.IntRange(0, 31).Draw(t, "key")],
			Batch: rapid.IntRange(0, cards.MaxBatches-1).Draw(t, "batch"), Card: rapid.IntRange(0, cards.MaxCount-1).Draw(t, "card"),
		}
		bill := code.Bill()
		if back, ok := cards.ParseBill(string(bill)); !ok || back != code || len(bill) > 32 {
			t.Fatalf("%+v has the bill %s, which is %+v, %v", code, bill, back, ok)
		}
		if back, err := cards.ReadPayoutMessage(bill.Message()); err != nil || back != code {
			t.Fatalf("%s in a message is %+v, %v", bill, back, err)
		}
	})
	for _, text := range []string{
		"", "HT", "HTK00007000000", "HTK0000700000030", "htK000070000003", "HTU000070000003", "HTK00007000000x", "HTK999990000003", "HTK000079999999",
		"HTK0000７000003", "HTK+00070000003",
	} {
		if code, ok := cards.ParseBill(text); ok {
			t.Errorf("%q is the bill of %+v", text, code)
		}
	}
}

func TestOnlyARedPacketIsPaidOut(t *testing.T) {
	for _, award := range []cards.Award{{Kind: cards.PrizePoints, Amount: 188}, {Kind: cards.PrizeNone}, {Kind: cards.PrizeRedPacket}, {Kind: cards.PrizeRedPacket, Amount: -188}, {Kind: cards.PrizeRedPacket, Amount: 20_001}} {
		if _, err := cards.RequestPayout(cards.Code{KeyID: 'K'}, award, "m", loyalty.Identity{}, wonAt); loyalty.KindOf(err) != loyalty.KindInvalid || err == nil {
			t.Errorf("%+v: %v", award, err)
		}
	}
}

// A recipient is an openid that redeemed the card, never a phone's token.
func TestWhoIsPaid(t *testing.T) {
	for kind, want := range map[loyalty.IdentityKind]bool{
		loyalty.IdentityOpenID: true, loyalty.IdentityPhone: false, loyalty.IdentityBuyer: false, loyalty.IdentityUnionID: false, "": false,
	} {
		identity := loyalty.Identity{Kind: kind, Channel: "wx-app-1", Value: "v"}
		payout, err := cards.RequestPayout(cards.Code{KeyID: 'K'}, cards.Award{Kind: cards.PrizeRedPacket, Amount: 100}, "m", identity, wonAt)
		if err != nil {
			t.Fatal(err)
		}
		if got := payout.Order().Recipient; want != (got != nil) || want && *got != identity {
			t.Errorf("%s: recipient %+v", kind, got)
		}
	}
}

func TestWordsOfAPayer(t *testing.T) {
	open := requested(t)
	amount := open.Amount
	word := func(outcome cards.Outcome, reference, code string) cards.PayoutAnswer {
		return cards.PayoutAnswer{Bill: open.Bill, Amount: amount, Outcome: outcome, Reference: reference, Code: code}
	}
	paid, failed, accepted := word(cards.OutcomePaid, "r", ""), word(cards.OutcomeFailed, "", "c"), word(cards.OutcomeAccepted, "", "")
	if _, err := open.Hear(paid, "erp", wonAt); refusalOf(err) != "payout_not_asked" {
		t.Errorf("before anybody asked: %v", err)
	}
	asked := open.Ask(wonAt)
	for name, test := range map[string]struct {
		words []cards.PayoutAnswer
		state cards.PayoutState
		code  string // of the refusal of the last one
	}{
		"paid":                    {[]cards.PayoutAnswer{paid}, cards.PayoutPaid, ""},
		"paid twice":              {[]cards.PayoutAnswer{paid, paid}, cards.PayoutPaid, ""},
		"accepted":                {[]cards.PayoutAnswer{accepted, accepted}, cards.PayoutPaying, ""},
		"accepted, then paid":     {[]cards.PayoutAnswer{accepted, paid}, cards.PayoutPaid, ""},
		"paid, then accepted":     {[]cards.PayoutAnswer{paid, accepted}, cards.PayoutPaid, ""},
		"came back unclaimed":     {[]cards.PayoutAnswer{accepted, failed, failed}, cards.PayoutFailed, ""}, // reported twice, credited never
		"failed, then paid":       {[]cards.PayoutAnswer{failed, paid}, cards.PayoutFailed, "payout_settled"},
		"paid, then failed":       {[]cards.PayoutAnswer{paid, failed}, cards.PayoutPaid, "payout_settled"},
		"paid without a number":   {[]cards.PayoutAnswer{word(cards.OutcomePaid, "", "")}, cards.PayoutPaying, "required"},
		"failed without a code":   {[]cards.PayoutAnswer{word(cards.OutcomeFailed, "r", "")}, cards.PayoutPaying, "required"},
		"a code of several lines": {[]cards.PayoutAnswer{word(cards.OutcomeFailed, "", "a\nb")}, cards.PayoutPaying, "required"},
		"another state":           {[]cards.PayoutAnswer{word("not_found", "", "")}, cards.PayoutPaying, "unknown"},
		"another bill":            {[]cards.PayoutAnswer{{Bill: "HTK000070000004", Amount: amount, Outcome: cards.OutcomePaid, Reference: "r"}}, cards.PayoutPaying, "bill_differs"},
		"another amount":          {[]cards.PayoutAnswer{{Bill: open.Bill, Outcome: cards.OutcomePaid, Reference: "r"}}, cards.PayoutPaying, "amount_differs"},
	} {
		payout := asked
		var err error
		for _, word := range test.words {
			payout, err = payout.Hear(word, "erp", wonAt.Add(time.Hour))
		}
		if payout.State() != test.state || refusalOf(err) != test.code {
			t.Errorf("%s: %s, %v", name, payout.State(), err)
		}
	}
	if len(asked.Steps) != 2 || len(open.Steps) != 1 {
		t.Error("a step was written into what others hold")
	}
}

func TestByHand(t *testing.T) {
	at := wonAt.Add(time.Hour)
	by := func(operator string, state cards.PayoutState, reference string) cards.Resolution {
		return cards.Resolution{State: state, Reference: reference, Reason: "looked it up", Operator: operator, At: at}
	}
	asked := requested(t).Ask(wonAt)
	proposed, err := asked.Resolve(by("li", cards.PayoutPaid, "r-1"))
	if err != nil || proposed.State() != cards.PayoutPaying || proposed.Due(at.AddDate(1, 0, 0)) || !asked.Due(at.AddDate(1, 0, 0)) {
		t.Fatalf("proposed: %+v, %v", proposed, err)
	}
	for name, test := range map[string]struct {
		wish cards.Resolution
		code string
	}{
		"another end":       {by("wang", cards.PayoutFailed, ""), "resolution_differs"},
		"another reference": {by("wang", cards.PayoutPaid, "r-2"), "resolution_differs"},
		"their own again":   {by("li", cards.PayoutPaid, "r-1"), ""},
		"no end":            {by("wang", cards.PayoutPaying, "r-1"), "unknown"},
		"no reference":      {by("wang", cards.PayoutPaid, ""), "required"},
		"no reason":         {cards.Resolution{State: cards.PayoutPaid, Reference: "r-1", Operator: "wang", At: at}, "required"},
		"too soon":          {cards.Resolution{State: cards.PayoutPaid, Reference: "r-1", Reason: "in a hurry", Operator: "wang", At: wonAt.Add(30 * time.Second)}, "payout_in_flight"},
	} {
		if got, err := proposed.Resolve(test.wish); got.State() != cards.PayoutPaying || refusalOf(err) != test.code {
			t.Errorf("%s: %s, %v", name, got.State(), err)
		}
	}
	ended, err := proposed.Resolve(by("wang", cards.PayoutPaid, "r-1"))
	if err != nil || ended.State() != cards.PayoutPaid {
		t.Fatalf("%s, %v", ended.State(), err)
	}
	if last := ended.Steps[2]; last.By != "li" || last.Approved != "wang" || last.Reason != "looked it up" {
		t.Errorf("the evidence is %+v", last)
	}
	if again, err := ended.Resolve(by("zhao", cards.PayoutPaid, "r-1")); err != nil || len(again.Steps) != 3 {
		t.Errorf("again: %v", err)
	}
	if _, err := ended.Resolve(by("zhao", cards.PayoutFailed, "")); refusalOf(err) != "payout_settled" {
		t.Errorf("against the end: %v", err)
	}
	if _, err := ended.Withdraw(); refusalOf(err) != "payout_settled" {
		t.Errorf("withdrawn after the end: %v", err)
	}
	if back, err := proposed.Withdraw(); err != nil || !back.Due(at) {
		t.Errorf("withdrawn: %v", err)
	}
}

// The payer is asked ever more seldom, and never less than daily.
func TestPatience(t *testing.T) {
	payout, at := requested(t), wonAt
	var waits []time.Duration
	for range 12 {
		payout = payout.Ask(at)
		waits = append(waits, payout.NextAsk.Sub(at))
		if payout.Due(payout.NextAsk.Add(-time.Second)) || !payout.Due(payout.NextAsk) {
			t.Fatal("due at another time than it says")
		}
		at = payout.NextAsk
	}
	if waits[0] != 10*time.Minute || waits[1] != 20*time.Minute || waits[11] != 24*time.Hour || len(payout.Steps) != 2 {
		t.Errorf("waits %v, %d steps", waits, len(payout.Steps))
	}
}

// Somebody who knows better than the patience has the payer asked at once, and
// changes nothing else.
func TestAPayoutIsHastened(t *testing.T) {
	asked := requested(t).Ask(wonAt).Ask(wonAt.Add(time.Hour)) // patience until 1:20
	proposed, err := asked.Resolve(cards.Resolution{State: cards.PayoutFailed, Reason: "account closed", Operator: "li", At: wonAt})
	if err != nil {
		t.Fatal(err)
	}
	ended, err := asked.Hear(cards.PayoutAnswer{Bill: asked.Bill, Amount: asked.Amount, Outcome: cards.OutcomePaid, Reference: "r"}, cards.ByPayer, wonAt)
	if err != nil {
		t.Fatal(err)
	}
	soon := wonAt.Add(time.Hour + time.Minute)
	for name, test := range map[string]struct {
		payout cards.Payout
		at     time.Time
		code   string
	}{
		"open":                 {asked, soon, ""},
		"never asked":          {requested(t), wonAt, ""},
		"due already":          {asked, wonAt.Add(3 * time.Hour), ""},
		"asked a second ago":   {asked, soon.Add(-time.Second), "payout_in_flight"},
		"being ended by hand":  {proposed, soon, "resolution_proposed"},
		"at its end, for good": {ended, soon, "payout_settled"},
	} {
		got, err := test.payout.Hasten(test.at)
		if refusalOf(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
		want := test.payout
		if test.code == "" && test.at.Before(want.NextAsk) {
			want.NextAsk = test.at
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(cards.Packet{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if test.code == "" && !got.Due(test.at) {
			t.Errorf("%s: not due", name)
		}
	}
}

func TestAGiftLeavesOnce(t *testing.T) {
	gift := cards.WinGift(cards.Code{KeyID: 'K', Batch: 7, Card: 3}, cards.Award{Kind: cards.PrizeGift, Text: "试用装"}, "m", wonAt)
	order := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1"}
	shipped, err := gift.Ship(order, "erp", wonAt.Add(time.Hour))
	if err != nil || gift.State() != cards.GiftPending || shipped.State() != cards.GiftShipped || shipped.ID != "K-00007-0000003" {
		t.Fatalf("%+v, %v", shipped, err)
	}
	if again, err := shipped.Ship(order, "other", wonAt.Add(2*time.Hour)); err != nil || again != shipped {
		t.Errorf("again: %+v, %v", again, err)
	}
	order.Order = "2"
	if _, err := shipped.Ship(order, "erp", wonAt); refusalOf(err) != "gift_shipped" {
		t.Errorf("with another order: %v", err)
	}
}
