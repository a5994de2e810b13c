// Package sendmessages hands messages to whoever delivers them, after a last
// look at whether each is still right: consent, quiet hours, cap, and that the
// member has not bought again.
package sendmessages

import (
	"context"
	"errors"
	"log/slog"
	"maps"
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

// remind brings each of the goods that a body names to its end: sent, refused
// with a recorded reason, or left to a later tick. All that no message spoke of
// yet leave in one.
func (f Function) remind(ctx context.Context, versions []program.Program, reminder notify.Reminder) error {
	// A schedule may be fired for an instant that the clock has not reached, to
	// rehearse a day; what it asks for belongs to that day.
	now := f.Clock()
	if reminder.At.After(now) {
		now = reminder.At
	}
	var failed []error
	left := reminder.Goods
	for len(left) > 0 {
		dealt, err := f.one(ctx, program.At(versions, now), reminder.Member, left, now)
		failed = append(failed, err)
		left = slices.DeleteFunc(slices.Clone(left), func(g notify.Goods) bool {
			return slices.ContainsFunc(dealt, func(d notify.Goods) bool { return d.Category == g.Category && d.Bought.Equal(g.Bought) })
		})
	}
	return errors.Join(failed...)
}

// one brings one message about some of the goods to its end and returns which it
// dealt with, at least one. It fails with KindUnavailable when it lost every race,
// and as the table and the notifier do.
func (f Function) one(ctx context.Context, rules program.Program, member loyalty.MemberID, goods []notify.Goods, now time.Time) ([]notify.Goods, error) {
	for range attempts {
		account, err := f.Store.Account(ctx, member)
		if loyalty.KindOf(err) == loyalty.KindNotFound {
			f.Log.InfoContext(ctx, "reminder dropped", slog.String("reason", "member_unknown"))
			return goods, nil
		}
		if err == nil && account.Open() != nil { // erased, or the member they are a part of is reminded
			f.Log.InfoContext(ctx, "reminder dropped", slog.String("reason", "member_gone"))
			return goods, nil
		}
		if err != nil {
			return goods, err
		}
		decision := look{account: account, goods: oneMessage(account, goods), rules: rules.Repurchase, zone: rules.Zone(), now: now, refunded: map[string]bool{}}
		for _, g := range decision.goods {
			if !decision.needsRefunded(g) {
				continue
			}
			if decision.refunded[g.Category], err = f.refunded(ctx, account, g.Category); err != nil {
				return goods, err
			}
		}
		verdict, err := decision.verdict()
		if err != nil {
			return goods, err
		}
		var write table.Action
		switch {
		case verdict.begin:
			write, account = decision.begin(verdict.send, rules.Version)
		case len(verdict.end) > 0:
			write = decision.end(verdict.end, rules.Version)
		}
		if verdict.begin || len(verdict.end) > 0 {
			err := f.Store.Table.Write(ctx, write)
			if _, lost := errors.AsType[*table.ConditionError](err); lost {
				continue
			}
			if err != nil {
				return goods, err
			}
		}
		f.Log.InfoContext(ctx, "reminder decided", slog.Any("ended", slices.Sorted(maps.Values(verdict.end))),
			slog.String("dropped", verdict.dropped), slog.Int("handed_over", len(verdict.send)))
		if verdict.again {
			continue
		}
		if len(verdict.send) == 0 {
			return decision.goods, nil
		}
		decision.account = account
		dealt := decision.goods
		decision.goods = verdict.send
		return dealt, f.handOver(ctx, decision, rules)
	}
	return goods, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same account at the same time")
}

// handOver gives the sender a message that is recorded, and records what it
// said. The account is read again only where others have changed it meanwhile.
func (f Function) handOver(ctx context.Context, decision look, rules program.Program) error {
	first := decision.goods[0].Category
	named := decision.account.Reminded[first].Named(first)
	answer := f.Notifier.Send(ctx, message(rules.Document, decision.account, named, decision.goods, decision.now))
	outcome := store.OutcomeSent
	switch {
	case loyalty.KindOf(answer) == loyalty.KindInvalid:
		outcome = store.OutcomeRejected
	case answer != nil:
		return answer
	}
	read := true
	for range attempts {
		if !read {
			account, err := f.Store.Account(ctx, decision.account.Member)
			if err != nil {
				return errors.Join(answer, err)
			}
			decision.account, read = account, true
		}
		outcomes := map[string]string{}
		for _, g := range decision.goods {
			if decision.open(g) && decision.recorded(g) != outcome {
				outcomes[g.Category] = outcome
			}
		}
		if len(outcomes) == 0 {
			return answer // another delivery was faster, or the member is gone
		}
		err := f.Store.Table.Write(ctx, decision.end(outcomes, rules.Version))
		if err == nil {
			f.Log.InfoContext(ctx, "reminder ended", slog.String("outcome", outcome), slog.Int("goods", len(outcomes)))
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
