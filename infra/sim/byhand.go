package sim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/table"
)

// byHand is what an operator does about a red packet (人工处理): pays it at the
// payer's desk under its bill, or closes the bill there, and says so; withdraws
// what is proposed; or has the payer asked again at once.
type byHand struct {
	card, number int
	by           string
	does         deed
	mistaken     bool // says the opposite of what stands in the payer's books
	after        time.Duration
	tries        int
	begun        bool
	heard        bool
}

type deed string

const (
	paysIt    deed = "pays"
	closesIt  deed = "closes"
	withdraws deed = "withdraws from"
	asksAgain deed = "asks for"
)

// drawByHand lets two operators end red packets by hand, one of whom is mistaken
// now and then.
func (p *plan) drawByHand(r *rand.Rand) {
	prizes := p.batch.Arms[0].Prizes
	packet := func(of cards.Prize) bool { return of.Award.Kind == cards.PrizeRedPacket }
	if !slices.ContainsFunc(prizes, packet) {
		prizes[0].Award = cards.Award{Kind: cards.PrizeRedPacket, Amount: int64(cards.MinRedPacket) + r.Int64N(5_000)}
	}
	p.staffed = true
	p.byHand = make([][]*byHand, p.batch.Count)
	for card := range p.byHand {
		for n := range r.IntN(6) {
			h := &byHand{card: card, number: n, by: clerks[r.IntN(len(clerks))], does: []deed{paysIt, paysIt, closesIt, closesIt, withdraws, asksAgain}[r.IntN(6)]}
			h.mistaken = h.by == clerks[0] && r.IntN(3) == 0
			h.after = []time.Duration{time.Second, 2 * time.Minute, 11 * time.Minute, 20 * time.Minute}[r.IntN(4)] + time.Duration(r.IntN(90))*time.Second
			p.byHand[card] = append(p.byHand[card], h)
		}
	}
}

// handle lets operators do what they do about a red packet that was just won.
func (s *simulation) handle(payout cards.Payout) {
	if s.plan.byHand == nil {
		return
	}
	for _, h := range s.plan.byHand[payout.Card] {
		s.in(h.after, func() { s.byHand(h) })
	}
}

// meddleWithPayer lets the next things that operators do about a red packet, one
// after the other, happen while the payer is at it.
func (s *simulation) meddleWithPayer(v *invocation, order cards.PayoutOrder) {
	if s.plan.byHand == nil {
		return
	}
	var next []*byHand
	for _, deeds := range s.plan.byHand {
		for _, h := range deeds {
			if !h.begun && s.plan.batch.Code(h.card).Bill() == order.Bill {
				next = append(next, h)
			}
		}
	}
	if len(next) == 0 {
		return
	}
	if draw, meets := v.strikes(ByHandMeetsPayer); meets {
		for n, h := range next[:min(len(next), 3)] {
			s.in(time.Duration(n)*2*time.Second+time.Duration(draw%300)*time.Millisecond, func() { s.byHand(h) })
		}
		v.frozen = time.Duration(draw%8000) * time.Millisecond
	}
}

// byHand begins what an operator does, once.
func (s *simulation) byHand(h *byHand) {
	if !h.begun {
		h.begun = true
		s.tryByHand(h)
	}
}

func (s *simulation) tryByHand(h *byHand) {
	bill := s.plan.batch.Code(h.card).Bill()
	a := act{
		what: fmt.Sprint(h.by, " ", h.does, " ", bill), by: h.by, method: http.MethodPost, path: func() string { return "/v1/payouts/" + string(bill) + "/resolution" },
		key: fmt.Sprint("by-hand-", h.card, "-", h.number, "-", h.tries),
	}
	var state cards.PayoutState
	switch h.does {
	case withdraws:
		a.method, a.key = http.MethodDelete, ""
	case asksAgain:
		a.path = func() string { return "/v1/payouts/" + string(bill) + "/ask" }
	default:
		state = s.settleByHand(h)
		body := map[string]any{"state": state, "reason": "simulated"}
		if state == cards.PayoutPaid {
			body["reference"] = "reference of " + string(bill)
		}
		a.body = body
	}
	s.ask(a, func(status int, body string) {
		is := s.check.payouts[table.PayoutKey(s.plan.batch.ID(), int64(h.card))]
		again := func(in time.Duration, meanwhile func()) {
			if h.tries++; h.tries < 4 {
				meanwhile()
				s.in(in, func() { s.tryByHand(h) })
			}
		}
		right := false
		switch {
		case status == http.StatusOK && state != "":
			right = is.State() == state
		case status == http.StatusOK:
			right = h.does == asksAgain || !is.State().Final() || is.Proposed == nil || is.At().After(s.now().Add(-time.Minute-maxSkew))
		case status == http.StatusAccepted:
			right = state != ""
		case status != http.StatusConflict:
		case strings.Contains(body, "payout_settled"):
			right = is.State().Final() && is.State() != state
		case strings.Contains(body, "payout_in_flight"):
			right = h.does != withdraws
			again(70*time.Second, func() {})
		case strings.Contains(body, "resolution_differs"):
			right = state != ""
			if !h.mistaken { // it is withdrawn first
				again(time.Minute, func() {
					s.byHand(&byHand{card: h.card, number: 100*(1+h.number) + h.tries, by: h.by, does: withdraws})
				})
			}
		case strings.Contains(body, "resolution_proposed"):
			right = h.does == asksAgain
		}
		if !right {
			s.violate("I12", "%s %s %s, which is %q to them, is answered with %d %s, and it is %s", h.by, h.does, bill, state, status, body, is.State())
		}
		h.heard = true
	})
}

// settleByHand is what an operator says about a bill: how it stands in the payer's
// books, once they have paid or closed it there if nobody had; of who is mistaken,
// the opposite.
func (s *simulation) settleByHand(h *byHand) cards.PayoutState {
	payout := s.check.payouts[table.PayoutKey(s.plan.batch.ID(), int64(h.card))]
	b := s.check.bookOf(payout.Order())
	if !b.settled() && !h.mistaken {
		b.byHand, b.paid = true, h.does == paysIt
	}
	state := cards.PayoutFailed
	if b.paid != h.mistaken {
		state = cards.PayoutPaid
	}
	s.check.saidOf[fmt.Sprint(payout.Bill, " ", h.by, " ", state)] = true
	return state
}

// withdrawProposals withdraws at the end of a world what one operator proposed and no second
// agreed to, so that the payer is asked again.
func (s *simulation) withdrawProposals() {
	for card := range s.plan.byHand {
		payout, known := s.check.payouts[table.PayoutKey(s.plan.batch.ID(), int64(card))]
		if known && payout.Proposed != nil && !payout.State().Final() {
			s.byHand(&byHand{card: card, number: -1, by: clerks[1], does: withdraws})
		}
	}
}

// resolved holds I12 and I21 to the end of a payout by hand: two different
// operators said so, one after the other, while the payer was not at it, and he is
// not asked from the first word on.
func (c *checker) resolved(was, is cards.Payout) {
	if is.Asked > was.Asked && (was.Proposed != nil || was.State().Final()) {
		c.s.violate("I21", "the payer is to be asked for %s, which is %s and which operators are ending by hand", is.Bill, was.State())
	}
	last := is.Steps[len(is.Steps)-1]
	clerk := slices.Contains(clerks[:], last.By)
	if len(is.Steps) == len(was.Steps) || !clerk && last.Approved == "" {
		return
	}
	said := func(by string) bool { return c.saidOf[fmt.Sprint(is.Bill, " ", by, " ", last.State)] }
	switch {
	case last.Approved == "" || last.Approved == last.By:
		c.s.violate("I12", "%s alone ends %s as %s", last.By, is.Bill, last.State)
	case !said(last.By) || !said(last.Approved):
		c.s.violate("I12", "%s is %s by %s and %s, who did not say so", is.Bill, last.State, last.By, last.Approved)
	case was.Proposed == nil || was.Proposed.Operator != last.By || was.Proposed.State != last.State:
		c.s.violate("I12", "%s is %s, and %+v was proposed", is.Bill, last.State, was.Proposed)
	case is.Asked > 0 && last.At.Before(is.AskedAt.Add(time.Minute)):
		c.s.violate("I21", "%s is ended by hand at %s, and the payer was asked at %s", is.Bill, last.At, is.AskedAt)
	}
}

// finishByHand holds I37: every operator has an answer.
func (s *simulation) finishByHand() {
	for _, deeds := range s.plan.byHand {
		for _, h := range deeds {
			if h.begun && !h.heard {
				s.violate("I37", "%s never heard about card %d", h.by, h.card)
			}
		}
	}
}
