package receiveorders_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/infra/contract"
	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/problem"
)

const (
	secret    = "whsec_aHVpdG91LXRlc3Qtc2VjcmV0LTAwMDAwMDAwMDE="
	oldSecret = "whsec_aHVpdG91LXRlc3Qtc2VjcmV0LTAwMDAwMDAwMDA="
	phone     = "13800000000"
)

var (
	app      = youzan.App{ClientID: "abcdef0123456789ab", ClientSecret: "youzan-test-secret"}
	phoneKey = bytes.Repeat([]byte{7}, identity.KeyBytes)
	now      = time.Unix(1795233600, 0) // when testdata/generic.json was signed
)

// line is a queue that keeps what it is given, or fails.
type line struct {
	bodies [][]byte
	err    error
}

func (l *line) Send(_ context.Context, bodies ...[]byte) error {
	if l.err == nil {
		l.bodies = append(l.bodies, bodies...)
	}
	return l.err
}

// hook is the function with what it was given and what it wrote.
type hook struct {
	receiveorders.Function
	queue *line
	log   *bytes.Buffer
}

func newHook() *hook {
	h := &hook{queue: &line{}, log: &bytes.Buffer{}}
	h.Function = receiveorders.Function{
		Orders:    h.queue,
		Secrets:   receiveorders.Secrets{Webhook: []string{secret, oldSecret}, Youzan: []youzan.App{app}},
		PhoneKey:  phoneKey,
		Clock:     func() time.Time { return now },
		RealClock: func() time.Time { return now },
		Log:       slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
	}
	return h
}

func sample(t testing.TB, name string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	return event
}

func (h *hook) send(t testing.TB, event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	response, err := h.Handle(context.Background(), event)
	if err != nil {
		t.Fatalf("the function failed: %v", err)
	}
	contract.Check(t, event, response)
	if strings.Contains(h.log.String(), phone) || strings.Contains(response.Body, phone) {
		t.Errorf("the phone got out: %s\n%s", h.log, response.Body)
	}
	return response
}

// refused checks the answer and that nothing was kept.
func (h *hook) refused(t testing.TB, response events.APIGatewayV2HTTPResponse, status int, code string) {
	t.Helper()
	var document problem.Document
	if err := json.Unmarshal([]byte(response.Body), &document); err != nil {
		t.Fatalf("the answer is no problem: %v\n%s", err, response.Body)
	}
	if response.StatusCode != status || document.Status != status || document.Type != "https://huitou.dev/problems/"+code || document.Instance != "JKJaXmPLvHcESHA=" {
		t.Errorf("%d %+v, want %d %s", response.StatusCode, document, status, code)
	}
	if response.Headers["Content-Type"] != problem.ContentType || response.Headers["Cache-Control"] != "no-store" {
		t.Errorf("headers %v", response.Headers)
	}
	if strings.Contains(response.Body, "success") {
		t.Errorf("Youzan would take this for a success: %s", response.Body)
	}
	if len(h.queue.bodies) != 0 {
		t.Errorf("%d events were queued", len(h.queue.bodies))
	}
}

// signed is the sample with another body, signed for now.
func signed(t testing.TB, body string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := sample(t, "generic.json")
	event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
	sign(t, &event, secret, body, now)
	return event
}

func sign(t testing.TB, event *events.APIGatewayV2HTTPRequest, secret, body string, at time.Time) {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := webhook.Sign("msg_2Yb3", at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	event.Headers["webhook-timestamp"] = strconv.FormatInt(at.Unix(), 10)
	event.Headers["webhook-signature"] = signature
}

func TestGeneric(t *testing.T) {
	h := newHook()
	response := h.send(t, sample(t, "generic.json"))
	if response.StatusCode != 202 || strings.TrimSpace(response.Body) != `{"accepted":1}` || response.Headers["Content-Type"] != "application/json; charset=utf-8" {
		t.Errorf("%+v", response)
	}
	number, err := identity.ParsePhone(phone)
	if err != nil {
		t.Fatal(err)
	}
	name, err := number.Identity(phoneKey)
	if err != nil {
		t.Fatal(err)
	}
	want := orders.Event{
		Type: orders.TypePaid, Channel: "tmall", Shop: "flagship", OrderID: "2156",
		OccurredAt: time.Date(2026, 11, 21, 10, 0, 0, 0, orders.Shanghai), Currency: "CNY",
		Buyer:         orders.Buyer{ID: "buyer-1", PhoneToken: name.Value, PhoneLast4: "0000"},
		Lines:         []orders.Line{{LineID: "1", SKU: "MILK-400", Category: "milk-powder", Quantity: 2, Paid: 39800}},
		DiscountCodes: []string{"NOV"},
	}
	h.holds(t, want)
}

func (h *hook) holds(t testing.TB, want ...orders.Event) {
	t.Helper()
	var got []orders.Event
	for _, body := range h.queue.bodies {
		if bytes.Contains(body, []byte(phone)) {
			t.Errorf("the phone is on the queue: %s", body)
		}
		event, err := orders.DecodeQueued(body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestYouzan(t *testing.T) {
	h := newHook()
	response := h.send(t, sample(t, "youzan.json"))
	if response.StatusCode != 200 || strings.TrimSpace(response.Body) != `{"code":0,"msg":"success"}` {
		t.Errorf("%+v", response)
	}
	if len(h.queue.bodies) != 1 {
		t.Fatalf("%d events were queued", len(h.queue.bodies))
	}
	event, err := orders.DecodeQueued(h.queue.bodies[0])
	if err != nil || event.Type != orders.TypePaid || event.Shop != "1000001" || event.Lines[0].Paid != 8700 || event.Buyer.PhoneLast4 != "0000" || event.Buyer.PhoneToken == "" {
		t.Errorf("%+v, %v", event, err)
	}
}

// youzanPush is a push with its two signatures.
func youzanPush(t testing.TB, kind, message string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	body, err := json.Marshal(map[string]any{"client_id": app.ClientID, "kdt_id": 1, "type": kind, "msg": message, "sign": md5Hex(app.ClientID + message + app.ClientSecret)})
	if err != nil {
		t.Fatal(err)
	}
	event := sample(t, "youzan.json")
	event.Body, event.IsBase64Encoded = string(body), false
	event.Headers["event-sign"] = md5Hex(app.ClientID + string(body) + app.ClientSecret)
	return event
}

func md5Hex(content string) string {
	sum := md5.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

func TestYouzanTypeWithoutMeaningIsAcknowledged(t *testing.T) {
	h := newHook()
	response := h.send(t, youzanPush(t, "trade_TradeMemoModified", "%7B%22tid%22%3A%22E1%22%7D"))
	if response.StatusCode != 200 || !strings.Contains(response.Body, "success") || len(h.queue.bodies) != 0 {
		t.Errorf("%+v with %d events", response, len(h.queue.bodies))
	}
	if !strings.Contains(h.log.String(), "push without an order event") || !strings.Contains(h.log.String(), "trade_TradeMemoModified") {
		t.Errorf("it was not counted: %s", h.log)
	}
}

func TestYouzanOrderSurvivesABadPhone(t *testing.T) {
	for _, written := range []string{"138****0000", "010-88888888", "13800000000-1234", "x"} {
		h := newHook()
		message := fmt.Sprintf(`%%7B"full_order_info":{"order_info":{"tid":"E1","pay_time":"2026-11-21%%2010:00:00"},"buyer_info":{"buyer_phone":%q},"orders":[{"oid":"1","num":1,"payment":"1.00"}]}}`, written)
		if response := h.send(t, youzanPush(t, "trade_TradePaid", message)); response.StatusCode != 200 || len(h.queue.bodies) != 1 {
			t.Errorf("%s: %+v with %d events", written, response, len(h.queue.bodies))
		}
	}
}

func TestYouzanRefusals(t *testing.T) {
	h := newHook()
	unsigned := sample(t, "youzan.json")
	delete(unsigned.Headers, "event-sign")
	unsigned.Body, unsigned.IsBase64Encoded = `{"type":"trade_TradeSuccess","msg":"%7B%7D"}`, false
	h.refused(t, h.send(t, unsigned), 401, "bad_signature")
	flipped := sample(t, "youzan.json")
	body, err := base64.StdEncoding.DecodeString(flipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	flipped.Body = base64.StdEncoding.EncodeToString(body)
	h.refused(t, h.send(t, flipped), 401, "bad_signature")
	// The signature of the other channel proves nothing here.
	other := signed(t, sample(t, "generic.json").Body)
	other.RawPath = "/hooks/orders/youzan"
	h.refused(t, h.send(t, other), 401, "bad_signature")
}

func TestSignatures(t *testing.T) {
	body := sample(t, "generic.json").Body
	for name, test := range map[string]struct {
		change func(*events.APIGatewayV2HTTPRequest)
		status int
		code   string
	}{
		"none":                  {func(e *events.APIGatewayV2HTTPRequest) { delete(e.Headers, "webhook-signature") }, 401, "bad_signature"},
		"no id":                 {func(e *events.APIGatewayV2HTTPRequest) { delete(e.Headers, "webhook-id") }, 401, "bad_signature"},
		"no time":               {func(e *events.APIGatewayV2HTTPRequest) { delete(e.Headers, "webhook-timestamp") }, 401, "bad_signature"},
		"another secret":        {func(e *events.APIGatewayV2HTTPRequest) { sign(t, e, "whsec_b3RoZXI=", body, now) }, 401, "bad_signature"},
		"another id":            {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["webhook-id"] = "msg_other" }, 401, "bad_signature"},
		"another time":          {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["webhook-timestamp"] = "1795233601" }, 401, "bad_signature"},
		"time with a plus":      {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["webhook-timestamp"] = "+1795233600" }, 401, "bad_signature"},
		"time of nothing":       {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["webhook-timestamp"] = "" }, 401, "bad_signature"},
		"time past int64":       {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["webhook-timestamp"] = strings.Repeat("9", 30) }, 401, "bad_signature"},
		"one bit":               {func(e *events.APIGatewayV2HTTPRequest) { e.Body = strings.Replace(e.Body, "39800", "39801", 1) }, 401, "bad_signature"},
		"the JSON written anew": {func(e *events.APIGatewayV2HTTPRequest) { e.Body = strings.Replace(e.Body, `":"`, `": "`, 1) }, 401, "bad_signature"},
		"another version": {func(e *events.APIGatewayV2HTTPRequest) {
			e.Headers["webhook-signature"] = strings.Replace(e.Headers["webhook-signature"], "v1,", "v2,", 1)
		}, 401, "bad_signature"},
		"no version": {func(e *events.APIGatewayV2HTTPRequest) {
			e.Headers["webhook-signature"] = strings.Replace(e.Headers["webhook-signature"], "v1,", "", 1)
		}, 401, "bad_signature"},
		"cut": {func(e *events.APIGatewayV2HTTPRequest) {
			e.Headers["webhook-signature"] = e.Headers["webhook-signature"][:20]
		}, 401, "bad_signature"},
		"Youzan's": {func(e *events.APIGatewayV2HTTPRequest) {
			delete(e.Headers, "webhook-signature")
			e.Headers["event-sign"] = md5Hex(app.ClientID + body + app.ClientSecret)
		}, 401, "bad_signature"},
		"301 s old":      {func(e *events.APIGatewayV2HTTPRequest) { sign(t, e, secret, body, now.Add(-301*time.Second)) }, 401, "signature_expired"},
		"301 s ahead":    {func(e *events.APIGatewayV2HTTPRequest) { sign(t, e, secret, body, now.Add(301*time.Second)) }, 401, "signature_expired"},
		"of 1970":        {func(e *events.APIGatewayV2HTTPRequest) { sign(t, e, secret, body, time.Unix(0, 0)) }, 401, "signature_expired"},
		"300 s old":      {func(e *events.APIGatewayV2HTTPRequest) { sign(t, e, secret, body, now.Add(-300*time.Second)) }, 202, ""},
		"300 s ahead":    {func(e *events.APIGatewayV2HTTPRequest) { sign(t, e, secret, body, now.Add(300*time.Second)) }, 202, ""},
		"the old secret": {func(e *events.APIGatewayV2HTTPRequest) { sign(t, e, oldSecret, body, now) }, 202, ""},
		"one of several": {func(e *events.APIGatewayV2HTTPRequest) {
			e.Headers["webhook-signature"] = "v1,AAAA v1a,BBBB " + e.Headers["webhook-signature"]
		}, 202, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook()
			event := sample(t, "generic.json")
			test.change(&event)
			response := h.send(t, event)
			if test.status == 202 {
				if response.StatusCode != 202 || len(h.queue.bodies) != 1 {
					t.Errorf("%+v with %d events", response, len(h.queue.bodies))
				}
				return
			}
			h.refused(t, response, test.status, test.code)
		})
	}
}

func TestEmptySecretsProveNothing(t *testing.T) {
	body := sample(t, "generic.json").Body
	for _, secrets := range [][]string{nil, {""}, {"whsec_"}, {"whsec_!"}} {
		h := newHook()
		h.Secrets.Webhook = secrets
		event := sample(t, "generic.json")
		sign(t, &event, "whsec_", body, now)
		h.refused(t, h.send(t, event), 401, "bad_signature")
	}
}

// A person who moves the brand's clock must not make old signatures good, nor
// new ones bad.
func TestSignaturesKeepToTheRealClock(t *testing.T) {
	h := newHook()
	h.Clock = func() time.Time { return now.AddDate(0, 1, 0) }
	if response := h.send(t, sample(t, "generic.json")); response.StatusCode != 202 {
		t.Errorf("%+v", response)
	}
	h = newHook()
	h.RealClock = func() time.Time { return now.AddDate(0, 1, 0) }
	h.refused(t, h.send(t, sample(t, "generic.json")), 401, "signature_expired")
	h = newHook()
	h.Clock = func() time.Time { return now.AddDate(0, 0, -2) } // before it happened
	h.refused(t, h.send(t, sample(t, "generic.json")), 400, "invalid")
}

func TestReplayIsAnsweredLikeTheFirst(t *testing.T) {
	h := newHook()
	first, second := h.send(t, sample(t, "generic.json")), h.send(t, sample(t, "generic.json"))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	if len(h.queue.bodies) != 2 || !bytes.Equal(h.queue.bodies[0], h.queue.bodies[1]) {
		t.Error("the repeat is not recognisable on the queue")
	}
}

func TestQueueThatRefuses(t *testing.T) {
	for _, failure := range []error{errors.New("AccessDenied arn:aws:sqs"), loyalty.Refuse(loyalty.KindUnavailable, "throttled", "arn:aws:sqs")} {
		for _, name := range []string{"generic.json", "youzan.json"} {
			h := newHook()
			h.queue.err = failure
			response := h.send(t, sample(t, name))
			h.refused(t, response, 503, "queue_unavailable")
			if strings.Contains(response.Body, "arn:") || response.Headers["Retry-After"] == "" {
				t.Errorf("%+v", response)
			}
			if !strings.Contains(h.log.String(), "arn:") {
				t.Error("the log does not say why")
			}
		}
	}
}

func TestRequestsThatAreNoEvents(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*events.APIGatewayV2HTTPRequest)
		status int
		code   string
	}{
		"unknown channel":     {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/hooks/orders/jd" }, 404, "unknown_channel"},
		"no channel":          {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/hooks/orders/" }, 404, "unknown_channel"},
		"channel in capitals": {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/hooks/orders/Generic" }, 404, "unknown_channel"},
		"deeper":              {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/hooks/orders/generic/x" }, 404, "unknown_channel"},
		"up and down":         {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/hooks/orders/..%2Fgeneric" }, 404, "unknown_channel"},
		"GET":                 {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET" }, 405, "method_not_allowed"},
		"PUT":                 {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "PUT" }, 405, "method_not_allowed"},
		"no media type":       {func(e *events.APIGatewayV2HTTPRequest) { delete(e.Headers, "content-type") }, 415, "not_json"},
		"text":                {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["content-type"] = "text/plain" }, 415, "not_json"},
		"form": {func(e *events.APIGatewayV2HTTPRequest) {
			e.Headers["content-type"] = "application/x-www-form-urlencoded"
		}, 415, "not_json"},
		"multipart":     {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["content-type"] = "multipart/form-data; boundary=x" }, 415, "not_json"},
		"GBK":           {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["content-type"] = "application/json; charset=gbk" }, 415, "not_json"},
		"nonsense type": {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["content-type"] = "application/json; charset" }, 415, "not_json"},
		"gzip":          {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["content-encoding"] = "gzip" }, 415, "encoded_body"},
		"deflate":       {func(e *events.APIGatewayV2HTTPRequest) { e.Headers["content-encoding"] = "deflate" }, 415, "encoded_body"},
		"bad base64":    {func(e *events.APIGatewayV2HTTPRequest) { e.IsBase64Encoded = true }, 400, "bad_base64"},
		"6 MB":          {func(e *events.APIGatewayV2HTTPRequest) { e.Body = strings.Repeat(" ", 6<<20) }, 413, "body_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook()
			event := sample(t, "generic.json")
			test.change(&event)
			response := h.send(t, event)
			h.refused(t, response, test.status, test.code)
			if test.status == 405 && response.Headers["Allow"] != "POST" {
				t.Errorf("Allow: %q", response.Headers["Allow"])
			}
		})
	}
	for _, media := range []string{"application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf-8"} {
		h := newHook()
		event := sample(t, "generic.json")
		event.Headers["content-type"], event.Headers["content-encoding"] = media, "identity"
		if response := h.send(t, event); response.StatusCode != 202 {
			t.Errorf("%s: %+v", media, response)
		}
	}
}

// Rightly signed, and still no event: nothing of it may reach the queue.
func TestSignedBodiesThatAreNoEvents(t *testing.T) {
	good := sample(t, "generic.json").Body
	with := func(old, replacement string) string {
		if strings.Count(good, old) != 1 {
			t.Fatalf("%q stands %d times in the sample", old, strings.Count(good, old))
		}
		return strings.Replace(good, old, replacement, 1)
	}
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(with("MILK-400", "奶粉"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ body, pointer, code string }{
		"empty":              {"", "", "empty"},
		"null":               {"null", "", "not_an_object"},
		"list":               {"[" + good + "]", "", "not_an_object"},
		"text":               {`"x"`, "", "not_an_object"},
		"truncated":          {good[:len(good)-1], "", "malformed_json"},
		"trailing":           {good + "{}", "", "trailing_data"},
		"length extension":   {good + "\x80\x00\x00", "", "not_utf8"},
		"trailing comma":     {with(`["NOV"]}`, `["NOV"],}`), "", "malformed_json"},
		"mark":               {"\ufeff" + good, "", "byte_order_mark"},
		"UTF-16":             {"\xff\xfe{\x00}\x00", "", "not_utf8"},
		"GBK":                {gbk, "", "not_utf8"},
		"invalid UTF-8":      {with("MILK-400", "\xff"), "", "not_utf8"},
		"NUL":                {with("MILK-400", `\u0000`), "/lines/0/sku", "bad_character"},
		"duplicate key":      {with(`"shipping":0`, `"shipping":0,"shipping":1`), "/shipping", "duplicate_key"},
		"unknown field":      {with(`"shipping":0`, `"points":1000000000`), "/points", "unknown_field"},
		"brand":              {with(`"shipping":0`, `"brand":"x"`), "/brand", "unknown_field"},
		"token from outside": {with(`"phone":"138 0000 0000"`, `"phone_token":"x"`), "/buyer/phone_token", "unknown_field"},
		"depth 10001":        {strings.Repeat(`{"a":`, 10001), "", "too_deep"},
		"depth 100":          {with(`"shipping":0`, `"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)), "", "too_deep"},
		"many elements":      {with(`["NOV"]`, "["+strings.Repeat(`"a",`, 40000)+`"a"]`), "/discount_codes", "too_many"},
		"many keys":          {"{" + strings.Repeat(`"a":1,`, 30000) + `"b":1}`, "/a", "duplicate_key"},
		"text for number":    {with("39800", `"5"`), "/lines/0/paid", "wrong_type"},
		"2^63":               {with("39800", "9223372036854775808"), "/lines/0/paid", "not_a_whole_number"},
		"negative":           {with("39800", "-1"), "/lines/0/paid", "out_of_range"},
		"minus zero":         {with("39800", "-0"), "/lines/0/paid", "negative_zero"},
		"float":              {with("39800", "398.00"), "/lines/0/paid", "not_a_whole_number"},
		"overflowing rate":   {with("39800", "9007199254740993"), "/lines/0/paid", "out_of_range"},
		"quantity 0":         {with(`"quantity":2`, `"quantity":0`), "/lines/0/quantity", "out_of_range"},
		"no currency":        {with(`"currency":"CNY",`, ""), "/currency", "required"},
		"RMB":                {with("CNY", "RMB"), "/currency", "not_iso_4217"},
		"1970":               {with("2026-11-21T", "1970-01-01T"), "/occurred_at", "out_of_range"},
		"30 February":        {with("2026-11-21T", "2026-02-30T"), "/occurred_at", "not_rfc3339"},
		"no zone":            {with("+08:00", ""), "/occurred_at", "not_rfc3339"},
		"ten years ahead":    {with("2026-11-21T", "2036-11-21T"), "/occurred_at", "in_the_future"},
		"unknown type":       {with("order.paid", "order.created"), "/type", "unknown_type"},
		"line end in an id":  {with("2156", `21\r\n56`), "/order_id", "not_printable"},
		"no phone":           {with("138 0000 0000", "call me"), "/buyer/phone", "not_a_phone"},
		"51 lines":           {with(`"lines":[`, `"lines":[`+strings.Repeat(`{"line_id":"x","quantity":1,"paid":1},`, 50)), "/lines", "too_many"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook()
			response := h.send(t, signed(t, test.body))
			h.refused(t, response, 400, "invalid")
			var document problem.Document
			if err := json.Unmarshal([]byte(response.Body), &document); err != nil {
				t.Fatal(err)
			}
			for _, field := range document.Errors {
				if field == (loyalty.Field{Pointer: test.pointer, Code: test.code}) {
					return
				}
			}
			t.Errorf("errors %v, want %s at %q", document.Errors, test.code, test.pointer)
		})
	}
}

func TestMasksIdentifyNobody(t *testing.T) {
	good := sample(t, "generic.json").Body
	for buyer, want := range map[string]orders.Buyer{
		`{"id":"t**9","phone":"*******6065"}`:                   {PhoneLast4: "6065"},
		`{"id":"##密文","phone":"$$密文"}`:                          {},
		`{"id":"b","phone":"138****0000","phone_last4":"1234"}`: {ID: "b", PhoneLast4: "1234"},
		`{"phone_last4":"6065"}`:                                {PhoneLast4: "6065"},
		`{"id":"b","phone":"13800000000-1234"}`:                 {ID: "b"},
		`{}`:                                                    {},
	} {
		h := newHook()
		body := strings.Replace(good, `{"id":"buyer-1","phone":"138 0000 0000"}`, buyer, 1)
		if response := h.send(t, signed(t, body)); response.StatusCode != 202 {
			t.Errorf("%s: %+v", buyer, response)
			continue
		}
		event, err := orders.DecodeQueued(h.queue.bodies[0])
		if err != nil || event.Buyer != want {
			t.Errorf("%s: %+v, %v; want %+v", buyer, event.Buyer, err, want)
		}
	}
}

func TestMissingPhoneKeyIsOurFault(t *testing.T) {
	h := newHook()
	h.PhoneKey = nil
	h.refused(t, h.send(t, sample(t, "generic.json")), 500, "internal")
}

// withoutTime drops a line's time, whose digits may spell a canary.
func withoutTime(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}

func TestNothingPersonalIsLogged(t *testing.T) {
	h := newHook()
	h.send(t, sample(t, "generic.json"))
	h.send(t, sample(t, "youzan.json"))
	h.send(t, signed(t, strings.Replace(sample(t, "generic.json").Body, "138 0000 0000", "13800000000x", 1)))
	for _, canary := range []string{"138", "buyer-1", "yz-open-1", "2156", secret, app.ClientSecret, "v1,", "39800"} {
		if strings.Contains(h.log.String(), canary) {
			t.Errorf("%q is in the log: %s", canary, h.log)
		}
	}
	if strings.Count(h.log.String(), "\n") != 3 || !strings.Contains(h.log.String(), "order events accepted") {
		t.Errorf("the log: %s", h.log)
	}
}

func FuzzSignatureHeaders(f *testing.F) {
	good := sample(f, "generic.json")
	f.Add(good.Headers["webhook-id"], good.Headers["webhook-timestamp"], good.Headers["webhook-signature"], "application/json")
	f.Add("", "+1", "v1,", "application/json; charset=\"utf-8\"")
	f.Add("a.1795233600", "99999999999999999999", "v1, v1,= ,,,", "application/json;;")
	f.Fuzz(func(t *testing.T, id, at, signature, media string) {
		h := newHook()
		event := sample(t, "generic.json")
		event.Headers["webhook-id"], event.Headers["webhook-timestamp"], event.Headers["webhook-signature"], event.Headers["content-type"] = id, at, signature, media
		response := h.send(t, event)
		accepted := response.StatusCode == http.StatusAccepted
		if accepted != (len(h.queue.bodies) == 1) {
			t.Errorf("status %d with %d events", response.StatusCode, len(h.queue.bodies))
		}
		genuine := id == good.Headers["webhook-id"] && strings.TrimSpace(at) == good.Headers["webhook-timestamp"] && strings.Contains(signature, good.Headers["webhook-signature"])
		if accepted && !genuine {
			t.Errorf("accepted with %q %q %q", id, at, signature)
		}
	})
}

func FuzzYouzan(f *testing.F) {
	f.Add("trade_TradePaid", "%7B%7D", "")
	f.Add("trade_TradeSuccess", "%7B%22tid%22%3A%221%22%7D", "x")
	f.Fuzz(func(t *testing.T, kind, message, header string) {
		h := newHook()
		event := youzanPush(t, kind, message)
		if header != "" {
			event.Headers["event-sign"] = header
		}
		if len(event.Body) > gateway.MaxBody {
			return
		}
		response := h.send(t, event)
		if kept := len(h.queue.bodies) > 0; kept && response.StatusCode != 200 {
			t.Errorf("status %d with events", response.StatusCode)
		}
		if response.StatusCode >= 500 {
			t.Errorf("status %d", response.StatusCode)
		}
	})
}

func BenchmarkReceive(b *testing.B) {
	h := newHook()
	h.Log = slog.New(slog.DiscardHandler)
	event := sample(b, "generic.json")
	b.ReportAllocs()
	for b.Loop() {
		h.queue.bodies = h.queue.bodies[:0]
		if response, err := h.Handle(context.Background(), event); err != nil || response.StatusCode != 202 {
			b.Fatal(response, err)
		}
	}
}
