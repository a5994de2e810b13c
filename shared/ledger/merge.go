package ledger

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/tiers"
)

// Merge makes merge.Part a part of merge.Into (会员合并), in one write: the whole
// has at once all that the part has, the part keeps its own ledger and orders
// under its own id, and what happens to them from then on is mirrored (see Post).
// A repeat finds the members merged. It returns the whole as it then stands.
//
// It fails with KindInvalid code "same_member", KindNotFound code
// "member_unknown", and KindConflict with the codes "member_merged" (either is a
// part of another already), "member_has_parts" (others were merged into the
// part), "too_many_parts", "merge_too_large", "member_erased", and "reservation_open" while points
// of the part are set aside.
func Merge(ctx context.Context, s store.Store, merge store.Merge) (store.Account, error) {
	if merge.Part == merge.Into {
		return store.Account{}, loyalty.Invalid("/member_id", "same_member", "a member cannot be merged into themselves")
	}
	for range attempts {
		whole, part, err := pair(ctx, s, merge.Into, merge.Part)
		if err != nil {
			return store.Account{}, err
		}
		if part.Merged != nil && part.Merged.Into == merge.Into {
			return whole, nil
		}
		if err := mergeable(whole, part); err != nil {
			return store.Account{}, err
		}
		// Read after the account: a reservation that is made later moves a counter
		// that the write holds.
		reserved, err := s.Reserved(ctx, merge.Part)
		if err != nil {
			return store.Account{}, err
		}
		if reserved {
			return store.Account{}, loyalty.Refuse(loyalty.KindConflict, "reservation_open", "points of the member are set aside; commit or cancel that first")
		}
		rules, err := versionAt(ctx, s, merge.By)
		if err != nil {
			return store.Account{}, err
		}
		done := merge
		entry, covered := whole.Points(merge.By.At).Absorb(merge.ID, part.Points(merge.By.At))
		entries := append([]points.Entry{entry}, growth(entry, part, 1)...)
		tier := judge(rules, whole, entries, merge.By.At)
		done.Covered, done.Tier, done.Raised = covered, whole.Tier, whole.Tier
		if tier.to != nil {
			done.Raised = *tier.to
		}
		fact := points.Fact{
			Kind: points.FactMerged, At: merge.By.At, Program: rules.Version, Member: whole.Member,
			Operator: merge.By.Operator, Reason: merge.Reason, Entries: entries,
		}
		actions := store.Together(whole, part, done, fact, tier.next, tier.changes, tier.conditions)
		if changed := len(actions[1].Changes); changed > table.MaxChanges {
			return store.Account{}, loyalty.Refuse(loyalty.KindConflict, "merge_too_large",
				"the member to be merged has bought too many categories for one write; merge the other way round")
		}
		err = s.Table.Write(ctx, append(actions, tier.actions...)...)
		if store.Refused(err) {
			continue
		}
		if err != nil {
			return store.Account{}, err
		}
		return s.Account(ctx, merge.Into)
	}
	return store.Account{}, lostRace()
}

func mergeable(whole, part store.Account) error {
	if err := whole.Open(); err != nil {
		return err
	}
	if err := part.Open(); err != nil {
		return err
	}
	if len(part.Parts) > 0 {
		return loyalty.Refuse(loyalty.KindConflict, "member_has_parts",
			"others were merged into "+string(part.Member)+"; merge the other way round, or undo that first")
	}
	if len(whole.Parts) >= store.MaxParts {
		return loyalty.Refuse(loyalty.KindConflict, "too_many_parts", "as many members as can be were merged into this one")
	}
	return nil
}

// Unmerge makes a part a member of its own again (撤销合并), in one write. It has
// what its own orders and deeds have brought, before and since; what was spent
// since stays with the whole, as debt where the rest does not cover it. id tells
// the act from others: a repeat gives the same answer, the whole as it stands.
// It fails with KindNotFound code "member_unknown", and KindConflict with the
// codes "not_merged" and "member_erased".
func Unmerge(ctx context.Context, s store.Store, whole, part loyalty.MemberID, id, reason string, by store.Hand) (store.Account, error) {
	for range attempts {
		all, theirs, err := pair(ctx, s, whole, part)
		if err != nil {
			return store.Account{}, err
		}
		if theirs.Merged == nil || theirs.Merged.Into != whole {
			done, err := s.MergeActed(ctx, whole, part, id)
			if err != nil || done {
				return all, err
			}
			return store.Account{}, loyalty.Refuse(loyalty.KindConflict, "not_merged", "the one member was not merged into the other")
		}
		if err := all.Open(); err != nil {
			return store.Account{}, err
		}
		rules, err := versionAt(ctx, s, by)
		if err != nil {
			return store.Account{}, err
		}
		until := rules.Points.Expiry.Until(by.At, rules.Zone())
		entry := all.Points(by.At).Release(id, theirs.Points(by.At), theirs.Merged.Covered, until)
		entries := append([]points.Entry{entry}, growth(entry, theirs, -1)...)
		tier := judgeUndone(rules, all, theirs.Merged, entries, by.At)
		actions := store.Apart(all, theirs, id, points.Fact{
			Kind: points.FactUnmerged, At: by.At, Program: rules.Version, Member: whole,
			Operator: by.Operator, Reason: reason, Entries: entries,
		}, tier.next, tier.changes, tier.conditions)
		err = s.Table.Write(ctx, append(actions, tier.actions...)...)
		if store.Refused(err) {
			continue
		}
		if err != nil {
			return store.Account{}, err
		}
		return s.Account(ctx, whole)
	}
	return store.Account{}, lostRace()
}

// sameTier compares tiers as accounts keep them, to the second.
func sameTier(one, other tiers.State) bool {
	return one.Level == other.Level && table.Instant(one.Since) == table.Instant(other.Since) && table.Instant(one.Until) == table.Instant(other.Until)
}

// growth are the entries of all that counts, or will count, of a part's growth
// value, times a sign; a month has one.
func growth(of points.Entry, part store.Account, sign loyalty.Points) []points.Entry {
	var entries []points.Entry
	add := func(change points.Growth) {
		entries = append(entries, points.Entry{ID: loyalty.JoinID(of.ID, "growth", change.Month), Kind: of.Kind, Growth: &change})
	}
	for _, month := range slices.Sorted(maps.Keys(part.Growth)) {
		if counting := part.Growth[month]; counting != 0 {
			add(points.Growth{Month: month, Counting: sign * counting})
		}
	}
	if part.GrowthPending != 0 {
		add(points.Growth{Pending: sign * part.GrowthPending})
	}
	return entries
}

func versionAt(ctx context.Context, s store.Store, by store.Hand) (program.Program, error) {
	versions, err := s.Programs(ctx)
	return program.At(versions, by.At), err
}

// pair reads two members' accounts; KindNotFound code "member_unknown".
func pair(ctx context.Context, s store.Store, one, other loyalty.MemberID) (store.Account, store.Account, error) {
	accounts, err := s.Accounts(ctx, table.Strong, one, other)
	if err != nil {
		return store.Account{}, store.Account{}, err
	}
	if accounts[0] == nil || accounts[1] == nil {
		return store.Account{}, store.Account{}, loyalty.Refuse(loyalty.KindNotFound, "member_unknown", "there is no such member")
	}
	return *accounts[0], *accounts[1], nil
}

// look reads the owner's account, and that of the member whose part they are.
func (p *posting) look(ctx context.Context) error {
	account, err := p.store.Account(ctx, p.member)
	if err != nil {
		return err
	}
	p.account = &account
	return p.lookAtWhole(ctx)
}

// lookAtWhole reads the account of the member whose part the owner is, as their
// own account says that was read.
func (p *posting) lookAtWhole(ctx context.Context) error {
	p.whole = nil
	if p.account.Merged == nil {
		return nil
	}
	whole, err := p.store.Account(ctx, p.account.Merged.Into)
	p.whole = &whole
	return err
}

// mirror is what the fact does to the member whose part the order's owner is:
// what it would do if the order were their own. The schedule settles the order
// for both when it looks at the owner.
//
// The changes and conditions are for the owner's account.
func (p *posting) mirror(order *points.Order, fact points.Fact) ([]table.Action, []table.Change, []table.Condition, error) {
	if p.whole == nil {
		return nil, nil, nil, nil
	}
	own := fact
	own.Entries = nil
	own, _, err := order.Decide(own, p.whole.Points(p.now))
	if err != nil {
		return nil, nil, nil, err
	}
	own.Member = p.whole.Member
	whole := *p
	whole.account, whole.member, whole.whole = p.whole, p.whole.Member, nil
	tier := judge(program.At(p.versions, p.now), *p.whole, own.Entries, p.now)
	changes, conditions := store.CreditAndLook(own.Entries, *p.whole, tier.next)
	changes, conditions = append(changes, tier.changes...), append(conditions, tier.conditions...)
	counted, held := whole.count(order, order.With(fact), time.Time{})
	changes, conditions = append(changes, counted...), append(conditions, held...)
	if len(changes) == 0 {
		return nil, nil, nil, nil
	}
	was, is := purchases(order), purchases(order.With(fact))
	later := slices.DeleteFunc(is.categories, func(category string) bool {
		return is.bought[category].count <= was.bought[category].count || p.whole.Bought[category].Last.After(order.With(fact).PaidAt)
	})
	other := is.other.count > was.other.count && !p.whole.LastOther.After(order.With(fact).PaidAt)
	lent, onPart, onWhole := store.Lend(*p.whole, *p.account, later, other)
	conditions = append(conditions, onWhole...)
	actions := append(tier.actions, store.UpdateAccount(whole.member, changes, conditions...))
	if len(own.Entries) > 0 {
		actions = append(actions, store.Mirror(p.member, p.news.Order, order.Facts+1, own))
	}
	return actions, lent, onPart, nil
}
