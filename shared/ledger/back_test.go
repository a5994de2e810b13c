package ledger_test

import (
	"fmt"
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

var theOrder = loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}

// join makes another member with so many points.
func (p purse) join(member loyalty.MemberID, available loyalty.Points) {
	p.Helper()
	err := p.store.Table.Write(p.ctx, store.CreateAccount(member, store.Profile{}, nil, noon)...)
	if err == nil {
		err = p.store.Table.Write(p.ctx, store.UpdateAccount(member, []table.Change{table.Add("available", int64(available))}))
	}
	if err != nil {
		p.Fatalf("%v", err)
	}
}

func (p purse) available(member loyalty.MemberID) loyalty.Points {
	p.Helper()
	account, err := p.store.Account(p.ctx, member)
	if err != nil {
		p.Fatalf("%v", err)
	}
	return account.Balance.Available
}

func (p purse) post(fact points.Fact) error {
	fact.At = noon
	_, err := ledger.Post(p.ctx, p.store, []program.Program{program.Default()}, ledger.News{Order: theOrder, Fact: fact}, noon)
	return err
}

// spends sets points of a member aside.
func (p purse) spends(member loyalty.MemberID, id string, n loyalty.Points) {
	p.Helper()
	if _, err := ledger.Reserve(p.ctx, p.store, store.Reservation{
		Fact: points.Fact{At: noon, Member: member}, ID: id, Points: n, Reason: "order 1001", ExpiresAt: noon.Add(30 * time.Minute),
	}); err != nil {
		p.Fatalf("%v", err)
	}
}

func (p purse) commitsTo(member loyalty.MemberID, id string) error {
	return second(ledger.CommitToOrder(p.ctx, p.store, member, id, theOrder, noon))
}

func payment(owner loyalty.MemberID, paid ...loyalty.Fen) points.Fact {
	fact := points.Fact{Kind: points.FactPaid, Member: owner}
	for i, amount := range paid {
		fact.Lines = append(fact.Lines, points.Line{ID: fmt.Sprint(i), Quantity: 1, Paid: amount})
	}
	return fact
}

func refund(id string, line int, amount loyalty.Fen) points.Fact {
	return points.Fact{Kind: points.FactRefunded, Refunds: []points.Refund{{ID: id, Line: fmt.Sprint(line), Amount: amount}}}
}

// Whatever comes first, and however often it is told: who spent points on an order
// has back, in the end, the share of them that was refunded of the money, rounded
// down once. The order may be another's, or nobody's.
func TestPointsSpentOnAnOrderComeBackByItsRefundsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := openPurse(rt, t.Context(), points.Balance{Available: 1000})
		p.join("n", 1000)
		paid := []loyalty.Fen{loyalty.Fen(rapid.IntRange(0, 5000).Draw(rt, "paid")), loyalty.Fen(rapid.IntRange(1, 5000).Draw(rt, "paid"))}
		owner := rapid.SampledFrom([]loyalty.MemberID{"", "m", "n"}).Draw(rt, "owner")
		steps := []func() error{func() error { return p.post(payment(owner, paid...)) }}
		spent := map[loyalty.MemberID]loyalty.Points{}
		for i := range rapid.IntRange(1, 3).Draw(rt, "reservations") {
			member := rapid.SampledFrom([]loyalty.MemberID{"m", "n"}).Draw(rt, "member")
			amount, id := loyalty.Points(rapid.IntRange(1, 300).Draw(rt, "points")), fmt.Sprint("r", i)
			p.spends(member, id, amount)
			spent[member] += amount
			steps = append(steps, func() error { return p.commitsTo(member, id) })
		}
		back := make([]loyalty.Fen, len(paid))
		for i := range rapid.IntRange(0, 4).Draw(rt, "refunds") {
			line, amount := rapid.IntRange(0, 1).Draw(rt, "line"), loyalty.Fen(rapid.IntRange(1, 3000).Draw(rt, "amount"))
			back[line] += amount
			steps = append(steps, func() error { return p.post(refund(fmt.Sprint(i), line, amount)) })
		}
		cancelled := rapid.IntRange(0, 3).Draw(rt, "cancelled") == 0
		if cancelled {
			steps = append(steps, func() error { return p.post(points.Fact{Kind: points.FactCancelled}) })
		}
		order := rapid.Permutation(append(steps, steps...)).Draw(rt, "order") // each is told twice
		for _, step := range order {
			if err := step(); err != nil {
				rt.Fatalf("%v", err)
			}
		}
		refunded := int64(min(back[0], paid[0]) + min(back[1], paid[1]))
		for _, member := range []loyalty.MemberID{"m", "n"} {
			want := loyalty.Points(int64(spent[member]) * refunded / int64(paid[0]+paid[1]))
			if cancelled {
				want = spent[member]
			}
			if got := p.available(member) - (1000 - spent[member]); got != want {
				rt.Errorf("%s spent %d on the order of %q, of which %d of %d fen came back, and got %d points back, want %d",
					member, spent[member], owner, refunded, paid[0]+paid[1], got, want)
			}
		}
	})
}

func TestRefundsAtOnceGiveBackOneTarget(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 1000})
	p.spends("m", "a", 100)
	if err := p.commitsTo("m", "a"); err != nil {
		t.Fatal(err)
	}
	if err := p.post(payment("m", 9000)); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for _, id := range []string{"x", "y", "x", "y"} {
		group.Go(func() {
			for {
				err := p.post(refund(id, 0, 3000))
				if loyalty.KindOf(err) == loyalty.KindUnavailable {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	group.Wait()
	reservation, err := p.store.Reservation(p.ctx, "m", "a")
	if err != nil || p.available("m") != 966 || reservation.Returned != 66 || *reservation.Order != theOrder {
		t.Errorf("%d available, %+v, %v", p.available("m"), reservation, err)
	}
}

// The process that records a refund may die before the points came back: the
// next that posts it again finishes that.
func TestARefundThatStoppedBeforeThePointsCameBackIsFinished(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	p.spends("m", "a", 100)
	if err := p.commitsTo("m", "a"); err != nil {
		t.Fatal(err)
	}
	if err := p.post(payment("", 1000)); err != nil {
		t.Fatal(err)
	}
	half := refund("x", 0, 500)
	half.At = noon
	if err := p.store.Table.Write(p.ctx, store.AppendFact(theOrder, 3, half)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.post(half); err != nil || p.available("m") != 50 {
			t.Errorf("%d available, %v", p.available("m"), err)
		}
	}
}

func TestAMergedMembersPointsComeBackToThemAndTheWhole(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	p.join("w", 0)
	p.spends("m", "a", 100)
	p.commits("m", "a")
	if err := p.post(payment("m", 1000)); err != nil {
		t.Fatal(err)
	}
	by := store.Hand{Operator: "o", At: noon}
	if err := second(ledger.Merge(p.ctx, p.store, store.Merge{ID: "g", Part: "m", Into: "w", By: by, Reason: "same"})); err != nil {
		t.Fatal(err)
	}
	if err := p.post(refund("x", 0, 600)); err != nil {
		t.Fatal(err)
	}
	if p.available("m") != 60 || p.available("w") != 60 {
		t.Errorf("%d and %d available", p.available("m"), p.available("w"))
	}
	if err := second(ledger.Unmerge(p.ctx, p.store, "w", "m", "u", "mistaken", by)); err != nil {
		t.Fatal(err)
	}
	if err := p.post(refund("y", 0, 400)); err != nil {
		t.Fatal(err)
	}
	if p.available("m") != 100 || p.available("w") != 0 {
		t.Errorf("%d and %d available", p.available("m"), p.available("w"))
	}
}

func (p purse) commits(member loyalty.MemberID, id string) {
	p.Helper()
	if err := p.commitsTo(member, id); err != nil {
		p.Fatalf("%v", err)
	}
}

func (p purse) erase(member loyalty.MemberID) {
	p.Helper()
	account, err := p.store.Account(p.ctx, member)
	if err == nil {
		err = p.store.Table.Write(p.ctx, store.Erase([]store.Account{account}, store.Erasure{By: store.Hand{Operator: "o", At: noon}, Reason: "asked"})...)
	}
	if err != nil {
		p.Fatalf("%v", err)
	}
}

func TestAnErasedMemberGetsNoPointsBack(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	p.join("n", 100)
	for _, member := range []loyalty.MemberID{"m", "n"} {
		p.spends(member, "a-"+string(member), 100)
		p.commits(member, "a-"+string(member))
	}
	p.erase("m")
	for range 2 {
		if err := p.post(points.Fact{Kind: points.FactCancelled}); err != nil {
			t.Fatal(err)
		}
	}
	if p.available("m") != 0 || p.available("n") != 100 {
		t.Errorf("%d and %d available", p.available("m"), p.available("n"))
	}
}

// byHand gives points back by an act.
func (p purse) byHand(id, act string, n loyalty.Points) (store.Reservation, error) {
	return ledger.GiveBack(p.ctx, p.store, ledger.Back{
		Member: "m", Reservation: id, Act: act, Points: n, Reason: "the draw was void", By: store.Hand{Operator: "o", At: noon},
	})
}

func TestPointsThatNoOrderCommittedComeBackByHand(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	p.spends("m", "a", 100)
	if err := second(ledger.Commit(p.ctx, p.store, "m", "a", noon)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		act  string
		n    loyalty.Points
		want loyalty.Points
	}{{"1", 30, 30}, {"1", 30, 30}, {"2", 30, 60}, {"3", 0, 100}, {"3", 0, 100}} {
		reservation, err := p.byHand("a", step.act, step.n)
		if err != nil || reservation.Returned != step.want || p.available("m") != step.want {
			t.Errorf("act %s: %+v, %v, %d available", step.act, reservation, err, p.available("m"))
		}
	}
	if _, err := p.byHand("a", "4", 0); code(err) != "points_returned" {
		t.Errorf("more than was spent: %v", err)
	}
}

func TestReturnsByHandAtOnceGiveBackNoMoreThanWasSpent(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	p.spends("m", "a", 100)
	if err := second(ledger.Commit(p.ctx, p.store, "m", "a", noon)); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() { _, _ = p.byHand("a", fmt.Sprint(i), 60) })
	}
	group.Wait()
	if p.available("m") != 60 {
		t.Errorf("%d available", p.available("m"))
	}
}

func TestRefusalsOfGivingBackChangeNothing(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 500})
	for _, id := range []string{"open", "cancelled", "ordered", "plain"} {
		p.spends("m", id, 100)
	}
	if err := second(ledger.Cancel(p.ctx, p.store, "m", "cancelled", noon)); err != nil {
		t.Fatal(err)
	}
	p.commits("m", "ordered")
	if err := second(ledger.Commit(p.ctx, p.store, "m", "plain", noon)); err != nil {
		t.Fatal(err)
	}
	other := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1002"}
	before := p.everything()
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"open", second(p.byHand("open", "1", 0)), "reservation_open"},
		{"cancelled", second(p.byHand("cancelled", "1", 0)), "reservation_closed"},
		{"an order's", second(p.byHand("ordered", "1", 1)), "committed_by_order"},
		{"unknown", second(p.byHand("x", "1", 1)), "reservation_unknown"},
		{"too many", second(p.byHand("plain", "1", 101)), "points_returned"},
		{"below zero", second(p.byHand("plain", "1", -1)), "invalid"},
		{"committed to another order", second(ledger.CommitToOrder(p.ctx, p.store, "m", "ordered", other, noon)), "reservation_committed"},
		{"committed without an order", p.commitsTo("m", "plain"), "reservation_committed"},
		{"committed after it was cancelled", p.commitsTo("m", "cancelled"), "reservation_closed"},
		{"committed after its time", second(ledger.CommitToOrder(p.ctx, p.store, "m", "open", other, noon.Add(30*time.Minute))), "reservation_closed"},
		{"cancelled after an order", second(ledger.Cancel(p.ctx, p.store, "m", "ordered", noon)), "reservation_committed"},
	} {
		if code(test.err) != test.want {
			t.Errorf("%s: %v, want %s", test.name, test.err, test.want)
		}
	}
	if diff := cmp.Diff(before, p.everything()); diff != "" {
		t.Error(diff)
	}
}
