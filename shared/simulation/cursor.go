package simulation

import (
	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/loyalty"
)

// state is where a walk stands, and all that it has found.
type state struct {
	census.Place
	Of *person `json:"of,omitempty"` // the next member, when the reads were not enough for them
	Result
}

// person is a member of whom a part was counted.
type person struct {
	History    string           `json:"history,omitempty"` // where the rest begins
	First      loyalty.OrderKey `json:"first,omitzero"`    // their first order, where the rules ask
	Day        string           `json:"day,omitempty"`     // of their last payment
	Earned     loyalty.Points   `json:"earned,omitempty"`  // what that day would have earned so far
	Bought     bool             `json:"bought,omitempty"`
	Difference loyalty.Points   `json:"difference,omitempty"`
}

func resume(asked Asked, cursor string) (state, error) {
	s := state{Result: Result{Categories: []Part{}, Channels: []Part{}, Examples: []Example{}}}
	if cursor != "" && (!census.Resume(cursor, asked, &s) || !s.Goes()) {
		return s, loyalty.Invalid("/cursor", "invalid_cursor", "the cursor does not belong to this simulation; send the same document and period with it, or no cursor")
	}
	return s, nil
}
