package coupons_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
)

func valid() coupons.Template {
	return coupons.Template{
		ID: "ten-off", Name: "满199减20", Kind: coupons.KindOwn, Threshold: 19_900, Discount: 2_000,
		Validity: coupons.Validity{Days: 14}, Budget: coupons.Budget{Quantity: 1_000, Amount: 2_000_000},
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*coupons.Template)
		want   loyalty.Field // zero for none
	}{
		"good":                     {func(*coupons.Template) {}, loyalty.Field{}},
		"good without a threshold": {func(c *coupons.Template) { c.Threshold = 0 }, loyalty.Field{}},
		"good: free":               {func(c *coupons.Template) { c.Discount = c.Threshold }, loyalty.Field{}},
		"good without a budget":    {func(c *coupons.Template) { c.Budget = coupons.Budget{} }, loyalty.Field{}},
		"good months":              {func(c *coupons.Template) { c.Validity = coupons.Validity{Months: 3} }, loyalty.Field{}},
		"pool":                     {func(c *coupons.Template) { c.Kind = coupons.KindPool }, loyalty.Field{Pointer: "/kind", Code: "not_supported"}},
		"good link":                {func(c *coupons.Template) { c.Kind, c.Link = coupons.KindLink, "https://shop.example.com/c" }, loyalty.Field{}},
		"no id":                    {func(c *coupons.Template) { c.ID = "" }, loyalty.Field{Pointer: "/id", Code: "malformed"}},
		"id with #":                {func(c *coupons.Template) { c.ID = "a#b" }, loyalty.Field{Pointer: "/id", Code: "malformed"}},
		"no name":                  {func(c *coupons.Template) { c.Name = " " }, loyalty.Field{Pointer: "/name", Code: "out_of_range"}},
		"long name":                {func(c *coupons.Template) { c.Name = strings.Repeat("减", 41) }, loyalty.Field{Pointer: "/name", Code: "out_of_range"}},
		"two lines":                {func(c *coupons.Template) { c.Name = "a\nb" }, loyalty.Field{Pointer: "/name", Code: "out_of_range"}},
		"unknown kind":             {func(c *coupons.Template) { c.Kind = "cash" }, loyalty.Field{Pointer: "/kind", Code: "unknown"}},
		"threshold below 0":        {func(c *coupons.Template) { c.Threshold = -1 }, loyalty.Field{Pointer: "/threshold", Code: "out_of_range"}},
		"no discount":              {func(c *coupons.Template) { c.Discount = 0 }, loyalty.Field{Pointer: "/discount", Code: "out_of_range"}},
		"discount below 0":         {func(c *coupons.Template) { c.Discount = -2_000 }, loyalty.Field{Pointer: "/discount", Code: "out_of_range"}},
		"discount above threshold": {func(c *coupons.Template) { c.Discount = 19_901 }, loyalty.Field{Pointer: "/discount", Code: "above_threshold"}},
		"no validity":              {func(c *coupons.Template) { c.Validity = coupons.Validity{} }, loyalty.Field{Pointer: "/validity", Code: "required"}},
		"days and months":          {func(c *coupons.Template) { c.Validity.Months = 1 }, loyalty.Field{Pointer: "/validity", Code: "required"}},
		"days below 0":             {func(c *coupons.Template) { c.Validity.Days = -1 }, loyalty.Field{Pointer: "/validity/days", Code: "out_of_range"}},
		"months for ever":          {func(c *coupons.Template) { c.Validity = coupons.Validity{Months: 37} }, loyalty.Field{Pointer: "/validity/months", Code: "out_of_range"}},
		"quantity below 0":         {func(c *coupons.Template) { c.Budget.Quantity = -1 }, loyalty.Field{Pointer: "/budget/quantity", Code: "out_of_range"}},
		"amount below 0":           {func(c *coupons.Template) { c.Budget.Amount = -1 }, loyalty.Field{Pointer: "/budget/amount", Code: "out_of_range"}},
		"amount below one":         {func(c *coupons.Template) { c.Budget.Amount = 1_999 }, loyalty.Field{Pointer: "/budget/amount", Code: "out_of_range"}},
		"link without need":        {func(c *coupons.Template) { c.Link = "https://shop.example.com/c" }, loyalty.Field{Pointer: "/link", Code: "not_allowed"}},
		"no link":                  {func(c *coupons.Template) { c.Kind = coupons.KindLink }, loyalty.Field{Pointer: "/link", Code: "malformed"}},
		"link without TLS":         {func(c *coupons.Template) { c.Kind, c.Link = coupons.KindLink, "http://shop.example.com/" }, loyalty.Field{Pointer: "/link", Code: "malformed"}},
		"good link with a port":    {func(c *coupons.Template) { c.Kind, c.Link = coupons.KindLink, "https://shop.example.com:8443?a=b#c" }, loyalty.Field{}},
		"link without a host":      {func(c *coupons.Template) { c.Kind, c.Link = coupons.KindLink, "https:///c" }, loyalty.Field{Pointer: "/link", Code: "malformed"}},
		"link with a space":        {func(c *coupons.Template) { c.Kind, c.Link = coupons.KindLink, "https://a.example/ b" }, loyalty.Field{Pointer: "/link", Code: "malformed"}},
		"long link": {func(c *coupons.Template) {
			c.Kind, c.Link = coupons.KindLink, "https://a.example/"+strings.Repeat("b", 200)
		}, loyalty.Field{Pointer: "/link", Code: "malformed"}},
		"link that runs":            {func(c *coupons.Template) { c.Kind, c.Link = coupons.KindLink, "javascript:alert(1)" }, loyalty.Field{Pointer: "/link", Code: "malformed"}},
		"link with somebody's name": {func(c *coupons.Template) { c.Kind, c.Link = coupons.KindLink, "https://a@b.example/" }, loyalty.Field{Pointer: "/link", Code: "malformed"}},
	} {
		t.Run(name, func(t *testing.T) {
			template := valid()
			test.change(&template)
			err := template.Validate()
			if test.want == (loyalty.Field{}) {
				if err != nil {
					t.Fatalf("Validate: %v", err)
				}
				return
			}
			refusal, ok := err.(*loyalty.Error)
			if !ok || refusal.Kind != loyalty.KindInvalid {
				t.Fatalf("Validate: %v, want KindInvalid", err)
			}
			if diff := cmp.Diff([]loyalty.Field{test.want}, refusal.Fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIssuable(t *testing.T) {
	template := valid()
	for kind, want := range map[coupons.Kind]bool{coupons.KindOwn: true, coupons.KindLink: true, coupons.KindPool: false} {
		template.Kind = kind
		err := template.Issuable()
		if (err == nil) != want || err != nil && loyalty.KindOf(err) != loyalty.KindConflict {
			t.Errorf("%s: %v, want issuable %v", kind, err, want)
		}
	}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestEnd(t *testing.T) {
	for _, test := range []struct {
		issued   string
		validity coupons.Validity
		zone     string
		want     string
	}{
		{"2026-11-30T10:00:00+08:00", coupons.Validity{Months: 3}, "Asia/Shanghai", "2027-02-28T23:59:59+08:00"},
		{"2027-11-30T10:00:00+08:00", coupons.Validity{Months: 3}, "Asia/Shanghai", "2028-02-29T23:59:59+08:00"},
		{"2026-10-31T10:00:00+08:00", coupons.Validity{Months: 1}, "Asia/Shanghai", "2026-11-30T23:59:59+08:00"},
		{"2026-12-31T23:59:59+08:00", coupons.Validity{Months: 1}, "Asia/Shanghai", "2027-01-31T23:59:59+08:00"},
		{"2028-02-29T00:00:00+08:00", coupons.Validity{Months: 12}, "Asia/Shanghai", "2029-02-28T23:59:59+08:00"},
		{"2026-11-21T00:00:00+08:00", coupons.Validity{Days: 1}, "Asia/Shanghai", "2026-11-22T23:59:59+08:00"},
		{"2026-12-25T23:59:59+08:00", coupons.Validity{Days: 7}, "Asia/Shanghai", "2027-01-01T23:59:59+08:00"},
		{"2026-11-21T16:00:00Z", coupons.Validity{Days: 1}, "Asia/Shanghai", "2026-11-23T23:59:59+08:00"}, // the 22nd in Shanghai
		{"2026-11-30T16:00:00Z", coupons.Validity{Months: 3}, "Asia/Shanghai", "2027-03-01T23:59:59+08:00"},
		{"2026-03-07T12:00:00-05:00", coupons.Validity{Days: 1}, "America/New_York", "2026-03-08T23:59:59-04:00"}, // a day of 23 hours
	} {
		issued, err := time.Parse(time.RFC3339, test.issued)
		if err != nil {
			t.Fatal(err)
		}
		if got := test.validity.End(issued, zone(t, test.zone)).Format(time.RFC3339); got != test.want {
			t.Errorf("%+v from %s ends %s, want %s", test.validity, test.issued, got, test.want)
		}
	}
}

func TestExpired(t *testing.T) {
	coupon := valid().Issue("M1", "campaign:a:once", "code", time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), time.UTC)
	end := time.Date(2026, 12, 5, 23, 59, 59, 0, time.UTC)
	for now, want := range map[time.Time]bool{
		end: false, end.Add(time.Second - 1): false, end.Add(time.Second): true, end.AddDate(0, 0, -14): false,
	} {
		if got := coupon.Expired(now); got != want {
			t.Errorf("expired at %v: %v, want %v", now, got, want)
		}
	}
}

func TestIssueCopiesTheTerms(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 123, time.UTC)
	template := valid()
	template.Kind, template.Link = coupons.KindLink, "https://shop.example.com/c"
	want := coupons.Coupon{
		Template: "ten-off", Member: "M1", Trigger: "campaign:a:once", Name: "满199减20", Threshold: 19_900, Discount: 2_000,
		Link: "https://shop.example.com/c", State: coupons.StateIssued,
		IssuedAt: now.Truncate(time.Second), ExpiresAt: time.Date(2026, 12, 5, 23, 59, 59, 0, time.UTC),
	}
	if diff := cmp.Diff(want, template.Issue("M1", "campaign:a:once", "code", now, time.UTC)); diff != "" {
		t.Errorf("coupon (-want +got):\n%s", diff)
	}
	template.Kind = coupons.KindOwn
	if got := template.Issue("M1", "campaign:a:once", "code", now, time.UTC).Code; got != "code" {
		t.Errorf("code %q of an own coupon, want the one given", got)
	}
}

func TestGrant(t *testing.T) {
	for name, test := range map[string]struct {
		budget coupons.Budget
		given  coupons.Given
		want   int64
		grant  int64
	}{
		"no limit":                {coupons.Budget{}, coupons.Given{Quantity: 1e12, Amount: 1e15}, 300, 300},
		"enough":                  {coupons.Budget{Quantity: 500}, coupons.Given{Quantity: 200}, 300, 300},
		"part":                    {coupons.Budget{Quantity: 500}, coupons.Given{Quantity: 490}, 300, 10},
		"none":                    {coupons.Budget{Quantity: 500}, coupons.Given{Quantity: 500}, 300, 0},
		"lowered":                 {coupons.Budget{Quantity: 100}, coupons.Given{Quantity: 500}, 300, 0},
		"amount, rounded down":    {coupons.Budget{Amount: 9_999}, coupons.Given{Amount: 2_000}, 300, 3},
		"amount lowered":          {coupons.Budget{Amount: 1_000}, coupons.Given{Amount: 8_000}, 300, 0},
		"the tighter of the two":  {coupons.Budget{Quantity: 5, Amount: 4_000}, coupons.Given{}, 300, 2},
		"the other is tighter":    {coupons.Budget{Quantity: 5, Amount: 400_000}, coupons.Given{}, 300, 5},
		"nothing wanted":          {coupons.Budget{Quantity: 5}, coupons.Given{}, 0, 0},
		"amount less than a hair": {coupons.Budget{Amount: 2_000}, coupons.Given{Amount: 1}, 300, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.budget.Grant(test.given, 2_000, test.want); got != test.grant {
				t.Errorf("granted %d, want %d", got, test.grant)
			}
		})
	}
}

// Whatever was granted stays within the budget, and one more would not.
func TestGrantIsTheMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := coupons.Budget{
			Quantity: rapid.Int64Range(0, 50).Draw(t, "quantity"), Amount: loyalty.Fen(rapid.Int64Range(0, 5_000).Draw(t, "amount")),
		}
		discount := loyalty.Fen(rapid.Int64Range(1, 300).Draw(t, "discount"))
		var given coupons.Given
		for range rapid.IntRange(0, 20).Draw(t, "rounds") {
			want := rapid.Int64Range(0, 20).Draw(t, "want")
			grant := budget.Grant(given, discount, want)
			fits := func(n int64) bool {
				return (budget.Quantity == 0 || given.Quantity+n <= budget.Quantity) &&
					(budget.Amount == 0 || given.Amount+discount*loyalty.Fen(n) <= budget.Amount)
			}
			if grant < 0 || grant > want || !fits(grant) || grant < want && fits(grant+1) {
				t.Fatalf("%+v after %+v grants %d of %d at %d", budget, given, grant, want, discount)
			}
			given.Quantity += grant
			given.Amount += discount * loyalty.Fen(grant)
		}
	})
}
