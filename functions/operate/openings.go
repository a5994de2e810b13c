package operate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
)

type openingBody struct {
	Source   string                 `json:"source" pattern:"^[a-z0-9][a-z0-9-]{0,31}$" doc:"the old system; a member has one opening of each"`
	Points   []points.OpeningPoints `json:"points" maxItems:"24" doc:"by their ends; may be empty"`
	Growth   []points.OpeningGrowth `json:"growth,omitempty" maxItems:"60" doc:"growth value by month; the tier follows from it"`
	JoinedAt *time.Time             `json:"joined_at,omitempty" doc:"when the member joined there; the earliest date stays"`
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
		Summary: "Give a member what they had in an old system (期初余额), once for each source",
		Status:  http.StatusOK, Also: map[int]string{http.StatusCreated: "Created"},
	}, f.open)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/imports", ID: "import-member", Act: "member.import", Tag: "members",
		Summary: "Make or find a member and give what an old system had of the person (会员导入), both or neither",
		Status:  http.StatusOK, Also: map[int]string{http.StatusCreated: "Created"},
	}, f.importMember)
}

// importBody is one line of what an old system knew.
type importBody struct {
	Identities []identityBody `json:"identities" minItems:"1" maxItems:"20"`
	Opening    *openingBody   `json:"opening,omitempty" doc:"absent: the person had nothing there"`
	Check      bool           `json:"check,omitempty" doc:"only tell whether the line would be refused; nothing is made or changed"`
}

type importInput struct{ Body importBody }

// ActOn names the source.
func (in importInput) ActOn() string {
	if in.Body.Opening == nil {
		return ""
	}
	return in.Body.Opening.Source
}

type importAnswer struct {
	MemberID loyalty.MemberID `json:"member_id,omitempty" doc:"absent where a check finds nobody"`
	Created  bool             `json:"created" doc:"whether this very call made the member"`
}

type importedMember struct {
	Status int
	Body   importAnswer
}

// importMember looks at all that could be refused before it makes anything, so
// that a line that is refused leaves no member without the balance. What another
// call changes in between is refused by the writes themselves.
func (f Function) importMember(ctx context.Context, in *importInput) (*importedMember, error) {
	var request enrolment.Request
	for i, identity := range in.Body.Identities {
		read, err := f.readIdentity(fmt.Sprintf("/identities/%d", i), identity)
		if err != nil {
			return nil, err
		}
		request.Identities = append(request.Identities, read)
	}
	known, _, err := enrolment.Find(ctx, f.Store, request.Identities)
	if err != nil {
		return nil, err
	}
	var wanted store.Opening
	if body := in.Body.Opening; body != nil {
		if wanted, err = f.wantedOpening(ctx, *body); err == nil {
			err = ledger.MayOpen(ctx, f.Store, known, wanted)
		}
		if err != nil {
			return nil, within("/opening", err)
		}
	}
	answer := &importedMember{Status: http.StatusOK}
	if known != nil {
		answer.Body.MemberID = known.Member
	}
	if in.Body.Check {
		return answer, nil
	}
	id, created, err := f.join(ctx, request)
	if err != nil {
		return nil, err
	}
	if answer.Body = (importAnswer{id, created}); created {
		answer.Status = http.StatusCreated
	}
	if in.Body.Opening != nil {
		wanted.Member = id
		_, _, err = ledger.Open(ctx, f.Store, wanted)
	}
	return answer, within("/opening", err)
}

// within puts the pointers of a refusal below a part of the body.
func within(part string, err error) error {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok || len(refusal.Fields) == 0 {
		return err
	}
	below := *refusal
	below.Fields = slices.Clone(refusal.Fields)
	for i := range below.Fields {
		below.Fields[i].Pointer = part + below.Fields[i].Pointer
	}
	return &below
}

// wantedOpening is an opening as it was asked for, without its member.
func (f Function) wantedOpening(ctx context.Context, body openingBody) (store.Opening, error) {
	if len(body.Points) == 0 && len(body.Growth) == 0 && body.JoinedAt == nil && len(body.Consents) == 0 {
		return store.Opening{}, loyalty.Invalid("/points", "required", "an opening brings at least points, growth value, a date or a consent")
	}
	return store.Opening{
		Opening:  points.Opening{Source: body.Source, Points: body.Points, Growth: body.Growth},
		JoinedAt: body.JoinedAt, Consents: body.Consents, GivenAt: body.GivenAt, Made: f.hand(ctx),
	}, nil
}

func (f Function) open(ctx context.Context, in *openingInput) (*opened, error) {
	wanted, err := f.wantedOpening(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	wanted.Member = in.member()
	opening, fresh, err := ledger.Open(ctx, f.Store, wanted)
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
