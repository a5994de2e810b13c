package claim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
)

// MaxOnCard is how many claims one card's page takes in points.ClaimLife, right
// and wrong ones together: a parcel is one order, seldom two.
const MaxOnCard = 3

// OnCard keeps a claim that the winner of a card made on its page (卡页订单认领).
// The winner need not be proved yet: the claim waits on the card, and becomes
// the claim of the member whom the card becomes (see FromCard). A repeat changes
// nothing. Whether there is such an order has no influence on anything here. It
// returns the card's claims as they stand then. It fails with cards.ErrNotFound
// where nobody redeemed the card, with KindThrottled code "too_many_claims" after
// MaxOnCard claims, and with KindUnavailable when it lost every race.
func OnCard(ctx context.Context, s store.Store, code cards.Code, order loyalty.OrderKey, proof points.Proof, now time.Time) (store.CardClaims, error) {
	made := store.CardClaim{Cause: causeOnCard(code, order, proof), At: now.UTC().Truncate(time.Second), Order: &order, Proof: proof}
	for range attempts {
		known, err := s.CardClaims(ctx, code)
		if err != nil {
			return known, err
		}
		live := slices.DeleteFunc(slices.Clone(known.Made), func(c store.CardClaim) bool { return now.Sub(c.At) >= points.ClaimLife })
		switch {
		case known.Redemption == nil:
			return known, cards.ErrNotFound
		case known.Redemption.Member == "" && known.Redemption.Identity == (loyalty.Identity{}):
			return known, nil // the one for whom it was kept was erased: it becomes nobody's
		case slices.ContainsFunc(live, func(c store.CardClaim) bool { return c.Cause == made.Cause }):
			return known, nil
		case len(live) >= MaxOnCard:
			return known, loyalty.Refuse(loyalty.KindThrottled, "too_many_claims", "no more orders can be claimed with this card")
		}
		is := append(live, made)
		err = s.Table.Write(ctx, store.AddCardClaim(code, known, is)...)
		if !store.Refused(err) {
			known.Made = is
			return known, err
		}
	}
	return store.CardClaims{}, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others claimed with the same card at the same time")
}

// causeOnCard names a claim by what it says, so that it needs no key of its own.
func causeOnCard(code cards.Code, order loyalty.OrderKey, proof points.Proof) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "card %q %d %q %q %q %q %q", code.BatchID(), code.Card, order.Channel, order.Shop, order.Order, proof.PhoneLast4, proof.Buyer))
	return hex.EncodeToString(sum[:16])
}

// FromCard makes the claims that wait on a card, as they were read, those of the
// member whose it is, and has tell put each on the orders queue (see Message). On
// a card that is nobody's yet it does nothing. Called again after it failed, it
// goes on; of one order only the last claim counts.
func FromCard(ctx context.Context, s store.Store, code cards.Code, known store.CardClaims, now time.Time, tell func(context.Context, ...[]byte) error) error {
	if known.Redemption == nil || known.Redemption.Member == "" {
		return nil
	}
	told := slices.Clone(known.Made)
	last := map[loyalty.OrderKey]store.CardClaim{}
	for i, made := range told {
		if made.Order != nil && now.Sub(made.At) < points.ClaimLife {
			last[*made.Order] = made
		}
		told[i].Order, told[i].Proof = nil, points.Proof{}
	}
	if !slices.ContainsFunc(known.Made, func(c store.CardClaim) bool { return c.Order != nil }) {
		return nil
	}
	member, err := enrolment.Whole(ctx, s, known.Redemption.Member)
	if err != nil {
		return err
	}
	for _, made := range known.Made {
		if made.Order == nil || last[*made.Order].Cause != made.Cause || member.Erased != nil {
			continue
		}
		taken, err := Take(ctx, s, member.Member, *made.Order, made.Proof, made.Cause, now)
		if loyalty.KindOf(err) == loyalty.KindThrottled {
			continue // too many of their claims were refused; they can make it again
		}
		if err != nil {
			return err
		}
		if err := tell(ctx, Message(taken)); err != nil {
			return err
		}
	}
	err = s.Table.Write(ctx, store.TellCardClaims(code, known.Made, told))
	if store.Refused(err) {
		return nil // who added one tells of all
	}
	return err
}
