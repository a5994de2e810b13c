package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var noon = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

func TestDocumentsAreReplacedByRevision(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	if _, _, err := s.Template(t.Context(), "ten-off"); loyalty.KindOf(err) != loyalty.KindNotFound {
		t.Fatalf("an unknown template: %v, want KindNotFound", err)
	}
	one := coupons.Template{ID: "ten-off", Name: "one", Kind: coupons.KindOwn, Discount: 1}
	other := coupons.Template{ID: "ten-off", Name: "other", Kind: coupons.KindOwn, Discount: 1}
	for _, step := range []struct {
		template coupons.Template
		was      store.Revision
		refused  bool
		stands   string
		revision store.Revision
	}{
		{one, 1, true, "", 0},
		{one, 0, false, "one", 1},
		{other, 0, true, "one", 1},
		{other, 2, true, "one", 1},
		{other, 1, false, "other", 2},
		{one, 1, true, "other", 2},
	} {
		err := s.Table.Write(t.Context(), store.PutTemplate(step.template, step.was))
		if store.Refused(err) != step.refused || err != nil && !step.refused {
			t.Errorf("%s over revision %d: %v, want refused %v", step.template.Name, step.was, err, step.refused)
		}
		got, revision, err := s.Template(t.Context(), "ten-off")
		if step.revision > 0 && err != nil || got.Name != step.stands || revision != step.revision {
			t.Errorf("%q at revision %d, %v; want %q at %d", got.Name, revision, err, step.stands, step.revision)
		}
	}
}

func TestMarkRanOnlyMovesOn(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	ran := func(at time.Time) campaign.Ran { return campaign.Ran{Occurrence: at.Format(time.RFC3339), At: at} }
	if err := s.Table.Write(t.Context(), store.MarkRan("daily", ran(noon))); !store.Refused(err) {
		t.Fatalf("a campaign that is not there: %v, want refused", err)
	}
	c := campaign.Campaign{ID: "daily", Audience: "a", Template: "t", State: campaign.StateActive, Ran: ran(noon.AddDate(9, 0, 0))}
	if err := s.Table.Write(t.Context(), store.PutCampaign(c, 0)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at      time.Time
		refused bool
		stands  time.Time
	}{
		{noon, false, noon},
		{noon, false, noon},
		{noon.Add(-time.Second), true, noon},
		{noon.Add(time.Second), false, noon.Add(time.Second)},
	} {
		err := s.Table.Write(t.Context(), store.MarkRan("daily", ran(step.at)))
		if store.Refused(err) != step.refused || err != nil && !step.refused {
			t.Errorf("mark %v: %v, want refused %v", step.at, err, step.refused)
		}
		got, _, err := s.Campaign(t.Context(), "daily")
		if err != nil || got.Ran != ran(step.stands) {
			t.Errorf("after %v: %+v, %v; want %v", step.at, got.Ran, err, step.stands)
		}
	}
	if err := s.Table.Write(t.Context(), store.PutCampaign(c, 1)); err != nil {
		t.Fatal(err)
	}
	all, next, err := s.Campaigns(t.Context(), 10, "")
	if err != nil || next != "" || len(all) != 1 || all[0].Ran != ran(noon.Add(time.Second)) {
		t.Errorf("after an edit: %+v, %q, %v", all, next, err)
	}
}

func TestAudienceMember(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	account := store.Account{
		Member: "M1", JoinedAt: noon.AddDate(0, 0, -100), Home: "tmall", Orders: 3, Paid: 100_000, Refunded: 1,
		Balance:  points.Balance{Available: 7, Pending: 5, Debt: 1},
		Consents: map[loyalty.Consent]time.Time{loyalty.ConsentMarketing: noon},
		Bought: map[string]store.Bought{
			"milk-powder": {Count: 2, Quantity: 4, Last: noon.AddDate(0, 0, -30)},
			"bread":       {Count: 0, Quantity: 0, Last: time.Date(2026, 11, 20, 15, 59, 59, 0, time.UTC)}, // 23:59:59 in Shanghai
		},
	}
	want := audience.Member{
		Orders: 3, Paid: 100_000, Refunded: 1, AverageOrder: 33_333, DaysSinceLast: 1, JoinedDays: 100, Home: "tmall",
		PointsAvailable: 7, PointsPending: 5, Consents: audience.Consents{Marketing: true},
		Categories: map[string]audience.Category{"milk-powder": {Count: 2, Quantity: 4, DaysSince: 30}, "bread": {DaysSince: 1}},
	}
	if diff := cmp.Diff(want, store.AudienceMember(account, noon, shanghai)); diff != "" {
		t.Errorf("member (-want +got):\n%s", diff)
	}
	want = audience.Member{DaysSinceLast: audience.Never(), JoinedDays: 0}
	if diff := cmp.Diff(want, store.AudienceMember(store.Account{JoinedAt: noon}, noon, shanghai), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("newcomer (-want +got):\n%s", diff)
	}
}

func TestRosterAfter(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	var all []loyalty.MemberID
	for i := 0; len(all) < 25; i++ {
		member := loyalty.MemberID(fmt.Sprintf("M%05d", i))
		if table.RosterKey(member).PK != table.RosterPK(7) {
			continue
		}
		if err := s.Table.Write(t.Context(), store.CreateAccount(member, store.Profile{}, nil, noon)...); err != nil {
			t.Fatal(err)
		}
		all = append(all, member)
	}
	for name, test := range map[string]struct {
		after, last loyalty.MemberID
		limit       int
		want        []loyalty.MemberID
		more        bool
	}{
		"the first":        {"", "", 10, all[:10], true},
		"the next":         {all[9], "", 10, all[10:20], true},
		"the end":          {all[19], "", 10, all[20:], false},
		"by bounds":        {all[4], all[11], 10, all[5:12], false},
		"bounds and limit": {all[4], all[20], 10, all[5:15], true},
		"after one gone":   {all[9] + "x", "", 3, all[10:13], true},
		"after the last":   {all[24], "", 10, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, more, err := s.RosterAfter(t.Context(), 7, test.after, test.last, test.limit)
			if diff := cmp.Diff(test.want, got); diff != "" || more != test.more || err != nil {
				t.Errorf("more %v, %v (-want +got):\n%s", more, err, diff)
			}
		})
	}
}

func TestCouponByCode(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	random := rand.NewChaCha8([32]byte{3})
	template := coupons.Template{ID: "ten-off", Name: "n", Kind: coupons.KindOwn, Discount: 1, Validity: coupons.Validity{Days: 1}}
	var issued []coupons.Coupon
	for i := range 12 {
		member := loyalty.MemberID(fmt.Sprintf("M%d", i%3))
		code, err := coupons.NewCode(member, random)
		if err != nil {
			t.Fatal(err)
		}
		coupon := template.Issue(member, fmt.Sprintf("card:b:%d", i), code, noon, time.UTC)
		if err := s.Table.Write(t.Context(), store.PutCoupon(coupon)); err != nil {
			t.Fatal(err)
		}
		if err := s.Table.Write(t.Context(), store.PutCoupon(coupon)); !store.Refused(err) {
			t.Fatalf("the same coupon again: %v, want refused", err)
		}
		issued = append(issued, coupon)
	}
	for _, want := range issued {
		got, err := s.CouponByCode(t.Context(), want.Code)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	elsewhere := "M9" + issued[0].Code[len("M0"):]
	for name, test := range map[string]struct {
		code  string
		trips int
	}{"not a code": {"hello", 0}, "nothing": {"", 0}, "another member's": {elsewhere, 1}} {
		var usage table.Usage
		_, err := s.CouponByCode(table.WithUsage(t.Context(), &usage), test.code)
		if loyalty.KindOf(err) != loyalty.KindNotFound || usage.RoundTrips != test.trips || usage.WriteUnits != 0 {
			t.Errorf("%s: %v for %+v, want KindNotFound for %d look", name, err, usage, test.trips)
		}
	}
	page, next, err := s.Coupons(t.Context(), "M1", 3, "")
	if err != nil || len(page) != 3 || next == "" {
		t.Fatalf("%d coupons, %q, %v", len(page), next, err)
	}
	page, next, err = s.Coupons(t.Context(), "M1", 3, next)
	if err != nil || len(page) != 1 || next != "" {
		t.Errorf("%d coupons, %q, %v", len(page), next, err)
	}
}
