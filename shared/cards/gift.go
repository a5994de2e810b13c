package cards

import (
	"fmt"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// GiftState is where a gift is. It only moves forward.
type GiftState string

// The states.
const (
	GiftPending GiftState = "pending" // waits for the member's next order
	GiftShipped GiftState = "shipped" // left with an order
)

// GiftStates are all states, in order.
var GiftStates = []GiftState{GiftPending, GiftShipped}

// Gift is something that a card's winner is owed with their next order (随单赠品).
type Gift struct {
	ID     string           `json:"id"` // a function of the card
	Batch  string           `json:"batch"`
	Card   int              `json:"card"`
	Member loyalty.MemberID `json:"member_id"`
	Text   string           `json:"text"` // what it is, as the batch says
	WonAt  time.Time        `json:"won_at"`

	Order     *loyalty.OrderKey `json:"order,omitempty"` // that it left with
	ShippedAt time.Time         `json:"shipped_at,omitzero"`
	ShippedBy string            `json:"shipped_by,omitempty"` // an operator or integration
}

// GiftID names the gift of a card.
func (c Code) GiftID() string { return fmt.Sprintf("%s-%07d", c.BatchID(), c.Card) }

// WinGift is the gift that a card gives a member.
func WinGift(code Code, award Award, member loyalty.MemberID, now time.Time) Gift {
	return Gift{ID: code.GiftID(), Batch: code.BatchID(), Card: code.Card, Member: member, Text: award.Text, WonAt: now}
}

// State is where the gift is.
func (g Gift) State() GiftState {
	if g.Order != nil {
		return GiftShipped
	}
	return GiftPending
}

// At is when the gift came to its state.
func (g Gift) At() time.Time {
	if g.Order != nil {
		return g.ShippedAt
	}
	return g.WonAt
}

// Ship is the gift after it left with an order. The same order again changes
// nothing; another one is refused with KindConflict code "gift_shipped", so that
// nobody packs it twice.
func (g Gift) Ship(order loyalty.OrderKey, by string, now time.Time) (Gift, error) {
	switch {
	case g.Order == nil:
		g.Order, g.ShippedAt, g.ShippedBy = &order, now, by
	case *g.Order != order:
		return g, loyalty.Refuse(loyalty.KindConflict, "gift_shipped", "this gift left with another order")
	}
	return g, nil
}
