package ledger

import (
	"context"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// Open gives a member what they bring along from an old system (期初余额), once for
// each source, and reports whether this call did. wanted has Member, what is
// brought and Made, whose time is when it takes effect.
//
// Whatever is brought comes with one write: points by their ends, growth value
// by month and the tier that it amounts to, the date from which they are a member
// (the earlier one stays), and consents. A consent that the person withdrew stays
// withdrawn, unless the opening says that it was given later.
//
// A repeat that brings the same finds what the first did, also after a part of
// it has ended. Another content fails with KindConflict code "opening_differs":
// a balance that was wrong is corrected by hand. It fails with KindInvalid for
// points that have ended and for dates to come, with KindConflict codes
// "member_merged" and "member_erased", and with KindNotFound code
// "member_unknown".
func Open(ctx context.Context, s store.Store, wanted store.Opening) (store.Opening, bool, error) {
	given := wanted.Opening
	now := wanted.Made.At
	wanted = normal(wanted)
	wanted.Kind, wanted.At = points.FactOpening, now
	for range attempts {
		account, err := s.Account(ctx, wanted.Member)
		if err != nil {
			return store.Opening{}, false, err
		}
		if known, found, err := opened(ctx, s, account, wanted); found || err != nil {
			return known, false, err
		}
		if err := account.Open(); err != nil {
			return store.Opening{}, false, err
		}
		versions, err := s.Programs(ctx)
		if err != nil {
			return store.Opening{}, false, err
		}
		rules := program.At(versions, now)
		if err := CheckOpening(given, wanted.JoinedAt, wanted.GivenAt, now, rules.Zone()); err != nil {
			return store.Opening{}, false, err
		}
		wanted.Program = rules.Version
		wanted.Entries = wanted.Opening.Credit(account.Points(now))
		tier := judge(rules, account, wanted.Entries, now)
		changes, conditions := store.CreditAndLook(wanted.Entries, account, tier.next)
		changes, conditions = append(changes, tier.changes...), append(conditions, tier.conditions...)
		if wanted.JoinedAt != nil {
			joined, held := store.JoinedBy(account, *wanted.JoinedAt)
			changes, conditions = append(changes, joined...), append(conditions, held...)
		}
		consents, stand := store.TellConsents(account, wanted.Told(), now)
		changes, conditions = append(changes, consents...), append(conditions, stand...)
		actions := append(tier.actions, store.PutOpening(wanted))
		if len(changes) > 0 {
			actions = append(actions, store.UpdateAccount(wanted.Member, changes, append(conditions, store.Alive())...))
		}
		err = s.Table.Write(ctx, actions...)
		if !store.Refused(err) {
			return wanted, err == nil, err
		}
	}
	return store.Opening{}, false, lostRace()
}

// normal is the one form of all openings that bring the same.
func normal(wanted store.Opening) store.Opening {
	wanted.Opening = wanted.Opening.Normal()
	wanted.Consents = slices.Compact(slices.Sorted(slices.Values(wanted.Consents)))
	if wanted.JoinedAt != nil {
		joined := wanted.JoinedAt.UTC().Truncate(time.Second)
		wanted.JoinedAt = &joined
	}
	if wanted.GivenAt != nil {
		at := wanted.GivenAt.UTC().Truncate(time.Second)
		wanted.GivenAt = &at
	}
	return wanted
}

// MayOpen tells whether Open would take what is wanted, and changes nothing.
// account is the member's, nil for somebody who is none yet. It fails as Open
// does.
func MayOpen(ctx context.Context, s store.Store, account *store.Account, wanted store.Opening) error {
	now := wanted.Made.At
	if account != nil {
		if _, found, err := opened(ctx, s, *account, normal(wanted)); found || err != nil {
			return err
		}
		if err := account.Open(); err != nil {
			return err
		}
	}
	versions, err := s.Programs(ctx)
	if err != nil {
		return err
	}
	return CheckOpening(wanted.Opening, wanted.JoinedAt, wanted.GivenAt, now, program.At(versions, now).Zone())
}

// opened finds an opening that brings the same as is wanted: the member's own, or
// that of one who was merged into them, for whom the same line of a file names
// them now. It fails with KindConflict code "opening_differs" where there are
// openings of the source, and none is the same.
func opened(ctx context.Context, s store.Store, account store.Account, wanted store.Opening) (store.Opening, bool, error) {
	others := false
	for _, member := range slices.Concat([]loyalty.MemberID{account.Member}, account.Parts) {
		known, err := s.Opening(ctx, member, wanted.Source)
		switch {
		case err == nil && known.SameAs(wanted):
			return known, true, nil
		case err != nil && loyalty.KindOf(err) != loyalty.KindNotFound:
			return store.Opening{}, false, err
		}
		others = others || err == nil
	}
	if others {
		return store.Opening{}, false, loyalty.Refuse(loyalty.KindConflict, "opening_differs",
			"the member has an opening balance of this source, and it is another; correct their points by hand")
	}
	return store.Opening{}, false, nil
}

// CheckOpening refuses what no member can bring at now, whoever the member is:
// see points.Opening.Check, and a date of joining or of a consent that is to come
// or before 2000. The zone is the brand's.
func CheckOpening(opening points.Opening, joinedAt, givenAt *time.Time, now time.Time, zone *time.Location) error {
	if joinedAt != nil && (joinedAt.After(now) || joinedAt.Before(orders.Earliest)) {
		return loyalty.Invalid("/joined_at", "out_of_range", "nobody became a member in the future, or before 2000")
	}
	if givenAt != nil && (givenAt.After(now) || givenAt.Before(orders.Earliest)) {
		return loyalty.Invalid("/given_at", "out_of_range", "nobody gave a consent in the future, or before 2000")
	}
	return opening.Check(now, zone)
}
