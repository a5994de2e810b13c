package points

import (
	"math"
	"math/bits"

	"github.com/huitou/huitou/shared/loyalty"
)

// Turnover is what entries add to the three totals of the ledger that are no
// balance. With a member's balance they make the double entry (复式记账):
//
//	issued = available + pending + spent + expired + clawed − debt
type Turnover struct {
	Issued loyalty.Points // earned, won or given (发放), or brought along by who was merged into them
	Spent  loyalty.Points // set aside or spent, less what came back (核销)
	Clawed loyalty.Points // taken back by refunds, with orders, or by operators (扣回)
}

// Turnover is what the entry adds. An entry that only moves points adds
// nothing.
func (e Entry) Turnover() Turnover {
	amount := e.Amount()
	switch {
	case e.Kind == EntrySpend, e.Kind == EntryReturn:
		return Turnover{Spent: -amount}
	case e.Kind == EntryClaw, e.Kind == EntryUnbind, e.Kind == EntryAdjust && amount < 0:
		return Turnover{Clawed: -amount}
	}
	return Turnover{Issued: amount}
}

// Plus adds another turnover.
func (t Turnover) Plus(u Turnover) Turnover {
	return Turnover{t.Issued + u.Issued, t.Spent + u.Spent, t.Clawed + u.Clawed}
}

// Value is what points are worth in money to whom they are owed (积分价值).
type Value struct {
	Fen       loyalty.Fen    `json:"fen" minimum:"1" maximum:"1000000000" doc:"fen that per_points are worth"`
	PerPoints loyalty.Points `json:"per_points" minimum:"1" maximum:"1000000000" doc:"so many points are worth fen"`
}

// Of is what an amount of points is worth, rounded up once to a whole fen: what
// is owed is not understated. It is 0 for an amount below zero, and never more
// than an int64 holds.
func (v Value) Of(amount loyalty.Points) loyalty.Fen {
	if amount <= 0 || v.Fen <= 0 || v.PerPoints <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(v.Fen))
	low, carry := bits.Add64(low, uint64(v.PerPoints-1), 0)
	high += carry
	if high >= uint64(v.PerPoints) {
		return math.MaxInt64
	}
	fen, _ := bits.Div64(high, low, uint64(v.PerPoints))
	return loyalty.Fen(min(fen, math.MaxInt64))
}

func (v *Value) validate(pointer string) error {
	if v == nil {
		return nil
	}
	if v.Fen < 1 || v.Fen > 1_000_000_000 {
		return loyalty.Invalid(pointer+"/fen", "out_of_range", "what points are worth must be 1 to 1000000000 fen")
	}
	if v.PerPoints < 1 || v.PerPoints > 1_000_000_000 {
		return loyalty.Invalid(pointer+"/per_points", "out_of_range", "the points that are worth it must be 1 to 1000000000")
	}
	return nil
}
