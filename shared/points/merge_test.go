package points

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
)

// anAccount has points and no debt that they should have paid, or debt and no
// points but those that nobody may spend any more.
func anAccount(t *rapid.T, name string, now time.Time) Account {
	a := Account{Now: now}
	amount := rapid.Int64Range(0, 50)
	indebted := rapid.Bool().Draw(t, name+" indebted")
	for month := range 5 {
		until := now.AddDate(0, month-1, 0)
		lot := Lot{Until: until}
		if month < 2 {
			lot.Expired = loyalty.Points(amount.Draw(t, name+" expired"))
		}
		if !indebted || month < 2 {
			lot.Left = loyalty.Points(amount.Draw(t, name+" left"))
		}
		if lot != (Lot{Until: until}) && rapid.Bool().Draw(t, name+" has the lot") {
			a.Lots = append(a.Lots, lot)
			a.Available += lot.Left
		}
	}
	a.Pending = loyalty.Points(amount.Draw(t, name+" pending"))
	if indebted {
		a.Debt = loyalty.Points(amount.Draw(t, name+" debt"))
	} else {
		a.Available += loyalty.Points(amount.Draw(t, name+" without an end"))
	}
	return a
}

func (a Account) holds() loyalty.Points {
	sum := a.Available + a.Pending - a.Debt
	for _, lot := range a.Lots {
		sum += lot.Expired
	}
	return sum
}

func (a Account) check(t *rapid.T, what string) {
	left := loyalty.Points(0)
	for _, lot := range a.Lots {
		left += lot.Left
		if lot.Left < 0 || lot.Expired < 0 {
			t.Fatalf("%s: lot %+v", what, lot)
		}
	}
	if a.Available < left || a.Pending < 0 || a.Debt < 0 {
		t.Fatalf("%s: %+v", what, a)
	}
}

// An account that was absorbed is released to the point, whatever either had,
// owed or had lost.
func TestAbsorbAndReleaseAreInverse(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	until := now.AddDate(1, 0, 0)
	rapid.Check(t, func(t *rapid.T) {
		before, part := anAccount(t, "whole", now), anAccount(t, "part", now)
		entry, covered := before.Absorb("x", part)
		whole := before.Plus(entry)
		whole.check(t, "together")
		if whole.holds() != before.holds()+part.holds() || entry.Amount() != part.holds() {
			t.Fatalf("%d and %d make %d", before.holds(), part.holds(), whole.holds())
		}
		if spendable := whole.Spendable(); spendable > 0 && whole.Debt > 0 {
			t.Fatalf("%d may be spent while %d is owed", spendable, whole.Debt)
		}
		after := whole.Plus(whole.Release("y", part, covered, &until))
		after.check(t, "apart")
		after.Lots = slices.DeleteFunc(after.Lots, func(lot Lot) bool { return lot.Left == 0 && lot.Expired == 0 })
		if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-before +after):\n%s", diff)
		}
	})
}

// Whatever the whole and the part became meanwhile, nothing is made and nothing
// vanishes, and no lot gives more than it has.
func TestReleaseTakesWhatThePartHolds(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	until := now.AddDate(1, 0, 0)
	rapid.Check(t, func(t *rapid.T) {
		whole, part, was := anAccount(t, "whole", now), anAccount(t, "part", now), anAccount(t, "part then", now)
		part.Pending = min(part.Pending, whole.Pending)
		_, covered := anAccount(t, "whole then", now).Absorb("x", was)
		after := whole.Plus(whole.Release("y", part, covered, &until))
		after.check(t, "apart")
		if after.holds() != whole.holds()-part.holds() {
			t.Fatalf("%d without %d makes %d", whole.holds(), part.holds(), after.holds())
		}
	})
}
