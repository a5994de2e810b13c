package redeemcard

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/prizes"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// attempts bounds how often a lost race is looked at again. A card has one
// winner, so the second look at it nearly always settles the matter.
const attempts = 5

// errNotRedeemed answers who comes back to a card that nobody redeemed.
var errNotRedeemed = errors.New("the card was not redeemed")

// state is what became of a prize, as the claimant may know it.
type state string

const (
	stateCredited state = "credited" // it is the member's
	stateReserved state = "reserved" // it is kept for the owner of a phone that nobody has proved
	stateHeld     state = "held"     // it is kept for them while an operator looks at it
	stateVoided   state = "voided"   // an operator found that it is not to be given
)

// draw is the answer to a redemption; a repeat gives the same.
type draw struct {
	award  cards.Award // told to nobody while it is suspended
	at     time.Time   // of the first redemption, whole seconds, UTC
	state  state
	repeat bool
	batch  cards.Batch
	arm    cards.Arm
	proved bool   // it has gone to a member, whoever asks
	friend string // the card's reference, by which WeCom will name it
	void   cards.VoidReason
}

// redeem gives a card's prize to the claimant, once: the card's item is put
// under the condition that there is none, in one write with what the prize
// does. A scanned code that does not verify costs no read; every one that does is
// refused or given its prize by one look, see look.
func (f *Function) redeem(r *http.Request, raw string, who claimant) (draw, error) {
	ctx := r.Context()
	code, err := f.parse(r, raw, who.member)
	if err != nil {
		return draw{}, err
	}
	for range attempts {
		result, err := f.try(ctx, code, who)
		refusal, lost := errors.AsType[*table.ConditionError](err)
		if err == nil && !result.suspended() {
			result.friend, err = f.Keys.Reference(code.Code)
		}
		if !lost {
			return result, err
		}
		if who.known, err = refused(refusal); err != nil {
			return draw{}, err
		}
		if merged := who.known.Merged; merged != nil {
			who.parts = append(who.parts, *merged)
			if who.known, err = f.Store.Account(ctx, merged.Into); err != nil {
				return draw{}, err
			}
		}
	}
	return draw{}, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others redeemed at the same time; try again")
}

func (f *Function) try(ctx context.Context, read reading, who claimant) (draw, error) {
	now := f.Clock().UTC().Truncate(time.Second)
	found, err := f.look(ctx, table.Strong, read, who, now)
	if err != nil {
		return draw{}, err
	}
	code, batch := read.Code, *found.Batch
	if found.Redemption != nil {
		return f.again(ctx, code, batch, found, who, now)
	}
	if found.Closed {
		return draw{}, cards.ErrNotFound
	}
	if who.returns {
		return draw{}, errNotRedeemed
	}
	if err := batch.Redeemable(code.Card, now); err != nil {
		return draw{}, f.refuse(ctx, code, batch, err, now)
	}
	draws, err := f.Keys.Draws(batch)
	if err != nil {
		return draw{}, err
	}
	card := store.Redemption{
		Batch: code.BatchID(), Card: code.Card, Arm: draws.Arm(code.Card), Award: draws.Award(code.Card),
		Identity: who.identity, Consents: who.consents, Request: who.request,
		Fact: points.Fact{Kind: points.FactPrize, At: now, Member: found.Owner},
	}
	card.Joined = found.Owner == "" && !who.unproved()
	if slices.Contains(who.consents, loyalty.ConsentMembership) {
		rules, err := f.rules(ctx)
		if err != nil {
			return draw{}, err
		}
		card.Agreed = rules.Legal.VersionNow()
	}
	if err := f.present(ctx, who, card.Award); err != nil {
		return draw{}, err
	}
	actions, count, err := f.review(ctx, code, &card, who)
	if err == nil && !card.Suspended() {
		actions, err = f.give(ctx, code, batch, &card, who.known, count, now)
	}
	if err != nil {
		return draw{}, err
	}
	actions = append([]table.Action{store.RedeemCard(code, card)}, actions...)
	if err := f.write(ctx, actions, who.member != ""); err != nil {
		return draw{}, err
	}
	return drawOf(card, batch, who, false), f.announce(ctx, code, card)
}

// look reads, in one round trip, the card, its batch, which member the claimant
// is, and for a typed code what was counted of guesses. It asks for all of it
// before it judges any, so that a card which nobody can have redeemed yet, for
// which it is ErrNotFound, takes as long as one that somebody has. The owner of
// a typed phone stays unread: nothing may follow from it.
func (f *Function) look(ctx context.Context, consistency table.Consistency, read reading, who claimant, now time.Time) (store.CardLook, error) {
	identity := who.identity
	if who.member != "" || who.unproved() {
		identity = loyalty.Identity{}
	}
	found, err := f.Store.LookAtCard(ctx, consistency, read.Code, identity, read.guesses()...)
	if err == nil {
		err = read.bounded(found.Counted)
	}
	if err == nil && found.Batch == nil {
		err = cards.ErrNotFound
	}
	if err == nil {
		err = f.watchCanary(ctx, read.Code, *found.Batch)
	}
	if err == nil {
		err = found.Batch.Opened(read.Card, now)
	}
	if who.member != "" {
		found.Owner = who.member
	}
	for _, merged := range who.parts {
		if merged.Part == found.Owner {
			found.Owner = merged.Into
		}
	}
	return found, err
}

// present refuses the token of a member who is gone. A credit finds that out by
// itself; what credits nothing has to look.
func (f *Function) present(ctx context.Context, who claimant, award cards.Award) error {
	if who.member == "" || award.Kind == cards.PrizePoints {
		return nil
	}
	account, err := f.Store.Account(ctx, who.member)
	if loyalty.KindOf(err) == loyalty.KindNotFound || err == nil && account.Open() != nil {
		return gone()
	}
	return err
}

// again answers for a card that was redeemed before. The winner gets the
// first answer, even when the batch is over by now; a reserved prize becomes
// the member's who owns the phone; everybody else learns the date at most.
func (f *Function) again(ctx context.Context, code cards.Code, batch cards.Batch, found store.CardLook, who claimant, now time.Time) (draw, error) {
	card := *found.Redemption
	if wonBy(card, who, found.Owner) {
		return drawOf(card, batch, who, true), f.announce(ctx, code, card)
	}
	if result, his, err := f.prove(ctx, code, card, batch, who, now); his || err != nil {
		return result, err
	}
	if err := batch.Redeemable(code.Card, now); err != nil {
		return draw{}, err
	}
	if card.Request != "" && card.Request == who.request {
		return draw{}, loyalty.Refuse(loyalty.KindMismatch, "idempotency_key_reused", "this Idempotency-Key was used for this card with another body")
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return draw{}, err
	}
	return draw{}, &takenError{at: card.At, refusal: loyalty.Refuse(loyalty.KindConflict, "card_taken",
		"This card was redeemed on "+card.At.In(rules.Zone()).Format(time.DateOnly)+". If it was not you, ask the brand.")}
}

// takenError keeps the date for the page.
type takenError struct {
	at      time.Time
	refusal *loyalty.Error
}

func (e *takenError) Error() string { return e.refusal.Error() }
func (e *takenError) Unwrap() error { return e.refusal }

// claim gives a reserved prize to the member who turned out to own the phone.
// The date and the prize stay those of the first answer.
func (f *Function) claim(ctx context.Context, code cards.Code, reserved store.Redemption, batch cards.Batch, who claimant, now time.Time) (draw, error) {
	card := reserved
	card.Member = who.member
	if err := f.present(ctx, who, card.Award); err != nil {
		return draw{}, err
	}
	actions, err := f.give(ctx, code, batch, &card, who.known, store.PrizeCount{}, now)
	if err != nil {
		return draw{}, err
	}
	actions = append([]table.Action{store.ChangeRedemption(code, reserved, card)}, actions...)
	if err := f.write(ctx, actions, true); err != nil {
		return draw{}, err
	}
	return drawOf(card, batch, who, false), f.announce(ctx, code, card)
}

// write commits a redemption, whose first action is the card's. When only the
// credit was refused and there is no account, the member is gone, and trying
// again would not bring them back; a new member's identity may merely have been
// given away. Nor does a token open anything of a member who was erased or merged
// into another.
func (f *Function) write(ctx context.Context, actions []table.Action, byToken bool) error {
	err := f.Store.Table.Write(ctx, actions...)
	refusal, ok := errors.AsType[*table.ConditionError](err)
	if !ok || refusal.FailedAt(0) != nil || len(actions) < 2 || actions[1].Op != table.OpUpdate {
		return err
	}
	failed := refusal.FailedAt(1)
	if failed == nil {
		return err
	}
	if failed.Old == nil {
		return gone()
	}
	account, failure := refused(refusal)
	if failure == nil && byToken && account.Open() != nil {
		return gone()
	}
	return err
}

func gone() error {
	return loyalty.Refuse(loyalty.KindUnauthenticated, "member_unknown", "the member does not exist any more")
}

// refused is the account that stood in the way of a credit, if it was one.
func refused(refusal *table.ConditionError) (store.Account, error) {
	failed := refusal.FailedAt(1)
	if failed == nil || failed.Old == nil {
		return store.Account{}, nil
	}
	member, ok := table.MemberOfAccount(failed.Old.Key)
	if !ok {
		return store.Account{}, nil
	}
	return store.ReadAccount(member, *failed.Old)
}

// give is what a prize does beside being noted on the card.
func (f *Function) give(ctx context.Context, code cards.Code, batch cards.Batch, card *store.Redemption, known store.Account, count store.PrizeCount, now time.Time) ([]table.Action, error) {
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	return prizes.Giver{Store: f.Store, Random: f.Random}.Give(ctx, prizes.Win{
		Code: code, Batch: batch, Rules: rules, Known: known, Since: now, Count: count, Now: now,
	}, card)
}

// promised is a coupon template with the terms that the batch's rules were
// published with, which need no look at what it has become.
func (f *Function) promised(ctx context.Context, batch cards.Batch, id string) (coupons.Template, error) {
	if terms, frozen := batch.TermsOf(id); frozen {
		return coupons.Template{ID: id, Name: terms.Name, Threshold: terms.Threshold, Discount: terms.Discount}, nil
	}
	template, _, err := f.Store.Template(ctx, id)
	return template, err
}

// announce asks for the orders that waited for a new member's identity, for those
// that were claimed while the prize was reserved, and for their red packet to be
// paid. It is repeated with the winner's repeat, so a
// message that was lost is sent again; a payout that nobody asks for again is
// found by settlepoints. A prize that is not given yet has nothing to announce.
func (f *Function) announce(ctx context.Context, code cards.Code, card store.Redemption) error {
	if card.Suspended() {
		return nil
	}
	if card.Award.Kind == cards.PrizeRedPacket && card.Member != "" {
		if err := f.Payouts.Send(ctx, code.Bill().Message()); err != nil {
			return err
		}
	}
	if card.Member != "" && card.Identity.Kind == loyalty.IdentityPhone {
		if err := f.tellClaims(ctx, code); err != nil {
			return err
		}
	}
	if !card.Joined {
		return nil
	}
	return f.Orders.Send(ctx, enrolment.JoinedMessage(card.Identity))
}
