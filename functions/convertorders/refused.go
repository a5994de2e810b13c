package convertorders

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// attempts bounds how often a lost race is decided again.
const attempts = 8

// permanent is the refusal of what can never be applied as it is. Everything
// else, a busy table, a lost race or a fault of ours, is worth another delivery.
func permanent(err error) (*loyalty.Error, bool) {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	return refusal, ok && refusal.Kind == loyalty.KindInvalid
}

// reasonOf is the word for a refusal: its own code where that is one, else
// "unreadable" for what does not hold together in itself, and "inapplicable" for
// what the ledger refuses.
func reasonOf(refusal *loyalty.Error) refused.Reason {
	for _, reason := range refused.Reasons() {
		if refusal.Code == string(reason) {
			return reason
		}
	}
	if len(refusal.Fields) > 0 {
		return refused.Unreadable
	}
	return refused.Inapplicable
}

// faultsOf are the places that a refusal points at; its code where it points at
// none.
func faultsOf(refusal *loyalty.Error) []loyalty.Field {
	if len(refusal.Fields) == 0 {
		return []loyalty.Field{{Code: refusal.Code}}
	}
	return refusal.Fields
}

// unreadable is a message that is no event of ours. A phone may stand anywhere in
// it.
func unreadable(body []byte, refusal *loyalty.Error) refused.Input {
	return refused.Input{
		Source: "orders", Reason: refused.Unreadable, Faults: faultsOf(refusal), Form: refused.Message, Content: refused.Veil(string(body)),
	}
}

func (f Function) keepEvent(ctx context.Context, event orders.Event, refusal *loyalty.Error, conditions ...table.Action) error {
	content, err := orders.EncodeQueued(event)
	if err != nil {
		return err
	}
	return f.keep(ctx, refused.Input{
		Source: string(event.Channel), Reason: reasonOf(refusal), Faults: faultsOf(refusal), Order: event.Key(),
		Form: refused.Order, Content: string(content), Names: event.Identities(),
	}, conditions...)
}

// keep keeps an input for a person and says so, in words that a metric counts.
func (f Function) keep(ctx context.Context, input refused.Input, conditions ...table.Action) error {
	kept, err := f.Store.Keep(ctx, input, f.Clock(), conditions...)
	if err != nil {
		return err
	}
	f.Log.WarnContext(ctx, "input refused", slog.String("reason", string(input.Reason)), slog.String("source", input.Source),
		slog.String("form", string(input.Form)), slog.String("kept", string(kept)), slog.String("id", input.ID()))
	return nil
}

// retry applies a kept input again, by the way that it came: what is in the log
// by now is found there, so it is applied once however often it is asked for. It
// ends in the write that applies the last of it, so that what a person dismisses
// at that moment is dismissed or applied, and never both. An input that is refused
// again goes on waiting, with the reason of this time; one that was applied is
// looked at again only to finish what stopped between two writes.
func (f Function) retry(ctx context.Context, versions []program.Program, id string) error {
	input, err := f.Store.RefusedInput(ctx, id, f.Clock())
	if loyalty.KindOf(err) == loyalty.KindNotFound {
		return nil // it ended meanwhile
	}
	if err != nil || input.State == store.RefusedDismissed || input.Cut || !input.Form.Applies() {
		return err
	}
	ending := store.Ending{Hand: store.Hand{At: f.Clock().UTC()}}
	if input.Retried != nil {
		ending.Hand = *input.Retried
	}
	end := store.EndRefused(id, store.RefusedApplied, ending)
	waits := input.State == store.RefusedWaiting
	found, err := read(input.Input)
	fresh := false
	for i := 0; i < len(found) && err == nil; i++ {
		var with []table.Action
		switch {
		case waits && i == len(found)-1:
			with = append(with, end)
		case waits:
			with = append(with, store.RefusedWaits(id))
		}
		fresh, err = f.apply(ctx, versions, found[i], with...)
	}
	refusal, refusedAgain := permanent(err)
	switch {
	case refusedAgain:
		err = f.Store.Table.Write(ctx, store.RefuseAgain(input, reasonOf(refusal), faultsOf(refusal)))
	case err == nil && waits && !fresh:
		err = f.Store.Table.Write(ctx, end)
	}
	if store.Refused(err) {
		return nil // it was ended meanwhile
	}
	if err == nil {
		f.Log.InfoContext(ctx, "refused input tried again", slog.String("id", id), slog.Bool("applied", !refusedAgain))
	}
	return err
}

// read reads the events in a kept input.
func read(input refused.Input) ([]orders.Event, error) {
	if input.Form == refused.Youzan {
		return youzan.ReadKept([]byte(input.Content))
	}
	event, err := orders.DecodeQueued([]byte(input.Content))
	return []orders.Event{event}, err
}

// release applies again what is kept about an order and hung on its lines, which
// are known by now.
func (f Function) release(ctx context.Context, versions []program.Program, order loyalty.OrderKey) error {
	ids, err := f.Store.RefusedOfOrder(ctx, order)
	for i := 0; i < len(ids) && err == nil; i++ {
		err = f.retry(ctx, versions, ids[i])
	}
	return err
}

// convertSum applies a refund that names several lines and one sum, or keeps it
// for a person in the state that the order's log is in: what tells of its lines
// later finds it there.
func (f Function) convertSum(ctx context.Context, versions []program.Program, event orders.Event) error {
	if err := event.Validate(f.Clock()); err != nil {
		refusal, _ := permanent(err)
		return f.keepEvent(ctx, event, refusal)
	}
	for range attempts {
		log, err := f.Store.Log(ctx, event.Key())
		if err != nil {
			return err
		}
		whole, err := spread(event, points.Replay(event.Key(), log))
		if refusal, ok := permanent(err); ok {
			err := f.keepEvent(ctx, event, refusal, store.LogStands(event.Key(), len(log)))
			if store.Refused(err) {
				continue
			}
			return err
		}
		_, err = f.post(ctx, versions, whole)
		if refusal, ok := permanent(err); ok {
			return f.keepEvent(ctx, event, refusal)
		}
		return err
	}
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same order at the same time")
}

// spread gives a refund that names lines and one sum to these lines. That is
// certain where the sum is all that was paid for them, with nothing, a part or
// all of the order's shipping on top; which says that nothing of them is left. It
// is never guessed otherwise: KindInvalid code "ambiguous_refund", also while the
// lines are not known.
func spread(event orders.Event, order *points.Order) (orders.Event, error) {
	bought := order.Purchases()
	if len(event.Lines) == 0 && len(bought) <= orders.MaxLines {
		for _, purchase := range bought {
			event.Lines = append(event.Lines, orders.Line{LineID: purchase.ID})
		}
	}
	if len(event.Lines) == 0 {
		return event, ambiguous("unknown_line")
	}
	paid := make([]loyalty.Fen, len(event.Lines))
	var goods, shipping loyalty.Fen
	for _, purchase := range bought {
		shipping += purchase.Shipping
	}
	for i, line := range event.Lines {
		at := slices.IndexFunc(bought, func(p points.Purchase) bool { return p.ID == line.LineID })
		if at < 0 {
			return event, ambiguous("unknown_line")
		}
		paid[i] = bought[at].Paid
		goods += paid[i]
	}
	sum := *event.RefundSum
	if sum < goods || sum > goods+shipping {
		return event, ambiguous("not_whole_lines")
	}
	whole := event
	whole.RefundSum, whole.Lines = nil, make([]orders.Line, len(event.Lines))
	for i, line := range event.Lines {
		whole.Lines[i] = orders.Line{LineID: line.LineID, Refunded: paid[i]} // what is beyond is shipping
	}
	return whole, nil
}

func ambiguous(code string) error {
	return &loyalty.Error{
		Kind: loyalty.KindInvalid, Code: string(refused.AmbiguousRefund),
		Detail: "one sum for several lines is taken only where it is all that was paid for them",
		Fields: []loyalty.Field{{Pointer: "/refund_sum", Code: code}},
	}
}
