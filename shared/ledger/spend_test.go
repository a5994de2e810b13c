package ledger_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
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
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var noon = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// purse is a member with points.
type purse struct {
	fataler
	ctx   context.Context
	store store.Store
}

func openPurse(t fataler, ctx context.Context, has points.Balance) purse {
	t.Helper()
	p := purse{t, ctx, store.Store{Table: embedded.Memory()}}
	if err := p.store.Table.Write(ctx, store.CreateAccount("m", store.Profile{}, nil, noon)...); err != nil {
		t.Fatalf("%v", err)
	}
	p.give(has)
	return p
}

// give puts points on the account as if a fact had.
func (p purse) give(b points.Balance) {
	p.Helper()
	err := p.store.Table.Write(p.ctx, store.UpdateAccount("m", []table.Change{
		table.Add("available", int64(b.Available)), table.Add("pending", int64(b.Pending)), table.Add("debt", int64(b.Debt)),
	}))
	if err != nil {
		p.Fatalf("%v", err)
	}
}

func (p purse) balance() points.Balance {
	p.Helper()
	account, err := p.store.Account(p.ctx, "m")
	if err != nil {
		p.Fatalf("%v", err)
	}
	return account.Balance
}

func (p purse) reserve(id string, n loyalty.Points) (store.Reservation, error) {
	return ledger.Reserve(p.ctx, p.store, store.Reservation{
		Fact: points.Fact{At: noon, Member: "m"}, ID: id, Points: n, Reason: "order 1", ExpiresAt: noon.Add(30 * time.Minute),
	})
}

func code(err error) string {
	if err == nil {
		return ""
	}
	text, _, _ := strings.Cut(err.Error(), ":")
	return text
}

func TestPointsAreSpentInTwoSteps(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	for range 2 { // each step's repeat gives the same answer, also where too little is left for it
		reservation, err := p.reserve("a", 60)
		if err != nil || reservation.State != store.ReservationReserved || p.balance() != (points.Balance{Available: 40}) {
			t.Fatalf("%+v, %v, %+v", reservation, err, p.balance())
		}
	}
	if _, err := p.reserve("b", 41); code(err) != "points_insufficient" {
		t.Errorf("more than there is: %v", err)
	}
	for range 2 {
		reservation, err := ledger.Commit(p.ctx, p.store, "m", "a", noon)
		if err != nil || reservation.State != store.ReservationCommitted {
			t.Errorf("%+v, %v", reservation, err)
		}
	}
	if _, err := ledger.Cancel(p.ctx, p.store, "m", "a", noon); code(err) != "reservation_committed" {
		t.Errorf("spent points came back: %v", err)
	}
	if p.balance() != (points.Balance{Available: 40}) {
		t.Errorf("balance %+v", p.balance())
	}
}

func TestCancelledPointsComeBackAndPayDebtFirst(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	if _, err := p.reserve("a", 100); err != nil {
		t.Fatal(err)
	}
	p.give(points.Balance{Debt: 30}) // a refund came meanwhile
	for range 2 {
		if _, err := ledger.Cancel(p.ctx, p.store, "m", "a", noon); err != nil {
			t.Fatal(err)
		}
		if p.balance() != (points.Balance{Available: 70}) {
			t.Errorf("balance %+v, want 70 available and no debt", p.balance())
		}
	}
	if _, err := ledger.Commit(p.ctx, p.store, "m", "a", noon); code(err) != "reservation_closed" {
		t.Errorf("a cancelled reservation was spent: %v", err)
	}
}

func TestAForgottenReservationRunsOut(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	for _, id := range []string{"forgotten", "spent"} {
		if _, err := p.reserve(id, 50); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ledger.Commit(p.ctx, p.store, "m", "spent", noon); err != nil {
		t.Fatal(err)
	}
	settle := settlepoints.Function{Store: p.store, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, test := range []struct {
		at   time.Duration
		want loyalty.Points
	}{{29 * time.Minute, 0}, {30 * time.Minute, 50}, {time.Hour, 50}} {
		if err := settle.Handle(p.ctx, schedule.Tick{Time: noon.Add(test.at)}); err != nil {
			t.Fatal(err)
		}
		if got := p.balance().Available; got != test.want {
			t.Errorf("after %s: %d available, want %d", test.at, got, test.want)
		}
	}
	if _, err := ledger.Commit(p.ctx, p.store, "m", "forgotten", noon.Add(31*time.Minute)); code(err) != "reservation_closed" {
		t.Errorf("spent after its time: %v", err)
	}
}

// The sweeper is late as a rule; the clock decides.
func TestTimeOverIsOverBeforeAnybodySweeps(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	if _, err := p.reserve("a", 50); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Commit(p.ctx, p.store, "m", "a", noon.Add(30*time.Minute)); code(err) != "reservation_closed" {
		t.Errorf("spent after its time: %v", err)
	}
	if p.balance() != (points.Balance{Available: 50}) {
		t.Errorf("the refusal changed the balance: %+v", p.balance())
	}
}

func TestRefusalsOfSpendingChangeNothing(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 10, Pending: 90})
	before := p.everything()
	for name, err := range map[string]error{
		"more than is available": second(p.reserve("a", 11)),
		"unknown member": second(ledger.Reserve(p.ctx, p.store, store.Reservation{
			Fact: points.Fact{At: noon, Member: "nobody"}, ID: "a", Points: 1, ExpiresAt: noon.Add(time.Hour),
		})),
		"unknown commit": second(ledger.Commit(p.ctx, p.store, "m", "x", noon)),
		"unknown cancel": second(ledger.Cancel(p.ctx, p.store, "m", "x", noon)),
	} {
		if err == nil {
			t.Errorf("%s was not refused", name)
		}
	}
	if diff := cmp.Diff(before, p.everything()); diff != "" {
		t.Error(diff)
	}
}

func second[T any](_ T, err error) error { return err }

func (p purse) everything() string {
	page, err := p.store.Table.Scan(p.ctx, table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil {
		p.Fatalf("%v", err)
	}
	return fmt.Sprint(page.Items)
}

// Two thousand at once, on one member: nobody spends what another spends.
func TestParallelSpendingNeverGoesBelowZero(t *testing.T) {
	const has, each, spenders = 10_000, 10, 2_000
	p := openPurse(t, t.Context(), points.Balance{Available: has})
	var spent, refused, busy atomic.Int64
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range spenders {
		wait.Go(func() {
			<-start
			id := fmt.Sprint(i)
			if _, err := p.reserve(id, each); err != nil {
				if code(err) != "points_insufficient" {
					busy.Add(1)
				} else {
					refused.Add(1)
				}
				return
			}
			if _, err := ledger.Commit(p.ctx, p.store, "m", id, noon); err != nil {
				t.Errorf("commit: %v", err)
			}
			spent.Add(each)
		})
	}
	close(start)
	wait.Wait()
	t.Logf("%d points spent, %d spenders refused, %d told to try again", spent.Load(), refused.Load(), busy.Load())
	if left := int64(p.balance().Available); left < 0 || left+spent.Load() != has || refused.Load()+busy.Load() != spenders-has/each {
		t.Errorf("%d left of %d", left, has)
	}
}

// Whatever is done with reservations in whatever order, the entries add up to
// the counters and to what a ledger of two columns says.
func TestAnySpendingAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		p := openPurse(t, ctx, points.Balance{})
		available, debt := loyalty.Points(0), loyalty.Points(0)
		held := map[string]loyalty.Points{}
		now := noon
		back := func(id string) {
			paid := min(debt, held[id])
			debt, available = debt-paid, available+held[id]-paid
			delete(held, id)
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "id")
			amount := loyalty.Points(rapid.Int64Range(1, 40).Draw(t, "amount"))
			_, isHeld := held[id]
			known, err := p.store.Reservation(ctx, "m", id)
			exists := err == nil
			switch rapid.SampledFrom([]string{"credit", "owe", "reserve", "commit", "cancel", "wait"}).Draw(t, "step") {
			case "credit":
				if debt == 0 {
					p.give(points.Balance{Available: amount})
					available += amount
				}
			case "owe":
				if available == 0 {
					p.give(points.Balance{Debt: amount})
					debt += amount
				}
			case "reserve":
				_, err := p.reserve(id, amount)
				switch {
				case exists:
					if err != nil {
						t.Fatalf("the repeat of a reservation: %v", err)
					}
				case amount > available:
					if code(err) != "points_insufficient" {
						t.Fatalf("%d of %d: %v", amount, available, err)
					}
				case err != nil:
					t.Fatalf("%d of %d: %v", amount, available, err)
				default:
					available -= amount
					held[id] = amount
				}
			case "commit":
				_, err := ledger.Commit(ctx, p.store, "m", id, now)
				if ok := exists && (known.State == store.ReservationCommitted || isHeld && now.Before(known.ExpiresAt)); ok != (err == nil) {
					t.Fatalf("commit of %+v at %s: %v", known, now, err)
				}
				if err == nil {
					delete(held, id)
				}
			case "cancel":
				_, err := ledger.Cancel(ctx, p.store, "m", id, now)
				if ok := exists && known.State != store.ReservationCommitted; ok != (err == nil) {
					t.Fatalf("cancel of %+v: %v", known, err)
				}
				if err == nil && isHeld {
					back(id)
				}
			case "wait":
				now = now.Add(20 * time.Minute)
				for _, id := range []string{"a", "b", "c", "d"} {
					expired, err := ledger.Expire(ctx, p.store, table.ReservationKey("m", id), now)
					if loyalty.KindOf(err) == loyalty.KindNotFound {
						err = nil
					}
					if err != nil {
						t.Fatalf("%v", err)
					}
					if expired {
						back(id)
					}
				}
			}
			if got := p.balance(); got != (points.Balance{Available: available, Debt: debt}) {
				t.Fatalf("balance %+v, want %d available and %d debt", got, available, debt)
			}
		}
	})
}

func TestUnitsOfASpend(t *testing.T) {
	p := openPurse(t, t.Context(), points.Balance{Available: 100})
	for _, step := range []struct {
		name  string
		do    func(purse) error
		write float64
	}{
		{"reserve", func(p purse) error { return second(p.reserve("a", 60)) }, 6},
		{"commit", func(p purse) error { return second(ledger.Commit(p.ctx, p.store, "m", "a", noon)) }, 3},
	} {
		var usage table.Usage
		metered := purse{t, table.WithUsage(t.Context(), &usage), p.store}
		if err := step.do(metered); err != nil {
			t.Fatal(err)
		}
		t.Logf("%-8s %v write units, %v read units, %d round trips", step.name, usage.WriteUnits, usage.ReadUnits, usage.RoundTrips)
		if usage.WriteUnits > step.write {
			t.Errorf("%s: %v write units, want at most %v", step.name, usage.WriteUnits, step.write)
		}
	}
}

// A debt is what available points did not cover: where points came since that was
// decided, it is decided again, or a member would owe and have at once.
func TestADebtIsDecidedAgainWherePointsCameMeanwhile(t *testing.T) {
	for name, came := range map[string]loyalty.Points{"nothing came": 0, "points came": 20} {
		p := openPurse(t, t.Context(), points.Balance{})
		account, err := p.store.Account(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		changes, conditions := store.Credit([]points.Entry{{ID: "claw", Kind: points.EntryClaw, Debt: 30}}, account)
		p.give(points.Balance{Available: came})
		err = p.store.Table.Write(t.Context(), store.UpdateAccount("m", changes, conditions...))
		want := points.Balance{Available: came}
		if came == 0 {
			want.Debt = 30
		}
		if store.Refused(err) != (came > 0) || p.balance() != want {
			t.Errorf("%s: %v, %+v", name, err, p.balance())
		}
	}
}
