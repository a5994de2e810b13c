package liability_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/liability"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var shanghai = program.Default().Zone()

func day(n int) time.Time { return time.Date(2026, 11, 1+n, 10, 0, 0, 0, shanghai) }

// T is what *testing.T and *rapid.T have in common.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// brand has points that are good to the end of the month after the one they
// became available in, and takes check-ins.
type brand struct {
	T
	store   store.Store
	rules   program.Program
	members []loyalty.MemberID
}

func open(t T, members int) *brand {
	rules := program.Program{Version: 1, EffectiveAt: day(-30), Document: program.Default().Document}
	rules.Points.Expiry = &points.Expiry{Months: 1, EndOf: "month"}
	rules.Points.ReturnGraceDays = 7
	rules.Points.CheckIn = &points.CheckInRules{Daily: 3}
	b := &brand{T: t, store: store.Store{Table: embedded.Memory()}, rules: rules}
	b.must(b.store.Table.Write(b.ctx(), store.PutProgram(rules)))
	for i := range members {
		b.join(loyalty.MemberID(fmt.Sprintf("m%03d", i)))
	}
	return b
}

func (*brand) ctx() context.Context { return context.Background() }

func (b *brand) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%v", err)
	}
}

// may lets a refusal pass that is the ledger's own.
func (b *brand) may(err error) {
	b.Helper()
	if kind := loyalty.KindOf(err); err != nil && kind != loyalty.KindConflict && kind != loyalty.KindInvalid {
		b.Fatalf("%v", err)
	}
}

func (b *brand) join(member loyalty.MemberID) {
	b.members = append(b.members, member)
	b.must(b.store.Table.Write(b.ctx(), store.CreateAccount(member, store.Profile{}, nil, day(-1))...))
}

func (b *brand) post(order string, fact points.Fact) error {
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order}
	_, err := ledger.Post(b.ctx(), b.store, []program.Program{b.rules}, ledger.News{Order: key, Fact: fact}, fact.At)
	return err
}

// pay is an order of one line for so many yuan, which are as many points.
func (b *brand) pay(member loyalty.MemberID, order string, yuan loyalty.Fen, at time.Time) {
	b.Helper()
	b.must(b.post(order, points.Fact{Kind: points.FactPaid, At: at, Member: member, Lines: []points.Line{{ID: "1", Quantity: 1, Paid: 100 * yuan}}}))
}

func (b *brand) reserve(member loyalty.MemberID, id string, amount loyalty.Points, at time.Time) error {
	_, err := ledger.Reserve(b.ctx(), b.store, store.Reservation{
		Fact: points.Fact{At: at, Member: member}, ID: id, Points: amount, Reason: "exchange", ExpiresAt: at.AddDate(0, 0, 40),
	})
	return err
}

func (b *brand) adjust(member loyalty.MemberID, id string, amount loyalty.Points, at time.Time) error {
	_, err := ledger.Adjust(b.ctx(), b.store, store.Adjustment{
		Fact: points.Fact{Member: member}, ID: id, Points: amount, Reason: "goodwill", Proposed: store.Hand{Operator: "zhang", At: at},
	}, math.MaxInt64)
	return err
}

func (b *brand) tick(at time.Time) {
	b.Helper()
	f := settlepoints.Function{Store: b.store, Log: slog.New(slog.DiscardHandler)}
	b.must(f.Handle(b.ctx(), schedule.Tick{Time: at}))
}

// report walks to the end, so many members at a call.
func (b *brand) report(reconcile bool, limit int, at time.Time, between func(call int)) liability.Report {
	b.Helper()
	cursor := ""
	for call := 1; ; call++ {
		sums, done, next, err := liability.Walk(b.ctx(), b.store, liability.Question{Reconcile: reconcile}, cursor, limit, shanghai, at)
		b.must(err)
		if next == "" {
			if done.Shards != done.Of {
				b.Fatalf("at the end %d of %d shards were looked at", done.Shards, done.Of)
			}
			return liability.Of(sums, b.rules.Document)
		}
		if cursor = next; call > 10_000 {
			b.Fatalf("the walk does not end")
		}
		if between != nil {
			between(call)
		}
	}
}

// everyEntry reads the facts of the whole table as they stand there, by no index
// and by no function that the report uses.
func (b *brand) everyEntry() []points.Entry {
	b.Helper()
	var entries []points.Entry
	scan := table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := b.store.Table.Scan(b.ctx(), scan)
		b.must(err)
		for _, item := range page.Items {
			var fact struct{ Entries []points.Entry }
			if raw := item.Text("doc"); strings.Contains(raw, `"entries"`) {
				b.must(json.Unmarshal([]byte(raw), &fact))
			}
			entries = append(entries, fact.Entries...)
		}
		if scan.Cursor = page.Next; page.Next == "" {
			return entries
		}
	}
}

// booked adds entries up by the meaning of their kinds.
func booked(entries []points.Entry) liability.Totals {
	var t liability.Totals
	for _, e := range entries {
		t.Available += e.Available
		t.Pending += e.Pending
		t.Debt += e.Debt
		var lapsed loyalty.Points
		for _, lot := range e.Lots {
			lapsed += lot.Expired
		}
		t.Expired += lapsed
		gain := e.Available + e.Pending + lapsed - e.Debt
		switch e.Kind {
		case points.EntryEarn, points.EntryPrize, points.EntryCheckIn:
			t.Issued += gain
		case points.EntryClaw, points.EntryUnbind:
			t.Clawed -= gain
		case points.EntrySpend, points.EntryReturn:
			t.Spent -= gain
		case points.EntryAdjust:
			t.Issued += max(0, gain)
			t.Clawed += max(0, -gain)
		case points.EntrySettle, points.EntryExpire:
			if gain != 0 {
				panic(fmt.Sprintf("%s makes %d points", e.ID, gain))
			}
		default:
			panic("a kind of entry that no total knows: " + string(e.Kind))
		}
	}
	return t
}

// checked holds a report to the ledger, to the point.
func (b *brand) checked(r liability.Report) {
	b.Helper()
	if diff := cmp.Diff(booked(b.everyEntry()), r.Totals); diff != "" {
		b.Errorf("the report (+) is not what all entries add up to (-):\n%s", diff)
	}
	if r.Difference != 0 {
		b.Errorf("double entry leaves %d points over", r.Difference)
	}
	dated, lapsed := loyalty.Points(0), loyalty.Points(0)
	for _, month := range r.Ending {
		dated += month.Points
	}
	for _, month := range r.Lapsed {
		lapsed += month.Points
	}
	if dated+r.Ended+r.NeverEnding != r.Available || r.NeverEnding < 0 || r.Ended < 0 {
		b.Errorf("%d that end, %d that ended and %d that never end are not the %d available", dated, r.Ended, r.NeverEnding, r.Available)
	}
	if lapsed != r.Expired {
		b.Errorf("by month %d expired, in all %d", lapsed, r.Expired)
	}
}

// live is a random history of some members through the real functions, and when
// it ends.
func (b *brand) live(t *rapid.T) time.Time {
	today, orders := 0, 0
	id := func(kind string, step int) string { return fmt.Sprintf("%s%d", kind, step) }
	for step := range rapid.IntRange(5, 60).Draw(t, "steps") {
		today += rapid.IntRange(0, 9).Draw(t, "days")
		at := day(today)
		member := rapid.SampledFrom(b.members).Draw(t, "member")
		earlier := func() string { return fmt.Sprint(rapid.IntRange(0, max(0, orders-1)).Draw(t, "order")) }
		before := fmt.Sprint(rapid.IntRange(0, step).Draw(t, "step"))
		amount := loyalty.Points(rapid.IntRange(1, 120).Draw(t, "amount"))
		switch rapid.SampledFrom([]string{"pay", "pay", "pay", "refund", "complete", "cancel", "reserve", "reserve", "commit", "return", "adjust", "check in", "tick", "tick", "bind", "unbind", "overdraw"}).Draw(t, "what") {
		case "pay":
			b.pay(member, fmt.Sprint(orders), loyalty.Fen(amount), at)
			orders++
		case "refund":
			b.may(b.post(earlier(), points.Fact{Kind: points.FactRefunded, At: at, Refunds: []points.Refund{{ID: id("r", step), Line: "1", Amount: 50 * loyalty.Fen(amount)}}}))
		case "complete":
			b.must(b.post(earlier(), points.Fact{Kind: points.FactCompleted, At: at}))
		case "cancel":
			b.must(b.post(earlier(), points.Fact{Kind: points.FactCancelled, At: at}))
		case "reserve":
			b.may(b.reserve(member, id("v", step), amount/2+1, at))
		case "commit", "return":
			finish := ledger.Commit
			if amount%2 == 0 {
				finish = ledger.Cancel
			}
			if _, err := finish(b.ctx(), b.store, member, "v"+before, at); loyalty.KindOf(err) != loyalty.KindNotFound {
				b.may(err)
			}
		case "adjust":
			b.may(b.adjust(member, id("j", step), amount-60, at))
		case "check in":
			_, _, err := ledger.CheckIn(b.ctx(), b.store, b.rules, member, "", at)
			b.must(err)
		case "tick":
			b.tick(at)
		case "bind":
			b.may(b.post(fmt.Sprint("free", before), points.Fact{Kind: points.FactPaid, At: at, Lines: []points.Line{{ID: "1", Quantity: 1, Paid: 100 * loyalty.Fen(amount)}}}))
			b.may(b.post(fmt.Sprint("free", before), points.Fact{Kind: points.FactBound, At: at, Member: member, Operator: "li", Reason: "receipt"}))
		case "overdraw": // spent before it went back
			b.pay(member, fmt.Sprint(orders), loyalty.Fen(amount), at)
			today += 31
			at = day(today)
			b.tick(at)
			account, err := b.store.Account(b.ctx(), member)
			b.must(err)
			b.may(b.reserve(member, id("o", step), max(1, account.Points(at).Spendable()), at))
			b.must(b.post(fmt.Sprint(orders), points.Fact{Kind: points.FactCancelled, At: at}))
			orders++
		case "unbind":
			b.may(b.post(fmt.Sprint("free", before), points.Fact{Kind: points.FactUnbound, At: at, Member: member, Operator: "li", Reason: "mistake"}))
		}
	}
	return day(today)
}

func TestTheReportIsWhatAllEntriesAddUpTo(t *testing.T) {
	seen := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		b := open(t, rapid.IntRange(1, 12).Draw(t, "members"))
		at := b.live(t)
		whole := b.report(false, liability.MaxMembers, at, nil)
		b.checked(whole)
		if int(whole.Members) != len(b.members) {
			b.Errorf("%d of %d members were looked at", whole.Members, len(b.members))
		}
		paged := b.report(false, rapid.IntRange(1, 5).Draw(t, "limit"), at, nil)
		if diff := cmp.Diff(whole, paged); diff != "" {
			b.Errorf("page by page (+) it is another report than at once (-):\n%s", diff)
		}
		reconciled := b.report(true, rapid.IntRange(1, 5).Draw(t, "limit"), at, nil)
		if c := reconciled.Reconciled; c.Differ != 0 || c.Difference != 0 || c.Ledger != whole.Totals {
			b.Errorf("the ledger says %+v, the accounts %+v", c, whole.Totals)
		}
		for _, cohort := range reconciled.Reconciled.Cohorts {
			if cohort.Month > liability.Month(at.Format("2006-01")) {
				b.Errorf("%s has not ended by %v", cohort.Month, at)
			}
		}
		reconciled.Reconciled = nil
		if diff := cmp.Diff(whole, reconciled); diff != "" {
			b.Errorf("with the ledger read (+) it is another report than without (-):\n%s", diff)
		}
		for name, is := range map[string]bool{
			"debt": whole.Debt > 0, "pending": whole.Pending > 0, "spent": whole.Spent > 0, "expired": whole.Expired > 0, "clawed back": whole.Clawed > 0,
			"ended": whole.Ended > 0, "never ending": whole.NeverEnding > 0, "ending": len(whole.Ending) > 0,
		} {
			seen[name] = seen[name] || is
		}
	})
	for _, name := range []string{"debt", "pending", "spent", "expired", "clawed back", "ended", "ending"} {
		if !seen[name] {
			t.Errorf("no history had points of this kind: %s", name)
		}
	}
}

// A change while the walk goes on may be in it or not; the books balance.
func TestActivityDuringTheWalk(t *testing.T) {
	b := open(t, 150)
	for i, member := range b.members {
		b.pay(member, fmt.Sprint("before", i), 100, day(0))
	}
	b.tick(day(31))
	calls := 0
	report := b.report(false, 10, day(31), func(call int) {
		calls = call
		at := day(31).Add(time.Duration(call) * time.Minute)
		for i := range 5 {
			member := b.members[(37*call+i)%150]
			b.pay(member, fmt.Sprint("during", call, "-", i), 10, at)
			b.may(b.reserve(member, fmt.Sprint("v", call, "-", i), 7, at))
		}
		b.must(b.post(fmt.Sprint("before", call), points.Fact{Kind: points.FactCancelled, At: at}))
		b.join(loyalty.MemberID(fmt.Sprint("late", call)))
	})
	if calls < 15 {
		t.Errorf("the walk took %d calls", calls)
	}
	if report.Difference != 0 {
		t.Errorf("double entry leaves %d points over", report.Difference)
	}
	if report.Members < 150 || report.Members > 150+int64(calls) {
		t.Errorf("%d members were looked at", report.Members)
	}
	least, most := loyalty.Points(150*100), loyalty.Points(150*100+50*calls)
	if report.Issued < least || report.Issued > most {
		t.Errorf("%d points were issued, of %d before the walk and %d after it", report.Issued, least, most)
	}
	b.checked(b.report(false, 10, day(31), nil))
}

// A counter that moves without an entry, and an entry without a counter, are
// found, and whose they are.
func TestReconcilingFindsWhatDiffers(t *testing.T) {
	b := open(t, 5)
	for i, member := range b.members {
		b.pay(member, fmt.Sprint(i), 100, day(0))
	}
	b.must(b.store.Table.Write(b.ctx(), table.Update(table.AccountKey("m001"), []table.Change{table.Add("available", 3)})))
	b.must(b.store.Table.Write(b.ctx(), table.Update(table.AccountKey("m003"), []table.Change{table.Add("issued", -2), table.Add("spent", -2)})))
	report := b.report(true, 2, day(1), nil)
	if report.Difference != -3 || report.Reconciled.Difference != 3 || report.Reconciled.Differ != 2 {
		t.Errorf("left over %d; the ledger says %d less of %d members", report.Difference, report.Reconciled.Difference, report.Reconciled.Differ)
	}
	slices.Sort(report.Reconciled.Members)
	if diff := cmp.Diff([]loyalty.MemberID{"m001", "m003"}, report.Reconciled.Members); diff != "" {
		t.Error(diff)
	}
	if want := booked(b.everyEntry()); report.Reconciled.Ledger != want {
		t.Errorf("the ledger is %+v, want %+v", report.Reconciled.Ledger, want)
	}
}

// Two truths about the same points: the month has ended, and the schedule that
// writes off has not come yet.
func TestEndedBeforeTheScheduleWritesOff(t *testing.T) {
	b := open(t, 1)
	b.rules.Points.ValuePerPoint = &points.Value{Fen: 1, PerPoints: 3}
	b.pay("m000", "1", 100, day(0)) // available in December, good to the end of January
	b.tick(day(31))
	end := time.Date(2027, 2, 1, 0, 0, 0, 0, shanghai)
	before := b.report(false, 10, end.Add(-time.Second), nil)
	if diff := cmp.Diff([]liability.MonthPoints{{Month: "2027-01", Points: 100}}, before.Ending); diff != "" || before.Ended != 0 || before.Liability != 100 {
		t.Errorf("%s; %d ended, %d are owed", diff, before.Ended, before.Liability)
	}
	after := b.report(false, 10, end, nil)
	if len(after.Ending) != 0 || after.Ended != 100 || after.Outstanding != 100 || after.Liability != 0 || after.Money.Outstanding != 34 || after.Money.Liability != 0 {
		t.Errorf("when the month is over: %+v, %+v", after, after.Money)
	}
	b.tick(end.Add(time.Hour))
	off := b.report(false, 10, end.Add(2*time.Hour), nil)
	if diff := cmp.Diff([]liability.MonthPoints{{Month: "2027-01", Points: 100}}, off.Lapsed); diff != "" || off.Ended != 0 || off.Outstanding != 0 || off.Expired != 100 {
		t.Errorf("%s; written off: %+v", diff, off)
	}
}

func TestBreakage(t *testing.T) {
	b := open(t, 2)
	b.rules.Points.ValuePerPoint = &points.Value{Fen: 1, PerPoints: 7}
	months := []loyalty.Points{40, 25, 10, 0} // of 100, 100, 100 and 100 what is spent in time
	for i, spent := range months {
		paid := time.Date(2027, time.Month(1+i), 2, 10, 0, 0, 0, shanghai)
		b.pay("m000", fmt.Sprint(i), 100, paid)
		settled := paid.AddDate(0, 0, 30)
		b.tick(settled)
		if spent > 0 {
			b.must(b.reserve("m000", fmt.Sprint("v", i), spent, settled.Add(time.Hour)))
			_, err := ledger.Commit(b.ctx(), b.store, "m000", fmt.Sprint("v", i), settled.Add(2*time.Hour))
			b.must(err)
		}
		if i == 1 {
			early := b.report(true, 10, settled.Add(3*time.Hour), nil)
			if early.Breakage.State != liability.NotEnoughHistory || early.Breakage.Expected != 0 || early.Liability != early.Outstanding-early.Ended {
				t.Errorf("with a month of history: %+v", early.Breakage)
			}
		}
	}
	b.pay("m001", "pending", 50, time.Date(2027, 5, 30, 10, 0, 0, 0, shanghai))
	at := time.Date(2027, 6, 1, 10, 0, 0, 0, shanghai) // what settled in May is good to the end of June
	b.tick(at)
	r := b.report(true, 10, at, nil)
	var expired, spent, dated loyalty.Points
	for _, cohort := range r.Reconciled.Cohorts {
		expired, spent = expired+cohort.Expired, spent+cohort.Spent
		if want := int64(10_000 * cohort.Expired / (cohort.Expired + cohort.Spent)); cohort.BasisPoints != want {
			t.Errorf("%s: %d, want %d", cohort.Month, cohort.BasisPoints, want)
		}
	}
	for _, month := range r.Ending {
		dated += month.Points
	}
	if expired != r.Expired || spent != 75 || r.Spent != 75 || len(r.Reconciled.Cohorts) != 3 || dated != 100 {
		t.Fatalf("%d expired, %d spent, %d still end: %+v", expired, spent, dated, r.Reconciled.Cohorts)
	}
	want := dated * expired / (expired + spent)
	if r.Breakage.State != liability.Estimated || r.Breakage.Expected != want || r.Breakage.BasisPoints != int64(10_000*expired/(expired+spent)) {
		t.Errorf("%+v, want %d to lapse of %d", r.Breakage, want, dated)
	}
	if r.Liability != r.Outstanding-want || r.Outstanding != 150 || r.Money.Outstanding != 22 || r.Money.Liability != loyalty.Fen((r.Liability+6)/7) {
		t.Errorf("%d of %d are owed: %+v", r.Liability, r.Outstanding, r.Money)
	}
}

// A member who was merged counts in the one they were merged into, and one who
// was erased counts apart; the books balance and are the ledger's at every
// step.
func TestMergedAndErasedMembers(t *testing.T) {
	b := open(t, 3)
	for i, member := range b.members {
		b.pay(member, fmt.Sprint(i), 100, day(0))
	}
	b.tick(day(31))
	b.must(b.reserve("m001", "v", 30, day(32)))
	_, err := ledger.Commit(b.ctx(), b.store, "m001", "v", day(32))
	b.must(err)
	expect := func(step string, members int64, outstanding, issued, spent, erased loyalty.Points) {
		t.Helper()
		r := b.report(true, 2, day(40), nil)
		if r.Erased != erased || r.Liability != outstanding-erased {
			t.Errorf("%s: %d of %d points are of %d erased members, and %d are owed", step, r.Erased, r.Outstanding, r.ErasedMembers, r.Liability)
		}
		if r.Members != members || r.Outstanding != outstanding || r.Issued != issued || r.Spent != spent {
			t.Errorf("%s: %d members, %d outstanding, %d issued, %d spent", step, r.Members, r.Outstanding, r.Issued, r.Spent)
		}
		if c := r.Reconciled; r.Difference != 0 || c.Differ != 0 || c.Difference != 0 {
			t.Errorf("%s: double entry leaves %d over, the ledger says %d less of %v", step, r.Difference, c.Difference, c.Members)
		}
	}
	expect("before", 3, 270, 300, 30, 0)
	hand := store.Hand{Operator: "zhang", At: day(33)}
	_, err = ledger.Merge(b.ctx(), b.store, store.Merge{ID: "1", Into: "m000", Part: "m001", By: hand, Reason: "same person"})
	b.must(err)
	expect("merged", 2, 270, 270, 0, 0)
	b.must(b.post("1", points.Fact{Kind: points.FactRefunded, At: day(34), Refunds: []points.Refund{{ID: "r", Line: "1", Amount: 2_000}}}))
	b.pay("m001", "later", 10, day(34))
	expect("news of the part's orders", 2, 260, 280, 0, 0)
	_, err = ledger.Unmerge(b.ctx(), b.store, "m000", "m001", "2", "two persons", store.Hand{Operator: "li", At: day(35)})
	b.must(err)
	// The 20 of the refund stay in issued and clawed back of the whole as well.
	expect("undone", 3, 260, 330, 30, 0)
	b.must(enrolment.Erase(b.ctx(), b.store, "m002", store.Erasure{By: store.Hand{Operator: "zhang", At: day(36)}}))
	expect("erased", 2, 260, 330, 30, 100)
	// A member is erased with those who were merged into them, and counts once.
	_, err = ledger.Merge(b.ctx(), b.store, store.Merge{ID: "3", Into: "m000", Part: "m001", By: hand, Reason: "the same after all"})
	b.must(err)
	b.must(enrolment.Erase(b.ctx(), b.store, "m000", store.Erasure{By: store.Hand{Operator: "zhang", At: day(36)}}))
	// Orders of erased members are still given back.
	b.must(b.post("2", points.Fact{Kind: points.FactRefunded, At: day(37), Refunds: []points.Refund{{ID: "r", Line: "1", Amount: 4_000}}}))
	b.must(b.post("0", points.Fact{Kind: points.FactRefunded, At: day(37), Refunds: []points.Refund{{ID: "r", Line: "1", Amount: 10_000}}}))
	expect("all erased", 0, 120, 280, 0, 120)
}

// A member who is erased while the walk goes on may be missing, and counts at
// most once.
func TestErasedDuringTheWalk(t *testing.T) {
	b := open(t, 40)
	for i, member := range b.members {
		b.pay(member, fmt.Sprint(i), 100, day(0))
	}
	r := b.report(false, 1, day(1), func(call int) {
		if call <= len(b.members) {
			b.must(enrolment.Erase(b.ctx(), b.store, b.members[call-1], store.Erasure{By: store.Hand{Operator: "zhang", At: day(1)}}))
		}
	})
	if looked := r.Members + r.ErasedMembers; looked == 0 || looked >= 40 || r.Issued != loyalty.Points(100*looked) || r.Difference != 0 {
		t.Errorf("%d of 40 members were looked at, with %d points, %d over", looked, r.Issued, r.Difference)
	}
	b.checked(b.report(true, 10, day(1), nil))
}

// The points that erased members have, owe and let lapse say nothing of what
// the others will spend.
func TestErasedMembersAreNoEstimate(t *testing.T) {
	living := liability.Sums{
		Members: 1, Totals: liability.Totals{Issued: 300, Available: 110, Pending: 20, Spent: 90, Expired: 90, Debt: 10},
		Ending: map[liability.Month]loyalty.Points{"2027-06": 100}, Ended: 10, Lapsed: map[liability.Month]loyalty.Points{"2027-01": 30, "2027-02": 30, "2027-03": 30},
	}
	all := living
	all.Totals = liability.Totals{Issued: 1_357, Available: 810, Pending: 20, Spent: 90, Expired: 490, Debt: 53}
	all.Ending = map[liability.Month]loyalty.Points{"2027-06": 300, "2027-07": 400}
	all.Ended, all.Lapsed = 110, map[liability.Month]loyalty.Points{"2027-01": 430, "2027-02": 30, "2027-03": 30}
	all.Erased = liability.Erased{Members: 2, Outstanding: 657, Dated: 600, Ended: 100, Expired: 400}
	want, got := liability.Of(living, program.Default().Document), liability.Of(all, program.Default().Document)
	if got.Breakage != want.Breakage || got.Liability != want.Liability || want.Liability != 60 || got.Outstanding != want.Outstanding+got.Erased || got.Difference != 0 {
		t.Errorf("%+v, without them %+v", got, want)
	}
}

func forged(shard int, months string) string {
	return census.Cursor(liability.Question{}, json.RawMessage(fmt.Sprintf(`{"place":{"shard":%d},"ending":%s,"expired":{}}`, shard, months)))
}

func TestACursorOfAnotherQuestion(t *testing.T) {
	b := open(t, 3)
	_, _, cursor, err := liability.Walk(b.ctx(), b.store, liability.Question{}, "", 1, shanghai, day(0))
	b.must(err)
	changed := []byte(cursor)
	changed[len(changed)/2] ^= 1
	for name, test := range map[string]struct {
		asked  liability.Question
		cursor string
	}{
		"of the report alone": {liability.Question{Reconcile: true}, cursor},
		"changed":             {liability.Question{}, string(changed)},
		"cut":                 {liability.Question{}, cursor[:len(cursor)-4]},
		"none":                {liability.Question{}, "x"},
		"with a line break":   {liability.Question{}, cursor + "\n"},
		"of a place before":   {liability.Question{}, forged(-2, "{}")},
		"of the end":          {liability.Question{}, forged(64, "{}")},
		"without months":      {liability.Question{}, forged(0, "null")},
	} {
		if _, _, _, err := liability.Walk(b.ctx(), b.store, test.asked, test.cursor, 1, shanghai, day(0)); loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The cursor travels in an address, of which API Gateway takes some 10 KB: ten
// years of months that ended and five of such that will.
func TestACursorFitsIntoAnAddress(t *testing.T) {
	b := open(t, 2)
	expiry := points.Expiry{Months: 60, EndOf: "month"}
	for i := range 180 {
		at := time.Date(2017, time.Month(1+i), 1, 10, 0, 0, 0, shanghai)
		until := *expiry.Until(at.AddDate(-5, 0, 0), shanghai)
		entry := points.Entry{ID: fmt.Sprint(i), Kind: points.EntryPrize, Available: 1_234_567_890, Lots: []points.Share{{Until: until, Points: 1_234_567_890}}}
		if until.Before(day(0)) {
			entry.Lots[0] = points.Share{Until: until, Expired: 1_234_567_890}
		}
		for _, member := range b.members {
			changes, _ := store.Credit([]points.Entry{entry}, store.Account{Member: member})
			b.must(b.store.Table.Write(b.ctx(), store.UpdateAccount(member, changes)))
		}
	}
	_, _, cursor, err := liability.Walk(b.ctx(), b.store, liability.Question{}, "", 1, shanghai, day(0))
	b.must(err)
	if len(cursor) < 3000 || len(cursor) > 8192 {
		t.Errorf("the cursor has %d bytes", len(cursor))
	}
}

func TestEveryFigureHasADefinition(t *testing.T) {
	definitions := liability.Definitions()
	r := liability.Of(liability.Sums{
		Ending: map[liability.Month]loyalty.Points{"2026-12": 1}, Lapsed: map[liability.Month]loyalty.Points{"2026-10": 1},
		Ledger: &liability.Reconciliation{Apart: []loyalty.MemberID{"m"}, Lapses: map[liability.Month]liability.Lapse{"2026-10": {}}},
	}, program.Document{Points: points.Rules{ValuePerPoint: &points.Value{Fen: 1, PerPoints: 1}}})
	for _, row := range r.Rows() {
		if liability.DefinitionOf(definitions, row.Figure) == "" {
			t.Errorf("%s has no definition", row.Figure)
		}
	}
}

func TestValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := points.Value{Fen: loyalty.Fen(rapid.Int64Range(1, 1e9).Draw(t, "fen")), PerPoints: loyalty.Points(rapid.Int64Range(1, 1e9).Draw(t, "per"))}
		amount := rapid.Int64Range(-10, math.MaxInt64).Draw(t, "amount")
		exact := new(big.Int).Mul(big.NewInt(max(0, amount)), big.NewInt(int64(value.Fen)))
		whole, rest := new(big.Int).QuoRem(exact, big.NewInt(int64(value.PerPoints)), new(big.Int))
		if rest.Sign() > 0 {
			whole.Add(whole, big.NewInt(1))
		}
		if !whole.IsInt64() {
			whole.SetInt64(math.MaxInt64)
		}
		if got := value.Of(loyalty.Points(amount)); int64(got) != whole.Int64() {
			t.Errorf("%d points at %+v are %d fen, want %v", amount, value, got, whole)
		}
	})
}
