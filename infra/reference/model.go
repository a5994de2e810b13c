// Package reference is the reference model of points (积分): what huitou must
// answer after a history, in one pass over its inputs, sorted by arrival. It
// knows no storage, no entries and nothing of the code that it judges. Of an
// order it keeps the set of what was told and works out anew what its lines are
// worth, so that it cannot matter how that was shuffled, split or repeated.
// Arrival decides only which of two messages that contradict each other stands
// (the first), which refund is one too many, who spends before whom, and what a
// tick of the schedule settles.
//
// Covered are earning by the program version in force at payment, pending points
// and their settlement, refunds, owners named late or by a claim, spending, lots
// and their end, debt, merging and its undoing. Not covered are bonuses, caps,
// growth value, stored value, gifts, prizes, check-ins, corrections, bindings by
// hand and reservations that come back. Purchases have a model of their own.
package reference

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// State is what is known after a history, and what huitou must answer then.
type State struct {
	Members map[string]*Member
	Points  map[string]int64 // held for each line of an order
	Refused []int            // inputs that are kept for a person, by index

	program []Version
	owners  map[string]*Member // by identity, and by an order with what proves a claim
	orders  map[string]*order
}

// Member is one person's account.
type Member struct {
	Pots
	Debt    int64   // taken back beyond what he could spend
	whole   *Member // whose part he is: what his orders bring, both hold
	covered Pots    // of his debt, when he became a part, by the whole's lots
}

// Pots are points by where they lie: in a lot (积分批次), under its end, or with an
// order whose return window is open. What ends first sorts first, what is pending
// last. What ended unspent stays where it is.
type Pots map[string]int64

const endless, pending = "endless", "pending "

type order struct {
	id, channel string
	owner       *Member
	names       []string
	first       map[string]time.Time // when what happened that was told first, by kind
	lines       map[string]*held
	refunds     map[[2]string]int64 // by line and refund
	rules       Version
	settled     bool
}

// held is a line, and the pot that its points went into.
type held struct {
	Line
	pot string
}

// After takes a history, input by input. Of the versions of the program those that
// take effect last stand first; the last of them has always been in force.
func After(program []Version, inputs []Input) State {
	s := State{map[string]*Member{}, map[string]int64{}, []int{}, program, map[string]*Member{}, map[string]*order{}}
	for i, in := range inputs {
		switch m := s.Members[in.Person]; in.Kind {
		case Joined:
			m = cmp.Or(m, &Member{Pots: Pots{}})
			s.Members[in.Person] = m
			for _, name := range in.Names {
				s.owners[name] = cmp.Or(s.owners[name], m.whole, m)
			}
		case Told:
			for _, o := range s.orders {
				if slices.Contains(o.names, in.Names[0]) {
					s.learn(o, in)
				}
			}
		case Spent:
			m = cmp.Or(m.whole, m)
			m.move(in.Points, Pots{}, m.lots(in.Now)...)
		case Tick:
			s.settle(in.Now)
		case Merged:
			m.merge(s.Members[in.Part], in.Now)
		case Parted:
			m.unmerge(s.Members[in.Part], s.inForce(in.Now).lot(in.Now), in.Now)
		default:
			if s.orders[in.Order] == nil {
				s.orders[in.Order] = &order{
					id: in.Order, channel: in.Channel,
					first: map[string]time.Time{}, lines: map[string]*held{}, refunds: map[[2]string]int64{},
				}
			}
			if !s.learn(s.orders[in.Order], in) {
				s.Refused = append(s.Refused, i)
			}
		}
	}
	return s
}

// learn adds to what is known of an order, and lets its owner hold for each line
// what it is worth, rounded down once; false when the input is refused instead.
func (s State) learn(o *order, in Input) bool {
	switch in.Kind {
	case Paid:
		o.rules = s.inForce(in.At)
		for _, line := range in.Lines {
			pot := pending + o.id
			if o.settled {
				pot = o.rules.lot(in.Now)
			}
			o.lines[line.ID] = cmp.Or(o.lines[line.ID], &held{line, pot})
		}
	case Refunded:
		before := maps.Clone(o.refunds)
		for _, back := range in.Lines {
			key := [2]string{back.ID, in.Refund}
			if known, repeated := o.refunds[key]; repeated && (in.Refund != "" || back.Fen <= known) {
				continue
			}
			o.refunds[key] = back.Fen
			if line := o.lines[back.ID]; line != nil && o.kept(line) < 0 {
				o.refunds = before
				return false
			}
		}
	case Claimed:
		s.owners[o.id+in.Proof] = cmp.Or(s.owners[o.id+in.Proof], s.Members[in.Person])
	}
	o.first[in.Kind] = cmp.Or(o.first[in.Kind], in.At)
	// It is whose name is told of it, or else who claims it with such a name.
	o.names = append(o.names, in.Names...)
	for _, name := range in.Names {
		o.owner = cmp.Or(o.owner, s.owners[name])
	}
	for _, name := range o.names {
		o.owner = cmp.Or(o.owner, s.owners[o.id+name])
	}
	for id, line := range o.lines {
		worth := o.rules.Points * max(0, o.kept(line)) / o.rules.PerFen
		if o.owner == nil || !o.first[Cancelled].IsZero() {
			worth = 0
		}
		for m := o.owner; m != nil; m = m.whole {
			m.add(line.pot, worth-s.Points[id], in.Now)
		}
		s.Points[id] = worth
	}
	return true
}

// kept is what of a line's price did not go back. One source may know the single
// refunds and another their total: both speak of the same money. It is below zero
// where more went back before the price was known.
func (o *order) kept(line *held) int64 {
	kept := line.Fen
	for key, back := range o.refunds {
		if key[0] == line.ID && key[1] != "" {
			kept -= back
		}
	}
	return min(kept, line.Fen-o.refunds[[2]string{line.ID, ""}])
}

// closes is when the return window is over.
func (o *order) closes() time.Time {
	window := o.rules.Windows[o.channel]
	if completed := o.first[Completed]; !completed.IsZero() {
		return completed.AddDate(0, 0, window.AfterCompletion)
	}
	return o.first[Paid].AddDate(0, 0, window.AfterPayment)
}

// settle makes the points available of orders whose window is over, oldest first.
func (s State) settle(now time.Time) {
	for _, o := range slices.SortedFunc(maps.Values(s.orders), func(x, y *order) int {
		return cmp.Or(x.closes().Compare(y.closes()), cmp.Compare(x.id, y.id))
	}) {
		if o.owner == nil || o.owner.Pots[pending+o.id] == 0 || o.closes().After(now) {
			continue
		}
		o.settled = true
		for _, line := range o.lines {
			line.pot = o.rules.lot(now)
		}
		for m := o.owner; m != nil; m = m.whole {
			m.add(o.rules.lot(now), m.Pots[pending+o.id], now)
			delete(m.Pots, pending+o.id)
		}
	}
}

// merge gives a member all that the part holds; what he may spend covers its debt.
func (m *Member) merge(part *Member, now time.Time) {
	for _, pot := range slices.Sorted(maps.Keys(part.Pots)) {
		m.add(pot, part.Pots[pot], now)
	}
	part.whole, part.covered = m, Pots{}
	m.Debt += m.move(part.Debt, part.covered, m.lots(now)...)
}

// unmerge takes from him what the part holds by now. Debt that was covered comes
// back to the lots that had covered it, and beyond that to the lot of today.
func (m *Member) unmerge(part *Member, today string, now time.Time) {
	debt := min(part.Debt, m.Debt)
	m.Debt -= debt
	m.Pots[today] += part.covered.move(part.Debt-debt, m.Pots, slices.Sorted(maps.Keys(part.covered))...)
	for pot, points := range part.Pots {
		m.add(pot, -points, now)
	}
	part.whole = nil
}

// add puts points into a pot or, below zero, takes them back: from that pot, then
// as spending does, and what is missing is debt. What may be spent pays debt.
func (m *Member) add(pot string, points int64, now time.Time) {
	m.Pots[pot] += max(0, points)
	m.Debt += m.move(max(0, -points), Pots{}, pot)
	m.Debt = m.move(m.Debt, Pots{}, m.lots(now)...)
}

// lots are those that may be spent, in that order: what ends first (先到期先用).
func (p Pots) lots(now time.Time) []string {
	sorted := slices.Sorted(maps.Keys(p))
	return slices.DeleteFunc(sorted, func(pot string) bool { return pot <= end(now) || pot > endless })
}

// move moves points from one pot after the other, as far as there are any, to the
// same of others, and returns how many are missing.
func (p Pots) move(points int64, into Pots, pots ...string) (missing int64) {
	for _, pot := range pots {
		moved := min(p[pot], points)
		p[pot], into[pot], points = p[pot]-moved, into[pot]+moved, points-moved
	}
	return points
}

// inForce is the version of the program at a time.
func (s State) inForce(at time.Time) Version {
	return s.program[slices.IndexFunc(s.program, func(v Version) bool { return !v.From.After(at) })]
}

// lot is where points go that become available now (积分有效期).
func (v Version) lot(now time.Time) string {
	if v.Months == 0 {
		return endless
	}
	year, month, _ := now.UTC().Add(shanghai).Date()
	return end(time.Date(year, month+time.Month(v.Months)+1, 1, 0, 0, 0, 0, time.UTC).Add(-shanghai))
}

func end(at time.Time) string { return at.UTC().Format(time.RFC3339) }
