// Package coupons holds the rules of coupons (优惠券): what a template promises,
// when a coupon expires, how its code is made, how much of a budget it takes, and
// how many a member gets.
package coupons

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/localtime"
	"github.com/huitou/huitou/shared/loyalty"
)

// Kind is where a template's codes come from.
type Kind string

// The kinds of template.
const (
	KindOwn  Kind = "own"  // made by huitou
	KindPool Kind = "pool" // imported from a platform (平台券码)
	KindLink Kind = "link" // claimed behind a link; no code
)

// Template is what all coupons of one kind have in common (券模板).
type Template struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Kind      Kind        `json:"kind"`
	Threshold loyalty.Fen `json:"threshold"` // 满: the order must reach it; 0 for none
	Discount  loyalty.Fen `json:"discount"`  // 减: what the coupon takes off
	Validity  Validity    `json:"validity"`
	Budget    Budget      `json:"budget"`
	Limits    Limits      `json:"limits,omitzero"`
	Link      string      `json:"link,omitempty"` // KindLink: where the coupon is claimed
}

// Validity is how long a coupon lives: whole days or calendar months of the
// brand's time zone after the day of issue, to the last second of the last
// day. Exactly one of the two is set.
type Validity struct {
	Days   int `json:"days,omitempty"`
	Months int `json:"months,omitempty"`
}

// Budget is what a template may give away in all. 0 is no limit.
type Budget struct {
	Quantity int64       `json:"quantity,omitempty"` // coupons
	Amount   loyalty.Fen `json:"amount,omitempty"`   // sum of the discounts, in fen
}

// Given is what of a budget is given away or promised.
type Given struct {
	Quantity int64
	Amount   loyalty.Fen
}

// State is where a coupon stands. It only moves forward.
type State string

// The states of a coupon. Expiry is none: the clock decides it.
const (
	StateIssued State = "issued"
	StateUsed   State = "used" // 核销
)

// Coupon is one coupon of one member. It carries its own copy of the
// template's terms: what was promised does not change with the template.
type Coupon struct {
	Code      string           `json:"code,omitempty"` // see NewCode; "" for one claimed behind a link
	Template  string           `json:"template"`
	Member    loyalty.MemberID `json:"member_id"`
	Trigger   string           `json:"trigger"` // why: "campaign:<id>:<occurrence>", "card:<batch>:<serial>"
	Name      string           `json:"name"`
	Threshold loyalty.Fen      `json:"threshold"`
	Discount  loyalty.Fen      `json:"discount"`
	Link      string           `json:"link,omitempty"`
	State     State            `json:"state"`
	IssuedAt  time.Time        `json:"issued_at"`
	DueAt     time.Time        `json:"due_at,omitzero" doc:"when the campaign was due that issued the coupon on a later day"`
	ExpiresAt time.Time        `json:"expires_at"` // the last second in which it is good
}

// Bounds of a template.
const (
	maxNameRunes             = 40
	maxAmount    loyalty.Fen = 100_000_000 // ¥1,000,000
	maxDays                  = 1_100
	maxMonths                = 36
	maxQuantity              = 1_000_000_000
	maxBudget    loyalty.Fen = 10_000_000_000_000
	maxLink                  = 200
)

// https is an address that names a host and nobody's credentials.
var https = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][!-~]*)?$`)
})

// Validate refuses (KindInvalid, with the pointer of the first field that is
// wrong) a template that could not be kept: a coupon that takes off more than
// the order it needs, one that is worth nothing, one that never ends.
func (t Template) Validate() error {
	switch {
	case !loyalty.IsID(t.ID):
		return loyalty.Invalid("/id", "malformed", "an id has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
	case strings.TrimSpace(t.Name) == "" || utf8.RuneCountInString(t.Name) > maxNameRunes || strings.ContainsFunc(t.Name, unicode.IsControl):
		return loyalty.Invalid("/name", "out_of_range", "a name is one line of 1 to 40 characters; customers see it")
	case t.Kind == KindPool:
		return loyalty.Invalid("/kind", "not_supported", `codes imported from a platform are not issued yet; use the kind "own" or "link"`)
	case t.Kind != KindOwn && t.Kind != KindLink:
		return loyalty.Invalid("/kind", "unknown", `a template's kind is "own" or "link"`)
	case t.Threshold < 0 || t.Threshold > maxAmount:
		return loyalty.Invalid("/threshold", "out_of_range", "a threshold is 0 (none) to 100000000 fen")
	case t.Discount <= 0 || t.Discount > maxAmount:
		return loyalty.Invalid("/discount", "out_of_range", "a discount is 1 to 100000000 fen")
	case t.Threshold > 0 && t.Discount > t.Threshold:
		return loyalty.Invalid("/discount", "above_threshold", "a coupon cannot take off more than the order has to reach")
	}
	if err := t.Validity.validate("/validity"); err != nil {
		return err
	}
	if err := t.Budget.validate("/budget", t.Discount); err != nil {
		return err
	}
	if err := t.Limits.validate("/limits"); err != nil {
		return err
	}
	if t.Kind != KindLink {
		if t.Link != "" {
			return loyalty.Invalid("/link", "not_allowed", `only a template of kind "link" has a link`)
		}
		return nil
	}
	if len(t.Link) > maxLink || !loyalty.IsLink(t.Link, maxLink) || !https().MatchString(t.Link) {
		return loyalty.Invalid("/link", "malformed", "a link begins with https:// and has at most 200 characters")
	}
	return nil
}

func (v Validity) validate(pointer string) error {
	switch {
	case (v.Days == 0) == (v.Months == 0):
		return loyalty.Invalid(pointer, "required", "a coupon is good for either days or months")
	case v.Days < 0 || v.Days > maxDays:
		return loyalty.Invalid(pointer+"/days", "out_of_range", fmt.Sprintf("1 to %d days", maxDays))
	case v.Months < 0 || v.Months > maxMonths:
		return loyalty.Invalid(pointer+"/months", "out_of_range", fmt.Sprintf("1 to %d months", maxMonths))
	}
	return nil
}

func (b Budget) validate(pointer string, discount loyalty.Fen) error {
	switch {
	case b.Quantity < 0 || b.Quantity > maxQuantity:
		return loyalty.Invalid(pointer+"/quantity", "out_of_range", fmt.Sprintf("0 (no limit) to %d coupons", maxQuantity))
	case b.Amount < 0 || b.Amount > maxBudget:
		return loyalty.Invalid(pointer+"/amount", "out_of_range", fmt.Sprintf("0 (no limit) to %d fen", maxBudget))
	case b.Amount > 0 && b.Amount < discount:
		return loyalty.Invalid(pointer+"/amount", "out_of_range", "the budget does not suffice for one coupon")
	}
	return nil
}

// Issuable refuses, with KindConflict code "pool_not_issuable", a template
// whose coupons huitou cannot issue: imported codes are given out by hand so
// far.
func (t Template) Issuable() error {
	if t.Kind == KindPool {
		return loyalty.Refuse(loyalty.KindConflict, "pool_not_issuable", "codes imported from a platform are not issued by campaigns or cards yet; use a template of kind own or link")
	}
	return nil
}

// Issue is the coupon that the template gives a member at a time. The code is
// the member's, from NewCode; a template of kind link takes none.
func (t Template) Issue(member loyalty.MemberID, trigger, code string, now time.Time, zone *time.Location) Coupon {
	if t.Kind == KindLink {
		code = ""
	}
	return Coupon{
		Code: code, Template: t.ID, Member: member, Trigger: trigger,
		Name: t.Name, Threshold: t.Threshold, Discount: t.Discount, Link: t.Link,
		State: StateIssued, IssuedAt: now.In(zone).Truncate(time.Second), ExpiresAt: t.Validity.End(now, zone),
	}
}

// End is the last second of a coupon issued at a time: 23:59:59 in the zone, of
// the day that many days later, or of the same day of the month that many
// months later. A month without that day ends on its last one: three months
// from 30 November are up on 28 February, or 29 in a leap year.
func (v Validity) End(issued time.Time, zone *time.Location) time.Time {
	year, month, day := issued.In(zone).Date()
	if v.Months > 0 {
		lastDay := time.Date(year, month+time.Month(v.Months)+1, 0, 0, 0, 0, 0, time.UTC).Day()
		return localtime.EndOfDay(year, month+time.Month(v.Months), min(day, lastDay), zone)
	}
	return localtime.EndOfDay(year, month, day+v.Days, zone)
}

// Expired tells whether the coupon is no longer good. The whole of its last
// second still is.
func (c Coupon) Expired(now time.Time) bool { return !now.Before(c.ExpiresAt.Add(time.Second)) }

// Grant is how many of the wanted coupons, each worth the discount, the budget
// has left when so much is given; never below 0, also where the budget was
// lowered below what is given.
func (b Budget) Grant(given Given, discount loyalty.Fen, want int64) int64 {
	if b.Quantity > 0 {
		want = min(want, b.Quantity-given.Quantity)
	}
	if b.Amount > 0 && discount > 0 {
		want = min(want, int64((b.Amount-given.Amount)/discount))
	}
	return max(want, 0)
}
