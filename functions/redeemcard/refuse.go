package redeemcard

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
)

// refuse says a last "no" about a card that nobody has redeemed in a batch that
// is over. A redemption decided before the end may still be on its way, the
// claimant's own among them; as long as that can be, the card is closed before
// the answer, so that what comes later fails. A *table.ConditionError says that
// it came first.
func (f *Function) refuse(ctx context.Context, code cards.Code, batch cards.Batch, over error, now time.Time) error {
	if batch.Settling(now) {
		if err := f.Store.Table.Write(ctx, store.CloseCard(code, now)); err != nil {
			return err
		}
	}
	return over
}

// prove gives a reserved prize to the member if the phone is theirs. It does
// nothing for anybody else. In a frozen batch the prize stays where it is; a
// claim made before the freeze may still be on its way then, and is fended off
// before the refusal by a mark, which counts for whoever sees it, also if they
// read the batch before its freeze. A prize that is held or void stays so.
func (f *Function) prove(ctx context.Context, code cards.Code, card store.Redemption, batch cards.Batch, who claimant, now time.Time) (result draw, his bool, err error) {
	frozen := batch.State == cards.StateFrozen
	if card.Member != "" || who.member == "" || card.Withheld || frozen && !batch.Settling(now) {
		return draw{}, false, nil
	}
	if his, err := f.owns(ctx, who.member, card.Identity); err != nil || !his {
		return draw{}, false, err
	}
	if card.Suspended() {
		return drawOf(card, batch, who, true), true, nil
	}
	if frozen {
		withheld := card
		withheld.Withheld = true
		if err := f.Store.Table.Write(ctx, store.ChangeRedemption(code, card, withheld)); err != nil {
			return draw{}, true, err
		}
		return draw{}, true, cards.ErrNotFound
	}
	result, err = f.claim(ctx, code, card, batch, who, now)
	return result, true, err
}

// owns tells whether the identity is the member's, or that of one who was merged
// into them.
func (f *Function) owns(ctx context.Context, member loyalty.MemberID, identity loyalty.Identity) (bool, error) {
	owners, err := f.Store.Owners(ctx, identity)
	if err != nil || owners[0] == "" || owners[0] == member {
		return err == nil && owners[0] == member, err
	}
	account, err := f.Store.Account(ctx, member)
	return err == nil && account.Includes(owners[0]), err
}
