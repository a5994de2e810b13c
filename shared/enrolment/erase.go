package enrolment

import (
	"context"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
)

// Erase forgets the person behind a member and those who were merged into them
// (注销, PIPL 47): identities, profile, consents, what they were sent, their
// claims' proofs, and by what name they redeemed cards. The ledger stays under
// the bare id, with their counters, orders and coupons: what happens to their
// orders goes on being counted, and what they had is for the brand's rules to
// decide. An order that comes under one of their identities later is a
// stranger's.
//
// A repeat erases what came in between. It fails with KindNotFound code
// "member_unknown", with KindConflict code "member_merged" for a part of another,
// and with KindUnavailable when it lost every race; then a repeat goes on.
func Erase(ctx context.Context, s store.Store, member loyalty.MemberID, erasure store.Erasure) error {
	for range attempts {
		account, err := s.Account(ctx, member)
		if err != nil {
			return err
		}
		if err := account.Whole(); err != nil {
			return err
		}
		parts, err := s.Parts(ctx, account)
		if err != nil {
			return err
		}
		persons := append([]store.Account{account}, parts...)
		for _, person := range persons {
			// First, for the profile tells what there is to forget.
			for _, identity := range person.Profile.Identities {
				known := loyalty.Identity{Kind: identity.Kind, Channel: identity.Channel, Value: identity.Value}
				if err := s.ForgetIdentity(ctx, known, person.Member); err != nil {
					return err
				}
			}
		}
		if account.Erased == nil {
			err := s.Table.Write(ctx, store.Erase(persons, erasure)...)
			if store.Refused(err) {
				continue
			}
			if err != nil {
				return err
			}
		}
		// Last, for until now they could do more of them.
		for _, person := range persons {
			if err := s.ForgetDeeds(ctx, person.Member); err != nil {
				return err
			}
		}
		return nil
	}
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same member at the same time")
}
