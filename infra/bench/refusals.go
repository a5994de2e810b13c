package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/table"
)

// Refusal is how long a refused redemption takes in memory: what its work tells
// whoever watches the clock, beside its round trips to the table.
type Refusal struct {
	Trips  float64 `json:"round_trips"`
	Median float64 `json:"median_us"`
	Low    float64 `json:"quartile_us"` // the middle half of the calls lies between these
	High   float64 `json:"upper_quartile_us"`
	// Slower is how many of all pairs of a call of this kind and one for an unknown
	// batch have this one slower, once each round trip takes as long as a table's
	// (see spread); ½ where there is no difference. Chance is the probability that
	// they are as far from ½ where there is none.
	Slower float64 `json:"slower_than_unknown"`
	Chance float64 `json:"p"`
}

// refusal is a card that cannot be redeemed. No two whose tag verifies may be told
// apart by their time.
type refusal struct {
	name        string
	status      int
	batch, card int
}

// refusals are the genuine codes that are refused, after one forged.
var refusals = []refusal{
	{"forged: the tag does not verify", http.StatusNotFound, activeBatch, -1},
	{unknown, http.StatusNotFound, 99, 0},
	{"card beyond its batch", http.StatusNotFound, activeBatch, refusalCards},
	{"not active", http.StatusNotFound, createdBatch, 0},
	{"window not begun", http.StatusNotFound, earlyBatch, 0},
	{"frozen", http.StatusNotFound, frozenBatch, 0},
	{"expired", http.StatusNotFound, overBatch, 0},
	{"taken", http.StatusConflict, activeBatch, 0},
}

// unknown is the refusal that all others are held against.
const unknown = "unknown batch"

// The batches that they are of, and how many cards each has.
const (
	activeBatch = iota + 1
	createdBatch
	earlyBatch
	frozenBatch
	overBatch

	refusalCards = 10
	refusalCalls = 10_000
)

// measureRefusals calls each refusal so many times, one after the other in
// turns, so that what else the machine does strikes all alike.
func measureRefusals(ctx context.Context, calls int) (map[string]Refusal, error) {
	s, err := openShop(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.refusable(); err != nil {
		return nil, err
	}
	f := &redeemcard.Function{
		Store: s.store, Orders: s.queued, Keys: s.keys, PhoneKey: shopKey, TokenKey: shopKey, Clock: s.clock, Random: s.random, Log: quiet,
	}
	requests := make([]events.APIGatewayV2HTTPRequest, len(refusals))
	for i, r := range refusals {
		code, err := s.keys.Codec().Token(cards.Code{KeyID: 'K', Batch: r.batch, Card: max(0, r.card)})
		if err != nil {
			return nil, err
		}
		if r.card < 0 { // the last letter of the tag, another one
			code = code[:len(code)-1] + map[bool]string{true: "1", false: "0"}[code[len(code)-1] == '0']
		}
		requests[i] = redemptionBy(code, 2)
	}
	first, err := s.keys.Codec().Token(cards.Code{KeyID: 'K', Batch: activeBatch})
	if err != nil {
		return nil, err
	}
	if answer, err := f.Handle(ctx, redemptionBy(first, 1)); err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the card to be taken: %d, %w", answer.StatusCode, err)
	}
	times := make([][]time.Duration, len(refusals))
	trips := make([]int, len(refusals))
	for call := range calls {
		for turn := range refusals {
			i := (call + turn) % len(refusals)
			var usage table.Usage
			metered := table.WithUsage(ctx, &usage)
			began := time.Now()
			answer, err := f.Handle(metered, requests[i])
			took := time.Since(began)
			if err != nil || answer.StatusCode != refusals[i].status || usage.WriteUnits != 0 {
				return nil, fmt.Errorf("%s: answered %d for %v write units, %w", refusals[i].name, answer.StatusCode, usage.WriteUnits, err)
			}
			times[i] = append(times[i], took)
			trips[i] += usage.RoundTrips
		}
	}
	measured := map[string]Refusal{}
	served := map[string][]float64{}
	noise := rand.New(rand.NewPCG(1, 1))
	for i, r := range refusals {
		trip := float64(trips[i]) / float64(calls)
		for _, took := range times[i] {
			served[r.name] = append(served[r.name], float64(took)+trip*noise.NormFloat64()*float64(spread))
		}
		slices.Sort(times[i])
		at := func(part int) float64 { return float64(times[i][len(times[i])*part/4].Nanoseconds()) / 1e3 }
		measured[r.name] = Refusal{Trips: trip, Median: at(2), Low: at(1), High: at(3)}
	}
	for name, m := range measured {
		m.Slower, m.Chance = mannWhitney(served[name], served[unknown])
		measured[name] = m
	}
	return measured, nil
}

// spread is the standard deviation of one round trip to a table, taken to be
// small: DynamoDB answers within single milliseconds, and its answers to one
// question differ by more than half of one.
const spread = 500 * time.Microsecond

// mannWhitney is how many of all pairs of one of a and one of b have that of a
// larger, and the probability that chance alone takes them as far from ½.
func mannWhitney(a, b []float64) (larger, chance float64) {
	sorted := slices.Sorted(slices.Values(b))
	for _, value := range a {
		below, _ := slices.BinarySearch(sorted, value)
		larger += float64(below)
	}
	n, m := float64(len(a)), float64(len(b))
	larger /= n * m
	return larger, math.Erfc(math.Abs(larger-0.5) / math.Sqrt((n+m+1)/(12*n*m)) / math.Sqrt2)
}

// refusable makes the batches whose cards are refused.
func (s *shop) refusable() error {
	frozen := cards.Signature{Operator: "bench", At: paidAt.AddDate(0, 0, -1)}
	for number, change := range map[int]func(*cards.Batch){
		activeBatch:  func(*cards.Batch) {},
		createdBatch: func(b *cards.Batch) { b.State, b.Activated = cards.StateCreated, nil },
		earlyBatch:   func(b *cards.Batch) { b.ValidFrom = s.now.Add(time.Hour) },
		frozenBatch:  func(b *cards.Batch) { b.State, b.Frozen = cards.StateFrozen, &frozen },
		overBatch:    func(b *cards.Batch) { b.ValidTo = s.now.Add(-time.Hour) },
	} {
		batch := cards.Batch{
			KeyID: "K", Number: number, Name: "双十一包裹卡", Count: refusalCards, State: cards.StateActive, RulesText: "每张卡限兑一次。",
			ValidFrom: paidAt.AddDate(0, 0, -9), ValidTo: paidAt.AddDate(0, 1, 0), Activated: &cards.Signature{Operator: "bench", At: paidAt.AddDate(0, 0, -9)},
			Arms: []cards.Arm{{Name: "scratch", Form: cards.FormScratch, Weight: 1, Prizes: []cards.Prize{{
				Award: cards.Award{Kind: cards.PrizePoints, Amount: 888}, Quantity: refusalCards,
			}}}},
		}
		change(&batch)
		if _, _, err := s.store.CreateBatch(s.ctx, batch, fmt.Sprint("refusals-", number)); err != nil {
			return err
		}
	}
	return nil
}

// redemptionBy is the buyer's request for the card of the code.
func redemptionBy(code string, buyer int) events.APIGatewayV2HTTPRequest {
	request := events.APIGatewayV2HTTPRequest{
		RawPath: "/c/" + code + "/redemption", Headers: map[string]string{"content-type": "application/json"},
		Body: fmt.Sprintf(`{"identity":{"kind":"buyer","channel":"tmall","value":%q}}`, identity(buyer).Value),
	}
	request.RequestContext.HTTP.Method = http.MethodPost
	return request
}

// tellable is the smallest difference in microseconds that calls across the
// Internet tell, at best and after thousands of them: 15 to 100 (Crosby, Wallach
// and Riedi, Opportunities and Limits of Remote Timing Attacks, 2009). A read of
// DynamoDB varies by a hundred times as much.
const tellable = 15

// alike tells whether nobody outside can tell the refusals of genuine codes
// apart: each makes the same round trips, and their medians are less than
// tellable apart.
func alike(measured map[string]Refusal) bool {
	low, high := measured[unknown], measured[unknown]
	for _, r := range refusals[1:] {
		m := measured[r.name]
		if m.Trips != low.Trips {
			return false
		}
		low.Median, high.Median = min(low.Median, m.Median), max(high.Median, m.Median)
	}
	return high.Median-low.Median < tellable
}
