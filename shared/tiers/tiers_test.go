package tiers_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/tiers"
)

var shanghai = time.FixedZone("CST", 8*60*60)

func on(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, shanghai).UTC()
}

func rules(window tiers.Window, demotion tiers.Demotion) tiers.Rules {
	return tiers.Rules{
		Growth: tiers.Growth{Points: 1, PerFen: 100}, Window: window, Demotion: demotion,
		Levels: []tiers.Level{{"silver", "银卡", 500}, {"gold", "金卡", 2_000}, {"black", "黑卡", 5_000}},
	}
}

var (
	year     = tiers.Window{Kind: tiers.WindowRolling, Months: 12}
	calendar = tiers.Window{Kind: tiers.WindowCalendar}
)

type growth = map[string]loyalty.Points

func TestJudge(t *testing.T) {
	gold := tiers.State{Level: "gold", Since: on(2026, 3, 10)}
	goldUntil := tiers.State{Level: "gold", Since: on(2026, 3, 10), Until: on(2027, 4, 1)}
	for name, test := range map[string]struct {
		rules  tiers.Rules
		has    tiers.State
		growth growth
		now    time.Time
		want   tiers.State
		next   time.Time
	}{
		"below the first":       {rules(year, tiers.DemoteAtOnce), tiers.State{}, growth{"2026-11": 499}, on(2026, 11, 21), tiers.State{}, time.Time{}},
		"rises":                 {rules(year, tiers.DemoteAtOnce), tiers.State{}, growth{"2026-11": 500}, on(2026, 11, 21), tiers.State{Level: "silver", Since: on(2026, 11, 21)}, on(2027, 11, 1)},
		"rises by two":          {rules(year, tiers.DemoteAtOnce), tiers.State{}, growth{"2026-01": 1_500, "2026-11": 500}, on(2026, 11, 21), tiers.State{Level: "gold", Since: on(2026, 11, 21)}, on(2027, 1, 1)},
		"stays":                 {rules(year, tiers.DemoteAtOnce), gold, growth{"2026-03": 2_000}, on(2027, 2, 28), gold, on(2027, 3, 1)},
		"a month left":          {rules(year, tiers.DemoteAtOnce), gold, growth{"2026-03": 2_000}, on(2027, 3, 1), tiers.State{}, time.Time{}},
		"a refund":              {rules(year, tiers.DemoteAtOnce), gold, growth{"2026-03": 1_999}, on(2026, 4, 1), tiers.State{Level: "silver", Since: on(2026, 4, 1)}, on(2027, 3, 1)},
		"kept by rule":          {rules(year, tiers.DemoteOneLevel), goldUntil, growth{"2026-03": 100}, on(2027, 3, 31), goldUntil, on(2027, 4, 1)},
		"kept again":            {rules(year, tiers.DemoteOneLevel), goldUntil, growth{"2027-03": 2_000}, on(2027, 4, 1), tiers.State{Level: "gold", Since: on(2026, 3, 10), Until: on(2028, 5, 1)}, on(2028, 5, 1)},
		"one level down":        {rules(year, tiers.DemoteOneLevel), goldUntil, growth{"2026-03": 2_000}, on(2027, 4, 1), tiers.State{Level: "silver", Since: on(2027, 4, 1), Until: on(2028, 5, 1)}, on(2028, 5, 1)},
		"two periods late":      {rules(year, tiers.DemoteOneLevel), goldUntil, growth{}, on(2028, 6, 1), tiers.State{}, time.Time{}},
		"calendar, to next end": {rules(calendar, tiers.DemoteOneLevel), tiers.State{}, growth{"2026-02": 600}, on(2026, 11, 21), tiers.State{Level: "silver", Since: on(2026, 11, 21), Until: on(2028, 1, 1)}, on(2028, 1, 1)},
		"calendar, at once":     {rules(calendar, tiers.DemoteAtOnce), gold, growth{"2026-03": 2_000}, on(2027, 1, 1), tiers.State{}, time.Time{}},
		"last year's":           {rules(calendar, tiers.DemoteAtOnce), tiers.State{}, growth{"2025-12": 9_000, "2026-01": 700}, on(2026, 1, 31), tiers.State{Level: "silver", Since: on(2026, 1, 31)}, on(2027, 1, 1)},
		"an unknown tier":       {rules(year, tiers.DemoteAtOnce), tiers.State{Level: "diamond", Since: on(2026, 1, 1)}, growth{"2026-11": 600}, on(2026, 11, 21), tiers.State{Level: "silver", Since: on(2026, 11, 21)}, on(2027, 11, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			got, next := test.rules.Judge(test.has, test.growth, test.now, shanghai)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !next.Equal(test.next) {
				t.Errorf("next %s, want %s", next.In(shanghai), test.next.In(shanghai))
			}
		})
	}
}

// Judged at every moment that next names, a member has the tier that he would
// have if somebody looked every hour.
func TestNextMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := tiers.Window{Kind: tiers.WindowRolling, Months: rapid.IntRange(1, 6).Draw(t, "months")}
		if rapid.Bool().Draw(t, "calendar") {
			window = calendar
		}
		r := rules(window, rapid.SampledFrom([]tiers.Demotion{tiers.DemoteAtOnce, tiers.DemoteOneLevel}).Draw(t, "demotion"))
		months := growth{}
		for range rapid.IntRange(0, 6).Draw(t, "purchases") {
			months[tiers.MonthOf(on(2026, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), 15), shanghai)] += loyalty.Points(rapid.IntRange(0, 3_000).Draw(t, "growth"))
		}
		var lazy, eager tiers.State
		var next time.Time
		for now := on(2026, 12, 31); now.Before(on(2030, 1, 2)); now = now.Add(6 * time.Hour) {
			if next.IsZero() && now.Equal(on(2026, 12, 31)) || !next.IsZero() && !now.Before(next) {
				lazy, next = r.Judge(lazy, months, now, shanghai)
			}
			eager, _ = r.Judge(eager, months, now, shanghai)
			if lazy != eager {
				t.Fatalf("at %s %+v, and who looks all the time finds %+v", now.In(shanghai), lazy, eager)
			}
		}
	})
}

func TestValidateNamesTheField(t *testing.T) {
	for pointer, spoil := range map[string]func(*tiers.Rules){
		"/tiers/growth/points":   func(r *tiers.Rules) { r.Growth.Points = -1 },
		"/tiers/growth/per_fen":  func(r *tiers.Rules) { r.Growth.PerFen = 0 },
		"/tiers/window/kind":     func(r *tiers.Rules) { r.Window.Kind = "lunar" },
		"/tiers/window/months":   func(r *tiers.Rules) { r.Window.Months = 61 },
		"/tiers/demotion":        func(r *tiers.Rules) { r.Demotion = "" },
		"/tiers/levels":          func(r *tiers.Rules) { r.Levels = nil },
		"/tiers/levels/0/id":     func(r *tiers.Rules) { r.Levels[0].ID = "Silver" },
		"/tiers/levels/1/id":     func(r *tiers.Rules) { r.Levels[1].ID = "silver" },
		"/tiers/levels/1/name":   func(r *tiers.Rules) { r.Levels[1].Name = "" },
		"/tiers/levels/2/growth": func(r *tiers.Rules) { r.Levels[2].Growth = 2_000 },
	} {
		r := rules(year, tiers.DemoteAtOnce)
		if err := r.Validate("/tiers"); err != nil {
			t.Fatal(err)
		}
		spoil(&r)
		refusal, ok := errors.AsType[*loyalty.Error](r.Validate("/tiers"))
		if !ok || len(refusal.Fields) != 1 || refusal.Fields[0].Pointer != pointer {
			t.Errorf("%s: %v", pointer, refusal)
		}
	}
}
