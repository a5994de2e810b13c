package issuecoupons_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
)

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// freeze adds a run, with the template as the world has it, and the campaign
// where it is new.
func (w *world) freeze(id, occurrence string, at time.Time) {
	w.t.Helper()
	if _, _, err := w.store.Campaign(context.Background(), id); err != nil {
		c := w.campaign(campaign.StateActive)
		c.ID = id
		w.write(store.PutCampaign(c, 0))
	}
	w.write(store.FreezeRun(store.Run{
		Campaign: id, Occurrence: occurrence, At: at, Rule: "orders >= 2", Template: w.template, TimeZone: "Asia/Shanghai",
	}))
}

func page(id, occurrence string, shard int) []byte {
	body, err := json.Marshal(campaign.Page{Campaign: id, Template: "ten-off", Occurrence: occurrence, Shard: shard})
	if err != nil {
		panic(err)
	}
	return body
}

// run delivers a run's messages until nothing is left, at a time.
func (w *world) run(id, occurrence string, shard int, at time.Time) {
	w.t.Helper()
	f := w.function
	f.Clock = func() time.Time { return at }
	body := page(id, occurrence, shard)
	for body != nil {
		if !w.deliver(f, body) {
			w.t.Fatalf("a message of %s %s fails", id, occurrence)
		}
		body = w.queue.take()
	}
}

// settled holds what is so once no page is under way: the budget counts what
// campaigns issued, and so do the results; no lease is open and no member has
// two live coupons. It returns how many coupons campaigns issued to each.
func (w *world) settled(ids ...string) map[loyalty.MemberID]int {
	w.t.Helper()
	count, live, sum := map[loyalty.MemberID]int{}, map[loyalty.MemberID]int{}, int64(0)
	for _, coupon := range w.coupons() {
		if coupon.Live(now) && !coupon.IssuedAt.After(now) {
			live[coupon.Member]++
		}
		if coupon.Trigger[:5] != "card:" {
			count[coupon.Member]++
			sum++
		}
	}
	for member, n := range live {
		if n > 1 && w.template.Limits == (coupons.Limits{}) {
			w.t.Errorf("%s has %d live coupons", member, n)
		}
	}
	given, err := w.store.Given(context.Background(), "ten-off")
	if err != nil || given.Quantity != sum {
		w.t.Errorf("the budget counts %+v for %d coupons, %v", given, sum, err)
	}
	counted := int64(0)
	for _, id := range ids {
		counted += w.result(id).Issued
	}
	if counted != sum {
		w.t.Errorf("the results count %d coupons, and there are %d", counted, sum)
	}
	for _, item := range w.items() {
		if item.Text("state") == "open" {
			w.t.Error("a lease is open at the end")
		}
	}
	return count
}

func (w *world) result(id string) store.CampaignResult {
	w.t.Helper()
	result, err := w.store.CampaignResult(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// A campaign of every Monday, at the last minute of the day and so worked on
// after midnight.
func TestTenWeeksOfARecurringCampaign(t *testing.T) {
	per := func(count, days int) coupons.PerDays { return coupons.PerDays{Count: count, Days: days} }
	for name, test := range map[string]struct {
		limits   coupons.Limits
		validity int
		want     []int // weeks that give a coupon
	}{
		"by default one live coupon at a time":    {coupons.Limits{}, 14, []int{0, 2, 5, 8}}, // the 2nd week is worked on a day late, when the first coupon has expired
		"by default, with coupons of six days":    {coupons.Limits{}, 5, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"by default, with coupons of half a year": {coupons.Limits{}, 180, []int{0}},
		"three in all":                    {coupons.Limits{PerMember: 3}, 180, []int{0, 1, 2}},
		"one a week":                      {coupons.Limits{PerMemberPerDays: per(1, 7)}, 180, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"one in eight days":               {coupons.Limits{PerMemberPerDays: per(1, 8)}, 1, []int{0, 2, 4, 6, 8}},
		"two in 28 days":                  {coupons.Limits{PerMemberPerDays: per(2, 28)}, 1, []int{0, 1, 4, 5, 8, 9}},
		"two in 28 days and three in all": {coupons.Limits{PerMember: 3, PerMemberPerDays: per(2, 28)}, 1, []int{0, 1, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 12, 3, coupons.Budget{Quantity: 500}, 0)
			w.template.Limits, w.template.Validity.Days = test.limits, test.validity
			w.write(store.PutTemplate(w.template, 1))
			monday := time.Date(2026, 11, 2, 23, 59, 0, 0, shanghai)
			var gave []int
			for week := range 10 {
				due := monday.AddDate(0, 0, 7*week)
				// Some weeks are worked on at once, others after midnight, and one a day
				// later.
				worked := due.Add([]time.Duration{59 * time.Second, 2 * time.Minute, 23 * time.Hour}[week%3])
				before := len(w.coupons())
				w.freeze("weekly", fmt.Sprint(week), due)
				w.run("weekly", fmt.Sprint(week), 3, worked)
				w.run("weekly", fmt.Sprint(week), 3, worked.Add(time.Hour)) // a repeat
				switch len(w.coupons()) - before {
				case 12:
					gave = append(gave, week)
				case 0:
				default:
					t.Errorf("week %d gives %d coupons to 12 members", week, len(w.coupons())-before)
				}
				for _, coupon := range w.coupons() {
					live := 0
					for _, other := range w.coupons() {
						if other.Member == coupon.Member && other.Live(worked) {
							live++
						}
					}
					if test.limits == (coupons.Limits{}) && live > 1 {
						t.Fatalf("%s has %d live coupons", coupon.Member, live)
					}
				}
			}
			if !slices.Equal(gave, test.want) {
				t.Errorf("coupons in the weeks %v, want %v", gave, test.want)
			}
			w.settled("weekly")
			issued := int64(12 * len(test.want))
			if got, want := w.result("weekly"), (store.CampaignResult{Runs: 10, Issued: issued, Limited: 120 - issued}); got != want {
				t.Errorf("result %+v, want %+v", got, want)
			}
		})
	}
}

// A budget that just suffices for those whose limit is not reached is not held
// by the others, not even for a moment.
func TestWhoeverIsAtTheirLimitHoldsNoBudget(t *testing.T) {
	w := newWorld(t, 40, 3, coupons.Budget{Quantity: 40}, 0)
	for _, member := range w.regulars[:30] {
		w.write(store.PutCoupon(w.template.Issue(member, "campaign:before:once", "code-"+string(member), now.AddDate(0, 0, -1), shanghai)))
	}
	issued := store.Lease{Page: campaign.Page{Campaign: "before", Occurrence: "once", Template: "ten-off", Shard: 3}, Granted: 30}
	w.write(store.OpenLease(issued, w.template, w.template.Budget, 1)...)
	w.write(store.IssueCoupons(issued, store.Issues{}, nil)...)
	death := crash.Point{}
	f := w.function
	f.Store.Table = watched{death.Table(w.store.Table), func() {
		given, err := w.store.Given(t.Context(), "ten-off")
		if err != nil || given.Quantity > 40 {
			t.Errorf("the budget counts %+v, %v", given, err)
		}
	}}
	if !w.deliver(f, message(3)) {
		t.Fatal("the message fails")
	}
	if got, want := w.result("spring"), (store.CampaignResult{Runs: 1, Issued: 10, Limited: 30}); got != want {
		t.Errorf("result %+v, want %+v", got, want)
	}
}

// Two campaigns with one template at the same moment, over one shard of three
// pages: a member gets one coupon, whoever is faster.
func TestTwoCampaignsOfOneTemplateAtTheSameMoment(t *testing.T) {
	for round := range 8 {
		w := newWorld(t, 320, 5, coupons.Budget{Quantity: 1_000}, 0)
		w.freeze("autumn", "once", firedAt)
		var wait sync.WaitGroup
		for _, id := range []string{"spring", "autumn"} {
			wait.Go(func() {
				queue := &line{bodies: [][]byte{page(id, "once", 5)}}
				f := w.function
				f.Coupons = queue
				for body := queue.take(); body != nil; body = queue.take() {
					for !w.deliver(f, body) {
					}
				}
			})
		}
		wait.Wait()
		count := w.settled("spring", "autumn")
		if len(count) != 320 {
			t.Errorf("round %d: %d members of 320 have a coupon", round, len(count))
		}
		for member, n := range count {
			if n != 1 {
				t.Errorf("round %d: %s has %d coupons", round, member, n)
			}
		}
		spring, autumn := w.result("spring"), w.result("autumn")
		if all := spring.Issued + spring.Limited; all != 320 || autumn.Issued+autumn.Limited != 320 || spring.Unfunded+autumn.Unfunded != 0 {
			t.Errorf("round %d: results %+v and %+v, want 320 members in each", round, spring, autumn)
		}
	}
}

// Every interleaving in which the page of another campaign with the template
// runs whole, or dies at one of its calls, between two calls of a page; and with
// the page given up for dead there, its write landing late.
func TestAnotherCampaignBetweenAnyTwoCalls(t *testing.T) {
	for _, late := range []bool{false, true} {
		for _, dies := range []int{0, 5, 6, 7, 110, 111} {
			t.Run(fmt.Sprintf("late=%v dies=%d", late, dies), func(t *testing.T) {
				for n := 1; ; n++ {
					w := newWorld(t, 103, 3, coupons.Budget{Quantity: 150}, 0)
					w.freeze("autumn", "once", firedAt)
					happened := false
					landing := &crash.Meanwhile{Table: w.store.Table, At: n}
					landing.Do = func() {
						happened = true
						other := w.function
						death := crash.Point{At: dies, After: dies%2 == 0}
						other.Store.Table = death.Table(w.store.Table)
						w.deliver(other, page("autumn", "once", 3))
						if late {
							landing.Table = dead{w.store.Table}
						}
					}
					first := w.function
					first.Store.Table = landing
					if done := w.deliver(first, page("spring", "once", 3)); !done && !late {
						t.Errorf("before call %d: the page fails, and others were faster only once", n)
					}
					if !happened {
						if n < 7 {
							t.Errorf("only %d calls", n-1)
						}
						return
					}
					w.run("spring", "once", 3, now)
					w.run("autumn", "once", 3, now)
					for member, n := range w.settled("spring", "autumn") {
						if n != 1 {
							t.Errorf("%s has %d coupons", member, n)
						}
					}
					spring, autumn := w.result("spring"), w.result("autumn")
					if spring.Issued+autumn.Issued != 103 {
						t.Errorf("before call %d: %d and %d coupons for 103 members", n, spring.Issued, autumn.Issued)
					}
				}
			})
		}
	}
}

// A crash at any call of a second run, before or after it happened, with half of
// the members at their limit: what the run issued before the crash does not
// count against its repeat, and nothing of the budget is lost.
func TestACrashAnywhereInASecondRun(t *testing.T) {
	for n := 1; ; n++ {
		reached := false
		for _, happens := range []bool{false, true} {
			w := newWorld(t, 60, 3, coupons.Budget{Quantity: 1_000}, 0)
			w.template.Limits = coupons.Limits{PerMember: 2}
			w.write(store.PutTemplate(w.template, 1))
			for i, id := range []string{"first", "second"} {
				w.freeze(id, "once", firedAt)
				everybody := w.function
				everybody.Store.Table = hiding{w.store.Table, w.regulars[:30*i]}
				if !w.deliver(everybody, page(id, "once", 3)) {
					t.Fatal("a run before fails")
				}
			}
			w.freeze("third", "once", firedAt)
			crashed := w.function
			for range 2 {
				death := crash.Point{At: n, After: happens}
				crashed.Store.Table = death.Table(w.store.Table)
				reached = !w.deliver(crashed, page("third", "once", 3)) || reached
			}
			for range 2 {
				w.run("third", "once", 3, now)
			}
			for member, n := range w.settled("first", "second", "third") {
				if n != 2 {
					t.Errorf("crash at call %d: %s has %d coupons, want 2", n, member, n)
				}
			}
			if got := w.result("third"); got.Issued != 30 || got.Limited != 30 || got.Unfunded != 0 {
				t.Errorf("crash at call %d (happens %v): result %+v, want 30 coupons and 30 members at their limit", n, happens, got)
			}
		}
		if !reached {
			if n < 60 {
				t.Errorf("only %d calls", n-1)
			}
			return
		}
	}
}

// hiding is a table in which some members are not on the list of all members.
type hiding struct {
	table.Table
	members []loyalty.MemberID
}

func (h hiding) Query(ctx context.Context, query table.Query) (table.Page, error) {
	page, err := h.Table.Query(ctx, query)
	page.Items = slices.DeleteFunc(page.Items, func(item table.Item) bool {
		return slices.Contains(h.members, loyalty.MemberID(item.Key.SK))
	})
	return page, err
}

// Members who are one person have one limit.
func TestTheCouponsOfMergedMembersCountTogether(t *testing.T) {
	for name, test := range map[string]struct {
		give            func(w *world, part loyalty.MemberID) // what the part has before
		issued, limited int64
	}{
		"one of another campaign": {func(w *world, _ loyalty.MemberID) {
			w.freeze("before", "once", firedAt)
			w.run("before", "once", 9, now)
		}, 4 - 1, 1},
		"one of a card": {func(w *world, part loyalty.MemberID) {
			w.cards()
			w.write(store.PutCoupon(w.template.Issue(part, "card:K-00001:1", "kept", now, shanghai)))
		}, 4 - 1, 1},
		"of the very occurrence": {func(w *world, _ loyalty.MemberID) { w.run("spring", "once", 9, now) }, 1 + 3, 0},
		"none":                   {func(*world, loyalty.MemberID) {}, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, 3, coupons.Budget{Quantity: 10}, 0)
			part := inShard(9, 1)[0]
			w.join(part, 2)
			test.give(w, part)
			merge := store.Merge{ID: "1", Into: w.regulars[2], Part: part, By: store.Hand{Operator: "wang", At: now}, Reason: "the same"}
			if _, err := ledger.Merge(t.Context(), w.store, merge); err != nil {
				t.Fatal(err)
			}
			for shard := range table.RosterShards {
				w.run("spring", "once", shard, now)
			}
			if got := w.result("spring"); got.Issued != test.issued || got.Limited != test.limited || got.Unfunded != 0 {
				t.Errorf("result %+v, want %d coupons and %d at their limit", got, test.issued, test.limited)
			}
			if _, err := ledger.Unmerge(t.Context(), w.store, w.regulars[2], part, "2", "two persons", store.Hand{Operator: "wang", At: now}); err != nil {
				t.Fatal(err)
			}
			w.freeze("autumn", "once", firedAt)
			for shard := range table.RosterShards {
				w.run("autumn", "once", shard, now)
			}
			// Alone again, each has a limit of their own.
			for _, member := range append(w.regulars, part) {
				held, err := w.store.CouponsOf(t.Context(), "ten-off", member)
				if err != nil || len(held) != 1 {
					t.Errorf("%s has %d coupons, %v; want 1", member, len(held), err)
				}
			}
		})
	}
}

// cards adds a batch of cards that give the template's coupons.
func (w *world) cards() {
	w.t.Helper()
	batch := cards.Batch{KeyID: "K", Number: 1, Name: "cards", Count: 9, Arms: []cards.Arm{{
		Name: "scratch", Prizes: []cards.Prize{{Award: cards.Award{Kind: cards.PrizeCoupon, Text: "ten-off"}, Quantity: 9}},
	}}}
	if _, _, err := w.store.CreateBatch(context.Background(), batch, "request"); err != nil {
		w.t.Fatal(err)
	}
}

// A coupon that a card gave counts, from the first run of a campaign on.
func TestACardsCouponCountsAsHeld(t *testing.T) {
	for name, test := range map[string]struct {
		limits  coupons.Limits
		state   coupons.State
		limited int64
	}{
		"a live one":                 {coupons.Limits{}, coupons.StateIssued, 1},
		"a used one":                 {coupons.Limits{}, coupons.StateUsed, 0},
		"a used one, of one in all":  {coupons.Limits{PerMember: 1}, coupons.StateUsed, 1},
		"a live one, of two in all":  {coupons.Limits{PerMember: 2}, coupons.StateIssued, 0},
		"one of another template":    {coupons.Limits{}, "", 0},
		"one in a window of one day": {coupons.Limits{PerMemberPerDays: coupons.PerDays{Count: 1, Days: 1}}, coupons.StateUsed, 0},
		"one in a window of two":     {coupons.Limits{PerMemberPerDays: coupons.PerDays{Count: 1, Days: 2}}, coupons.StateUsed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4, 3, coupons.Budget{}, 0)
			w.template.Limits = test.limits
			w.freeze("autumn", "once", now) // due a day after the card was redeemed
			w.cards()
			coupon := w.template.Issue(w.regulars[1], "card:K-00001:1", "kept", firedAt, shanghai)
			coupon.State = test.state
			if test.state == "" {
				coupon.Template, coupon.State = "other", coupons.StateIssued
			}
			w.write(store.PutCoupon(coupon))
			w.run("autumn", "once", 3, now)
			if got, want := w.result("autumn"), (store.CampaignResult{Runs: 1, Issued: 4 - test.limited, Limited: test.limited}); got != want {
				t.Errorf("result %+v, want %+v", got, want)
			}
		})
	}
}

// The run uses the limits that it was frozen with.
func TestLimitsThatAreEditedMidFlightAreForTheNextRun(t *testing.T) {
	w := newWorld(t, 6, 3, coupons.Budget{}, 0)
	w.run("spring", "once", 3, now)
	w.freeze("autumn", "once", firedAt)
	w.template.Limits = coupons.Limits{PerMember: 2}
	w.write(store.PutTemplate(w.template, 1))
	w.run("autumn", "once", 3, now)
	if got := w.result("autumn"); got.Limited != 6 {
		t.Errorf("result %+v of the run that was frozen before, want 6 at their limit", got)
	}
	w.freeze("winter", "once", firedAt)
	w.run("winter", "once", 3, now)
	if got := w.result("winter"); got.Issued != 6 || got.Limited != 0 {
		t.Errorf("result %+v of the run after, want 6 coupons", got)
	}
}

// busy lets another campaign issue before every write of a page.
type busy struct {
	table.Table
	other func()
}

func (b busy) Write(ctx context.Context, actions ...table.Action) error {
	b.other()
	return b.Table.Write(ctx, actions...)
}

// A page that never wins gives up after a while, and is not acknowledged; the
// next delivery goes on with it.
func TestAPageThatIsNeverTheFirstComesAgain(t *testing.T) {
	w := newWorld(t, 5, 3, coupons.Budget{Quantity: 50}, 0)
	calls := 0
	f := w.function
	f.Store.Table = busy{w.store.Table, func() {
		calls++
		issues, err := w.store.Issues(t.Context(), campaign.Page{Template: "ten-off", Shard: 3})
		if err != nil {
			t.Fatal(err)
		}
		w.write(table.Update(table.IssuesKey("ten-off", 3), []table.Change{table.Set("writes", table.Number(issues.Writes+1)), table.Set("run", table.String(""))}))
	}}
	if w.deliver(f, message(3)) {
		t.Error("the page is acknowledged")
	}
	if calls < 10 || calls > 40 {
		t.Errorf("the page tries %d writes", calls)
	}
	w.run("spring", "once", 3, now)
	if n := w.check(coupons.Budget{Quantity: 50}); n != 5 {
		t.Errorf("%d coupons, want 5", n)
	}
}

// The first run of a template looks at nobody's coupons. A later one reads each
// member's once, and writes nothing for those who are at their limit.
func TestUnitsOfASecondRun(t *testing.T) {
	w := newWorld(t, 250, 6, coupons.Budget{Quantity: 1_000}, 0)
	metered := func(id string) table.Usage {
		var usage table.Usage
		ctx := table.WithUsage(t.Context(), &usage)
		answer, err := w.function.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: string(page(id, "once", 6))}}})
		if err = errors.Join(err, failed(answer)); err != nil {
			t.Fatal(err)
		}
		return usage
	}
	first := metered("spring")
	w.freeze("autumn", "once", firedAt)
	limited := metered("autumn")
	t.Logf("250 members: first run %+v, second run with all at their limit %+v", first, limited)
	if trips := first.RoundTrips; trips > 10 {
		t.Errorf("the first run needs %d round trips", trips)
	}
	if limited.WriteUnits > 4 || limited.ReadUnits > first.ReadUnits+251 {
		t.Errorf("a run with all at their limit costs %+v, want no write but its own note and one read unit a member", limited)
	}
}

func failed(answer events.SQSEventResponse) error {
	if len(answer.BatchItemFailures) > 0 {
		return errors.New("the message failed")
	}
	return nil
}
