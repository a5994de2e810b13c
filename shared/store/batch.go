package store

import (
	"context"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// batchRequest is the attribute that tells which request made a batch.
const batchRequest = "request"

// CreateBatch adds a batch under its number. Before, it notes of the coupon
// templates among the prizes that cards give them: campaigns count these coupons
// among those that a member holds. When the number is taken it
// returns the batch that has it, and whether that was made by the same
// request: a repeat finds its own.
func (s Store) CreateBatch(ctx context.Context, batch cards.Batch, request string) (existing *cards.Batch, own bool, err error) {
	item := documentItem(table.DocumentKey(table.DocumentBatch, batch.ID()), batch)
	item.Attributes[batchRequest] = table.String(request)
	for _, template := range batch.CouponTemplates() {
		if err := s.Table.Write(ctx, putOnCards(template)); err != nil {
			return nil, false, err
		}
	}
	err = s.Table.Write(ctx, table.Put(item, table.Absent()))
	if refused, old := refusedBy(err); refused && old != nil {
		taken, err := decode[cards.Batch](*old)
		return &taken, old.Text(batchRequest) == request, err
	}
	return nil, false, err
}

// Batch reads one batch; KindNotFound code "batch_unknown".
func (s Store) Batch(ctx context.Context, id string) (cards.Batch, error) {
	return document[cards.Batch](ctx, s.Table, table.DocumentKey(table.DocumentBatch, id), "batch_unknown")
}

// Batches is one page of all batches.
func (s Store) Batches(ctx context.Context, limit int, cursor string) ([]cards.Batch, string, error) {
	return documents[cards.Batch](ctx, s.Table, table.Query{PK: table.DocumentPK(table.DocumentBatch), Limit: limit, Cursor: cursor, Consistency: table.Strong})
}

// ChangeBatch replaces a batch that is still as it was read, in one write with
// what goes with it; KindUnavailable code "lost_race" when it is not, or a
// condition of the others does not hold.
func (s Store) ChangeBatch(ctx context.Context, was, is cards.Batch, with ...table.Action) error {
	err := s.Table.Write(ctx, append(with, table.Update(table.DocumentKey(table.DocumentBatch, was.ID()),
		[]table.Change{table.Set(doc, encode(is))}, table.Equals(doc, encode(was))))...)
	if Refused(err) {
		return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "somebody else changed the batch at the same time")
	}
	return err
}
