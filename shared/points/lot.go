package points

import (
	"fmt"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/localtime"
	"github.com/huitou/huitou/shared/loyalty"
)

// Balance is what a member has. Each part is at least 0; what they can call
// their own is Available + Pending − Debt.
type Balance struct {
	Available loyalty.Points // may be spent
	Pending   loyalty.Points // becomes available when the return window closes
	Debt      loyalty.Points // clawed back beyond what was available; later credits pay it first
}

// Plus adds an entry's effect.
func (b Balance) Plus(e Entry) Balance {
	return Balance{b.Available + e.Available, b.Pending + e.Pending, b.Debt + e.Debt}
}

// Lot is a member's points that end at one moment (积分批次). Points that were
// earned, won or given with the same end are one lot: nothing tells them apart.
type Lot struct {
	Until   time.Time      // the first instant at which they may not be spent
	Left    loyalty.Points // still part of Available
	Expired loyalty.Points // ended unspent
}

// Share is what an entry changes in one lot.
type Share struct {
	Until   time.Time      `json:"until"`
	Points  loyalty.Points `json:"points,omitempty"`
	Expired loyalty.Points `json:"expired,omitempty"`
}

// Account is a member's points as a decision needs them: the balance, the lots
// that make up a part of what is available, earliest end first, and the moment
// of the decision. Available points of no lot never end.
type Account struct {
	Balance
	Lots []Lot
	Now  time.Time
}

// Plus is the account after an entry.
func (a Account) Plus(e Entry) Account {
	next := Account{a.Balance.Plus(e), slices.Clone(a.Lots), a.Now}
	for _, share := range e.Lots {
		i, found := slices.BinarySearchFunc(next.Lots, share.Until, func(lot Lot, until time.Time) int { return lot.Until.Compare(until) })
		if !found {
			next.Lots = slices.Insert(next.Lots, i, Lot{Until: share.Until})
		}
		next.Lots[i].Left += share.Points
		next.Lots[i].Expired += share.Expired
	}
	return next
}

// Spendable is what may be spent: lots that ended and that no schedule has
// looked at yet are not part of it.
func (a Account) Spendable() loyalty.Points {
	sum := a.Available
	for _, lot := range a.Lots {
		if a.ended(lot) {
			sum -= lot.Left
		}
	}
	return sum
}

// Ends is when the first of the lots ends that still hold points; zero for
// never.
func (a Account) Ends() time.Time {
	for _, lot := range a.Lots {
		if lot.Left > 0 {
			return lot.Until
		}
	}
	return time.Time{}
}

func (a Account) ended(lot Lot) bool { return !lot.Until.After(a.Now) }

// endless are the available points of no lot.
func (a Account) endless() loyalty.Points {
	sum := a.Available
	for _, lot := range a.Lots {
		sum -= lot.Left
	}
	return sum
}

// lot is the account's lot with that end, empty when it has none; false for
// nil, the end of points that have none.
func (a Account) lot(until *time.Time) (Lot, bool) {
	if until == nil {
		return Lot{}, false
	}
	for _, lot := range a.Lots {
		if lot.Until.Equal(*until) {
			return lot, true
		}
	}
	return Lot{Until: *until}, true
}

// credit makes points available in the lot with that end: they pay debt first.
func (a Account) credit(e Entry, amount loyalty.Points, until *time.Time) Entry {
	paid := min(a.Debt, amount)
	e.Debt -= paid
	e.Available += amount - paid
	if until != nil && amount > paid {
		e.Lots = append(e.Lots, Share{Until: *until, Points: amount - paid})
	}
	return e
}

// spend takes available points: of the lot that ends first, then of the next,
// at last of those that never end (先到期先用). It takes no more than is spendable;
// rest is what is missing.
func (a Account) spend(e Entry, amount loyalty.Points) (entry Entry, rest loyalty.Points) {
	for _, lot := range a.Lots {
		if amount == 0 {
			return e, 0
		}
		if taken := min(lot.Left, amount); taken > 0 && !a.ended(lot) {
			e.Available -= taken
			e.Lots = append(e.Lots, Share{Until: lot.Until, Points: -taken})
			amount -= taken
		}
	}
	taken := min(a.endless(), amount)
	e.Available -= taken
	return e, amount - taken
}

// takeBack takes points that had gone into the lot with that end: what is left
// of it, then what expired of it, which nobody has any more, and only then
// others as spending does. Points that cannot be taken become debt.
func (a Account) takeBack(e Entry, amount loyalty.Points, until *time.Time) Entry {
	if lot, has := a.lot(until); has {
		left := min(lot.Left, amount)
		expired := min(lot.Expired, amount-left)
		if left+expired > 0 {
			share := Entry{Available: -left, Lots: []Share{{Until: lot.Until, Points: -left, Expired: -expired}}}
			e.Available -= left
			e.Lots = append(e.Lots, share.Lots...)
			a = a.Plus(share)
			amount -= left + expired
		}
	} else {
		taken := min(a.endless(), amount)
		e.Available -= taken
		a = a.Plus(Entry{Available: -taken})
		amount -= taken
	}
	e, rest := a.spend(e, amount)
	e.Debt += rest
	return e
}

// Expire are the entries that end the lots whose time is over (积分过期). seen,
// how often the member's lots had changed before, tells this expiry from every
// other.
func (a Account) Expire(seen int64) []Entry {
	var entries []Entry
	for _, lot := range a.Lots {
		if a.ended(lot) && lot.Left > 0 {
			entries = append(entries, Entry{
				ID: fmt.Sprintf("expire:%d:%s", seen, lot.Until.UTC().Format(time.RFC3339)), Kind: EntryExpire, Available: -lot.Left,
				Lots: []Share{{Until: lot.Until, Points: -lot.Left, Expired: lot.Left}},
			})
		}
	}
	return entries
}

// Expiry is how long points are good once they are available (积分有效期).
type Expiry struct {
	Months int    `json:"months" minimum:"1" maximum:"120" doc:"calendar months"`
	EndOf  string `json:"end_of" enum:"month,year" doc:"and then to the end of that month or year"`
}

// Until is the end of points that became available at a time, in the brand's
// zone; nil for an expiry of nil, which is none. Ends fall together so that a
// member has few lots.
func (x *Expiry) Until(at time.Time, zone *time.Location) *time.Time {
	if x == nil {
		return nil
	}
	year, month, _ := at.In(zone).Date()
	month += time.Month(x.Months)
	if x.EndOf == "year" {
		year, month = year+int(month-1)/12, time.December
	}
	until := localtime.Date(year, month+1, 1, 0, 0, 0, zone).UTC()
	return &until
}

func (x *Expiry) validate(pointer string) error {
	if x == nil {
		return nil
	}
	if x.Months < 1 || x.Months > 120 {
		return loyalty.Invalid(pointer+"/months", "out_of_range", "points are good for 1 to 120 months")
	}
	if x.EndOf != "month" && x.EndOf != "year" {
		return loyalty.Invalid(pointer+"/end_of", "unknown", `points end with a "month" or with a "year"`)
	}
	return nil
}
