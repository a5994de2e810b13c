package settlepoints_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
	"github.com/huitou/huitou/shared/table/embedded"
)

// The program that ships with huitou: settled 7 days after completion, or 30
// days after payment.

var shanghai = program.Default().Zone()

func day(n, hour, minute int) time.Time {
	return time.Date(2026, 11, 1+n, hour, minute, 0, 0, shanghai)
}

// T is what *testing.T and *rapid.T have in common.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

type brand struct {
	T
	store store.Store
	known []loyalty.OrderKey
	some  []loyalty.MemberID // the first few members
	rules []program.Program  // beside the program that ships with huitou
	now   time.Time          // of the latest news
	acted time.Time          // when members were merged or parted last
	clock time.Time          // of what was done last: it never runs back
}

// passed is a time by the brand's clock: now, or where that is later the time at
// which something was done before.
func (b *brand) passed(at time.Time) time.Time {
	if at.After(b.clock) {
		b.clock = at
	}
	return b.clock
}

func open(t T) *brand {
	b := &brand{T: t}
	b.store = store.Store{Table: audited{embedded.Memory(), b}}
	return b
}

// audited checks after every commit that each member's counters are the sum of
// the entries in their orders' logs and their own facts, that no part of a
// balance is negative, that what is pending is what their orders and their
// parts' hold, and that their calls are heard.
type audited struct {
	table.Table
	*brand
}

func (a audited) Write(ctx context.Context, actions ...table.Action) error {
	err := a.Table.Write(ctx, actions...)
	if err != nil || len(a.known) > 50 {
		return err
	}
	calm := store.Store{Table: a.Table}
	sums := map[loyalty.MemberID]points.Account{}
	for _, member := range a.some {
		sums[member] = points.Account{}
	}
	growing, growth := map[loyalty.MemberID]loyalty.Points{}, map[loyalty.MemberID]map[string]loyalty.Points{}
	grow := func(member loyalty.MemberID, entry points.Entry) {
		if entry.Growth == nil {
			return
		}
		growing[member] += entry.Growth.Pending
		if growth[member] == nil {
			growth[member] = map[string]loyalty.Points{}
		}
		growth[member][entry.Growth.Month] += entry.Growth.Counting
	}
	for _, key := range a.known {
		log, err := calm.Log(context.Background(), key)
		a.must(err)
		for _, fact := range log {
			for _, entry := range fact.Entries {
				sums[fact.Member] = sums[fact.Member].Plus(entry)
				grow(fact.Member, entry)
			}
		}
	}
	held := map[loyalty.MemberID]loyalty.Points{}
	for _, key := range a.known {
		log, err := calm.Log(context.Background(), key)
		a.must(err)
		order := points.Replay(key, log)
		pending, _ := order.Pending()
		held[order.Member] += pending
	}
	for member, sum := range sums {
		for cursor := ""; ; {
			records, next, err := calm.History(context.Background(), member, 100, cursor)
			a.must(err)
			for _, record := range records {
				for _, entry := range record.Entries {
					if record.Order == (loyalty.OrderKey{}) {
						sum = sum.Plus(entry)
						grow(member, entry)
					}
				}
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		account, err := calm.Account(context.Background(), member)
		a.must(err)
		a.heard(calm, account)
		pending := held[member]
		for _, part := range account.Parts {
			pending += held[part]
		}
		if account.Balance.Pending != pending {
			a.Fatalf("%d points of %s are pending, the orders hold %d", account.Balance.Pending, member, pending)
		}
		if account.Balance != sum.Balance {
			a.Fatalf("the counters of %s are %+v, their entries add up to %+v", member, account.Balance, sum.Balance)
		}
		sum.Lots = slices.DeleteFunc(sum.Lots, func(lot points.Lot) bool { return lot.Left == 0 && lot.Expired == 0 })
		if diff := cmp.Diff(sum.Lots, account.Lots, cmpopts.EquateEmpty()); diff != "" {
			a.Fatalf("the lots of %s (+) are not what their entries add up to (-):\n%s", member, diff)
		}
		if sum.Available < 0 || sum.Pending < 0 || sum.Debt < 0 {
			a.Fatalf("%s has %+v", member, sum)
		}
		for month, counting := range growth[member] {
			if counting != account.Growth[month] || counting < 0 || growing[member] != account.GrowthPending {
				a.Fatalf("%s has growth %v and %d pending, their entries add up to %v and %d", member, account.Growth, account.GrowthPending, growth[member], growing[member])
			}
		}
	}
	return nil
}

// heard checks that each call that stands is listed by its time, under its own
// index or, riding, under the other's, and that one stands by the day of every
// reminder that is to come.
func (a audited) heard(calm store.Store, account store.Account) {
	listed := func(wake store.Wake, by time.Time) bool {
		for shard := range table.WakeShards {
			if table.ShardPK(shard) == table.WakePK(account.Member) {
				members, _, _, err := calm.Due(context.Background(), wake, shard, by, "")
				a.must(err)
				return slices.Contains(members, account.Member)
			}
		}
		return false
	}
	remind, settle := store.WakeRemind, store.WakeSettle
	if account.RemindRides {
		remind = store.WakeSettle
	}
	if account.SettleRides {
		settle = store.WakeRemind
	}
	if at := account.RemindAt; !at.IsZero() && !listed(remind, at) {
		a.Fatalf("the reminder's call of %s at %v is not heard", account.Member, at)
	}
	if at := account.SettleAt; !at.IsZero() && !listed(settle, at) {
		a.Fatalf("the settlement's call of %s at %v is not heard", account.Member, at)
	}
	if account.Open() != nil {
		return
	}
	rules := program.Default().Repurchase
	for _, purchase := range account.Purchases() {
		due, cycles := rules.DueAt(purchase.Category, purchase.At, shanghai)
		if due.Before(a.acted) { // who was merged or parted is looked at then
			due = a.acted
		}
		late := account.RemindAt.IsZero() || account.RemindAt.After(due)
		if late && cycles && !purchase.Told && !rules.TooLate(purchase.Category, purchase.At, a.now, shanghai) {
			a.Fatalf("a reminder to %s is due on %v, and they are called at %v", account.Member, due, account.RemindAt)
		}
	}
}

func (b *brand) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%v", err)
	}
}

func (b *brand) enrol(member loyalty.MemberID) {
	b.Helper()
	if len(b.some) < 10 {
		defer func() { b.some = append(b.some, member) }()
	}
	b.must(b.store.Table.Write(context.Background(), store.CreateAccount(member, store.Profile{}, nil, day(-1, 0, 0))...))
}

func (b *brand) post(order string, fact points.Fact) {
	b.Helper()
	b.must(b.try(order, fact))
}

func (b *brand) try(order string, fact points.Fact) error {
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order}
	if !slices.Contains(b.known, key) && len(b.known) <= 50 {
		b.known = append(b.known, key)
	}
	if fact.At.After(b.now) {
		b.now = fact.At
	}
	_, err := ledger.Post(context.Background(), b.store, b.rules, ledger.News{Order: key, Fact: fact}, b.passed(fact.At))
	return err
}

// pay is an order of one line for so many yuan, which are as many points.
func (b *brand) pay(member loyalty.MemberID, order string, yuan loyalty.Fen, at time.Time) {
	b.Helper()
	b.post(order, points.Fact{Kind: points.FactPaid, At: at, Member: member, Lines: []points.Line{{ID: "1", Quantity: 1, Paid: 100 * yuan}}})
}

func (b *brand) complete(order string, at time.Time) {
	b.Helper()
	b.post(order, points.Fact{Kind: points.FactCompleted, At: at})
}

func (b *brand) refund(order, id string, yuan loyalty.Fen, at time.Time) {
	b.Helper()
	b.post(order, points.Fact{Kind: points.FactRefunded, At: at, Refunds: []points.Refund{{ID: id, Line: "1", Amount: 100 * yuan}}})
}

func (b *brand) function() settlepoints.Function {
	return settlepoints.Function{Store: b.store, Log: slog.New(slog.DiscardHandler)}
}

func (b *brand) tick(at time.Time) table.Usage {
	b.Helper()
	b.passed(at)
	usage := table.Usage{}
	b.must(b.function().Handle(table.WithUsage(context.Background(), &usage), schedule.Tick{Time: at}))
	return usage
}

func (b *brand) account(member loyalty.MemberID) store.Account {
	b.Helper()
	account, err := b.store.Account(context.Background(), member)
	b.must(err)
	return account
}

func (b *brand) expect(member loyalty.MemberID, available, pending, debt loyalty.Points, wake time.Time) {
	b.Helper()
	account := b.account(member)
	if want := (points.Balance{Available: available, Pending: pending, Debt: debt}); account.Balance != want {
		b.Errorf("the balance is %+v, want %+v", account.Balance, want)
	}
	if !account.SettleAt.Equal(wake) {
		b.Errorf("the wake-up call stands at %v, want %v", account.SettleAt.In(shanghai), wake)
	}
}

var never time.Time

func TestSettledAfterPayment(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.pay("m", "1", 10, day(0, 10, 0))
	b.expect("m", 0, 10, 0, day(30, 10, 0))
	b.tick(day(30, 9, 59))
	b.expect("m", 0, 10, 0, day(30, 10, 0))
	raw, err := os.ReadFile("testdata/hourly.json")
	b.must(err)
	var tick schedule.Tick
	b.must(json.Unmarshal(raw, &tick))
	for range 2 { // fired twice
		b.must(b.function().Handle(t.Context(), tick))
		b.expect("m", 10, 0, 0, never)
	}
}

func TestTickWithoutTimeIsRefused(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.pay("m", "1", 10, day(0, 10, 0))
	if err := b.function().Handle(t.Context(), schedule.Tick{}); loyalty.KindOf(err) != loyalty.KindInvalid {
		t.Errorf("error %v, want KindInvalid", err)
	}
	b.expect("m", 0, 10, 0, day(30, 10, 0))
}

func TestCompletionBringsItForward(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.pay("m", "1", 10, day(0, 10, 0))
	b.pay("m", "2", 20, day(1, 10, 0))
	b.complete("1", day(5, 10, 0))
	b.tick(day(12, 10, 15))
	b.expect("m", 10, 20, 0, day(31, 10, 0))
	b.tick(day(31, 10, 15))
	b.expect("m", 30, 0, 0, never)
}

func TestRefundedBeforeAndAfter(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.pay("m", "1", 10, day(0, 10, 0))
	b.pay("m", "2", 20, day(0, 11, 0))
	b.refund("1", "a", 10, day(2, 10, 0)) // nothing is left to settle of it
	b.tick(day(30, 10, 15))
	b.expect("m", 0, 20, 0, day(30, 11, 0))
	b.tick(day(30, 11, 15))
	b.expect("m", 20, 0, 0, never)
	b.refund("2", "b", 5, day(40, 10, 0))
	b.tick(day(40, 10, 15))
	b.expect("m", 15, 0, 0, never)
}

// A whole refund leaves a call that finds nothing; it is taken away without a
// look at the history.
func TestACallForNothing(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.pay("m", "1", 10, day(0, 10, 0))
	b.refund("1", "a", 10, day(2, 10, 0))
	usage := b.tick(day(30, 10, 15))
	b.expect("m", 0, 0, 0, never)
	if want := 1 + 2*table.WakeShards + 2 + 2*table.PrizeShards; usage.RoundTrips != want { // program, shards of both calls, account, its update, open red packets
		t.Errorf("%d round trips, want %d", usage.RoundTrips, want)
	}
}

// Nor is a call taken away that a late line of an order has come to need.
func TestACallForNothingOvertakenByALine(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.pay("m", "1", 10, day(0, 10, 0))
	b.refund("1", "a", 10, day(2, 10, 0))
	f := b.function()
	f.Store.Table = &meddled{b.store.Table, 1, func() {
		b.post("1", points.Fact{Kind: points.FactPaid, At: day(0, 10, 0), Member: "m", Lines: []points.Line{{ID: "2", Quantity: 1, Paid: 500}}})
	}}
	b.must(f.Handle(t.Context(), schedule.Tick{Time: day(30, 10, 15)}))
	b.expect("m", 0, 5, 0, day(30, 10, 0))
	b.tick(day(30, 11, 15))
	b.expect("m", 5, 0, 0, never)
}

// behind is a history index that has not caught up.
type behind struct{ table.Table }

func (b behind) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if q.Index == table.IndexMember {
		return table.Page{}, nil
	}
	return b.Table.Query(ctx, q)
}

func TestAHistoryThatIsBehindIsReadAgain(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.pay("m", "1", 10, day(0, 10, 0))
	f := b.function()
	f.Store.Table = behind{b.store.Table}
	b.must(f.Handle(t.Context(), schedule.Tick{Time: day(30, 10, 15)}))
	b.expect("m", 0, 10, 0, day(30, 11, 15))
	b.tick(day(30, 11, 15))
	b.expect("m", 10, 0, 0, never)
}

// meddled changes the table just before the nth write of the run.
type meddled struct {
	table.Table
	write  int
	meddle func()
}

func (m *meddled) Write(ctx context.Context, actions ...table.Action) error {
	m.write--
	if m.write == 0 {
		m.meddle()
	}
	return m.Table.Write(ctx, actions...)
}

// Whatever happens between the look and the commit, nothing stays pending for
// ever and nothing is settled late.
func TestOvertaken(t *testing.T) {
	for name, meddle := range map[string]func(*brand){
		"by a purchase":           func(b *brand) { b.pay("m", "3", 5, day(30, 10, 14)) },
		"by a completion":         func(b *brand) { b.complete("2", day(25, 10, 0)) },
		"by a late completion":    func(b *brand) { b.complete("2", day(21, 10, 0)) },
		"by a refund":             func(b *brand) { b.refund("1", "a", 4, day(30, 10, 14)) },
		"by a refund, to nothing": func(b *brand) { b.refund("2", "a", 20, day(30, 10, 14)) },
		"by another run":          func(b *brand) { b.tick(day(30, 10, 15)) },
	} {
		for write := 1; write <= 2; write++ {
			t.Run(fmt.Sprint(name, " at write ", write), func(t *testing.T) {
				b := open(t)
				b.enrol("m")
				b.pay("m", "1", 10, day(0, 10, 0))
				b.pay("m", "2", 20, day(20, 10, 0))
				f := b.function()
				f.Store.Table = &meddled{b.store.Table, write, func() { meddle(b) }}
				b.must(f.Handle(t.Context(), schedule.Tick{Time: day(30, 10, 15)}))
				settledBy(b, day(30, 11, 15), day(61, 10, 15))
				account := b.account("m")
				if account.Balance.Pending != 0 || account.Balance.Debt != 0 || !account.SettleAt.IsZero() {
					t.Errorf("in the end %+v, the call at %v", account.Balance, account.SettleAt)
				}
			})
		}
	}
}

// Of two orders that are settled in one firing, the second is looked at after the
// first: what was asked for in between is not forgotten with the call.
func TestOvertakenBetweenTwoOrders(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.pay("m", "1", 10, day(0, 9, 0))
	b.pay("m", "2", 20, day(0, 10, 0))
	f := b.function()
	f.Store.Table = &between{Table: b.store.Table, happens: func() { b.pay("m", "3", 5, day(30, 10, 14)) }}
	b.must(f.Handle(t.Context(), schedule.Tick{Time: day(30, 10, 15)}))
	settledBy(b, day(30, 11, 15), day(61, 10, 15))
	b.expect("m", 35, 0, 0, time.Time{})
}

// between lets something happen once, right after the first write.
type between struct {
	table.Table
	happens func()
}

func (b *between) Write(ctx context.Context, actions ...table.Action) error {
	err := b.Table.Write(ctx, actions...)
	if happens := b.happens; happens != nil {
		b.happens = nil
		happens()
	}
	return err
}

// settledBy runs the schedule every six hours and checks after each run that no
// order is pending beyond its date.
func settledBy(b *brand, from, to time.Time) {
	b.Helper()
	for at := from; !at.After(to); at = at.Add(6 * time.Hour) {
		b.tick(at)
		for _, key := range b.known {
			log, err := b.store.Log(context.Background(), key)
			b.must(err)
			order := points.Replay(key, log)
			settle := order.SettleAt()
			var held loyalty.Points
			for _, purchase := range order.Purchases() {
				held += purchase.Points
			}
			if !settle.IsZero() && !settle.After(at) && held > 0 {
				b.Fatalf("order %s was due at %v and is pending at %v", key.Order, settle, at)
			}
		}
	}
}

// A member with a long history is not read to its end: what is pending is new.
func TestALongHistory(t *testing.T) {
	b := open(t)
	b.enrol("m")
	reads := func() float64 {
		last := b.account("m").SettleAt
		return b.tick(last.Add(time.Minute)).ReadUnits
	}
	n := 0
	buy := func(times int) {
		for range times {
			n++
			b.pay("m", fmt.Sprint(n), 10, day(31*n, 10, 0))
			if times > 1 {
				b.tick(day(31*n+30, 10, 15))
			}
		}
	}
	buy(45)
	buy(1)
	short := reads()
	buy(400)
	buy(1)
	long := reads()
	t.Logf("read units to settle one order after 45 others: %v, after 446: %v", short, long)
	b.expect("m", loyalty.Points(10*n), 0, 0, never)
	if long > short+0.5 {
		t.Errorf("%v read units after a long history, %v after a short one; want the same", long, short)
	}
}

// The reads of a tick follow what is due, not how many members there are.
func TestReadsFollowWhatIsDue(t *testing.T) {
	spent := map[int]table.Usage{}
	for _, members := range []int{200, 10_000} {
		b := open(t)
		for i := range members {
			member := loyalty.MemberID(fmt.Sprint("m", i))
			b.enrol(member)
			paid := day(10, 10, 0)
			if i < 100 {
				paid = day(0, 10, 0)
			}
			b.pay(member, fmt.Sprint("order", i), 10, paid)
		}
		spent[members] = b.tick(day(30, 10, 15))
		for i := range 100 {
			b.expect(loyalty.MemberID(fmt.Sprint("m", i)), 10, 0, 0, never)
		}
		b.expect("m100", 0, 10, 0, day(40, 10, 0))
	}
	t.Logf("100 due of 200: %+v; of 10,000: %+v", spent[200], spent[10_000])
	if spent[200] != spent[10_000] {
		t.Errorf("100 due of 200 members cost %+v, of 10,000 %+v; want the same", spent[200], spent[10_000])
	}
}

// Orders, completions and refunds in any order, runs that crash anywhere: the
// counters are the entries' sum after every commit (checked by audited), and
// in the end nothing is pending.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := open(t)
		members := []loyalty.MemberID{"m", "n"}
		for _, member := range members {
			b.enrol(member)
		}
		now := day(0, 10, 0)
		order := func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(1, 6).Draw(t, "order")) }
		owner := map[string]loyalty.MemberID{}
		t.Repeat(map[string]func(*rapid.T){
			"pay": func(t *rapid.T) {
				id := order(t)
				if owner[id] == "" {
					owner[id] = rapid.SampledFrom(members).Draw(t, "member")
				}
				at := now.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, "hours ago")) * time.Hour)
				paid := loyalty.Fen(rapid.IntRange(0, 1000).Draw(t, "paid"))
				b.post(id, points.Fact{Kind: points.FactPaid, At: at, Member: owner[id], Lines: []points.Line{{ID: "1", Quantity: 1, Paid: paid}}})
			},
			"complete": func(t *rapid.T) { b.complete(order(t), now) },
			"refund": func(t *rapid.T) {
				fact := points.Fact{Kind: points.FactRefunded, At: now, Refunds: []points.Refund{
					{ID: rapid.StringMatching("[a-z]{4}").Draw(t, "refund"), Line: "1", Amount: loyalty.Fen(rapid.IntRange(1, 1000).Draw(t, "amount"))},
				}}
				if err := b.try(order(t), fact); err != nil && loyalty.KindOf(err) != loyalty.KindInvalid {
					t.Fatalf("%v", err)
				}
			},
			"wait": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "hours")) * time.Hour) },
			"tick": func(t *rapid.T) { b.tick(now) },
			"crash": func(t *rapid.T) {
				f := b.function()
				death := crash.Point{At: rapid.IntRange(1, 60).Draw(t, "call"), After: rapid.Bool().Draw(t, "after")}
				f.Store.Table = death.Table(b.store.Table)
				_ = f.Handle(context.Background(), schedule.Tick{Time: now}) // a dead process answers nothing
			},
		})
		for range 3 {
			now = now.Add(31 * 24 * time.Hour)
			b.tick(now)
		}
		for _, member := range members {
			if account := b.account(member); account.Balance.Pending != 0 || !account.SettleAt.IsZero() {
				t.Fatalf("%s ends with %+v, the call at %v", member, account.Balance, account.SettleAt)
			}
		}
	})
}
