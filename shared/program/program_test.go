package program_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/tiers"
)

var day0 = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

func rules(version int64, rate loyalty.Points, lists map[string][]string) program.Program {
	p := program.Default()
	p.Version = version
	p.Points.Rate = points.Rate{Points: rate, PerFen: 100}
	p.Points.Categories = map[string]points.Rate{"gifts": {Points: 7 * rate, PerFen: 100}}
	p.Points.Channels = map[loyalty.Channel]points.Window{"douyin": {AfterCompletionDays: int(version), AfterPaymentDays: 20}}
	p.Repurchase.Categories = map[string]repurchase.Category{}
	for name, skus := range lists {
		p.Repurchase.Categories[name] = repurchase.Category{CycleDays: 28, LeadDays: 7, SKUs: skus}
	}
	return p
}

// The points that rules give do not depend on the rules that were asked before
// them: a payment that is frozen twice is frozen as by the last.
func TestAPaymentIsFrozenAnew(t *testing.T) {
	payment := points.Payment{Channel: "douyin", Zone: time.UTC}
	told := points.Fact{Kind: points.FactPaid, At: day0, Lines: []points.Line{
		{ID: "1", SKU: "A", Paid: 1000},
		{ID: "2", SKU: "A", Category: "gifts", Paid: 1000},
		{ID: "3", SKU: "B", Paid: 1000},
		{ID: "4", SKU: "C", Paid: 1000},
	}}
	first := rules(1, 1, map[string][]string{"milk-powder": {"A", "B"}})
	second := rules(2, 3, map[string][]string{"diapers": {"A"}, "milk-powder": {"C"}})
	once := second.Freeze(told, payment)
	if diff := cmp.Diff(once, second.Freeze(first.Freeze(told, payment), payment)); diff != "" {
		t.Errorf("what was frozen before (+) is not what was told (-):\n%s", diff)
	}
	want := points.Fact{
		Kind: points.FactPaid, At: day0, Program: 2, Window: &points.Window{AfterCompletionDays: 2, AfterPaymentDays: 20},
		Lines: []points.Line{
			{ID: "1", SKU: "A", Category: "diapers", Listed: true, Paid: 1000, Rate: points.Rate{Points: 3, PerFen: 100}},
			{ID: "2", SKU: "A", Category: "gifts", Paid: 1000, Rate: points.Rate{Points: 21, PerFen: 100}, Because: []points.Reason{"category:gifts"}},
			{ID: "3", SKU: "B", Paid: 1000, Rate: points.Rate{Points: 3, PerFen: 100}},
			{ID: "4", SKU: "C", Category: "milk-powder", Listed: true, Paid: 1000, Rate: points.Rate{Points: 3, PerFen: 100}},
		},
	}
	if diff := cmp.Diff(want, once); diff != "" {
		t.Error(diff)
	}
	if told.Window != nil || told.Lines[0].Category != "" || told.Lines[0].Rate != (points.Rate{}) {
		t.Errorf("the news itself was changed: %+v", told)
	}
	refund := points.Fact{Kind: points.FactRefunded, At: day0, Refunds: []points.Refund{{ID: "r", Line: "1", Amount: 5}}}
	frozen := second.Freeze(refund, payment)
	refund.Program = 2
	if diff := cmp.Diff(refund, frozen); diff != "" {
		t.Error(diff)
	}
}

func TestTheVersionInForce(t *testing.T) {
	version := func(n int64, at time.Time) program.Program {
		p := rules(n, loyalty.Points(n), nil)
		p.EffectiveAt = at
		return p
	}
	versions := []program.Program{
		version(1, day0), version(2, day0.AddDate(0, 1, 0)), version(3, day0.AddDate(0, 0, 7)), version(4, day0.AddDate(0, 1, 0)),
	}
	for _, test := range []struct {
		at   time.Time
		want int64
	}{
		{day0.Add(-time.Nanosecond), 0},
		{day0, 1},
		{day0.AddDate(0, 0, 7).Add(-time.Nanosecond), 1},
		{day0.AddDate(0, 0, 7), 3},
		{day0.AddDate(0, 1, 0), 4}, // the last word on that moment
		{day0.AddDate(9, 0, 0), 4},
	} {
		if got := program.At(versions, test.at); got.Version != test.want {
			t.Errorf("at %v it is version %d, not %d", test.at, got.Version, test.want)
		}
	}
}

// An order that came as history stays history under every program that it is
// frozen by, also that of a simulation.
func TestHistoryBringsNeitherPointsNorGrowth(t *testing.T) {
	rules := program.Default()
	rules.Tiers = &tiers.Rules{Growth: tiers.Growth{Points: 1, PerFen: 100}}
	fact := points.Fact{Kind: points.FactPaid, At: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Lines: []points.Line{
		{ID: "1", SKU: "MILK-400", Quantity: 1, Paid: 19_900, History: true}, {ID: "2", SKU: "MILK-400", Quantity: 1, Paid: 19_900},
	}}
	for round := range 2 {
		fact = rules.Freeze(fact, points.Payment{Channel: "tmall", Zone: rules.Zone()})
		history, live := fact.Lines[0], fact.Lines[1]
		if history.Granted() != 0 || history.Growth.On(history.Paid) != 0 || history.Category != "milk-powder" {
			t.Errorf("round %d: %+v", round, history)
		}
		if live.Granted() != 199 || live.Growth.On(live.Paid) != 199 {
			t.Errorf("round %d: %+v", round, live)
		}
	}
}
