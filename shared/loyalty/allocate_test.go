package loyalty_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
)

func TestAllocate(t *testing.T) {
	for name, test := range map[string]struct {
		whole   loyalty.Fen
		weights []loyalty.Fen
		want    []loyalty.Fen
	}{
		"nothing to anybody":               {100, nil, []loyalty.Fen{}},
		"one takes all":                    {100, []loyalty.Fen{7}, []loyalty.Fen{100}},
		"a third each, the first gets 1":   {100, []loyalty.Fen{1, 1, 1}, []loyalty.Fen{34, 33, 33}},
		"two left, the first two get them": {101, []loyalty.Fen{1, 1, 1}, []loyalty.Fen{34, 34, 33}},
		// 1000 × 19900/29801 = 667.76…, 1000 × 9900/29801 = 332.20…, 1000 × 1/29801 = 0.03…
		"the largest remainder":     {1000, []loyalty.Fen{9_900, 19_900, 1}, []loyalty.Fen{332, 668, 0}},
		"a free line gets nothing":  {999, []loyalty.Fen{0, 5, 5}, []loyalty.Fen{0, 500, 499}},
		"the whole of each":         {30, []loyalty.Fen{10, 20}, []loyalty.Fen{10, 20}},
		"nothing":                   {0, []loyalty.Fen{10, 20}, []loyalty.Fen{0, 0}},
		"weightless parts are like": {5, []loyalty.Fen{0, 0, 0}, []loyalty.Fen{2, 2, 1}},
		"products beyond 64 bits":   {math.MaxInt64, []loyalty.Fen{math.MaxInt64 - 1, 1}, []loyalty.Fen{math.MaxInt64 - 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, loyalty.Allocate(test.whole, test.weights)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The parts add up, each is its exact share rounded down or up, and no more
// than its weight where the whole is no more than theirs.
func TestPartsAddUpToTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) loyalty.Points {
			return loyalty.Points(rapid.Int64Range(0, rapid.SampledFrom([]int64{3, 1_000, 1e15}).Draw(t, "size")).Draw(t, "weight"))
		}), 1, 50).Draw(t, "weights")
		whole := loyalty.Points(rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "whole"))
		var total loyalty.Points
		for _, weight := range weights {
			total += weight
		}
		if total > 0 && rapid.Bool().Draw(t, "within") {
			whole %= total + 1
		}
		parts := loyalty.Allocate(whole, weights)
		var sum loyalty.Points
		for i, part := range parts {
			sum += part
			if total == 0 {
				continue
			}
			if whole <= total && part > weights[i] {
				t.Fatalf("part %d is %d of at most %d", i, part, weights[i])
			}
			product := new(big.Int).Mul(big.NewInt(int64(whole)), big.NewInt(int64(weights[i])))
			down, rest := new(big.Int).DivMod(product, big.NewInt(int64(total)), new(big.Int))
			if up := part - loyalty.Points(down.Int64()); up < 0 || up > 1 || up == 1 && rest.Sign() == 0 {
				t.Fatalf("part %d is %d, its share is %d and %d/%d", i, part, down, rest, total)
			}
		}
		if sum != whole {
			t.Fatalf("the parts add up to %d, not %d", sum, whole)
		}
		for i := range parts[1:] {
			if weights[i] == weights[i+1] && parts[i] < parts[i+1] {
				t.Fatalf("of two equal parts the later got more: %v of %v", parts, weights)
			}
		}
	})
}
