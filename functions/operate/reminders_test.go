package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// Reminders are listed whether their calls ride on the settlement's or not, each
// once, however long a page is.
func TestComingRemindersAreListedOnce(t *testing.T) {
	b := open(t)
	var want []string
	for i := range 40 {
		member := b.join(fmt.Sprint("o", i))
		order := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint(i)}
		paid := points.Fact{Kind: points.FactPaid, At: now, Member: loyalty.MemberID(member), Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 100}}}
		facts := []points.Fact{paid}
		switch i % 3 {
		case 0: // the settlement is due first
			facts = []points.Fact{{Kind: points.FactCompleted, At: now}, paid}
		case 1: // nothing cycles
			facts[0].Lines[0].Category = "toys"
		}
		if i%3 != 1 {
			want = append(want, member)
		}
		for _, fact := range facts {
			if _, err := ledger.Post(t.Context(), b.function.Store, nil, ledger.News{Order: order, Fact: fact}, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Sort(want)
	listed := func(before time.Time, limit int) (members []string) {
		for cursor := ""; ; {
			query := url.Values{"due_before": {before.Format(time.RFC3339)}, "limit": {fmt.Sprint(limit)}, "cursor": {cursor}}
			status, answer, _ := b.call(request{method: "GET", path: "/v1/reminders?" + query.Encode(), token: adminToken})
			var page struct {
				Items []struct {
					MemberID string `json:"member_id"`
				} `json:"items"`
				Next string `json:"next_cursor"`
			}
			if err := json.Unmarshal([]byte(answer), &page); err != nil || status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
			for _, item := range page.Items {
				members = append(members, item.MemberID)
			}
			if cursor = page.Next; cursor == "" {
				slices.Sort(members)
				return members
			}
		}
	}
	for _, limit := range []int{1, 7, 100} {
		if got := listed(now.AddDate(0, 0, 22), limit); !slices.Equal(got, want) {
			t.Errorf("%d a page: %d reminders of %d members, want one of each of %d", limit, len(got), len(slices.Compact(slices.Clone(got))), len(want))
		}
		if got := listed(now.AddDate(0, 0, 20), limit); len(got) > 0 {
			t.Errorf("%d reminders are due by day 20", len(got))
		}
	}
	for _, cursor := range []string{"32.", "-1.", "x", "33"} {
		path := "/v1/reminders?due_before=2027-01-01T00:00:00Z&cursor=" + cursor
		if status, answer, _ := b.call(request{method: "GET", path: path, token: adminToken}); status != http.StatusBadRequest {
			t.Errorf("cursor %q: %d %s", cursor, status, answer)
		}
	}
}
