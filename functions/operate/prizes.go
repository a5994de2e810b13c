package operate

import (
	"context"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/token"
)

// payoutAnswer is a red packet on its way. It holds no openid: who needs that is
// asked to pay, see cards.PayoutOrder.
type payoutAnswer struct {
	Bill     cards.Bill         `json:"bill" doc:"the one number of this payout at the payer, for ever"`
	Batch    string             `json:"batch"`
	Card     int                `json:"card"`
	MemberID loyalty.MemberID   `json:"member_id"`
	Amount   loyalty.Fen        `json:"amount" doc:"in fen"`
	State    cards.PayoutState  `json:"state" enum:"requested,paying,paid,failed_final"`
	Asked    int                `json:"asked" doc:"how often the payer was asked"`
	AskedAt  time.Time          `json:"asked_at,omitzero"`
	NextAsk  time.Time          `json:"next_ask,omitzero" doc:"while it is open: the payer is asked again from then on"`
	Said     string             `json:"said,omitempty" doc:"what the payer said last, while that settles nothing"`
	Steps    []cards.PayoutStep `json:"steps" doc:"every change of state with its evidence, oldest first"`
	Proposed *cards.Resolution  `json:"proposed,omitempty" doc:"waits for a second operator; the payer is not asked meanwhile"`
}

type giftAnswer struct {
	ID        string           `json:"id"`
	MemberID  loyalty.MemberID `json:"member_id" doc:"the winner; a member who was merged into another keeps it under their own id"`
	Batch     string           `json:"batch"`
	Card      int              `json:"card"`
	Text      string           `json:"text" doc:"what it is"`
	State     cards.GiftState  `json:"state" enum:"pending,shipped"`
	WonAt     time.Time        `json:"won_at"`
	Order     *shipmentBody    `json:"order,omitempty" doc:"that it left with"`
	ShippedAt time.Time        `json:"shipped_at,omitzero"`
	ShippedBy string           `json:"shipped_by,omitempty"`
}

// BillPath names a payout.
type BillPath struct {
	Bill string `path:"bill" maxLength:"32"`
}

// code is the card that the bill is of; KindNotFound code "payout_unknown" for
// what is no bill.
func (p BillPath) code() (cards.Code, error) {
	code, ok := cards.ParseBill(p.Bill)
	if !ok {
		return code, loyalty.Refuse(loyalty.KindNotFound, "payout_unknown", "there is nothing of this id")
	}
	return code, nil
}

// GiftPath names a member's gift.
type GiftPath struct {
	MemberPath
	Gift string `path:"gift" maxLength:"32"`
}

type payoutResult struct {
	State     cards.Outcome `json:"state" enum:"accepted,paid,failed" doc:"failed: for good; nothing was paid, or all of it came back, and the bill will never be paid"`
	Amount    loyalty.Fen   `json:"amount" minimum:"100" maximum:"20000" doc:"in fen; another amount than the payout's is refused"`
	Reference string        `json:"reference,omitempty" maxLength:"128" doc:"the payer's number; required with paid"`
	Code      string        `json:"code,omitempty" maxLength:"128" doc:"why; required with failed"`
}

type payoutResolution struct {
	State     cards.PayoutState `json:"state" enum:"paid,failed_final"`
	Reference string            `json:"reference,omitempty" maxLength:"128" doc:"the payer's number; required with paid"`
	Reason    string            `json:"reason" minLength:"2" maxLength:"200"`
}

type resolutionInput struct {
	BillPath
	Body payoutResolution
}

func (in resolutionInput) ActReason() string { return in.Body.Reason }

type resolved struct {
	Status int
	Body   payoutAnswer
}

func (f Function) registerPrizes(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/payouts", ID: "payouts", Tag: "cards", Roles: readers,
		Summary: "Red packets (红包兑付) in a state; it may lag behind by a moment",
	}, func(ctx context.Context, in *struct {
		rest.Paging
		State cards.PayoutState `query:"state" enum:"requested,paying,paid,failed_final" default:"paying"`
	},
	) (*rest.Body[rest.List[payoutAnswer]], error) {
		payouts, next, err := f.Store.Payouts(ctx, in.State, in.Limit, in.Cursor)
		return shownPage(payouts, next, shownPayout), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/payouts/{bill}", ID: "payout", Tag: "cards", Roles: readers, Summary: "One red packet",
	}, func(ctx context.Context, in *BillPath) (*rest.Body[payoutAnswer], error) {
		code, err := in.code()
		if err != nil {
			return nil, err
		}
		payout, err := f.Store.Payout(ctx, code)
		if err != nil {
			return nil, err
		}
		return rest.Answer(shownPayout(payout)), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/payouts/{bill}/ask", ID: "ask-payout", Act: "payout.ask", Tag: "cards", Roles: shopkeepers,
		Summary: "Ask the payer again now, under the same bill, instead of at next_ask",
	}, f.askPayout)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/payouts/{bill}/result", ID: "report-payout", Act: "payout.report", Tag: "cards",
		Roles:   []token.Role{token.RoleIntegration},
		Summary: "The payer's word about a bill, as it comes back later; the same word again changes nothing",
	}, f.reportPayout)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/payouts/{bill}/resolution", ID: "resolve-payout", Act: "payout.resolve", Tag: "cards", Roles: shopkeepers,
		Status:  http.StatusOK,
		Summary: "End a payout by hand, under the same bill: 202 for the first operator, 200 for a second, different one",
		Also:    map[int]string{http.StatusAccepted: "Accepted: a second operator has to agree; the payer is not asked meanwhile"},
	}, f.resolvePayout)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodDelete, Path: "/v1/payouts/{bill}/resolution", ID: "withdraw-resolution", Act: "payout.withdraw", Tag: "cards", Roles: shopkeepers,
		Summary: "Withdraw what is proposed: the payer is asked again",
	}, func(ctx context.Context, in *BillPath) (*rest.Body[payoutAnswer], error) {
		return f.changePayout(ctx, *in, cards.Payout.Withdraw)
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/gifts", ID: "gifts", Tag: "cards", Roles: readers,
		Summary: "Gifts with the next order (随单赠品) in a state; it may lag behind by a moment",
	}, func(ctx context.Context, in *struct {
		rest.Paging
		State cards.GiftState `query:"state" enum:"pending,shipped" default:"pending"`
	},
	) (*rest.Body[rest.List[giftAnswer]], error) {
		gifts, next, err := f.Store.Gifts(ctx, in.State, in.Limit, in.Cursor)
		return shownPage(gifts, next, shownGift), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/members/{id}/gifts", ID: "member-gifts", Tag: "members", Roles: readers,
		Summary: "A member's gifts: what to pack with their next order",
	}, func(ctx context.Context, in *struct {
		MemberPath
		rest.Paging
	},
	) (*rest.Body[rest.List[giftAnswer]], error) {
		account, err := f.Store.Account(ctx, in.member())
		if err != nil {
			return nil, err
		}
		gifts, next, err := statement.Gifts(ctx, f.Store, account, in.Limit, in.Cursor)
		return shownPage(gifts, next, shownGift), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/gifts/{gift}/shipment", ID: "ship-gift", Act: "gift.ship", Tag: "members", Roles: clerks,
		Summary: "A gift leaves with an order, once; the same order again changes nothing",
	}, f.shipGift)
}

// askPayout makes the payout due, and says so. When that word is lost
// settlepoints finds the payout within the hour.
func (f Function) askPayout(ctx context.Context, in *BillPath) (*rest.Body[payoutAnswer], error) {
	answer, err := f.changePayout(ctx, *in, func(p cards.Payout) (cards.Payout, error) { return p.Hasten(f.hand(ctx).At) })
	if err != nil {
		return nil, err
	}
	return answer, f.Payouts.Send(ctx, answer.Body.Bill.Message())
}

// reportPayout takes the payer's word from the brand's own system.
func (f Function) reportPayout(ctx context.Context, in *struct {
	BillPath
	Body payoutResult
},
) (*rest.Body[payoutAnswer], error) {
	amount, err := cards.NewPacket(in.Body.Amount)
	if err != nil {
		return nil, err
	}
	answer := cards.PayoutAnswer{
		Bill: cards.Bill(in.Bill), Amount: amount, Outcome: in.Body.State, Reference: in.Body.Reference, Code: in.Body.Code,
	}
	hand := f.hand(ctx)
	return f.changePayout(ctx, in.BillPath, func(p cards.Payout) (cards.Payout, error) { return p.Hear(answer, hand.Operator, hand.At) })
}

func (f Function) resolvePayout(ctx context.Context, in *resolutionInput) (*resolved, error) {
	hand := f.hand(ctx)
	wish := cards.Resolution{
		State: in.Body.State, Reference: in.Body.Reference, Reason: in.Body.Reason, Operator: hand.Operator, At: hand.At,
	}
	answer, err := f.changePayout(ctx, in.BillPath, func(p cards.Payout) (cards.Payout, error) { return p.Resolve(wish) })
	if err != nil {
		return nil, err
	}
	ended := &resolved{http.StatusOK, answer.Body}
	if !ended.Body.State.Final() {
		ended.Status = http.StatusAccepted
	}
	return ended, nil
}

func (f Function) changePayout(ctx context.Context, path BillPath, decide func(cards.Payout) (cards.Payout, error)) (*rest.Body[payoutAnswer], error) {
	code, err := path.code()
	if err != nil {
		return nil, err
	}
	payout, err := f.Store.ChangePayout(ctx, code, decide)
	if err != nil {
		return nil, err
	}
	return rest.Answer(shownPayout(payout)), nil
}

type shipmentBody struct {
	Channel loyalty.Channel `json:"channel" minLength:"1" maxLength:"64"`
	Shop    string          `json:"shop" minLength:"1" maxLength:"64"`
	OrderID string          `json:"order_id" minLength:"1" maxLength:"128"`
}

func (f Function) shipGift(ctx context.Context, in *struct {
	GiftPath
	Body struct {
		Order shipmentBody `json:"order"`
	}
},
) (*rest.Body[giftAnswer], error) {
	order := loyalty.OrderKey{Channel: in.Body.Order.Channel, Shop: in.Body.Order.Shop, Order: in.Body.Order.OrderID}
	hand := f.hand(ctx)
	gift, err := f.Store.ChangeGift(ctx, in.member(), in.Gift, func(g cards.Gift) (cards.Gift, error) {
		return g.Ship(order, hand.Operator, hand.At)
	})
	if err != nil {
		return nil, err
	}
	return rest.Answer(shownGift(gift)), nil
}

func shownPage[T, A any](items []T, next string, show func(T) A) *rest.Body[rest.List[A]] {
	shown := make([]A, len(items))
	for i, item := range items {
		shown[i] = show(item)
	}
	return rest.Answer(rest.Page(shown, next))
}

func shownPayout(p cards.Payout) payoutAnswer {
	shown := payoutAnswer{
		Bill: p.Bill, Batch: p.Batch, Card: p.Card + 1, MemberID: p.Member, Amount: p.Amount.Fen(), State: p.State(),
		Asked: p.Asked, AskedAt: p.AskedAt, NextAsk: p.NextAsk, Said: p.Said, Steps: p.Steps,
	}
	if p.State().Final() {
		shown.NextAsk = time.Time{}
	} else {
		shown.Proposed = p.Proposed
	}
	return shown
}

func shownGift(g cards.Gift) giftAnswer {
	shown := giftAnswer{
		ID: g.ID, MemberID: g.Member, Batch: g.Batch, Card: g.Card + 1, Text: g.Text, State: g.State(), WonAt: g.WonAt,
		ShippedAt: g.ShippedAt, ShippedBy: g.ShippedBy,
	}
	if g.Order != nil {
		shown.Order = &shipmentBody{g.Order.Channel, g.Order.Shop, g.Order.Order}
	}
	return shown
}
