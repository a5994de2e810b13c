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

// Function is sendmessages and what it needs.
type Function struct {
	Store    store.Store
	Notifier notify.Notifier
	Clock    func() time.Time
	Log      *slog.Logger
}

// Handle deals with each message by itself; the answer names those to deliver
// again. An outcome is recorded before a message leaves, under the condition
// that nothing it was decided on has changed; a delivery that finds it recorded
// hands the message over again, under the same id, as nobody knows whether the
// first one got so far.
func (f Function) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return events.SQSEventResponse{}, err
	}
	return batch.Each(ctx, event, f.Log, func(ctx context.Context, body []byte, _ time.Time) error {
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
		return f.Notifier.Send(ctx, message(rules.Document, account, reminder, now))
	}
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same account at the same time")
}

// refunded tells whether all that the member bought of the category in his last
// order of it was given back.
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
	kept := slices.ContainsFunc(bought, func(p points.Purchase) bool { return p.Refunded < p.Paid })
	return len(bought) > 0 && !kept, nil
}
