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
)

type openingBody struct {
	Source   string                 `json:"source" pattern:"^[a-z0-9][a-z0-9-]{0,31}$" doc:"the old system; a member has one opening of each"`
	Points   []points.OpeningPoints `json:"points" maxItems:"24" doc:"by their ends; may be empty"`
	Growth   []points.OpeningGrowth `json:"growth,omitempty" maxItems:"60" doc:"growth value by month; his tier follows from it"`
	JoinedAt *time.Time             `json:"joined_at,omitempty" doc:"when he became a member there; the earliest date stays"`
	Consents []loyalty.Consent      `json:"consents,omitempty" enum:"membership,marketing,personalisation" maxItems:"3" doc:"given there, and not taken back; what the member withdrew here stays withdrawn unless given_at is later"`
	GivenAt  *time.Time             `json:"given_at,omitempty" doc:"when the consents were given there"`
}

type openingAnswer struct {
	MemberID loyalty.MemberID       `json:"member_id"`
	Source   string                 `json:"source"`
	Points   []points.OpeningPoints `json:"points"`
	Growth   []points.OpeningGrowth `json:"growth,omitempty"`
	JoinedAt *time.Time             `json:"joined_at,omitempty"`
	Consents []loyalty.Consent      `json:"consents,omitempty"`
	GivenAt  *time.Time             `json:"given_at,omitempty"`
	Made     store.Hand             `json:"made"`
}

type opened struct {
	Status int
	Body   openingAnswer
}

type openingInput struct {
	MemberPath
	Body openingBody
}

// ActOn names the source beside the member.
func (in openingInput) ActOn() string { return in.Body.Source }

// registerOpenings adds the opening balance. Only an admin may make one, of any
// size, and alone. The limit of corrections and a second pair of eyes guard
// against the one operator who gives somebody points on the side; an opening is
// a migration, one decision about one file, and fifty thousand approvals are
// clicked, not read. Leaving it to operators up to the limit would open a way
// around the limit, because the name of a source is free. What keeps an admin
// honest is that a source counts once a member, that each opening stands in the
// ledger as what it is and in the audit log with its source, and that the sum
// of a file can be held against the old system's.
func (f Function) registerOpenings(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/points/opening", ID: "open-points", Act: "opening.make", Tag: "members",
		Summary: "Give a member what he had in an old system (期初余额), once for each source",
		Status:  http.StatusOK, Also: map[int]string{http.StatusCreated: "Created"},
	}, f.open)
}

func (f Function) open(ctx context.Context, in *openingInput) (*opened, error) {
	body := in.Body
	if len(body.Points) == 0 && len(body.Growth) == 0 && body.JoinedAt == nil && len(body.Consents) == 0 {
		return nil, loyalty.Invalid("/points", "required", "an opening brings at least points, growth value, a date or a consent")
	}
	opening, fresh, err := ledger.Open(ctx, f.Store, store.Opening{
		Fact:     points.Fact{Member: in.member()},
		Opening:  points.Opening{Source: body.Source, Points: body.Points, Growth: body.Growth},
		JoinedAt: body.JoinedAt, Consents: body.Consents, GivenAt: body.GivenAt, Made: f.hand(ctx),
	})
	if err != nil {
		return nil, err
	}
	answer := &opened{http.StatusOK, openingAnswer{
		MemberID: opening.Member, Source: opening.Source, Points: opening.Opening.Points, Growth: opening.Opening.Growth,
		JoinedAt: opening.JoinedAt, Consents: opening.Consents, GivenAt: opening.GivenAt, Made: opening.Made,
	}}
	if answer.Body.Points == nil {
		answer.Body.Points = []points.OpeningPoints{}
	}
	if fresh {
		answer.Status = http.StatusCreated
	}
	return answer, nil
}
