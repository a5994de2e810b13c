package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Attribute names of a campaign and of its runs. The schedule's notes of a
// campaign stand beside its document, so that an operator's edit and a run do
// not undo each other.
const (
	campaignRanOccurrence = "ran"
	campaignRanAt         = "ran_at"

	runIssued   = "issued"
	runHeldOut  = "held_out"
	runUnfunded = "unfunded"
	runLimited  = "limited"
	runShards   = "shards"
	runOrdered  = "ordered"
)

// Campaign reads one campaign; KindNotFound code "campaign_unknown".
func (s Store) Campaign(ctx context.Context, id string) (campaign.Campaign, Revision, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.DocumentKey(table.DocumentCampaign, id))
	if err != nil {
		return campaign.Campaign{}, 0, err
	}
	if items[0] == nil {
		return campaign.Campaign{}, 0, loyalty.Refuse(loyalty.KindNotFound, "campaign_unknown", "there is no such campaign")
	}
	c, err := readCampaign(*items[0])
	return c, Revision(items[0].Int(revision)), err
}

// Campaigns is one page of all campaigns.
func (s Store) Campaigns(ctx context.Context, limit int, cursor string) ([]campaign.Campaign, string, error) {
	page, err := s.Table.Query(ctx, table.Query{
		PK: table.DocumentPK(table.DocumentCampaign), Limit: limit, Cursor: cursor, Consistency: table.Strong,
	})
	if err != nil {
		return nil, "", err
	}
	campaigns := make([]campaign.Campaign, len(page.Items))
	for i, item := range page.Items {
		if campaigns[i], err = readCampaign(item); err != nil {
			return nil, "", err
		}
	}
	return campaigns, page.Next, nil
}

func readCampaign(item table.Item) (campaign.Campaign, error) {
	c, err := decode[campaign.Campaign](item)
	if err != nil || !item.Has(campaignRanAt) {
		return c, err
	}
	at, err := time.Parse(time.RFC3339, item.Text(campaignRanAt))
	if err != nil {
		return c, malformed("campaign", err)
	}
	c.Ran = campaign.Ran{Occurrence: item.Text(campaignRanOccurrence), At: at}
	return c, nil
}

// PutCampaign writes a campaign, but for Ran, in the place of its revision was;
// the condition fails when somebody else wrote it since.
func PutCampaign(c campaign.Campaign, was Revision) table.Action {
	c.Ran = campaign.Ran{}
	return revise(table.DocumentKey(table.DocumentCampaign, c.ID), c, was)
}

// MarkRan notes a campaign's last occurrence; the condition fails when a later
// one is noted, or the campaign is gone.
func MarkRan(id string, ran campaign.Ran) table.Action {
	at := table.String(table.Instant(ran.At))
	return table.Update(table.DocumentKey(table.DocumentCampaign, id), []table.Change{
		table.Set(campaignRanOccurrence, table.String(ran.Occurrence)), table.Set(campaignRanAt, at),
	}, table.Exists(), table.MissingOrAtMost(campaignRanAt, at))
}

// Run is one occurrence of a campaign with the terms that it was first fired
// with. All its shards use these, whoever edits the campaign, the audience or
// the template meanwhile; only the template's budget and the campaign's State
// are looked at as they are.
type Run struct {
	Campaign   string           `json:"campaign"`
	Occurrence string           `json:"occurrence"`
	At         time.Time        `json:"at"`
	Rule       string           `json:"rule"`
	Template   coupons.Template `json:"template"`
	Holdout    int              `json:"holdout,omitempty"`
	Program    int64            `json:"program"`
	TimeZone   string           `json:"time_zone"`

	Ordered bool `json:"-"` // its coupons were ordered, see MarkOrdered
}

// FreezeRun writes a run; the condition fails when the occurrence was frozen
// before.
func FreezeRun(run Run) table.Action {
	return table.Put(documentItem(table.RunKey(run.Campaign, run.Occurrence), run), table.Absent())
}

// Run reads one run; KindNotFound code "run_unknown".
func (s Store) Run(ctx context.Context, campaign, occurrence string) (Run, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.RunKey(campaign, occurrence))
	if err != nil {
		return Run{}, err
	}
	if items[0] == nil {
		return Run{}, loyalty.Refuse(loyalty.KindNotFound, "run_unknown", "there is no such run")
	}
	run, err := decode[Run](*items[0])
	run.Ordered = items[0].Has(runOrdered)
	return run, err
}

// MarkOrdered notes that a message for every shard of the run is on the queue.
// From then on a firing for the same occurrence, however late, does nothing.
func MarkOrdered(run Run) table.Action {
	return table.Update(table.RunKey(run.Campaign, run.Occurrence), []table.Change{table.Set(runOrdered, table.Number(1))}, table.Exists())
}

// CampaignResult is what came of a campaign so far. A page of members that is
// under way counts when it is done.
type CampaignResult struct {
	Runs     int64 // occurrences that were run
	Finished int64 // of these, those that reached every member, or were stopped on the way
	Issued   int64 // coupons
	HeldOut  int64 // members of the audience held out for comparison
	Unfunded int64 // members of the audience for whom the budget did not suffice
	Limited  int64 // members of the audience who have as many coupons as the template's limits allow
}

// CampaignResult adds up a campaign's runs; zero for one that never ran. It
// reads one small item for each run, however many members there were.
func (s Store) CampaignResult(ctx context.Context, id string) (CampaignResult, error) {
	var result CampaignResult
	query := table.Query{PK: table.RunKey(id, "").PK, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := s.Table.Query(ctx, query)
		if err != nil {
			return CampaignResult{}, err
		}
		for _, item := range page.Items {
			result.Runs++
			if item.Int(runShards) >= table.RosterShards {
				result.Finished++
			}
			result.Issued += item.Int(runIssued)
			result.HeldOut += item.Int(runHeldOut)
			result.Unfunded += item.Int(runUnfunded)
			result.Limited += item.Int(runLimited)
		}
		if page.Next == "" {
			return result, nil
		}
		query.Cursor = page.Next
	}
}
