package ledger

import (
	"context"
	"maps"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/tiers"
)

// tierChange is a tier that changes (升级、降级), and when time alone may change it
// next.
type tierChange struct {
	actions    []table.Action
	changes    []table.Change
	conditions []table.Condition
	to         *tiers.State // nil where it stays
	next       time.Time
}

// judge gives the account the tier that its growth has after the entries, by
// the rules in force now.
func judge(rules program.Program, account store.Account, entries []points.Entry, now time.Time) tierChange {
	return judgeUndone(rules, account, nil, entries, now)
}

// judgeUndone is judge where the entries undo a merge: a tier that it gave goes
// with it. nil is for none.
func judgeUndone(rules program.Program, account store.Account, undone *store.Merge, entries []points.Entry, now time.Time) tierChange {
	if rules.Tiers == nil {
		return tierChange{}
	}
	growth := maps.Clone(account.Growth)
	for _, entry := range entries {
		if entry.Growth != nil {
			growth[entry.Growth.Month] += entry.Growth.Counting
		}
	}
	zone := rules.Zone()
	state, next := rules.Tiers.Judge(account.Tier, account.Growth, growth, now, zone)
	if undone != nil && sameTier(account.Tier, undone.Raised) {
		state, next = rules.Tiers.Restore(undone.Tier, state, growth, now, zone)
	}
	change := tierChange{next: next}
	if state == account.Tier {
		if store.Grows(entries) {
			change.conditions = store.TierStands(account)
		}
		return change
	}
	change.to = &state
	change.changes, change.conditions = store.ChangeTier(account, state, entries)
	if state.Level != account.Tier.Level {
		fact := points.Fact{Kind: points.FactTier, At: now, Program: rules.Version, Member: account.Member}
		change.actions = []table.Action{store.PutTier(fact, account.GrowthSeen, tiers.Change{
			From: account.Tier.Level, To: state.Level, Counting: rules.Tiers.Counting(growth, now, zone),
		})}
	}
	return change
}

// LetTimePass does what only time does to an account: lots whose end has come
// are let go (积分过期), with one fact of the member's own, and the tier is judged
// again. It says how many points ended. The schedule need not look at the
// account again before rest, before another lot ends or the tier may change,
// provided that so many points are pending. Where anybody changed the account or
// asked for the schedule since it was read, nothing happens: the next firing
// sees to it.
func LetTimePass(ctx context.Context, s store.Store, rules program.Program, account store.Account, pending loyalty.Points, rest, now time.Time) (loyalty.Points, error) {
	tier := judge(rules, account, nil, now)
	actions := tier.actions
	entries := account.Points(now).Expire(account.LotsSeen)
	var ended loyalty.Points
	for _, entry := range entries {
		ended += entry.Expired()
	}
	if len(entries) > 0 {
		fact := points.Fact{Kind: points.FactExpired, At: now, Program: rules.Version, Member: account.Member, Entries: entries}
		actions = append(actions, store.EndLots(fact, account.LotsSeen))
	}
	changes, conditions := store.CreditAndRest(entries, account, store.Earliest(rest, tier.next))
	changes = append(changes, tier.changes...)
	conditions = append(append(conditions, tier.conditions...), store.PendingStands(pending))
	err := s.Table.Write(ctx, append(actions, store.UpdateAsRead(account, changes, conditions...))...)
	if store.Refused(err) {
		return 0, nil
	}
	return ended, err
}
