package main

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The cost of an operation in units and round trips is the same on every
// machine, so the suite holds it; `make bench-check` holds allocations as well.
func TestUnitsStayWithinTheirBounds(t *testing.T) {
	bounds, err := readBounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	units, err := meterUnits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := grown(Counts{Units: units}, Counts{Units: bounds.Units}); err != nil {
		t.Errorf("where this is wanted, go run ./infra/bench -accept and say why in the change:\n%v", err)
	}
	again, err := meterUnits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(units, again); diff != "" {
		t.Errorf("metered twice, the units differ:\n%s", diff)
	}
}

func TestEveryBoundIsKept(t *testing.T) {
	bounds, err := readBounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range works {
		if _, bounded := bounds.Allocations[w.name]; !bounded {
			t.Errorf("%s has no bound", w.name)
		}
	}
	if len(bounds.Allocations) != len(works) {
		t.Errorf("%d bounds of allocations for %d operations", len(bounds.Allocations), len(works))
	}
}

func TestGrowthIsFound(t *testing.T) {
	bound := Counts{
		Units:       map[string]Units{"order": {Write: 4, Read: 2.5, Trips: 3}},
		Allocations: map[string]float64{"order": 100, "card": 0},
		Starts:      map[string]StartCost{"Operate": {600, 10e6}},
	}
	started := func(pages float64, bytes int64) Counts {
		return Counts{bound.Units, bound.Allocations, map[string]StartCost{"Operate": {pages, bytes}}}
	}
	for name, test := range map[string]struct {
		is   Counts
		want string // "" for nothing found
	}{
		"the same":            {bound, ""},
		"less":                {Counts{map[string]Units{"order": {Write: 1}}, map[string]float64{"order": 1, "card": 0}, bound.Starts}, ""},
		"write units":         {Counts{map[string]Units{"order": {4.5, 2.5, 3}}, bound.Allocations, bound.Starts}, "order: 4.5 write units, the bound is 4"},
		"read units":          {Counts{map[string]Units{"order": {4, 3, 3}}, bound.Allocations, bound.Starts}, "order: 3 read units, the bound is 2.5"},
		"round trips":         {Counts{map[string]Units{"order": {4, 2.5, 4}}, bound.Allocations, bound.Starts}, "order: 4 round trips, the bound is 3"},
		"slack":               {Counts{bound.Units, map[string]float64{"order": 109, "card": 0}, bound.Starts}, ""},
		"allocations":         {Counts{bound.Units, map[string]float64{"order": 111, "card": 0}, bound.Starts}, "order: 111 allocations, the bound is 100"},
		"one where none was":  {Counts{bound.Units, map[string]float64{"order": 100, "card": 1}, bound.Starts}, "card: 1 allocations, the bound is 0"},
		"without a bound":     {Counts{map[string]Units{"order": {4, 2.5, 3}, "coupon": {}}, bound.Allocations, bound.Starts}, "coupon has no bound"},
		"not measured":        {Counts{nil, bound.Allocations, bound.Starts}, "order has a bound and is not measured any more"},
		"a start, slack":      {started(680, 10_200_000), ""},
		"a start, its memory": {started(700, 10e6), "Operate: 700 pages touched by a cold start, the bound is 600"},
		"a start, its size":   {started(600, 10_400_000), "Operate: a binary of 10400000 bytes, the bound is 10000000"},
		"several at one time": {Counts{map[string]Units{"order": {5, 3, 3}}, bound.Allocations, bound.Starts}, "order: 3 read units, the bound is 2.5"},
	} {
		t.Run(name, func(t *testing.T) {
			err := grown(test.is, bound)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("found %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("found %v, want %s", err, test.want)
			}
		})
	}
}

// Due work costs the same among ten times as many members.
func TestDueWorkFollowsWhatIsDue(t *testing.T) {
	const due = 200
	var few []Growth
	for _, members := range []int{2_000, 20_000} {
		rows, err := measureGrowth(t.Context(), members, due, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			t.Logf("%s, %d of %d members: %+v", row.Work, due, members, row.Units)
			if few != nil && row.Units != few[i].Units {
				t.Errorf("%s of %d cost %+v among 2,000 members, %+v among %d; want the same", row.Work, due, few[i].Units, row.Units, members)
			}
		}
		few = rows
	}
	if len(few) != 2 {
		t.Errorf("%d works were measured", len(few))
	}
}

// BenchmarkWork is for profiles of what `make bench` prints:
//
//	go test -run '^$' -bench 'Work/order' -cpuprofile cpu.prof ./infra/bench
func BenchmarkWork(b *testing.B) {
	for _, w := range works {
		b.Run(w.name, func(b *testing.B) {
			if err := w.bench(b.Context(), b); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// A genuine code that is refused makes as many round trips as every other one,
// whatever the reason; what they take is printed, and judged by no test.
func TestRefusalsMakeTheSameRoundTrips(t *testing.T) {
	measured, err := measureRefusals(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	apart := map[string]Refusal{}
	for i, r := range refusals {
		if want := float64(min(i, 1)); measured[r.name].Trips != want {
			t.Errorf("%s: %v round trips, want %v", r.name, measured[r.name].Trips, want)
		}
		t.Logf("%-34s %+v", r.name, measured[r.name])
		apart[r.name] = Refusal{Trips: 1, Median: 5}
	}
	if !alike(apart) {
		t.Error("equal ones are not alike")
	}
	for _, other := range []Refusal{{Trips: 1, Median: 5 + tellable}, {Trips: 2, Median: 5}} {
		apart["taken"] = other
		if alike(apart) {
			t.Errorf("%+v is alike", other)
		}
	}
}

func TestMannWhitneyTellsWhatDiffers(t *testing.T) {
	noise := rand.New(rand.NewPCG(3, 4))
	draw := func(mean float64) []float64 {
		values := make([]float64, 10_000)
		for i := range values {
			values[i] = mean + noise.NormFloat64()
		}
		return values
	}
	same := draw(0)
	if larger, chance := mannWhitney(same, draw(0)); math.Abs(larger-0.5) > 0.02 || chance < 0.001 {
		t.Errorf("of one kind: %v, %v", larger, chance)
	}
	// Φ(0.1/√2) = 52.8 % of pairs differ by a tenth of a deviation.
	if larger, chance := mannWhitney(draw(0.1), same); math.Abs(larger-0.528) > 0.015 || chance > 1e-6 {
		t.Errorf("a tenth of a deviation apart: %v, %v", larger, chance)
	}
}
