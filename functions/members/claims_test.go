package members_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

func (b brand) post(path, bearer, key, body string) *httptest.ResponseRecorder {
	b.t.Helper()
	request := httptest.NewRequest("POST", path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	return recorder
}

// settle does what convertorders does with the messages so far.
func (b brand) settle() {
	b.t.Helper()
	for _, body := range b.queue.bodies {
		taken, ok := claim.Read(body)
		if !ok {
			b.t.Fatalf("not a claim: %s", body)
		}
		if err := ledger.Claim(b.t.Context(), b.store, nil, taken, now); err != nil {
			b.t.Fatal(err)
		}
	}
	b.queue.bodies = nil
}

// paid records an order of a buyer nobody knows.
func (b brand) paid(order, last4 string) loyalty.OrderKey {
	b.t.Helper()
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order}
	_, err := ledger.Post(b.t.Context(), b.store, nil, ledger.News{Order: key, Fact: points.Fact{
		Kind: points.FactPaid, At: now, Proof: &points.Proof{PhoneLast4: last4, Buyer: points.ProveBuyer(key, "b-"+order)},
		Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 30_000}},
	}}, now)
	if err != nil {
		b.t.Fatal(err)
	}
	return key
}

func claimOf(order, proof string) string {
	return fmt.Sprintf(`{"channel":"tmall","shop":"flagship","order_id":%q,"proof":{%s}}`, order, proof)
}

// The answer is the same to the byte, but for the number that the caller sent,
// and nothing but the caller's own claim is written before the queue.
func TestAClaimsAnswerTellsNothing(t *testing.T) {
	b := open(t)
	_, bearer := b.member("b-1", 10_000)
	_, _ = b.member("b-2", 10_000)
	b.paid("free", "6065")
	states := map[string]string{}
	for name, test := range map[string]struct{ order, proof, state string }{
		"right":           {"free", `"phone_last4":"6065"`, "credited"},
		"unknown order":   {"none", `"phone_last4":"6065"`, "waiting"},
		"another's order": {"b-2", `"phone_last4":"6065"`, "refused"},
		"their own order": {"b-1", `"buyer":"b-1"`, "credited"},
	} {
		answer := b.post("/v1/me/orders", bearer, "k-"+test.order, claimOf(test.order, test.proof))
		want := fmt.Sprintf(`{"channel":"tmall","shop":"flagship","order_id":%q,"taken_at":"2026-11-21T10:00:00Z"}`, test.order)
		if answer.Code != http.StatusAccepted || strings.TrimSpace(answer.Body.String()) != want {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
		states[test.order] = test.state
	}
	if got := strings.Count(b.mine(bearer), `"state":"waiting"`); got != 3 {
		t.Errorf("%d claims wait before anybody looked, want all but the one of their own order", got)
	}
	b.settle()
	page := b.mine(bearer)
	for order, state := range states {
		if !strings.Contains(page, fmt.Sprintf(`"order_id":%q,"at":"2026-11-21T10:00:00Z","state":%q`, order, state)) {
			t.Errorf("order %s is not %s: %s", order, state, page)
		}
	}
	if _, points := b.call("GET", "/v1/me/points", bearer); !strings.Contains(points, `"pending":400`) {
		t.Errorf("points: %s", points)
	}
}

func (b brand) mine(bearer string) string {
	b.t.Helper()
	status, page := b.call("GET", "/v1/me/claims", bearer)
	if status != http.StatusOK {
		b.t.Fatalf("%d %s", status, page)
	}
	return page
}

func TestTenWrongClaimsInAnHourAreEnough(t *testing.T) {
	b := open(t)
	id, bearer := b.member("b-1", 10_000)
	key := b.paid("free", "6065")
	for i := range 30 {
		b.paid(fmt.Sprint("mine-", i), "1111")
		b.post("/v1/me/orders", bearer, fmt.Sprint("r-", i), claimOf(fmt.Sprint("mine-", i), `"phone_last4":"1111"`))
	}
	b.settle()
	for i := range 9 {
		if answer := b.post("/v1/me/orders", bearer, fmt.Sprint("w-", i), claimOf("free", fmt.Sprintf(`"phone_last4":"000%d"`, i))); answer.Code != http.StatusAccepted {
			t.Fatalf("wrong claim %d: %d %s", i, answer.Code, answer.Body)
		}
		b.settle()
	}
	// Claims that are put on the queue in one go are counted one by one.
	for i := range 5 {
		b.post("/v1/me/orders", bearer, fmt.Sprint("g-", i), claimOf("b-1", `"phone_last4":"0000"`))
		b.post("/v1/me/orders", bearer, fmt.Sprint("h-", i), claimOf("free", fmt.Sprintf(`"phone_last4":"100%d"`, i)))
	}
	b.settle()
	answer := b.post("/v1/me/orders", bearer, "right", claimOf("free", `"phone_last4":"6065"`))
	if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") == "" {
		t.Errorf("the eleventh: %d %s", answer.Code, answer.Body)
	}
	_, failures, err := b.store.ClaimAndFailures(t.Context(), id, key, now)
	if err != nil || failures != ledger.MaxFailures {
		t.Errorf("%d failures counted, err %v", failures, err)
	}
	if _, failures, _ = b.store.ClaimAndFailures(t.Context(), id, key, now.Add(time.Hour)); failures != 0 {
		t.Errorf("the next hour begins with %d", failures)
	}
}

func TestAClaimThatDoesNotValidateChangesNothing(t *testing.T) {
	b := open(t)
	_, bearer := b.member("b-1", 10_000)
	before := b.snapshot()
	for name, answer := range map[string]*httptest.ResponseRecorder{
		"bad token": b.post("/v1/me/orders", "x"+bearer, "k", claimOf("1", `"phone_last4":"6065"`)),
		"no key":    b.post("/v1/me/orders", bearer, "", claimOf("1", `"phone_last4":"6065"`)),
	} {
		if answer.Code != map[string]int{"bad token": 401, "no key": 400}[name] {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
	if b.snapshot() != before || len(b.queue.bodies) != 0 {
		t.Error("a refusal wrote")
	}
	for name, proof := range map[string]string{
		"none": ``, "two": `"phone_last4":"6065","buyer":"b-1"`, "masked": `"buyer":"张**"`, "more": `"phone_last4":"6065","member_id":"m1"`,
		"five": `"phone_last4":"60650"`, "whole": `"phone_last4":"13800000000"`, "letters": `"phone_last4":"60a5"`,
	} {
		if answer := b.post("/v1/me/orders", bearer, "k-"+name, claimOf("1", proof)); answer.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
	if page := b.mine(bearer); !strings.Contains(page, `"items":[]`) || len(b.queue.bodies) != 0 {
		t.Errorf("something was taken: %s", page)
	}
}

// The queue refuses, the client hears 503 and asks again with the same key.
func TestAClaimWhoseMessageWasLostIsMadeAgain(t *testing.T) {
	b := open(t)
	_, bearer := b.member("b-1", 10_000)
	b.paid("free", "6065")
	b.queue.fails = true
	if answer := b.post("/v1/me/orders", bearer, "k", claimOf("free", `"phone_last4":"6065"`)); answer.Code != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	b.queue.fails = false
	for range 3 {
		if answer := b.post("/v1/me/orders", bearer, "k", claimOf("free", `"phone_last4":"6065"`)); answer.Code != http.StatusAccepted {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
	}
	b.settle()
	if page := b.mine(bearer); !strings.Contains(page, `"state":"credited"`) {
		t.Error(page)
	}
}
