package prizes

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// attempts bounds how often a lost race for a held card is decided again.
const attempts = 8

// Release lets a held card's prize go, for an operator (放行). It is given as a
// redemption gives it, once: to the member who redeemed the card, or to the one
// into whom they were merged since, by the program of that day. One that is
// reserved for a phone can be proved from now on. A repeat changes nothing.
//
// It fails with KindNotFound code "hold_unknown", and with KindConflict:
// "hold_settled" once the card is void, "member_erased" when nobody is there to
// give it to.
func (g Giver) Release(ctx context.Context, code cards.Code, operator string, now time.Time) (cards.Hold, error) {
	return g.settle(ctx, code, func(held store.HeldCard) (store.HeldCard, []table.Action, error) {
		was := held.Hold
		var err error
		if held.Hold, err = was.Release(operator, now); err != nil || was.State() == held.Hold.State() {
			return held, nil, err
		}
		card := &held.Redemption
		card.Hold = cards.HoldReleased
		if card.Member == "" {
			return held, nil, nil
		}
		win := Win{Code: code, Since: card.At, Now: now}
		win.Known, err = enrolment.Whole(ctx, g.Store, card.Member)
		if err == nil {
			err = win.Known.Open()
		}
		if err != nil {
			return held, nil, err
		}
		card.Member, held.Hold.Member = win.Known.Member, win.Known.Member
		if win.Batch, err = g.Store.Batch(ctx, code.BatchID()); err != nil {
			return held, nil, err
		}
		versions, err := g.Store.Programs(ctx)
		if err != nil {
			return held, nil, err
		}
		win.Rules = program.At(versions, card.At)
		if until := win.Rules.Points.Expiry.Until(card.At, win.Rules.Zone()); until != nil && !until.After(now) {
			win.Since = now // the review took longer than the points were good for
		}
		actions, err := g.Give(ctx, win, card)
		return held, actions, err
	})
}

// Void takes a held card's prize away, for an operator (作废). Where the program
// asks for two the first only proposes, and so where the operator would have
// voided more than the limit alone on that day of the brand's calendar. It fails as Hold.Void does, and with
// KindNotFound code "hold_unknown".
func (g Giver) Void(ctx context.Context, code cards.Code, reason cards.VoidReason, operator string, rules program.Program, now time.Time) (cards.Hold, error) {
	batch, err := g.Store.Batch(ctx, code.BatchID())
	if loyalty.KindOf(err) == loyalty.KindNotFound {
		err = loyalty.Refuse(loyalty.KindNotFound, "hold_unknown", "there is nothing of this id")
	}
	if err != nil {
		return cards.Hold{}, err
	}
	return g.settle(ctx, code, func(held store.HeldCard) (store.HeldCard, []table.Action, error) {
		bounds, pointsLimit := rules.Cards.Suspects(), rules.Points.AdjustmentLimit
		alone, err := g.Store.Alone(ctx, operator, string(points.DayOf(now, rules.Zone())))
		if err != nil {
			return held, nil, err
		}
		size, worth, _ := batch.VoidWorth(held.Hold.Award)
		both := bounds.NeedsTwo(batch, held.Hold.Award, pointsLimit) || size > 0 && size > pointsLimit-alone.Points || worth > 0 && worth > bounds.VoidLimit-alone.Fen
		was := held.Hold.State()
		held.Hold, err = held.Hold.Void(reason, operator, both, now)
		if err != nil || held.Hold.State() != cards.HoldVoided {
			return held, nil, err
		}
		held.Redemption.Hold, held.Redemption.Void = cards.HoldVoided, reason
		var counted []table.Action
		switch {
		case both || was == cards.HoldVoided:
		case size > 0:
			counted = append(counted, alone.CorrectAlone(size, pointsLimit, now))
		case worth > 0:
			counted = append(counted, alone.VoidAlone(worth, bounds.VoidLimit, now))
		}
		return held, counted, nil
	})
}

// settle is load, decide, commit of a held card and of what its decision brings
// along. A decision that leaves the hold as it was writes nothing.
func (g Giver) settle(ctx context.Context, code cards.Code, decide func(store.HeldCard) (store.HeldCard, []table.Action, error)) (cards.Hold, error) {
	for range attempts {
		was, err := g.Store.HeldCard(ctx, code)
		if err != nil {
			return cards.Hold{}, err
		}
		is, given, err := decide(was)
		if err != nil {
			return cards.Hold{}, err
		}
		actions := store.ChangeHeldCard(code, was, is)
		if len(actions) == 0 {
			return is.Hold, nil
		}
		err = g.Store.Table.Write(ctx, append(actions, given...)...)
		if !store.Refused(err) {
			return is.Hold, err
		}
	}
	return cards.Hold{}, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same card at the same time")
}
