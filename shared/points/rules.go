// Package points turns what happened to an order into points (订单转积分).
//
// An order is a log of facts: paid, completed, refunded, cancelled, claimed,
// settled. Facts arrive in any order, twice and late. The value of a line of
// the order depends only on the set of facts, never on their sequence: the
// points held for it are always
//
//	floor(rate × max(0, paid − refunded))
//
// at the rate that was in force when it was paid. A fact's entries are the
// difference between what is held after it and what was held before.
package points

import (
	"maps"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Rate is how many points a line earns (积分规则): Points for each PerFen of
// net paid goods, rounded down once per line.
type Rate struct {
	Points loyalty.Points `json:"points" minimum:"0" maximum:"10000" doc:"points earned for each per_fen of net paid goods"`
	PerFen loyalty.Fen    `json:"per_fen" minimum:"1" maximum:"1000000000" doc:"the amount, in fen, that earns points once"`
}

// On is what the rate gives on an amount in fen, rounded down; 0 for an amount
// below zero, and never more than an int64 holds.
func (r Rate) On(amount loyalty.Fen) loyalty.Points {
	if amount <= 0 || r.PerFen <= 0 || r.Points <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(r.Points), uint64(amount))
	if high >= uint64(r.PerFen) {
		return math.MaxInt64
	}
	points, _ := bits.Div64(high, low, uint64(r.PerFen))
	return loyalty.Points(min(points, math.MaxInt64))
}

// with is the rate and so many percent of it.
func (r Rate) with(percent int64) Rate {
	if percent == 0 {
		return r
	}
	points, perFen := r.Points*loyalty.Points(100+percent), r.PerFen*100
	divisor, rest := int64(perFen), int64(points)
	for rest != 0 {
		divisor, rest = rest, divisor%rest
	}
	return Rate{points / loyalty.Points(divisor), perFen / loyalty.Fen(divisor)}
}

func (r Rate) validate(pointer string) error {
	if r.Points < 0 || r.Points > 10_000 {
		return loyalty.Invalid(pointer+"/points", "out_of_range", "points per amount must be 0 to 10000")
	}
	if r.PerFen < 1 || r.PerFen > 1_000_000_000 {
		return loyalty.Invalid(pointer+"/per_fen", "out_of_range", "the amount that earns points must be 1 to 1000000000 fen")
	}
	return nil
}

// Window is how long points stay pending (待入账): until the customer can no
// longer return the goods.
type Window struct {
	AfterCompletionDays int `json:"after_completion_days" minimum:"0" maximum:"365" doc:"days after the customer confirmed receipt"`
	AfterPaymentDays    int `json:"after_payment_days" minimum:"0" maximum:"365" doc:"days after payment, where no completion ever comes"`
}

// Rules is the points section of the program.
type Rules struct {
	Rate Rate `json:"rate" doc:"of every category that has none of its own"`
	// Categories are the rates by category, Bonuses what comes on top; together
	// they make the one rate that is frozen into a line (see Freeze).
	Categories  map[string]Rate `json:"categories,omitempty" doc:"rates by category"`
	Bonuses     Bonuses         `json:"bonuses,omitzero" doc:"what comes on top of the rate, in percent of it; they add up, to 1000 at most"`
	CapPerOrder loyalty.Points  `json:"cap_per_order,omitempty" minimum:"0" maximum:"1000000000" doc:"the most points that one order earns; 0 means no cap"`
	CapPerDay   loyalty.Points  `json:"cap_per_day,omitempty" minimum:"0" maximum:"1000000000" doc:"the most points that a member earns with the orders paid on one day of the brand's time zone; 0 means no cap"`
	// The earnings of amounts that are not the price of goods in money.
	StoredValueEarns bool `json:"stored_value_earns,omitempty" doc:"whether what was paid from stored value earns points"`
	ShippingEarns    bool `json:"shipping_earns,omitempty" doc:"whether shipping earns points, with the lines over which it is spread"`
	GiftsEarn        bool `json:"gifts_earn,omitempty" doc:"whether a line that is a gift earns points on what was paid for it"`

	Window   Window                     `json:"window" doc:"the return window of every channel that has none of its own"`
	Channels map[loyalty.Channel]Window `json:"channels,omitempty" doc:"return windows by channel"`
	Expiry   *Expiry                    `json:"expiry,omitempty" doc:"how long points are good once they are available; absent for ever"`
	// ReturnGraceDays: a cancelled exchange must not cost the customer points that
	// ended while they were set aside.
	ReturnGraceDays int `json:"return_grace_days,omitempty" minimum:"0" maximum:"365" doc:"points that come back after their end are good for so many days more"`
	// AdjustmentLimit is how much one operator corrects alone, at once and on a day.
	AdjustmentLimit loyalty.Points `json:"adjustment_limit,omitempty" minimum:"0" maximum:"1000000000" doc:"a manual correction above so many points needs a second operator, and so does one that brings what an operator corrected alone on a day above it; 0 means every one does"`
	// ValuePerPoint turns points that are owed into money, in reports alone.
	ValuePerPoint *Value `json:"value_per_point,omitempty" doc:"what points are worth in money, for reports (积分负债); absent: reports give no money"`
	// CheckIn is nil where the brand takes no check-ins.
	CheckIn *CheckInRules `json:"check_in,omitempty" doc:"what checking in once a day gives (签到); absent: the brand takes no check-ins"`
}

// WindowOf is the return window of a channel.
func (r Rules) WindowOf(channel loyalty.Channel) Window {
	if window, ok := r.Channels[channel]; ok {
		return window
	}
	return r.Window
}

// Validate refuses rules that could not be applied, naming the field below
// pointer.
func (r Rules) Validate(pointer string) error {
	if err := r.Rate.validate(pointer + "/rate"); err != nil {
		return err
	}
	for _, category := range slices.Sorted(maps.Keys(r.Categories)) {
		if category == "" || len(category) > 64 {
			return loyalty.Invalid(pointer+"/categories", "out_of_range", "a category's name must have 1 to 64 bytes")
		}
		if err := r.Categories[category].validate(pointer + "/categories/" + category); err != nil {
			return err
		}
	}
	if err := r.Bonuses.validate(pointer + "/bonuses"); err != nil {
		return err
	}
	if r.CapPerOrder < 0 || r.CapPerOrder > MaxSpend {
		return loyalty.Invalid(pointer+"/cap_per_order", "out_of_range", "a cap must be 1 to 1000000000 points, or 0 for none")
	}
	if r.CapPerDay < 0 || r.CapPerDay > MaxSpend {
		return loyalty.Invalid(pointer+"/cap_per_day", "out_of_range", "a cap must be 1 to 1000000000 points, or 0 for none")
	}
	if r.AdjustmentLimit < 0 || r.AdjustmentLimit > MaxSpend {
		return loyalty.Invalid(pointer+"/adjustment_limit", "out_of_range", "the limit must be 0 to 1000000000 points")
	}
	if r.ReturnGraceDays < 0 || r.ReturnGraceDays > 365 {
		return loyalty.Invalid(pointer+"/return_grace_days", "out_of_range", "the days of grace must be 0 to 365")
	}
	if err := r.Expiry.validate(pointer + "/expiry"); err != nil {
		return err
	}
	if err := r.ValuePerPoint.validate(pointer + "/value_per_point"); err != nil {
		return err
	}
	check := func(w Window, at string) error {
		if w.AfterCompletionDays < 0 || w.AfterCompletionDays > 365 || w.AfterPaymentDays < 0 || w.AfterPaymentDays > 365 {
			return loyalty.Invalid(at, "out_of_range", "a return window must be 0 to 365 days")
		}
		return nil
	}
	if err := check(r.Window, pointer+"/window"); err != nil {
		return err
	}
	for _, channel := range slices.Sorted(maps.Keys(r.Channels)) {
		if err := check(r.Channels[channel], pointer+"/channels/"+string(channel)); err != nil {
			return err
		}
	}
	if r.CheckIn != nil {
		return r.CheckIn.Validate(pointer + "/check_in")
	}
	return nil
}

// settleAt is when the return window closes, given when the order was paid and
// completed; completedAt may be zero. Its days have 24 hours, whatever zone the
// times were written in.
func (w Window) settleAt(paidAt, completedAt time.Time) time.Time {
	if !completedAt.IsZero() {
		return completedAt.Add(time.Duration(w.AfterCompletionDays) * 24 * time.Hour)
	}
	return paidAt.Add(time.Duration(w.AfterPaymentDays) * 24 * time.Hour)
}
