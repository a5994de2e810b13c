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
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// Function is convertorders and what it needs.
type Function struct {
	Store store.Store
	Clock func() time.Time
	Log   *slog.Logger
}

// Handle applies each message by itself. A message that could not be applied
// is named in the answer, so that the queue delivers it again and, after its
// last try, keeps it among the dead letters.
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
		return f.convert(ctx, versions, body)
	})
}

func (f Function) convert(ctx context.Context, versions []program.Program, body []byte) error {
	event, err := orders.DecodeQueued(body)
	if err != nil {
		return err
	}
	if err := event.Validate(f.Clock()); err != nil {
		return err
	}
	rules := program.At(versions, event.OccurredAt)
	if event.History {
		rules = program.At(versions, f.Clock()) // there were none when it happened
	}
	if event.Currency != "" && event.Currency != rules.Currency {
		return loyalty.Invalid("/currency", "foreign", "the brand's program has another currency, and huitou converts none")
	}
	_, err = ledger.Post(ctx, f.Store, versions, ledger.News{
		Order: event.Key(), Fact: fact(event), Identities: event.Identities(),
	}, f.Clock())
	return err
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
	fact := points.Fact{At: event.OccurredAt, Proof: proof(event)}
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
		fact.Kind = points.FactCompleted
	case orders.TypeCancelled:
		fact.Kind = points.FactCancelled
	case orders.TypeRefunded:
		fact.Kind = points.FactRefunded
		for _, line := range event.Lines {
			amount := line.Refunded
			if event.RefundID == "" {
				amount = line.RefundedTotal
			}
			fact.Refunds = append(fact.Refunds, points.Refund{ID: event.RefundID, Line: line.LineID, Amount: amount})
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
