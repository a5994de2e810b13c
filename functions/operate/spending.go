package operate

import (
	"context"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

type reservationBody struct {
	Points         loyalty.Points `json:"points" minimum:"1" maximum:"1000000000" doc:"to set aside"`
	Reason         string         `json:"reason" minLength:"1" maxLength:"200" doc:"what they are for: an order's number, a draw, an exchange"`
	ExpiresSeconds int            `json:"expires_seconds,omitempty" minimum:"60" maximum:"604800" default:"1800" doc:"after so many seconds the points are given back unless they were spent"`
}

type reservationAnswer struct {
	ID        string                 `json:"id"`
	MemberID  loyalty.MemberID       `json:"member_id"`
	Points    loyalty.Points         `json:"points"`
	Reason    string                 `json:"reason"`
	State     store.ReservationState `json:"state" enum:"reserved,committed,cancelled"`
	At        time.Time              `json:"at"`
	ExpiresAt time.Time              `json:"expires_at"`
	Order     *orderBody             `json:"order,omitempty" doc:"that committed it: its refunds give the points back"`
	Returned  loyalty.Points         `json:"returned" doc:"of a committed one: what came back of its points"`
}

type commitBody struct {
	Order *orderBody `json:"order,omitempty" doc:"that the points pay for; it may be told of later. Each of its refunds gives back the share of the points that it is of the money paid, to the lots they came from"`
}

type returnBody struct {
	Points loyalty.Points `json:"points,omitempty" minimum:"1" maximum:"1000000000" doc:"absent for all that did not come back yet"`
	Reason string         `json:"reason" minLength:"1" maxLength:"200" doc:"stands in the member's ledger"`
}

// ReservationPath names a reservation of a member.
type ReservationPath struct {
	MemberPath
	RID string `path:"rid" maxLength:"64"`
}

func (f Function) registerSpending(api rest.API) {
	spenders := []token.Role{token.RoleIntegration}
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/points/reservations", ID: "reserve-points", Act: "reservation.make", Tag: "spending",
		Roles: spenders, Status: http.StatusCreated, Summary: "Set points aside to be spent (积分抵扣、兑换、抽奖、秒杀)",
	}, f.reserve)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/members/{id}/points/reservations/{rid}", ID: "reservation", Tag: "spending",
		Roles: readers, Summary: "One reservation",
	}, func(ctx context.Context, in *ReservationPath) (*rest.Body[reservationAnswer], error) {
		return shownReservation(f.Store.Reservation(ctx, in.member(), in.RID))
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/points/reservations/{rid}/commit", ID: "commit-points", Act: "reservation.commit", Tag: "spending",
		Roles: spenders, Summary: "Spend what a reservation set aside",
	}, func(ctx context.Context, in *commitInput) (*rest.Body[reservationAnswer], error) {
		if in.Body == nil || in.Body.Order == nil {
			return shownReservation(ledger.Commit(ctx, f.Store, in.member(), in.RID, f.Clock()))
		}
		return shownReservation(ledger.CommitToOrder(ctx, f.Store, in.member(), in.RID, in.Body.Order.key(), f.Clock()))
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/points/reservations/{rid}/return", ID: "return-points", Act: "reservation.return", Tag: "spending",
		Roles: append([]token.Role{token.RoleIntegration}, shopkeepers...), Summary: "Give back points that a reservation spent (积分退回); 409 committed_by_order for one that an order committed",
	}, func(ctx context.Context, in *returnInput) (*rest.Body[reservationAnswer], error) {
		return shownReservation(ledger.GiveBack(ctx, f.Store, ledger.Back{
			Member: in.member(), Reservation: in.RID, Act: derivedID(ctx, "return"), Points: in.Body.Points, Reason: in.Body.Reason, By: f.hand(ctx),
		}))
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/points/reservations/{rid}/cancel", ID: "cancel-points", Act: "reservation.cancel", Tag: "spending",
		Roles: spenders, Summary: "Give back what a reservation set aside",
	}, func(ctx context.Context, in *ReservationPath) (*rest.Body[reservationAnswer], error) {
		return shownReservation(ledger.Cancel(ctx, f.Store, in.member(), in.RID, f.Clock()))
	})
}

type commitInput struct {
	ReservationPath
	Body *commitBody
}

type returnInput struct {
	ReservationPath
	Body returnBody
}

func (in returnInput) ActReason() string { return in.Body.Reason }

type reservationInput struct {
	MemberPath
	Body reservationBody
}

func (in reservationInput) ActReason() string { return in.Body.Reason }

func (f Function) reserve(ctx context.Context, in *reservationInput) (*rest.Body[reservationAnswer], error) {
	now := f.Clock().UTC().Truncate(time.Second)
	return shownReservation(ledger.Reserve(ctx, f.Store, store.Reservation{
		Fact: points.Fact{At: now, Member: in.member()}, ID: derivedID(ctx, "reservation"),
		Points: in.Body.Points, Reason: in.Body.Reason, ExpiresAt: now.Add(time.Duration(in.Body.ExpiresSeconds) * time.Second),
	}))
}

func shownReservation(r store.Reservation, err error) (*rest.Body[reservationAnswer], error) {
	if err != nil {
		return nil, err
	}
	shown := reservationAnswer{
		ID: r.ID, MemberID: r.Member, Points: r.Points, Reason: r.Reason, State: r.State, At: r.At, ExpiresAt: r.ExpiresAt, Returned: r.Returned,
	}
	if r.Order != nil {
		shown.Order = &orderBody{r.Order.Channel, r.Order.Shop, r.Order.Order}
	}
	return rest.Answer(shown), nil
}
