package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

type templatesCommands struct {
	Put  TemplatesPutCommand  `cmd:"" help:"Write a coupon template."`
	List TemplatesListCommand `cmd:"" help:"All coupon templates."`
	Show TemplatesShowCommand `cmd:"" help:"One template and what is given of its budget."`
}

type audiencesCommands struct {
	Put     AudiencesPutCommand     `cmd:"" help:"Write an audience."`
	List    AudiencesListCommand    `cmd:"" help:"All audiences."`
	Preview AudiencesPreviewCommand `cmd:"" help:"Who is in an audience now."`
}

type campaignsCommands struct {
	Put    CampaignsPutCommand    `cmd:"" help:"Write a campaign."`
	List   CampaignsListCommand   `cmd:"" help:"All campaigns."`
	Show   CampaignsShowCommand   `cmd:"" help:"One campaign."`
	Result CampaignsResultCommand `cmd:"" help:"What came of a campaign."`
}

// Named is a document whose id the brand has chosen.
type Named struct {
	ID string `arg:"" name:"id" help:"The id, chosen by the brand: letters, digits, dots, dashes."`
}

// put writes a document from a file. readOnly are the fields that only
// answers have.
func put[T any](ctx context.Context, console Console, connection Connection, collection, id, file string, readOnly []string, text func(T) string) error {
	source, err := readDocument(file)
	if err != nil {
		return err
	}
	body, err := source.without(id, readOnly...)
	if err != nil {
		return err
	}
	return source.explain(show(ctx, console, connection, call{method: http.MethodPut, path: []string{"v1", collection, id}, body: body}, text))
}

type shownTemplate struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Kind      string      `json:"kind"`
	Threshold loyalty.Fen `json:"threshold"`
	Discount  loyalty.Fen `json:"discount"`
	Link      string      `json:"link"`
	Validity  struct {
		Days   int `json:"days"`
		Months int `json:"months"`
	} `json:"validity"`
	Budget budgetDocument `json:"budget"`
	Limits struct {
		PerMember        int `json:"per_member"`
		PerMemberPerDays struct {
			Count int `json:"count"`
			Days  int `json:"days"`
		} `json:"per_member_per_days"`
	} `json:"limits"`
	Given *budgetDocument `json:"given"`
}

type budgetDocument struct {
	Quantity int64       `json:"quantity"`
	Amount   loyalty.Fen `json:"amount"`
}

func (t shownTemplate) validity() string {
	if t.Validity.Months > 0 {
		return fmt.Sprintf("%d months", t.Validity.Months)
	}
	return fmt.Sprintf("%d days", t.Validity.Days)
}

func (t shownTemplate) budget() string {
	var limits []string
	if t.Budget.Quantity > 0 {
		limits = append(limits, fmt.Sprintf("%d coupons", t.Budget.Quantity))
	}
	if t.Budget.Amount > 0 {
		limits = append(limits, money(t.Budget.Amount))
	}
	return or(strings.Join(limits, ", "), "no limit")
}

// limits is how many coupons campaigns give a member.
func (t shownTemplate) limits() string {
	var limits []string
	if n := t.Limits.PerMember; n > 0 {
		limits = append(limits, fmt.Sprintf("%d a member", n))
	}
	if per := t.Limits.PerMemberPerDays; per.Count > 0 {
		limits = append(limits, fmt.Sprintf("%d a member in %d days", per.Count, per.Days))
	}
	return or(strings.Join(limits, ", "), "1 live a member")
}

func (t shownTemplate) String() string {
	pairs := []string{
		"template", t.ID, "name", t.Name, "kind", t.Kind, "from", money(t.Threshold), "off", money(t.Discount),
		"valid for", t.validity(), "link", t.Link, "budget", t.budget(), "limits", t.limits(),
	}
	if t.Given != nil {
		pairs = append(pairs, "given", fmt.Sprintf("%d coupons, %s", t.Given.Quantity, money(t.Given.Amount)))
	}
	return facts(pairs...)
}

// TemplatesPutCommand is `huitou templates put`.
type TemplatesPutCommand struct {
	Named      `embed:""`
	File       string `arg:"" name:"file" help:"The template as JSON."`
	Connection `embed:""`
}

// Help is the long help.
func (TemplatesPutCommand) Help() string {
	return `The file holds {"name","threshold","discount","validity":{"days"|"months"},"budget":{"quantity","amount"},
"limits":{"per_member","per_member_per_days":{"count","days"}}}; amounts are in fen. Without limits campaigns give a member one live coupon at
a time: a campaign that runs every week and gives coupons for 30 days skips whoever has not used theirs.

Examples:

    huitou templates put milk-250-50 template.json

  Change one that is there:

    huitou templates show milk-250-50 --json > template.json   (edit it)
    huitou templates put milk-250-50 template.json`
}

// Run writes a template.
func (c TemplatesPutCommand) Run(ctx context.Context, console Console) error {
	return put(ctx, console, c.Connection, "coupon-templates", c.ID, c.File, []string{"given"}, shownTemplate.String)
}

// TemplatesListCommand is `huitou templates list`.
type TemplatesListCommand struct {
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (TemplatesListCommand) Help() string {
	return `Examples:

    huitou templates list`
}

// Run lists templates.
func (c TemplatesListCommand) Run(ctx context.Context, console Console) error {
	return list(ctx, console, c.Connection, c.Paging, get("v1", "coupon-templates"),
		[]string{"TEMPLATE", "NAME", "KIND", "FROM", "OFF", "VALID FOR", "BUDGET", "LIMITS"},
		func(t shownTemplate) []string {
			return []string{t.ID, t.Name, t.Kind, money(t.Threshold), money(t.Discount), t.validity(), t.budget(), t.limits()}
		})
}

// TemplatesShowCommand is `huitou templates show`.
type TemplatesShowCommand struct {
	Named      `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (TemplatesShowCommand) Help() string {
	return `Examples:

    huitou templates show milk-250-50`
}

// Run shows a template.
func (c TemplatesShowCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get("v1", "coupon-templates", c.ID), shownTemplate.String)
}

type shownAudience struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	Rule string `json:"rule"`
}

func (a shownAudience) String() string {
	return facts("audience", a.ID, "name", a.Name, "rule", a.Rule)
}

// AudiencesPutCommand is `huitou audiences put`.
type AudiencesPutCommand struct {
	Named      `embed:""`
	File       string `arg:"" optional:"" name:"file" help:"The audience as JSON, {\"name\",\"rule\"}. Or give --rule."`
	Rule       string `placeholder:"RULE" help:"The rule over member attributes."`
	Name       string `placeholder:"NAME" help:"What the audience is called."`
	Connection `embed:""`
}

// Help is the long help.
func (AudiencesPutCommand) Help() string {
	return `Examples:

    huitou audiences put milk-regulars --name 奶粉老客 --rule 'consents.marketing and categories["milk-powder"].count >= 1'

    huitou audiences put milk-regulars audience.json`
}

// Run writes an audience.
func (c AudiencesPutCommand) Run(ctx context.Context, console Console) error {
	switch {
	case c.File != "" && (c.Rule != "" || c.Name != ""), c.File == "" && c.Rule == "":
		return &UsageError{"give a file, or --rule (and --name)"}
	case c.File != "":
		return put(ctx, console, c.Connection, "audiences", c.ID, c.File, nil, shownAudience.String)
	}
	body, err := json.Marshal(shownAudience{Name: c.Name, Rule: c.Rule})
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPut, path: []string{"v1", "audiences", c.ID}, body: body}, shownAudience.String)
}

// AudiencesListCommand is `huitou audiences list`.
type AudiencesListCommand struct {
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (AudiencesListCommand) Help() string {
	return `Examples:

    huitou audiences list`
}

// Run lists audiences.
func (c AudiencesListCommand) Run(ctx context.Context, console Console) error {
	return list(ctx, console, c.Connection, c.Paging, get("v1", "audiences"), []string{"AUDIENCE", "NAME", "RULE"},
		func(a shownAudience) []string { return []string{a.ID, a.Name, a.Rule} })
}

// AudiencesPreviewCommand is `huitou audiences preview`.
type AudiencesPreviewCommand struct {
	Named      `embed:""`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (AudiencesPreviewCommand) Help() string {
	return `Changes nothing: counts the members that the rule fits now, and names some.

Examples:

    huitou audiences preview milk-regulars`
}

// Run previews.
func (c AudiencesPreviewCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	type preview struct {
		Count    int      `json:"count"`
		Looked   int      `json:"looked_at"`
		Complete bool     `json:"complete"`
		Sample   []string `json:"sample"`
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: []string{"v1", "audiences", c.ID, "preview"}, key: key},
		func(p preview) string {
			of := fmt.Sprintf("%d of %d members", p.Count, p.Looked)
			if !p.Complete {
				of += " looked at; the brand has more"
			}
			pairs := []string{"in it", of}
			for _, member := range p.Sample {
				pairs = append(pairs, "member", member)
			}
			return facts(pairs...)
		})
}

type shownCampaign struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Audience string `json:"audience"`
	Template string `json:"template"`
	Holdout  int    `json:"holdout"`
	State    string `json:"state"`
	RanAt    string `json:"ran_at"`
	Schedule struct {
		At    string `json:"at"`
		Cron  string `json:"cron"`
		Until string `json:"until"`
	} `json:"schedule"`
}

func (c shownCampaign) schedule() string {
	when := c.Schedule.Cron
	if c.Schedule.At != "" {
		when = "once at " + c.Schedule.At
	}
	if c.Schedule.Until != "" {
		when += " until " + c.Schedule.Until
	}
	return when
}

func (c shownCampaign) String() string {
	return facts("campaign", c.ID, "name", c.Name, "state", c.State, "audience", c.Audience, "template", c.Template,
		"schedule", c.schedule(), "holdout", fmt.Sprintf("%d %%", c.Holdout), "last ran", c.RanAt)
}

// CampaignsPutCommand is `huitou campaigns put`.
type CampaignsPutCommand struct {
	Named      `embed:""`
	File       string `arg:"" name:"file" help:"The campaign as JSON."`
	Connection `embed:""`
}

// Help is the long help.
func (CampaignsPutCommand) Help() string {
	return `The file holds {"audience","template","schedule":{"cron"|"at","until"},"holdout","state"}.

Examples:

    huitou campaigns put milk-wednesday campaign.json

  Pause one:

    huitou campaigns show milk-wednesday --json > campaign.json   (set "state": "paused")
    huitou campaigns put milk-wednesday campaign.json`
}

// Run writes a campaign.
func (c CampaignsPutCommand) Run(ctx context.Context, console Console) error {
	return put(ctx, console, c.Connection, "campaigns", c.ID, c.File, []string{"ran_at"}, shownCampaign.String)
}

// CampaignsListCommand is `huitou campaigns list`.
type CampaignsListCommand struct {
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CampaignsListCommand) Help() string {
	return `Examples:

    huitou campaigns list`
}

// Run lists campaigns.
func (c CampaignsListCommand) Run(ctx context.Context, console Console) error {
	return list(ctx, console, c.Connection, c.Paging, get("v1", "campaigns"),
		[]string{"CAMPAIGN", "NAME", "STATE", "AUDIENCE", "TEMPLATE", "SCHEDULE", "HOLDOUT", "LAST RAN"},
		func(k shownCampaign) []string {
			return []string{k.ID, k.Name, k.State, k.Audience, k.Template, k.schedule(), fmt.Sprintf("%d %%", k.Holdout), k.RanAt}
		})
}

// CampaignsShowCommand is `huitou campaigns show`.
type CampaignsShowCommand struct {
	Named      `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CampaignsShowCommand) Help() string {
	return `Examples:

    huitou campaigns show milk-wednesday`
}

// Run shows a campaign.
func (c CampaignsShowCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get("v1", "campaigns", c.ID), shownCampaign.String)
}

// CampaignsResultCommand is `huitou campaigns result`.
type CampaignsResultCommand struct {
	Named      `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CampaignsResultCommand) Help() string {
	return `Examples:

    huitou campaigns result milk-wednesday`
}

// Run shows a result.
func (c CampaignsResultCommand) Run(ctx context.Context, console Console) error {
	type result struct {
		Runs     int64 `json:"runs"`
		Finished int64 `json:"finished"`
		Issued   int64 `json:"issued"`
		HeldOut  int64 `json:"held_out"`
		Unfunded int64 `json:"unfunded"`
		Limited  int64 `json:"limited"`
	}
	return show(ctx, console, c.Connection, get("v1", "campaigns", c.ID, "result"), func(r result) string {
		return facts("runs", fmt.Sprint(r.Runs), "finished", fmt.Sprint(r.Finished), "coupons issued", fmt.Sprint(r.Issued),
			"held out", fmt.Sprint(r.HeldOut), "without budget", fmt.Sprint(r.Unfunded), "at their limit", fmt.Sprint(r.Limited))
	})
}
