package points_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

var weekly = &points.CheckInRules{Daily: 1, Streak: []points.StreakBonus{{Days: 3, Bonus: 2}, {Days: 7, Bonus: 5}}, CycleDays: 7}

func TestDaysBeginAtMidnightOfTheBrand(t *testing.T) {
	for at, want := range map[string]points.Day{
		"2026-11-21T15:59:59Z":      "2026-11-21",
		"2026-11-21T23:59:59+08:00": "2026-11-21",
		"2026-11-21T16:00:00Z":      "2026-11-22",
		"2026-11-22T00:00:00+08:00": "2026-11-22",
		"2026-12-31T16:00:00Z":      "2027-01-01",
	} {
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := points.DayOf(instant, shanghai); got != want {
			t.Errorf("%s falls on %s, want %s", at, got, want)
		}
	}
}

func TestAStreakGrowsByTheDayAndAMissedDayEndsIt(t *testing.T) {
	var last points.CheckIn
	midnight := time.Date(2026, 2, 26, 0, 0, 0, 0, shanghai)
	for i, step := range []struct {
		at    time.Duration // after the first midnight
		fresh bool
		want  points.CheckIn
	}{
		{0, true, points.CheckIn{Day: "2026-02-26", Streak: 1, Points: 1}},
		{24*time.Hour - time.Second, false, points.CheckIn{Day: "2026-02-26", Streak: 1, Points: 1}},
		{24 * time.Hour, true, points.CheckIn{Day: "2026-02-27", Streak: 2, Points: 1}},
		{72*time.Hour - time.Second, true, points.CheckIn{Day: "2026-02-28", Streak: 3, Points: 3}},
		{72 * time.Hour, true, points.CheckIn{Day: "2026-03-01", Streak: 4, Points: 1}},
		{70 * time.Hour, false, points.CheckIn{Day: "2026-03-01", Streak: 4, Points: 1}}, // a clock behind
		{5 * 24 * time.Hour, true, points.CheckIn{Day: "2026-03-03", Streak: 1, Points: 1}},
	} {
		next, fresh, err := weekly.After(last, midnight.Add(step.at), shanghai)
		if err != nil || fresh != step.fresh || next != step.want {
			t.Errorf("step %d: %+v, %v, %v, want %+v, %v", i, next, fresh, err, step.want, step.fresh)
		}
		last = next
	}
}

func TestWithoutRulesNothingIsCheckedIn(t *testing.T) {
	var none *points.CheckInRules
	last := points.CheckIn{Day: "2026-11-20", Streak: 4, Points: 1}
	next, fresh, err := none.After(last, time.Date(2026, 11, 21, 12, 0, 0, 0, shanghai), shanghai)
	if loyalty.KindOf(err) != loyalty.KindConflict || fresh || next != (points.CheckIn{}) {
		t.Errorf("%+v, %v, %v", next, fresh, err)
	}
	next, fresh, err = none.After(last, time.Date(2026, 11, 20, 12, 0, 0, 0, shanghai), shanghai)
	if err != nil || fresh || next != last {
		t.Errorf("what was given is not told any more: %+v, %v, %v", next, fresh, err)
	}
}

func TestBonusesOfACycle(t *testing.T) {
	once := &points.CheckInRules{Daily: 1, Streak: weekly.Streak}
	for name, test := range map[string]struct {
		rules *points.CheckInRules
		gives []loyalty.Points // from the first day on
	}{
		"every week":  {weekly, []loyalty.Points{1, 1, 3, 1, 1, 1, 6, 1, 1, 3, 1, 1, 1, 6, 1}},
		"once":        {once, []loyalty.Points{1, 1, 3, 1, 1, 1, 6, 1, 1, 1, 1, 1, 1, 1, 1}},
		"bonus alone": {&points.CheckInRules{Streak: []points.StreakBonus{{Days: 2, Bonus: 9}}, CycleDays: 2}, []loyalty.Points{0, 9, 0, 9}},
	} {
		var got []loyalty.Points
		for n := range test.gives {
			got = append(got, test.rules.On(int64(n+1)))
		}
		if diff := cmp.Diff(test.gives, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func checkInRules() *rapid.Generator[*points.CheckInRules] {
	return rapid.Custom(func(t *rapid.T) *points.CheckInRules {
		rules := &points.CheckInRules{Daily: loyalty.Points(rapid.Int64Range(0, 20).Draw(t, "daily"))}
		for day := int64(1); day <= 12; day++ {
			if rapid.Bool().Draw(t, "bonus") {
				rules.Streak = append(rules.Streak, points.StreakBonus{Days: day, Bonus: loyalty.Points(rapid.Int64Range(1, 50).Draw(t, "points"))})
			}
		}
		if rapid.Bool().Draw(t, "cyclic") {
			rules.CycleDays = rapid.Int64Range(12, 20).Draw(t, "cycle")
		}
		if rules.Daily == 0 && len(rules.Streak) == 0 {
			rules.Daily = 1
		}
		return rules
	})
}

// A member who comes at any times of whatever days gets what a calendar says
// that counts their days by hand.
func TestCheckInsAgreeWithACalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := checkInRules().Draw(t, "rules")
		if err := rules.Validate("/points/check_in"); err != nil {
			t.Fatal(err)
		}
		zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "offset")*60*60)
		start := time.Date(2027, 12, 25, 0, 0, 0, 0, zone)
		came := map[int]bool{}
		var last points.CheckIn
		at := start
		for range rapid.IntRange(1, 40).Draw(t, "visits") {
			at = at.Add(time.Duration(rapid.SampledFrom([]int{1, 7, 20, 24, 24, 24, 30, 60}).Draw(t, "hours")) * time.Hour)
			n := int(at.Sub(start) / (24 * time.Hour)) // a zone without daylight saving
			next, fresh, err := rules.After(last, at, zone)
			if err != nil || fresh == came[n] {
				t.Fatalf("day %d, who came then before: %v, fresh: %v, %v", n, came[n], fresh, err)
			}
			came[n] = true
			streak := int64(0)
			for d := n; came[d]; d-- {
				streak++
			}
			want := points.CheckIn{Day: points.Day(start.AddDate(0, 0, n).Format("2006-01-02")), Streak: streak, Points: rules.Daily}
			for _, bonus := range rules.Streak {
				if streak == bonus.Days || rules.CycleDays > 0 && streak > bonus.Days && (streak-bonus.Days)%rules.CycleDays == 0 {
					want.Points += bonus.Bonus
				}
			}
			if next != want {
				t.Fatalf("%+v, want %+v", next, want)
			}
			last = next
		}
	})
}

func TestTheNextBonusIsTheFirstThatComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, n := checkInRules().Draw(t, "rules"), rapid.Int64Range(0, 60).Draw(t, "streak")
		var want points.StreakBonus
		for day := n + 1; day <= n+60 && want.Days == 0; day++ {
			if bonus := rules.On(day) - rules.Daily; bonus > 0 {
				want = points.StreakBonus{Days: day, Bonus: bonus}
			}
		}
		if got, ok := rules.NextBonus(n); got != want || ok != (want.Days > 0) {
			t.Fatalf("%+v, %v, want %+v", got, ok, want)
		}
	})
}

func TestACheckInPaysDebtFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := points.Account{Balance: points.Balance{
			Available: loyalty.Points(rapid.Int64Range(0, 100).Draw(t, "available")), Debt: loyalty.Points(rapid.Int64Range(0, 100).Draw(t, "debt")),
		}}
		until := rapid.SampledFrom([]*time.Time{nil, &jan}).Draw(t, "until")
		c := points.CheckIn{Day: "2026-11-21", Streak: 1, Points: loyalty.Points(rapid.Int64Range(0, 100).Draw(t, "points"))}
		after := before
		for _, entry := range c.Credit(until, before) {
			if entry.ID != "checkin:2026-11-21" || entry.Kind != points.EntryCheckIn {
				t.Fatalf("entry %+v", entry)
			}
			after = after.Plus(entry)
		}
		gained := after.Available - before.Available
		if gained-after.Debt != c.Points-before.Debt || after.Debt < 0 || gained < 0 || gained > 0 && after.Debt > 0 {
			t.Fatalf("%+v becomes %+v by %d points", before, after, c.Points)
		}
		var lots []points.Lot
		if until != nil && gained > 0 {
			lots = []points.Lot{{Until: jan, Left: gained}}
		}
		if diff := cmp.Diff(lots, after.Lots); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestCheckInRulesThatCannotBeApplied(t *testing.T) {
	rules := points.Rules{Rate: points.Rate{Points: 1, PerFen: 100}, CheckIn: weekly}
	if err := rules.Validate("/points"); err != nil {
		t.Fatal(err)
	}
	bonus := func(days int64, bonus loyalty.Points) points.StreakBonus {
		return points.StreakBonus{Days: days, Bonus: bonus}
	}
	for _, test := range []struct {
		pointer string
		wrong   points.CheckInRules
	}{
		{"/daily", points.CheckInRules{Daily: 10_001}},
		{"/daily", points.CheckInRules{Daily: -1}},
		{"/daily", points.CheckInRules{}},
		{"/cycle_days", points.CheckInRules{Daily: 1, CycleDays: 367}},
		{"/cycle_days", points.CheckInRules{Daily: 1, CycleDays: -1}},
		{"/streak", points.CheckInRules{Daily: 1, Streak: make([]points.StreakBonus, 32)}},
		{"/streak/0/days", points.CheckInRules{Daily: 1, Streak: []points.StreakBonus{bonus(0, 1)}}},
		{"/streak/0/days", points.CheckInRules{Daily: 1, Streak: []points.StreakBonus{bonus(367, 1)}}},
		{"/streak/1/days", points.CheckInRules{Daily: 1, Streak: []points.StreakBonus{bonus(3, 1), bonus(3, 1)}}},
		{"/streak/1/days", points.CheckInRules{Daily: 1, Streak: []points.StreakBonus{bonus(3, 1), bonus(8, 1)}, CycleDays: 7}},
		{"/streak/0/bonus", points.CheckInRules{Daily: 1, Streak: []points.StreakBonus{bonus(1, 0)}}},
		{"/streak/1/bonus", points.CheckInRules{Daily: 1, Streak: []points.StreakBonus{bonus(1, 1), bonus(2, 1_000_001)}}},
	} {
		rules.CheckIn = &test.wrong
		refusal, ok := errors.AsType[*loyalty.Error](rules.Validate("/points"))
		if !ok || refusal.Kind != loyalty.KindInvalid || len(refusal.Fields) != 1 || refusal.Fields[0].Pointer != "/points/check_in"+test.pointer {
			t.Errorf("%+v: %+v, want a refusal at %s", test.wrong, refusal, test.pointer)
		}
	}
}

// Of two runs of days, known by their last check-ins, one is made where they meet
// or overlap: it is the run of all the days together. The order does not matter.
func TestTwoRunsOfDaysAreOneWhereTheyMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := time.Date(2028, 2, 20, 0, 0, 0, 0, time.UTC) // with a 29th
		checked := map[points.Day]bool{}
		draw := func(whose string) points.CheckIn {
			last, streak := rapid.IntRange(0, 30).Draw(t, "last day of "+whose), rapid.Int64Range(1, 12).Draw(t, "streak of "+whose)
			for back := range streak {
				checked[points.DayOf(first.AddDate(0, 0, last-int(back)), time.UTC)] = true
			}
			return points.CheckIn{Day: points.DayOf(first.AddDate(0, 0, last), time.UTC), Streak: streak}
		}
		one, other := draw("one"), draw("the other")
		got := one.Join(other)
		want := points.CheckIn{Day: max(one.Day, other.Day)}
		for at, _ := time.Parse(time.DateOnly, string(want.Day)); checked[points.DayOf(at, time.UTC)]; at = at.AddDate(0, 0, -1) {
			want.Streak++
		}
		if got != want || other.Join(one) != want {
			t.Fatalf("%+v and %+v make %+v and %+v, want %+v", one, other, got, other.Join(one), want)
		}
		if none := (points.CheckIn{}); one.Join(none) != one || none.Join(one) != one || none.Join(none) != none {
			t.Fatalf("with none: %+v, %+v", one.Join(none), none.Join(one))
		}
		if again := got.Without(got, one); again != one {
			t.Fatalf("without the other again %+v, want %+v", again, one)
		}
	})
}
