package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// CardClaim is a claim of an order that was made on the page of a card's winner
// (卡页订单认领). When the card becomes a member's, so does the claim; Order and
// Proof are dropped then.
type CardClaim struct {
	Cause string            `json:"cause"` // the same for every repeat of it and for nothing else
	At    time.Time         `json:"at"`    // to the second
	Order *loyalty.OrderKey `json:"order,omitempty"`
	Proof points.Proof      `json:"proof,omitzero"`
}

// CardClaims is what one round trip tells about a card and the claims that were
// made on its page.
type CardClaims struct {
	Redemption *Redemption // nil while nobody has redeemed it
	Made       []CardClaim // oldest first
}

// CardClaims reads both strongly.
func (s Store) CardClaims(ctx context.Context, code cards.Code) (CardClaims, error) {
	items, err := s.Table.Get(ctx, table.Strong, cardKey(code), table.CardClaimsKey(code.BatchID(), int64(code.Card)))
	if err != nil {
		return CardClaims{}, err
	}
	var found CardClaims
	if found.Redemption, _, err = readCard(items[0]); err == nil && items[1] != nil {
		found.Made, err = decode[[]CardClaim](*items[1])
	}
	return found, err
}

// AddCardClaim keeps a card's claims with a new last one in the place of those
// that were read. Its conditions fail when they, or the card, are others by now:
// so what is claimed on a reserved card is there to be found when it becomes
// somebody's, or is claimed for them.
func AddCardClaim(code cards.Code, was CardClaims, is []CardClaim) []table.Action {
	return []table.Action{
		putCardClaims(code, was.Made, is),
		table.Check(cardKey(code), table.Equals(doc, encode(*was.Redemption))),
	}
}

// TellCardClaims keeps a card's claims after some were made the member's; its
// condition fails when there are others by now.
func TellCardClaims(code cards.Code, was, is []CardClaim) table.Action {
	return putCardClaims(code, was, is)
}

// putCardClaims has claims cleaned up when the last of them has expired.
func putCardClaims(code cards.Code, was, is []CardClaim) table.Action {
	item := documentItem(table.CardClaimsKey(code.BatchID(), int64(code.Card)), is)
	item.Attributes[table.ExpiresAttribute] = table.Number(is[len(is)-1].At.Add(points.ClaimLife).Unix())
	if was == nil {
		return table.Put(item, table.Absent())
	}
	return table.Put(item, table.Equals(doc, encode(was)))
}
