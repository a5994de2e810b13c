package redeemcard_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

func (b *brand) payout(code cards.Code) cards.Payout {
	b.t.Helper()
	payout, err := b.f.Store.Payout(b.t.Context(), code)
	if err != nil {
		b.t.Fatal(err)
	}
	return payout
}

// A red packet is asked for in the redemption's own write; what was lost on the
// way to the queue is sent with the winner's repeat.
func TestARedPacketIsAskedForOnce(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormScratch, prizes[cards.PrizeRedPacket])
	code := b.code(batch, 3)
	b.payouts.fails = true
	if got := b.redeem(code, nil, openid("o-1")); got.StatusCode != 503 {
		t.Fatalf("the queue is down: %d %s", got.StatusCode, got.Body)
	}
	first := b.payout(batch.Code(3))
	b.payouts.fails = false
	for range 2 {
		if got := b.redeem(code, nil, openid("o-1")); got.StatusCode != 200 {
			t.Fatalf("%d %s", got.StatusCode, got.Body)
		}
	}
	if got := b.redeem(code, nil, openid("o-2")); got.StatusCode != 409 {
		t.Fatalf("somebody else: %d", got.StatusCode)
	}
	message := `{"type":"payout.due","bill":"HT1000010000003"}`
	if diff := cmp.Diff([]string{message, message}, b.payouts.bodies); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
	payout := b.payout(batch.Code(3))
	owners, err := b.f.Store.Owners(t.Context(), payout.Recipient)
	if err != nil || owners[0] != payout.Member || payout.Member == "" || payout.Amount.Fen() != 188 || payout.Asked != 0 {
		t.Errorf("the payout is %+v, of %q, %v", payout, owners, err)
	}
	if !slices.Equal(first.Steps, payout.Steps) {
		t.Errorf("a repeat changed %+v to %+v", first.Steps, payout.Steps)
	}
}

// Nothing is paid for a typed phone until its owner proves it; then once.
func TestAReservedRedPacketIsPaidToTheOneWhoProvesIt(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizeRedPacket])
	code := b.code(batch, 4)
	if got := b.redeem(code, nil, phone("13800000000")); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.Body)
	}
	if _, err := b.f.Store.Payout(t.Context(), batch.Code(4)); loyalty.KindOf(err) != loyalty.KindNotFound || len(b.payouts.bodies) != 0 {
		t.Fatalf("a typed phone is paid: %v, %v", err, b.payouts.bodies)
	}
	member := b.enrol(phoneIdentity(t, b.f.PhoneKey, "13800000000"))
	for range 2 {
		if got := b.redeem(code, b.bearer(member), ""); got.StatusCode != 200 {
			t.Fatalf("%d %s", got.StatusCode, got.Body)
		}
	}
	payout := b.payout(batch.Code(4))
	if payout.Member != member || payout.Recipient != (loyalty.Identity{}) || len(payout.Steps) != 1 || len(b.payouts.bodies) != 2 {
		t.Errorf("the payout is %+v, queued %v", payout, b.payouts.bodies)
	}
}

// A client says who they are; no amount of theirs is read.
func TestNoAmountComesFromAClient(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizeRedPacket])
	before := b.snapshot()
	for _, body := range []string{
		`{"identity":{"kind":"openid","channel":"wechat","value":"o"},"amount":20000}`,
		`{"identity":{"kind":"openid","channel":"wechat","value":"o"},"prize":{"kind":"red_packet","value":20000}}`,
		`{"identity":{"kind":"openid","channel":"wechat","value":"o","amount":20000}}`,
	} {
		if got := b.redeem(b.code(batch, 0), nil, body); got.StatusCode != 400 {
			t.Errorf("%s: %d", body, got.StatusCode)
		}
	}
	b.unchanged(before, "an amount")
}

func TestAGiftWaitsForTheNextOrder(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormReveal, prizes[cards.PrizeGift])
	member := b.enrol(loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: "o-1"})
	for range 2 {
		if got := b.redeem(b.code(batch, 2), nil, openid("o-1")); got.StatusCode != 200 {
			t.Fatalf("%d %s", got.StatusCode, got.Body)
		}
	}
	gifts, _, err := b.f.Store.GiftsOf(t.Context(), member, 10, "")
	want := []cards.Gift{{ID: "1-00001-0000002", Batch: "1-00001", Card: 2, Member: member, Text: "试用装一份", WonAt: noon.UTC()}}
	if diff := cmp.Diff(want, gifts); diff != "" || err != nil {
		t.Errorf("gifts (-want +got):\n%s%v", diff, err)
	}
	pending, _, err := b.f.Store.Gifts(t.Context(), cards.GiftPending, 10, "")
	if diff := cmp.Diff(want, pending); diff != "" || err != nil {
		t.Errorf("listed (-want +got):\n%s%v", diff, err)
	}
}

// A coupon is what the rules promised when they were published, whatever its
// template has become; a batch from before that froze gives the template's.
func TestACouponIsWhatWasPublished(t *testing.T) {
	b := open(t)
	b.template()
	frozen := b.batch(1, cards.FormPlain, prizes[cards.PrizeCoupon], func(batch *cards.Batch) {
		batch.Terms = []cards.Terms{{Template: "back-20", Name: "公示的券", Threshold: 9900, Discount: 5000, Days: 7}}
	})
	loose := b.batch(2, cards.FormPlain, prizes[cards.PrizeCoupon])
	for batch, want := range map[*cards.Batch]string{&frozen: "公示的券 9900 5000 2026-11-18", &loose: "老友回头券 19900 2000 2027-02-11"} {
		name := "o-" + batch.ID()
		if got := b.redeem(b.code(*batch, 0), nil, openid(name)); got.StatusCode != 200 {
			t.Fatalf("%d %s", got.StatusCode, got.Body)
		}
		owners, err := b.f.Store.Owners(t.Context(), loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: name})
		if err != nil {
			t.Fatal(err)
		}
		held, _, err := b.f.Store.Coupons(t.Context(), owners[0], 10, "")
		if err != nil || len(held) != 1 {
			t.Fatalf("%v, %v", held, err)
		}
		got := fmt.Sprint(held[0].Name, " ", held[0].Threshold, " ", held[0].Discount, " ", held[0].ExpiresAt.In(opened.Location()).Format(time.DateOnly))
		if got != want {
			t.Errorf("%s: %s, want %s", batch.ID(), got, want)
		}
	}
}

// pool is a batch of 10,000 cards with every kind of prize.
func (b *brand) pool() cards.Batch {
	prize := func(award cards.Award, quantity int) cards.Prize {
		return cards.Prize{Award: award, Quantity: quantity}
	}
	return b.batch(9, cards.FormScratch, cards.Award{}, func(batch *cards.Batch) {
		batch.Count = 10_000
		batch.Arms = []cards.Arm{
			{Name: "刮刮", Form: cards.FormScratch, Weight: 3, Prizes: []cards.Prize{
				prize(prizes[cards.PrizeRedPacket], 150), prize(cards.Award{Kind: cards.PrizeRedPacket, Amount: 8_800}, 1),
				prize(prizes[cards.PrizeCoupon], 600), prize(prizes[cards.PrizeGift], 75), prize(prizes[cards.PrizePoints], 1_874),
			}},
			{Name: "必中", Form: cards.FormReveal, Weight: 1, Prizes: []cards.Prize{prize(cards.Award{Kind: cards.PrizePoints, Amount: 100}, 2_500)}},
		}
	})
}

// All 10,000 cards of a batch redeemed by parallel clients give exactly the
// declared quantities, each unit once; serial order says nothing of the prize;
// and whoever has the batch's key and document repeats every draw.
func TestAWholePoolRedeemedAtOnce(t *testing.T) {
	b := open(t)
	b.template()
	batch := b.pool()
	codes := make([]string, batch.Count)
	for card := range codes {
		codes[card] = b.code(batch, card)
	}
	const clients = 16
	units := make([]map[cards.PrizeKind][2]float64, clients) // sum and number, by kind
	draws, err := b.f.Keys.Draws(batch)
	if err != nil {
		t.Fatal(err)
	}
	kinds := make([]cards.PrizeKind, batch.Count)
	for card := range kinds {
		kinds[card] = draws.Award(card).Kind
	}
	start := time.Now()
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			units[client] = map[cards.PrizeKind][2]float64{}
			// Neighbours redeem at once, and every eighth card is tried again by
			// somebody else.
			for card := client; card < batch.Count; card += clients {
				rivals := 1
				if card%8 == 0 {
					rivals = 2
				}
				for rival := range rivals {
					var usage table.Usage
					answer := b.send(table.WithUsage(t.Context(), &usage), "POST", "/c/"+codes[card]+"/redemption",
						map[string]string{"content-type": "application/json"}, openid(fmt.Sprintf("o-%d-%d", card, rival)))
					if want := []int{200, 409}[rival]; answer.StatusCode != want {
						t.Errorf("card %d, rival %d: %d %s", card, rival, answer.StatusCode, answer.Body)
					}
					if rival == 0 {
						sum := units[client][kinds[card]]
						units[client][kinds[card]] = [2]float64{sum[0] + usage.WriteUnits, sum[1] + 1}
					}
				}
			}
		})
	}
	group.Wait()
	elapsed := time.Since(start)

	// The prizes that were given, counted from what the table holds.
	given, won := map[string]int{}, make([]string, batch.Count)
	effects := map[cards.PrizeKind]int{}
	redeemed := 0
	for shard := range table.CardShards {
		for cursor := ""; ; {
			page, next, err := b.f.Store.Redemptions(t.Context(), batch.ID(), shard, 1000, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				redeemed++
				won[r.Card] = fmt.Sprint(r.Arm, " ", r.Award)
				given[won[r.Card]]++
				effects[r.Award.Kind] += b.effects(batch, r)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
	}
	declared, total := map[string]int{}, map[cards.PrizeKind]int{}
	for i, arm := range batch.Arms {
		rest := batch.ArmSize(i)
		for _, prize := range arm.Prizes {
			declared[fmt.Sprint(i, " ", prize.Award)] += prize.Quantity
			total[prize.Kind] += prize.Quantity
			rest -= prize.Quantity
		}
		if rest > 0 {
			declared[fmt.Sprint(i, " ", cards.Award{Kind: cards.PrizeNone})] = rest
		}
	}
	if diff := cmp.Diff(declared, given); diff != "" || redeemed != batch.Count {
		t.Errorf("%d redeemed; quantities (-declared +given):\n%s", redeemed, diff)
	}
	delete(total, cards.PrizeNone)
	delete(effects, cards.PrizeNone)
	if diff := cmp.Diff(total, effects); diff != "" {
		t.Errorf("what the prizes did (-declared +done):\n%s", diff)
	}

	// A replay needs the root key and the document, and nothing that happened.
	document, err := b.f.Store.Batch(t.Context(), batch.ID())
	if err != nil {
		t.Fatal(err)
	}
	replay, err := keys(t, 7).Draws(document)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := keys(t, 8).Draws(document)
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for card, prize := range won {
		if again := fmt.Sprint(replay.Arm(card), " ", replay.Award(card)); again != prize {
			t.Fatalf("card %d gave %s, the replay says %s", card, prize, again)
		}
		if fmt.Sprint(foreign.Arm(card), " ", foreign.Award(card)) == prize {
			same++
		}
	}
	if same > batch.Count*6/10 { // as often as chance has it: Σp² is 0.30
		t.Errorf("another key repeats %d of %d draws", same, batch.Count)
	}

	chi, freedom := chiSquare(won, 20)
	limit := chiSquareLimit(freedom)
	if chi > limit {
		t.Errorf("χ² of prize against serial order is %.1f, above %.1f", chi, limit)
	}
	sorted := slices.Sorted(slices.Values(won)) // the test can fail: a pool that is dealt in order
	if ordered, _ := chiSquare(sorted, 20); ordered < 100*limit {
		t.Errorf("χ² of a pool in order is only %.1f", ordered)
	}
	t.Logf("%d cards by %d clients in %v: every quantity exact, every draw replayed; χ² of prize against serial order in 20 runs: %.1f at %d degrees of freedom (0.1%% limit %.1f)",
		redeemed, clients, elapsed.Round(time.Millisecond), chi, freedom, limit)
	for _, kind := range []cards.PrizeKind{cards.PrizePoints, cards.PrizeCoupon, cards.PrizeGift, cards.PrizeRedPacket, cards.PrizeNone} {
		var sum, n float64
		for _, by := range units {
			sum, n = sum+by[kind][0], n+by[kind][1]
		}
		if n > 0 {
			t.Logf("%-10s %5.0f redeemed by newcomers, %.2f write units each", kind, n, sum/n)
		}
	}
}

// effects is how often a card's prize did what it does beside being noted.
func (b *brand) effects(batch cards.Batch, r store.Redemption) int {
	b.t.Helper()
	switch r.Award.Kind {
	case cards.PrizePoints:
		account, err := b.f.Store.Account(b.t.Context(), r.Member)
		if err != nil || int64(account.Balance.Available) != r.Award.Amount {
			b.t.Errorf("card %d: %+v, %v", r.Card, account.Balance, err)
		}
	case cards.PrizeCoupon:
		have, err := b.f.Store.HaveCoupon(b.t.Context(), r.Trigger(), []loyalty.MemberID{r.Member})
		if err != nil || !have[0] {
			b.t.Errorf("card %d has no coupon, %v", r.Card, err)
		}
	case cards.PrizeRedPacket:
		payout := b.payout(batch.Code(r.Card))
		if payout.Member != r.Member || int64(payout.Amount.Fen()) != r.Award.Amount || payout.Bill != batch.Code(r.Card).Bill() {
			b.t.Errorf("card %d: %+v", r.Card, payout)
		}
	case cards.PrizeGift:
		gifts, _, err := b.f.Store.GiftsOf(b.t.Context(), r.Member, 10, "")
		if err != nil || len(gifts) != 1 || gifts[0].Card != r.Card {
			b.t.Errorf("card %d: %+v, %v", r.Card, gifts, err)
		}
	}
	return 1
}

// chiSquare compares what runs of the serial order gave: Pearson's statistic of
// the table of runs by prizes, and its degrees of freedom. Prizes too rare for
// it (fewer than 5 expected in a run) are counted together.
func chiSquare(won []string, runs int) (chi float64, freedom int) {
	overall := map[string]float64{}
	for _, prize := range won {
		overall[prize]++
	}
	name := func(prize string) string {
		if overall[prize]/float64(runs) < 5 {
			return "rare"
		}
		return prize
	}
	totals, counts := map[string]float64{}, make([]map[string]float64, runs)
	for card, prize := range won {
		run := card * runs / len(won)
		if counts[run] == nil {
			counts[run] = map[string]float64{}
		}
		counts[run][name(prize)]++
		totals[name(prize)]++
	}
	for _, run := range counts {
		for prize, total := range totals {
			expected := total / float64(runs)
			chi += (run[prize] - expected) * (run[prize] - expected) / expected
		}
	}
	return chi, (runs - 1) * (len(totals) - 1)
}

// chiSquareLimit is what χ² exceeds once in a thousand times (Wilson and
// Hilferty's approximation).
func chiSquareLimit(freedom int) float64 {
	const z = 3.0902
	k := float64(freedom)
	return k * math.Pow(1-2/(9*k)+z*math.Sqrt(2/(9*k)), 3)
}
