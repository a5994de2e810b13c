package redeemcard_test

import (
	"testing"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// While a redemption that was decided before the end can still be on its way,
// a free card is closed before anybody is told "no": once, for a write unit.
func TestAFreeCardIsClosedBeforeALastNo(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	frozenAt := noon
	frozen := b.batch(2, cards.FormPlain, prizes[cards.PrizePoints], func(b *cards.Batch) {
		b.State, b.Frozen = cards.StateFrozen, &cards.Signature{Operator: "li", At: frozenAt}
	})
	for name, c := range map[string]struct {
		batch  cards.Batch
		card   int
		at     time.Time
		writes float64
	}{
		"at the end":              {batch, 0, closed, 1},
		"just within":             {batch, 1, closed.Add(cards.SettlingTime - time.Second), 1},
		"when it has settled":     {batch, 2, closed.Add(cards.SettlingTime), 0},
		"frozen":                  {frozen, 0, frozenAt, 1},
		"frozen and settled":      {frozen, 1, frozenAt.Add(cards.SettlingTime), 0},
		"frozen, by a slow clock": {frozen, 2, frozenAt.Add(-time.Minute), 1},
	} {
		b.at(c.at)
		code := b.code(c.batch, c.card)
		b.page(code) // a page closes nothing, and the program is read once a minute
		for try := range 2 {
			var usage table.Usage
			got := b.send(table.WithUsage(t.Context(), &usage), "POST", "/c/"+code+"/redemption", map[string]string{"content-type": "application/json"}, phone("13800000000"))
			if want := map[int]float64{0: c.writes}[try]; got.StatusCode != 404 || usage.WriteUnits != want || problemCode(t, got) != "card_not_found" {
				t.Errorf("%s, try %d: %d for %v write units, want 404 for %v", name, try+1, got.StatusCode, usage.WriteUnits, want)
			}
		}
	}
	// An instance whose clock is behind, and a page, hold to it.
	b.at(closed.Add(-time.Second))
	if got := b.redeem(b.code(batch, 0), nil, openid("slow")); got.StatusCode != 404 || b.owner("slow") != "" {
		t.Errorf("a closed card gives %d", got.StatusCode)
	}
	if got := b.page(b.code(batch, 0)); got.StatusCode != 404 {
		t.Errorf("the page of a closed card is %d", got.StatusCode)
	}
	if got := b.redeem(b.code(batch, 3), nil, openid("slow")); got.StatusCode != 200 {
		t.Errorf("a card that nobody closed gives %d", got.StatusCode)
	}
}

// Whichever comes first, the write of a redemption or the last "no", the other
// one yields to it.
func TestALateRedemptionMeetsALastNo(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	b.at(closed.Add(-time.Second))
	code := b.code(batch, 0)
	b.meanwhile(func() {
		b.at(closed.Add(time.Minute))
		if got := b.redeem(code, nil, openid("other")); got.StatusCode != 404 {
			t.Errorf("after the window: %d", got.StatusCode)
		}
	})
	if got := b.redeem(code, nil, openid("late")); got.StatusCode != 404 || b.owner("late") != "" {
		t.Errorf("a redemption that lands after the card was closed: %d", got.StatusCode)
	}

	second := b.code(batch, 1)
	b.at(closed.Add(time.Minute))
	b.meanwhile(func() {
		b.at(closed.Add(-time.Second))
		b.redeem(second, nil, openid("in-time"))
		b.at(closed.Add(time.Minute))
	})
	if got := b.redeem(second, nil, openid("in-time")); got.StatusCode != 200 {
		t.Errorf("the winner, refused while they won, gets %d", got.StatusCode)
	}
}

// The owner of a phone who was refused their reserved prize, because the batch
// was frozen meanwhile, does not get it by a claim of theirs that lands later.
func TestALateClaimMeetsALastNo(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	reserved := b.redeem(code, nil, phone("13800000000"))
	owner := b.enrol(b.phoneIdentity("13800000000"))
	b.meanwhile(func() {
		frozen := batch.Freeze("li", noon)
		b.put(table.DocumentBatch, batch.ID(), frozen)
		if got := b.redeem(code, b.bearer(owner), ""); got.StatusCode != 404 {
			t.Errorf("in the frozen batch: %d", got.StatusCode)
		}
	})
	if got := b.redeem(code, b.bearer(owner), ""); got.StatusCode != 404 {
		t.Errorf("a claim that lands after the refusal: %d", got.StatusCode)
	}
	if balance := b.account(owner).Balance; balance != (points.Balance{}) {
		t.Errorf("it gives %+v", balance)
	}
	if got := b.redeem(code, nil, phone("13800000000")); got.Body != reserved.Body {
		t.Errorf("the one who typed the phone gets %s, want their first answer", got.Body)
	}
}
