package operate_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/infra/contract"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/token"
)

const adminToken = "admin-token-of-the-test"

var now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// kept is a queue that keeps what was sent.
type kept struct {
	mu     sync.Mutex
	bodies []string
}

func (k *kept) Send(_ context.Context, bodies ...[]byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, body := range bodies {
		k.bodies = append(k.bodies, string(body))
	}
	return nil
}

type noQueues struct{ queue.Admin }

type brand struct {
	t       *testing.T
	engine  *embedded.Engine
	orders  *kept
	payouts *kept
	http.Handler
	function operate.Function
}

// ServeHTTP serves as the published document says, or fails the test.
func (b *brand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	contract.Serve(b.t, b.Handler, w, r)
}

func open(t *testing.T) *brand {
	engine := embedded.Memory()
	t.Cleanup(func() { engine.Close() })
	keys, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	b := &brand{t: t, engine: engine, orders: &kept{}, payouts: &kept{}}
	b.function = operate.Function{
		Store: store.Store{Table: engine}, Orders: b.orders, Payouts: b.payouts, Queues: noQueues{}, Keys: keys,
		PhoneKey: bytes.Repeat([]byte{7}, 32), TokenKey: bytes.Repeat([]byte{8}, 32),
		AdminToken: token.Hash(adminToken), PublicURL: "https://brand.example",
		Clock: func() time.Time { return now }, Random: rand.Reader,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	b.Handler = b.function.Handler()
	return b
}

type request struct {
	method, path, token, body, key, contentType string
}

// call sends a request and returns its status, its body and its headers.
func (b *brand) call(r request) (int, string, http.Header) {
	b.t.Helper()
	return b.callWith(b.t.Context(), r)
}

func (b *brand) callWith(ctx context.Context, r request) (int, string, http.Header) {
	b.t.Helper()
	httpRequest := httptest.NewRequestWithContext(ctx, r.method, r.path, strings.NewReader(r.body))
	if r.token != "" {
		httpRequest.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.body != "" {
		if r.contentType == "" {
			r.contentType = "application/json"
		}
		httpRequest.Header.Set("Content-Type", r.contentType)
	}
	if r.key != "" {
		httpRequest.Header.Set("Idempotency-Key", r.key)
	}
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, httpRequest)
	return recorder.Code, recorder.Body.String(), recorder.Header()
}

func (b *brand) post(path, key, body string) (int, string) {
	b.t.Helper()
	status, answer, _ := b.call(request{method: "POST", path: path, token: adminToken, key: key, body: body})
	return status, answer
}

func (b *brand) put(path, body string) (int, string) {
	b.t.Helper()
	status, answer, _ := b.call(request{method: "PUT", path: path, token: adminToken, body: body})
	return status, answer
}

func field(t *testing.T, document, name string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	return fmt.Sprint(fields[name])
}

const joining = `{"identities":[{"kind":"buyer","channel":"tmall","value":"b-1"}],"consents":["membership","marketing"]}`

func TestEnrolMakesOneMemberForAnIdentity(t *testing.T) {
	b := open(t)
	status, first := b.post("/v1/members", "k1", joining)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, first)
	}
	status, again := b.post("/v1/members", "k2", `{"identities":[{"kind":"buyer","channel":"tmall","value":"b-1"},{"kind":"phone","value":"13800000000"}]}`)
	if status != http.StatusOK || field(t, again, "member_id") != field(t, first, "member_id") {
		t.Fatalf("%d %s", status, again)
	}
	if strings.Contains(again, "13800000000") || !strings.Contains(again, "0000") {
		t.Errorf("the phone is not masked: %s", again)
	}
	if n := len(b.orders.bodies); n != 3 {
		t.Errorf("%d messages ask for waiting orders, want one for each identity and call", n)
	}
	status, other := b.post("/v1/members", "k3", `{"identities":[{"kind":"openid","channel":"wechat","value":"o-2"}]}`)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, other)
	}
	status, conflict := b.post("/v1/members", "k4", `{"identities":[{"kind":"openid","channel":"wechat","value":"o-2"},{"kind":"buyer","channel":"tmall","value":"b-1"}]}`)
	if status != http.StatusConflict {
		t.Errorf("identities of two members: %d %s", status, conflict)
	}
}

func TestAnIdempotencyKeyGivesTheFirstAnswerAgain(t *testing.T) {
	b := open(t)
	status, first := b.post("/v1/members", "same", joining)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, first)
	}
	status, again, header := b.call(request{method: "POST", path: "/v1/members", token: adminToken, key: "same", body: joining})
	if status != http.StatusCreated || again != first || header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %s %v", status, again, header)
	}
	if status, answer := b.post("/v1/members", "same", strings.Replace(joining, "b-1", "b-2", 1)); status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d %s", status, answer)
	}
	if status, answer := b.post("/v1/members", "", joining); status != http.StatusBadRequest || !strings.Contains(answer, "Idempotency-Key") {
		t.Errorf("no key: %d %s", status, answer)
	}
	statuses := make(chan int, 16)
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			status, _ := b.post("/v1/members", "parallel", strings.Replace(joining, "b-1", "b-9", 1))
			statuses <- status
		})
	}
	wait.Wait()
	close(statuses)
	for status := range statuses {
		if status != http.StatusCreated && status != http.StatusConflict {
			t.Errorf("a parallel repeat got %d", status)
		}
	}
}

// Every refusal is a problem document that repeats nothing, and leaves the
// table as it was.
func TestRefusals(t *testing.T) {
	b := open(t)
	const canary = "13912345678"
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for name, test := range map[string]struct {
		request
		status int
	}{
		"no token":                   {request{method: "GET", path: "/v1/program"}, 401},
		"unknown token":              {request{method: "GET", path: "/v1/program", token: "nobody"}, 401},
		"unknown path":               {request{method: "GET", path: "/v1/nothing", token: adminToken}, 404},
		"path outside":               {request{method: "GET", path: "/wp-login.php"}, 404},
		"unknown method":             {request{method: "PATCH", path: "/v1/program", token: adminToken}, 405},
		"empty body":                 {request{method: "POST", path: "/v1/members", token: adminToken, key: "a"}, 400},
		"null":                       {request{method: "POST", path: "/v1/members", token: adminToken, key: "b", body: "null"}, 400},
		"array":                      {request{method: "POST", path: "/v1/members", token: adminToken, key: "c", body: "[]"}, 400},
		"truncated":                  {request{method: "POST", path: "/v1/members", token: adminToken, key: "d", body: `{"identities":`}, 400},
		"trailing bytes":             {request{method: "POST", path: "/v1/members", token: adminToken, key: "e", body: joining + "{}"}, 400},
		"key twice":                  {request{method: "POST", path: "/v1/members", token: adminToken, key: "f", body: `{"identities":[],"identities":[]}`}, 400},
		"byte order mark":            {request{method: "POST", path: "/v1/members", token: adminToken, key: "g", body: "\ufeff" + joining}, 400},
		"GBK":                        {request{method: "POST", path: "/v1/members", token: adminToken, key: "h", body: "{\"birthday\":\"\xc4\xe3\"}"}, 400},
		"too deep":                   {request{method: "POST", path: "/v1/members", token: adminToken, key: "i", body: deep}, 400},
		"too large":                  {request{method: "POST", path: "/v1/members", token: adminToken, key: "j", body: `{"a":"` + strings.Repeat("x", 300_000) + `"}`}, 413},
		"not JSON":                   {request{method: "POST", path: "/v1/members", token: adminToken, key: "k", body: joining, contentType: "text/plain"}, 415},
		"GBK charset":                {request{method: "POST", path: "/v1/members", token: adminToken, key: "l", body: joining, contentType: "application/json; charset=gbk"}, 415},
		"unknown field":              {request{method: "POST", path: "/v1/members", token: adminToken, key: "m", body: `{"identities":[{"kind":"buyer","channel":"tmall","value":"x"}],"points":1000000000}`}, 400},
		"unknown kind":               {request{method: "POST", path: "/v1/members", token: adminToken, key: "n", body: `{"identities":[{"kind":"fax","channel":"tmall","value":"` + canary + `"}]}`}, 400},
		"not a phone":                {request{method: "POST", path: "/v1/members", token: adminToken, key: "o", body: `{"identities":[{"kind":"phone","value":"` + canary + `99"}]}`}, 400},
		"masked buyer":               {request{method: "POST", path: "/v1/members", token: adminToken, key: "p", body: `{"identities":[{"kind":"buyer","channel":"tmall","value":"t**9"}]}`}, 400},
		"key with control bytes":     {request{method: "POST", path: "/v1/members", token: adminToken, key: "a\tb", body: joining}, 400},
		"key too long":               {request{method: "POST", path: "/v1/members", token: adminToken, key: strings.Repeat("k", 256), body: joining}, 400},
		"unknown member":             {request{method: "GET", path: "/v1/members/m0/points", token: adminToken}, 404},
		"encoded slash in an id":     {request{method: "GET", path: "/v1/members/..%2f..%2fadmin/points", token: adminToken}, 404},
		"limit too high":             {request{method: "GET", path: "/v1/audiences?limit=1000", token: adminToken}, 400},
		"foreign cursor":             {request{method: "GET", path: "/v1/audiences?cursor=abc", token: adminToken}, 400},
		"audience with a typo":       {request{method: "PUT", path: "/v1/audiences/a", token: adminToken, body: `{"rule":"ordres > 1"}`}, 400},
		"campaign without audience":  {request{method: "PUT", path: "/v1/campaigns/c", token: adminToken, body: `{"audience":"a","template":"t","schedule":{"cron":"0 10 * * *"}}`}, 400},
		"campaign with a route":      {request{method: "PUT", path: "/v1/campaigns/c", token: adminToken, body: `{"audience":"a","template":"t","schedule":{"cron":"0 10 * * *"},"route":"tmall"}`}, 400},
		"coupon of platform codes":   {request{method: "PUT", path: "/v1/coupon-templates/t", token: adminToken, body: `{"name":"x","kind":"pool","discount":200,"validity":{"days":1}}`}, 400},
		"coupon above its order":     {request{method: "PUT", path: "/v1/coupon-templates/t", token: adminToken, body: `{"name":"x","threshold":100,"discount":200,"validity":{"days":1}}`}, 400},
		"float for money":            {request{method: "PUT", path: "/v1/coupon-templates/t", token: adminToken, body: `{"name":"x","discount":1.5,"validity":{"days":1}}`}, 400},
		"program of an unknown zone": {request{method: "PUT", path: "/v1/program", token: adminToken, body: `{"brand":{"name":"x","colour":"#000000","contact":"x"},"currency":"CNY","time_zone":"Mars/Base","points":{"rate":{"points":1,"per_fen":100},"window":{"after_completion_days":7,"after_payment_days":30}},"repurchase":{"categories":{},"quiet_hours":{"from":"21:00","to":"09:00"},"cap":{"messages":4,"days":30}}}`}, 400},
		"a bonus of 1001 percent":    {request{method: "PUT", path: "/v1/program", token: adminToken, body: `{"brand":{"name":"x","colour":"#000000","contact":"x"},"currency":"CNY","time_zone":"Asia/Shanghai","points":{"rate":{"points":1,"per_fen":100},"window":{"after_completion_days":7,"after_payment_days":30},"bonuses":{"channels":{"tmall":1001}}},"repurchase":{"categories":{},"quiet_hours":{"from":"21:00","to":"09:00"},"cap":{"messages":4,"days":30}}}`}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			before := b.snapshot(t)
			status, answer, header := b.call(test.request)
			if status != test.status {
				t.Fatalf("%d, want %d: %s", status, test.status, answer)
			}
			if got := header.Get("Content-Type"); got != "application/problem+json; charset=utf-8" && got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if got := header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("cache control %q", got)
			}
			if status == 405 && header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if field(t, answer, "status") != fmt.Sprint(test.status) || !strings.HasPrefix(field(t, answer, "type"), "https://huitou.dev/problems/") {
				t.Errorf("no problem document: %s", answer)
			}
			if strings.Contains(answer, canary) {
				t.Errorf("the answer repeats a value: %s", answer)
			}
			// What is remembered of a key, and that it was refused, is all that
			// a sound but refused request may leave.
			if after := b.snapshot(t); after != before {
				t.Errorf("the refusal wrote: %s", after)
			}
		})
	}
}

// huma's reader of Accept panics on some of these; each gets JSON.
func TestAMalformedAcceptHeaderIsNoFault(t *testing.T) {
	b := open(t)
	for _, accept := range []string{"a;,b", "; ; ,", ";", ",", "a/b;q", "a/b;q=;", "*/*;q=x", "text/html;q=0.9,;", strings.Repeat("a;,", 1000), "\x00"} {
		request := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		request.Header["Accept"] = []string{accept}
		recorder := httptest.NewRecorder()
		b.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusOK {
			t.Errorf("%.20q: %d %s", accept, recorder.Code, recorder.Body)
		}
	}
}

// snapshot is the table but for the answers remembered under Idempotency-Keys,
// the audit log and when tokens were last used.
func (b *brand) snapshot(t *testing.T) string {
	t.Helper()
	var lines []string
	scan := table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := b.engine.Scan(t.Context(), scan)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			if strings.HasPrefix(item.Key.PK, "T#") {
				delete(item.Attributes, "used")
			}
			if !strings.HasPrefix(item.Key.PK, "X#") && !strings.HasPrefix(item.Key.PK, "A#") {
				lines = append(lines, fmt.Sprint(item))
			}
		}
		if page.Next == "" {
			slices.Sort(lines)
			return strings.Join(lines, "\n")
		}
		scan.Cursor = page.Next
	}
}

func TestRolesOpenWhatTheyShould(t *testing.T) {
	b := open(t)
	tokens := map[token.Role]string{}
	for _, role := range token.Roles {
		status, answer := b.post("/v1/operators", "op-"+string(role), fmt.Sprintf(`{"name":"%s-1","role":%q}`, role, role))
		if status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
		tokens[role] = field(t, answer, "token")
		if _, again := b.post("/v1/operators", "op-"+string(role), fmt.Sprintf(`{"name":"%s-1","role":%q}`, role, role)); field(t, again, "token") != tokens[role] {
			t.Errorf("%s: the repeat gave another token", role)
		}
	}
	if strings.Contains(b.everything(t), tokens[token.RoleAdmin]) {
		t.Error("a token stands in the table in plain")
	}
	if status, answer := b.post("/v1/operators", "another", `{"name":"viewer-1","role":"admin"}`); status != http.StatusConflict {
		t.Errorf("a name taken twice: %d %s", status, answer)
	}
	for _, test := range []struct {
		method, path, body string
		may                []token.Role
	}{
		{"GET", "/v1/program", "", []token.Role{token.RoleViewer, token.RoleOperator, token.RoleIntegration, token.RoleAdmin}},
		{"POST", "/v1/members", joining, []token.Role{token.RoleOperator, token.RoleIntegration, token.RoleAdmin}},
		{"GET", "/v1/members/m0", "", []token.Role{token.RoleViewer, token.RoleOperator, token.RoleIntegration, token.RoleAdmin}},
		{"POST", "/v1/members/m0/tokens", "", []token.Role{token.RoleIntegration, token.RoleAdmin}},
		{"PUT", "/v1/coupon-templates/t", `{"name":"x","discount":100,"validity":{"days":1}}`, []token.Role{token.RoleOperator, token.RoleAdmin}},
		{"GET", "/v1/card-batches/K-00000/cards.csv", "", []token.Role{token.RoleOperator, token.RolePrinter, token.RoleAdmin}},
		{"POST", "/v1/operators", `{"name":"x","role":"viewer"}`, []token.Role{token.RoleAdmin}},
	} {
		for role, operatorToken := range tokens {
			status, answer, _ := b.call(request{method: test.method, path: test.path, token: operatorToken, key: "roles-" + test.path, body: test.body})
			if allowed := status != http.StatusForbidden; allowed != slices.Contains(test.may, role) {
				t.Errorf("%s %s as %s: %d %s", test.method, test.path, role, status, answer)
			}
		}
	}
	if status, _, _ := b.call(request{method: "GET", path: "/v1/program", token: memberToken(t)}); status != http.StatusForbidden {
		t.Errorf("a member's token on an operator's call: %d", status)
	}
}

func memberToken(t *testing.T) string {
	raw, _, err := token.NewMember(bytes.Repeat([]byte{8}, 32), "m1", now)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (b *brand) everything(t *testing.T) string {
	page, err := b.engine.Scan(t.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(page.Items)
}

const batch = `{"name":"双十一包裹卡","count":100,"arms":[{"name":"a","form":"scratch","weight":1,"prizes":[{"kind":"points","value":100,"quantity":60},{"kind":"gift","value":"试用装","quantity":10,"worth":1000}]}],
"valid_from":"2026-11-01T00:00:00+08:00","valid_to":"2027-02-01T00:00:00+08:00","rules_text":"每张卡可刮一次。"}`

func TestABatchIsMadeOnceAndActivatedByTwo(t *testing.T) {
	b := open(t)
	status, made := b.post("/v1/card-batches", "batch-1", batch)
	if status != http.StatusAccepted {
		t.Fatalf("%d %s", status, made)
	}
	id := field(t, made, "id")
	if _, again := b.post("/v1/card-batches", "batch-1", batch); field(t, again, "id") != id {
		t.Errorf("the repeat made another batch: %s", again)
	}
	if _, other := b.post("/v1/card-batches", "batch-2", batch); field(t, other, "id") == id {
		t.Error("two requests made one batch")
	}
	var tokens []string
	for _, name := range []string{"zhang", "li"} {
		_, answer := b.post("/v1/operators", name, fmt.Sprintf(`{"name":%q,"role":"operator"}`, name))
		tokens = append(tokens, field(t, answer, "token"))
	}
	for i, want := range []struct {
		token  string
		status int
		state  string
	}{{tokens[0], 202, "created"}, {tokens[0], 202, "created"}, {tokens[1], 200, "active"}, {tokens[0], 200, "active"}} {
		status, answer, _ := b.call(request{method: "POST", path: "/v1/card-batches/" + id + "/activation", token: want.token, key: fmt.Sprint("act-", i)})
		if status != want.status || field(t, answer, "state") != want.state {
			t.Errorf("activation %d: %d %s", i, status, answer)
		}
	}
	_, codes, header := b.call(request{method: "GET", path: "/v1/card-batches/" + id + "/cards.csv", token: adminToken})
	if lines := strings.Split(strings.TrimSpace(codes), "\n"); len(lines) != 101 || !strings.Contains(lines[1], "HTTPS://BRAND.EXAMPLE/C/") {
		t.Errorf("%d lines of %.200s, %v", len(lines), codes, header)
	}
	_, sheet, _ := b.call(request{method: "GET", path: "/v1/card-batches/" + id + "/sheet.html?limit=6", token: adminToken})
	if strings.Count(sheet, `class="symbol"`) != 6 {
		t.Errorf("the sheet holds %d symbols, want 6", strings.Count(sheet, `class="symbol"`))
	}
	status, rules, _ := b.call(request{method: "GET", path: "/v1/card-batches/" + id + "/rules"})
	if status != http.StatusOK || !strings.Contains(rules, `"quantity":60`) {
		t.Errorf("published rules: %d %s", status, rules)
	}
}

func TestNoCodeIsPrintedForAnAddressNobodyKnows(t *testing.T) {
	b := open(t)
	_, made := b.post("/v1/card-batches", "batch-1", batch)
	b.function.PublicURL = ""
	b.Handler = b.function.Handler()
	for _, path := range []string{"cards.csv", "sheet.html"} {
		status, answer, _ := b.call(request{method: "GET", path: "/v1/card-batches/" + field(t, made, "id") + "/" + path, token: adminToken})
		if status != http.StatusConflict || !strings.Contains(answer, "public_url_unset") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

func TestPointsAreReservedCommittedAndCancelled(t *testing.T) {
	b := open(t)
	_, joined := b.post("/v1/members", "m", joining)
	id := field(t, joined, "member_id")
	if err := b.engine.Write(t.Context(), store.UpdateAccount(loyalty.MemberID(id), []table.Change{table.Add("available", 100)})); err != nil {
		t.Fatal(err)
	}
	reservations := "/v1/members/" + id + "/points/reservations"
	status, first := b.post(reservations, "r1", `{"points":60,"reason":"order 1001"}`)
	if status != http.StatusCreated || field(t, first, "state") != "reserved" {
		t.Fatalf("%d %s", status, first)
	}
	if _, again := b.post(reservations, "r1", `{"points":60,"reason":"order 1001"}`); again != first {
		t.Errorf("the repeat answered %s", again)
	}
	if status, answer := b.post(reservations, "r2", `{"points":41,"reason":"order 1002"}`); status != http.StatusConflict || !strings.Contains(answer, "points_insufficient") {
		t.Errorf("more than there is: %d %s", status, answer)
	}
	for _, amount := range []string{"0", "-1", "1.5", "9223372036854775808"} {
		if status, answer := b.post(reservations, "bad"+amount, `{"points":`+amount+`,"reason":"x"}`); status != http.StatusBadRequest {
			t.Errorf("%s points: %d %s", amount, status, answer)
		}
	}
	one := reservations + "/" + field(t, first, "id")
	if status, answer := b.post(one+"/commit", "c1", ""); status != http.StatusOK || field(t, answer, "state") != "committed" {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := b.post(one+"/cancel", "c2", ""); status != http.StatusConflict || !strings.Contains(answer, "reservation_committed") {
		t.Errorf("cancel after commit: %d %s", status, answer)
	}
	status, other := b.post("/v1/members", "m2", strings.Replace(joining, "b-1", "b-2", 1))
	if status != http.StatusCreated {
		t.Fatal(other)
	}
	if status, _ := b.post(strings.Replace(one, id, field(t, other, "member_id"), 1)+"/commit", "c3", ""); status != http.StatusNotFound {
		t.Errorf("another member's reservation: %d", status)
	}
	_, ledger, _ := b.call(request{method: "GET", path: "/v1/members/" + id + "/points/ledger", token: adminToken})
	if strings.Count(ledger, `"kind":"spend"`) != 1 || !strings.Contains(ledger, `"available":-60`) {
		t.Errorf("ledger %s", ledger)
	}
}

func TestSpentPointsComeBackByTheOrderOrByHand(t *testing.T) {
	b := open(t)
	_, joined := b.post("/v1/members", "m", joining)
	id := field(t, joined, "member_id")
	if err := b.engine.Write(t.Context(), store.UpdateAccount(loyalty.MemberID(id), []table.Change{table.Add("available", 100)})); err != nil {
		t.Fatal(err)
	}
	reservations := "/v1/members/" + id + "/points/reservations"
	_, first := b.post(reservations, "r1", `{"points":60,"reason":"order 1001"}`)
	_, second := b.post(reservations, "r2", `{"points":40,"reason":"a draw"}`)
	ordered, drawn := reservations+"/"+field(t, first, "id"), reservations+"/"+field(t, second, "id")
	const order = `"order":{"channel":"tmall","shop":"flagship","order_id":"1001"}`
	if status, answer := b.post(ordered+"/commit", "c0", `{"order":{"channel":"tmall","shop":"flagship"}}`); status != http.StatusBadRequest {
		t.Errorf("an order without its number: %d %s", status, answer)
	}
	if status, answer := b.post(ordered+"/commit", "c1", "{"+order+"}"); status != http.StatusOK || !strings.Contains(answer, order) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := b.post(ordered+"/return", "b1", `{"reason":"returned"}`); status != http.StatusConflict || !strings.Contains(answer, "committed_by_order") {
		t.Errorf("an order's: %d %s", status, answer)
	}
	if status, answer := b.post(drawn+"/commit", "c2", ""); status != http.StatusOK || strings.Contains(answer, `"order"`) {
		t.Errorf("%d %s", status, answer)
	}
	for range 2 {
		if status, answer := b.post(drawn+"/return", "b2", `{"points":15,"reason":"void"}`); status != http.StatusOK || field(t, answer, "returned") != "15" {
			t.Errorf("%d %s", status, answer)
		}
	}
	if status, answer := b.post(drawn+"/return", "b3", `{"points":26,"reason":"void"}`); status != http.StatusConflict || !strings.Contains(answer, "points_returned") {
		t.Errorf("more than is left: %d %s", status, answer)
	}
	_, ledger, _ := b.call(request{method: "GET", path: "/v1/members/" + id + "/points/ledger", token: adminToken})
	if strings.Count(ledger, `"kind":"return"`) != 1 || !strings.Contains(ledger, `"available":15`) {
		t.Errorf("ledger %s", ledger)
	}
}

func TestACorrectionAboveTheLimitTakesTwoOperators(t *testing.T) {
	b := open(t)
	_, joined := b.post("/v1/members", "m", joining)
	adjustments := "/v1/members/" + field(t, joined, "member_id") + "/points/adjustments"
	if status, answer := b.post(adjustments, "a1", `{"points":1000,"reason":"late parcel"}`); status != http.StatusOK || field(t, answer, "state") != "made" {
		t.Errorf("%d %s", status, answer)
	}
	status, waiting := b.post(adjustments, "a2", `{"points":1001,"reason":"late parcel"}`)
	if status != http.StatusAccepted || field(t, waiting, "state") != "waiting" {
		t.Fatalf("%d %s", status, waiting)
	}
	approval := adjustments + "/" + field(t, waiting, "id") + "/approval"
	if status, answer := b.post(approval, "a3", ""); status != http.StatusForbidden || !strings.Contains(answer, "second_operator") {
		t.Errorf("the proposer approved: %d %s", status, answer)
	}
	_, li := b.post("/v1/operators", "li", `{"name":"li","role":"operator"}`)
	if status, answer, _ := b.call(request{method: "POST", path: approval, token: field(t, li, "token"), key: "a4"}); status != http.StatusOK || field(t, answer, "state") != "made" {
		t.Errorf("%d %s", status, answer)
	}
	for key, body := range map[string]string{"zero": `{"points":0,"reason":"nothing"}`, "no reason": `{"points":1}`, "more than there is": `{"points":-999,"reason":"late parcel","x":1}`} {
		if status, answer := b.post(adjustments, "bad-"+strings.ReplaceAll(key, " ", "-"), body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", key, status, answer)
		}
	}
	_, ledger, _ := b.call(request{method: "GET", path: strings.TrimSuffix(adjustments, "adjustments") + "ledger", token: adminToken})
	if strings.Count(ledger, `"kind":"adjust"`) != 2 {
		t.Errorf("ledger %s", ledger)
	}
}

func TestAPreviewCountsWhoMatches(t *testing.T) {
	b := open(t)
	for i := range 150 {
		consents := `"membership"`
		if i%3 == 0 {
			consents = `"marketing"`
		}
		if status, answer := b.post("/v1/members", fmt.Sprint("m-", i), fmt.Sprintf(`{"identities":[{"kind":"openid","channel":"wechat","value":"o-%d"}],"consents":[%s]}`, i, consents)); status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if status, answer := b.put("/v1/audiences/marketing", `{"name":"可触达","rule":"consents.marketing"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	_, answer := b.post("/v1/audiences/marketing/preview", "p", "")
	if field(t, answer, "count") != "50" || field(t, answer, "looked_at") != "150" || field(t, answer, "complete") != "true" {
		t.Errorf("preview %s", answer)
	}
}

func TestAProgramTakesEffectOnceAndNeverInThePast(t *testing.T) {
	b := open(t)
	_, current, _ := b.call(request{method: "GET", path: "/v1/program", token: adminToken})
	var document map[string]any
	if err := json.Unmarshal([]byte(current), &document); err != nil {
		t.Fatal(err)
	}
	if document["version"] != float64(0) {
		t.Fatalf("a new brand's program has version %v", document["version"])
	}
	for _, name := range []string{"version", "versions", "effective_at"} {
		delete(document, name)
	}
	document["points"].(map[string]any)["rate"] = map[string]any{"points": 2, "per_fen": 100}
	changed, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		status, answer := b.put("/v1/program", string(changed))
		if status != http.StatusOK || field(t, answer, "version") != "1" {
			t.Errorf("%d %s", status, answer)
		}
	}
	document["points"].(map[string]any)["bonuses"] = map[string]any{
		"member_day": map[string]any{"days": []int{18}, "percent": 100}, "tiers": map[string]any{"gold": 20}, "first_order": 50,
		"campaigns": []any{map[string]any{"name": "双11", "from": "2026-11-10T20:00:00+08:00", "to": "2026-11-12T00:00:00+08:00", "percent": 25, "channels": []string{"tmall"}}},
	}
	document["points"].(map[string]any)["cap_per_day"] = 5_000
	rich, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is the same document, dates and all
		status, answer := b.put("/v1/program", string(rich))
		if status != http.StatusOK || field(t, answer, "version") != "2" {
			t.Errorf("%d %s", status, answer)
		}
	}
	document["effective_at"] = "2026-11-20T00:00:00Z"
	past, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := b.put("/v1/program", string(past)); status != http.StatusBadRequest {
		t.Errorf("a version in the past: %d %s", status, answer)
	}
}
