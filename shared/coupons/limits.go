package coupons

import (
	"fmt"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Limits is how many coupons of a template one member gets (每人限领). Campaigns
// keep to it. A coupon that a package card promised is never refused by it, but
// counts as one that the member holds.
//
// Without any limit a member has at most one live coupon of the template at a
// time: the next one is issued once that one was used or has expired. A limit
// takes the place of this default, so that a member may then have several live
// coupons; where both limits are given both hold.
type Limits struct {
	// PerMember bounds the coupons that a member was ever given, the used and the
	// expired among them. 0 is no such limit.
	PerMember int `json:"per_member,omitempty"`
	// PerMemberPerDays bounds them in a sliding window; zero is no such limit.
	PerMemberPerDays PerDays `json:"per_member_per_days,omitzero"`
}

// PerDays is at most Count coupons in any Days consecutive days of the brand's
// calendar, again the used and the expired among them. A coupon of a campaign
// belongs to the day of the campaign's occurrence, even where it was issued
// after midnight or the campaign ran late: with one coupon in 7 days a campaign
// of every Monday gives a coupon every Monday.
type PerDays struct {
	Count int `json:"count"` // 1 to 1000
	Days  int `json:"days"`  // 1 to 1100
}

const maxPerMember = 1_000

func (l Limits) validate(pointer string) error {
	per := l.PerMemberPerDays
	switch {
	case l.PerMember < 0 || l.PerMember > maxPerMember:
		return loyalty.Invalid(pointer+"/per_member", "out_of_range", fmt.Sprintf("1 to %d coupons, or left out", maxPerMember))
	case per == (PerDays{}):
		return nil
	case per.Count < 1 || per.Count > maxPerMember:
		return loyalty.Invalid(pointer+"/per_member_per_days/count", "out_of_range", fmt.Sprintf("1 to %d coupons", maxPerMember))
	case per.Days < 1 || per.Days > maxDays:
		return loyalty.Invalid(pointer+"/per_member_per_days/days", "out_of_range", fmt.Sprintf("1 to %d days", maxDays))
	}
	return nil
}

// Allow tells whether a campaign's occurrence that was due then may give one
// more coupon now to a member who holds these of the template.
func (l Limits) Allow(held []Coupon, due, now time.Time, zone *time.Location) bool {
	if l == (Limits{}) {
		return !slices.ContainsFunc(held, func(c Coupon) bool { return c.Live(now) })
	}
	if l.PerMember > 0 && len(held) >= l.PerMember {
		return false
	}
	return l.PerMemberPerDays == (PerDays{}) || l.PerMemberPerDays.allow(held, date(due, zone), zone)
}

// allow looks at every window that the day falls into: an occurrence that was
// missed may run after a later one.
func (p PerDays) allow(held []Coupon, day int, zone *time.Location) bool {
	days := []int{day}
	for _, coupon := range held {
		days = append(days, coupon.day(zone))
	}
	for _, first := range days {
		if first > day || day-first >= p.Days {
			continue
		}
		within := 0
		for _, other := range days {
			if other >= first && other-first < p.Days {
				within++
			}
		}
		if within > p.Count {
			return false
		}
	}
	return true
}

// Live tells whether the coupon can be used.
func (c Coupon) Live(now time.Time) bool { return c.State == StateIssued && !c.Expired(now) }

// Of notes the occurrence that the coupon is of, where that was due on another
// day of the zone than the coupon's day of issue.
func (c Coupon) Of(due time.Time, zone *time.Location) Coupon {
	if date(due, zone) != date(c.IssuedAt, zone) {
		c.DueAt = due.In(zone).Truncate(time.Second)
	}
	return c
}

// day is the day that the coupon counts on.
func (c Coupon) day(zone *time.Location) int {
	if !c.DueAt.IsZero() {
		return date(c.DueAt, zone)
	}
	return date(c.IssuedAt, zone)
}

// date numbers the days of the zone's calendar.
func date(at time.Time, zone *time.Location) int {
	year, month, day := at.In(zone).Date()
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}
