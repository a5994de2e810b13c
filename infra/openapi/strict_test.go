package openapi_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/infra/openapi"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/token"
)

var atNoon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	anyAdmin  = "admin-token-of-the-test"
	anySecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// outside is everything that answers HTTP, over one table.
type outside struct {
	t        *testing.T
	engine   *embedded.Engine
	sent     *int
	document map[string]any
	operate  http.Handler
	members  http.Handler
	hooks    func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	cards    func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	member   string // a member's token
	calls    int
}

type counted struct{ sent *int }

func (c counted) Send(_ context.Context, bodies ...[]byte) error {
	*c.sent += len(bodies)
	return nil
}

func openOutside(t *testing.T) *outside {
	engine := embedded.Memory()
	t.Cleanup(func() { engine.Close() })
	keys, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	o := &outside{t: t, engine: engine, sent: new(int)}
	if err := json.Unmarshal(raw, &o.document); err != nil {
		t.Fatal(err)
	}
	data, quiet, clock := store.Store{Table: engine}, slog.New(slog.DiscardHandler), func() time.Time { return atNoon }
	phoneKey, tokenKey := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32)
	o.operate = operate.Function{
		Store: data, Orders: counted{o.sent}, Payouts: counted{o.sent}, Queues: struct{ queue.Admin }{}, Keys: keys, PhoneKey: phoneKey, TokenKey: tokenKey,
		AdminToken: token.Hash(anyAdmin), PublicURL: "https://brand.example", Clock: clock, Random: rand.Reader, Log: quiet,
	}.Handler()
	o.members = members.Function{Store: data, Orders: counted{o.sent}, TokenKey: tokenKey, Clock: clock, Log: quiet}.Handler()
	o.cards = (&redeemcard.Function{
		Store: data, Orders: counted{o.sent}, Payouts: counted{o.sent}, Keys: keys, PhoneKey: phoneKey, TokenKey: tokenKey, Clock: clock, Random: rand.Reader, Log: quiet,
	}).Handle
	o.hooks = receiveorders.Function{
		Orders: counted{o.sent}, Friends: counted{o.sent}, Secrets: receiveorders.Secrets{Webhook: []string{anySecret}},
		PhoneKey: phoneKey, Clock: clock, RealClock: clock, Log: quiet,
	}.Handle
	status, answer := o.call(http.MethodPost, "/v1/members", `{"identities":[{"kind":"buyer","channel":"tmall","value":"b-1"}],"consents":["membership"]}`)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	var made struct {
		MemberID string `json:"member_id"`
	}
	if err := json.Unmarshal([]byte(answer), &made); err != nil {
		t.Fatal(err)
	}
	status, answer = o.call(http.MethodPost, "/v1/members/"+made.MemberID+"/tokens", "")
	var bearer struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(answer), &bearer); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	o.member = bearer.Token
	return o
}

// call sends a request as somebody who may, and returns its status and body.
func (o *outside) call(method, path, body string) (int, string) {
	o.t.Helper()
	o.calls++
	header := map[string]string{"content-type": "application/json", "idempotency-key": fmt.Sprintf("key-%d", o.calls)}
	handler := o.operate
	switch {
	case strings.HasPrefix(path, "/v1/me"):
		handler, header["authorization"] = o.members, "Bearer "+o.member
		if strings.HasPrefix(path, "/v1/members") || strings.HasPrefix(path, "/v1/messages") {
			handler, header["authorization"] = o.operate, "Bearer "+anyAdmin
		}
	case strings.HasPrefix(path, "/v1/"):
		header["authorization"] = "Bearer " + anyAdmin
	default:
		event := events.APIGatewayV2HTTPRequest{RawPath: path, Body: body, Headers: header}
		event.RequestContext.HTTP.Method, event.RequestContext.HTTP.SourceIP = method, fmt.Sprintf("192.0.2.%d", o.calls%250)
		serve := o.cards
		if strings.HasPrefix(path, "/hooks/") {
			serve = o.hooks
			sign(header, body)
		}
		answer, err := serve(o.t.Context(), event)
		if err != nil {
			o.t.Fatal(err)
		}
		return answer.StatusCode, answer.Body
	}
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	for name, value := range header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

// sign signs as Standard Webhooks 1.0.0 says.
func sign(header map[string]string, body string) {
	secret, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(anySecret, "whsec_"))
	header["webhook-id"], header["webhook-timestamp"] = "msg_1", fmt.Sprint(atNoon.Unix())
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, "msg_1."+header["webhook-timestamp"]+"."+body)
	header["webhook-signature"] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// kept is the whole table but for what is remembered of an Idempotency-Key,
// which is also remembered of a request that was refused.
func (o *outside) kept() string {
	o.t.Helper()
	var lines []string
	scan := table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := o.engine.Scan(o.t.Context(), scan)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, item := range page.Items {
			if !strings.HasPrefix(item.Key.PK, "X#") {
				lines = append(lines, fmt.Sprint(item))
			}
		}
		if page.Next == "" {
			slices.Sort(lines)
			return fmt.Sprint(*o.sent) + strings.Join(lines, "\n")
		}
		scan.Cursor = page.Next
	}
}

// body is an operation that takes JSON.
type body struct {
	method, path string
	schema       map[string]any
}

// bodies are all of the published API.
func (o *outside) bodies() []body {
	var found []body
	paths := o.document["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range []string{"post", "put", "delete"} {
			operation, ok := paths[path].(map[string]any)[method].(map[string]any)
			if !ok {
				continue
			}
			request, ok := operation["requestBody"].(map[string]any)
			if !ok {
				continue
			}
			media, ok := request["content"].(map[string]any)["application/json"].(map[string]any)
			if ok {
				found = append(found, body{strings.ToUpper(method), path, media["schema"].(map[string]any)})
			}
		}
	}
	return found
}

// resolved follows a schema's $ref.
func (o *outside) resolved(schema map[string]any) map[string]any {
	for {
		reference, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		schema = o.document["components"].(map[string]any)["schemas"].(map[string]any)[strings.TrimPrefix(reference, "#/components/schemas/")].(map[string]any)
	}
}

// of a pattern, a text that it matches
var matching = map[string]string{
	"^[a-z][a-z0-9_-]{0,31}$":                                "tmall",
	"^[0-9a-f]{64}$":                                         strings.Repeat("a", 64),
	"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$":                     "zhang.wei",
	"^([01][0-9]|2[0-3]):[0-5][0-9]$":                        "21:00",
	"^[A-Z]{3}$":                                             "CNY",
	"^[0-9]{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?$": "2024-05",
	"^[0-9]{4}-(0[1-9]|1[0-2])$":                             "2024-05",
	"^[0-9]{4}$":                                             "1234",
	"^[a-z0-9-]{1,32}$":                                      "old",
	"^[a-z0-9][a-z0-9-]{0,31}$":                              "old",
	"^#[0-9a-fA-F]{6}$":                                      "#c8102e",
	"^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$":                      "2027-01",
}

// sample is a value that the schema takes, with every property that it has.
func (o *outside) sample(schema map[string]any) any {
	schema = o.resolved(schema)
	if choice, ok := schema["enum"].([]any); ok {
		return choice[0]
	}
	kind, _ := schema["type"].(string)
	if several, ok := schema["type"].([]any); ok { // an array that may be null in Go
		kind, _ = several[0].(string)
	}
	switch kind {
	case "object":
		value := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			value[name] = o.sample(property.(map[string]any))
		}
		if values, ok := schema["additionalProperties"].(map[string]any); ok {
			value["other"] = o.sample(values)
		}
		return value
	case "array":
		return []any{o.sample(schema["items"].(map[string]any))}
	case "integer", "number":
		if least, ok := schema["minimum"].(float64); ok && least > 0 {
			return int64(least)
		}
		return 1
	case "boolean":
		return true
	case "string":
		if pattern, ok := schema["pattern"].(string); ok && pattern != openapi.Text {
			text, known := matching[pattern]
			if !known {
				o.t.Fatalf("no text is known that matches %s", pattern)
			}
			return text
		}
		switch schema["format"] {
		case "date-time":
			return "2026-12-01T00:00:00Z"
		case "date":
			return "2026-12-01"
		}
		return "text"
	}
	return "text"
}

// object is one within a body and what its schema calls its properties.
type object struct {
	pointer    string
	properties []string
	free       bool // a map: its keys are the caller's
	add        func(name string, value any) (undo func())
}

func (o *outside) places(pointer string, schema map[string]any, value any) []object {
	schema = o.resolved(schema)
	switch value := value.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		_, free := schema["additionalProperties"].(map[string]any)
		found := []object{{pointer, slices.Sorted(maps.Keys(properties)), free, func(name string, added any) func() {
			value[name] = added
			return func() { delete(value, name) }
		}}}
		for name, inner := range value {
			property, ok := properties[name].(map[string]any)
			if !ok {
				property, _ = schema["additionalProperties"].(map[string]any)
			}
			found = append(found, o.places(pointer+"/"+name, property, inner)...)
		}
		return found
	case []any:
		return o.places(pointer+"/0", schema["items"].(map[string]any), value[0])
	}
	return nil
}

// spellings are those that the standard library takes for the name.
func spellings(name string) []string {
	found := []string{strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]}
	if strings.Contains(name, "s") {
		found = append(found, strings.Replace(name, "s", "\u017f", 1))
	}
	if strings.Contains(name, "k") {
		found = append(found, strings.Replace(name, "k", "\u212a", 1))
	}
	return found
}

func (o *outside) target(path string) string {
	return strings.NewReplacer("{id}", "x", "{channel}", "tmall", "{shop}", "flagship", "{order_id}", "1", "{card}", "1", "{gift}", "1", "{bill}", "HT", "{code}", "XXXX", "{rid}", "1", "{aid}", "1").Replace(path)
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Each property of each body at each depth, beside another spelling of it that
// holds what the schema refuses, and beside itself.
func TestAKeyInAnotherSpellingIsRefusedByEveryOperation(t *testing.T) {
	o := openOutside(t)
	bodies, cases := o.bodies(), 0
	before := o.kept()
	for _, b := range bodies {
		value := o.sample(b.schema)
		for _, p := range o.places("", b.schema, value) {
			if p.free {
				continue
			}
			for _, name := range p.properties {
				for _, spelling := range spellings(name) {
					if slices.Contains(p.properties, spelling) {
						continue
					}
					undo := p.add(spelling, -100_000)
					cases++
					status, answer := o.call(b.method, o.target(b.path), encoded(t, value))
					if status != http.StatusBadRequest || !strings.Contains(answer, "errors") {
						t.Errorf("%s %s with %s/%s: %d %s", b.method, b.path, p.pointer, spelling, status, answer)
					}
					undo()
				}
				whole := encoded(t, value)
				doubled := strings.Replace(whole, `"`+name+`":`, `"`+name+`":-100000,"`+name+`":`, 1)
				cases++
				if status, answer := o.call(b.method, o.target(b.path), doubled); status != http.StatusBadRequest || !strings.Contains(answer, "duplicate_key") {
					t.Errorf("%s %s with %s/%s twice: %d %s", b.method, b.path, p.pointer, name, status, answer)
				}
			}
		}
	}
	if after := o.kept(); after != before {
		t.Errorf("a refusal wrote:\n%s\nbefore:\n%s", after, before)
	}
	t.Logf("%d cases of %d operations", cases, len(bodies))
	if len(bodies) < 25 || cases < 1000 {
		t.Errorf("only %d cases of %d operations", cases, len(bodies))
	}
}

// The samples are sound: without another spelling in them no operation finds
// an unknown key.
func TestTheSamplesOfTheBodiesHaveNoUnknownKey(t *testing.T) {
	o := openOutside(t)
	for _, b := range o.bodies() {
		_, answer := o.call(b.method, o.target(b.path), encoded(t, o.sample(b.schema)))
		if strings.Contains(answer, "unexpected property") || strings.Contains(answer, "unknown_field") || strings.Contains(answer, "wrong_type") || strings.Contains(answer, "expected") {
			t.Errorf("%s %s: %s", b.method, b.path, answer)
		}
	}
}

// A time of the wrong form is 400 with its pointer, wherever a body has one.
func TestAnInstantOfTheWrongFormIsRefusedByEveryOperation(t *testing.T) {
	o := openOutside(t)
	before, cases := o.kept(), 0
	for _, b := range o.bodies() {
		value := o.sample(b.schema)
		whole := encoded(t, value)
		const instant = `"2026-12-01T00:00:00Z"`
		for at := range strings.Count(whole, instant) {
			for _, wrong := range []string{
				"2026-12-01T00:00:00+24:00", "2026-12-01T00:00:00-99:00", "2026-12-01T0:00:00Z", "2026-12-01T00:00:00", "2026-12-01t00:00:00z", "2026-12-01T00:00:00,5Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
			} {
				parts := strings.SplitN(whole, instant, at+2)
				changed := strings.Join(parts[:at+1], instant) + `"` + wrong + `"` + parts[at+1]
				cases++
				status, answer := o.call(b.method, o.target(b.path), changed)
				var refusal struct {
					Errors []struct{ Pointer string }
				}
				if err := json.Unmarshal([]byte(answer), &refusal); err != nil || status != http.StatusBadRequest || len(refusal.Errors) == 0 || !strings.HasPrefix(refusal.Errors[0].Pointer, "/") {
					t.Errorf("%s %s with %s: %d %s", b.method, b.path, wrong, status, answer)
				}
			}
		}
	}
	if after := o.kept(); after != before {
		t.Errorf("a refusal wrote:\n%s", after)
	}
	t.Logf("%d cases", cases)
	if cases < 80 {
		t.Errorf("only %d cases", cases)
	}
}
