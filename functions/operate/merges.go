package operate

import (
	"context"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
)

// mergeBody names the member who becomes a part of the one in the path, or is
// let go by it.
type mergeBody struct {
	MemberID loyalty.MemberID `json:"member_id" minLength:"1" maxLength:"64"`
	Reason   string           `json:"reason" minLength:"1" maxLength:"256" doc:"stands in the ledger for ever: name no person in it"`
}

// mergedMember is the other side of a merge.
type mergedMember struct {
	MemberID loyalty.MemberID `json:"member_id"`
	At       time.Time        `json:"at"`
	Operator string           `json:"operator"`
	Reason   string           `json:"reason"`
}

func (f Function) registerMerges(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/merge", ID: "merge-members", Act: "member.merge", Tag: "members", Roles: shopkeepers,
		Status: http.StatusOK, Summary: "Merge another member into this one (会员合并): their points, purchases and identities count here until it is undone",
	}, f.merge)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/unmerge", ID: "unmerge-members", Act: "member.unmerge", Tag: "members", Roles: shopkeepers,
		Status: http.StatusOK, Summary: "Undo a merge (撤销合并): each has what their own orders brought; what was spent meanwhile stays with this one, as debt where there are no more points",
	}, f.unmerge)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodDelete, Path: "/v1/members/{id}", ID: "erase-member", Act: "member.erase", Tag: "members", Roles: shopkeepers, Status: http.StatusNoContent,
		Summary: "Erase the person (注销): identities, profile, consents, claims; the ledger stays under the bare id. It cannot be undone",
	}, f.erase)
}

type mergeInput struct {
	MemberPath
	Body mergeBody
}

func (in mergeInput) ActReason() string { return in.Body.Reason }

func (f Function) merge(ctx context.Context, in *mergeInput) (*rest.Body[member], error) {
	whole, err := ledger.Merge(ctx, f.Store, store.Merge{
		ID: derivedID(ctx, "merge"), Into: in.member(), Part: in.Body.MemberID, By: f.hand(ctx), Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	return f.wholeMember(ctx, whole)
}

func (f Function) unmerge(ctx context.Context, in *mergeInput) (*rest.Body[member], error) {
	whole, err := ledger.Unmerge(ctx, f.Store, in.member(), in.Body.MemberID, derivedID(ctx, "unmerge"), in.Body.Reason, f.hand(ctx))
	if err != nil {
		return nil, err
	}
	return f.wholeMember(ctx, whole)
}

type eraseInput struct {
	MemberPath
	Reason string `query:"reason" required:"true" minLength:"1" maxLength:"256" doc:"stands in the account for ever: name no person in it"`
}

func (in eraseInput) ActReason() string { return in.Reason }

func (f Function) erase(ctx context.Context, in *eraseInput) (*struct{}, error) {
	return nil, enrolment.Erase(ctx, f.Store, in.member(), store.Erasure{By: f.hand(ctx), Reason: in.Reason})
}

// wholeMember shows a member with the identities of those who were merged into
// them.
func (f Function) wholeMember(ctx context.Context, account store.Account) (*rest.Body[member], error) {
	parts, err := f.Store.Parts(ctx, account)
	if err != nil {
		return nil, err
	}
	shown := shownMember(account, f.Clock())
	for _, part := range parts {
		shown.Identities = append(shown.Identities, shownIdentities(part)...)
		merge := part.Merged
		shown.MergedFrom = append(shown.MergedFrom, mergedMember{part.Member, merge.By.At, merge.By.Operator, merge.Reason})
	}
	return rest.Answer(shown), nil
}
