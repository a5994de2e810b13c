package experiment_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/experiment"
	"github.com/huitou/huitou/shared/loyalty"
)

// 10,000 cards that brought 1,000 friends: 10.0 % [9.4, 10.6]. The other rows
// are from E. B. Wilson's formula, worked by hand with z = 1.96.
func TestARateHasWilsonsInterval(t *testing.T) {
	tenths := func(x float64) float64 { return math.Round(1000*x) / 10 }
	for _, c := range []struct {
		rate             experiment.Rate
		value, low, high float64
	}{
		{experiment.Rate{Count: 1000, Of: 10_000}, 10, 9.4, 10.6},
		{experiment.Rate{Count: 0, Of: 10}, 0, 0, 27.8},
		{experiment.Rate{Count: 10, Of: 10}, 100, 72.2, 100},
		{experiment.Rate{Count: 1, Of: 20}, 5, 0.9, 23.6},
		{experiment.Rate{}, 0, 0, 100},
	} {
		i := c.rate.Interval()
		if got := []float64{tenths(c.rate.Value()), tenths(i.Low), tenths(i.High)}; !slices.Equal(got, []float64{c.value, c.low, c.high}) {
			t.Errorf("%+v is %v", c.rate, got)
		}
	}
}

func TestAWilsonIntervalHoldsItsRateAndStaysAShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.IntRange(1, 2_000_000).Draw(t, "of")
		rate := experiment.Rate{Count: rapid.IntRange(0, of).Draw(t, "count"), Of: of}
		i := rate.Interval()
		if i.Low < 0 || i.High > 1 || i.Low > rate.Value() || i.High < rate.Value() {
			t.Fatalf("%+v: %v", rate, i)
		}
		twice := experiment.Rate{Count: 2 * rate.Count, Of: 2 * of}.Interval()
		if twice.High-twice.Low >= i.High-i.Low {
			t.Fatalf("%+v: twice the cards are no narrower: %v, %v", rate, i, twice)
		}
	})
}

// The table of sample sizes that decide what may be claimed.
func TestSampleSizes(t *testing.T) {
	for _, c := range []struct {
		control, treated, ratio float64
		controls, treateds      int
	}{
		{.08, .096, 1, 4921, 4921},
		{.08, .104, 1, 2276, 2276},
		{.20, .10, 1, 199, 199},
		{.25, .26, 1, 29_821, 29_821},
		{.25, .26, 9, 16_634, 149_706},
		{.25, .27, 1, 7550, 7550},
		{.25, .27, 9, 4227, 38_037},
		{.25, .30, 1, 1251, 1251},
		{.25, .30, 9, 707, 6355},
		{.12, .15, 1, 2036, 2036},
	} {
		controls, treateds := experiment.SampleSizes(c.control, c.treated, c.ratio)
		if controls != c.controls || treateds != c.treateds {
			t.Errorf("%v against %v at 1:%v is %d + %d, want %d + %d", c.control, c.treated, c.ratio, controls, treateds, c.controls, c.treateds)
		}
	}
}

var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.FixedZone("CST", 8*3600))

func TestTheFunnelCountsEachStep(t *testing.T) {
	now := day.AddDate(0, 0, 20)
	funnels := experiment.Funnels([]int{1000, 500}, 30)
	for _, card := range []experiment.Card{
		{Arm: 0, Prize: 500},
		{Arm: 0},
		{Arm: 0, Prize: 500, Claimed: true},
		{Arm: 0, Claimed: true, Repurchased: true},
		{Arm: 0, Prize: 500},
		{Arm: 0},
		{Arm: 0},
		{Arm: 0},
		{Arm: 0},
		{Arm: 0},
		{Arm: 1, Claimed: true},
	} {
		funnels[card.Arm].Count(card)
	}
	for _, friends := range []experiment.Friends{
		{Arm: 0, Day: day, Added: 5, Gone: map[int]int{0: 1, 6: 1, 7: 1}}, // the last stayed their week
		{Arm: 0, Day: day.AddDate(0, 0, 12), Added: 1},                    // the week of all of them is just over
		{Arm: 0, Day: day.AddDate(0, 0, 13), Added: 2, Gone: map[int]int{0: 1}},
	} {
		funnels[friends.Arm].CountFriends(friends, 7, now)
	}
	want := []experiment.Funnel{
		{Cards: 1000, Redeemed: 10, Added: 8, Retained: 4, Undecided: 1, Claimed: 2, Repurchased: 1, Spent: 30_000 + 1500},
		{Cards: 500, Redeemed: 1, Claimed: 1, Spent: 15_000},
	}
	if diff := cmp.Diff(want, funnels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(experiment.Funnel{
		Cards: 1500, Redeemed: 11, Added: 8, Retained: 4, Undecided: 1, Claimed: 3, Repurchased: 1, Spent: 46_500,
	}, experiment.Total(funnels)); diff != "" {
		t.Error(diff)
	}
	for measure, events := range map[experiment.Measure]int{
		experiment.MeasureRedeemed: 10, experiment.MeasureAdded: 8, experiment.MeasureRetained: 4,
	} {
		if got := funnels[0].Events(measure); got != events {
			t.Errorf("%s: %d", measure, got)
		}
	}
}

// 综合成本最多2-3元: 10,000 cards at ¥0.12 and 1,000 friends with ¥1 red packets.
func TestAnAddedFriendCosts(t *testing.T) {
	f := experiment.Funnels([]int{10_000}, 12)[0]
	if _, any := f.PerFriend(); any {
		t.Error("nobody cost something")
	}
	for range 1000 {
		f.Count(experiment.Card{Prize: 100})
	}
	f.CountFriends(experiment.Friends{Day: day, Added: 1000}, 7, day)
	if fen, _ := f.PerFriend(); fen != 220 {
		t.Errorf("a friend costs %d fen", fen)
	}
}

// The arm with more friends loses when they leave: what counts is who stays.
func TestArmsAreRankedByWhatIsRetainedForTheMoney(t *testing.T) {
	now := day.AddDate(0, 0, 30)
	funnels := experiment.Funnels([]int{10_000, 10_000}, 30)
	bring := func(arm, friends, leave int) {
		for range friends {
			funnels[arm].Count(experiment.Card{Prize: 100})
		}
		funnels[arm].CountFriends(experiment.Friends{Day: day, Added: friends, Gone: map[int]int{1: leave}}, 7, now)
	}
	bring(0, 1200, 480) // the red packet: 12 % come, two of five leave
	bring(1, 1000, 0)   // the coupon: 10 % come and stay
	judged := func(measure experiment.Measure, prizes ...loyalty.Fen) experiment.Result {
		var arms []experiment.Arm
		for i, f := range funnels {
			arms = append(arms, experiment.Arm{Cards: f.Cards, Redeemed: f.Redeemed, Events: f.Events(measure), CardFen: 30, PrizeFen: float64(prizes[i])})
		}
		return experiment.Judge(arms, experiment.PlanFor(10_000))
	}
	added, retained := judged(experiment.MeasureAdded, 100, 100), judged(experiment.MeasureRetained, 100, 100)
	if added.Verdict != experiment.VerdictWinner || added.Best[0] != 0 {
		t.Errorf("added: %+v", added)
	}
	if retained.Verdict != experiment.VerdictWinner || !slices.Equal(retained.Best, []int{1}) || !slices.Equal(retained.Ranking, []int{1, 0}) {
		t.Errorf("retained: %+v", retained)
	}
	// 1,000 friends for 10,000 × ¥0.30 + 1,000 × ¥1 are a quarter of a friend a yuan.
	if v := retained.Values[1]; retained.Unit != experiment.PerYuan || math.Abs(v.Value-.25) > 1e-12 || v.Low >= .25 || v.High <= .25 {
		t.Errorf("%+v", v)
	}
	// A prize that is dear enough turns it round.
	if dear := judged(experiment.MeasureRetained, 100, 600); dear.Verdict != experiment.VerdictWinner || dear.Best[0] != 0 {
		t.Errorf("dear: %+v", dear)
	}
}

func arm(cards, events int) experiment.Arm {
	return experiment.Arm{Cards: cards, Redeemed: events, Events: events}
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		arms    []experiment.Arm
		verdict experiment.Verdict
		best    []int
	}{
		"nothing":                      {nil, experiment.VerdictCannotTell, nil},
		"one arm has no rival":         {[]experiment.Arm{arm(10_000, 800)}, experiment.VerdictCannotTell, []int{0}},
		"no event yet":                 {[]experiment.Arm{arm(5000, 0), arm(5000, 0)}, experiment.VerdictCannotTell, []int{0, 1}},
		"no card":                      {[]experiment.Arm{arm(0, 0), arm(5000, 100)}, experiment.VerdictCannotTell, []int{1, 0}},
		"19 events are none":           {[]experiment.Arm{arm(5000, 19), arm(5000, 0)}, experiment.VerdictCannotTell, []int{0, 1}},
		"8 % and 8.8 %":                {[]experiment.Arm{arm(5000, 400), arm(5000, 440)}, experiment.VerdictCannotTell, []int{1, 0}},
		"8 % and 12 %":                 {[]experiment.Arm{arm(5000, 400), arm(5000, 600)}, experiment.VerdictWinner, []int{1}},
		"8 % and 8.1 % of 100,000":     {[]experiment.Arm{arm(100_000, 8000), arm(100_000, 8100)}, experiment.VerdictNoDifference, []int{1, 0}},
		"two good ones and a bad one":  {[]experiment.Arm{arm(100_000, 8000), arm(100_000, 8100), arm(100_000, 5000)}, experiment.VerdictNoDifference, []int{1, 0}},
		"one of three is open":         {[]experiment.Arm{arm(5000, 600), arm(5000, 550), arm(5000, 200)}, experiment.VerdictCannotTell, []int{0, 1}},
		"the second of three is worse": {[]experiment.Arm{arm(5000, 600), arm(5000, 200), arm(5000, 210)}, experiment.VerdictWinner, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			r := experiment.Judge(c.arms, experiment.PlanFor(5000))
			if r.Verdict != c.verdict || !slices.Equal(r.Best, c.best) || r.Unit != experiment.PerCard && len(c.arms) > 0 {
				t.Errorf("%+v", r)
			}
			if open := r.Verdict == experiment.VerdictCannotTell; !open && r.More != 0 {
				t.Errorf("%v more for a settled test", r.More)
			}
		})
	}
}

// However plain it looks: the sequences are asymptotic.
func TestTwentyEventsAreTheLeastToJudgeBy(t *testing.T) {
	plan := experiment.PlanFor(100)
	few := experiment.Judge([]experiment.Arm{arm(100, 19), arm(100, 0)}, plan)
	if few.Verdict != experiment.VerdictCannotTell || few.More < 20./19 {
		t.Errorf("%+v", few)
	}
	if enough := experiment.Judge([]experiment.Arm{arm(100, 20), arm(100, 0)}, plan); enough.Verdict != experiment.VerdictWinner {
		t.Errorf("%+v", enough)
	}
}

// At the planned size the sequence is 1.55 times as wide as one look's
// interval, and nowhere narrower in its standard errors.
func TestTheSequenceIsNarrowestAtItsPlan(t *testing.T) {
	const planned = 4921
	widthAt := func(cards int) float64 {
		events := int(math.Round(.08 * float64(cards)))
		r := experiment.Judge([]experiment.Arm{arm(cards, events), arm(cards, events)}, experiment.PlanFor(planned))
		p := float64(events) / float64(cards)
		return (r.Pairs[0].High - r.Pairs[0].Low) / 2 / math.Sqrt(2*p*(1-p)/float64(cards)) / 1.959964
	}
	t.Logf("times as wide as an interval for one look: at a tenth of the plan %.2f, at the plan %.2f, at ten times %.2f", widthAt(planned/10), widthAt(planned), widthAt(10*planned))
	if w := widthAt(planned); math.Abs(w-1.55) > .01 {
		t.Errorf("%.3f times as wide", w)
	}
	for _, cards := range []int{planned / 10, planned / 2, 2 * planned, 10 * planned} {
		if widthAt(cards) <= widthAt(planned) {
			t.Errorf("%d cards: %.3f times", cards, widthAt(cards))
		}
	}
}

// armsOf draws arms that could be.
func armsOf(t *rapid.T, least int) []experiment.Arm {
	priced := rapid.Bool().Draw(t, "priced")
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) experiment.Arm {
		a := experiment.Arm{Cards: rapid.IntRange(1, 200_000).Draw(t, "cards")}
		a.Redeemed = rapid.IntRange(0, a.Cards).Draw(t, "redeemed")
		a.Events = rapid.IntRange(0, a.Redeemed).Draw(t, "events")
		if priced {
			a.CardFen, a.PrizeFen = float64(rapid.IntRange(1, 500).Draw(t, "card")), float64(rapid.IntRange(0, 20_000).Draw(t, "prize"))
		}
		return a
	}), least, 5).Draw(t, "arms")
}

func TestJudgementsHangTogether(t *testing.T) {
	plan := experiment.PlanFor(5000)
	rapid.Check(t, func(t *rapid.T) {
		arms := armsOf(t, 2)
		r := experiment.Judge(arms, plan)
		for i, v := range r.Values {
			if !(v.Low <= v.Value && v.Value <= v.High) || v.Low < 0 {
				t.Fatalf("arm %d: %+v", i, v)
			}
		}
		for _, p := range r.Pairs {
			if !(p.Low <= p.Difference && p.Difference <= p.High) {
				t.Fatalf("%+v", p)
			}
			// The one whose difference is beyond doubt is the one that is ahead.
			if p.Verdict == experiment.VerdictWinner && r.Values[p.Winner].Value < r.Values[p.A+p.B-p.Winner].Value {
				t.Fatalf("%+v", p)
			}
			if (p.More != 0) && p.Verdict != experiment.VerdictCannotTell {
				t.Fatalf("%+v", p)
			}
		}
		if !slices.IsSortedFunc(r.Ranking, func(a, b int) int { return int(math.Copysign(1, r.Values[b].Value-r.Values[a].Value)) }) {
			t.Fatalf("ranking %v of %+v", r.Ranking, r.Values)
		}
		if r.Best[0] != r.Ranking[0] || (r.Verdict == experiment.VerdictWinner) != (len(r.Best) == 1) {
			t.Fatalf("%+v", r)
		}
		// Names of arms carry no weight: the test read backwards says the same.
		backwards := slices.Clone(arms)
		slices.Reverse(backwards)
		b := experiment.Judge(backwards, plan)
		if b.Verdict != r.Verdict || math.Abs(b.More-r.More) > 1e-9*r.More {
			t.Fatalf("%+v backwards is %+v", r, b)
		}
	})
}

// When things go on as they are, the sample that is said to be needed settles
// the test, and much less of it does not. The counts are so large that rounding
// them moves nothing.
func TestWhatIsStillNeededSettlesTheTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cards := rapid.IntRange(5_000, 50_000).Draw(t, "cards")
		first, second := rapid.IntRange(500, 900).Draw(t, "first"), rapid.IntRange(500, 900).Draw(t, "second")
		plan := experiment.PlanFor(cards)
		grown := func(times float64) experiment.Result {
			n := func(count int) int { return int(math.Round(times * float64(count))) }
			return experiment.Judge([]experiment.Arm{arm(n(cards), n(first)), arm(n(cards), n(second))}, plan)
		}
		now := grown(1)
		if now.Verdict != experiment.VerdictCannotTell {
			return
		}
		if now.More < 1 {
			t.Fatalf("%+v", now)
		}
		if grown(1.1*now.More).Verdict == experiment.VerdictCannotTell {
			t.Fatalf("%.2f times as much does not settle it: %+v", now.More, now)
		}
		if less := .85 * now.More; less > 1 && grown(less).Verdict != experiment.VerdictCannotTell {
			t.Fatalf("%.2f times as much would do, not %.2f", less, now.More)
		}
	})
}
