package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/payer"
	"github.com/huitou/huitou/shared/table"
)

// drawPrizes lets some batches give red packets and gifts.
func (p *plan) drawPrizes(r *rand.Rand) {
	prizes := p.batch.Arms[0].Prizes
	packet := cards.Award{Kind: cards.PrizeRedPacket, Amount: int64(cards.MinRedPacket) + r.Int64N(5_000)}
	gift := cards.Award{Kind: cards.PrizeGift, Text: "a cup"}
	switch r.IntN(5) {
	case 0, 1:
		prizes[0].Award = packet
	case 2:
		prizes[0].Award = gift
	}
	if last := len(prizes) - 1; last > 0 {
		prizes[last].Award = []cards.Award{prizes[last].Award, packet, gift}[r.IntN(3)]
	}
	if len(prizes) == 2 && prizes[0].Award == prizes[1].Award {
		prizes[0].Quantity += prizes[1].Quantity
		p.batch.Arms[0].Prizes = prizes[:1]
	}
}

// book is what the payer knows of a bill: the same for ever, however often he is
// asked.
type book struct {
	order cards.PayoutOrder
	asked int
	slow  int // so often he says that he has accepted it
	paid  bool
	// byHand tells that operators paid or closed the bill at the payer's desk.
	byHand bool
}

// settled tells whether the payer has decided.
func (b *book) settled() bool { return b.byHand || b.asked > b.slow }

func (b *book) answer() cards.PayoutAnswer {
	answer := cards.PayoutAnswer{Bill: b.order.Bill, Amount: b.order.Amount, Outcome: cards.OutcomeAccepted}
	switch {
	case b.settled() && b.paid:
		answer.Outcome, answer.Reference = cards.OutcomePaid, "reference of "+string(b.order.Bill)
	case b.settled():
		answer.Outcome, answer.Code = cards.OutcomeFailed, "NOT_A_USER"
	}
	return answer
}

// cashier is the payer as one instance sees him.
type cashier struct{ of *instance }

var _ payer.Payer = cashier{}

// Pay implements payer.Payer.
func (c cashier) Pay(_ context.Context, order cards.PayoutOrder) (cards.PayoutAnswer, error) {
	v := c.of.current
	timeout := loyalty.Refuse(loyalty.KindUnavailable, "payer_timeout", "the payer did not answer")
	if err := v.before("pay " + string(order.Bill)); err != nil {
		return cards.PayoutAnswer{}, err
	}
	if _, lost := v.strikes(PayerBefore); lost {
		return cards.PayoutAnswer{}, timeout
	}
	b := v.check.asked(order)
	answer := b.answer()
	v.meddleWithPayer(v, order)
	if draw, twice := v.strikes(PayerTwice); twice {
		for n := range 1 + draw%2 {
			v.in(time.Duration(draw%90_000)*time.Millisecond, func() { v.report(b, n) })
		}
	}
	if _, late := v.strikes(PayerLate); late {
		v.frozen = 15 * time.Second
		if !v.pause() {
			return cards.PayoutAnswer{}, errCrashed
		}
		return cards.PayoutAnswer{}, timeout
	}
	if _, wrong := v.strikes(PayerWrong); wrong {
		answer.Bill = cards.Code{KeyID: 'K', Batch: 8}.Bill()
		return answer, v.after()
	}
	return answer, v.after()
}

// report brings the payer's word by the brand's own system, once more and late.
func (s *simulation) report(b *book, n uint64) {
	answer := b.answer()
	body := map[string]any{"state": answer.Outcome, "amount": answer.Amount.Fen()}
	if answer.Reference != "" {
		body["reference"] = answer.Reference
	}
	if answer.Code != "" {
		body["code"] = answer.Code
	}
	s.ask(act{
		what: "the payer's word about " + string(b.order.Bill), method: http.MethodPost, path: func() string { return "/v1/payouts/" + string(b.order.Bill) + "/result" },
		key: fmt.Sprint("result-", b.order.Bill, "-", n, "-", s.steps), body: body,
	}, func(status int, body string) {
		if status != http.StatusOK {
			s.violate("I21", "the payer's word about %s is answered with %d %s", b.order.Bill, status, body)
		}
	})
}

// asked holds I21 and I23 to what a payer is asked: one bill for a card for ever,
// a function of the card, with the amount and the recipient that it was won with,
// and never before it is on record that he is asked.
func (c *checker) asked(order cards.PayoutOrder) *book {
	b := c.bookOf(order)
	b.asked++
	if !reflect.DeepEqual(b.order, order) {
		c.s.violate("I21", "the payer is asked for %+v, and was for %+v", order, b.order)
	}
	card, is := 0, false
	for n := range c.s.plan.batch.Count {
		if fmt.Sprintf("HTK%05d%07d", c.s.plan.batch.Number, n) == string(order.Bill) {
			card, is = n, true
		}
	}
	if !is {
		c.s.violate("I23", "the bill %s is of no card", order.Bill)
		return b
	}
	payout, known := c.payouts[table.PayoutKey(c.s.plan.batch.ID(), int64(card))]
	won := c.s.draws.Award(card)
	switch {
	case !known || payout.Asked < 1 || payout.State() == cards.PayoutRequested:
		c.s.violate("I21", "the payer is asked for %s, and no record says so", order.Bill)
	case won.Kind != cards.PrizeRedPacket || int64(order.Amount.Fen()) != won.Amount:
		c.s.violate("I21", "the payer is asked for %d fen, and card %d gives %v", order.Amount.Fen(), card, won)
	case c.owners[table.CardKey(c.s.plan.batch.ID(), int64(card))] != order.Member:
		c.s.violate("I21", "the payer is asked to pay %s for a card of another", order.Member)
	}
	return b
}

// bookOf is what the payer knows of the bill, and begins with the first order.
func (c *checker) bookOf(order cards.PayoutOrder) *book {
	b := c.books[order.Reason]
	if b == nil {
		h := mix(c.s.seed, number(string(order.Bill)))
		b = &book{order: order, slow: int(h % 3), paid: h%5 > 0}
		c.books[order.Reason] = b
	}
	return b
}

// paidOut holds I21 and I30 to a payout's record: it only moves forward, keeps
// what it is about, and ends as the payer says.
func (c *checker) paidOut(key table.Key, item *table.Item) {
	if item == nil {
		c.s.violate("I2", "a payout is gone: %s %s", key.PK, key.SK)
		return
	}
	is := document[cards.Payout](c.s, item)
	was, known := c.payouts[key]
	c.payouts[key] = is
	if !known {
		c.won(fmt.Sprintf("card:%s:%d", is.Batch, is.Card), is.Member)
		if is.State() != cards.PayoutRequested || is.Asked != 0 {
			c.s.violate("I30", "a payout begins as %s", is.State())
		}
		c.s.handle(is)
		return
	}
	kept := len(is.Steps) >= len(was.Steps) && reflect.DeepEqual(was.Steps, is.Steps[:len(was.Steps)])
	if !kept || was.State().Final() && is.State() != was.State() {
		c.s.violate("I30", "the payout %s passes from %s to %s", is.Bill, was.State(), is.State())
	}
	if is.Bill != was.Bill || is.Amount != was.Amount || is.Member != was.Member || is.Asked < was.Asked {
		c.s.violate("I21", "the payout %+v has become %+v", was, is)
	}
	c.resolved(was, is)
	if !is.State().Final() {
		return
	}
	if is.Recipient != (loyalty.Identity{}) {
		c.s.violate("I34", "the payout %s is %s and names who got it", is.Bill, is.State())
	}
	last := is.Steps[len(is.Steps)-1]
	switch b := c.books[fmt.Sprintf("card:%s:%d", is.Batch, is.Card)]; {
	case b == nil || !b.settled():
		c.s.violate("I21", "the payout %s is %s, and the payer has not decided", is.Bill, is.State())
	case b.paid != (is.State() == cards.PayoutPaid):
		c.s.violate("I21", "the payout %s is %s, and the payer says otherwise", is.Bill, is.State())
	case last.Reference == "" && last.Code == "" && last.Approved == "":
		c.s.violate("I21", "the payout %s is %s without evidence", is.Bill, is.State())
	}
}

// packed follows a gift: it is won once, and leaves with one order.
func (c *checker) packed(key table.Key, item *table.Item) {
	if item == nil {
		c.s.violate("I2", "a gift is gone: %s %s", key.PK, key.SK)
		return
	}
	is := document[cards.Gift](c.s, item)
	was, known := c.parcels[key]
	switch {
	case !known:
		c.won(fmt.Sprintf("card:%s:%d", is.Batch, is.Card), is.Member)
		c.s.ship(is)
	case was.ID != is.ID || was.Member != is.Member || was.Text != is.Text:
		c.s.violate("I30", "the gift %+v has become %+v", was, is)
	case was.Order != nil && (is.Order == nil || *is.Order != *was.Order):
		c.s.violate("I30", "the gift %s leaves with another order", is.ID)
	}
	c.parcels[key] = is
}

// ship lets two clerks pack a gift at about the same time, each with an order of
// his own.
func (s *simulation) ship(gift cards.Gift) {
	for clerk := range 2 {
		order := fmt.Sprint("shipment-", clerk)
		s.in(time.Hour+time.Duration(s.rng.IntN(400))*time.Millisecond, func() {
			s.ask(act{
				what: fmt.Sprint("clerk ", clerk, " packs ", gift.ID), method: http.MethodPost,
				path: func() string { return "/v1/members/" + string(gift.Member) + "/gifts/" + gift.ID + "/shipment" },
				key:  fmt.Sprint("ship-", gift.ID, "-", clerk), body: map[string]any{"order": map[string]any{"channel": "tmall", "shop": "flagship", "order_id": order}},
			}, func(status int, body string) {
				shipped := s.check.parcels[table.GiftKey(gift.Member, gift.ID)]
				switch {
				case status == http.StatusOK && (shipped.Order == nil || shipped.Order.Order != order):
					s.violate("I12", "clerk %d was told to pack %s, and it left otherwise", clerk, gift.ID)
				case status == http.StatusConflict && strings.Contains(body, "gift_shipped") && shipped.Order != nil && shipped.Order.Order != order:
				case status != http.StatusOK:
					s.violate("I12", "clerk %d is answered about %s with %d %s", clerk, gift.ID, status, body)
				}
			})
		})
	}
}

// finishPrizes holds I10, I15 and I21 at rest: every red packet and gift that was
// won has one record, every payout has ended, and nobody was paid who won
// nothing.
func (s *simulation) finishPrizes() {
	packets, gifts := 0, 0
	for card := range s.plan.batch.Count {
		items, err := s.engine.Get(s.ctx, table.Strong, table.CardKey(s.plan.batch.ID(), int64(card)))
		s.must(err)
		won, is := s.redemption(items[0])
		if !is || won.Member == "" || won.suspended() {
			continue
		}
		switch won.Award.Kind {
		case cards.PrizeCoupon:
			if !s.check.coupons[table.CouponKey(won.Member, fmt.Sprintf("card:%s:%d", won.Batch, card))] {
				s.violate("I10", "card %d won a coupon, and %s has none", card, won.Member)
			}
		case cards.PrizeRedPacket:
			packets++
			payout, known := s.check.payouts[table.PayoutKey(s.plan.batch.ID(), int64(card))]
			switch {
			case !known || payout.Member != won.Member:
				s.violate("I21", "card %d won a red packet, and there is no payout", card)
			case !payout.State().Final():
				s.violate("I21", "the payout %s stays %s", payout.Bill, payout.State())
			}
		case cards.PrizeGift:
			gifts++
			gift, known := s.check.parcels[table.GiftKey(won.Member, fmt.Sprintf("%s-%07d", s.plan.batch.ID(), card))]
			if !known || gift.Order == nil {
				s.violate("I10", "card %d won a gift, and none was packed", card)
			}
		}
	}
	if packets != len(s.check.payouts) || gifts != len(s.check.parcels) {
		s.violate("I15", "%d payouts for %d red packets, and %d gifts for %d", len(s.check.payouts), packets, len(s.check.parcels), gifts)
	}
}
