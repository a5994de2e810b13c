package reference

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// book is what was told, without what was refused.
type book struct {
	versions []Version
	owners   map[string]string // by identity
	orders   map[string]*order
	State
}

type order struct {
	owner, id, channel string
	names              []string
	lines              []*held          // as they arrived
	prices             map[string]int64 // of lines
	refunds            refunds
	rules              Version // in force when it was paid, whatever is today
	paid, completed    time.Time
	cancelled, settled bool
}

// held is a line and the points that its owner holds for it in a lot.
type held struct {
	Line
	points int64
	lot    string // "" before he has one
}

// add changes what is left of a lot, and what expired of it.
func (m *Member) add(lot string, left, expired int64) {
	m.Lots[lot] = Lot{m.Lots[lot].Left + left, m.Lots[lot].Expired + expired}
}

// credit pays debt first, once it is not pending any more.
func (m *Member) credit(lot string, points int64) {
	paid := min(m.Debt, points)
	if lot > never {
		paid = 0
	}
	m.Debt -= paid
	m.add(lot, points-paid, 0)
}

// spend takes what ends first, and returns what is missing.
func (m *Member) spend(points int64, now time.Time) int64 {
	for _, lot := range slices.Sorted(maps.Keys(m.Lots)) {
		if end(now) < lot && lot <= never {
			taken := min(m.Lots[lot].Left, points)
			m.add(lot, -taken, 0)
			points -= taken
		}
	}
	return points
}

// takeBack takes what a lot was given: of what is left of it, then of what
// expired of it, then of the others; the rest is debt.
func (m *Member) takeBack(lot string, points int64, now time.Time) {
	left := min(m.Lots[lot].Left, points)
	expired := min(m.Lots[lot].Expired, points-left)
	m.add(lot, -left, -expired)
	m.Debt += m.spend(points-left-expired, now)
}

// After is what a history leads to. The inputs come in order of arrival.
func After(first Version, inputs []Input) State {
	b := book{[]Version{first}, map[string]string{}, map[string]*order{}, State{map[string]*Member{}, map[string]map[string]int64{}, []int{}}}
	for i, in := range inputs {
		switch in.Kind {
		case Program:
			b.versions = append(b.versions, in.Version)
		case Joined:
			if b.Members[in.Person] == nil {
				b.Members[in.Person] = &Member{Lots: map[string]Lot{}, Bought: map[string]Bought{}}
			}
			for _, name := range in.Names {
				b.owners[name] = cmp.Or(b.owners[name], b.Members[in.Person].into, in.Person)
			}
		case Spent:
			if holders := b.holders(in.Person); len(holders) > 0 {
				holders[len(holders)-1].spend(in.Points, in.Now)
			}
		case Merged:
			b.merge(in)
		case Parted:
			b.part(in)
		case Tick:
			b.tick(in.At)
		case Told:
			for _, o := range b.orders {
				if slices.Contains(o.names, in.Names[0]) {
					b.learn(o, in)
				}
			}
		default:
			if b.orders[in.Order] == nil {
				b.orders[in.Order] = &order{id: in.Order, channel: in.Channel, refunds: refunds{}, prices: map[string]int64{}}
			}
			if !b.learn(b.orders[in.Order], in) {
				b.Refused = append(b.Refused, i)
			}
		}
	}
	for id, o := range b.orders {
		b.Points[id] = map[string]int64{}
		for _, line := range o.lines {
			b.Points[id][line.ID] = line.points
		}
		for _, m := range b.holders(o.owner) {
			o.addTo(m)
		}
	}
	return b.State
}

// learn adds to what is known of an order; false when it is refused instead.
func (b *book) learn(o *order, in Input) bool {
	before := o.bought()
	switch in.Kind {
	case Paid:
		if o.paid.IsZero() {
			o.paid, o.rules = in.At, inForce(b.versions, in.At)
		}
		for _, line := range in.Lines {
			if _, known := o.prices[line.ID]; !known {
				o.prices[line.ID] = line.Amount
				line.Category = cmp.Or(line.Category, o.rules.Goods[line.SKU])
				o.lines = append(o.lines, &held{Line: line})
			}
		}
	case Completed:
		o.completed = cmp.Or(o.completed, in.At)
	case Cancelled:
		o.cancelled = true
	case Refunded:
		with := maps.Clone(o.refunds)
		for _, line := range in.Lines {
			key := [2]string{line.ID, in.Refund}
			if known, repeated := with[key]; repeated && (in.Refund != "" || line.Amount <= known) {
				continue
			}
			with[key] = line.Amount
			if price, known := o.prices[line.ID]; known && with.of(line.ID) > price {
				return false
			}
		}
		o.refunds = with
	}
	o.names = append(o.names, in.Names...)
	for _, name := range in.Names {
		o.owner = cmp.Or(o.owner, b.owners[name])
	}
	if o.owner != "" {
		b.hold(o, in.Now)
		o.remember(b.Members[o.owner], before, in.Now)
	}
	return true
}

// holders are a person and whom he was merged into: what happens to his orders
// happens to both.
func (b *book) holders(person string) []*Member {
	switch m := b.Members[person]; {
	case m == nil:
		return nil
	case m.into != "":
		return []*Member{m, b.Members[m.into]}
	default:
		return []*Member{m}
	}
}

// hold moves points to or from the owner until he holds for each line what it
// is worth, rounded down once. Until the order is settled its own lot has them.
func (b *book) hold(o *order, now time.Time) {
	for _, line := range o.lines {
		earned := int64(0)
		if line.lot == "" {
			line.points, line.lot = o.rules.Points*line.Amount/o.rules.PerFen, pending+o.id
			if o.settled {
				line.lot = o.rules.lot(now)
			}
			earned = line.points
		}
		worth := o.rules.Points * o.kept(line) / o.rules.PerFen
		for _, m := range b.holders(o.owner) {
			m.credit(line.lot, earned)
			m.takeBack(line.lot, line.points-worth, now)
		}
		line.points = worth
	}
}

// tick settles what is due, oldest first, and lets go of lots that ended.
func (b *book) tick(now time.Time) {
	for _, o := range slices.SortedFunc(maps.Values(b.orders), func(x, y *order) int {
		return cmp.Or(x.closes().Compare(y.closes()), cmp.Compare(x.channel, y.channel), cmp.Compare(x.id, y.id))
	}) {
		holders := b.holders(o.owner)
		if len(holders) == 0 || holders[0].Lots[pending+o.id].Left == 0 || o.closes().After(now) {
			continue
		}
		o.settled = true
		for _, line := range o.lines {
			for _, m := range holders {
				m.add(line.lot, -line.points, 0)
				m.credit(o.rules.lot(now), line.points)
			}
			line.lot = o.rules.lot(now)
		}
	}
	for _, m := range b.Members {
		for lot, has := range m.Lots {
			if lot <= end(now) {
				m.add(lot, -has.Left, has.Left)
			}
		}
	}
}
