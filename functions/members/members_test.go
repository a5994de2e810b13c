package members_test

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
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/infra/contract"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/tiers"
	"github.com/huitou/huitou/shared/token"
)

var (
	now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	key = bytes.Repeat([]byte{8}, 32)
)

type brand struct {
	t     *testing.T
	store store.Store
	queue *sent
	http.Handler
}

// sent keeps what was put on the orders queue.
type sent struct {
	bodies [][]byte
	fails  bool
}

func (s *sent) Send(_ context.Context, bodies ...[]byte) error {
	if s.fails {
		return loyalty.Refuse(loyalty.KindUnavailable, "queue_unavailable", "")
	}
	s.bodies = append(s.bodies, bodies...)
	return nil
}

// ServeHTTP serves as the published document says, or fails the test.
func (b brand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	contract.Serve(b.t, b.Handler, w, r)
}

func open(t *testing.T) brand {
	engine := embedded.Memory()
	t.Cleanup(func() { engine.Close() })
	b := brand{t: t, store: store.Store{Table: engine}, queue: &sent{}}
	b.Handler = members.Function{
		Store: b.store, Orders: b.queue, TokenKey: key, Clock: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}.Handler()
	return b
}

// member enrols somebody with one order and returns their id and token.
func (b brand) member(name string, paid loyalty.Fen) (loyalty.MemberID, string) {
	b.t.Helper()
	buyer := loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: name}
	id, _, err := enrolment.Enrol(b.t.Context(), b.store, enrolment.Request{
		Identities: []enrolment.Identity{{Identity: buyer}}, Consents: []loyalty.Consent{loyalty.ConsentMarketing},
	}, rand.Reader, now)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = ledger.Post(context.Background(), b.store, nil, ledger.News{
		Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: name}, Identities: []loyalty.Identity{buyer},
		Fact: points.Fact{Kind: points.FactPaid, At: now, Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: paid}}},
	}, now)
	if err != nil {
		b.t.Fatal(err)
	}
	raw, _, err := token.NewMember(key, id, now)
	if err != nil {
		b.t.Fatal(err)
	}
	return id, raw
}

func (b brand) call(method, path, bearer string) (int, string) {
	b.t.Helper()
	request := httptest.NewRequest(method, path, nil)
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

func TestAMemberSeesTheirOwnAlone(t *testing.T) {
	b := open(t)
	id, bearer := b.member("b-1", 10_000)
	_, other := b.member("b-2", 77_700)
	for _, test := range []struct{ path, has string }{
		{"/v1/me", string(id)},
		{"/v1/me/points", `"pending":100`},
		{"/v1/me/points/ledger", `"id":"earn:tmall:flagship:b-1:1"`},
		{"/v1/me/orders", `"order_id":"b-1"`},
		{"/v1/me/coupons", `"items":[]`},
		{"/v1/me/reminders", `"state":"scheduled"`},
	} {
		status, answer := b.call("GET", test.path, bearer)
		if status != http.StatusOK || !strings.Contains(answer, test.has) {
			t.Errorf("%s: %d %s", test.path, status, answer)
		}
		if strings.Contains(answer, "777") || strings.Contains(answer, "b-2") {
			t.Errorf("%s shows somebody else: %s", test.path, answer)
		}
		if _, theirs := b.call("GET", test.path, other); test.path != "/v1/me/coupons" && theirs == answer {
			t.Errorf("%s is the same for two members", test.path)
		}
	}
}

func TestAConsentIsWithdrawnInOneStep(t *testing.T) {
	b := open(t)
	id, bearer := b.member("b-1", 10_000)
	if status, answer := b.call("DELETE", "/v1/me/consents/marketing", bearer); status >= 300 {
		t.Fatalf("%d %s", status, answer)
	}
	account, err := b.store.Account(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, stands := account.Consents[loyalty.ConsentMarketing]; stands {
		t.Error("the consent stands")
	}
	if status, answer := b.call("DELETE", "/v1/me/consents/everything", bearer); status != http.StatusBadRequest {
		t.Errorf("an unknown consent: %d %s", status, answer)
	}
}

func TestOnlyAGoodTokenOpens(t *testing.T) {
	b := open(t)
	id, good := b.member("b-1", 10_000)
	claims := func(change func(*jwt.RegisteredClaims)) jwt.RegisteredClaims {
		c := jwt.RegisteredClaims{Issuer: "huitou", Audience: jwt.ClaimStrings{"member"}, Subject: string(id), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))}
		change(&c)
		return c
	}
	sign := func(method jwt.SigningMethod, with any, c jwt.Claims) string {
		raw, err := jwt.NewWithClaims(method, c).SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	none := func(*jwt.RegisteredClaims) {}
	before := b.snapshot()
	for name, raw := range map[string]string{
		"none at all":      "",
		"garbage":          "abc",
		"another key":      sign(jwt.SigningMethodHS256, bytes.Repeat([]byte{9}, 32), claims(none)),
		"alg none":         sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(none)),
		"another alg":      sign(jwt.SigningMethodHS512, key, claims(none)),
		"expired":          sign(jwt.SigningMethodHS256, key, claims(func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(now.Add(-time.Second)) })),
		"never expires":    sign(jwt.SigningMethodHS256, key, claims(func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil })),
		"not yet":          sign(jwt.SigningMethodHS256, key, claims(func(c *jwt.RegisteredClaims) { c.NotBefore = jwt.NewNumericDate(now.Add(time.Hour)) })),
		"another audience": sign(jwt.SigningMethodHS256, key, claims(func(c *jwt.RegisteredClaims) { c.Audience = jwt.ClaimStrings{"operator"} })),
		"no audience":      sign(jwt.SigningMethodHS256, key, claims(func(c *jwt.RegisteredClaims) { c.Audience = nil })),
		"another issuer":   sign(jwt.SigningMethodHS256, key, claims(func(c *jwt.RegisteredClaims) { c.Issuer = "else" })),
		"no subject":       sign(jwt.SigningMethodHS256, key, claims(func(c *jwt.RegisteredClaims) { c.Subject = "" })),
		"unknown member":   sign(jwt.SigningMethodHS256, key, claims(func(c *jwt.RegisteredClaims) { c.Subject = "m0" })),
		"text after it":    good + "x",
		"10 KB":            strings.Repeat("a", 10<<10),
	} {
		status, answer := b.call("GET", "/v1/me", raw)
		if status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		var problem struct{ Type string }
		if err := json.Unmarshal([]byte(answer), &problem); err != nil || !strings.HasPrefix(problem.Type, "https://huitou.dev/problems/token_") {
			t.Errorf("%s: %s", name, answer)
		}
	}
	if after := b.snapshot(); after != before {
		t.Error("a refusal wrote")
	}
	if status, _ := b.call("GET", "/v1/me", good); status != http.StatusOK {
		t.Errorf("the good token: %d", status)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	b := open(t)
	_, bearer := b.member("b-1", 10_000)
	if status, answer := b.call("GET", "/v1/me/nothing", bearer); status != http.StatusNotFound || !strings.Contains(answer, "path_unknown") {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := b.call("DELETE", "/v1/me/points", bearer); status != http.StatusMethodNotAllowed {
		t.Errorf("%d %s", status, answer)
	}
}

// snapshot is the whole table, but for the answers kept for Idempotency-Keys.
func (b brand) snapshot() string {
	b.t.Helper()
	page, err := b.store.Table.Scan(b.t.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprint(slices.DeleteFunc(page.Items, func(item table.Item) bool { return strings.HasPrefix(item.Key.PK, "X#") }))
}

func TestMyTier(t *testing.T) {
	b := open(t)
	rules := program.Program{Version: 1, EffectiveAt: now.AddDate(0, -6, 0), Document: program.Default().Document}
	rules.Tiers = &tiers.Rules{
		Growth: tiers.Growth{Points: 1, PerFen: 100}, Window: tiers.Window{Kind: tiers.WindowCalendar}, Demotion: tiers.DemoteOneLevel,
		Levels: []tiers.Level{{ID: "silver", Name: "银卡", Growth: 100}, {ID: "gold", Name: "金卡", Growth: 300}},
	}
	if err := b.store.Table.Write(t.Context(), store.PutProgram(rules)); err != nil {
		t.Fatal(err)
	}
	member, bearer := b.member("b-1", 0)
	post := func(order string, kind points.FactKind, paid loyalty.Fen, at time.Time) {
		t.Helper()
		fact := points.Fact{Kind: kind, At: at, Member: member, Lines: []points.Line{{ID: "1", Quantity: 1, Paid: paid}}}
		if _, err := ledger.Post(t.Context(), b.store, []program.Program{rules}, ledger.News{Order: loyalty.OrderKey{Channel: "tmall", Order: order}, Fact: fact}, at); err != nil {
			t.Fatal(err)
		}
	}
	paidAt := now.AddDate(0, -2, 0)
	post("1", points.FactPaid, 120_00, paidAt)
	post("2", points.FactPaid, 50_00, now)
	post("1", points.FactSettled, 0, paidAt.AddDate(0, 0, 30))
	want := `{"level":"silver","name":"银卡","since":"2026-10-21T10:00:00Z","until":"2027-12-31T16:00:00Z","counting":120,"pending":50,"next":{"level":"gold","name":"金卡","missing":180}}`
	if status, answer := b.call("GET", "/v1/me/tier", bearer); status != http.StatusOK || strings.TrimSpace(answer) != want {
		t.Errorf("%d %s, want %s", status, answer, want)
	}
}
