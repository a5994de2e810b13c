package operate

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/experiment"
	"github.com/huitou/huitou/shared/localtime"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/spreadsheet"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// batchResult is what came of a batch's cards.
type batchResult struct {
	ID           string             `json:"id"`
	Name         string             `json:"name"`
	At           time.Time          `json:"at" doc:"when it was counted; a redemption shows after a moment"`
	RetainedDays int                `json:"retained_days"`
	Complete     bool               `json:"complete" doc:"false when more cards were redeemed than one answer counts: then the numbers are a part and nothing is compared"`
	Arms         []armResult        `json:"arms"`
	Total        FunnelAnswer       `json:"total"`
	Comparison   *comparisonOfArms  `json:"comparison,omitempty" doc:"absent for a batch of one arm"`
	by           experiment.Measure // what arms are valued by
}

type armResult struct {
	Name     string     `json:"name"`
	Form     cards.Form `json:"form" enum:"scratch,reveal,plain"`
	Unpriced bool       `json:"unpriced,omitempty" doc:"it has prizes whose worth nobody declared; they are missing in spent"`
	FunnelAnswer
	Value *valueAnswer `json:"value,omitempty" doc:"what the arm is ranked by"`
}

type FunnelAnswer struct {
	Printed     int         `json:"printed" doc:"cards of the arm"`
	Redeemed    rateAnswer  `json:"redeemed"`
	Added       *rateAnswer `json:"added,omitempty" doc:"cards whose holder became a friend (加粉); absent until the batch brought the first"`
	Retained    *rateAnswer `json:"retained,omitempty" doc:"friends who stayed for retained_days (留存)"`
	Undecided   int         `json:"undecided,omitempty" doc:"friends still, but their retained_days are not over"`
	Claimed     rateAnswer  `json:"order_claimed" doc:"redeemed cards whose holder has an order (订单绑定)"`
	Repurchased rateAnswer  `json:"repurchased" doc:"redeemed cards whose holder paid an order afterwards (首次复购)"`
	Spent       loyalty.Fen `json:"spent" doc:"fen: making and packing all cards, and the prizes that were won"`
	PerFriend   loyalty.Fen `json:"fen_per_friend,omitempty" doc:"spent for each added friend (单个加粉成本)"`
}

type rateAnswer struct {
	Count int     `json:"count"`
	Rate  float64 `json:"rate" doc:"of the printed cards"`
	Low   float64 `json:"low" doc:"95 % interval (Wilson) for one look"`
	High  float64 `json:"high"`
}

type valueAnswer struct {
	Value float64 `json:"value" doc:"events for each yuan or card"`
	Low   float64 `json:"low" doc:"95 % for all arms together, at every look"`
	High  float64 `json:"high"`
	Rank  int     `json:"rank" doc:"1 is the best"`
}

type comparisonOfArms struct {
	By      experiment.Measure `json:"by" enum:"redeemed,added,retained"`
	Per     experiment.Unit    `json:"per" enum:"yuan,card" doc:"card where the batch has no card_cost or an arm has prizes of unknown worth"`
	Verdict experiment.Verdict `json:"verdict" enum:"winner,no_difference,cannot_tell_yet" doc:"may be looked at every day; no_difference: the best are surely less than a fifth apart"`
	Best    []string           `json:"best" doc:"arms that none is known to be better than; one of a winner"`
	Needed
	Pairs []pairAnswer `json:"pairs"`
}

// Needed is the sample still needed, if things go on as they are.
type Needed struct {
	Cards  int `json:"cards_needed,omitempty" doc:"further cards in the shares of now until it can be told; absent when told, or before the first event"`
	Events int `json:"events_needed,omitempty" doc:"the same as further events, for cards that are printed and still come in"`
}

type pairAnswer struct {
	Arms       [2]string          `json:"arms"`
	Difference float64            `json:"difference" doc:"value of the first less that of the second"`
	Low        float64            `json:"low" doc:"95 % for all pairs together, at every look"`
	High       float64            `json:"high"`
	Verdict    experiment.Verdict `json:"verdict" enum:"winner,no_difference,cannot_tell_yet"`
	Needed
}

// ResultQuery asks for a batch's result.
type ResultQuery struct {
	BatchPath
	By           experiment.Measure `query:"by" enum:"redeemed,added,retained" default:"retained" doc:"the step that arms are compared by"`
	RetainedDays int                `query:"retained_days" minimum:"1" maximum:"90" default:"7" doc:"who left before so many whole days is not retained"`
}

func (f Function) registerResult(api rest.API) {
	const path = "/v1/card-batches/{id}/result"
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: path, ID: "batch-result", Tag: "cards", Roles: readers,
		Summary: "What came of a batch: the funnel of each arm, and which arm is best (分组结果)",
	}, func(ctx context.Context, in *ResultQuery) (*rest.Body[batchResult], error) {
		result, err := f.batchResult(ctx, *in)
		return rest.Answer(result), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: path + ".csv", ID: "batch-result-csv", Tag: "cards", Roles: readers, Summary: "The same, one line an arm",
		Content: map[string]reflect.Type{"text/csv": rest.Text},
	}, f.batchResultCSV)
}

// resultMost is how many redeemed cards one answer counts: a fifth of the
// largest batch, and what fits in the time of one call.
const resultMost = 200_000

func (f Function) batchResult(ctx context.Context, in ResultQuery) (batchResult, error) {
	batch, err := f.Store.Batch(ctx, in.ID)
	if err != nil {
		return batchResult{}, err
	}
	now := f.Clock()
	count := counting{store: f.Store, batch: batch, left: resultMost}
	funnels, err := count.funnels(ctx)
	if err != nil {
		return batchResult{}, err
	}
	if err := f.countFriends(ctx, batch, funnels, in.RetainedDays, now); err != nil {
		return batchResult{}, err
	}
	result := batchResult{
		ID: batch.ID(), Name: batch.Name, At: now, RetainedDays: in.RetainedDays, Complete: count.left >= 0, Arms: []armResult{}, by: in.By,
	}
	total := experiment.Total(funnels)
	for i, arm := range batch.Arms {
		_, priced := batch.PoolCost(i)
		result.Arms = append(result.Arms, armResult{Name: arm.Name, Form: arm.Form, Unpriced: !priced, FunnelAnswer: shownFunnel(funnels[i], total.Added > 0)})
	}
	result.Total = shownFunnel(total, total.Added > 0)
	if result.Complete && len(batch.Arms) > 1 {
		result.compare(batch, funnels)
	}
	return result, nil
}

// compare values, ranks and judges the arms.
func (r *batchResult) compare(batch cards.Batch, funnels []experiment.Funnel) {
	cardFen := float64(batch.CardCost)
	for i := range batch.Arms {
		if _, known := batch.PoolCost(i); !known {
			cardFen = 0 // what one arm costs is not known: all are compared per card
		}
	}
	arms := make([]experiment.Arm, len(funnels))
	smallest := batch.Count
	for i, funnel := range funnels {
		pool, _ := batch.PoolCost(i)
		arms[i] = experiment.Arm{
			Cards: funnel.Cards, Redeemed: funnel.Redeemed, Events: funnel.Events(r.by),
			CardFen: cardFen, PrizeFen: float64(pool) / float64(max(1, funnel.Cards)),
		}
		smallest = min(smallest, funnel.Cards)
	}
	judged := experiment.Judge(arms, experiment.PlanFor(smallest))
	for rank, arm := range judged.Ranking {
		v := judged.Values[arm]
		r.Arms[arm].Value = &valueAnswer{figure(v.Value), figure(v.Low), figure(v.High), rank + 1}
	}
	r.Comparison = &comparisonOfArms{By: r.by, Per: judged.Unit, Verdict: judged.Verdict, Needed: more(judged.More, arms...), Pairs: []pairAnswer{}}
	for _, arm := range judged.Best {
		r.Comparison.Best = append(r.Comparison.Best, batch.Arms[arm].Name)
	}
	for _, p := range judged.Pairs {
		r.Comparison.Pairs = append(r.Comparison.Pairs, pairAnswer{
			Arms:       [2]string{batch.Arms[p.A].Name, batch.Arms[p.B].Name},
			Difference: figure(p.Difference), Low: figure(p.Low), High: figure(p.High),
			Verdict: p.Verdict, Needed: more(p.More, arms[p.A], arms[p.B]),
		})
	}
}

// more says a growth of the arms in cards and in events.
func more(times float64, arms ...experiment.Arm) Needed {
	if times <= 1 {
		return Needed{}
	}
	var n Needed
	for _, arm := range arms {
		n.Cards += arm.Cards
		n.Events += arm.Events
	}
	return Needed{int(math.Ceil((times - 1) * float64(n.Cards))), int(math.Ceil((times - 1) * float64(n.Events)))}
}

// figure is a statistic as it is told: to six places.
func figure(x float64) float64 { return math.Round(x*1e6) / 1e6 }

func shownRate(count, of int) rateAnswer {
	rate := experiment.Rate{Count: count, Of: of}
	i := rate.Interval()
	return rateAnswer{count, figure(rate.Value()), figure(i.Low), figure(i.High)}
}

func shownFunnel(funnel experiment.Funnel, friends bool) FunnelAnswer {
	answer := FunnelAnswer{
		Printed: funnel.Cards, Redeemed: shownRate(funnel.Redeemed, funnel.Cards),
		Claimed: shownRate(funnel.Claimed, funnel.Cards), Repurchased: shownRate(funnel.Repurchased, funnel.Cards),
		Spent: funnel.Spent, Undecided: funnel.Undecided,
	}
	if friends {
		added, retained := shownRate(funnel.Added, funnel.Cards), shownRate(funnel.Retained, funnel.Cards)
		answer.Added, answer.Retained = &added, &retained
		answer.PerFriend, _ = funnel.PerFriend()
	}
	return answer
}

// counting is one walk over the redeemed cards of a batch.
type counting struct {
	store store.Store
	batch cards.Batch
	left  int // cards that may still be counted; below 0 when there were more
}

func (c *counting) funnels(ctx context.Context) ([]experiment.Funnel, error) {
	sizes := make([]int, len(c.batch.Arms))
	for arm := range sizes {
		sizes[arm] = c.batch.ArmSize(arm)
	}
	funnels := experiment.Funnels(sizes, c.batch.CardCost)
	for shard := range table.CardShards {
		for cursor, more := "", true; more; more = cursor != "" {
			redemptions, next, err := c.store.Redemptions(ctx, c.batch.ID(), shard, 1000, cursor)
			if err != nil {
				return nil, err
			}
			if c.left -= len(redemptions); c.left < 0 {
				return funnels, nil
			}
			for some := range slices.Chunk(redemptions, 100) {
				if err := c.count(ctx, some, funnels); err != nil {
					return nil, err
				}
			}
			cursor = next
		}
	}
	return funnels, nil
}

// countFriends adds the friends whom the batch's cards brought (加粉、留存).
func (f Function) countFriends(ctx context.Context, batch cards.Batch, funnels []experiment.Funnel, days int, now time.Time) error {
	cohorts, tallies, err := f.Store.FriendCohorts(ctx, batch.ID())
	if err != nil || len(cohorts) == 0 {
		return err
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return err
	}
	for i, cohort := range cohorts {
		date, err := time.Parse(time.DateOnly, cohort.Day)
		if err != nil || cohort.Arm >= len(funnels) {
			return &loyalty.Error{Kind: loyalty.KindInternal, Code: "item_malformed", Cause: err}
		}
		gone := map[int]int{}
		for stayed, n := range tallies[i].Gone {
			gone[stayed] = int(n)
		}
		funnels[cohort.Arm].CountFriends(experiment.Friends{Arm: cohort.Arm, Day: localtime.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, rules.Zone()), Added: int(tallies[i].Added), Gone: gone}, days, now)
	}
	return nil
}

// count adds up to 100 redemptions, whose members' accounts it reads.
func (c *counting) count(ctx context.Context, redemptions []store.Redemption, funnels []experiment.Funnel) error {
	var members []loyalty.MemberID
	for _, r := range redemptions {
		if r.Member != "" {
			members = append(members, r.Member)
		}
	}
	slices.Sort(members)
	members = slices.Compact(members)
	var accounts []*store.Account
	if len(members) > 0 { // a page may hold reserved cards alone
		var err error
		if accounts, err = c.store.Accounts(ctx, table.Eventual, members...); err != nil {
			return err
		}
	}
	for _, r := range redemptions {
		card := experiment.Card{Arm: r.Arm, Prize: c.prizeCost(r)}
		if at, found := slices.BinarySearch(members, r.Member); found && accounts[at] != nil {
			card.Claimed = accounts[at].Orders > 0
			for _, bought := range accounts[at].Bought {
				card.Repurchased = card.Repurchased || bought.Last.After(r.At)
			}
		}
		funnels[r.Arm].Count(card)
	}
	return nil
}

// prizeCost is what the prize of a redeemed card costs, 0 where that is not
// known, and of one that is held or void: nothing was given.
func (c *counting) prizeCost(r store.Redemption) loyalty.Fen {
	if r.Suspended() {
		return 0
	}
	for _, prize := range c.batch.Arms[r.Arm].Prizes {
		if prize.Award == r.Award {
			cost, _ := prize.Cost()
			return cost
		}
	}
	return 0
}

func (f Function) batchResultCSV(ctx context.Context, in *ResultQuery) (*file, error) {
	result, err := f.batchResult(ctx, *in)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := spreadsheet.NewWriter(&out)
	w.Write(
		"arm", "form", "printed", "redeemed", "redeemed_rate", "redeemed_low", "redeemed_high",
		"added", "added_rate", "added_low", "added_high", "retained", "retained_rate", "retained_low", "retained_high", "undecided",
		"order_claimed", "order_claimed_rate", "order_claimed_low", "order_claimed_high",
		"repurchased", "repurchased_rate", "repurchased_low", "repurchased_high", "spent_fen", "fen_per_friend",
		"value", "value_low", "value_high", "rank",
	)
	for _, arm := range result.Arms {
		line := append([]string{arm.Name, string(arm.Form)}, arm.columns()...)
		if v := arm.Value; v != nil {
			line = append(line, decimal(v.Value), decimal(v.Low), decimal(v.High), strconv.Itoa(v.Rank))
		} else {
			line = append(line, "", "", "", "")
		}
		w.Write(line...)
	}
	w.Flush()
	return &file{
		ContentType: "text/csv; charset=utf-8", CacheControl: "no-store", Body: out.Bytes(),
		ContentDisposition: fmt.Sprintf("attachment; filename=%q", result.ID+"-result.csv"),
	}, w.Error()
}

func (a FunnelAnswer) columns() []string {
	columns := []string{strconv.Itoa(a.Printed)}
	rate := func(r *rateAnswer) {
		if r == nil {
			columns = append(columns, "", "", "", "")
			return
		}
		columns = append(columns, strconv.Itoa(r.Count), decimal(r.Rate), decimal(r.Low), decimal(r.High))
	}
	rate(&a.Redeemed)
	rate(a.Added)
	rate(a.Retained)
	columns = append(columns, strconv.Itoa(a.Undecided))
	rate(&a.Claimed)
	rate(&a.Repurchased)
	perFriend := ""
	if a.PerFriend > 0 {
		perFriend = strconv.FormatInt(int64(a.PerFriend), 10)
	}
	return append(columns, strconv.FormatInt(int64(a.Spent), 10), perFriend)
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
