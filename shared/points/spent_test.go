package points_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// However a spending comes back, in pieces or at once, each lot has in the end
// what was taken of it, and what never ends is never put into a lot.
func TestPiecesOfASpendingComeBackToItsLots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		account := points.Account{Now: now}
		for month := range rapid.IntRange(0, 4).Draw(t, "lots") {
			left := loyalty.Points(rapid.IntRange(0, 20).Draw(t, "left"))
			account.Lots = append(account.Lots, points.Lot{Until: now.AddDate(0, month+1, 0), Left: left})
			account.Available += left
		}
		account.Available += loyalty.Points(rapid.IntRange(1, 20).Draw(t, "endless"))
		before := account.Plus(points.Entry{})
		all := loyalty.Points(rapid.IntRange(1, int(account.Available)).Draw(t, "spent"))
		entry, err := points.Spend("r", all, account)
		if err != nil {
			t.Fatal(err)
		}
		account = account.Plus(entry)
		spending := points.SpendingOf("m", "r", entry)
		ids := map[string]bool{}
		for back := loyalty.Points(0); back < all; {
			amount := loyalty.Points(rapid.IntRange(1, int(all-back)).Draw(t, "piece"))
			piece := spending.GiveBack(back, amount, now, account)
			if piece.Amount() != amount || ids[piece.ID] {
				t.Fatalf("%d points come back by %+v", amount, piece)
			}
			ids[piece.ID] = true
			account, back = account.Plus(piece), back+amount
		}
		if diff := cmp.Diff(before, account); diff != "" {
			t.Error(diff)
		}
	})
}

// An order that took no money, since points paid for all of it, gives back by the
// units that come back.
func TestAnOrderPaidByPointsAloneGivesBackByUnits(t *testing.T) {
	spending := points.Spending{Member: "m", Reservation: "r", Points: 101}
	order := points.Replay(loyalty.OrderKey{Channel: "tmall", Shop: "s", Order: "1"}, []points.Fact{
		{Kind: points.FactSpent, Spent: &spending},
		{Kind: points.FactPaid, Lines: []points.Line{{ID: "1", Quantity: 2}, {ID: "2", Quantity: 2}}},
	})
	if owed := order.Owed(); len(owed) != 0 {
		t.Errorf("before anything came back: %+v", owed)
	}
	one := order.With(points.Fact{Kind: points.FactRefunded, Refunds: []points.Refund{{ID: "a", Line: "1", Quantity: 1}}})
	if diff := cmp.Diff([]points.Owed{{Member: "m", Back: []points.Back{{Reservation: "r", Points: 25}}}}, one.Owed()); diff != "" {
		t.Error(diff)
	}
	all := order.With(points.Fact{Kind: points.FactCancelled})
	if diff := cmp.Diff([]points.Owed{{Member: "m", Back: []points.Back{{Reservation: "r", Points: 101}}}}, all.Owed()); diff != "" {
		t.Error(diff)
	}
}
