package points_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// The first telling stands; one that contradicts it is kept once, for a person,
// and changes no points.
func TestATellingThatContradictsTheLogIsKeptOnce(t *testing.T) {
	first := paid(points.Line{ID: "1", SKU: "MILK", Category: "milk", Quantity: 2, Paid: 10_000})
	with := func(change func(*points.Line)) points.Fact {
		line := points.Line{ID: "1", SKU: "MILK", Category: "milk", Quantity: 2, Paid: 10_000}
		change(&line)
		return paid(line)
	}
	dearer := with(func(l *points.Line) { l.Paid = 12_000 })
	for name, test := range map[string]struct {
		news  []points.Fact
		facts int
		kept  int
	}{
		"the same":                       {[]points.Fact{first, first}, 1, 0},
		"another amount":                 {[]points.Fact{first, dearer}, 2, 1},
		"another amount, twice":          {[]points.Fact{first, dearer, dearer}, 2, 1},
		"two other amounts":              {[]points.Fact{first, dearer, with(func(l *points.Line) { l.Paid = 1 })}, 3, 2},
		"another quantity":               {[]points.Fact{first, with(func(l *points.Line) { l.Quantity = 3 })}, 2, 1},
		"other goods":                    {[]points.Fact{first, with(func(l *points.Line) { l.SKU = "TEA" })}, 2, 1},
		"another category":               {[]points.Fact{first, with(func(l *points.Line) { l.Category = "tea" })}, 2, 1},
		"a gift":                         {[]points.Fact{first, with(func(l *points.Line) { l.Gift = true })}, 2, 1},
		"a source that names no goods":   {[]points.Fact{first, with(func(l *points.Line) { l.SKU, l.Category = "", "" })}, 1, 0},
		"a new line beside it":           {[]points.Fact{first, paid(dearer.Lines[0], points.Line{ID: "2", Quantity: 1, Paid: 100})}, 2, 1},
		"a refund of another amount":     {[]points.Fact{first, refund("r1", "1", 100), refund("r1", "1", 200)}, 3, 1},
		"such a refund twice":            {[]points.Fact{first, refund("r1", "1", 100), refund("r1", "1", 200), refund("r1", "1", 200)}, 3, 1},
		"such a refund before payment":   {[]points.Fact{refund("r1", "1", 100), refund("r1", "1", 200), first}, 3, 1},
		"a running total that is lower":  {[]points.Fact{first, refund("", "1", 200), refund("", "1", 100)}, 2, 0},
		"a refund told again, and a new": {[]points.Fact{first, refund("r1", "1", 100), {Kind: points.FactRefunded, At: day0, Member: "m1", Refunds: []points.Refund{{ID: "r1", Line: "1", Amount: 7}, {ID: "r1", Line: "2", Amount: 8}}}}, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			folded, log, balance := ledgerOf(t, points.Balance{}, test.news...)
			if len(log) != test.facts || len(folded.Conflicts) != test.kept {
				t.Errorf("%d facts and conflicts %+v, want %d and %d", len(log), folded.Conflicts, test.facts, test.kept)
			}
			purchase := folded.Purchases()[0]
			if purchase.Paid != 10_000 || purchase.Quantity != 2 || balance.Pending != folded.Purchases()[0].Rate.On(10_000-purchase.Refunded)+balance.Pending-purchase.Points {
				t.Errorf("the line is %+v", purchase)
			}
		})
	}
}

func TestTheEarliestCompletionCounts(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})
	completed := func(day int) points.Fact {
		return points.Fact{Kind: points.FactCompleted, At: day0.AddDate(0, 0, day), Member: "m1"}
	}
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SliceOfN(rapid.IntRange(1, 25), 1, 5).Draw(t, "days")
		earliest, news := 25, []points.Fact{order}
		for _, day := range days {
			earliest, news = min(earliest, day), append(news, completed(day))
		}
		folded, _, _ := ledgerOf(t, points.Balance{}, rapid.Permutation(news).Draw(t, "arrival")...)
		if want := day0.AddDate(0, 0, earliest); !folded.CompletedAt.Equal(want) || !folded.SettleAt().Equal(want.AddDate(0, 0, 7)) {
			t.Fatalf("completed %s, settles %s; want %s and a week later", folded.CompletedAt, folded.SettleAt(), want)
		}
	})
}

// A platform that tells another time with every try does not lengthen the log for
// ever, and the earliest still counts.
func TestTheLogKeepsAFewCompletions(t *testing.T) {
	news := []points.Fact{paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})}
	for minute := range 50 {
		news = append(news, points.Fact{Kind: points.FactCompleted, At: day0.AddDate(0, 0, 3).Add(time.Duration(minute) * time.Minute), Member: "m1"})
	}
	news = append(news, points.Fact{Kind: points.FactCompleted, At: day0.AddDate(0, 0, 2), Member: "m1"})
	folded, log, _ := ledgerOf(t, points.Balance{}, news...)
	if len(log) > 12 || !folded.CompletedAt.Equal(day0.AddDate(0, 0, 2)) {
		t.Errorf("%d facts, completed %s", len(log), folded.CompletedAt)
	}
}

// A line that was paid after the others has a return window of its own, whether the
// order is settled when it is told or not.
func TestALateLineIsPendingForItsOwnWindow(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})
	late := paid(points.Line{ID: "2", Quantity: 1, Paid: 5_000})
	late.At = day0.AddDate(0, 0, 12)
	at := func(kind points.FactKind, day int) points.Fact {
		return points.Fact{Kind: kind, At: day0.AddDate(0, 0, day), Member: "m1"}
	}
	settle := func(day int) points.Fact { return at(points.FactSettled, day) }
	for name, test := range map[string]struct {
		news []points.Fact
		want points.Balance
		at   int // when the next points settle; 0 for never
	}{
		"before settlement":              {[]points.Fact{order, at(points.FactCompleted, 3), late}, points.Balance{Pending: 150}, 10},
		"settled before it is told":      {[]points.Fact{order, at(points.FactCompleted, 3), settle(10), late}, points.Balance{Available: 100, Pending: 50}, 42},
		"told before the others settle":  {[]points.Fact{order, at(points.FactCompleted, 3), late, settle(10)}, points.Balance{Available: 100, Pending: 50}, 42},
		"completed once more":            {[]points.Fact{order, at(points.FactCompleted, 3), settle(10), late, at(points.FactCompleted, 15)}, points.Balance{Available: 100, Pending: 50}, 22},
		"that completion came first":     {[]points.Fact{order, at(points.FactCompleted, 15), at(points.FactCompleted, 3), settle(10), late}, points.Balance{Available: 100, Pending: 50}, 22},
		"settled a day early":            {[]points.Fact{order, at(points.FactCompleted, 3), settle(10), late, settle(41)}, points.Balance{Available: 100, Pending: 50}, 42},
		"settled too":                    {[]points.Fact{order, at(points.FactCompleted, 3), settle(10), late, settle(42)}, points.Balance{Available: 150}, 0},
		"refunded while pending":         {[]points.Fact{order, at(points.FactCompleted, 3), settle(10), late, refund("r1", "2", 5_000)}, points.Balance{Available: 100}, 42},
		"its first line refunded":        {[]points.Fact{order, at(points.FactCompleted, 3), settle(10), late, refund("r1", "1", 10_000)}, points.Balance{Pending: 50}, 42},
		"paid with the others, told now": {[]points.Fact{order, at(points.FactCompleted, 3), settle(10), paid(points.Line{ID: "2", Quantity: 1, Paid: 5_000})}, points.Balance{Available: 100, Pending: 50}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			folded, log, balance := ledgerOf(t, points.Balance{}, test.news...)
			if balance != test.want {
				t.Errorf("balance %+v, want %+v; log %+v", balance, test.want, log)
			}
			var want time.Time
			if test.at > 0 {
				want = day0.AddDate(0, 0, test.at)
			}
			if !folded.SettleAt().Equal(want) {
				t.Errorf("settles at %s, want %s", folded.SettleAt(), want)
			}
			if pending, _ := folded.Pending(); pending != test.want.Pending {
				t.Errorf("%d points of it are pending, want %d", pending, test.want.Pending)
			}
		})
	}
}

// Units that refunds tell of change the purchase history and no points.
func TestUnitsGivenBackChangeNoPoints(t *testing.T) {
	order := paid(points.Line{ID: "1", Category: "milk", Quantity: 3, Paid: 9_000})
	back := func(id string, amount loyalty.Fen, units int64) points.Fact {
		fact := refund(id, "1", amount)
		fact.Refunds[0].Quantity = units
		return fact
	}
	for name, test := range map[string]struct {
		news     []points.Fact
		returned int64
		held     loyalty.Points
		kept     bool
	}{
		"none told":           {[]points.Fact{order, back("r1", 6_000, 0)}, 0, 30, true},
		"two of three":        {[]points.Fact{order, back("r1", 6_000, 2)}, 2, 30, true},
		"in two refunds":      {[]points.Fact{order, back("r1", 3_000, 1), back("r2", 3_000, 1)}, 2, 30, true},
		"before the payment":  {[]points.Fact{back("r1", 6_000, 2), order}, 2, 30, true},
		"more than there are": {[]points.Fact{order, back("r1", 6_000, 9)}, 3, 30, false},
		"a running total":     {[]points.Fact{order, back("r1", 3_000, 1), back("", 6_000, 2)}, 2, 30, true},
		"units alone":         {[]points.Fact{order, back("r1", 0, 2)}, 2, 90, true},
		"a total of units":    {[]points.Fact{order, back("", 6_000, 1), back("", 6_000, 2)}, 2, 30, true},
		"the order cancelled": {[]points.Fact{order, {Kind: points.FactCancelled, At: day0, Member: "m1"}}, 3, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			folded, _, _ := ledgerOf(t, points.Balance{}, test.news...)
			got := folded.Purchases()[0]
			if got.Returned != test.returned || got.Points != test.held || got.Kept() != test.kept {
				t.Errorf("%d units back, %d points, kept %v", got.Returned, got.Points, got.Kept())
			}
			if diff := cmp.Diff(folded.Counted()[0].Returned, test.returned); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDiscountCodesAreKeptOnce(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})
	order.Codes = []string{"NEW-10", "VIP"}
	told := points.Fact{Kind: points.FactTold, At: day0, Codes: []string{"VIP", "LATE"}}
	folded, log, _ := ledgerOf(t, points.Balance{}, order, order, told, told)
	if diff := cmp.Diff([]string{"NEW-10", "VIP", "LATE"}, folded.Codes); diff != "" || len(log) != 2 {
		t.Errorf("%d facts: %s", len(log), diff)
	}
}

// Whatever the names of shop, order and line hold, no two lines share an entry's
// id.
func TestEntryIDsTellAllLinesApart(t *testing.T) {
	name := rapid.StringOfN(rapid.SampledFrom([]rune(":%A1.#3")), 1, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		type place struct{ shop, order, line string }
		ids := map[string]place{}
		for range 30 {
			p := place{name.Draw(t, "shop"), name.Draw(t, "order"), name.Draw(t, "line")}
			key := loyalty.OrderKey{Channel: "tmall", Shop: p.shop, Order: p.order}
			var log []points.Fact
			for _, news := range []points.Fact{
				paid(points.Line{ID: p.line, Quantity: 1, Paid: 10_000}), refund("a", p.line, 1), refund("b", p.line, 1_000),
				{Kind: points.FactSettled, At: day0.AddDate(0, 0, 40)},
			} {
				fact, fresh, err := points.Replay(key, log).Decide(news, points.Account{Balance: points.Balance{Pending: 100}})
				if err != nil || !fresh {
					t.Fatalf("fresh %v, %v", fresh, err)
				}
				log = append(log, fact)
				for i, entry := range fact.Entries {
					if other, taken := ids[entry.ID]; taken && other != p {
						t.Fatalf("%s is of %+v and %+v", entry.ID, other, p)
					}
					ids[entry.ID] = p
					_ = i
				}
			}
		}
	})
}

// An order of any number of categories is done in parts that each change a few of
// them, and comes to the same as in one.
func TestAnOrderOfManyCategoriesIsDoneInParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []points.Line
		for i := range rapid.IntRange(1, 60).Draw(t, "lines") {
			category := ""
			if n := rapid.IntRange(-3, 50).Draw(t, "category"); n > 0 {
				category = "c" + strconv.Itoa(n)
			}
			lines = append(lines, points.Line{ID: strconv.Itoa(i), Category: category, Quantity: 1, Paid: loyalty.Fen(rapid.IntRange(0, 500).Draw(t, "paid"))})
		}
		refunds := points.Fact{Kind: points.FactRefunded, At: day0, Member: "m1"}
		for _, line := range lines {
			if rapid.Bool().Draw(t, "refunded") {
				refunds.Refunds = append(refunds.Refunds, points.Refund{ID: "r", Line: line.ID, Amount: line.Paid})
			}
		}
		order := paid(lines...)
		bound := points.Fact{Kind: points.FactBound, At: day0, Member: "m2", Operator: "wang"}
		news := rapid.Permutation([]points.Fact{order, refunds, {Kind: points.FactSettled, At: day0.AddDate(0, 0, 40), Member: "m1"}}).Draw(t, "arrival")
		if rapid.Bool().Draw(t, "bound") {
			for i := range news {
				news[i].Member = ""
			}
			news = append(news, bound, points.Fact{Kind: points.FactUnbound, At: day0, Member: "m2", Operator: "wang"},
				points.Fact{Kind: points.FactClaimed, At: day0, Member: "m1"})
		}
		if rapid.Bool().Draw(t, "cancelled") {
			news = append(news, points.Fact{Kind: points.FactCancelled, At: day0, Member: "m1"})
		}
		var log []points.Fact
		balances := map[loyalty.MemberID]points.Balance{}
		ids := map[string]bool{}
		post := func(news points.Fact) bool {
			before := points.Replay(key, log)
			fact, fresh, err := before.Decide(news, points.Account{Balance: balances[news.Member], Now: day0})
			if err != nil {
				t.Fatal(err)
			}
			if !fresh {
				return false
			}
			log = append(log, fact)
			for _, entry := range fact.Entries {
				if ids[entry.ID] {
					t.Fatalf("%s stands twice", entry.ID)
				}
				ids[entry.ID] = true
				balances[fact.Member] = balances[fact.Member].Plus(entry)
			}
			if touched := touched(before, points.Replay(key, log)); touched > points.MaxCategories {
				t.Fatalf("%s changes %d categories", fact.Kind, touched)
			}
			return true
		}
		for _, n := range news {
			post(n)
			for parts := 0; points.Replay(key, log).Behind() != ""; parts++ {
				if parts > 10 || !post(points.Fact{Kind: points.FactContinued, At: day0, Member: points.Replay(key, log).Behind()}) {
					t.Fatal("the rest is never done")
				}
			}
		}
		done := points.Replay(key, log)
		var want loyalty.Points
		for i, purchase := range done.Purchases() {
			want += purchase.Points
			if purchase.Points != purchase.Rate.On(purchase.Paid-purchase.Refunded) && done.Member != "" {
				t.Fatalf("line %s holds %d points", purchase.ID, purchase.Points)
			}
			if done.Member != "" && (len(done.Counted()) <= i || done.Counted()[i].Refunded != purchase.Refunded) {
				t.Fatalf("line %s is counted otherwise than it is", purchase.ID)
			}
		}
		for member, balance := range balances {
			if got := balance.Available + balance.Pending - balance.Debt; member == done.Member && got != want || member != done.Member && got != 0 {
				t.Fatalf("%s has %+v, and the order of %q holds %d", member, balance, done.Member, want)
			}
		}
	})
}

// touched is in how many categories the history of an order's owner changed.
func touched(before, after *points.Order) int {
	type state struct{ lines, kept, units int64 }
	of := func(o *points.Order) map[string]state {
		all := map[string]state{}
		for _, p := range o.Counted() {
			s := all[p.Category]
			s.lines++
			if p.Kept() {
				s.kept++
				s.units += p.Quantity - p.Returned
			}
			all[p.Category] = s
		}
		return all
	}
	was, is, n := of(before), of(after), 0
	for category := range is {
		if category != "" && was[category] != is[category] {
			n++
		}
	}
	for category := range was {
		if _, stays := is[category]; category != "" && !stays {
			n++
		}
	}
	return n
}
