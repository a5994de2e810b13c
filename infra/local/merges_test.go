package main

import (
	"net/http"
	"testing"
	"time"
)

// Two members turn out to be one: an order under either name counts with the
// whole, until it is undone, each with the permissions that the template grants.
// Then one of them is erased.
func TestMergesAndErasureThroughTheWholeStack(t *testing.T) {
	p := shared(t)
	bought := func(order, buyer string) {
		p.order(t, milk(order, buyer, 10_000, time.Now()))
		p.rest(t)
	}
	first, second := p.member(t, buyerOf("merges-1")), p.member(t, buyerOf("merges-2"))
	bought("MERGE-1", "merges-1")
	bought("MERGE-2", "merges-2")
	p.post(t, "/v1/members/"+first+"/merge", map[string]string{"member_id": second, "reason": "same person"}).read(t, http.StatusOK, &struct{}{})
	bought("MERGE-3", "merges-2")
	if got, want := p.balance(t, first), (balance{Pending: 300}); got != want {
		t.Errorf("together they have %+v, want %+v", got, want)
	}
	p.post(t, "/v1/members/"+first+"/unmerge", map[string]string{"member_id": second, "reason": "mistaken"}).read(t, http.StatusOK, &struct{}{})
	for member, want := range map[string]balance{first: {Pending: 100}, second: {Pending: 200}} {
		if got := p.balance(t, member); got != want {
			t.Errorf("apart one has %+v, want %+v", got, want)
		}
	}
	if a := p.do(t, http.MethodDelete, "/v1/members/"+second+"?reason=asked", operator(p.token), nil); a.status != http.StatusNoContent {
		t.Fatalf("the erasure is answered %d %s", a.status, a.body)
	}
	bought("MERGE-4", "merges-2")
	if got, want := p.balance(t, second), (balance{Pending: 200}); got != want {
		t.Errorf("the erased has %+v, want %+v", got, want)
	}
	stranger := p.member(t, buyerOf("merges-2"))
	p.rest(t)
	if got, want := p.balance(t, stranger), (balance{Pending: 100}); got != want || stranger == second {
		t.Errorf("who comes with the same name has %+v, want %+v", got, want)
	}
}
