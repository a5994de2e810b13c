package redeemcard

import (
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
)

// wonBy tells whether the claimant, whose identity is owner's, is the one who
// redeemed the card.
func wonBy(r store.Redemption, who claimant, owner loyalty.MemberID) bool {
	if r.Member != "" && r.Member == owner {
		return true
	}
	return who.member == "" && who.identity != (loyalty.Identity{}) && who.identity == r.Identity
}

// drawOf is the answer to the claimant. To a program that typed a phone it is
// "reserved" for ever. The page says more: who holds the card and types the phone
// that redeemed it is told that the prize has found its account, and not whose.
func drawOf(r store.Redemption, batch cards.Batch, who claimant, repeat bool) draw {
	d := draw{award: r.Award, at: r.At, state: stateCredited, repeat: repeat, batch: batch, arm: batch.Arms[r.Arm], void: r.Void, proved: r.Member != ""}
	switch {
	case r.Hold == cards.HoldOpen:
		d.state = stateHeld
	case r.Hold == cards.HoldVoided:
		d.state = stateVoided
	case who.unproved():
		d.state = stateReserved
	}
	return d
}
