package simulation_test

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/simulation"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// The period of the tests: October by the clock of Shanghai.
var (
	from = time.Date(2026, 9, 30, 16, 0, 0, 0, time.UTC)
	to   = time.Date(2026, 10, 31, 16, 0, 0, 0, time.UTC)
	now  = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
)

const unbounded = 1 << 30

func document(rate, perFen int64, skus ...string) program.Document {
	d := program.Default().Document
	d.Points.Rate = points.Rate{Points: loyalty.Points(rate), PerFen: loyalty.Fen(perFen)}
	d.Repurchase.Categories = map[string]repurchase.Category{"milk-powder": {CycleDays: 28, LeadDays: 7, SKUs: skus}}
	return d
}

// tb is what a test of either kind gives.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// brand is a table with members, by the names of their buyers.
type brand struct {
	tb
	ctx      context.Context
	store    store.Store
	versions []program.Program
	members  map[string]loyalty.MemberID
}

func open(t tb, ctx context.Context, engine table.Table, versions ...program.Program) *brand {
	return &brand{tb: t, ctx: ctx, store: store.Store{Table: engine}, versions: versions, members: map[string]loyalty.MemberID{}}
}

func buyer(name string) loyalty.Identity {
	return loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: name}
}

func (b *brand) join(name string) loyalty.MemberID {
	b.Helper()
	member, _, err := enrolment.Enrol(b.ctx, b.store, enrolment.Request{Identities: []enrolment.Identity{{Identity: buyer(name)}}}, rand.Reader, now)
	if err != nil {
		b.Fatal(err)
	}
	b.members[name] = member
	return member
}

// post tells the ledger; a refund of more than was paid is refused in every
// world alike.
func (b *brand) post(order loyalty.OrderKey, who string, fact points.Fact) {
	b.Helper()
	news := ledger.News{Order: order, Fact: fact}
	if who != "" {
		news.Identities = []loyalty.Identity{buyer(who)}
	}
	if _, err := ledger.Post(b.ctx, b.store, b.versions, news, now); err != nil && loyalty.KindOf(err) != loyalty.KindInvalid {
		b.Fatal(err)
	}
}

func (b *brand) log(order loyalty.OrderKey) []points.Fact {
	b.Helper()
	log, err := b.store.Log(b.ctx, order)
	if err != nil {
		b.Fatal(err)
	}
	return log
}

// simulate walks to the end, so many reads a call.
func (b *brand) simulate(asked simulation.Asked, reads int) simulation.Result {
	b.Helper()
	cursor := ""
	for calls := 0; ; calls++ {
		result, done, next, err := simulation.Run(b.ctx, b.store, asked, cursor, reads)
		if err != nil {
			b.Fatal(err)
		}
		if next == "" {
			if done.Shards != done.Of {
				b.Fatalf("it ended after %d of %d shards", done.Shards, done.Of)
			}
			return result
		}
		if next == cursor || calls > 10_000 {
			b.Fatal("it does not come to an end")
		}
		cursor = next
	}
}

// happening is one thing that is told, in each world.
type happening struct {
	order loyalty.OrderKey
	who   string // the buyer, "" where the event does not tell
	fact  points.Fact
	owner string // of a claim or a binding: whose it becomes
}

// world draws orders before, in and after the period, with what happens to
// them: in any order, twice, with refunds, late lines, strangers, orders that
// an operator gives and takes back. In an orderly world payments become known
// whole, one after the other and before all else.
func world(t *rapid.T, orderly bool) (names []string, keys []loyalty.OrderKey, story []happening) {
	var payments []happening
	names = []string{"ann", "bo", "cai"}[:rapid.IntRange(1, 3).Draw(t, "members")]
	for i := range rapid.IntRange(2, 6).Draw(t, "orders") {
		key := loyalty.OrderKey{
			Channel: rapid.SampledFrom([]loyalty.Channel{"tmall", "douyin"}).Draw(t, "channel"), Shop: "flagship", Order: fmt.Sprint(1000 + i),
		}
		keys = append(keys, key)
		who := rapid.SampledFrom(append([]string{"", "stranger"}, names...)).Draw(t, "buyer")
		paidAt := rapid.SampledFrom([]time.Time{
			from.Add(-time.Second), from, from, from.AddDate(0, 0, 9), from.AddDate(0, 0, 9), to.Add(-time.Second), to, to.AddDate(0, 0, 2),
		}).Draw(t, "paid at")
		if orderly {
			days := rapid.SampledFrom([]int{-1, 9, 9, 9, 17, 17, 40}).Draw(t, "day")
			paidAt = from.AddDate(0, 0, days).Add(time.Duration(i) * time.Minute)
		}
		var lines []points.Line
		for n := range rapid.IntRange(1, 3).Draw(t, "lines") {
			lines = append(lines, points.Line{
				ID: fmt.Sprint(n + 1), SKU: rapid.SampledFrom([]string{"A", "B", ""}).Draw(t, "sku"),
				Category: rapid.SampledFrom([]string{"", "", "milk-powder", "diapers"}).Draw(t, "category"),
				Quantity: 1, Paid: loyalty.Fen(rapid.Int64Range(0, 30_000).Draw(t, "paid")),
				Gift: rapid.IntRange(0, 9).Draw(t, "gift") == 0, Shipping: rapid.SampledFrom([]loyalty.Fen{0, 600}).Draw(t, "shipping"),
				StoredValue: rapid.SampledFrom([]loyalty.Fen{0, 0, 5_000}).Draw(t, "stored value"),
			})
		}
		split := len(lines)
		if !orderly {
			split = rapid.IntRange(1, len(lines)).Draw(t, "lines told first")
		}
		for _, part := range [][]points.Line{lines[:split], lines[split:]} {
			if len(part) > 0 {
				payments = append(payments, happening{key, who, points.Fact{Kind: points.FactPaid, At: paidAt, Lines: part}, ""})
			}
		}
		for n := range rapid.IntRange(0, 3).Draw(t, "refunds") {
			line := rapid.SampledFrom(lines).Draw(t, "refunded line")
			refund := points.Refund{ID: fmt.Sprint(n), Line: line.ID, Amount: loyalty.Fen(rapid.Int64Range(0, int64(line.Paid)+100).Draw(t, "refund"))}
			story = append(story, happening{key, who, points.Fact{Kind: points.FactRefunded, At: paidAt.AddDate(0, 0, n), Refunds: []points.Refund{refund}}, ""})
		}
		for _, kind := range rapid.SliceOfN(rapid.SampledFrom([]points.FactKind{
			points.FactCompleted, points.FactCancelled, points.FactSettled, points.FactClaimed, points.FactBound, points.FactUnbound,
		}), 0, 4).Draw(t, "more") {
			step := happening{order: key, fact: points.Fact{Kind: kind, At: now}}
			switch kind {
			case points.FactCompleted:
				step.who, step.fact.At = who, paidAt.AddDate(0, 0, 3)
			case points.FactClaimed, points.FactBound, points.FactUnbound:
				step.owner = rapid.SampledFrom(names).Draw(t, "owner")
				step.fact.Operator, step.fact.Reason = "li.na", "a reason"
			}
			story = append(story, step)
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "repeats") {
		story = append(story, rapid.SampledFrom(append(payments, story...)).Draw(t, "repeat"))
	}
	if orderly {
		slices.SortFunc(payments, func(a, b happening) int { return a.fact.At.Compare(b.fact.At) })
		return names, keys, append(payments, rapid.Permutation(story).Draw(t, "arrival")...)
	}
	return names, keys, rapid.Permutation(append(payments, story...)).Draw(t, "arrival")
}

// rules draws a document; what it asks of the buyer depends on which of their
// orders the ledger met first, and is drawn for orderly worlds alone.
func rules(t *rapid.T, name string, orderly bool) program.Document {
	rate := rapid.SampledFrom([][2]int64{{1, 100}, {3, 200}, {2, 77}, {0, 100}}).Draw(t, name)
	d := document(rate[0], rate[1], rapid.SampledFrom([][]string{nil, {"A"}, {"A", "B"}}).Draw(t, name+" lists")...)
	maybe := rapid.SampledFrom([]bool{false, false, true})
	p := &d.Points
	if maybe.Draw(t, name+" categories") {
		p.Categories = map[string]points.Rate{"milk-powder": {Points: 2, PerFen: 100}}
	}
	if maybe.Draw(t, name+" bonuses") {
		p.Bonuses.Channels = map[loyalty.Channel]int64{"douyin": 50}
		p.Bonuses.MemberDay = points.MemberDay{Days: []int{10, 18}, Percent: 100}
		p.Bonuses.Campaigns = []points.Campaign{{Name: "国庆", From: from, To: from.AddDate(0, 0, 7), Percent: 20, Categories: []string{"milk-powder"}}}
	}
	if maybe.Draw(t, name+" cap of an order") {
		p.CapPerOrder = 150
	}
	p.ShippingEarns, p.StoredValueEarns, p.GiftsEarn = maybe.Draw(t, name+" shipping"), maybe.Draw(t, name+" stored value"), maybe.Draw(t, name+" gifts")
	if orderly && maybe.Draw(t, name+" first order") {
		p.Bonuses.FirstOrder = 100
	}
	if orderly && maybe.Draw(t, name+" cap of a day") {
		p.CapPerDay = 200
	}
	return d
}

func (b *brand) tell(names []string, story []happening) {
	b.Helper()
	for _, name := range names {
		b.join(name)
	}
	for _, h := range story {
		fact := h.fact
		if h.owner != "" {
			fact.Member = b.members[h.owner]
		}
		b.post(h.order, h.who, fact)
	}
}

// earned is what the entries of an order say: what its owner was given for it
// and what they hold.
func earned(key loyalty.OrderKey, log []points.Fact) (given, held loyalty.Points, order *points.Order) {
	order = points.Replay(key, log)
	if order.Member == "" {
		return 0, 0, order
	}
	for _, fact := range log[order.Since-1:] {
		for _, entry := range fact.Entries {
			if entry.Kind == points.EntryEarn {
				given += entry.Available + entry.Pending - entry.Debt
			}
		}
	}
	for _, purchase := range order.Purchases() {
		held += purchase.Points
	}
	return given, held, order
}

// A simulation says what the ledger gives when the program is really
// the brand's in the period, however few reads a call makes.
func TestASimulationIsWhatTheLedgerGives(t *testing.T) {
	defer checks(t, "300")()
	met := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		orderly := rapid.Bool().Draw(rt, "orderly")
		names, keys, story := world(rt, orderly)
		versions := []program.Program{
			{Version: 1, EffectiveAt: from.AddDate(0, -2, 0), Document: rules(rt, "then", orderly)},
			{Version: 2, EffectiveAt: to.Add(time.Hour), Document: rules(rt, "after", orderly)},
		}
		proposed := rules(rt, "proposed", orderly)
		applied := append(slices.Clone(versions),
			program.Program{Version: 3, EffectiveAt: from, Document: proposed},
			program.Program{Version: 4, EffectiveAt: to, Document: program.At(versions, to).Document})

		engine, other := embedded.Memory(), embedded.Memory()
		defer engine.Close()
		defer other.Close()
		real := open(rt, t.Context(), engine, versions...)
		real.tell(names, story)
		changed := open(rt, t.Context(), other, applied...)
		changed.tell(names, story)

		asked := simulation.Asked{Document: proposed, From: from, To: to}
		got := real.simulate(asked, unbounded)

		var want simulation.Result
		want.Members.Looked = int64(len(names))
		differences := map[string]loyalty.Points{}
		for _, key := range keys {
			givenThen, heldThen, order := earned(key, real.log(key))
			given, held, _ := earned(key, changed.log(key))
			if order.Member == "" || !order.Paid() || order.PaidAt.Before(from) || !order.PaidAt.Before(to) {
				if given != givenThen || held != heldThen {
					rt.Fatalf("%v differs and was not paid in the period", key)
				}
				met["not counted"]++
				continue
			}
			total := simulation.Totals{Orders: 1, Given: simulation.Points{Then: givenThen, Proposed: given}, Held: simulation.Points{Then: heldThen, Proposed: held}}
			for _, purchase := range order.Purchases() {
				total.Lines++
				total.Paid += purchase.Paid
				total.Refunded += purchase.Refunded
			}
			want.Totals = sum(want.Totals, total)
			for name, member := range real.members {
				if member == order.Member {
					differences[name] += held - heldThen
				}
			}
			met["counted"]++
			for _, fact := range changed.log(key) {
				for _, line := range fact.Lines {
					for _, reason := range line.Because {
						kind, _, _ := strings.Cut(string(reason), ":")
						met[kind]++
					}
				}
			}
			if held != given {
				met["refunded"]++
			}
			if order.Binding != nil {
				met["bound"]++
			}
		}
		for _, difference := range differences {
			want.Members.Bought++
			if difference > 0 {
				want.Members.Better++
				met["better"]++
			}
			if difference < 0 {
				want.Members.Worse++
				met["worse"]++
			}
		}
		if diff := cmp.Diff(want.Members, got.Members) + cmp.Diff(want.Totals, got.Totals); diff != "" {
			rt.Fatalf("the simulation (+) is not what the ledger gives (-):\n%s", diff)
		}
		var channels simulation.Totals
		for _, part := range got.Channels {
			channels = sum(channels, part.Totals)
		}
		var categories simulation.Totals
		for _, part := range got.Categories {
			categories = sum(categories, part.Totals)
		}
		categories.Orders = got.Totals.Orders // one of two categories counts in both
		if diff := cmp.Diff(got.Totals, channels) + cmp.Diff(got.Totals, categories); diff != "" {
			rt.Fatalf("the parts (+) are not the whole (-):\n%s", diff)
		}
		if diff := cmp.Diff(got, real.simulate(asked, rapid.IntRange(1, 80).Draw(rt, "reads"))); diff != "" {
			rt.Fatalf("in pages (+) it is not what it is at once (-):\n%s", diff)
		}
	})
	for _, what := range []string{"counted", "not counted", "refunded", "bound", "better", "worse", "category", "channel", "member_day", "first_order", "cap_per_order", "cap_per_day", "shipping", "stored_value", "gift"} {
		if met[what] == 0 {
			t.Errorf("no world met: %s", what)
		}
	}
	t.Logf("met: %v", met)
}

// checks sets how many cases rapid makes; the result sets it back.
func checks(t *testing.T, n string) func() {
	t.Helper()
	setting := flag.Lookup("rapid.checks")
	was := setting.Value.String()
	if err := setting.Value.Set(n); err != nil {
		t.Fatal(err)
	}
	return func() { _ = setting.Value.Set(was) }
}

func sum(a, b simulation.Totals) simulation.Totals {
	return simulation.Totals{
		Orders: a.Orders + b.Orders, Lines: a.Lines + b.Lines, Paid: a.Paid + b.Paid, Refunded: a.Refunded + b.Refunded,
		Given: simulation.Points{Then: a.Given.Then + b.Given.Then, Proposed: a.Given.Proposed + b.Given.Proposed},
		Held:  simulation.Points{Then: a.Held.Then + b.Held.Then, Proposed: a.Held.Proposed + b.Held.Proposed},
	}
}

func key(n int) loyalty.OrderKey {
	return loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint(n)}
}

func paid(at time.Time, category string, amount loyalty.Fen) points.Fact {
	return points.Fact{Kind: points.FactPaid, At: at, Lines: []points.Line{{ID: "1", Category: category, Quantity: 1, Paid: amount}}}
}

func memory(t *testing.T) table.Table {
	engine := embedded.Memory()
	t.Cleanup(func() { engine.Close() })
	return engine
}

func TestTheLargestDifferencesAreShownWithoutPersons(t *testing.T) {
	b := open(t, t.Context(), memory(t))
	member := b.join("quentin")
	for n := range 8 {
		b.post(key(n), "quentin", paid(from, "milk-powder", loyalty.Fen(n)*1000))
	}
	got := b.simulate(simulation.Asked{Document: document(2, 100), From: from, To: to}, unbounded)
	var shown []string
	for _, example := range got.Examples {
		shown = append(shown, fmt.Sprintf("%s %d→%d", example.OrderID, example.Held.Then, example.Held.Proposed))
	}
	if want := []string{"7 70→140", "6 60→120", "5 50→100", "4 40→80", "3 30→60"}; !slices.Equal(shown, want) {
		t.Errorf("shown are %v", shown)
	}
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, string(member)) || strings.Contains(text, "quentin") {
		t.Errorf("the answer names a member: %s", text)
	}
}

func TestManyCategoriesStayFew(t *testing.T) {
	b := open(t, t.Context(), memory(t))
	b.join("ann")
	for n := range 60 {
		b.post(key(n), "ann", paid(from.Add(time.Duration(n)*time.Minute), fmt.Sprintf("category-%d", n), 1000))
	}
	got := b.simulate(simulation.Asked{Document: document(2, 100), From: from, To: to}, unbounded)
	if len(got.Categories) != 51 || got.Categories[50].Name != "*" || got.Categories[50].Orders != 10 || got.Categories[50].Held != (simulation.Points{Then: 100, Proposed: 200}) {
		t.Errorf("%d categories, the last is %+v", len(got.Categories), got.Categories[len(got.Categories)-1])
	}
}

func TestACursorBelongsToItsQuestion(t *testing.T) {
	b := open(t, t.Context(), memory(t))
	b.join("ann")
	b.post(key(1), "ann", paid(from, "milk-powder", 1000))
	asked := simulation.Asked{Document: document(2, 100), From: from, To: to}
	_, _, cursor, err := simulation.Run(t.Context(), b.store, asked, "", 1)
	if err != nil || cursor == "" {
		t.Fatalf("%q, %v", cursor, err)
	}
	if _, _, _, err := simulation.Run(t.Context(), b.store, asked, cursor, 1); err != nil {
		t.Fatal(err)
	}
	later, other := asked, asked
	later.To = to.AddDate(0, 0, 1)
	other.Document = document(3, 100)
	for name, test := range map[string]struct {
		asked  simulation.Asked
		cursor string
	}{
		"another period":   {later, cursor},
		"another document": {other, cursor},
		"a letter less":    {asked, cursor[1:]},
		"a line break":     {asked, cursor[:40] + "\n" + cursor[40:]},
		"nonsense":         {asked, "abc"},
	} {
		if _, _, _, err := simulation.Run(t.Context(), b.store, test.asked, test.cursor, 1); loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The reads of a call are bounded, and members without orders cost none of
// their own.
func TestReadsFollowBuyersNotMembers(t *testing.T) {
	b := open(t, t.Context(), memory(t))
	const members, buyers = 2000, 20
	for i := range members {
		b.join(fmt.Sprint(i))
	}
	for i := range buyers {
		b.post(key(i), fmt.Sprint(i), paid(from, "milk-powder", 1000))
	}
	var usage table.Usage
	ctx := table.WithUsage(t.Context(), &usage)
	asked := simulation.Asked{Document: document(2, 100), From: from, To: to}
	got, _, next, err := simulation.Run(ctx, b.store, asked, "", unbounded)
	if err != nil || next != "" || got.Totals.Orders != buyers || got.Members.Looked != members {
		t.Fatalf("%+v, %q, %v", got, next, err)
	}
	// Each shard: its list and its accounts; each buyer: their history and the
	// order.
	if most := 2*table.RosterShards + 2*buyers; usage.RoundTrips > most {
		t.Errorf("%d round trips, at most %d", usage.RoundTrips, most)
	}
	t.Logf("%d members, %d buyers: %d round trips, %.1f read units", members, buyers, usage.RoundTrips, usage.ReadUnits)
	const reads = 10
	for cursor, calls := "", 0; ; calls++ {
		before := usage.RoundTrips
		_, _, cursor, err = simulation.Run(ctx, b.store, asked, cursor, reads)
		if err != nil {
			t.Fatal(err)
		}
		if made := usage.RoundTrips - before; made > reads+25 {
			t.Errorf("call %d made %d round trips", calls, made)
		}
		if cursor == "" {
			break
		}
	}
	if usage.WriteUnits != 0 {
		t.Errorf("it wrote %.1f units", usage.WriteUnits)
	}
}

// Rules that ask for the buyer find them where the ledger would have: known
// when the payment was recorded, and not by hand. Their tier is that of today.
func TestTheBuyerIsAskedForWhereTheLedgerAsks(t *testing.T) {
	b := open(t, t.Context(), memory(t))
	member := b.join("ann")
	if err := b.store.Table.Write(t.Context(), table.Update(table.AccountKey(member), []table.Change{table.Set("tier", table.String("gold"))})); err != nil {
		t.Fatal(err)
	}
	b.post(key(1), "", points.Fact{Kind: points.FactRefunded, At: from, Refunds: []points.Refund{{ID: "r", Line: "1", Amount: 100}}})
	b.post(key(1), "", points.Fact{Kind: points.FactBound, At: from, Member: member, Operator: "li.na", Reason: "a reason"})
	b.post(key(1), "", paid(from, "milk-powder", 10_000))
	b.post(key(2), "", paid(from, "milk-powder", 20_000))
	b.post(key(2), "", points.Fact{Kind: points.FactClaimed, At: now, Member: member})
	b.post(key(3), "ann", paid(from.Add(time.Hour), "milk-powder", 40_000))
	asked := simulation.Asked{Document: document(1, 100), From: from, To: to}
	asked.Document.Points.Bonuses.Tiers = map[string]int64{"gold": 50}
	got := map[string]simulation.Points{}
	for _, example := range b.simulate(asked, unbounded).Examples {
		got[example.OrderID] = example.Held
	}
	if diff := cmp.Diff(map[string]simulation.Points{"3": {Then: 400, Proposed: 600}}, got); diff != "" {
		t.Error(diff)
	}
}
