package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/embedded"
)

// Whatever is decided on the same look at an account, by however many: what is
// committed adds up, takes nothing that another took, and pays debt first.
func TestDecisionsOnOneLookAddUp(t *testing.T) {
	both := 0
	rapid.Check(t, func(t *rapid.T) {
		s := store.Store{Table: embedded.Memory()}
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.Table.Write(t.Context(), store.CreateAccount("m", store.Profile{}, nil, day)...))
		look := func() store.Account {
			account, err := s.Account(t.Context(), "m")
			must(err)
			return account
		}
		sum := points.Account{}
		commit := func(entries []points.Entry, looked store.Account) bool {
			if len(entries) == 0 {
				return false
			}
			changes, conditions := store.Credit(entries, looked)
			err := s.Table.Write(t.Context(), store.UpdateAccount("m", changes, conditions...))
			if store.Refused(err) {
				return false
			}
			must(err)
			for _, entry := range entries {
				sum = sum.Plus(entry)
			}
			return true
		}
		month := func(n int) *time.Time {
			if n == 0 {
				return nil
			}
			until := day.AddDate(0, n, 0)
			return &until
		}
		until := func() *time.Time { return month(rapid.IntRange(0, 2).Draw(t, "lot")) }
		amount := func() loyalty.Points { return loyalty.Points(rapid.IntRange(1, 6).Draw(t, "points")) }
		n := 0
		// decide is what one of the rules says of the account, nothing where it refuses.
		decide := func(looked store.Account) []points.Entry {
			n++
			id, has := fmt.Sprint(n), looked.Points(day)
			switch rapid.SampledFrom([]string{"spend", "prize", "adjust", "return", "owe", "expire"}).Draw(t, "rule") {
			case "spend":
				if entry, err := points.Spend(id, amount(), has); err == nil {
					return []points.Entry{entry}
				}
			case "prize":
				return []points.Entry{points.Prize(id, amount(), until(), has)}
			case "adjust":
				if entry, err := points.Adjust(id, -amount(), nil, has); err == nil {
					return []points.Entry{entry}
				}
			case "return":
				spent := points.Entry{Available: -3, Lots: []points.Share{{Until: *month(1), Points: -2}, {Until: *month(2), Points: -1}}}
				return []points.Entry{points.Return(id, spent, time.Time{}, has)}
			case "owe":
				if has.Available == 0 {
					return []points.Entry{{ID: id, Kind: points.EntryClaw, Debt: amount()}}
				}
			case "expire":
				has.Now = *month(1)
				return has.Expire(int64(n))
			}
			return nil
		}
		for range rapid.IntRange(0, 4).Draw(t, "before") {
			commit(decide(look()), look())
		}
		looked, committed := look(), 0
		for range rapid.IntRange(2, 4).Draw(t, "at once") {
			if commit(decide(looked), looked) {
				committed++
			}
		}
		if committed > 1 {
			both++
		}
		account := look()
		if account.Balance != sum.Balance {
			t.Fatalf("the counters are %+v, the entries add up to %+v", account.Balance, sum.Balance)
		}
		sum.Lots = slices.DeleteFunc(sum.Lots, func(lot points.Lot) bool { return lot.Left == 0 && lot.Expired == 0 })
		if diff := cmp.Diff(sum.Lots, account.Lots, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the lots (+) are not what the entries add up to (-):\n%s", diff)
		}
		rest := account.Balance.Available
		for _, lot := range account.Lots {
			rest -= lot.Left
			if lot.Left < 0 || lot.Expired < 0 {
				t.Fatalf("a lot of %+v", lot)
			}
		}
		if rest < 0 || account.Balance.Debt < 0 {
			t.Fatalf("%+v with %+v", account.Balance, account.Lots)
		}
	})
	t.Logf("of %d histories more than one decision on the same look was committed", both)
	if both == 0 {
		t.Error("no two decisions passed each other")
	}
}

var day = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
