package points_test

import (
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// The answers of well-known engines in the same situation stand beside what is
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

// Several engines (FloCafe's "Balance Collapse" among them) compute a balance
// as the credits that have not expired less all debits. Points that were spent
// of a credit are then taken a second time when the credit expires. Here what
// is left of a lot expires by an entry of its own, once.
func TestExpiryDoesNotTakeWhatWasSpentAgain(t *testing.T) {
	account := points.Account{Now: day0}
	for _, credit := range []struct {
		amount loyalty.Points
		until  time.Time
	}{{100, jan}, {20, feb}} {
		account = account.Plus(points.Prize("card", credit.amount, &credit.until, account))
	}
	spent, err := points.Spend("v1", 70, account)
	if err != nil {
		t.Fatal(err)
	}
	account = account.Plus(spent)
	account.Now = jan
	for _, entry := range account.Expire(1) {
		account = account.Plus(entry)
	}
	const collapsed = 20 - 70 // the February credit less the debit
	if account.Available != 20 || account.Available == collapsed {
		t.Errorf("%d points after expiry, want 20; the fold over credits that are left says %d", account.Available, collapsed)
	}
}

// Smile takes back by the rule of the day of the refund. The rate doubled
// between purchase and refund; a line's rate is frozen when it is paid.
func TestARefundKnowsTheRateOfThePurchase(t *testing.T) {
	today := points.Rate{Points: 2, PerFen: 100}
	_, log, balance := ledgerOf(t, points.Balance{}, paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000}))
	back := refund("r1", "1", 5_000)
	back.Program = 2 // in force when the refund arrives
	fact, _, err := points.Replay(key, log).Decide(back, points.Account{Balance: balance})
	if err != nil {
		t.Fatal(err)
	}
	wrong := -today.On(5_000)
	if got := fact.Entries[0].Amount(); got != -50 || got == wrong {
		t.Errorf("the refund takes %d, want -50; by today's rule it would be %d", got, wrong)
	}
}

// Buy, earn, spend, give back: Odoo lets the customer keep what the points
// bought and their money. Here they owe the points, and what they earn next
// pays them.
func TestPointsThatWereSpentAreOwedAfterARefund(t *testing.T) {
	settled := points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 31)}
	_, log, balance := ledgerOf(t, points.Balance{}, paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000}), settled)
	account := points.Account{Balance: balance, Now: day0}
	spent, err := points.Spend("v1", 100, account)
	if err != nil {
		t.Fatal(err)
	}
	account = account.Plus(spent)
	kept := account.Balance // what such an engine leaves
	fact, _, err := points.Replay(key, log).Decide(refund("r1", "1", 10_000), account)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range fact.Entries {
		account = account.Plus(entry)
	}
	if account.Balance != (points.Balance{Debt: 100}) || account.Balance == kept {
		t.Errorf("%+v, want a debt of 100", account.Balance)
	}
	if account = account.Plus(points.Prize("card", 130, nil, account)); account.Balance != (points.Balance{Available: 30}) {
		t.Errorf("%+v after 130 more, want 30", account.Balance)
	}
}

// In mall, five parallel orders used one coupon and one was to be paid with
// −¥824.00. An amount below zero earns nothing here, and takes nothing.
func TestAnAmountBelowZeroEarnsNothing(t *testing.T) {
	const pay = loyalty.Fen(-82_400)
	wrong := loyalty.Points(pay / 100)
	_, _, balance := ledgerOf(t, points.Balance{}, paid(points.Line{ID: "1", Quantity: 1, Paid: pay}))
	if balance != (points.Balance{}) || wrong == 0 {
		t.Errorf("%+v, want nothing; dividing gives %d", balance, wrong)
	}
}
