package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// Redemption is the item of a redeemed card (兑换记录). It is at once the lock
// on the card, the draw's record and the entry in the member's ledger, so a
// redemption writes nothing twice.
type Redemption struct {
	points.Fact                   // FactPrize; Member, "" while reserved; Entries
	Batch       string            `json:"batch"`
	Card        int               `json:"card"`
	Arm         int               `json:"arm"`
	Award       cards.Award       `json:"award"`
	Identity    loyalty.Identity  `json:"identity,omitzero"` // by which it was redeemed; none with a member token
	Consents    []loyalty.Consent `json:"consents,omitempty"`
	Request     string            `json:"request,omitempty"` // fingerprint of the Idempotency-Key
	Joined      bool              `json:"joined,omitempty"`  // the redemption made the member
}

// Trigger names the card as a cause.
func (r Redemption) Trigger() string { return fmt.Sprintf("card:%s:%d", r.Batch, r.Card) }

// CardLook is what one round trip tells about a card.
type CardLook struct {
	Redemption *Redemption      // nil while nobody has redeemed it
	Owner      loyalty.MemberID // of the identity, "" for nobody's
}

// LookAtCard reads, strongly and in one round trip, a card and the owner of an
// identity unless that is empty. Whether there can be anything to read, the
// batch tells (see cards.Batch.Opened), which is read before.
func (s Store) LookAtCard(ctx context.Context, code cards.Code, identity loyalty.Identity) (CardLook, error) {
	keys := []table.Key{cardKey(code)}
	if identity != (loyalty.Identity{}) {
		keys = append(keys, table.IdentityKey(identity))
	}
	items, err := s.Table.Get(ctx, table.Strong, keys...)
	if err != nil {
		return CardLook{}, err
	}
	var look CardLook
	if items[0] != nil {
		redemption, err := decode[Redemption](*items[0])
		if err != nil {
			return CardLook{}, err
		}
		look.Redemption = &redemption
	}
	if len(items) > 1 {
		look.Owner = owner(items[1])
	}
	return look, nil
}

func cardKey(code cards.Code) table.Key { return table.CardKey(code.BatchID(), int64(code.Card)) }

// RedeemCard puts a card's redemption; its condition fails when there is one.
func RedeemCard(code cards.Code, redemption Redemption) table.Action {
	return table.Put(cardItem(code, redemption), table.Absent())
}

// ChangeRedemption replaces a redemption that is still as it was read.
func ChangeRedemption(code cards.Code, was, is Redemption) table.Action {
	return table.Put(cardItem(code, is), table.Equals(doc, encode(was)))
}

// cardItem lists the card in the history of its member, and while it is
// reserved in that of its phone, where proof of the phone will find it.
func cardItem(code cards.Code, redemption Redemption) table.Item {
	item := documentItem(cardKey(code), redemption)
	partition := table.MemberPK(redemption.Member)
	if redemption.Member == "" {
		partition = table.IdentityKey(redemption.Identity).PK
	}
	item.Attributes["mpk"] = table.String(partition)
	item.Attributes["msk"] = table.String(table.HistorySK(redemption.At, item.Key))
	return item
}

// Redemptions is one page of the redeemed cards of one shard of a batch, in
// order of their numbers. It may lag behind by a moment: it is for counting.
func (s Store) Redemptions(ctx context.Context, batch string, shard, limit int, cursor string) ([]Redemption, string, error) {
	page, err := s.Table.Query(ctx, table.Query{PK: table.CardPK(batch, shard), Limit: limit, Cursor: cursor, Consistency: table.Eventual})
	if err != nil {
		return nil, "", err
	}
	var redemptions []Redemption
	for _, item := range page.Items {
		if strings.Contains(item.Key.SK, "#") {
			continue // beside a redemption, see table.CardKey
		}
		redemption, err := decode[Redemption](item)
		if err != nil {
			return nil, "", err
		}
		redemptions = append(redemptions, redemption)
	}
	return redemptions, page.Next, nil
}
