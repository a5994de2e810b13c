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
	told, begun := m, m
	told.Told, begun.Begun = true, day(21, 9)
	gift := repurchase.Purchase{Category: "gifts", At: day(0, 10)}
	for name, test := range map[string]struct {
		purchases []repurchase.Purchase
		now       time.Time
		want      repurchase.Plan
		sent      []time.Time
	}{
		"nothing bought":              {nil, day(21, 9), repurchase.Plan{}, nil},
		"the minute before":           {[]repurchase.Purchase{m}, day(21, 9).Add(-time.Minute), repurchase.Plan{Next: day(21, 9)}, nil},
		"due":                         {[]repurchase.Purchase{m}, day(21, 9), repurchase.Plan{Due: []repurchase.Purchase{m}}, nil},
		"told":                        {[]repurchase.Purchase{told}, day(21, 9), repurchase.Plan{}, nil},
		"used up":                     {[]repurchase.Purchase{m}, day(29, 0), repurchase.Plan{Missed: []repurchase.Purchase{m}}, nil},
		"without a cycle":             {[]repurchase.Purchase{gift}, day(21, 9), repurchase.Plan{}, nil},
		"one due, one to come":        {[]repurchase.Purchase{m, d}, day(21, 9), repurchase.Plan{Due: []repurchase.Purchase{m}, Next: day(24, 9)}, nil},
		"the first to come of two":    {[]repurchase.Purchase{m, d}, day(12, 9), repurchase.Plan{Next: day(21, 9)}, nil},
		"one missed, one to come":     {[]repurchase.Purchase{told, d}, day(22, 9), repurchase.Plan{Next: day(24, 9)}, nil},
		"due and still in quiet time": {[]repurchase.Purchase{m}, day(21, 22), repurchase.Plan{Due: []repurchase.Purchase{m}}, nil},
		"room two days later": {
			[]repurchase.Purchase{m}, day(21, 9), repurchase.Plan{Next: day(23, 10)}, []time.Time{day(-7, 10), day(0, 10)},
		},
		"room once it is there": {
			[]repurchase.Purchase{m}, day(23, 10), repurchase.Plan{Due: []repurchase.Purchase{m}}, []time.Time{day(-7, 10), day(0, 10)},
		},
		"room in quiet hours": {
			[]repurchase.Purchase{m}, day(21, 9), repurchase.Plan{Next: day(24, 9)}, []time.Time{day(-7, 22), day(0, 10)},
		},
		"room on the last day": {
			[]repurchase.Purchase{m}, day(21, 9), repurchase.Plan{Next: day(28, 20)}, []time.Time{day(-2, 20), day(0, 10)},
		},
		"room when the last day is over": {
			[]repurchase.Purchase{m}, day(21, 9), repurchase.Plan{Capped: []repurchase.Purchase{m}}, []time.Time{day(-2, 21), day(0, 10)},
		},
		"no room, and not due yet": {
			[]repurchase.Purchase{m}, day(20, 9), repurchase.Plan{Next: day(21, 9)}, []time.Time{day(5, 10), day(6, 10)},
		},
		"no room, and used up": {
			[]repurchase.Purchase{m}, day(29, 0), repurchase.Plan{Missed: []repurchase.Purchase{m}}, []time.Time{day(5, 10), day(6, 10)},
		},
		"its own message does not count": {
			[]repurchase.Purchase{begun}, day(21, 10), repurchase.Plan{Due: []repurchase.Purchase{begun}}, []time.Time{day(0, 10), day(21, 9)},
		},
		"another of the same second counts": {
			[]repurchase.Purchase{begun}, day(21, 10), repurchase.Plan{Next: day(29, 0)}, []time.Time{day(10, 10), day(21, 9), day(21, 9)},
		},
		"a cap made smaller": {
			[]repurchase.Purchase{m}, day(21, 9), repurchase.Plan{Next: day(24, 10)}, []time.Time{day(-6, 10), day(-6, 9), day(5, 10)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, rules().Plan(test.purchases, test.sent, test.now, shanghai)); diff != "" {
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
		plan := r.Plan([]repurchase.Purchase{{Category: milk, At: bought}}, nil, now, place)
		states := len(plan.Due) + len(plan.Missed)
		if !plan.Next.IsZero() {
			states++
		}
		if states != 1 {
			t.Fatalf("at %v the plan is %+v", now, plan)
		}
	})
}

// A reminder over the cap leaves at the first allowed minute at which there is
// room, and is let go only where there is none before the goods are used up.
func TestAnyReminderOverTheCapIsPostponedToTheFirstRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := zone(t, rapid.SampledFrom([]string{"Asia/Shanghai", "America/New_York", "Asia/Kathmandu"}).Draw(t, "zone"))
		clock := func(label string) string {
			m := rapid.IntRange(0, 24*60-1).Draw(t, label)
			return fmt.Sprintf("%02d:%02d", m/60, m%60)
		}
		cycle := rapid.IntRange(1, 60).Draw(t, "cycle")
		r := repurchase.Rules{
			Categories: map[string]repurchase.Category{milk: {CycleDays: cycle, LeadDays: rapid.IntRange(0, cycle-1).Draw(t, "lead")}},
			QuietHours: repurchase.Hours{From: clock("from"), To: clock("to")},
			Cap:        repurchase.Cap{Messages: rapid.IntRange(1, 4).Draw(t, "messages"), Days: rapid.IntRange(1, 40).Draw(t, "days")},
		}
		bought := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "bought"), 0)
		purchase := repurchase.Purchase{Category: milk, At: bought}
		due, _ := r.DueAt(milk, bought, place)
		var sent []time.Time
		for range rapid.IntRange(0, 6).Draw(t, "sent") {
			sent = append(sent, due.Add(time.Duration(rapid.IntRange(-41*24*60, 24*60).Draw(t, "minutes"))*time.Minute))
		}
		counted := sent
		if len(sent) > 0 && rapid.Bool().Draw(t, "begun") {
			purchase.Begun, counted = sent[0], sent[1:]
		}
		span := time.Duration(r.Cap.Days) * 24 * time.Hour
		// free tells by counting what the rule computes.
		free := func(at time.Time) bool {
			recent := 0
			for _, other := range counted {
				if other.After(at.Add(-span)) {
					recent++
				}
			}
			return recent < r.Cap.Messages && !r.Quiet(at, place)
		}
		moments := []time.Time{due} // at which a message may be the first that is allowed
		for _, other := range counted {
			moments = append(moments, other.Add(span), r.Allowed(other.Add(span), place))
		}
		var first time.Time
		for _, at := range moments {
			if useful := !at.Before(due) && !r.TooLate(milk, bought, at, place); useful && free(at) && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
		at, useful, cycles := r.RemindAt(purchase, sent, place)
		switch {
		case !cycles || useful != !first.IsZero():
			t.Fatalf("useful %v at %v, and the first room is at %v", useful, at, first)
		case useful && !at.Equal(first):
			t.Fatalf("leaves at %v, and the first room is at %v", at, first)
		case !useful && purchase.Begun.IsZero() && !at.Equal(due):
			t.Fatalf("let go at %v, not when it is due at %v", at, due)
		case !useful && !purchase.Begun.IsZero() && !r.TooLate(milk, bought, at, place):
			t.Fatalf("what may have left is let go at %v, before it is too late", at)
		}
		now := due.Add(time.Duration(rapid.IntRange(-24, 45*24).Draw(t, "hours")) * time.Hour)
		plan := r.Plan([]repurchase.Purchase{purchase}, sent, now, place)
		var want repurchase.Plan
		switch {
		case now.Before(at):
			want.Next = at
		case r.TooLate(milk, bought, now, place):
			want.Missed = []repurchase.Purchase{purchase}
		case useful:
			want.Due = []repurchase.Purchase{purchase}
		default:
			want.Capped = []repurchase.Purchase{purchase}
		}
		if diff := cmp.Diff(want, plan); diff != "" {
			t.Fatalf("at %v the plan is (-want +got):\n%s", now, diff)
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
		if len(r.Plan(purchases, nil, now, shanghai).Due) != 1 {
			b.Fatal("not due")
		}
	}
}
