package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// A member claims two orders by number, one before it comes and one after;
// somebody else who only saw a number gets nothing, and an operator's binding
// moves and moves back.
func TestClaimsAndBindingsThroughTheWholeStack(t *testing.T) {
	p := shared(t)
	token := func(member string) string {
		var issued struct{ Token string }
		p.post(t, "/v1/members/"+member+"/tokens", nil).read(t, http.StatusCreated, &issued)
		return issued.Token
	}
	claimant, thief := p.member(t, openID("claims-1")), p.member(t, openID("claims-2"))
	mine, his := token(claimant), token(thief)
	claim := func(token, order, last4 string) {
		t.Helper()
		body := encode(t, map[string]any{"channel": "tmall", "shop": "flagship", "order_id": order, "proof": map[string]string{"phone_last4": last4}})
		if a := p.do(t, http.MethodPost, "/v1/me/orders", operator(token), body); a.status != http.StatusAccepted {
			t.Fatalf("the claim is answered %d %s", a.status, a.body)
		}
	}
	order := func(id string) {
		e := milk(id, "claims-nobody-"+id, 10_000, time.Now())
		e.Buyer.Phone = "13900006065"
		p.order(t, e)
	}
	claim(mine, "CLAIM-1", "6065")
	claim(his, "CLAIM-1", "0000")
	p.rest(t)
	order("CLAIM-1")
	order("CLAIM-2")
	order("CLAIM-3")
	p.rest(t)
	claim(his, "CLAIM-2", "0000")
	claim(mine, "CLAIM-2", "6065")
	p.rest(t)
	if got, want := p.balance(t, claimant), (balance{Pending: 200}); got != want {
		t.Errorf("the claimant has %+v, want %+v", got, want)
	}
	if got := p.balance(t, thief); got != (balance{}) {
		t.Errorf("who only knew the numbers has %+v", got)
	}
	for token, state := range map[string]string{mine: "credited", his: "refused"} {
		var page struct {
			Items []struct{ State string }
		}
		p.do(t, http.MethodGet, "/v1/me/claims", operator(token), nil).read(t, http.StatusOK, &page)
		if got, want := fmt.Sprint(page.Items), fmt.Sprintf("[{%s} {%s}]", state, state); got != want {
			t.Errorf("the page shows %s, want %s", got, want)
		}
	}

	const binding = "/v1/orders/tmall/flagship/CLAIM-3/binding"
	if a := p.post(t, binding, map[string]string{"member_id": thief, "reason": "the wrong screenshot"}); a.status != http.StatusOK {
		t.Fatalf("the binding is answered %d %s", a.status, a.body)
	}
	if got, want := p.balance(t, thief), (balance{Pending: 100}); got != want {
		t.Errorf("bound: %+v, want %+v", got, want)
	}
	if a := p.do(t, http.MethodDelete, binding+"?reason=mistaken", operator(p.token), nil); a.status != http.StatusNoContent {
		t.Fatalf("the undoing is answered %d %s", a.status, a.body)
	}
	if got := p.balance(t, thief); got != (balance{}) {
		t.Errorf("taken back: %+v", got)
	}
	p.post(t, binding, map[string]string{"member_id": claimant, "reason": "the right one"}).read(t, http.StatusOK, &struct{}{})
	if got, want := p.balance(t, claimant), (balance{Pending: 300}); got != want {
		t.Errorf("the right owner has %+v, want %+v", got, want)
	}
}
