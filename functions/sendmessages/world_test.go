package sendmessages_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/functions/remindrepurchase"
	"github.com/huitou/huitou/functions/sendmessages"
	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
	"github.com/huitou/huitou/shared/table/embedded"
)

// The path from a purchase to a message is tested as a whole: the schedule and
// the sender share nothing but the table and the queue, and what must hold is
// about both.

const (
	milk   = "milk-powder" // 28 days, 7 days' lead
	diaper = "diapers"     // 14 days, 3 days' lead
)

var shanghai = program.Default().Zone()

// day is an hour of the nth day after the first purchases.
func day(n, hour, minute int) time.Time {
	return time.Date(2026, 11, 1+n, hour, minute, 0, 0, shanghai)
}

func rules() program.Program {
	p := program.Default()
	p.Version, p.EffectiveAt = 1, day(-100, 0, 0)
	p.Repurchase.Categories = map[string]repurchase.Category{
		milk:   {Name: "奶粉", CycleDays: 28, LeadDays: 7},
		diaper: {CycleDays: 14, LeadDays: 3},
	}
	return p
}

// T is what *testing.T and *rapid.T have in common.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// world is one brand: its table, its queue and its receiver, each of which can
// fail at any call.
type world struct {
	T
	engine  *embedded.Engine
	calm    store.Store // past the faults, to prepare and to look
	now     time.Time
	death   crash.Point
	queue   [][]byte
	taken   []notify.Message // by the receiver, each id once
	handed  map[string]int
	onTaken func(notify.Message)
	log     bytes.Buffer
	orders  int
}

func newWorld(t T, p program.Program) *world {
	w := &world{T: t, engine: embedded.Memory(), now: day(0, 10, 0), handed: map[string]int{}}
	w.calm = store.Store{Table: w.engine}
	w.must(w.engine.Write(context.Background(), store.PutProgram(p)))
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v", err)
	}
}

type sender struct{ *world }

func (s sender) Send(_ context.Context, bodies ...[]byte) error {
	return s.death.Around(func() error { s.queue = append(s.queue, bodies...); return nil })
}

type receiver struct{ *world }

func (r receiver) Send(_ context.Context, message notify.Message) error {
	return r.death.Around(func() error {
		r.handed[message.ID]++
		if r.handed[message.ID] > 1 {
			return nil // it knows the id
		}
		r.taken = append(r.taken, message)
		if r.onTaken != nil {
			r.onTaken(message)
		}
		return nil
	})
}

func (w *world) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&w.log, nil)) }

func (w *world) schedule() remindrepurchase.Function {
	return remindrepurchase.Function{Store: store.Store{Table: w.death.Table(w.engine)}, Messages: sender{w}, Log: slog.New(slog.DiscardHandler)}
}

func (w *world) sendmessages() sendmessages.Function {
	return sendmessages.Function{
		Store: store.Store{Table: w.death.Table(w.engine)}, Notifier: receiver{w},
		Clock: func() time.Time { return w.now }, Log: w.logger(),
	}
}

// tick fires the schedule at the time, which the clock is moved to.
func (w *world) tick(at time.Time) {
	w.Helper()
	w.now = at
	if err := w.schedule().Handle(context.Background(), schedule.Tick{Time: at}); err != nil && !w.death.Dead {
		w.Fatalf("tick: %v", err)
	}
	w.death.Revive()
}

// settle fires the other schedule that calls of members wake.
func (w *world) settle() {
	w.Helper()
	f := settlepoints.Function{Store: w.calm, Log: slog.New(slog.DiscardHandler)}
	w.must(f.Handle(context.Background(), schedule.Tick{Time: w.now}))
}

// deliver gives sendmessages what is queued; what fails stays queued.
func (w *world) deliver() {
	w.Helper()
	if len(w.queue) == 0 {
		return
	}
	bodies := w.queue
	w.queue = nil
	w.queue = append(w.failed(bodies...), w.queue...)
}

// failed hands sendmessages the bodies as one event and returns those that it
// names as failed.
func (w *world) failed(bodies ...[]byte) [][]byte {
	w.Helper()
	var event events.SQSEvent
	for i, body := range bodies {
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: string(body)})
	}
	answer, err := w.sendmessages().Handle(context.Background(), event)
	if died := w.death.Revive(); err != nil {
		if !died {
			w.Fatalf("deliver: %v", err)
		}
		return bodies
	}
	var failed [][]byte
	for _, failure := range answer.BatchItemFailures {
		var i int
		fmt.Sscan(failure.ItemIdentifier, &i)
		failed = append(failed, bodies[i])
	}
	return failed
}

// hourly runs the schedule at five past every hour of a span, with deliveries.
func (w *world) hourly(from, to time.Time) {
	w.Helper()
	for at := from; !at.After(to); at = at.Add(time.Hour) {
		w.tick(at)
		w.deliver()
	}
}

func (w *world) enrol(member loyalty.MemberID, consents ...loyalty.Consent) {
	w.Helper()
	w.must(w.engine.Write(context.Background(), store.CreateAccount(member, store.Profile{}, consents, day(-1, 0, 0))...))
}

var marketing = []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing}

// next is the order that is bought next.
func (w *world) next() loyalty.OrderKey {
	return loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint(w.orders + 1)}
}

// buy is one order of a unit of each category.
func (w *world) buy(member loyalty.MemberID, at time.Time, categories ...string) loyalty.OrderKey {
	w.Helper()
	key := w.next()
	w.orders++
	fact := points.Fact{Kind: points.FactPaid, At: at, Member: member}
	for i, category := range categories {
		fact.Lines = append(fact.Lines, points.Line{ID: fmt.Sprint(i + 1), Category: category, Quantity: 1, Paid: 10_000})
	}
	w.post(key, fact, at)
	return key
}

func (w *world) post(key loyalty.OrderKey, fact points.Fact, now time.Time) {
	w.Helper()
	versions, err := w.calm.Programs(context.Background())
	w.must(err)
	_, err = ledger.Post(context.Background(), w.calm, versions, ledger.News{Order: key, Fact: fact}, now)
	w.must(err)
}

func (w *world) refund(key loyalty.OrderKey, line string, amount loyalty.Fen) {
	w.Helper()
	w.post(key, points.Fact{Kind: points.FactRefunded, At: w.now, Refunds: []points.Refund{{ID: "r" + line, Line: line, Amount: amount}}}, w.now)
}

func (w *world) consent(member loyalty.MemberID, given bool) {
	w.Helper()
	changes := store.WithdrawConsent(loyalty.ConsentMarketing, w.now)
	if given {
		changes = []table.Change{store.GiveConsent(loyalty.ConsentMarketing, w.now)}
	}
	w.must(w.engine.Write(context.Background(), store.UpdateAccount(member, changes)))
}

func (w *world) account(member loyalty.MemberID) store.Account {
	w.Helper()
	account, err := w.calm.Account(context.Background(), member)
	w.must(err)
	return account
}

// expect compares what the receiver took, in no order: "member categories day
// hh:mm".
func (w *world) expect(want ...string) {
	w.Helper()
	var got []string
	for _, message := range w.taken {
		at := message.At.In(shanghai)
		n := int(at.Sub(day(0, 0, 0)).Hours()) / 24
		got = append(got, fmt.Sprintf("%s %s %d %s", message.Member, strings.Join(message.Categories, "+"), n, at.Format("15:04")))
	}
	slices.Sort(got)
	slices.Sort(want)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.Errorf("the receiver took\n%q\nwant\n%q", got, want)
	}
}

func (w *world) expectOutcome(member loyalty.MemberID, category, want string) {
	w.Helper()
	if got := w.account(member).Reminded[category].Outcome; got != want {
		w.Errorf("the outcome for %s is %q, want %q", category, got, want)
	}
}

// fixture reads an event as AWS sends it.
func fixture[E any](t *testing.T, name string) (event E) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &event); err != nil {
		t.Fatal(err)
	}
	return event
}

func tickAt(at time.Time) schedule.Tick { return schedule.Tick{Time: at} }
