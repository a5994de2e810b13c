package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// heldCard is what follows when a card is held (可疑卡): what operators say about it,
// and whether its customers appeal.
type heldCard struct {
	verdicts []*verdict
	appeals  int
}

// verdict is one operator's word about a held card.
type verdict struct {
	card, number int
	by           string
	reason       cards.VoidReason // "" lets the prize go
	after        time.Duration    // since the card was held
	again        bool             // they say it once more under another key
	heard        int              // the status of the answer; 0 while there is none
}

// drawHolds lets the brand hold the cards of short runs, somebody redeem such a
// run, and two operators decide, each by themselves.
func (p *plan) drawHolds(r *rand.Rand) {
	bounds := cards.Holds{
		WindowHours: 24, PerPerson: r.IntN(3), Carton: 2 + r.IntN(6), VoidLimit: []loyalty.Fen{0, 5_000, cards.TopPrize}[r.IntN(3)],
	}
	if bounds.PerPerson == 0 || r.IntN(3) == 0 {
		bounds.PerCarton = 1
	}
	p.staffed = true
	p.rules.Cards = &cards.Rules{Throttle: p.rules.Cards.Guesses(), Holds: &bounds}
	if p.later != nil {
		p.later.Cards = p.rules.Cards
	}
	for range 1 + r.IntN(2) {
		by, at := p.people[r.IntN(len(p.people))], burst(r, r.IntN(3))
		for card := range p.batch.Count {
			if r.IntN(4) > 0 {
				p.ask(r, card, by, at.Add(time.Duration(r.IntN(4000))*time.Millisecond))
			}
		}
	}
	p.holds = make([]heldCard, p.batch.Count)
	for card := range p.holds {
		is := &p.holds[card]
		is.appeals = r.IntN(3)
		for n := range r.IntN(5) {
			is.verdicts = append(is.verdicts, &verdict{
				card: card, number: n, by: clerks[r.IntN(len(clerks))], again: r.IntN(2) == 0,
				reason: []cards.VoidReason{"", "", cards.VoidStolen, cards.VoidStolen, cards.VoidReturned}[r.IntN(5)],
				after:  []time.Duration{2 * time.Second, 30 * time.Minute, 30 * time.Hour, 20 * 24 * time.Hour}[r.IntN(4)],
			})
		}
	}
}

// lookInto lets operators and customers do what they do about a card that was just
// held.
func (s *simulation) lookInto(card int) {
	is := s.plan.holds[card]
	place := []uint64{number("review"), uint64(card)}
	jitter := func() time.Duration { return time.Duration(s.rng.IntN(400)) * time.Millisecond }
	when := time.Minute
	if len(is.verdicts) > 0 {
		when = is.verdicts[0].after
		_, cross := s.faults.strikes(VerdictsCross, fmt.Sprint("card ", card), place...)
		for _, v := range is.verdicts {
			if cross {
				v.after = when
			}
			s.in(v.after+jitter(), func() { s.judge(v, "verdict") })
		}
	}
	if _, meets := s.faults.strikes(AppealMeetsVerdict, fmt.Sprint("card ", card), place...); !meets {
		when = []time.Duration{time.Second, time.Hour, 40 * time.Hour}[s.rng.IntN(3)]
	}
	asks := slices.DeleteFunc(slices.Clone(s.plan.asks), func(a *ask) bool { return a.card != card })
	for n := range is.appeals {
		if len(asks) > 0 {
			a := asks[s.rng.IntN(len(asks))]
			s.in(when+jitter(), func() { s.appeal(&appealing{card: card, number: n, by: a.by, way: a.way}) })
		}
	}
}

// judge sends an operator's verdict.
func (s *simulation) judge(v *verdict, key string) {
	verb, body := "release", map[string]any(nil)
	if v.reason != "" {
		verb, body = "void", map[string]any{"reason": v.reason}
	}
	a := act{
		what: fmt.Sprint(v.by, " wants to ", verb, " card ", v.card), by: v.by, method: http.MethodPost,
		path: func() string { return "/v1/card-holds/" + s.plan.batch.Code(v.card).HoldID() + "/" + verb },
		key:  fmt.Sprint(key, "-", v.card, "-", v.number),
	}
	if body != nil {
		a.body = body
	}
	s.ask(a, func(status int, body string) {
		is := s.check.holds[table.HoldKey(s.plan.batch.ID(), int64(v.card))]
		var right bool
		switch {
		case status == http.StatusOK && v.reason == "":
			right = is.State() == cards.HoldReleased
		case status == http.StatusOK:
			right = is.State() == cards.HoldVoided && is.Decided.Reason == v.reason
		case status == http.StatusAccepted:
			right = v.reason != "" && (is.State() != cards.HoldOpen || is.Proposed != nil)
		case strings.Contains(body, "hold_settled"):
			right = is.State() != cards.HoldOpen && (v.reason == "" || is.Decided.Reason != v.reason)
		case strings.Contains(body, "reason_differs"):
			right = v.reason != ""
		case strings.Contains(body, "member_erased"):
			who := s.personOf(is.Member)
			right = v.reason == "" && (who == nil || who.erased)
		}
		if !right {
			s.violate("I12", "%s, who wants %q of card %d, is answered with %d %s, and it is %s", v.by, v.reason, v.card, status, body, is.State())
		}
		v.heard = status
		if v.again {
			v.again = false
			s.in(s.patience(0), func() { s.judge(v, "again") })
		}
	})
}

// appealing is one appeal (申诉) of somebody who asked for a held card's prize.
type appealing struct {
	card, number int
	by           *person
	way          way
	tries        int
}

// appeal sends an appeal, by the page's form where the phone is typed, until it is
// answered.
func (s *simulation) appeal(a *appealing) {
	code, err := s.keys.Codec().Token(s.plan.batch.Code(a.card))
	s.must(err)
	target, body := "/c/"+code+"/appeal", `{"ground":"bought"}`
	headers := map[string]string{}
	switch a.way {
	case byOpenID:
		body = strings.TrimSuffix(s.askBody(a.by.openID.Kind, a.by.openID.Channel, a.by.openID.Value), "}") + `,"ground":"bought"}`
	case byPhone:
		target, body = "/c/"+code+"?appeal=1", url.Values{"phone": {a.by.phone}, "ground": {"bought"}}.Encode()
		headers["content-type"] = "application/x-www-form-urlencoded"
	case byToken:
		raw := s.memberToken(a.by)
		if raw == "" || a.by.erased {
			return
		}
		headers["authorization"] = "Bearer " + raw
	}
	if s.check.objected[a.card] == nil {
		s.check.objected[a.card] = map[*person]bool{}
	}
	s.check.objected[a.card][a.by] = true
	s.record(a.by.name, fmt.Sprint("appeals about card ", a.card))
	s.request(redeemCard, http.MethodPost, target, headers, body, func(status int, body string) {
		switch {
		case status == 0 || status >= 500:
			a.tries++
			s.in(s.patience(a.tries), func() { s.appeal(a) })
		case status == http.StatusUnauthorized && a.way == byToken && (len(a.by.family) > 0 || a.by.erased):
		case a.way == byPhone && status != http.StatusOK || a.way != byPhone && status != http.StatusAccepted:
			s.violate("I37", "an appeal about card %d is answered with %d %s", a.card, status, body)
		default:
			s.appealed(a)
		}
	})
}

// appealed holds that an appeal that was taken is with its hold, if it came from
// who redeemed the card and the prize was not let go.
func (s *simulation) appealed(a *appealing) {
	items, err := s.engine.Get(s.ctx, table.Strong, table.CardKey(s.plan.batch.ID(), int64(a.card)))
	s.must(err)
	card, is := s.redemption(items[0])
	theirs := is && (a.way == byOpenID && card.Identity == a.by.openID || a.way == byPhone && card.Identity == a.by.identities()[2].Identity)
	hold := s.check.holds[table.HoldKey(s.plan.batch.ID(), int64(a.card))]
	if theirs && hold.Appeal == nil && hold.State() != cards.HoldReleased {
		s.violate("I26", "the appeal of %s about card %d was taken, and nobody can see it", a.by.name, a.card)
	}
}

// decided holds I30 to a redeemed card: it is held when it is redeemed or proved,
// or never, and leaves that state once. It reports whether it left it now.
func (c *checker) decided(key table.Key, was, is redeemed) bool {
	switch {
	case was.Hold == is.Hold:
		return false
	case was.Hold == "" && is.Hold == cards.HoldOpen && was.Member == "":
		return false
	case was.Hold == cards.HoldOpen && is.Hold != "":
		return true
	}
	c.s.violate("I30", "card %d passes from %q to %q", is.Card, was.Hold, is.Hold)
	return true
}

// holding holds I30 to a hold: it is decided once, by those who may, and its appeal
// stays; and I26: it stands in the queue of its state and in no other, so that
// operators see it until it is decided and not after.
func (c *checker) holding(key table.Key, item *table.Item) {
	if item == nil {
		c.s.violate("I2", "a hold is gone: %s %s", key.PK, key.SK)
		return
	}
	is := document[cards.Hold](c.s, item)
	was, known := c.holds[key]
	c.holds[key] = is
	card, there := c.redemptionOf(is.Card)
	switch {
	case !there || card.Hold != is.State() || is.Member != "" && card.Member != is.Member || is.Decided != nil && card.Void != is.Decided.Reason:
		c.s.violate("I30", "the hold of card %d is %s, and the card is %q %q", is.Card, is.State(), card.Hold, card.Void)
	case known && was.Decided != nil && !reflect.DeepEqual(was.Decided, is.Decided):
		c.s.violate("I30", "card %d was decided as %+v, and is as %+v", is.Card, *was.Decided, is.Decided)
	case known && (was.Award != is.Award || !was.HeldAt.Equal(is.HeldAt) || was.Appeal != nil && !reflect.DeepEqual(was.Appeal, is.Appeal)):
		c.s.violate("I30", "the hold %+v has become %+v", was, is)
	case is.Award != card.Award:
		c.s.violate("I15", "card %d gives %v, and is held for %v", is.Card, card.Award, is.Award)
	}
	if list := item.Text("mpk"); list != c.listOf(is) {
		c.s.violate("I26", "card %d is %s, appealed against: %t, and stands in %q", is.Card, is.State(), is.Appeal != nil, list)
	}
	if is.Appeal != nil && was.Appeal == nil && !c.mayAppeal(card) {
		c.s.violate("I33", "card %d has an appeal, and nobody who has the card made one", is.Card)
	}
	if is.Decided != nil && was.Decided == nil {
		c.judged(is)
	}
	if !known {
		if is.State() != cards.HoldOpen {
			c.s.violate("I30", "the hold of card %d begins as %s", is.Card, is.State())
		}
		c.s.lookInto(is.Card)
	}
}

// listOf is the list in which a hold has to stand.
func (c *checker) listOf(is cards.Hold) string {
	list := table.HoldsPK("open", is.Appeal != nil)
	if is.Decided != nil {
		list = table.HoldsPK(string(is.Decided.State), is.Appeal != nil)
	}
	return list
}

// mayAppeal tells whether one of those who appealed about a card has it.
func (c *checker) mayAppeal(card redeemed) bool {
	owner := c.s.personOf(card.Member)
	for who := range c.objected[card.Card] {
		forgotten := card.Identity == (loyalty.Identity{}) && card.Member == "" || who.forgotten.commit > 0
		if who == owner || who.related(owner) || forgotten || card.Identity == who.openID || card.Identity == who.identities()[2].Identity {
			return true
		}
	}
	return false
}

// judged holds a decision to what operators said: somebody said so, and where the
// prize is dear, or they voided too much alone that day, two of them did.
func (c *checker) judged(is cards.Hold) {
	said := func(by string) bool {
		return slices.ContainsFunc(c.s.plan.holds[is.Card].verdicts, func(v *verdict) bool { return v.by == by && v.reason == is.Decided.Reason })
	}
	d := is.Decided
	switch {
	case !said(d.Operator) || d.Approved != "" && !said(d.Approved):
		c.s.violate("I12", "card %d is %s by %q and %q, who did not say so", is.Card, d.State, d.Operator, d.Approved)
	case d.Approved == d.Operator:
		c.s.violate("I12", "%s agreed with themselves about card %d", d.Operator, is.Card)
	case d.State != cards.HoldVoided || d.Approved != "":
	default:
		rules := c.s.plan.at(d.At)
		worth, limit := loyalty.Points(is.Award.Amount), rules.Points.AdjustmentLimit
		switch is.Award.Kind {
		case cards.PrizeRedPacket:
			limit = loyalty.Points(rules.Cards.Holds.VoidLimit)
		case cards.PrizePoints:
		default:
			worth, limit = 1, 0 // of what nobody declared the worth of
		}
		day := fmt.Sprint(d.Operator, " ", is.Award.Kind, " ", d.At.In(zone).Format(time.DateOnly))
		if c.alone[day] += worth; c.alone[day] > limit {
			c.s.violate("I12", "%s alone voids prizes of %d, and may of %d", day, c.alone[day], limit)
		}
	}
}

// redemptionOf is the redemption of a card of the batch.
func (c *checker) redemptionOf(card int) (redeemed, bool) {
	items, err := c.s.engine.Get(c.s.ctx, table.Strong, table.CardKey(c.s.plan.batch.ID(), int64(card)))
	c.s.must(err)
	return c.s.redemption(items[0])
}

// won holds I10 to what comes of a prize beside points: its card is redeemed, is
// the member's, and is neither held nor void.
func (c *checker) won(trigger string, member loyalty.MemberID) {
	for card := range c.s.plan.batch.Count {
		if trigger != fmt.Sprintf("card:%s:%d", c.s.plan.batch.ID(), card) {
			continue
		}
		if is, there := c.redemptionOf(card); !there || is.suspended() || is.Member != member {
			c.s.violate("I10", "%s gets what card %d gives, and the card is %q and of %q", member, card, is.Hold, is.Member)
		}
	}
}

// told holds I12 to what the answer says of a card's state, which it does not
// leave again.
func (c *checker) told(a *ask, state string, void cards.VoidReason) {
	is, _ := c.redemptionOf(a.card)
	hold, held := c.holds[table.HoldKey(c.s.plan.batch.ID(), int64(a.card))]
	right := false
	switch state {
	case "credited":
		right = !is.suspended() && is.Member != ""
	case "reserved":
		right = a.way == byPhone && (!is.suspended() || is.Member != "") // it may have been proved, and held by that, since
	case "held":
		right = held
	case "voided":
		right = hold.State() == cards.HoldVoided && hold.Decided.Reason == void
	}
	if !right {
		c.s.violate("I12", "%s is told that card %d is %s %q, and it is %q", a.by.name, a.card, state, void, is.Hold)
	}
}

// finishHolds holds I26 and I37 at rest: the lists show each hold where it stands,
// and nobody's word went unheard.
func (s *simulation) finishHolds() {
	shown := map[string]cards.HoldState{}
	for _, state := range cards.HoldStates {
		for cursor := ""; ; {
			page, next, err := s.raw().Holds(s.ctx, state, false, 1, cursor)
			s.must(err)
			for _, hold := range page {
				if _, twice := shown[hold.ID]; twice {
					s.violate("I26", "the hold %s is listed twice", hold.ID)
				}
				shown[hold.ID] = state
			}
			if cursor = next; next == "" {
				break
			}
		}
	}
	want := map[string]cards.HoldState{}
	for _, is := range s.check.holds {
		want[is.ID] = is.State()
	}
	if !maps.Equal(shown, want) {
		s.violate("I26", "the lists show the holds %v, and they are %v", shown, want)
	}
	for _, is := range s.check.holds {
		verdicts := s.plan.holds[is.Card].verdicts
		both := map[string]bool{}
		for _, v := range verdicts {
			if v.heard == 0 {
				s.violate("I37", "%s never heard about card %d", v.by, is.Card)
			}
			both[v.by] = true
		}
		agreed := len(both) == len(clerks) && !slices.ContainsFunc(verdicts, func(v *verdict) bool { return v.reason != verdicts[0].reason })
		if agreed && verdicts[0].reason != "" && is.State() != cards.HoldVoided {
			s.violate("I26", "both operators voided card %d, and it is %s", is.Card, is.State())
		}
	}
}
