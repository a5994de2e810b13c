package sim

import (
	"fmt"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/table"
)

// Chance alone rarely makes two things meet that are seconds apart in a month.
// So some of what happens from outside waits for its worst moment: it happens
// while a function is between its look and its write.

// onSend lets something happen once, when a body is put on a queue.
func (s *simulation) onSend(to *line, body string, happens func()) {
	s.reactions[to.name+body] = happens
}

// react lets a person do what he does when a reminder to him is on its way.
func (s *simulation) react(body string) {
	reminder, err := notify.DecodeReminder([]byte(body))
	if err != nil {
		return
	}
	who := s.personOf(reminder.Member)
	if who == nil || who.reacted {
		return
	}
	who.reacted = true
	soon := time.Duration(s.rng.IntN(400)) * time.Millisecond
	if n := who.holds; n != nil && !n.accepted && n.event.OccurredAt.Before(s.now()) {
		s.in(soon, func() {
			n.event.OccurredAt = s.now().Truncate(time.Second)
			s.push(n, 0)
		})
	}
	if who.reacts == optsOutThen {
		s.in(soon, func() { s.optOut(who) })
	}
}

// looked lets news of a person arrive while a schedule is at work on him.
func (s *simulation) looked(by *invocation, member loyalty.MemberID) {
	account := s.check.account[member]
	if by.name == convertOrders || by.name == settlePoints || by.name == operate {
		s.united(member)
	}
	var due time.Time
	switch by.name {
	case settlePoints:
		due = account.SettleAt
	case remindRepurchase, sendMessages:
		due = account.RemindAt
	case convertOrders:
		if (s.check.purse(member).spent > 0 || account.Tier.Level != "") && !s.calm {
			by.frozen = time.Duration(s.rng.IntN(600)) * time.Millisecond
			s.forgiven(member)
		}
	}
	if due.IsZero() || due.After(s.now()) || s.calm || by.name == settlePoints && s.rng.IntN(2) == 0 {
		return
	}
	who := s.personOf(member)
	if who == nil {
		return
	}
	for _, o := range s.plan.orders {
		for _, n := range o.news {
			if o.buyer != who || !n.held || n.accepted || n.event.OccurredAt.After(s.now()) || n == who.holds || n.sending && by.name != sendMessages {
				continue
			}
			n.held = false
			by.frozen = time.Duration(s.rng.IntN(2000)) * time.Millisecond
			s.push(n, 0)
			return
		}
	}
}

// leafed lets news of a person arrive while the schedule that settles reads the
// log of an order of his, after it has looked at him.
func (s *simulation) leafed(by *invocation, log string) {
	for _, o := range s.plan.orders {
		if o.buyer != nil && table.FactKey(o.key, 1).PK == log {
			s.looked(by, s.memberOf(o.buyer))
		}
	}
}

// seen lets a person join while an order of his is looked at: most gladly one of
// which nothing else will ever be heard, so that nothing makes up for it.
func (s *simulation) seen(by *invocation, keys []table.Key) {
	for _, o := range s.plan.orders {
		who := o.buyer
		if who == nil || !who.hurries || keys[0] != table.FactKey(o.key, 1) || len(keys) == 1 {
			continue
		}
		if alone := len(o.news) == 1 && !o.news[0].twice; alone || s.rng.IntN(4) == 0 {
			by.frozen = time.Duration(s.rng.IntN(3000)) * time.Millisecond
			s.record(who.name, fmt.Sprint("hurries, as ", by.label, " looks at ", o.key.Order, ", alone: ", alone))
			s.hurry(who)
		}
	}
}

// returned lets a person give back what he bought, all at once, when the points
// for it are spent.
func (s *simulation) returned(who *person) {
	for _, o := range s.plan.orders {
		for _, n := range o.news {
			if o.buyer == who && n.event.Type == orders.TypeRefunded && !n.accepted && n.event.OccurredAt.Before(s.now()) {
				n.held = false
				s.in(time.Duration(s.rng.IntN(60))*time.Millisecond, func() { s.push(n, 0) })
			}
		}
	}
}

// forgiven lets an operator give a person points while news of an order takes
// some back.
func (s *simulation) forgiven(member loyalty.MemberID) {
	for _, a := range s.plan.corrections {
		if a.held && !a.begun && s.memberOf(a.of) == member {
			s.in(time.Duration(s.rng.IntN(40))*time.Millisecond, func() { s.correct(a) })
		}
	}
}

// hurry lets a person join, once.
func (s *simulation) hurry(who *person) {
	if !who.joined {
		who.joined, who.hurries = true, false
		s.join(who)
	}
}

// personOf is who a member is, nil for nobody of the plan.
func (s *simulation) personOf(member loyalty.MemberID) *person {
	if member == "" {
		return nil
	}
	for _, who := range s.plan.people {
		if s.memberOf(who) == member || who.member == member {
			return who
		}
	}
	return nil
}
