package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou"
	"github.com/huitou/huitou/infra/stack"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify/outbox"
	"github.com/huitou/huitou/shared/points"
	rules "github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// hot is a table on which transactions, which are all of one member here, are in
// each other's way as on DynamoDB while there is a rush: of those that meet
// another one under way some get nowhere with any attempt (TransactionConflict).
type hot struct {
	table.Table
	rush      atomic.Bool
	underWay  sync.Mutex
	conflicts atomic.Int64
}

// unlucky is how many transactions that meet another there are to one that
// conflicts to the last attempt.
const unlucky = 4

func (h *hot) Write(ctx context.Context, actions ...table.Action) error {
	if len(actions) > 1 && h.rush.Load() {
		if !h.underWay.TryLock() {
			if rand.N(unlucky) == 0 {
				h.conflicts.Add(1)
				return table.Conflict(nil)
			}
			h.underWay.Lock()
		}
		defer h.underWay.Unlock()
		runtime.Gosched() // to whoever wants the same items meanwhile
	}
	return h.Table.Write(ctx, actions...)
}

// crowd is the stack of the template on engines in memory, with one member whom
// everybody is after.
type crowd struct {
	*testing.T
	hot     *hot
	engines []*embedded.Engine // table, queues, outbox
	secrets secrets
	clock   func() time.Time
	stack   *stack.Stack
	member  loyalty.MemberID
	orders  map[string]*bought // by their number

	reopened, redelivered int
}

// bought is what the platform knows of an order.
type bought struct{ paid, refunded loyalty.Fen }

const marketed = "2026-11-21T12:00:00+08:00" // what the clock says at the start

func openCrowd(t *testing.T) *crowd {
	c := &crowd{T: t, orders: map[string]*bought{}}
	for range 3 {
		c.engines = append(c.engines, embedded.Memory())
	}
	c.hot = &hot{Table: c.engines[0]}
	var err error
	c.secrets, err = drawSecrets()
	c.must(err)
	from, err := time.Parse(time.RFC3339, marketed)
	c.must(err)
	began := time.Now()
	c.clock = func() time.Time { return from.Add(time.Since(began)) }
	ending := rules.Program{Version: 1, EffectiveAt: from.AddDate(-1, 0, 0), Document: rules.Default().Document}
	ending.Points.Expiry = &points.Expiry{Months: 1, EndOf: "month"}
	c.must(c.engines[0].Write(t.Context(), store.PutProgram(ending)))
	c.open()
	t.Cleanup(c.close)
	var made struct {
		ID loyalty.MemberID `json:"member_id"`
	}
	status, body, _ := c.insist("/v1/members", `{"identities":[{"kind":"buyer","channel":"tmall","value":"hot"}],"consents":["membership"]}`)
	if err := json.Unmarshal(body, &made); status != http.StatusCreated || err != nil {
		t.Fatalf("%d %s", status, body)
	}
	c.member = made.ID
	return c
}

func (c *crowd) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *crowd) open() {
	keys, err := cards.ReadKeyring(c.secrets.CardKeys)
	c.must(err)
	admin := &localQueues{}
	c.stack, err = stack.Open(stack.Config{
		Template: huitou.Template, Queues: c.engines[1], Log: discard, Clock: c.clock,
		Builders: handlers(deps{
			table: c.hot, secrets: c.secrets, keys: keys, queues: admin, notifier: outbox.Outbox{Table: c.engines[2]},
			publicURL: "http://127.0.0.1", log: discard,
		}),
	})
	c.must(err)
	admin.stack = c.stack
	c.stack.Start()
}

func (c *crowd) close() {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := c.stack.Close(ctx); err != nil {
		c.Error(err)
	}
}

// insist sends the same request again while it is answered 503, a bounded
// number of times, and says how often it was.
func (c *crowd) insist(path string, body string) (status int, answer []byte, busy int) {
	header := operator(c.secrets.OperatorToken)
	const tries = 20
	for busy < tries {
		if status, answer = c.send(path, header, []byte(body)); status != http.StatusServiceUnavailable {
			return status, answer, busy
		}
		busy++
	}
	return status, answer, busy
}

func (c *crowd) send(path string, header map[string]string, body []byte) (int, []byte) {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
	for name, value := range header {
		request.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	c.stack.ServeHTTP(answer, request)
	return answer.Code, answer.Body.Bytes()
}

// tell is the platform's push of an event.
func (c *crowd) tell(e event) {
	body, err := json.Marshal(e)
	if err != nil {
		c.Error(err)
	}
	header, err := sign(c.secrets.WebhookSecret, "msg_"+e.OrderID+e.RefundID+e.Type, time.Now(), body)
	if err != nil {
		c.Error(err)
	}
	if status, answer := c.send(genericHook, header, body); status != http.StatusAccepted {
		c.Errorf("%s of %s: %d %s", e.Type, e.OrderID, status, answer)
	}
}

// worked waits until every message is dealt with. A message that failed is
// hidden for minutes; it is there again at once when the process starts anew.
func (c *crowd) worked() {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), startTime)
	defer cancel()
	for {
		c.must(c.stack.Rest(ctx))
		waiting := 0
		for _, q := range c.stack.Queues() {
			if strings.HasSuffix(q.Name, "DeadQueue") {
				if q.Visible+q.InFlight > 0 {
					c.Fatalf("%d messages died on %s", q.Visible+q.InFlight, q.Name)
				}
				continue
			}
			waiting += q.Visible + q.InFlight
		}
		if waiting == 0 {
			return
		}
		c.redelivered += waiting
		c.reopened++
		c.close()
		c.open()
	}
}

// settled fires the schedule at a time after now until it succeeds.
func (c *crowd) settled(later time.Duration) {
	c.Helper()
	for range 3 {
		c.must(c.stack.Fire(c.Context(), settling, c.clock().Add(later)))
	}
}

const settling = "SettlePoints/Hourly"

// How a reservation ends, of each fourth; the others are committed.
const (
	cancelled = 2
	forgotten = 3
)

// purses are what is known of spends from their answers alone.
type purses struct {
	mu     sync.Mutex
	out    map[string]loyalty.Points // reservations not given back, by id
	sealed map[string]bool           // those that were committed
	done, refused, givenUp,
	busy int // answers 503
}

// TestTwoThousandAtOnceOnOneMember is orders, refunds before and after their
// order and its settlement, spends and ticks, all of one member at once: nothing
// is lost, nothing is counted twice, and every balance is what the platform's
// orders and the answers to spends say.
func TestTwoThousandAtOnceOnOneMember(t *testing.T) {
	const (
		orders, refunds, repeats, spends = 700, 600, 100, 590
		each                             = 10 // points of a spend
	)
	c := openCrowd(t)
	now := c.clock()
	// Points to spend, and some whose lot has ended by the time everybody comes.
	seed := func(name string, orders, days int, settledAt time.Duration) {
		for i := range orders {
			id := fmt.Sprint(name, i)
			c.orders[id] = &bought{paid: 10_000}
			c.tell(milk(id, "hot", 10_000, now.AddDate(0, 0, -days)))
		}
		c.worked()
		c.settled(settledAt)
	}
	const ended = 10
	seed("SEED-", 40, 40, -time.Hour)
	seed("ENDED-", ended, 100, -60*24*time.Hour)
	p := &purses{out: map[string]loyalty.Points{}, sealed: map[string]bool{}}
	c.holds(p, "before")

	ages := []int{5, 40} // days: half of them stay pending, and half are due at once
	var acts []func()
	order := func(i int) string { return fmt.Sprint("HOT-", i) }
	for i := range orders {
		paid := loyalty.Fen(10_000 + 77*i)
		c.orders[order(i)] = &bought{paid: paid}
		acts = append(acts, func() { c.tell(milk(order(i), "hot", int(paid), now.AddDate(0, 0, -ages[i%len(ages)]))) })
	}
	refund := func(i int) { c.tell(refundOf(order(i), fmt.Sprint("R-", i), 1_050+13*i, now.Add(-time.Minute))) }
	for i := range refunds {
		c.orders[order(i)].refunded = loyalty.Fen(1_050 + 13*i)
		acts = append(acts, func() { refund(i) })
	}
	for i := range ended {
		id := fmt.Sprint("ENDED-", i)
		c.orders[id].refunded = 2_500
		acts = append(acts, func() { c.tell(refundOf(id, fmt.Sprint("E-", i), 2_500, now.Add(-time.Minute))) })
	}
	for i := range repeats {
		acts = append(acts, func() { refund(i) })
	}
	for i := range spends {
		acts = append(acts, func() { c.spend(p, each, i%4) })
	}
	rand.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })

	var everybody sync.WaitGroup
	start := make(chan struct{})
	for _, act := range acts {
		everybody.Go(func() {
			<-start
			act()
		})
	}
	began := time.Now()
	c.hot.rush.Store(true)
	close(start)
	over := make(chan struct{})
	ticks, failedTicks := 0, 0
	var schedule sync.WaitGroup
	schedule.Go(func() {
		for ; ; ticks++ {
			select {
			case <-over:
				return
			default:
			}
			if err := c.stack.Fire(c.Context(), settling, c.clock()); err != nil {
				failedTicks++ // the next one sees to it
				if loyalty.KindOf(err) != loyalty.KindUnavailable {
					t.Error(err)
				}
			}
		}
	})
	everybody.Wait()
	c.must(c.stack.Rest(t.Context()))
	c.hot.rush.Store(false) // it is over when what failed is delivered again, minutes later
	close(over)
	schedule.Wait()
	c.worked()
	took := time.Since(began)
	t.Logf("%d at once on one member in %.2f s, %.0f a second; spends: %d made, %d refused for too few points, %d given up after %d answers 503; "+
		"%d of %d ticks failed; %d writes lost every attempt to a conflict, %d messages were delivered again",
		len(acts), took.Seconds(), float64(len(acts))/took.Seconds(), p.done, p.refused, p.givenUp, p.busy, failedTicks, ticks, c.hot.conflicts.Load(), c.redelivered)
	if answered := p.done + p.refused + p.givenUp; answered != spends || p.done == 0 {
		t.Errorf("%d spends were answered and %d made, want %d answered", answered, p.done, spends)
	}
	c.holds(p, "after the rush")

	// Reservations that nobody closed run out, what was pending settles, lots end.
	for _, later := range []time.Duration{2 * time.Hour, 26 * 24 * time.Hour, 45 * 24 * time.Hour, 80 * 24 * time.Hour} {
		c.settled(later)
		if later == 2*time.Hour {
			maps.DeleteFunc(p.out, func(id string, _ loyalty.Points) bool { return !p.sealed[id] })
		}
		c.holds(p, fmt.Sprint("after ", later))
	}
	if account := c.account(); account.Balance.Available != 0 || account.Balance.Pending != 0 || !account.SettleAt.IsZero() {
		t.Errorf("everything has ended, and there are %+v", account.Balance)
	}
}

// spend sets points aside and then commits, cancels or forgets them.
func (c *crowd) spend(p *purses, each loyalty.Points, then int) {
	path := "/v1/members/" + string(c.member) + "/points/reservations"
	status, body, busy := c.insist(path, fmt.Sprintf(`{"points":%d,"reason":"exchange","expires_seconds":3600}`, each))
	var made struct{ ID string }
	if err := json.Unmarshal(body, &made); err != nil {
		c.Error(err)
	}
	p.mu.Lock()
	p.busy += busy
	switch status {
	case http.StatusCreated:
		p.done++
		p.out[made.ID] = each
	case http.StatusConflict:
		p.refused++
	case http.StatusServiceUnavailable:
		p.givenUp++
	default:
		c.Errorf("a spend is answered %d %s", status, body)
	}
	p.mu.Unlock()
	if status != http.StatusCreated || then == forgotten {
		return
	}
	act := "/commit"
	if then == cancelled {
		act = "/cancel"
	}
	status, body, busy = c.insist(path+"/"+made.ID+act, "")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy += busy
	switch {
	case status == http.StatusServiceUnavailable: // nothing has changed, and it runs out
	case status != http.StatusOK:
		c.Errorf("%s: %d %s", act, status, body)
	case then == cancelled:
		delete(p.out, made.ID)
	default:
		p.sealed[made.ID] = true
	}
}

func (c *crowd) account() store.Account {
	c.Helper()
	account, err := store.Store{Table: c.engines[0]}.Account(c.Context(), c.member)
	c.must(err)
	return account
}

// holds folds all entries there are by itself and compares the sum with the
// counters and lots, each order's points with its money, and all of it with the
// points that are not spent.
func (c *crowd) holds(p *purses, when string) {
	c.Helper()
	calm := store.Store{Table: c.engines[0]}
	var sum points.Account
	seen := map[string]bool{}
	var given, granted loyalty.Points
	post := func(entries []points.Entry) (held loyalty.Points) {
		for _, entry := range entries {
			if seen[entry.ID] {
				c.Errorf("%s: entry %s is there twice", when, entry.ID)
			}
			seen[entry.ID] = true
			sum = sum.Plus(entry)
			held += entry.Amount()
		}
		return held
	}
	for id, order := range c.orders {
		log, err := calm.Log(c.Context(), loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: id})
		c.must(err)
		var held loyalty.Points
		for _, fact := range log {
			held += post(fact.Entries)
		}
		want := loyalty.Points((order.paid - order.refunded) / 100) // a point for each whole yuan
		if len(log) > 0 && held != want {
			c.Errorf("%s: order %s holds %d points for %+v, want %d", when, id, held, *order, want)
		}
		given, granted = given+held, granted+want
	}
	for cursor := ""; ; {
		records, next, err := calm.History(c.Context(), c.member, 100, cursor)
		c.must(err)
		for _, record := range records {
			if record.Order == (loyalty.OrderKey{}) {
				post(record.Entries)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	account := c.account()
	if account.Balance != sum.Balance {
		c.Errorf("%s: the counters are %+v, the entries add up to %+v", when, account.Balance, sum.Balance)
	}
	sum.Lots = slices.DeleteFunc(sum.Lots, func(lot points.Lot) bool { return lot.Left == 0 && lot.Expired == 0 })
	if diff := gocmp.Diff(sum.Lots, account.Lots); diff != "" {
		c.Errorf("%s: the lots (+) are not what the entries add up to (-):\n%s", when, diff)
	}
	var expired, spent, left loyalty.Points
	for _, lot := range account.Lots {
		if lot.Left < 0 || lot.Expired < 0 {
			c.Errorf("%s: a lot of %+v", when, lot)
		}
		expired, left = expired+lot.Expired, left+lot.Left
	}
	for _, n := range p.out {
		spent += n
	}
	b := account.Balance
	if cmp.Compare(min(b.Available-left, b.Pending, b.Debt), 0) < 0 {
		c.Errorf("%s: below 0: %+v with %d in lots", when, b, left)
	}
	if out := b.Available + b.Pending - b.Debt + expired + spent; out != given {
		c.Errorf("%s: %d points were given, and %d are there, spent or expired: %+v, %d expired, %d spent", when, given, out, b, expired, spent)
	}
	if when != "before" && given != granted {
		c.Errorf("%s: %d points were given, and the orders are worth %d", when, given, granted)
	}
	c.Logf("%s: %+v, %d spent, %d expired, of %d", when, b, spent, expired, given)
}
