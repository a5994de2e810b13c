package settlepoints_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/tiers"
)

func hand(at time.Time) store.Hand { return store.Hand{Operator: "wang", At: at} }

func (b *brand) tryMerge(into, part loyalty.MemberID, id string, at time.Time) error {
	b.acted = at
	b.passed(at)
	_, err := ledger.Merge(context.Background(), b.store, store.Merge{ID: id, Into: into, Part: part, By: hand(at), Reason: "same person"})
	return err
}

func (b *brand) merge(into, part loyalty.MemberID, id string, at time.Time) {
	b.Helper()
	b.must(b.tryMerge(into, part, id, at))
}

func (b *brand) unmerge(whole, part loyalty.MemberID, id string, at time.Time) {
	b.Helper()
	b.acted = at
	b.passed(at)
	_, err := ledger.Unmerge(context.Background(), b.store, whole, part, id, "mistaken", hand(at))
	b.must(err)
}

// spend reserves and commits what is spendable up to amount, and says how much
// that was.
func (b *brand) spend(member loyalty.MemberID, id string, amount loyalty.Points, at time.Time) loyalty.Points {
	b.Helper()
	amount = min(amount, b.account(member).Points(at).Spendable())
	if amount <= 0 {
		return 0
	}
	b.must(b.reserve(member, id, amount, at, at.Add(time.Hour)))
	_, err := ledger.Commit(context.Background(), b.store, member, id, at)
	b.must(err)
	return amount
}

func (b *brand) adjust(member loyalty.MemberID, id string, amount loyalty.Points, at time.Time) {
	b.Helper()
	_, err := ledger.Adjust(context.Background(), b.store, store.Adjustment{
		Fact: points.Fact{Member: member}, ID: id, Points: amount, Reason: "sorry", Proposed: hand(at),
	}, 1_000_000)
	b.must(err)
}

// ranked is a brand whose points end and whose members have tiers.
func ranked(t T) *brand {
	b := expiring(t)
	rules := b.rules[0]
	rules.Version = 2
	rules.Tiers = &tiers.Rules{
		Growth: tiers.Growth{Points: 1, PerFen: 100}, Window: tiers.Window{Kind: tiers.WindowRolling, Months: 3}, Demotion: tiers.DemoteAtOnce,
		Levels: []tiers.Level{{ID: "silver", Name: "银卡", Growth: 60}, {ID: "gold", Name: "金卡", Growth: 150}},
	}
	b.must(rules.Validate())
	b.rules = []program.Program{rules}
	b.must(b.store.Table.Write(context.Background(), store.PutProgram(rules)))
	return b
}

// versions and wake-up calls may differ: the one counts, the other may be early.
var standing = cmp.Options{
	cmpopts.IgnoreFields(store.Account{}, "LotsSeen", "GrowthSeen", "RemindAt", "SettleAt", "RemindRides", "SettleRides", "RemindAsked", "SettleAsked"),
	cmpopts.EquateEmpty(),
}

func (b *brand) same(what string, want store.Account) {
	b.Helper()
	if diff := cmp.Diff(want, b.account(want.Member), standing); diff != "" {
		b.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAMergeTakesInEverythingAtOnce(t *testing.T) {
	b := expiring(t)
	b.enrol("a")
	b.enrol("b")
	b.pay("a", "1", 50, day(0, 10, 0))
	b.pay("b", "2", 100, day(0, 10, 0))
	b.pay("b", "3", 30, day(25, 10, 0))
	b.tick(day(31, 10, 0))
	a, part := b.account("a"), b.account("b")
	for range 2 { // and a repeat
		b.merge("a", "b", "x1", day(32, 10, 0))
	}
	whole := b.account("a")
	if want := (points.Balance{Available: 150, Pending: 30}); whole.Balance != want || whole.Orders != 3 || whole.Paid != 18_000 {
		t.Errorf("together they have %+v and %d orders, want %+v and 3", whole.Balance, whole.Orders, want)
	}
	b.lots("a", points.Lot{Until: month(14).UTC(), Left: 150})
	records, _, err := b.store.History(t.Context(), "a", 1, "")
	b.must(err)
	if fact := records[0].Fact; fact.Kind != points.FactMerged || fact.Operator != "wang" || fact.Reason != "same person" || fact.Entries[0].ID != "merge:x1" || fact.Entries[0].Available != 100 {
		t.Errorf("the ledger says %+v", fact)
	}
	b.tick(day(56, 10, 0)) // the part's order settles when it is due, for both
	if got := b.account("a").Balance; got != (points.Balance{Available: 180}) {
		t.Errorf("settled to %+v", got)
	}
	b.unmerge("a", "b", "x2", day(57, 10, 0))
	b.unmerge("a", "b", "x2", day(57, 10, 0))
	b.same("the whole after all", a)
	part.Balance = points.Balance{Available: 130}
	part.Lots = []points.Lot{{Until: month(14).UTC(), Left: 130}}
	b.same("the part after all", part)
}

func TestWhatWasSpentMeanwhileStaysWithTheWhole(t *testing.T) {
	b := open(t)
	b.enrol("a")
	b.enrol("b")
	b.pay("b", "1", 100, day(0, 10, 0))
	b.tick(day(30, 10, 0))
	b.merge("a", "b", "x", day(31, 10, 0))
	if got := b.spend("a", "v", 70, day(32, 10, 0)); got != 70 {
		t.Errorf("spent %d", got)
	}
	b.refund("1", "r", 20, day(33, 10, 0))
	b.expect("a", 10, 0, 0, never)
	b.unmerge("a", "b", "y", day(34, 10, 0))
	b.expect("a", 0, 0, 70, never)
	b.expect("b", 80, 0, 0, never)
}

// Which credit pays a debt decides what is left, and when that ends. It must not
// hang on which account of a person the index names first.
func TestOrdersOfMergedMembersSettleOldestFirst(t *testing.T) {
	for n := range 8 {
		for _, owners := range [][]loyalty.MemberID{{"a", "b"}, {"b", "a"}} { // of the older order and the newer
			b := expiring(t)
			lasting := b.rules[0]
			lasting.Version, lasting.EffectiveAt, lasting.Points.Expiry = 2, day(41, 0, 0), nil
			b.rules = append(b.rules, lasting)
			b.must(b.store.Table.Write(t.Context(), store.PutProgram(lasting)))
			named := func(member loyalty.MemberID) loyalty.MemberID { return member + loyalty.MemberID(fmt.Sprint(n)) }
			whole, part := named("a"), named("b")
			b.enrol(whole)
			b.enrol(part)
			b.pay(whole, "1", 60, day(0, 10, 0))
			b.tick(day(31, 10, 0))
			b.spend(whole, "v", 60, day(32, 10, 0))
			b.refund("1", "r", 60, day(33, 10, 0)) // a debt of 60
			b.merge(whole, part, "x", day(34, 10, 0))
			b.pay(named(owners[0]), "2", 100, day(40, 10, 0))
			b.pay(named(owners[1]), "3", 100, day(42, 10, 0)) // whose points do not end
			b.tick(day(80, 10, 0))
			b.expect(whole, 140, 0, 0, month(15))
			b.lots(whole, points.Lot{Until: month(15).UTC(), Left: 40})
		}
	}
}

func TestRefusedMergesChangeNothing(t *testing.T) {
	b := open(t)
	for _, member := range []loyalty.MemberID{"a", "b", "c", "d"} {
		b.enrol(member)
	}
	b.pay("d", "1", 100, day(0, 10, 0))
	b.tick(day(30, 10, 0))
	b.must(b.reserve("d", "v", 10, day(31, 10, 0), day(32, 10, 0)))
	b.merge("a", "b", "x1", day(31, 10, 0))
	before := b.everything()
	for name, test := range map[string]struct {
		into, part loyalty.MemberID
		code       string
	}{
		"themselves":         {"a", "a", "invalid"},
		"nobody":             {"a", "z", "member_unknown"},
		"into nobody":        {"z", "c", "member_unknown"},
		"a part again":       {"c", "b", "member_merged"},
		"into a part":        {"b", "c", "member_merged"},
		"the other way":      {"b", "a", "member_merged"},
		"one with parts":     {"c", "a", "member_has_parts"},
		"points are set off": {"c", "d", "reservation_open"},
	} {
		if err := b.tryMerge(test.into, test.part, "x-"+name, day(31, 11, 0)); codeOf(err) != test.code {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}
	if err := b.reserve("b", "v", 1, day(31, 11, 0), day(32, 0, 0)); codeOf(err) != "member_merged" {
		t.Errorf("spending of a part: %v", err)
	}
	_, err := ledger.Unmerge(t.Context(), b.store, "a", "c", "y", "none", hand(day(31, 11, 0)))
	if codeOf(err) != "not_merged" {
		t.Errorf("undoing what was not done: %v", err)
	}
	if diff := cmp.Diff(before, b.everything()); diff != "" {
		t.Errorf("refusals changed something:\n%s", diff)
	}
}

func codeOf(err error) string {
	refusal, ok := err.(*loyalty.Error)
	if !ok {
		return fmt.Sprint(err)
	}
	return refusal.Code
}

// everything is the accounts as they stand.
func (b *brand) everything() []store.Account {
	var accounts []store.Account
	for _, member := range b.some {
		accounts = append(accounts, b.account(member))
	}
	return accounts
}

// life is what happens to a brand, drawn once and done to one or to several.
type life struct {
	brands []*brand
	now    time.Time
	spends int
	owner  map[string]loyalty.MemberID
}

func (l *life) each(do func(*brand)) {
	for _, b := range l.brands {
		do(b)
	}
}

// steps draws what may happen to members; spend is done to the first brand alone
// and told.
func (l *life) steps(t *rapid.T, members []loyalty.MemberID, most int, spent func(member loyalty.MemberID, amount loyalty.Points)) {
	for range rapid.IntRange(0, most).Draw(t, "steps") {
		order := fmt.Sprint(rapid.IntRange(1, 6).Draw(t, "order"))
		switch rapid.SampledFrom([]string{"pay", "pay", "complete", "refund", "refund", "wait", "tick", "tick", "spend", "adjust"}).Draw(t, "step") {
		case "pay":
			if l.owner[order] == "" {
				l.owner[order] = rapid.SampledFrom([]loyalty.MemberID{"a", "b"}).Draw(t, "buyer")
			}
			at := l.now.Add(-time.Duration(rapid.IntRange(0, 200).Draw(t, "hours ago")) * time.Hour)
			fact := points.Fact{Kind: points.FactPaid, At: at, Member: l.owner[order], Lines: []points.Line{{
				ID: fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "line")), Quantity: 1, Paid: 100 * loyalty.Fen(rapid.IntRange(0, 100).Draw(t, "yuan")),
				Category: rapid.SampledFrom([]string{"", "milk-powder", "diapers"}).Draw(t, "category"),
			}}}
			l.each(func(b *brand) { b.post(order, fact) })
		case "complete":
			l.each(func(b *brand) { b.complete(order, l.now) })
		case "refund":
			fact := points.Fact{Kind: points.FactRefunded, At: l.now, Refunds: []points.Refund{{
				ID: rapid.StringMatching("[a-z]{4}").Draw(t, "refund"), Line: "1", Amount: 100 * loyalty.Fen(rapid.IntRange(1, 60).Draw(t, "back")),
			}}}
			l.each(func(b *brand) {
				if err := b.try(order, fact); err != nil && loyalty.KindOf(err) != loyalty.KindInvalid {
					t.Fatalf("%v", err)
				}
			})
		case "wait":
			l.now = l.now.Add(time.Duration(rapid.IntRange(1, 800).Draw(t, "hours")) * time.Hour)
		case "tick":
			l.each(func(b *brand) { b.tick(l.now) })
		case "spend":
			member := rapid.SampledFrom(members).Draw(t, "spender")
			l.spends++
			spent(member, l.brands[0].spend(member, fmt.Sprint("v", l.spends), loyalty.Points(rapid.IntRange(1, 120).Draw(t, "spent")), l.now))
		case "adjust":
			member := rapid.SampledFrom(members).Draw(t, "adjusted")
			l.spends++
			amount := loyalty.Points(rapid.IntRange(1, 30).Draw(t, "given"))
			l.each(func(b *brand) { b.adjust(member, fmt.Sprint("j", l.spends), amount, l.now) })
		}
	}
}

var both = []loyalty.MemberID{"a", "b"}

// Merge then split restores both ledgers: whatever happened before, with nothing
// in between both accounts are as they were. (What time has done is done first:
// a tier that the schedule would have taken is not given back.)
func TestMergeThenSplitRestoresBothAccounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := ranked(t)
		b.enrol("a")
		b.enrol("b")
		l := &life{brands: []*brand{b}, now: day(0, 10, 0), owner: map[string]loyalty.MemberID{}}
		for round := range 2 {
			l.steps(t, both, 25, func(loyalty.MemberID, loyalty.Points) {})
			b.tick(l.now)
			a, part := b.account("a"), b.account("b")
			b.merge("a", "b", fmt.Sprint("x", round), l.now)
			b.unmerge("a", "b", fmt.Sprint("y", round), l.now)
			b.same("the whole", a)
			b.same("the part", part)
		}
	})
}

// With a life in between, the part ends as if it had never been merged, and the
// whole with as much as if it had not either, but for what was spent meanwhile.
// That counters are the sums of entries after every commit, audited sees to.
func TestALifeTogetherLeavesEachTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		together, apart := ranked(t), ranked(t)
		l := &life{brands: []*brand{together, apart}, now: day(0, 10, 0), owner: map[string]loyalty.MemberID{}}
		for _, member := range both {
			l.each(func(b *brand) { b.enrol(member) })
		}
		l.steps(t, both, 15, func(member loyalty.MemberID, amount loyalty.Points) {
			if amount > 0 {
				apart.spend(member, fmt.Sprint("v", l.spends), amount, l.now)
			}
		})
		together.merge("a", "b", "x", l.now)
		var spent loyalty.Points
		l.steps(t, both[:1], 20, func(_ loyalty.MemberID, amount loyalty.Points) { spent += amount })
		whole := together.account("a")
		if one, two := apart.account("a"), apart.account("b"); net(whole) != net(one)+net(two)-spent {
			t.Fatalf("together %d, apart %d and %d, spent %d", net(whole), net(one), net(two), spent)
		}
		together.unmerge("a", "b", "y", l.now)
		together.same("the part", apart.account("b"))
		got, want := together.account("a"), apart.account("a")
		if net(got) != net(want)-spent {
			t.Fatalf("the whole has %d, would have %d, spent %d", net(got), net(want), spent)
		}
		if got.Balance.Pending != want.Balance.Pending || got.Orders != want.Orders || got.Paid != want.Paid || got.Refunded != want.Refunded || got.Tier.Level != want.Tier.Level ||
			got.GrowthPending != want.GrowthPending || cmp.Diff(got.Growth, want.Growth, cmpopts.IgnoreMapEntries(func(_ string, n loyalty.Points) bool { return n == 0 })) != "" {
			t.Fatalf("the whole is %+v, would be %+v", got, want)
		}
		for _, category := range []string{"milk-powder", "diapers"} {
			if got, want := got.Bought[category], want.Bought[category]; got.Count != want.Count || got.Quantity != want.Quantity {
				t.Fatalf("of %s the whole has bought %+v, would have %+v", category, got, want)
			}
		}
		for range 3 { // both go on
			l.now = l.now.Add(31 * 24 * time.Hour)
			l.each(func(b *brand) { b.tick(l.now) })
		}
		together.same("the part, later", apart.account("b"))
	})
}

// net is all that was ever credited and not taken, expired or not.
func net(account store.Account) loyalty.Points {
	sum := account.Balance.Available + account.Balance.Pending - account.Balance.Debt
	for _, lot := range account.Lots {
		sum += lot.Expired
	}
	return sum
}

// Time, a merge, its undoing and a settlement may each change a tier within one
// second: every change has a fact of its own.
func TestATierChangesTwiceWithinASecond(t *testing.T) {
	b := ranked(t)
	b.enrol("a")
	b.enrol("b")
	b.pay("a", "1", 100, day(0, 10, 0))
	b.pay("b", "2", 200, day(40, 10, 0))
	b.tick(day(80, 10, 0))
	levels := func() (levels []string) {
		records, _, err := b.store.History(t.Context(), "a", 100, "")
		b.must(err)
		for _, record := range records {
			if record.Kind == points.FactTier {
				levels = append(levels, table.Instant(record.At))
			}
		}
		return levels
	}
	at := month(14) // November leaves the window
	b.tick(at)
	if tier := b.account("a").Tier.Level; tier != "" {
		t.Fatalf("the tier is %q", tier)
	}
	b.merge("a", "b", "x1", at)
	b.unmerge("a", "b", "y1", at)
	b.merge("a", "b", "x2", at)
	if tier := b.account("a").Tier.Level; tier != "gold" {
		t.Errorf("the tier is %q", tier)
	}
	b.refund("2", "r", 100, at)
	if tier := b.account("a").Tier.Level; tier != "silver" {
		t.Errorf("the tier is %q", tier)
	}
	if got := levels(); len(got) != 6 { // to silver in December, and five on this day
		t.Errorf("%d changes of the tier are recorded: %v", len(got), got)
	}
}

// Whatever comes between looking and writing: the merge is decided again, and
// nothing is lost. So it is the other way round.
func TestAMergeOvertaken(t *testing.T) {
	for name, meddle := range map[string]func(*brand){
		"by an order":              func(b *brand) { b.pay("b", "3", 5, day(30, 9, 0)) },
		"by an order of the whole": func(b *brand) { b.pay("a", "4", 5, day(30, 9, 0)) },
		"by a refund":              func(b *brand) { b.refund("2", "r", 4, day(30, 9, 0)) },
		"by the settlement":        func(b *brand) { b.tick(day(30, 11, 0)) },
		"by a spend":               func(b *brand) { b.spend("b", "v", 5, day(30, 9, 0)) },
		"by the same merge":        func(b *brand) { b.merge("a", "b", "x2", day(30, 10, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.enrol("a")
			b.enrol("b")
			b.pay("a", "1", 10, day(0, 10, 0))
			b.pay("b", "0", 7, day(-9, 9, 0))
			b.pay("b", "2", 20, day(0, 10, 0))
			b.tick(day(24, 10, 0))
			calm := b.store
			b.store.Table = &meddled{calm.Table, 1, func() { b.store = calm; meddle(b) }}
			b.merge("a", "b", "x", day(30, 10, 0))
			settledBy(b, day(30, 12, 0), day(62, 0, 0))
			one, two := b.account("a"), b.account("b")
			var want loyalty.Points
			for _, key := range b.known {
				log, err := b.store.Log(t.Context(), key)
				b.must(err)
				for _, purchase := range points.Replay(key, log).Purchases() {
					want += purchase.Points
				}
			}
			if name == "by a spend" {
				want -= 5
			}
			if one.Balance != (points.Balance{Available: want}) || two.Merged == nil || !slices.Equal(one.Parts, []loyalty.MemberID{"b"}) {
				t.Errorf("the whole has %+v, want %d; the part is %+v", one.Balance, want, two.Merged)
			}
		})
	}
}

// An event that read the part's account, or none, before the merge is refused
// and applied to both.
func TestAnEventOvertakenByAMerge(t *testing.T) {
	for name, event := range map[string]func(*brand) error{
		"an order":     func(b *brand) error { return b.try("3", paidBy("b")) },
		"a refund":     func(b *brand) error { return b.try("2", refunded(4)) },
		"a completion": func(b *brand) error { return b.try("2", points.Fact{Kind: points.FactCompleted, At: day(20, 9, 0)}) },
		"a settlement": func(b *brand) error { b.tick(day(30, 11, 0)); return nil },
		"an unmerge":   func(b *brand) error { b.unmerge("c", "d", "y", day(30, 9, 0)); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			for _, member := range []loyalty.MemberID{"a", "b", "c", "d"} {
				b.enrol(member)
			}
			b.pay("b", "2", 20, day(0, 10, 0))
			b.merge("c", "d", "x0", day(1, 0, 0))
			calm := b.store
			b.store.Table = &meddled{calm.Table, 1, func() { b.store = calm; b.merge("a", "b", "x", day(30, 10, 0)) }}
			b.must(event(b))
			settledBy(b, day(30, 12, 0), day(62, 0, 0))
			one, two := b.account("a"), b.account("b")
			if one.Balance != two.Balance || one.Orders != two.Orders || one.Paid != two.Paid || one.Refunded != two.Refunded || one.Balance.Available == 0 {
				t.Errorf("the whole has %+v, the part %+v", one, two)
			}
			b.unmerge("a", "b", "y2", day(63, 0, 0))
			if got := b.account("a"); got.Balance != (points.Balance{}) || got.Orders != 0 || len(got.Bought) != 0 {
				t.Errorf("the whole is left with %+v", got)
			}
		})
	}
}

func paidBy(member loyalty.MemberID) points.Fact {
	return points.Fact{Kind: points.FactPaid, At: day(20, 10, 0), Member: member, Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 1_100}}}
}

func refunded(yuan loyalty.Fen) points.Fact {
	return points.Fact{Kind: points.FactRefunded, At: day(20, 10, 0), Refunds: []points.Refund{{ID: "r", Line: "1", Amount: 100 * yuan}}}
}

// The whole is reminded for its parts, of no purchase twice, and under a cap that
// counts what went to either; afterwards each has their own last purchase again.
func TestTheWholeIsRemindedForBoth(t *testing.T) {
	b := open(t)
	b.enrol("a")
	b.enrol("b")
	buy := func(member loyalty.MemberID, order string, at time.Time) {
		b.post(order, points.Fact{Kind: points.FactPaid, At: at, Member: member, Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 1_000}}})
	}
	last := func(member loyalty.MemberID) string { return b.account(member).Bought["milk-powder"].LastOrder.Order }
	told := func(member loyalty.MemberID, bought, at time.Time) {
		account := b.account(member)
		record, held := store.RecordReminder(account, "milk-powder", store.Reminded{Bought: bought, Outcome: store.OutcomeSent, At: at, Program: 1})
		sent, stands := store.RecordSent(account, append(account.Sent, at))
		b.must(b.store.Table.Write(t.Context(), store.UpdateAccount(member, []table.Change{record, sent}, held, stands)))
	}
	buy("a", "1", day(0, 10, 0))
	buy("b", "2", day(5, 10, 0))
	told("a", day(0, 10, 0), day(21, 10, 0))
	told("b", day(5, 10, 0), day(26, 10, 0))
	a, part := b.account("a"), b.account("b")
	b.merge("a", "b", "x1", day(27, 10, 0))
	b.unmerge("a", "b", "y1", day(27, 10, 0))
	b.same("the whole", a)
	b.same("the part", part)

	b.merge("a", "b", "x2", day(27, 10, 0))
	whole := b.account("a")
	if said := whole.Reminded["milk-powder"]; last("a") != "2" || !said.Bought.Equal(day(5, 10, 0)) || len(whole.Sent) != 2 {
		t.Errorf("the whole last bought %s, was reminded of %v, and sent %v", last("a"), said, whole.Sent)
	}
	if whole.RemindAt.IsZero() || whole.RemindAt.After(day(27, 10, 0)) || !b.account("b").RemindAt.IsZero() {
		t.Errorf("the whole is called at %v, the part at %v", whole.RemindAt, b.account("b").RemindAt)
	}
	buy("a", "3", day(28, 10, 0))
	buy("b", "4", day(29, 10, 0))
	if at := b.account("b").RemindAt; last("a") != "4" || !at.IsZero() {
		t.Errorf("the whole last bought %s; the part is called at %v", last("a"), at)
	}
	told("a", day(29, 10, 0), day(50, 10, 0))
	b.unmerge("a", "b", "y2", day(51, 10, 0))
	if last("a") != "3" || last("b") != "4" {
		t.Errorf("apart they last bought %s and %s", last("a"), last("b"))
	}
	if said := b.account("b").Reminded["milk-powder"]; !said.Bought.Equal(day(29, 10, 0)) || b.account("b").RemindAt.IsZero() {
		t.Errorf("the part was reminded of %v", said)
	}
}

// The record of a reminder of a purchase stays with it as long as it stays the
// last that either is known to have bought, whosever it was.
func TestWhatWasSaidOfAPurchaseStaysWithIt(t *testing.T) {
	for name, own := range map[string]time.Time{"an earlier one that is heard of late": day(3, 10, 0), "one of the same instant": day(5, 10, 0)} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.enrol("a")
			b.enrol("b")
			buy := func(member loyalty.MemberID, order string, at time.Time) {
				b.post(order, points.Fact{Kind: points.FactPaid, At: at, Member: member, Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 1_000}}})
			}
			b.merge("a", "b", "x", day(1, 10, 0))
			if own.Equal(day(5, 10, 0)) {
				buy("a", "own", own)
				buy("b", "theirs", day(5, 10, 0))
			} else {
				buy("b", "theirs", day(5, 10, 0))
				buy("a", "own", own)
			}
			record, held := store.RecordReminder(b.account("a"), "milk-powder", store.Reminded{Bought: day(5, 10, 0), Outcome: store.OutcomeSent, At: day(26, 10, 0), Program: 1})
			b.must(b.store.Table.Write(t.Context(), store.UpdateAccount("a", []table.Change{record}, held)))
			b.unmerge("a", "b", "y", day(27, 10, 0))
			for _, member := range []loyalty.MemberID{"a", "b"} {
				account := b.account(member)
				if bought, said := account.Bought["milk-powder"], account.Reminded["milk-powder"]; bought.Count != 1 || !said.Bought.Equal(bought.Last) || said.Outcome != store.OutcomeSent {
					t.Errorf("%s last bought at %v, and was reminded of %v", member, bought.Last, said.Bought)
				}
			}
		})
	}
}
