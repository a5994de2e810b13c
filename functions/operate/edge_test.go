package operate_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/infra/contract"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

func TestPointsAreNeverMadeByAKeyInAnotherSpelling(t *testing.T) {
	b := open(t)
	member := b.join("o-1")
	before := b.everything(t)
	for i, body := range []string{
		`{"points":1,"POINTS":-100000,"reason":"x"}`, `{"points":1,"point\u017f":-100000,"reason":"x"}`, `{"POINTS":-100000,"points":1,"reason":"x"}`, `{"points":-100000,"reason":"x"}`,
	} {
		status, answer, _ := b.call(request{method: "POST", path: "/v1/members/" + member + "/points/reservations", token: adminToken, key: fmt.Sprint("r", i), body: body})
		if status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if after := b.everything(t); strings.Count(after, "#R#") != strings.Count(before, "#R#") || strings.Contains(after, "reserved") {
		t.Errorf("a reservation was made: %s", after)
	}
	if !strings.Contains(b.pending(member), `"available":0`) {
		t.Error(b.pending(member))
	}
}

func TestAnIdentityObeysTheRuleOfOrderEvents(t *testing.T) {
	b := open(t)
	before := b.snapshot(t)
	for i, identity := range []string{
		`{"kind":"buyer","channel":"Tmall","value":"b"}`, `{"kind":"buyer","channel":"tmall ","value":"b"}`, `{"kind":"buyer","channel":"天猫","value":"b"}`, `{"kind":"openid","channel":"WeChat","value":"b"}`,
		`{"kind":"unionid","channel":"t/m","value":"b"}`, `{"kind":"wecom","channel":"1wecom","value":"b"}`, `{"kind":"buyer","channel":"tmall","value":" b"}`, `{"kind":"buyer","channel":"tmall","value":"b\t"}`,
		`{"kind":"buyer","channel":"tmall","value":"b\u200b"}`, `{"kind":"buyer","channel":"tmall","value":"` + strings.Repeat("字", 43) + `"}`, `{"kind":"buyer","value":"b"}`, `{"kind":"phone","value":"1380000"}`, `{"kind":"buyer","channel":"tmall","value":"   "}`,
	} {
		status, answer := b.post("/v1/members", fmt.Sprint("i", i), `{"identities":[`+identity+`]}`)
		if status != http.StatusBadRequest || !strings.Contains(answer, `"pointer":"/identities/0/`) {
			t.Errorf("%s: %d %s", identity, status, answer)
		}
	}
	if after := b.snapshot(t); after != before {
		t.Errorf("a refusal wrote %s", after)
	}
}

// gateway calls as API Gateway does, which decodes the path.
func (b *brand) gateway(method, path, body, key string) (int, string) {
	b.t.Helper()
	decoded, err := url.PathUnescape(path)
	if err != nil {
		b.t.Fatal(err)
	}
	event := events.APIGatewayV2HTTPRequest{
		RawPath: decoded, Body: body,
		Headers: map[string]string{"authorization": "Bearer " + adminToken, "content-type": "application/json", "idempotency-key": key},
	}
	event.RequestContext.HTTP.Method = method
	answer, err := b.function.Handle()(b.t.Context(), event)
	if err != nil {
		b.t.Fatal(err)
	}
	contract.Check(b.t, event, answer)
	return answer.StatusCode, answer.Body
}

func TestAnOrderIsReachableWhateverStandsInItsNumber(t *testing.T) {
	b := open(t)
	member := b.join("o-1")
	for i, id := range []string{"SO/2026/1", "1001", "#1001", "100%", "100%25", "a b", "订单/1", "/1", "1/", "a//b", "a+b&c=d;e", "..a", "a/binding", "x.y.", "~", "a\\b", `"`, "%2F"} {
		_, err := ledger.Post(t.Context(), b.function.Store, nil, ledger.News{
			Order: loyalty.OrderKey{Channel: "tmall", Shop: "flag ship", Order: id},
			Fact:  points.Fact{Kind: points.FactPaid, At: now, Lines: []points.Line{{ID: "1", Quantity: 1, Paid: 10_000}}},
		}, now)
		if err != nil {
			t.Fatal(err)
		}
		path := "/v1/orders/tmall/flag%20ship/" + strings.ReplaceAll(url.PathEscape(id), ".", "%2E") + "/binding"
		status, answer := b.gateway("POST", path, fmt.Sprintf(`{"member_id":%q,"reason":"called"}`, member), fmt.Sprint("g", i))
		if status != http.StatusOK || field(t, answer, "order_id") != id {
			t.Errorf("%q by the gateway: %d %s", id, status, answer)
		}
		status, answer, _ = b.call(request{method: "GET", path: path, token: adminToken})
		if status != http.StatusOK || field(t, answer, "order_id") != id || field(t, answer, "member_id") != member {
			t.Errorf("%q: %d %s", id, status, answer)
		}
	}
}

func TestAQueryThatNobodyReadsIsRefused(t *testing.T) {
	b := open(t)
	for _, path := range []string{
		"/v1/audiences?limit=1&limit=2", "/v1/audiences?limit=1&limit=1", "/v1/audiences?LIMIT=1", "/v1/audiences?page=2", "/v1/program?x", "/v1/audiences?limit=%zz", "/v1/members/m0?cursor=a",
		"/v1/audit?from=2026-11-21T10:00:00%2B24:00", "/v1/audit?from=2026-11-21T9:00:00Z", "/v1/audit?from=2026-11-21", "/v1/audit?from=2026-11-01T00:00:00Z&from=2026-11-02T00:00:00Z",
		"/v1/payouts?state=", "/v1/gifts?state=", "/v1/audit?from=", "/v1/audiences?limit=", "/v1/reports/liability?reconcile=",
		"/v1/reminders?due_before=2026-11-21T10:00:00-99:00", "/v1/reminders?due_before=0001-01-01T00:00:00Z",
	} {
		if status, answer, _ := b.call(request{method: "GET", path: path, token: adminToken}); status != http.StatusBadRequest || !strings.Contains(answer, `"errors":[{"pointer":"`) {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if status, answer, _ := b.call(request{method: "POST", path: "/v1/members?dry_run=true", token: adminToken, key: "q", body: joining}); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, answer)
	}
	if strings.Contains(b.everything(t), "b-1") {
		t.Error("a member was made")
	}
	for _, path := range []string{"/v1/audiences?limit=2", "/v1/audiences?limit=2&cursor=", "/v1/audit?from=2026-11-21T10:00:00%2B08:00"} {
		if status, answer, _ := b.call(request{method: "GET", path: path, token: adminToken}); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	for path, want := range map[string]int{"/healthz?utm_source=wechat&utm_source=x": 200, "/v1/card-batches/K9/rules?from=singlemessage": 404} {
		if status, answer, _ := b.call(request{method: "GET", path: path}); status != want {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if status, _, _ := b.call(request{method: "GET", path: "/v1/audiences?x=1"}); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
}

func TestWhatIsPublicIsReadWhateverTheAuthorizationSays(t *testing.T) {
	b := open(t)
	for _, header := range []string{"Basic YTpi", "Bearer nobody", "Bearer", "Digest x", "\x80", "Bearer " + strings.Repeat("x", 5000)} {
		for path, want := range map[string]int{"/healthz": 200, "/openapi.json": 200, "/program.schema.json": 200, "/console": 200, "/v1/card-batches/K9/rules": 404, "/v1/card-batches/K9/winners": 404, "/console/session": 401, "/v1/program": 401, "/nothing": 401} {
			request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			request.Header["Authorization"] = []string{header}
			recorder := &plain{header: http.Header{}}
			b.ServeHTTP(recorder, request)
			if recorder.status != want {
				t.Errorf("%s with %.10q: %d, want %d", path, header, recorder.status, want)
			}
		}
	}
}

// plain keeps the status of an answer.
type plain struct {
	header http.Header
	status int
}

func (p *plain) Header() http.Header { return p.header }
func (p *plain) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
}

func (p *plain) Write(raw []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return len(raw), nil
}

func TestTwoCharactersAreAReason(t *testing.T) {
	b := open(t)
	member := b.join("o-1")
	for reason, want := range map[string]int{"补发": 200, "ok": 200, "补": 400, "x": 400, "": 400} {
		status, answer := b.post("/v1/members/"+member+"/points/adjustments", fmt.Sprintf("reason-%d-%d", want, len(reason)), fmt.Sprintf(`{"points":5,"reason":%q}`, reason))
		if status != want {
			t.Errorf("%q: %d %s", reason, status, answer)
		}
	}
}

func TestALinkOfTheBrandIsHTTPS(t *testing.T) {
	b := open(t)
	for _, link := range []string{"javascript:alert(1)", "http://shop.example.com/", "data:text/html,x", "https://a:b@shop.example.com/", "https://shop.example.com/ x", "//shop.example.com", "https:///x"} {
		for _, where := range []string{`"homepage":%q`, `"friend_link":%q`, `"claim_link":%q`, `"links":{"":%q}`, `"links":{"tmall":%q}`} {
			body := `{"brand":{"name":"x","colour":"#000000","contact":"x",` + fmt.Sprintf(where, link) + `},"currency":"CNY","time_zone":"Asia/Shanghai","points":{"rate":{"points":1,"per_fen":100},"window":{"after_completion_days":7,"after_payment_days":30}},"repurchase":{"categories":{},"quiet_hours":{"from":"21:00","to":"09:00"},"cap":{"messages":4,"days":30}}}`
			if status, answer := b.put("/v1/program", body); status != http.StatusBadRequest || !strings.Contains(answer, `"pointer":"/brand/`) {
				t.Errorf("%s: %d %s", fmt.Sprintf(where, link), status, answer)
			}
		}
	}
}
