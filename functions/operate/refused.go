package operate

import (
	"context"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
)

// refusedAnswer is an input that is kept for a person. It holds no phone, but
// tokens.
type refusedAnswer struct {
	ID      string             `json:"id"`
	Source  string             `json:"source" doc:"the channel of an order; wecom; orders: a message on that queue which tells no channel"`
	Reason  refused.Reason     `json:"reason" enum:"currency,unknown_line,conflict,ambiguous_refund,unreadable,inapplicable" doc:"currency: amounts in another currency than the program's, or a refund's than its order's; unknown_line: a refund names a line that its order does not have; conflict: it says otherwise than what was recorded first, which counts; ambiguous_refund: one sum for several lines that are not given back whole; unreadable: not of the form that its source has; inapplicable: refused for another reason"`
	Faults  []refusedFault     `json:"faults" doc:"what is wrong, and where; a pointer is absent where there is no such place"`
	Channel loyalty.Channel    `json:"channel,omitempty" doc:"with shop and order_id: the order that it concerns, absent where nothing readable tells"`
	Shop    string             `json:"shop,omitempty"`
	OrderID string             `json:"order_id,omitempty"`
	Form    refused.Form       `json:"form" enum:"order,youzan,wecom,message,record" doc:"how the content is to be read; order and youzan can be applied again"`
	Cut     bool               `json:"cut,omitempty" doc:"not all of the content is kept, so it cannot be applied"`
	Content string             `json:"content,omitempty" doc:"as it came, phones as tokens; in the answer about one alone"`
	First   time.Time          `json:"first_at" doc:"when it came first"`
	Last    time.Time          `json:"last_at" doc:"and last"`
	Count   int64              `json:"count" doc:"how often; deliveries of one message count each"`
	Ends    time.Time          `json:"ends_at" doc:"when it is forgotten"`
	State   store.RefusedState `json:"state" enum:"waiting,applied,dismissed"`
	Retried *refusedAct        `json:"retried,omitempty" doc:"who asked last that it is applied again"`
	Ended   *refusedAct        `json:"ended,omitempty" doc:"who ended the waiting; without an operator where its order's payment did"`
}

type refusedFault struct {
	Pointer string `json:"pointer,omitempty"`
	Code    string `json:"code"`
}

type refusedAct struct {
	Operator string    `json:"operator,omitempty"`
	At       time.Time `json:"at"`
	Reason   string    `json:"reason,omitempty" doc:"why it was dismissed"`
}

// RefusedPath names a kept input.
type RefusedPath struct {
	ID string `path:"id" maxLength:"64"`
}

// refusedPages bounds how many pages of the index one call looks through for a
// filter.
const refusedPages = 10

func (f Function) registerRefused(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/refused", ID: "refused", Tag: "orders", Roles: shopkeepers,
		Summary: "What was accepted and cannot be applied (待人工处理), newest first and without its content; a page may be short, or empty, and yet have a next_cursor, and lag behind by a moment",
	}, f.refused)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/refused/{id}", ID: "refused-one", Tag: "orders", Roles: shopkeepers, Summary: "One of them, with its content",
	}, func(ctx context.Context, in *RefusedPath) (*rest.Body[refusedAnswer], error) {
		input, err := f.Store.RefusedInput(ctx, in.ID, f.Clock())
		if err != nil {
			return nil, err
		}
		return rest.Answer(shownRefused(input)), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/refused/{id}/retry", ID: "retry-refused", Act: "refused.retry", Tag: "orders", Roles: shopkeepers,
		Status:  http.StatusAccepted,
		Summary: "Apply it again, after a remedy: by the way that it came, so once however often it is asked for. Its state tells what became of it",
	}, f.retryRefused)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/refused/{id}/dismissal", ID: "dismiss-refused", Act: "refused.dismiss", Tag: "orders", Roles: shopkeepers,
		Status: http.StatusOK, Summary: "Decide that it is not to be applied; again changes nothing",
	}, f.dismissRefused)
}

func (f Function) refused(ctx context.Context, in *struct {
	rest.Paging
	State  store.RefusedState `query:"state" enum:"waiting,applied,dismissed" default:"waiting"`
	Source string             `query:"source" maxLength:"32" doc:"of this one alone"`
	Reason refused.Reason     `query:"reason" enum:"currency,unknown_line,conflict,ambiguous_refund,unreadable,inapplicable" doc:"for this one alone"`
},
) (*rest.Body[rest.List[refusedAnswer]], error) {
	answer := rest.List[refusedAnswer]{Items: []refusedAnswer{}, NextCursor: in.Cursor}
	for range refusedPages {
		page, next, err := f.Store.RefusedInputs(ctx, in.State, in.Limit-len(answer.Items), answer.NextCursor, f.Clock())
		if err != nil {
			return nil, err
		}
		for _, input := range page {
			if (in.Source == "" || input.Source == in.Source) && (in.Reason == "" || input.Reason == in.Reason) {
				answer.Items = append(answer.Items, shownRefused(input))
			}
		}
		if answer.NextCursor = next; next == "" || len(answer.Items) == in.Limit {
			break
		}
	}
	return rest.Answer(answer), nil
}

func (f Function) retryRefused(ctx context.Context, in *RefusedPath) (*rest.Body[refusedAnswer], error) {
	input, err := f.waiting(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case input.State == store.RefusedApplied:
		return rest.Answer(shownRefused(input)), nil
	case input.State == store.RefusedDismissed:
		return nil, loyalty.Refuse(loyalty.KindConflict, "refused_dismissed", "it was dismissed, and is not applied any more")
	case input.Cut || !input.Form.Applies():
		return nil, loyalty.Refuse(loyalty.KindConflict, "refused_not_applicable", "what is kept of it cannot be applied; correct what it concerns by hand, then dismiss it")
	}
	hand := f.hand(ctx)
	// Said again with a repeat: whoever applies it finds what is done.
	if err := f.Store.Table.Write(ctx, store.RetryRefused(in.ID, hand)); err != nil {
		return nil, endedMeanwhile(err)
	}
	if err := f.Orders.Send(ctx, refused.Retry(in.ID)); err != nil {
		return nil, err
	}
	input.Retried = &hand
	return rest.Answer(shownRefused(input)), nil
}

type dismissalInput struct {
	RefusedPath
	Body struct {
		Reason string `json:"reason" minLength:"2" maxLength:"256"`
	}
}

func (in dismissalInput) ActReason() string { return in.Body.Reason }

func (f Function) dismissRefused(ctx context.Context, in *dismissalInput) (*rest.Body[refusedAnswer], error) {
	input, err := f.waiting(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case input.State == store.RefusedDismissed:
		return rest.Answer(shownRefused(input)), nil
	case input.State == store.RefusedApplied:
		return nil, loyalty.Refuse(loyalty.KindConflict, "refused_applied", "it was applied, and there is nothing left to dismiss")
	}
	ending := store.Ending{Hand: f.hand(ctx), Reason: in.Body.Reason}
	if err := f.Store.Table.Write(ctx, store.EndRefused(in.ID, store.RefusedDismissed, ending)); err != nil {
		return nil, endedMeanwhile(err)
	}
	input.State, input.Ended = store.RefusedDismissed, &ending
	return rest.Answer(shownRefused(input)), nil
}

// waiting is a kept input in whatever state, without its content.
func (f Function) waiting(ctx context.Context, id string) (store.RefusedInput, error) {
	input, err := f.Store.RefusedInput(ctx, id, f.Clock())
	input.Content = ""
	return input, err
}

// endedMeanwhile says in words that an input did not wait any more when it was
// written to; a repeat of the request finds how it ended.
func endedMeanwhile(err error) error {
	if store.Refused(err) {
		return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others ended it at the same time")
	}
	return err
}

func shownRefused(r store.RefusedInput) refusedAnswer {
	shown := refusedAnswer{
		ID: r.ID, Source: r.Source, Reason: r.Reason, Faults: []refusedFault{}, Channel: r.Order.Channel, Shop: r.Order.Shop, OrderID: r.Order.Order,
		Form: r.Form, Cut: r.Cut, Content: r.Content, First: r.First, Last: r.Last, Count: r.Count, Ends: r.Ends, State: r.State,
	}
	for _, fault := range r.Faults {
		shown.Faults = append(shown.Faults, refusedFault{fault.Pointer, fault.Code})
	}
	if r.Retried != nil {
		shown.Retried = &refusedAct{Operator: r.Retried.Operator, At: r.Retried.At}
	}
	if r.Ended != nil {
		shown.Ended = &refusedAct{Operator: r.Ended.Operator, At: r.Ended.At, Reason: r.Ended.Reason}
	}
	return shown
}
