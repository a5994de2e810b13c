// Package enrolment makes people members (入会) and ties their identities on
// the brand's channels together.
package enrolment

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/strictjson"
	"github.com/huitou/huitou/shared/table"
)

const attempts = 5

// Request is a person who joins, or who is known and brings more.
type Request struct {
	Identities []Identity // few enough for one write: the API takes 20
	Consents   []loyalty.Consent
	// GivenAt is when the person gave the consents; zero where the request does
	// not say. A consent that they withdrew is given again only by a later act
	// that is dated.
	GivenAt  time.Time
	Agreed   string            // version of the legal texts that they are given to; see store.Told
	Birthday string            // "2024-05" or "2024-05-17"; "" says nothing
	Facts    map[string]string // merged into what is known
}

func (r Request) told() store.Told {
	return store.Told{Consents: r.Consents, GivenAt: r.GivenAt, Agreed: r.Agreed}
}

// Identity is one identity and, for a phone, how pages may show it.
type Identity struct {
	loyalty.Identity
	Shown string
}

// Enrol finds the member who owns one of the identities, or makes a new one,
// and gives them all of these. It reports whether they are new. It fails with
// KindConflict code "identities_differ" when the identities belong to several
// members, and with KindUnavailable when it lost every race. An identity of a
// member who was merged into another is that one's.
func Enrol(ctx context.Context, s store.Store, request Request, random io.Reader, now time.Time) (member loyalty.MemberID, created bool, err error) {
	for range attempts {
		member, created, err = try(ctx, s, request, random, now)
		if _, lost := errors.AsType[*table.ConditionError](err); !lost {
			return member, created, err
		}
	}
	return "", false, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same member at the same time")
}

// Find is the account of the member who owns one of the identities, nil where
// nobody does, and the identities that nobody owns yet. It fails as Enrol does
// where the identities belong to several members, and changes nothing.
func Find(ctx context.Context, s store.Store, wanted []Identity) (known *store.Account, added []Identity, err error) {
	identities := make([]loyalty.Identity, len(wanted))
	for i, identity := range wanted {
		identities[i] = identity.Identity
	}
	owners, err := s.Owners(ctx, identities...)
	if err != nil {
		return nil, nil, err
	}
	for i, owner := range owners {
		if owner == "" {
			added = append(added, wanted[i])
			continue
		}
		if known != nil && known.Includes(owner) {
			continue
		}
		account, err := Whole(ctx, s, owner)
		if err != nil {
			return nil, nil, err
		}
		if known != nil && known.Member != account.Member {
			return nil, nil, loyalty.Refuse(loyalty.KindConflict, "identities_differ",
				"the identities belong to different members; merge them first")
		}
		known = &account
	}
	return known, added, nil
}

func try(ctx context.Context, s store.Store, request Request, random io.Reader, now time.Time) (loyalty.MemberID, bool, error) {
	known, added, err := Find(ctx, s, request.Identities)
	if err != nil {
		return "", false, err
	}
	if known != nil {
		return known.Member, false, extend(ctx, s, *known, request, added, now)
	}
	member, err := NewMemberID(random)
	if err != nil {
		return "", false, err
	}
	actions := store.CreateAccount(member, grown(store.Profile{}, request, added), nil, now)
	given, _ := store.TellConsents(store.Account{}, request.told(), now)
	for _, change := range given { // a write names an item once
		actions[0].Item.Attributes[change.Name] = change.Value
	}
	for _, identity := range added {
		actions = append(actions, store.GiveIdentity(identity.Identity, member))
	}
	return member, true, s.Table.Write(ctx, actions...)
}

// extend gives a known member what is new in the request, and writes nothing
// when that is nothing.
func extend(ctx context.Context, s store.Store, account store.Account, request Request, added []Identity, now time.Time) error {
	changes, conditions := store.TellConsents(account, request.told(), now)
	actions := []table.Action{}
	for _, identity := range added {
		actions = append(actions, store.GiveIdentity(identity.Identity, account.Member))
	}
	profile, held := store.ChangeProfile(account.Profile, grown(account.Profile, request, added))
	changes = append(changes, profile...)
	if len(changes) > 0 {
		actions = append(actions, store.UpdateAccount(account.Member, changes, append(append(conditions, held...), store.Alive())...))
	}
	if len(actions) == 0 {
		return nil
	}
	return s.Table.Write(ctx, actions...)
}

// Whole reads an account, or that of the member whom it was merged into.
func Whole(ctx context.Context, s store.Store, member loyalty.MemberID) (store.Account, error) {
	account, err := s.Account(ctx, member)
	if err != nil || account.Merged == nil {
		return account, err
	}
	return s.Account(ctx, account.Merged.Into)
}

// grown is a profile with what a request brings.
func grown(was store.Profile, request Request, added []Identity) store.Profile {
	is := store.Profile{
		Identities: slices.Clone(was.Identities),
		Birthday:   was.Birthday,
		Facts:      maps.Clone(was.Facts),
	}
	for _, identity := range added {
		is.Identities = append(is.Identities, store.ProfileIdentity{
			Kind: identity.Kind, Channel: identity.Channel, Value: identity.Value, Shown: identity.Shown,
		})
	}
	if request.Birthday != "" {
		is.Birthday = request.Birthday
	}
	if len(request.Facts) > 0 && is.Facts == nil {
		is.Facts = map[string]string{}
	}
	maps.Copy(is.Facts, request.Facts)
	return is
}

// NewMemberID draws 80 random bits: enough that no two members of a brand ever
// share an id, and nothing about the person in it.
func NewMemberID(random io.Reader) (loyalty.MemberID, error) {
	raw := make([]byte, 10)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("member id: %w", err)
	}
	return loyalty.MemberID("m" + strings.ToLower(base32.StdEncoding.EncodeToString(raw))), nil
}

// joinedType tells the message from an order event on the same queue.
const joinedType = "identity.joined"

// joined asks convertorders to credit the orders that wait for an identity.
type joined struct {
	Type     string           `json:"type"`
	Identity loyalty.Identity `json:"identity"`
}

// JoinedMessage is what is put on the orders queue when an identity got an
// owner. Sending it again is harmless, so a caller that cannot tell whether an
// earlier one was kept sends it again.
func JoinedMessage(identity loyalty.Identity) []byte {
	raw, err := json.Marshal(joined{joinedType, identity})
	if err != nil {
		panic(err) // strings only
	}
	return raw
}

// ReadJoined reads such a message; false for any other.
func ReadJoined(body []byte) (loyalty.Identity, bool) {
	if !bytes.Contains(body, []byte(joinedType)) {
		return loyalty.Identity{}, false // most messages are events, and are not read twice
	}
	var message joined
	if err := strictjson.Known(body, &message); err != nil || message.Type != joinedType {
		return loyalty.Identity{}, false
	}
	return message.Identity, true
}
