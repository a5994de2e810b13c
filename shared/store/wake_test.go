package store_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var calls = map[string]store.Wake{"remind": store.WakeRemind, "settle": store.WakeSettle}

// Two calls asked for at once cost one entry of an index, and whoever answers the
// earlier puts that of the later.
func TestTheLaterCallRides(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 11, day, 1, 0, 0, 0, time.UTC) }
	for name, test := range map[string]struct {
		remind, settle time.Time
		units          float64 // to ask
		first          string  // to be answered
		then           string
	}{
		"the reminder first":   {at(10), at(20), 2, "remind", "settle"},
		"the settlement first": {at(20), at(10), 2, "settle", "remind"},
		"at one time":          {at(10), at(10), 2, "remind", "settle"},
		"one alone":            {at(10), time.Time{}, 2, "remind", ""},
		"the other alone":      {time.Time{}, at(10), 2, "settle", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := store.Store{Table: embedded.Memory()}
			if err := s.Table.Write(t.Context(), store.CreateAccount("m", store.Profile{}, nil, at(1))...); err != nil {
				t.Fatal(err)
			}
			write := func(changes []table.Change, conditions []table.Condition) float64 {
				t.Helper()
				var usage table.Usage
				if err := s.Table.Write(table.WithUsage(t.Context(), &usage), store.UpdateAccount("m", changes, conditions...)); err != nil {
					t.Fatal(err)
				}
				return usage.WriteUnits
			}
			if units := write(store.AskBoth(store.Account{Member: "m"}, test.remind, test.settle)); units != test.units {
				t.Errorf("to ask took %v write units, want %v", units, test.units)
			}
			answer := func(name string) float64 {
				t.Helper()
				account, err := s.Account(t.Context(), "m")
				if err != nil {
					t.Fatal(err)
				}
				return write(calls[name].Answer(account, time.Time{}))
			}
			want := 2.0 // the account, and its entry taken away
			if test.then != "" {
				want = 3
			}
			if units := answer(test.first); units != want {
				t.Errorf("the first answer took %v write units, want %v", units, want)
			}
			if test.then == "" {
				return
			}
			if units := answer(test.then); units != 2 {
				t.Errorf("the second answer took %v write units, want 2", units)
			}
		})
	}
}

// Whatever is asked for, and by whom it is answered, on whatever reading: a
// call that stands is found by its schedule at its time, once, and no call is
// later than what was asked for since it was answered.
func TestNoCallIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		day := func(n int) time.Time { return time.Date(2026, 11, n, 1, 0, 0, 0, time.UTC) }
		s := store.Store{Table: embedded.Memory()}
		if err := s.Table.Write(ctx, store.CreateAccount("m", store.Profile{}, nil, day(1))...); err != nil {
			t.Fatal(err)
		}
		readings := []store.Account{{Member: "m"}} // the first is of nobody who looked
		wanted := map[string]time.Time{}           // by when each schedule has to look
		standing := func(account store.Account, name string) time.Time {
			if name == "settle" {
				return account.SettleAt
			}
			return account.RemindAt
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			date := func(label string) time.Time {
				if n := rapid.IntRange(1, 9).Draw(t, label); n > 1 {
					return day(n)
				}
				return time.Time{}
			}
			// Mostly somebody who looked lately, or who did not look.
			reading := readings[0]
			if rapid.Bool().Draw(t, "looked") {
				reading = readings[max(0, len(readings)-rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "ago"))]
			}
			var changes []table.Change
			var conditions []table.Condition
			after := map[string]time.Time{"remind": wanted["remind"], "settle": wanted["settle"]}
			if rapid.Bool().Draw(t, "ask") {
				remind, settle := date("remind"), date("settle")
				changes, conditions = store.AskBoth(reading, remind, settle)
				after["remind"], after["settle"] = store.Earliest(after["remind"], remind), store.Earliest(after["settle"], settle)
			} else {
				name := rapid.SampledFrom([]string{"remind", "settle"}).Draw(t, "answer")
				if reading.JoinedAt.IsZero() || standing(reading, name).IsZero() {
					continue // a schedule has looked, and was called
				}
				next := date("next")
				changes, conditions = calls[name].Answer(reading, next)
				after[name] = next
			}
			if len(changes) == 0 {
				continue
			}
			err := s.Table.Write(ctx, store.UpdateAccount("m", changes, conditions...))
			if err != nil && !store.Refused(err) {
				t.Fatal(err)
			}
			if err == nil {
				wanted = after
			}
			account, err := s.Account(ctx, "m")
			if err != nil {
				t.Fatal(err)
			}
			readings = append(readings, account)
			for name, wake := range calls {
				at := standing(account, name)
				if want := wanted[name]; !want.IsZero() && (at.IsZero() || at.After(want)) {
					t.Fatalf("%s was asked for %v, and stands at %v", name, want, at)
				}
				for n := range 10 {
					visits := 0
					err := s.EachDue(ctx, wake, day(n), func(_ context.Context, accounts []store.Account) error {
						visits += len(accounts)
						return nil
					}, nil)
					if err != nil {
						t.Fatal(err)
					}
					due := !at.IsZero() && !at.After(day(n))
					if visits != map[bool]int{true: 1}[due] {
						t.Fatalf("%s stands at %v: %d visits on day %d", name, at, visits, n)
					}
				}
			}
		}
	})
}
