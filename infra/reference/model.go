package reference

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const shanghai = 8 * time.Hour // ahead of UTC, all year

// book is what was told, without what was refused.
type book struct {
	versions  []Version
	owners    map[string]string // by identity
	orders    map[string]*order
	spent     map[string]int64     // by person
	reminders map[string]time.Time // by person
	refused   []int
}

type order struct {
	owner, channel     string
	names              []string
	lines              map[string]Line
	refunds            refunds
	rules              Version // in force when it was paid, whatever is today
	paid, completed    time.Time
	cancelled, settled bool
}

// refunds are the single ones by line and id, and the running totals under "".
type refunds map[[2]string]int64

// of is what was given back on a line: one source may know the single refunds
// and another the total, and both speak of the same money.
func (r refunds) of(line string) (fen int64) {
	for key, amount := range r {
		if key[0] == line && key[1] != "" {
			fen += amount
		}
	}
	return max(fen, r[[2]string{line, ""}])
}

// kept is what of a line's price the brand kept.
func (o *order) kept(line Line) int64 {
	if o.cancelled {
		return 0
	}
	return max(0, line.Amount-o.refunds.of(line.ID))
}

// points are held for a line as it stands, rounded down once; nobody's are 0.
func (o *order) points(line Line) int64 {
	if o.owner == "" {
		return 0
	}
	return o.rules.Points * o.kept(line) / o.rules.PerFen
}

// closes is when the return window is over.
func (o *order) closes() time.Time {
	if o.completed.IsZero() {
		return o.paid.AddDate(0, 0, o.rules.Windows[o.channel].AfterPayment)
	}
	return o.completed.AddDate(0, 0, o.rules.Windows[o.channel].AfterCompletion)
}

// bought is the order's part in its owner's purchase history.
func (o *order) bought() map[string]Bought {
	bought := map[string]Bought{}
	for _, line := range o.lines {
		if o.owner != "" && line.Category != "" && o.kept(line) > 0 {
			bought[line.Category] = Bought{1, bought[line.Category].Quantity + line.Quantity}
		}
	}
	return bought
}

// After is what a history leads to. The inputs come in order of arrival.
func After(first Version, inputs []Input) State {
	b := book{[]Version{first}, map[string]string{}, map[string]*order{}, map[string]int64{}, map[string]time.Time{}, []int{}}
	for i, in := range inputs {
		switch in.Kind {
		case Program:
			b.versions = append(b.versions, in.Version)
		case Joined:
			for _, name := range in.Names {
				b.owners[name] = in.Person
			}
		case Spent:
			b.spent[in.Person] += min(in.Points, cmp.Or(b.state().Members[in.Person], &Member{}).Available)
		case Tick:
			for _, o := range b.orders {
				for _, line := range o.lines {
					o.settled = o.settled || o.points(line) > 0 && !o.closes().After(in.At)
				}
			}
		case Told:
			for _, o := range b.orders {
				if slices.Contains(o.names, in.Names[0]) {
					b.learn(o, in)
				}
			}
		default:
			if b.orders[in.Order] == nil {
				b.orders[in.Order] = &order{channel: in.Channel, lines: map[string]Line{}, refunds: refunds{}}
			}
			if !b.learn(b.orders[in.Order], in) {
				b.refused = append(b.refused, i)
			}
		}
	}
	return b.state()
}

// learn adds to what is known of an order; false when it is refused instead.
func (b *book) learn(o *order, in Input) bool {
	before := o.bought()
	switch in.Kind {
	case Paid:
		if o.paid.IsZero() {
			o.paid = in.At
			for _, version := range b.versions {
				if !version.From.After(in.At) && !version.From.Before(o.rules.From) {
					o.rules = version
				}
			}
		}
		for _, line := range in.Lines {
			if _, known := o.lines[line.ID]; !known {
				line.Category = cmp.Or(line.Category, o.rules.Goods[line.SKU])
				o.lines[line.ID] = line
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
			if paid, known := o.lines[line.ID]; known && with.of(line.ID) > paid.Amount {
				return false
			}
		}
		o.refunds = with
	}
	o.names = append(o.names, in.Names...)
	for _, name := range in.Names {
		o.owner = cmp.Or(o.owner, b.owners[name])
	}
	midnight := o.paid.Add(shanghai).Truncate(24 * time.Hour).Add(-shanghai)
	for category := range o.bought() {
		cycle, cyclic := o.rules.Cycles[category]
		due, usedUp := midnight.AddDate(0, 0, cycle.Days-cycle.Lead).Add(o.rules.Opens), midnight.AddDate(0, 0, cycle.Days+1)
		isNew, standing := before[category].Purchases == 0, b.reminders[o.owner]
		if isNew && cyclic && in.Now.Before(usedUp) && (standing.IsZero() || due.Before(standing)) {
			b.reminders[o.owner] = due.UTC()
		}
	}
	return true
}

// state adds up what the orders are worth.
func (b *book) state() State {
	members, points := map[string]*Member{"": {}}, map[string]map[string]int64{}
	for _, person := range b.owners {
		members[person] = &Member{Available: -b.spent[person], RemindAt: b.reminders[person], Bought: map[string]Bought{}}
	}
	for id, o := range b.orders {
		m, held := members[o.owner], map[string]int64{}
		for _, line := range o.lines {
			held[line.ID] = o.points(line)
			m.Paid, m.Refunded = m.Paid+line.Amount, m.Refunded+line.Amount-o.kept(line)
			if o.settled {
				m.Available += held[line.ID]
			} else {
				m.Pending += held[line.ID]
			}
		}
		for category, bought := range o.bought() {
			m.Bought[category] = Bought{m.Bought[category].Purchases + 1, m.Bought[category].Quantity + bought.Quantity}
		}
		m.Orders += int64(min(1, len(o.lines)))
		points[id] = held
	}
	for _, m := range members { // what a refund takes back beyond what is there
		m.Available, m.Debt = max(0, m.Available), max(0, -m.Available)
	}
	delete(members, "")
	return State{members, points, b.refused}
}
