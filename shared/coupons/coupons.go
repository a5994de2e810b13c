// Package coupons holds the rules of coupons (优惠券): what a template promises,
// when a coupon expires, and how much of a budget it takes.
package coupons

import (
	"time"

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
	Link      string      `json:"link,omitempty"`
}

// Validity is how long a coupon lives, counted in the brand's calendar from
// the day it is issued to the last second of its last day.
type Validity struct {
	Days   int `json:"days,omitempty"`
	Months int `json:"months,omitempty"`
}

// Budget is what a template may give away in all. 0 is no limit.
type Budget struct {
	Quantity int64       `json:"quantity,omitempty"` // coupons
	Amount   loyalty.Fen `json:"amount,omitempty"`   // sum of the discounts, in fen
}

// State is where a coupon stands. It only moves forward.
type State string

// The states of a coupon.
const (
	StateIssued State = "issued"
	StateUsed   State = "used" // 核销
)

// Coupon is one coupon of one member.
type Coupon struct {
	Code      string           `json:"code"`
	Template  string           `json:"template"`
	Member    loyalty.MemberID `json:"member_id"`
	Trigger   string           `json:"trigger"` // why: "campaign:<id>:<occurrence>", "card:<batch>:<serial>"
	Name      string           `json:"name"`
	Threshold loyalty.Fen      `json:"threshold"`
	Discount  loyalty.Fen      `json:"discount"`
	State     State            `json:"state"`
	IssuedAt  time.Time        `json:"issued_at"`
	ExpiresAt time.Time        `json:"expires_at"`
}
