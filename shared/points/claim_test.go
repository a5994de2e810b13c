package points_test

import (
	"testing"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// Logs hold these for ever.
func TestTheProofOfABuyerStaysTheSame(t *testing.T) {
	for want, order := range map[string]struct {
		key   loyalty.OrderKey
		buyer string
	}{
		"7c0bfd504de18812": {loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}, "b-1"},
		"16d095b13f33828f": {loyalty.OrderKey{Channel: "tm", Shop: `a"b\ c`, Order: "一\x00\xff"}, "刘 \n"},
	} {
		if got := points.ProveBuyer(order.key, order.buyer); got != want {
			t.Errorf("%v by %q: %s, want %s", order.key, order.buyer, got, want)
		}
	}
}
