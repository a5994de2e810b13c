package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

type giftsCommands struct {
	List GiftsListCommand `cmd:"" help:"Gifts that wait for an order, or have left with one."`
	Ship GiftsShipCommand `cmd:"" help:"Record that a gift leaves with an order (随单发出)."`
}

type shownGift struct {
	ID       string `json:"id"`
	MemberID string `json:"member_id"`
	Batch    string `json:"batch"`
	Card     int    `json:"card"`
	Text     string `json:"text"`
	State    string `json:"state"`
	WonAt    string `json:"won_at"`
	Order    *struct {
		Channel string `json:"channel"`
		Shop    string `json:"shop"`
		OrderID string `json:"order_id"`
	} `json:"order"`
	ShippedAt string `json:"shipped_at"`
	ShippedBy string `json:"shipped_by"`
}

// order is the one that it left with.
func (g shownGift) order() string {
	if g.Order == nil {
		return ""
	}
	return g.Order.Channel + " " + g.Order.Shop + " " + g.Order.OrderID
}

func (g shownGift) String() string {
	return facts("gift", g.ID, "what", g.Text, "member", g.MemberID, "card", g.Batch+", no. "+strconv.Itoa(g.Card), "state", g.State,
		"won", g.WonAt, "order", g.order(), "shipped", g.ShippedAt, "by", g.ShippedBy)
}

// GiftsListCommand is `huitou gifts list`.
type GiftsListCommand struct {
	State      string `default:"pending" enum:"pending,shipped" help:"pending or shipped."`
	Member     string `placeholder:"ID" help:"All gifts of this member instead: what to pack with their next order."`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (GiftsListCommand) Help() string {
	return `Oldest first in each partition of a state. The list of a state may lag behind by a moment; a member's does not.

Examples:

    huitou gifts list --all

    huitou gifts list --member mjzlf3ftcmmxc3iz4`
}

// Run lists gifts.
func (c GiftsListCommand) Run(ctx context.Context, console Console) error {
	request := get("v1", "gifts")
	request.query = url.Values{"state": {c.State}}
	if c.Member != "" {
		request = get("v1", "members", c.Member, "gifts")
	}
	return list(ctx, console, c.Connection, c.Paging, request,
		[]string{"GIFT", "WHAT", "MEMBER", "WON AT", "STATE", "ORDER", "SHIPPED AT"},
		func(g shownGift) []string {
			return []string{g.ID, g.Text, g.MemberID, g.WonAt, g.State, g.order(), g.ShippedAt}
		})
}

// GiftsShipCommand is `huitou gifts ship`.
type GiftsShipCommand struct {
	Owner      string `arg:"" name:"member" help:"Who won it, as the list says."`
	Gift       string `arg:"" name:"gift" help:"The gift's id."`
	Order      `embed:""`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (GiftsShipCommand) Help() string {
	return `A gift leaves once: with the same order again nothing changes, with another one it is refused.

Examples:

    huitou gifts ship mjzlf3ftcmmxc3iz4 K-00007-0000003 tmall flagship 2156000000001`
}

// Run ships a gift.
func (c GiftsShipCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(map[string]any{"order": map[string]string{"channel": c.Channel, "shop": c.Shop, "order_id": c.OrderID}})
	if err != nil {
		return err
	}
	path := []string{"v1", "members", c.Owner, "gifts", c.Gift, "shipment"}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: path, body: raw, key: key}, shownGift.String)
}
