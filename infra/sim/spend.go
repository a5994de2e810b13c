package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// spending is one wish to spend points: a reservation, and what becomes of it.
type spending struct {
	by      *person
	at      time.Time
	id      string
	percent loyalty.Points // of what he may spend
	over    time.Time      // when the reservation runs out
	ends    []ending       // none: forgotten
	began   bool
	member  loyalty.MemberID // as whom it began
	told    map[store.ReservationState]bool
	on      loyalty.OrderKey          // what it is committed for; the zero key: nothing that is known
	gives   []giving                  // what operators give back of it
	given   bool                      // they were asked to
	wanted  map[string]loyalty.Points // by the keys of their acts; 0 for all
}

// ending is a commit or cancel, from one of his devices.
type ending struct {
	at      time.Time
	commits bool
}

// correction is an operator's adjustment of a person's points.
type correction struct {
	of        *person
	at        time.Time
	id        string
	points    loyalty.Points
	operator  string
	approvals []approval
	held      bool // until an order's news looks at the person, if that comes first
	begun     bool
	member    loyalty.MemberID // whose points are corrected
	asked     bool             // the approvals are
	refused   bool
}

type approval struct {
	at       time.Time
	operator string
}

// monthEnds is the first instant of the last month of a world, when the points
// end that became available in its first.
var monthEnds = time.Date(2026, 3, 1, 0, 0, 0, 0, zone)

// drawSpendings makes of each time at which somebody spends a reservation that
// is committed, cancelled, both at once, or forgotten; often so that it runs out
// as a schedule looks, or that its points end before it does.
func (p *plan) drawSpendings(r *rand.Rand) {
	add := func(by *person, at time.Time) *spending {
		sp := &spending{
			by: by, at: at, id: fmt.Sprint("spending-", len(p.spendings)), percent: []loyalty.Points{90, 100, 100, 30}[r.IntN(4)],
			over: at.Add(time.Duration(10+r.IntN(120)) * time.Minute), told: map[store.ReservationState]bool{},
		}
		p.spendings = append(p.spendings, sp)
		return sp
	}
	jitter := func(most int) time.Duration { return time.Duration(r.IntN(2*most)-most) * time.Millisecond }
	end := func(sp *spending, at time.Time) {
		first := r.IntN(2) == 0
		sp.ends = append(sp.ends, ending{at.Add(jitter(300)), first})
		if r.IntN(2) == 0 {
			sp.ends = append(sp.ends, ending{at.Add(jitter(300)), !first || r.IntN(3) == 0})
		}
	}
	for _, who := range p.people {
		for _, at := range who.spends { // once his points are settled
			sp := add(who, at)
			switch r.IntN(5) {
			case 0: // forgotten
			case 1: // at the last moment, as the schedule looks
				tick := time.Date(at.Year(), at.Month(), at.Day()+2, 10, 15, 0, 0, zone)
				sp.over = tick.Add(-time.Duration(r.IntN(3)) * time.Second)
				end(sp, tick.Add(jitter(2500)))
			default:
				end(sp, at.Add(time.Duration(2+r.IntN(20))*time.Second))
			}
		}
	}
	if p.rules.Points.Expiry == nil {
		return
	}
	for range r.IntN(3) { // at the turn of the month, and over it
		sp := add(p.people[r.IntN(len(p.people))], monthEnds.Add(-time.Duration(r.IntN(30))*time.Hour+jitter(5000)))
		if r.IntN(2) == 0 {
			sp.at = monthEnds.Add(jitter(5000))
		}
		sp.over = monthEnds.Add(time.Duration(1+r.IntN(30)) * time.Hour)
		if r.IntN(3) > 0 {
			end(sp, []time.Time{monthEnds, monthEnds.Add(10*time.Hour + 15*time.Minute), monthEnds.Add(34 * time.Hour)}[r.IntN(3)])
		}
	}
}

// drawCorrections lets operators correct balances, above the limit with a second
// one's approval.
func (p *plan) drawCorrections(r *rand.Rand) {
	for n := range r.IntN(4) {
		at := []time.Time{burst(r, 0), burst(r, 2), day(14, 10*time.Hour+20*time.Minute), day(34, 10*time.Hour+15*time.Minute), monthEnds}[r.IntN(5)]
		at = at.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
		a := &correction{
			of: p.people[r.IntN(len(p.people))], at: at, id: fmt.Sprint("correction-", n), operator: "a",
			points: loyalty.Points([]int{40, 90, 300, -20, -50, -150}[r.IntN(6)]),
		}
		if r.IntN(2) == 0 { // he will have spent by then
			a.held, a.at, a.points = true, day(35, 18*time.Hour), max(a.points, 40)
			p.corrections = append(p.corrections, a)
			continue
		}
		soon := time.Duration(2+r.IntN(20)) * time.Second
		for _, operator := range []string{"a", "b", "c"} { // the first may not
			if r.IntN(4) > 0 {
				a.approvals = append(a.approvals, approval{at.Add(soon + time.Duration(r.IntN(300))*time.Millisecond), operator})
			}
		}
		p.corrections = append(p.corrections, a)
	}
}

// spend sets points aside.
func (s *simulation) spend(sp *spending) {
	s.call(sp.by.name+" spends", func(ctx context.Context, data store.Store, i *instance) error {
		member, err := s.acting(ctx, data, sp.by)
		if err != nil || member == "" {
			return err
		}
		account, err := data.Account(ctx, member)
		if err != nil {
			return err
		}
		now := i.clock().UTC().Truncate(time.Second)
		amount := account.Points(now).Spendable() * sp.percent / 100
		if amount < 10 || !now.Before(sp.over) {
			return nil
		}
		_, err = ledger.Reserve(ctx, data, store.Reservation{
			Fact: points.Fact{At: now, Member: member}, ID: sp.id, Points: amount, Reason: "simulated", ExpiresAt: sp.over.UTC().Truncate(time.Second),
		})
		if loyalty.KindOf(err) == loyalty.KindConflict {
			return nil // he had less by then
		}
		if err == nil && !sp.began {
			sp.began, sp.member = true, member
			s.returned(sp.by)
			for _, e := range sp.ends {
				s.at(e.at, func() { s.end(sp, member, e.commits) })
			}
		}
		return err
	})
}

// end commits or cancels a reservation.
func (s *simulation) end(sp *spending, member loyalty.MemberID, commits bool) {
	does, what := ledger.Cancel, " cancels "
	if commits {
		does, what = sp.commit(), " commits "
	}
	s.call(sp.by.name+what+sp.id, func(ctx context.Context, data store.Store, i *instance) error {
		is, err := does(ctx, data, member, sp.id, i.clock())
		switch loyalty.KindOf(err) {
		case loyalty.KindConflict:
			return nil // the other device, or its end, was first
		case loyalty.KindNotFound:
			s.violate("I12", "%s was told of a reservation that is not there", sp.by.name)
			return nil
		}
		if err == nil {
			sp.told[is.State] = true
			s.giveBack(sp, is)
		}
		return err
	})
}

// correct proposes an adjustment; those who have to approve it do so soon.
func (s *simulation) correct(a *correction) {
	if a.begun {
		return
	}
	a.begun = true
	s.call("operator "+a.operator+" corrects "+a.of.name, func(ctx context.Context, data store.Store, i *instance) error {
		member, err := s.acting(ctx, data, a.of)
		if err != nil || member == "" {
			return err
		}
		versions, err := data.Programs(ctx)
		if err != nil {
			return err
		}
		now := i.clock().UTC().Truncate(time.Second)
		_, err = ledger.Adjust(ctx, data, store.Adjustment{
			Fact: points.Fact{Member: member}, ID: a.id, Points: a.points, Reason: "simulated",
			Proposed: store.Hand{Operator: a.operator, At: now},
		}, program.At(versions, now).Points.AdjustmentLimit)
		if loyalty.KindOf(err) == loyalty.KindConflict {
			a.refused = true
			return nil
		}
		if err == nil && !a.asked {
			a.asked, a.member = true, member
			for _, by := range a.approvals {
				s.at(by.at, func() { s.approve(a, member, by.operator) })
			}
		}
		return err
	})
}

func (s *simulation) approve(a *correction, member loyalty.MemberID, operator string) {
	s.call("operator "+operator+" approves "+a.id, func(ctx context.Context, data store.Store, i *instance) error {
		made, err := ledger.Approve(ctx, data, member, a.id, store.Hand{Operator: operator, At: i.clock().UTC().Truncate(time.Second)})
		switch loyalty.KindOf(err) {
		case loyalty.KindConflict:
			a.refused = true
			return nil
		case loyalty.KindForbidden:
			if operator != a.operator {
				s.violate("I12", "operator %s may not approve what operator %s proposed", operator, a.operator)
			}
			return nil
		}
		if err == nil && !made.Made() {
			s.violate("I12", "operator %s was told that %s is made, and it waits", operator, a.id)
		}
		return err
	})
}

// reservation is what the checker knows of one.
type reservation struct {
	member          loyalty.MemberID
	points          loyalty.Points
	over            time.Time
	state           store.ReservationState
	spending        points.Spending
	on              string                   // the order that committed it
	back, forfeited loyalty.Points           // of what it spent
	from            map[int64]loyalty.Points // by the ends of the lots
}

// ended tells whether any of the points ended that were set aside.
func (r *reservation) ended(at time.Time) bool {
	for end := range r.from {
		if end <= at.Unix() {
			return true
		}
	}
	return false
}

// reserved holds a reservation to its one way: what it took stays, it leaves
// "reserved" once, and it is given back exactly when it is cancelled.
func (c *checker) reserved(by *invocation, key table.Key, item *table.Item) {
	fresh := c.written(key, item)
	if item == nil {
		return
	}
	state := store.ReservationState(item.Text("state"))
	if fresh {
		is := document[store.Reservation](c.s, item)
		of := &reservation{
			member: is.Member, points: is.Points, over: is.ExpiresAt, state: store.ReservationReserved, from: map[int64]loyalty.Points{},
			spending: points.Spending{Member: is.Member, Reservation: is.ID, Points: is.Points},
		}
		c.reservations[key] = of
		for _, entry := range is.Entries {
			of.spending.Lots = append(of.spending.Lots, entry.Lots...)
			for _, share := range entry.Lots {
				of.from[share.Until.Unix()] -= share.Points
			}
		}
		if len(is.Entries) != 1 || is.Entries[0].Available != -is.Points || is.Entries[0].Pending != 0 || is.Entries[0].Debt != 0 || is.Points <= 0 {
			c.s.violate("I6", "%d points set aside by %+v", is.Points, is.Entries)
		}
		c.credit(by, is.Fact)
	}
	was := c.reservations[key]
	switch {
	case state == was.state:
	case was.state != store.ReservationReserved:
		c.s.violate("I30", "a reservation of %s passes from %s to %s", was.member, was.state, state)
	case state == store.ReservationCommitted && c.s.now().After(was.over.Add(clocks)):
		c.s.violate("I30", "a reservation of %s is committed after its end", was.member)
	}
	was.state = state
}

// givenBack holds that what comes back is what was set aside, once.
func (c *checker) givenBack(by *invocation, key table.Key, item *table.Item) {
	if !c.written(key, item) {
		return
	}
	record := document[store.Record](c.s, item)
	key.SK = key.SK[:len(key.SK)-len("#R")]
	of := c.reservations[key]
	if of == nil || of.state == store.ReservationCommitted {
		c.s.violate("I7", "%s gets points back that he spent or never set aside", record.Member)
		return
	}
	c.returned[key] = true
	var sum loyalty.Points
	for _, entry := range record.Entries {
		sum += entry.Available - entry.Debt
		for _, share := range entry.Lots {
			from := of.from[share.Until.Unix()]
			grace := record.At.AddDate(0, 0, c.s.plan.rules.Points.ReturnGraceDays)
			if late := share.Until.Sub(grace); share.Points > from && (late < 0 || late >= time.Minute || !of.ended(record.At)) {
				c.s.violate("I8", "%s gets %d points back until %s, of which he had set aside %d", record.Member, share.Points, share.Until.In(zone), from)
			}
		}
	}
	if sum != of.points || record.Member != of.member {
		c.s.violate("I7", "%s gets %d points back of %d", record.Member, sum, of.points)
	}
	c.credit(by, record.Fact)
}

// adjusted holds that an adjustment is made once, as it was proposed.
func (c *checker) adjusted(by *invocation, key table.Key, item *table.Item) {
	if item == nil {
		c.s.violate("I2", "an adjustment is gone: %s %s", key.PK, key.SK)
		return
	}
	is := document[store.Adjustment](c.s, item)
	was, known := c.adjustments[key]
	switch {
	case known && was.Made() && c.facts[key] != item.Text("doc"):
		c.s.violate("I2", "an adjustment has changed: %s %s", key.PK, key.SK)
		return
	case known && (was.ID != is.ID || was.Points != is.Points || was.Proposed != is.Proposed):
		c.s.violate("I2", "the proposal of an adjustment has changed: %s %s", key.PK, key.SK)
	}
	c.facts[key], c.adjustments[key] = item.Text("doc"), is
	if !is.Made() || known && was.Made() {
		return
	}
	limit := c.s.plan.at(is.At).Points.AdjustmentLimit
	switch above := max(is.Points, -is.Points) > limit; {
	case above && is.Approved == nil:
		c.s.violate("I12", "%d points are corrected by one operator alone", is.Points)
	case is.Approved != nil && is.Approved.Operator == is.Proposed.Operator:
		c.s.violate("I12", "operator %s approved his own correction", is.Proposed.Operator)
	}
	var sum loyalty.Points
	for _, entry := range is.Entries {
		sum += entry.Available - entry.Debt
		if is.Points < 0 && entry.Debt != 0 {
			c.s.violate("I6", "a correction makes a debt of %d", entry.Debt)
		}
	}
	if sum != is.Points {
		c.s.violate("I7", "a correction of %d points makes %d", is.Points, sum)
	}
	c.credit(by, is.Fact)
}

// finishSpendings holds I12 and I30 at rest: every reservation has ended, once
// and as its owner was told, and what was approved is made.
func (s *simulation) finishSpendings(totals map[loyalty.MemberID]loyalty.Points) {
	for key, is := range s.check.reservations {
		switch {
		case is.state == store.ReservationReserved:
			s.violate("I37", "a reservation of %s stays open", is.member)
		case is.state == store.ReservationCancelled && !s.check.returned[key]:
			s.violate("I7", "%d points of %s are lost with a reservation that was cancelled", is.points, is.member)
		case is.state == store.ReservationCommitted:
			totals[is.member] -= is.points - is.back
		}
	}
	for _, sp := range s.plan.spendings {
		is := s.check.reservations[table.ReservationKey(sp.member, sp.id)]
		if sp.began && is == nil {
			s.violate("I12", "%s was told of a reservation that is not there", sp.by.name)
			return
		}
		for state := range sp.told {
			if is.state != state {
				s.violate("I12", "%s was told that a reservation is %s, and it is %s", sp.by.name, state, is.state)
			}
		}
	}
	s.finishSpentOn()
	for _, a := range s.check.adjustments {
		if a.Made() {
			totals[a.Member] += a.Points
		}
	}
	for _, a := range s.plan.corrections {
		is, known := s.check.adjustments[table.AdjustmentKey(a.member, a.id)]
		second := false
		for _, by := range a.approvals {
			second = second || by.operator != a.operator
		}
		if known && !is.Made() && second && a.asked && !a.refused {
			s.violate("I37", "%s was approved and is not made", a.id)
		}
		if a.asked && !known {
			s.violate("I12", "an operator was told of %s, and it is not there", a.id)
		}
	}
}
