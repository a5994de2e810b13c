package ledger_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// rules are a program's versions, the first in force from the beginning.
func rules(changes ...func(*points.Rules)) []program.Program {
	var versions []program.Program
	for i, change := range changes {
		version := program.Default()
		version.Version, version.EffectiveAt = int64(i+1), day0.AddDate(0, 0, 30*(i-1))
		change(&version.Points)
		versions = append(versions, version)
	}
	return versions
}

func orderOf(n int) loyalty.OrderKey {
	return loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint(n)}
}

// tell posts news of an order as its queue does: again, while others are in
// its way.
func (b *book) tell(versions []program.Program, n int, fact points.Fact) {
	for range 20 {
		_, err := ledger.Post(b.t.Context(), b.store, versions, ledger.News{Order: orderOf(n), Fact: fact}, fact.At)
		if err == nil {
			return
		}
		if loyalty.KindOf(err) != loyalty.KindUnavailable {
			b.t.Error(err)
			return
		}
	}
	b.t.Error("the news lost every race")
}

func (b *book) lines(n int) []points.Purchase {
	b.t.Helper()
	log, err := b.store.Log(b.t.Context(), orderOf(n))
	if err != nil {
		b.t.Fatal(err)
	}
	return points.Replay(orderOf(n), log).Purchases()
}

// bought is a payment of lines at these prices.
func bought(member loyalty.MemberID, at time.Time, prices ...loyalty.Fen) points.Fact {
	fact := points.Fact{Kind: points.FactPaid, At: at, Member: member}
	for i, price := range prices {
		fact.Lines = append(fact.Lines, points.Line{ID: fmt.Sprint(i + 1), Quantity: 1, Paid: price})
	}
	return fact
}

func givenBack(id, line string, amount loyalty.Fen) points.Fact {
	return points.Fact{Kind: points.FactRefunded, At: day0.AddDate(0, 0, 2), Refunds: []points.Refund{{ID: id, Line: line, Amount: amount}}}
}

// An order keeps the rules of when it was paid, whenever it is heard of, and so
// do its refunds.
func TestTheTimeOfPurchaseDecides(t *testing.T) {
	double := func(r *points.Rules) { r.Rate.Points = 2; r.Bonuses.Channels = map[loyalty.Channel]int64{"tmall": 50} }
	versions := rules(func(*points.Rules) {}, double)
	b := open(t)
	member := b.member("a")
	changed := versions[1].EffectiveAt
	late := func(n int, paidAt time.Time) loyalty.Points {
		before := b.account(member).Balance.Pending
		fact := bought(member, paidAt, 10_000)
		_, err := ledger.Post(t.Context(), b.store, versions, ledger.News{Order: orderOf(n), Fact: fact}, changed.AddDate(0, 0, 9))
		if err != nil {
			t.Fatal(err)
		}
		return b.account(member).Balance.Pending - before
	}
	if got := late(1, changed.Add(-time.Second)); got != 100 {
		t.Errorf("paid before the change: %d points", got)
	}
	if got := late(2, changed); got != 300 {
		t.Errorf("paid at the change: %d points", got)
	}
	b.tell(rules(double, double), 1, givenBack("r", "1", 9_900))
	b.tell(rules(double, double), 2, givenBack("r", "1", 9_900))
	if got := b.account(member).Balance; got != (points.Balance{Pending: 1 + 3}) {
		t.Errorf("after refunds under other rules: %+v", got)
	}
}

func TestTheMemberDayIsTheBrands(t *testing.T) {
	versions := rules(func(r *points.Rules) { r.Bonuses.MemberDay = points.MemberDay{Days: []int{18}, Percent: 100} })
	for at, want := range map[string]loyalty.Points{
		"2026-11-17T15:59:59Z": 100, // 23:59:59 in Shanghai
		"2026-11-17T16:00:00Z": 200,
		"2026-11-18T15:59:59Z": 200,
		"2026-11-18T16:00:00Z": 100,
	} {
		b := open(t)
		member := b.member("a")
		paidAt, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		b.tell(versions, 1, bought(member, paidAt, 10_000))
		if got := b.account(member).Balance.Pending; got != want {
			t.Errorf("paid at %s: %d points, want %d", at, got, want)
		}
		b.tell(versions, 1, givenBack("r", "1", 5_050))
		if got := b.account(member).Balance.Pending; got != want*4_950/10_000 {
			t.Errorf("paid at %s and half given back: %d points", at, got)
		}
	}
}

func first(r *points.Rules) { r.Bonuses.FirstOrder = 100 }

// firsts are the orders that have the bonus of the first.
func (b *book) firsts(orders ...int) (firsts []int) {
	for _, n := range orders {
		for _, line := range b.lines(n) {
			if slices.Contains(line.Because, points.ReasonFirstOrder) && !slices.Contains(firsts, n) {
				firsts = append(firsts, n)
			}
		}
	}
	return firsts
}

func TestOfOrdersAtTheSameTimeOneIsTheFirst(t *testing.T) {
	for range 20 {
		b := open(t)
		member := b.member("a")
		versions := rules(first)
		var wait sync.WaitGroup
		for n := range 6 {
			wait.Go(func() {
				for range 2 {
					b.tell(versions, n, bought(member, day0, 10_000))
				}
			})
		}
		wait.Wait()
		firsts := b.firsts(0, 1, 2, 3, 4, 5)
		account := b.account(member)
		if len(firsts) != 1 || account.Balance != (points.Balance{Pending: 700}) || account.FirstOrder != orderOf(firsts[0]) {
			t.Fatalf("first orders %v, account %+v", firsts, account)
		}
	}
}

func TestWhichOrderIsTheFirst(t *testing.T) {
	b := open(t)
	member := b.member("a")
	versions := rules(first)
	b.tell(versions, 1, bought(member, day0, 10_000))
	// A part that is told later belongs to the same order.
	b.tell(versions, 1, bought(member, day0, 10_000, 5_000))
	b.tell(versions, 2, bought(member, day0.Add(-time.Hour), 10_000))
	if diff := cmp.Diff([]int{1}, b.firsts(1, 2)); diff != "" || b.account(member).Balance.Pending != 200+100+100 {
		t.Errorf("%s %+v", diff, b.account(member).Balance)
	}
	// That it goes back makes no other order the first.
	b.tell(versions, 1, points.Fact{Kind: points.FactCancelled, At: day0})
	b.tell(versions, 3, bought(member, day0, 10_000))
	if got := b.account(member).Balance.Pending; len(b.firsts(3)) != 0 || got != 200 {
		t.Errorf("after the first was cancelled: %d points, firsts %v", got, b.firsts(3))
	}
	// Nor is it one whose member bought before there was such a bonus.
	old := b.member("b")
	b.tell(rules(func(*points.Rules) {}), 4, bought(old, day0, 10_000))
	b.tell(versions, 5, bought(old, day0, 10_000))
	if got := b.account(old).Balance.Pending; got != 200 {
		t.Errorf("an old member's next order: %d points", got)
	}
}

// The one who owns the order when its payment is recorded decides; later owners
// get what it was worth then.
func TestAnOrderOfNobodyHasNoPersonalBonus(t *testing.T) {
	versions := rules(func(r *points.Rules) {
		first(r)
		r.Bonuses.Channels = map[loyalty.Channel]int64{"tmall": 50}
		r.CapPerDay = 120
	})
	b := open(t)
	member, other := b.member("a"), b.member("b")
	b.tell(versions, 1, bought("", day0, 10_000))
	b.tell(versions, 1, points.Fact{Kind: points.FactClaimed, At: day0, Member: member})
	if got := b.account(member).Balance.Pending; got != 150 || len(b.firsts(1)) != 0 {
		t.Errorf("claimed: %d points", got)
	}
	// Given by hand before it was paid: the operator may take it back.
	b.tell(versions, 2, points.Fact{Kind: points.FactCompleted, At: day0})
	b.tell(versions, 2, bound(points.FactBound, other))
	b.tell(versions, 2, bought("", day0, 10_000))
	if account := b.account(other); account.Balance.Pending != 150 || account.FirstOrder != (loyalty.OrderKey{}) {
		t.Errorf("bound: %+v", account)
	}
}

func TestATierIsTheOneOfTheAccount(t *testing.T) {
	versions := rules(func(r *points.Rules) { r.Bonuses.Tiers = map[string]int64{"gold": 20} })
	b := open(t)
	member := b.member("a")
	b.tell(versions, 1, bought(member, day0, 10_000))
	err := b.store.Table.Write(t.Context(), store.UpdateAccount(member, []table.Change{table.Set("tier", table.String("gold"))}))
	if err != nil {
		t.Fatal(err)
	}
	b.tell(versions, 2, bought(member, day0, 10_000))
	b.tell(versions, 1, bought(member, day0, 10_000)) // told again: what is frozen stays
	if got := b.account(member).Balance.Pending; got != 100+120 {
		t.Errorf("%d points, want 220", got)
	}
	if because := b.lines(2)[0].Because; !slices.Equal(because, []points.Reason{"tier:gold"}) {
		t.Errorf("because %v", because)
	}
}

// earned is what is counted of a member's day.
func (b *book) earned(member loyalty.MemberID, day string) loyalty.Points {
	b.t.Helper()
	_, earned, err := b.store.AccountAndEarned(b.t.Context(), member, day)
	if err != nil {
		b.t.Fatal(err)
	}
	return earned
}

func TestOrdersAtTheSameTimeFillTheDayAndNoMore(t *testing.T) {
	versions := rules(func(r *points.Rules) { r.CapPerDay = 250 })
	for range 20 {
		b := open(t)
		member := b.member("a")
		var wait sync.WaitGroup
		for n := range 6 {
			wait.Go(func() {
				for range 2 {
					b.tell(versions, n, bought(member, day0, 3_000, 4_000))
				}
			})
		}
		wait.Wait()
		if got, counted := b.account(member).Balance.Pending, b.earned(member, "2026-11-01"); got != 250 || counted != 250 {
			t.Fatalf("%d points, %d counted, want 250", got, counted)
		}
	}
}

func TestADayIsThatOfThePaymentAndRefundsMakeNoRoom(t *testing.T) {
	versions := rules(func(r *points.Rules) { r.CapPerDay, r.CapPerOrder = 150, 120 })
	b := open(t)
	member := b.member("a")
	pending := func(want loyalty.Points, when string) {
		t.Helper()
		if got := b.account(member).Balance.Pending; got != want {
			t.Errorf("%s: %d points, want %d", when, got, want)
		}
	}
	b.tell(versions, 1, bought(member, day0, 20_000, 10_000)) // 120 of 300: 80 and 40
	pending(120, "the order's cap")
	b.tell(versions, 2, bought(member, day0.Add(time.Hour), 10_000)) // 30 of 100
	pending(150, "the day's cap")
	b.tell(versions, 1, givenBack("r1", "1", 5_000)) // a quarter of 80
	pending(130, "a refund under the order's cap")
	b.tell(versions, 2, givenBack("r2", "1", 3_333)) // floor(30 × 66.67/100) = 20
	pending(120, "a refund under the day's cap")
	b.tell(versions, 3, bought(member, day0.Add(2*time.Hour), 10_000))
	pending(120, "no room again")
	b.tell(versions, 4, bought(member, day0.AddDate(0, 0, 1), 10_000))
	pending(220, "the next day")
	b.tell(versions, 5, bought(member, day0.AddDate(0, 0, -1), 10_000))
	pending(320, "a late order of the day before")
	b.tell(versions, 5, bought(member, day0.AddDate(0, 0, -1), 10_000, 10_000)) // 20 of 100, then
	pending(340, "a later part under the order's cap")
	b.tell(versions, 1, points.Fact{Kind: points.FactCancelled, At: day0})
	pending(240, "a cancelled order")
	if got := b.earned(member, "2026-11-01"); got != 150 {
		t.Errorf("%d counted of the day, want 150", got)
	}
}

// Whatever arrives in whatever order, a day's orders earn what they would alone,
// up to the cap, and the member holds floor(rate × (paid − refunded)) of each line.
func TestADayEarnsTheSameInEveryOrderOfArrival(t *testing.T) {
	b := open(t)
	members := 0
	rapid.Check(t, func(t *rapid.T) {
		members++
		member := b.member(fmt.Sprint("m", members))
		perOrder, perDay := loyalty.Points(rapid.Int64Range(0, 200).Draw(t, "per order")), loyalty.Points(rapid.Int64Range(1, 300).Draw(t, "per day"))
		versions := rules(func(r *points.Rules) {
			r.CapPerOrder, r.CapPerDay = perOrder, perDay
			r.Bonuses.MemberDay = points.MemberDay{Days: []int{2}, Percent: 50}
		})
		number := func(i int) int { return members*10 + i }
		var news []int
		var facts []points.Fact
		alone, left := map[string]loyalty.Points{}, map[[2]int]loyalty.Fen{}
		orders := rapid.IntRange(1, 4).Draw(t, "orders")
		for i := range orders {
			paidAt := day0.AddDate(0, 0, rapid.IntRange(0, 1).Draw(t, "day"))
			var prices []loyalty.Fen
			var earns loyalty.Points
			for n := range rapid.IntRange(1, 2).Draw(t, "lines") {
				price := loyalty.Fen(rapid.Int64Range(0, 20_000).Draw(t, "price"))
				prices, left[[2]int{i, n}] = append(prices, price), price
				if paidAt.Day() == 2 {
					price = price * 3 / 2
				}
				earns += loyalty.Points(price / 100)
			}
			if perOrder > 0 {
				earns = min(earns, perOrder)
			}
			alone[paidAt.Format(time.DateOnly)] += earns
			news, facts = append(news, i), append(facts, bought(member, paidAt, prices...))
			for r := range rapid.IntRange(0, 2).Draw(t, "refunds") {
				n := rapid.IntRange(0, len(prices)-1).Draw(t, "line")
				amount := loyalty.Fen(rapid.Int64Range(0, int64(left[[2]int{i, n}])).Draw(t, "amount"))
				left[[2]int{i, n}] -= amount
				news, facts = append(news, i), append(facts, givenBack(fmt.Sprint(r), fmt.Sprint(n+1), amount))
			}
		}
		arrival := make([]int, len(facts))
		for i := range arrival {
			arrival[i] = i
		}
		for _, i := range append(rapid.Permutation(arrival).Draw(t, "arrival"), rapid.SampledFrom(arrival).Draw(t, "twice")) {
			b.tell(versions, number(news[i]), facts[i])
		}
		var held loyalty.Points
		granted := map[string]loyalty.Points{}
		for i := range orders {
			for n, line := range b.lines(number(i)) {
				granted[facts[slices.Index(news, i)].At.Format(time.DateOnly)] += line.Granted()
				held += line.Rate.On(left[[2]int{i, n}])
			}
		}
		for day, earns := range alone {
			if got, counted := granted[day], b.earned(member, day); got != min(earns, perDay) || counted != got {
				t.Fatalf("%s earned %d, counted %d; alone %d, at most %d", day, got, counted, earns, perDay)
			}
		}
		if got := b.account(member).Balance; got != (points.Balance{Pending: held}) {
			t.Fatalf("%+v, want %d pending", got, held)
		}
	})
}

// A look at the member costs a round trip and their day an item: only rules
// that ask for them pay.
func TestOnlyPersonalRulesReadTheAccount(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*points.Rules)
		writes float64
		trips  int
	}{
		"the plain program": {func(*points.Rules) {}, 5, 2},
		"bonuses for all": {func(r *points.Rules) {
			r.Bonuses.MemberDay = points.MemberDay{Days: []int{1}, Percent: 100}
			r.CapPerOrder = 100
		}, 5, 2},
		"a first order": {first, 5, 3},
		"a tier":        {func(r *points.Rules) { r.Bonuses.Tiers = map[string]int64{"gold": 20} }, 5, 3},
		"a cap per day": {func(r *points.Rules) { r.CapPerDay = 1_000 }, 7, 3},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			member := b.member("a")
			post := func(n int) table.Usage {
				var usage table.Usage
				fact := bought(member, day0, 10_000)
				_, err := ledger.Post(table.WithUsage(t.Context(), &usage), b.store, rules(test.change), ledger.News{Order: orderOf(n), Fact: fact}, day0)
				if err != nil {
					t.Fatal(err)
				}
				return usage
			}
			post(1)
			next, again := post(2), post(2)
			if next.WriteUnits > test.writes || next.RoundTrips != test.trips {
				t.Errorf("an order: %v write units in %d round trips", next.WriteUnits, next.RoundTrips)
			}
			if again.WriteUnits != 0 || again.RoundTrips != 2 {
				t.Errorf("the same again: %v write units in %d round trips", again.WriteUnits, again.RoundTrips)
			}
			t.Logf("%v write units, %v read units, %d round trips", next.WriteUnits, next.ReadUnits, next.RoundTrips)
		})
	}
}
