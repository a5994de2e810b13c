package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// The desk's work goes through the whole stack with the rights that the template
// gives: an order of nobody is listed, found and bound; a member is looked up;
// an operator comes, is rotated and goes.
func TestTheDeskThroughTheWholeStack(t *testing.T) {
	p := shared(t)
	member := p.member(t, openID("desk-1"))
	p.order(t, milk("DESK-1", "desk-nobody", 10_000, time.Now()))
	p.rest(t)
	orders := func() (ids []string) {
		var page struct {
			Items []struct {
				OrderID string `json:"order_id"`
			}
		}
		p.do(t, http.MethodGet, "/v1/orders?owner=nobody&limit=100", operator(p.token), nil).read(t, http.StatusOK, &page)
		for _, order := range page.Items {
			ids = append(ids, order.OrderID)
		}
		return ids
	}
	if !slices.Contains(orders(), "DESK-1") {
		t.Errorf("the order of nobody is not listed: %v", orders())
	}
	p.post(t, "/v1/orders/tmall/flagship/DESK-1/binding", map[string]string{"member_id": member, "reason": "receipt"}).read(t, http.StatusOK, &struct{}{})
	if slices.Contains(orders(), "DESK-1") {
		t.Error("the order has an owner and is still listed")
	}
	var shown struct {
		MemberID string `json:"member_id"`
		Points   int
	}
	p.do(t, http.MethodGet, "/v1/orders/tmall/flagship/DESK-1", operator(p.token), nil).read(t, http.StatusOK, &shown)
	if shown.MemberID != member || shown.Points != 100 {
		t.Errorf("the order: %+v", shown)
	}
	for _, path := range []string{"/v1/members?limit=100", "/v1/claims?state=waiting", "/v1/adjustments?state=waiting"} {
		p.do(t, http.MethodGet, path, operator(p.token), nil).read(t, http.StatusOK, &struct{}{})
	}

	var made, rotated struct{ Token string }
	name := fmt.Sprint("desk-", time.Now().UnixNano())
	p.post(t, "/v1/operators", map[string]string{"name": name, "role": "operator"}).read(t, http.StatusCreated, &made)
	body := encode(t, map[string]any{"order": map[string]string{"channel": "tmall", "shop": "flagship", "order_id": "DESK-1"}})
	var found struct {
		Items []struct {
			MemberID string `json:"member_id"`
		}
	}
	p.do(t, http.MethodPost, "/v1/members/lookup", operator(made.Token), body).read(t, http.StatusOK, &found)
	if len(found.Items) != 1 || found.Items[0].MemberID != member {
		t.Errorf("the look-up finds %+v", found)
	}
	p.post(t, "/v1/operators/"+name+"/rotation", map[string]int{"overlap_seconds": 0}).read(t, http.StatusOK, &rotated)
	if a := p.do(t, http.MethodPost, "/v1/members/lookup", operator(made.Token), body); a.status != http.StatusUnauthorized {
		t.Errorf("the token before the rotation: %d", a.status)
	}
	if a := p.do(t, http.MethodDelete, "/v1/operators/"+name, operator(p.token), nil); a.status != http.StatusNoContent {
		t.Errorf("disabling is answered %d %s", a.status, a.body)
	}
	if a := p.do(t, http.MethodPost, "/v1/members/lookup", operator(rotated.Token), body); a.status != http.StatusUnauthorized {
		t.Errorf("the token of a disabled operator: %d", a.status)
	}
}
