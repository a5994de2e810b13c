package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// daily gives 10 points a day, and 5 more on every third day in a row.
func daily() program.Program {
	rules := program.Default()
	rules.Version = 3
	rules.Points.CheckIn = &points.CheckInRules{Daily: 10, Streak: []points.StreakBonus{{Days: 3, Bonus: 5}}, CycleDays: 3}
	return rules
}

// midnight is the one in Shanghai with which 22 November begins.
var midnight = time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)

func (p purse) checkIn(request string, at time.Time) (points.CheckIn, bool, error) {
	return ledger.CheckIn(p.ctx, p.store, daily(), "m", request, at)
}

// ledgerSum adds up what stands in the member's history, with the ids of its
// entries, newest first.
func (p purse) ledgerSum() (points.Balance, []string) {
	p.Helper()
	history, _, err := p.store.History(p.ctx, "m", 100, "")
	if err != nil {
		p.Fatalf("%v", err)
	}
	var sum points.Balance
	var ids []string
	for _, record := range history {
		for _, entry := range record.Entries {
			sum = sum.Plus(entry)
			ids = append(ids, entry.ID)
		}
	}
	return sum, ids
}

func TestACheckInCountsOnceADay(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{})
	want := points.CheckIn{Day: "2026-11-21", Streak: 1, Points: 10}
	for i, at := range []time.Time{noon, noon, midnight.Add(-time.Second)} {
		got, fresh, err := p.checkIn(fmt.Sprint("request-", i), at)
		if err != nil || got != want || fresh != (i == 0) {
			t.Errorf("call %d: %+v, %v, %v", i, got, fresh, err)
		}
	}
	sum, ids := p.ledgerSum()
	if sum != (points.Balance{Available: 10}) || sum != p.balance() || cmp.Diff([]string{"checkin:2026-11-21"}, ids) != "" {
		t.Errorf("ledger %+v %v, balance %+v", sum, ids, p.balance())
	}
	history, _, err := p.store.History(p.ctx, "m", 10, "")
	if err != nil || history[0].Kind != points.FactCheckIn || history[0].Program != 3 || !history[0].At.Equal(noon) {
		t.Errorf("history %+v, %v", history, err)
	}
}

func TestTheDayTurnsAtMidnightInShanghai(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{})
	for i, step := range []struct {
		at    time.Time
		fresh bool
		want  points.CheckIn
	}{
		{midnight.Add(-time.Second), true, points.CheckIn{Day: "2026-11-21", Streak: 1, Points: 10}},
		{midnight.Add(-time.Nanosecond), false, points.CheckIn{Day: "2026-11-21", Streak: 1, Points: 10}},
		{midnight, true, points.CheckIn{Day: "2026-11-22", Streak: 2, Points: 10}},
		{midnight.Add(-time.Second), false, points.CheckIn{Day: "2026-11-22", Streak: 2, Points: 10}}, // from a clock behind
		{midnight.Add(48*time.Hour - time.Second), true, points.CheckIn{Day: "2026-11-23", Streak: 3, Points: 15}},
		{midnight.Add(72 * time.Hour), true, points.CheckIn{Day: "2026-11-25", Streak: 1, Points: 10}}, // the 24th was missed
	} {
		got, fresh, err := p.checkIn(fmt.Sprint(i), step.at)
		if err != nil || got != step.want || fresh != step.fresh {
			t.Errorf("step %d: %+v, %v, %v, want %+v, %v", i, got, fresh, err, step.want, step.fresh)
		}
	}
	days, err := p.store.CheckIns(t.Context(), "m", "2026-11")
	if err != nil || len(days) != 4 || days[0].Day != "2026-11-21" || days[3].Day != "2026-11-25" {
		t.Errorf("calendar %+v, %v", days, err)
	}
	if days, err := p.store.CheckIns(t.Context(), "m", "2026-12"); err != nil || len(days) != 0 {
		t.Errorf("calendar of December %+v, %v", days, err)
	}
	if p.balance() != (points.Balance{Available: 45}) {
		t.Errorf("balance %+v", p.balance())
	}
}

// Sixty-four at once, some before and some after midnight: each day counts
// once, and the streak is that of the days that count.
func TestParallelCheckIns(t *testing.T) {
	for name, test := range map[string]struct {
		owes loyalty.Points
		at   func(i int) time.Time
	}{
		"on one day":      {0, func(int) time.Time { return noon }},
		"in debt":         {4, func(int) time.Time { return noon }},
		"around midnight": {0, func(i int) time.Time { return midnight.Add(time.Duration(i%2-1) * time.Second) }},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPurse(t, t.Context(), points.Balance{Debt: test.owes})
			var made atomic.Int64
			var wait sync.WaitGroup
			start := make(chan struct{})
			for i := range 64 {
				wait.Go(func() {
					<-start
					got, fresh, err := p.checkIn(fmt.Sprint(i), test.at(i))
					if err != nil || got.Points != 10 {
						t.Errorf("%+v, %v", got, err)
					}
					if fresh {
						made.Add(1)
					}
				})
			}
			close(start)
			wait.Wait()
			account, err := p.store.Account(t.Context(), "m")
			if err != nil {
				t.Fatal(err)
			}
			sum, ids := p.ledgerSum()
			days := made.Load()
			if days != int64(len(ids)) || days != account.CheckIn.Streak || name != "around midnight" && days != 1 {
				t.Errorf("%d check-ins were made, the ledger has %v, the streak is %d", days, ids, account.CheckIn.Streak)
			}
			if has := account.Balance; has != (points.Balance{Available: sum.Available, Debt: sum.Debt + test.owes}) || int64(has.Available-has.Debt) != 10*days-int64(test.owes) || has.Debt != 0 {
				t.Errorf("balance %+v, ledger %+v", has, sum)
			}
		})
	}
}

// lossy commits and loses the answer, so many times.
type lossy struct {
	table.Table
	left int
}

func (l *lossy) Write(ctx context.Context, actions ...table.Action) error {
	err := l.Table.Write(ctx, actions...)
	if err == nil && l.left > 0 {
		l.left--
		return loyalty.Refuse(loyalty.KindUnavailable, "timed_out", "")
	}
	return err
}

// The write happened, its answer was lost, and the client asks again with the
// same key, when it is already tomorrow.
func TestTheRepeatOfALostAnswerIsTheSameCheckIn(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{})
	p.store.Table = &lossy{p.store.Table, 1}
	if _, _, err := p.checkIn("lost", midnight.Add(-time.Second)); loyalty.KindOf(err) != loyalty.KindUnavailable {
		t.Fatalf("the answer was not lost: %v", err)
	}
	want := points.CheckIn{Day: "2026-11-21", Streak: 1, Points: 10}
	for _, late := range []time.Duration{-time.Millisecond, 0, time.Minute} {
		if got, fresh, err := p.checkIn("lost", midnight.Add(late)); err != nil || !fresh || got != want {
			t.Errorf("%s after midnight: %+v, %v, %v", late, got, fresh, err)
		}
	}
	if got, fresh, err := p.checkIn("new", midnight); err != nil || !fresh || got.Streak != 2 {
		t.Errorf("today's own: %+v, %v, %v", got, fresh, err)
	}
	if p.balance() != (points.Balance{Available: 20}) {
		t.Errorf("balance %+v", p.balance())
	}
	// A key that was forgotten long ago stands for a new request.
	if got, fresh, err := p.checkIn("new", midnight.AddDate(0, 2, 0)); err != nil || !fresh || got.Day != "2027-01-22" {
		t.Errorf("two months later: %+v, %v, %v", got, fresh, err)
	}
}

func TestRefusalsOfCheckInsChangeNothing(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 10, Debt: 1})
	before := p.everything()
	closed := daily()
	closed.Points.CheckIn = nil
	for want, call := range map[string]struct {
		rules  program.Program
		member loyalty.MemberID
	}{"check_in_closed": {closed, "m"}, "member_unknown": {daily(), "nobody"}} {
		if _, _, err := ledger.CheckIn(p.ctx, p.store, call.rules, call.member, "r", noon); code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if diff := cmp.Diff(before, p.everything()); diff != "" {
		t.Error(diff)
	}
	if _, _, err := p.checkIn("r", noon); err != nil {
		t.Fatal(err)
	}
	if got, fresh, err := ledger.CheckIn(p.ctx, p.store, closed, "m", "other", noon); err != nil || fresh || got.Points != 10 {
		t.Errorf("what the day gave is not told any more: %+v, %v, %v", got, fresh, err)
	}
}

// The record of a day stays, whatever is decided about it later, and only
// one that saw the last check-in may put the next.
func TestACheckInIsNeverWrittenOver(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{})
	for i := range 2 {
		if _, _, err := p.checkIn(fmt.Sprint(i), noon.AddDate(0, 0, i)); err != nil {
			t.Fatal(err)
		}
	}
	account, err := p.store.Account(t.Context(), "m")
	if err != nil {
		t.Fatal(err)
	}
	before := p.everything()
	for name, c := range map[string]struct {
		was store.LastCheckIn
		day points.Day
	}{
		"a day again":        {account.CheckIn, "2026-11-21"},
		"by an older last":   {store.LastCheckIn{CheckIn: points.CheckIn{Day: "2026-11-21", Streak: 1, Points: 10}, Request: "0"}, "2026-11-23"},
		"as if it was first": {store.LastCheckIn{}, "2026-11-23"},
	} {
		is := store.LastCheckIn{CheckIn: points.CheckIn{Day: c.day, Streak: 1, Points: 10}}
		seen := account
		seen.CheckIn = c.was
		fact := points.Fact{Kind: points.FactCheckIn, At: noon, Member: "m", Entries: is.Credit(nil, account.Points(noon))}
		if err := p.store.Table.Write(p.ctx, store.CheckIn(seen, is, fact)...); !store.Refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, p.everything()); diff != "" {
		t.Error(diff)
	}
}

// erasing removes the account just before a write that changes it.
type erasing struct{ table.Table }

func (e erasing) Write(ctx context.Context, actions ...table.Action) error {
	if err := e.Table.Write(ctx, table.Delete(table.AccountKey("m"))); err != nil {
		return err
	}
	return e.Table.Write(ctx, actions...)
}

func TestAMemberWhoIsErasedMeanwhileIsNotMadeAgain(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{})
	raced := purse{t, t.Context(), store.Store{Table: erasing{p.store.Table}}}
	if _, _, err := raced.checkIn("r", noon); code(err) != "member_unknown" {
		t.Errorf("%v", err)
	}
	if days, err := p.store.CheckIns(t.Context(), "m", "2026-11"); err != nil || len(days) != 0 {
		t.Errorf("a check-in of nobody: %+v, %v", days, err)
	}
}

// Points of check-ins end as others do.
func TestPointsOfACheckInExpire(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Debt: 4})
	rules := daily()
	rules.Points.Expiry = &points.Expiry{Months: 1, EndOf: "month"}
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, rules.Zone())
	if _, _, err := ledger.CheckIn(p.ctx, p.store, rules, "m", "r", noon); err != nil {
		t.Fatal(err)
	}
	settle := settlepoints.Function{Store: p.store, Log: slog.New(slog.DiscardHandler)}
	for _, test := range []struct {
		at   time.Time
		want loyalty.Points
	}{{end.Add(-time.Second), 6}, {end, 0}} {
		if err := settle.Handle(p.ctx, schedule.Tick{Time: test.at}); err != nil {
			t.Fatal(err)
		}
		if got := p.balance(); got != (points.Balance{Available: test.want}) {
			t.Errorf("at %s: %+v, want %d available", test.at, got, test.want)
		}
	}
}

// A day that gives nothing counts for the streak and stands in no ledger.
func TestADayWithoutPointsCounts(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Debt: 3})
	rules := daily()
	rules.Points.CheckIn = &points.CheckInRules{Streak: []points.StreakBonus{{Days: 2, Bonus: 4}}}
	for i, want := range []points.CheckIn{{Day: "2026-11-21", Streak: 1}, {Day: "2026-11-22", Streak: 2, Points: 4}} {
		if got, fresh, err := ledger.CheckIn(p.ctx, p.store, rules, "m", fmt.Sprint(i), noon.AddDate(0, 0, i)); err != nil || !fresh || got != want {
			t.Errorf("%+v, %v, %v, want %+v", got, fresh, err, want)
		}
	}
	if _, ids := p.ledgerSum(); len(ids) != 1 || p.balance() != (points.Balance{Available: 1}) {
		t.Errorf("ledger %v, balance %+v", ids, p.balance())
	}
}

// Whenever a member comes and whatever they owe, the entries add up to the
// counters and every day counts once.
func TestAnyCheckInsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := openPurse(t, context.Background(), points.Balance{})
		now, lent := noon, loyalty.Points(0)
		last := map[points.Day]points.CheckIn{}
		for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "hours")) * time.Hour)
			if available := p.balance().Available; rapid.IntRange(0, 3).Draw(t, "claw") == 0 {
				owed := loyalty.Points(rapid.Int64Range(1, 30).Draw(t, "owed"))
				p.give(points.Balance{Available: -available, Debt: owed}) // a refund after they spent it all
				lent += available + owed
			}
			day := points.DayOf(now, daily().Zone())
			got, fresh, err := p.checkIn(fmt.Sprint(i), now)
			known, was := last[day]
			if err != nil || fresh == was || was && got != known {
				t.Fatalf("%s: %+v, %v, %v; before: %+v", day, got, fresh, err, known)
			}
			last[day] = got
		}
		sum, ids := p.ledgerSum()
		has := p.balance()
		if len(ids) != len(last) || sum.Available-sum.Debt-lent != has.Available-has.Debt || has.Available < 0 || has.Debt < 0 {
			t.Fatalf("ledger %+v %v, lent %d, balance %+v", sum, ids, lent, has)
		}
	})
}
