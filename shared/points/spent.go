package points

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Spending is points that a member spent on an order by a reservation (积分抵扣).
// The member need not be the order's owner, and the order need not have one.
type Spending struct {
	Member      loyalty.MemberID `json:"member"`
	Reservation string           `json:"reservation"`
	Points      loyalty.Points   `json:"points"`
	Lots        []Share          `json:"lots,omitempty"` // what of Points came from lots, below zero as in the spending's entry
}

// SpendingOf is the spending of a reservation's entry (see Spend).
func SpendingOf(member loyalty.MemberID, reservation string, entry Entry) Spending {
	return Spending{member, reservation, -entry.Available, entry.Lots}
}

// Back is a part of a spending that comes back.
type Back struct {
	Reservation string         `json:"reservation"`
	Points      loyalty.Points `json:"points"`
}

// Owed is what an order's refunds give back to one member and have not yet:
// points of reservations that paid for it.
type Owed struct {
	Member loyalty.MemberID
	Back   []Back
}

// spent is a spending on an order, and what of it came back.
type spent struct {
	Spending
	back loyalty.Points
}

// GiveBack is the entry by which points of a spending come back, after so many of
// it that did before: those that were taken last come first, which have no end or
// the latest. See Return for their ends.
func (s Spending) GiveBack(before, amount loyalty.Points, grace time.Time, account Account) Entry {
	id := loyalty.JoinID(s.Reservation, strconv.FormatInt(int64(before+amount), 10))
	return Return(id, s.between(before, before+amount), grace, account)
}

// between is the part of the spending's entry from one of its points to another,
// counted from the one that was taken last.
func (s Spending) between(from, to loyalty.Points) Entry {
	part := Entry{Available: from - to}
	at := s.Points
	for _, share := range s.Lots {
		at += share.Points
	}
	for _, share := range slices.Backward(s.Lots) {
		if taken := min(to, at-share.Points) - max(from, at); taken > 0 {
			part.Lots = append(part.Lots, Share{Until: share.Until, Points: -taken})
		}
		at -= share.Points
	}
	slices.Reverse(part.Lots)
	return part
}

// Owed lists what the order's refunds give back and have not yet, of each member
// who spent points on it: in all, the share of the points that refunds are of the
// money paid, rounded down once over all that the member spent. Points that came
// back stay, also where a line that is told late makes the refunds a smaller
// share. Of a member's reservations the one that was committed first comes back
// first.
func (o *Order) Owed() []Owed {
	var owed []Owed
	for i, first := range o.spent {
		if slices.ContainsFunc(o.spent[:i], func(s spent) bool { return s.Member == first.Member }) {
			continue
		}
		var all, back loyalty.Points
		for _, s := range o.spent[i:] {
			if s.Member == first.Member {
				all, back = all+s.Points, back+s.back
			}
		}
		of := Owed{Member: first.Member}
		due := o.shareRefunded(all) - back
		for _, s := range o.spent[i:] {
			if amount := min(due, s.Points-s.back); s.Member == first.Member && amount > 0 {
				of.Back = append(of.Back, Back{s.Reservation, amount})
				due -= amount
			}
		}
		if len(of.Back) > 0 {
			owed = append(owed, of)
		}
	}
	return owed
}

// OwesAfter tells whether points have to come back once the fact is in the log.
func (o *Order) OwesAfter(fact Fact) bool {
	return len(o.spent) > 0 && len(o.With(fact).Owed()) > 0
}

// GiveBack is the fact by which the order gives a member what it owes them. account
// is theirs; points of lots that ended are good until grace. Nil for a member who
// was erased: then the fact notes that nothing has to come back any more.
func (o *Order) GiveBack(owed Owed, at, grace time.Time, account *Account) Fact {
	fact := Fact{Kind: FactReturned, At: at, Member: owed.Member, Back: owed.Back}
	if account == nil {
		return fact
	}
	now := *account
	for _, back := range owed.Back {
		s := o.spending(back.Reservation)
		entry := s.GiveBack(s.back, back.Points, grace, now)
		fact.Entries, now = append(fact.Entries, entry), now.Plus(entry)
	}
	return fact
}

// shareRefunded is what of an amount of points the refunds are of the money paid;
// of an order that took no money, what the units that came back are of all units.
func (o *Order) shareRefunded(amount loyalty.Points) loyalty.Points {
	if o.Cancelled {
		return amount
	}
	var paid, refunded, units, returned int64
	for _, line := range o.lines {
		paid, refunded = saturated(paid, int64(line.Paid)), saturated(refunded, int64(o.refunded(line)))
		units, returned = saturated(units, line.Quantity), saturated(returned, o.returned(line))
	}
	if paid == 0 {
		paid, refunded = units, returned
	}
	switch {
	case paid == 0:
		return 0
	case refunded >= paid:
		return amount
	}
	high, low := bits.Mul64(uint64(amount), uint64(refunded))
	share, _ := bits.Div64(high, low, uint64(paid))
	return loyalty.Points(share)
}

// saturated adds what is above zero, and stays within an int64.
func saturated(sum, more int64) int64 { return sum + min(max(0, more), math.MaxInt64-sum) }

func (o *Order) spending(reservation string) *spent {
	for i := range o.spent {
		if o.spent[i].Reservation == reservation {
			return &o.spent[i]
		}
	}
	return nil
}

// spend takes from a fact what was spent on the order, or came back.
func (o *Order) spend(fact Fact) {
	switch fact.Kind {
	case FactSpent:
		o.spent = append(slices.Clip(o.spent), spent{Spending: *fact.Spent})
	case FactReturned:
		o.spent = slices.Clone(o.spent)
		for _, back := range fact.Back {
			if s := o.spending(back.Reservation); s != nil {
				s.back += back.Points
			}
		}
	}
}
