package cards_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
)

func drawHoldCode(t *rapid.T) cards.Code {
	return cards.Code{
		KeyID: cards.Alphabet[rapid.IntRange(0, len(cards.Alphabet)-1).Draw(t, "key")],
		Batch: rapid.IntRange(0, cards.MaxBatches-1).Draw(t, "batch"), Card: rapid.IntRange(0, cards.MaxCount-1).Draw(t, "card"),
	}
}

func TestHoldIDsNameTheirCards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := drawHoldCode(t)
		if got, ok := cards.ParseHoldID(code.HoldID()); !ok || got != code {
			t.Fatalf("%s is %+v, %v", code.HoldID(), got, ok)
		}
	})
	for _, other := range []string{"", "K", "K-00007", "K0000070000003", "K-00007-0000003 ", "-K-00007-0000003", "K-00007--0000003", "K-99999-0000003", "K-00007-9999999", "U-00007-0000003", "K-0000７-0000003"} {
		if code, ok := cards.ParseHoldID(other); ok {
			t.Errorf("%q is the hold of %+v", other, code)
		}
	}
}

func FuzzParseHoldID(f *testing.F) {
	f.Add("K-00007-0000003")
	f.Add("HTK000070000003")
	f.Fuzz(func(t *testing.T, id string) {
		if code, ok := cards.ParseHoldID(id); ok && code.HoldID() != id {
			t.Errorf("%q is read as %s", id, code.HoldID())
		}
	})
}

// Whatever operators and the customer do in whatever order: a hold ends once, and
// never otherwise; a dear one is void by two different operators for one reason.
func TestAHoldEndsOnce(t *testing.T) {
	at := time.Date(2026, 11, 11, 4, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		code := drawHoldCode(t)
		hold := cards.HoldCard(code, cards.Award{Kind: cards.PrizePoints, Amount: 1}, "m-1", cards.SuspectMany, at)
		both := rapid.Bool().Draw(t, "two are needed")
		type word struct {
			operator string
			reason   cards.VoidReason
		}
		var words []word // of voids, since the last release
		for n := range rapid.IntRange(1, 12).Draw(t, "steps") {
			now := at.Add(time.Duration(n+1) * time.Minute)
			was := hold
			operator := rapid.SampledFrom([]string{"li", "wang", "zhao"}).Draw(t, "operator")
			var err error
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				hold, err = hold.Release(operator, now)
			case 1:
				reason := rapid.SampledFrom(cards.VoidReasons).Draw(t, "reason")
				hold, err = hold.Void(reason, operator, both, now)
				if err == nil {
					words = append(words, word{operator, reason})
				}
			default:
				hold, err = hold.Object(rapid.SampledFrom(cards.Grounds).Draw(t, "ground"), now)
				if err != nil || was.Appeal != nil && hold.Appeal != was.Appeal || hold.Decided != was.Decided {
					t.Fatalf("an appeal made %+v of %+v, %v", hold, was, err)
				}
			}
			if err != nil && !cmp.Equal(hold, was) {
				t.Fatalf("a refusal changed %+v to %+v", was, hold)
			}
			if err != nil && loyalty.KindOf(err) != loyalty.KindConflict {
				t.Fatal(err)
			}
			if was.Decided != nil && hold.Decided != was.Decided {
				t.Fatalf("what ended as %+v became %+v", was.Decided, hold.Decided)
			}
			if hold.State() != cards.HoldOpen && hold.Proposed != nil {
				t.Fatalf("it ended and something is proposed: %+v", hold)
			}
			if d := hold.Decided; d != nil && was.Decided == nil && d.State == cards.HoldVoided {
				if both != (d.Approved != "") || d.Approved == d.Operator || len(words) == 0 || words[len(words)-1].reason != d.Reason {
					t.Fatalf("%v made %+v", words, d)
				}
			}
			text, err := json.Marshal(hold)
			var read cards.Hold
			if err != nil || json.Unmarshal(text, &read) != nil || !cmp.Equal(read, hold) {
				t.Fatalf("%s is read as %+v", text, read)
			}
		}
	})
}

func TestHoldsOutOfBoundsAreRefused(t *testing.T) {
	good := cards.Holds{WindowHours: 24, PerPerson: 20, PerCarton: 12, Carton: 100, VoidLimit: 5_000}
	for name, change := range map[string]func(*cards.Holds){
		"/cards/holds/window_hours":     func(h *cards.Holds) { h.WindowHours = 169 },
		"/cards/holds/cards_per_person": func(h *cards.Holds) { h.PerPerson = 61 },
		"/cards/holds/cards_per_carton": func(h *cards.Holds) { h.PerCarton = -1 },
		"/cards/holds/carton_cards":     func(h *cards.Holds) { h.Carton = 1 },
		"/cards/holds/void_limit":       func(h *cards.Holds) { h.VoidLimit = cards.TopPrize + 1 },
	} {
		rules := cards.Rules{Throttle: (*cards.Rules)(nil).Guesses(), Holds: new(good)}
		if err := rules.Validate("/cards"); err != nil {
			t.Fatal(err)
		}
		change(rules.Holds)
		err, ok := rules.Validate("/cards").(*loyalty.Error)
		if !ok || err.Kind != loyalty.KindInvalid || err.Fields[0].Pointer != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := (*cards.Rules)(nil).Suspects(); got != good {
		t.Errorf("by default %+v", got)
	}
}
