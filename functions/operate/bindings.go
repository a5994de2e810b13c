package operate

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/rest"
)

// OrderPath names an order.
type OrderPath struct {
	Channel loyalty.Channel `path:"channel" maxLength:"64"`
	Shop    string          `path:"shop" maxLength:"64"`
	OrderID string          `path:"order_id" maxLength:"128"`
}

func (p OrderPath) order() loyalty.OrderKey {
	return loyalty.OrderKey{Channel: p.Channel, Shop: p.Shop, Order: p.OrderID}
}

// bindBody gives an order to a member (人工绑定).
type bindBody struct {
	MemberID loyalty.MemberID `json:"member_id" minLength:"1" maxLength:"64"`
	Reason   string           `json:"reason" minLength:"1" maxLength:"256" doc:"stands in the order's log for ever"`
}

// binding is who owns an order, and every change of it.
type binding struct {
	Channel  loyalty.Channel  `json:"channel"`
	Shop     string           `json:"shop"`
	OrderID  string           `json:"order_id"`
	MemberID loyalty.MemberID `json:"member_id,omitempty" doc:"absent while nobody owns it"`
	Changes  []bindingChange  `json:"changes" doc:"oldest first"`
}

type bindingChange struct {
	Kind     string           `json:"kind" enum:"owned,bound,unbound" doc:"owned: by an identity or a claim of the member's"`
	At       time.Time        `json:"at"`
	MemberID loyalty.MemberID `json:"member_id"`
	Operator string           `json:"operator,omitempty"`
	Reason   string           `json:"reason,omitempty"`
}

const bindingPath = "/v1/orders/{channel}/{shop}/{order_id}/binding"

func (f Function) registerBindings(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: bindingPath, ID: "binding", Tag: "orders", Roles: readers,
		Summary: "Who owns an order, and how it came to that",
	}, func(ctx context.Context, in *OrderPath) (*rest.Body[binding], error) {
		_, shown, err := f.binding(ctx, in.order())
		return rest.Answer(shown), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: bindingPath, ID: "bind-order", Act: "order.bind", Tag: "orders", Roles: shopkeepers,
		Summary: "Give an order that nobody owns to a member",
	}, f.bind)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodDelete, Path: bindingPath, ID: "unbind-order", Act: "order.unbind", Tag: "orders", Roles: shopkeepers, Status: http.StatusNoContent,
		Summary: "Take back an order that an operator gave: its points leave the member, as debt where they were spent",
	}, f.unbind)
}

type bindInput struct {
	OrderPath
	Body bindBody
}

func (in bindInput) ActReason() string { return in.Body.Reason }

func (f Function) bind(ctx context.Context, in *bindInput) (*rest.Body[binding], error) {
	account, err := f.Store.Account(ctx, in.Body.MemberID)
	if err != nil {
		return nil, err
	}
	if err := account.Open(); err != nil {
		return nil, err
	}
	err = f.postByHand(ctx, in.order(), points.FactBound, in.Body.MemberID, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	order, shown, err := f.binding(ctx, in.order())
	switch {
	case err != nil:
		return nil, err
	case order.Member == "":
		return nil, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same order at the same time")
	case order.Member != in.Body.MemberID:
		return nil, loyalty.Refuse(loyalty.KindConflict, "order_taken", "the order has another owner; a binding by an operator can be taken back first")
	}
	return rest.Answer(shown), nil
}

type unbindInput struct {
	OrderPath
	Reason string `query:"reason" required:"true" minLength:"1" maxLength:"256" doc:"stands in the order's log for ever"`
}

func (in unbindInput) ActReason() string { return in.Reason }

func (f Function) unbind(ctx context.Context, in *unbindInput) (*struct{}, error) {
	order, shown, err := f.binding(ctx, in.order())
	if err != nil {
		return nil, err
	}
	if order.Binding == nil {
		if slices.ContainsFunc(shown.Changes, func(change bindingChange) bool { return change.Kind == string(points.FactUnbound) }) {
			return nil, f.passOn(ctx, in.order()) // done before; only its answer was lost
		}
		return nil, loyalty.Refuse(loyalty.KindConflict, "not_bound", "no operator gave the order to its owner")
	}
	if err := f.postByHand(ctx, in.order(), points.FactUnbound, order.Member, in.Reason); err != nil {
		return nil, err
	}
	return nil, f.passOn(ctx, in.order())
}

// passOn gives an order that was taken back to whom events named as its buyer
// meanwhile.
func (f Function) passOn(ctx context.Context, order loyalty.OrderKey) error {
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return err
	}
	now := f.Clock()
	_, err = ledger.Post(ctx, f.Store, versions, ledger.News{Order: order, Fact: points.Fact{Kind: points.FactClaimed, At: now}}, now)
	return err
}

func (f Function) postByHand(ctx context.Context, order loyalty.OrderKey, kind points.FactKind, member loyalty.MemberID, reason string) error {
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return err
	}
	operator, _ := rest.Operator(ctx)
	now := f.Clock()
	_, err = ledger.Post(ctx, f.Store, versions, ledger.News{
		Order: order, Fact: points.Fact{Kind: kind, At: now, Member: member, Operator: operator.Name, Reason: reason},
	}, now)
	return err
}

// binding reads an order's owners from its log; KindNotFound code
// "order_unknown" where no event told of it.
func (f Function) binding(ctx context.Context, key loyalty.OrderKey) (*points.Order, binding, error) {
	log, err := f.Store.Log(ctx, key)
	if err != nil {
		return nil, binding{}, err
	}
	order := points.Replay(key, log)
	if !order.Known() {
		return nil, binding{}, orderUnknown
	}
	return order, binding{Channel: key.Channel, Shop: key.Shop, OrderID: key.Order, MemberID: order.Member, Changes: ownersOf(log)}, nil
}

var orderUnknown = loyalty.Refuse(loyalty.KindNotFound, "order_unknown", "no event told of such an order")

// ownersOf are the changes of an order's owner, oldest first.
func ownersOf(log []points.Fact) []bindingChange {
	changes := []bindingChange{}
	var owner loyalty.MemberID
	for _, fact := range log {
		change := bindingChange{Kind: "owned", At: fact.At, MemberID: fact.Member, Operator: fact.Operator, Reason: fact.Reason}
		switch {
		case fact.Kind == points.FactUnbound:
			change.Kind, owner = string(fact.Kind), ""
		case owner != "" || fact.Member == "" || fact.Kind == points.FactReturned: // it names who spent points
			continue
		case fact.Kind == points.FactBound:
			change.Kind, owner = string(fact.Kind), fact.Member
		default:
			owner = fact.Member
		}
		changes = append(changes, change)
	}
	return changes
}
