package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// giving is what an operator gives back of points that were spent (积分退回).
type giving struct {
	number int
	after  time.Duration  // of the commit
	points loyalty.Points // 0 for all that are left
}

// drawSpentOn has some reservations committed for an order (积分抵扣), which gives
// points back with its refunds, and lets operators give back points of others.
func (p *plan) drawSpentOn(r *rand.Rand) {
	for i, sp := range p.spendings {
		switch r.IntN(5) {
		case 0: // spent for nothing that is known
		case 1:
			for n := range 1 + r.IntN(3) {
				sp.gives = append(sp.gives, giving{n, time.Duration(1+r.IntN(40)) * time.Second, loyalty.Points(r.IntN(4) * (1 + r.IntN(30)))})
			}
		case 2:
			sp.on = p.orders[r.IntN(len(p.orders))].key // of whomever, and perhaps not heard of yet
		default:
			sp.on = p.drawPaidWith(r, i, sp).key
		}
	}
}

// drawPaidWith adds an order that is given back in parts once points were spent on
// it; its buyer need not be who spent them. Another's points may pay for it, too.
func (p *plan) drawPaidWith(r *rand.Rand, number int, sp *spending) *order {
	if number > 0 && r.IntN(2) == 0 {
		if o := p.found(p.spendings[number-1].on); o != nil {
			return o
		}
	}
	o := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint("paid-with-", number)}, buyer: p.people[r.IntN(len(p.people))]}
	for l := range 1 + r.IntN(2) {
		o.lines = append(o.lines, orders.Line{LineID: fmt.Sprint(l + 1), SKU: "SKU", Category: "toys", Quantity: 1, Paid: loyalty.Fen(301 + r.IntN(9_000))})
	}
	paid := o.tell(orders.TypePaid, sp.at.Add(-time.Hour))
	paid.Lines = o.lines
	events := []orders.Event{paid}
	parts := 1 + r.IntN(4)
	for part := range parts {
		refund := o.tell(orders.TypeRefunded, sp.at.Add(time.Duration(part)*time.Second))
		refund.RefundID = fmt.Sprint("part-", part)
		refund.Lines = []orders.Line{{LineID: fmt.Sprint(1 + r.IntN(len(o.lines))), Refunded: o.lines[0].Paid/loyalty.Fen(parts+r.IntN(2)) + loyalty.Fen(r.IntN(3))}}
		events = append(events, refund)
	}
	if r.IntN(6) == 0 {
		events = append(events, o.tell(orders.TypeCancelled, sp.at.Add(time.Minute)))
	}
	for _, event := range events {
		arrives := event.OccurredAt.Add([]time.Duration{0, 30 * time.Second, 5 * time.Minute, 26 * time.Hour}[r.IntN(4)] + time.Duration(r.IntN(3000))*time.Millisecond)
		o.news = append(o.news, &news{of: o, event: event, arrives: arrives, twice: r.IntN(4) == 0})
	}
	p.orders = append(p.orders, o)
	return o
}

// commit is how the reservation is committed.
func (sp *spending) commit() func(context.Context, store.Store, loyalty.MemberID, string, time.Time) (store.Reservation, error) {
	if sp.on == (loyalty.OrderKey{}) {
		return ledger.Commit
	}
	return func(ctx context.Context, data store.Store, member loyalty.MemberID, id string, now time.Time) (store.Reservation, error) {
		return ledger.CommitToOrder(ctx, data, member, id, sp.on, now)
	}
}

// giveBack lets operators give back of a reservation what they want to.
func (s *simulation) giveBack(sp *spending, is store.Reservation) {
	if is.State != store.ReservationCommitted || sp.given {
		return
	}
	sp.given = true
	for _, g := range sp.gives {
		key := fmt.Sprint("give-", sp.id, "-", g.number)
		s.in(g.after, func() { s.give(sp, g, key) })
		s.onlyIf(GivenBackTwice, sp.id, []uint64{number(sp.id), uint64(g.number)}, func() {
			s.in(g.after+time.Duration(s.rng.IntN(300))*time.Millisecond, func() { s.give(sp, g, key+"'") })
		}, nil)
	}
}

func (s *simulation) give(sp *spending, g giving, key string) {
	if sp.wanted == nil {
		sp.wanted = map[string]loyalty.Points{}
	}
	sp.wanted[key] = g.points
	body := map[string]any{"reason": "simulated"}
	if g.points > 0 {
		body["points"] = g.points
	}
	s.ask(act{
		what: "give back of " + sp.id, method: http.MethodPost, key: key, body: body,
		path: func() string { return "/v1/members/" + string(sp.member) + "/points/reservations/" + sp.id + "/return" },
	}, func(status int, body string) {
		of := s.check.reservations[table.ReservationKey(sp.member, sp.id)]
		switch {
		case status == http.StatusOK && of.back >= max(g.points, 1):
		case status == http.StatusConflict && strings.Contains(body, "points_returned") && of.back+max(g.points, 1) > of.points:
		case (status == http.StatusConflict || status == http.StatusNotFound) && s.check.account[sp.member].Erased != nil:
		default:
			s.violate("I12", "to give back of %s, of which %d of %d points came back, is answered with %d %s", sp.id, of.back, of.points, status, body)
		}
	})
}

// spent is what the checker knows of points that were spent on an order.
type spent struct {
	member      loyalty.MemberID
	reservation string
	points      loyalty.Points
	back        loyalty.Points
}

// due is what all refunds together give back of what a member spent on the order:
// the share that they are of the money, rounded down once.
func (l *logged) due(member loyalty.MemberID) (due, back loyalty.Points) {
	var all loyalty.Points
	for _, s := range l.spent {
		if s.member == member {
			all, back = all+s.points, back+s.back
		}
	}
	var paid, refunded loyalty.Fen
	for line, of := range l.paid {
		paid, refunded = paid+of, refunded+min(of, l.back(line))
	}
	switch {
	case l.cancelled || paid > 0 && refunded >= paid:
		return all, back
	case paid == 0:
		return 0, back
	}
	return loyalty.Points(int64(all) * int64(refunded) / int64(paid)), back
}

// spentOn holds the rest of I7 to an order that points were spent on: what its
// refunds give back goes to who spent it, to the lots that it came from, and is in
// all never more than the share that was refunded.
func (c *checker) spentOn(record store.Record, log *logged) {
	if s := record.Spent; record.Kind == points.FactSpent {
		of := c.reservations[table.ReservationKey(s.Member, s.Reservation)]
		if of == nil || of.points != s.Points {
			c.s.violate("I7", "%d points are spent on %s, which %s never set aside", s.Points, record.Order.Order, s.Member)
		}
		log.spent = append(log.spent, spent{member: s.Member, reservation: s.Reservation, points: s.Points})
	}
	for _, s := range log.spent {
		due, _ := log.due(s.member)
		log.most[s.member] = max(log.most[s.member], due)
	}
	if record.Kind != points.FactReturned {
		return
	}
	for i, back := range record.Back {
		of := c.reservations[table.ReservationKey(record.Member, back.Reservation)]
		at := -1
		for n, s := range log.spent {
			if s.member == record.Member && s.reservation == back.Reservation {
				at = n
			}
		}
		if of == nil || at < 0 {
			c.s.violate("I7", "%s gets points back of %s, which %s did not spend on it", record.Member, record.Order.Order, record.Member)
			return
		}
		log.spent[at].back += back.Points
		if len(record.Entries) == 0 && c.account[record.Member].Erased != nil {
			of.forfeited += back.Points
			continue
		}
		if len(record.Entries) != len(record.Back) {
			c.s.violate("I7", "%s gives %d reservations back by %d entries", record.Order.Order, len(record.Back), len(record.Entries))
			return
		}
		c.returnsTo(of, record.Entries[i], back.Points, record.At)
	}
	if due, back := log.due(record.Member); back > log.most[record.Member] {
		c.s.violate("I7", "%s gives %s %d points back, and %d are due", record.Order.Order, record.Member, back, due)
	}
}

// returnsTo holds that an entry gives so many points of a reservation back, those
// that were taken last before the others: to the lots that they came from, or,
// where such a lot ended, until the grace is over.
func (c *checker) returnsTo(of *reservation, entry points.Entry, amount loyalty.Points, at time.Time) {
	from, to := of.back+of.forfeited, of.back+of.forfeited+amount
	of.back += amount
	if to > of.points {
		c.s.violate("I7", "%s gets %d points back of %d", of.member, to, of.points)
		return
	}
	if sum := entry.Available - entry.Debt; sum != amount || entry.Pending != 0 {
		c.s.violate("I7", "%s gives %d points back of %d", entry.ID, sum, amount)
	}
	// Taken one after the other: the lots by their ends, then what has none.
	lots := of.spending.Lots
	piece, begins := map[int64]loyalty.Points{}, loyalty.Points(0)
	for _, share := range lots {
		taken := -share.Points
		// The last points of the reservation are the first to come back.
		low, high := of.points-begins-taken, of.points-begins
		piece[share.Until.Unix()] += max(0, min(high, to)-max(low, from))
		begins += taken
	}
	for _, share := range entry.Lots {
		grace := at.AddDate(0, 0, c.s.plan.rules.Points.ReturnGraceDays)
		late := share.Until.Sub(grace)
		ended := false
		for end, came := range piece {
			ended = ended || came > 0 && end <= at.Unix()
		}
		if share.Points > piece[share.Until.Unix()] && (late < 0 || late >= time.Minute || !ended) {
			c.s.violate("I8", "%s gives %d points back until %s, of which %d came from there", entry.ID, share.Points, share.Until.In(zone), piece[share.Until.Unix()])
		}
	}
}

// backByHand holds I7 to what an operator gives back: of points that were spent,
// and for no order.
func (c *checker) backByHand(by *invocation, key table.Key, item *table.Item) {
	if !c.written(key, item) {
		return
	}
	record := document[store.Record](c.s, item)
	id := strings.Split(key.SK, "#")[1]
	if of := c.reservations[table.ReservationKey(record.Member, id)]; of != nil {
		if of.state != store.ReservationCommitted || of.on != "" || len(record.Entries) != 1 {
			c.s.violate("I7", "%s gets points of %s back, which were not spent, or for %q", record.Member, id, of.on)
			return
		}
		c.returnsTo(of, record.Entries[0], record.Entries[0].Amount(), record.At)
		c.credit(by, record.Fact)
		return
	}
	for part, whole := range c.wholes {
		if whole == record.Member && c.reservations[table.ReservationKey(part, id)] != nil {
			c.post(by, record.Fact, "mirrored for "+string(whole)+" ")
			return
		}
	}
	c.s.violate("I7", "%s gets points of %s back, which is another's", record.Member, id)
}

// cameBack holds what a reservation counts to what came back of it.
func (c *checker) cameBack(key table.Key, item *table.Item) {
	if item == nil {
		return
	}
	of := c.reservations[key]
	of.on = item.Text("order")
	if is := loyalty.Points(item.Int("returned")); is != of.back {
		c.s.violate("I7", "%s counts %d points that came back, and it was %d", key.SK, is, of.back)
	}
}

// finishSpentOn holds I7 at rest: of what was spent on an order all has come back
// that is due, and of anything else no more than operators gave.
func (s *simulation) finishSpentOn() {
	for _, sp := range s.plan.spendings {
		var given loyalty.Points
		for _, points := range sp.wanted {
			given += points
			if points == 0 {
				given += 1 << 40
			}
		}
		if of := s.check.reservations[table.ReservationKey(sp.member, sp.id)]; of != nil && of.on == "" && of.back > given {
			s.violate("I7", "%d points of %s came back, and operators gave %d", of.back, sp.id, given)
		}
	}
	for _, o := range s.plan.orders {
		log := s.check.logs[o.key]
		if log == nil {
			continue
		}
		for _, by := range log.spent {
			if due, back := log.due(by.member); back < due {
				s.violate("I7", "%s gave %s %d points back, and %d are due", o.key.Order, by.member, back, due)
			}
		}
	}
}
