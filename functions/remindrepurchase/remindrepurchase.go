// Package remindrepurchase finds the members who are about to need a product
// again (复购提醒) and asks for a message to each.
package remindrepurchase

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// Function is remindrepurchase and what it needs.
type Function struct {
	Store    store.Store
	Messages queue.Sender
	Log      *slog.Logger
}

// Handle looks at every member whose wake-up call is due at the tick's time.
// For all that is due it puts one message on the queue and writes nothing: the call
// stands until sendmessages has recorded an outcome, so whatever is lost on the
// way is asked for again at the next tick, under the same id. Where nothing is
// due any more it moves the call to the next due date. A reminder that is due and
// over the cap waits for the first moment at which there is room, or is recorded as
// capped where that is too late (see repurchase.Rules.RemindAt).
//
// It fails when it could not deal with some of the members; the others are
// served, and the same tick may be fired again. A tick without a time is
// refused (schedule.Tick.At). In quiet hours it does nothing.
func (f Function) Handle(ctx context.Context, tick schedule.Tick) error {
	now, err := tick.At()
	if err != nil {
		return err
	}
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return err
	}
	rules := program.At(versions, now)
	run := run{Function: f, now: now, rules: rules.Repurchase, zone: rules.Zone(), version: rules.Version}
	if run.rules.Quiet(run.now, run.zone) {
		return nil
	}
	err = f.Store.EachDue(ctx, store.WakeRemind, run.now, run.accounts, nil)
	f.Log.InfoContext(ctx, "reminders planned", slog.Int("looked_at", run.looked), slog.Int("asked_for", run.asked), slog.Bool("failed", err != nil))
	return err
}

// run is one firing.
type run struct {
	Function
	now     time.Time
	rules   repurchase.Rules
	zone    *time.Location
	version int64

	looked, asked int
}

// accounts deals with one page.
func (r *run) accounts(ctx context.Context, accounts []store.Account) error {
	var failed []error
	var wanted [][]byte
	for _, account := range accounts {
		r.looked++
		plan := r.rules.Plan(account.Purchases(), account.Sent, r.now, r.zone)
		if account.Open() != nil { // nobody is there to be reminded
			plan = repurchase.Plan{}
		}
		for due := range slices.Chunk(plan.Due, notify.MaxGoods) {
			goods := make([]notify.Goods, len(due))
			for i, purchase := range due {
				goods[i] = notify.Goods{Category: purchase.Category, Bought: purchase.At}
			}
			wanted = append(wanted, notify.NewReminder(account.Member, goods, r.now, r.version).Encode())
		}
		if len(plan.Due) > 0 {
			continue
		}
		if err := r.rest(ctx, account, plan); err != nil {
			failed = append(failed, err)
		}
	}
	if len(wanted) > 0 {
		if err := r.Messages.Send(ctx, wanted...); err != nil {
			failed = append(failed, err)
		}
		r.asked += len(wanted)
	}
	return errors.Join(failed...)
}

// rest records what is not sent any more and moves the call to when something
// may leave.
func (r *run) rest(ctx context.Context, account store.Account, plan repurchase.Plan) error {
	changes, conditions := store.WakeRemind.Answer(account, plan.Next)
	for _, ended := range []struct {
		outcome   string
		purchases []repurchase.Purchase
	}{{store.OutcomeTooLate, plan.Missed}, {store.OutcomeCapped, plan.Capped}} {
		for _, purchase := range ended.purchases {
			change, held := store.RecordReminder(account, purchase.Category, store.Reminded{
				Bought: purchase.At, Outcome: ended.outcome, At: r.now, Program: r.version,
			})
			changes, conditions = append(changes, change), append(conditions, held)
		}
	}
	if len(plan.Capped) > 0 {
		conditions = append(conditions, store.SentStands(account))
	}
	err := r.Store.Table.Write(ctx, store.UpdateAsRead(account, changes, conditions...))
	if _, lost := errors.AsType[*table.ConditionError](err); lost {
		return nil // they bought, or another run was here: the call that stands is looked at again
	}
	return err
}
