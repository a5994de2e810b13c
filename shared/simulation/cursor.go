package simulation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// state is where a walk stands, and all that it has found.
type state struct {
	Shard int              `json:"shard"`
	After loyalty.MemberID `json:"after,omitempty"` // the last member of the shard who was counted
	Of    *person          `json:"of,omitempty"`    // the next one, when the reads were not enough for him
	Result
}

// person is a member of whom a part was counted.
type person struct {
	History    string           `json:"history,omitempty"` // where the rest begins
	First      loyalty.OrderKey `json:"first,omitzero"`    // his first order, where the rules ask
	Day        string           `json:"day,omitempty"`     // of his last payment
	Earned     loyalty.Points   `json:"earned,omitempty"`  // what that day would have earned so far
	Bought     bool             `json:"bought,omitempty"`
	Difference loyalty.Points   `json:"difference,omitempty"`
}

const sumSize = 8

// cursor is base64url of a sum and the state. The sum covers the question, so
// that sums of one are not taken for those of another. Like a cursor of the
// table it protects against mistakes and not against forgery: whoever forges
// one lies to himself.
func (s state) cursor(asked Asked) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("simulation: " + err.Error()) // plain values
	}
	return base64.RawURLEncoding.EncodeToString(append(sum(asked, raw), raw...))
}

func resume(asked Asked, cursor string) (state, error) {
	s := state{Result: Result{Categories: []Part{}, Channels: []Part{}, Examples: []Example{}}}
	if cursor == "" {
		return s, nil
	}
	foreign := loyalty.Invalid("/cursor", "invalid_cursor", "the cursor does not belong to this simulation; send the same document and period with it, or no cursor")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder passes over line breaks: only what was given is a cursor.
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(raw) < sumSize || string(sum(asked, raw[sumSize:])) != string(raw[:sumSize]) {
		return s, foreign
	}
	if err := json.Unmarshal(raw[sumSize:], &s); err != nil || s.Shard < 0 || s.Shard >= table.RosterShards {
		return s, foreign
	}
	return s, nil
}

func sum(asked Asked, raw []byte) []byte {
	question, err := json.Marshal(asked)
	if err != nil {
		panic("simulation: " + err.Error()) // a validated document
	}
	inner := sha256.Sum256(question)
	whole := sha256.Sum256(append(inner[:], raw...))
	return whole[:sumSize]
}
