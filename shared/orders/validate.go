package orders

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/loyalty"
)

// faults collects what is wrong with an event, so that its sender learns of
// everything at once.
type faults struct{ fields []loyalty.Field }

func (f *faults) add(pointer, code string) {
	f.fields = append(f.fields, loyalty.Field{Pointer: pointer, Code: code})
}

func (f *faults) err() error {
	if len(f.fields) == 0 {
		return nil
	}
	return &loyalty.Error{
		Kind:   loyalty.KindInvalid,
		Code:   "invalid",
		Detail: fmt.Sprintf("the event does not hold together at %d field(s), see errors", len(f.fields)),
		Fields: f.fields,
	}
}

// Validate holds an event against the rules that are stated beside its fields
// and against the clock: it may be as late as it likes but neither before
// Earliest nor more than MaxAhead after now. It fails with
// loyalty.KindInvalid and one Field for each thing that is wrong.
func (e Event) Validate(now time.Time) error {
	var wrong faults
	e.check(&wrong)
	if e.OccurredAt.After(now.Add(MaxAhead)) {
		wrong.add("/occurred_at", "in_the_future")
	}
	return wrong.err()
}

// check is Validate without the clock.
func (e Event) check(wrong *faults) {
	switch e.Type {
	case TypePaid, TypeCompleted, TypeRefunded, TypeCancelled:
	default:
		wrong.add("/type", "unknown_type")
	}
	checkChannel(wrong, e.Channel)
	checkShop(wrong, e.Shop)
	checkOrderID(wrong, e.OrderID)
	if e.OccurredAt.Before(Earliest) {
		wrong.add("/occurred_at", "out_of_range")
	}
	hasAmounts := e.Type == TypePaid || e.Type == TypeRefunded
	switch {
	case e.Currency == "" && e.Type == TypePaid:
		wrong.add("/currency", "required")
	case e.Currency != "" && !isCurrency(e.Currency):
		wrong.add("/currency", "not_iso_4217")
	}
	checkName(wrong, "/buyer/id", e.Buyer.ID, MaxIDBytes, false)
	checkName(wrong, "/buyer/phone", string(e.Buyer.Phone), MaxShopBytes, false)
	if last4 := e.Buyer.PhoneLast4; last4 != "" && (len(last4) != 4 || strings.Trim(last4, "0123456789") != "") {
		wrong.add("/buyer/phone_last4", "not_four_digits")
	}
	checkName(wrong, "/refund_id", e.RefundID, MaxIDBytes, false)
	if e.RefundID != "" && e.Type != TypeRefunded {
		wrong.add("/refund_id", "not_allowed_here")
	}
	if e.RefundSum != nil {
		checkAmount(wrong, "/refund_sum", *e.RefundSum)
		if e.RefundID == "" {
			wrong.add("/refund_sum", "not_allowed_here")
		}
	}
	e.checkSums(wrong)
	if len(e.DiscountCodes) > MaxDiscountCodes {
		wrong.add("/discount_codes", "too_many")
	}
	for i, code := range e.DiscountCodes[:min(len(e.DiscountCodes), MaxDiscountCodes)] {
		checkName(wrong, fmt.Sprintf("/discount_codes/%d", i), code, MaxShopBytes, true)
	}
	switch {
	case len(e.Lines) == 0 && hasAmounts && e.RefundSum == nil:
		wrong.add("/lines", "required")
	case len(e.Lines) > MaxLines:
		wrong.add("/lines", "too_many")
	default:
		e.checkLines(wrong)
	}
}

// checkSums holds the sums of the order against each other, as far as its lines
// are sound.
func (e Event) checkSums(wrong *faults) {
	checkAmount(wrong, "/shipping", e.Shipping)
	checkAmount(wrong, "/discount", e.Discount)
	checkAmount(wrong, "/stored_value", e.StoredValue)
	var goods loyalty.Fen
	for _, line := range e.Lines[:min(len(e.Lines), MaxLines)] {
		goods += min(max(0, line.Paid), MaxAmount)
	}
	if e.Type != TypePaid {
		return
	}
	if e.Discount > goods {
		wrong.add("/discount", "exceeds_paid")
	}
	if e.StoredValue > max(0, goods-max(0, e.Discount))+max(0, e.Shipping) {
		wrong.add("/stored_value", "exceeds_paid")
	}
}

func (e Event) checkLines(wrong *faults) {
	for i := range e.Lines {
		var found faults
		e.checkLine(i, &found)
		for _, field := range found.fields {
			wrong.add(fmt.Sprintf("/lines/%d%s", i, field.Pointer), field.Code)
		}
	}
}

// checkLine tells its faults by pointers within the line.
func (e Event) checkLine(i int, wrong *faults) {
	line := e.Lines[i]
	checkName(wrong, "/line_id", line.LineID, MaxIDBytes, true)
	if slices.ContainsFunc(e.Lines[:i], func(earlier Line) bool { return earlier.LineID == line.LineID }) {
		wrong.add("/line_id", "duplicate")
	}
	checkName(wrong, "/sku", line.SKU, MaxIDBytes, false)
	checkName(wrong, "/category", line.Category, MaxShopBytes, false)
	if line.Quantity < 0 || line.Quantity > MaxQuantity || line.Quantity == 0 && e.Type == TypePaid {
		wrong.add("/quantity", "out_of_range")
	}
	checkAmount(wrong, "/paid", line.Paid)
	checkAmount(wrong, "/refunded", line.Refunded)
	checkAmount(wrong, "/refunded_total", line.RefundedTotal)
	if line.Refunded != 0 && (e.Type != TypeRefunded || e.RefundID == "") {
		wrong.add("/refunded", "not_allowed_here")
	}
	if line.Refunded != 0 && e.RefundSum != nil {
		wrong.add("/refunded", "not_allowed_here")
	}
	if line.RefundedTotal != 0 && (e.Type != TypeRefunded || e.RefundID != "") {
		wrong.add("/refunded_total", "not_allowed_here")
	}
}

// CheckKey holds an order's name that did not come with an event, as in a claim,
// to the rules of events: what they refuse names no order. It fails with
// loyalty.KindInvalid at /channel, /shop and /order_id.
func CheckKey(key loyalty.OrderKey) error {
	var wrong faults
	checkChannel(&wrong, key.Channel)
	checkShop(&wrong, key.Shop)
	checkOrderID(&wrong, key.Order)
	return wrong.err()
}

// checkChannel allows what loyalty.IsChannel does.
func checkChannel(wrong *faults, channel loyalty.Channel) {
	switch {
	case channel == "":
		wrong.add("/channel", "required")
	case !loyalty.IsChannel(string(channel)):
		wrong.add("/channel", "not_a_channel")
	}
}

// IsName tells whether text can be the id of a buyer, an order or a line.
func IsName(text string) bool {
	var wrong faults
	checkName(&wrong, "", text, MaxIDBytes, true)
	return len(wrong.fields) == 0
}

// checkShop allows a name that is one segment of a path: behind it the whole of
// an order's number follows, whatever slashes are in it.
func checkShop(wrong *faults, shop string) {
	checkName(wrong, "/shop", shop, MaxShopBytes, true)
	if strings.ContainsAny(shop, "/?") || isDots(shop) {
		wrong.add("/shop", "not_in_a_path")
	}
}

// checkOrderID allows a number that can stand in a path, which an API gateway
// decodes, cuts at a question mark, and may shorten at dots.
func checkOrderID(wrong *faults, id string) {
	checkName(wrong, "/order_id", id, MaxIDBytes, true)
	if strings.Contains(id, "?") || slices.ContainsFunc(strings.Split(id, "/"), isDots) {
		wrong.add("/order_id", "not_in_a_path")
	}
}

func isDots(segment string) bool { return segment == "." || segment == ".." }

// checkName allows printable text without a blank at either end.
func checkName(wrong *faults, pointer, name string, longest int, required bool) {
	switch {
	case name == "" && required:
		wrong.add(pointer, "required")
	case len(name) > longest:
		wrong.add(pointer, "too_long")
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }):
		wrong.add(pointer, "not_printable")
	case strings.TrimSpace(name) != name:
		wrong.add(pointer, "blank_at_the_end")
	}
}

func checkAmount(wrong *faults, pointer string, amount loyalty.Fen) {
	if amount < 0 || amount > MaxAmount {
		wrong.add(pointer, "out_of_range")
	}
}

// currencies are the codes of ISO 4217 (list one, 2024) that name money in
// use, without funds and metals.
const currencies = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK " +
	"DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT " +
	"LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF " +
	"SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"

func isCurrency(code string) bool {
	return len(code) == 3 && code == strings.ToUpper(code) && !strings.Contains(code, " ") && strings.Contains(currencies, code)
}

// IsMasked tells a name that a platform has made unrecognisable from an
// identity: stars in place of characters ("t**9", "138****0000"), or
// ciphertext and its placeholders between #, $ or ~ marks ("##密文", "$$…",
// "#abc#"). Two people may share a masked name, and the ciphertext of one
// person changes, so neither may ever stand for anybody.
func IsMasked(name string) bool {
	name = strings.TrimSpace(name)
	return strings.ContainsAny(name, "*＊") || strings.HasPrefix(name, "#") || strings.HasPrefix(name, "$") || strings.HasPrefix(name, "~")
}

// VisibleLast4 is the last four digits of a masked phone ("*******6065"), or
// "" where the mask hides them too.
func VisibleLast4(masked string) string {
	masked = strings.TrimSpace(masked)
	if len(masked) < 5 || !strings.ContainsAny(masked, "*＊") {
		return ""
	}
	last4 := masked[len(masked)-4:]
	if strings.Trim(last4, "0123456789") != "" {
		return ""
	}
	return last4
}
