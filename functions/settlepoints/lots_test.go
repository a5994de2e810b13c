package settlepoints_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// expiring opens a brand whose points are good to the end of the month after
// the one they became available in.
func expiring(t T) *brand {
	b := open(t)
	rules := program.Program{Version: 1, EffectiveAt: day(-30, 0, 0), Document: program.Default().Document}
	rules.Points.Expiry = &points.Expiry{Months: 1, EndOf: "month"}
	rules.Points.ReturnGraceDays = 7
	b.rules = []program.Program{rules}
	b.must(b.store.Table.Write(context.Background(), store.PutProgram(rules)))
	return b
}

func (b *brand) lots(member loyalty.MemberID, want ...points.Lot) {
	b.Helper()
	if diff := cmp.Diff(want, b.account(member).Lots); diff != "" {
		b.Errorf("lots of %s (-want +got):\n%s", member, diff)
	}
}

func (b *brand) reserve(member loyalty.MemberID, id string, amount loyalty.Points, at, until time.Time) error {
	_, err := ledger.Reserve(context.Background(), b.store, store.Reservation{
		Fact: points.Fact{At: at, Member: member}, ID: id, Points: amount, Reason: "exchange", ExpiresAt: until,
	})
	return err
}

func month(n time.Month) time.Time { return time.Date(2026, n, 1, 0, 0, 0, 0, shanghai) }

func TestPointsExpireWithTheirLot(t *testing.T) {
	b := expiring(t)
	b.enrol("m1")
	b.pay("m1", "1", 100, day(0, 10, 0)) // November 1st, settled on December 1st
	b.pay("m1", "2", 40, day(9, 10, 0))  // settled on December 10th
	b.pay("m1", "3", 7, day(40, 10, 0))  // December 11th, settled on January 10th
	february, march := month(14).UTC(), month(15).UTC()

	b.tick(day(30, 11, 0))
	b.expect("m1", 100, 47, 0, day(39, 10, 0))
	b.lots("m1", points.Lot{Until: february, Left: 100})
	b.tick(day(60, 23, 59)) // as late as December allows
	b.expect("m1", 140, 7, 0, day(70, 10, 0))
	b.lots("m1", points.Lot{Until: february, Left: 140})
	b.tick(day(70, 10, 0))
	b.expect("m1", 147, 0, 0, february)
	b.lots("m1", points.Lot{Until: february, Left: 140}, points.Lot{Until: march, Left: 7})

	b.must(b.reserve("m1", "v1", 30, day(80, 0, 0), day(81, 0, 0)))
	b.tick(february.Add(-time.Second)) // the reservation runs out, and its points go back to their lot
	b.lots("m1", points.Lot{Until: february, Left: 140}, points.Lot{Until: march, Left: 7})
	b.must(b.reserve("m1", "v2", 30, day(80, 0, 0), march))
	before := b.account("m1")
	if err := b.reserve("m1", "v3", 8, february, march); loyalty.KindOf(err) != loyalty.KindConflict {
		t.Errorf("spending what ended, before the schedule fired: %v", err)
	}
	if diff := cmp.Diff(before, b.account("m1")); diff != "" {
		t.Errorf("a refusal changed the account:\n%s", diff)
	}

	b.tick(february)
	b.expect("m1", 7, 0, 0, march)
	b.lots("m1", points.Lot{Until: february, Expired: 110}, points.Lot{Until: march, Left: 7})
	b.tick(february.Add(time.Hour))
	b.expect("m1", 7, 0, 0, march)

	// Points that were set aside come back after their end: they are good for a
	// week more.
	b.must(func() error {
		_, err := ledger.Cancel(context.Background(), b.store, "m1", "v2", february.AddDate(0, 0, 1))
		return err
	}())
	grace := february.AddDate(0, 0, 8)
	b.expect("m1", 37, 0, 0, grace)
	b.tick(grace)
	b.expect("m1", 7, 0, 0, march)

	// A refund takes what expired of its order's lot, and no other points.
	b.refund("1", "r1", 100, grace)
	b.expect("m1", 7, 0, 0, march)
	b.lots("m1", points.Lot{Until: february, Expired: 10}, points.Lot{Until: grace, Expired: 30}, points.Lot{Until: march, Left: 7})
	// 40 of the lot were never clawed back, 30 of them expired under another end.
	b.refund("2", "r2", 40, grace)
	b.expect("m1", 0, 0, 23, march)
	b.tick(march)
	b.expect("m1", 0, 0, 23, time.Time{})
}

// Two firings at once, and a spend between looking and letting go: nothing ends
// twice, and nothing that was spent.
func TestALotEndsOnce(t *testing.T) {
	b := expiring(t)
	b.enrol("m1")
	b.pay("m1", "1", 100, day(0, 10, 0))
	b.tick(day(30, 11, 0))
	looked := b.account("m1")
	february := month(14)
	b.must(b.reserve("m1", "v1", 30, february.Add(-time.Minute), month(16)))
	if ended, err := ledger.LetTimePass(context.Background(), b.store, b.rules[0], looked, 0, time.Time{}, february); ended != 0 || err != nil {
		t.Errorf("let %d points go as they were before a spend: %v", ended, err)
	}
	looked = b.account("m1")
	for i, want := range []loyalty.Points{70, 0} {
		if ended, err := ledger.LetTimePass(context.Background(), b.store, b.rules[0], looked, 0, time.Time{}, february); ended != want || err != nil {
			t.Errorf("firing %d let %d points go: %v", i, ended, err)
		}
	}
	b.expect("m1", 0, 0, 0, time.Time{})
}

// Points are good from when they became available, not from a time at which
// nobody had them.
func TestALateOwnersPointsAreGoodFromThenOn(t *testing.T) {
	b := expiring(t)
	b.enrol("m1")
	b.post("1", points.Fact{Kind: points.FactPaid, At: day(0, 10, 0), Lines: []points.Line{{ID: "1", Quantity: 1, Paid: 10_000}}})
	b.post("1", points.Fact{Kind: points.FactClaimed, At: day(120, 10, 0), Member: "m1"}) // March 1st
	b.tick(day(120, 11, 0))
	b.expect("m1", 100, 0, 0, month(17))
	b.lots("m1", points.Lot{Until: month(17).UTC(), Left: 100})
}

// Two spends of one lot, decided on the same account, both happen, as long as
// the lot keeps something; whoever would empty it has to look again.
func TestSpendsOfOneLotPassEachOther(t *testing.T) {
	b := expiring(t)
	b.enrol("m1")
	b.pay("m1", "1", 100, day(0, 10, 0))
	b.tick(day(30, 11, 0))
	looked, at := b.account("m1"), day(31, 0, 0)
	spend := func(id string, amount loyalty.Points, account store.Account) error {
		entry, err := points.Spend(id, amount, account.Points(at))
		b.must(err)
		changes, conditions := store.Credit([]points.Entry{entry}, account)
		reservation := store.Reservation{
			Fact: points.Fact{Kind: points.FactReserved, At: at, Member: "m1", Entries: []points.Entry{entry}}, ID: id, Points: amount, ExpiresAt: month(14),
		}
		return b.store.Table.Write(t.Context(), store.Reserve(reservation), store.UpdateAccount("m1", changes, conditions...))
	}
	for i, amount := range []loyalty.Points{40, 40} {
		if err := spend(string(rune('a'+i)), amount, looked); err != nil {
			t.Errorf("spend %d: %v", i, err)
		}
	}
	for i, amount := range []loyalty.Points{40, 21, 20, 100} {
		if err := spend(string(rune('p'+i)), amount, looked); !store.Refused(err) {
			t.Errorf("spending %d of the 20 that are left, decided on 100: %v", amount, err)
		}
	}
	b.must(spend("z", 20, b.account("m1")))
	b.expect("m1", 0, 0, 0, month(14).UTC())
	b.lots("m1")
}
