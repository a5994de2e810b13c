package loyalty

import (
	"cmp"
	"math/bits"
	"slices"
)

// Allocate splits a whole into parts in proportion to the weights by the
// method of the largest remainder (最大余数法), as a discount of an order is
// spread over its lines (优惠分摊): each part is rounded down, and the units
// that are left go one each to the parts that lost most by it, of equal ones to
// the first. The parts always add up to the whole, and none exceeds its weight
// while the whole does not exceed their sum. Weights that are all 0 count as
// equal; without any there are no parts.
//
// Neither the whole nor a weight may be negative, nor the sum of the weights
// leave int64.
func Allocate[N ~int64](whole N, weights []N) []N {
	var total N
	for _, weight := range weights {
		total += weight
	}
	if total == 0 {
		weights, total = slices.Repeat([]N{1}, len(weights)), N(len(weights))
	}
	parts, lost := make([]N, len(weights)), make([]uint64, len(weights))
	left, order := whole, make([]int, len(weights))
	for i, weight := range weights {
		high, low := bits.Mul64(uint64(whole), uint64(weight))
		quotient, remainder := bits.Div64(high, low, uint64(total))
		parts[i], lost[i], order[i] = N(quotient), remainder, i
		left -= parts[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lost[b], lost[a]) })
	for _, i := range order[:min(int(left), len(order))] {
		parts[i]++
	}
	return parts
}
