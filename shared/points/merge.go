package points

import (
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Absorb is the entry by which an account takes in all that another holds
// (会员合并): pending stays pending, every lot keeps its end, what expired counts
// as expired here too, and the debts add up. As ever, points that come in pay
// debt first, and debt that comes in is covered by what is available. covered is
// that last part of the entry, which Release needs. id is that of the merge.
func (a Account) Absorb(id string, part Account) (entry, covered Entry) {
	entry = Entry{ID: loyalty.JoinID("merge", id), Kind: EntryMerge, Pending: part.Pending}
	add := func(next Entry) {
		entry, a = entry.and(next), a.Plus(next)
	}
	for _, lot := range part.Lots {
		if a.ended(lot) { // pays nothing any more, and waits for the schedule here too
			add(Entry{Available: lot.Left, Lots: []Share{{Until: lot.Until, Points: lot.Left}}})
		} else {
			add(a.credit(Entry{}, lot.Left, &lot.Until))
		}
		add(Entry{Lots: []Share{{Until: lot.Until, Expired: lot.Expired}}})
	}
	add(a.credit(Entry{}, part.endless(), nil))
	covered, rest := a.spend(Entry{}, part.Debt)
	covered.Debt += rest
	add(covered)
	return entry, covered
}

// Release is the entry by which an account lets go of what another holds that
// it took in with Absorb (撤销合并). part is the other as it stands now, with all
// that its own orders brought and took since. The points of it that were spent
// meanwhile are taken from the rest of this account and become its debt beyond
// that. Debt that leaves comes back to the lots that had covered it, as far as
// covered tells, and else is good until the time given, nil for ever.
func (a Account) Release(id string, part Account, covered Entry, until *time.Time) Entry {
	entry := Entry{ID: loyalty.JoinID("unmerge", id), Kind: EntryUnmerge, Pending: -part.Pending}
	debt := part.Debt
	add := func(next Entry) {
		entry, a = entry.and(next), a.Plus(next)
	}
	giveBack := func(most loyalty.Points, until *time.Time) {
		back := min(debt, most)
		add(a.credit(Entry{}, back, until))
		debt -= back
	}
	giveBack(a.Debt, nil)
	endless := -covered.Available
	for _, share := range covered.Lots {
		giveBack(-share.Points, &share.Until)
		endless += share.Points
	}
	giveBack(endless, nil)
	giveBack(debt, until)

	for _, lot := range part.Lots {
		add(a.takeBack(Entry{}, lot.Left, &lot.Until))
		had, _ := a.lot(&lot.Until)
		if expired := min(lot.Expired, had.Expired); expired > 0 {
			add(Entry{Lots: []Share{{Until: lot.Until, Expired: -expired}}})
			lot.Expired -= expired
		}
		add(a.takeBack(Entry{}, lot.Expired, &lot.Until))
	}
	add(a.takeBack(Entry{}, part.endless(), nil))
	return entry
}

// and joins the effects of two entries in one.
func (e Entry) and(next Entry) Entry {
	e.Available += next.Available
	e.Pending += next.Pending
	e.Debt += next.Debt
	for _, share := range next.Lots {
		if share.Points != 0 || share.Expired != 0 {
			e.Lots = append(e.Lots, share)
		}
	}
	return e
}
