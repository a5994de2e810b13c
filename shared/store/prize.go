package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Records of prizes have no time to live: the law asks for two years (SAMR
// order 32, art. 19), and a bill is paid once for ever.

// PutPayout keeps a new payout; the condition fails when the card has one.
func PutPayout(payout cards.Payout) table.Action {
	return table.Put(payoutItem(payout), table.Absent())
}

// prizeAttempts bounds how often a lost race for a prize is decided again.
const prizeAttempts = 8

// ChangePayout replaces a card's payout by what the decision makes of it, and
// decides again when somebody else changed it meanwhile. A decision that changes
// nothing writes nothing. KindNotFound code "payout_unknown".
func (s Store) ChangePayout(ctx context.Context, code cards.Code, decide func(cards.Payout) (cards.Payout, error)) (cards.Payout, error) {
	return changed(ctx, s.Table, table.PayoutKey(code.BatchID(), int64(code.Card)), "payout_unknown", payoutItem, decide)
}

// changed is load, decide, commit of one document.
func changed[T any](ctx context.Context, t table.Table, key table.Key, unknown string, item func(T) table.Item, decide func(T) (T, error)) (T, error) {
	for range prizeAttempts {
		was, err := document[T](ctx, t, key, unknown)
		if err != nil {
			return was, err
		}
		is, err := decide(was)
		if err != nil || encode(is) == encode(was) {
			return is, err
		}
		err = t.Write(ctx, table.Put(item(is), table.Equals(doc, encode(was))))
		if !Refused(err) {
			return is, err
		}
	}
	var none T
	return none, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same prize at the same time")
}

// payoutItem lists the payout by its state: one that is open by when the payer
// is to be asked, one that ended by when it did.
func payoutItem(payout cards.Payout) table.Item {
	item := documentItem(table.PayoutKey(payout.Batch, int64(payout.Card)), payout)
	at := payout.NextAsk
	if payout.State().Final() {
		at = payout.At()
	}
	item.Attributes["mpk"] = table.String(table.PayoutsPK(string(payout.State()), table.PrizeShard(string(payout.Bill))))
	item.Attributes["msk"] = table.String(table.HistorySK(at, item.Key))
	return item
}

// Payout reads the payout of a card; KindNotFound code "payout_unknown".
func (s Store) Payout(ctx context.Context, code cards.Code) (cards.Payout, error) {
	return document[cards.Payout](ctx, s.Table, table.PayoutKey(code.BatchID(), int64(code.Card)), "payout_unknown")
}

// Payouts is one page of the payouts in a state, shard by shard, oldest first in
// each. It may lag behind by a moment.
func (s Store) Payouts(ctx context.Context, state cards.PayoutState, limit int, cursor string) ([]cards.Payout, string, error) {
	return listed[cards.Payout](ctx, s.Table, func(shard int) string { return table.PayoutsPK(string(state), shard) }, time.Time{}, limit, cursor)
}

// DuePayouts is the same of those whose payer is to be asked at or before now.
func (s Store) DuePayouts(ctx context.Context, state cards.PayoutState, now time.Time, limit int, cursor string) ([]cards.Payout, string, error) {
	return listed[cards.Payout](ctx, s.Table, func(shard int) string { return table.PayoutsPK(string(state), shard) }, now, limit, cursor)
}

// PutGift gives a member a gift; the condition fails when the card gave one.
func PutGift(gift cards.Gift) table.Action { return table.Put(giftItem(gift), table.Absent()) }

// ChangeGift is ChangePayout for a member's gift; KindNotFound code
// "gift_unknown".
func (s Store) ChangeGift(ctx context.Context, member loyalty.MemberID, id string, decide func(cards.Gift) (cards.Gift, error)) (cards.Gift, error) {
	return changed(ctx, s.Table, table.GiftKey(member, id), "gift_unknown", giftItem, decide)
}

func giftItem(gift cards.Gift) table.Item {
	item := documentItem(table.GiftKey(gift.Member, gift.ID), gift)
	item.Attributes["mpk"] = table.String(table.GiftsPK(string(gift.State()), table.PrizeShard(gift.ID)))
	item.Attributes["msk"] = table.String(table.HistorySK(gift.At(), item.Key))
	return item
}

// Gifts is one page of the gifts in a state, shard by shard, oldest first in
// each. It may lag behind by a moment.
func (s Store) Gifts(ctx context.Context, state cards.GiftState, limit int, cursor string) ([]cards.Gift, string, error) {
	return listed[cards.Gift](ctx, s.Table, func(shard int) string { return table.GiftsPK(string(state), shard) }, time.Time{}, limit, cursor)
}

// GiftsOf is one page of a member's gifts.
func (s Store) GiftsOf(ctx context.Context, member loyalty.MemberID, limit int, cursor string) ([]cards.Gift, string, error) {
	return documents[cards.Gift](ctx, s.Table, table.Query{
		PK: table.MemberPK(member), Prefix: table.GiftPrefix, Limit: limit, Cursor: cursor, Consistency: table.Strong,
	})
}

// listed is one page of what a state lists, with a cursor that walks through its
// shards: the shard's number, ".", and where in it. until is zero for no end.
func listed[T any](ctx context.Context, t table.Table, pk func(shard int) string, until time.Time, limit int, cursor string) ([]T, string, error) {
	number, inner, _ := strings.Cut(cursor, ".")
	first, err := strconv.Atoi(number)
	if cursor == "" {
		first, err = 0, nil
	}
	if err != nil || first < 0 || first >= table.PrizeShards {
		return nil, "", loyalty.Invalid("cursor", "malformed", "a cursor is what next_cursor said")
	}
	all := []T{}
	for shard := first; shard < table.PrizeShards; shard++ {
		if len(all) == limit {
			return all, strconv.Itoa(shard) + ".", nil
		}
		query := table.Query{Index: table.IndexMember, PK: pk(shard), Limit: limit - len(all), Cursor: inner}
		if !until.IsZero() {
			query.To = table.Instant(until.Add(time.Second)) // what is due within the second sorts behind its instant
		}
		page, next, err := documents[T](ctx, t, query)
		if err != nil {
			return nil, "", err
		}
		all, inner = append(all, page...), ""
		if next != "" {
			return all, strconv.Itoa(shard) + "." + next, nil
		}
	}
	return all, "", nil
}
