package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// Record is a fact as it stands in the table: with the order it belongs to.
type Record struct {
	Order loyalty.OrderKey `json:"order"`
	Seq   int              `json:"seq"`
	points.Fact
	Mirror *Mirrored `json:"mirror,omitempty"` // of a fact of the member's own: which one of an order it mirrors
}

// Mirrored names a fact of the log of an order that a part of a member owns.
type Mirrored struct {
	Part  loyalty.MemberID `json:"part"`
	Order loyalty.OrderKey `json:"order"`
	Seq   int              `json:"seq"`
}

// Log reads all facts of an order, strongly and oldest first.
func (s Store) Log(ctx context.Context, order loyalty.OrderKey) ([]points.Fact, error) {
	var log []points.Fact
	query := table.Query{PK: table.FactKey(order, 1).PK, Prefix: table.FactPrefix, Limit: 1000, Consistency: table.Strong}
	for {
		records, next, err := documents[Record](ctx, s.Table, query)
		if err != nil {
			return nil, err
		}
		for _, record := range records {
			log = append(log, record.Fact)
		}
		if next == "" {
			return log, nil
		}
		query.Cursor = next
	}
}

// Start is what an order event needs before anything is known: whether the
// order has a log, and whose the identities are ("" for nobody's), in one
// round trip.
func (s Store) Start(ctx context.Context, order loyalty.OrderKey, identities []loyalty.Identity) (hasLog bool, owners []loyalty.MemberID, err error) {
	keys := make([]table.Key, 0, 1+len(identities))
	keys = append(keys, table.FactKey(order, 1))
	for _, identity := range identities {
		keys = append(keys, table.IdentityKey(identity))
	}
	items, err := s.Table.Get(ctx, table.Strong, keys...)
	if err != nil {
		return false, nil, err
	}
	owners = make([]loyalty.MemberID, 0, len(identities))
	for _, item := range items[1:] {
		owners = append(owners, owner(item))
	}
	return items[0] != nil, owners, nil
}

// AppendFact puts the nth fact of an order's log; its condition fails when
// another fact took the number. A fact that concerns a member is listed in
// their history.
func AppendFact(order loyalty.OrderKey, seq int, fact points.Fact) table.Action {
	item := documentItem(table.FactKey(order, seq), Record{Order: order, Seq: seq, Fact: fact})
	if fact.Member != "" && len(fact.Entries) > 0 {
		item.Attributes["mpk"] = table.String(table.MemberPK(fact.Member))
		item.Attributes["msk"] = table.String(table.HistorySK(fact.At, item.Key))
	}
	return table.Put(item, table.Absent())
}

// factMasked is of the fact that made an order known: the event named nobody.
const factMasked = "masked"

// AppendFirstOfNobody is AppendFact for the fact that makes an order known which
// nobody owns: it lists the order among those until UnlistFact. Where masked, the
// event told no identity that anybody could have.
func AppendFirstOfNobody(order loyalty.OrderKey, seq int, fact points.Fact, masked bool) table.Action {
	action := AppendFact(order, seq, fact)
	listFact(action.Item, table.OfNobodyPK(orderShard(order)), fact.At)
	if masked {
		action.Item.Attributes[factMasked] = table.Number(1)
	}
	return action
}

// AppendWaitingClaim is AppendFact for a claim that waits: it lists the claim
// among those until UnlistFact.
func AppendWaitingClaim(order loyalty.OrderKey, seq int, fact points.Fact) table.Action {
	action := AppendFact(order, seq, fact)
	listFact(action.Item, table.WaitingClaimsPK(orderShard(order)), fact.At)
	return action
}

func listFact(item table.Item, pk string, at time.Time) {
	item.Attributes["mpk"] = table.String(pk)
	item.Attributes["msk"] = table.String(table.HistorySK(at, item.Key))
}

// UnlistFact takes a fact from the list that it stands in; one that is in none
// stays as it is.
func UnlistFact(order loyalty.OrderKey, seq int) table.Action {
	return table.Update(table.FactKey(order, seq), []table.Change{table.Remove("mpk"), table.Remove("msk")}, table.Exists())
}

// ListAgain lists an order again that nobody owns any more, by the fact that
// made it known.
func ListAgain(order loyalty.OrderKey, seq int, at time.Time) table.Action {
	key := table.FactKey(order, seq)
	return table.Update(key, []table.Change{
		table.Set("mpk", table.String(table.OfNobodyPK(orderShard(order)))), table.Set("msk", table.String(table.HistorySK(at, key))),
	}, table.Exists())
}

func orderShard(order loyalty.OrderKey) int { return table.ListShard(table.FactKey(order, 1).PK) }

// OrderOfNobody is an order that nobody owns.
type OrderOfNobody struct {
	Order  loyalty.OrderKey
	Masked bool // what was heard of it first named nobody
}

// OrdersOfNobody is one page of the orders that nobody owned a moment ago, those
// first that were heard of last, back to a time. Its log tells what was said of
// one since.
func (s Store) OrdersOfNobody(ctx context.Context, since time.Time, limit int, cursor string) ([]OrderOfNobody, string, error) {
	items, next, err := s.newest(ctx, table.OfNobodyPK, since, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	orders := make([]OrderOfNobody, len(items))
	for i, item := range items {
		record, err := decode[Record](item)
		if err != nil {
			return nil, "", err
		}
		orders[i] = OrderOfNobody{record.Order, item.Has(factMasked)}
	}
	return orders, next, nil
}

// WaitingClaims is one page of the claims that waited a moment ago, the last
// first, back to a time. The log of its order tells how one stands.
func (s Store) WaitingClaims(ctx context.Context, since time.Time, limit int, cursor string) ([]Record, string, error) {
	items, next, err := s.newest(ctx, table.WaitingClaimsPK, since, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	claims := make([]Record, len(items))
	for i, item := range items {
		if claims[i], err = decode[Record](item); err != nil {
			return nil, "", err
		}
	}
	return claims, next, nil
}

// History is one page of what concerns a member, newest first: the records of
// their orders. The index may lag behind by a moment.
func (s Store) History(ctx context.Context, member loyalty.MemberID, limit int, cursor string) ([]Record, string, error) {
	return documents[Record](ctx, s.Table, table.Query{
		Index: table.IndexMember, PK: table.MemberPK(member), Limit: limit, Cursor: cursor, Descending: true,
	})
}

// HistorySince is one page of what concerns a member from a time on, oldest
// first.
func (s Store) HistorySince(ctx context.Context, member loyalty.MemberID, from time.Time, limit int, cursor string) ([]Record, string, error) {
	return documents[Record](ctx, s.Table, table.Query{
		Index: table.IndexMember, PK: table.MemberPK(member), From: table.Instant(from), Limit: limit, Cursor: cursor,
	})
}

// Wait marks an order as waiting for the owner of an identity; the check fails
// when the identity has one by now.
func Wait(identity loyalty.Identity, order loyalty.OrderKey) []table.Action {
	return []table.Action{
		table.Check(table.IdentityKey(identity), table.Absent()),
		table.Put(documentItem(table.WaitingKey(identity, order), order)),
	}
}

// StopWaiting removes the mark.
func StopWaiting(identity loyalty.Identity, order loyalty.OrderKey) table.Action {
	return table.Delete(table.WaitingKey(identity, order))
}

// Waiting is one page of the orders that wait for an identity.
func (s Store) Waiting(ctx context.Context, identity loyalty.Identity, cursor string) ([]loyalty.OrderKey, string, error) {
	return documents[loyalty.OrderKey](ctx, s.Table, table.Query{
		PK: table.IdentityKey(identity).PK, Prefix: table.WaitingPrefix, Limit: 100, Cursor: cursor, Consistency: table.Strong,
	})
}
