package sendmessages

import (
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// redeliveryLimit is how long after its commit a message is still handed over.
// Later it is no longer clear to anybody, least of all to the customer, what it
// is about; and a receiver need not remember ids for longer than a week.
const redeliveryLimit = 24 * time.Hour

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
	open := recorded == "" || recorded == store.OutcomePostponed || recorded == store.OutcomeSent
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
	case recorded == store.OutcomeSent:
		switch {
		case reason != "":
			return verdict{dropped: reason}, nil
		case l.now.Sub(last.At) > redeliveryLimit:
			return verdict{dropped: "stale"}, nil
		case quiet:
			return verdict{record: store.OutcomePostponed}, nil
		}
		return verdict{send: true}, nil
	case recorded != "" && recorded != store.OutcomePostponed:
		return verdict{dropped: recorded}, nil
	case reason != "":
		return verdict{record: reason}, nil
	case quiet:
		// The wake-up call stands, so the first tick after the quiet hours asks
		// again.
		return verdict{dropped: "quiet_hours"}, nil
	case l.rules.OverCap(l.others(), l.now):
		return verdict{record: store.OutcomeCapped}, nil
	}
	return verdict{record: store.OutcomeSent, send: true}, nil
}

// others are the times of the member's messages but for this one, where it was
// postponed. Until it leaves again it counts, because it may have left.
func (l look) others() []time.Time {
	last := l.account.Reminded[l.reminder.Category]
	return slices.DeleteFunc(slices.Clone(l.account.Sent), func(at time.Time) bool {
		return l.recorded() == store.OutcomePostponed && at.Equal(last.At)
	})
}

// record writes an outcome, the message if one leaves, and the next wake-up
// call. Its conditions hold everything the verdict rests on.
func (l look) record(outcome string, version int64) table.Action {
	category := l.reminder.Category
	noted := store.Reminded{Bought: l.reminder.Bought, Outcome: outcome, At: l.now, Program: version}
	if outcome == store.OutcomePostponed {
		noted.At = l.account.Reminded[category].At // by which others knows it
	}
	change, held := store.RecordReminder(l.account, category, noted)
	changes, conditions := []table.Change{change}, []table.Condition{held}

	if outcome == store.OutcomeSent {
		sent := append(l.others(), l.now)
		change, held := store.RecordSent(l.account, sent[max(0, len(sent)-l.rules.Cap.Messages):])
		changes = append(changes, change)
		conditions = append(conditions, held, store.ConsentStands(l.account, loyalty.ConsentMarketing), store.RefundsStand(l.account))
	}

	move, stands := l.wake(noted)
	return store.UpdateAccount(l.account.Member, append(changes, move...), append(conditions, stands...)...)
}

// wake is the wake-up call after the outcome. While anything else is due, or
// was missed, the call stands: it is what brings that to its end.
func (l look) wake(noted store.Reminded) ([]table.Change, []table.Condition) {
	if noted.Outcome == store.OutcomePostponed {
		next := l.rules.Allowed(l.now, l.zone)
		if at := l.account.RemindAt; !at.IsZero() && at.Before(next) {
			next = at
		}
		return store.WakeRemind.Answer(l.account, next)
	}
	purchases := l.account.Purchases()
	for i, purchase := range purchases {
		if purchase.Category == l.reminder.Category && purchase.At.Equal(noted.Bought) {
			purchases[i].Told = true
		}
	}
	plan := l.rules.Plan(purchases, l.now, l.zone)
	if len(plan.Due) > 0 || len(plan.Missed) > 0 {
		return nil, []table.Condition{store.WakeRemind.Unasked(l.account)}
	}
	return store.WakeRemind.Answer(l.account, plan.Next)
}
