package operate

import (
	"context"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/audience/rule"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// DocumentPath names a document that operators write.
type DocumentPath struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"chosen by the brand"`
}

type TemplateBody struct {
	Name      string       `json:"name" minLength:"1" maxLength:"40" doc:"customers see it"`
	Kind      coupons.Kind `json:"kind,omitempty" enum:"own,link" default:"own" doc:"own: codes of huitou; link: claimed behind a link"`
	Threshold loyalty.Fen  `json:"threshold,omitempty" minimum:"0" doc:"满: fen the order must reach; 0 for none"`
	Discount  loyalty.Fen  `json:"discount" minimum:"1" doc:"减: fen the coupon takes off"`
	Validity  struct {
		Days   int `json:"days,omitempty" minimum:"0" maximum:"1100"`
		Months int `json:"months,omitempty" minimum:"0" maximum:"36"`
	} `json:"validity" doc:"either days or calendar months, to the last second of the last day"`
	Budget struct {
		Quantity int64       `json:"quantity,omitempty" minimum:"0" doc:"coupons; 0 is no limit"`
		Amount   loyalty.Fen `json:"amount,omitempty" minimum:"0" doc:"sum of the discounts in fen; 0 is no limit"`
	} `json:"budget,omitempty"`
	Limits limitsBody `json:"limits,omitzero" doc:"每人限领: how many coupons of the template campaigns give one member; without limits one live coupon at a time, the next when that one was used or has expired"`
	Link   string     `json:"link,omitempty" maxLength:"200"`
}

type limitsBody struct {
	PerMember        int          `json:"per_member,omitempty" minimum:"0" maximum:"1000" example:"10" doc:"in all, used and expired ones included; 0 for no such limit"`
	PerMemberPerDays *perDaysBody `json:"per_member_per_days,omitempty" doc:"in a sliding window of days"`
}

type perDaysBody struct {
	Count int `json:"count" minimum:"1" maximum:"1000" example:"1" doc:"at most so many coupons, used and expired ones included"`
	Days  int `json:"days" minimum:"1" maximum:"1100" example:"7" doc:"in any so many consecutive days of the brand's calendar"`
}

func (l limitsBody) limits() coupons.Limits {
	limits := coupons.Limits{PerMember: l.PerMember}
	if l.PerMemberPerDays != nil {
		limits.PerMemberPerDays = coupons.PerDays(*l.PerMemberPerDays)
	}
	return limits
}

func shownLimits(limits coupons.Limits) limitsBody {
	shown := limitsBody{PerMember: limits.PerMember}
	if per := perDaysBody(limits.PerMemberPerDays); per != (perDaysBody{}) {
		shown.PerMemberPerDays = &per
	}
	return shown
}

type templateAnswer struct {
	ID string `json:"id"`
	TemplateBody
	Given struct {
		Quantity int64       `json:"quantity"`
		Amount   loyalty.Fen `json:"amount"`
	} `json:"given" doc:"what of the budget is given away or reserved"`
}

type audienceBody struct {
	Name string `json:"name,omitempty" maxLength:"160"`
	Rule string `json:"rule" minLength:"1" maxLength:"4096" doc:"for example: orders >= 2 and categories[\"milk-powder\"].days_since > 28"`
}

type CampaignBody struct {
	Name     string         `json:"name,omitempty" maxLength:"160"`
	Audience string         `json:"audience"`
	Template string         `json:"template"`
	Schedule scheduleBody   `json:"schedule"`
	Holdout  int            `json:"holdout,omitempty" minimum:"0" maximum:"50" doc:"percent of the audience left out for comparison (对照组)"`
	State    campaign.State `json:"state,omitempty" enum:"active,paused" default:"active"`
}

type scheduleBody struct {
	At    *time.Time `json:"at,omitempty" doc:"once, at this instant"`
	Cron  string     `json:"cron,omitempty" doc:"again and again: minute hour day month weekday in the brand's time zone, such as 0 10 * * 3,5"`
	Until *time.Time `json:"until,omitempty" doc:"the last instant for cron"`
}

type campaignAnswer struct {
	ID string `json:"id"`
	CampaignBody
	RanAt *time.Time `json:"ran_at,omitempty" doc:"its last occurrence"`
}

type resultAnswer struct {
	Runs     int64 `json:"runs" doc:"occurrences that were run"`
	Finished int64 `json:"finished" doc:"of these, those that reached every member"`
	Issued   int64 `json:"issued" doc:"coupons"`
	HeldOut  int64 `json:"held_out" doc:"members of the audience left out for comparison"`
	Unfunded int64 `json:"unfunded" doc:"members of the audience for whom the budget did not suffice"`
	Limited  int64 `json:"limited" doc:"members of the audience who had as many coupons as the template's limits allow"`
}

func (f Function) registerCampaigns(api rest.API) {
	get := func(path, id, summary string) rest.Operation {
		return rest.Operation{Method: http.MethodGet, Path: path, ID: id, Tag: "campaigns", Roles: readers, Summary: summary}
	}
	put := func(path, id, act, summary string) rest.Operation {
		return rest.Operation{Method: http.MethodPut, Path: path, ID: id, Act: act, Tag: "campaigns", Roles: shopkeepers, Summary: summary}
	}
	rest.Register(api, f.Log, put("/v1/coupon-templates/{id}", "put-template", "coupon-template.put", "Write a coupon template (券模板)"), f.putTemplate)
	rest.Register(api, f.Log, get("/v1/coupon-templates/{id}", "template", "One coupon template and what is given of its budget"),
		func(ctx context.Context, in *DocumentPath) (*rest.Body[templateAnswer], error) {
			t, _, err := f.Store.Template(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return f.shownTemplate(ctx, t)
		})
	rest.Register(api, f.Log, get("/v1/coupon-templates", "templates", "All coupon templates"),
		func(ctx context.Context, in *rest.Paging) (*rest.Body[rest.List[coupons.Template]], error) {
			items, next, err := f.Store.Templates(ctx, in.Limit, in.Cursor)
			return rest.Answer(rest.Page(items, next)), err
		})
	rest.Register(api, f.Log, put("/v1/audiences/{id}", "put-audience", "audience.put", "Write an audience (人群包)"), f.putAudience)
	rest.Register(api, f.Log, get("/v1/audiences/{id}", "audience", "One audience"),
		func(ctx context.Context, in *DocumentPath) (*rest.Body[audience.Definition], error) {
			definition, _, err := f.Store.Audience(ctx, in.ID)
			return rest.Answer(definition), err
		})
	rest.Register(api, f.Log, get("/v1/audiences", "audiences", "All audiences"),
		func(ctx context.Context, in *rest.Paging) (*rest.Body[rest.List[audience.Definition]], error) {
			items, next, err := f.Store.Audiences(ctx, in.Limit, in.Cursor)
			return rest.Answer(rest.Page(items, next)), err
		})
	preview := rest.Operation{
		Method: http.MethodPost, Path: "/v1/audiences/{id}/preview", ID: "preview-audience", Tag: "campaigns", Roles: readers,
		NoIdempotencyKey: true,
		Summary:          "Who is in an audience now: count and a sample",
	}
	rest.Register(api, f.Log, preview, f.previewAudience)
	rest.Register(api, f.Log, put("/v1/campaigns/{id}", "put-campaign", "campaign.put", "Write a campaign (营销活动)"), f.putCampaign)
	rest.Register(api, f.Log, get("/v1/campaigns/{id}", "campaign", "One campaign"),
		func(ctx context.Context, in *DocumentPath) (*rest.Body[campaignAnswer], error) {
			c, _, err := f.Store.Campaign(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return rest.Answer(shownCampaign(c)), nil
		})
	rest.Register(api, f.Log, get("/v1/campaigns", "campaigns", "All campaigns"),
		func(ctx context.Context, in *rest.Paging) (*rest.Body[rest.List[campaignAnswer]], error) {
			items, next, err := f.Store.Campaigns(ctx, in.Limit, in.Cursor)
			answer := rest.List[campaignAnswer]{Items: []campaignAnswer{}, NextCursor: next}
			for _, c := range items {
				answer.Items = append(answer.Items, shownCampaign(c))
			}
			return rest.Answer(answer), err
		})
	rest.Register(api, f.Log, get("/v1/campaigns/{id}/result", "campaign-result", "What came of a campaign"),
		func(ctx context.Context, in *DocumentPath) (*rest.Body[resultAnswer], error) {
			if _, _, err := f.Store.Campaign(ctx, in.ID); err != nil {
				return nil, err
			}
			r, err := f.Store.CampaignResult(ctx, in.ID)
			return rest.Answer(resultAnswer(r)), err
		})
}

// write puts a document in the place of the revision that was read.
func (f Function) write(ctx context.Context, action table.Action) error {
	err := f.Store.Table.Write(ctx, action)
	if store.Refused(err) {
		return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "somebody else wrote it at the same time")
	}
	return err
}

// found is the revision of a document that may not be there yet.
func found[T any](document T, revision store.Revision, err error) (T, store.Revision, error) {
	if loyalty.KindOf(err) == loyalty.KindNotFound {
		return document, 0, nil
	}
	return document, revision, err
}

func (f Function) putTemplate(ctx context.Context, in *struct {
	DocumentPath
	Body TemplateBody
},
) (*rest.Body[templateAnswer], error) {
	t := coupons.Template{
		ID: in.ID, Name: in.Body.Name, Kind: in.Body.Kind, Threshold: in.Body.Threshold, Discount: in.Body.Discount,
		Validity: coupons.Validity(in.Body.Validity), Budget: coupons.Budget(in.Body.Budget), Limits: in.Body.Limits.limits(), Link: in.Body.Link,
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	_, revision, err := found(f.Store.Template(ctx, in.ID))
	if err != nil {
		return nil, err
	}
	if err := f.write(ctx, store.PutTemplate(t, revision)); err != nil {
		return nil, err
	}
	return f.shownTemplate(ctx, t)
}

func (f Function) shownTemplate(ctx context.Context, t coupons.Template) (*rest.Body[templateAnswer], error) {
	given, err := f.Store.Given(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	answer := templateAnswer{ID: t.ID, TemplateBody: TemplateBody{
		Name: t.Name, Kind: t.Kind, Threshold: t.Threshold, Discount: t.Discount, Limits: shownLimits(t.Limits), Link: t.Link,
	}}
	answer.Validity.Days, answer.Validity.Months = t.Validity.Days, t.Validity.Months
	answer.Budget.Quantity, answer.Budget.Amount = t.Budget.Quantity, t.Budget.Amount
	answer.Given.Quantity, answer.Given.Amount = given.Quantity, given.Amount
	return rest.Answer(answer), nil
}

func (f Function) putAudience(ctx context.Context, in *struct {
	DocumentPath
	Body audienceBody
},
) (*rest.Body[audience.Definition], error) {
	definition := audience.Definition{ID: in.ID, Name: in.Body.Name, Rule: in.Body.Rule}
	if _, err := rule.Compile(definition.Rule); err != nil {
		return nil, err
	}
	_, revision, err := found(f.Store.Audience(ctx, in.ID))
	if err != nil {
		return nil, err
	}
	return rest.Answer(definition), f.write(ctx, store.PutAudience(definition, revision))
}

const (
	previewSample = 20      // so many of those that match are shown
	previewMost   = 100_000 // a larger brand gets its count from the first so many
)

type previewAnswer struct {
	Count    int                `json:"count"`
	Looked   int                `json:"looked_at" doc:"members looked at"`
	Complete bool               `json:"complete" doc:"false when the brand has more members than a preview looks at"`
	Sample   []loyalty.MemberID `json:"sample"`
}

func (f Function) previewAudience(ctx context.Context, in *DocumentPath) (*rest.Body[previewAnswer], error) {
	definition, _, err := f.Store.Audience(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	rule, err := rule.Compile(definition.Rule)
	if err != nil {
		return nil, err
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	answer := previewAnswer{Sample: []loyalty.MemberID{}, Complete: true}
	for shard := range table.RosterShards {
		var after loyalty.MemberID
		for more := true; more; {
			if answer.Looked >= previewMost {
				answer.Complete = false
				return rest.Answer(answer), nil
			}
			var members []loyalty.MemberID
			if members, more, err = f.Store.RosterAfter(ctx, shard, after, "", 100); err != nil {
				return nil, err
			}
			if len(members) == 0 {
				break
			}
			after = members[len(members)-1]
			if err := f.preview(ctx, rule, rules, members, &answer); err != nil {
				return nil, err
			}
		}
	}
	return rest.Answer(answer), nil
}

func (f Function) preview(ctx context.Context, rule *rule.Rule, rules program.Program, members []loyalty.MemberID, answer *previewAnswer) error {
	accounts, err := f.Store.Accounts(ctx, table.Eventual, members...)
	if err != nil {
		return err
	}
	for _, account := range accounts {
		if account == nil {
			continue
		}
		answer.Looked++
		matches, err := rule.Match(store.AudienceMember(*account, f.Clock(), rules.Zone()))
		if err != nil {
			return err
		}
		if matches {
			answer.Count++
			if len(answer.Sample) < previewSample {
				answer.Sample = append(answer.Sample, account.Member)
			}
		}
	}
	return nil
}

func (f Function) putCampaign(ctx context.Context, in *struct {
	DocumentPath
	Body CampaignBody
},
) (*rest.Body[campaignAnswer], error) {
	known, revision, err := found(f.Store.Campaign(ctx, in.ID))
	if err != nil {
		return nil, err
	}
	c := campaign.Campaign{
		ID: in.ID, Name: in.Body.Name, Audience: in.Body.Audience, Template: in.Body.Template,
		Holdout: in.Body.Holdout, State: in.Body.State, CreatedAt: f.Clock(), Ran: known.Ran,
		Schedule: campaign.Schedule{Cron: in.Body.Schedule.Cron, At: value(in.Body.Schedule.At), Until: value(in.Body.Schedule.Until)},
	}
	if revision > 0 {
		c.CreatedAt, c.TimedAt = known.CreatedAt, known.TimedAt
		if c.Schedule.Cron != known.Schedule.Cron {
			c.TimedAt = f.Clock()
		}
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.Startable(known, f.Clock(), rules.Zone()); err != nil {
		return nil, err
	}
	if _, _, err := f.Store.Audience(ctx, c.Audience); err != nil {
		return nil, missing(err, "/audience", "there is no audience of this id")
	}
	template, _, err := f.Store.Template(ctx, c.Template)
	if err != nil {
		return nil, missing(err, "/template", "there is no coupon template of this id")
	}
	if err := template.Issuable(); err != nil {
		return nil, err
	}
	return rest.Answer(shownCampaign(c)), f.write(ctx, store.PutCampaign(c, revision))
}

// missing says that a field names what is not there.
func missing(err error, pointer, detail string) error {
	if loyalty.KindOf(err) == loyalty.KindNotFound {
		return loyalty.Invalid(pointer, "unknown", detail)
	}
	return err
}

func value(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return *at
}

func shownCampaign(c campaign.Campaign) campaignAnswer {
	optional := func(at time.Time) *time.Time {
		if at.IsZero() {
			return nil
		}
		return &at
	}
	return campaignAnswer{ID: c.ID, RanAt: optional(c.Ran.At), CampaignBody: CampaignBody{
		Name: c.Name, Audience: c.Audience, Template: c.Template, Holdout: c.Holdout, State: c.State,
		Schedule: scheduleBody{At: optional(c.Schedule.At), Cron: c.Schedule.Cron, Until: optional(c.Schedule.Until)},
	}}
}
