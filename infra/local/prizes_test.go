package main

import (
	"net/http"
	"testing"
	"time"
)

// A red packet is won, asked for at the payer and paid, and a gift is owed and
// packed, through the whole stack.
func TestPrizesThroughTheWholeStack(t *testing.T) {
	p := shared(t)
	now := time.Now()
	var made struct{ ID string }
	p.post(t, "/v1/card-batches", map[string]any{
		"name": "prizes", "count": 2, "valid_from": instant(now.Add(-time.Hour)), "valid_to": instant(now.Add(24 * time.Hour)),
		"arms": []any{map[string]any{"name": "a", "form": "reveal", "weight": 1, "prizes": []any{
			map[string]any{"kind": "red_packet", "value": 188, "quantity": 1}, map[string]any{"kind": "gift", "value": "试用装一份", "quantity": 1, "worth": 990},
		}}},
	}).read(t, http.StatusAccepted, &made)
	p.activate(t, made.ID)
	who := openID("prizes-1")
	member := p.member(t, who)
	for _, address := range p.codes(t, made.ID) {
		for range 2 {
			p.do(t, http.MethodPost, address+"/redemption", asJSON, redemption(who)).read(t, http.StatusOK, nil)
		}
	}
	p.rest(t)
	var paid []string
	for _, payout := range listed[struct {
		Bill, State string
		Member      string `json:"member_id"`
		Amount      int
		Steps       []struct{ State, Reference string }
	}](t, p, "/v1/payouts?state=paid") {
		if payout.Member == member {
			paid = append(paid, payout.Bill)
			if payout.Amount != 188 || len(payout.Steps) != 3 || payout.Steps[2].Reference != "demo-"+payout.Bill {
				t.Errorf("paid %+v", payout)
			}
		}
	}
	told := 0
	for _, message := range listed[struct {
		ID, Kind, Text string
		Member         string `json:"member_id"`
	}](t, p, "/_local/outbox") {
		if message.Member == member && message.Kind == "payout.requested" {
			told++
			if len(paid) == 1 && (message.ID != "payout:"+paid[0] || message.Text != "红包 ¥1.88（"+paid[0]+"，演示，未付款）") {
				t.Errorf("the outbox has %+v", message)
			}
		}
	}
	if len(paid) != 1 || told != 1 {
		t.Fatalf("%v are paid, %d are in the outbox", paid, told)
	}
	type gift struct{ ID, Text, State string }
	owed := listed[gift](t, p, "/v1/members/"+member+"/gifts")
	if len(owed) != 1 || owed[0].Text != "试用装一份" || owed[0].State != "pending" {
		t.Fatalf("owed %+v", owed)
	}
	var shipped gift
	p.post(t, "/v1/members/"+member+"/gifts/"+owed[0].ID+"/shipment", map[string]any{
		"order": map[string]any{"channel": "tmall", "shop": "flagship", "order_id": "prizes-1"},
	}).read(t, http.StatusOK, &shipped)
	if shipped.State != "shipped" {
		t.Errorf("shipped %+v", shipped)
	}
}
