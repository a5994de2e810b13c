package coupons_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
)

func TestLimitsThatMakeNoSenseAreRefusedByField(t *testing.T) {
	per := func(count, days int) coupons.Limits {
		return coupons.Limits{PerMemberPerDays: coupons.PerDays{Count: count, Days: days}}
	}
	for name, test := range map[string]struct {
		limits  coupons.Limits
		pointer string // "" for none
	}{
		"none":                 {coupons.Limits{}, ""},
		"one for each":         {coupons.Limits{PerMember: 1}, ""},
		"the most":             {coupons.Limits{PerMember: 1_000, PerMemberPerDays: coupons.PerDays{Count: 1_000, Days: 1_100}}, ""},
		"one a day":            {per(1, 1), ""},
		"below zero":           {coupons.Limits{PerMember: -1}, "/limits/per_member"},
		"too many":             {coupons.Limits{PerMember: 1_001}, "/limits/per_member"},
		"a window of none":     {per(0, 7), "/limits/per_member_per_days/count"},
		"a window below zero":  {per(-1, 7), "/limits/per_member_per_days/count"},
		"a window of too many": {per(1_001, 7), "/limits/per_member_per_days/count"},
		"a count of no days":   {per(1, 0), "/limits/per_member_per_days/days"},
		"days below zero":      {per(1, -7), "/limits/per_member_per_days/days"},
		"too many days":        {per(1, 1_101), "/limits/per_member_per_days/days"},
	} {
		t.Run(name, func(t *testing.T) {
			template := valid()
			template.Limits = test.limits
			err := template.Validate()
			if test.pointer == "" {
				if err != nil {
					t.Fatalf("Validate: %v", err)
				}
				return
			}
			refusal, ok := err.(*loyalty.Error)
			if !ok {
				t.Fatalf("Validate: %v, want a refusal", err)
			}
			if refusal.Kind != loyalty.KindInvalid || refusal.Detail == "" {
				t.Errorf("refused as %+v, want KindInvalid and a remedy", refusal)
			}
			if diff := cmp.Diff([]loyalty.Field{{Pointer: test.pointer, Code: "out_of_range"}}, refusal.Fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

// given is a coupon of a campaign that was due and issued at these times.
func given(template coupons.Template, due, issued time.Time, zone *time.Location) coupons.Coupon {
	return template.Issue("M1", "campaign:a:once", "code", issued, zone).Of(due, zone)
}

func TestWithoutLimitsOneLiveCouponIsHeldAtATime(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	monday := time.Date(2026, 11, 2, 9, 0, 0, 0, shanghai)
	held := given(valid(), monday, monday, shanghai) // to the last second of the 16th
	end := time.Date(2026, 11, 16, 23, 59, 59, 0, shanghai)
	for name, test := range map[string]struct {
		held []coupons.Coupon
		now  time.Time
		want bool
	}{
		"none":               {nil, monday, true},
		"a live one":         {[]coupons.Coupon{held}, monday.AddDate(0, 0, 7), false},
		"in its last second": {[]coupons.Coupon{held}, end.Add(time.Second - 1), false},
		"an expired one":     {[]coupons.Coupon{held}, end.Add(time.Second), true},
		"a used one":         {[]coupons.Coupon{used(held)}, monday.AddDate(0, 0, 7), true},
		"a used and a live":  {[]coupons.Coupon{used(held), held}, monday.AddDate(0, 0, 7), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (coupons.Limits{}).Allow(test.held, test.now, test.now, shanghai); got != test.want {
				t.Errorf("allowed %v, want %v", got, test.want)
			}
		})
	}
}

func used(coupon coupons.Coupon) coupons.Coupon {
	coupon.State = coupons.StateUsed
	return coupon
}

func TestALimitInAllCountsWhatWasUsedAndHasExpired(t *testing.T) {
	limits := coupons.Limits{PerMember: 2}
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	one := given(valid(), at, at, time.UTC)
	later := at.AddDate(5, 0, 0)
	if !limits.Allow([]coupons.Coupon{one}, at, at, time.UTC) {
		t.Error("a second live coupon is refused, and two are allowed")
	}
	if limits.Allow([]coupons.Coupon{used(one), one}, later, later, time.UTC) {
		t.Error("a third coupon is allowed, years after the first two")
	}
}

func TestAWindowCountsDaysOfTheBrandsCalendar(t *testing.T) {
	weekly := coupons.Limits{PerMemberPerDays: coupons.PerDays{Count: 1, Days: 7}}
	for name, test := range map[string]struct {
		zone        string
		due, issued string // of the coupon that is held
		at          string // when the next one is due
		want        bool
	}{
		"the same day":                         {"Asia/Shanghai", "2026-11-02T00:00:00+08:00", "2026-11-02T00:00:00+08:00", "2026-11-02T23:59:59+08:00", false},
		"the last second of the window":        {"Asia/Shanghai", "2026-11-02T09:00:00+08:00", "2026-11-02T09:00:40+08:00", "2026-11-08T23:59:59+08:00", false},
		"the first second after it":            {"Asia/Shanghai", "2026-11-02T23:59:59+08:00", "2026-11-02T23:59:59+08:00", "2026-11-09T00:00:00+08:00", true},
		"the same hour a week later":           {"Asia/Shanghai", "2026-11-02T09:00:00+08:00", "2026-11-02T09:00:40+08:00", "2026-11-09T09:00:00+08:00", true},
		"issued after midnight":                {"Asia/Shanghai", "2026-11-02T23:59:00+08:00", "2026-11-03T00:01:00+08:00", "2026-11-09T23:59:00+08:00", true},
		"ran a day late":                       {"Asia/Shanghai", "2026-11-02T09:00:00+08:00", "2026-11-03T08:59:00+08:00", "2026-11-09T09:00:00+08:00", true},
		"the other day in UTC":                 {"Asia/Shanghai", "2026-11-02T07:00:00+08:00", "2026-11-02T07:00:00+08:00", "2026-11-08T23:00:00+08:00", false},
		"the zone's day, not UTC's":            {"America/New_York", "2026-11-01T23:30:00-05:00", "2026-11-01T23:30:00-05:00", "2026-11-07T23:59:59-05:00", false},
		"over a day of 25 hours":               {"America/New_York", "2026-10-26T23:59:59-04:00", "2026-10-26T23:59:59-04:00", "2026-11-02T00:00:00-05:00", true},
		"one that was missed, before a later":  {"Asia/Shanghai", "2026-11-09T09:00:00+08:00", "2026-11-09T09:00:00+08:00", "2026-11-03T09:00:00+08:00", false},
		"one that was missed a week before it": {"Asia/Shanghai", "2026-11-09T09:00:00+08:00", "2026-11-09T09:00:00+08:00", "2026-11-02T09:00:00+08:00", true},
	} {
		t.Run(name, func(t *testing.T) {
			zone := zone(t, test.zone)
			held := used(given(valid(), instant(t, test.due), instant(t, test.issued), zone))
			at := instant(t, test.at)
			if got := weekly.Allow([]coupons.Coupon{held}, at, at.Add(time.Minute), zone); got != test.want {
				t.Errorf("allowed %v, want %v", got, test.want)
			}
		})
	}
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestACouponTellsItsOccurrenceOnlyWhereTheDayIsAnother(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	due := instant(t, "2026-11-21T15:59:00Z")
	if same := given(valid(), due, due.Add(59*time.Second), shanghai); !same.DueAt.IsZero() {
		t.Errorf("due %v of a coupon that was issued on its day", same.DueAt)
	}
	if next := given(valid(), due, due.Add(time.Minute), shanghai); !next.DueAt.Equal(due) {
		t.Errorf("due %v of a coupon that was issued a day later, want %v", next.DueAt, due)
	}
}

// Whatever comes and in whatever order, no limit is ever exceeded, and a coupon
// is refused only where it would exceed one.
func TestLimitsAreTheMostAndNoLess(t *testing.T) {
	place := zone(t, "America/New_York")
	start := time.Date(2026, 10, 20, 12, 0, 0, 0, place) // its clocks are put back on 1 November
	rapid.Check(t, func(t *rapid.T) {
		var limits coupons.Limits
		if rapid.Bool().Draw(t, "in all") {
			limits.PerMember = rapid.IntRange(1, 6).Draw(t, "per member")
		}
		if rapid.Bool().Draw(t, "in a window") {
			limits.PerMemberPerDays = coupons.PerDays{Count: rapid.IntRange(1, 3).Draw(t, "count"), Days: rapid.IntRange(1, 6).Draw(t, "days")}
		}
		template := valid()
		template.Validity.Days = rapid.IntRange(1, 5).Draw(t, "validity")
		kept := func(held []coupons.Coupon, now time.Time) bool {
			live, days := 0, map[time.Time]int{}
			for _, coupon := range held {
				if coupon.State == coupons.StateIssued && !now.After(coupon.ExpiresAt) {
					live++
				}
				at := coupon.IssuedAt
				if !coupon.DueAt.IsZero() {
					at = coupon.DueAt
				}
				year, month, day := at.In(place).Date()
				days[time.Date(year, month, day, 0, 0, 0, 0, time.UTC)]++
			}
			if limits == (coupons.Limits{}) {
				return live <= 1
			}
			if limits.PerMember > 0 && len(held) > limits.PerMember {
				return false
			}
			for n := -10; limits.PerMemberPerDays.Count > 0 && n < 60; n++ {
				first, within := time.Date(2026, 10, 20+n, 0, 0, 0, 0, time.UTC), 0
				for m := range limits.PerMemberPerDays.Days {
					within += days[first.AddDate(0, 0, m)]
				}
				if within > limits.PerMemberPerDays.Count {
					return false
				}
			}
			return true
		}
		var held []coupons.Coupon
		now := start
		for range rapid.IntRange(1, 25).Draw(t, "occurrences") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "hours")) * time.Hour)
			due := now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 24, 100}).Draw(t, "late")) * time.Hour)
			if len(held) > 0 && rapid.IntRange(0, 3).Draw(t, "use") == 0 {
				held[rapid.IntRange(0, len(held)-1).Draw(t, "which")].State = coupons.StateUsed
			}
			next := append(held[:len(held):len(held)], given(template, due, now, place))
			allowed := limits.Allow(held, due, now, place)
			if allowed != kept(next, now) {
				t.Fatalf("limits %+v allow %v one more of %v at %v after %+v", limits, allowed, due, now, held)
			}
			if allowed {
				held = next
			}
		}
	})
}
