package sim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// pageClaim is a claim of an order that somebody makes on a card's page
// (卡页订单认领).
type pageClaim struct {
	number int
	by     *ask // to whom the page belongs
	of     *order
	typed  string // as proof
	right  bool   // it is the buyer's
	at     time.Time
	tries  int
	taken  bool // the page said so
}

// drawPageClaims adds orders of nobody, people who type their phone at a card and
// prove it later, and claims of these orders on the pages of cards: right and
// wrong, several of one order, more than a card takes.
func (p *plan) drawPageClaims(r *rand.Rand) {
	p.rules.Brand.Shops = []program.Shop{{Channel: "tmall", Shop: "flagship", Name: "flagship"}}
	if p.later != nil {
		p.later.Brand.Shops = p.rules.Brand.Shops
	}
	for i := range 1 + r.IntN(2) {
		o := p.drawOrder(r, 60+i)
		o.buyer, o.phone = nil, false
		for _, n := range o.news {
			n.held, n.event.Buyer = false, orders.Buyer{}
		}
		p.tellBuyer(r, o)
		p.orders = append(p.orders, o)
	}
	asks := p.asks[:min(len(p.asks), 4):min(len(p.asks), 4)]
	for range 1 + r.IntN(2) {
		who, card := p.people[r.IntN(len(p.people))], r.IntN(p.batch.Count)
		typed := p.ask(r, card, who, day(r.IntN(2), time.Duration(9+r.IntN(3))*time.Hour))
		typed.way = byPhone
		if !who.stranger {
			proved := p.ask(r, card, who, typed.at.Add(time.Duration(1+r.IntN(24))*time.Hour))
			proved.way = byToken
		}
		asks = append(asks, typed)
	}
	for _, a := range asks {
		for range r.IntN(4) {
			p.pageClaims = append(p.pageClaims, p.drawPageClaim(r, a))
		}
	}
}

func (p *plan) drawPageClaim(r *rand.Rand, a *ask) *pageClaim {
	o := p.orders[len(p.orders)-1]
	if r.IntN(4) == 0 {
		o = p.orders[r.IntN(len(p.orders))]
	}
	if o.key.Channel != "tmall" { // the page offers no other shop
		o = p.orders[len(p.orders)-1]
	}
	c := &pageClaim{number: len(p.pageClaims), by: a, of: o, typed: otherLast4}
	if buyer := o.news[0].event.Buyer.ID; o.free() && r.IntN(3) > 0 {
		c.right, c.typed = true, last4
		if buyer != "" {
			c.typed = buyer
		}
	} else if o.free() && buyer != "" {
		c.typed = "somebody else"
	}
	c.at = a.at.Add([]time.Duration{4 * time.Second, 2 * time.Hour, 5 * 24 * time.Hour}[r.IntN(3)] + time.Duration(r.IntN(2000))*time.Millisecond)
	return c
}

// claimOnPages puts the claims on the agenda: some at the instant at which news of
// the order comes, or at which the card is proved.
func (s *simulation) claimOnPages() {
	for _, c := range s.plan.pageClaims {
		place := []uint64{number("page claim"), uint64(c.number)}
		about := func(at time.Time) time.Time { return at.Add(time.Duration(s.rng.IntN(1200)-600) * time.Millisecond) }
		at := c.at
		if draw, meets := s.faults.strikes(ClaimMeetsOrder, c.of.key.Order, place...); meets {
			at = about(c.of.news[draw%uint64(len(c.of.news))].arrives)
		}
		for _, proof := range s.plan.asks {
			if proof.card != c.by.card || proof.by != c.by.by || proof.way != byToken {
				continue
			}
			if _, meets := s.faults.strikes(ClaimMeetsProof, c.of.key.Order, place...); meets {
				at = about(proof.at)
			}
			break
		}
		s.at(at, func() { s.claimOnPage(c) })
	}
}

// claimOnPage sends the page's form until it is answered. Who never saw the page
// with the prize sends it all the same, without the reference that stands there.
func (s *simulation) claimOnPage(c *pageClaim) {
	if !c.by.final && c.by.reference == "" {
		s.in(10*time.Minute, func() { s.claimOnPage(c) })
		return
	}
	code, err := s.keys.Codec().Token(s.plan.batch.Code(c.by.card))
	s.must(err)
	reference := c.by.reference
	form := url.Values{"card": {reference}, "shop": {"tmall/flagship"}, "order": {c.of.key.Order}, "proof": {c.typed}}
	s.record(c.by.by.name, fmt.Sprint("claims ", c.of.key.Order, " with card ", c.by.card))
	s.request(redeemCard, http.MethodPost, "/c/"+code+"?claim=1", map[string]string{"content-type": "application/x-www-form-urlencoded"}, form.Encode(), func(status int, _ string) {
		made := s.check.onCards[table.CardClaimsKey(s.plan.batch.ID(), int64(c.by.card))]
		switch {
		case status == 0 || status >= 500:
			c.tries++
			s.in(s.patience(c.tries), func() { s.claimOnPage(c) })
		case status == http.StatusOK && reference != "":
			c.taken = true
		case status == http.StatusNotFound && reference == "":
		case status == http.StatusTooManyRequests && len(made) == claim.MaxOnCard:
		default:
			s.violate("I33", "a claim with card %d, of which %d are known, is answered with %d, and the page was seen: %t", c.by.card, len(made), status, reference != "")
		}
	})
}

// proof is what the form makes of what was typed.
func (c *pageClaim) proof() points.Proof {
	if len(c.typed) == len(last4) {
		return points.Proof{PhoneLast4: c.typed}
	}
	return points.Proof{Buyer: points.ProveBuyer(c.of.key, c.typed)}
}

// pageEntitled tells whether the order was claimed with the right proof on the
// page of a card that is the member's.
func (c *checker) pageEntitled(member loyalty.MemberID, o *order) bool {
	return slices.ContainsFunc(c.s.plan.pageClaims, func(p *pageClaim) bool {
		owner := c.owners[table.CardKey(c.s.plan.batch.ID(), int64(p.by.card))]
		return p.of == o && p.right && owner != "" && slices.Contains(c.heirs(owner), member)
	})
}

// claimedOnCard holds I26 and I33 to the claims of a card: each was made by who
// saw the card's prize, stays until it is that of the card's member, and is told
// once it is.
func (c *checker) claimedOnCard(key table.Key, item *table.Item) {
	key.SK, _, _ = strings.Cut(key.SK, "#")
	claims := table.ClaimsOfCard(key)
	was := c.onCards[claims]
	if item == nil {
		c.s.violate("I26", "the claims of a card are gone: %s %s", key.PK, key.SK)
		return
	}
	is := document[[]store.CardClaim](c.s, item)
	c.onCards[claims] = is
	if len(is) == 0 && slices.ContainsFunc(c.s.plan.people, func(who *person) bool { return who.forgotten.commit > 0 || who.erased }) {
		return // with the person
	}
	if len(is) > claim.MaxOnCard || len(is) < len(was) {
		c.s.violate("I26", "a card had %d claims, and has %d", len(was), len(is))
		return
	}
	for i, made := range is {
		switch {
		case i >= len(was):
			c.typed[made.Cause] = made.Proof
			seen := slices.ContainsFunc(c.s.plan.pageClaims, func(p *pageClaim) bool {
				return table.CardKey(c.s.plan.batch.ID(), int64(p.by.card)) == key && p.by.reference != "" && made.Order != nil && *made.Order == p.of.key && made.Proof == p.proof()
			})
			if !seen {
				c.s.violate("I33", "a card has a claim of %+v, and nobody who saw its prize made it", made.Order)
			}
		case made.Cause != was[i].Cause || made.Order != nil && was[i].Order == nil:
			c.s.violate("I30", "the claim %+v of a card has become %+v", was[i], made)
		case made.Order == nil && was[i].Order != nil:
			c.passedOn(key, *was[i].Order, was[i].Cause, was[i+1:])
		}
	}
}

// passedOn holds that a claim which does not wait on its card any more is one of
// the card's member.
func (c *checker) passedOn(key table.Key, order loyalty.OrderKey, cause string, later []store.CardClaim) {
	if slices.ContainsFunc(later, func(made store.CardClaim) bool { return made.Order != nil && *made.Order == order }) {
		return // the last one counts
	}
	owner := c.owners[key]
	if owner == "" {
		c.s.violate("I26", "a claim of %s left its card before that was anybody's", order.Order)
		return
	}
	for _, member := range c.heirs(owner) {
		of := table.ClaimKey(member, order)
		is := c.claims[of]
		claimed := is.cause == cause || c.replaced[of.PK+" "+cause] || is.proof == c.typed[cause]
		if claimed || c.account[member].Erased != nil || c.refusals[of.PK] >= ledger.MaxFailures {
			return
		}
	}
	c.s.violate("I26", "the claim %s of %s left its card, and %s has none", cause, order.Order, owner)
}

// heirs are the member and into whom they were ever merged.
func (c *checker) heirs(member loyalty.MemberID) []loyalty.MemberID {
	all := []loyalty.MemberID{member}
	for act := range c.acts {
		if act[1] == member {
			all = append(all, act[0])
		}
	}
	return all
}

// finishPageClaims holds I12 and I26 at rest: what was claimed on a card's page is
// claimed for the card's member, waits on the card while that is nobody's, and
// gave them the order where the proof was right and nobody had it.
func (s *simulation) finishPageClaims() {
	for key, made := range s.check.onCards {
		card := table.Key{PK: key.PK, SK: strings.TrimSuffix(key.SK, "#O")}
		owner := s.check.owners[card]
		for _, of := range made {
			if of.Order != nil && owner != "" && !s.erased(owner) {
				s.violate("I26", "a claim of %s waits on a card, and that is %s's", of.Order.Order, owner)
			}
			if of.Order == nil && owner != "" {
				s.finishPageClaim(owner, of.Cause, card)
			}
		}
	}
	for _, c := range s.plan.pageClaims {
		made := s.check.onCards[table.CardClaimsKey(s.plan.batch.ID(), int64(c.by.card))]
		if forgotten := c.by.by.forgotten.commit > 0 || len(made) == 0 && len(s.plan.erasures) > 0; c.taken && len(made) == 0 && !forgotten {
			s.violate("I26", "%s was told that %s is claimed, and it is not", c.by.by.name, c.of.key.Order)
		}
	}
}

// finishPageClaim looks at one claim that was passed on.
func (s *simulation) finishPageClaim(owner loyalty.MemberID, cause string, card table.Key) {
	for _, c := range s.plan.pageClaims {
		log := s.check.logs[c.of.key]
		if !c.taken || !c.right || c.proof() != s.check.typed[cause] || log == nil || log.member != "" || log.bindings > 0 || table.CardKey(s.plan.batch.ID(), int64(c.by.card)) != card || !log.tells(c.of, c.proof()) {
			continue
		}
		for _, member := range s.check.heirs(owner) {
			key := table.ClaimKey(member, c.of.key)
			is := s.check.claims[key]
			if is.cause == cause && is.state != points.ClaimCredited && !s.erased(member) && s.check.refusals[key.PK] < ledger.MaxFailures {
				s.violate("I26", "%s claimed %s on a card with the right proof, the claim is %s, and nobody owns it", member, c.of.key.Order, is.state)
			}
		}
	}
}

// erased tells whether a member, or the whole of whom they are a part, is gone.
func (s *simulation) erased(member loyalty.MemberID) bool {
	return s.check.account[member].Erased != nil || s.check.account[s.check.wholes[member]].Erased != nil
}

// tells tells whether what is known of an order decides about a proof.
func (l *logged) tells(o *order, proof points.Proof) bool {
	return slices.ContainsFunc(o.news, func(n *news) bool {
		told := n.event.Buyer
		return l.knows(n) && (proof.Buyer != "" && told.ID != "" || proof.PhoneLast4 != "" && told.PhoneLast4 != "")
	})
}
