package operate

import (
	"testing"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/embedded"
)

// More redeemed cards than one answer counts make it incomplete, and the walk
// ends there.
func TestACountEndsAtItsMost(t *testing.T) {
	engine := embedded.Memory()
	defer engine.Close()
	batch := cards.Batch{KeyID: "K", Number: 1, Count: 100, Arms: []cards.Arm{{Name: "a", Weight: 1}}}
	for card := range 40 {
		redemption := store.Redemption{Batch: batch.ID(), Card: card, Award: cards.Award{Kind: cards.PrizeNone}}
		if err := engine.Write(t.Context(), store.RedeemCard(batch.Code(card), redemption)); err != nil {
			t.Fatal(err)
		}
	}
	for most, complete := range map[int]bool{40: true, 39: false, 1: false} {
		c := counting{store: store.Store{Table: engine}, batch: batch, left: most}
		funnels, err := c.funnels(t.Context())
		if err != nil || (c.left >= 0) != complete || complete && funnels[0].Redeemed != 40 || funnels[0].Redeemed > most {
			t.Errorf("most %d: %+v, %d left, %v", most, funnels, c.left, err)
		}
	}
}
