package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

type claimsCommands struct {
	List ClaimsListCommand `cmd:"" help:"Claims of orders that wait (待处理认领)."`
}

type adjustmentsCommands struct {
	List AdjustmentsListCommand `cmd:"" help:"Corrections of points that wait for a second operator (待复核调整)."`
}

type briefMember struct {
	MemberID string   `json:"member_id"`
	JoinedAt string   `json:"joined_at"`
	Home     string   `json:"home_channel"`
	Phones   []string `json:"phones"`
	Tier     string   `json:"tier"`
	Orders   int64    `json:"orders"`
	ErasedAt string   `json:"erased_at"`
}

var briefTitles = []string{"MEMBER", "JOINED AT", "HOME", "PHONE", "TIER", "ORDERS", "ERASED AT"}

func (m briefMember) row() []string {
	return []string{m.MemberID, m.JoinedAt, m.Home, strings.Join(m.Phones, " "), m.Tier, fmt.Sprint(m.Orders), m.ErasedAt}
}

// MembersFindCommand is `huitou members find`.
type MembersFindCommand struct {
	Identity   string   `xor:"by" required:"" placeholder:"KIND:CHANNEL:VALUE" help:"buyer, openid, unionid or wecom with its channel and value; a phone needs no channel: phone:13800000000."`
	Order      []string `xor:"by" required:"" placeholder:"CHANNEL,SHOP,ORDER" help:"An order: its channel, shop and number."`
	Card       string   `xor:"by" required:"" placeholder:"CODE" help:"A package card: its code, or its batch and number such as K-00007-0000003."`
	Connection `embed:""`
}

// Help is the long help.
func (MembersFindCommand) Help() string {
	return `Makes nobody a member. Who was merged into another is found as that one. An operator may look up 200 times an hour, and each look-up stands in the audit log by a hash.

Examples:

    huitou members find --identity phone:13800000000

    huitou members find --order tmall,flagship,2156000000001

    huitou members find --card K-00007-0000003`
}

// Run looks a member up.
func (c MembersFindCommand) Run(ctx context.Context, console Console) error {
	body := map[string]any{}
	switch {
	case c.Identity != "":
		identity, err := readIdentity(c.Identity)
		if err != nil {
			return err
		}
		body["identity"] = identity
	case len(c.Order) > 0:
		if len(c.Order) != 3 {
			return &UsageError{"--order is CHANNEL,SHOP,ORDER, such as tmall,flagship,2156000000001"}
		}
		body["order"] = map[string]string{"channel": c.Order[0], "shop": c.Order[1], "order_id": c.Order[2]}
	default:
		body["card"] = c.Card
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	type found struct {
		Items []briefMember `json:"items"`
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: []string{"v1", "members", "lookup"}, body: raw}, func(all found) string {
		table := grid{titles: briefTitles}
		for _, member := range all.Items {
			table.add(member.row()...)
		}
		return table.String()
	})
}

// MembersListCommand is `huitou members list`.
type MembersListCommand struct {
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersListCommand) Help() string {
	return `The last who joined first; phones are masked.

Examples:

    huitou members list --limit 20`
}

// Run lists members.
func (c MembersListCommand) Run(ctx context.Context, console Console) error {
	return list(ctx, console, c.Connection, c.Paging, get("v1", "members"), briefTitles, briefMember.row)
}

// OrdersWaitingCommand is `huitou orders waiting`.
type OrdersWaitingCommand struct {
	Since      *Instant `placeholder:"TIME" help:"Those that were heard of at or after this: 2026-11-01T00:00:00+08:00."`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (OrdersWaitingCommand) Help() string {
	return `Orders that nobody owns, the last heard of first: "unknown_buyer" waits until somebody joins with an identity of its buyer, "masked" has to be claimed or bound, "unbound" was taken back by an operator.

Examples:

    huitou orders waiting --limit 20

    huitou orders waiting --since 2026-11-01T00:00:00+08:00 --all --json`
}

// Run lists orders of nobody.
func (c OrdersWaitingCommand) Run(ctx context.Context, console Console) error {
	type order struct {
		Channel  string      `json:"channel"`
		Shop     string      `json:"shop"`
		OrderID  string      `json:"order_id"`
		HeardAt  string      `json:"heard_at"`
		PaidAt   string      `json:"paid_at"`
		Paid     loyalty.Fen `json:"paid"`
		Why      string      `json:"why"`
		ProvedBy []string    `json:"proved_by"`
		Claims   int         `json:"claims"`
	}
	request := get("v1", "orders")
	request.query = url.Values{"owner": {"nobody"}}
	if c.Since != nil {
		request.query.Set("since", c.Since.Format(time.RFC3339))
	}
	return list(ctx, console, c.Connection, c.Paging, request,
		[]string{"HEARD AT", "CHANNEL", "SHOP", "ORDER", "PAID AT", "PAID", "WHY", "CLAIMED BY", "CLAIMS"},
		func(o order) []string {
			return []string{o.HeardAt, o.Channel, o.Shop, o.OrderID, o.PaidAt, money(o.Paid), o.Why, strings.Join(o.ProvedBy, " "), fmt.Sprint(o.Claims)}
		})
}

// OrdersShowCommand is `huitou orders show`.
type OrdersShowCommand struct {
	Order      `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (OrdersShowCommand) Help() string {
	return `Its owner, its lines with what they earned and why, and all that happened to it. --json tells more.

Examples:

    huitou orders show tmall flagship 2156000000001`
}

type shownOrder struct {
	Channel     string         `json:"channel"`
	Shop        string         `json:"shop"`
	OrderID     string         `json:"order_id"`
	MemberID    string         `json:"member_id"`
	PaidAt      string         `json:"paid_at"`
	CompletedAt string         `json:"completed_at"`
	Cancelled   bool           `json:"cancelled"`
	SettlesAt   string         `json:"settles_at"`
	Paid        loyalty.Fen    `json:"paid"`
	Refunded    loyalty.Fen    `json:"refunded"`
	Points      loyalty.Points `json:"points"`
	Lines       []struct {
		LineID   string         `json:"line_id"`
		SKU      string         `json:"sku"`
		Quantity int64          `json:"quantity"`
		Paid     loyalty.Fen    `json:"paid"`
		Refunded loyalty.Fen    `json:"refunded"`
		Earned   loyalty.Points `json:"earned"`
		Points   loyalty.Points `json:"points"`
		Rate     struct {
			Points loyalty.Points `json:"points"`
			PerFen loyalty.Fen    `json:"per_fen"`
		} `json:"rate"`
		Because []string `json:"because"`
		Program int64    `json:"program_version"`
	} `json:"lines"`
	Events []struct {
		Kind     string `json:"kind"`
		At       string `json:"at"`
		MemberID string `json:"member_id"`
		Operator string `json:"operator"`
		Reason   string `json:"reason"`
	} `json:"events"`
}

func (o shownOrder) String() string {
	pairs := []string{"order", o.Channel + " " + o.Shop + " " + o.OrderID, "owner", or(o.MemberID, "nobody"), "paid at", o.PaidAt, "completed at", o.CompletedAt}
	if o.Cancelled {
		pairs = append(pairs, "cancelled", "yes")
	}
	pairs = append(pairs, "settles at", o.SettlesAt, "paid", money(o.Paid), "refunded", money(o.Refunded), "points", fmt.Sprint(o.Points))
	for _, line := range o.Lines {
		text := fmt.Sprintf("%s %s × %d: %s paid, %s refunded, %d points earned at %d per %s", line.LineID, line.SKU, line.Quantity,
			money(line.Paid), money(line.Refunded), line.Earned, line.Rate.Points, money(line.Rate.PerFen))
		if len(line.Because) > 0 {
			text += " (" + strings.Join(line.Because, ", ") + ")"
		}
		pairs = append(pairs, "line", fmt.Sprintf("%s by program %d, %d held", text, line.Program, line.Points))
	}
	for _, event := range o.Events {
		text := strings.Join(strings.Fields(event.At+" "+event.MemberID), ", ")
		if event.Operator != "" {
			text += ", by " + event.Operator + ": " + event.Reason
		}
		pairs = append(pairs, event.Kind, text)
	}
	return facts(pairs...)
}

// Run shows an order.
func (c OrdersShowCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get("v1", "orders", c.Channel, c.Shop, c.OrderID), shownOrder.String)
}

// ClaimsListCommand is `huitou claims list`.
type ClaimsListCommand struct {
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (ClaimsListCommand) Help() string {
	return `Claims that nothing has decided yet, the last first: of orders that nobody heard of, or whose buyer is not known well enough.

Examples:

    huitou claims list --all`
}

// Run lists claims.
func (c ClaimsListCommand) Run(ctx context.Context, console Console) error {
	type claim struct {
		MemberID  string `json:"member_id"`
		Channel   string `json:"channel"`
		Shop      string `json:"shop"`
		OrderID   string `json:"order_id"`
		At        string `json:"at"`
		ExpiresAt string `json:"expires_at"`
		Proof     string `json:"proof"`
		Why       string `json:"why"`
	}
	request := get("v1", "claims")
	request.query = url.Values{"state": {"waiting"}}
	return list(ctx, console, c.Connection, c.Paging, request,
		[]string{"AT", "MEMBER", "CHANNEL", "SHOP", "ORDER", "PROOF", "WHY", "EXPIRES AT"},
		func(k claim) []string {
			return []string{k.At, k.MemberID, k.Channel, k.Shop, k.OrderID, k.Proof, k.Why, k.ExpiresAt}
		})
}

// AdjustmentsListCommand is `huitou adjustments list`.
type AdjustmentsListCommand struct {
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (AdjustmentsListCommand) Help() string {
	return `Oldest first. Whoever proposed a correction cannot approve it.

Examples:

    huitou adjustments list`
}

// Run lists corrections.
func (c AdjustmentsListCommand) Run(ctx context.Context, console Console) error {
	type adjustment struct {
		ID       string         `json:"id"`
		MemberID string         `json:"member_id"`
		Points   loyalty.Points `json:"points"`
		Reason   string         `json:"reason"`
		Proposed shownHand      `json:"proposed"`
	}
	request := get("v1", "adjustments")
	request.query = url.Values{"state": {"waiting"}}
	return list(ctx, console, c.Connection, c.Paging, request,
		[]string{"ADJUSTMENT", "MEMBER", "POINTS", "REASON", "PROPOSED"},
		func(a adjustment) []string {
			return []string{a.ID, a.MemberID, fmt.Sprint(a.Points), a.Reason, a.Proposed.String()}
		})
}
