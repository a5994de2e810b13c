package remindrepurchase_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/functions/remindrepurchase"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// The way of a message after it is queued is tested with the sender, in
// functions/sendmessages.

const milk = "milk-powder" // 28 days, 7 days' lead

var shanghai = program.Default().Zone()

func day(n, hour, minute int) time.Time {
	return time.Date(2026, 11, 1+n, hour, minute, 0, 0, shanghai)
}

type brand struct {
	t      *testing.T
	store  store.Store
	queued []string
	down   bool
}

func open(t *testing.T) *brand {
	return &brand{t: t, store: store.Store{Table: embedded.Memory()}}
}

func (b *brand) Send(_ context.Context, bodies ...[]byte) error {
	if b.down {
		return loyalty.Refuse(loyalty.KindUnavailable, "queue_down", "")
	}
	for _, body := range bodies {
		reminder, err := notify.DecodeReminder(body)
		if err != nil {
			b.t.Errorf("an unreadable body was queued: %v", err)
		}
		b.queued = append(b.queued, reminder.ID)
	}
	return nil
}

func (b *brand) function() remindrepurchase.Function {
	return remindrepurchase.Function{Store: b.store, Messages: b, Log: slog.New(slog.DiscardHandler)}
}

func (b *brand) tick(at time.Time) table.Usage {
	b.t.Helper()
	usage := table.Usage{}
	if err := b.function().Handle(table.WithUsage(b.t.Context(), &usage), schedule.Tick{Time: at}); err != nil {
		b.t.Fatal(err)
	}
	return usage
}

func (b *brand) enrol(member loyalty.MemberID) {
	b.t.Helper()
	if err := b.store.Table.Write(b.t.Context(), store.CreateAccount(member, store.Profile{}, nil, day(-1, 0, 0))...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *brand) buy(member loyalty.MemberID, order string, at time.Time) {
	b.t.Helper()
	_, err := ledger.Post(b.t.Context(), b.store, nil, ledger.News{
		Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order},
		Fact: points.Fact{Kind: points.FactPaid, At: at, Member: member, Lines: []points.Line{
			{ID: "1", Category: milk, Quantity: 1, Paid: 100},
		}},
	}, at)
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *brand) account(member loyalty.MemberID) store.Account {
	b.t.Helper()
	account, err := b.store.Account(b.t.Context(), member)
	if err != nil {
		b.t.Fatal(err)
	}
	return account
}

func TestTickAsSent(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.buy("m", "1", day(0, 10, 0))
	raw, err := os.ReadFile("testdata/hourly.json")
	if err != nil {
		t.Fatal(err)
	}
	var tick schedule.Tick
	if err := json.Unmarshal(raw, &tick); err != nil {
		t.Fatal(err)
	}
	if err := b.function().Handle(t.Context(), tick); err != nil {
		t.Fatal(err)
	}
	want := []string{notify.ReminderID("m", milk, day(0, 10, 0))}
	if diff := cmp.Diff(want, b.queued); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}

func TestTickWithoutTimeIsRefused(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.buy("m", "1", day(0, 10, 0))
	if err := b.function().Handle(t.Context(), schedule.Tick{}); loyalty.KindOf(err) != loyalty.KindInvalid {
		t.Errorf("error %v, want KindInvalid", err)
	}
	if len(b.queued) != 0 {
		t.Errorf("queued %v", b.queued)
	}
}

// A purchase moves nothing: the call that stands is early, and costs the two
// writes of a move once, when it fires. The settlement that rode on it gets its
// own entry then.
func TestAnEarlyCallIsMovedToTheTrueDate(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.buy("m", "1", day(0, 10, 0))
	b.buy("m", "2", day(15, 10, 0))
	if at := b.account("m").RemindAt; !at.Equal(day(21, 9, 0)) {
		t.Fatalf("the call stands at %v, want day 21", at)
	}
	if usage := b.tick(day(21, 9, 5)); usage.WriteUnits != 4 { // the account, its entry moved, and that of the settlement
		t.Errorf("moving the call took %v write units, want 4", usage.WriteUnits)
	}
	if at := b.account("m").RemindAt; !at.Equal(day(36, 9, 0)) {
		t.Errorf("the call stands at %v, want day 36", at)
	}
	b.tick(day(36, 8, 59))
	if len(b.queued) != 0 {
		t.Errorf("queued %v before day 36, 09:00", b.queued)
	}
	b.tick(day(36, 9, 0))
	if diff := cmp.Diff([]string{notify.ReminderID("m", milk, day(15, 10, 0))}, b.queued); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
}

// A reminder that rides on the settlement is found on its day although nobody
// settled, and not before.
func TestAReminderThatRides(t *testing.T) {
	b := open(t)
	b.enrol("m")
	completed := ledger.News{
		Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1"}, Fact: points.Fact{Kind: points.FactCompleted, At: day(1, 10, 0)},
	}
	if _, err := ledger.Post(t.Context(), b.store, nil, completed, day(1, 10, 0)); err != nil {
		t.Fatal(err)
	}
	b.buy("m", "1", day(0, 10, 0))
	before := b.account("m")
	if !before.RemindRides || !before.SettleAt.Equal(day(8, 10, 0)) {
		t.Fatalf("the account is %+v", before)
	}
	for _, at := range []time.Time{day(8, 10, 5), day(20, 10, 5)} {
		if b.tick(at); len(b.queued) != 0 {
			t.Errorf("queued %v at %v", b.queued, at)
		}
	}
	if usage := b.tick(day(21, 9, 5)); usage.WriteUnits != 0 {
		t.Errorf("%v write units", usage.WriteUnits)
	}
	if diff := cmp.Diff([]string{notify.ReminderID("m", milk, day(0, 10, 0))}, b.queued); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, b.account("m")); diff != "" {
		t.Errorf("the account changed (-before +after):\n%s", diff)
	}
}

func TestQuietHoursReadNothing(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.buy("m", "1", day(0, 10, 0))
	for _, at := range []time.Time{day(21, 21, 0), day(21, 23, 59), day(22, 0, 0), day(22, 8, 59)} {
		if usage := b.tick(at); usage.RoundTrips != 1 || len(b.queued) != 0 { // the program
			t.Errorf("at %v: %d round trips and %v queued, want the program's and none", at, usage.RoundTrips, b.queued)
		}
	}
}

// A queue that is down fails the tick, and the next one asks again.
func TestQueueDown(t *testing.T) {
	b := open(t)
	b.enrol("m")
	b.buy("m", "1", day(0, 10, 0))
	before := b.account("m")
	b.down = true
	if err := b.function().Handle(t.Context(), schedule.Tick{Time: day(21, 9, 5)}); loyalty.KindOf(err) != loyalty.KindUnavailable {
		t.Errorf("error %v, want KindUnavailable", err)
	}
	if diff := cmp.Diff(before, b.account("m")); diff != "" {
		t.Errorf("the account changed (-before +after):\n%s", diff)
	}
	b.down = false
	b.tick(day(21, 9, 5))
	if len(b.queued) != 1 {
		t.Errorf("queued %v, want one", b.queued)
	}
}

// One shard that cannot be read fails the tick but holds up no other.
func TestOneShardDown(t *testing.T) {
	b := open(t)
	reachable := 0
	for i := range 64 {
		member := loyalty.MemberID(fmt.Sprint("m", i))
		b.enrol(member)
		b.buy(member, string(member), day(0, 10, 0))
		if table.WakePK(member) != table.ShardPK(3) {
			reachable++
		}
	}
	f := b.function()
	f.Store.Table = lame{b.store.Table}
	if err := f.Handle(t.Context(), schedule.Tick{Time: day(21, 9, 5)}); !errors.Is(err, errLame) {
		t.Errorf("error %v, want the shard's", err)
	}
	if len(b.queued) != reachable || reachable == 64 {
		t.Errorf("%d asked for with a shard down, want the %d of the others", len(b.queued), reachable)
	}
	b.queued = nil
	b.tick(day(21, 9, 5))
	if len(b.queued) != 64 {
		t.Errorf("%d asked for with no shard down, want 64", len(b.queued))
	}
}

var errLame = loyalty.Refuse(loyalty.KindUnavailable, "throttled", "")

type lame struct{ table.Table }

func (l lame) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if q.PK == table.ShardPK(3) {
		return table.Page{}, errLame
	}
	return l.Table.Query(ctx, q)
}

// The reads of a tick follow what is due, not how many members there are.
func TestReadsFollowWhatIsDue(t *testing.T) {
	reads := map[int]table.Usage{}
	for _, members := range []int{200, 5_000} {
		b := open(t)
		for i := range members {
			member := loyalty.MemberID(fmt.Sprint("m", i))
			b.enrol(member)
			bought := day(10, 10, 0)
			if i < 100 {
				bought = day(0, 10, 0)
			}
			b.buy(member, string(member), bought)
		}
		reads[members] = b.tick(day(21, 9, 5))
		if len(b.queued) != 100 {
			t.Errorf("%d of %d members: queued %d, want 100", 100, members, len(b.queued))
		}
	}
	t.Logf("100 due of 200: %+v; of 5,000: %+v", reads[200], reads[5_000])
	if reads[200] != reads[5_000] {
		t.Errorf("100 due of 200 members cost %+v, of 5,000 %+v; want the same", reads[200], reads[5_000])
	}
}
