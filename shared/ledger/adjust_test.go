package ledger_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

const limit = 1_000

func (p purse) adjust(id string, n loyalty.Points) (store.Adjustment, error) {
	return ledger.Adjust(p.ctx, p.store, store.Adjustment{
		Fact: points.Fact{Member: "m"}, ID: id, Points: n, Reason: "goodwill", Proposed: store.Hand{Operator: "zhang", At: noon},
	}, limit)
}

func TestASmallCorrectionIsMadeOnce(t *testing.T) {
	for name, test := range map[string]struct {
		has  points.Balance
		by   loyalty.Points
		want points.Balance
	}{
		"given":          {points.Balance{Available: 5}, 1_000, points.Balance{Available: 1_005}},
		"taken":          {points.Balance{Available: 5}, -5, points.Balance{}},
		"pays debt":      {points.Balance{Debt: 30}, 100, points.Balance{Available: 70}},
		"all to debt":    {points.Balance{Debt: 300}, 100, points.Balance{Debt: 200}},
		"pending stands": {points.Balance{Available: 10, Pending: 90}, -10, points.Balance{Pending: 90}},
	} {
		t.Run(name, func(t *testing.T) {
			p := openPurse(t, t.Context(), test.has)
			for range 2 {
				made, err := p.adjust("a", test.by)
				if err != nil || !made.Made() || p.balance() != test.want {
					t.Errorf("%+v, %v, balance %+v, want %+v", made, err, p.balance(), test.want)
				}
			}
		})
	}
}

func TestACorrectionTakesNoMoreThanIsAvailable(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 10, Pending: 90})
	before := p.everything()
	if _, err := p.adjust("a", -11); code(err) != "points_insufficient" {
		t.Errorf("took 11 of 10: %v", err)
	}
	if diff := cmp.Diff(before, p.everything()); diff != "" {
		t.Error(diff)
	}
}

func TestALargeCorrectionTakesTwoOperators(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{})
	for range 2 {
		waiting, err := p.adjust("a", 1_001)
		if err != nil || waiting.Made() || p.balance() != (points.Balance{}) {
			t.Fatalf("%+v, %v, balance %+v", waiting, err, p.balance())
		}
	}
	if _, err := ledger.Approve(p.ctx, p.store, "m", "a", store.Hand{Operator: "zhang", At: noon}); code(err) != "second_operator" {
		t.Errorf("the first operator approved: %v", err)
	}
	history, _, err := p.store.History(p.ctx, "m", 10, "")
	if err != nil || len(history) != 0 {
		t.Errorf("what waits stands in the ledger: %+v, %v", history, err)
	}
	var wait sync.WaitGroup
	for _, operator := range []string{"li", "wang", "li", "wang"} {
		wait.Go(func() {
			made, err := ledger.Approve(p.ctx, p.store, "m", "a", store.Hand{Operator: operator, At: noon.Add(time.Hour)})
			if err != nil || !made.Made() {
				t.Errorf("%+v, %v", made, err)
			}
		})
	}
	wait.Wait()
	if p.balance() != (points.Balance{Available: 1_001}) {
		t.Errorf("balance %+v, want 1001 once", p.balance())
	}
	if history, _, err = p.store.History(p.ctx, "m", 10, ""); err != nil || len(history) != 1 || history[0].Entries[0].ID != "adjust:a" {
		t.Errorf("history %+v, %v", history, err)
	}
}

func (p purse) by(operator, id string, n loyalty.Points, at time.Time) store.Adjustment {
	p.Helper()
	made, err := ledger.Adjust(p.ctx, p.store, store.Adjustment{
		Fact: points.Fact{Member: "m"}, ID: id, Points: n, Reason: "goodwill", Proposed: store.Hand{Operator: operator, At: at},
	}, limit)
	if err != nil {
		p.Fatalf("%v", err)
	}
	return made
}

// The limit cannot be split: what one operator gives and takes alone on a day of
// the brand's calendar is held against it.
func TestTheLimitHoldsForAnOperatorsDay(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 5_000})
	zone := program.Default().Zone()
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, zone)
	for i, step := range []struct {
		operator string
		points   loyalty.Points
		at       time.Time
		made     bool
	}{
		{"zhang", 600, day, true},
		{"zhang", -400, day.Add(time.Hour), true}, // that makes 1,000
		{"zhang", 1, day.Add(24*time.Hour - time.Second), false},
		{"zhang", -1, day.Add(24*time.Hour - time.Second), false},
		{"li", 1_000, day.Add(2 * time.Hour), true},
		{"li", 1_001, day.Add(24 * time.Hour), false},
		{"li", 1_000, day.Add(24 * time.Hour), true}, // what waits counts for nothing
		{"zhang", 1_000, day.Add(24 * time.Hour), true},
	} {
		id := fmt.Sprint("a", i)
		for range 2 { // and a repeat
			if made := p.by(step.operator, id, step.points, step.at).Made(); made != step.made {
				t.Errorf("step %d: made %v", i, made)
			}
		}
	}
	if _, err := ledger.Approve(p.ctx, p.store, "m", "a2", store.Hand{Operator: "li", At: day.Add(26 * time.Hour)}); err != nil {
		t.Errorf("what two agree on is not held against the day of either: %v", err)
	}
	if want := (points.Balance{Available: 8_201}); p.balance() != want {
		t.Errorf("balance %+v, want %+v", p.balance(), want)
	}
}

func TestOfManyCorrectionsAtOnceOnePassesAlone(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{})
	var wait sync.WaitGroup
	var made atomic.Int64
	for i := range 64 {
		wait.Go(func() {
			for {
				is, err := ledger.Adjust(p.ctx, p.store, store.Adjustment{
					Fact: points.Fact{Member: "m"}, ID: fmt.Sprint("a", i), Points: 400, Reason: "goodwill", Proposed: store.Hand{Operator: "zhang", At: noon},
				}, limit)
				switch {
				case code(err) == "lost_race":
					continue
				case err != nil:
					t.Error(err)
				case is.Made():
					made.Add(1)
				}
				return
			}
		})
	}
	wait.Wait()
	if made.Load() != 2 || p.balance() != (points.Balance{Available: 800}) {
		t.Errorf("%d were made, balance %+v: want two of 400", made.Load(), p.balance())
	}
}
