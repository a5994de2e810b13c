package operate

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
)

// An order that waits for a person stands in IndexMember until the very write
// that settles it. Every order that the index names is read again, so a list
// never shows what is settled.

// waitingOrder is an order that nobody owns (无主订单).
type waitingOrder struct {
	Channel   loyalty.Channel `json:"channel"`
	Shop      string          `json:"shop"`
	OrderID   string          `json:"order_id"`
	HeardAt   time.Time       `json:"heard_at" doc:"when the first of what was heard of it happened; the list is in this order"`
	PaidAt    *time.Time      `json:"paid_at,omitempty" doc:"absent while no payment is known"`
	Paid      loyalty.Fen     `json:"paid" doc:"for goods, without what was refunded"`
	Why       string          `json:"why" enum:"unknown_buyer,masked,unbound" doc:"unknown_buyer: no member has the identities that the platform told; masked: it told none that can be read, and the order has to be claimed or bound; unbound: an operator took it back"`
	ProvedBy  []string        `json:"proved_by" enum:"phone_last4,buyer" doc:"by which of these a claim of it can be decided"`
	Claims    int             `json:"claims" doc:"that wait for it"`
	Cancelled bool            `json:"cancelled"`
}

// waitingClaim is a claim that nothing has decided yet (待处理认领).
type waitingClaim struct {
	MemberID  loyalty.MemberID `json:"member_id"`
	Channel   loyalty.Channel  `json:"channel"`
	Shop      string           `json:"shop"`
	OrderID   string           `json:"order_id"`
	At        time.Time        `json:"at"`
	ExpiresAt time.Time        `json:"expires_at" doc:"from then on it is refused"`
	Proof     string           `json:"proof" enum:"phone_last4,buyer" doc:"which the member gave; never what it is"`
	Why       string           `json:"why" enum:"order_unknown,proof_unknown" doc:"order_unknown: nothing was heard of the order; proof_unknown: nothing was heard of its buyer that the proof could be held against"`
}

// orderAnswer is all that is known of an order.
type orderAnswer struct {
	Channel     loyalty.Channel  `json:"channel"`
	Shop        string           `json:"shop"`
	OrderID     string           `json:"order_id"`
	MemberID    loyalty.MemberID `json:"member_id,omitempty" doc:"absent while nobody owns it"`
	PaidAt      *time.Time       `json:"paid_at,omitempty"`
	CompletedAt *time.Time       `json:"completed_at,omitempty"`
	Cancelled   bool             `json:"cancelled"`
	Settled     bool             `json:"settled" doc:"its points are no longer pending"`
	SettlesAt   *time.Time       `json:"settles_at,omitempty" doc:"when they stop being so"`
	Paid        loyalty.Fen      `json:"paid" doc:"for goods, without shipping"`
	Refunded    loyalty.Fen      `json:"refunded"`
	Points      loyalty.Points   `json:"points" doc:"what the owner holds for it now"`
	Lines       []orderLine      `json:"lines"`
	Codes       []string         `json:"discount_codes,omitempty"`
	Conflicts   []orderConflict  `json:"conflicts,omitempty" doc:"what events told otherwise than the first that told of it, which stands"`
	Owners      []bindingChange  `json:"owners" doc:"every change of the owner, oldest first"`
	Claims      []orderClaim     `json:"claims" doc:"that waited for it at some time, of each member the last, oldest first"`
	Events      []orderEvent     `json:"events" doc:"its log, oldest first"`
}

type orderLine struct {
	LineID   string          `json:"line_id"`
	SKU      string          `json:"sku,omitempty"`
	Category string          `json:"category,omitempty"`
	Quantity int64           `json:"quantity"`
	Paid     loyalty.Fen     `json:"paid"`
	Refunded loyalty.Fen     `json:"refunded" doc:"at most paid"`
	Returned int64           `json:"returned,omitempty" doc:"units that refunds told of"`
	Excess   loyalty.Fen     `json:"excess,omitempty" doc:"given back beyond paid: postage, goodwill; it takes no points"`
	Earned   loyalty.Points  `json:"earned" doc:"when it was paid: rate on paid, rounded down"`
	Points   loyalty.Points  `json:"points" doc:"held for it now"`
	Rate     points.Rate     `json:"rate" doc:"frozen when it was paid"`
	Because  []points.Reason `json:"because,omitempty" doc:"what made the rate another than the program's base rate"`
	Program  int64           `json:"program_version,omitempty" doc:"by which it was decided"`
}

// orderConflict is a line or, with a refund_id, a refund as it was told otherwise.
type orderConflict struct {
	LineID   string      `json:"line_id"`
	RefundID string      `json:"refund_id,omitempty"`
	SKU      string      `json:"sku,omitempty"`
	Category string      `json:"category,omitempty"`
	Amount   loyalty.Fen `json:"amount" doc:"paid or refunded"`
	Quantity int64       `json:"quantity,omitempty"`
	Gift     bool        `json:"gift,omitempty"`
}

type orderClaim struct {
	MemberID loyalty.MemberID `json:"member_id"`
	At       time.Time        `json:"at"`
	Proof    string           `json:"proof" enum:"phone_last4,buyer"`
	State    points.Claim     `json:"state" enum:"credited,waiting,refused"`
}

// orderEvent is one fact of the log. The buyer that it told of is not shown.
type orderEvent struct {
	Seq      int              `json:"seq"`
	Kind     points.FactKind  `json:"kind" enum:"paid,completed,refunded,cancelled,told,conflict,claimed,asked,bound,unbound,named,settled,continued,spent,returned"`
	At       time.Time        `json:"at"`
	Program  int64            `json:"program_version,omitempty"`
	MemberID loyalty.MemberID `json:"member_id,omitempty" doc:"the owner then; of asked, who claimed; of named, whom an event named; of spent and returned, who spent points on it"`
	Operator string           `json:"operator,omitempty"`
	Reason   string           `json:"reason,omitempty"`
	Lines    []string         `json:"lines,omitempty" doc:"ids of the lines that it tells of"`
	Refunds  []orderRefund    `json:"refunds,omitempty"`
	Entries  []orderEntry     `json:"entries,omitempty" doc:"what it changed in the owner's ledger; of returned, in that of who spent the points"`
}

type orderRefund struct {
	RefundID string      `json:"refund_id,omitempty" doc:"absent where the source tells the line's total so far alone"`
	LineID   string      `json:"line_id"`
	Amount   loyalty.Fen `json:"amount"`
}

type orderEntry struct {
	ID        string           `json:"id"`
	Kind      points.EntryKind `json:"kind"`
	LineID    string           `json:"line_id,omitempty"`
	Available loyalty.Points   `json:"available"`
	Pending   loyalty.Points   `json:"pending"`
	Debt      loyalty.Points   `json:"debt"`
}

func (f Function) registerOrders(api rest.API) {
	const lags = "; it may lag behind by a moment, and a page may be short, or empty, and yet have a next_cursor"
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/orders", ID: "orders-of-nobody", Tag: "orders", Roles: readers,
		Summary: "Orders that nobody owns (无主订单), the last heard of first" + lags,
	}, f.ordersOfNobody)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/orders/{channel}/{shop}/{order_id}", ID: "order", Tag: "orders", Roles: readers,
		Summary: "One order: its log, its owner, what it earned and why",
	}, f.order)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/claims", ID: "waiting-claims", Tag: "orders", Roles: readers,
		Summary: "Claims of orders that wait (待处理认领), the last first" + lags,
	}, f.waitingClaims)
}

func (f Function) ordersOfNobody(ctx context.Context, in *struct {
	rest.Paging
	Owner string    `query:"owner" required:"true" enum:"nobody" doc:"nobody"`
	Since time.Time `query:"since" doc:"those that were heard of at or after this; all when absent"`
},
) (*rest.Body[rest.List[waitingOrder]], error) {
	found, next, err := f.Store.OrdersOfNobody(ctx, in.Since, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	shown := []waitingOrder{}
	for _, one := range found {
		log, err := f.Store.Log(ctx, one.Order)
		if err != nil {
			return nil, err
		}
		if order := points.Replay(one.Order, log); order.Member == "" {
			shown = append(shown, shownWaitingOrder(order, one.Masked))
		}
	}
	return rest.Answer(rest.Page(shown, next)), nil
}

func shownWaitingOrder(order *points.Order, masked bool) waitingOrder {
	phone, buyer := order.Told()
	shown := waitingOrder{
		Channel: order.Key.Channel, Shop: order.Key.Shop, OrderID: order.Key.Order, HeardAt: order.HeardAt, PaidAt: at(order.PaidAt),
		Why: "unknown_buyer", ProvedBy: []string{}, Claims: len(order.Asking()), Cancelled: order.Cancelled,
	}
	switch {
	case order.Returned():
		shown.Why = "unbound"
	case masked && !buyer:
		shown.Why = "masked"
	}
	if phone {
		shown.ProvedBy = append(shown.ProvedBy, "phone_last4")
	}
	if buyer {
		shown.ProvedBy = append(shown.ProvedBy, "buyer")
	}
	for _, line := range order.Purchases() {
		shown.Paid += line.Paid - line.Refunded
	}
	return shown
}

// at is a time that may be unknown.
func at(instant time.Time) *time.Time {
	if instant.IsZero() {
		return nil
	}
	return &instant
}

func (f Function) waitingClaims(ctx context.Context, in *struct {
	rest.Paging
	State points.Claim `query:"state" required:"true" enum:"waiting" doc:"waiting"`
},
) (*rest.Body[rest.List[waitingClaim]], error) {
	now := f.Clock()
	asked, next, err := f.Store.WaitingClaims(ctx, now.Add(-points.ClaimLife), in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	shown := []waitingClaim{}
	orders := map[loyalty.OrderKey]*points.Order{}
	named := make([]store.ClaimNamed, len(asked))
	for i, claim := range asked {
		named[i] = store.ClaimNamed{Member: claim.Claimant, Order: claim.Order}
	}
	claims, err := f.Store.ClaimsNamed(ctx, named...)
	if err != nil {
		return nil, err
	}
	for i, claim := range asked {
		// The claim is gone with the person who was erased, and another where the
		// member claimed again.
		if claims[i] == nil || !claims[i].At.Equal(claim.At) || claims[i].State != points.ClaimWaiting {
			continue
		}
		order := orders[claim.Order]
		if order == nil {
			log, err := f.Store.Log(ctx, claim.Order)
			if err != nil {
				return nil, err
			}
			order = points.Replay(claim.Order, log)
			orders[claim.Order] = order
		}
		if order.ClaimOf(claim.Claimant, claim.At, now) == points.ClaimWaiting {
			shown = append(shown, shownWaitingClaim(claim, order))
		}
	}
	return rest.Answer(rest.Page(shown, next)), nil
}

func shownWaitingClaim(claim store.Record, order *points.Order) waitingClaim {
	shown := waitingClaim{
		MemberID: claim.Claimant, Channel: claim.Order.Channel, Shop: claim.Order.Shop, OrderID: claim.Order.Order,
		At: claim.At, ExpiresAt: claim.At.Add(points.ClaimLife), Proof: proofKind(claim.Proof), Why: "order_unknown",
	}
	if order.Known() {
		shown.Why = "proof_unknown"
	}
	return shown
}

// proofKind is by what a claim is proved.
func proofKind(proof *points.Proof) string {
	if proof != nil && proof.Buyer != "" {
		return "buyer"
	}
	return "phone_last4"
}

func (f Function) order(ctx context.Context, in *OrderPath) (*rest.Body[orderAnswer], error) {
	key := in.order()
	log, err := f.Store.Log(ctx, key)
	if err != nil {
		return nil, err
	}
	order := points.Replay(key, log)
	if !order.Known() {
		return nil, orderUnknown
	}
	shown := orderAnswer{
		Channel: key.Channel, Shop: key.Shop, OrderID: key.Order, MemberID: order.Member,
		PaidAt: at(order.PaidAt), CompletedAt: at(order.CompletedAt), Cancelled: order.Cancelled, Settled: order.Settled() && order.SettleAt().IsZero(), SettlesAt: at(order.SettleAt()),
		Lines: []orderLine{}, Codes: order.Codes, Owners: ownersOf(log), Claims: []orderClaim{}, Events: []orderEvent{},
	}
	decided := map[string]int64{}
	for i, fact := range log {
		for _, line := range fact.Lines {
			decided[line.ID] = fact.Program
		}
		if fact.Kind == points.FactAsked {
			state := order.ClaimOf(fact.Claimant, fact.At, f.Clock())
			shown.Claims = slices.DeleteFunc(shown.Claims, func(c orderClaim) bool { return c.MemberID == fact.Claimant })
			shown.Claims = append(shown.Claims, orderClaim{fact.Claimant, fact.At, proofKind(fact.Proof), state})
		}
		shown.Events = append(shown.Events, shownEvent(i+1, fact))
	}
	for _, conflict := range order.Conflicts {
		shown.Conflicts = append(shown.Conflicts, shownConflict(conflict))
	}
	for _, line := range order.Purchases() {
		shown.Paid, shown.Refunded, shown.Points = shown.Paid+line.Paid, shown.Refunded+line.Refunded, shown.Points+line.Points
		shown.Lines = append(shown.Lines, orderLine{
			LineID: line.ID, SKU: line.SKU, Category: line.Category, Quantity: line.Quantity, Paid: line.Paid, Refunded: line.Refunded,
			Returned: line.Returned, Excess: line.Excess, Earned: line.Granted(), Points: line.Points, Rate: line.Rate, Because: line.Because, Program: decided[line.ID],
		})
	}
	return rest.Answer(shown), nil
}

func shownConflict(conflict points.Conflict) orderConflict {
	if refund := conflict.Refund; refund != nil {
		return orderConflict{LineID: refund.Line, RefundID: refund.ID, Amount: refund.Amount, Quantity: refund.Quantity}
	}
	line := conflict.Line
	return orderConflict{LineID: line.ID, SKU: line.SKU, Category: line.Category, Amount: line.Paid, Quantity: line.Quantity, Gift: line.Gift}
}

func shownEvent(seq int, fact points.Fact) orderEvent {
	shown := orderEvent{
		Seq: seq, Kind: fact.Kind, At: fact.At, Program: fact.Program, MemberID: fact.Member, Operator: fact.Operator, Reason: fact.Reason,
	}
	if fact.Claimant != "" {
		shown.MemberID = fact.Claimant
	}
	if fact.Spent != nil {
		shown.MemberID = fact.Spent.Member
	}
	for _, line := range fact.Lines {
		shown.Lines = append(shown.Lines, line.ID)
	}
	for _, refund := range fact.Refunds {
		shown.Refunds = append(shown.Refunds, orderRefund{refund.ID, refund.Line, refund.Amount})
	}
	for _, e := range fact.Entries {
		shown.Entries = append(shown.Entries, orderEntry{e.ID, e.Kind, e.Line, e.Available, e.Pending, e.Debt})
	}
	return shown
}
