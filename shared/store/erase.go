package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Erase takes from accounts all that tells of the person (注销) and moves the
// member from the list of all members to that of those who were erased, in one
// write. The first account is the whole of the others, with all its parts, which
// are on neither list. The conditions fail when an identity, or a part, was added
// since they were read.
func Erase(accounts []Account, erasure Erasure) []table.Action {
	var actions []table.Action
	for i, account := range accounts {
		changes, held := WakeRemind.Answer(account, time.Time{})
		conditions := append(held, table.Equals(doc, encode(account.Profile)), Alive())
		changes = append(changes, table.Set(doc, encode(Profile{})), table.Set(accountErased, encode(erasure)), table.Remove(accountSent), table.Remove(accountAgreed))
		for _, consent := range consents {
			changes = append(changes, forgetConsent(consent)...)
		}
		for _, category := range slices.Sorted(maps.Keys(account.Reminded)) {
			changes = append(changes, table.Remove(accountReminded+category))
		}
		if i == 0 {
			conditions = append(conditions, counterStands(accountParts, int64(len(accounts)-1)))
		}
		actions = append(actions, UpdateAsRead(account, changes, conditions...))
	}
	whole := accounts[0].Member
	return append(actions, table.Delete(table.RosterKey(whole)),
		table.Put(table.Item{Key: table.ErasedKey(whole), Attributes: map[string]table.Value{}}))
}

// ForgetIdentity removes an identity of a member's, the marks of orders that
// waited for it, what is kept for a person of it, and its name from cards that
// are reserved for it, as far as the index shows them: it may be behind by a
// moment. One that has another owner by now is left to them. Anything that is
// known of a contact (企业微信外部联系人) goes before the identity, so that a repeat still
// finds it, and once more after it: a change that came in between was the
// member's, one that comes later is a stranger's.
func (s Store) ForgetIdentity(ctx context.Context, identity loyalty.Identity, member loyalty.MemberID) error {
	key := table.IdentityKey(identity)
	owners, err := s.Owners(ctx, identity)
	if err != nil || owners[0] != "" && owners[0] != member {
		return err
	}
	if err := s.forgetClaimants(ctx, key.PK); err != nil {
		return err
	}
	if err := s.deleteAll(ctx, key.PK, table.WaitingPrefix); err != nil {
		return err
	}
	if err := s.forgetRefused(ctx, identity); err != nil {
		return err
	}
	if err := s.forgetFriend(ctx, identity); err != nil {
		return err
	}
	err = s.Table.Write(ctx, table.Delete(key, table.MissingOrEquals(identityMember, table.String(string(member)))))
	switch {
	case Refused(err):
		return nil
	case err != nil:
		return err
	}
	return s.forgetFriend(ctx, identity)
}

// ForgetDeeds removes what a member did that tells who they are: their claims,
// whose proofs name a buyer, and the names by which they redeemed cards. The
// index of the cards may be behind by a moment.
func (s Store) ForgetDeeds(ctx context.Context, member loyalty.MemberID) error {
	if err := s.deleteAll(ctx, table.MemberPK(member), table.ClaimPrefix); err != nil {
		return err
	}
	return s.forgetClaimants(ctx, table.MemberPK(member))
}

// forgetFriend removes a contact's log, and its name from the cards that brought
// it: they count as having brought somebody. An identity of another kind has none.
func (s Store) forgetFriend(ctx context.Context, identity loyalty.Identity) error {
	if identity.Kind != loyalty.IdentityWeCom {
		return nil
	}
	external := identity.Value
	log, err := s.Friend(ctx, external)
	if err != nil {
		return err
	}
	for _, fact := range log {
		if fact.Card == nil {
			continue
		}
		err := s.Table.Write(ctx, table.Update(table.CardFriendKey(fact.Card.Batch, int64(fact.Card.Card)),
			[]table.Change{table.Set(friendExternal, table.String("erased"))}, table.Equals(friendExternal, table.String(external))))
		if err != nil && !Refused(err) {
			return err
		}
	}
	return s.deleteAll(ctx, table.FriendFactKey(external, 1).PK, table.FriendFactPrefix)
}

func (s Store) deleteAll(ctx context.Context, pk, prefix string) error {
	query := table.Query{PK: pk, Prefix: prefix, Limit: 100, Consistency: table.Strong}
	for {
		page, err := s.Table.Query(ctx, query)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := s.Table.Write(ctx, table.Delete(item.Key)); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Cursor = page.Next
	}
}

// forgetClaimants takes the identities out of the redemptions that a partition
// of IndexMember lists, and what is reserved out of the partition of an identity.
// One that changes meanwhile is read again.
func (s Store) forgetClaimants(ctx context.Context, partition string) error {
	query := table.Query{Index: table.IndexMember, PK: partition, Limit: 100}
	for {
		page, err := s.Table.Query(ctx, query)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if table.IsCard(item.Key) {
				if err := s.forgetClaimant(ctx, item.Key); err != nil {
					return err
				}
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Cursor = page.Next
	}
}

func (s Store) forgetClaimant(ctx context.Context, card table.Key) error {
	for {
		items, err := s.Table.Get(ctx, table.Strong, card, table.ClaimsOfCard(card))
		if err != nil || items[0] == nil {
			return err
		}
		redemption, err := decode[Redemption](*items[0])
		if err != nil || redemption.Identity == (loyalty.Identity{}) {
			return err
		}
		was := encode(redemption)
		redemption.Identity = loyalty.Identity{}
		changes := []table.Change{table.Set(doc, encode(redemption))}
		if redemption.Member == "" { // the partition is the identity's
			changes = append(changes, table.Remove("mpk"), table.Remove("msk"))
		}
		actions := []table.Action{table.Update(card, changes, table.Equals(doc, was))}
		if claims := items[1]; claims != nil {
			actions = append(actions, table.Update(claims.Key,
				[]table.Change{table.Set(doc, encode([]CardClaim{}))}, table.Equals(doc, claims.Attributes[doc])))
		}
		err = s.Table.Write(ctx, actions...)
		if !Refused(err) {
			return err
		}
	}
}
