package youzan_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/youzan"
)

var app = youzan.App{ClientID: "abcdef0123456789ab", ClientSecret: "s3cret"}

// paid is a message in the form of the platform: numbers and texts mixed,
// lists that are objects, texts that say null.
const paid = `{
 "order_promotion":{"adjust_fee":"0.00","item":{}},"refund_order":[],"delivery_order":[{"oids":[]}],
 "full_order_info":{
  "order_info":{"tid":"E20261121100000000000001","status":"WAIT_SELLER_SEND_GOODS","created":"2026-11-21 09:59:00","pay_time":"2026-11-21 10:00:00","update_time":"2026-11-21 10:00:01"},
  "buyer_info":{"fans_id":9,"buyer_id":100000007,"yz_open_id":"yz-open-1","buyer_phone":"13800000000","fans_nickname":""},
  "pay_info":{"payment":"136.50","total_fee":"150.00","post_fee":"6.00","transaction":["1"]},
  "address_info":{"receiver_tel":"139****1111"},
  "orders":[
   {"oid":"1472319870133616259","outer_sku_id":"MILK-400","outer_item_id":"MILK","sku_id":36,"item_id":5,"num":2,"price":"50.00","total_fee":"100.00","payment":"87.00","title":"奶粉+勺子 100% 400g","sku_properties_name":"[]"},
   {"oid":1472319870133616260,"outer_sku_id":"","outer_item_id":"null","sku_id":0,"item_id":2147483647,"num":"1","total_fee":"50.00","payment":"43.50","title":"试用装"},
   {"oid":"1472319870133616261","outer_sku_id":null,"num":1,"payment":"0.00","is_present":true}
  ]}}`

// push is the body that the platform sends, signed in the body.
func push(t testing.TB, kind, message string, encode func(string) string) string {
	t.Helper()
	encoded := encode(message)
	body, err := json.Marshal(map[string]any{
		"client_id": app.ClientID, "id": "E1", "kdt_id": 1000001, "kdt_name": "测试店铺", "mode": 1, "msg": encoded, "msg_id": "m-1", "sendCount": 0,
		"sign": sign(encoded), "status": "PAID", "test": false, "type": kind, "version": 1795226401,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func sign(content string) string {
	sum := md5.Sum([]byte(app.ClientID + content + app.ClientSecret))
	return hex.EncodeToString(sum[:])
}

// The two ways in which the platform has encoded its messages.
func plusForBlank(message string) string { return url.QueryEscape(message) }

func percentForBlank(message string) string {
	return strings.NewReplacer("+", "%20", "%2B", "+", "%3A", ":", "%2C", ",").Replace(url.QueryEscape(message))
}

func open(t testing.TB, body, header string) youzan.Push {
	t.Helper()
	opened, err := youzan.Open([]youzan.App{app}, []byte(body), header)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func TestPaid(t *testing.T) {
	want := []orders.Event{{
		Type: orders.TypePaid, Channel: "youzan", Shop: "1000001", OrderID: "E20261121100000000000001",
		OccurredAt: time.Date(2026, 11, 21, 10, 0, 0, 0, orders.Shanghai), Currency: "CNY",
		Buyer: orders.Buyer{ID: "yz-open-1", Phone: "13800000000"},
		Lines: []orders.Line{
			{LineID: "1472319870133616259", SKU: "MILK-400", Quantity: 2, Paid: 8700},
			{LineID: "1472319870133616260", SKU: "2147483647", Quantity: 1, Paid: 4350},
			{LineID: "1472319870133616261", Quantity: 1},
		},
		Shipping: 600,
	}}
	for name, encode := range map[string]func(string) string{"+ for a blank": plusForBlank, "%20 for a blank": percentForBlank} {
		for _, kind := range []string{"trade_TradePaid", "trade_TradeBuyerPay"} {
			got, err := open(t, push(t, kind, paid, encode), "").Events()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: %s", name, kind, diff)
			}
			if err := got[0].Validate(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestBuyerIsNeverAMask(t *testing.T) {
	for info, want := range map[string]orders.Buyer{
		`{"yz_open_id":"","buyer_id":100000007}`:                {ID: "100000007"},
		`{"yz_open_id":"$abc$","buyer_id":0}`:                   {},
		`{"yz_open_id":"t**9","buyer_id":null}`:                 {},
		`{"fans_id":8,"fans_type":9}`:                           {},
		`{"yz_open_id":"a","buyer_phone":"138****0000"}`:        {ID: "a", Phone: "138****0000"}, // masked: the hook takes its last four digits
		`{"yz_open_id":"null","buyer_phone":"null"}`:            {},
		`{"yz_open_id":"a","buyer_id":"b","buyer_phone":13800}`: {ID: "a", Phone: "13800"},
	} {
		message := strings.Replace(paid, `{"fans_id":9,"buyer_id":100000007,"yz_open_id":"yz-open-1","buyer_phone":"13800000000","fans_nickname":""}`, info, 1)
		got, err := open(t, push(t, "trade_TradePaid", message, plusForBlank), "").Events()
		if err != nil || len(got) != 1 || got[0].Buyer != want {
			t.Errorf("%s: %+v, %v; want %+v", info, got, err, want)
		}
	}
}

func TestWhatFollowsAPayment(t *testing.T) {
	at := time.Date(2026, 11, 28, 10, 0, 0, 0, orders.Shanghai)
	bare := func(kind orders.Type) []orders.Event {
		return []orders.Event{{Type: kind, Channel: "youzan", Shop: "1000001", OrderID: "E1", OccurredAt: at, Currency: "CNY"}}
	}
	back := bare(orders.TypeRefunded)
	back[0].RefundID, back[0].Lines = "R1", []orders.Line{{LineID: "17", Refunded: 1250}}
	atVersion := bare(orders.TypeCompleted)
	atVersion[0].OccurredAt = time.Unix(1795226401, 0).In(orders.Shanghai)
	const refunded = `{"tid":"E1","refund_id":"R1","refunded_fee":"12.50","refund_type":"REFUND_ONLY","update_time":"2026-11-28 10:00:00","oids":%s}`
	for name, test := range map[string]struct {
		kind, message string
		want          []orders.Event
	}{
		"success":                   {"trade_TradeSuccess", `{"update_time":"2026-11-28 10:00:00","tid":"E1"}`, bare(orders.TypeCompleted)},
		"success without a time":    {"trade_TradeSuccess", `{"tid":"E1"}`, atVersion},
		"closed":                    {"trade_TradeClose", `{"update_time":"2026-11-28 10:00:00","tid":"E1","close_type":2}`, bare(orders.TypeCancelled)},
		"refund":                    {"trade_refund_RefundSuccess", fmt.Sprintf(refunded, `"17"`), back},
		"refund by the system":      {"trade_refund_SysRefund", fmt.Sprintf(refunded, `17`), back},
		"refund agreed":             {"trade_refund_RefundSellerAgree", fmt.Sprintf(refunded, `["17"]`), back},
		"refund of the new kind":    {"youzan_trade_RefundSuccess", fmt.Sprintf(refunded, `"[17]"`), back},
		"refund with oid":           {"trade_refund_RefundSuccess", fmt.Sprintf(refunded, `"","oid":17`), back},
		"refund with both":          {"trade_refund_RefundSuccess", fmt.Sprintf(refunded, `"17","oid":"17"`), back},
		"goods have to come back":   {"trade_refund_RefundSellerAgree", strings.Replace(fmt.Sprintf(refunded, `"17"`), "REFUND_ONLY", "REFUND_AND_RETURN", 1), nil},
		"an exchange":               {"youzan_trade_RefundSuccess", strings.Replace(fmt.Sprintf(refunded, `"17"`), "REFUND_ONLY", "EXCHANGE_GOODS_FLOW", 1), nil},
		"refund asked for":          {"trade_refund_BuyerCreated", fmt.Sprintf(refunded, `"17"`), nil},
		"created":                   {"trade_TradeCreate", paid, nil},
		"something else":            {"POINTS", `{"amount":1}`, nil},
		"something that is no JSON": {"ITEM_STATE", `hello`, nil},
	} {
		got, err := open(t, push(t, test.kind, test.message, plusForBlank), "").Events()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestMessageMayBeAnObject(t *testing.T) {
	const message = `{"tid":"E1","refund_id":"R1","refunded_fee":"12.50","refund_type":"REFUND_ONLY","update_time":"2026-11-28 10:00:00","oids":"17"}`
	body := fmt.Sprintf(`{"type":"youzan_trade_RefundSuccess","kdt_id":"1000001","msg":%s}`, message)
	got, err := open(t, body, sign(body)).Events()
	if err != nil || len(got) != 1 || got[0].Lines[0].Refunded != 1250 || got[0].Shop != "1000001" {
		t.Errorf("%+v, %v", got, err)
	}
	signed := strings.Replace(body, `{`, fmt.Sprintf(`{"sign":%q,`, sign(message)), 1)
	open(t, signed, "")
	open(t, signed, sign(signed))
}

func TestTestPushMeansNothing(t *testing.T) {
	body := strings.Replace(push(t, "trade_TradePaid", paid, plusForBlank), `"test":false`, `"test":true`, 1)
	got, err := open(t, body, "").Events()
	if err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestLargeOrderIsCut(t *testing.T) {
	lines := make([]string, 120)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"oid":"%d","num":1,"payment":"1.00"}`, i)
	}
	message := fmt.Sprintf(`{"full_order_info":{"order_info":{"tid":"E1","pay_time":"2026-11-21 10:00:00"},"pay_info":{"post_fee":"6.00"},"orders":[%s]}}`, strings.Join(lines, ","))
	got, err := open(t, push(t, "trade_TradePaid", message, plusForBlank), "").Events()
	if err != nil || len(got) != 3 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	seen := map[string]bool{}
	var shipping loyalty.Fen
	for _, event := range got {
		shipping += event.Shipping
		for _, line := range event.Lines {
			seen[line.LineID] = true
		}
	}
	if len(seen) != 120 || shipping != 600 {
		t.Errorf("%d lines, shipping %d", len(seen), shipping)
	}
}

func TestBadMessages(t *testing.T) {
	const refunded = `{"tid":"E1","refund_id":"R1","refunded_fee":"12.50","update_time":"2026-11-28 10:00:00","oids":"17"}`
	for name, test := range map[string][3]string{
		"not JSON":             {"trade_TradePaid", "hello", "/msg"},
		"a list":               {"trade_TradeSuccess", "[]", "/msg"},
		"duplicate key":        {"trade_TradeSuccess", `{"tid":"1","tid":"2"}`, "/msg"},
		"no lines":             {"trade_TradePaid", `{"full_order_info":{"order_info":{"tid":"E1","pay_time":"2026-11-21 10:00:00"}}}`, "/msg/full_order_info/orders"},
		"bad time":             {"trade_TradePaid", strings.Replace(paid, "2026-11-21 10:00:00", "yesterday", 1), "/msg/full_order_info/order_info/pay_time"},
		"bad payment":          {"trade_TradePaid", strings.Replace(paid, `"payment":"87.00"`, `"payment":"87.001"`, 1), "/msg/full_order_info/orders/0/payment"},
		"negative payment":     {"trade_TradePaid", strings.Replace(paid, `"payment":"87.00"`, `"payment":"-87.00"`, 1), "/msg/full_order_info/orders/0/payment"},
		"no payment":           {"trade_TradePaid", strings.Replace(paid, `"payment":"87.00",`, ``, 1), "/msg/full_order_info/orders/0/payment"},
		"bad number":           {"trade_TradePaid", strings.Replace(paid, `"num":2`, `"num":2.5`, 1), "/msg/full_order_info/orders/0/num"},
		"bad shipping":         {"trade_TradePaid", strings.Replace(paid, `"post_fee":"6.00"`, `"post_fee":"free"`, 1), "/msg/full_order_info/pay_info/post_fee"},
		"success at no time":   {"trade_TradeSuccess", `{"tid":"1","update_time":"soon"}`, "/msg/update_time"},
		"refund without an id": {"trade_refund_RefundSuccess", strings.Replace(refunded, `"R1"`, `""`, 1), "/msg/refund_id"},
		"refund of nothing":    {"trade_refund_RefundSuccess", strings.Replace(refunded, `"12.50"`, `""`, 1), "/msg/refunded_fee"},
	} {
		got, err := open(t, push(t, test[0], test[1], plusForBlank), "").Events()
		if loyalty.KindOf(err) != loyalty.KindInvalid || got != nil || !strings.Contains(err.Error(), "["+test[2]+" ") {
			t.Errorf("%s: %v, %v; want a refusal at %s", name, got, err, test[2])
		}
	}
}

func TestSignatures(t *testing.T) {
	body := push(t, "trade_TradeSuccess", `{"tid":"E1","update_time":"2026-11-28 10:00:00"}`, plusForBlank)
	unsigned := strings.Replace(body, fmt.Sprintf(`"sign":%q,`, bodySign(t, body)), "", 1)
	flipped := strings.Replace(body, "E1", "E2", 1)
	otherMessage := strings.Replace(body, "10%3A00", "11%3A00", 1)
	anonymous := strings.Replace(body, fmt.Sprintf(`"client_id":%q,`, app.ClientID), "", 1)
	rotated := []youzan.App{{ClientID: app.ClientID, ClientSecret: "newer"}, app}
	foreign := []youzan.App{{ClientID: "someone", ClientSecret: app.ClientSecret}}
	for name, test := range map[string]struct {
		apps         []youzan.App
		body, header string
		want         bool
	}{
		"sign only":                    {[]youzan.App{app}, body, "", true},
		"header only":                  {[]youzan.App{app}, unsigned, sign(unsigned), true},
		"both":                         {[]youzan.App{app}, body, sign(body), true},
		"header in capitals":           {[]youzan.App{app}, body, strings.ToUpper(sign(body)), true},
		"one of two secrets":           {rotated, body, sign(body), true},
		"client not named":             {[]youzan.App{app}, anonymous, "", true},
		"client not named, wrong sign": {[]youzan.App{app}, strings.Replace(anonymous, "10%3A00", "11%3A00", 1), "", false},
		"neither":                      {[]youzan.App{app}, unsigned, "", false},
		"right sign, wrong header":     {[]youzan.App{app}, body, sign("x"), false},
		"right header, wrong sign":     {[]youzan.App{app}, otherMessage, sign(otherMessage), false},
		"body changed outside of msg":  {[]youzan.App{app}, flipped, sign(body), false},
		"msg changed":                  {[]youzan.App{app}, otherMessage, "", false},
		"another app's":                {foreign, body, "", false},
		"no app":                       {nil, body, sign(body), false},
		"header over another app's":    {foreign, body, sign(body), false},
		"header cut":                   {[]youzan.App{app}, body, sign(body)[:31], false},
		"header of zeros":              {[]youzan.App{app}, body, strings.Repeat("0", 32), false},
		"client of somebody else":      {[]youzan.App{app}, strings.Replace(body, app.ClientID, "someone", 1), "", false},
		"not JSON and not signed":      {[]youzan.App{app}, "hello", "", false},
		"empty and not signed":         {[]youzan.App{app}, "", "", false},
		"sign twice":                   {[]youzan.App{app}, strings.Replace(body, `"sign"`, `"sign":"x","sign"`, 1), "", false},
		"an app without a secret":      {[]youzan.App{{ClientID: app.ClientID}}, unsigned, hexMD5(app.ClientID + unsigned), false},
		"an app with neither":          {[]youzan.App{{}}, unsigned, hexMD5(unsigned), false},
		"sign by one, header by other": {[]youzan.App{app, {ClientID: "z", ClientSecret: "z"}}, body, hexMD5("z" + body + "z"), false},
	} {
		_, err := youzan.Open(test.apps, []byte(test.body), test.header)
		if (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (loyalty.KindOf(err) != loyalty.KindUnauthenticated || err.Error() != "bad_signature: the push carries no signature that verifies") {
			t.Errorf("%s: %v, want the one refusal of signatures", name, err)
		}
	}
}

func hexMD5(content string) string {
	sum := md5.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

func bodySign(t *testing.T, body string) string {
	t.Helper()
	var sent struct {
		Sign string `json:"sign"`
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatal(err)
	}
	return sent.Sign
}

func TestSignedNonsense(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "null": "null", "a list": "[]", "a text": `"x"`, "truncated": `{"msg":"`, "trailing": `{"msg":"%7B%7D"}x`, "mark": "\ufeff{}",
		"duplicate": `{"msg":"a","msg":"b"}`, "deep": strings.Repeat(`{"a":`, 17), "not encoded": `{"type":"trade_TradePaid","msg":"%zz"}`, "NUL": `{"msg":"\u0000"}`,
	} {
		opened, err := youzan.Open([]youzan.App{app}, []byte(body), sign(body))
		if err != nil {
			t.Errorf("%s: %v; what is signed is opened", name, err)
		}
		if found, err := opened.Events(); loyalty.KindOf(err) != loyalty.KindInvalid || found != nil {
			t.Errorf("%s: %v, %v; want invalid", name, found, err)
		}
		if content, _ := opened.Kept(orders.Buyer{}, func(string) bool { return false }); content == "" {
			t.Errorf("%s: nothing to keep", name)
		} else if found, err := youzan.ReadKept([]byte(content)); loyalty.KindOf(err) != loyalty.KindInvalid || found != nil {
			t.Errorf("%s: kept as %s it is read as %v, %v", name, content, found, err)
		}
	}
}

// What a customer, or the platform, puts into fields that say nothing about points
// cannot cost anybody an order.
func TestWhatIsNotReadRefusesNothing(t *testing.T) {
	want, err := open(t, push(t, "trade_TradePaid", paid, plusForBlank), "").Events()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"U+FFFD": `"a\ufffdb"`, "U+FFFD as it is": "\"a\ufffdb\"", "a control character": `"a\u0001b"`, "a raw one": "\"a\x01b\"", "a raw line end": "\"a\nb\"",
		"a raw one behind a backslash": "\"a\\\x01b\"", "half a surrogate": `"a\ud83db"`, "the other half": `"\udc00"`, "emoji": `"👶🏻🍼"`, "not UTF-8": "\"\xff\xfe\"", "GBK": "\"\xc4\xcc\xb7\xdb\"",
		"null": `null`, "a number": `1e400`, "a word": `true`, "a list": `["a",{"b":null}]`, "an object": `{"a":1,"a":2}`, "deep": strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"long": `"` + strings.Repeat("奶", 5_000) + `"`, "NUL": "\"\x00\"", "empty": `""`,
	} {
		message := strings.Replace(paid, `"fans_nickname":""`, `"fans_nickname":`+value, 1)
		message = strings.Replace(message, `"order_promotion":{`, `"order_promotion":`+value+`,"x":{`, 1)
		for _, encode := range []func(string) string{plusForBlank, percentForBlank} {
			body := push(t, "trade_TradePaid", message, encode)
			got, err := open(t, body, "").Events()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		// In the envelope, under the signature of the header.
		body := strings.Replace(push(t, "trade_TradePaid", paid, plusForBlank), `"kdt_name":"测试店铺"`, `"kdt_name":`+value, 1)
		opened, err := youzan.Open([]youzan.App{app}, []byte(body), sign(body))
		if err != nil {
			t.Errorf("%s in the envelope: %v", name, err)
			continue
		}
		if got, err := opened.Events(); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s in the envelope: %v, %v", name, got, err)
		}
	}
}

// A buyer nobody can be is nobody; the order counts.
func TestABuyerThatCannotBeIsNobody(t *testing.T) {
	for name, buyer := range map[string]string{
		"U+FFFD": `{"yz_open_id":"a\ufffd","buyer_id":"b\u0001"}`, "other types": `{"yz_open_id":{},"buyer_id":[1],"buyer_phone":true}`, "none": `{}`, "an empty list": `[]`,
		"null": `null`, "a text": `""`, "long": `{"yz_open_id":"` + strings.Repeat("x", 200) + `"}`,
	} {
		message := regexp.MustCompile(`"buyer_info":\{[^}]*\}`).ReplaceAllLiteralString(paid, `"buyer_info":`+buyer)
		got, err := open(t, push(t, "trade_TradePaid", message, plusForBlank), "").Events()
		if err != nil || len(got) != 1 || got[0].Buyer.ID != "" || len(got[0].Lines) != 3 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestEmptyListsAndObjectsAreOneAnother(t *testing.T) {
	message := strings.Replace(paid, `"pay_info":{"payment":"136.50","total_fee":"150.00","post_fee":"6.00","transaction":["1"]}`, `"pay_info":[]`, 1)
	if got, err := open(t, push(t, "trade_TradePaid", message, plusForBlank), "").Events(); err != nil || len(got) != 1 || got[0].Shipping != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, none := range []string{`[]`, `{}`, `null`, `""`} {
		message := `{"full_order_info":{"order_info":{"tid":"E1","pay_time":"2026-11-21 10:00:00"},"orders":` + none + `}}`
		if got, err := open(t, push(t, "trade_TradePaid", message, plusForBlank), "").Events(); loyalty.KindOf(err) != loyalty.KindInvalid || !strings.Contains(err.Error(), "orders required") {
			t.Errorf("%s: %v, %v", none, got, err)
		}
	}
}

func TestARefundOfSeveralLinesTellsItsSum(t *testing.T) {
	for oids, want := range map[string][]string{
		`"17,18"`: {"17", "18"}, `[17,"18"]`: {"17", "18"}, `"[\"17\",\"18\",\"17\"]"`: {"17", "18"}, `""`: nil, `[]`: nil, `{}`: nil, `null`: nil, `"17","oid":"18"`: {"17", "18"},
	} {
		message := `{"tid":"E1","refund_id":"R1","refunded_fee":"12.50","update_time":"2026-11-28 10:00:00","oids":` + oids + `}`
		got, err := open(t, push(t, "trade_refund_RefundSuccess", message, plusForBlank), "").Events()
		if err != nil || len(got) != 1 || got[0].RefundSum == nil || *got[0].RefundSum != 1250 || len(got[0].Lines) != len(want) {
			t.Errorf("%s: %+v, %v", oids, got, err)
			continue
		}
		for i, line := range got[0].Lines {
			if line != (orders.Line{LineID: want[i]}) {
				t.Errorf("%s: line %+v", oids, line)
			}
		}
		if err := got[0].Validate(time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)); err != nil {
			t.Errorf("%s: %v", oids, err)
		}
	}
}

func TestTheTimeOfASuccessWithoutOneIsThePushs(t *testing.T) {
	for written, want := range map[string]int64{"1795226401": 1795226401, "1795226401000": 1795226401, `"1795226401"`: 1795226401} {
		body := strings.Replace(push(t, "trade_TradeSuccess", `{"tid":"E1"}`, plusForBlank), `"version":1795226401`, `"version":`+written, 1)
		got, err := open(t, body, "").Events()
		if err != nil || len(got) != 1 || got[0].OccurredAt.Unix() != want {
			t.Errorf("%s: %+v, %v", written, got, err)
		}
	}
}

// The record of a push says what was read of it, and nothing of the rest.
func TestAKeptPushHoldsWhatIsReadAndIsReadAlike(t *testing.T) {
	message := strings.Replace(paid, `"fans_nickname":""`, `"fans_nickname":"Li Lei","address":"canary street 13800000000"`, 1)
	opened := open(t, push(t, "trade_TradePaid", message, plusForBlank), "")
	want, err := opened.Events()
	if err != nil {
		t.Fatal(err)
	}
	sealed := orders.Buyer{PhoneToken: "token", PhoneLast4: "0000"}
	content, whole := opened.Kept(sealed, func(text string) bool { return text == "13800000000" })
	if !whole {
		t.Error("it is not whole")
	}
	for _, canary := range []string{"13800000000", "Li Lei", "canary", "139****1111", "奶粉", "测试店铺", "m-1"} {
		if strings.Contains(content, canary) {
			t.Errorf("%s is kept in %s", canary, content)
		}
	}
	got, err := youzan.ReadKept([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	want[0].Buyer.Phone, want[0].Buyer.PhoneToken, want[0].Buyer.PhoneLast4 = "", "token", "0000"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if order := opened.Order(); order != (loyalty.OrderKey{Channel: "youzan", Shop: "1000001", Order: "E20261121100000000000001"}) {
		t.Errorf("order %+v", order)
	}
	// A phone where none belongs is not kept, and the push not applied without it.
	message = strings.Replace(paid, `"oid":"1472319870133616259"`, `"oid":"13800000000"`, 1)
	content, whole = open(t, push(t, "trade_TradePaid", message, plusForBlank), "").Kept(sealed, func(text string) bool { return text == "13800000000" })
	if whole || strings.Contains(content, "13800000000") {
		t.Errorf("whole %v: %s", whole, content)
	}
}

func FuzzKept(f *testing.F) {
	f.Add("trade_TradePaid", paid)
	f.Add("trade_refund_RefundSuccess", `{"tid":"E1","refund_id":"R","refunded_fee":"1.00","oids":"[\"1\"]"}`)
	f.Add("trade_TradePaid", `{"full_order_info":[{"orders":{"oid":[[1]]}}],"tid":"13800000000"}`)
	f.Fuzz(func(t *testing.T, kind, message string) {
		body, err := json.Marshal(map[string]any{"type": kind, "msg": url.QueryEscape(message), "kdt_id": 1})
		if err != nil {
			return
		}
		opened, err := youzan.Open([]youzan.App{app}, body, sign(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		hides := func(text string) bool { return strings.Contains(text, "13800000000") }
		content, whole := opened.Kept(orders.Buyer{}, hides)
		if strings.Contains(content, "13800000000") {
			t.Errorf("a phone is kept: %s", content)
		}
		want, errWant := opened.Events()
		got, errGot := youzan.ReadKept([]byte(content))
		if !whole || len(want) > 0 && want[0].Type == orders.TypePaid {
			return // its buyer's phone is another's to keep
		}
		// An event that is read is read again, and one that was refused is not
		// guessed at later.
		if (errWant == nil) != (errGot == nil) || errWant == nil && cmp.Diff(want, got) != "" {
			t.Errorf("%v, %v; kept as %s it is %v, %v", want, errWant, content, got, errGot)
		}
	})
}

func FuzzReadKept(f *testing.F) {
	f.Add([]byte(`{"type":"trade_TradeSuccess","shop":"1","version":1795226401,"msg":{"tid":"E1"}}`))
	f.Add([]byte(`{"type":"trade_TradePaid","msg":null}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		if found, err := youzan.ReadKept(content); err != nil && (loyalty.KindOf(err) != loyalty.KindInvalid || found != nil) {
			t.Errorf("%v, %v", found, err)
		}
	})
}

// The published vectors and captures are not part of the repository; where
// they lie beside it, they must verify.
func TestSharedFeeds(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "..", "shared", "feeds", "youzan")
	text, err := os.ReadFile(filepath.Join(folder, "SIGN_VECTORS.json"))
	if err != nil {
		t.Logf("shared/feeds absent: the signatures were not tried on the published vectors")
		return
	}
	var vectors struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		Vectors      []struct {
			File   string `json:"file"`
			Header string `json:"event_sign_header"`
		} `json:"vectors"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	apps := []youzan.App{{ClientID: vectors.ClientID, ClientSecret: vectors.ClientSecret}}
	tried := 0
	for _, vector := range vectors.Vectors {
		body, err := os.ReadFile(filepath.Join(folder, vector.File))
		if err != nil {
			t.Logf("%s is not there", vector.File)
			continue
		}
		tried++
		for _, header := range []string{vector.Header, ""} {
			opened, err := youzan.Open(apps, body, header)
			if err != nil {
				t.Errorf("%s: %v", vector.File, err)
				continue
			}
			events, err := opened.Events()
			t.Logf("%s: %+v, %v", vector.File, events, err)
			if err != nil || len(events) != 1 || events[0].Type != orders.TypeCompleted || events[0].OrderID != "E20210307175649090904167" {
				t.Errorf("%s is not the completion of its order", vector.File)
			}
		}
	}
	if tried == 0 {
		t.Error("none of the vectors' files is there")
	}
	capture, err := os.ReadFile(filepath.Join(folder, "push_trade_TradePaid_2018_qr.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sent map[string]any
	if err := json.Unmarshal(capture, &sent); err != nil {
		t.Fatal(err)
	}
	sent["sign"] = hexMD5(vectors.ClientID + sent["msg"].(string) + vectors.ClientSecret)
	if capture, err = json.Marshal(sent); err != nil {
		t.Fatal(err)
	}
	opened, err := youzan.Open(apps, capture, "")
	if err != nil {
		t.Fatal(err)
	}
	events, err := opened.Events()
	if err != nil || len(events) != 1 || len(events[0].Lines) != 1 || events[0].Lines[0].Paid != 1 || events[0].Buyer.ID != "100000007" {
		t.Errorf("%+v, %v", events, err)
	}
}

func FuzzPush(f *testing.F) {
	f.Add("trade_TradePaid", paid)
	f.Add("trade_TradeSuccess", `{"tid":"E1"}`)
	f.Add("trade_refund_RefundSuccess", `{"tid":"E1","refund_id":"R","refunded_fee":"1.00","oids":"[\"1\"]"}`)
	f.Add("trade_TradeClose", `{"tid":1e400,"update_time":[]}`)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, kind, message string) {
		body, err := json.Marshal(map[string]any{"type": kind, "msg": url.QueryEscape(message), "kdt_id": 1})
		if err != nil || len(body) > orders.MaxBytes {
			return
		}
		opened, err := youzan.Open([]youzan.App{app}, body, sign(string(body)))
		if err != nil {
			t.Fatalf("a signed push: %v", err)
		}
		events, err := opened.Events()
		if err != nil && loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Error(err)
		}
		for _, event := range events {
			if event.Channel != youzan.Channel {
				t.Errorf("channel %q", event.Channel)
			}
			if event.Validate(now) == nil && len(event.Lines) > orders.MaxLines {
				t.Errorf("%d lines", len(event.Lines))
			}
		}
	})
}

func FuzzSignature(f *testing.F) {
	f.Add(`{"type":"x","msg":"%7B%7D","sign":"00"}`, "")
	f.Add(`{"msg":{}}`, "d41d8cd98f00b204e9800998ecf8427e")
	f.Add(``, sign(""))
	f.Fuzz(func(t *testing.T, body, header string) {
		_, err := youzan.Open([]youzan.App{app}, []byte(body), header)
		if err == nil && !strings.EqualFold(strings.TrimSpace(header), sign(body)) && !strings.Contains(strings.ToLower(body), `"sign"`) {
			t.Errorf("an unsigned push was opened: %q, %q", body, header)
		}
	})
}
