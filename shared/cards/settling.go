package cards

import "time"

// SettlingTime is how long after its end a batch may still see a redemption
// land that was decided before. It is longer than all of these together: two
// clocks that are a minute off in opposite directions, the time-outs of the
// freeze and of the redemption or of a friend's proof, and twenty seconds in the network for each of
// their writes.
const SettlingTime = 5 * time.Minute

// Settling tells whether a redemption that was decided before the end of the
// batch, that of its window or its freeze, can still be on its way. Until then
// nobody may be told a last "no" about a card that is still free. It is asked
// of a batch that is not redeemable any more.
func (b Batch) Settling(now time.Time) bool {
	end := b.ValidTo
	if b.State == StateFrozen {
		if b.Frozen == nil {
			return false
		}
		end = b.Frozen.At
	}
	return now.Before(end.Add(SettlingTime))
}
