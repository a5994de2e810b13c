package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
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
	// An item that is kept of a card beside its redemption is no redemption.
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

// A closed card counts for nothing, and nobody redeems it.
func TestAClosedCardIsNoRedemption(t *testing.T) {
	engine := embedded.Memory()
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	s := store.Store{Table: engine}
	code := cards.Code{KeyID: 'K', Batch: 7, Card: 3}
	at := time.Date(2026, 12, 11, 0, 0, 0, 0, time.UTC)
	if err := engine.Write(t.Context(), store.CloseCard(code, at)); err != nil {
		t.Fatal(err)
	}
	redemption := store.Redemption{Batch: code.BatchID(), Card: code.Card, Fact: points.Fact{Kind: points.FactPrize, Member: "m", At: at}}
	for name, action := range map[string]table.Action{"redeemed": store.RedeemCard(code, redemption), "closed again": store.CloseCard(code, at)} {
		if err := engine.Write(t.Context(), action); !store.Refused(err) {
			t.Errorf("a closed card is %s: %v", name, err)
		}
	}
	look, err := s.LookAtCard(t.Context(), table.Strong, code, loyalty.Identity{})
	if err != nil || !look.Closed || look.Redemption != nil {
		t.Errorf("look %+v, %v", look, err)
	}
	friend, err := s.LookAtCardFriend(t.Context(), code, "external")
	if err != nil || friend.Redemption != nil {
		t.Errorf("look for a friend %+v, %v", friend, err)
	}
	listed, _, err := s.Redemptions(t.Context(), code.BatchID(), code.Card, 10, "")
	if err != nil || len(listed) != 0 {
		t.Errorf("%d redemptions, %v", len(listed), err)
	}
}
