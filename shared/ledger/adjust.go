package ledger

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// Adjust proposes an operator's correction and, up to limit points either way,
// makes it at once; a larger one waits for Approve, and so does one with which the
// operator would have corrected more than limit alone on that day of the brand's
// calendar: giving and taking add up. A repeat under the same id
// finds what the first did. It fails with KindConflict code
// "points_insufficient" when it takes more than is available or "member_merged"
// for a part of another member, with KindNotFound code "member_unknown", and with
// KindInvalid as points.CheckAdjustment does.
func Adjust(ctx context.Context, s store.Store, wanted store.Adjustment, limit loyalty.Points) (store.Adjustment, error) {
	if err := points.CheckAdjustment(wanted.Points); err != nil {
		return store.Adjustment{}, err
	}
	wanted.Kind = points.FactAdjusted
	for range attempts {
		// A repeat must not be refused for what its first try has taken.
		known, err := s.Adjustment(ctx, wanted.Member, wanted.ID)
		if err == nil || loyalty.KindOf(err) != loyalty.KindNotFound {
			return known, err
		}
		account, err := s.Account(ctx, wanted.Member)
		if err != nil {
			return store.Adjustment{}, err
		}
		if err := account.Whole(); err != nil {
			return store.Adjustment{}, err
		}
		now := wanted.Proposed.At
		versions, err := s.Programs(ctx)
		if err != nil {
			return store.Adjustment{}, err
		}
		rules := program.At(versions, now)
		alone, err := s.Alone(ctx, wanted.Proposed.Operator, string(points.DayOf(now, rules.Zone())))
		if err != nil {
			return store.Adjustment{}, err
		}
		size := max(wanted.Points, -wanted.Points)
		if size > limit-alone.Points {
			err := s.Table.Write(ctx, store.ProposeAdjustment(wanted))
			if store.Refused(err) {
				continue
			}
			return wanted, err
		}
		made, err := takeEffect(rules, wanted, account, now)
		if err != nil {
			return store.Adjustment{}, err
		}
		changes, conditions := store.Credit(made.Entries, account)
		err = s.Table.Write(ctx, store.ProposeAdjustment(made), store.UpdateAccount(wanted.Member, changes, conditions...), alone.CorrectAlone(size, limit, now))
		if !store.Refused(err) {
			return made, err
		}
	}
	return store.Adjustment{}, lostRace()
}

// Approve makes a correction that waits, by a second operator. It fails with
// KindForbidden code "second_operator" for the one who proposed it. A repeat
// gives the same answer.
func Approve(ctx context.Context, s store.Store, member loyalty.MemberID, id string, by store.Hand) (store.Adjustment, error) {
	for range attempts {
		waiting, err := s.Adjustment(ctx, member, id)
		if err != nil || waiting.Made() {
			return waiting, err
		}
		if waiting.Proposed.Operator == by.Operator {
			return store.Adjustment{}, loyalty.Refuse(loyalty.KindForbidden, "second_operator", "whoever proposed a correction cannot approve it")
		}
		account, err := s.Account(ctx, member)
		if err != nil {
			return store.Adjustment{}, err
		}
		if err := account.Whole(); err != nil {
			return store.Adjustment{}, err
		}
		versions, err := s.Programs(ctx)
		if err != nil {
			return store.Adjustment{}, err
		}
		made, err := takeEffect(program.At(versions, by.At), waiting, account, by.At)
		if err != nil {
			return store.Adjustment{}, err
		}
		made.Approved = &by
		changes, conditions := store.Credit(made.Entries, account)
		err = s.Table.Write(ctx, store.MakeAdjustment(waiting, made), store.UpdateAccount(member, changes, conditions...))
		if !store.Refused(err) {
			return made, err
		}
	}
	return store.Adjustment{}, lostRace()
}

// takeEffect completes a correction with its entry.
func takeEffect(rules program.Program, a store.Adjustment, account store.Account, at time.Time) (store.Adjustment, error) {
	a.At, a.Program = at, rules.Version
	a.Until = rules.Points.Expiry.Until(at, rules.Zone())
	entry, err := points.Adjust(a.ID, a.Points, a.Until, account.Points(at))
	a.Entries = []points.Entry{entry}
	return a, err
}

func lostRace() error {
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the member's points at the same time")
}
