package convertorders_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// kept are the inputs in a state, newest first.
func (b brand) kept(state store.RefusedState) []store.RefusedInput {
	b.t.Helper()
	inputs, _, err := b.Store.RefusedInputs(b.t.Context(), state, 100, "", b.Clock())
	if err != nil {
		b.t.Fatal(err)
	}
	return inputs
}

// items is the whole table but for what is kept for a person.
func (b brand) items() map[table.Key]table.Item {
	b.t.Helper()
	page, err := b.Store.Table.Scan(b.t.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil {
		b.t.Fatal(err)
	}
	items := map[table.Key]table.Item{}
	for _, item := range page.Items {
		if !strings.HasPrefix(item.Key.PK, "U#") && !strings.HasPrefix(item.Key.SK, table.RefusedPrefix) {
			items[item.Key] = item
		}
	}
	return items
}

// refusedAlone delivers what cannot be applied beside a good event, and holds that
// it did nothing but be kept.
func (b brand) refusedAlone(body []byte, reason refused.Reason) store.RefusedInput {
	b.t.Helper()
	before := b.items()
	if failed := b.deliver(body, body); failed != 0 {
		b.t.Errorf("%d of %s failed: it would come again and die", failed, body)
	}
	if diff := cmp.Diff(before, b.items(), cmp.AllowUnexported(table.Value{})); diff != "" {
		b.t.Errorf("%s changed %s", body, diff)
	}
	waiting := b.kept(store.RefusedWaiting)
	if len(waiting) == 0 || waiting[0].Reason != reason || waiting[0].Count != 2 {
		b.t.Fatalf("%s: kept %+v, want %s, twice told", body, waiting, reason)
	}
	return waiting[0]
}

func (b brand) retry(id string) {
	b.t.Helper()
	if failed := b.deliver(refused.Retry(id), refused.Retry(id)); failed != 0 {
		b.t.Errorf("%d retries failed", failed)
	}
}

func (b brand) change(currency string, at time.Time) {
	b.t.Helper()
	versions, err := b.Store.Programs(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	next := program.Program{Version: int64(len(versions) + 1), EffectiveAt: at, Document: program.Default().Document}
	next.Currency = currency
	if err := b.Store.Table.Write(b.t.Context(), store.PutProgram(next)); err != nil {
		b.t.Fatal(err)
	}
}

func encoded(t *testing.T, change func(*orders.Event), kind orders.Type, order string, lines ...orders.Line) []byte {
	t.Helper()
	var e orders.Event
	if err := json.Unmarshal(event(kind, order, lines...), &e); err != nil {
		t.Fatal(err)
	}
	change(&e)
	raw, err := orders.EncodeQueued(e)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func in(currency string) func(*orders.Event) { return func(e *orders.Event) { e.Currency = currency } }

func TestPoisonIsKeptForAPersonAndChangesNothingElse(t *testing.T) {
	b := open(t)
	b.enrol(buyer("b-1"))
	for i, poison := range []string{
		"", "null", "[]", `"x"`, "{", `{"type":"order.paid"}`, `{"type":"order.eaten"}`, `{"Records":[]}`, `{"type":"input.refused"}`, `{"type":"refused.retry","id":"x"}`,
		`{"phone":"13800000000"}`, strings.Repeat("x", 100<<10),
	} {
		b.Clock = func() time.Time { return day0.Add(time.Hour + time.Duration(i)*time.Second) }
		got := b.refusedAlone([]byte(poison), refused.Unreadable)
		input, err := b.Store.RefusedInput(t.Context(), got.ID, b.Clock())
		if err != nil || got.Source != "orders" || got.Form != refused.Message || len(input.Content) > refused.MaxContent || strings.Contains(input.Content, "13800000000") {
			t.Errorf("%.40q: kept %+v, %v", poison, input, err)
		}
	}
}

func TestAMessageThatMaySucceedLaterIsNotKept(t *testing.T) {
	b := open(t)
	b.Store.Table = busy{b.Store.Table}
	if failed := b.deliver(event(orders.TypePaid, "1001", milk(10_000)), []byte("{")); failed != 2 {
		t.Errorf("%d messages failed, want both", failed)
	}
}

// busy is a table that takes no write.
type busy struct{ table.Table }

func (busy) Write(context.Context, ...table.Action) error {
	return loyalty.Refuse(loyalty.KindUnavailable, "throttled", "later")
}

func TestAForeignOrderIsKeptAndAppliedOnceTheProgramAllowsIt(t *testing.T) {
	b := open(t)
	var log bytes.Buffer
	b.Log = slog.New(slog.NewJSONHandler(&log, nil))
	member := b.enrol(buyer("b-1"))
	paid := encoded(t, in("USD"), orders.TypePaid, "1001", milk(10_000))
	got := b.refusedAlone(paid, refused.Currency)
	if got.Source != "tmall" || got.Order.Order != "1001" || got.Form != refused.Order || cmp.Diff([]loyalty.Field{{Pointer: "/currency", Code: "foreign"}}, got.Faults) != "" {
		t.Errorf("kept %+v", got)
	}
	if !strings.Contains(log.String(), `"msg":"input refused","reason":"currency"`) {
		t.Errorf("not counted: %s", &log)
	}
	b.retry(got.ID)
	if got := b.kept(store.RefusedWaiting); len(got) != 1 || got[0].Count != 2 {
		t.Errorf("after a retry in vain: %+v", got)
	}
	b.change("USD", day0.Add(2*time.Hour))
	b.Clock = func() time.Time { return day0.Add(3 * time.Hour) }
	b.retry(got.ID)
	b.retry(got.ID)
	if balance := b.account(member).Balance; balance != (points.Balance{Pending: 100}) {
		t.Errorf("balance %+v", balance)
	}
	applied := b.kept(store.RefusedApplied)
	if len(b.kept(store.RefusedWaiting)) != 0 || len(applied) != 1 || applied[0].ID != got.ID {
		t.Errorf("applied %+v", applied)
	}
	// A refund of it, without a currency and in its own.
	for i, currency := range []string{"", "USD"} {
		refund := encoded(t, func(e *orders.Event) { e.Currency, e.RefundID = currency, fmt.Sprint("r-", i) }, orders.TypeRefunded, "1001", orders.Line{LineID: "1", Refunded: 1_000})
		if failed := b.deliver(refund); failed != 0 {
			t.Errorf("the refund in %q failed", currency)
		}
	}
	if balance := b.account(member).Balance; balance != (points.Balance{Pending: 80}) {
		t.Errorf("after two refunds %+v", balance)
	}
}

func TestARefundIsInTheCurrencyOfItsOrderWhateverTheProgramSaysSince(t *testing.T) {
	for _, test := range []struct {
		currency string
		applied  bool
	}{{"", true}, {"CNY", true}, {"USD", false}, {"JPY", false}} {
		b := open(t)
		member := b.enrol(buyer("b-1"))
		if failed := b.deliver(event(orders.TypePaid, "1001", milk(10_000))); failed != 0 {
			t.Fatal("the order failed")
		}
		b.change("USD", day0.Add(2*time.Hour))
		b.Clock = func() time.Time { return day0.Add(48 * time.Hour) }
		refund := encoded(t, func(e *orders.Event) { e.Currency, e.OccurredAt = test.currency, day0.Add(24*time.Hour) }, orders.TypeRefunded, "1001", orders.Line{LineID: "1", Refunded: 5_000})
		want := points.Balance{Pending: 100}
		if test.applied {
			want.Pending = 50
			if failed := b.deliver(refund); failed != 0 || len(b.kept(store.RefusedWaiting)) != 0 {
				t.Errorf("a refund in %q: %d failed, kept %+v", test.currency, failed, b.kept(store.RefusedWaiting))
			}
		} else {
			b.refusedAlone(refund, refused.Currency)
		}
		if balance := b.account(member).Balance; balance != want {
			t.Errorf("a refund in %q leaves %+v, want %+v", test.currency, balance, want)
		}
		// Settlement and completion are not asked for a currency.
		if failed := b.deliver(encoded(t, func(e *orders.Event) { e.Currency, e.OccurredAt = "", day0.Add(25*time.Hour) }, orders.TypeCompleted, "1001")); failed != 0 || !b.account(member).SettleAt.Equal(day0.AddDate(0, 0, 8).Add(time.Hour)) {
			t.Errorf("completed: settles at %s", b.account(member).SettleAt)
		}
	}
}

// A refund of before the change that comes first, then its order.
func TestAnOldRefundThatComesBeforeItsOldOrder(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	b.change("CNY", day0.Add(-time.Hour))
	b.change("USD", day0.Add(2*time.Hour))
	b.Clock = func() time.Time { return day0.Add(48 * time.Hour) }
	refund := encoded(t, func(e *orders.Event) { e.OccurredAt = day0.Add(24 * time.Hour) }, orders.TypeRefunded, "1001", orders.Line{LineID: "1", Refunded: 5_000})
	if failed := b.deliver(refund, event(orders.TypePaid, "1001", milk(10_000))); failed != 0 {
		t.Fatalf("%d failed", failed)
	}
	if balance := b.account(member).Balance; balance != (points.Balance{Pending: 50}) || len(b.kept(store.RefusedWaiting)) != 0 {
		t.Errorf("balance %+v, kept %+v", balance, b.kept(store.RefusedWaiting))
	}
}

// Two lines, 100 and 50 with 10 of shipping, refunded in one sum.
func TestARefundOfSeveralLinesInOneSumIsTakenWhereItIsAllOfThem(t *testing.T) {
	of := func(e *orders.Event) { e.Channel, e.Buyer, e.Shipping = "youzan", orders.Buyer{ID: "y-1"}, 1_000 }
	lines := []orders.Line{{LineID: "17", Quantity: 1, Paid: 10_000}, {LineID: "18", Quantity: 1, Paid: 5_000}, {LineID: "19", Quantity: 1, Gift: true}}
	for name, test := range map[string]struct {
		sum    loyalty.Fen
		lines  []string
		points loyalty.Points // that are left; 150 for a refund that is kept
	}{
		"all of two":                  {15_000, []string{"17", "18"}, 0},
		"all of two and the shipping": {16_000, []string{"17", "18"}, 0},
		"and a part of the shipping":  {15_500, []string{"17", "18"}, 0},
		"a line and a gift":           {10_000, []string{"17", "19"}, 50},
		"no line is named":            {16_000, nil, 0},
		"a fen less":                  {14_999, []string{"17", "18"}, 150},
		"a fen more":                  {16_001, []string{"17", "18"}, 150},
		"one of them is unknown":      {15_000, []string{"17", "20"}, 150},
	} {
		for _, order := range []string{"paid first", "refund first", "both at once"} {
			t.Run(name+", "+order, func(t *testing.T) {
				b := open(t)
				member := b.enrol(loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "youzan", Value: "y-1"})
				paid := encoded(t, of, orders.TypePaid, "E1", lines...)
				var named []orders.Line
				for _, id := range test.lines {
					named = append(named, orders.Line{LineID: id})
				}
				refund := encoded(t, func(e *orders.Event) { of(e); e.Shipping, e.RefundSum = 0, &test.sum }, orders.TypeRefunded, "E1", named...)
				switch order {
				case "paid first":
					b.deliver(paid, refund, refund, paid)
				case "refund first":
					b.deliver(refund, refund, paid)
				case "both at once":
					var wait sync.WaitGroup
					for _, body := range [][]byte{paid, refund} {
						wait.Go(func() {
							if failed := b.deliver(body); failed != 0 {
								t.Errorf("%d failed", failed)
							}
						})
					}
					wait.Wait()
				}
				if balance := b.account(member).Balance; balance != (points.Balance{Pending: test.points}) {
					t.Errorf("balance %+v, want %d", balance, test.points)
				}
				waiting := b.kept(store.RefusedWaiting)
				if wants := test.points == 150; (len(waiting) == 1 && waiting[0].Reason == refused.AmbiguousRefund) != wants || len(waiting) > 1 {
					t.Errorf("waiting %+v", waiting)
				}
			})
		}
	}
}

func TestAKeptPushIsAppliedAgainAsItsPlatformMeansIt(t *testing.T) {
	b := open(t)
	member := b.enrol(loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "youzan", Value: "y-1"})
	content := `{"type":"trade_TradePaid","shop":"1","version":1,"msg":{"full_order_info":{"order_info":{"tid":"E1","pay_time":"2026-11-01 10:00:00"},"buyer_info":{"yz_open_id":"y-1"},"orders":[{"oid":"1","num":1,"payment":"100.00"}]}}}`
	good := refused.Input{Source: "youzan", Reason: refused.Unreadable, Form: refused.Youzan, Content: content}
	bad := good
	bad.Content = strings.Replace(content, "100.00", "x", 1)
	cut := good
	cut.Content, cut.Cut = content+" ", true
	if failed := b.deliver(good.Encode(), bad.Encode(), cut.Encode()); failed != 0 {
		t.Fatalf("%d failed", failed)
	}
	for _, input := range []refused.Input{good, bad, cut} {
		b.retry(input.ID())
	}
	if balance := b.account(member).Balance; balance != (points.Balance{Pending: 100}) {
		t.Errorf("balance %+v", balance)
	}
	for input, want := range map[*refused.Input]store.RefusedState{&good: store.RefusedApplied, &bad: store.RefusedWaiting, &cut: store.RefusedWaiting} {
		if got, err := b.Store.RefusedInput(t.Context(), input.ID(), b.Clock()); err != nil || got.State != want {
			t.Errorf("%+v, %v; want %s", got, err, want)
		}
	}
}

// Retries, dismissal and the event itself at one moment: it is applied once, and
// what was dismissed first stays so.
func TestRetriesAndADismissalAtOneMoment(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	got := b.refusedAlone(encoded(t, in("USD"), orders.TypePaid, "1001", milk(10_000)), refused.Currency)
	b.change("USD", day0)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() { b.deliver(refused.Retry(got.ID)) }) // may fail, and comes again then
	}
	wait.Go(func() {
		err := b.Store.Table.Write(t.Context(), store.EndRefused(got.ID, store.RefusedDismissed, store.Ending{Reason: "double"}))
		if err != nil && !store.Refused(err) {
			t.Error(err)
		}
	})
	wait.Wait()
	balance := b.account(member).Balance
	if want := (points.Balance{Pending: loyalty.Points(100 * len(b.kept(store.RefusedApplied)))}); balance != want {
		t.Errorf("balance %+v, applied %+v", balance, b.kept(store.RefusedApplied))
	}
	dismissed := b.kept(store.RefusedDismissed)
	b.retry(got.ID)
	if after := b.kept(store.RefusedDismissed); len(after) != len(dismissed) {
		t.Error("what was dismissed is applied")
	}
}

// meanwhile is a table on which somebody does something once, right after the
// first read of a key.
type meanwhile struct {
	table.Table
	read table.Key
	do   func()
}

func (m *meanwhile) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	items, err := m.Table.Get(ctx, consistency, keys...)
	if do := m.do; do != nil && keys[0] == m.read {
		m.do = nil
		do()
	}
	return items, err
}

func TestWhatIsDismissedWhileItIsAppliedAgainIsNotApplied(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	got := b.refusedAlone(encoded(t, in("USD"), orders.TypePaid, "1001", milk(10_000)), refused.Currency)
	b.change("USD", day0)
	engine := b.Store.Table
	b.Store.Table = &meanwhile{engine, table.RefusedKey(got.ID), func() {
		if err := engine.Write(t.Context(), store.EndRefused(got.ID, store.RefusedDismissed, store.Ending{Reason: "double"})); err != nil {
			t.Error(err)
		}
	}}
	b.deliver(refused.Retry(got.ID)) // fails, so that it comes again
	b.retry(got.ID)
	if balance := b.account(member).Balance; balance != (points.Balance{}) {
		t.Errorf("it was dismissed, and applied: %+v", balance)
	}
	if dismissed := b.kept(store.RefusedDismissed); len(dismissed) != 1 {
		t.Errorf("dismissed: %+v", dismissed)
	}
}
