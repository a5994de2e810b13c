package points

import (
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/loyalty"
)

// maxBonus is how many percent a line's bonuses may come to together. It keeps
// every product within an int64, and a slip of the keyboard within reason.
const maxBonus = 1000

const maxCampaigns = 50

// Bonuses are what comes on top of a line's rate, in percent of it: with 50 for
// the channel and 100 for the member day a line earns 250 % of its rate.
type Bonuses struct {
	Channels map[loyalty.Channel]int64 `json:"channels,omitempty" doc:"percent by channel"`
	// Tiers and FirstOrder are personal, see Buyer.
	Tiers      map[string]int64 `json:"tiers,omitempty" doc:"percent by the member's tier when the payment is recorded"`
	FirstOrder int64            `json:"first_order,omitempty" minimum:"0" maximum:"1000" doc:"percent for a member's first order"`
	MemberDay  MemberDay        `json:"member_day,omitzero" doc:"the days of the month on which members earn more (会员日)"`
	Campaigns  []Campaign       `json:"campaigns,omitempty" maxItems:"50" doc:"percent for what is paid within a time"`
}

// MemberDay is a day of every month, by the moment of payment in the brand's
// time zone. A day that a month does not have does not come in it.
type MemberDay struct {
	Days    []int `json:"days" maxItems:"31" doc:"days of the month, 1 to 31"`
	Percent int64 `json:"percent" minimum:"0" maximum:"1000" doc:"percent on these days"`
}

// Campaign is a bonus for what is paid from From on and before To.
type Campaign struct {
	Name       string            `json:"name" minLength:"1" maxLength:"40" doc:"stands beside the points that it gave"`
	From       time.Time         `json:"from" doc:"the first moment"`
	To         time.Time         `json:"to" doc:"the first moment after it"`
	Percent    int64             `json:"percent" minimum:"0" maximum:"1000" doc:"percent of the rate"`
	Categories []string          `json:"categories,omitempty" doc:"of these categories alone; of all when absent"`
	Channels   []loyalty.Channel `json:"channels,omitempty" doc:"on these channels alone; on all when absent"`
}

func (c Campaign) covers(channel loyalty.Channel, category string, paidAt time.Time) bool {
	return !paidAt.Before(c.From) && paidAt.Before(c.To) &&
		(len(c.Channels) == 0 || slices.Contains(c.Channels, channel)) &&
		(len(c.Categories) == 0 || slices.Contains(c.Categories, category))
}

func (b Bonuses) validate(pointer string) error {
	check := func(percent int64, at string) error {
		if percent < 0 || percent > maxBonus {
			return loyalty.Invalid(pointer+at, "out_of_range", "a bonus must be 0 to 1000 percent")
		}
		return nil
	}
	for _, channel := range slices.Sorted(maps.Keys(b.Channels)) {
		if err := check(b.Channels[channel], "/channels/"+string(channel)); err != nil {
			return err
		}
	}
	for _, tier := range slices.Sorted(maps.Keys(b.Tiers)) {
		if !loyalty.IsID(tier) {
			return loyalty.Invalid(pointer+"/tiers", "malformed", "a tier's id has 1 to 64 letters, digits, dots, hyphens and underscores")
		}
		if err := check(b.Tiers[tier], "/tiers/"+tier); err != nil {
			return err
		}
	}
	if err := check(b.FirstOrder, "/first_order"); err != nil {
		return err
	}
	if err := check(b.MemberDay.Percent, "/member_day/percent"); err != nil {
		return err
	}
	for i, day := range b.MemberDay.Days {
		if day < 1 || day > 31 || slices.Contains(b.MemberDay.Days[:i], day) {
			return loyalty.Invalid(item(pointer+"/member_day/days", i), "out_of_range", "the days of a month are 1 to 31, each once")
		}
	}
	if len(b.Campaigns) > maxCampaigns {
		return loyalty.Invalid(pointer+"/campaigns", "out_of_range", "at most 50 campaigns")
	}
	for i, campaign := range b.Campaigns {
		at := item("/campaigns", i)
		if campaign.Name == "" || utf8.RuneCountInString(campaign.Name) > 40 {
			return loyalty.Invalid(pointer+at+"/name", "out_of_range", "a campaign's name must have 1 to 40 characters")
		}
		if !campaign.To.After(campaign.From) {
			return loyalty.Invalid(pointer+at+"/to", "out_of_range", "a campaign must end after it begins")
		}
		if err := check(campaign.Percent, at+"/percent"); err != nil {
			return err
		}
	}
	return nil
}

// Reason says why a line's rate is another than the program's base rate. Where
// a colon stands in it, a name from the program follows: "tier:gold".
type Reason string

// The reasons, and what those that have a name begin with.
const (
	ReasonMemberDay   Reason = "member_day"
	ReasonFirstOrder  Reason = "first_order"
	ReasonGift        Reason = "gift"         // earns nothing
	ReasonStoredValue Reason = "stored_value" // a part was paid from it and earns nothing
	ReasonShipping    Reason = "shipping"     // earns as well
	ReasonCapPerOrder Reason = "cap_per_order"
	ReasonCapPerDay   Reason = "cap_per_day"
	ReasonHistory     Reason = "history" // earns nothing: what it earned is part of an opening balance

	reasonCategory = "category:"
	reasonChannel  = "channel:"
	reasonTier     = "tier:"
	reasonCampaign = "campaign:"
)

// Payment is an order, or a part of one that was told later, as it was paid:
// all that decides what it earns.
type Payment struct {
	Channel loyalty.Channel
	PaidAt  time.Time
	Zone    *time.Location // the brand's, whose days count
	Lines   []Line         // without Rate and Because; Category as the program has it
	// Granted is what the parts of the same order earned that were told before.
	Granted loyalty.Points
	// Buyer is nil where nobody owns the order when its payment is recorded.
	// Such an order has no personal bonus, and no member's cap holds for it,
	// also when somebody claims it later: what it earns is frozen.
	Buyer *Buyer
}

// Buyer is what the rules ask of the member who paid, as it stands when the
// payment is recorded.
type Buyer struct {
	Tier string // id; "" for none
	// FirstOrder is true for the member's order that was recorded first, and
	// for all parts of it, even when it goes back.
	FirstOrder bool
	// Earned is what their other orders, and other parts of this one, earned
	// that were paid on the same day.
	Earned loyalty.Points
}

// Personal tells whether the rules ask anything of the buyer.
func (r Rules) Personal() bool {
	return len(r.Bonuses.Tiers) > 0 || r.Bonuses.FirstOrder > 0 || r.CapPerDay > 0
}

// Freeze gives each line of a payment the one rate by which it earns, and by
// which every refund takes back, for ever.
//
//	rate = the category's or the base rate × (100 + Σ percent of bonuses) / 100
//
// That is the rate of a line that earns on the whole of what was paid for it and
// on nothing else. Where stored value does not earn or shipping does, or a cap
// cuts the order, the rate is "what it earns per what was paid for it"; what a
// cap leaves is spread over the lines by the largest remainder. So each line is
// rounded down once, and a refund takes back in proportion, however it is
// split. A refund makes no room under a cap.
func (r Rules) Freeze(p Payment) []Line {
	lines := make([]Line, len(p.Lines))
	for i, line := range p.Lines {
		lines[i] = r.freeze(p, line)
	}
	room, reason, capped := r.room(p)
	if !capped {
		return lines
	}
	var total loyalty.Points
	earned := make([]loyalty.Points, len(lines))
	for i, line := range lines {
		earned[i] = line.Granted()
		total += earned[i]
	}
	if total <= room {
		return lines
	}
	for i, part := range loyalty.Allocate(room, earned) {
		if earned[i] > 0 {
			lines[i].Rate = Rate{part, lines[i].Paid}
			lines[i].Because = append(lines[i].Because, reason)
		}
	}
	return lines
}

// room is how many points the payment may earn at most.
func (r Rules) room(p Payment) (room loyalty.Points, reason Reason, capped bool) {
	if r.CapPerOrder > 0 {
		room, reason, capped = max(0, r.CapPerOrder-p.Granted), ReasonCapPerOrder, true
	}
	if r.CapPerDay > 0 && p.Buyer != nil {
		if today := max(0, r.CapPerDay-p.Buyer.Earned); !capped || today < room {
			room, reason, capped = today, ReasonCapPerDay, true
		}
	}
	return room, reason, capped
}

// freeze is Freeze for one line, before the caps.
func (r Rules) freeze(p Payment, line Line) Line {
	if line.History {
		line.Rate, line.Because = Rate{0, r.Rate.PerFen}, []Reason{ReasonHistory}
		return line
	}
	if line.Gift && !r.GiftsEarn {
		line.Rate, line.Because = Rate{0, r.Rate.PerFen}, []Reason{ReasonGift}
		return line
	}
	line.Rate = r.Rate
	if rate, ok := r.Categories[line.Category]; ok {
		line.Rate = rate
		line.Because = append(line.Because, Reason(reasonCategory+line.Category))
	}
	percent, because := r.Bonuses.of(p, line.Category)
	line.Rate = line.Rate.with(min(percent, maxBonus))
	line.Because = append(line.Because, because...)
	if line.Paid == 0 {
		return line
	}
	var shipping loyalty.Fen
	if r.ShippingEarns {
		shipping = line.Shipping
	}
	base := line.Paid + shipping
	if shipping > 0 {
		line.Because = append(line.Because, ReasonShipping)
	}
	if !r.StoredValueEarns && line.StoredValue > 0 {
		base = max(0, line.Paid-line.StoredValue) + max(0, shipping-max(0, line.StoredValue-line.Paid))
		line.Because = append(line.Because, ReasonStoredValue)
	}
	if base != line.Paid {
		line.Rate = Rate{line.Rate.On(base), line.Paid}
	}
	return line
}

// of is what the bonuses of a line add up to, and which they are.
func (b Bonuses) of(p Payment, category string) (percent int64, because []Reason) {
	add := func(bonus int64, reason Reason) {
		if bonus > 0 {
			percent += bonus
			because = append(because, reason)
		}
	}
	add(b.Channels[p.Channel], Reason(reasonChannel+string(p.Channel)))
	if p.Buyer != nil {
		add(b.Tiers[p.Buyer.Tier], Reason(reasonTier+p.Buyer.Tier))
		if p.Buyer.FirstOrder {
			add(b.FirstOrder, ReasonFirstOrder)
		}
	}
	if slices.Contains(b.MemberDay.Days, p.PaidAt.In(p.Zone).Day()) {
		add(b.MemberDay.Percent, ReasonMemberDay)
	}
	for _, campaign := range b.Campaigns {
		if campaign.covers(p.Channel, category, p.PaidAt) {
			add(campaign.Percent, Reason(reasonCampaign+campaign.Name))
		}
	}
	return percent, because
}

func item(pointer string, i int) string { return fmt.Sprintf("%s/%d", pointer, i) }
