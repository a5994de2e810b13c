// Package points turns what happened to an order into points (订单转积分).
//
// An order is a log of facts: paid, completed, refunded, cancelled, claimed,
// settled. Facts arrive in any order, twice and late. What a line of the order
// is worth depends only on the set of facts, never on their sequence: the
// points held for it are always
//
//	floor(rate × (paid − refunded))
//
// at the rate that was in force when it was paid. A fact's entries are the
// difference between what is held after it and what was held before.
package points

import (
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Rate is how many points a line earns (积分规则): Points for each PerFen of
// net paid goods, rounded down once per line.
type Rate struct {
	Points loyalty.Points `json:"points" minimum:"0" maximum:"10000" doc:"points earned for each per_fen of net paid goods"`
	PerFen loyalty.Fen    `json:"per_fen" minimum:"1" maximum:"1000000000" doc:"the amount, in fen, that earns points once"`
}

// On is what the rate gives on an amount in fen; 0 for an amount below zero.
// Amounts are at most 10^13 fen, so that the product cannot overflow.
func (r Rate) On(amount loyalty.Fen) loyalty.Points {
	if amount <= 0 || r.PerFen <= 0 {
		return 0
	}
	return loyalty.Points(int64(r.Points) * int64(amount) / int64(r.PerFen))
}

// Window is how long points stay pending (待入账): until the customer can no
// longer return the goods.
type Window struct {
	AfterCompletionDays int `json:"after_completion_days" minimum:"0" maximum:"365" doc:"days after the customer confirmed receipt"`
	AfterPaymentDays    int `json:"after_payment_days" minimum:"0" maximum:"365" doc:"days after payment, where no completion ever comes"`
}

// Rules is the points section of the program.
type Rules struct {
	Rate     Rate                       `json:"rate"`
	Window   Window                     `json:"window" doc:"the return window of every channel that has none of its own"`
	Channels map[loyalty.Channel]Window `json:"channels,omitempty" doc:"return windows by channel"`
	Expiry   *Expiry                    `json:"expiry,omitempty" doc:"how long points are good once they are available; absent for ever"`
	// ReturnGraceDays: a cancelled exchange must not cost the customer points that
	// ended while they were set aside.
	ReturnGraceDays int `json:"return_grace_days,omitempty" minimum:"0" maximum:"365" doc:"points that come back after their end are good for so many days more"`
	// AdjustmentLimit is the largest correction that one operator makes alone.
	AdjustmentLimit loyalty.Points `json:"adjustment_limit,omitempty" minimum:"0" maximum:"1000000000" doc:"a manual correction above so many points needs a second operator; 0 means every one does"`
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
	if r.Rate.Points < 0 || r.Rate.Points > 10_000 {
		return loyalty.Invalid(pointer+"/rate/points", "out_of_range", "points per amount must be 0 to 10000")
	}
	if r.Rate.PerFen < 1 || r.Rate.PerFen > 1_000_000_000 {
		return loyalty.Invalid(pointer+"/rate/per_fen", "out_of_range", "the amount that earns points must be 1 to 1000000000 fen")
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
	check := func(w Window, at string) error {
		if w.AfterCompletionDays < 0 || w.AfterCompletionDays > 365 || w.AfterPaymentDays < 0 || w.AfterPaymentDays > 365 {
			return loyalty.Invalid(at, "out_of_range", "a return window must be 0 to 365 days")
		}
		return nil
	}
	if err := check(r.Window, pointer+"/window"); err != nil {
		return err
	}
	for channel, window := range r.Channels {
		if err := check(window, pointer+"/channels/"+string(channel)); err != nil {
			return err
		}
	}
	if r.CheckIn != nil {
		return r.CheckIn.Validate(pointer + "/check_in")
	}
	return nil
}

// settleAt is when the return window closes, given when the order was paid and
// completed; completedAt may be zero.
func (w Window) settleAt(paidAt, completedAt time.Time) time.Time {
	if !completedAt.IsZero() {
		return completedAt.AddDate(0, 0, w.AfterCompletionDays)
	}
	return paidAt.AddDate(0, 0, w.AfterPaymentDays)
}
