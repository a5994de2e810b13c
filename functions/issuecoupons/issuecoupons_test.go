package issuecoupons_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/functions/issuecoupons"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
	"github.com/huitou/huitou/shared/table/embedded"
)

// firedAt is the occurrence's time, the last minute of the day in Shanghai;
// the pages are worked on a little later, and so a day later there.
var (
	firedAt = time.Date(2026, 11, 21, 15, 59, 0, 0, time.UTC)
	now     = firedAt.Add(90 * time.Second)
)

// line is the queue: what was sent and not yet delivered.
type line struct {
	mu     sync.Mutex
	bodies [][]byte
	refuse int // how many Sends fail
}

func (l *line) Send(_ context.Context, bodies ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse > 0 {
		l.refuse--
		return loyalty.Refuse(loyalty.KindUnavailable, "queue_down", "")
	}
	l.bodies = append(l.bodies, bodies...)
	return nil
}

func (l *line) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.bodies) == 0 {
		return nil
	}
	body := l.bodies[0]
	l.bodies = l.bodies[1:]
	return body
}

// world is one brand with one campaign, "spring", that has just been fired.
type world struct {
	t        testing.TB
	store    store.Store
	queue    *line
	function issuecoupons.Function
	regulars []loyalty.MemberID // who matches the rule
	template coupons.Template
}

// locked makes the source of randomness safe for the tests that call the
// function from several goroutines.
type locked struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

func (l *locked) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.source.Read(p)
}

// some are members by the shard they fall into, few enough ids to try once.
var some = sync.OnceValue(func() map[string][]loyalty.MemberID {
	members := map[string][]loyalty.MemberID{}
	for i := range 50_000 {
		member := loyalty.MemberID(fmt.Sprintf("M%06d", i))
		shard := table.RosterKey(member).PK
		members[shard] = append(members[shard], member)
	}
	return members
})

func inShard(shard, n int) []loyalty.MemberID { return slices.Clone(some()[table.RosterPK(shard)][:n]) }

// newWorld has regulars with two orders each and as many newcomers without.
// shard -1 spreads them over all shards, any other puts them all into one.
func newWorld(t testing.TB, regulars, shard int, budget coupons.Budget, holdout int) *world {
	t.Helper()
	w := &world{t: t, queue: &line{}, store: store.Store{Table: embedded.Memory()}}
	w.function = issuecoupons.Function{
		Store: w.store, Coupons: w.queue, Rand: &locked{source: rand.NewChaCha8([32]byte{7})},
		Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	}
	if shard >= 0 {
		w.regulars = inShard(shard, regulars)
	}
	for i := len(w.regulars); i < regulars; i++ {
		w.regulars = append(w.regulars, loyalty.MemberID(fmt.Sprintf("M%06d", i)))
		w.join(loyalty.MemberID(fmt.Sprintf("N%06d", i)), 0)
	}
	for _, member := range w.regulars {
		w.join(member, 2)
	}
	w.template = coupons.Template{
		ID: "ten-off", Name: "满199减20", Kind: coupons.KindOwn, Threshold: 19_900, Discount: 2_000,
		Validity: coupons.Validity{Days: 14}, Budget: budget,
	}
	w.write(
		store.PutTemplate(w.template, 0),
		store.PutCampaign(w.campaign(campaign.StateActive), 0),
		store.FreezeRun(store.Run{
			Campaign: "spring", Occurrence: "once", At: firedAt, Rule: "orders >= 2 and joined_days == 31", Template: w.template, Holdout: holdout, TimeZone: "Asia/Shanghai",
		}),
	)
	return w
}

func (w *world) campaign(state campaign.State) campaign.Campaign {
	return campaign.Campaign{
		ID: "spring", Audience: "regulars", Template: "ten-off", State: state, Schedule: campaign.Schedule{At: firedAt}, CreatedAt: firedAt.AddDate(0, 0, -1),
	}
}

func (w *world) join(member loyalty.MemberID, orders int64) {
	w.t.Helper()
	w.write(store.CreateAccount(member, store.Profile{}, []loyalty.Consent{loyalty.ConsentMembership}, firedAt.AddDate(0, -1, 0))...)
	if orders > 0 {
		w.write(store.UpdateAccount(member, store.CountOrder(orders, 19_900, 0)))
	}
}

func (w *world) write(actions ...table.Action) {
	w.t.Helper()
	if err := w.store.Table.Write(context.Background(), actions...); err != nil {
		w.t.Fatal(err)
	}
}

func message(shard int) []byte {
	body, err := json.Marshal(campaign.Page{Campaign: "spring", Template: "ten-off", Occurrence: "once", Shard: shard})
	if err != nil {
		panic(err)
	}
	return body
}

// deliver hands the function one message and tells whether it was done.
func (w *world) deliver(f issuecoupons.Function, body []byte) bool {
	answer, err := f.Handle(context.Background(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: string(body)}}})
	if err != nil {
		w.t.Errorf("Handle: %v", err)
	}
	return len(answer.BatchItemFailures) == 0
}

// drain delivers what is on the queue until nothing is left.
func (w *world) drain() {
	w.t.Helper()
	for tries := 0; ; tries++ {
		body := w.queue.take()
		if body == nil {
			return
		}
		if !w.deliver(w.function, body) {
			w.t.Fatalf("a message failed: %s", body)
		}
	}
}

func (w *world) fire() {
	w.t.Helper()
	for shard := range table.RosterShards {
		if err := w.queue.Send(context.Background(), message(shard)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// coupons are all coupons there are, by the items of the table.
func (w *world) coupons() []coupons.Coupon {
	w.t.Helper()
	var all []coupons.Coupon
	for _, item := range w.items() {
		if strings.HasPrefix(item.Key.PK, "M#") && strings.HasPrefix(item.Key.SK, table.CouponPrefix) {
			var coupon coupons.Coupon
			if err := json.Unmarshal([]byte(item.Text("doc")), &coupon); err != nil {
				w.t.Fatal(err)
			}
			all = append(all, coupon)
		}
	}
	return all
}

func (w *world) items() []table.Item {
	w.t.Helper()
	var items []table.Item
	scan := table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := w.store.Table.Scan(context.Background(), scan)
		if err != nil {
			w.t.Fatal(err)
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		scan.Cursor = page.Next
	}
}

// check holds I16, I18 and I20: the budget's counters are what was issued and
// within the budget, a member has one coupon for the occurrence and only if
// they match, and no code is twice. It returns how many coupons there are.
func (w *world) check(budget coupons.Budget) int {
	w.t.Helper()
	all := w.coupons()
	var sum loyalty.Fen
	members, codes := map[loyalty.MemberID]bool{}, map[string]bool{}
	for _, coupon := range all {
		sum += coupon.Discount
		if members[coupon.Member] || codes[coupon.Code] || coupon.Code == "" || !slices.Contains(w.regulars, coupon.Member) {
			w.t.Errorf("a coupon of %s that should not be", coupon.Member)
		}
		members[coupon.Member], codes[coupon.Code] = true, true
	}
	given, err := w.store.Given(context.Background(), "ten-off")
	if err != nil {
		w.t.Fatal(err)
	}
	if given.Quantity != int64(len(all)) || given.Amount != sum {
		w.t.Errorf("the budget counts %+v for %d coupons of %d fen", given, len(all), sum)
	}
	if budget.Quantity > 0 && given.Quantity > budget.Quantity || budget.Amount > 0 && given.Amount > budget.Amount {
		w.t.Errorf("%+v exceeds %+v", given, budget)
	}
	result, err := w.store.CampaignResult(context.Background(), "spring")
	if err != nil {
		w.t.Fatal(err)
	}
	if result.Issued != int64(len(all)) {
		w.t.Errorf("the result counts %d coupons of %d", result.Issued, len(all))
	}
	for _, item := range w.items() {
		if item.Text("state") == "open" {
			w.t.Errorf("a lease is open at the end")
		}
	}
	return len(all)
}

func TestEveryMatchingMemberGetsOneCoupon(t *testing.T) {
	w := newWorld(t, 400, -1, coupons.Budget{}, 0)
	for range 3 { // the second and third time, nothing is left to do
		w.fire()
		w.drain()
	}
	if n := w.check(coupons.Budget{}); n != 400 {
		t.Errorf("%d coupons for 400 members", n)
	}
	result, err := w.store.CampaignResult(t.Context(), "spring")
	if want := (store.CampaignResult{Runs: 1, Finished: 1, Issued: 400}); err != nil || result != want {
		t.Errorf("result %+v, %v; want %+v", result, err, want)
	}
	coupon := w.coupons()[0]
	if coupon.Trigger != "campaign:spring:once" || coupon.Discount != 2_000 || coupon.Threshold != 19_900 ||
		coupon.ExpiresAt.Format(time.RFC3339) != "2026-12-06T23:59:59+08:00" || !coupon.IssuedAt.Equal(now) {
		t.Errorf("coupon %+v", coupon)
	}
	found, err := w.store.CouponByCode(t.Context(), strings.ToLower(coupon.Code[len(coupon.Member):]))
	if loyalty.KindOf(err) != loyalty.KindNotFound {
		t.Errorf("a code without its member finds %+v, %v", found, err)
	}
	found, err = w.store.CouponByCode(t.Context(), coupon.Code)
	if err != nil || found.Member != coupon.Member || found.Trigger != coupon.Trigger {
		t.Errorf("the code finds %+v, %v", found, err)
	}
}

func TestTheEventAsAWSSendsIt(t *testing.T) {
	w := newWorld(t, 4, 3, coupons.Budget{}, 0)
	raw, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var event events.SQSEvent
	if err := json.Unmarshal(raw, &event); err != nil {
		t.Fatal(err)
	}
	answer, err := w.function.Handle(t.Context(), event)
	if n := w.check(coupons.Budget{}); err != nil || len(answer.BatchItemFailures) != 0 || n != 4 {
		t.Errorf("%d coupons, failures %v, %v; want 4", n, answer.BatchItemFailures, err)
	}
}

func TestParallelShardsShareABudgetExactly(t *testing.T) {
	for name, budget := range map[string]coupons.Budget{
		"quantity": {Quantity: 10}, "amount": {Amount: 21_999}, "both": {Quantity: 11, Amount: 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 200, -1, budget, 0)
			var wait sync.WaitGroup
			for shard := range table.RosterShards {
				wait.Go(func() {
					for !w.deliver(w.function, message(shard)) {
					}
				})
			}
			wait.Wait()
			if n := w.check(budget); n != 10 {
				t.Errorf("%d coupons, want 10", n)
			}
			result, err := w.store.CampaignResult(t.Context(), "spring")
			if err != nil || result.Unfunded != 190 || result.Finished != 1 {
				t.Errorf("result %+v, %v; want 190 unfunded", result, err)
			}
		})
	}
}

func TestTheSameMessageAtTheSameMoment(t *testing.T) {
	w := newWorld(t, 250, 5, coupons.Budget{Quantity: 150}, 0)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for !w.deliver(w.function, message(5)) {
			}
		})
	}
	wait.Wait()
	if n := w.check(coupons.Budget{Quantity: 150}); n != 150 {
		t.Errorf("%d coupons, want 150", n)
	}
}

// watched looks after each write.
type watched struct {
	table.Table
	look func()
}

func (w watched) Write(ctx context.Context, actions ...table.Action) error {
	err := w.Table.Write(ctx, actions...)
	w.look()
	return err
}

// A crash at any call, before or after it happened, of the first delivery and
// of the second, and then everything comes again.
func TestCrashAnywhere(t *testing.T) {
	budget := coupons.Budget{Quantity: 210, Amount: 450_000}
	crashes := 0
	for n := 1; ; n++ {
		reached := false
		for _, happens := range []bool{false, true} {
			w := newWorld(t, 240, 3, budget, 10)
			held := 0
			for _, member := range w.regulars {
				if campaign.HeldOut("spring", member, 10) {
					held++
				}
			}
			crashed := w.function
			for range 2 {
				death := crash.Point{At: n, After: happens}
				crashed.Store.Table = watched{death.Table(w.store.Table), func() { w.within(budget) }}
				if !w.deliver(crashed, message(3)) {
					reached = true
					crashes++
				}
				w.within(budget)
			}
			// Another shard's member, and a newcomer in the middle of the page.
			w.join("M000000a", 0)
			for range 2 {
				if !w.deliver(w.function, message(3)) {
					t.Fatalf("crash at call %d (happens %v): the repeat fails", n, happens)
				}
			}
			w.drain()
			if issued := w.check(budget); issued != min(210, 240-held) {
				t.Errorf("crash at call %d (happens %v): %d coupons, want %d", n, happens, issued, min(210, 240-held))
			}
		}
		if !reached {
			t.Logf("%d crashes, at each of %d calls", crashes, n-1)
			break
		}
	}
	if crashes < 20 {
		t.Errorf("only %d crashes happened", crashes)
	}
}

// Two deliveries, of one page or of two, in every interleaving in which the
// second runs whole between two calls of the first; and, "late", with the
// first given up for dead there, but its write landing after the second.
func TestInterleavedDeliveries(t *testing.T) {
	for name, budget := range map[string]coupons.Budget{
		"no limit": {}, "quantity": {Quantity: 120}, "amount": {Amount: 240_000}, "nothing left": {Quantity: 1, Amount: 2_000},
	} {
		for other, shard := range map[string]int{"the same page": 3, "another page": 4} {
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/late=%v", name, other, late), func(t *testing.T) {
					for n := 1; ; n++ {
						w := newWorld(t, 110, 3, budget, 0)
						for _, member := range inShard(4, 50) {
							w.join(member, 3)
							w.regulars = append(w.regulars, member)
						}
						happened := false
						first := w.function
						first.Store.Table = &crash.Meanwhile{Table: w.store.Table, At: n, Do: func() {
							happened = true
							for !w.deliver(w.function, message(shard)) {
							}
							w.within(budget)
						}}
						if late {
							landing := &crash.Meanwhile{Table: w.store.Table, At: n}
							landing.Do = func() {
								happened = true
								for !w.deliver(w.function, message(shard)) {
								}
								landing.Table = dead{w.store.Table}
							}
							first.Store.Table = landing
						}
						w.deliver(first, message(3))
						w.within(budget)
						for range 2 {
							for _, shard := range []int{3, 4} {
								for !w.deliver(w.function, message(shard)) {
								}
							}
						}
						want := 160
						if budget.Quantity > 0 {
							want = int(budget.Quantity)
						} else if budget.Amount > 0 {
							want = 120
						}
						if issued := w.check(budget); issued != want {
							t.Errorf("meanwhile at call %d: %d coupons, want %d", n, issued, want)
						}
						if !happened {
							if n < 6 {
								t.Errorf("only %d calls", n-1)
							}
							return
						}
					}
				})
			}
		}
	}
}

// One delivery goes on after another of the same page began and died anywhere,
// at each of its own calls.
func TestADeliveryMeetsAHalfDoneOne(t *testing.T) {
	for name, budget := range map[string]coupons.Budget{"no limit": {}, "quantity": {Quantity: 104}} {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				happened := false
				for k := 1; ; k++ {
					w := newWorld(t, 110, 3, budget, 0)
					died := false
					first := w.function
					first.Store.Table = &crash.Meanwhile{Table: w.store.Table, At: n, Do: func() {
						happened = true
						second := w.function
						death := crash.Point{At: k, After: true}
						second.Store.Table = death.Table(w.store.Table)
						died = !w.deliver(second, message(3))
						w.within(budget)
					}}
					w.deliver(first, message(3))
					w.within(budget)
					for range 2 {
						if !w.deliver(w.function, message(3)) {
							t.Fatalf("the repeat fails")
						}
					}
					want := 110
					if budget.Quantity > 0 {
						want = 104
					}
					if issued := w.check(budget); issued != want {
						t.Errorf("one dies at call %d before call %d of the other: %d coupons, want %d", k, n, issued, want)
					}
					if !died {
						break
					}
				}
				if !happened {
					if n < 6 {
						t.Errorf("only %d calls", n-1)
					}
					return
				}
			}
		})
	}
}

// A page that found nothing left in the budget must not close the lease of
// another delivery that found some.
func TestAPageThatFoundNothingLeft(t *testing.T) {
	w := newWorld(t, 30, 3, coupons.Budget{Quantity: 1}, 0)
	w.write(table.Update(table.BudgetKey("ten-off"), []table.Change{table.Add("issued", 1), table.Add("spent", 2_000)}))
	first := w.function
	first.Store.Table = &crash.Meanwhile{Table: w.store.Table, At: 4, Do: func() {
		w.template.Budget.Quantity = 21
		w.write(store.PutTemplate(w.template, 1))
		second := w.function
		death := crash.Point{At: 4, After: true}
		second.Store.Table = death.Table(w.store.Table)
		if w.deliver(second, message(3)) {
			t.Fatal("the second delivery did not die")
		}
		given, err := w.store.Given(t.Context(), "ten-off")
		if err != nil || given.Quantity != 21 {
			t.Fatalf("%+v, %v: the second delivery died at the wrong moment for this test", given, err)
		}
	}}
	if !w.deliver(first, message(3)) {
		t.Fatal("the first delivery failed")
	}
	if n := len(w.coupons()); n != 20 {
		t.Errorf("%d coupons, want the 20 that were left", n)
	}
}

// A write that lands after its page was closed, with less issued than granted,
// issues nothing: what it would use was given back.
func TestAWriteThatLandsAfterThePageWasClosed(t *testing.T) {
	w := newWorld(t, 30, 3, coupons.Budget{Quantity: 30}, 0)
	landing := &crash.Meanwhile{Table: w.store.Table, At: 5}
	landing.Do = func() {
		w.write(store.PutCampaign(w.campaign(campaign.StatePaused), 1))
		if !w.deliver(w.function, message(3)) {
			t.Fatal("the stop failed")
		}
		landing.Table = dead{w.store.Table}
	}
	first := w.function
	first.Store.Table = landing
	if w.deliver(first, message(3)) {
		t.Fatal("the first delivery did not die")
	}
	if n := w.check(coupons.Budget{Quantity: 30}); n != 0 {
		t.Errorf("%d coupons of a page that was closed without any", n)
	}
}

// A member who has the coupon already, by whatever way, keeps it and keeps
// nobody else from theirs.
func TestAMemberWhoHasTheCoupon(t *testing.T) {
	w := newWorld(t, 5, 3, coupons.Budget{Quantity: 5}, 0)
	w.write(store.PutCoupon(w.template.Issue(w.regulars[2], "campaign:spring:once", "kept", now, time.UTC)))
	if !w.deliver(w.function, message(3)) {
		t.Fatal("the message failed")
	}
	all := w.coupons()
	kept := slices.ContainsFunc(all, func(c coupons.Coupon) bool { return c.Code == "kept" })
	given, err := w.store.Given(t.Context(), "ten-off")
	if len(all) != 5 || !kept || given != (coupons.Given{Quantity: 4, Amount: 8_000}) || err != nil {
		t.Errorf("%d coupons (the old one kept: %v), %+v, %v; want 5, of which 4 are counted", len(all), kept, given, err)
	}
}

// dead lets one write land and answers nothing any more.
type dead struct{ table.Table }

func (d dead) Get(context.Context, table.Consistency, ...table.Key) ([]*table.Item, error) {
	return nil, crash.Died
}

func (d dead) Query(context.Context, table.Query) (table.Page, error) {
	return table.Page{}, crash.Died
}

func (d dead) Write(ctx context.Context, actions ...table.Action) error {
	_ = d.Table.Write(ctx, actions...)
	return crash.Died
}

// within holds the budget at any moment: what is issued is at most what is
// counted, and that is at most the budget.
func (w *world) within(budget coupons.Budget) {
	w.t.Helper()
	given, err := w.store.Given(context.Background(), "ten-off")
	if err != nil {
		w.t.Fatal(err)
	}
	n := int64(len(w.coupons()))
	if n > given.Quantity || budget.Quantity > 0 && given.Quantity > budget.Quantity || budget.Amount > 0 && given.Amount > budget.Amount {
		w.t.Errorf("%d coupons, counted %+v, budget %+v", n, given, budget)
	}
}

// A page that was left open goes on with its own members: the page that
// follows begins where it ended, whoever joined since.
func TestMembersWhoJoinDuringARunShiftNoPage(t *testing.T) {
	w := newWorld(t, 400, 9, coupons.Budget{}, 0)
	crashed := w.function
	death := crash.Point{At: 8}
	crashed.Store.Table = death.Table(w.store.Table)
	if w.deliver(crashed, message(9)) {
		t.Fatal("the crash did not happen")
	}
	joined := 0
	for i := 0; joined < 20; i++ {
		member := loyalty.MemberID(fmt.Sprintf("M%06dx", i))
		if table.RosterKey(member).PK == table.RosterPK(9) {
			w.join(member, 0)
			joined++
		}
	}
	if err := w.queue.Send(t.Context(), message(9)); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if n := w.check(coupons.Budget{}); n != 400 {
		t.Errorf("%d coupons for 400 members", n)
	}
	result, err := w.store.CampaignResult(t.Context(), "spring")
	if err != nil || result.Unfunded != 0 {
		t.Errorf("result %+v, %v; want nobody unfunded", result, err)
	}
}

func TestAQueueThatIsDownLosesNoPage(t *testing.T) {
	w := newWorld(t, 350, 9, coupons.Budget{}, 0)
	w.queue.refuse = 1
	if w.deliver(w.function, message(9)) {
		t.Fatal("the message counts as done, and nobody asks for the next page")
	}
	if !w.deliver(w.function, message(9)) {
		t.Fatal("the repeat fails")
	}
	w.drain()
	if n := w.check(coupons.Budget{}); n != 350 {
		t.Errorf("%d coupons for 350 members", n)
	}
}

func TestABudgetLoweredMidFlightBindsAtOnce(t *testing.T) {
	for name, test := range map[string]struct{ lowered, want int64 }{
		"to more than is issued": {lowered: 150, want: 150},
		"to less":                {lowered: 1, want: 0}, // no more than there was
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 300, -1, coupons.Budget{Quantity: 250}, 0)
			for shard := range 20 {
				w.deliver(w.function, message(shard))
			}
			before := w.check(coupons.Budget{Quantity: 250})
			if before < 50 || before > 140 {
				t.Fatalf("%d coupons after 20 of 64 shards", before)
			}
			w.template.Budget.Quantity = test.lowered
			w.template.Discount = 9_900 // new terms are for new runs
			w.write(store.PutTemplate(w.template, 1))
			w.fire()
			w.drain()
			if n := w.check(coupons.Budget{}); n != max(before, int(test.want)) {
				t.Errorf("%d coupons, %d before, want %d", n, before, test.want)
			}
			for _, coupon := range w.coupons() {
				if coupon.Discount != 2_000 {
					t.Fatalf("a coupon of a frozen run takes off %d", coupon.Discount)
				}
			}
		})
	}
}

// lowering edits the template between a page's look at it and its lease.
type lowering struct {
	table.Table
	edit func()
}

func (l *lowering) Write(ctx context.Context, actions ...table.Action) error {
	if l.edit != nil {
		edit := l.edit
		l.edit = nil
		edit()
	}
	return l.Table.Write(ctx, actions...)
}

func TestABudgetLoweredAtTheWorstMoment(t *testing.T) {
	w := newWorld(t, 30, 2, coupons.Budget{Quantity: 20}, 0)
	late := w.function
	late.Store.Table = &lowering{Table: w.store.Table, edit: func() {
		w.template.Budget.Quantity = 5
		w.write(store.PutTemplate(w.template, 1))
	}}
	if !w.deliver(late, message(2)) {
		t.Fatal("the message failed")
	}
	if n := w.check(coupons.Budget{Quantity: 5}); n != 5 {
		t.Errorf("%d coupons, want 5", n)
	}
}

func TestAPausedCampaignStopsAndGivesBack(t *testing.T) {
	w := newWorld(t, 400, 4, coupons.Budget{Quantity: 350}, 0)
	crashed := w.function
	death := crash.Point{At: 8}
	crashed.Store.Table = death.Table(w.store.Table)
	if w.deliver(crashed, message(4)) {
		t.Fatal("the crash did not happen")
	}
	before := len(w.coupons())
	given, err := w.store.Given(t.Context(), "ten-off")
	if err != nil || before == 0 || given.Quantity <= int64(before) {
		t.Fatalf("%d coupons of %+v leased, %v: the crash came at the wrong moment for this test", before, given, err)
	}
	w.write(store.PutCampaign(w.campaign(campaign.StatePaused), 1))
	w.fire()
	w.drain()
	if n := w.check(coupons.Budget{Quantity: 350}); n != before {
		t.Errorf("%d coupons after the pause, %d before", n, before)
	}
	// A second page of a paused run, and one of a campaign that is gone.
	w.write(table.Delete(table.DocumentKey(table.DocumentCampaign, "spring")))
	for shard := range table.RosterShards {
		if !w.deliver(w.function, message(shard)) {
			t.Fatal("a message of a removed campaign fails")
		}
	}
	if n := w.check(coupons.Budget{Quantity: 350}); n != before {
		t.Errorf("%d coupons after the removal, %d before", n, before)
	}
}

func TestHoldoutGetsNothingAndIsCounted(t *testing.T) {
	w := newWorld(t, 300, -1, coupons.Budget{}, 20)
	w.fire()
	w.drain()
	issued := w.check(coupons.Budget{})
	for _, coupon := range w.coupons() {
		if campaign.HeldOut("spring", coupon.Member, 20) {
			t.Errorf("%s is held out and has a coupon", coupon.Member)
		}
	}
	result, err := w.store.CampaignResult(t.Context(), "spring")
	if err != nil || result.HeldOut+result.Issued != 300 || result.HeldOut < 30 || issued != int(result.Issued) {
		t.Errorf("result %+v, %v", result, err)
	}
}

func TestARuleThatDividesByZeroSaysNo(t *testing.T) {
	w := newWorld(t, 20, -1, coupons.Budget{}, 0) // and 20 newcomers without orders
	run, err := w.store.Run(t.Context(), "spring", "once")
	if err != nil {
		t.Fatal(err)
	}
	run.Rule = "10 % orders == 0"
	w.write(table.Delete(table.RunKey("spring", "once")))
	w.write(store.FreezeRun(run))
	w.fire()
	w.drain()
	if n := w.check(coupons.Budget{}); n != 20 {
		t.Errorf("%d coupons, want one for each of 20", n)
	}
}

func TestALinkHasNoCode(t *testing.T) {
	w := newWorld(t, 3, 1, coupons.Budget{}, 0)
	run, err := w.store.Run(t.Context(), "spring", "once")
	if err != nil {
		t.Fatal(err)
	}
	run.Template.Kind, run.Template.Link = coupons.KindLink, "https://shop.example.com/c"
	w.write(table.Delete(table.RunKey("spring", "once")))
	w.write(store.FreezeRun(run))
	if !w.deliver(w.function, message(1)) {
		t.Fatal("the message failed")
	}
	all := w.coupons()
	if len(all) != 3 || all[0].Code != "" || all[0].Link != "https://shop.example.com/c" {
		t.Errorf("coupons %+v", all)
	}
}

func TestForeignMessagesChangeNothing(t *testing.T) {
	w := newWorld(t, 5, -1, coupons.Budget{}, 0)
	before := len(w.items())
	for name, body := range map[string]string{
		"nothing":        "",
		"not JSON":       "spring",
		"a list":         "[]",
		"no campaign":    `{"campaign":"winter","template":"ten-off","occurrence":"once","shard":1}`,
		"no run":         `{"campaign":"spring","template":"ten-off","occurrence":"twice","shard":1}`,
		"other template": `{"campaign":"spring","template":"other","occurrence":"once","shard":1}`,
		"shard 64":       `{"campaign":"spring","template":"ten-off","occurrence":"once","shard":64}`,
		"shard -1":       `{"campaign":"spring","template":"ten-off","occurrence":"once","shard":-1}`,
	} {
		t.Run(name, func(t *testing.T) {
			if w.deliver(w.function, []byte(body)) {
				t.Error("the message counts as done")
			}
		})
	}
	if after := len(w.items()); after != before || len(w.queue.bodies) != 0 {
		t.Errorf("%d items after, %d before; %d messages", after, before, len(w.queue.bodies))
	}
}

// The bill: 2.0 units for a coupon in a transaction, the rest is the lease.
func TestUnitsOfACoupon(t *testing.T) {
	for _, budget := range []coupons.Budget{{}, {Quantity: 1_000}} {
		w := newWorld(t, 500, 6, budget, 0)
		var usage table.Usage
		ctx := table.WithUsage(t.Context(), &usage)
		deliver := func(body []byte) {
			answer, err := w.function.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: string(body)}}})
			if err != nil || len(answer.BatchItemFailures) > 0 {
				t.Fatalf("Handle: %v %v", answer, err)
			}
		}
		deliver(message(6))
		for body := w.queue.take(); body != nil; body = w.queue.take() {
			deliver(body)
		}
		issued := float64(w.check(budget))
		t.Logf("500 members, budget %+v: %.3f write units, %.3f read units, %.3f round trips a coupon",
			budget, usage.WriteUnits/issued, usage.ReadUnits/issued, float64(usage.RoundTrips)/issued)
		if perCoupon := usage.WriteUnits / issued; perCoupon > 2.1 {
			t.Errorf("%.3f write units a coupon, want at most 2.1", perCoupon)
		}
		if trips := float64(usage.RoundTrips) / issued; trips > 0.05 {
			t.Errorf("%.3f round trips a coupon, want at most 0.05", trips)
		}
		again := table.Usage{}
		ctx = table.WithUsage(t.Context(), &again)
		deliver(message(6))
		if again.WriteUnits != 0 || again.RoundTrips != 1 {
			t.Errorf("a repeat costs %+v, want one look", again)
		}
	}
}

// A coupon with the longest of everything still fits one write unit.
func TestTheLargestCouponFitsOneUnit(t *testing.T) {
	template := coupons.Template{
		ID: strings.Repeat("t", 64), Name: strings.Repeat("减", 40), Kind: coupons.KindOwn,
		Threshold: 100_000_000, Discount: 100_000_000, Validity: coupons.Validity{Months: 36},
	}
	if err := template.Validate(); err != nil {
		t.Fatal(err)
	}
	member := loyalty.MemberID(strings.Repeat("M", 26))
	code, err := coupons.NewCode(member, rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	trigger := campaign.Trigger(strings.Repeat("c", 64), "2026-11-21T09:00:00Z")
	action := store.PutCoupon(template.Issue(member, trigger, code, now, time.UTC))
	if size := table.ItemSize(action.Item); size > 1024 {
		t.Errorf("the item has %d bytes", size)
	}
}
