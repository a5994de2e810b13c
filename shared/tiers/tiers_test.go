package tiers_test

import (
	"errors"
	"maps"
	"slices"
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
			got, next := test.rules.Judge(test.has, test.growth, test.growth, test.now, shanghai)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !next.Equal(test.next) {
				t.Errorf("next %s, want %s", next.In(shanghai), test.next.In(shanghai))
			}
		})
	}
}

// Judged at every moment that next names, a member has the tier that they
// would have if somebody looked every hour.
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
				lazy, next = r.Judge(lazy, months, months, now, shanghai)
			}
			eager, _ = r.Judge(eager, months, months, now, shanghai)
			if lazy != eager {
				t.Fatalf("at %s %+v, and who looks all the time finds %+v", now.In(shanghai), lazy, eager)
			}
		}
	})
}

// ledger is growth by month that comes to count, and goes back, at times of its
// own; the tier is judged at each, and whenever time alone may change it.
type ledger struct {
	rules  tiers.Rules
	growth growth
	state  tiers.State
	next   time.Time
}

// pass judges at every moment up to a time that next names.
func (l *ledger) pass(to time.Time) {
	for !l.next.IsZero() && !l.next.After(to) {
		l.state, l.next = l.rules.Judge(l.state, l.growth, l.growth, l.next, shanghai)
	}
}

// count adds growth of a month at a time.
func (l *ledger) count(month string, points loyalty.Points, at time.Time) {
	l.pass(at)
	is := maps.Clone(l.growth)
	is[month] += points
	l.state, l.next = l.rules.Judge(l.state, l.growth, is, at, shanghai)
	l.growth = is
}

func (l *ledger) expect(t *testing.T, what, level string, until time.Time) {
	t.Helper()
	if l.state.Level != level || !l.state.Until.Equal(until) {
		t.Errorf("%s the tier is %q until %v, want %q until %v", what, l.state.Level, l.state.Until.In(shanghai), level, until.In(shanghai))
	}
}

// Paid and completed on December 27th, settled on January 3rd.
func TestGrowthThatSettlesAfterTheYearCountsForTheYearOfThePurchase(t *testing.T) {
	l := &ledger{rules: rules(calendar, tiers.DemoteOneLevel), growth: growth{}}
	l.count("2026-12", 1_000, on(2027, 1, 3))
	l.expect(t, "after the settlement", "silver", on(2028, 1, 1))
	if !l.state.Since.Equal(on(2027, 1, 3)) {
		t.Errorf("since %v", l.state.Since)
	}
	l.count("2026-12", -600, on(2027, 1, 10))
	l.expect(t, "after a refund that leaves too little", "", time.Time{})
	l.count("2027-02", 499, on(2027, 3, 1))
	l.expect(t, "with the growth of another year", "", time.Time{})
}

func TestAPeriodThatEndedIsJudgedAgain(t *testing.T) {
	l := &ledger{rules: rules(calendar, tiers.DemoteOneLevel), growth: growth{}}
	l.count("2025-05", 2_000, on(2025, 6, 1))
	l.expect(t, "gold for two years", "gold", on(2027, 1, 1))
	l.count("2026-11", 1_500, on(2026, 12, 1))
	l.pass(on(2027, 1, 2))
	l.expect(t, "500 are missing", "silver", on(2029, 1, 1))
	l.count("2026-12", 500, on(2027, 1, 3))
	l.expect(t, "they settle", "gold", on(2029, 1, 1))
	l.count("2026-12", -1, on(2027, 1, 20))
	l.expect(t, "one goes back", "silver", on(2029, 1, 1))
	l.count("2027-01", 2_000, on(2027, 2, 10))
	l.expect(t, "won anew", "gold", on(2029, 1, 1))
	l.count("2026-12", 1, on(2027, 2, 11))
	l.expect(t, "kept and won", "gold", on(2029, 1, 1))
}

// bySight is the tier of a member whose growth was known month by month, when
// each began: Fold and Judge know nothing of it.
func bySight(r tiers.Rules, months growth, now time.Time) (level string, until time.Time) {
	held := -1
	sum := func(year, month int) (sum loyalty.Points) {
		for back := 0; ; back++ {
			at := time.Date(year, time.Month(month-back), 1, 0, 0, 0, 0, shanghai)
			if r.Window.Kind == tiers.WindowCalendar && at.Year() != time.Date(year, time.Month(month), 1, 0, 0, 0, 0, shanghai).Year() || r.Window.Kind == tiers.WindowRolling && back == r.Window.Months {
				return sum
			}
			sum += months[at.Format("2006-01")]
		}
	}
	reached := func(points loyalty.Points) int {
		rank := -1
		for i, level := range r.Levels {
			if points >= level.Growth {
				rank = i
			}
		}
		return rank
	}
	for n := 0; !time.Date(2025, time.Month(1+n), 1, 0, 0, 0, 0, shanghai).After(now); n++ {
		begins := time.Date(2025, time.Month(1+n), 1, 0, 0, 0, 0, shanghai)
		ends := time.Date(begins.Year(), begins.Month()+time.Month(r.Window.Months)+1, 1, 0, 0, 0, 0, shanghai)
		if r.Window.Kind == tiers.WindowCalendar {
			ends = time.Date(begins.Year()+2, 1, 1, 0, 0, 0, 0, shanghai)
		}
		rank := reached(sum(2025, 1+n))
		switch {
		case r.Demotion == tiers.DemoteAtOnce:
			held = rank
			continue
		case held >= 0 && until.Equal(begins):
			if reached(sum(2025, n)) < held {
				held--
			}
			until = ends
		}
		if rank > held {
			held, until = rank, ends
		}
	}
	if held < 0 {
		return "", time.Time{}
	}
	return r.Levels[held].ID, until
}

// Whenever growth comes to count and goes back: the tier is a function of the
// growth by month and the rules.
func TestTheTierDoesNotHangOnWhenGrowthSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := tiers.Window{Kind: tiers.WindowRolling, Months: rapid.IntRange(1, 12).Draw(t, "months")}
		if rapid.Bool().Draw(t, "calendar") {
			window = calendar
		}
		l := &ledger{rules: rules(window, rapid.SampledFrom([]tiers.Demotion{tiers.DemoteAtOnce, tiers.DemoteOneLevel}).Draw(t, "demotion")), growth: growth{}}
		type change struct {
			month  string
			points loyalty.Points
			at     time.Time
		}
		var changes []change
		for range rapid.IntRange(1, 10).Draw(t, "purchases") {
			paid := on(2025, 1, 1).AddDate(0, 0, rapid.IntRange(0, 3*365).Draw(t, "day"))
			points := loyalty.Points(rapid.IntRange(1, 3_000).Draw(t, "growth"))
			settled := paid.Add(time.Duration(rapid.IntRange(0, 200*24).Draw(t, "hours to the settlement")) * time.Hour)
			changes = append(changes, change{tiers.MonthOf(paid, shanghai), points, settled})
			if rapid.Bool().Draw(t, "refunded") {
				back := loyalty.Points(rapid.Int64Range(1, int64(points)).Draw(t, "taken back"))
				changes = append(changes, change{tiers.MonthOf(paid, shanghai), -back, settled.Add(time.Duration(rapid.IntRange(0, 400*24).Draw(t, "hours to the refund")) * time.Hour)})
			}
		}
		slices.SortStableFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
		check := func(now time.Time) {
			if level, until := bySight(l.rules, l.growth, now); l.state.Level != level || !l.state.Until.Equal(until) {
				t.Fatalf("at %v growth %v made tier %+v, want %q until %v", now.In(shanghai), l.growth, l.state, level, until)
			}
		}
		for _, c := range changes {
			l.count(c.month, c.points, c.at)
			check(c.at)
		}
		for range 30 {
			now := l.next
			if now.IsZero() {
				break
			}
			l.pass(now)
			check(now)
		}
	})
}

// A change of the rules takes no tier away before its period ends, and neither
// does growth that comes after it.
func TestAChangeOfTheRulesTakesNoTierBeforeItsEnd(t *testing.T) {
	l := &ledger{rules: rules(calendar, tiers.DemoteOneLevel), growth: growth{}}
	l.count("2026-05", 2_000, on(2026, 6, 1))
	l.rules.Levels = []tiers.Level{{ID: "silver", Name: "银卡", Growth: 500}, {ID: "gold", Name: "金卡", Growth: 3_000}}
	l.count("2026-07", 10, on(2026, 8, 1))
	l.expect(t, "with more growth", "gold", on(2028, 1, 1))
	l.count("2026-07", -10, on(2026, 9, 1))
	l.expect(t, "with less", "gold", on(2028, 1, 1))
	l.pass(on(2028, 1, 1))
	l.expect(t, "at its end", "silver", on(2030, 1, 1))
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
