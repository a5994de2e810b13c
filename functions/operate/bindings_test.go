package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

const bindingPath = "/v1/orders/tmall/flagship/1001/binding"

// unowned records an order whose buyer nobody knows.
func (b *brand) unowned() {
	b.t.Helper()
	_, err := ledger.Post(b.t.Context(), b.function.Store, nil, ledger.News{
		Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"},
		Fact:  points.Fact{Kind: points.FactPaid, At: now, Lines: []points.Line{{ID: "1", Quantity: 1, Paid: 10_000}}},
	}, now)
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *brand) join(openid string) string {
	b.t.Helper()
	status, answer := b.post("/v1/members", "join-"+openid, fmt.Sprintf(`{"identities":[{"kind":"openid","channel":"wechat","value":%q}]}`, openid))
	var member struct {
		ID string `json:"member_id"`
	}
	if err := json.Unmarshal([]byte(answer), &member); err != nil || status != http.StatusCreated {
		b.t.Fatalf("%d %s", status, answer)
	}
	return member.ID
}

func (b *brand) unbind(query string) (int, string) {
	b.t.Helper()
	status, answer, _ := b.call(request{method: "DELETE", path: bindingPath + query, token: adminToken})
	return status, answer
}

func (b *brand) pending(member string) string {
	b.t.Helper()
	_, answer, _ := b.call(request{method: "GET", path: "/v1/members/" + member + "/points", token: adminToken})
	return answer
}

func TestAnOperatorBindsAnOrderAndUndoesIt(t *testing.T) {
	b := open(t)
	first, second := b.join("a"), b.join("b")
	bind := func(key, member string) (int, string) {
		return b.post(bindingPath, key, fmt.Sprintf(`{"member_id":%q,"reason":"screenshot"}`, member))
	}
	if status, answer := bind("k0", first); status != http.StatusNotFound || !strings.Contains(answer, "order_unknown") {
		t.Errorf("an order nobody heard of: %d %s", status, answer)
	}
	b.unowned()
	if status, answer := bind("k1", "m0"); status != http.StatusNotFound || !strings.Contains(answer, "member_unknown") {
		t.Errorf("a member nobody heard of: %d %s", status, answer)
	}
	if status, answer := b.unbind("?reason=none"); status != http.StatusConflict || !strings.Contains(answer, "not_bound") {
		t.Errorf("nothing to undo: %d %s", status, answer)
	}
	for _, key := range []string{"k2", "k2", "k3"} {
		if status, answer := bind(key, first); status != http.StatusOK || !strings.Contains(answer, `"kind":"bound"`) {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if status, answer := bind("k4", second); status != http.StatusConflict || !strings.Contains(answer, "order_taken") || strings.Contains(answer, first) {
		t.Errorf("another's order: %d %s", status, answer)
	}
	if status, _ := b.unbind(""); status != http.StatusBadRequest {
		t.Errorf("without a reason: %d", status)
	}
	if got := b.pending(first); !strings.Contains(got, `"pending":100`) {
		t.Errorf("bound: %s", got)
	}
	for range 2 {
		if status, answer := b.unbind("?reason=mistaken"); status != http.StatusNoContent {
			t.Errorf("%d %s", status, answer)
		}
	}
	if status, answer := bind("k5", second); status != http.StatusOK {
		t.Errorf("%d %s", status, answer)
	}
	if first, second := b.pending(first), b.pending(second); !strings.Contains(first, `"pending":0`) || !strings.Contains(second, `"pending":100`) {
		t.Errorf("first %s, second %s", first, second)
	}
	status, answer, _ := b.call(request{method: "GET", path: bindingPath, token: adminToken})
	var shown struct {
		Changes []struct{ Kind, Operator, Reason string }
	}
	if err := json.Unmarshal([]byte(answer), &shown); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	want := "[{bound admin screenshot} {unbound admin mistaken} {bound admin screenshot}]"
	if got := fmt.Sprint(shown.Changes); got != want {
		t.Errorf("changes %s, want %s", got, want)
	}
	if _, orders, _ := b.call(request{method: "GET", path: "/v1/members/" + first + "/orders", token: adminToken}); !strings.Contains(orders, `"items":[]`) {
		t.Errorf("the first owner still lists it: %s", orders)
	}
}

// The buyer of an order became a member while an operator had given it to another:
// it is theirs once that is taken back, without any further event.
func TestAnOrderThatIsTakenBackGoesToItsBuyer(t *testing.T) {
	b := open(t)
	other := b.join("other")
	b.unowned()
	if status, answer := b.post(bindingPath, "k1", fmt.Sprintf(`{"member_id":%q,"reason":"screenshot"}`, other)); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	buyer := b.join("buyer")
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}
	claimed := points.Fact{Kind: points.FactClaimed, At: now, Member: loyalty.MemberID(buyer)}
	if _, err := ledger.Post(t.Context(), b.function.Store, nil, ledger.News{Order: key, Fact: claimed}, now); err != nil {
		t.Fatal(err)
	}
	if got := b.pending(other); !strings.Contains(got, `"pending":100`) {
		t.Errorf("while it is bound: %s", got)
	}
	for range 2 {
		if status, answer := b.unbind("?reason=mistaken"); status != http.StatusNoContent {
			t.Errorf("%d %s", status, answer)
		}
	}
	if other, buyer := b.pending(other), b.pending(buyer); !strings.Contains(other, `"pending":0`) || !strings.Contains(buyer, `"pending":100`) {
		t.Errorf("the other has %s, the buyer %s", other, buyer)
	}
}

// Oddities that were told of an order stand on its page.
func TestAnOrdersPageShowsExcessContradictionsAndCodes(t *testing.T) {
	b := open(t)
	b.unowned()
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}
	for _, fact := range []points.Fact{
		{Kind: points.FactPaid, At: now, Codes: []string{"VIP"}, Lines: []points.Line{{ID: "1", Quantity: 1, Paid: 12_000}}},
		{Kind: points.FactRefunded, At: now, Refunds: []points.Refund{{ID: "r1", Line: "1", Amount: 11_000, Quantity: 1}}},
		{Kind: points.FactRefunded, At: now, Refunds: []points.Refund{{ID: "r1", Line: "1", Amount: 500}}},
	} {
		if _, err := ledger.Post(t.Context(), b.function.Store, nil, ledger.News{Order: key, Fact: fact}, now); err != nil {
			t.Fatal(err)
		}
	}
	_, answer, _ := b.call(request{method: "GET", path: "/v1/orders/tmall/flagship/1001", token: adminToken})
	for _, want := range []string{
		`"refunded":10000`, `"excess":1000`, `"returned":1`, `"discount_codes":["VIP"]`,
		`{"line_id":"1","amount":12000,"quantity":1}`, `{"line_id":"1","refund_id":"r1","amount":500}`,
	} {
		if !strings.Contains(answer, want) {
			t.Errorf("the page lacks %s: %s", want, answer)
		}
	}
}
