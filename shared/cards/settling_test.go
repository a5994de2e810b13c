package cards_test

import (
	"errors"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
)

func TestABatchSettlesAfterItsEnd(t *testing.T) {
	end := time.Date(2026, 12, 11, 0, 0, 0, 0, time.UTC)
	open := cards.Batch{State: cards.StateActive, ValidTo: end}
	frozen := open.Freeze("li", end.AddDate(0, 0, -3))
	for name, c := range map[string]struct {
		batch cards.Batch
		at    time.Time
		want  bool
	}{
		"at its end":                     {open, end, true},
		"a second before it has settled": {open, end.Add(cards.SettlingTime - time.Second), true},
		"settled":                        {open, end.Add(cards.SettlingTime), false},
		"frozen":                         {frozen, frozen.Frozen.At, true},
		"frozen, by a clock behind":      {frozen, frozen.Frozen.At.Add(-time.Minute), true},
		"frozen and settled":             {frozen, frozen.Frozen.At.Add(cards.SettlingTime), false},
		"frozen, nobody knows when":      {cards.Batch{State: cards.StateFrozen, ValidTo: end}, end, false},
	} {
		if got := c.batch.Settling(c.at); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTheThrottleHasBounds(t *testing.T) {
	var none *cards.Rules
	if err := none.Validate("/cards"); err != nil || none.Guesses() != (cards.Throttle{PerMember: 10, PerAddress: 60, Global: 600}) {
		t.Errorf("without rules: %+v, %v", none.Guesses(), err)
	}
	if older := (cards.Rules{Throttle: cards.Throttle{PerMember: 1, PerAddress: 2}}); older.Guesses() != (cards.Throttle{PerMember: 1, PerAddress: 2, Global: 600}) {
		t.Errorf("rules without a bound for all have %+v", older.Guesses())
	}
	for _, c := range []struct {
		throttle cards.Throttle
		wrong    string // the field that is
	}{
		{cards.Throttle{PerMember: 1, PerAddress: 10_000}, ""},
		{cards.Throttle{PerMember: 1_000, PerAddress: 1}, ""},
		{cards.Throttle{PerMember: 0, PerAddress: 60}, "/cards/throttle/guesses_per_member_hour"},
		{cards.Throttle{PerMember: 1_001, PerAddress: 60}, "/cards/throttle/guesses_per_member_hour"},
		{cards.Throttle{PerMember: 10, PerAddress: -1}, "/cards/throttle/guesses_per_address_minute"},
		{cards.Throttle{PerMember: 10, PerAddress: 10_001}, "/cards/throttle/guesses_per_address_minute"},
		{cards.Throttle{PerMember: 10, PerAddress: 60, Global: 7}, "/cards/throttle/guesses_global_minute"},
		{cards.Throttle{PerMember: 10, PerAddress: 60, Global: 1_000_001}, "/cards/throttle/guesses_global_minute"},
	} {
		pointer := ""
		if refusal, ok := errors.AsType[*loyalty.Error]((&cards.Rules{Throttle: c.throttle}).Validate("/cards")); ok {
			pointer = refusal.Fields[0].Pointer
		}
		if pointer != c.wrong {
			t.Errorf("%+v: %q is wrong, want %q", c.throttle, pointer, c.wrong)
		}
	}
}

// A guess is what could be right: a typed code with its check letter, however it
// is written.
func TestWhatCanBeGuessed(t *testing.T) {
	ring, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	token, typed, err := ring.Codec().Both(cards.Code{KeyID: 'K', Batch: 3, Card: 5})
	if err != nil {
		t.Fatal(err)
	}
	slip := []byte(typed)
	slip[0] = map[bool]byte{true: '1', false: '0'}[slip[0] == '0']
	for text, want := range map[string]bool{
		typed: true, " " + typed[:10] + " " + typed[10:]: true,
		token: false, string(slip): false, "": false, typed[1:]: false, typed + "0": false, typed[:18] + "é": false,
	} {
		if got := cards.Guessable(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
