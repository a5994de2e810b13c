// Package payer is how a red packet is paid: by whoever holds the brand's
// account at a payment platform. huitou never does.
package payer

import (
	"context"

	"github.com/huitou/huitou/shared/cards"
)

// Payer pays red packets.
type Payer interface {
	// Pay asks for an order to be paid, and is asked again with the same order
	// until it says how the bill ended: a payer pays each bill at most once, and
	// answers what became of it however often it is asked. An error says nothing
	// of the money: it may have been paid. The answer may be about anything; the
	// caller judges it (see cards.Payout.Hear).
	Pay(ctx context.Context, order cards.PayoutOrder) (cards.PayoutAnswer, error)
}
