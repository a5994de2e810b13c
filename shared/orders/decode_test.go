package orders_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

const paid = `{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"2156","occurred_at":"2026-11-21T10:00:00+08:00",
 "currency":"CNY","buyer":{"id":"buyer-1","phone":"13800000000"},
 "lines":[{"line_id":"1","sku":"MILK-400","category":"milk-powder","quantity":2,"paid":39800}],"shipping":600,"discount_codes":["NOV"]}`

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestDecodePaid(t *testing.T) {
	event, err := orders.Decode([]byte(paid))
	if err != nil {
		t.Fatal(err)
	}
	want := orders.Event{
		Type: orders.TypePaid, Channel: "tmall", Shop: "flagship", OrderID: "2156",
		OccurredAt: time.Date(2026, 11, 21, 10, 0, 0, 0, orders.Shanghai), Currency: "CNY",
		Buyer:    orders.Buyer{ID: "buyer-1", Phone: "13800000000"},
		Lines:    []orders.Line{{LineID: "1", SKU: "MILK-400", Category: "milk-powder", Quantity: 2, Paid: 39800}},
		Shipping: 600, DiscountCodes: []string{"NOV"},
	}
	if diff := cmp.Diff(want, event); diff != "" {
		t.Error(diff)
	}
	if err := event.Validate(now); err != nil {
		t.Error(err)
	}
	if key := event.Key(); key != (loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "2156"}) {
		t.Errorf("key %+v", key)
	}
}

func TestDecodeOtherTypes(t *testing.T) {
	for name, body := range map[string]string{
		"the least completed":    `{"type":"order.completed","channel":"tmall","shop":"s","order_id":"1","occurred_at":"2026-11-21T10:00:00Z"}`,
		"the least cancelled":    `{"type":"order.cancelled","channel":"tmall","shop":"s","order_id":"1","occurred_at":"2026-11-21T10:00:00Z"}`,
		"completed with all":     strings.Replace(paid, "order.paid", "order.completed", 1),
		"one refund":             refund(`"refund_id":"r1","lines":[{"line_id":"1","refunded":100}]`),
		"a refund in total":      refund(`"lines":[{"line_id":"1","refunded_total":100}]`),
		"a refund of nothing":    refund(`"refund_id":"r1","lines":[{"line_id":"1","refunded":0}]`),
		"a refund with the line": refund(`"refund_id":"r1","lines":[{"line_id":"1","refunded":100,"sku":"A","quantity":1,"paid":100}]`),
	} {
		event, err := orders.Decode([]byte(body))
		if err == nil {
			err = event.Validate(now)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func refund(rest string) string {
	return `{"type":"order.refunded","channel":"tmall","shop":"s","order_id":"1","occurred_at":"2026-11-21T10:00:00Z","currency":"CNY",` + rest + `}`
}

// with is the paid event with one of its parts replaced.
func with(old, replacement string) string {
	if strings.Count(paid, old) != 1 {
		panic(fmt.Sprintf("%q stands %d times in the sample", old, strings.Count(paid, old)))
	}
	return strings.Replace(paid, old, replacement, 1)
}

func manyLines(n int) string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"line_id":"%d","quantity":1,"paid":1}`, i)
	}
	return strings.Join(lines, ",")
}

const line = `{"line_id":"1","sku":"MILK-400","category":"milk-powder","quantity":2,"paid":39800}`

// badEvents are bodies that must be refused, with the pointer and the code of
// a field that the refusal names.
func badEvents() map[string][3]string {
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(with("MILK-400", "奶粉"))
	if err != nil {
		panic(err)
	}
	utf16 := func(order unicode.Endianness, bom unicode.BOMPolicy) string {
		text, err := unicode.UTF16(order, bom).NewEncoder().String(paid)
		if err != nil {
			panic(err)
		}
		return text
	}
	return map[string][3]string{
		"empty":                      {"", "", "empty"},
		"blank":                      {" \r\n\t", "", "empty"},
		"null":                       {"null", "", "not_an_object"},
		"a list":                     {"[" + paid + "]", "", "not_an_object"},
		"an empty list":              {"[]", "", "not_an_object"},
		"a text":                     {`"x"`, "", "not_an_object"},
		"a number":                   {"1", "", "not_an_object"},
		"truncated":                  {paid[:len(paid)-1], "", "malformed_json"},
		"a second object":            {paid + "{}", "", "trailing_data"},
		"trailing bytes":             {paid + "\x80\x00\x00", "", "not_utf8"},
		"trailing NUL":               {paid + "\x00", "", "trailing_data"},
		"trailing comma":             {with(`"shipping":600,`, `"shipping":600,,`), "", "malformed_json"},
		"trailing comma at the end":  {with(`["NOV"]}`, `["NOV"],}`), "", "malformed_json"},
		"a comment":                  {with(`"shipping"`, `/* free */"shipping"`), "", "malformed_json"},
		"single quotes":              {with(`"CNY"`, `'CNY'`), "/currency", "malformed_json"},
		"byte order mark":            {"\ufeff" + paid, "", "byte_order_mark"},
		"UTF-16 with mark":           {utf16(unicode.LittleEndian, unicode.UseBOM), "", "not_utf8"},
		"UTF-16 big with mark":       {utf16(unicode.BigEndian, unicode.UseBOM), "", "not_utf8"},
		"UTF-16 without mark":        {utf16(unicode.LittleEndian, unicode.IgnoreBOM), "", "not_utf8"},
		"UTF-16 big without mark":    {utf16(unicode.BigEndian, unicode.IgnoreBOM), "", "not_utf8"},
		"GBK":                        {gbk, "", "not_utf8"},
		"invalid UTF-8":              {with("MILK-400", "\xff"), "", "not_utf8"},
		"overlong UTF-8":             {with("MILK-400", "\xc0\x80"), "", "not_utf8"},
		"half a surrogate":           {with("MILK-400", `\ud800`), "/lines/0/sku", "malformed_json"},
		"U+FFFD":                     {with("MILK-400", "\ufffd"), "/lines/0/sku", "bad_character"},
		"escaped NUL":                {with("MILK-400", `\u0000`), "/lines/0/sku", "bad_character"},
		"escaped NUL in a key":       {with(`"shipping"`, `"ship\u0000ping"`), "/ship\x00ping", "bad_character"},
		"raw control character":      {with("MILK-400", "\x01"), "/lines/0/sku", "malformed_json"},
		"escape":                     {with("MILK-400", `\u001b[31m`), "/lines/0/sku", "bad_character"},
		"duplicate key":              {with(`"shipping":600`, `"shipping":600,"shipping":0`), "/shipping", "duplicate_key"},
		"duplicate escaped key":      {with(`"shipping":600`, `"shipping":600,"\u0073hipping":0`), "/shipping", "duplicate_key"},
		"duplicate key in a line":    {with(`"quantity":2`, `"quantity":2,"quantity":1`), "/lines/0/quantity", "duplicate_key"},
		"unknown field":              {with(`"shipping":600`, `"points":1000000000`), "/points", "unknown_field"},
		"unknown field in a line":    {with(`"quantity":2`, `"quantity":2,"status":"redeemed"`), "/lines/0/status", "unknown_field"},
		"field in capitals":          {with(`"shipping":600`, `"Shipping":600`), "/Shipping", "unknown_field"},
		"token from outside":         {with(`"phone":"13800000000"`, `"phone_token":"x"`), "/buyer/phone_token", "unknown_field"},
		"null field":                 {with(`"paid":39800`, `"paid":null`), "/lines/0/paid", "null"},
		"null lines":                 {with("["+line+"]", "null"), "/lines", "null"},
		"depth 17":                   {with(`"shipping":600`, `"x":`+strings.Repeat("[", 16)+strings.Repeat("]", 16)), "", "too_deep"},
		"depth 10001":                {strings.Repeat(`{"a":`, 10001), "", "too_deep"},
		"51 lines":                   {with(line, manyLines(51)), "/lines", "too_many"},
		"60000 numbers":              {with(`["NOV"]`, "["+strings.Repeat("1,", 60000)+"1]"), "/discount_codes/0", "wrong_type"},
		"paid as text":               {with(`"paid":39800`, `"paid":"5"`), "/lines/0/paid", "wrong_type"},
		"paid as object":             {with(`"paid":39800`, `"paid":{}`), "/lines/0/paid", "wrong_type"},
		"paid with decimals":         {with(`"paid":39800`, `"paid":398.5`), "/lines/0/paid", "not_a_whole_number"},
		"paid with zero decimals":    {with(`"paid":39800`, `"paid":398.0`), "/lines/0/paid", "not_a_whole_number"},
		"paid with exponent":         {with(`"paid":39800`, `"paid":1e3`), "/lines/0/paid", "not_a_whole_number"},
		"paid 2^63":                  {with(`"paid":39800`, `"paid":9223372036854775808`), "/lines/0/paid", "not_a_whole_number"},
		"paid 2^63-1":                {with(`"paid":39800`, `"paid":9223372036854775807`), "/lines/0/paid", "out_of_range"},
		"paid 2^53+1":                {with(`"paid":39800`, `"paid":9007199254740993`), "/lines/0/paid", "out_of_range"},
		"paid over the limit":        {with(`"paid":39800`, `"paid":1000000000001`), "/lines/0/paid", "out_of_range"},
		"paid negative":              {with(`"paid":39800`, `"paid":-1`), "/lines/0/paid", "out_of_range"},
		"paid minus zero":            {with(`"paid":39800`, `"paid":-0`), "/lines/0/paid", "negative_zero"},
		"NaN":                        {with(`"paid":39800`, `"paid":NaN`), "/lines/0/paid", "malformed_json"},
		"hexadecimal":                {with(`"paid":39800`, `"paid":0x10`), "/lines/0", "malformed_json"},
		"octal":                      {with(`"paid":39800`, `"paid":010`), "/lines/0", "malformed_json"},
		"underscore":                 {with(`"paid":39800`, `"paid":1_000`), "/lines/0", "malformed_json"},
		"plus":                       {with(`"paid":39800`, `"paid":+5`), "/lines/0/paid", "malformed_json"},
		"no paid":                    {with(`,"paid":39800`, ``), "/lines/0/paid", "required"},
		"no quantity":                {with(`"quantity":2,`, ``), "/lines/0/quantity", "required"},
		"quantity 0":                 {with(`"quantity":2`, `"quantity":0`), "/lines/0/quantity", "out_of_range"},
		"quantity -1":                {with(`"quantity":2`, `"quantity":-1`), "/lines/0/quantity", "out_of_range"},
		"quantity over the limit":    {with(`"quantity":2`, `"quantity":1000001`), "/lines/0/quantity", "out_of_range"},
		"shipping negative":          {with(`"shipping":600`, `"shipping":-600`), "/shipping", "out_of_range"},
		"discount negative":          {with(`"shipping":600`, `"discount":-1`), "/discount", "out_of_range"},
		"discount with decimals":     {with(`"shipping":600`, `"discount":1.5`), "/discount", "not_a_whole_number"},
		"discount beyond the lines":  {with(`"shipping":600`, `"discount":39801,"shipping":600`), "/discount", "exceeds_paid"},
		"stored value negative":      {with(`"shipping":600`, `"stored_value":-1`), "/stored_value", "out_of_range"},
		"stored value as text":       {with(`"shipping":600`, `"stored_value":"1"`), "/stored_value", "wrong_type"},
		"stored value beyond all":    {with(`"shipping":600`, `"stored_value":40401,"shipping":600`), "/stored_value", "exceeds_paid"},
		"stored value, no discount":  {with(`"shipping":600`, `"stored_value":39401,"discount":1000,"shipping":600`), "/stored_value", "exceeds_paid"},
		"gift as a number":           {with(`"quantity":2`, `"quantity":2,"gift":1`), "/lines/0/gift", "wrong_type"},
		"history in words":           {with(`"shipping":600`, `"history":"yes"`), "/history", "wrong_type"},
		"history as null":            {with(`"shipping":600`, `"history":null`), "/history", "null"},
		"history of a line":          {with(`"quantity":2`, `"quantity":2,"history":true`), "/lines/0/history", "unknown_field"},
		"gift of an order":           {with(`"shipping":600`, `"gift":true`), "/gift", "unknown_field"},
		"discount of a line":         {with(`"quantity":2`, `"quantity":2,"discount":1`), "/lines/0/discount", "unknown_field"},
		"no lines":                   {with(`"lines":[`+line+`],`, ``), "/lines", "required"},
		"empty lines":                {with(line, ``), "/lines", "required"},
		"same line twice":            {with(line, line+","+line), "/lines/1/line_id", "duplicate"},
		"no line id":                 {with(`"line_id":"1",`, ``), "/lines/0/line_id", "required"},
		"empty line id":              {with(`"line_id":"1"`, `"line_id":""`), "/lines/0/line_id", "required"},
		"no type":                    {with(`"type":"order.paid",`, ``), "/type", "required"},
		"another type":               {with("order.paid", "order.created"), "/type", "unknown_type"},
		"no channel":                 {with(`"channel":"tmall",`, ``), "/channel", "required"},
		"channel in capitals":        {with(`"tmall"`, `"TMALL"`), "/channel", "not_a_channel"},
		"channel with a separator":   {with(`"tmall"`, `"tm#all"`), "/channel", "not_a_channel"},
		"no shop":                    {with(`"shop":"flagship",`, ``), "/shop", "required"},
		"long shop":                  {with(`"flagship"`, `"`+strings.Repeat("s", 65)+`"`), "/shop", "too_long"},
		"no order":                   {with(`"order_id":"2156",`, ``), "/order_id", "required"},
		"empty order":                {with(`"2156"`, `""`), "/order_id", "required"},
		"long order":                 {with(`"2156"`, `"`+strings.Repeat("1", 129)+`"`), "/order_id", "too_long"},
		"order as number":            {with(`"2156"`, `2156`), "/order_id", "wrong_type"},
		"order with a line end":      {with(`"2156"`, `"21\r\n56"`), "/order_id", "not_printable"},
		"order with a hidden sign":   {with(`"2156"`, `"21\u200b56"`), "/order_id", "not_printable"},
		"order with a blank behind":  {with(`"2156"`, `"2156 "`), "/order_id", "blank_at_the_end"},
		"no time":                    {with(`"occurred_at":"2026-11-21T10:00:00+08:00",`, ``), "/occurred_at", "required"},
		"time without zone":          {with("10:00:00+08:00", "10:00:00"), "/occurred_at", "not_rfc3339"},
		"time with a blank":          {with("T10:00:00+08:00", " 10:00:00+08:00"), "/occurred_at", "not_rfc3339"},
		"time as number":             {with(`"2026-11-21T10:00:00+08:00"`, `1795226400`), "/occurred_at", "wrong_type"},
		"30 February":                {with("2026-11-21T", "2026-02-30T"), "/occurred_at", "not_rfc3339"},
		"24:00":                      {with("T10:00:00", "T24:00:00"), "/occurred_at", "not_rfc3339"},
		"second 60":                  {with("T10:00:00", "T10:00:60"), "/occurred_at", "not_rfc3339"},
		"year 0":                     {with("2026-11-21T", "0000-01-01T"), "/occurred_at", "not_rfc3339"},
		"1970":                       {with("2026-11-21T", "1970-01-01T"), "/occurred_at", "out_of_range"},
		"1999":                       {with("2026-11-21T", "1999-12-31T"), "/occurred_at", "out_of_range"},
		"end of time":                {with("2026-11-21T10:00:00+08:00", "9999-12-31T23:59:59+23:59"), "/occurred_at", "not_rfc3339"},
		"ten years ahead":            {with("2026-11-21T", "2036-11-21T"), "/occurred_at", "in_the_future"},
		"a second too far ahead":     {with("2026-11-21T10:00:00+08:00", "2026-11-22T20:00:01+08:00"), "/occurred_at", "in_the_future"},
		"no currency":                {with(`"currency":"CNY",`, ``), "/currency", "required"},
		"currency in lower case":     {with(`"CNY"`, `"cny"`), "/currency", "not_iso_4217"},
		"RMB":                        {with(`"CNY"`, `"RMB"`), "/currency", "not_iso_4217"},
		"currency of blanks":         {with(`"CNY"`, `"D A"`), "/currency", "not_iso_4217"},
		"buyer as text":              {with(`{"id":"buyer-1","phone":"13800000000"}`, `"buyer-1"`), "/buyer", "wrong_type"},
		"long buyer":                 {with("buyer-1", strings.Repeat("b", 129)), "/buyer/id", "too_long"},
		"last four of five":          {with(`"phone":"13800000000"`, `"phone_last4":"00000"`), "/buyer/phone_last4", "not_four_digits"},
		"last four of letters":       {with(`"phone":"13800000000"`, `"phone_last4":"00a0"`), "/buyer/phone_last4", "not_four_digits"},
		"21 codes":                   {with(`["NOV"]`, `["`+strings.Repeat(`A","`, 20)+`A"]`), "/discount_codes", "too_many"},
		"empty code":                 {with(`["NOV"]`, `[""]`), "/discount_codes/0", "required"},
		"refund id of a paid order":  {with(`"shipping":600`, `"refund_id":"r"`), "/refund_id", "not_allowed_here"},
		"refunded in a paid order":   {with(`"quantity":2`, `"quantity":2,"refunded":1`), "/lines/0/refunded", "not_allowed_here"},
		"total in a paid order":      {with(`"quantity":2`, `"quantity":2,"refunded_total":0`), "/lines/0/refunded_total", "not_allowed_here"},
		"refund without lines":       {refund(`"refund_id":"r1"`), "/lines", "required"},
		"refund without an amount":   {refund(`"refund_id":"r1","lines":[{"line_id":"1"}]`), "/lines/0/refunded", "required"},
		"refund with a total":        {refund(`"refund_id":"r1","lines":[{"line_id":"1","refunded":1,"refunded_total":1}]`), "/lines/0/refunded_total", "not_allowed_here"},
		"total without id":           {refund(`"lines":[{"line_id":"1","refunded":1}]`), "/lines/0/refunded_total", "required"},
		"refund with quantity 0":     {refund(`"refund_id":"r1","lines":[{"line_id":"1","refunded":1,"quantity":0}]`), "/lines/0/quantity", "out_of_range"},
		"refund negative":            {refund(`"refund_id":"r1","lines":[{"line_id":"1","refunded":-1}]`), "/lines/0/refunded", "out_of_range"},
		"refund with empty id":       {refund(`"refund_id":"","lines":[{"line_id":"1","refunded":1}]`), "/lines/0/refunded", "not_allowed_here"},
		"completed with a refund id": {strings.Replace(refund(`"refund_id":"r1"`), "order.refunded", "order.completed", 1), "/refund_id", "not_allowed_here"},
	}
}

func TestBadEvents(t *testing.T) {
	for name, bad := range badEvents() {
		t.Run(name, func(t *testing.T) {
			event, err := orders.Decode([]byte(bad[0]))
			if err == nil {
				err = event.Validate(now)
			} else if diff := cmp.Diff(orders.Event{}, event); diff != "" {
				t.Errorf("something was decoded: %s", diff)
			}
			refusal, ok := errors.AsType[*loyalty.Error](err)
			if !ok || refusal.Kind != loyalty.KindInvalid {
				t.Fatalf("%v, want a refusal as invalid", err)
			}
			want := loyalty.Field{Pointer: bad[1], Code: bad[2]}
			for _, field := range refusal.Fields {
				if field == want {
					if strings.Contains(err.Error(), "13800000000") || strings.Contains(err.Error(), "39800") {
						t.Errorf("the refusal repeats a value: %v", err)
					}
					return
				}
			}
			t.Errorf("fields %v, want one to be %v", refusal.Fields, want)
		})
	}
}

func TestTooLarge(t *testing.T) {
	_, err := orders.Decode([]byte(with("MILK-400", strings.Repeat("a", orders.MaxBytes))))
	if loyalty.KindOf(err) != loyalty.KindTooLarge {
		t.Errorf("%v, want too large", err)
	}
}

func TestLimitsThemselvesAreAllowed(t *testing.T) {
	for name, body := range map[string]string{
		"50 lines":          with(line, manyLines(50)),
		"the last second":   with("2026-11-21T10:00:00+08:00", "2026-11-22T20:00:00+08:00"),
		"the first second":  with("2026-11-21T10:00:00+08:00", "2000-01-01T00:00:00Z"),
		"the largest sum":   with(`"paid":39800`, `"paid":1000000000000`),
		"nothing paid":      with(`"paid":39800`, `"paid":0`),
		"long ids":          with(`"2156"`, `"`+strings.Repeat("1", 128)+`"`),
		"an offset of 23 h": with("10:00:00+08:00", "10:00:00+23:59"),
		"fractions":         with("10:00:00+08:00", "10:00:00.123456789+08:00"),
		"Chinese names":     with("MILK-400", "奶粉·400克"),
		"no buyer":          with(`"buyer":{"id":"buyer-1","phone":"13800000000"},`, ``),
		"an empty buyer":    with(`{"id":"buyer-1","phone":"13800000000"}`, `{}`),
		"blanks around":     "\r\n " + paid + " \n",
		"another currency":  with(`"CNY"`, `"USD"`),
		"all taken off":     with(`"shipping":600`, `"discount":39800,"shipping":600,"stored_value":600`),
		"all from a purse":  with(`"shipping":600`, `"stored_value":40400,"shipping":600`),
		"history":           with(`"shipping":600`, `"history":true`),
		"a gift":            with(`"paid":39800`, `"paid":0,"gift":true`),
		"escaped slash":     with("MILK-400", `MILK\/400`),
	} {
		event, err := orders.Decode([]byte(body))
		if err == nil {
			err = event.Validate(now)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	event, err := orders.Decode([]byte(`{"type":"order.paid","channel":"X","shop":" ","order_id":"1","occurred_at":"1990-01-01T00:00:00Z","lines":[{"line_id":"1","quantity":1,"paid":-1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	refusal, _ := errors.AsType[*loyalty.Error](event.Validate(now))
	want := []loyalty.Field{
		{Pointer: "/channel", Code: "not_a_channel"},
		{Pointer: "/shop", Code: "blank_at_the_end"},
		{Pointer: "/occurred_at", Code: "out_of_range"},
		{Pointer: "/currency", Code: "required"},
		{Pointer: "/lines/0/paid", Code: "out_of_range"},
	}
	if diff := cmp.Diff(want, refusal.Fields); diff != "" {
		t.Error(diff)
	}
}

func TestQueueNeverSeesThePhone(t *testing.T) {
	event, err := orders.Decode([]byte(paid))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := orders.EncodeQueued(event)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(raw), string(plain), fmt.Sprint(event), fmt.Sprintf("%+v %#v %s", event, event, event.Buyer.Phone)} {
		if strings.Contains(shown, "13800000000") {
			t.Errorf("the phone is in %s", shown)
		}
	}
}

func TestIdentities(t *testing.T) {
	event := orders.Event{Channel: "tmall"}
	if got := event.Identities(); len(got) != 0 {
		t.Errorf("nobody is known as %v", got)
	}
	event.Buyer = orders.Buyer{ID: "b", PhoneToken: "t", PhoneLast4: "0000"}
	want := []loyalty.Identity{{Kind: "buyer", Channel: "tmall", Value: "b"}, {Kind: "phone", Value: "t"}}
	if diff := cmp.Diff(want, event.Identities()); diff != "" {
		t.Error(diff)
	}
}

func TestMaskedNames(t *testing.T) {
	for name, want := range map[string]bool{
		"t**9": true, "*": true, "采**4": true, "138****0000": true, "＊＊": true, "##密文": true, "$$密文": true, "#abc#": true, "~abc~": true, " ##x": true,
		"": false, "buyer-1": false, "张三": false, "a#b": false, "a$b": false,
	} {
		if got := orders.IsMasked(name); got != want {
			t.Errorf("IsMasked(%q) = %v", name, got)
		}
	}
	for masked, want := range map[string]string{"*******6065": "6065", "138****0000": "0000", "13800000000": "", "****": "", "138****00": "", "1380000****": "", "6065": "", "": ""} {
		if got := orders.VisibleLast4(masked); got != want {
			t.Errorf("VisibleLast4(%q) = %q, want %q", masked, got, want)
		}
	}
}

func TestSplitKeepsEveryLineAndOneShipping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := make([]orders.Line, rapid.IntRange(0, 170).Draw(t, "lines"))
		for i := range lines {
			lines[i].LineID = fmt.Sprint(i)
		}
		parts := orders.Split(orders.Event{OrderID: "1", Shipping: 600}, lines)
		var together []orders.Line
		var shipping loyalty.Fen
		for _, part := range parts {
			if len(part.Lines) > orders.MaxLines || part.OrderID != "1" {
				t.Fatalf("a part has %d lines", len(part.Lines))
			}
			together = append(together, part.Lines...)
			shipping += part.Shipping
		}
		if shipping != 600 || len(parts) != max(1, (len(lines)+49)/50) {
			t.Fatalf("%d parts with shipping %d", len(parts), shipping)
		}
		if len(lines) > 0 && cmp.Diff(lines, together) != "" {
			t.Fatal("lines were lost")
		}
	})
}

func drawEvent(t *rapid.T) orders.Event {
	return drawEventOf(t, rapid.SampledFrom([]orders.Type{orders.TypePaid, orders.TypeCompleted, orders.TypeRefunded, orders.TypeCancelled}).Draw(t, "type"))
}

func drawEventOf(t *rapid.T, kind orders.Type) orders.Event {
	name := rapid.StringMatching(`[0-9A-Za-z奶粉·"\\<>&-]{1,20}`)
	amount := rapid.Int64Range(0, orders.MaxAmount)
	event := orders.Event{
		Type: kind, Channel: "tmall", Shop: name.Draw(t, "shop"), OrderID: name.Draw(t, "order"), Currency: "CNY",
		OccurredAt: orders.Earliest.Add(time.Duration(rapid.Int64Range(0, 26*365*24*3600).Draw(t, "second")) * time.Second),
		Buyer:      orders.Buyer{ID: name.Draw(t, "buyer")},
		Shipping:   loyalty.Fen(amount.Draw(t, "shipping")),
	}
	if kind == orders.TypeRefunded && rapid.Bool().Draw(t, "one refund") {
		event.RefundID = name.Draw(t, "refund")
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
		line := orders.Line{LineID: fmt.Sprint(i), SKU: name.Draw(t, "sku"), Quantity: rapid.Int64Range(1, 9).Draw(t, "quantity")}
		back := loyalty.Fen(amount.Draw(t, "back"))
		switch {
		case kind == orders.TypePaid:
			line.Paid = loyalty.Fen(amount.Draw(t, "paid"))
		case event.RefundID != "":
			line.Refunded = back
		case kind == orders.TypeRefunded:
			line.RefundedTotal = back
		}
		line.Gift = rapid.Bool().Draw(t, "gift")
		event.Lines = append(event.Lines, line)
	}
	event.History = rapid.Bool().Draw(t, "history")
	if kind == orders.TypePaid {
		var goods loyalty.Fen
		for _, line := range event.Lines {
			goods += line.Paid
		}
		most := int64(min(goods, orders.MaxAmount))
		event.Discount = loyalty.Fen(rapid.Int64Range(0, most).Draw(t, "discount"))
		event.StoredValue = loyalty.Fen(rapid.Int64Range(0, min(int64(goods-event.Discount+event.Shipping), orders.MaxAmount)).Draw(t, "stored value"))
	}
	return event
}

func TestEncodingsAreInverses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		event := drawEvent(t)
		raw, err := orders.Encode(event)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := orders.Decode(raw)
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		if err := decoded.Validate(now); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		if diff := cmp.Diff(event, decoded); diff != "" {
			t.Fatal(diff)
		}
		event.Buyer.PhoneToken, event.Buyer.PhoneLast4 = "token", "0000"
		if raw, err = orders.EncodeQueued(event); err != nil {
			t.Fatal(err)
		}
		queued, err := orders.DecodeQueued(raw)
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		if diff := cmp.Diff(event, queued); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestDecodeQueued(t *testing.T) {
	good := strings.Replace(paid, `"phone":"13800000000"`, `"phone_token":"t"`, 1)
	if _, err := orders.DecodeQueued([]byte(strings.Replace(good, `"shipping"`, `"added_later":[1],"shipping"`, 1))); err != nil {
		t.Errorf("a field of a newer version: %v", err)
	}
	for name, body := range map[string]string{
		"empty": "", "not JSON": "hello", "null": "null", "a list": "[]", "an empty object": "{}",
		"SNS":         `{"Type":"Notification","MessageId":"1","Message":"{}"}`,
		"EventBridge": `{"version":"0","detail-type":"order.paid","detail":{}}`,
		"S3 test":     `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`,
		"twice":       good + good,
		"a negative":  strings.Replace(good, "39800", "-1", 1),
		"no lines":    strings.Replace(good, line, "", 1),
	} {
		if event, err := orders.DecodeQueued([]byte(body)); loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%s: %v, %+v; want invalid", name, err, event)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(paid))
	f.Add([]byte(refund(`"refund_id":"r1","lines":[{"line_id":"1","refunded":1}]`)))
	for _, bad := range badEvents() {
		if len(bad[0]) < 2000 {
			f.Add([]byte(bad[0]))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		event, err := orders.Decode(raw)
		if err != nil {
			if kind := loyalty.KindOf(err); kind != loyalty.KindInvalid && kind != loyalty.KindTooLarge {
				t.Errorf("kind %d: %v", kind, err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Error("what is not JSON was decoded")
		}
		if event.Validate(now) != nil {
			return
		}
		// An event that was decoded once is the same when it is written and
		// read again.
		again, err := orders.Encode(event)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := orders.Decode(again)
		if err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if !decoded.OccurredAt.Equal(event.OccurredAt) {
			t.Errorf("%v became %v", event.OccurredAt, decoded.OccurredAt)
		}
		decoded.OccurredAt = event.OccurredAt
		if diff := cmp.Diff(event, decoded); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkDecodeQueued(b *testing.B) {
	raw := []byte(strings.Replace(paid, `"phone":"13800000000"`, `"phone_token":"t"`, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := orders.DecodeQueued(raw); err != nil {
			b.Fatal(err)
		}
	}
}
