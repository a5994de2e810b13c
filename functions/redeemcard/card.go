package redeemcard

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// factPrize is the kind of the fact in a redeemed card.
const factPrize points.FactKind = "prize"

// redemption is the item of a redeemed card (兑换记录). It is at once the lock
// on the card, the draw's record and the entry in the member's ledger, so a
// redemption writes nothing twice.
type redemption struct {
	points.Fact                   // At; Member, "" while reserved; Entries
	Batch       string            `json:"batch"`
	Card        int               `json:"card"`
	Arm         int               `json:"arm"`
	Award       cards.Award       `json:"award"`
	Identity    loyalty.Identity  `json:"identity,omitzero"` // by which it was redeemed; none with a member token
	Consents    []loyalty.Consent `json:"consents,omitempty"`
	Request     string            `json:"request,omitempty"` // fingerprint of the Idempotency-Key
	Joined      bool              `json:"joined,omitempty"`  // the redemption made the member
}

// trigger names the card as a cause.
func (r redemption) trigger() string { return fmt.Sprintf("card:%s:%d", r.Batch, r.Card) }

// wonBy tells whether the claimant, whose identity is owner's, is the one who
// redeemed the card.
func (r redemption) wonBy(who claimant, owner loyalty.MemberID) bool {
	if r.Member != "" && r.Member == owner {
		return true
	}
	return who.member == "" && who.identity != (loyalty.Identity{}) && who.identity == r.Identity
}

// draw is the answer to the claimant. A typed phone is told "reserved" for
// ever: that somebody proved it is not for everybody to know who can type it.
func (r redemption) draw(batch cards.Batch, who claimant, repeat bool) draw {
	d := draw{award: r.Award, at: r.At, state: stateCredited, repeat: repeat, batch: batch, arm: batch.Arms[r.Arm]}
	if who.unproved() {
		d.state = stateReserved
	}
	return d
}

// opening is what one round trip tells about a card.
type opening struct {
	batch  *cards.Batch // nil when there is no such batch
	card   *redemption  // nil while nobody has redeemed it
	member loyalty.MemberID
}

// openCard reads, strongly and in one round trip, a card's batch, the card, and
// the owner of an identity unless that is empty.
func openCard(ctx context.Context, t table.Table, code cards.Code, identity loyalty.Identity) (opening, error) {
	keys := []table.Key{table.DocumentKey(table.DocumentBatch, code.BatchID()), cardKey(code)}
	if identity != (loyalty.Identity{}) {
		keys = append(keys, table.IdentityKey(identity))
	}
	items, err := t.Get(ctx, table.Strong, keys...)
	if err != nil {
		return opening{}, err
	}
	var found opening
	if found.batch, err = decode[cards.Batch](items[0]); err != nil {
		return opening{}, err
	}
	if found.card, err = decode[redemption](items[1]); err != nil {
		return opening{}, err
	}
	if len(items) > 2 && items[2] != nil {
		found.member = loyalty.MemberID(items[2].Text("member"))
	}
	return found, nil
}

func cardKey(code cards.Code) table.Key { return table.CardKey(code.BatchID(), int64(code.Card)) }

// redeemCard puts the card's item; its condition fails when there is one.
func redeemCard(code cards.Code, card redemption) table.Action {
	return table.Put(cardItem(code, card), table.Absent())
}

// changeCard replaces a redeemed card that is still as it was read.
func changeCard(code cards.Code, was, is redemption) table.Action {
	return table.Put(cardItem(code, is), table.Equals(doc, encode(was)))
}

// cardItem lists the card in the history of its member, and while it is
// reserved in that of its phone, where proof of the phone will find it.
func cardItem(code cards.Code, card redemption) table.Item {
	item := table.Item{Key: cardKey(code), Attributes: map[string]table.Value{doc: encode(card)}}
	owner := table.MemberPK(card.Member)
	if card.Member == "" {
		owner = table.IdentityKey(card.Identity).PK
	}
	item.Attributes["mpk"] = table.String(owner)
	item.Attributes["msk"] = table.String(table.HistorySK(card.At, item.Key))
	return item
}

// doc is the attribute that holds an item's document.
const doc = "doc"

func encode(card redemption) table.Value {
	raw, err := json.Marshal(card)
	if err != nil {
		panic(fmt.Sprintf("redeemcard: %v", err)) // plain values only
	}
	return table.String(string(raw))
}

// decode reads an item's document, nil for no item.
func decode[T any](item *table.Item) (*T, error) {
	if item == nil {
		return nil, nil
	}
	var entity T
	if err := json.Unmarshal([]byte(item.Text(doc)), &entity); err != nil {
		return nil, &loyalty.Error{Kind: loyalty.KindInternal, Code: "item_malformed", Cause: fmt.Errorf("%T: %w", entity, err)}
	}
	return &entity, nil
}
