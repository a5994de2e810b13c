package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const problemJSON = "application/problem+json"

// refusal demands a problem document of a status and gives its type's code.
func refusal(t *testing.T, name string, a answer, status int) string {
	t.Helper()
	var document struct {
		Type     string
		Status   int
		Title    string
		Instance string
	}
	if err := json.Unmarshal(a.body, &document); err != nil {
		t.Errorf("%s: %d %q is no problem document", name, a.status, a.body)
		return ""
	}
	// A path that only the local process has is answered by no function and has
	// no request id.
	local := a.header.Get("Apigw-Requestid") == ""
	if a.status != status || document.Status != status || document.Title == "" || (document.Instance == "") != local ||
		!strings.HasPrefix(a.header.Get("Content-Type"), problemJSON) {
		t.Errorf("%s: %d %s %s, want %d", name, a.status, a.header.Get("Content-Type"), a.body, status)
	}
	return document.Type[strings.LastIndex(document.Type, "/")+1:]
}

func TestBodiesOfAnySize(t *testing.T) {
	p := shared(t)
	member := p.member(t, buyerOf("sizes"))
	const most = 200 << 10
	padded := func(order string, size int) []byte {
		body := encode(t, milk(order, "sizes", 1_000, time.Now()))
		return append(body, bytes.Repeat([]byte(" "), size-len(body))...)
	}
	send := func(body []byte) answer {
		return p.do(t, http.MethodPost, genericHook, p.sign(t, time.Now(), body), body)
	}
	send(padded("SIZE-1", most)).read(t, http.StatusAccepted, nil)
	refusal(t, "a byte too many", send(padded("SIZE-2", most+1)), http.StatusRequestEntityTooLarge)
	refusal(t, "1 MB", send(padded("SIZE-3", 1<<20)), http.StatusRequestEntityTooLarge)
	refusal(t, "1 MB to the API", p.do(t, http.MethodPost, "/v1/members", operator(p.token), padded("SIZE-4", 1<<20)), http.StatusRequestEntityTooLarge)
	// Beyond what API Gateway and Lambda let through, the gateway itself answers.
	for _, size := range []int{7 << 20, 11 << 20} {
		if a := send(padded("SIZE-5", size)); a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes: %d %s", size, a.status, a.body)
		}
	}
	p.rest(t)
	if entries := p.ledger(t, member); len(entries) != 1 || entries[0].OrderID != "SIZE-1" {
		t.Errorf("the ledger has %+v", entries)
	}
}

func TestOtherMediaAreRefused(t *testing.T) {
	p := shared(t)
	for name, change := range map[string]map[string]string{
		"text":       {"Content-Type": "text/plain"},
		"a form":     {"Content-Type": "application/x-www-form-urlencoded"},
		"none":       {"Content-Type": ""},
		"GBK":        {"Content-Type": "application/json; charset=gbk"},
		"malformed":  {"Content-Type": "application/json;;;"},
		"compressed": {"Content-Encoding": "gzip"},
	} {
		body := encode(t, milk("MEDIA-1", "media", 1_000, time.Now()))
		for path, header := range map[string]map[string]string{
			genericHook:                  p.sign(t, time.Now(), body),
			"/v1/members":                operator(p.token),
			"/c/ABC/redemption":          maps.Clone(asJSON),
			"/v1/coupon-templates/media": operator(p.token),
		} {
			maps.Copy(header, change)
			method := http.MethodPost
			if strings.HasPrefix(path, "/v1/coupon") {
				method = http.MethodPut
			}
			refusal(t, name+" to "+path, p.do(t, method, path, header, body), http.StatusUnsupportedMediaType)
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	p := shared(t)
	for _, unknown := range []string{
		"GET /nothing", "POST /nothing", "GET /", "GET /v1", "GET /v1/nothing", "POST /v1/members/nobody/nothing",
		"POST /hooks/orders", "POST /hooks/orders/nobody", "POST /hooks/orders/generic/more", "GET /c", "GET /c/a/b/c", "DELETE /",
		"GET /c/..%2F..%2Fv1%2Fmembers", "POST /_local/nothing", "GET /_localnothing", "POST /_local/schedules/Nobody/Never",
	} {
		method, path, _ := strings.Cut(unknown, " ")
		a := p.do(t, method, path, operator(p.token), nil)
		if strings.HasPrefix(path, "/c/..") {
			if a.status != http.StatusNotFound {
				t.Errorf("%s: %d", unknown, a.status)
			}
			continue
		}
		refusal(t, unknown, a, http.StatusNotFound)
	}
	for request, allowed := range map[string]string{
		"DELETE /v1/members":                          "GET, HEAD, POST",
		"PATCH /v1/program":                           "GET, HEAD, PUT",
		"POST /v1/queues":                             "GET, HEAD",
		"POST /healthz":                               "GET, HEAD",
		"GET /hooks/orders/generic":                   "POST",
		"PUT /hooks/orders/youzan":                    "POST",
		"GET /c/ABC/redemption":                       "POST",
		"DELETE /c/ABC":                               "GET, HEAD, POST",
		"GET /_local/clock":                           "POST",
		"POST /_local/outbox":                         "GET, HEAD",
		"DELETE /_local":                              "GET, HEAD",
		"GET /_local/schedules/RunCampaigns/Whatever": "POST",
	} {
		method, path, _ := strings.Cut(request, " ")
		a := p.do(t, method, path, operator(p.token), nil)
		refusal(t, request, a, http.StatusMethodNotAllowed)
		if got := a.header.Get("Allow"); got != allowed {
			t.Errorf("%s: Allow is %q, want %q", request, got, allowed)
		}
	}
}

// raw sends bytes as they are and gives the status line's number.
func (p *process) raw(t *testing.T, request string) int {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(p.address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	// The other side may answer and close before it has read everything.
	go func() { _, _ = io.WriteString(connection, request) }()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Errorf("%.60q: no answer: %v", request, err)
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestHeaderBombs(t *testing.T) {
	p := shared(t)
	var many strings.Builder
	for i := range 3_000 {
		fmt.Fprintf(&many, "X-%d: %d\r\n", i, i)
	}
	for name, request := range map[string]struct {
		text string
		want []int
	}{
		"11 KB in one":           {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Bomb: " + strings.Repeat("a", 11<<10) + "\r\n\r\n", []int{431}},
		"1 MB in one":            {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Bomb: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", []int{431}},
		"3,000 headers":          {"GET /healthz HTTP/1.1\r\nHost: x\r\n" + many.String() + "\r\n", []int{431}},
		"a path of 100 KB":       {"GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", []int{404, 414, 431}},
		"a newline in a header":  {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\nb\r\n\r\n", []int{400}},
		"no host":                {"GET /healthz HTTP/1.1\r\n\r\n", []int{400}},
		"two lengths":            {"POST /v1/members HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", []int{400}},
		"a length and chunks":    {"POST /v1/members HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400, 401}},
		"a NUL in the path":      {"GET /v1/members/a%00b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{401, 404}},
		"a bad escape":           {"GET /v1/members/%zz HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		"an unknown method":      {"BREW /v1/members HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{405}},
		"half a million cookies": {"GET /healthz HTTP/1.1\r\nHost: x\r\nCookie: " + strings.Repeat("a=b; ", 100_000) + "\r\n\r\n", []int{431}},
	} {
		if got := p.raw(t, request.text); !slices.Contains(request.want, got) {
			t.Errorf("%s: %d, want one of %v", name, got, request.want)
		}
	}
	p.do(t, http.MethodGet, "/healthz", nil, nil).read(t, http.StatusOK, nil)
}

func TestMalformedEventsAreRefusedByName(t *testing.T) {
	p := shared(t)
	member := p.member(t, buyerOf("malformed"))
	good := string(encode(t, milk("MALFORMED-1", "malformed", 1_000, time.Now())))
	swap := func(old, with string) string {
		changed := strings.Replace(good, old, with, 1)
		if changed == good {
			t.Fatalf("%q is not in %s", old, good)
		}
		return changed
	}
	p.rest(t)
	before := p.queues(t)
	for name, body := range map[string]string{
		"empty":           "",
		"null":            "null",
		"a list":          "[" + good + "]",
		"cut":             good[:len(good)-1],
		"something after": good + "{}",
		"a name twice":    swap(`"shop":`, `"shop":"a","shop":`),
		"not UTF-8":       swap("MALFORMED-1", "\xff\xfe"),
		"a BOM":           "\ufeff" + good,
		"deep":            swap(`"shop":"flagship"`, `"shop":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)),
		"unknown field":   swap(`"shop":`, `"shopp":"x","shop":`),
		"unknown type":    swap("order.paid", "order.eaten"),
		"a fraction":      swap(`"paid":1000`, `"paid":1000.5`),
		"an exponent":     swap(`"paid":1000`, `"paid":1e3`),
		"a text":          swap(`"paid":1000`, `"paid":"1000"`),
		"negative":        swap(`"paid":1000`, `"paid":-1000`),
		"beyond int64":    swap(`"paid":1000`, `"paid":9223372036854775808`),
		"no zone":         swap("+08:00", ""),
		"the year 1999":   swap(fmt.Sprint(time.Now().In(shanghai).Year()), "1999"),
		"no lines":        swap(`"lines":[`, `"lines":[],"x":[`),
		"a line twice":    swap(`"lines":[`, `"lines":[{"line_id":"1","sku":"A","quantity":1,"paid":1},`),
		"no shop":         swap(`"shop":"flagship"`, `"shop":""`),
		"a control char":  swap("MALFORMED-1", `MALFORMED\u0000`),
	} {
		a := p.do(t, http.MethodPost, genericHook, p.sign(t, time.Now(), []byte(body)), []byte(body))
		refusal(t, name, a, http.StatusBadRequest)
		if bytes.Contains(a.body, []byte("MALFORMED")) || bytes.Contains(a.body, []byte("malformed\"}")) {
			t.Errorf("%s: the answer repeats the body: %s", name, a.body)
		}
	}
	if diff := cmp.Diff(before, p.queues(t)); diff != "" {
		t.Errorf("the queues changed:\n%s", diff)
	}
	p.rest(t)
	if entries := p.ledger(t, member); len(entries) != 0 {
		t.Errorf("the ledger has %+v", entries)
	}
	p.do(t, http.MethodPost, genericHook, p.sign(t, time.Now(), []byte(good)), []byte(good)).read(t, http.StatusAccepted, nil)
}

func TestTheLocalHandlesRefuseNonsense(t *testing.T) {
	p := shared(t)
	fire := "/_local/schedules/" + p.schedule(t, "RunCampaigns") + "?time="
	for _, when := range []string{"", "now", "2026-11-21", "2026-11-21T10:00:00", "2026-11-21T10:00:00+08:00", "2026-13-01T00:00:00Z"} {
		refusal(t, "time="+when, p.do(t, http.MethodPost, fire+when, nil, nil), http.StatusBadRequest) // a bare + is a blank
	}
	for _, body := range []string{"", "null", "{}", `{"now":null}`, `{"now":1}`, `{"now":"tomorrow"}`, `{"now":"2026-11-21T10:00:00+08:00"}x`, `{"time":"2026-11-21T10:00:00Z"}`, `{"now":"2126-11-21T10:00:00+08:00"}`} {
		refusal(t, "clock "+body, p.do(t, http.MethodPost, "/_local/clock", asJSON, []byte(body)), http.StatusBadRequest)
	}
	for _, query := range []string{"limit=0", "limit=x", "limit=1001", "cursor=x"} {
		refusal(t, "outbox "+query, p.do(t, http.MethodGet, "/_local/outbox?"+query, nil, nil), http.StatusBadRequest)
	}
	var local struct{ Now time.Time }
	p.do(t, http.MethodGet, "/_local", nil, nil).read(t, http.StatusOK, &local)
	if off := time.Since(local.Now).Abs(); off > time.Minute {
		t.Errorf("the clock was moved by %s", off)
	}
}

func TestWhoMayCall(t *testing.T) {
	p := shared(t)
	viewer := p.named(t, "viewer.1", "viewer")
	member := p.member(t, buyerOf("who-may"))
	var issued struct{ Token string }
	p.post(t, "/v1/members/"+member+"/tokens", nil).read(t, http.StatusCreated, &issued)
	wish := encode(t, map[string]any{"identities": []identity{openID("who-may")}})
	for name, call := range map[string]struct {
		token  string
		status int
	}{
		"nobody": {"", http.StatusUnauthorized}, "a stranger": {"hop_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", http.StatusUnauthorized},
		"a viewer": {viewer, http.StatusForbidden}, "a member": {issued.Token, http.StatusForbidden},
	} {
		header := operator(call.token)
		if call.token == "" {
			delete(header, "Authorization")
		}
		refusal(t, name, p.do(t, http.MethodPost, "/v1/members", header, wish), call.status)
	}
	var me struct {
		ID string `json:"member_id"`
	}
	p.do(t, http.MethodGet, "/v1/me", operator(issued.Token), nil).read(t, http.StatusOK, &me)
	if me.ID != member {
		t.Errorf("the member of the token is %s, want %s", me.ID, member)
	}
	refusal(t, "an operator as a member", p.do(t, http.MethodGet, "/v1/me", operator(p.token), nil), http.StatusUnauthorized)
}

func TestTheSameKeyGivesTheFirstAnswer(t *testing.T) {
	p := shared(t)
	wish := encode(t, map[string]any{"identities": []identity{openID("same-key")}})
	header := operator(p.token)
	first := p.do(t, http.MethodPost, "/v1/members", header, wish)
	again := p.do(t, http.MethodPost, "/v1/members", header, wish)
	if first.status != http.StatusCreated || again.status != first.status || !bytes.Equal(first.body, again.body) {
		t.Errorf("first %d %s\nagain %d %s", first.status, first.body, again.status, again.body)
	}
	other := encode(t, map[string]any{"identities": []identity{openID("other-body")}})
	refusal(t, "the same key, another body", p.do(t, http.MethodPost, "/v1/members", header, other), http.StatusUnprocessableEntity)
	delete(header, "Idempotency-Key")
	refusal(t, "no key", p.do(t, http.MethodPost, "/v1/members", header, other), http.StatusBadRequest)
	// Neither refusal made the member.
	p.member(t, openID("other-body"))
}
