// Package reference is the reference model of points (积分): what huitou must
// answer after a history, in one pass over its inputs, sorted by arrival. It
// knows no storage, no entries and nothing of the code that it judges. Of an
// order it keeps the set of what was told and works out anew what its lines are
// worth, so that it cannot matter how that was shuffled, split or repeated.
// Arrival decides only which of two messages that contradict each other stands
// (the first), who spends before whom, and what a tick of the schedule settles.
//
// Covered are earning by the program version in force at payment, pending points
// and their settlement, refunds, owners named late or by a claim, spending, lots
// and their end, debt, merging and its undoing. Not covered are bonuses, caps,
// growth value, stored value, gifts, prizes, check-ins, corrections, bindings by
// hand and reservations that come back. Purchases have a model of their own.
package reference

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// State is what is known after a history, and what huitou must answer then.
type State struct {
	Members   map[string]*Member
	Points    map[string]int64 // held for each line of an order
	Excess    map[string]int64 // fen that went back beyond what was paid for each line
	Conflicts map[string]int   // what was told otherwise than before, by order

	program []Version
	owners  map[string]*Member // by identity, and by an order with what proves a claim
	orders  map[string]*order
}

// Member is one person's account.
type Member struct {
	Pots
	Debt    int64   // taken back beyond what they could spend
	whole   *Member // whose part they are: what their orders bring, both hold
	covered Pots    // of their debt, when they became a part, by the whole's lots
}

// Pots are points by where they lie: in a lot (积分批次), under its end, or with an
// order whose return window is open. Points that end first sort first, what is
// pending last. Points that ended unspent stay where they are.
type Pots map[string]int64

const endless, pending = "endless", "pending "

type order struct {
	id, channel string
	owner       *Member
	names       []string
	first       map[string]time.Time // when what happened that was told first, by kind
	completed   []time.Time
	lines       map[string]*held
	refunds     map[[2]string]int64 // by line and refund
	otherwise   map[string]bool     // what was told otherwise than before
}

// held is a line, when it was paid and by which rules, and the pot that its points
// went into.
type held struct {
	Line
	at    time.Time
	rules Version
	pot   string
}

// After takes a history, input by input. Of the versions of the program those that
// take effect last stand first; the last of them has always been in force.
func After(program []Version, inputs []Input) State {
	s := State{map[string]*Member{}, map[string]int64{}, map[string]int64{}, map[string]int{}, program, nil, nil}
	s.owners, s.orders = map[string]*Member{}, map[string]*order{}
	for _, in := range inputs {
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
			s.orders[in.Order] = cmp.Or(s.orders[in.Order], &order{
				id: in.Order, channel: in.Channel, first: map[string]time.Time{},
				lines: map[string]*held{}, refunds: map[[2]string]int64{}, otherwise: map[string]bool{},
			})
			s.learn(s.orders[in.Order], in)
		}
	}
	return s
}

// learn adds to what is known of an order, and lets its owner hold for each line
// what it is worth, rounded down once.
func (s State) learn(o *order, in Input) {
	for _, line := range in.Lines {
		line.Price = 0 // which nobody tells
		key := [2]string{line.ID, in.Refund}
		known, back := o.lines[line.ID], o.refunds[key]
		switch {
		case in.Kind == Paid && known == nil:
			o.lines[line.ID] = &held{line, in.At, s.inForce(in.At), pending + o.id}
		case in.Kind == Paid && known.Line != line, in.Refund != "" && back != 0 && back != line.Fen:
			o.otherwise[fmt.Sprint(in.Refund, line)] = true
		case in.Kind == Refunded:
			o.refunds[key] = max(back, line.Fen)
		}
	}
	switch in.Kind {
	case Completed:
		o.completed = append(o.completed, in.At)
		slices.SortFunc(o.completed, time.Time.Compare)
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
	s.Conflicts[o.id] = len(o.otherwise)
	for id, line := range o.lines {
		worth := line.rules.Points * max(0, line.Fen-o.back(id)) / line.rules.PerFen
		if o.owner == nil || !o.first[Cancelled].IsZero() {
			worth = 0
		}
		for m := o.owner; m != nil; m = m.whole {
			m.add(line.pot, worth-s.Points[id], in.Now)
		}
		s.Points[id], s.Excess[id] = worth, max(0, o.back(id)-line.Fen)
	}
}

// back is what of a line's price went back, or more than that. One source may know
// the single refunds and another their total: both speak of the same money.
func (o *order) back(line string) int64 {
	var back int64
	for key, single := range o.refunds {
		if key[0] == line && key[1] != "" {
			back += single
		}
	}
	return max(back, o.refunds[[2]string{line, ""}])
}

// closes is when the return window of a line is over. It opens with the earliest
// completion, which says nothing of what was paid later than the rest, and after it.
func (o *order) closes(line *held) time.Time {
	window, late := line.rules.Windows[o.channel], line.at.After(o.first[Paid])
	for _, completed := range o.completed {
		if !late || !completed.Before(line.at) {
			return completed.AddDate(0, 0, window.AfterCompletion)
		}
	}
	return line.at.AddDate(0, 0, window.AfterPayment)
}

// settle makes the points available of lines whose window is over, oldest order
// first.
func (s State) settle(now time.Time) {
	due := map[*order]time.Time{}
	for _, o := range s.orders {
		for _, line := range o.lines {
			closes := o.closes(line)
			if first, known := due[o]; line.pot > endless && !closes.After(now) && (!known || closes.Before(first)) {
				due[o] = closes
			}
		}
	}
	for _, o := range slices.SortedFunc(maps.Keys(due), func(x, y *order) int {
		return cmp.Or(due[x].Compare(due[y]), cmp.Compare(x.id, y.id))
	}) {
		if o.owner == nil || o.owner.Pots[pending+o.id] == 0 {
			continue
		}
		for id, line := range o.lines {
			if line.pot <= endless || o.closes(line).After(now) {
				continue
			}
			line.pot = s.inForce(o.first[Paid]).lot(now)
			for m := o.owner; m != nil; m = m.whole {
				m.Pots[pending+o.id] -= s.Points[id]
				m.add(line.pot, s.Points[id], now)
			}
		}
	}
}

// merge gives a member all that the part holds; what the member may spend
// covers its debt.
func (m *Member) merge(part *Member, now time.Time) {
	for _, pot := range slices.Sorted(maps.Keys(part.Pots)) {
		m.add(pot, part.Pots[pot], now)
	}
	part.whole, part.covered = m, Pots{}
	m.Debt += m.move(part.Debt, part.covered, m.lots(now)...)
}

// unmerge takes from them what the part holds by now. Debt that was covered
// comes back to the lots that had covered it, and beyond that to the lot of
// today.
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
// as spending does, and what is missing is debt. Points that may be spent pay
// debt.
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
