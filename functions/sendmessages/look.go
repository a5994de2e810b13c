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

// look is one look at whether a reminder is right.
type look struct {
	account  store.Account
	reminder notify.Reminder
	rules    repurchase.Rules
	zone     *time.Location
	now      time.Time
	refunded bool // see needsRefunded
}

// verdict is what a look comes to.
type verdict struct {
	record  string // to write to the account first; "" for nothing
	send    bool
	dropped string // for the log: why nothing is done
}

// recorded is what the account says of this very reminder; "" for nothing.
func (l look) recorded() string {
	if last := l.account.Reminded[l.reminder.Category]; last.Bought.Equal(l.reminder.Bought) {
		return last.Outcome
	}
	return ""
}

// needsRefunded tells whether the verdict hangs on what became of the order,
// which costs a read.
func (l look) needsRefunded() bool {
	recorded := l.recorded()
	open := recorded == "" || recorded == store.OutcomeHandingOver || recorded == store.OutcomeRejected
	return open && l.reason() == ""
}

// reason is why the reminder is no longer right; "" when it is.
func (l look) reason() string {
	category := l.reminder.Category
	switch {
	case l.account.Consents[loyalty.ConsentMarketing].IsZero():
		return store.OutcomeOptedOut
	case l.account.Bought[category].Last.After(l.reminder.Bought):
		return store.OutcomeBoughtAgain
	case l.rules.TooLate(category, l.reminder.Bought, l.now, l.zone):
		return store.OutcomeTooLate
	case l.refunded:
		return store.OutcomeRefunded
	}
	return ""
}

func (l look) verdict() (verdict, error) {
	last := l.account.Reminded[l.reminder.Category]
	if last.Bought.After(l.reminder.Bought) {
		return verdict{dropped: "superseded"}, nil
	}
	if l.account.Bought[l.reminder.Category].Last.Before(l.reminder.Bought) {
		return verdict{}, loyalty.Refuse(loyalty.KindInvalid, "purchase_unknown", "the account knows no such purchase")
	}
	quiet := l.rules.Quiet(l.now, l.zone)
	reason := l.reason()
	switch recorded := l.recorded(); {
	case recorded == store.OutcomeHandingOver || recorded == store.OutcomeRejected:
		switch {
		case reason != "":
			return verdict{record: reason}, nil
		case recorded == store.OutcomeHandingOver && l.now.Sub(last.At) > redeliveryLimit:
			return verdict{record: store.OutcomeUnanswered}, nil
		case quiet:
			return verdict{dropped: "quiet_hours"}, nil
		case l.rules.OverCap(l.others(), l.now):
			return verdict{dropped: "capped"}, nil
		}
		return verdict{send: true}, nil
	case recorded != "":
		return verdict{dropped: recorded}, nil
	case reason != "":
		return verdict{record: reason}, nil
	case quiet:
		// The wake-up call stands, so the first tick after the quiet hours asks
		// again.
		return verdict{dropped: "quiet_hours"}, nil
	case l.rules.OverCap(l.account.Sent, l.now):
		purchase := repurchase.Purchase{Category: l.reminder.Category, At: l.reminder.Bought}
		if _, useful, _ := l.rules.RemindAt(purchase, l.account.Sent, l.zone); useful {
			// The next tick moves the wake-up call to when there is room.
			return verdict{dropped: "postponed"}, nil
		}
		return verdict{record: store.OutcomeCapped}, nil
	}
	return verdict{record: store.OutcomeHandingOver, send: true}, nil
}

// others are the times of the member's messages but for this one. Until it is
// answered it counts from when it was decided on, because it may have left then;
// and from then on, as of the answer.
func (l look) others() []time.Time {
	others := slices.Clone(l.account.Sent)
	last := l.account.Reminded[l.reminder.Category]
	// Another message may bear the same second.
	if i := slices.IndexFunc(others, last.At.Equal); l.recorded() != "" && i >= 0 {
		others = slices.Delete(others, i, i+1)
	}
	return others
}

// record writes an outcome: with the message where one is about to leave, and
// with the next wake-up call where this one is done with. Its conditions hold
// everything the verdict rests on.
func (l look) record(outcome string, version int64) table.Action {
	category := l.reminder.Category
	noted := store.Reminded{Bought: l.reminder.Bought, Outcome: outcome, At: l.now, Program: version}
	if outcome == store.OutcomeRejected { // by it others knows the message again
		noted.At = l.account.Reminded[category].At
	}
	change, held := store.RecordReminder(l.account, category, noted)
	if outcome == store.OutcomeHandingOver {
		counted, room := store.RecordSent(l.account, l.sent())
		return store.UpdateAccount(l.account.Member, []table.Change{change, counted}, held, room,
			store.ConsentStands(l.account, loyalty.ConsentMarketing), store.RefundsStand(l.account), store.WakeRemind.Unasked(l.account))
	}
	changes, conditions := []table.Change{change}, []table.Condition{held}
	sent := l.account.Sent
	if outcome == store.OutcomeSent {
		sent = l.sent()
		counted, room := store.RecordSent(l.account, sent)
		changes, conditions = append(changes, counted), append(conditions, room)
	}
	if outcome == store.OutcomeCapped {
		conditions = append(conditions, store.SentStands(l.account))
	}
	move, stands := l.wake(noted, sent)
	return store.UpdateAccount(l.account.Member, append(changes, move...), append(conditions, stands...)...)
}

// begun is the account with the message recorded as being handed over.
func (l look) begun(version int64) store.Account {
	account := l.account
	account.Sent = l.sent()
	account.Reminded = maps.Clone(account.Reminded)
	if account.Reminded == nil {
		account.Reminded = map[string]store.Reminded{}
	}
	account.Reminded[l.reminder.Category] = store.Reminded{Bought: l.reminder.Bought, Outcome: store.OutcomeHandingOver, At: l.now, Program: version}
	return account
}

// sent are the times of the last messages that the cap counts, with that of now.
func (l look) sent() []time.Time {
	sent := append(l.others(), l.now)
	return sent[max(0, len(sent)-l.rules.Cap.Messages):]
}

// wake is the wake-up call after the outcome, given the times of the last
// messages as of it. While anything else is due, or let go and not yet recorded,
// the call stands: it is what brings that to its end.
func (l look) wake(noted store.Reminded, sent []time.Time) ([]table.Change, []table.Condition) {
	purchases := l.account.Purchases()
	for i, purchase := range purchases {
		if purchase.Category == l.reminder.Category && purchase.At.Equal(noted.Bought) {
			purchases[i].Told = true
		}
	}
	plan := l.rules.Plan(purchases, sent, l.now, l.zone)
	if len(plan.Due) > 0 || len(plan.Missed) > 0 || len(plan.Capped) > 0 {
		return nil, []table.Condition{store.WakeRemind.Unasked(l.account)}
	}
	return store.WakeRemind.Answer(l.account, plan.Next)
}
