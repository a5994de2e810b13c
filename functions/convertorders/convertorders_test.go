package convertorders_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var day0 = time.Date(2026, 11, 1, 10, 0, 0, 0, time.FixedZone("CST", 8*3600))

type brand struct {
	t *testing.T
	convertorders.Function
}

func open(t *testing.T) brand {
	engine := embedded.Memory()
	t.Cleanup(func() { engine.Close() })
	return brand{t, convertorders.Function{
		Store: store.Store{Table: engine},
		Clock: func() time.Time { return day0.Add(time.Hour) },
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	}}
}

func buyer(id string) loyalty.Identity {
	return loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: id}
}

func (b brand) enrol(identities ...loyalty.Identity) loyalty.MemberID {
	b.t.Helper()
	request := enrolment.Request{}
	for _, identity := range identities {
		request.Identities = append(request.Identities, enrolment.Identity{Identity: identity})
	}
	member, _, err := enrolment.Enrol(b.t.Context(), b.Store, request, rand.Reader, day0)
	if err != nil {
		b.t.Fatal(err)
	}
	return member
}

// deliver hands messages over as SQS does and returns how many failed.
func (b brand) deliver(bodies ...[]byte) int {
	b.t.Helper()
	event := events.SQSEvent{}
	for i, body := range bodies {
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprint("id-", i), Body: string(body)})
	}
	answer, err := b.Handle(b.t.Context(), event)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(answer.BatchItemFailures)
}

func (b brand) account(member loyalty.MemberID) store.Account {
	b.t.Helper()
	account, err := b.Store.Account(b.t.Context(), member)
	if err != nil {
		b.t.Fatal(err)
	}
	return account
}

func event(kind orders.Type, order string, lines ...orders.Line) []byte {
	e := orders.Event{
		Type: kind, Channel: "tmall", Shop: "flagship", OrderID: order, OccurredAt: day0,
		Currency: "CNY", Buyer: orders.Buyer{ID: "b-1"}, Lines: lines,
	}
	if kind == orders.TypeRefunded {
		e.RefundID = "r-1"
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return raw
}

func milk(paid loyalty.Fen) orders.Line {
	return orders.Line{LineID: "1", SKU: "MILK-400", Category: "milk-powder", Quantity: 2, Paid: paid}
}

func TestAPaidOrderIsCreditedOnceHoweverOftenItComes(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	paid := event(orders.TypePaid, "1001", milk(39_850))
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			if failed := b.deliver(paid, paid); failed != 0 {
				t.Errorf("%d messages failed", failed)
			}
		})
	}
	wait.Wait()
	account := b.account(member)
	if want := (points.Balance{Pending: 398}); account.Balance != want {
		t.Errorf("balance = %+v, want %+v", account.Balance, want)
	}
	history, _, err := b.Store.History(t.Context(), member, 10, "")
	if err != nil || len(history) != 1 || len(history[0].Entries) != 1 {
		t.Fatalf("history %+v, err %v; want one entry", history, err)
	}
	if got := history[0].Entries[0].ID; got != "earn:tmall:flagship:1001:1" {
		t.Errorf("entry id %s", got)
	}
	want := store.Bought{Count: 1, Quantity: 2, First: day0.UTC(), Last: day0.UTC(), LastOrder: history[0].Order}
	if diff := cmp.Diff(want, account.Bought["milk-powder"]); diff != "" {
		t.Error(diff)
	}
	if want := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC); !account.RemindAt.Equal(want) {
		t.Errorf("reminder at %s, want day 21 at 09:00 Shanghai", account.RemindAt)
	}
	if want := day0.AddDate(0, 0, 30); !account.SettleAt.Equal(want) {
		t.Errorf("settles at %s, want %s", account.SettleAt, want)
	}
}

func TestRefundBeforeOrderThenOrderThenRefundAgain(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	refund := event(orders.TypeRefunded, "1001", orders.Line{LineID: "1", Refunded: 10_000})
	if failed := b.deliver(refund, event(orders.TypePaid, "1001", milk(39_800)), refund); failed != 0 {
		t.Fatalf("%d messages failed", failed)
	}
	account := b.account(member)
	if want := (points.Balance{Pending: 298}); account.Balance != want {
		t.Errorf("balance = %+v, want %+v", account.Balance, want)
	}
	if account.Paid != 39_800 || account.Refunded != 10_000 || account.Orders != 1 {
		t.Errorf("paid %d, refunded %d, orders %d", account.Paid, account.Refunded, account.Orders)
	}
}

// ¥100 + ¥200 with ¥30 off, ¥90 of it from stored value, and a gift: ¥90 and
// ¥180 are paid, ¥60 and ¥120 of it in money.
func TestDiscountStoredValueAndGiftsOfAnOrder(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	order := orders.Event{
		Type: orders.TypePaid, Channel: "tmall", Shop: "flagship", OrderID: "1001", OccurredAt: day0, Currency: "CNY", Buyer: orders.Buyer{ID: "b-1"},
		Lines: []orders.Line{
			{LineID: "1", Quantity: 1, Paid: 10_000},
			{LineID: "2", Category: "milk-powder", Quantity: 1, Paid: 20_000},
			{LineID: "3", Quantity: 1, Gift: true},
		},
		Shipping: 600, Discount: 3_000, StoredValue: 9_000,
	}
	body, err := orders.EncodeQueued(order)
	if err != nil {
		t.Fatal(err)
	}
	if failed := b.deliver(body, body); failed != 0 {
		t.Fatalf("%d messages failed", failed)
	}
	account := b.account(member)
	if account.Balance != (points.Balance{Pending: 180}) || account.Paid != 27_000 || account.Bought["milk-powder"].Count != 1 {
		t.Errorf("the account %+v", account)
	}
	log, err := b.Store.Log(t.Context(), order.Key())
	if err != nil {
		t.Fatal(err)
	}
	want := []points.Line{
		{ID: "1", Quantity: 1, Paid: 9_000, Shipping: 200, StoredValue: 3_000, Rate: points.Rate{Points: 60, PerFen: 9_000}, Because: []points.Reason{points.ReasonStoredValue}},
		{ID: "2", Category: "milk-powder", Quantity: 1, Paid: 18_000, Shipping: 400, StoredValue: 6_000, Rate: points.Rate{Points: 120, PerFen: 18_000}, Because: []points.Reason{points.ReasonStoredValue}},
		{ID: "3", Quantity: 1, Gift: true, Rate: points.Rate{PerFen: 100}, Because: []points.Reason{points.ReasonGift}},
	}
	if diff := cmp.Diff(want, log[0].Lines); diff != "" {
		t.Error(diff)
	}
	shown, _, err := statement.Orders(t.Context(), b.Store, store.Account{Member: member}, 10, "")
	if err != nil || len(shown) != 1 || !slices.Equal(shown[0].Lines[2].Because, []points.Reason{points.ReasonGift}) {
		t.Errorf("shown: %+v, err %v", shown, err)
	}
	// A third of the second line goes back: 120 × 2/3 = 80.
	if failed := b.deliver(event(orders.TypeRefunded, "1001", orders.Line{LineID: "2", Refunded: 6_000})); failed != 0 {
		t.Fatal("the refund failed")
	}
	if got := b.account(member).Balance; got != (points.Balance{Pending: 140}) {
		t.Errorf("after the refund %+v", got)
	}
	// More than what was left of the price after the discount leaves nothing.
	if failed := b.deliver(event(orders.TypeRefunded, "1001", orders.Line{LineID: "1", Refunded: 9_001})); failed != 0 {
		t.Error("a refund beyond the price was refused")
	}
	if got := b.account(member).Balance; got != (points.Balance{Pending: 80}) {
		t.Errorf("after a refund beyond the price %+v", got)
	}
}

func TestAnOrderOfNobodyWaitsAndIsCreditedWhenItsBuyerJoins(t *testing.T) {
	b := open(t)
	for i := range 150 {
		b.deliver(event(orders.TypePaid, fmt.Sprint(i), milk(10_000)))
	}
	b.deliver(event(orders.TypeRefunded, "7", orders.Line{LineID: "1", Refunded: 10_000}))
	member := b.enrol(buyer("b-1"))
	if balance := b.account(member).Balance; balance != (points.Balance{}) {
		t.Fatalf("credited before the claim: %+v", balance)
	}
	for range 2 {
		if failed := b.deliver(enrolment.JoinedMessage(buyer("b-1"))); failed != 0 {
			t.Fatalf("%d messages failed", failed)
		}
	}
	account := b.account(member)
	if want := (points.Balance{Pending: 149 * 100}); account.Balance != want {
		t.Errorf("balance = %+v, want %+v", account.Balance, want)
	}
	if got := account.Bought["milk-powder"].Count; got != 149 {
		t.Errorf("%d purchases, want 149", got)
	}
	waiting, _, err := b.Store.Waiting(t.Context(), buyer("b-1"), "")
	if err != nil || len(waiting) != 0 {
		t.Errorf("%d orders still wait, err %v", len(waiting), err)
	}
}

// The identity may get its owner between the look at it and the write.
func TestAnOrderThatMeetsItsBuyerJoiningIsNeverLost(t *testing.T) {
	for range 50 {
		b := open(t)
		var wait sync.WaitGroup
		var member loyalty.MemberID
		wait.Go(func() {
			if failed := b.deliver(event(orders.TypePaid, "1001", milk(10_000))); failed != 0 {
				t.Error("the order failed")
			}
		})
		wait.Go(func() {
			member = b.enrol(buyer("b-1"))
			b.deliver(enrolment.JoinedMessage(buyer("b-1")))
		})
		wait.Wait()
		if balance := b.account(member).Balance; balance != (points.Balance{Pending: 100}) {
			t.Fatalf("balance = %+v, want 100 pending", balance)
		}
	}
}

func TestAnOlderPurchaseDoesNotHideANewerOne(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	b.deliver(event(orders.TypePaid, "new", milk(10_000)))
	older := orders.Event{
		Type: orders.TypePaid, Channel: "tmall", Shop: "flagship", OrderID: "old", OccurredAt: day0.AddDate(0, 0, -10),
		Currency: "CNY", Buyer: orders.Buyer{ID: "b-1"}, Lines: []orders.Line{milk(10_000)},
	}
	raw, err := json.Marshal(older)
	if err != nil {
		t.Fatal(err)
	}
	if failed := b.deliver(raw); failed != 0 {
		t.Fatal("the older order failed")
	}
	account := b.account(member)
	bought := account.Bought["milk-powder"]
	if !bought.Last.Equal(day0) || bought.LastOrder.Order != "new" || bought.Count != 2 {
		t.Errorf("bought = %+v", bought)
	}
	if want := time.Date(2026, 11, 12, 1, 0, 0, 0, time.UTC); !account.RemindAt.Equal(want) {
		t.Errorf("woken at %s, want the older purchase's day at %s: a wake-up call may be early, never late", account.RemindAt, want)
	}
}

// The cost of an order is the bill's largest line: PERFORMANCE.md's target is 6
// write units with history, attributes and due date.
func TestUnitsOfAnOrder(t *testing.T) {
	b := open(t)
	b.enrol(buyer("b-1"))
	for _, test := range []struct {
		name       string
		body       []byte
		writeUnits float64
		roundTrips int
	}{
		{"first order of a member", event(orders.TypePaid, "1001", milk(39_800)), 7, 3},
		{"every further order", event(orders.TypePaid, "1002", milk(39_800)), 5, 3},
		{"refund of a line", event(orders.TypeRefunded, "1002", orders.Line{LineID: "1", Refunded: 100}), 5, 4},
		{"completion", event(orders.TypeCompleted, "1002"), 6, 5},
		{"the same order again", event(orders.TypePaid, "1002", milk(39_800)), 0, 3},
	} {
		var usage table.Usage
		f := b.Function
		_, err := f.Handle(table.WithUsage(context.Background(), &usage), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(test.body)}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-26s %v write units, %v read units, %d round trips (1 of them for the program)", test.name, usage.WriteUnits, usage.ReadUnits, usage.RoundTrips)
		if usage.WriteUnits > test.writeUnits || usage.RoundTrips > test.roundTrips {
			t.Errorf("%s: %v write units in %d round trips, want at most %v in %d", test.name, usage.WriteUnits, usage.RoundTrips, test.writeUnits, test.roundTrips)
		}
	}
}
