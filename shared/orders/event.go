// Package orders is the canonical order event (订单事件): what every channel's
// push and every export becomes before anything is decided about it. It reads,
// checks and writes events; the subpackages translate what platforms send.
package orders

import (
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// The limits of one event. They keep every event inside one queue message and
// every sum and product of amounts inside an int64.
const (
	MaxLines         = 50
	MaxBytes         = strictjson.MaxBytes // of JSON
	MaxAmount        = 1_000_000_000_000   // fen: ¥10,000,000,000; times a rate of 10^6 it still fits
	MaxQuantity      = 1_000_000           // units in one line
	MaxIDBytes       = 128                 // of an order, line, refund or buyer id, a SKU
	MaxShopBytes     = 64                  // of a shop, a category, a discount code
	MaxDiscountCodes = 20
	MaxAhead         = 24 * time.Hour // how far in the future an event may claim to be
)

// Earliest is the first instant an event may stand for: no platform of today
// sold anything before, so an earlier time is a broken clock or a zero.
var Earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Type says what happened to the order.
type Type string

// The closed set of types.
const (
	TypePaid      Type = "order.paid"
	TypeCompleted Type = "order.completed" // the customer confirmed receipt (确认收货); the return window starts
	TypeRefunded  Type = "order.refunded"
	TypeCancelled Type = "order.cancelled"
)

// Event is one thing that happened to one order. Its JSON tags are its form
// on the queue, which differs from the form on the hook in one point: there
// the buyer's phone has become a token (see Buyer).
type Event struct {
	Type       Type            `json:"type"`
	Channel    loyalty.Channel `json:"channel"`
	Shop       string          `json:"shop"`
	OrderID    string          `json:"order_id"`
	OccurredAt time.Time       `json:"occurred_at"`
	// Currency is ISO 4217, the unit of every amount of the event. Only a paid
	// event must tell it: a refund without one is in its order's.
	Currency string `json:"currency,omitempty"`
	Buyer    Buyer  `json:"buyer,omitzero"`
	// RefundID names one refund of a TypeRefunded event, whose lines then
	// carry Refunded. Without it they carry RefundedTotal.
	RefundID string `json:"refund_id,omitempty"`
	// RefundSum is what a refund with a RefundID gave back of all its Lines
	// together, from a platform that does not say how much of each. The lines then
	// carry no amounts; none are all of the order's. It exists on queues only: the
	// hook has no such field.
	RefundSum *loyalty.Fen `json:"refund_sum,omitempty"`
	// Lines has 1 to MaxLines entries in paid and refunded events, with
	// different ids. In the other types it may be empty and decides nothing.
	Lines         []Line      `json:"lines,omitempty"`
	Shipping      loyalty.Fen `json:"shipping,omitempty"` // earns points only where the program says so
	DiscountCodes []string    `json:"discount_codes,omitempty"`
	// Discount is what was taken off the order as a whole and is not yet taken
	// off Paid of its lines (整单优惠); at most what they add up to. Of another type
	// than TypePaid it decides nothing, like StoredValue and Shipping.
	Discount loyalty.Fen `json:"discount,omitempty"`
	// StoredValue is what of the price of the goods and then of the shipping
	// was paid from stored value (储值); at most both together.
	StoredValue loyalty.Fen `json:"stored_value,omitempty"`
	// History marks an event from before the brand came to huitou (历史订单). Of a
	// payment it says that its points and growth value are in what the member
	// brought along: the order stands in the purchase history and earns nothing.
	// Of another type it decides nothing. Whichever event tells of a line first,
	// this or a live one, decides for it.
	History bool `json:"history,omitempty"`
}

// Key is the order that the event is about.
func (e Event) Key() loyalty.OrderKey {
	return loyalty.OrderKey{Channel: e.Channel, Shop: e.Shop, Order: e.OrderID}
}

// Buyer is how the platform knows the customer. Every part may be empty: an
// order of nobody waits until it is claimed.
type Buyer struct {
	ID string `json:"id,omitempty"` // the platform's own id; never a masked name
	// Phone is what the hook received. It exists between Decode and the
	// function that replaces it, and is in no JSON that this package writes
	// for a queue.
	Phone Phone `json:"-"`
	// PhoneToken stands for the phone from the queue on (see shared/identity).
	PhoneToken string `json:"phone_token,omitempty"`
	// PhoneLast4 is the last four digits, with which an order can be claimed.
	// Exports that mask the number still show them. It identifies nobody.
	PhoneLast4 string `json:"phone_last4,omitempty"`
}

// Identities are the names in the event by which the customer may be a known
// member: the buyer on this channel, and the phone on any.
func (e Event) Identities() []loyalty.Identity {
	var known []loyalty.Identity
	if e.Buyer.ID != "" {
		known = append(known, loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: e.Channel, Value: e.Buyer.ID})
	}
	if e.Buyer.PhoneToken != "" {
		known = append(known, loyalty.Identity{Kind: loyalty.IdentityPhone, Value: e.Buyer.PhoneToken})
	}
	return known
}

// Phone is a raw phone number. Printed, it shows nothing.
type Phone string

// String hides the number from logs and error texts.
func (Phone) String() string { return "(phone)" }

// GoString hides the number from %#v.
func (Phone) GoString() string { return "(phone)" }

// Line is one kind of goods in an order (子订单).
type Line struct {
	LineID   string `json:"line_id"`
	SKU      string `json:"sku,omitempty"`
	Category string `json:"category,omitempty"`
	Quantity int64  `json:"quantity,omitempty"`
	// Gift marks goods that came with others (赠品). They stay in the purchase
	// history and earn only where the program says so.
	Gift bool `json:"gift,omitempty"`
	// Paid is net for all units after every discount but the order's Discount,
	// without shipping.
	Paid loyalty.Fen `json:"paid,omitempty"`
	// Refunded is what this one refund (RefundID) gave back.
	Refunded loyalty.Fen `json:"refunded,omitempty"`
	// RefundedTotal is everything ever given back for the line, from a source
	// that knows only the total. The larger of what is known counts.
	RefundedTotal loyalty.Fen `json:"refunded_total,omitempty"`
}

// Share is what of the sums of an order falls on one of its lines.
type Share struct{ Discount, Shipping, StoredValue loyalty.Fen }

// Shares spreads the sums of a valid TypePaid event over its lines by the
// largest remainder (see loyalty.Allocate), so that the shares add up to the
// sums: the discount in proportion to Paid, the others to what is left of it.
// Stored value pays for the goods first; what is left of it falls on the
// shipping. No share exceeds what it is a part of.
func (e Event) Shares() []Share {
	shares := make([]Share, len(e.Lines))
	if e.Discount == 0 && e.Shipping == 0 && e.StoredValue == 0 {
		return shares
	}
	goods, shipping := make([]loyalty.Fen, len(e.Lines)), make([]loyalty.Fen, len(e.Lines))
	var total loyalty.Fen
	for i, line := range e.Lines {
		goods[i] = line.Paid
	}
	for i, part := range loyalty.Allocate(e.Discount, goods) {
		shares[i].Discount = part
		goods[i] -= part
		total += goods[i]
	}
	for i, part := range loyalty.Allocate(e.Shipping, goods) {
		shares[i].Shipping, shipping[i] = part, part
	}
	forGoods := loyalty.Allocate(min(e.StoredValue, total), goods)
	for i, part := range loyalty.Allocate(max(0, e.StoredValue-total), shipping) {
		shares[i].StoredValue = forGoods[i] + part
	}
	return shares
}

// Split gives the lines to as many events like this one as it takes to keep
// each within MaxLines. Only the first keeps the shipping, which would count
// double otherwise. The event has neither a Discount nor a StoredValue, which
// belong to all its lines together.
func Split(event Event, lines []Line) []Event {
	var parts []Event
	for len(lines) > MaxLines {
		event.Lines, lines = lines[:MaxLines:MaxLines], lines[MaxLines:]
		parts = append(parts, event)
		event.Shipping = 0
	}
	event.Lines = lines
	return append(parts, event)
}
