package points_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

var openingNow = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func endsIn(days int, more time.Duration) *time.Time {
	at := openingNow.AddDate(0, 0, days).Add(more)
	return &at
}

func TestAnOpeningPaysDebtWithWhatWouldEndFirst(t *testing.T) {
	opening := points.Opening{
		Source: "oldcrm",
		Points: []points.OpeningPoints{{Points: 50}, {Points: 30, Until: endsIn(20, 0)}, {Points: 10, Until: endsIn(10, time.Second)}, {Points: 5, Until: endsIn(10, time.Minute)}},
		Growth: []points.OpeningGrowth{{Month: "2026-11", Growth: 3}, {Month: "2026-02", Growth: 4}, {Month: "2026-11", Growth: 1}},
	}.Normal()
	entries := opening.Credit(points.Account{Balance: points.Balance{Debt: 20}, Now: openingNow})
	want := []points.Entry{
		{
			ID: "opening:oldcrm", Kind: points.EntryOpening, Available: 75, Debt: -20,
			Lots: []points.Share{{Until: *endsIn(20, 0), Points: 25}},
		},
		{ID: "opening:oldcrm:2026-02", Kind: points.EntryOpening, Growth: &points.Growth{Month: "2026-02", Counting: 4}},
		{ID: "opening:oldcrm:2026-11", Kind: points.EntryOpening, Growth: &points.Growth{Month: "2026-11", Counting: 4}},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOpeningsThatAreRefused(t *testing.T) {
	zone := time.FixedZone("CST", 8*3600)
	for name, test := range map[string]struct {
		opening       points.Opening
		now           time.Time
		pointer, code string
	}{
		"nothing":            {points.Opening{}, openingNow, "", ""},
		"ends in a second":   {points.Opening{Points: []points.OpeningPoints{{Points: 1, Until: endsIn(0, time.Second)}}}, openingNow, "", ""},
		"ends now":           {points.Opening{Points: []points.OpeningPoints{{Points: 1, Until: nil}, {Points: 1, Until: endsIn(0, 0)}}}, openingNow, "/points/1/until", "in_the_past"},
		"ended":              {points.Opening{Points: []points.OpeningPoints{{Points: 1, Until: endsIn(-1, 0)}}}, openingNow, "/points/0/until", "in_the_past"},
		"no points":          {points.Opening{Points: []points.OpeningPoints{{Points: 0, Until: nil}}}, openingNow, "/points/0/points", "out_of_range"},
		"below zero":         {points.Opening{Points: []points.OpeningPoints{{Points: -1, Until: nil}}}, openingNow, "/points/0/points", "out_of_range"},
		"too many points":    {points.Opening{Points: []points.OpeningPoints{{Points: points.MaxSpend + 1, Until: nil}}}, openingNow, "/points/0/points", "out_of_range"},
		"too many parts":     {points.Opening{Points: make([]points.OpeningPoints, 25)}, openingNow, "/points", "too_many"},
		"no month":           {points.Opening{Growth: []points.OpeningGrowth{{Month: "2026-13", Growth: 1}}}, openingNow, "/growth/0/month", "malformed"},
		"before all":         {points.Opening{Growth: []points.OpeningGrowth{{Month: "1999-12", Growth: 1}}}, openingNow, "/growth/0/month", "malformed"},
		"no growth":          {points.Opening{Growth: []points.OpeningGrowth{{Month: "2026-11", Growth: 0}}}, openingNow, "/growth/0/growth", "out_of_range"},
		"next month":         {points.Opening{Growth: []points.OpeningGrowth{{Month: "2026-12", Growth: 1}}}, openingNow, "/growth/0/month", "in_the_future"},
		"begins in Shanghai": {points.Opening{Growth: []points.OpeningGrowth{{Month: "2026-12", Growth: 1}}}, time.Date(2026, 11, 30, 16, 0, 0, 0, time.UTC), "", ""},
		"too many months":    {points.Opening{Growth: make([]points.OpeningGrowth, 61)}, openingNow, "/growth", "too_many"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.opening.Check(test.now, zone)
			var got loyalty.Field
			if refusal, ok := errors.AsType[*loyalty.Error](err); ok {
				got = refusal.Fields[0]
			}
			if got != (loyalty.Field{Pointer: test.pointer, Code: test.code}) || (err == nil) != (test.code == "") {
				t.Errorf("%v", err)
			}
		})
	}
}

// However an opening is cut and ordered, it gives the same; no part is lost,
// and every end is the first whole minute at or after what was given.
func TestOneOpeningHasOneForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) points.OpeningPoints {
			part := points.OpeningPoints{Points: loyalty.Points(rapid.IntRange(1, 1000).Draw(t, "points"))}
			if rapid.Bool().Draw(t, "ends") {
				part.Until = endsIn(rapid.IntRange(1, 3).Draw(t, "day"), time.Duration(rapid.IntRange(0, 121).Draw(t, "second"))*time.Second)
			}
			return part
		}), 0, 12).Draw(t, "parts")
		growth := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) points.OpeningGrowth {
			return points.OpeningGrowth{Month: rapid.SampledFrom([]string{"2026-01", "2026-02", "2026-11"}).Draw(t, "month"), Growth: loyalty.Points(rapid.IntRange(1, 9).Draw(t, "growth"))}
		}), 0, 6).Draw(t, "growth")
		opening := points.Opening{Source: "s", Points: parts, Growth: growth}.Normal()
		other := points.Opening{Source: "s", Points: rapid.Permutation(parts).Draw(t, "order"), Growth: rapid.Permutation(growth).Draw(t, "growth order")}.Normal()
		if diff := cmp.Diff(opening, other); diff != "" {
			t.Fatalf("another order gives another opening:\n%s", diff)
		}
		if diff := cmp.Diff(opening, opening.Normal()); diff != "" {
			t.Fatalf("the normal form of the normal form:\n%s", diff)
		}
		var wanted loyalty.Points
		for _, part := range parts {
			wanted += part.Points
			if part.Until != nil && !slices.ContainsFunc(opening.Points, func(p points.OpeningPoints) bool {
				return p.Until != nil && !p.Until.Before(*part.Until) && p.Until.Sub(*part.Until) < time.Minute && p.Until.Second() == 0
			}) {
				t.Fatalf("no part ends with %s: %+v", part.Until, opening.Points)
			}
		}
		debt := loyalty.Points(rapid.IntRange(0, 2000).Draw(t, "debt"))
		account := points.Account{Balance: points.Balance{Debt: debt}, Now: openingNow}
		for _, entry := range opening.Credit(account) {
			account = account.Plus(entry)
		}
		if account.Available-account.Debt != wanted-debt || account.Available > 0 && account.Debt > 0 {
			t.Fatalf("brought %d against a debt of %d, and has %+v", wanted, debt, account.Balance)
		}
	})
}
