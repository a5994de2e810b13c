package ledger_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
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
