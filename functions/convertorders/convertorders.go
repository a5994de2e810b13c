// Package convertorders turns order events from the queue into points,
// purchase history and the date of the next reminder (订单转积分), once each.
package convertorders

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/batch"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// Function is convertorders and what it needs.
type Function struct {
	Store store.Store
	Clock func() time.Time
	Log   *slog.Logger
}

// Handle applies each message by itself. A message that cannot be applied,
// however often it comes, is kept for a person with its reason (待人工处理, see
// refused.Input). A message that may succeed later, or fails for a fault of
// ours, is named in the answer, so that the queue delivers it again and, after
// its last try, keeps it among the dead letters.
func (f Function) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return events.SQSEventResponse{}, err
	}
	return batch.Each(ctx, event, f.Log, func(ctx context.Context, body []byte, _ time.Time) error {
		if identity, ok := enrolment.ReadJoined(body); ok {
			return f.join(ctx, versions, identity)
		}
		if claimed, ok := claim.Read(body); ok {
			return ledger.Claim(ctx, f.Store, versions, claimed, f.Clock())
		}
		if input, ok := refused.Read(body); ok {
			return f.keep(ctx, input)
		}
		if id, ok := refused.ReadRetry(body); ok {
			return f.retry(ctx, versions, id)
		}
		return f.convert(ctx, versions, body)
	})
}

// convert applies an order event, or keeps it for a person.
func (f Function) convert(ctx context.Context, versions []program.Program, body []byte) error {
	event, err := orders.DecodeQueued(body)
	if refusal, ok := permanent(err); ok {
		return f.keep(ctx, unreadable(body, refusal))
	}
	if err == nil && event.RefundSum != nil {
		return f.convertSum(ctx, versions, event)
	}
	if err == nil {
		_, err = f.apply(ctx, versions, event)
	}
	if refusal, ok := permanent(err); ok {
		return f.keepEvent(ctx, event, refusal)
	}
	if err != nil || event.Type != orders.TypePaid || event.Channel != youzan.Channel {
		return err
	}
	// A refund or a completion that another message told too early may be clear
	// by now. Only this platform tells such.
	return f.release(ctx, versions, event.Key())
}

// apply records an event in its order's log, with what is written only together
// with it, and reports false where the log knew it. It fails with KindInvalid for
// what cannot be applied as it is.
func (f Function) apply(ctx context.Context, versions []program.Program, event orders.Event, with ...table.Action) (bool, error) {
	if err := event.Validate(f.Clock()); err != nil {
		return false, err
	}
	if event.RefundSum != nil {
		log, err := f.Store.Log(ctx, event.Key())
		if err != nil {
			return false, err
		}
		if event, err = spread(event, points.Replay(event.Key(), log)); err != nil {
			return false, err
		}
	}
	return f.post(ctx, versions, event, with...)
}

func (f Function) post(ctx context.Context, versions []program.Program, event orders.Event, with ...table.Action) (bool, error) {
	return ledger.Post(ctx, f.Store, versions, ledger.News{
		Order: event.Key(), Fact: fact(event), Identities: event.Identities(), With: with,
	}, f.Clock())
}

// join credits the orders that wait for an identity to whom it belongs now.
// Each is committed by itself and its mark removed with it, so that a repeat
// goes on where the last try stopped.
func (f Function) join(ctx context.Context, versions []program.Program, identity loyalty.Identity) error {
	owners, err := f.Store.Owners(ctx, identity)
	if err != nil || owners[0] == "" {
		return err
	}
	cursor := ""
	for {
		waiting, next, err := f.Store.Waiting(ctx, identity, cursor)
		if err != nil {
			return err
		}
		for _, order := range waiting {
			_, err := ledger.Post(ctx, f.Store, versions, ledger.News{
				Order:   order,
				Fact:    points.Fact{Kind: points.FactClaimed, At: f.Clock(), Member: owners[0]},
				Release: []loyalty.Identity{identity},
			}, f.Clock())
			if err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// fact says an order event in the words of the points rules.
func fact(event orders.Event) points.Fact {
	fact := points.Fact{At: event.OccurredAt, Currency: event.Currency, Proof: proof(event), Codes: event.DiscountCodes}
	switch event.Type {
	case orders.TypePaid:
		fact.Kind = points.FactPaid
		shares := event.Shares()
		for i, line := range event.Lines {
			fact.Lines = append(fact.Lines, points.Line{
				ID: line.LineID, SKU: line.SKU, Category: line.Category, Quantity: line.Quantity, Gift: line.Gift, History: event.History,
				Paid: line.Paid - shares[i].Discount, Shipping: shares[i].Shipping, StoredValue: shares[i].StoredValue,
			})
		}
	case orders.TypeCompleted:
		fact.Kind, fact.Currency = points.FactCompleted, ""
	case orders.TypeCancelled:
		fact.Kind, fact.Currency = points.FactCancelled, ""
	case orders.TypeRefunded:
		fact.Kind = points.FactRefunded
		for _, line := range event.Lines {
			amount := line.Refunded
			if event.RefundID == "" {
				amount = line.RefundedTotal
			}
			fact.Refunds = append(fact.Refunds, points.Refund{ID: event.RefundID, Line: line.LineID, Amount: amount, Quantity: line.Quantity})
		}
	}
	return fact
}

// proof is what the event tells of the buyer by which the order can be claimed;
// nil for nothing.
func proof(event orders.Event) *points.Proof {
	proof := points.Proof{PhoneLast4: event.Buyer.PhoneLast4}
	if event.Buyer.ID != "" {
		proof.Buyer = points.ProveBuyer(event.Key(), event.Buyer.ID)
	}
	if proof == (points.Proof{}) {
		return nil
	}
	return &proof
}
