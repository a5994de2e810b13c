package statement

import (
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// Tier is a member's tier (会员等级) and their growth value (成长值).
type Tier struct {
	Level    string         `json:"level,omitempty" doc:"id of the tier; absent below the first and where the brand has none"`
	Name     string         `json:"name,omitempty"`
	Since    *time.Time     `json:"since,omitempty"`
	Until    *time.Time     `json:"until,omitempty" doc:"to when it is kept at least; absent where it follows the growth at once"`
	Counting loyalty.Points `json:"counting" doc:"growth value that counts now"`
	Pending  loyalty.Points `json:"pending" doc:"growth value that counts once return windows close"`
	Next     *NextTier      `json:"next,omitempty" doc:"absent on the highest tier"`
}

// NextTier is what a member can reach.
type NextTier struct {
	Level   string         `json:"level"`
	Name    string         `json:"name"`
	Missing loyalty.Points `json:"missing" doc:"growth value that must count besides"`
}

// OfTier shows an account's tier by the rules in force.
func OfTier(account store.Account, rules program.Program, now time.Time) Tier {
	shown := Tier{Level: account.Tier.Level, Since: optional(account.Tier.Since), Until: optional(account.Tier.Until), Pending: account.GrowthPending}
	if rules.Tiers == nil {
		return shown
	}
	shown.Counting = rules.Tiers.Counting(account.Growth, now, rules.Zone())
	if level, known := rules.Tiers.Level(account.Tier.Level); known {
		shown.Name = level.Name
	}
	if above, higher := rules.Tiers.Above(account.Tier.Level); higher {
		shown.Next = &NextTier{above.ID, above.Name, max(0, above.Growth-shown.Counting)}
	}
	return shown
}
