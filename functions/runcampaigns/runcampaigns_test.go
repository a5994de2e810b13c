package runcampaigns_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/functions/runcampaigns"
	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
	"github.com/huitou/huitou/shared/table/embedded"
)

// nine is when the daily campaign is due: nine o'clock in Shanghai.
var nine = time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)

type line struct {
	bodies [][]byte
	refuse bool
}

func (l *line) Send(_ context.Context, bodies ...[]byte) error {
	if l.refuse {
		return loyalty.Refuse(loyalty.KindUnavailable, "queue_down", "")
	}
	l.bodies = append(l.bodies, bodies...)
	return nil
}

// pages counts what was sent, by campaign and occurrence, and forgets it. It
// fails unless each run was sent whole, to every shard equally often.
func (l *line) pages(t tester) map[string]int {
	t.Helper()
	shards := map[campaign.Page]int{}
	for _, body := range l.bodies {
		var page campaign.Page
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatal(err)
		}
		shards[page]++
	}
	l.bodies = nil
	runs, times := map[string]int{}, map[string]int{}
	for page, n := range shards {
		run := page.Campaign + " " + page.Occurrence + " " + page.Template
		if before, ok := times[run]; ok && before != n {
			t.Errorf("%s: shard %d was sent %d times, another %d times", run, page.Shard, n, before)
		}
		if page.After != "" || page.Shard < 0 || page.Shard >= table.RosterShards {
			t.Errorf("%s: page %+v is not the beginning of a shard", run, page)
		}
		times[run] = n
		runs[run]++
	}
	for run, n := range runs {
		if n != table.RosterShards {
			t.Errorf("%s: %d of %d shards", run, n, table.RosterShards)
		}
	}
	return times
}

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

type world struct {
	t        tester
	store    store.Store
	queue    *line
	function runcampaigns.Function
}

func newWorld(t tester, campaigns ...campaign.Campaign) *world {
	w := &world{t: t, store: store.Store{Table: embedded.Memory()}, queue: &line{}}
	w.function = runcampaigns.Function{Store: w.store, Coupons: w.queue, Log: slog.New(slog.DiscardHandler)}
	w.write(
		store.PutAudience(audience.Definition{ID: "regulars", Rule: "orders >= 2"}, 0),
		store.PutTemplate(template(), 0),
	)
	for _, c := range campaigns {
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		w.write(store.PutCampaign(c, 0))
	}
	return w
}

func (w *world) write(actions ...table.Action) {
	w.t.Helper()
	if err := w.store.Table.Write(context.Background(), actions...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tick(at time.Time) error {
	return w.function.Handle(context.Background(), schedule.Tick{Time: at})
}

// expect ticks and compares what was sent.
func (w *world) expect(at time.Time, want ...string) {
	w.t.Helper()
	if err := w.tick(at); err != nil {
		w.t.Fatalf("tick at %v: %v", at, err)
	}
	times := map[string]int{}
	for _, run := range want {
		times[run] = 1
	}
	if diff := cmp.Diff(times, w.queue.pages(w.t)); diff != "" {
		w.t.Errorf("tick at %v (-want +got):\n%s", at, diff)
	}
}

func template() coupons.Template {
	return coupons.Template{
		ID: "ten-off", Name: "满199减20", Kind: coupons.KindOwn, Threshold: 19_900, Discount: 2_000,
		Validity: coupons.Validity{Days: 14}, Budget: coupons.Budget{Quantity: 100},
	}
}

func daily() campaign.Campaign {
	return campaign.Campaign{
		ID: "daily", Audience: "regulars", Template: "ten-off", Schedule: campaign.Schedule{Cron: "0 9 * * *"}, Holdout: 10,
		State: campaign.StateActive, CreatedAt: nine.AddDate(0, 0, -10),
	}
}

func once() campaign.Campaign {
	c := daily()
	c.ID, c.Schedule = "opening", campaign.Schedule{At: nine.Add(30 * time.Minute)}
	return c
}

func TestEveryOccurrenceIsSentOnce(t *testing.T) {
	w := newWorld(t, daily(), once())
	w.expect(nine.Add(-time.Second), "daily 2026-11-20T01:00:00Z ten-off") // late, within a day
	w.expect(nine.Add(-time.Second))
	w.expect(nine, "daily 2026-11-21T01:00:00Z ten-off")
	w.expect(nine) // the schedule fires twice
	w.expect(nine.Add(5 * time.Minute))
	w.expect(nine.Add(-time.Minute)) // and late ones come after
	w.expect(nine.Add(31*time.Minute), "opening once ten-off")
	w.expect(nine.Add(36 * time.Minute))
	w.expect(nine.AddDate(0, 0, 4), "daily 2026-11-25T01:00:00Z ten-off") // missed days are not made up
}

func TestADayThatWasMissedRunsWhenItIsFiredFor(t *testing.T) {
	w := newWorld(t, daily())
	state := func(state campaign.State) {
		c, revision, err := w.store.Campaign(t.Context(), "daily")
		if err != nil {
			t.Fatal(err)
		}
		c.State = state
		w.write(store.PutCampaign(c, revision))
	}
	w.expect(nine, "daily 2026-11-21T01:00:00Z ten-off")
	state(campaign.StatePaused)
	w.expect(nine.AddDate(0, 0, 1))
	w.expect(nine.AddDate(0, 0, 2))
	state(campaign.StateActive)
	w.expect(nine.AddDate(0, 0, 4), "daily 2026-11-25T01:00:00Z ten-off")
	w.expect(nine.AddDate(0, 0, 1), "daily 2026-11-22T01:00:00Z ten-off")
	w.expect(nine.AddDate(0, 0, 1)) // once
	w.expect(nine.AddDate(0, 0, 2).Add(5*time.Hour), "daily 2026-11-23T01:00:00Z ten-off")
	w.expect(nine.AddDate(0, 0, 2))
	w.expect(nine) // it ran
	w.expect(nine.AddDate(0, 0, 4).Add(time.Minute))
	c, _, err := w.store.Campaign(t.Context(), "daily")
	if want := (campaign.Ran{Occurrence: "2026-11-25T01:00:00Z", At: nine.AddDate(0, 0, 4)}); err != nil || c.Ran != want {
		t.Errorf("ran %+v, %v; want the last occurrence, %+v", c.Ran, err, want)
	}
}

// Ticks that come late, twice and in any order run each time's occurrence once,
// whatever fails on the way.
func TestTicksInAnyOrderRunEveryOccurrence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := daily()
		every.Schedule.Cron = "* * * * *"
		w := newWorld(t, every)
		ticks := rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 5, 3, 0}).Draw(t, "ticks")
		failing := map[int]bool{}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, 8), 0, 3).Draw(t, "failing") {
			failing[i] = true
		}
		times := map[string]int{}
		tick := func(minute int) error {
			err := w.tick(nine.Add(time.Duration(minute) * time.Minute))
			for run, n := range w.queue.pages(t) {
				times[run] += n
			}
			return err
		}
		for i, minute := range ticks {
			w.queue.refuse = failing[i]
			failed := tick(minute) != nil
			w.queue.refuse = false
			if failed { // as a schedule that failed comes again, after others
				ticks = append(ticks, minute)
			}
		}
		for _, minute := range ticks {
			if err := tick(minute); err != nil {
				t.Fatal(err)
			}
		}
		for minute := range 6 {
			run := "daily " + nine.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339) + " ten-off"
			if times[run] != 1 {
				t.Errorf("%s was sent %d times", run, times[run])
			}
		}
	})
}

func TestTheEventAsAWSSendsIt(t *testing.T) {
	w := newWorld(t, daily())
	raw, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var tick schedule.Tick
	if err := json.Unmarshal(raw, &tick); err != nil {
		t.Fatal(err)
	}
	w.expect(tick.Time, "daily 2026-11-21T01:00:00Z ten-off")
}

func TestTheTermsAreFrozen(t *testing.T) {
	w := newWorld(t, daily())
	w.write(store.PutProgram(shipped(3)))
	w.expect(nine, "daily 2026-11-21T01:00:00Z ten-off")
	run, err := w.store.Run(t.Context(), "daily", "2026-11-21T01:00:00Z")
	want := store.Run{
		Campaign: "daily", Occurrence: "2026-11-21T01:00:00Z", At: nine, Rule: "orders >= 2", Template: template(),
		Holdout: 10, Program: 3, TimeZone: "Asia/Shanghai", Ordered: true,
	}
	if diff := cmp.Diff(want, run); diff != "" || err != nil {
		t.Errorf("run, %v (-want +got):\n%s", err, diff)
	}
	c, revision, err := w.store.Campaign(t.Context(), "daily")
	if err != nil || revision != 1 || c.Ran != (campaign.Ran{Occurrence: "2026-11-21T01:00:00Z", At: nine}) {
		t.Errorf("campaign %+v at revision %d, %v", c, revision, err)
	}
	// An edit keeps the mark, and the next run has the new terms.
	c.Holdout = 0
	w.write(store.PutCampaign(c, revision))
	w.expect(nine.Add(time.Minute))
	w.expect(nine.AddDate(0, 0, 1), "daily 2026-11-22T01:00:00Z ten-off")
	run, err = w.store.Run(t.Context(), "daily", "2026-11-22T01:00:00Z")
	if err != nil || run.Holdout != 0 {
		t.Errorf("run %+v, %v", run, err)
	}
	result, err := w.store.CampaignResult(t.Context(), "daily")
	if err != nil || result != (store.CampaignResult{Runs: 2}) {
		t.Errorf("result %+v, %v", result, err)
	}
}

// shipped is the program that ships with huitou, as a version of its own.
func shipped(version int64) program.Program {
	p := program.Default()
	p.Version = version
	return p
}

// A crash at any call loses no run: the same tick again sends it, with the
// terms of the first firing.
func TestCrashAnywhere(t *testing.T) {
	crashes := 0
	for n := 1; ; n++ {
		reached := false
		for _, happens := range []bool{false, true} {
			w := newWorld(t, daily(), once())
			crashed := w.function
			death := crash.Point{At: n, After: happens}
			crashed.Store.Table = death.Table(w.store.Table)
			at := nine.Add(time.Hour)
			if crashed.Handle(t.Context(), schedule.Tick{Time: at}) != nil {
				reached = true
				crashes++
			}
			frozen := map[string]bool{}
			for id, occurrence := range map[string]string{"daily": "2026-11-21T01:00:00Z", "opening": campaign.Once} {
				_, err := w.store.Run(t.Context(), id, occurrence)
				frozen[id] = err == nil
			}
			edited := template()
			edited.Discount = 9_900
			w.write(store.PutTemplate(edited, 1))
			if err := w.tick(at); err != nil {
				t.Fatalf("crash at call %d: the repeat fails: %v", n, err)
			}
			sent := w.queue.pages(t)
			for id, occurrence := range map[string]string{"daily": "2026-11-21T01:00:00Z", "opening": campaign.Once} {
				if times := sent[id+" "+occurrence+" ten-off"]; times < 1 || times > 2 {
					t.Errorf("crash at call %d (happens %v): %s was sent %d times", n, happens, id, times)
				}
				run, err := w.store.Run(t.Context(), id, occurrence)
				want := loyalty.Fen(9_900)
				if frozen[id] {
					want = 2_000
				}
				if err != nil || run.Template.Discount != want {
					t.Errorf("crash at call %d (happens %v): %s takes off %d, %v; want %d", n, happens, id, run.Template.Discount, err, want)
				}
			}
			w.expect(at)
		}
		if !reached {
			t.Logf("%d crashes, at each of %d calls", crashes, n-1)
			break
		}
	}
	if crashes < 10 {
		t.Errorf("only %d crashes happened", crashes)
	}
}

func TestAQueueThatIsDownLosesNoRun(t *testing.T) {
	w := newWorld(t, daily())
	w.queue.refuse = true
	if err := w.tick(nine); loyalty.KindOf(err) != loyalty.KindUnavailable {
		t.Fatalf("tick: %v, want KindUnavailable", err)
	}
	w.queue.refuse = false
	w.expect(nine, "daily 2026-11-21T01:00:00Z ten-off")
}

func TestACampaignThatCannotRunHoldsUpNoOther(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(w *world)
		kind  loyalty.Kind
	}{
		"no audience": {func(w *world) {
			w.write(table.Delete(table.DocumentKey(table.DocumentAudience, "rare")))
		}, loyalty.KindNotFound},
		"no template": {func(w *world) {
			w.write(table.Delete(table.DocumentKey(table.DocumentTemplate, "rare")))
		}, loyalty.KindNotFound},
		"rule of an older version": {func(w *world) {
			w.write(store.PutAudience(audience.Definition{ID: "rare", Rule: "karma > 3"}, 1))
		}, loyalty.KindInvalid},
		"pool": {func(w *world) {
			pool := template()
			pool.ID, pool.Kind = "rare", coupons.KindPool
			w.write(store.PutTemplate(pool, 1))
		}, loyalty.KindConflict},
	} {
		t.Run(name, func(t *testing.T) {
			broken := daily()
			broken.ID, broken.Audience, broken.Template = "broken", "rare", "rare"
			w := newWorld(t, broken, daily())
			rare := template()
			rare.ID = "rare"
			w.write(store.PutAudience(audience.Definition{ID: "rare", Rule: "true"}, 0), store.PutTemplate(rare, 0))
			test.spoil(w)
			if err := w.tick(nine); loyalty.KindOf(err) != test.kind || err == nil {
				t.Errorf("tick: %v, want kind %d", err, test.kind)
			}
			if diff := cmp.Diff(map[string]int{"daily 2026-11-21T01:00:00Z ten-off": 1}, w.queue.pages(t)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if _, err := w.store.Run(t.Context(), "broken", "2026-11-21T01:00:00Z"); loyalty.KindOf(err) != loyalty.KindNotFound {
				t.Errorf("the broken campaign has a run: %v", err)
			}
		})
	}
}

func TestATickWithoutATimeChangesNothing(t *testing.T) {
	w := newWorld(t, daily())
	if err := w.tick(time.Time{}); loyalty.KindOf(err) != loyalty.KindInvalid {
		t.Fatalf("tick: %v, want KindInvalid", err)
	}
	result, err := w.store.CampaignResult(t.Context(), "daily")
	if err != nil || result.Runs != 0 || len(w.queue.bodies) != 0 {
		t.Errorf("result %+v, %v, %d messages", result, err, len(w.queue.bodies))
	}
}

func TestAPausedCampaignDoesNotRun(t *testing.T) {
	paused := daily()
	paused.State = campaign.StatePaused
	w := newWorld(t, paused)
	w.expect(nine)
	paused.State = campaign.StateActive
	w.write(store.PutCampaign(paused, 1))
	w.expect(nine.Add(time.Hour), "daily 2026-11-21T01:00:00Z ten-off")
}

func TestManyCampaigns(t *testing.T) {
	var campaigns []campaign.Campaign
	var want []string
	for i := range 130 { // more than a page
		c := daily()
		c.ID = fmt.Sprintf("c%03d", i)
		campaigns = append(campaigns, c)
		want = append(want, c.ID+" 2026-11-21T01:00:00Z ten-off")
	}
	w := newWorld(t, campaigns...)
	w.expect(nine, want...)
	w.expect(nine)
}
