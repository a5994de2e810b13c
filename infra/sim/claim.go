package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// claiming is one person's claim of an order by its number.
type claiming struct {
	by    *person
	of    *order
	proof points.Proof
	right bool // it is the buyer's
	at    time.Time
	cause string
	taken bool
	as    loyalty.MemberID // whom he claimed it
}

// binding is what an operator does to an order's owner: he gives it to somebody,
// or, where to is nil, takes back what one gave.
type binding struct {
	of *order
	to *person
	at time.Time
}

// last4 is what the events of some orders tell of their buyers' phones.
const last4 = "6065"

// otherLast4 ends no phone of anybody, so that it never proves an order.
const otherLast4 = "9999"

// drawClaims adds orders that nobody owns by an identity, people who claim them
// and operators who give them away; and people who claim what is not theirs.
func (p *plan) drawClaims(r *rand.Rand) {
	for i := range r.IntN(3) {
		o := p.drawOrder(r, 20+i)
		o.buyer, o.phone = nil, false
		for _, n := range o.news {
			n.held, n.event.Buyer = false, orders.Buyer{}
		}
		p.orders = append(p.orders, o)
	}
	for _, o := range p.orders {
		switch {
		case !o.free():
			if r.IntN(8) == 0 {
				p.addClaim(p.drawClaim(r, o, points.Proof{PhoneLast4: otherLast4}))
			}
			continue
		case o.buyer == nil:
			p.tellBuyer(r, o)
		}
		for range r.IntN(3) {
			proof, right := points.Proof{PhoneLast4: otherLast4}, r.IntN(3) > 0
			switch buyer := o.news[0].event.Buyer.ID; {
			case buyer != "" && !right:
				proof = points.Proof{Buyer: points.ProveBuyer(o.key, "somebody else")}
			case buyer != "":
				proof = points.Proof{Buyer: points.ProveBuyer(o.key, buyer)}
			case right:
				proof = points.Proof{PhoneLast4: last4}
			}
			c := p.drawClaim(r, o, proof)
			c.right = right
			p.addClaim(c)
		}
		p.drawBindings(r, o)
	}
}

// free tells an order that no identity makes anybody's.
func (o *order) free() bool { return o.buyer == nil || o.buyer.stranger && !o.phone }

// tellBuyer lets some or all events of an order tell of the buyer: the end of
// his phone number, or a name that nobody owns.
func (p *plan) tellBuyer(r *rand.Rand, o *order) {
	first, byID := r.IntN(len(o.news)), r.IntN(3) == 0
	for i, n := range o.news {
		switch {
		case byID:
			n.event.Buyer.ID = "guest-" + o.key.Order
		case i >= first:
			n.event.Buyer.PhoneLast4 = last4
		}
	}
}

func (p *plan) drawClaim(r *rand.Rand, o *order, proof points.Proof) *claiming {
	told := o.news[r.IntN(len(o.news))].arrives
	at := []time.Time{
		told.Add(-2 * time.Hour), told.Add(time.Duration(r.IntN(800)-400) * time.Millisecond), told.Add(6 * time.Hour), burst(r, 1), day(8, 10*time.Hour+15*time.Minute),
	}[r.IntN(5)]
	return &claiming{by: p.people[r.IntN(len(p.people))], of: o, proof: proof, at: earlier(at, day(lastDay-1, 0)), cause: fmt.Sprint("claim-", len(p.claims))}
}

// addClaim leaves out a claim that comes so soon after another of the same person
// that the retries of the two would take turns.
func (p *plan) addClaim(c *claiming) {
	if !slices.ContainsFunc(p.claims, func(other *claiming) bool {
		return other.by == c.by && other.of == c.of && c.at.Sub(other.at).Abs() < 2*time.Hour
	}) {
		p.claims = append(p.claims, c)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (p *plan) drawBindings(r *rand.Rand, o *order) {
	for range r.IntN(3) {
		told := o.news[r.IntN(len(o.news))].arrives
		at := []time.Time{told.Add(time.Duration(r.IntN(800)-400) * time.Millisecond), told.Add(3 * time.Hour), day(10, 10*time.Hour+15*time.Minute)}[r.IntN(3)]
		at = earlier(at, day(lastDay-2, 0))
		p.bindings = append(p.bindings, &binding{o, p.people[r.IntN(len(p.people))], at})
		if r.IntN(3) > 0 {
			at = []time.Time{
				at.Add(time.Duration(1+r.IntN(5000)) * time.Millisecond), at.Add(30 * time.Hour), day(14, 10*time.Hour+15*time.Minute),
				day(34, 10*time.Hour+20*time.Minute),
			}[r.IntN(4)]
			p.bindings = append(p.bindings, &binding{o, nil, earlier(at, day(lastDay-1, 0))})
		}
	}
}

// claimOrder claims an order as POST /v1/me/orders does.
func (s *simulation) claimOrder(c *claiming) {
	s.call(c.by.name+" claims "+c.of.key.Order, func(ctx context.Context, data store.Store, i *instance) error {
		member, err := s.acting(ctx, data, c.by)
		if err != nil || member == "" {
			return err
		}
		taken, err := claim.Take(ctx, data, member, c.of.key, c.proof, c.cause, i.clock())
		if err != nil {
			return err
		}
		err = producer{i, s.orders}.Send(ctx, claim.Message(taken))
		if err == nil && !c.taken {
			c.taken, c.as = true, member
		}
		return err
	})
}

// bind gives an order to a person, or takes it back, as the operators' endpoint
// does.
func (s *simulation) bind(b *binding) {
	what := "an operator takes back "
	if b.to != nil {
		what = "an operator gives " + b.to.name + " "
	}
	s.call(what+b.of.key.Order, func(ctx context.Context, data store.Store, i *instance) error {
		log, err := data.Log(ctx, b.of.key)
		if err != nil {
			return err
		}
		order := points.Replay(b.of.key, log)
		news := points.Fact{Kind: points.FactUnbound, At: i.clock(), Member: order.Member, Operator: "a", Reason: "simulated"}
		switch {
		case b.to != nil:
			member, err := s.acting(ctx, data, b.to)
			if err != nil || member == "" || !order.Known() {
				return err
			}
			news.Kind, news.Member = points.FactBound, member
		case order.Binding == nil:
			return nil
		}
		versions, err := data.Programs(ctx)
		if err != nil {
			return err
		}
		_, err = ledger.Post(ctx, data, versions, ledger.News{Order: b.of.key, Fact: news}, news.At)
		return err
	})
}

// entitled tells whether a member may get an order by the fact: it is his by an
// identity, he proved that he is the buyer, or an operator gave it to him.
func (c *checker) entitled(member loyalty.MemberID, key loyalty.OrderKey, kind points.FactKind) bool {
	o, who := c.s.plan.found(key), c.s.personOf(member)
	if o != nil && kind != points.FactBound && c.pageEntitled(member, o) {
		return true
	}
	if o == nil || who == nil {
		return false
	}
	if kind == points.FactBound {
		return slices.ContainsFunc(c.s.plan.bindings, func(b *binding) bool { return b.of == o && (b.to == who || b.to.related(who)) })
	}
	if o.buyer.adopted(who) {
		return true
	}
	return o.buyer == who && !who.stranger || slices.ContainsFunc(c.s.plan.claims, func(c *claiming) bool { return c.of == o && (c.by == who || c.by.related(who)) && c.right })
}

// claimed holds that a claim is decided once, and that the last one stands.
func (c *checker) claimed(key table.Key, item *table.Item) {
	if item == nil {
		return // it is cleaned up in the end
	}
	is := document[store.Claim](c.s, item)
	state := points.Claim(item.Text("state"))
	was := c.claims[key]
	switch {
	case was.cause == is.Cause && was.state != points.ClaimWaiting && was.state != state:
		c.s.violate("I30", "the claim of %s by %s passes from %s to %s", is.Order.Order, is.Member, was.state, state)
	case was.cause != is.Cause && c.replaced[key.PK+" "+is.Cause]:
		c.s.violate("I30", "an older claim of %s by %s takes the place of a newer", is.Order.Order, is.Member)
	}
	if was.cause != is.Cause {
		c.replaced[key.PK+" "+was.cause] = true
	}
	if log := c.logs[is.Order]; state == points.ClaimCredited && was.state != state && (log == nil || log.member != is.Member) {
		c.s.violate("I12", "the claim of %s by %s is credited, and the order is not his", is.Order.Order, is.Member)
	}
	if state == points.ClaimRefused && was != (claimState{is.Cause, state, is.Proof}) {
		c.refusals[key.PK]++
	}
	c.claims[key] = claimState{is.Cause, state, is.Proof}
}

// failed holds that a refused claim is counted once.
func (c *checker) failed(key table.Key, item *table.Item) {
	if item == nil {
		return // it is cleaned up in the end
	}
	c.failures[key] = max(c.failures[key], item.Int("n"))
	counted := int64(0)
	for of, n := range c.failures {
		if of.PK == key.PK {
			counted += n
		}
	}
	if counted > c.refusals[key.PK] {
		c.s.violate("I3", "%d refused claims are counted of %d", counted, c.refusals[key.PK])
	}
}

// claimState is what the checker knows of a claim.
type claimState struct {
	cause string
	state points.Claim
	proof points.Proof
}

// finishClaims holds I12 and I26: what people are shown of their claims is true,
// and no claim waits of which is known what decides it. An order that an operator
// gave away once kept nothing of what events told meanwhile.
func (s *simulation) finishClaims() {
	for _, c := range s.plan.claims {
		member := c.as
		log := s.check.logs[c.of.key]
		key := table.ClaimKey(member, c.of.key)
		if !c.taken || c.by.erased || s.check.account[member].Erased != nil || log == nil || s.check.claims[key].cause != c.cause {
			continue
		}
		shown, _, err := statement.Claims(s.ctx, s.raw(), member, 100, "", s.now())
		s.must(err)
		var state points.Claim
		for _, one := range shown {
			if one.OrderID == c.of.key.Order {
				state = one.State
			}
		}
		tells := log.tells(c.of, c.proof)
		mine := log.member == member
		switch {
		case mine != (state == points.ClaimCredited):
			s.violate("I12", "%s is shown a claim of %s as %s, and the order belongs to %q", member, c.of.key.Order, state, log.member)
		case log.bindings > 0 || mine:
		case log.member == "" && c.right && tells:
			s.violate("I26", "%s claims %s with the right proof, and nobody owns it", member, c.of.key.Order)
		case state == points.ClaimWaiting && (tells || log.member != ""):
			s.violate("I26", "the claim of %s by %s waits, though what decides it is known", c.of.key.Order, member)
		}
	}
}
