package points_test

import (
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

var movingDay = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// An order that came as history earns nothing under the most generous rules,
// and a refund of it takes nothing back.
func TestHistoryEarnsNothing(t *testing.T) {
	rules := points.Rules{
		Rate: points.Rate{Points: 5, PerFen: 1}, Categories: map[string]points.Rate{"milk": {Points: 9, PerFen: 1}},
		Bonuses: points.Bonuses{Channels: map[loyalty.Channel]int64{"tmall": 100}, FirstOrder: 100}, ShippingEarns: true, GiftsEarn: true, StoredValueEarns: true,
		CapPerOrder: 10,
	}
	lines := []points.Line{{ID: "1", Category: "milk", Quantity: 2, Paid: 1_000, Shipping: 100, StoredValue: 10, History: true}, {ID: "2", Quantity: 1, Paid: 500, Gift: true, History: true}}
	frozen := rules.Freeze(points.Payment{Channel: "tmall", PaidAt: movingDay, Zone: time.UTC, Lines: lines, Buyer: &points.Buyer{FirstOrder: true}})
	for _, line := range frozen {
		if line.Granted() != 0 || len(line.Because) != 1 || line.Because[0] != points.ReasonHistory {
			t.Errorf("%+v", line)
		}
	}
	key := loyalty.OrderKey{Channel: "tmall", Shop: "s", Order: "1"}
	order := points.Replay(key, nil)
	window := points.Window{AfterPaymentDays: 30}
	post := func(news points.Fact) []points.Entry {
		t.Helper()
		fact, fresh, err := order.Decide(news, points.Account{Balance: points.Balance{Available: 3}, Now: movingDay})
		if err != nil || !fresh {
			t.Fatalf("%+v: %v, %v", news, fresh, err)
		}
		order = order.With(fact)
		return fact.Entries
	}
	for _, entry := range post(points.Fact{Kind: points.FactPaid, At: movingDay.AddDate(-1, 0, 0), Member: "m", Window: &window, Lines: frozen}) {
		if entry.Amount() != 0 || entry.Growth != nil {
			t.Errorf("%+v", entry)
		}
	}
	if !order.History() || !order.SettleAt().IsZero() {
		t.Errorf("history %v, settles %s", order.History(), order.SettleAt())
	}
	for _, news := range []points.Fact{
		{Kind: points.FactRefunded, At: movingDay, Refunds: []points.Refund{{ID: "r", Line: "1", Amount: 400}}},
		{Kind: points.FactCompleted, At: movingDay},
		{Kind: points.FactCancelled, At: movingDay},
	} {
		if entries := post(news); len(entries) != 0 {
			t.Errorf("%s: %+v", news.Kind, entries)
		}
	}
	if _, fresh, _ := order.Decide(points.Fact{Kind: points.FactSettled, At: movingDay.AddDate(1, 0, 0)}, points.Account{}); fresh {
		t.Error("it was settled")
	}
	// A line that a live event tells first earns and settles as ever.
	live := rules.Freeze(points.Payment{Channel: "tmall", PaidAt: movingDay, Zone: time.UTC, Lines: []points.Line{{ID: "3", Quantity: 1, Paid: 1}}})
	order = points.Replay(key, nil)
	post(points.Fact{Kind: points.FactPaid, At: movingDay, Member: "m", Window: &window, Lines: frozen})
	post(points.Fact{Kind: points.FactPaid, At: movingDay, Member: "m", Lines: live})
	if order.History() || order.SettleAt().IsZero() {
		t.Errorf("history %v, settles %s", order.History(), order.SettleAt())
	}
	if held, _ := order.Pending(); held != 10 {
		t.Errorf("pending %d", held)
	}
}
