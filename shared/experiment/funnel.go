package experiment

import (
	"time"

	"github.com/huitou/huitou/shared/localtime"
	"github.com/huitou/huitou/shared/loyalty"
)

// Card is what is known of one redeemed card.
type Card struct {
	Arm         int
	Prize       loyalty.Fen // what its prize is worth
	Claimed     bool        // an order is the holder's (订单绑定)
	Repurchased bool        // they paid an order after they redeemed the card (首次复购)
}

// Friends are those whom the cards of one arm brought on one day (加粉).
type Friends struct {
	Arm   int
	Day   time.Time // its first instant in the brand's time zone
	Added int
	Gone  map[int]int // of these, who left, by how many whole days they stayed
}

// Funnel is how far the cards of one arm came. Every number counts cards; a
// card is in a step or not, whatever the others say of it.
type Funnel struct {
	Cards       int // printed (印刷)
	Redeemed    int // 核销
	Added       int // 加粉
	Retained    int // friends who stayed for the days of retention (留存)
	Undecided   int // friends still, but those days are not over
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

// Count adds one redeemed card.
func (f *Funnel) Count(card Card) {
	f.Redeemed++
	f.Spent += card.Prize
	if card.Claimed {
		f.Claimed++
	}
	if card.Repurchased {
		f.Repurchased++
	}
}

// CountFriends adds the friends of one day. One who left before so many whole
// days is not retained (流失); whether the others are is decided for all of a day
// together, once the last of them has had the time.
func (f *Funnel) CountFriends(friends Friends, days int, now time.Time) {
	stay := friends.Added
	for stayed, gone := range friends.Gone {
		if stayed < days {
			stay -= gone
		}
	}
	f.Added += friends.Added
	year, month, day := friends.Day.Date()
	if now.Before(localtime.Date(year, month, day+1+days, 0, 0, 0, friends.Day.Location())) {
		f.Undecided += stay
	} else {
		f.Retained += stay
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
