package store_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// The count of a person is what the rule would be told: cards that came
// before, each once, whatever the order and the repeats.
func TestARunCountsEachCardOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		engine := embedded.Memory()
		defer engine.Close()
		s := store.Store{Table: engine}
		bounds := cards.Holds{
			WindowHours: 24, Carton: rapid.IntRange(2, 6).Draw(t, "carton"),
			PerPerson: rapid.IntRange(0, 6).Draw(t, "person"), PerCarton: rapid.IntRange(0, 4).Draw(t, "of a carton"),
		}
		run := store.PersonRun{Person: "member m-1", From: time.Date(2026, 11, 11, 0, 0, 0, 0, time.UTC), Window: 24 * time.Hour}
		passed := map[int]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "asked") {
			card := rapid.IntRange(0, 19).Draw(t, "card")
			want := cards.Suspicion("")
			if !passed[card] {
				before := cards.Run{Cards: len(passed)}
				for known := range passed {
					if bounds.CartonOf(known) == bounds.CartonOf(card) {
						before.Carton++
					}
				}
				want = bounds.Judge(before)
			}
			got, err := s.CountCard(t.Context(), run, cards.Code{KeyID: 'K', Batch: 1, Card: card}, bounds)
			if err != nil || got != want {
				t.Fatalf("card %d after %v: %q, want %q, %v", card, passed, got, want, err)
			}
			if want == "" {
				passed[card] = true
			}
		}
	})
}

func TestARunCostsAUnitAndEnds(t *testing.T) {
	engine := embedded.Memory()
	defer engine.Close()
	s := store.Store{Table: engine}
	bounds := cards.Holds{WindowHours: 24, PerPerson: 60, PerCarton: 60, Carton: 100}
	from := time.Date(2026, 11, 11, 0, 0, 0, 0, time.UTC)
	run := store.PersonRun{Person: "phone U3uUwOhRg5jSoScaSuBJiv7uO1_f8vtuEtFcYpZV0Gw", From: from, Window: 24 * time.Hour}
	for card := range 61 {
		var usage table.Usage
		why, err := s.CountCard(table.WithUsage(t.Context(), &usage), run, cards.Code{KeyID: 'K', Batch: 32_767, Card: 1_000_000 + card*101}, bounds)
		if err != nil || (why != "") != (card == 60) {
			t.Fatalf("card %d: %q %v", card, why, err)
		}
		if usage.WriteUnits > 3 || card < 20 && usage.WriteUnits > 1 || usage.RoundTrips != 1 {
			t.Errorf("card %d costs %+v", card, usage)
		}
	}
	items, err := engine.Get(t.Context(), table.Strong, table.PersonRunKey(run.Person, from))
	if err != nil || items[0].Int(table.ExpiresAttribute) != from.Add(25*time.Hour).Unix() {
		t.Errorf("%v %v", items[0], err)
	}
}

func TestAHoldChangesFromWhatWasRead(t *testing.T) {
	engine := embedded.Memory()
	defer engine.Close()
	at := time.Date(2026, 11, 11, 4, 0, 0, 0, time.UTC)
	hold := cards.HoldCard(cards.Code{KeyID: 'K', Batch: 7, Card: 3}, cards.Award{Kind: cards.PrizeGift, Text: "g"}, "m-1", cards.SuspectMany, at)
	if err := engine.Write(t.Context(), store.PutHold(hold)); err != nil {
		t.Fatal(err)
	}
	if err := engine.Write(t.Context(), store.PutHold(hold)); !store.Refused(err) {
		t.Errorf("a card is held twice: %v", err)
	}
	appealed, err := hold.Object(cards.GroundBought, at)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Write(t.Context(), store.ChangeHold(hold, appealed)); err != nil {
		t.Fatal(err)
	}
	released, err := hold.Release("li", at)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Write(t.Context(), store.ChangeHold(hold, released)); !store.Refused(err) {
		t.Errorf("what was read before an appeal was written over it: %v", err)
	}
}
