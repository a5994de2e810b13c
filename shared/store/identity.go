package store

import (
	"context"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

const identityMember = "member"

// Owners tells whose up to 100 identities are, "" for nobody's, in one round
// trip.
func (s Store) Owners(ctx context.Context, identities ...loyalty.Identity) ([]loyalty.MemberID, error) {
	keys := make([]table.Key, len(identities))
	for i, identity := range identities {
		keys[i] = table.IdentityKey(identity)
	}
	items, err := s.Table.Get(ctx, table.Strong, keys...)
	if err != nil {
		return nil, err
	}
	owners := make([]loyalty.MemberID, len(items))
	for i, item := range items {
		owners[i] = owner(item)
	}
	return owners, nil
}

func owner(item *table.Item) loyalty.MemberID {
	if item == nil {
		return ""
	}
	return loyalty.MemberID(item.Text(identityMember))
}

// IdentityStands holds that an identity is the member's; its condition fails when
// it was given up, or is somebody else's.
func IdentityStands(identity loyalty.Identity, member loyalty.MemberID) table.Action {
	return table.Check(table.IdentityKey(identity), table.Equals(identityMember, table.String(string(member))))
}

// GiveIdentity makes an identity a member's; its condition fails when it has an
// owner.
func GiveIdentity(identity loyalty.Identity, member loyalty.MemberID) table.Action {
	return table.Put(table.Item{
		Key:        table.IdentityKey(identity),
		Attributes: map[string]table.Value{identityMember: table.String(string(member))},
	}, table.Absent())
}
