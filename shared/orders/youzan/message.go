package youzan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// currency of every amount; the platform sells in yuan only and writes no
// currency.
const currency = "CNY"

// Events are the order events in a push, none for a type that says nothing
// about points and for a test. An order of more than orders.MaxLines lines
// becomes several paid events of the same order, each with lines of its own.
//
//	trade_TradePaid, trade_TradeBuyerPay        paid; the second follows the first for goods that are shipped
//	trade_TradeSuccess                          completed
//	trade_TradeClose                            cancelled
//	trade_refund_RefundSuccess, …_SysRefund,
//	youzan_trade_RefundSuccess                  refunded
//	trade_refund_RefundSellerAgree              refunded, if no goods have to come back first
//
// A refund that names several lines, or none, in one sum has a RefundSum: whoever
// knows the order decides whether that is clear.
//
// It fails with loyalty.KindInvalid when a message of these types lacks what
// its event needs, and when nothing says of which type it is. The content of
// fields that are not read here refuses nothing.
func (p Push) Events() ([]orders.Event, error) {
	if p.Test {
		return nil, nil
	}
	switch p.Type {
	case "":
		return nil, cmp.Or(p.fault, error(loyalty.Invalid("/type", "required", "a push says of which type it is")))
	case "trade_TradePaid", "trade_TradeBuyerPay":
		return p.paid()
	case "trade_TradeSuccess":
		return p.bare(orders.TypeCompleted)
	case "trade_TradeClose":
		return p.bare(orders.TypeCancelled)
	case "trade_refund_RefundSuccess", "trade_refund_SysRefund", "trade_refund_RefundSellerAgree", "youzan_trade_RefundSuccess":
		return p.refunded()
	default:
		return nil, nil
	}
}

// read reads the message, whose unknown fields are many and change often.
func (p Push) read(into any) error {
	if p.fault != nil {
		return p.fault
	}
	if err := json.Unmarshal(p.message, into, lenient); err != nil {
		return loyalty.Invalid("/msg", "bad_message", "msg is not of the form that its type has")
	}
	return nil
}

type order struct {
	Full struct {
		Order struct {
			ID     text `json:"tid"`
			PaidAt text `json:"pay_time"`
		} `json:"order_info"`
		Buyer object[struct {
			OpenID loose `json:"yz_open_id"`
			ID     loose `json:"buyer_id"`
			Phone  loose `json:"buyer_phone"`
		}] `json:"buyer_info"`
		Pay object[struct {
			Shipping text `json:"post_fee"`
		}] `json:"pay_info"`
		Lines list[struct {
			ID       text  `json:"oid"`
			OuterSKU text  `json:"outer_sku_id"`
			OuterID  text  `json:"outer_item_id"`
			SKU      text  `json:"sku_id"`
			Item     text  `json:"item_id"`
			Quantity text  `json:"num"`
			Gift     loose `json:"is_present"`
			// Paid is the line's share after the discounts of the whole order
			// (均摊), unlike total_fee and discount_price.
			Paid text `json:"payment"`
		}] `json:"orders"`
	} `json:"full_order_info"`
}

func (p Push) paid() ([]orders.Event, error) {
	var sent order
	if err := p.read(&sent); err != nil {
		return nil, err
	}
	at, err := p.at(sent.Full.Order.PaidAt)
	if err != nil {
		return nil, loyalty.Invalid("/msg/full_order_info/order_info/pay_time", "bad_time", "the time of payment cannot be read")
	}
	event := orders.Event{
		Type: orders.TypePaid, Channel: Channel, Shop: p.Shop, OrderID: string(sent.Full.Order.ID), OccurredAt: at,
		Currency: currency, Buyer: buyer(sent),
	}
	if sent.Full.Pay.is.Shipping != "" {
		if event.Shipping, err = orders.ParseYuan(string(sent.Full.Pay.is.Shipping)); err != nil {
			return nil, loyalty.Invalid("/msg/full_order_info/pay_info/post_fee", "bad_money", "the shipping cannot be read")
		}
	}
	var lines []orders.Line
	for i, line := range sent.Full.Lines {
		pointer := fmt.Sprintf("/msg/full_order_info/orders/%d", i)
		paid, err := orders.ParseYuan(string(line.Paid))
		if err != nil {
			return nil, loyalty.Invalid(pointer+"/payment", "bad_money", "the line's payment cannot be read")
		}
		quantity, err := strconv.ParseInt(string(line.Quantity), 10, 64)
		if err != nil {
			return nil, loyalty.Invalid(pointer+"/num", "bad_number", "the line's number of units cannot be read")
		}
		lines = append(lines, orders.Line{LineID: string(line.ID), SKU: sku(line.OuterSKU, line.OuterID, line.SKU, line.Item), Quantity: quantity, Paid: paid, Gift: line.Gift == "true" || line.Gift == "1"})
	}
	if len(lines) == 0 {
		return nil, loyalty.Invalid("/msg/full_order_info/orders", "required", "a paid order has lines")
	}
	return orders.Split(event, lines), nil
}

// sku is the seller's own code where there is one, else the platform's.
func sku(candidates ...text) string {
	for _, candidate := range candidates {
		if candidate != "" && candidate != "0" {
			return string(candidate)
		}
	}
	return ""
}

// buyer is who is named in the order. A name that nobody can have, for its form,
// is none: the order counts whatever its buyer typed.
func buyer(sent order) orders.Buyer {
	var known orders.Buyer
	for _, id := range []loose{sent.Full.Buyer.is.OpenID, sent.Full.Buyer.is.ID} {
		if known.ID == "" && id != "0" && !orders.IsMasked(string(id)) && orders.IsName(string(id)) {
			known.ID = string(id)
		}
	}
	known.Phone = orders.Phone(sent.Full.Buyer.is.Phone)
	return known
}

func (p Push) bare(kind orders.Type) ([]orders.Event, error) {
	var sent struct {
		ID        text `json:"tid"`
		UpdatedAt text `json:"update_time"`
	}
	if err := p.read(&sent); err != nil {
		return nil, err
	}
	at, err := p.at(sent.UpdatedAt)
	if err != nil {
		return nil, loyalty.Invalid("/msg/update_time", "bad_time", "the time cannot be read")
	}
	return []orders.Event{{Type: kind, Channel: Channel, Shop: p.Shop, OrderID: string(sent.ID), OccurredAt: at, Currency: currency}}, nil
}

func (p Push) refunded() ([]orders.Event, error) {
	var sent struct {
		Order     text `json:"tid"`
		Refund    text `json:"refund_id"`
		Kind      text `json:"refund_type"`
		Amount    text `json:"refunded_fee"`
		Lines     oids `json:"oids"`
		Line      text `json:"oid"`
		UpdatedAt text `json:"update_time"`
	}
	if err := p.read(&sent); err != nil {
		return nil, err
	}
	switch {
	case sent.Kind == "EXCHANGE_GOODS_FLOW":
		return nil, nil // other goods, no money
	case p.Type == "trade_refund_RefundSellerAgree" && sent.Kind != "REFUND_ONLY":
		return nil, nil // agreed to, not yet paid back: RefundSuccess follows
	}
	var lines []orders.Line
	for _, id := range append(sent.Lines, string(sent.Line)) {
		if id != "" && !slices.ContainsFunc(lines, func(line orders.Line) bool { return line.LineID == id }) {
			lines = append(lines, orders.Line{LineID: id})
		}
	}
	amount, err := orders.ParseYuan(string(sent.Amount))
	if err != nil {
		return nil, loyalty.Invalid("/msg/refunded_fee", "bad_money", "the refund cannot be read")
	}
	if sent.Refund == "" {
		return nil, loyalty.Invalid("/msg/refund_id", "required", "a refund has an id")
	}
	at, err := p.at(sent.UpdatedAt)
	if err != nil {
		return nil, loyalty.Invalid("/msg/update_time", "bad_time", "the time cannot be read")
	}
	event := orders.Event{
		Type: orders.TypeRefunded, Channel: Channel, Shop: p.Shop, OrderID: string(sent.Order), OccurredAt: at, Currency: currency,
		RefundID: string(sent.Refund), Lines: lines,
	}
	if len(lines) == 1 {
		event.Lines[0].Refunded = amount
	} else {
		event.RefundSum = &amount
	}
	return []orders.Event{event}, nil
}

// oids are ids of lines, which the platform writes as one text ("1,2"), as a
// JSON list inside of a text, as a list and as a number.
type oids []string

// UnmarshalJSON takes what the platform sends.
func (o *oids) UnmarshalJSON(raw []byte) error {
	var several list[text]
	if err := several.UnmarshalJSON(raw); err != nil {
		var one text
		if err := one.UnmarshalJSON(raw); err != nil {
			return err
		}
		if several.UnmarshalJSON([]byte(one)) != nil {
			several = nil
			for part := range strings.SplitSeq(string(one), ",") {
				several = append(several, text(strings.TrimSpace(part)))
			}
		}
	}
	*o = nil
	for _, id := range several {
		if id != "" {
			*o = append(*o, string(id))
		}
	}
	return nil
}
