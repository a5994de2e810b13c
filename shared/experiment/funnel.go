package experiment

import (
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Card is what is known of one redeemed card.
type Card struct {
	Arm         int
	Prize       loyalty.Fen // what its prize is worth
	Added       time.Time   // the holder became a friend (加粉); zero for never
	Removed     time.Time   // and stopped being one (删除好友); zero for not
	Claimed     bool        // an order is the holder's (订单绑定)
	Repurchased bool        // he paid an order after he redeemed the card (首次复购)
}

// Funnel is how far the cards of one arm came. Every number counts cards; a
// card is in a step or not, whatever the others say of it.
type Funnel struct {
	Cards       int // printed (印刷)
	Redeemed    int // 核销
	Added       int // 加粉
	Retained    int // added, and not removed within the days of retention (留存)
	Undecided   int // added, and those days are not over: neither retained nor lost yet
	Claimed     int // 订单绑定
	Repurchased int // 首次复购
	Spent       loyalty.Fen
}

// Funnels begins a count of arms with so many printed cards each, where making
// and packing one card costs so much.
func Funnels(cards []int, cardCost loyalty.Fen) []Funnel {
	funnels := make([]Funnel, len(cards))
	for arm, n := range cards {
		funnels[arm] = Funnel{Cards: n, Spent: loyalty.Fen(n) * cardCost}
	}
	return funnels
}

// Count adds one redeemed card. A friend is retained when he was one for the
// whole retention after he was added.
func (f *Funnel) Count(card Card, retention time.Duration, now time.Time) {
	f.Redeemed++
	f.Spent += card.Prize
	if card.Claimed {
		f.Claimed++
	}
	if card.Repurchased {
		f.Repurchased++
	}
	if card.Added.IsZero() {
		return
	}
	f.Added++
	until := card.Added.Add(retention)
	switch {
	case !card.Removed.IsZero() && card.Removed.Before(until):
	case now.Before(until):
		f.Undecided++
	default:
		f.Retained++
	}
}

// Total is the funnel of all arms together.
func Total(funnels []Funnel) Funnel {
	var total Funnel
	for _, f := range funnels {
		total.Cards += f.Cards
		total.Redeemed += f.Redeemed
		total.Added += f.Added
		total.Retained += f.Retained
		total.Undecided += f.Undecided
		total.Claimed += f.Claimed
		total.Repurchased += f.Repurchased
		total.Spent += f.Spent
	}
	return total
}

// PerFriend is what one added friend cost in fen, rounded down (单个加粉成本);
// false while there is none.
func (f Funnel) PerFriend() (loyalty.Fen, bool) {
	if f.Added == 0 {
		return 0, false
	}
	return f.Spent / loyalty.Fen(f.Added), true
}

// Measure is which step of the funnel arms are compared by.
type Measure string

// The measures.
const (
	MeasureRedeemed Measure = "redeemed"
	MeasureAdded    Measure = "added"
	MeasureRetained Measure = "retained"
)

// Events is how many of the arm's cards reached the measure's step.
func (f Funnel) Events(measure Measure) int {
	switch measure {
	case MeasureRedeemed:
		return f.Redeemed
	case MeasureAdded:
		return f.Added
	default:
		return f.Retained
	}
}
