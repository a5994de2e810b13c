package settlepoints_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/tiers"
)

// tiered opens a brand with tiers by the growth of three months.
func tiered(t T, demotion tiers.Demotion) *brand {
	b := open(t)
	rules := program.Program{Version: 1, EffectiveAt: day(-30, 0, 0), Document: program.Default().Document}
	rules.Tiers = &tiers.Rules{
		Growth: tiers.Growth{Points: 2, PerFen: 100}, Window: tiers.Window{Kind: tiers.WindowRolling, Months: 3}, Demotion: demotion,
		Levels: []tiers.Level{{ID: "silver", Name: "银卡", Growth: 100}, {ID: "gold", Name: "金卡", Growth: 300}},
	}
	b.must(rules.Validate())
	b.rules = []program.Program{rules}
	b.must(b.store.Table.Write(context.Background(), store.PutProgram(rules)))
	b.enrol("m1")
	return b
}

func (b *brand) tier(level string, since time.Time) {
	b.Helper()
	account := b.account("m1")
	if account.Tier.Level != level || !account.Tier.Since.Equal(since) {
		b.Fatalf("tier %+v with growth %v and %d pending, want %q since %s", account.Tier, account.Growth, account.GrowthPending, level, since)
	}
}

func TestTiersFollowWhatCounts(t *testing.T) {
	b := tiered(t, tiers.DemoteAtOnce)
	b.pay("m1", "1", 100, day(0, 10, 0)) // 200 growth of November, that counts from December 1st
	b.pay("m1", "2", 60, day(20, 10, 0)) // 120, from December 21st
	b.tick(day(29, 23, 0))
	b.tier("", time.Time{})
	if account := b.account("m1"); account.GrowthPending != 320 {
		t.Fatalf("growth %+v", account)
	}
	b.tick(day(30, 12, 0))
	b.tier("silver", day(30, 12, 0))
	b.tick(day(50, 12, 0))
	b.tier("gold", day(50, 12, 0))
	// Spending changes nothing, a refund does.
	b.must(b.reserve("m1", "v1", 150, day(51, 0, 0), day(400, 0, 0)))
	b.tier("gold", day(50, 12, 0))
	b.refund("2", "r1", 10, day(52, 0, 0))
	b.tier("gold", day(50, 12, 0))
	b.refund("2", "r2", 1, day(53, 0, 0))
	b.tier("silver", day(53, 0, 0))
	b.expect("m1", 0, 0, 1, month(14).UTC()) // November leaves the window on February 1st
	b.tick(month(14).Add(-time.Second))
	b.tier("silver", day(53, 0, 0))
	b.tick(month(14))
	b.tier("", time.Time{})
	b.expect("m1", 0, 0, 1, time.Time{})

	var changes []points.FactKind
	records, _, err := b.store.History(context.Background(), "m1", 100, "")
	b.must(err)
	for _, record := range records {
		if record.Kind == points.FactTier {
			changes = append(changes, record.Kind)
		}
	}
	if len(changes) != 4 {
		t.Errorf("%d changes of the tier are recorded", len(changes))
	}
}

func TestATierIsKeptToTheEndOfItsPeriod(t *testing.T) {
	b := tiered(t, tiers.DemoteOneLevel)
	b.pay("m1", "1", 150, day(0, 10, 0))
	b.tick(day(30, 12, 0))
	b.tier("gold", day(30, 12, 0))
	until := month(11 + 3 + 1) // November, in which it was bought, and three months more
	b.expect("m1", 150, 0, 0, until)
	b.tick(until)
	b.tier("silver", until)
	b.pay("m1", "2", 50, until.AddDate(0, 2, 0))
	b.tick(until.AddDate(0, 4, 0))
	b.tier("silver", until)
	if want := until.AddDate(0, 8, 0); !b.account("m1").Tier.Until.Equal(want) {
		t.Errorf("kept until %s, want %s", b.account("m1").Tier.Until, want)
	}
}

// yearly opens a brand whose tiers follow the calendar year, with one level less
// at the end of a period.
func yearly(t T) *brand {
	b := tiered(t, tiers.DemoteOneLevel)
	rules := b.rules[0]
	rules.Version, rules.Tiers = 2, &tiers.Rules{
		Growth: tiers.Growth{Points: 1, PerFen: 100}, Window: tiers.Window{Kind: tiers.WindowCalendar}, Demotion: tiers.DemoteOneLevel,
		Levels: []tiers.Level{{ID: "silver", Name: "银卡", Growth: 500}, {ID: "gold", Name: "金卡", Growth: 2_000}},
	}
	b.must(rules.Validate())
	b.rules = []program.Program{rules}
	b.must(b.store.Table.Write(context.Background(), store.PutProgram(rules)))
	return b
}

func (b *brand) level(member loyalty.MemberID, level string, until time.Time) {
	b.Helper()
	if tier := b.account(member).Tier; tier.Level != level || !tier.Until.Equal(until) {
		b.Errorf("%s has tier %+v with growth %v, want %q until %s", member, tier, b.account(member).Growth, level, until)
	}
}

func newYear(year int) time.Time { return time.Date(year, time.January, 1, 0, 0, 0, 0, shanghai) }

// ¥1000 paid and completed on December 27th are settled on January 3rd, and
// count for the year of the purchase; a refund after that takes the tier back.
func TestAPurchaseOfDecemberThatSettlesInJanuaryCountsForItsYear(t *testing.T) {
	b := yearly(t)
	b.pay("m1", "1", 1_000, day(56, 10, 0))
	b.complete("1", day(56, 12, 0))
	b.tick(day(61, 0, 0))
	b.level("m1", "", time.Time{})
	b.tick(day(63, 12, 0))
	b.level("m1", "silver", newYear(2028))
	b.refund("1", "r1", 501, day(70, 0, 0))
	b.level("m1", "", time.Time{})
}

func TestATierIsKeptByGrowthThatSettlesAfterThePeriod(t *testing.T) {
	b := yearly(t)
	b.pay("m1", "0", 600, day(0, 10, 0)) // November of 2026
	b.tick(day(31, 10, 0))
	b.level("m1", "silver", newYear(2028))
	december := time.Date(2027, time.December, 27, 10, 0, 0, 0, shanghai)
	b.pay("m1", "1", 500, december)
	b.complete("1", december.Add(time.Hour))
	b.tick(newYear(2028))
	b.level("m1", "", time.Time{})
	b.tick(december.AddDate(0, 0, 8))
	b.level("m1", "silver", newYear(2030))
	b.refund("1", "r1", 1, december.AddDate(0, 0, 20))
	b.level("m1", "", time.Time{})
}

// An order that an operator takes back after the year's end counts in no year,
// and comes back for its own.
func TestAnOrderThatIsUnboundAfterTheYearLeavesItsYear(t *testing.T) {
	b := yearly(t)
	b.enrol("m2")
	b.post("1", points.Fact{Kind: points.FactPaid, At: day(50, 10, 0), Lines: []points.Line{{ID: "1", Quantity: 1, Paid: 60_000}}})
	b.post("1", points.Fact{Kind: points.FactBound, At: day(51, 10, 0), Member: "m1", Operator: "wang", Reason: "called"})
	b.tick(day(81, 10, 0))
	b.level("m1", "silver", newYear(2028))
	b.post("1", points.Fact{Kind: points.FactUnbound, At: day(82, 10, 0), Member: "m1", Operator: "wang", Reason: "mistaken"})
	b.level("m1", "", time.Time{})
	b.post("1", points.Fact{Kind: points.FactBound, At: day(83, 10, 0), Member: "m2", Operator: "wang", Reason: "called"})
	b.level("m2", "silver", newYear(2028))
}

// Two members who bought half of it each are one across the year's end.
func TestAMergeAcrossTheYearsEndCountsForTheYear(t *testing.T) {
	b := yearly(t)
	b.enrol("m2")
	b.pay("m1", "1", 300, day(50, 10, 0))
	b.pay("m2", "2", 300, day(56, 10, 0))
	b.tick(day(82, 10, 0))
	b.level("m1", "", time.Time{})
	before := b.account("m1")
	b.merge("m1", "m2", "x", day(83, 10, 0))
	b.level("m1", "", time.Time{}) // m2's is pending
	b.tick(day(87, 10, 0))
	b.level("m1", "silver", newYear(2028))
	b.unmerge("m1", "m2", "y", day(88, 10, 0))
	b.same("the whole", before)
}

// An order that earns no points may still give growth, and is settled for it.
func TestGrowthWithoutPoints(t *testing.T) {
	b := tiered(t, tiers.DemoteAtOnce)
	b.rules[0].Points.Rate = points.Rate{Points: 0, PerFen: 100}
	b.pay("m1", "1", 50, day(0, 10, 0))
	b.expect("m1", 0, 0, 0, day(30, 10, 0))
	b.tick(day(30, 12, 0))
	b.tier("silver", day(30, 12, 0))
}

// Two orders that settle in one firing count both, and both ways of arriving
// there leave the same.
func TestGrowthOfTwoOrdersInOneFiring(t *testing.T) {
	var accounts []store.Account
	for _, ticks := range [][]time.Time{{day(40, 0, 0)}, {day(30, 12, 0), day(32, 12, 0), day(40, 0, 0)}} {
		b := tiered(t, tiers.DemoteAtOnce)
		b.pay("m1", "1", 100, day(0, 10, 0))
		b.pay("m1", "2", 60, day(1, 10, 0))
		for _, at := range ticks {
			b.tick(at)
		}
		account := b.account("m1")
		account.Tier.Since, account.SettleAsked = time.Time{}, 0
		accounts = append(accounts, account)
	}
	if accounts[0].Tier.Level != "gold" || accounts[0].Growth["2026-11"] != loyalty.Points(320) {
		t.Errorf("%+v", accounts[0])
	}
	if diff := cmp.Diff(accounts[0], accounts[1]); diff != "" {
		t.Error(diff)
	}
}

// An order too small to count growth settles after the one that gave the tier:
// the schedule still looks when the tier's month leaves the window.
func TestASettlementThatCountsNothingKeepsTheTiersEndInMind(t *testing.T) {
	b := tiered(t, tiers.DemoteAtOnce)
	b.rules[0].Tiers.Growth.PerFen = 20_000
	b.rules[0].Version++
	b.must(b.store.Table.Write(t.Context(), store.PutProgram(b.rules[0])))
	b.pay("m1", "1", 15_000, day(0, 10, 0)) // 150 growth
	b.pay("m1", "2", 50, day(5, 10, 0))     // none
	b.tick(day(30, 12, 0))
	b.tier("silver", day(30, 12, 0))
	b.tick(day(36, 12, 0))
	if account := b.account("m1"); account.Balance.Pending != 0 || !account.SettleAt.Equal(month(14)) {
		t.Errorf("%d points pending, looked at again on %s", account.Balance.Pending, account.SettleAt)
	}
	b.tick(month(14))
	b.tier("", time.Time{})
}

// Two refunds of two orders, decided on one look at the account: each leaves the
// tier alone, and both together pass its level. The second is decided again.
func TestTwoChangesOfGrowthAreJudgedTogether(t *testing.T) {
	b := tiered(t, tiers.DemoteAtOnce)
	b.pay("m1", "1", 60, day(0, 10, 0))
	b.pay("m1", "2", 60, day(0, 10, 0)) // 240 growth together
	b.tick(day(30, 12, 0))
	b.tier("silver", day(30, 12, 0))
	looked := b.account("m1")
	refund := func(order string) ledger.News {
		key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order}
		log, err := b.store.Log(t.Context(), key)
		b.must(err)
		return ledger.News{
			Order: key, Seen: ledger.Seen{Log: log, Account: &looked},
			Fact: points.Fact{Kind: points.FactRefunded, At: day(31, 0, 0), Refunds: []points.Refund{{ID: "r1", Line: "1", Amount: 4_000}}},
		}
	}
	for _, order := range []string{"1", "2"} { // 160 growth is silver, 80 is none
		_, err := ledger.Post(t.Context(), b.store, b.rules, refund(order), day(31, 0, 0))
		b.must(err)
	}
	b.tier("", time.Time{})
}
