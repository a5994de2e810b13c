package convertorders_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/crash"
)

// told is an event that differs from the plain one.
func told(kind orders.Type, order string, change func(*orders.Event), lines ...orders.Line) []byte {
	var e orders.Event
	if err := json.Unmarshal(event(kind, order, lines...), &e); err != nil {
		panic(err)
	}
	change(&e)
	raw, err := orders.EncodeQueued(e)
	if err != nil {
		panic(err)
	}
	return raw
}

func (b brand) must(bodies ...[]byte) {
	b.t.Helper()
	if failed := b.deliver(bodies...); failed != 0 {
		b.t.Fatalf("%d messages failed", failed)
	}
}

func (b brand) order(id string) (*points.Order, []points.Fact) {
	b.t.Helper()
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: id}
	log, err := b.Store.Log(b.t.Context(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	return points.Replay(key, log), log
}

func (b brand) waiting() []store.RefusedInput {
	b.t.Helper()
	inputs := b.kept(store.RefusedWaiting)
	for i := range inputs {
		var err error
		if inputs[i], err = b.Store.RefusedInput(b.t.Context(), inputs[i].ID, b.Clock()); err != nil {
			b.t.Fatal(err)
		}
	}
	return inputs
}

// ¥398.50 were paid and ¥400 given back, postage in it.
func TestARefundBeyondThePaidAmountTakesThePointsToZero(t *testing.T) {
	paid := event(orders.TypePaid, "1001", milk(39_850), orders.Line{LineID: "2", Quantity: 1, Paid: 5_000})
	refund := event(orders.TypeRefunded, "1001", orders.Line{LineID: "1", Refunded: 40_000}, orders.Line{LineID: "2", Refunded: 5_001})
	for name, news := range map[string][][]byte{"payment first": {paid, refund}, "refund first": {refund, paid}, "each twice": {refund, paid, paid, refund}} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			member := b.enrol(buyer("b-1"))
			b.must(news...)
			if got := b.account(member); got.Balance != (points.Balance{}) || got.Orders != 0 || got.Refunded != 44_850 {
				t.Errorf("%+v, %d orders, %d fen refunded", got.Balance, got.Orders, got.Refunded)
			}
			shown, _, err := statement.Orders(t.Context(), b.Store, b.account(member), 10, "")
			if err != nil || len(shown) != 1 || shown[0].Lines[0].Excess != 150 || shown[0].Lines[1].Excess != 1 || shown[0].Lines[0].Refunded != 39_850 {
				t.Errorf("shown %+v, err %v", shown, err)
			}
			if kept := b.waiting(); len(kept) != 0 {
				t.Errorf("kept for a person: %+v", kept)
			}
		})
	}
}

// A payment that tells a line otherwise changes nothing; it stands in the order's
// log and before a person, once.
func TestAPaymentThatContradictsIsKeptForAPerson(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	b.must(event(orders.TypePaid, "1001", milk(39_800)))
	before := b.account(member)
	dearer := event(orders.TypePaid, "1001", milk(50_000))
	b.must(dearer, dearer)
	after := b.account(member)
	if before.Balance != after.Balance || before.Paid != after.Paid || before.Orders != after.Orders {
		t.Errorf("%+v, before %+v", after, before)
	}
	order, log := b.order("1001")
	if len(log) != 2 || len(order.Conflicts) != 1 || order.Conflicts[0].Line.Paid != 50_000 {
		t.Errorf("%d facts, conflicts %+v", len(log), order.Conflicts)
	}
	kept := b.waiting()
	if len(kept) != 1 || kept[0].Reason != refused.Conflict || kept[0].Order.Order != "1001" || kept[0].Count != 1 || !strings.Contains(kept[0].Content, `"paid":50000`) {
		t.Errorf("kept %+v", kept)
	}
	// The same words about another order are another matter.
	b.must(event(orders.TypePaid, "1002", milk(39_800)), event(orders.TypePaid, "1002", milk(50_000)))
	if kept := b.waiting(); len(kept) != 2 {
		t.Errorf("kept %+v", kept)
	}
}

func TestARefundOfALineThatAPaidOrderLacksIsKeptForAPerson(t *testing.T) {
	refund := event(orders.TypeRefunded, "1001", orders.Line{LineID: "9", Refunded: 100})
	for name, news := range map[string][][]byte{
		"after the payment":  {event(orders.TypePaid, "1001", milk(39_800)), refund, refund},
		"before the payment": {refund, event(orders.TypePaid, "1001", milk(39_800))},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			member := b.enrol(buyer("b-1"))
			b.must(news[0])
			if name == "before the payment" && len(b.waiting()) != 0 {
				t.Error("the order may still be told with that line")
			}
			b.must(news[1:]...)
			if kept := b.waiting(); len(kept) != 1 || kept[0].Reason != refused.UnknownLine || !strings.Contains(kept[0].Content, `"line":"9"`) {
				t.Errorf("kept %+v", kept)
			}
			// Nothing is lost: the line comes after all, and the refund counts.
			b.must(event(orders.TypePaid, "1001", orders.Line{LineID: "9", Quantity: 1, Paid: 1_000}))
			if got := b.account(member).Balance; got != (points.Balance{Pending: 398 + 9}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func varied(lines int, change func(*orders.Line)) []orders.Line {
	all := make([]orders.Line, lines)
	for i := range all {
		all[i] = orders.Line{LineID: fmt.Sprint(i), Category: fmt.Sprint("category ", i), Quantity: 2, Paid: 1_000}
		if change != nil {
			change(&all[i])
		}
	}
	return all
}

// Fifty lines of fifty categories, the most that one event may have, and more of
// them in one order, are credited, claimed and taken back, also when the process
// dies at any call on the way.
func TestAnOrderOfManyCategoriesIsCreditedAndTakenBack(t *testing.T) {
	paid := event(orders.TypePaid, "1001", varied(50, nil)...)
	more := event(orders.TypePaid, "1001", varied(30, func(l *orders.Line) { l.LineID, l.Category = "more "+l.LineID, "more "+l.Category })...)
	refund := event(orders.TypeRefunded, "1001", varied(50, func(l *orders.Line) { l.Refunded, l.Paid, l.Category, l.Quantity = 1_000, 0, "", 0 })...)
	cancelled := event(orders.TypeCancelled, "1001")
	joined := enrolment.JoinedMessage(buyer("b-1"))
	for name, test := range map[string]struct {
		late    bool // the buyer joins after the events
		news    [][]byte
		pending loyalty.Points
		kept    int // categories
	}{
		"paid":                      {false, [][]byte{paid}, 500, 50},
		"paid in two events":        {false, [][]byte{paid, more}, 800, 80},
		"claimed by its number":     {true, [][]byte{paid, more}, 800, 80},
		"claimed by who joins":      {true, [][]byte{paid, more}, 800, 80},
		"refunded whole":            {false, [][]byte{paid, more, refund}, 300, 30},
		"refunded before":           {false, [][]byte{refund, paid, more}, 300, 30},
		"refunded, then claimed":    {true, [][]byte{paid, more, refund}, 300, 30},
		"cancelled":                 {false, [][]byte{paid, more, cancelled}, 0, 0},
		"cancelled before":          {false, [][]byte{cancelled, paid, more}, 0, 0},
		"cancelled, then claimed":   {true, [][]byte{paid, cancelled}, 0, 0},
		"paid again as it was":      {false, [][]byte{paid, paid, more, paid}, 800, 80},
		"told otherwise fifty ways": {false, [][]byte{paid, event(orders.TypePaid, "1001", varied(50, func(l *orders.Line) { l.Paid = 7 })...)}, 500, 50},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			for at := 0; at == 0 || at <= calls; at += 1 + calls/12 {
				b := open(t)
				point := &crash.Point{At: at, After: at%2 == 0}
				whole := b.Store
				b.Function.Store = store.Store{Table: point.Table(whole.Table)}
				var member loyalty.MemberID
				calm := brand{t, convertorders.Function{Store: whole, Clock: b.Clock, Log: b.Log}}
				if !test.late {
					member = calm.enrol(buyer("b-1"))
				}
				news := test.news
				if test.late {
					news = append(slices.Clone(news), joined)
				}
				for i, body := range news {
					switch last := test.late && i == len(news)-1; {
					case last && name == "claimed by its number":
						member = calm.enrol(buyer("another name"))
						key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}
						taken, err := claim.Take(t.Context(), whole, member, key, points.Proof{Buyer: points.ProveBuyer(key, "b-1")}, "c", b.Clock())
						if err != nil {
							t.Fatal(err)
						}
						body = claim.Message(taken)
					case last:
						member = calm.enrol(buyer("b-1"))
					}
					for try := 0; try == 0 || point.Revive(); try++ {
						answer, err := b.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(body)}}})
						if !point.Dead && (err != nil || len(answer.BatchItemFailures) > 0) {
							t.Fatalf("crash at %d: message %d: %v, %d failed", at, i, err, len(answer.BatchItemFailures))
						}
					}
				}
				calls = max(calls, point.Calls)
				account, kept := calm.account(member), 0
				for category, bought := range account.Bought {
					if bought.Count > 1 || bought.Quantity != 2*bought.Count {
						t.Fatalf("crash at %d: %s: %+v", at, category, bought)
					}
					kept += int(bought.Count)
				}
				if account.Balance != (points.Balance{Pending: test.pending}) || kept != test.kept {
					t.Fatalf("crash at %d: %+v, %d categories kept; want %d and %d", at, account.Balance, kept, test.pending, test.kept)
				}
				if want := loyalty.Fen(test.pending * 100); account.Paid-account.Refunded != want || account.Orders != min(1, int64(want)) {
					t.Fatalf("crash at %d: %d orders, %d fen paid and %d refunded", at, account.Orders, account.Paid, account.Refunded)
				}
				shown, _, err := statement.Orders(t.Context(), calm.Store, account, 100, "")
				if err != nil || len(shown) != 1 {
					t.Fatalf("crash at %d: the order is listed %d times, %v", at, len(shown), err)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// Everything that is done to the order of a part is done to the whole in the
// same writes.
func TestAnOrderOfManyCategoriesOfAMergedMember(t *testing.T) {
	b := open(t)
	whole, part := b.enrol(buyer("whole")), b.enrol(buyer("b-1"))
	hand := store.Hand{Operator: "wang", At: day0}
	if _, err := ledger.Merge(t.Context(), b.Store, store.Merge{ID: "1", Into: whole, Part: part, By: hand, Reason: "one"}); err != nil {
		t.Fatal(err)
	}
	b.must(event(orders.TypePaid, "1001", varied(50, nil)...))
	if theirs, all := b.account(part), b.account(whole); theirs.Balance.Pending != 500 || all.Balance.Pending != 500 || len(all.Bought) != 50 || all.Orders != 1 {
		t.Errorf("the part has %+v, the whole %+v, %d categories and %d orders", theirs.Balance, all.Balance, len(all.Bought), all.Orders)
	}
	b.must(event(orders.TypeCancelled, "1001"))
	if theirs, all := b.account(part), b.account(whole); theirs.Balance.Pending != 0 || all.Balance.Pending != 0 || all.Orders != 0 || all.Bought["category 49"].Count != 0 {
		t.Errorf("cancelled: the part has %+v, the whole %+v and %d orders", theirs.Balance, all.Balance, all.Orders)
	}
}

func TestAnOrderInTwoPaidEventsIsListedOnce(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	b.must(event(orders.TypePaid, "1001", milk(39_800)), event(orders.TypePaid, "1001", orders.Line{LineID: "2", Quantity: 1, Paid: 1_000}), event(orders.TypePaid, "1002", milk(5_000)))
	var listed []string
	for cursor, more := "", true; more; more = cursor != "" {
		shown, next, err := statement.Orders(t.Context(), b.Store, b.account(member), 1, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, order := range shown {
			listed = append(listed, fmt.Sprint(order.OrderID, " ", len(order.Lines)))
		}
		cursor = next
	}
	slices.Sort(listed)
	if !slices.Equal(listed, []string{"1001 2", "1002 1"}) {
		t.Errorf("listed: %v", listed)
	}
}

// Five orders of ¥300, of which four are cancelled or refunded whole.
func TestAveragesAndCountsLeaveOutWhatCameBackWhole(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	for i := range 5 {
		b.must(event(orders.TypePaid, fmt.Sprint(i), orders.Line{LineID: "1", Quantity: 1, Paid: 30_000}))
	}
	b.must(event(orders.TypeCancelled, "0"), event(orders.TypeCancelled, "1"), event(orders.TypeCancelled, "1"), event(orders.TypeCancelled, "2"),
		event(orders.TypeRefunded, "3", orders.Line{LineID: "1", Refunded: 31_000}))
	got := store.AudienceMember(b.account(member), day0.AddDate(0, 0, 3), time.UTC)
	if got.AverageOrder != 30_000 || got.Orders != 1 {
		t.Errorf("average %d over %d orders, want 30000 over 1", got.AverageOrder, got.Orders)
	}
	// Half of the last goes back: it counts with what is left.
	b.must(event(orders.TypeRefunded, "4", orders.Line{LineID: "1", Refunded: 15_000}))
	if got := store.AudienceMember(b.account(member), day0, time.UTC); got.AverageOrder != 15_000 || got.Orders != 1 {
		t.Errorf("average %d over %d orders, want 15000 over 1", got.AverageOrder, got.Orders)
	}
}

// A purchase of goods without a category is a purchase.
func TestAnOrderWithoutACategoryCountsForTheDaysSinceTheLast(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	on := func(order string, day int, category string) {
		b.Clock = func() time.Time { return day0.AddDate(0, 0, 30) }
		b.must(told(orders.TypePaid, order, func(e *orders.Event) { e.OccurredAt = day0.AddDate(0, 0, day) }, orders.Line{LineID: "1", Category: category, Quantity: 1, Paid: 1_000}))
	}
	since := func() int {
		return int(store.AudienceMember(b.account(member), day0.AddDate(0, 0, 20), day0.Location()).DaysSinceLast)
	}
	on("1", 3, "")
	if got := since(); got != 17 {
		t.Errorf("%d days, want 17", got)
	}
	on("2", 1, "") // told later, bought earlier
	if got := since(); got != 17 {
		t.Errorf("%d days, want 17", got)
	}
	on("3", 8, "")
	on("4", 5, "milk-powder")
	if got := since(); got != 12 {
		t.Errorf("%d days, want 12", got)
	}
	other := b.enrol(buyer("b-2"))
	hand := store.Hand{Operator: "wang", At: day0}
	if _, err := ledger.Merge(t.Context(), b.Store, store.Merge{ID: "1", Into: other, Part: member, By: hand, Reason: "one"}); err != nil {
		t.Fatal(err)
	}
	if got := b.account(other).LastOther; !got.Equal(day0.AddDate(0, 0, 8)) {
		t.Errorf("the whole last bought at %s", got)
	}
	if _, err := ledger.Unmerge(t.Context(), b.Store, other, member, "2", "two", hand); err != nil {
		t.Fatal(err)
	}
	if got := b.account(other).LastOther; !got.IsZero() {
		t.Errorf("alone again it last bought at %s", got)
	}
}

func TestUnitsGivenBackLeaveThePurchaseHistory(t *testing.T) {
	b := open(t)
	member := b.enrol(buyer("b-1"))
	b.must(event(orders.TypePaid, "1001", orders.Line{LineID: "1", Category: "milk-powder", Quantity: 3, Paid: 30_000}))
	refund := event(orders.TypeRefunded, "1001", orders.Line{LineID: "1", Refunded: 20_000, Quantity: 2})
	b.must(refund, refund)
	if got := b.account(member); got.Bought["milk-powder"].Quantity != 1 || got.Bought["milk-powder"].Count != 1 || got.Balance.Pending != 100 {
		t.Errorf("%+v, %+v", got.Bought["milk-powder"], got.Balance)
	}
}

func TestDiscountCodesStandInTheOrdersLog(t *testing.T) {
	b := open(t)
	b.enrol(buyer("b-1"))
	with := func(codes ...string) []byte {
		return told(orders.TypePaid, "1001", func(e *orders.Event) { e.DiscountCodes = codes }, milk(39_800))
	}
	b.must(with("VIP", "NEW"), with("VIP", "NEW"))
	if order, log := b.order("1001"); !slices.Equal(order.Codes, []string{"VIP", "NEW"}) || len(log) != 1 {
		t.Errorf("codes %v after %d facts", order.Codes, len(log))
	}
	b.must(with("VIP", "LATE"))
	if order, _ := b.order("1001"); !slices.Equal(order.Codes, []string{"VIP", "NEW", "LATE"}) {
		t.Errorf("codes %v", order.Codes)
	}
}

// A buyer who becomes a member while an operator has given their order to
// another gets it when the operator takes it back, by whatever event or claim
// they were named.
func TestTheBuyerGetsAnOrderThatAnOperatorTakesBack(t *testing.T) {
	paid := event(orders.TypePaid, "1001", milk(10_000))
	nameless := told(orders.TypePaid, "1001", func(e *orders.Event) { e.Buyer = orders.Buyer{} }, milk(10_000))
	completed := event(orders.TypeCompleted, "1001")
	joined := enrolment.JoinedMessage(buyer("b-1"))
	for name, test := range map[string]struct {
		before, bound [][]byte // told before and while W has it
		enrols        string   // when b does: "first", "bound", "last"
	}{
		"joins while it is bound":           {[][]byte{paid}, [][]byte{joined}, "bound"},
		"joins twice":                       {[][]byte{paid}, [][]byte{joined, joined}, "bound"},
		"joins afterwards":                  {[][]byte{paid}, nil, "last"},
		"is named while it is bound":        {[][]byte{nameless}, [][]byte{completed}, "first"},
		"is named, and joins later":         {[][]byte{nameless}, [][]byte{completed, joined}, "bound"},
		"is named, and joins at the end":    {[][]byte{nameless}, [][]byte{completed}, "last"},
		"is named by a repeat of a payment": {[][]byte{nameless}, [][]byte{paid, paid}, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			w := b.enrol(buyer("w"))
			var member loyalty.MemberID
			if test.enrols == "first" {
				member = b.enrol(buyer("b-1"))
			}
			b.must(test.before...)
			versions, err := b.Store.Programs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}
			post := func(kind points.FactKind, member loyalty.MemberID) {
				t.Helper()
				fact := points.Fact{Kind: kind, At: b.Clock(), Member: member, Operator: "wang", Reason: "by hand"}
				if _, err := ledger.Post(t.Context(), b.Store, versions, ledger.News{Order: key, Fact: fact}, b.Clock()); err != nil {
					t.Fatal(err)
				}
			}
			post(points.FactBound, w)
			if got := b.account(w).Balance.Pending; got != 100 {
				t.Fatalf("W has %d points", got)
			}
			for i, body := range test.bound {
				if test.enrols == "bound" && i == len(test.bound)-1 || test.enrols == "bound" && slices.Equal(body, joined) && member == "" {
					member = b.enrol(buyer("b-1"))
				}
				b.must(body)
			}
			post(points.FactUnbound, w)
			post(points.FactClaimed, "") // as the operator's call does
			if test.enrols == "last" {
				member = b.enrol(buyer("b-1"))
				b.must(joined)
			}
			if got := b.account(member).Balance; got != (points.Balance{Pending: 100}) {
				_, log := b.order("1001")
				t.Errorf("the buyer has %+v; log %+v", got, log)
			}
			if got := b.account(w).Balance; got != (points.Balance{}) {
				t.Errorf("W keeps %+v", got)
			}
		})
	}
}

// The earliest completion brings the settlement forward, whichever came first.
func TestTheEarlierOfTwoCompletionsSettles(t *testing.T) {
	on := func(day int) []byte {
		return told(orders.TypeCompleted, "1001", func(e *orders.Event) { e.OccurredAt = day0.AddDate(0, 0, day) })
	}
	for name, news := range map[string][][]byte{"in order": {on(2), on(5)}, "the later one first": {on(5), on(2)}, "each twice": {on(5), on(5), on(2), on(5), on(2)}} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			member := b.enrol(buyer("b-1"))
			b.Clock = func() time.Time { return day0.AddDate(0, 0, 6) }
			b.must(event(orders.TypePaid, "1001", milk(10_000)))
			b.must(news...)
			want := day0.AddDate(0, 0, 2+program.Default().Points.WindowOf("tmall").AfterCompletionDays)
			if order, _ := b.order("1001"); !order.SettleAt().Equal(want) || !b.account(member).SettleAt.Equal(want) {
				t.Errorf("settles at %s, the schedule looks at %s; want %s", order.SettleAt(), b.account(member).SettleAt, want)
			}
		})
	}
}

// However many parts it takes to take an order back, it is listed as nobody's when
// that is done, and no longer once somebody has it.
func TestALargeOrderThatIsTakenBackIsListedAsNobodys(t *testing.T) {
	b := open(t)
	w := b.enrol(buyer("w"))
	b.must(event(orders.TypePaid, "1001", varied(35, nil)...))
	listed := func() int {
		t.Helper()
		all, _, err := b.Store.OrdersOfNobody(t.Context(), day0.AddDate(0, 0, -1), 10, "")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	post := func(kind points.FactKind) {
		t.Helper()
		fact := points.Fact{Kind: kind, At: b.Clock(), Member: w, Operator: "wang", Reason: "by hand"}
		key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}
		if _, err := ledger.Post(t.Context(), b.Store, nil, ledger.News{Order: key, Fact: fact}, b.Clock()); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(); got != 1 {
		t.Errorf("told: listed %d times", got)
	}
	post(points.FactBound)
	if got := listed(); got != 0 {
		t.Errorf("bound: listed %d times", got)
	}
	post(points.FactUnbound)
	if got := listed(); got != 1 || b.account(w).Balance != (points.Balance{}) {
		t.Errorf("taken back: listed %d times, and W has %+v", got, b.account(w).Balance)
	}
}
