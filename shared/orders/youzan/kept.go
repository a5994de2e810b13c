package youzan

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// kept is a push that could not be read, as it is kept for a person: with nothing
// in it but the fields that are read here. Names, addresses and what customers
// typed are not among them.
type kept struct {
	Type    string         `json:"type"`
	Shop    string         `json:"shop"`
	ID      string         `json:"id,omitempty"`
	Version int64          `json:"version,omitempty"`
	Message jsontext.Value `json:"msg,omitempty"` // none where it is no JSON

	PhoneToken string `json:"phone_token,omitempty"`
	PhoneLast4 string `json:"phone_last4,omitempty"`
}

// fields are those of a document that are read; nil for one that holds a value.
type fields map[string]fields

var readFields = fields{
	"full_order_info": {
		"order_info": {"tid": nil, "pay_time": nil},
		"buyer_info": {"yz_open_id": nil, "buyer_id": nil},
		"pay_info":   {"post_fee": nil},
		"orders": {
			"oid": nil, "outer_sku_id": nil, "outer_item_id": nil, "sku_id": nil, "item_id": nil, "num": nil, "payment": nil, "is_present": nil,
		},
	},
	"tid": nil, "update_time": nil, "refund_id": nil, "refund_type": nil, "refunded_fee": nil, "oids": nil, "oid": nil,
}

const (
	longestText  = 512 // bytes of a text that is kept; no field that is read may hold as many
	longestShort = 128 // of type, shop and id
	deepest      = 4   // below it nothing is read
)

// Buyer is who a push names, as far as it can be read: with the phone in the
// clear, for whoever keeps the push to replace.
func (p Push) Buyer() orders.Buyer {
	var sent struct {
		Full object[struct {
			Buyer object[struct {
				OpenID loose `json:"yz_open_id"`
				ID     loose `json:"buyer_id"`
				Phone  loose `json:"buyer_phone"`
			}] `json:"buyer_info"`
		}] `json:"full_order_info"`
	}
	if p.read(&sent) != nil {
		return orders.Buyer{}
	}
	var found order
	found.Full.Buyer.is = sent.Full.is.Buyer.is
	return buyer(found)
}

// Order is the order that a push is about, as far as it can be read; the zero
// key where it cannot.
func (p Push) Order() loyalty.OrderKey {
	var sent struct {
		ID   loose `json:"tid"`
		Full object[struct {
			Order object[struct {
				ID loose `json:"tid"`
			}] `json:"order_info"`
		}] `json:"full_order_info"`
	}
	_ = p.read(&sent) // what cannot be read is empty
	for _, id := range []string{string(sent.Full.is.Order.is.ID), string(sent.ID), p.id} {
		if orders.IsName(id) && orders.IsName(p.Shop) && len(p.Shop) <= orders.MaxShopBytes {
			return loyalty.OrderKey{Channel: Channel, Shop: p.Shop, Order: id}
		}
	}
	return loyalty.OrderKey{}
}

// Kept is the push in the form that ReadKept takes, with sealed, of which the
// phone is a token, in the place of its buyer's phone. hides tells a text that
// must not be kept, a phone in a field that is for none; whole is false where
// there was one, and the push cannot be applied as it is kept.
func (p Push) Kept(sealed orders.Buyer, hides func(string) bool) (content string, whole bool) {
	picker := picker{hides: hides, whole: true}
	document := kept{
		Type: picker.text(p.Type, longestShort), Shop: picker.text(p.Shop, longestShort), ID: picker.text(p.id, longestShort), Version: p.version,
		Message: picker.pick(p.message, readFields, 0), PhoneToken: sealed.PhoneToken, PhoneLast4: sealed.PhoneLast4,
	}
	raw, err := json.Marshal(document, lenient)
	if err != nil {
		return "{}", false
	}
	return string(raw), picker.whole
}

// ReadKept reads the events in a push that was kept; it fails as Events does.
func ReadKept(content []byte) ([]orders.Event, error) {
	var document kept
	if err := json.Unmarshal(content, &document); err != nil {
		return nil, loyalty.Refuse(loyalty.KindInvalid, "bad_push", "the content is no push that was kept")
	}
	push := Push{Type: document.Type, Shop: document.Shop, id: document.ID, version: document.Version, message: document.Message}
	found, err := push.Events()
	for i := range found {
		if found[i].Type == orders.TypePaid {
			found[i].Buyer.PhoneToken, found[i].Buyer.PhoneLast4 = document.PhoneToken, document.PhoneLast4
		}
	}
	return found, err
}

// picker takes out of a document what is read of it.
type picker struct {
	hides func(string) bool
	whole bool
}

// pick is the part of a value that the fields name; nil where the value is no
// JSON.
func (k *picker) pick(raw jsontext.Value, wanted fields, depth int) jsontext.Value {
	decoder := jsontext.NewDecoder(bytes.NewReader(raw), lenient)
	kind := decoder.PeekKind()
	if kind != '{' && kind != '[' || depth > deepest {
		return k.value(raw, kind)
	}
	var picked bytes.Buffer
	encoder := jsontext.NewEncoder(&picked, lenient)
	if err := copyToken(decoder, encoder); err != nil {
		return nil
	}
	for decoder.PeekKind() != '}' && decoder.PeekKind() != ']' {
		below, isWanted := wanted, kind == '['
		if kind == '{' {
			name, err := decoder.ReadToken()
			if err != nil {
				return nil
			}
			if below, isWanted = wanted[name.String()]; isWanted {
				if err := encoder.WriteToken(jsontext.String(name.String())); err != nil {
					return nil
				}
			}
		}
		value, err := decoder.ReadValue()
		if err != nil {
			return nil
		}
		if !isWanted {
			continue
		}
		part := k.pick(slices.Clone(value), below, depth+1)
		if part == nil || encoder.WriteValue(part) != nil {
			return nil
		}
	}
	if err := copyToken(decoder, encoder); err != nil {
		return nil
	}
	return bytes.TrimSpace(picked.Bytes())
}

func copyToken(from *jsontext.Decoder, to *jsontext.Encoder) error {
	token, err := from.ReadToken()
	if err != nil {
		return err
	}
	return to.WriteToken(token)
}

// value is a value that is not looked into: a text within its bounds, a number, a
// word of JSON, and {} for what lies too deep.
func (k *picker) value(raw jsontext.Value, kind jsontext.Kind) jsontext.Value {
	switch {
	case kind == '"':
		var plain string
		if json.Unmarshal(raw, &plain, lenient) != nil {
			return nil
		}
		written, err := json.Marshal(k.text(plain, longestText))
		if err != nil {
			return nil
		}
		return written
	case kind == '0' && len(raw) > longestText:
		return jsontext.Value("{}")
	case kind == '0':
		if k.hides(string(raw)) {
			k.whole = false
			return jsontext.Value("{}")
		}
		return raw
	case kind == '{', kind == '[':
		return jsontext.Value("{}")
	case kind == 't', kind == 'f', kind == 'n':
		return raw
	}
	return nil
}

func (k *picker) text(plain string, longest int) string {
	if k.hides(plain) {
		k.whole = false
		return ""
	}
	if len(plain) > longest {
		plain = plain[:longest]
	}
	return string(bytes.ToValidUTF8([]byte(plain), []byte("\ufffd")))
}
