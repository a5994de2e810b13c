// Package settlepoints makes pending points available once the customer can no
// longer return the goods (待入账积分入账).
package settlepoints

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// retryAfter is when a member is looked at again whose history does not yet
// show all of their pending points.
const retryAfter = time.Hour

// historyPage is how many records are read of a member's history at a time.
// Most members have fewer in all, and what is pending is among the newest.
const historyPage = 25

// Function is settlepoints and what it needs.
type Function struct {
	Store   store.Store
	Payouts queue.Sender // asked to look at red packets whose payer is to be asked again
	Log     *slog.Logger
}

// Handle settles every order whose return window is over at the tick's time,
// each with one fact in its log, so that firing a tick twice settles nothing
// twice, and asks for the red packets that are not settled with their payer.
// Its cost follows the members and red packets that are due.
//
// It fails when it could not deal with some of the members; the others are
// served, and the same tick may be fired again. A tick without a time is
// refused (schedule.Tick.At).
func (f Function) Handle(ctx context.Context, tick schedule.Tick) error {
	now, err := tick.At()
	if err != nil {
		return err
	}
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return err
	}
	run := run{Function: f, versions: versions, now: now, persons: map[loyalty.MemberID][]store.Account{}}
	err = errors.Join(f.Store.EachDue(ctx, store.WakeSettle, run.now, run.accounts, run.reservation), run.together(ctx), run.payouts(ctx))
	f.Log.InfoContext(ctx, "points settled", slog.Int("looked_at", run.looked), slog.Int("orders", run.settled),
		slog.Int("reservations", run.expired), slog.Int("payouts", run.asked), slog.Int64("points_ended", run.ended), slog.Bool("failed", err != nil))
	return err
}

// run is one firing.
type run struct {
	Function
	versions []program.Program
	now      time.Time
	persons  map[loyalty.MemberID][]store.Account // merged members who are due, by their whole

	looked, settled, expired, asked int
	ended                           int64 // points
}

// reservation gives back points that were set aside and not spent in time.
func (r *run) reservation(ctx context.Context, key table.Key) error {
	expired, err := ledger.Expire(ctx, r.Store, key, r.now)
	if expired {
		r.expired++
	}
	return err
}

// payouts puts every red packet whose payer is to be asked back on the queue:
// one whose message was lost after it was won, and one whose outcome the payer
// left open. The queue's function looks at each again, strongly.
func (r *run) payouts(ctx context.Context) error {
	for _, state := range cards.PayoutStates {
		if state.Final() {
			continue
		}
		for cursor := ""; ; {
			page, next, err := r.Store.DuePayouts(ctx, state, r.now, 100, cursor)
			if err != nil {
				return err
			}
			var due [][]byte
			for _, payout := range page {
				if payout.Due(r.now) {
					due = append(due, payout.Bill.Message())
				}
			}
			if len(due) > 0 {
				if err := r.Payouts.Send(ctx, due...); err != nil {
					return err
				}
				r.asked += len(due)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
	}
	return nil
}

// accounts deals with one page, but for merged members.
func (r *run) accounts(ctx context.Context, accounts []store.Account) error {
	var failed []error
	for _, account := range accounts {
		r.looked++
		whole := account.Member
		if account.Merged != nil {
			whole = account.Merged.Into
		}
		if whole != account.Member || len(account.Parts) > 0 {
			r.persons[whole] = append(r.persons[whole], account)
			continue
		}
		if err := r.member(ctx, account); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// together deals with merged members. The orders and credits of one person that
// are due are settled oldest first, whichever of their accounts holds them:
// which credit pays a debt must not hang on which account the index names
// first.
func (r *run) together(ctx context.Context) error {
	var failed []error
	for _, whole := range slices.Sorted(maps.Keys(r.persons)) {
		if err := r.person(ctx, r.persons[whole]); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// person deals with one person's accounts that are due. The order of
// settlement, which only several of them tell, comes first; each has its own
// end and call.
func (r *run) person(ctx context.Context, accounts []store.Account) error {
	if len(accounts) == 1 {
		return r.member(ctx, accounts[0])
	}
	var due []pendingOrder
	for _, account := range accounts {
		pending, _, err := r.pending(ctx, account)
		if err != nil {
			return err
		}
		mine, _ := r.due(pending)
		due = append(due, mine...)
	}
	slices.SortFunc(due, oldestFirst)
	for _, order := range due {
		news := ledger.News{Order: order.Key, Fact: points.Fact{Kind: points.FactSettled, At: r.now}, Seen: ledger.Seen{Log: order.log}}
		settled, err := ledger.Post(ctx, r.Store, r.versions, news, r.now)
		if err != nil {
			return err
		}
		if settled {
			r.settled++
		}
	}
	for _, account := range accounts {
		account, err := r.Store.Account(ctx, account.Member)
		if err != nil {
			return err
		}
		if err := r.member(ctx, account); err != nil {
			return err
		}
	}
	return nil
}

// due tells the orders of which a return window is over, oldest first, and when the
// next will be; zero for never.
func (r *run) due(pending []pendingOrder) (due []pendingOrder, next time.Time) {
	for _, order := range pending {
		if !order.SettleAt().After(r.now) {
			due = append(due, order)
		}
		next = store.Earliest(next, order.SettleAfter(r.now))
	}
	slices.SortFunc(due, oldestFirst)
	return due, next
}

// oldestFirst is the order in which windows close. Which credit pays a debt must
// not hang on how the history is listed.
func oldestFirst(a, b pendingOrder) int {
	return cmp.Or(a.SettleAt().Compare(b.SettleAt()), a.Key.Compare(b.Key))
}

// member settles what is due of one member, does what time did to their account
// and moves their wake-up call, with the last fact that this takes. A call that
// could not be moved, because something was asked for meanwhile, stands: the
// next tick looks again.
func (r *run) member(ctx context.Context, account store.Account) error {
	pending, left, err := r.pending(ctx, account)
	if err != nil {
		return err
	}
	due, next := r.due(pending)
	if left {
		next = r.now.Add(retryAfter)
	}
	ends := account.Points(r.now).Ends()
	ended := !ends.IsZero() && !ends.After(r.now)
	balance := account.Balance.Pending
	for i, order := range due {
		news := ledger.News{
			Order: order.Key, Fact: points.Fact{Kind: points.FactSettled, At: r.now}, Seen: ledger.Seen{Log: order.log},
			Rest: &ledger.Rest{Looked: account, Pending: balance, Last: i == len(due)-1 && !ended, Until: next},
		}
		if i == 0 { // it is the first to change the account
			news.Seen.Account = &account
		}
		settled, err := ledger.Post(ctx, r.Store, r.versions, news, r.now)
		if err != nil {
			return err
		}
		if settled {
			r.settled++
		}
		balance -= order.Due(r.now)
	}
	if len(due) > 0 {
		if !ended {
			return nil
		}
		if account, err = r.Store.Account(ctx, account.Member); err != nil {
			return err
		}
	}
	gone, err := ledger.LetTimePass(ctx, r.Store, program.At(r.versions, r.now), account, balance, next, r.now)
	r.ended += int64(gone)
	return err
}

// pending finds the orders that hold the member's pending points and growth
// value, newest first, and stops when they account for all of it; left tells
// that they do not, because the history is behind the account or ahead of it.
// Only the orders' logs, read strongly, are believed.
func (r *run) pending(ctx context.Context, account store.Account) (orders []pendingOrder, left bool, err error) {
	missing, growing := account.Balance.Pending, account.GrowthPending
	// The pending points of their parts are settled when the parts' own calls
	// come.
	parts, err := r.Store.Parts(ctx, account)
	if err != nil {
		return nil, false, err
	}
	for _, part := range parts {
		missing, growing = missing-part.Balance.Pending, growing-part.GrowthPending
	}
	seen := map[loyalty.OrderKey]bool{{}: true} // a card's record names no order
	closed := map[loyalty.OrderKey]bool{}
	cursor := ""
	for missing != 0 || growing != 0 {
		records, next, err := r.Store.History(ctx, account.Member, historyPage, cursor)
		if err != nil {
			return nil, false, err
		}
		for _, record := range records {
			// Nothing was pending after it was settled, unless a record says so: that of
			// a line that was told later may stand before or behind.
			closed[record.Order] = closed[record.Order] || record.Kind == points.FactSettled
			if seen[record.Order] || closed[record.Order] && !record.Open {
				continue
			}
			seen[record.Order] = true
			log, err := r.Store.Log(ctx, record.Order)
			if err != nil {
				return nil, false, err
			}
			order := points.Replay(record.Order, log)
			held, grown := order.Pending()
			if held == 0 && grown == 0 || order.Member != account.Member {
				continue
			}
			orders = append(orders, pendingOrder{order, log})
			missing, growing = missing-held, growing-grown
			if missing == 0 && growing == 0 {
				break
			}
		}
		if next == "" {
			break
		}
		cursor = next
	}
	return orders, missing != 0 || growing != 0, nil
}

// pendingOrder is an order that holds something pending, and the log that tells.
type pendingOrder struct {
	*points.Order
	log []points.Fact
}
