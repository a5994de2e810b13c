package points_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

var (
	key    = loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}
	day0   = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	rate   = points.Rate{Points: 1, PerFen: 100}
	window = &points.Window{AfterCompletionDays: 7, AfterPaymentDays: 30}
)

// ledgerOf feeds news to an order one by one, as its log would take them, and
// returns the order, the log and the member's balance.
func ledgerOf(t interface{ Fatalf(string, ...any) }, start points.Balance, news ...points.Fact) (*points.Order, []points.Fact, points.Balance) {
	var log []points.Fact
	balance := start
	for _, n := range news {
		fact, fresh, err := points.Replay(key, log).Decide(n, points.Account{Balance: balance})
		if err != nil {
			t.Fatalf("%v", err)
		}
		if !fresh {
			continue
		}
		log = append(log, fact)
		for _, entry := range fact.Entries {
			balance = balance.Plus(entry)
		}
		if balance.Available < 0 || balance.Pending < 0 || balance.Debt < 0 {
			t.Fatalf("balance below zero: %+v after %+v", balance, fact)
		}
	}
	return points.Replay(key, log), log, balance
}

func paid(lines ...points.Line) points.Fact {
	for i := range lines {
		lines[i].Rate = rate
	}
	return points.Fact{Kind: points.FactPaid, At: day0, Member: "m1", Window: window, Lines: lines}
}

func refund(id, line string, amount loyalty.Fen) points.Fact {
	return points.Fact{Kind: points.FactRefunded, At: day0.Add(time.Hour), Member: "m1", Refunds: []points.Refund{{ID: id, Line: line, Amount: amount}}}
}

func TestRefundsTakeBackWhatTheRuleGaveWhateverTheirOrder(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})
	for name, test := range map[string]struct {
		news []points.Fact
		want loyalty.Points
	}{
		"no refund":                              {[]points.Fact{order}, 100},
		"the same payment twice":                 {[]points.Fact{order, order}, 100},
		"half":                                   {[]points.Fact{order, refund("r1", "1", 5_000)}, 50},
		"one fen costs the point it breaks":      {[]points.Fact{order, refund("r1", "1", 1)}, 99},
		"before the order":                       {[]points.Fact{refund("r1", "1", 5_000), order}, 50},
		"before and after the order":             {[]points.Fact{refund("r1", "1", 5_000), order, refund("r1", "1", 5_000)}, 50},
		"the same refund twice":                  {[]points.Fact{order, refund("r1", "1", 990), refund("r1", "1", 990)}, 90},
		"an export's total tells the same money": {[]points.Fact{order, refund("r1", "1", 5_000), refund("", "1", 5_000)}, 50},
		"an export's total knows more":           {[]points.Fact{order, refund("r1", "1", 5_000), refund("", "1", 7_000)}, 30},
		"an older total":                         {[]points.Fact{order, refund("", "1", 7_000), refund("", "1", 5_000)}, 30},
		"all of it in parts":                     {[]points.Fact{order, refund("r1", "1", 3_333), refund("r2", "1", 3_333), refund("r3", "1", 3_334)}, 0},
		"cancelled":                              {[]points.Fact{order, {Kind: points.FactCancelled, At: day0, Member: "m1"}}, 0},
		"cancelled before it was paid":           {[]points.Fact{{Kind: points.FactCancelled, At: day0, Member: "m1"}, order}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, balance := ledgerOf(t, points.Balance{}, test.news...)
			if got := balance.Available + balance.Pending - balance.Debt; got != test.want {
				t.Errorf("points = %d, want %d", got, test.want)
			}
		})
	}
}

// Ten refunds of ¥9.90 leave ¥1.00 of a ¥100 order. A floor (or a ceil) for
// each refund by itself would leave 10 points, or 0.
func TestTenSmallRefundsLeaveOnePoint(t *testing.T) {
	news := []points.Fact{paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})}
	for i := range 10 {
		news = append(news, refund(fmt.Sprint("r", i), "1", 990))
	}
	_, _, balance := ledgerOf(t, points.Balance{}, news...)
	if balance != (points.Balance{Pending: 1}) {
		t.Errorf("balance = %+v, want 1 pending", balance)
	}
}

// The excess of postage or goodwill takes no points, stands in the log and refuses
// nothing, whichever of refund and payment comes first.
func TestARefundBeyondThePaidAmountTakesTheLineToZero(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000}, points.Line{ID: "2", Quantity: 1, Paid: 5_000})
	both := points.Fact{Kind: points.FactRefunded, At: day0.Add(time.Hour), Member: "m1", Refunds: []points.Refund{
		{ID: "r1", Line: "1", Amount: 10_000}, {ID: "r1", Line: "2", Amount: 5_001},
	}}
	settled := points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 40)}
	huge := loyalty.Fen(math.MaxInt64)
	for name, test := range map[string]struct {
		news   []points.Fact
		held   loyalty.Points
		excess []loyalty.Fen
	}{
		"after the payment":            {[]points.Fact{order, refund("r1", "1", 11_000)}, 50, []loyalty.Fen{1_000, 0}},
		"before the payment":           {[]points.Fact{refund("r1", "1", 11_000), order}, 50, []loyalty.Fen{1_000, 0}},
		"after settlement":             {[]points.Fact{order, settled, refund("r1", "1", 11_000)}, 50, []loyalty.Fen{1_000, 0}},
		"two lines in one event":       {[]points.Fact{order, both}, 0, []loyalty.Fen{0, 1}},
		"in parts":                     {[]points.Fact{order, refund("r1", "1", 9_000), refund("r2", "1", 9_000)}, 50, []loyalty.Fen{8_000, 0}},
		"a running total":              {[]points.Fact{order, refund("", "1", 12_000)}, 50, []loyalty.Fen{2_000, 0}},
		"singles below the total":      {[]points.Fact{refund("r1", "1", 11_000), order, refund("", "1", 12_000)}, 50, []loyalty.Fen{2_000, 0}},
		"a cancelled order":            {[]points.Fact{order, {Kind: points.FactCancelled, At: day0, Member: "m1"}, refund("r1", "1", 11_000)}, 0, []loyalty.Fen{1_000, 0}},
		"cancelled afterwards":         {[]points.Fact{order, refund("r1", "1", 11_000), {Kind: points.FactCancelled, At: day0, Member: "m1"}}, 0, []loyalty.Fen{1_000, 0}},
		"sums beyond what a sum holds": {[]points.Fact{refund("r1", "1", huge), refund("r2", "1", huge), order}, 50, []loyalty.Fen{huge - 10_000, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			folded, log, balance := ledgerOf(t, points.Balance{}, test.news...)
			if got := balance.Available + balance.Pending - balance.Debt; got != test.held {
				t.Errorf("%d points, want %d", got, test.held)
			}
			if len(log) != len(test.news) {
				t.Errorf("%d facts of %d", len(log), len(test.news))
			}
			recorded := map[string]loyalty.Fen{}
			for _, fact := range log {
				for _, excess := range fact.Excess {
					recorded[excess.Line] = excess.Amount
				}
			}
			for i, purchase := range folded.Purchases() {
				if purchase.Excess != test.excess[i] || recorded[purchase.ID] != test.excess[i] {
					t.Errorf("line %s: excess %d, recorded %d, want %d", purchase.ID, purchase.Excess, recorded[purchase.ID], test.excess[i])
				}
			}
		})
	}
}

func TestAClawBeyondTheBalanceIsDebtThatLaterCreditsPay(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})
	settled := points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 31)}
	_, log, balance := ledgerOf(t, points.Balance{}, order, settled)
	if balance != (points.Balance{Available: 100}) {
		t.Fatalf("settled balance = %+v", balance)
	}
	spent := points.Balance{Available: 30}
	fact, _, err := points.Replay(key, log).Decide(refund("r1", "1", 10_000), points.Account{Balance: spent})
	if err != nil {
		t.Fatal(err)
	}
	after := spent.Plus(fact.Entries[0])
	if after != (points.Balance{Debt: 70}) {
		t.Errorf("after the claw %+v, want 70 of debt", after)
	}
	other := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1002"}
	var second []points.Fact
	for _, news := range []points.Fact{order, settled} {
		fact, _, err := points.Replay(other, second).Decide(news, points.Account{Balance: after})
		if err != nil {
			t.Fatal(err)
		}
		second = append(second, fact)
		for _, entry := range fact.Entries {
			after = after.Plus(entry)
		}
	}
	if after != (points.Balance{Available: 30}) {
		t.Errorf("after the next order settled %+v, want 30 available", after)
	}
}

func TestPointsSettleWhenTheReturnWindowCloses(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})
	completed := points.Fact{Kind: points.FactCompleted, At: day0.AddDate(0, 0, 3), Member: "m1"}
	settle := func(days int) points.Fact {
		return points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, days)}
	}
	for name, test := range map[string]struct {
		news []points.Fact
		want points.Balance
	}{
		"completed, a day early":    {[]points.Fact{order, completed, settle(9)}, points.Balance{Pending: 100}},
		"completed, on the day":     {[]points.Fact{order, completed, settle(10)}, points.Balance{Available: 100}},
		"completed before payment":  {[]points.Fact{completed, order, settle(10)}, points.Balance{Available: 100}},
		"never completed, early":    {[]points.Fact{order, settle(29)}, points.Balance{Pending: 100}},
		"never completed, in time":  {[]points.Fact{order, settle(30)}, points.Balance{Available: 100}},
		"settled twice":             {[]points.Fact{order, settle(30), settle(31)}, points.Balance{Available: 100}},
		"refunded after settlement": {[]points.Fact{order, settle(30), refund("r1", "1", 5_000)}, points.Balance{Available: 50}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, got := ledgerOf(t, points.Balance{}, test.news...); got != test.want {
				t.Errorf("balance = %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestAnOrderOfNobodyIsCreditedWhenItIsClaimed(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})
	order.Member = ""
	part := refund("r1", "1", 2_000)
	part.Member = ""
	_, log, balance := ledgerOf(t, points.Balance{}, order, part)
	if balance != (points.Balance{}) {
		t.Fatalf("nobody's order gave %+v", balance)
	}
	claimed := points.Fact{Kind: points.FactClaimed, At: day0.Add(time.Hour), Member: "m1"}
	fact, fresh, err := points.Replay(key, log).Decide(claimed, points.Account{Balance: balance})
	if err != nil || !fresh {
		t.Fatalf("fresh %v, err %v", fresh, err)
	}
	want := []points.Entry{
		{ID: "earn:tmall:flagship:1001:1", Kind: points.EntryEarn, Line: "1", Pending: 100},
		{ID: "claw:tmall:flagship:1001:1:1", Kind: points.EntryClaw, Line: "1", Pending: -20},
	}
	if diff := cmp.Diff(want, fact.Entries); diff != "" {
		t.Error(diff)
	}
	claimed.Member = "m2"
	if _, fresh, _ := points.Replay(key, append(log, fact)).Decide(claimed, points.Account{Balance: points.Balance{}}); fresh {
		t.Error("a second member took the order")
	}
}

// Whatever arrives in whatever order, doubled or not, the member holds
// floor(rate × (paid − refunded)) for each line, and every log replays to it.
func TestPointsFollowTheFactsNotTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []points.Line
		left := map[string]loyalty.Fen{}
		var news []points.Fact
		for i := range rapid.IntRange(1, 3).Draw(t, "lines") {
			line := points.Line{ID: fmt.Sprint(i), Quantity: 1, Paid: loyalty.Fen(rapid.Int64Range(0, 30_000).Draw(t, "paid"))}
			lines, left[line.ID] = append(lines, line), line.Paid
		}
		news = append(news, paid(lines...))
		for i := range rapid.IntRange(0, 6).Draw(t, "refunds") {
			line := lines[rapid.IntRange(0, len(lines)-1).Draw(t, "line")]
			amount := loyalty.Fen(rapid.Int64Range(0, int64(left[line.ID])+200).Draw(t, "amount"))
			left[line.ID] = max(0, left[line.ID]-amount)
			news = append(news, refund(fmt.Sprint("r", i), line.ID, amount))
		}
		for range rapid.IntRange(0, 2).Draw(t, "completions") {
			news = append(news, points.Fact{Kind: points.FactCompleted, At: day0.AddDate(0, 0, rapid.IntRange(2, 5).Draw(t, "completed")), Member: "m1"})
		}
		if rapid.Bool().Draw(t, "late line") {
			late := paid(points.Line{ID: "late", Quantity: 1, Paid: 777})
			late.At = day0.AddDate(0, 0, 20)
			lines, left["late"] = append(lines, late.Lines[0]), 777
			news = append(news, late)
		}
		if rapid.Bool().Draw(t, "settled") {
			news = append(news, points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 40)})
		}
		news = append(news, news[rapid.IntRange(0, len(news)-1).Draw(t, "twice")])
		_, log, balance := ledgerOf(t, points.Balance{}, rapid.Permutation(news).Draw(t, "arrival")...)
		var want loyalty.Points
		for _, line := range lines {
			want += loyalty.Points(left[line.ID] / 100)
		}
		if got := balance.Available + balance.Pending - balance.Debt; got != want {
			t.Fatalf("points = %d, want %d; log %+v", got, want, log)
		}
		ids := map[string]bool{}
		for _, fact := range log {
			for _, entry := range fact.Entries {
				if ids[entry.ID] {
					t.Fatalf("entry %s stands twice", entry.ID)
				}
				ids[entry.ID] = true
			}
		}
	})
}
