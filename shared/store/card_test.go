package store_test

import (
	"slices"
	"testing"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

func TestRedemptionsListEachCardOfTheBatchOnce(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	put := func(number, card int) {
		t.Helper()
		code := cards.Code{KeyID: 'K', Batch: number, Card: card}
		redemption := store.Redemption{Batch: code.BatchID(), Card: card, Award: cards.Award{Kind: cards.PrizeNone}}
		redemption.Member = "m1"
		if err := s.Table.Write(t.Context(), store.RedeemCard(code, redemption)); err != nil {
			t.Fatal(err)
		}
	}
	var want []int
	for card := 0; card < cards.MaxCount; card += 10_007 {
		put(7, card)
		want = append(want, card)
	}
	put(8, 0) // another batch's
	// What is kept of a card beside its redemption is no redemption.
	beside := table.CardKey(cards.BatchID('K', 7), 0)
	beside.SK += "#F"
	if err := s.Table.Write(t.Context(), table.Put(table.Item{Key: beside, Attributes: map[string]table.Value{}})); err != nil {
		t.Fatal(err)
	}
	var got []int
	for shard := range table.CardShards {
		var numbers []int
		for cursor, more := "", true; more; more = cursor != "" {
			page, next, err := s.Redemptions(t.Context(), cards.BatchID('K', 7), shard, 3, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, redemption := range page {
				numbers = append(numbers, redemption.Card)
			}
			cursor = next
		}
		if !slices.IsSorted(numbers) || len(numbers) == 0 {
			t.Errorf("shard %d lists %v", shard, numbers)
		}
		got = append(got, numbers...)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
