package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

func TestReminderRecords(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	write := func(actions ...table.Action) {
		t.Helper()
		if err := s.Table.Write(t.Context(), actions...); err != nil {
			t.Fatal(err)
		}
	}
	read := func() store.Account {
		t.Helper()
		account, err := s.Account(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		return account
	}
	bought, at := time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 1, 5, 0, 0, time.UTC)
	write(store.CreateAccount("m", store.Profile{}, nil, bought)...)
	last, free := store.LastPurchase("milk", bought, loyalty.OrderKey{Channel: "tmall", Shop: "s", Order: "1"})
	write(store.UpdateAccount("m", last, free))

	before := read()
	if diff := cmp.Diff([]repurchase.Purchase{{Category: "milk", At: bought}}, before.Purchases()); diff != "" {
		t.Errorf("purchases (-want +got):\n%s", diff)
	}
	for outcome, told := range map[string]bool{store.OutcomeCapped: true, store.OutcomeHandingOver: false, store.OutcomeSent: true} {
		account := read()
		want := store.Reminded{Bought: bought, Outcome: outcome, At: at, Program: 12}
		noted, held := store.RecordReminder(account, "milk", want)
		sent, unsent := store.RecordSent(account, []time.Time{bought, at})
		write(store.UpdateAccount("m", []table.Change{noted, sent}, held, unsent))
		after := read()
		if diff := cmp.Diff(want, after.Reminded["milk"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", outcome, diff)
		}
		if diff := cmp.Diff([]time.Time{bought, at}, after.Sent); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		purchase := repurchase.Purchase{Category: "milk", At: bought, Told: told}
		if !told {
			purchase.Begun = at
		}
		if diff := cmp.Diff([]repurchase.Purchase{purchase}, after.Purchases()); diff != "" {
			t.Errorf("%s: purchases (-want +got):\n%s", outcome, diff)
		}
	}
	// The decision on the first reading has been overtaken.
	noted, held := store.RecordReminder(before, "milk", store.Reminded{Bought: bought, Outcome: store.OutcomeSent, At: at})
	sent, unsent := store.RecordSent(before, []time.Time{at})
	for _, action := range []table.Action{
		store.UpdateAccount("m", []table.Change{noted}, held), store.UpdateAccount("m", []table.Change{sent}, unsent),
	} {
		if _, lost := s.Table.Write(t.Context(), action).(*table.ConditionError); !lost {
			t.Errorf("a record decided on an old reading was written")
		}
	}
}

// A call is answered only as it was read: neither moved nor asked for since.
func TestAnswer(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 11, day, 1, 0, 0, 0, time.UTC) }
	for name, wake := range map[string]store.Wake{"remind": store.WakeRemind, "settle": store.WakeSettle} {
		t.Run(name, func(t *testing.T) {
			s := store.Store{Table: embedded.Memory()}
			try := func(changes []table.Change, conditions ...table.Condition) bool {
				t.Helper()
				err := s.Table.Write(t.Context(), store.UpdateAccount("m", changes, conditions...))
				if _, lost := err.(*table.ConditionError); err != nil && !lost {
					t.Fatal(err)
				}
				return err == nil
			}
			ask := func(day int) bool {
				changes, held := wake.By("m", at(day))
				return try(changes, held)
			}
			answer := func(account store.Account, to time.Time) bool {
				changes, held := wake.Answer(account, to)
				if len(changes) == 0 {
					t.Fatal("nothing to change")
				}
				return try(changes, held...)
			}
			due := func() int {
				t.Helper()
				members, _, _, err := s.Due(t.Context(), wake, wakeShard(t), at(28), "")
				if err != nil {
					t.Fatal(err)
				}
				return len(members)
			}
			if err := s.Table.Write(t.Context(), store.CreateAccount("m", store.Profile{}, nil, at(1))...); err != nil {
				t.Fatal(err)
			}
			read := func() store.Account {
				account, err := s.Account(t.Context(), "m")
				if err != nil {
					t.Fatal(err)
				}
				return account
			}
			if !ask(10) || due() != 1 {
				t.Fatal("the first call is refused")
			}
			overtaken := read()
			if !ask(20) { // an earlier call stands, so nothing shows
				t.Fatal("a later call is refused")
			}
			if answer(overtaken, time.Time{}) || due() != 1 {
				t.Error("the call was taken away although somebody asked meanwhile")
			}
			if !answer(read(), at(20)) {
				t.Error("the call could not be moved")
			}
			if ask(15) {
				t.Error("a call before the one that stands is taken for granted")
			}
			if answer(overtaken, at(25)) {
				t.Error("the call was moved by somebody who knew another")
			}
			if !answer(read(), time.Time{}) || due() != 0 {
				t.Error("the call could not be taken away")
			}
		})
	}
}

func wakeShard(t *testing.T) int {
	t.Helper()
	for shard := range table.WakeShards {
		if table.ShardPK(shard) == table.WakePK("m") {
			return shard
		}
	}
	t.Fatal("the member has no shard")
	return 0
}
