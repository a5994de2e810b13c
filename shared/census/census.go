// Package census goes over all members (会员普查) in as many calls as it takes,
// without a state of its own: the cursor of a walk holds where it stands and
// whatever the walk has found so far.
package census

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// MaxStep is how many accounts one step reads at most.
const MaxStep = 100

// Place is where a walk stands. The zero value is its beginning.
type Place struct {
	Shard int              `json:"shard"`           // the parts before it were walked whole
	After loyalty.MemberID `json:"after,omitempty"` // the last member of the shard who was
}

// WithErased is where a walk begins that goes over those who were erased (注销)
// too. They come first: who is erased while it goes on may be missed, and is
// never walked by twice.
var WithErased = Place{Shard: table.ErasedShard}

// Ended tells whether every member was walked by.
func (p Place) Ended() bool { return p.Shard >= table.RosterShards }

// Goes tells whether a walk can go on from there.
func (p Place) Goes() bool { return p.Shard >= 0 && !p.Ended() }

// GoesWithErased tells the same of a walk that began at WithErased.
func (p Place) GoesWithErased() bool { return p.Shard >= table.ErasedShard && !p.Ended() }

// Done is how far a walk is.
type Done struct {
	Shards int `json:"shards" doc:"parts of the list of all members that were looked at whole"`
	Of     int `json:"of"`
}

// Done is how far a walk is that stands there.
func (p Place) Done() Done { return Done{Shards: max(0, p.Shard), Of: table.RosterShards} }

// Step reads the accounts that follow a place, at most limit (1 to MaxStep), and
// says where the walk stands after them. It may find none and yet not be at the
// end. It makes two round trips at most, one where a shard is empty.
func Step(ctx context.Context, s store.Store, at Place, consistency table.Consistency, limit int) ([]store.Account, Place, error) {
	members, more, err := s.RosterAfter(ctx, at.Shard, at.After, "", min(limit, MaxStep))
	if err != nil {
		return nil, at, err
	}
	next := Place{Shard: at.Shard + 1}
	if more {
		next = Place{at.Shard, members[len(members)-1]}
	}
	if len(members) == 0 {
		return nil, next, nil
	}
	read, err := s.Accounts(ctx, consistency, members...)
	if err != nil {
		return nil, at, err
	}
	accounts := make([]store.Account, 0, len(read))
	for _, account := range read {
		if account != nil {
			accounts = append(accounts, *account)
		}
	}
	return accounts, next, nil
}

const sumSize = 8

// Cursor is base64url of a sum and the state of a walk, which must encode to
// JSON. The sum covers the question, so that what was found for one is not taken
// for what another asks. Like a cursor of the table it protects against mistakes
// and not against forgery: one who forges it deceives only themselves.
func Cursor(question, state any) string {
	raw := encode(state)
	return base64.RawURLEncoding.EncodeToString(append(sum(question, raw), raw...))
}

// Resume reads the state out of a cursor; false for a cursor of another question,
// or for what is none.
func Resume(cursor string, question, state any) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder passes over line breaks: only what was given is a cursor.
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(raw) < sumSize || string(sum(question, raw[sumSize:])) != string(raw[:sumSize]) {
		return false
	}
	return json.Unmarshal(raw[sumSize:], state) == nil
}

func sum(question any, raw []byte) []byte {
	inner := sha256.Sum256(encode(question))
	whole := sha256.Sum256(append(inner[:], raw...))
	return whole[:sumSize]
}

func encode(entity any) []byte {
	raw, err := json.Marshal(entity)
	if err != nil {
		panic("census: " + err.Error()) // questions and states are plain values
	}
	return raw
}
