package reference_test

import (
	"fmt"
	"time"

	"github.com/huitou/huitou/infra/reference"
)

// ¥100 earn 100 points. Ten refunds of ¥9.90 leave ¥1 and so one point, however
// they arrive: here the first comes before the payment, and each comes twice.
// An eleventh gives back ¥1 more than was paid, and leaves nothing.
func ExampleAfter() {
	day := func(n int) time.Time { return dayZero.AddDate(0, 0, n) }
	buyer := []string{"tmall:b-1"}
	refund := func(n, amount int64) reference.Input {
		return reference.Input{Kind: reference.Refunded, Now: day(3), At: day(3), Channel: "tmall", Order: "1001", Names: buyer, Refund: fmt.Sprint(n), Lines: []reference.Line{{ID: "1", Fen: amount}}}
	}
	inputs := []reference.Input{
		{Kind: reference.Joined, Now: day(0), Person: "Li", Names: buyer},
		refund(0, 990),
		{Kind: reference.Paid, Now: day(4), At: day(0), Channel: "tmall", Order: "1001", Names: buyer, Lines: []reference.Line{{ID: "1", Fen: 100_00}}},
	}
	for n := range int64(10) {
		inputs = append(inputs, refund(n, 990), refund(n, 990))
	}
	inputs = append(inputs, refund(10, 200), reference.Input{Kind: reference.Tick, Now: day(30)})
	state := reference.After([]reference.Version{shipped()}, inputs)
	fmt.Println("available:", state.Members["Li"].Pots["endless"])
	fmt.Println("beyond the price, in fen:", state.Excess["1"])
	// Output:
	// available: 0
	// beyond the price, in fen: 100
}
