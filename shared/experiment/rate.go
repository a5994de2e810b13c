// Package experiment decides what a test of package cards (包裹卡 A/B 测试) has
// shown: the funnel (转化漏斗) of each arm, rates with their intervals, which
// arm brings the most friends for its money, and whether that can be told yet.
//
// Operators look every day. An interval for one look is wrong sooner or later
// when it is looked at every day, so arms are compared by confidence sequences
// (see Judge), which hold at all looks at once. Floating point is allowed here:
// these are statistics, no one's money or points.
package experiment

import "math"

// Confidence of every interval of this package, and the power that sample
// sizes are planned for.
const (
	Confidence = 0.95
	Power      = 0.80

	alpha = 1 - Confidence
)

// The points of the normal distribution that belong to them: 97.5 % and 80 %.
const (
	zConfidence = 1.959963984540054
	zPower      = 0.8416212335729143
)

// Interval is where a figure lies with Confidence. The zero Interval says
// nothing.
type Interval struct{ Low, High float64 }

// Rate is a share of cards: Count of Of (转化率).
type Rate struct{ Count, Of int }

// Value is the share, 0 of none.
func (r Rate) Value() float64 {
	if r.Of == 0 {
		return 0
	}
	return float64(r.Count) / float64(r.Of)
}

// Interval is Wilson's score interval (E. B. Wilson, JASA 22, 1927): 1,000 of
// 10,000 is 10 % [9.4 %, 10.6 %]. Unlike the textbook's it stays inside [0, 1]
// and is right for small counts. It holds for one look at a time. Of nothing
// it is [0, 1].
func (r Rate) Interval() Interval {
	if r.Of == 0 {
		return Interval{0, 1}
	}
	const z2 = zConfidence * zConfidence
	n, p := float64(r.Of), r.Value()
	centre := (p + z2/(2*n)) / (1 + z2/n)
	half := zConfidence / (1 + z2/n) * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	i := Interval{max(0, centre-half), min(1, centre+half)}
	// The algebra is exact at the ends, rounding is not.
	if r.Count == 0 {
		i.Low = 0
	}
	if r.Count == r.Of {
		i.High = 1
	}
	return i
}

// SampleSizes is how many cards each arm needs so that a test that is looked
// at once, at its end, tells the two rates apart with Confidence and Power;
// treated has so many cards for each of control's. Both rates lie in (0, 1)
// and differ. The formula is the one of Fleiss (Statistical Methods for Rates
// and Proportions, 3rd ed., 4.14 and 4.18) without continuity correction:
// 8 % against 9.6 % takes 4,921 cards in each of two equal arms.
func SampleSizes(control, treated, ratio float64) (controls, treateds int) {
	pooled := (control + ratio*treated) / (1 + ratio)
	root := zConfidence*math.Sqrt(pooled*(1-pooled)*(1+1/ratio)) +
		zPower*math.Sqrt(control*(1-control)+treated*(1-treated)/ratio)
	n := root * root / ((control - treated) * (control - treated))
	return int(math.Ceil(n)), int(math.Ceil(n * ratio))
}
