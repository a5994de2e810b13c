package operate

import (
	"context"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/prizes"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
)

// holdAnswer is a card that was redeemed in a suspicious run. It holds no phone
// and no code.
type holdAnswer struct {
	ID       string           `json:"id"`
	Batch    string           `json:"batch"`
	Card     int              `json:"card"`
	MemberID loyalty.MemberID `json:"member_id,omitempty" doc:"whose the prize is; absent while it is reserved for a phone that nobody has proved"`
	Prize    PrizeBody        `json:"prize"`
	Why      cards.Suspicion  `json:"why" enum:"many_cards,one_carton" doc:"many_cards: more of one person in a window than the program lets pass; one_carton: more neighbouring numbers"`
	HeldAt   time.Time        `json:"held_at"`
	State    cards.HoldState  `json:"state" enum:"open,released,voided"`
	Appeal   *cards.Appeal    `json:"appeal,omitempty" doc:"what its customer says; there is no more to it"`
	Proposed *cards.Decision  `json:"proposed,omitempty" doc:"a void that waits for a second operator"`
	Decided  *cards.Decision  `json:"decided,omitempty"`
}

// HoldPath names a held card.
type HoldPath struct {
	ID string `path:"id" maxLength:"32"`
}

// code is the card of the hold; KindNotFound code "hold_unknown" for what names
// none.
func (p HoldPath) code() (cards.Code, error) {
	code, ok := cards.ParseHoldID(p.ID)
	if !ok {
		return code, loyalty.Refuse(loyalty.KindNotFound, "hold_unknown", "there is nothing of this id")
	}
	return code, nil
}

type voidBody struct {
	Reason cards.VoidReason `json:"reason" enum:"stolen,unbought,returned,leaked,misprint,erased" doc:"the customer is told it in words"`
}

type voidInput struct {
	HoldPath
	Body voidBody
}

func (in voidInput) ActReason() string { return string(in.Body.Reason) }

// CardPath names a card of a batch by its number, from 1.
type CardPath struct {
	BatchPath
	Card int `path:"card" minimum:"1" maximum:"1048576"`
}

type voidCardInput struct {
	CardPath
	Body voidBody
}

func (in voidCardInput) ActReason() string { return string(in.Body.Reason) }

type voidedCardAnswer struct {
	Batch    string           `json:"batch"`
	Card     int              `json:"card"`
	Reason   cards.VoidReason `json:"reason"`
	Operator string           `json:"operator"`
	At       time.Time        `json:"at"`
}

func (f Function) registerHolds(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-holds", ID: "card-holds", Tag: "cards", Roles: readers,
		Summary: "Cards of suspicious runs (可疑兑换) in a state: those appealed against first, then the others, each oldest first; it may lag behind by a moment",
	}, func(ctx context.Context, in *struct {
		rest.Paging
		State    cards.HoldState `query:"state" enum:"open,released,voided" default:"open"`
		Appealed bool            `query:"appealed" doc:"those appealed against alone"`
	},
	) (*rest.Body[rest.List[holdAnswer]], error) {
		holds, next, err := f.Store.Holds(ctx, in.State, in.Appealed, in.Limit, in.Cursor)
		return shownPage(holds, next, shownHold), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-holds/{id}", ID: "card-hold", Tag: "cards", Roles: readers, Summary: "One of them",
	}, func(ctx context.Context, in *HoldPath) (*rest.Body[holdAnswer], error) {
		code, err := in.code()
		if err != nil {
			return nil, err
		}
		held, err := f.Store.HeldCard(ctx, code)
		if err != nil {
			return nil, err
		}
		return rest.Answer(shownHold(held.Hold)), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/card-holds/{id}/release", ID: "release-card", Act: "card-hold.release", Tag: "cards", Roles: shopkeepers,
		Summary: "Let the prize go (放行): it is given as a redemption gives it; again changes nothing",
	}, f.releaseCard)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/card-holds/{id}/void", ID: "void-held-card", Act: "card-hold.void", Tag: "cards", Roles: shopkeepers,
		Status: http.StatusOK, Summary: "Void a held card (作废): 202 for the first operator where its worth asks for a second, different one",
		Also: map[int]string{http.StatusAccepted: "Accepted: a second operator has to give the same reason"},
	}, f.voidHeldCard)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/card-batches/{id}/cards/{card}/void", ID: "void-card", Act: "card.void", Tag: "cards", Roles: shopkeepers,
		Summary: "Void a card that nobody has redeemed, for good; what it would have won is told to nobody",
	}, f.voidCard)
}

func (f Function) giver() prizes.Giver { return prizes.Giver{Store: f.Store, Random: f.Random} }

func (f Function) releaseCard(ctx context.Context, in *HoldPath) (*rest.Body[holdAnswer], error) {
	code, err := in.code()
	if err != nil {
		return nil, err
	}
	hand := f.hand(ctx)
	hold, err := f.giver().Release(ctx, code, hand.Operator, hand.At)
	if err != nil {
		return nil, err
	}
	if hold.Award.Kind == cards.PrizeRedPacket && hold.Member != "" {
		// Said again with a repeat; settlepoints finds what nobody was told of.
		if err := f.Payouts.Send(ctx, code.Bill().Message()); err != nil {
			return nil, err
		}
	}
	return rest.Answer(shownHold(hold)), nil
}

func (f Function) voidHeldCard(ctx context.Context, in *voidInput) (*struct {
	Status int
	Body   holdAnswer
}, error,
) {
	code, err := in.code()
	if err != nil {
		return nil, err
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	hand := f.hand(ctx)
	hold, err := f.giver().Void(ctx, code, in.Body.Reason, hand.Operator, rules, hand.At)
	if err != nil {
		return nil, err
	}
	answer := &struct {
		Status int
		Body   holdAnswer
	}{http.StatusOK, shownHold(hold)}
	if hold.State() == cards.HoldOpen {
		answer.Status = http.StatusAccepted
	}
	return answer, nil
}

// voidCard takes a card out of the world before anybody redeemed it. The answer
// depends on nothing that the card holds: who may void it may not learn what it
// would have won.
func (f Function) voidCard(ctx context.Context, in *voidCardInput) (*rest.Body[voidedCardAnswer], error) {
	batch, err := f.Store.Batch(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Card > batch.PrintRun() {
		return nil, loyalty.Refuse(loyalty.KindNotFound, "card_unknown", "the batch has no card of this number")
	}
	voided, err := f.Store.VoidCard(ctx, batch.Code(in.Card-1), store.VoidedCard{Reason: in.Body.Reason, By: f.hand(ctx)})
	if err != nil {
		return nil, err
	}
	return rest.Answer(voidedCardAnswer{in.ID, in.Card, voided.Reason, voided.By.Operator, voided.By.At}), nil
}

func shownHold(h cards.Hold) holdAnswer {
	return holdAnswer{
		ID: h.ID, Batch: h.Batch, Card: h.Card + 1, MemberID: h.Member, Prize: shownPrize(cards.Prize{Award: h.Award}), Why: h.Why, HeldAt: h.HeldAt,
		State: h.State(), Appeal: h.Appeal, Proposed: h.Proposed, Decided: h.Decided,
	}
}
