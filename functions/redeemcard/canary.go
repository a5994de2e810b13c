package redeemcard

import (
	"context"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/gateway"
)

// canaryTried is the line that the stack's CanaryAlarm counts.
const canaryTried = "canary card tried"

// watchCanary refuses a canary with the answer of every unknown card, in every
// state of its batch, and leaves a line by which an alarm goes off: no customer
// holds it, so the printing house's file or the cards themselves have leaked.
// The line names the batch, and through it the printing house, and no code.
func (f *Function) watchCanary(ctx context.Context, code cards.Code, batch cards.Batch) error {
	if batch.Canaries == 0 || code.Card >= batch.PrintRun() {
		return nil
	}
	draws, err := f.Keys.Draws(batch)
	if err != nil {
		return err
	}
	if !draws.Canary(code.Card) {
		return nil
	}
	f.Log.ErrorContext(ctx, canaryTried, "batch", batch.ID(), "state", batch.State, "request", gateway.RequestID(ctx))
	return cards.ErrNotFound
}
