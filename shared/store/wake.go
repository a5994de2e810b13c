package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Wake is one of the two calls that wake a schedule for a member. A call stands
// on their account with its time, and as a rule as an entry of its index; it
// has none while it rides on their other call, which has one and comes no
// later. So each schedule follows both indexes (see EachDue).
type Wake struct{ index, pk, sk, asked string }

// The two wake-up calls.
var (
	WakeRemind = Wake{table.IndexRemind, "rpk", "rsk", "rasked"}
	WakeSettle = Wake{table.IndexSettle, "spk", "ssk", "sasked"}
)

func (w Wake) other() Wake {
	if w == WakeSettle {
		return WakeRemind
	}
	return WakeSettle
}

// AskBoth is Ask for both calls, zero for one that is not wanted. The later of
// the two puts no entry: it rides on the earlier, until that one is answered.
func AskBoth(account Account, remind, settle time.Time) (changes []table.Change, conditions []table.Condition) {
	calls := []struct {
		Wake
		at time.Time
	}{{WakeRemind, remind}, {WakeSettle, settle}}
	if settle.Before(remind) {
		slices.Reverse(calls)
	}
	changes, conditions = make([]table.Change, 0, 6), make([]table.Condition, 0, 2)
	carried := false
	for _, call := range calls {
		if call.at.IsZero() {
			continue
		}
		asked, held := call.Ask(account, call.at)
		if carried {
			asked = slices.DeleteFunc(asked, func(change table.Change) bool { return change.Name == call.pk })
		}
		changes, conditions, carried = append(changes, asked...), append(conditions, held), true
	}
	return changes, conditions
}

// By asks to be woken at the time or earlier; the condition fails when a later
// call stands, which then has to be moved with Move. Asking is counted even
// where an earlier call stands, so that a schedule that looked at the account
// before does not answer that call as if nothing had been asked (see Answer).
func (w Wake) By(member loyalty.MemberID, at time.Time) ([]table.Change, table.Condition) {
	return []table.Change{
		table.SetIfMissing(w.pk, table.String(table.WakePK(member))),
		table.SetIfMissing(w.sk, table.String(table.Instant(at))),
		table.Add(w.asked, 1),
	}, table.MissingOrAtMost(w.sk, table.String(table.Instant(at)))
}

// Move replaces the call that stands at was by one at the time, or by none
// when at is zero.
func (w Wake) Move(member loyalty.MemberID, was, at time.Time) ([]table.Change, table.Condition) {
	condition := table.Equals(w.sk, table.String(table.Instant(was)))
	if was.IsZero() {
		condition = table.Missing(w.sk)
	}
	if at.IsZero() {
		return []table.Change{table.Remove(w.pk), table.Remove(w.sk)}, condition
	}
	return []table.Change{
		table.Set(w.pk, table.String(table.WakePK(member))),
		table.Set(w.sk, table.String(table.Instant(at))),
	}, condition
}

// Ask is By for an account that may have been read (of one that was not only
// Member is set): a later call that it shows is moved.
func (w Wake) Ask(account Account, at time.Time) ([]table.Change, table.Condition) {
	if was, _ := w.standing(account); was.After(at.Truncate(time.Second)) {
		changes, held := w.Move(account.Member, was, at)
		return append(changes, table.Add(w.asked, 1)), held
	}
	return w.By(account.Member, at)
}

// Unasked holds that nobody asked for this call since the account was read.
// For WakeRemind it stands for "no purchase that could bring a reminder", as
// each of them asks.
func (w Wake) Unasked(account Account) table.Condition {
	_, asked := w.standing(account)
	return counterStands(w.asked, asked)
}

// Answer replaces the call that the account was read with by one at the time,
// or by none when at is zero. The conditions fail when the call was moved, or
// anybody asked for one, since the account was read: the schedule has to look
// again then, or it would sleep through what it was asked for. The other call
// gets an entry of its own when it rode on this one and would be late now.
func (w Wake) Answer(account Account, at time.Time) ([]table.Change, []table.Condition) {
	was, _ := w.standing(account)
	conditions := []table.Condition{w.Unasked(account)}
	if was.Equal(at) {
		return nil, conditions
	}
	changes, held := w.Move(account.Member, was, at)
	conditions = append(conditions, held)
	other := w.other()
	if due, _ := other.standing(account); other.rides(account) && (at.IsZero() || at.After(due)) {
		changes = append(changes, table.Set(other.pk, table.String(table.WakePK(account.Member))))
		conditions = append(conditions, table.Equals(other.sk, table.String(table.Instant(due))))
	}
	return changes, conditions
}

func (w Wake) standing(account Account) (at time.Time, asked int64) {
	if w == WakeSettle {
		return account.SettleAt, account.SettleAsked
	}
	return account.RemindAt, account.RemindAsked
}

func (w Wake) rides(account Account) bool {
	if w == WakeSettle {
		return account.SettleRides
	}
	return account.RemindRides
}

// Due is one page of the entries of the call's index at or before now, out of
// one shard of table.WakeShards: members, and keys of items that have an entry
// of their own. The index may be behind. A member whose call rides is listed
// under their other call.
func (s Store) Due(ctx context.Context, wake Wake, shard int, now time.Time, cursor string) (members []loyalty.MemberID, others []table.Key, next string, err error) {
	page, err := s.Table.Query(ctx, table.Query{
		Index: wake.index, PK: table.ShardPK(shard), To: table.Instant(now), Limit: 100, Cursor: cursor,
	})
	if err != nil {
		return nil, nil, "", err
	}
	for _, item := range page.Items {
		if member, ok := table.MemberOfAccount(item.Key); ok {
			members = append(members, member)
		} else {
			others = append(others, item.Key)
		}
	}
	return members, others, page.Next, nil
}

// EachDue visits the accounts that the call wakes at or before now, a page at a
// time, as a strong read has them. Those whose call rides on the other come
// first: one that gets its entry meanwhile is not missed then. A page that fails
// does not keep the others from their turn; all errors come back together. Items
// with an entry of their own in the call's index go to visitOther; it may be nil
// where there are none.
func (s Store) EachDue(ctx context.Context, wake Wake, now time.Time,
	visit func(context.Context, []Account) error, visitOther func(context.Context, table.Key) error,
) error {
	var failed []error
	for _, carrier := range []Wake{wake.other(), wake} {
		for shard := range table.WakeShards {
			cursor := ""
			for {
				members, others, next, err := s.Due(ctx, carrier, shard, now, cursor)
				if err != nil {
					failed = append(failed, err)
					break
				}
				if carrier != wake {
					others = nil
				}
				for _, key := range others {
					if err := visitOther(ctx, key); err != nil {
						failed = append(failed, err)
					}
				}
				if err := s.visitDue(ctx, wake, carrier, now, members, visit); err != nil {
					failed = append(failed, err)
				}
				if next == "" {
					break
				}
				cursor = next
			}
		}
	}
	return errors.Join(failed...)
}

// visitDue visits those of the members listed under carrier whom the call wakes.
func (s Store) visitDue(ctx context.Context, wake, carrier Wake, now time.Time, members []loyalty.MemberID, visit func(context.Context, []Account) error) error {
	if len(members) == 0 {
		return nil
	}
	accounts, err := s.Accounts(ctx, table.Strong, members...)
	if err != nil {
		return err
	}
	var due []Account
	for _, account := range accounts {
		if account == nil || wake.rides(*account) != (carrier != wake) {
			continue
		}
		if at, _ := wake.standing(*account); !at.IsZero() && !at.After(now) {
			due = append(due, *account)
		}
	}
	if len(due) == 0 {
		return nil
	}
	return visit(ctx, due)
}
