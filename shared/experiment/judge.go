package experiment

import (
	"cmp"
	"math"
	"slices"
)

// Arm is what a comparison knows of one arm: counts, and what it costs.
type Arm struct {
	Cards    int // printed
	Redeemed int // of these
	Events   int // of the redeemed: cards that reached the step which is compared

	// CardFen is what making and packing one card costs, PrizeFen the mean
	// worth of a prize of the arm's pool. The pool's mean is taken, not what
	// was won so far: prizes are dealt without regard to anything, so the luck
	// of the draw says nothing about an arm. Where a CardFen is not known (0),
	// all arms are compared per card.
	CardFen, PrizeFen float64
}

// Verdict is what can be said of arms.
type Verdict string

// The verdicts.
const (
	VerdictWinner       Verdict = "winner"          // one arm is better than each other
	VerdictNoDifference Verdict = "no_difference"   // the best ones are less than MinimumLift apart
	VerdictCannotTell   Verdict = "cannot_tell_yet" // neither; more cards will tell
)

// Unit is what the arms' values are divided by.
type Unit string

// The units.
const (
	PerYuan Unit = "yuan" // events for each yuan spent
	PerCard Unit = "card"
)

const (
	// MinimumLift is the smallest difference that matters, relative to the mean
	// of the two arms: arms that are surely closer are as good as each other.
	MinimumLift = 0.20

	// minimumEvents of two arms together, before which no verdict is given: the
	// sequences are asymptotic.
	minimumEvents = 20
)

// Plan is what was expected before the test began. It makes the sequences
// narrowest around the planned size; they hold whatever it says, but it must
// not be changed after a look.
type Plan struct {
	Cards int     // of the smallest arm
	Rate  float64 // share of the cards that will have the event
}

// PlanFor is the plan of a batch whose smallest arm has so many cards: a rate
// of 8 %, and no more cards than a fixed test of 8 % against 9.6 % takes.
func PlanFor(cards int) Plan {
	const rate = 0.08
	most, _ := SampleSizes(rate, rate*(1+MinimumLift), 1)
	return Plan{Cards: max(1, min(cards, most)), Rate: rate}
}

// Value is an arm's events per Unit. The Interval holds at every look, for all
// arms at once.
type Value struct {
	Value float64
	Interval
}

// Pair compares two arms. The Interval of the difference (A less B, in Unit)
// holds at every look, for all pairs at once.
type Pair struct {
	A, B       int // A < B
	Difference float64
	Interval
	Verdict Verdict
	Winner  int // of VerdictWinner
	// More is, for VerdictCannotTell, how many times what both arms have so far
	// will settle it if things go on alike: 1.5 is half as much again; 0 when
	// nothing can be said, which is before the first event.
	More float64
}

// Result is the judgement of a whole test.
type Result struct {
	Unit    Unit
	Values  []Value // by arm
	Ranking []int   // arms, the best value first
	Pairs   []Pair
	Verdict Verdict
	// Best are the arms that none is known to be better than, best value first:
	// one for VerdictWinner.
	Best []int
	More float64 // see Pair; the most that a pair of Best needs
}

// Judge compares arms. It may be asked as often as one likes: the chance that
// it ever names an arm better than one which is not worse is at most
// 1 − Confidence over all looks and all pairs together.
//
// An arm's value is θ = Σr ÷ Σc over its cards, r being 1 for a card with the
// event and c its cost, with variance Σ(r−θc)² ÷ (Σc)² (delta method). For two
// arms with difference D, variance V and common cost C = CaCb ÷ (Ca+Cb), the
// sum C·D is a random walk whose variance so far is v = C²V, and
//
//	D ± √V · √( (1 + 1/u) · ln( (1+u) ÷ α² ) ),  u = ρv
//
// holds at all times at once with probability 1−α: Robbins' normal mixture, as
// the asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha,
// E. H. Kennedy and A. Ramdas, "Time-uniform central limit theory and
// asymptotic confidence sequences", Annals of Statistics 52 (2024; arXiv
// 2103.06476), with ρ chosen so that it is narrowest at the plan's size: 1.55
// times as wide there as an interval for one look.
//
// The clock of the walk is v, which counts events (about a quarter of both
// arms' together) and not cards: so it is right while cards go out day by day,
// and as well when all are printed at once and come back over weeks. α is
// shared equally among the pairs (Bonferroni).
func Judge(arms []Arm, plan Plan) Result {
	result := Result{Unit: PerYuan}
	if slices.ContainsFunc(arms, func(a Arm) bool { return a.CardFen <= 0 }) {
		result.Unit = PerCard
		arms = slices.Clone(arms)
		for i := range arms {
			arms[i].CardFen, arms[i].PrizeFen = 100, 0 // one yuan a card
		}
	}
	count := len(arms)
	pairs := max(1, count*(count-1)/2)
	// v of a pair at the planned size; an arm's own walk is twice that long.
	tuned := float64(plan.Cards) * plan.Rate * (1 - plan.Rate) / 2
	single, pairwise := sequences(alpha/float64(max(1, count)), 2*tuned), sequences(alpha/float64(pairs), tuned)
	for i, arm := range arms {
		result.Values = append(result.Values, single.value(arm))
		result.Ranking = append(result.Ranking, i)
	}
	slices.SortStableFunc(result.Ranking, func(a, b int) int { return cmp.Compare(result.Values[b].Value, result.Values[a].Value) })
	for a := range arms {
		for b := a + 1; b < count; b++ {
			pair := pairwise.pair(arms[a], arms[b])
			pair.A, pair.B, pair.Winner = a, b, a
			if pair.Difference < 0 {
				pair.Winner = b
			}
			result.Pairs = append(result.Pairs, pair)
		}
	}
	result.conclude()
	return result
}

// conclude says of the whole what its pairs say of the arms that are not known
// to be worse than another.
func (r *Result) conclude() {
	var beaten []int
	for _, pair := range r.Pairs {
		if pair.Verdict == VerdictWinner {
			beaten = append(beaten, pair.A+pair.B-pair.Winner)
		}
	}
	r.Best = slices.DeleteFunc(slices.Clone(r.Ranking), func(arm int) bool { return slices.Contains(beaten, arm) })
	switch {
	case len(r.Ranking) < 2:
		r.Verdict = VerdictCannotTell // nothing to compare
		return
	case len(r.Best) == 1:
		r.Verdict = VerdictWinner
		return
	}
	r.Verdict = VerdictNoDifference
	for _, pair := range r.Pairs {
		if pair.Verdict == VerdictCannotTell && slices.Contains(r.Best, pair.A) && slices.Contains(r.Best, pair.B) {
			r.Verdict = VerdictCannotTell
			r.More = max(r.More, pair.More)
		}
	}
}

// tuning is what the sequences of one kind have in common.
type tuning struct {
	alpha float64 // of one sequence
	rho   float64 // u for each unit of v
}

// sequences are narrowest when their walk has come to v = tuned.
func sequences(alpha, tuned float64) tuning { return tuning{alpha, best(alpha) / tuned} }

// estimate is θ in events per yuan, its variance, and the arm's cost in yuan.
type estimate struct{ value, variance, cost float64 }

func (a Arm) estimate() estimate {
	card, prize := a.CardFen/100, a.PrizeFen/100
	cards, redeemed, events := float64(a.Cards), float64(a.Redeemed), float64(a.Events)
	cost := cards*card + redeemed*prize
	if cost <= 0 {
		return estimate{}
	}
	value := events / cost
	squares := cards*card*card + redeemed*(2*card*prize+prize*prize)
	// The half event keeps an arm without events from looking certain.
	spread := max(0, events-2*value*events*(card+prize)+value*value*squares) + 0.5
	return estimate{value, spread / (cost * cost), cost}
}

// width is how many standard errors the sequence reaches to each side when the
// walk has come to u.
func (t tuning) width(u float64) float64 {
	return math.Sqrt((1 + 1/u) * math.Log((1+u)/(t.alpha*t.alpha)))
}

// best is the u at which width(u) is least: the root of u = ln((1+u) ÷ α²),
// which is −W₋₁(−α²/e) − 1 in terms of Lambert's function.
func best(alpha float64) float64 {
	u := 1.0
	for range 100 {
		u = math.Log((1 + u) / (alpha * alpha))
	}
	return u
}

// value is one arm's own sequence.
func (t tuning) value(arm Arm) Value {
	e := arm.estimate()
	if e.cost <= 0 {
		return Value{}
	}
	half := math.Sqrt(e.variance) * t.width(t.rho*e.cost*e.cost*e.variance)
	return Value{e.value, Interval{max(0, e.value-half), e.value + half}}
}

func (t tuning) pair(a, b Arm) Pair {
	ea, eb := a.estimate(), b.estimate()
	if ea.cost <= 0 || eb.cost <= 0 {
		return Pair{Verdict: VerdictCannotTell}
	}
	s := t.sequence(ea, eb)
	half := s.error * t.width(s.u)
	pair := Pair{Difference: s.difference, Interval: Interval{s.difference - half, s.difference + half}}
	margin := MinimumLift * (ea.value + eb.value) / 2
	events := a.Events + b.Events
	switch {
	case events < minimumEvents:
		pair.Verdict, pair.More = VerdictCannotTell, 0
		if events > 0 {
			pair.More = max(t.more(s, margin), minimumEvents/float64(events))
		}
	case pair.Low > 0 || pair.High < 0:
		pair.Verdict = VerdictWinner
	case -margin < pair.Low && pair.High < margin:
		pair.Verdict = VerdictNoDifference
	default:
		pair.Verdict, pair.More = VerdictCannotTell, t.more(s, margin)
	}
	return pair
}

// sequence is where the walk of a pair stands.
type sequence struct {
	difference, error float64 // D and √V
	u                 float64
}

func (t tuning) sequence(a, b estimate) sequence {
	variance := a.variance + b.variance
	common := a.cost * b.cost / (a.cost + b.cost)
	return sequence{a.value - b.value, math.Sqrt(variance), t.rho * common * common * variance}
}

// more is by what factor the walk has to grow, with the values as they are,
// until the sequence excludes 0 or lies within the margin.
func (t tuning) more(s sequence, margin float64) float64 {
	target := max(math.Abs(s.difference), margin-math.Abs(s.difference)) / s.error
	low, high := 1.0, 1.0
	reached := func(k float64) bool { return t.width(k*s.u) < target*math.Sqrt(k) }
	for !reached(high) {
		if low, high = high, 2*high; high > 1e12 {
			return 0
		}
	}
	for range 60 {
		if middle := (low + high) / 2; reached(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}
