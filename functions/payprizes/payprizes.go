// Package payprizes asks the payer for the red packets that cards gave (红包兑付),
// each under its one bill, until it says how it ended.
package payprizes

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/batch"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/payer"
	"github.com/huitou/huitou/shared/store"
)

// hanging is after how many asks a payout without an end is worth a warning,
// which an alarm counts: about a day.
const hanging = 8

// CallLimit is how long the payer may take to answer. A batch times it stays
// below the function's timeout, which infra/check holds the template to.
const CallLimit = 10 * time.Second

// Function is payprizes and what it needs.
type Function struct {
	Store store.Store
	Payer payer.Payer
	Clock func() time.Time
	Log   *slog.Logger
}

// Handle deals with each message by itself; the answer names those to deliver
// again. That the payer is asked is recorded before it is: a process that dies
// in between, and an answer that is lost, leave a payout that is asked for again
// under the same bill when its time has come (see settlepoints), and never
// another payout. A message about a payout that is not due, has ended or is
// being resolved by operators does nothing.
func (f Function) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	return batch.EachWithin(ctx, event, f.Log, CallLimit, func(ctx context.Context, body []byte, _ time.Time) error {
		code, err := cards.ReadPayoutMessage(body)
		if err != nil {
			return err
		}
		return f.pay(ctx, code)
	})
}

func (f Function) pay(ctx context.Context, code cards.Code) error {
	asking, err := f.ask(ctx, code)
	if err != nil || asking == nil {
		return err
	}
	answer, err := f.Payer.Pay(ctx, asking.Order())
	if err == nil {
		err = answer.Validate(*asking)
	}
	if err != nil {
		unclear := codeOf(err)
		f.Log.WarnContext(ctx, "payer unclear", slog.String("code", unclear), slog.Int("asked", asking.Asked))
		_, err := f.Store.ChangePayout(ctx, code, func(p cards.Payout) (cards.Payout, error) { return p.Unheard(unclear), nil })
		return err
	}
	ended, err := f.Store.ChangePayout(ctx, code, func(p cards.Payout) (cards.Payout, error) {
		return p.Hear(answer, cards.ByPayer, f.now())
	})
	if err != nil && loyalty.KindOf(err) == loyalty.KindConflict {
		// It was ended otherwise while the payer was at it. The record stays;
		// somebody has to look at the books.
		f.Log.ErrorContext(ctx, "payer contradicts", slog.String("state", string(answer.Outcome)))
		return nil
	}
	if err == nil {
		f.Log.InfoContext(ctx, "payer asked", slog.String("state", string(ended.State())), slog.Int("asked", ended.Asked))
	}
	return err
}

// ask records that the payer is asked now; nil when it is not to be.
func (f Function) ask(ctx context.Context, code cards.Code) (*cards.Payout, error) {
	now := f.now()
	due := false
	asking, err := f.Store.ChangePayout(ctx, code, func(p cards.Payout) (cards.Payout, error) {
		if due = p.Due(now); !due {
			return p, nil
		}
		return p.Ask(now), nil
	})
	if err != nil || !due {
		return nil, err
	}
	if asking.Asked > hanging {
		f.Log.WarnContext(ctx, "payout hangs", slog.Int("asked", asking.Asked))
	}
	return &asking, nil
}

func (f Function) now() time.Time { return f.Clock().UTC().Truncate(time.Second) }

// codeOf is what is kept of an answer that was none.
func codeOf(err error) string {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	switch {
	case !ok:
		return "unclear"
	case len(refusal.Fields) > 0:
		return refusal.Fields[0].Code
	}
	return refusal.Code
}
