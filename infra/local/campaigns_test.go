package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// schedule is the one schedule of a function, as GET /_local lists it.
func (p *process) schedule(t *testing.T, function string) string {
	t.Helper()
	var local struct{ Schedules []string }
	p.do(t, http.MethodGet, "/_local", nil, nil).read(t, http.StatusOK, &local)
	i := slices.IndexFunc(local.Schedules, func(name string) bool { return strings.HasPrefix(name, function+"/") })
	if i < 0 {
		t.Fatalf("%s has no schedule among %v", function, local.Schedules)
	}
	return local.Schedules[i]
}

// fireAt is the address that fires a schedule as if it were that time.
func (p *process) fireAt(t *testing.T, function string, at time.Time) string {
	t.Helper()
	return "/_local/schedules/" + p.schedule(t, function) + "?time=" + url.QueryEscape(instant(at))
}

func (p *process) fire(t *testing.T, function string, at time.Time) {
	t.Helper()
	p.do(t, http.MethodPost, p.fireAt(t, function, at), nil, nil).read(t, http.StatusOK, nil)
	p.rest(t)
}

type heldCoupon struct {
	Code     string `json:"code"`
	Template string `json:"template"`
	State    string `json:"state"`
	Discount int    `json:"discount"`
}

type campaignResult struct {
	Runs, Finished, Issued, Unfunded int
	HeldOut                          int `json:"held_out"`
}

// campaign makes an audience of those who paid exactly fen, and a campaign for
// them at an instant.
func (p *process) campaign(t *testing.T, id string, fen, budget int, at time.Time) {
	t.Helper()
	p.put(t, "/v1/coupon-templates/"+id, map[string]any{
		"name": "测试券", "threshold": 10_000, "discount": 1_000, "validity": map[string]any{"days": 7},
		"budget": map[string]any{"quantity": budget},
	}).read(t, http.StatusOK, nil)
	p.put(t, "/v1/audiences/"+id, map[string]any{"rule": fmt.Sprintf("paid_fen == %d", fen)}).read(t, http.StatusOK, nil)
	p.put(t, "/v1/campaigns/"+id, map[string]any{
		"audience": id, "template": id, "schedule": map[string]any{"at": instant(at)},
	}).read(t, http.StatusOK, nil)
}

// crowd makes members who each paid so much.
func (p *process) crowd(t *testing.T, name string, size, fen int) (members []string) {
	t.Helper()
	for i := range size {
		id := fmt.Sprint(name, "-", i)
		members = append(members, p.member(t, buyerOf(id)))
		p.order(t, milk(strings.ToUpper(id), id, fen, time.Now()))
	}
	p.rest(t)
	return members
}

// coupons counts those of a template, per member.
func (p *process) coupons(t *testing.T, members []string, template string) (counts []int) {
	t.Helper()
	codes := map[string]bool{}
	for _, member := range members {
		count := 0
		for _, coupon := range listed[heldCoupon](t, p, "/v1/members/"+member+"/coupons") {
			if coupon.Template != template {
				continue
			}
			count++
			if codes[coupon.Code] || coupon.Code == "" || coupon.State != "issued" || coupon.Discount != 1_000 {
				t.Errorf("member %s holds %+v", member, coupon)
			}
			codes[coupon.Code] = true
		}
		counts = append(counts, count)
	}
	return counts
}

func TestCampaignFiredTwiceGivesEachOneCoupon(t *testing.T) {
	p := shared(t)
	members := p.crowd(t, "twice", 12, 77_100)
	bystanders := p.crowd(t, "bystander", 2, 77_200)
	var preview struct{ Count int }
	at := time.Now().Add(time.Hour).Truncate(time.Minute)
	p.campaign(t, "twice", 77_100, 1_000, at)
	p.post(t, "/v1/audiences/twice/preview", nil).read(t, http.StatusOK, &preview)
	if preview.Count != len(members) {
		t.Errorf("the preview counts %d, want %d", preview.Count, len(members))
	}
	// Both firings at the very same moment, then once more afterwards.
	address := p.fireAt(t, "RunCampaigns", at)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if a, err := p.call(http.MethodPost, address, nil, nil); err != nil || a.status != http.StatusOK {
				t.Errorf("%d %s %v", a.status, a.body, err)
			}
		})
	}
	group.Wait()
	p.rest(t)
	p.fire(t, "RunCampaigns", at)
	for i, count := range p.coupons(t, members, "twice") {
		if count != 1 {
			t.Errorf("member %d has %d coupons", i, count)
		}
	}
	if counts := p.coupons(t, bystanders, "twice"); counts[0]+counts[1] != 0 {
		t.Errorf("members outside the audience have %v", counts)
	}
	var result campaignResult
	p.get(t, "/v1/campaigns/twice/result", &result)
	if want := (campaignResult{Runs: 1, Finished: 1, Issued: len(members)}); result != want {
		t.Errorf("the result is %+v, want %+v", result, want)
	}
}

func TestCampaignNeverPassesItsBudget(t *testing.T) {
	p := shared(t)
	members := p.crowd(t, "budget", 12, 77_300)
	at := time.Now().Add(2 * time.Hour).Truncate(time.Minute)
	const budget = 5
	p.campaign(t, "budget", 77_300, budget, at)
	p.fire(t, "RunCampaigns", at)
	p.fire(t, "RunCampaigns", at)
	issued := 0
	for i, count := range p.coupons(t, members, "budget") {
		if count > 1 {
			t.Errorf("member %d has %d coupons", i, count)
		}
		issued += count
	}
	if issued != budget {
		t.Errorf("%d coupons, the budget is %d and %d members match", issued, budget, len(members))
	}
	var result campaignResult
	p.get(t, "/v1/campaigns/budget/result", &result)
	if result.Issued != budget || result.Issued+result.Unfunded != len(members) {
		t.Errorf("the result is %+v", result)
	}
	var template struct {
		Given struct{ Quantity int64 }
	}
	p.get(t, "/v1/coupon-templates/budget", &template)
	if template.Given.Quantity != budget {
		t.Errorf("the template says %d given", template.Given.Quantity)
	}
}
