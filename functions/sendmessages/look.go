package sendmessages

import (
	"maps"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// redeliveryLimit is how long after it was decided on a message that nobody
// answered is still handed over. A receiver need not remember ids for longer
// than a week, so later it could be a second message.
const redeliveryLimit = 6 * 24 * time.Hour

// look is one look at whether a message about goods is right.
type look struct {
	account store.Account
	// goods are all of one message that may have left, or some that no message
	// spoke of yet; see oneMessage.
	goods    []notify.Goods
	rules    repurchase.Rules
	zone     *time.Location
	now      time.Time
	refunded map[string]bool // by category, see needsRefunded
}

// verdict is what a look comes to.
type verdict struct {
	end     map[string]string // outcomes by category, to write to the account
	again   bool              // once they are written there may be more to send
	begin   bool              // write to the account first that send is being handed over
	send    []notify.Goods
	dropped string // for the log: why nothing is done
}

// oneMessage is what to look at together of the goods that a body names: the
// whole message, as it was recorded, where one of them is in a message that may
// have left, so that it is handed over as it was; else all of them.
func oneMessage(account store.Account, goods []notify.Goods) []notify.Goods {
	for _, g := range goods {
		said := account.Reminded[g.Category]
		if !said.Bought.Equal(g.Bought) || !said.Open() {
			continue
		}
		var message []notify.Goods
		for _, category := range slices.Sorted(maps.Keys(account.Reminded)) {
			other := account.Reminded[category]
			if other.Open() && other.Named(category) == said.Named(g.Category) {
				message = append(message, notify.Goods{Category: category, Bought: other.Bought})
			}
		}
		return message
	}
	return goods
}

// recorded is what the account says of the reminder of these very goods; "" for
// nothing.
func (l look) recorded(goods notify.Goods) string {
	if last := l.account.Reminded[goods.Category]; last.Bought.Equal(goods.Bought) {
		return last.Outcome
	}
	return ""
}

// open tells whether a message that may have left speaks of these very goods.
func (l look) open(goods notify.Goods) bool {
	said := l.account.Reminded[goods.Category]
	return said.Bought.Equal(goods.Bought) && said.Open()
}

// begun is the record of the message that may have left.
func (l look) begun() (store.Reminded, bool) {
	for _, g := range l.goods {
		if l.open(g) {
			return l.account.Reminded[g.Category], true
		}
	}
	return store.Reminded{}, false
}

// needsRefunded tells whether the verdict on goods hangs on what became of the
// order, which costs a read.
func (l look) needsRefunded(goods notify.Goods) bool {
	return (l.recorded(goods) == "" || l.open(goods)) && l.reason(goods) == ""
}

// reason is why it is no longer right to remind of goods; "" when it is.
func (l look) reason(goods notify.Goods) string {
	switch {
	case l.account.Consents[loyalty.ConsentMarketing].IsZero():
		return store.OutcomeOptedOut
	case l.account.Bought[goods.Category].Last.After(goods.Bought):
		return store.OutcomeBoughtAgain
	case l.rules.TooLate(goods.Category, goods.Bought, l.now, l.zone):
		return store.OutcomeTooLate
	case l.refunded[goods.Category]:
		return store.OutcomeRefunded
	}
	return ""
}

func (l look) verdict() (verdict, error) {
	end := map[string]string{}
	var right []notify.Goods
	dropped := ""
	for _, g := range l.goods {
		last, reason := l.account.Reminded[g.Category], l.reason(g)
		switch recorded := l.recorded(g); {
		case last.Bought.After(g.Bought):
			dropped = "superseded"
		case l.account.Bought[g.Category].Last.Before(g.Bought):
			return verdict{}, loyalty.Refuse(loyalty.KindInvalid, "purchase_unknown", "the account knows no such purchase")
		case recorded != "" && !last.Open():
			dropped = recorded
		case reason != "":
			end[g.Category] = reason
		case recorded == store.OutcomeHandingOver && l.now.Sub(last.At) > redeliveryLimit:
			end[g.Category] = store.OutcomeUnanswered
		default:
			right = append(right, g)
		}
	}
	_, begun := l.begun()
	switch {
	case len(end) > 0:
		return verdict{end: end, again: len(right) > 0}, nil
	case len(right) == 0:
		return verdict{dropped: dropped}, nil
	case l.rules.Quiet(l.now, l.zone):
		// The wake-up call stands, so the first tick after the quiet hours asks
		// again.
		return verdict{dropped: "quiet_hours"}, nil
	case begun && l.rules.OverCap(l.others(), l.now):
		return verdict{dropped: "capped"}, nil
	case l.rules.OverCap(l.account.Sent, l.now) && !begun:
		for _, g := range right {
			if _, useful, _ := l.rules.RemindAt(repurchase.Purchase{Category: g.Category, At: g.Bought}, l.account.Sent, l.zone); !useful {
				end[g.Category] = store.OutcomeCapped
			}
		}
		// The next tick moves the wake-up call of the others to when there is room.
		return verdict{end: end, dropped: "postponed"}, nil
	}
	return verdict{begin: !begun, send: right}, nil
}

// others are the times of the member's messages but for this one. Until it is
// answered it counts from when it was decided on, because it may have left then;
// and from then on, as of the answer.
func (l look) others() []time.Time {
	others := slices.Clone(l.account.Sent)
	// Another message may bear the same second.
	if said, begun := l.begun(); begun {
		if i := slices.IndexFunc(others, said.At.Equal); i >= 0 {
			others = slices.Delete(others, i, i+1)
		}
	}
	return others
}

// sent are the times of the last messages that the cap counts, with that of now.
func (l look) sent() []time.Time {
	sent := append(l.others(), l.now)
	return sent[max(0, len(sent)-l.rules.Cap.Messages):]
}

// noted is the account's record of goods once their outcome is written. Goods
// that were in a message stay in it.
func (l look) noted(goods notify.Goods, outcome string, version int64) store.Reminded {
	noted := store.Reminded{Bought: goods.Bought, Outcome: outcome, At: l.now, Program: version}
	if l.recorded(goods) != "" {
		was := l.account.Reminded[goods.Category]
		noted.First = was.First
		if outcome == store.OutcomeRejected { // by it others knows the message again
			noted.At = was.At
		}
	}
	return noted
}

// begin records one message about goods as being handed over. Its conditions
// hold everything the verdict rests on: of two at once one fails. It returns the
// account as it is then, too.
func (l look) begin(goods []notify.Goods, version int64) (table.Action, store.Account) {
	counted, room := store.RecordSent(l.account, l.sent())
	changes := []table.Change{counted}
	conditions := []table.Condition{
		room, store.ConsentStands(l.account, loyalty.ConsentMarketing), store.RefundsStand(l.account), store.WakeRemind.Unasked(l.account),
	}
	after := l.account
	after.Sent, after.Reminded = l.sent(), maps.Clone(l.account.Reminded)
	if after.Reminded == nil {
		after.Reminded = map[string]store.Reminded{}
	}
	for i, g := range goods {
		noted := l.noted(g, store.OutcomeHandingOver, version)
		if i > 0 {
			noted.First = store.First{Category: goods[0].Category, Bought: goods[0].Bought}
		}
		change, held := store.RecordReminder(l.account, g.Category, noted)
		changes, conditions = append(changes, change), append(conditions, held)
		after.Reminded[g.Category] = noted
	}
	return store.UpdateAccount(l.account.Member, changes, conditions...), after
}

// end records outcomes by category, and the next wake-up call where this one is
// done with. The conditions hold what they rest on.
func (l look) end(outcomes map[string]string, version int64) table.Action {
	var changes []table.Change
	var conditions []table.Condition
	told := map[string]time.Time{}
	sent := l.account.Sent
	for _, g := range l.goods {
		outcome, ended := outcomes[g.Category]
		if !ended {
			continue
		}
		change, held := store.RecordReminder(l.account, g.Category, l.noted(g, outcome, version))
		changes, conditions = append(changes, change), append(conditions, held)
		told[g.Category] = g.Bought
	}
	switch written := slices.Collect(maps.Values(outcomes)); {
	case slices.Contains(written, store.OutcomeSent):
		sent = l.sent()
		counted, room := store.RecordSent(l.account, sent)
		changes, conditions = append(changes, counted), append(conditions, room)
	case slices.Contains(written, store.OutcomeCapped):
		conditions = append(conditions, store.SentStands(l.account))
	}
	move, stands := l.wake(told, sent)
	return store.UpdateAccount(l.account.Member, append(changes, move...), append(conditions, stands...)...)
}

// wake is the wake-up call once the outcome is told for purchases by category,
// given the times of the last messages as of it. While anything else is due, or
// let go and not yet recorded, the call stands: it is what brings that to its end.
func (l look) wake(told map[string]time.Time, sent []time.Time) ([]table.Change, []table.Condition) {
	purchases := l.account.Purchases()
	for i, purchase := range purchases {
		if bought, is := told[purchase.Category]; is && purchase.At.Equal(bought) {
			purchases[i].Told = true
		}
	}
	plan := l.rules.Plan(purchases, sent, l.now, l.zone)
	if len(plan.Due) > 0 || len(plan.Missed) > 0 || len(plan.Capped) > 0 {
		return nil, []table.Condition{store.WakeRemind.Unasked(l.account)}
	}
	return store.WakeRemind.Answer(l.account, plan.Next)
}
