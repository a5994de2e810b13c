package orders

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/huitou/huitou/shared/loyalty"
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

// Decode reads the one event in the body of a hook. It is stricter than JSON:
// exactly one object in UTF-8 without a byte order mark, no key twice, no
// unknown key, no null, no text with control characters, whole numbers only,
// and the limits of this package. It fails with loyalty.KindInvalid, or
// KindTooLarge over MaxBytes; Fields point at what is wrong and never repeat a
// value. What a field may hold is the business of Validate.
func Decode(raw []byte) (Event, error) {
	if err := CheckJSON(raw); err != nil {
		return Event{}, err
	}
	var hook hookEvent
	if err := json.Unmarshal(raw, &hook, json.RejectUnknownMembers(true)); err != nil {
		return Event{}, refuseJSON(err)
	}
	return hook.event()
}

// CheckJSON holds the rules of JSON that Decode asks for and that do not
// depend on an event, for adapters that read a platform's own document. The
// document must be an object.
func CheckJSON(raw []byte) error {
	switch {
	case len(raw) > MaxBytes:
		return loyalty.Refuse(loyalty.KindTooLarge, "body_too_large", fmt.Sprintf("an event may hold %d bytes at most", MaxBytes))
	case len(bytes.TrimSpace(raw)) == 0:
		return loyalty.Invalid("", "empty", "the body is empty")
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return loyalty.Invalid("", "byte_order_mark", "the body begins with a byte order mark; send UTF-8 without one")
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")), bytes.IndexByte(raw[:min(len(raw), 4)], 0) >= 0:
		return loyalty.Invalid("", "not_utf8", "the body is UTF-16 or UTF-32; send UTF-8")
	case !utf8.Valid(raw):
		return loyalty.Invalid("", "not_utf8", "the body is not UTF-8 (GBK, perhaps); send UTF-8")
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(raw))
	if decoder.PeekKind() != '{' {
		if _, err := decoder.ReadToken(); err != nil {
			return refuseJSON(err)
		}
		return loyalty.Invalid("", "not_an_object", "the body must be one JSON object")
	}
	for first := true; first || decoder.StackDepth() > 0; first = false {
		token, err := decoder.ReadToken()
		if err != nil {
			return refuseJSON(err)
		}
		if err := checkToken(token, decoder); err != nil {
			return err
		}
	}
	if len(bytes.TrimSpace(raw[decoder.InputOffset():])) > 0 {
		return loyalty.Invalid("", "trailing_data", "there is more behind the JSON object")
	}
	return nil
}

func checkToken(token jsontext.Token, decoder *jsontext.Decoder) error {
	switch token.Kind() {
	case '{', '[':
		if decoder.StackDepth() > MaxDepth {
			return loyalty.Invalid("", "too_deep", fmt.Sprintf("objects and arrays may nest %d deep at most", MaxDepth))
		}
	case 'n':
		return loyalty.Invalid(pointerOf(decoder.StackPointer()), "null", "null is not a value here; leave the field out")
	case '0':
		if strings.HasPrefix(token.String(), "-0") && strings.Trim(token.String(), "-0") == "" {
			return loyalty.Invalid(pointerOf(decoder.StackPointer()), "negative_zero", "-0 is not a number here")
		}
	case '"':
		if strings.ContainsFunc(token.String(), isControl) {
			return loyalty.Invalid(pointerOf(decoder.StackPointer()), "bad_character", "a text holds a control character or U+FFFD")
		}
	}
	return nil
}

// isControl is true for the characters that no text of an order has: C0 and C1
// controls but tab and line ends, and U+FFFD, which is what is left of text
// that was decoded wrongly somewhere before.
func isControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError
}

// refuseJSON says what the JSON package says, without the values it quotes.
func refuseJSON(err error) error {
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return loyalty.Invalid(pointerOf(syntactic.JSONPointer), "duplicate_key", "a key stands twice in one object")
		}
		return loyalty.Invalid(pointerOf(syntactic.JSONPointer), "malformed_json", fmt.Sprintf("the body is not JSON at byte %d", syntactic.ByteOffset))
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		pointer := pointerOf(semantic.JSONPointer)
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return loyalty.Invalid(pointer, "unknown_field", "the event has no such field")
		case semantic.JSONKind == '0' && semantic.GoType != nil && semantic.GoType.Kind() == reflect.Int64:
			return loyalty.Invalid(pointer, "not_a_whole_number", "a whole number within int64 is wanted here, or no number at all")
		default:
			return loyalty.Invalid(pointer, "wrong_type", "a value of another JSON type is wanted here")
		}
	}
	return loyalty.Invalid("", "malformed_json", "the body cannot be read as JSON")
}

// pointerOf shortens a pointer that a stranger made long: a key he invented is
// part of it.
func pointerOf(pointer jsontext.Pointer) string {
	const longest = 128
	if len(pointer) <= longest {
		return string(pointer)
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(pointer[cut]) {
		cut--
	}
	return string(pointer[:cut]) + "…"
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
		at, err := time.Parse(time.RFC3339, written)
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
	if err := json.Unmarshal(raw, &event); err != nil {
		return Event{}, refuseJSON(err)
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
