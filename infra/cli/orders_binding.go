package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/huitou/huitou/shared/loyalty"
)

// Order names the order of a command.
type Order struct {
	Channel string `arg:"" name:"channel" help:"Where it was placed: tmall, douyin, youzan, …."`
	Shop    string `arg:"" name:"shop" help:"The shop it belongs to, as the program names it."`
	OrderID string `arg:"" name:"order" help:"The order's number on the platform."`
}

func (o Order) binding() []string {
	return []string{"v1", "orders", o.Channel, o.Shop, o.OrderID, "binding"}
}

type shownBinding struct {
	MemberID loyalty.MemberID `json:"member_id"`
	Changes  []struct {
		Kind     string           `json:"kind"`
		At       string           `json:"at"`
		MemberID loyalty.MemberID `json:"member_id"`
		Operator string           `json:"operator"`
		Reason   string           `json:"reason"`
	} `json:"changes"`
}

func (b shownBinding) String() string {
	owner := string(b.MemberID)
	if owner == "" {
		owner = "nobody"
	}
	pairs := []string{"owner", owner}
	for _, change := range b.Changes {
		text := string(change.MemberID) + ", " + change.At
		if change.Operator != "" {
			text += ", by " + change.Operator + ": " + change.Reason
		}
		pairs = append(pairs, change.Kind, text)
	}
	return facts(pairs...)
}

// OrdersOwnerCommand is `huitou orders owner`.
type OrdersOwnerCommand struct {
	Order      `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (OrdersOwnerCommand) Help() string {
	return `Who has the order's points now, and every change of it.

Examples:

    huitou orders owner tmall flagship 2156000000001`
}

// Run shows an order's owner.
func (c OrdersOwnerCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get(c.binding()...), shownBinding.String)
}

// OrdersBindCommand is `huitou orders bind`.
type OrdersBindCommand struct {
	Order      `embed:""`
	Member     string `required:"" placeholder:"ID" help:"The member who gets the order."`
	Reason     string `required:"" placeholder:"TEXT" help:"Stands in the order's log for ever."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (OrdersBindCommand) Help() string {
	return `The order must be known and nobody's; the member gets its points as if it had been theirs from the start.

Examples:

    huitou orders bind tmall flagship 2156000000001 --member mabcdefghijklmnop --reason "receipt shown in the shop"`
}

// Run binds an order.
func (c OrdersBindCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(map[string]string{"member_id": c.Member, "reason": c.Reason})
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: c.binding(), body: raw, key: key}, shownBinding.String)
}

// OrdersUnbindCommand is `huitou orders unbind`.
type OrdersUnbindCommand struct {
	Order      `embed:""`
	Reason     string `required:"" placeholder:"TEXT" help:"Stands in the order's log for ever."`
	Connection `embed:""`
}

// Help is the long help.
func (OrdersUnbindCommand) Help() string {
	return `Only what an operator bound is taken back. The points leave the member with the order; those already spent become debt.

Examples:

    huitou orders unbind tmall flagship 2156000000001 --reason "it was another customer's"`
}

// Run takes a binding back.
func (c OrdersUnbindCommand) Run(ctx context.Context, console Console) error {
	huitou, err := c.open()
	if err != nil {
		return err
	}
	undo := call{method: http.MethodDelete, path: c.binding(), query: url.Values{"reason": {c.Reason}}}
	if _, err := huitou.do(ctx, undo); err != nil {
		return err
	}
	return show(ctx, console, c.Connection, get(c.binding()...), shownBinding.String)
}
