package cards_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
)

const (
	goldenToken = "1B0NQBC24K1D6DX4W5ETY4GWHNA9VM5B74"
	goldenTyped = "B0NQ-BC24-K1D6-DX4P"
)

var (
	from = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	to   = time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
)

func points(value int64, quantity int) cards.Prize {
	return cards.Prize{Award: cards.Award{Kind: cards.PrizePoints, Amount: value}, Quantity: quantity}
}

func batch() cards.Batch {
	return cards.Batch{
		KeyID: "1", Number: 3, Name: "双十一 A 仓", Count: 1000, ValidFrom: from, ValidTo: to, State: cards.StateCreated,
		Arms: []cards.Arm{
			{Name: "刮刮", Form: cards.FormScratch, Weight: 3, Prizes: []cards.Prize{
				points(50, 600),
				{Award: cards.Award{Kind: cards.PrizeCoupon, Text: "back-10"}, Quantity: 100},
				{Award: cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}, Quantity: 1},
			}},
			{Name: "必中", Form: cards.FormReveal, Weight: 1, Prizes: []cards.Prize{
				points(10, 249),
				{Award: cards.Award{Kind: cards.PrizeGift, Text: "样品一盒"}, Quantity: 1, Worth: 1900},
			}},
		},
	}
}

func TestBatchSurvivesJSON(t *testing.T) {
	want := batch()
	want.Created = &cards.Signature{Operator: "li", At: from}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got cards.Batch
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{
		`{"kind":"points","value":50,"quantity":600}`, `{"kind":"coupon","value":"back-10","quantity":100}`,
		`{"kind":"gift","value":"样品一盒","quantity":1,"worth":1900}`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is not in %s", part, text)
		}
	}
	none, err := json.Marshal(cards.Award{Kind: cards.PrizeNone})
	if err != nil || string(none) != `{"kind":"none"}` {
		t.Errorf("none = %s, %v", none, err)
	}
	for _, bad := range []string{`{"kind":"points","value":"50"}`, `{"kind":"coupon","value":5}`, `{"kind":"points","value":1.5}`, `{"kind":"points","value":9223372036854775808}`} {
		var prize cards.Prize
		if err := json.Unmarshal([]byte(bad), &prize); err == nil {
			t.Errorf("%s reads as %v", bad, prize)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := batch().Validate(); err != nil {
		t.Fatalf("a good batch: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*cards.Batch)
		want   loyalty.Field
	}{
		"no name":           {func(b *cards.Batch) { b.Name = " " }, loyalty.Field{Pointer: "/name", Code: "required"}},
		"name of two lines": {func(b *cards.Batch) { b.Name = "a\nb" }, loyalty.Field{Pointer: "/name", Code: "required"}},
		"no cards":          {func(b *cards.Batch) { b.Count = 0 }, loyalty.Field{Pointer: "/count", Code: "out_of_range"}},
		"cards that pay":    {func(b *cards.Batch) { b.CardCost = -1 }, loyalty.Field{Pointer: "/card_cost", Code: "out_of_range"}},
		"cards of gold":     {func(b *cards.Batch) { b.CardCost = cards.MaxCardCost + 1 }, loyalty.Field{Pointer: "/card_cost", Code: "out_of_range"}},
		"too many cards":    {func(b *cards.Batch) { b.Count = cards.MaxCount + 1 }, loyalty.Field{Pointer: "/count", Code: "out_of_range"}},
		"empty window":      {func(b *cards.Batch) { b.ValidTo = b.ValidFrom }, loyalty.Field{Pointer: "/valid_to", Code: "not_after_valid_from"}},
		"no window":         {func(b *cards.Batch) { b.ValidFrom = time.Time{} }, loyalty.Field{Pointer: "/valid_from", Code: "required"}},
		"no arms":           {func(b *cards.Batch) { b.Arms = nil }, loyalty.Field{Pointer: "/arms", Code: "out_of_range"}},
		"long rules":        {func(b *cards.Batch) { b.RulesText = strings.Repeat("规", 4001) }, loyalty.Field{Pointer: "/rules_text", Code: "too_long"}},
		"same arm twice":    {func(b *cards.Batch) { b.Arms[1].Name = "刮刮" }, loyalty.Field{Pointer: "/arms/1/name", Code: "duplicate"}},
		"unknown form":      {func(b *cards.Batch) { b.Arms[0].Form = "wheel" }, loyalty.Field{Pointer: "/arms/0/form", Code: "unknown"}},
		"no weight":         {func(b *cards.Batch) { b.Arms[0].Weight = 0 }, loyalty.Field{Pointer: "/arms/0/weight", Code: "out_of_range"}},
		"unknown kind":      {func(b *cards.Batch) { b.Arms[0].Prizes[0].Kind = "cash" }, loyalty.Field{Pointer: "/arms/0/prizes/0/kind", Code: "unknown"}},
		"no points":         {func(b *cards.Batch) { b.Arms[0].Prizes[0].Amount = 0 }, loyalty.Field{Pointer: "/arms/0/prizes/0/value", Code: "out_of_range"}},
		"negative quantity": {func(b *cards.Batch) { b.Arms[0].Prizes[0].Quantity = -1 }, loyalty.Field{Pointer: "/arms/0/prizes/0/quantity", Code: "out_of_range"}},
		"no coupon":         {func(b *cards.Batch) { b.Arms[0].Prizes[1].Text = "" }, loyalty.Field{Pointer: "/arms/0/prizes/1/value", Code: "required"}},
		"yuan for fen":      {func(b *cards.Batch) { b.Arms[0].Prizes[2].Amount = 20_001 }, loyalty.Field{Pointer: "/arms/0/prizes/2/value", Code: "out_of_range"}},
		"red packet too small": {
			func(b *cards.Batch) { b.Arms[0].Prizes[2].Amount = 99 },
			loyalty.Field{Pointer: "/arms/0/prizes/2/value", Code: "out_of_range"},
		},
		"red packet over the law's cap": {
			func(b *cards.Batch) { b.Arms[0].Prizes[2].Amount = 5_000_001 },
			loyalty.Field{Pointer: "/arms/0/prizes/2/value", Code: "top_prize_too_high"},
		},
		"gift over the law's cap": {
			func(b *cards.Batch) { b.Arms[1].Prizes[1].Worth = 5_000_001 },
			loyalty.Field{Pointer: "/arms/1/prizes/1/worth", Code: "top_prize_too_high"},
		},
		"more prizes than cards": {
			func(b *cards.Batch) { b.Arms[0].Prizes[0].Quantity = 650 },
			loyalty.Field{Pointer: "/arms/0/prizes", Code: "more_prizes_than_cards"},
		},
		"reveal with a blank": {
			func(b *cards.Batch) { b.Arms[1].Prizes[0].Quantity = 248 },
			loyalty.Field{Pointer: "/arms/1/prizes", Code: "reveal_must_win"},
		},
		"reveal with a declared blank": {
			func(b *cards.Batch) {
				b.Arms[1].Prizes[1] = cards.Prize{Award: cards.Award{Kind: cards.PrizeNone}, Quantity: 1}
			},
			loyalty.Field{Pointer: "/arms/1/prizes/1/kind", Code: "reveal_must_win"},
		},
	} {
		b := batch()
		c.change(&b)
		refusal, ok := errors.AsType[*loyalty.Error](b.Validate())
		if !ok || refusal.Kind != loyalty.KindInvalid {
			t.Errorf("%s: accepted", name)
			continue
		}
		if diff := cmp.Diff([]loyalty.Field{c.want}, refusal.Fields); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	highest := batch()
	highest.Arms[1].Prizes[1].Worth = cards.TopPrize
	if err := highest.Validate(); err != nil {
		t.Errorf("a prize of exactly ¥50,000: %v", err)
	}
}

// Quantities are exact in every batch, arms have their share, a reveal arm has no
// blank, and each prize has as many cards that hold it.
func TestDrawsGiveEveryPrizeExactlyAsOftenAsDeclared(t *testing.T) {
	keys := ring(t, root('1', 7))
	rapid.Check(t, func(t *rapid.T) {
		b := cards.Batch{
			KeyID: "1", Number: rapid.IntRange(0, cards.MaxBatches-1).Draw(t, "number"), Name: "n",
			Count: rapid.IntRange(1, 400).Draw(t, "count"), Canaries: rapid.IntRange(0, 5).Draw(t, "canaries"), ValidFrom: from, ValidTo: to,
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "arms") {
			b.Arms = append(b.Arms, cards.Arm{Name: fmt.Sprint(i), Form: cards.FormScratch, Weight: rapid.IntRange(1, 9).Draw(t, "weight")})
		}
		declared := map[string]int{}
		for i := range b.Arms {
			left := b.ArmSize(i)
			for left > 0 && rapid.Bool().Draw(t, "another") {
				prize := points(int64(10*i+len(b.Arms[i].Prizes)+1), rapid.IntRange(1, left).Draw(t, "quantity"))
				b.Arms[i].Prizes = append(b.Arms[i].Prizes, prize)
				declared[fmt.Sprint(i, prize.Award)] += prize.Quantity
				left -= prize.Quantity
			}
			if left > 0 {
				declared[fmt.Sprint(i, cards.Award{Kind: cards.PrizeNone})] += left
			}
		}
		if err := b.Validate(); err != nil {
			t.Fatal(err)
		}
		draws, err := keys.Draws(b)
		if err != nil {
			t.Fatal(err)
		}
		given := map[string]int{}
		for card := range b.PrintRun() {
			if !draws.Canary(card) {
				given[fmt.Sprint(draws.Arm(card), draws.Award(card))]++
			}
		}
		if diff := cmp.Diff(declared, given); diff != "" {
			t.Fatal(diff)
		}
		held := map[int]bool{}
		for i, arm := range b.Arms {
			for j, prize := range arm.Prizes {
				for n := range prize.Quantity {
					card := draws.Holder(i, j, n)
					if held[card] || draws.Arm(card) != i || draws.Award(card) != prize.Award {
						t.Fatalf("no. %d of prize %d in arm %d is card %d: arm %d, %+v", n, j, i, card, draws.Arm(card), draws.Award(card))
					}
					held[card] = true
				}
			}
		}
	})
}

// Canaries are spread over the print run and take nothing from the prizes, and
// a batch without them draws as it did before there were any.
func TestCanariesStandAmongTheCardsAndWinNothing(t *testing.T) {
	keys := ring(t, root('1', 7))
	b := batch()
	plain, err := keys.Draws(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(plain.Canaries()) != 0 || plain.Canary(0) || plain.Canary(b.Count-1) {
		t.Error("a batch without canaries has one")
	}
	b.Canaries = 40
	if err := b.Validate(); err != nil || b.PrintRun() != 1040 {
		t.Fatalf("%v, a print run of %d", err, b.PrintRun())
	}
	draws, err := keys.Draws(b)
	if err != nil {
		t.Fatal(err)
	}
	declared, given := map[cards.Award]int{}, map[cards.Award]int{}
	for i, arm := range b.Arms {
		left := b.ArmSize(i)
		for _, prize := range arm.Prizes {
			declared[prize.Award] += prize.Quantity
			left -= prize.Quantity
		}
		if left > 0 {
			declared[cards.Award{Kind: cards.PrizeNone}] += left
		}
	}
	var found []int
	for card := range b.PrintRun() {
		if !draws.Canary(card) {
			given[draws.Award(card)]++
			continue
		}
		found = append(found, card)
		if award := draws.Award(card); award.Kind != cards.PrizeNone || draws.Arm(card) != 0 {
			t.Errorf("canary %d gives %v", card, award)
		}
	}
	if diff := cmp.Diff(declared, given); diff != "" {
		t.Errorf("the honest cards: %s", diff)
	}
	if diff := cmp.Diff(found, draws.Canaries()); diff != "" || len(found) != 40 {
		t.Errorf("%d canaries: %s", len(found), diff)
	}
	if found[0] > 250 || found[39] < 790 {
		t.Errorf("the canaries stand together: %v", found)
	}
	for canaries, count := range map[int]int{-1: 10, 1001: 10, 1: cards.MaxCount} {
		b := batch()
		b.Count, b.Canaries = count, canaries
		b.Arms = b.Arms[:1]
		if err := b.Validate(); loyalty.KindOf(err) != loyalty.KindInvalid || !strings.Contains(fmt.Sprint(err.(*loyalty.Error).Fields), "/canaries") {
			t.Errorf("%d canaries in %d: %v", canaries, count, err)
		}
	}
}

// χ² of prize against the order of serials: 20 equal runs of cards, two
// outcomes. The 99.99 % point of χ² with 19 degrees is 51.7.
func TestPrizesDoNotFollowTheSerials(t *testing.T) {
	const count, winners, runs = 20_000, 5_000, 20
	b := cards.Batch{
		KeyID: "1", Number: 12, Name: "n", Count: count, ValidFrom: from, ValidTo: to,
		Arms: []cards.Arm{{Name: "a", Form: cards.FormScratch, Weight: 1, Prizes: []cards.Prize{points(5, winners)}}},
	}
	draws, err := ring(t, root('1', 7)).Draws(b)
	if err != nil {
		t.Fatal(err)
	}
	var won [runs]float64
	for card := range count {
		if draws.Award(card).Kind == cards.PrizePoints {
			won[card*runs/count]++
		}
	}
	const wins, losses = float64(winners) / runs, float64(count-winners) / runs
	chi := 0.0
	for _, w := range won {
		chi += (w-wins)*(w-wins)/wins + (w-wins)*(w-wins)/losses
	}
	t.Logf("χ² = %.1f with %d degrees of freedom", chi, runs-1)
	if chi > 51.7 {
		t.Error("prizes follow the serials")
	}
}

// Arms are dealt in exact shares, and no run of the printing order has more of
// one than chance gives it. The 99.99 % point of χ² with 38 degrees is 81.6.
func TestArmsAreDealtByWeightWhateverTheSerial(t *testing.T) {
	const count, runs = 24_000, 20
	b := cards.Batch{
		KeyID: "1", Number: 13, Name: "n", Count: count, ValidFrom: from, ValidTo: to,
		Arms: []cards.Arm{
			{Name: "a", Form: cards.FormScratch, Weight: 3},
			{Name: "b", Form: cards.FormPlain, Weight: 2},
			{Name: "c", Form: cards.FormPlain, Weight: 1},
		},
	}
	draws, err := ring(t, root('1', 7)).Draws(b)
	if err != nil {
		t.Fatal(err)
	}
	var dealt [runs][3]float64
	var sizes [3]int
	for card := range count {
		arm := draws.Arm(card)
		sizes[arm]++
		dealt[card*runs/count][arm]++
	}
	if sizes != [3]int{12_000, 8000, 4000} {
		t.Errorf("arms of %v cards", sizes)
	}
	chi := 0.0
	for _, run := range dealt {
		for arm, n := range run {
			expected := float64(sizes[arm]) / runs
			chi += (n - expected) * (n - expected) / expected
		}
	}
	t.Logf("χ² = %.1f with %d degrees of freedom", chi, (runs-1)*2)
	if chi > 81.6 {
		t.Error("arms follow the serials")
	}
}

// No step of a batch's life touches what its cards were promised.
func TestNoStepOfItsLifeChangesABatchsCards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		made := batch()
		b := made
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			who := rapid.SampledFrom([]string{"li", "wang", "zhao"}).Draw(t, "who")
			at := from.Add(time.Duration(rapid.IntRange(-100, 3000).Draw(t, "hours")) * time.Hour)
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				b, _ = b.Activate(who, at)
			case 2:
				b, _ = b.Print(who, manifest, at)
			case 3:
				b, _ = b.Receive(who, manifest, at)
			case 4:
				b = b.Freeze(who, at)
			}
		}
		b.State, b.Printed, b.Received, b.Approved, b.Activated, b.Frozen = made.State, nil, nil, nil, nil, nil
		if diff := cmp.Diff(made, b); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestPrizesCostWhatTheBatchTells(t *testing.T) {
	for _, c := range []struct {
		prizes []cards.Prize
		fen    loyalty.Fen
		known  bool
	}{
		{nil, 0, true},
		{[]cards.Prize{{Award: cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}, Quantity: 10, Worth: 500}}, 1880, true},
		{[]cards.Prize{{Award: cards.Award{Kind: cards.PrizeGift, Text: "样品"}, Quantity: 2, Worth: 900}, {Award: cards.Award{Kind: cards.PrizeNone}, Quantity: 5}}, 1800, true},
		{[]cards.Prize{{Award: cards.Award{Kind: cards.PrizeRedPacket, Amount: 100}, Quantity: 1}, points(50, 3)}, 100, false},
		{[]cards.Prize{{Award: points(50, 1).Award, Quantity: 3, Worth: 25}}, 75, true},
	} {
		b := cards.Batch{Arms: []cards.Arm{{Prizes: c.prizes}}}
		if fen, known := b.PoolCost(0); fen != c.fen || known != c.known {
			t.Errorf("%+v cost %d, %t", c.prizes, fen, known)
		}
	}
}

func TestDrawsNeedTheBatchKey(t *testing.T) {
	b := batch()
	draw := func(keys *cards.Keyring, b cards.Batch) (out []cards.Award) {
		draws, err := keys.Draws(b)
		if err != nil {
			t.Fatal(err)
		}
		for card := range b.Count {
			out = append(out, draws.Award(card))
		}
		return out
	}
	first := draw(ring(t, root('1', 7)), b)
	if diff := cmp.Diff(first, draw(ring(t, root('1', 7)), b)); diff != "" {
		t.Errorf("a replay differs: %s", diff)
	}
	if cmp.Equal(first, draw(ring(t, root('1', 8)), b)) {
		t.Error("another root key draws the same")
	}
	b.Number++
	if cmp.Equal(first, draw(ring(t, root('1', 7)), b)) {
		t.Error("another batch draws the same")
	}
	b.KeyID = "2"
	if _, err := ring(t, root('1', 7)).Draws(b); !errors.Is(err, cards.ErrNotFound) {
		t.Errorf("an unknown root key: %v", err)
	}
}
