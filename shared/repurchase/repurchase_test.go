package repurchase_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/repurchase"
)

const milk = "milk-powder"

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	loaded, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func rules() repurchase.Rules {
	return repurchase.Rules{
		Categories: map[string]repurchase.Category{
			milk:      {Name: "奶粉", CycleDays: 28, LeadDays: 7, SKUs: []string{"MILK-400"}},
			"diapers": {CycleDays: 14, LeadDays: 0, SKUs: []string{"D-1", "MILK-400"}},
		},
		QuietHours: repurchase.Hours{From: "21:00", To: "09:00"},
		Cap:        repurchase.Cap{Messages: 2, Days: 30},
	}
}

func TestDueAt(t *testing.T) {
	shanghai, newYork := zone(t, "Asia/Shanghai"), zone(t, "America/New_York")
	for name, test := range map[string]struct {
		category string
		bought   time.Time
		zone     *time.Location
		want     time.Time
	}{
		"a 28-day cycle, 7 days ahead": {milk, time.Date(2026, 11, 1, 10, 0, 0, 0, shanghai), shanghai, time.Date(2026, 11, 22, 9, 0, 0, 0, shanghai)},
		"the last second of a day":     {milk, time.Date(2026, 11, 1, 23, 59, 59, 0, shanghai), shanghai, time.Date(2026, 11, 22, 9, 0, 0, 0, shanghai)},
		"midnight is the next day":     {milk, time.Date(2026, 11, 2, 0, 0, 0, 0, shanghai), shanghai, time.Date(2026, 11, 23, 9, 0, 0, 0, shanghai)},
		"told in UTC":                  {milk, time.Date(2026, 11, 1, 16, 0, 0, 0, time.UTC), shanghai, time.Date(2026, 11, 23, 9, 0, 0, 0, shanghai)},
		"no lead":                      {"diapers", time.Date(2026, 11, 1, 10, 0, 0, 0, shanghai), shanghai, time.Date(2026, 11, 15, 9, 0, 0, 0, shanghai)},
		"over the new year":            {milk, time.Date(2026, 12, 20, 10, 0, 0, 0, shanghai), shanghai, time.Date(2027, 1, 10, 9, 0, 0, 0, shanghai)},
		"over a leap day":              {milk, time.Date(2028, 2, 10, 10, 0, 0, 0, shanghai), shanghai, time.Date(2028, 3, 2, 9, 0, 0, 0, shanghai)},
		"over a change of clocks":      {milk, time.Date(2026, 10, 20, 10, 0, 0, 0, newYork), newYork, time.Date(2026, 11, 10, 9, 0, 0, 0, newYork)},
	} {
		t.Run(name, func(t *testing.T) {
			due, ok := rules().DueAt(test.category, test.bought, test.zone)
			if !ok || !due.Equal(test.want) {
				t.Errorf("due %v, %v; want %v", due, ok, test.want)
			}
		})
	}
	if due, ok := rules().DueAt("gifts", time.Now(), shanghai); ok {
		t.Errorf("a category without a cycle is due at %v", due)
	}
}

func TestTooLate(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	bought := time.Date(2026, 11, 1, 10, 0, 0, 0, shanghai)
	over := time.Date(2026, 11, 30, 0, 0, 0, 0, shanghai) // the 28th day is over
	if rules().TooLate(milk, bought, over.Add(-time.Second), shanghai) {
		t.Error("too late on the last day")
	}
	if !rules().TooLate(milk, bought, over, shanghai) {
		t.Error("not too late when the last day is over")
	}
	if !rules().TooLate("gifts", bought, bought, shanghai) {
		t.Error("not too late for a category without a cycle")
	}
}

func TestQuiet(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, shanghai) }
	night, noon, none := repurchase.Hours{From: "21:00", To: "09:00"}, repurchase.Hours{From: "12:00", To: "14:00"}, repurchase.Hours{From: "09:00", To: "09:00"}
	for name, test := range map[string]struct {
		hours    repurchase.Hours
		at, want time.Time
	}{
		"before the night":   {night, at(1, 20, 59), at(1, 20, 59)},
		"the night begins":   {night, at(1, 21, 0), at(2, 9, 0)},
		"before midnight":    {night, at(1, 23, 59), at(2, 9, 0)},
		"midnight":           {night, at(2, 0, 0), at(2, 9, 0)},
		"the night's end":    {night, at(2, 8, 59), at(2, 9, 0)},
		"after the night":    {night, at(2, 9, 0), at(2, 9, 0)},
		"the month's end":    {night, at(30, 22, 0), at(31, 9, 0)},
		"before noon":        {noon, at(1, 11, 59), at(1, 11, 59)},
		"noon":               {noon, at(1, 12, 0), at(1, 14, 0)},
		"after noon":         {noon, at(1, 14, 0), at(1, 14, 0)},
		"no quiet hours":     {none, at(1, 9, 0), at(1, 9, 0)},
		"told in UTC, quiet": {night, at(1, 21, 0).UTC(), at(2, 9, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			r := rules()
			r.QuietHours = test.hours
			if got := r.Allowed(test.at, shanghai); !got.Equal(test.want) {
				t.Errorf("allowed from %v, want %v", got, test.want)
			}
			if quiet := r.Quiet(test.at, shanghai); quiet == test.at.Equal(test.want) {
				t.Errorf("quiet is %v", quiet)
			}
		})
	}
}

func TestOverCap(t *testing.T) {
	now := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	for name, test := range map[string]struct {
		sent []time.Time
		want bool
	}{
		"none":                          {nil, false},
		"one":                           {[]time.Time{ago(1)}, false},
		"as many as allowed":            {[]time.Time{ago(29), ago(1)}, true},
		"one of them 30 days ago":       {[]time.Time{ago(30), ago(1)}, false},
		"one of them just under 30 ago": {[]time.Time{ago(30).Add(time.Second), ago(1)}, true},
	} {
		if got := rules().OverCap(test.sent, now); got != test.want {
			t.Errorf("%s: over the cap is %v", name, got)
		}
	}
}

func TestCategoryOf(t *testing.T) {
	for name, test := range map[string]struct{ category, sku, want string }{
		"its own":             {"gifts", "MILK-400", "gifts"},
		"by SKU":              {"", "D-1", "diapers"},
		"an SKU of two":       {"", "MILK-400", "diapers"},
		"an SKU nobody lists": {"", "X", ""},
	} {
		if got := rules().CategoryOf(test.category, test.sku); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestTitle(t *testing.T) {
	if got := rules().Title(milk) + rules().Title("diapers") + rules().Title("gifts"); got != "奶粉diapersgifts" {
		t.Errorf("the titles are %q", got)
	}
}

func TestPlan(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	day := func(n, hour int) time.Time { return time.Date(2026, 11, 1+n, hour, 0, 0, 0, shanghai) }
	m := repurchase.Purchase{Category: milk, At: day(0, 10)}
	d := repurchase.Purchase{Category: "diapers", At: day(10, 10)}
	told := m
	told.Told = true
	gift := repurchase.Purchase{Category: "gifts", At: day(0, 10)}
	for name, test := range map[string]struct {
		purchases []repurchase.Purchase
		now       time.Time
		want      repurchase.Plan
	}{
		"nothing bought":              {nil, day(21, 9), repurchase.Plan{}},
		"the minute before":           {[]repurchase.Purchase{m}, day(21, 9).Add(-time.Minute), repurchase.Plan{Next: day(21, 9)}},
		"due":                         {[]repurchase.Purchase{m}, day(21, 9), repurchase.Plan{Due: []repurchase.Purchase{m}}},
		"told":                        {[]repurchase.Purchase{told}, day(21, 9), repurchase.Plan{}},
		"used up":                     {[]repurchase.Purchase{m}, day(29, 0), repurchase.Plan{Missed: []repurchase.Purchase{m}}},
		"without a cycle":             {[]repurchase.Purchase{gift}, day(21, 9), repurchase.Plan{}},
		"one due, one to come":        {[]repurchase.Purchase{m, d}, day(21, 9), repurchase.Plan{Due: []repurchase.Purchase{m}, Next: day(24, 9)}},
		"the first to come of two":    {[]repurchase.Purchase{m, d}, day(12, 9), repurchase.Plan{Next: day(21, 9)}},
		"one missed, one to come":     {[]repurchase.Purchase{told, d}, day(22, 9), repurchase.Plan{Next: day(24, 9)}},
		"due and still in quiet time": {[]repurchase.Purchase{m}, day(21, 22), repurchase.Plan{Due: []repurchase.Purchase{m}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, rules().Plan(test.purchases, test.now, shanghai)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// A due date is never quiet, never after the goods are used up, and whoever
// looks at any time finds exactly one of: to come, due, missed.
func TestAnyPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := zone(t, rapid.SampledFrom([]string{"Asia/Shanghai", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "UTC"}).Draw(t, "zone"))
		minute := rapid.IntRange(0, 24*60-1)
		clock := func(label string) string {
			m := minute.Draw(t, label)
			return fmt.Sprintf("%02d:%02d", m/60, m%60)
		}
		cycle := rapid.IntRange(1, 730).Draw(t, "cycle")
		r := repurchase.Rules{
			Categories: map[string]repurchase.Category{milk: {CycleDays: cycle, LeadDays: rapid.IntRange(0, min(365, cycle-1)).Draw(t, "lead")}},
			QuietHours: repurchase.Hours{From: clock("from"), To: clock("to")},
			Cap:        repurchase.Cap{Messages: 1, Days: 1},
		}
		if err := r.Validate(""); err != nil {
			t.Fatalf("%v", err)
		}
		bought := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "bought"), 0)
		due, ok := r.DueAt(milk, bought, place)
		if !ok || r.Quiet(due, place) || r.TooLate(milk, bought, due, place) || due.Before(bought.Add(-24*time.Hour)) {
			t.Fatalf("due at %v: quiet %v, too late %v", due.In(place), r.Quiet(due, place), r.TooLate(milk, bought, due, place))
		}
		now := bought.Add(time.Duration(rapid.Int64Range(-1, 800*24*3600).Draw(t, "later")) * time.Second)
		plan := r.Plan([]repurchase.Purchase{{Category: milk, At: bought}}, now, place)
		states := len(plan.Due) + len(plan.Missed)
		if !plan.Next.IsZero() {
			states++
		}
		if states != 1 {
			t.Fatalf("at %v the plan is %+v", now, plan)
		}
	})
}

func TestValidate(t *testing.T) {
	if err := rules().Validate("/repurchase"); err != nil {
		t.Fatalf("good rules are refused: %v", err)
	}
	for pointer, change := range map[string]func(*repurchase.Rules){
		"/repurchase/categories":              func(r *repurchase.Rules) { r.Categories[""] = repurchase.Category{CycleDays: 1} },
		"/repurchase/categories/x/cycle_days": func(r *repurchase.Rules) { r.Categories["x"] = repurchase.Category{} },
		"/repurchase/categories/x/lead_days":  func(r *repurchase.Rules) { r.Categories["x"] = repurchase.Category{CycleDays: 7, LeadDays: 7} },
		"/repurchase/categories/x/name": func(r *repurchase.Rules) {
			r.Categories["x"] = repurchase.Category{CycleDays: 7, Name: "一二三四五六七八九十一二三四五六七八九十一"}
		},
		"/repurchase/quiet_hours/from": func(r *repurchase.Rules) { r.QuietHours.From = "24:00" },
		"/repurchase/quiet_hours/to":   func(r *repurchase.Rules) { r.QuietHours.To = "" },
		"/repurchase/cap":              func(r *repurchase.Rules) { r.Cap.Messages = repurchase.MaxCapMessages + 1 },
	} {
		r := rules()
		change(&r)
		refusal, ok := errors.AsType[*loyalty.Error](r.Validate("/repurchase"))
		if !ok || refusal.Kind != loyalty.KindInvalid || len(refusal.Fields) != 1 || refusal.Fields[0].Pointer != pointer {
			t.Errorf("%s: refused as %+v", pointer, refusal)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	shanghai := zone(b, "Asia/Shanghai")
	r := rules()
	purchases := []repurchase.Purchase{{Category: milk, At: time.Date(2026, 11, 1, 10, 0, 0, 0, shanghai)}}
	now := time.Date(2026, 11, 22, 9, 5, 0, 0, shanghai)
	b.ReportAllocs()
	for b.Loop() {
		if len(r.Plan(purchases, now, shanghai).Due) != 1 {
			b.Fatal("not due")
		}
	}
}
