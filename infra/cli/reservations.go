package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/huitou/huitou/shared/loyalty"
)

type reservationsCommands struct {
	Show   ReservationsShowCommand   `cmd:"" help:"One reservation, and what of it came back."`
	Return ReservationsReturnCommand `cmd:"" help:"Give back points that were spent (积分退回)."`
}

// Reserved names a reservation of a member's.
type Reserved struct {
	Member      `embed:""`
	Reservation string `arg:"" help:"The reservation's id."`
	Connection  `embed:""`
}

func (r Reserved) path(more ...string) []string {
	return r.Member.path(append([]string{"points", "reservations", r.Reservation}, more...)...)
}

type shownReservation struct {
	ID        string         `json:"id"`
	MemberID  string         `json:"member_id"`
	Points    loyalty.Points `json:"points"`
	Reason    string         `json:"reason"`
	State     string         `json:"state"`
	At        string         `json:"at"`
	ExpiresAt string         `json:"expires_at"`
	Returned  loyalty.Points `json:"returned"`
	Order     *struct {
		Channel string `json:"channel"`
		Shop    string `json:"shop"`
		OrderID string `json:"order_id"`
	} `json:"order"`
}

func (r shownReservation) String() string {
	pairs := []string{
		"reservation", r.ID, "member", r.MemberID, "points", fmt.Sprint(r.Points), "reason", r.Reason,
		"state", r.State, "at", r.At, "expires at", r.ExpiresAt, "returned", fmt.Sprint(r.Returned),
	}
	if r.Order != nil {
		pairs = append(pairs, "order", r.Order.Channel+" "+r.Order.Shop+" "+r.Order.OrderID)
	}
	return facts(pairs...)
}

// ReservationsShowCommand is `huitou reservations show`.
type ReservationsShowCommand struct {
	Reserved `embed:""`
}

// Help is the long help.
func (ReservationsShowCommand) Help() string {
	return `Points of a reservation that an order committed come back by the order's refunds.

Examples:

    huitou reservations show mjzlf3ftcmmxc3iz4 6a09e667f3bcc908`
}

// Run shows a reservation.
func (c ReservationsShowCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get(c.path()...), shownReservation.String)
}

// ReservationsReturnCommand is `huitou reservations return`.
type ReservationsReturnCommand struct {
	Reserved `embed:""`
	Points   loyalty.Points `placeholder:"N" help:"How many come back; all that did not yet when absent."`
	Reason   string         `required:"" placeholder:"TEXT" help:"Stands in the ledger for ever: name no person in it."`
	Repeat   `embed:""`
}

// Help is the long help.
func (ReservationsReturnCommand) Help() string {
	return `The points of a draw or an exchange that was committed, and that did not come about, go back to the lots that they came from. Those of a reservation that an order committed come back by the order's refunds alone.

Examples:

    huitou reservations return mjzlf3ftcmmxc3iz4 6a09e667f3bcc908 --reason "the draw was void"

    huitou reservations return mjzlf3ftcmmxc3iz4 6a09e667f3bcc908 --points 50 --reason "half of the goods were sold out"`
}

// Run gives points back.
func (c ReservationsReturnCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(struct {
		Points loyalty.Points `json:"points,omitempty"`
		Reason string         `json:"reason"`
	}{c.Points, c.Reason})
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: c.path("return"), body: raw, key: key}, shownReservation.String)
}
