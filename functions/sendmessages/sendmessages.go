// Package sendmessages hands messages to whoever delivers them, after a last
// look at whether each is still right: consent, quiet hours, cap, and that the
// member has not bought again.
package sendmessages

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/batch"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// attempts bounds how often a lost race is decided again: with a purchase, an
// opt-out or another message to the same member.
const attempts = 8

// CallLimit is how long the sender may take to answer. A batch times it stays
// below the function's timeout, which infra/check holds the template to: a
// sender that hangs is tried with every message that was received, and the
// invocation is not killed over it.
const CallLimit = 10 * time.Second

// Function is sendmessages and what it needs.
type Function struct {
	Store    store.Store
	Notifier notify.Notifier
	Clock    func() time.Time
	Log      *slog.Logger
}

// Handle deals with each message by itself; the answer names those to deliver
// again. Before a message leaves it is recorded as being handed over, under the
// condition that nothing it was decided on has changed, and as sent only when
// the sender has answered. In between nobody knows whether it left: a delivery
// that finds it so hands it over again under the same id, as long as it is
// right, and the wake-up call stands, so that every tick asks for it.
//
// A message that the sender refuses for good is recorded as rejected and fails,
// so that it ends in the dead-letter queue; from there it is tried again.
func (f Function) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return events.SQSEventResponse{}, err
	}
	return batch.EachWithin(ctx, event, f.Log, CallLimit, func(ctx context.Context, body []byte, _ time.Time) error {
		reminder, err := notify.DecodeReminder(body)
		if err != nil {
			return err
		}
		return f.remind(ctx, versions, reminder)
	})
}

// remind brings one reminder to its end: sent, refused with a recorded reason,
// or left to a later tick. It fails with KindUnavailable when it lost every
// race, and as the table and the notifier do.
func (f Function) remind(ctx context.Context, versions []program.Program, reminder notify.Reminder) error {
	// A schedule may be fired for an instant that the clock has not reached, to
	// rehearse a day; what it asks for belongs to that day.
	now := f.Clock()
	if reminder.At.After(now) {
		now = reminder.At
	}
	rules := program.At(versions, now)
	for range attempts {
		account, err := f.Store.Account(ctx, reminder.Member)
		if loyalty.KindOf(err) == loyalty.KindNotFound {
			f.Log.InfoContext(ctx, "reminder dropped", slog.String("reason", "member_unknown"))
			return nil
		}
		if err == nil && account.Open() != nil { // erased, or the member he is a part of is reminded
			f.Log.InfoContext(ctx, "reminder dropped", slog.String("reason", "member_gone"))
			return nil
		}
		if err != nil {
			return err
		}
		decision := look{account: account, reminder: reminder, rules: rules.Repurchase, zone: rules.Zone(), now: now}
		if decision.needsRefunded() {
			if decision.refunded, err = f.refunded(ctx, account, reminder.Category); err != nil {
				return err
			}
		}
		verdict, err := decision.verdict()
		if err != nil {
			return err
		}
		if verdict.record != "" {
			err := f.Store.Table.Write(ctx, decision.record(verdict.record, rules.Version))
			if _, lost := errors.AsType[*table.ConditionError](err); lost {
				continue
			}
			if err != nil {
				return err
			}
		}
		f.Log.InfoContext(ctx, "reminder decided", slog.String("outcome", verdict.record),
			slog.String("dropped", verdict.dropped), slog.Bool("handed_over", verdict.send))
		if !verdict.send {
			return nil
		}
		return f.handOver(ctx, decision, rules, verdict)
	}
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same account at the same time")
}

// handOver gives the sender a message that is recorded, and records what it
// said. The account is read again only where others have changed it meanwhile.
func (f Function) handOver(ctx context.Context, decision look, rules program.Program, decided verdict) error {
	reminder := decision.reminder
	answer := f.Notifier.Send(ctx, message(rules.Document, decision.account, reminder, decision.now))
	outcome := store.OutcomeSent
	switch {
	case loyalty.KindOf(answer) == loyalty.KindInvalid:
		outcome = store.OutcomeRejected
	case answer != nil:
		return answer
	}
	if decided.record != "" {
		decision.account = decision.begun(rules.Version)
	}
	read := true
	for range attempts {
		if !read {
			account, err := f.Store.Account(ctx, reminder.Member)
			if err != nil {
				return errors.Join(answer, err)
			}
			decision.account, read = account, true
		}
		switch decision.recorded() {
		case store.OutcomeHandingOver, store.OutcomeRejected:
		default:
			return answer // another delivery was faster, or the member is gone
		}
		if decision.recorded() == outcome {
			return answer
		}
		err := f.Store.Table.Write(ctx, decision.record(outcome, rules.Version))
		if err == nil {
			f.Log.InfoContext(ctx, "reminder ended", slog.String("outcome", outcome))
			return answer
		}
		if _, lost := errors.AsType[*table.ConditionError](err); !lost {
			return errors.Join(answer, err)
		}
		read = false
	}
	return errors.Join(answer, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same account at the same time"))
}

// refunded tells whether all that the member bought of the category in their
// last order of it was given back.
func (f Function) refunded(ctx context.Context, account store.Account, category string) (bool, error) {
	key := account.Bought[category].LastOrder
	log, err := f.Store.Log(ctx, key)
	if err != nil {
		return false, err
	}
	order := points.Replay(key, log)
	if order.Facts > 0 && !account.Includes(order.Member) {
		return true, nil // it was another's after all
	}
	bought := slices.DeleteFunc(order.Purchases(), func(p points.Purchase) bool { return p.Category != category })
	kept := slices.ContainsFunc(bought, points.Purchase.Kept)
	return len(bought) > 0 && !kept, nil
}
