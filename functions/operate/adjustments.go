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

type adjustmentBody struct {
	Points loyalty.Points `json:"points" minimum:"-1000000000" maximum:"1000000000" doc:"above 0 gives, below 0 takes what is available"`
	Reason string         `json:"reason" minLength:"2" maxLength:"200" doc:"stands in the member's ledger"`
}

type adjustmentAnswer struct {
	ID       string           `json:"id"`
	MemberID loyalty.MemberID `json:"member_id"`
	Points   loyalty.Points   `json:"points"`
	Reason   string           `json:"reason"`
	State    string           `json:"state" enum:"made,waiting" doc:"waiting: a second operator has to approve"`
	Proposed store.Hand       `json:"proposed"`
	Approved *store.Hand      `json:"approved,omitempty"`
}

// AdjustmentPath names a correction of a member's points.
type AdjustmentPath struct {
	MemberPath
	AID string `path:"aid" maxLength:"64"`
}

type adjusted struct {
	Status int
	Body   adjustmentAnswer
}

func (f Function) registerAdjustments(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/adjustments", ID: "waiting-adjustments", Tag: "members", Roles: readers,
		Summary: "Corrections of points that wait for a second operator (待复核调整), oldest first; it may lag behind by a moment",
	}, f.waitingAdjustments)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/points/adjustments", ID: "adjust-points", Act: "adjustment.make", Tag: "members",
		Roles: shopkeepers, Status: http.StatusOK,
		Summary: "Correct a member's points by hand (人工调整); above the program's limit, for one or for the operator's day, a second operator has to approve",
		Also:    map[int]string{http.StatusAccepted: "Accepted: a second operator has to approve"},
	}, f.adjust)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/points/adjustments/{aid}/approval", ID: "approve-adjustment", Act: "adjustment.approve", Tag: "members",
		Roles: shopkeepers, Summary: "Approve another operator's correction",
	}, func(ctx context.Context, in *AdjustmentPath) (*rest.Body[adjustmentAnswer], error) {
		made, err := ledger.Approve(ctx, f.Store, in.member(), in.AID, f.hand(ctx))
		if err != nil {
			return nil, err
		}
		return rest.Answer(shownAdjustment(made)), nil
	})
}

// waitingAdjustments lists what Approve is to decide.
func (f Function) waitingAdjustments(ctx context.Context, in *struct {
	rest.Paging
	State string `query:"state" required:"true" enum:"waiting" doc:"waiting"`
},
) (*rest.Body[rest.List[adjustmentAnswer]], error) {
	waiting, next, err := f.Store.WaitingAdjustments(ctx, in.Limit, in.Cursor)
	return shownPage(waiting, next, shownAdjustment), err
}

func (f Function) hand(ctx context.Context) store.Hand {
	return store.Hand{Operator: f.whoCalls(ctx), At: f.Clock().UTC().Truncate(time.Second)}
}

type adjustmentInput struct {
	MemberPath
	Body adjustmentBody
}

func (in adjustmentInput) ActReason() string { return in.Body.Reason }

func (f Function) adjust(ctx context.Context, in *adjustmentInput) (*adjusted, error) {
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	adjustment, err := ledger.Adjust(ctx, f.Store, store.Adjustment{
		Fact: points.Fact{Member: in.member(), Program: rules.Version}, ID: derivedID(ctx, "adjustment"),
		Points: in.Body.Points, Reason: in.Body.Reason, Proposed: f.hand(ctx),
	}, rules.Points.AdjustmentLimit)
	if err != nil {
		return nil, err
	}
	answer := &adjusted{http.StatusOK, shownAdjustment(adjustment)}
	if !adjustment.Made() {
		answer.Status = http.StatusAccepted
	}
	return answer, nil
}

func shownAdjustment(a store.Adjustment) adjustmentAnswer {
	shown := adjustmentAnswer{
		ID: a.ID, MemberID: a.Member, Points: a.Points, Reason: a.Reason, State: "waiting", Proposed: a.Proposed, Approved: a.Approved,
	}
	if a.Made() {
		shown.State = "made"
	}
	return shown
}
