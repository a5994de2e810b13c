package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
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
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/tiers"
)

// moving is a purse of a brand that has tiers, whose program is as old as
// huitou is there: it begins at noon less an hour.
func moving(t fataler, ctx context.Context, has points.Balance) (purse, []program.Program) {
	p := openPurse(t, ctx, has)
	rules := program.Program{Version: 1, EffectiveAt: noon.Add(-time.Hour), Document: program.Default().Document}
	rules.Tiers = &tiers.Rules{
		Growth: tiers.Growth{Points: 1, PerFen: 100}, Window: tiers.Window{Kind: tiers.WindowRolling, Months: 12}, Demotion: tiers.DemoteAtOnce,
		Levels: []tiers.Level{{ID: "silver", Name: "银卡", Growth: 100}, {ID: "gold", Name: "金卡", Growth: 300}},
	}
	rules.Repurchase.Categories = maps.Clone(rules.Repurchase.Categories)
	rules.Repurchase.Categories["diapers"] = repurchase.Category{CycleDays: 30, SKUs: []string{"DIAPER-L"}}
	if err := p.store.Table.Write(ctx, store.PutProgram(rules)); err != nil {
		t.Fatalf("%v", err)
	}
	return p, []program.Program{rules}
}

func (p purse) open(source string, at time.Time, parts ...points.OpeningPoints) (store.Opening, bool, error) {
	return ledger.Open(p.ctx, p.store, store.Opening{
		Fact: points.Fact{Member: "m"}, Opening: points.Opening{Source: source, Points: parts},
		Made: store.Hand{Operator: "admin", At: at},
	})
}

func until(days int) *time.Time {
	at := noon.AddDate(0, 0, days)
	return &at
}

// An opening counts once for each source; the repeat gets the first answer,
// even after a part has ended, and another content is refused.
func TestAnOpeningCountsOnce(t *testing.T) {
	p, _ := moving(t, t.Context(), points.Balance{Debt: 30})
	parts := []points.OpeningPoints{{Points: 500}, {Points: 70, Until: until(9)}, {Points: 30, Until: until(9)}}
	first, fresh, err := p.open("oldcrm", noon, parts...)
	if err != nil || !fresh || p.balance() != (points.Balance{Available: 570}) {
		t.Fatalf("%+v, %v, %v, balance %+v", first, fresh, err, p.balance())
	}
	account, err := p.store.Account(t.Context(), "m")
	if err != nil || !account.SettleAt.Equal(*until(9)) || len(account.Lots) != 1 || account.Lots[0].Left != 70 {
		t.Errorf("lots %+v, looked at %s, %v", account.Lots, account.SettleAt, err)
	}
	before := p.everything()
	for _, at := range []time.Time{noon, noon.AddDate(0, 0, 20)} {
		again, fresh, err := p.open("oldcrm", at, parts[2], parts[0], parts[1])
		if err != nil || fresh || cmp.Diff(first, again) != "" {
			t.Errorf("at %s: %v, %v, %s", at, fresh, err, cmp.Diff(first, again))
		}
	}
	for name, parts := range map[string][]points.OpeningPoints{
		"more":        {{Points: 501}, {Points: 100, Until: until(9)}},
		"another end": {{Points: 500}, {Points: 100, Until: until(10)}},
		"nothing":     nil,
	} {
		if _, _, err := p.open("oldcrm", noon, parts...); code(err) != "opening_differs" || loyalty.KindOf(err) != loyalty.KindConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := p.open("other", noon.AddDate(0, 0, 9), parts...); code(err) != "invalid" {
		t.Errorf("points that have ended: %v", err)
	}
	if diff := cmp.Diff(before, p.everything()); diff != "" {
		t.Errorf("a refusal changed something:\n%s", diff)
	}
	if _, fresh, err := p.open("other", noon, points.OpeningPoints{Points: 1}); err != nil || !fresh {
		t.Errorf("another source: %v, %v", fresh, err)
	}
	sum, ids := p.ledgerSum()
	sum.Debt += 30 // it was there before the ledger
	slices.Sort(ids)
	if sum != p.balance() || sum.Available != 571 || cmp.Diff([]string{"opening:oldcrm", "opening:other"}, ids) != "" {
		t.Errorf("ledger %+v %v, balance %+v", sum, ids, p.balance())
	}
}

func TestAnOpeningBringsTierDateAndConsents(t *testing.T) {
	p, _ := moving(t, t.Context(), points.Balance{})
	joined := noon.AddDate(-4, 0, 0)
	wanted := store.Opening{
		Fact:     points.Fact{Member: "m"},
		Opening:  points.Opening{Source: "oldcrm", Growth: []points.OpeningGrowth{{Month: "2025-11", Growth: 500}, {Month: "2025-12", Growth: 120}}},
		JoinedAt: &joined, Consents: []loyalty.Consent{loyalty.ConsentMarketing, loyalty.ConsentMembership}, Made: store.Hand{Operator: "admin", At: noon},
	}
	if _, fresh, err := ledger.Open(t.Context(), p.store, wanted); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	account, err := p.store.Account(t.Context(), "m")
	if err != nil {
		t.Fatal(err)
	}
	// November of last year is out of the window; December leaves it with this
	// year's, and the schedule has to look then.
	if account.Tier.Level != "silver" || !account.JoinedAt.Equal(joined) || len(account.Consents) != 2 ||
		!account.SettleAt.Equal(time.Date(2026, 11, 30, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("tier %+v, joined %s, consents %v, looked at %s", account.Tier, account.JoinedAt, account.Consents, account.SettleAt)
	}
	if diff := cmp.Diff(map[string]loyalty.Points{"2025-11": 500, "2025-12": 120}, account.Growth); diff != "" {
		t.Error(diff)
	}
	// A consent that they took back stays taken back.
	if err := p.store.Table.Write(t.Context(), store.UpdateAccount("m", store.WithdrawConsent(loyalty.ConsentMarketing, noon))); err != nil {
		t.Fatal(err)
	}
	later := joined.AddDate(1, 0, 0)
	if _, fresh, err := ledger.Open(t.Context(), p.store, wanted); err != nil || fresh {
		t.Fatal(fresh, err)
	}
	second := wanted
	second.Source, second.JoinedAt, second.Consents = "other", &later, nil
	if _, _, err := ledger.Open(t.Context(), p.store, second); err != nil {
		t.Fatal(err)
	}
	if account, err = p.store.Account(t.Context(), "m"); err != nil || len(account.Consents) != 1 || !account.JoinedAt.Equal(joined) {
		t.Errorf("consents %v, joined %s, %v", account.Consents, account.JoinedAt, err)
	}
	before := p.everything()
	future := noon.Add(time.Minute)
	third := wanted
	third.Source, third.JoinedAt = "third", &future
	if _, _, err := ledger.Open(t.Context(), p.store, third); code(err) != "invalid" {
		t.Errorf("joined in the future: %v", err)
	}
	third.Member = "nobody"
	if _, _, err := ledger.Open(t.Context(), p.store, third); code(err) != "member_unknown" {
		t.Errorf("nobody: %v", err)
	}
	if before != p.everything() {
		t.Error("a refusal changed something")
	}
}

// The largest opening that the rules allow is one write.
func TestTheLargestOpening(t *testing.T) {
	p, _ := moving(t, t.Context(), points.Balance{Debt: 7})
	opening := store.Opening{Fact: points.Fact{Member: "m"}, Made: store.Hand{Operator: "admin", At: noon}}
	opening.Source = "oldcrm"
	joined := noon.AddDate(-9, 0, 0)
	opening.JoinedAt, opening.Consents = &joined, []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing, loyalty.ConsentPersonalisation}
	for i := range 24 {
		opening.Points = append(opening.Points, points.OpeningPoints{Points: points.MaxSpend, Until: until(i + 1)})
	}
	for i := range 60 {
		opening.Growth = append(opening.Growth, points.OpeningGrowth{Month: noon.AddDate(0, -i, -20).Format("2006-01"), Growth: points.MaxSpend})
	}
	if _, fresh, err := ledger.Open(t.Context(), p.store, opening); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	account, err := p.store.Account(t.Context(), "m")
	if err != nil || len(account.Lots) != 24 || len(account.Growth) != 60 || account.Tier.Level != "gold" || account.Balance != (points.Balance{Available: 24*points.MaxSpend - 7}) {
		t.Errorf("%d lots, %d months, %+v, %v", len(account.Lots), len(account.Growth), account.Balance, err)
	}
}

func TestParallelOpenings(t *testing.T) {
	p, _ := moving(t, t.Context(), points.Balance{Debt: 5})
	var wait sync.WaitGroup
	for i := range 32 {
		wait.Go(func() {
			if _, _, err := p.open(fmt.Sprint("s", i%2), noon, points.OpeningPoints{Points: 10, Until: until(3)}); err != nil && loyalty.KindOf(err) != loyalty.KindUnavailable {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for i := range 2 {
		if _, _, err := p.open(fmt.Sprint("s", i), noon, points.OpeningPoints{Points: 10, Until: until(3)}); err != nil {
			t.Error(err)
		}
	}
	if p.balance() != (points.Balance{Available: 15}) {
		t.Errorf("balance %+v, want two openings of 10 less 5", p.balance())
	}
}

// standing is all of an account that history and openings may touch, without
// what tells how it came about.
type standing struct {
	Balance        points.Balance
	Lots           []points.Lot
	Growth         map[string]loyalty.Points
	Growing        loyalty.Points
	Tier           string
	Orders         int64
	Paid, Refunded loyalty.Fen
	Bought         map[string]store.Bought
	Purchases      []repurchase.Purchase
	JoinedAt       time.Time
}

func (p purse) standing() standing {
	p.Helper()
	a, err := p.store.Account(p.ctx, "m")
	if err != nil {
		p.Fatalf("%v", err)
	}
	s := standing{
		Balance: a.Balance, Lots: a.Lots, Growth: map[string]loyalty.Points{}, Growing: a.GrowthPending, Tier: a.Tier.Level,
		Orders: a.Orders, Paid: a.Paid, Refunded: a.Refunded, Bought: map[string]store.Bought{}, Purchases: a.Purchases(), JoinedAt: a.JoinedAt,
	}
	for month, growth := range a.Growth {
		if growth != 0 {
			s.Growth[month] = growth
		}
	}
	for category, bought := range a.Bought {
		bought.First = time.Time{} // of the first that was recorded
		s.Bought[category] = bought
	}
	return s
}

// audit holds the account against the fold of all entries: counters, lots and
// growth value (I1 to I4), none below zero, every entry once.
func (p purse) audit() {
	p.Helper()
	account, err := p.store.Account(p.ctx, "m")
	if err != nil {
		p.Fatalf("%v", err)
	}
	var fold points.Account
	growth, pending := map[string]loyalty.Points{}, loyalty.Points(0)
	ids := map[string]bool{}
	cursor := ""
	for {
		records, next, err := p.store.History(p.ctx, "m", 100, cursor)
		if err != nil {
			p.Fatalf("%v", err)
		}
		for _, record := range records {
			for _, entry := range record.Entries {
				if ids[entry.ID] {
					p.Fatalf("%s stands twice in the ledger", entry.ID)
				}
				ids[entry.ID] = true
				fold = fold.Plus(entry)
				if entry.Growth != nil {
					growth[entry.Growth.Month] += entry.Growth.Counting
					pending += entry.Growth.Pending
				}
			}
		}
		if next == "" {
			break
		}
		cursor = next
	}
	empty := func(lot points.Lot) bool { return lot.Left == 0 && lot.Expired == 0 }
	lots, kept := slices.DeleteFunc(fold.Lots, empty), slices.DeleteFunc(slices.Clone(account.Lots), empty)
	none := func(_ string, growth loyalty.Points) bool { return growth == 0 }
	maps.DeleteFunc(growth, none)
	maps.DeleteFunc(account.Growth, none)
	inLots := loyalty.Points(0)
	for _, lot := range kept {
		if lot.Left < 0 || lot.Expired < 0 {
			p.Fatalf("lot %+v", lot)
		}
		inLots += lot.Left
	}
	if b := account.Balance; fold.Balance != b || b.Available < inLots || b.Pending < 0 || b.Debt < 0 {
		p.Fatalf("the entries add up to %+v, the counters are %+v with %d in lots", fold.Balance, b, inLots)
	}
	if diff := cmp.Diff(lots, kept, cmpopts.EquateEmpty()); diff != "" {
		p.Fatalf("lots (-fold +account):\n%s", diff)
	}
	if diff := cmp.Diff(growth, account.Growth, cmpopts.EquateEmpty()); diff != "" || pending != account.GrowthPending {
		p.Fatalf("growth pending %d and %d (-fold +account):\n%s", pending, account.GrowthPending, diff)
	}
}

// step is one thing that happens while a brand moves.
type step struct {
	name string
	do   func(purse, []program.Program) error
}

func post(news ledger.News) func(purse, []program.Program) error {
	return func(p purse, versions []program.Program) error {
		_, err := ledger.Post(p.ctx, p.store, versions, news, noon)
		return err
	}
}

func settle(p purse, _ []program.Program) error {
	return settlepoints.Function{Store: p.store, Log: slog.New(slog.DiscardHandler)}.Handle(p.ctx, schedule.Tick{Time: noon})
}

// movedOrder is an order and what became of it. Amounts are 2 to 500 yuan, and
// only where it may be cancelled is all of it given back: whether such a purchase
// was the last depends on whether it was known before it went back.
func movedOrder(t *rapid.T, id string, history, mayCancel bool) []step {
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: id}
	paidAt := noon.AddDate(0, 0, -rapid.IntRange(31, 500).Draw(t, "days ago")).Add(-time.Duration(int(id[0])*100+int(id[1])) * time.Second)
	fact := points.Fact{Kind: points.FactPaid, At: paidAt, Member: "m"}
	for i := range rapid.IntRange(1, 2).Draw(t, "lines") {
		fact.Lines = append(fact.Lines, points.Line{
			ID: fmt.Sprint(i), SKU: rapid.SampledFrom([]string{"MILK-400", "DIAPER-L", "X"}).Draw(t, "sku"), Quantity: 1, History: history,
			Paid: loyalty.Fen(rapid.IntRange(200, 50_000).Draw(t, "paid")),
		})
	}
	steps := []step{{"paid " + id, post(ledger.News{Order: key, Fact: fact})}}
	add := func(kind points.FactKind, refunds ...points.Refund) {
		steps = append(steps, step{string(kind) + " " + id, post(ledger.News{
			Order: key, Fact: points.Fact{Kind: kind, At: paidAt.Add(time.Hour), Refunds: refunds},
		})})
	}
	if rapid.Bool().Draw(t, "completed") {
		add(points.FactCompleted)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "refunds") {
		add(points.FactRefunded, points.Refund{ID: fmt.Sprint("r", i), Line: "0", Amount: 50})
	}
	if mayCancel && rapid.Bool().Draw(t, "cancelled") {
		add(points.FactCancelled)
	}
	return steps
}

// Openings, history and live orders may come twice and in any order, with the
// schedule between: the member ends up the same, and their counters, lots and
// growth are always the sum of their entries. With spending between, at least
// the latter.
func TestAMoveComesToTheSameInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spends := rapid.IntRange(0, 2).Draw(t, "spends")
		var steps []step
		for i := range rapid.IntRange(0, 3).Draw(t, "history") {
			steps = append(steps, movedOrder(t, fmt.Sprint("H", i), true, spends > 0)...)
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "live") {
			steps = append(steps, movedOrder(t, fmt.Sprint("L", i), false, spends > 0)...)
		}
		for _, source := range []string{"crm", "pos"}[:rapid.IntRange(1, 2).Draw(t, "openings")] {
			opening := store.Opening{Fact: points.Fact{Member: "m"}, Made: store.Hand{Operator: "admin", At: noon}}
			opening.Source = source
			for range rapid.IntRange(0, 3).Draw(t, "parts") {
				part := points.OpeningPoints{Points: loyalty.Points(rapid.IntRange(1, 500).Draw(t, "points"))}
				if rapid.Bool().Draw(t, "ends") {
					part.Until = until(rapid.IntRange(1, 3).Draw(t, "days"))
				}
				opening.Points = append(opening.Points, part)
			}
			for range rapid.IntRange(0, 2).Draw(t, "months") {
				opening.Growth = append(opening.Growth, points.OpeningGrowth{Month: rapid.SampledFrom([]string{"2026-10", "2025-01"}).Draw(t, "month"), Growth: 90})
			}
			joined := noon.AddDate(0, 0, -rapid.IntRange(1, 900).Draw(t, "joined"))
			opening.JoinedAt = &joined
			steps = append(steps, step{"opening " + source, func(p purse, _ []program.Program) error {
				return third(ledger.Open(p.ctx, p.store, opening))
			}})
		}
		run := func(steps []step) standing {
			p, versions := moving(t, context.Background(), points.Balance{})
			for _, step := range steps {
				if err := step.do(p, versions); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				p.audit()
			}
			for range 2 {
				if err := settle(p, versions); err != nil {
					t.Fatalf("%v", err)
				}
			}
			p.audit()
			return p.standing()
		}
		want := run(steps)
		shuffled := rapid.Permutation(slices.Concat(steps, steps, []step{{"settle", settle}, {"settle", settle}})).Draw(t, "order")
		for i := range spends {
			at := rapid.IntRange(0, len(shuffled)).Draw(t, "spent")
			shuffled = slices.Insert(shuffled, at, step{"spend", func(p purse, _ []program.Program) error {
				if _, err := p.reserve(fmt.Sprint("v", i), 40); err != nil && code(err) != "points_insufficient" {
					return err
				}
				return nil
			}})
		}
		got := run(shuffled)
		if spends > 0 {
			return
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("another order of the same (-want +got):\n%s", diff)
		}
	})
}

func third[T any](_ T, _ bool, err error) error { return err }

func TestHistoryAsksForNoReminderThatIsPastOrNear(t *testing.T) {
	// A cycle of 28 days less 7, at 09:00 in Shanghai; noon is 18:00 there.
	due := func(days int) time.Time {
		return time.Date(2026, 11, 21, 0, 0, 0, 0, time.FixedZone("CST", 8*3600)).AddDate(0, 0, days-21).Add(20 * time.Hour)
	}
	for name, test := range map[string]struct {
		paidAt  time.Time
		told    bool
		remind  time.Time
		history bool
	}{
		"used up":                   {due(-60), true, time.Time{}, true},
		"due, and not yet too late": {due(-3), true, time.Time{}, true},
		"due today":                 {due(0), true, time.Time{}, true},
		"due tomorrow":              {due(1), true, time.Time{}, true},
		"due the day after":         {due(2), false, time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC), true},
		"live and due today":        {due(0), false, time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC), false},
	} {
		t.Run(name, func(t *testing.T) {
			p, versions := moving(t, t.Context(), points.Balance{})
			news := ledger.News{
				Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1"},
				Fact:  points.Fact{Kind: points.FactPaid, At: test.paidAt, Member: "m", Lines: []points.Line{{ID: "1", SKU: "MILK-400", Quantity: 1, Paid: 19_900, History: test.history}}},
			}
			for range 2 {
				if _, err := ledger.Post(t.Context(), p.store, versions, news, noon); err != nil {
					t.Fatal(err)
				}
			}
			account, err := p.store.Account(t.Context(), "m")
			if err != nil {
				t.Fatal(err)
			}
			if purchases := account.Purchases(); len(purchases) != 1 || purchases[0].Told != test.told || !account.RemindAt.Equal(test.remind) {
				t.Errorf("%+v, looked at %s", purchases, account.RemindAt)
			}
			if test.told && account.Reminded["milk-powder"].Outcome != store.OutcomeHistory {
				t.Errorf("%+v", account.Reminded)
			}
			if test.history && (!account.SettleAt.IsZero() || account.Balance != (points.Balance{}) || len(account.Growth)+int(account.GrowthPending) != 0) {
				t.Errorf("it earned: %+v, %v, settles %s", account.Balance, account.Growth, account.SettleAt)
			}
			if account.Orders != 1 || account.Paid != 19_900 || account.Home != "tmall" {
				t.Errorf("%+v", account)
			}
		})
	}
}

// An order of history that waited for its buyer is as quiet when they join, and
// so is one that an older purchase of the same goods follows.
func TestHistoryThatIsClaimedLater(t *testing.T) {
	p, versions := moving(t, t.Context(), points.Balance{})
	identity := loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: "b"}
	pay := func(order string, days int) ledger.News {
		return ledger.News{
			Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order}, Identities: []loyalty.Identity{identity},
			Fact: points.Fact{Kind: points.FactPaid, At: noon.AddDate(0, 0, days), Lines: []points.Line{{ID: "1", SKU: "DIAPER-L", Quantity: 1, Paid: 100, History: true}}},
		}
	}
	for _, news := range []ledger.News{pay("1", -30), pay("2", -31)} {
		if _, err := ledger.Post(t.Context(), p.store, versions, news, noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.store.Table.Write(t.Context(), store.GiveIdentity(identity, "m")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2"} {
		_, err := ledger.Post(t.Context(), p.store, versions, ledger.News{
			Order: pay(id, 0).Order, Fact: points.Fact{Kind: points.FactClaimed, At: noon, Member: "m"}, Release: []loyalty.Identity{identity},
		}, noon)
		if err != nil {
			t.Fatal(err)
		}
	}
	account, err := p.store.Account(t.Context(), "m")
	if err != nil {
		t.Fatal(err)
	}
	purchases := account.Purchases()
	if account.Orders != 2 || len(purchases) != 1 || !purchases[0].Told || !purchases[0].At.Equal(noon.AddDate(0, 0, -30)) || !account.RemindAt.IsZero() || !account.SettleAt.IsZero() {
		t.Errorf("%+v of %+v", purchases, account)
	}
	p.audit()
}

// After a merge the line of a file names the whole: what the part has brought
// counts once all the same. And nobody brings anything for one who is a part.
func TestAnOpeningOfAMemberWhoWasMerged(t *testing.T) {
	p, _ := moving(t, t.Context(), points.Balance{})
	if err := p.store.Table.Write(t.Context(), store.CreateAccount("n", store.Profile{}, nil, noon)...); err != nil {
		t.Fatal(err)
	}
	first, _, err := p.open("oldcrm", noon, points.OpeningPoints{Points: 50})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Merge(t.Context(), p.store, store.Merge{Into: "n", Part: "m", ID: "1", Reason: "one person", By: store.Hand{Operator: "li", At: noon}}); err != nil {
		t.Fatal(err)
	}
	again := store.Opening{Fact: points.Fact{Member: "n"}, Opening: points.Opening{Source: "oldcrm", Points: []points.OpeningPoints{{Points: 50}}}, Made: store.Hand{Operator: "admin", At: noon}}
	known, fresh, err := ledger.Open(t.Context(), p.store, again)
	if err != nil || fresh || cmp.Diff(first, known) != "" {
		t.Errorf("%v, %v, %s", fresh, err, cmp.Diff(first, known))
	}
	again.Points[0].Points = 51
	if _, _, err := ledger.Open(t.Context(), p.store, again); code(err) != "opening_differs" {
		t.Errorf("%v", err)
	}
	if _, _, err := p.open("other", noon, points.OpeningPoints{Points: 5}); code(err) != "member_merged" {
		t.Errorf("%v", err)
	}
	account, err := p.store.Account(t.Context(), "n")
	if err != nil || account.Balance != (points.Balance{Available: 50}) {
		t.Errorf("%+v, %v", account.Balance, err)
	}
}
