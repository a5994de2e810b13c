package orders

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// hookEvent is the canonical event as it stands on the hook. The pointers
// tell a field that is absent from one that is zero.
type hookEvent struct {
	Type          *Type            `json:"type,omitzero"`
	Channel       *loyalty.Channel `json:"channel,omitzero"`
	Shop          *string          `json:"shop,omitzero"`
	OrderID       *string          `json:"order_id,omitzero"`
	OccurredAt    *string          `json:"occurred_at,omitzero"`
	Currency      string           `json:"currency,omitzero"`
	Buyer         hookBuyer        `json:"buyer,omitzero"`
	RefundID      string           `json:"refund_id,omitzero"`
	Lines         []hookLine       `json:"lines,omitzero"`
	Shipping      loyalty.Fen      `json:"shipping,omitzero"`
	DiscountCodes []string         `json:"discount_codes,omitzero"`
	Discount      loyalty.Fen      `json:"discount,omitzero"`
	StoredValue   loyalty.Fen      `json:"stored_value,omitzero"`
	History       bool             `json:"history,omitzero"`
}

type hookBuyer struct {
	ID         string `json:"id,omitzero"`
	Phone      string `json:"phone,omitzero"`
	PhoneLast4 string `json:"phone_last4,omitzero"`
}

type hookLine struct {
	LineID        *string      `json:"line_id,omitzero"`
	SKU           string       `json:"sku,omitzero"`
	Category      string       `json:"category,omitzero"`
	Quantity      *int64       `json:"quantity,omitzero"`
	Gift          bool         `json:"gift,omitzero"`
	Paid          *loyalty.Fen `json:"paid,omitzero"`
	Refunded      *loyalty.Fen `json:"refunded,omitzero"`
	RefundedTotal *loyalty.Fen `json:"refunded_total,omitzero"`
}

// Decode reads the one event in the body of a hook as strictjson.Decode reads
// it, within the limits of this package. It fails with loyalty.KindInvalid, or
// KindTooLarge over MaxBytes; Fields point at what is wrong and never repeat a
// value. Validate judges what a field may hold.
func Decode(raw []byte) (Event, error) {
	var hook hookEvent
	if err := strictjson.Decode(raw, &hook); err != nil {
		return Event{}, err
	}
	return hook.event()
}

// event fills in the Event and refuses what is absent.
func (h hookEvent) event() (Event, error) {
	var missing faults
	event := Event{
		Type:          need(&missing, "/type", h.Type),
		Channel:       need(&missing, "/channel", h.Channel),
		Shop:          need(&missing, "/shop", h.Shop),
		OrderID:       need(&missing, "/order_id", h.OrderID),
		Currency:      h.Currency,
		Buyer:         Buyer{ID: h.Buyer.ID, Phone: Phone(h.Buyer.Phone), PhoneLast4: h.Buyer.PhoneLast4},
		RefundID:      h.RefundID,
		Shipping:      h.Shipping,
		DiscountCodes: h.DiscountCodes,
		Discount:      h.Discount,
		StoredValue:   h.StoredValue,
		History:       h.History,
	}
	if written := need(&missing, "/occurred_at", h.OccurredAt); h.OccurredAt != nil {
		at, err := loyalty.ParseTime(written)
		if err != nil {
			missing.add("/occurred_at", "not_rfc3339")
		}
		event.OccurredAt = at
	}
	if len(h.Lines) > MaxLines {
		missing.add("/lines", "too_many")
		return Event{}, missing.err()
	}
	for i, line := range h.Lines {
		at := fmt.Sprintf("/lines/%d", i)
		read := Line{LineID: need(&missing, at+"/line_id", line.LineID), SKU: line.SKU, Category: line.Category, Gift: line.Gift}
		if event.Type == TypePaid {
			need(&missing, at+"/quantity", line.Quantity)
			need(&missing, at+"/paid", line.Paid)
		}
		refunds := event.Type == TypeRefunded
		optional(&missing, at+"/refunded", line.Refunded, refunds && h.RefundID != "", &read.Refunded)
		optional(&missing, at+"/refunded_total", line.RefundedTotal, refunds && h.RefundID == "", &read.RefundedTotal)
		if line.Quantity != nil {
			read.Quantity = *line.Quantity
			if read.Quantity == 0 {
				missing.add(at+"/quantity", "out_of_range")
			}
		}
		if line.Paid != nil {
			read.Paid = *line.Paid
		}
		event.Lines = append(event.Lines, read)
	}
	if err := missing.err(); err != nil {
		return Event{}, err
	}
	return event, nil
}

// need is a field that every event of this type has.
func need[T any](missing *faults, pointer string, value *T) T {
	if value == nil {
		missing.add(pointer, "required")
		var none T
		return none
	}
	return *value
}

// optional is a field that this type of event must have or must not have.
func optional(missing *faults, pointer string, value *loyalty.Fen, wanted bool, into *loyalty.Fen) {
	switch {
	case value == nil && wanted:
		missing.add(pointer, "required")
	case value != nil && !wanted:
		missing.add(pointer, "not_allowed_here")
	case value != nil:
		*into = *value
	}
}

// DecodeQueued reads an event from a queue. Unknown fields pass, because the
// sender may be a newer version than the reader; everything else that Decode
// refuses fails here too, as KindInvalid. The event has been validated before
// it was queued, except for its place in time.
func DecodeQueued(raw []byte) (Event, error) {
	var event Event
	if err := strictjson.Known(raw, &event); err != nil {
		return Event{}, err
	}
	var missing faults
	event.check(&missing)
	if err := missing.err(); err != nil {
		return Event{}, err
	}
	return event, nil
}

// EncodeQueued writes an event for a queue. The raw phone is never part of it.
func EncodeQueued(event Event) ([]byte, error) {
	raw, err := json.Marshal(event)
	if err != nil {
		return nil, &loyalty.Error{Kind: loyalty.KindInternal, Code: "event_encode", Cause: err}
	}
	return raw, nil
}

// Encode writes an event as the hook takes it, the inverse of Decode: with the
// phone and without the token. It is for those who send events.
func Encode(event Event) ([]byte, error) {
	at := event.OccurredAt.Format(time.RFC3339Nano)
	hook := hookEvent{
		Type: &event.Type, Channel: &event.Channel, Shop: &event.Shop, OrderID: &event.OrderID, OccurredAt: &at,
		Currency: event.Currency, RefundID: event.RefundID, Shipping: event.Shipping, DiscountCodes: event.DiscountCodes,
		Discount: event.Discount, StoredValue: event.StoredValue, History: event.History,
		Buyer: hookBuyer{ID: event.Buyer.ID, Phone: string(event.Buyer.Phone), PhoneLast4: event.Buyer.PhoneLast4},
	}
	for _, line := range event.Lines {
		written := hookLine{LineID: &line.LineID, SKU: line.SKU, Category: line.Category, Gift: line.Gift}
		if line.Quantity != 0 {
			written.Quantity = &line.Quantity
		}
		if event.Type == TypePaid || line.Paid != 0 {
			written.Paid = &line.Paid
		}
		switch {
		case event.Type == TypeRefunded && event.RefundID != "":
			written.Refunded = &line.Refunded
		case event.Type == TypeRefunded:
			written.RefundedTotal = &line.RefundedTotal
		}
		hook.Lines = append(hook.Lines, written)
	}
	raw, err := json.Marshal(hook)
	if err != nil {
		return nil, &loyalty.Error{Kind: loyalty.KindInternal, Code: "event_encode", Cause: err}
	}
	return raw, nil
}
