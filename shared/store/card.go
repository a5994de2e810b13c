package store

import (
	"context"
	"fmt"
	"strings"
	"time"

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
	Agreed      string            `json:"agreed,omitempty"`  // version of the legal texts that the consents were given to
	Request     string            `json:"request,omitempty"` // fingerprint of the Idempotency-Key
	Joined      bool              `json:"joined,omitempty"`  // the redemption made the member
	// Withheld tells that the owner of the phone for which the prize is reserved
	// was refused it, because the batch had been frozen.
	Withheld bool `json:"withheld,omitempty"`
	// Hold is where a card is that was redeemed in a suspicious run; "" for every
	// other. Void is why a voided one was. The rest stands in its cards.Hold.
	Hold cards.HoldState  `json:"hold,omitempty"`
	Void cards.VoidReason `json:"void,omitempty"`
}

// Trigger names the card as a cause.
func (r Redemption) Trigger() string { return fmt.Sprintf("card:%s:%d", r.Batch, r.Card) }

// Suspended tells whether the prize is not given, to whomever it belongs: the
// card is held or void.
func (r Redemption) Suspended() bool { return r.Hold == cards.HoldOpen || r.Hold == cards.HoldVoided }

// CardLook is what one round trip tells about a card.
type CardLook struct {
	Batch      *cards.Batch     // nil where there is none
	Redemption *Redemption      // nil while nobody has redeemed it
	Closed     bool             // nobody will, see CloseCard
	Owner      loyalty.MemberID // of the identity, "" for nobody's
	Counted    []int64          // of each of the guesses
}

// LookAtCard reads in one round trip, whatever there is to find, the card with
// its batch, the owner of an identity unless that is empty, and what was counted
// of the guesses.
func (s Store) LookAtCard(ctx context.Context, consistency table.Consistency, code cards.Code, identity loyalty.Identity, guesses ...Guesses) (CardLook, error) {
	keys := append([]table.Key{table.DocumentKey(table.DocumentBatch, code.BatchID()), cardKey(code)}, guessKeys(guesses)...)
	if identity != (loyalty.Identity{}) {
		keys = append(keys, table.IdentityKey(identity))
	}
	items, err := s.Table.Get(ctx, consistency, keys...)
	if err != nil {
		return CardLook{}, err
	}
	var look CardLook
	if items[0] != nil {
		batch, err := decode[cards.Batch](*items[0])
		if err != nil {
			return CardLook{}, err
		}
		look.Batch = &batch
	}
	if look.Redemption, look.Closed, err = readCard(items[1]); err != nil {
		return CardLook{}, err
	}
	rest := items[2:]
	look.Counted = counts(rest[:len(guesses)])
	if rest = rest[len(guesses):]; len(rest) > 0 {
		look.Owner = owner(rest[0])
	}
	return look, nil
}

func cardKey(code cards.Code) table.Key { return table.CardKey(code.BatchID(), int64(code.Card)) }

// cardClosed is the attribute of a closed card: when it was closed.
const cardClosed = "closed"

// closedLife is how long a card stays closed. Its batch is over for good, so
// that nothing has to fend for it once the batch has settled.
const closedLife = 24 * time.Hour

// readCard reads a card's item, nil where nobody has touched the card.
func readCard(item *table.Item) (redemption *Redemption, closed bool, err error) {
	if item == nil {
		return nil, false, nil
	}
	if item.Text(cardClosed) != "" {
		return nil, true, nil
	}
	read, err := decode[Redemption](*item)
	if err != nil {
		return nil, false, err
	}
	return &read, false, nil
}

// CloseCard takes a card that nobody has redeemed out of the world; its
// condition fails when somebody has, or it is closed already. A redemption that
// is still on its way then fails by its own.
func CloseCard(code cards.Code, at time.Time) table.Action {
	return table.Put(table.Item{Key: cardKey(code), Attributes: map[string]table.Value{
		cardClosed:             table.String(table.Instant(at)),
		table.ExpiresAttribute: table.Number(at.Add(closedLife).Unix()),
	}}, table.Absent())
}

// VoidedCard is why a card was taken out of the world that nobody had redeemed.
type VoidedCard struct {
	Reason cards.VoidReason `json:"reason"`
	By     Hand             `json:"by"`
}

// VoidCard closes a card for good that nobody has redeemed (作废). One that was
// voided before stays as it was. It fails with KindConflict: "card_redeemed",
// "card_voided" when it was voided for another reason, "batch_over" when nobody
// can redeem it any more.
func (s Store) VoidCard(ctx context.Context, code cards.Code, voided VoidedCard) (VoidedCard, error) {
	item := documentItem(cardKey(code), voided)
	item.Attributes[cardClosed] = table.String(table.Instant(voided.By.At))
	err := s.Table.Write(ctx, table.Put(item, table.Absent()))
	refused, there := refusedBy(err)
	if !refused {
		return voided, err
	}
	switch {
	case there.Text(cardClosed) == "":
		return voided, loyalty.Refuse(loyalty.KindConflict, "card_redeemed", "somebody has redeemed this card; only one that is held can still be voided")
	case there.Text(doc) == "":
		return voided, loyalty.Refuse(loyalty.KindConflict, "batch_over", "the batch is over, and nobody can redeem this card any more")
	}
	before, err := decode[VoidedCard](*there)
	if err == nil && before.Reason != voided.Reason {
		err = loyalty.Refuse(loyalty.KindConflict, "card_voided", "this card was voided for another reason, and stays so")
	}
	return before, err
}

// RedeemCard puts a card's redemption; its condition fails when there is one, or
// the card is closed.
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

// RedemptionsOf are the redemptions of up to 100 cards of a batch, without those
// that nobody has redeemed. They may lag behind by a moment.
func (s Store) RedemptionsOf(ctx context.Context, batch cards.Batch, numbers []int) ([]Redemption, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	keys := make([]table.Key, len(numbers))
	for i, number := range numbers {
		keys[i] = cardKey(batch.Code(number))
	}
	items, err := s.Table.Get(ctx, table.Eventual, keys...)
	if err != nil {
		return nil, err
	}
	var redemptions []Redemption
	for _, item := range items {
		redemption, _, err := readCard(item)
		if err != nil {
			return nil, err
		}
		if redemption != nil {
			redemptions = append(redemptions, *redemption)
		}
	}
	return redemptions, nil
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
		redemption, closed, err := readCard(&item)
		if err != nil {
			return nil, "", err
		}
		if !closed {
			redemptions = append(redemptions, *redemption)
		}
	}
	return redemptions, page.Next, nil
}
