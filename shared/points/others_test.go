package points_test

import (
	"testing"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// What well-known engines answer in the same situation stands beside what is
// right. Each of their rules is short enough to be written down here.
func TestWhereOtherEnginesGoWrong(t *testing.T) {
	const paidFen = loyalty.Fen(10_000)
	tenRefunds := make([]points.Fact, 0, 11)
	tenRefunds = append(tenRefunds, paid(points.Line{ID: "1", Quantity: 1, Paid: paidFen}))
	var ceiled, floored loyalty.Points
	for i := range 10 {
		const amount = loyalty.Fen(990)
		tenRefunds = append(tenRefunds, refund(string(rune('a'+i)), "1", amount))
		ceiled += loyalty.Points((amount + 99) / 100)
		floored += loyalty.Points(amount / 100)
	}

	half := []points.Fact{paid(points.Line{ID: "1", Quantity: 1, Paid: paidFen}), refund("r1", "1", paidFen/2)}
	settled := append(half[:1:1], points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 31)}, half[1])

	for _, test := range []struct {
		engine, rule string
		news         []points.Fact
		wrong, right loyalty.Points
	}{
		{"Youzan (its own example)", "rounds up what each refund takes", tenRefunds, 100 - ceiled, 1},
		{"a floor for each refund", "rounds down what each refund takes", tenRefunds, 100 - floored, 1},
		{"Smile", "takes back by today's rule, which doubled since", half, 100 - 2*50, 50},
		{"ruoyi-vue-pro", "skips a claw that goes below zero", settled, 100, 50},
	} {
		t.Run(test.engine, func(t *testing.T) {
			_, _, balance := ledgerOf(t, points.Balance{}, test.news...)
			got := balance.Available + balance.Pending - balance.Debt
			t.Logf("%s: %d points; right: %d; ours: %d", test.rule, test.wrong, test.right, got)
			if got != test.right {
				t.Errorf("%d points, want %d", got, test.right)
			}
			if test.wrong == test.right {
				t.Errorf("the case does not tell the two apart")
			}
		})
	}
}

// CRMEB sets a balance below zero to zero and logs the whole claw: the log and
// the balance differ for ever, and the next order gives points that are owed.
// Here the rest is debt, and the entries always add up to the balance.
func TestABalanceIsNeverClamped(t *testing.T) {
	_, log, _ := ledgerOf(t, points.Balance{}, paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000}), points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 31)})
	afterSpending := points.Balance{Available: 20}
	fact, _, err := points.Replay(key, log).Decide(refund("r1", "1", 10_000), points.Account{Balance: afterSpending})
	if err != nil {
		t.Fatal(err)
	}
	after := afterSpending
	for _, entry := range fact.Entries {
		after = after.Plus(entry)
	}
	clamped := points.Balance{} // what CRMEB keeps, beside a log that says −100
	if after == clamped || after != (points.Balance{Debt: 80}) {
		t.Errorf("balance = %+v, want a debt of 80", after)
	}
}
