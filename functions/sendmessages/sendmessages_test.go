package sendmessages_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
)

func TestOneMessageOnDay21(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.hourly(day(0, 10, 5), day(60, 23, 5))
	w.expect("m milk-powder 21 09:05")
	w.expectOutcome("m", milk, "sent")
	if at := w.account("m").RemindAt; !at.IsZero() {
		t.Errorf("the wake-up call stands at %v, want none", at)
	}
	want := notify.Message{
		ID: "remind:m:milk-powder:1793498400", Member: "m", Kind: "repurchase.reminder", Category: milk, Categories: []string{milk}, Channel: "tmall",
		Text: "【回头牧场】您上次买的奶粉快用完了，现在补上正好：https://flagship.tmall.example.com/ 拒收请回复R",
		Link: "https://flagship.tmall.example.com/", At: day(21, 9, 5).UTC(),
	}
	if diff := cmp.Diff([]notify.Message{want}, w.taken); diff != "" {
		t.Errorf("the message (-want +got):\n%s", diff)
	}
}

func TestBuyingAgainMovesTheReminder(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.hourly(day(0, 10, 5), day(15, 9, 5))
	w.buy("m", day(15, 10, 0), milk)
	w.hourly(day(15, 10, 5), day(80, 23, 5))
	w.expect("m milk-powder 36 09:05")
}

// A purchase between the schedule and the sender is the last moment at which
// the message can still be stopped.
func TestBuyingAgainWhileTheMessageIsQueued(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	w.buy("m", day(21, 9, 6), milk)
	w.deliver()
	w.expect()
	w.expectOutcome("m", milk, "bought_again")
	w.hourly(day(21, 10, 5), day(50, 23, 5))
	w.expect("m milk-powder 42 09:05")
}

func TestNoConsentNoMessage(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("never", loyalty.ConsentMembership)
	w.enrol("queued", marketing...)
	w.enrol("before", marketing...)
	for _, member := range []loyalty.MemberID{"never", "queued", "before"} {
		w.buy(member, day(0, 10, 0), milk)
	}
	w.consent("before", false)
	w.tick(day(21, 9, 5))
	w.consent("queued", false)
	w.deliver()
	w.hourly(day(21, 10, 5), day(23, 10, 5))
	w.expect()
	for _, member := range []loyalty.MemberID{"never", "queued", "before"} {
		w.expectOutcome(member, milk, "opted_out")
		if at := w.account(member).RemindAt; !at.IsZero() {
			t.Errorf("the wake-up call of %s stands at %v, want none", member, at)
		}
	}
}

func TestQuietHours(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.enrol("n", marketing...)
	w.buy("m", day(0, 23, 59), milk) // the last minute of the day counts as the day
	w.buy("n", day(0, 24, 0), milk)  // and midnight as the next
	for hour := range 9 {
		w.tick(day(21, hour, 5))
		if len(w.queue) > 0 {
			t.Fatalf("asked for a message at %02d:05", hour)
		}
	}
	w.tick(day(21, 20, 59))
	if len(w.queue) != 1 {
		t.Fatalf("%d messages are queued, want 1", len(w.queue))
	}
	w.now = day(21, 21, 0) // it waited on the queue until the quiet hours began
	before := w.account("m")
	w.deliver()
	w.expect()
	if diff := cmp.Diff(before, w.account("m")); diff != "" {
		t.Errorf("a message in quiet hours changed the account (-before +after):\n%s", diff)
	}
	w.hourly(day(21, 21, 5), day(23, 23, 5))
	w.expect("m milk-powder 22 09:05", "n milk-powder 22 09:05")
}

// A schedule may be fired for a day ahead of the clock: the message is judged
// by that day, not by the hour at which somebody rehearses it.
func TestRehearsedDay(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	w.now = day(0, 23, 0)
	w.deliver()
	w.expect("m milk-powder 21 09:05")
}

func TestRefundedGoods(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("whole", marketing...)
	w.enrol("part", marketing...)
	w.enrol("other", marketing...)
	w.refund(w.buy("whole", day(0, 10, 0), milk), "1", 10_000)
	w.refund(w.buy("part", day(0, 10, 0), milk), "1", 9_999)
	w.refund(w.buy("other", day(0, 10, 0), milk, ""), "2", 10_000)
	w.tick(day(21, 9, 5))
	w.deliver()
	w.expect("other milk-powder 21 09:05", "part milk-powder 21 09:05")
	w.expectOutcome("whole", milk, "refunded")
}

func TestCap(t *testing.T) {
	p := rules()
	p.Repurchase.Cap = repurchase.Cap{Messages: 2, Days: 30}
	w := newWorld(t, p)
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), diaper) // due on day 11
	w.buy("m", day(0, 11, 0), milk)   // due on day 21
	w.hourly(day(0, 11, 5), day(21, 23, 5))
	w.buy("m", day(22, 10, 0), diaper) // due on day 33: the third in 30 days
	w.hourly(day(22, 10, 5), day(40, 23, 5))
	w.expectOutcome("m", diaper, "capped")
	w.buy("m", day(41, 10, 0), diaper) // due on day 52: the second in 30 days was on day 21
	w.hourly(day(41, 10, 5), day(60, 23, 5))
	w.expect("m diapers 11 09:05", "m milk-powder 21 09:05", "m diapers 52 09:05")
	if got := len(w.account("m").Sent); got != 2 {
		t.Errorf("the account keeps %d times, want as many as the cap counts: 2", got)
	}
}

// Over the cap a reminder waits for the first moment at which there is room, and
// nobody looks at the member until then.
func TestOverTheCapIsPostponed(t *testing.T) {
	p := rules()
	p.Repurchase.Cap = repurchase.Cap{Messages: 1, Days: 4}
	w := newWorld(t, p)
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)   // due on day 21
	w.buy("m", day(8, 10, 0), diaper) // due on day 19
	w.hourly(day(8, 10, 5), day(21, 8, 5))
	shown := func() statement.Reminder {
		t.Helper()
		all := statement.Reminders(w.account("m"), p, w.now)
		i := slices.IndexFunc(all, func(r statement.Reminder) bool { return r.Category == milk })
		return all[i]
	}
	if r := shown(); r.State != "scheduled" || !r.DueAt.Equal(day(23, 9, 5)) || r.PostponedFrom == nil || !r.PostponedFrom.Equal(day(21, 9, 0)) {
		t.Errorf("before its day the reminder is %+v", r)
	}
	w.hourly(day(21, 9, 5), day(21, 9, 5))
	if at := w.account("m").RemindAt; !at.Equal(day(23, 9, 5)) {
		t.Errorf("the wake-up call stands at %v, want day 23, 09:05", at)
	}
	for at := day(21, 10, 5); at.Before(day(23, 9, 5)); at = at.Add(time.Hour) {
		usage := table.Usage{}
		w.must(w.schedule().Handle(table.WithUsage(t.Context(), &usage), tickAt(at)))
		if usage.WriteUnits != 0 || len(w.queue) > 0 {
			t.Errorf("at %v: %v write units, %d queued", at, usage.WriteUnits, len(w.queue))
		}
	}
	w.hourly(day(23, 8, 5), day(40, 10, 5))
	w.expect("m diapers 19 09:05", "m milk-powder 23 09:05")
	if r := shown(); r.State != "sent" || r.PostponedFrom != nil {
		t.Errorf("after it the reminder is %+v", r)
	}
}

// wrote notes a message that left to the member meanwhile.
func (w *world) wrote(member loyalty.MemberID, at ...time.Time) {
	w.Helper()
	account := w.account(member)
	counted, held := store.RecordSent(account, append(slices.Clone(account.Sent), at...))
	w.must(w.engine.Write(context.Background(), store.UpdateAccount(member, []table.Change{counted}, held)))
}

// Messages that leave while a reminder is queued postpone it as well, and end it
// only where there is no room before the goods are used up.
func TestMessagesSentWhileAReminderIsQueued(t *testing.T) {
	for name, test := range map[string]struct {
		days    int // of the cap
		want    []string
		outcome string
	}{
		"room while it is useful": {6, []string{"m milk-powder 27 09:06"}, "sent"},
		"room on the last day":    {7, []string{"m milk-powder 28 09:06"}, "sent"},
		"room too late":           {8, nil, "capped"},
	} {
		t.Run(name, func(t *testing.T) {
			p := rules()
			p.Repurchase.Cap = repurchase.Cap{Messages: 1, Days: test.days}
			w := newWorld(t, p)
			w.enrol("m", marketing...)
			w.buy("m", day(0, 10, 0), milk)
			w.tick(day(21, 9, 5))
			w.wrote("m", day(21, 9, 6))
			w.now = day(21, 9, 6)
			w.deliver()
			w.expect()
			for at := day(21, 10, 6); at.Before(day(40, 0, 0)); at = at.Add(time.Hour) {
				w.tick(at)
				w.deliver()
			}
			w.expect(test.want...)
			w.expectOutcome("m", milk, test.outcome)
			if at := w.account("m").RemindAt; !at.IsZero() {
				t.Errorf("the wake-up call stands at %v, want none", at)
			}
		})
	}
}

// A message that waited on the queue until the goods were used up does not leave.
func TestQueuedUntilTheGoodsAreUsedUp(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(28, 20, 59))
	w.now = day(29, 9, 5)
	w.deliver()
	w.expect()
	w.expectOutcome("m", milk, "too_late")
	if at := w.account("m").RemindAt; !at.IsZero() {
		t.Errorf("the wake-up call stands at %v, want none", at)
	}
}

// The schedule does what a member's page says: whenever it is fired it
// asks for those reminders that the page shows as scheduled by then.
func TestThePageAndTheScheduleAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rules()
		p.Repurchase.Cap = repurchase.Cap{Messages: rapid.IntRange(1, 3).Draw(t, "messages"), Days: rapid.IntRange(1, 12).Draw(t, "days")}
		w := newWorld(t, p)
		w.enrol("m", marketing...)
		for range rapid.IntRange(1, 4).Draw(t, "orders") {
			w.buy("m", day(rapid.IntRange(0, 12).Draw(t, "day"), 10, 0), rapid.SampledFrom([]string{milk, diaper}).Draw(t, "category"))
		}
		for hour := day(12, 11, 5); hour.Before(day(43, 0, 0)); hour = hour.Add(5 * time.Hour) {
			if rapid.IntRange(0, 19).Draw(t, "written to by another") == 0 {
				w.wrote("m", hour)
			}
			if p.Repurchase.Quiet(hour, shanghai) {
				continue
			}
			var want []string
			for _, r := range statement.Reminders(w.account("m"), p, hour) {
				if r.State == "scheduled" && !r.DueAt.After(hour) {
					want = append(want, r.Category)
				}
			}
			w.queue = nil
			w.tick(hour)
			got := w.asked()
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("at %v the page and the schedule differ (-page +schedule):\n%s", hour, diff)
			}
			if rapid.Bool().Draw(t, "delivered") {
				w.deliver()
			}
		}
		for category, said := range w.account("m").Reminded {
			if said.Outcome == "handing_over" {
				t.Fatalf("%s is not answered", category)
			}
		}
	})
}

// asked are the categories whose reminders are queued, by name.
func (w *world) asked() (categories []string) {
	w.Helper()
	for _, body := range w.queue {
		reminder, err := notify.DecodeReminder(body)
		w.must(err)
		for _, g := range reminder.Goods {
			categories = append(categories, g.Category)
		}
	}
	slices.Sort(categories)
	return categories
}

// Two categories that are due at once are one message, and one for the cap.
func TestTwoCategoriesAtOnceAreOneMessage(t *testing.T) {
	for _, messages := range []int{1, 2} {
		t.Run(fmt.Sprint("cap ", messages), func(t *testing.T) {
			p := rules()
			p.Repurchase.Cap.Messages = messages
			w := newWorld(t, p)
			w.enrol("m", marketing...)
			w.buy("m", day(0, 10, 0), milk)
			w.buy("m", day(10, 10, 0), diaper)
			w.hourly(day(10, 10, 5), day(40, 10, 5))
			w.expect("m diapers+milk-powder 21 09:05")
			account := w.account("m")
			if at := account.RemindAt; !at.IsZero() {
				t.Errorf("the wake-up call stands at %v, want none", at)
			}
			if len(account.Sent) != 1 {
				t.Errorf("the account counts %v, want one message", account.Sent)
			}
			w.expectOutcome("m", milk, "sent")
			w.expectOutcome("m", diaper, "sent")
			message := w.taken[0]
			if want := "【回头牧场】您上次买的diapers、奶粉快用完了，现在补上正好：https://flagship.tmall.example.com/ 拒收请回复R"; message.Text != want {
				t.Errorf("the text is %q, want %q", message.Text, want)
			}
			if want := notify.ReminderID("m", diaper, day(10, 10, 0)); message.ID != want || message.Category != diaper {
				t.Errorf("the message is %s about %s, want %s", message.ID, message.Category, want)
			}
			for _, r := range statement.Reminders(account, p, w.now) {
				if want := map[string]string{milk: diaper}[r.Category]; r.State != "sent" || r.MessageOf != want {
					t.Errorf("the page shows %+v", r)
				}
			}
		})
	}
}

// Of many goods a text names the first ones.
func TestATextNamesThreeOfManyGoods(t *testing.T) {
	p := rules()
	var categories []string
	for i := range 40 {
		category := fmt.Sprintf("c%02d", i)
		categories = append(categories, category)
		p.Repurchase.Categories[category] = repurchase.Category{Name: fmt.Sprint("货", i), CycleDays: 28, LeadDays: 7}
	}
	w := newWorld(t, p)
	w.enrol("m", marketing...)
	for lines := range slices.Chunk(categories, 20) {
		w.buy("m", day(0, 10, 0), lines...)
	}
	w.hourly(day(21, 9, 5), day(22, 10, 5))
	if len(w.taken) != 2 || !strings.Contains(w.taken[0].Text, "您上次买的货0、货1、货2等32样快用完了") || !strings.Contains(w.taken[1].Text, "您上次买的货32、货33、货34等8样快用完了") {
		t.Errorf("the receiver took %+v", w.taken)
	}
	for _, category := range categories {
		w.expectOutcome("m", category, "sent")
	}
}

// Each of the goods of a message is looked at by itself: those that are not
// right any more stay behind, and the others leave.
func TestOfOneMessageWhatIsNotRightStaysBehind(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(w *world, first, second loyalty.OrderKey)
		want      []string
		outcome   string // of the diapers
	}{
		"bought again": {func(w *world, _, _ loyalty.OrderKey) { w.buy("m", w.now, diaper) }, []string{"m milk-powder 21 09:05"}, "bought_again"},
		"given back":   {func(w *world, _, second loyalty.OrderKey) { w.refund(second, "1", 10_000) }, []string{"m milk-powder 21 09:05"}, "refunded"},
		"both given back": {func(w *world, first, second loyalty.OrderKey) {
			w.refund(first, "1", 10_000)
			w.refund(second, "1", 10_000)
		}, nil, "refunded"},
		"opted out": {func(w *world, _, _ loyalty.OrderKey) { w.consent("m", false) }, nil, "opted_out"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rules())
			w.enrol("m", marketing...)
			first := w.buy("m", day(0, 10, 0), milk)
			second := w.buy("m", day(10, 10, 0), diaper)
			w.tick(day(21, 9, 5))
			test.meanwhile(w, first, second)
			w.deliver()
			w.expect(test.want...)
			w.expectOutcome("m", diaper, test.outcome)
		})
	}
}

// A message that nobody answered is handed over again as it was, whichever of
// its goods a body names, and under its own id also when the goods that name it
// were bought again.
func TestAnUnansweredMessageStaysOneMessage(t *testing.T) {
	for name, test := range map[string]struct {
		again     bool
		body      func(w *world) []byte
		want      string
		remaining string
	}{
		"by the same body": {false, func(w *world) []byte { return w.queue[0] }, "m diapers+milk-powder 21 10:05", "sent"},
		"by a body of one": {false, func(w *world) []byte {
			return notify.NewReminder("m", []notify.Goods{{Category: milk, Bought: day(0, 10, 0)}}, w.now, 1).Encode()
		}, "m diapers+milk-powder 21 10:05", "sent"},
		"the first bought again": {true, func(w *world) []byte { return w.queue[0] }, "m milk-powder 21 10:05", "bought_again"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rules())
			w.enrol("m", marketing...)
			w.buy("m", day(0, 10, 0), milk)
			w.buy("m", day(10, 10, 0), diaper)
			w.tick(day(21, 9, 5))
			f := w.sendmessages()
			f.Notifier = deaf{}
			if answer, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}}); err != nil || len(answer.BatchItemFailures) != 1 {
				t.Fatalf("%v, %v", answer, err)
			}
			w.expectOutcome("m", milk, "handing_over")
			w.expectOutcome("m", diaper, "handing_over")
			if test.again {
				w.buy("m", day(21, 9, 30), diaper)
			}
			w.now = day(21, 10, 5)
			if failed := w.failed(test.body(w)); len(failed) > 0 {
				t.Fatal("the message fails")
			}
			w.expect(test.want)
			if want := notify.ReminderID("m", diaper, day(10, 10, 0)); len(w.taken) == 1 && w.taken[0].ID != want {
				t.Errorf("the message is %s, want %s", w.taken[0].ID, want)
			}
			w.expectOutcome("m", milk, "sent")
			w.expectOutcome("m", diaper, test.remaining)
			if got := w.account("m").Sent; len(got) != 1 {
				t.Errorf("the account counts %v, want one message", got)
			}
		})
	}
}

// A reminder that falls due while a message is unanswered is a message of its
// own, and a body that names both brings each to its end.
func TestABodyOfTwoMessages(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.buy("m", day(11, 10, 0), diaper) // due on day 22
	w.tick(day(21, 9, 5))
	f := w.sendmessages()
	f.Notifier = deaf{}
	if _, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}}); err != nil {
		t.Fatal(err)
	}
	w.queue = nil
	w.tick(day(22, 9, 5))
	if len(w.queue) != 1 {
		t.Fatalf("%d bodies are queued, want 1", len(w.queue))
	}
	w.deliver()
	w.expect("m diapers 22 09:05", "m milk-powder 22 09:05")
	if got := w.account("m"); len(got.Sent) != 2 || !got.RemindAt.IsZero() {
		t.Errorf("the account counts %v, called at %v", got.Sent, got.RemindAt)
	}
}

// Two deliveries of a tick at once are one message with all goods.
func TestTwoDeliveriesAtOnceAreOneMessage(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.buy("m", day(10, 10, 0), diaper)
	w.tick(day(21, 9, 5))
	f := w.sendmessages()
	f.Store.Table = &meddled{w.engine, func() { w.failed(w.queue[0]) }}
	if answer, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}}); err != nil || len(answer.BatchItemFailures) > 0 {
		t.Fatalf("%v, %v", answer, err)
	}
	w.expect("m diapers+milk-powder 21 09:05")
	if id := w.taken[0].ID; w.handed[id] != 1 {
		t.Errorf("%s is handed over %d times", id, w.handed[id])
	}
}

// The schedule was down while one was due: the reason is recorded once the
// other is done with.
func TestTooLate(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.buy("m", day(11, 10, 0), diaper)
	w.hourly(day(26, 9, 5), day(27, 9, 5)) // diapers were used up on day 25
	w.expect("m milk-powder 26 09:05")
	w.expectOutcome("m", diaper, "too_late")
	if at := w.account("m").RemindAt; !at.IsZero() {
		t.Errorf("the wake-up call stands at %v, want none", at)
	}
}

func TestFiredTwiceAndOverlapping(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	w.tick(day(21, 9, 5))
	w.tick(day(21, 10, 5)) // an hour later nothing was delivered yet
	if len(w.queue) != 3 {
		t.Fatalf("%d messages are queued, want 3", len(w.queue))
	}
	w.queue = append(w.queue, w.queue...)
	w.deliver()
	w.tick(day(21, 11, 5))
	w.deliver()
	w.expect("m milk-powder 21 10:05")
	if got := w.account("m").Sent; len(got) != 1 {
		t.Errorf("the account counts %d messages, want 1", len(got))
	}
}

// meddled changes the table between the sender's look and its commit.
type meddled struct {
	table.Table
	meddle func()
}

func (m *meddled) Write(ctx context.Context, actions ...table.Action) error {
	if meddle := m.meddle; meddle != nil {
		m.meddle = nil
		meddle()
	}
	return m.Table.Write(ctx, actions...)
}

func TestDecidesAgainWhenOvertaken(t *testing.T) {
	for name, test := range map[string]struct {
		meddle  func(*world, loyalty.OrderKey)
		outcome string
		taken   int
	}{
		"by an opt-out":                   {func(w *world, _ loyalty.OrderKey) { w.consent("m", false) }, "opted_out", 0},
		"by a purchase":                   {func(w *world, _ loyalty.OrderKey) { w.buy("m", w.now, milk) }, "bought_again", 0},
		"by a refund":                     {func(w *world, o loyalty.OrderKey) { w.refund(o, "1", 10_000) }, "refunded", 0},
		"by a purchase of something else": {func(w *world, _ loyalty.OrderKey) { w.buy("m", w.now, diaper) }, "sent", 1},
		"by the same message":             {func(w *world, _ loyalty.OrderKey) { w.failed(w.queue[0]) }, "sent", 1},
		"by nothing that matters":         {func(w *world, _ loyalty.OrderKey) { w.buy("m", w.now, "") }, "sent", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rules())
			w.enrol("m", marketing...)
			order := w.buy("m", day(0, 10, 0), milk)
			w.tick(day(21, 9, 5))
			f := w.sendmessages()
			f.Store.Table = &meddled{w.engine, func() { test.meddle(w, order) }}
			answer, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}})
			if err != nil || len(answer.BatchItemFailures) > 0 {
				t.Fatalf("%v, %v", answer, err)
			}
			w.expectOutcome("m", milk, test.outcome)
			if len(w.taken) != test.taken {
				t.Errorf("the receiver took %d, want %d", len(w.taken), test.taken)
			}
		})
	}
}

// Where another reminder keeps the wake-up call standing, what was recorded
// and sent meanwhile is seen all the same.
func TestDecidesAgainWhileTheCallStands(t *testing.T) {
	for name, test := range map[string]struct {
		consents []loyalty.Consent
		meddle   func(*world)
		outcomes map[string]string
		taken    int
	}{
		"by the last message that the cap allows": {
			marketing, func(w *world) { w.failed(w.queue[1]) },
			map[string]string{diaper: "capped", milk: "sent"},
			1,
		},
		"by the same message, allowed meanwhile": {
			nil, func(w *world) { w.consent("m", true); w.failed(w.queue[0]) },
			map[string]string{diaper: "sent"},
			1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := rules()
			p.Repurchase.Cap.Messages = 1
			w := newWorld(t, p)
			w.enrol("m", test.consents...)
			w.buy("m", day(0, 10, 0), milk)
			w.buy("m", day(10, 10, 0), diaper)
			w.tick(day(21, 9, 5))
			w.queue = byThemselves(w.now)
			f := w.sendmessages()
			f.Store.Table = &meddled{w.engine, func() { test.meddle(w) }}
			answer, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}})
			if err != nil || len(answer.BatchItemFailures) > 0 {
				t.Fatalf("%v, %v", answer, err)
			}
			for category, outcome := range test.outcomes {
				w.expectOutcome("m", category, outcome)
			}
			if got := w.account("m").Sent; len(w.taken) != test.taken || len(got) != test.taken {
				t.Errorf("the receiver took %d and the account counts %d, want %d", len(w.taken), len(got), test.taken)
			}
		})
	}
}

// A message that comes out of the dead letters after the reminder for the next
// purchase must not make that one forgotten.
func TestRedrivenMuchLater(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	old := w.queue
	w.queue = nil
	w.buy("m", day(21, 9, 6), milk)
	w.hourly(day(21, 10, 5), day(42, 12, 5))
	before := w.account("m")
	if failed := w.failed(old...); len(failed) != 0 {
		t.Errorf("the old message fails")
	}
	if diff := cmp.Diff(before, w.account("m")); diff != "" {
		t.Errorf("the account changed (-before +after):\n%s", diff)
	}
	w.expect("m milk-powder 42 09:05")
}

// The schedule must not answer a call that a purchase has just relied on.
func TestTickOvertakenByAPurchaseKeepsTheCall(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	w.deliver()
	w.buy("m", day(22, 10, 0), milk) // due on day 43
	w.tick(day(22, 11, 5))
	w.buy("m", day(30, 10, 0), milk) // moves nothing: the call of day 43 stands
	f := w.schedule()
	f.Store.Table = &meddled{w.engine, func() { w.buy("m", day(43, 9, 0), diaper) }} // due on day 54
	w.must(f.Handle(t.Context(), tickAt(day(43, 9, 5))))
	w.hourly(day(43, 10, 5), day(60, 10, 5))
	w.expect("m milk-powder 21 09:05", "m milk-powder 51 09:05", "m diapers 54 09:05")
}

func TestLosingEveryRaceIsTriedAgain(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	f := w.sendmessages()
	f.Store.Table = busy{w.engine}
	answer, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}})
	if err != nil || len(answer.BatchItemFailures) != 1 {
		t.Fatalf("%v, %v; want the message named as failed", answer, err)
	}
	w.expect()
	w.deliver()
	w.expect("m milk-powder 21 09:05")
}

type busy struct{ table.Table }

func (b busy) Write(context.Context, ...table.Action) error { return &table.ConditionError{} }

// A message that a crash interrupts and that is delivered again ends with one
// message and the record of it, whichever call the crash hit.
func TestCrashAtEveryCall(t *testing.T) {
	scenario := func(w *world) {
		w.enrol("m", marketing...)
		w.buy("m", day(0, 10, 0), milk)
		w.buy("m", day(0, 11, 0), diaper)
		w.death.Calls = 0
		w.hourly(day(11, 8, 5), day(11, 12, 5))
		w.hourly(day(21, 8, 5), day(21, 12, 5))
	}
	clean := newWorld(t, rules())
	scenario(clean)
	calls := clean.death.Calls
	if calls < 100 {
		t.Fatalf("the scenario makes only %d calls", calls)
	}
	for at := 1; at <= calls; at++ {
		for _, after := range []bool{false, true} {
			w := newWorld(t, rules())
			w.death.After = after
			w.enrol("x", marketing...)
			w.death.At = at
			scenario(w)
			ids := []string{}
			for _, message := range w.taken {
				ids = append(ids, message.Category)
				if w.account("m").Reminded[message.Category].Outcome != "sent" {
					t.Errorf("call %d, after %v: %s left without a record", at, after, message.Category)
				}
			}
			if diff := cmp.Diff([]string{diaper, milk}, ids); diff != "" {
				t.Errorf("call %d, after %v: messages (-want +got):\n%s", at, after, diff)
			}
			if left := w.account("m").RemindAt; !left.IsZero() {
				t.Errorf("call %d, after %v: the wake-up call stands at %v", at, after, left)
			}
		}
	}
	t.Logf("crashed before and after each of %d calls", calls)
}

// A message that nobody answered, delivered again: handed over under the same id
// only while it is right, and recorded as sent only then.
func TestRedeliveryAfterTheCommit(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(*world)
		at        time.Time
		want      []string
		outcome   string
	}{
		"at once":          {nil, day(21, 9, 6), []string{"m milk-powder 21 09:06"}, "sent"},
		"hours later":      {nil, day(21, 20, 59), []string{"m milk-powder 21 20:59"}, "sent"},
		"in quiet hours":   {nil, day(21, 21, 0), []string{"m milk-powder 22 09:05"}, "sent"},
		"a day later":      {nil, day(22, 9, 6), []string{"m milk-powder 22 09:06"}, "sent"},
		"after an opt-out": {func(w *world) { w.consent("m", false) }, day(21, 9, 6), nil, "opted_out"},
		"after a purchase": {func(w *world) { w.buy("m", day(21, 9, 6), milk) }, day(21, 9, 7), nil, "bought_again"},
		"quiet, and opted out before the morning": {
			func(w *world) {
				w.now = day(21, 22, 0)
				w.deliver()
				w.consent("m", false)
			}, day(22, 8, 0), nil, "opted_out",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rules())
			w.enrol("m", marketing...)
			w.buy("m", day(0, 10, 0), milk)
			w.tick(day(21, 9, 5))
			f := w.sendmessages()
			f.Notifier = deaf{}
			answer, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}})
			if err != nil || len(answer.BatchItemFailures) != 1 {
				t.Fatalf("%v, %v; want the message named as failed", answer, err)
			}
			w.expectOutcome("m", milk, "handing_over")
			if test.meanwhile != nil {
				test.meanwhile(w)
			}
			w.now = test.at
			w.deliver()
			w.hourly(day(22, 8, 5), day(24, 10, 5))
			w.expect(test.want...)
			w.expectOutcome("m", milk, test.outcome)
			if got := w.account("m").Sent; test.outcome == "sent" && len(got) != 1 {
				t.Errorf("the account counts %d messages, want 1", len(got))
			}
		})
	}
}

// byThemselves are bodies about the diapers of day 10 and the milk of day 0, each
// by itself, as a version queued them that asked for each category so.
func byThemselves(at time.Time) (bodies [][]byte) {
	for _, g := range []notify.Goods{{Category: diaper, Bought: day(10, 10, 0)}, {Category: milk, Bought: day(0, 10, 0)}} {
		bodies = append(bodies, notify.NewReminder("m", []notify.Goods{g}, at, 1).Encode())
	}
	return bodies
}

// A message that may have left counts all the while, or the cap would let one
// too many through.
func TestAnUnansweredMessageCounts(t *testing.T) {
	p := rules()
	p.Repurchase.Cap.Messages = 1
	w := newWorld(t, p)
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.buy("m", day(10, 10, 0), diaper)
	w.tick(day(21, 9, 5))
	w.queue = byThemselves(w.now)
	f := w.sendmessages()
	f.Notifier = deaf{}
	if answer, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[1])}}}); err != nil || len(answer.BatchItemFailures) != 1 {
		t.Fatalf("%v, %v", answer, err)
	}
	w.expectOutcome("m", milk, "handing_over")
	w.failed(w.queue[0])
	w.expectOutcome("m", diaper, "capped")
	w.now = day(21, 21, 5)
	w.failed(w.queue[1])
	w.expect()
	w.queue = nil
	w.hourly(day(21, 22, 5), day(24, 10, 5))
	w.expect("m milk-powder 22 09:05")
	w.expectOutcome("m", milk, "sent")
	if got := w.account("m").Sent; len(got) != 1 || !got[0].Equal(day(22, 9, 5)) {
		t.Errorf("counted %v, want the one message, from when it was answered", got)
	}
}

// A receiver remembers ids for a week: what nobody answered for nearly as long
// is given up, with its reason.
func TestAMessageThatNobodyAnswersIsGivenUpBeforeTheReceiverForgetsItsID(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	f := w.sendmessages()
	f.Notifier = deaf{}
	for hour := range 6*24 + 2 {
		w.queue = nil
		w.tick(day(21, 9+hour, 5))
		for _, body := range w.queue {
			if _, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(body)}}}); err != nil {
				t.Fatal(err)
			}
		}
		if hour < 6*24 {
			w.expectOutcome("m", milk, "handing_over")
		}
	}
	w.expectOutcome("m", milk, "unanswered")
	if at := w.account("m").RemindAt; !at.IsZero() || len(w.taken) != 0 {
		t.Errorf("the wake-up call stands at %v, taken %v", at, w.taken)
	}
}

// A message that the sender refuses is on record, is asked for no more, and
// fails, so that it is kept; delivered again once the sender takes it, it
// leaves.
func TestARejectedMessageIsKeptAndCanBeTriedAgain(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	f := w.sendmessages()
	f.Notifier = refusing{}
	event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}}
	for range 2 {
		if answer, err := f.Handle(t.Context(), event); err != nil || len(answer.BatchItemFailures) != 1 {
			t.Fatalf("%v, %v; want the message named as failed", answer, err)
		}
		w.expectOutcome("m", milk, "rejected")
	}
	body := w.queue[0]
	w.queue = nil
	w.hourly(day(21, 10, 5), day(22, 10, 5))
	w.expect()
	if failed := w.failed(body); len(failed) != 0 {
		t.Error("the message fails again")
	}
	w.expect("m milk-powder 22 10:05")
	w.expectOutcome("m", milk, "sent")
}

// A purchase after a message that was rejected has a message of its own, which is
// recorded before it leaves.
func TestAPurchaseAfterARejectedMessageIsRemindedOfByItself(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	f := w.sendmessages()
	f.Notifier = refusing{}
	if _, err := f.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}}); err != nil {
		t.Fatal(err)
	}
	w.expectOutcome("m", milk, "rejected")
	w.queue = nil
	w.buy("m", day(22, 10, 0), milk)
	w.onTaken = func(notify.Message) { w.expectOutcome("m", milk, store.OutcomeHandingOver) }
	w.hourly(day(22, 11, 5), day(44, 9, 5))
	w.expect("m milk-powder 43 09:05")
	w.expectOutcome("m", milk, "sent")
}

type refusing struct{}

func (refusing) Send(context.Context, notify.Message) error {
	return loyalty.Refuse(loyalty.KindInvalid, "message_refused", "the receiver does not take the message")
}

type deaf struct{}

func (deaf) Send(context.Context, notify.Message) error { return crash.Died }

func TestRefusedBodiesChangeNothing(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.now = day(21, 9, 5)
	before := w.account("m")
	good := string(notify.NewReminder("m", []notify.Goods{{Category: milk, Bought: day(0, 10, 0)}}, w.now, 1).Encode())
	for name, body := range map[string]string{
		"empty":            "",
		"not JSON":         "13800000000",
		"another kind":     strings.Replace(good, "repurchase.reminder", "13800000000", 1),
		"another purchase": string(notify.NewReminder("m", []notify.Goods{{Category: milk, Bought: day(1, 10, 0)}}, w.now, 1).Encode()),
		"another category": string(notify.NewReminder("m", []notify.Goods{{Category: diaper, Bought: day(0, 10, 0)}}, w.now, 1).Encode()),
		"id of another":    strings.Replace(good, "remind:m:", "remind:n:", 1),
		"trailing":         good + "{}",
		"unknown field":    strings.Replace(good, "{", `{"phone":"13800000000",`, 1),
	} {
		if failed := w.failed([]byte(body)); len(failed) != 1 {
			t.Errorf("%s: taken, want it named as failed", name)
		}
	}
	if failed := w.failed(notify.NewReminder("nobody", []notify.Goods{{Category: milk, Bought: day(0, 10, 0)}}, w.now, 1).Encode()); len(failed) != 0 {
		t.Errorf("a reminder to a member who is gone failed, want it dropped")
	}
	if diff := cmp.Diff(before, w.account("m")); diff != "" {
		t.Errorf("the account changed (-before +after):\n%s", diff)
	}
	w.expect()
	if strings.Contains(w.log.String(), "13800000000") {
		t.Errorf("the log quotes a body: %s", w.log.String())
	}
}

func TestEventAsSent(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.now = day(21, 9, 5)
	answer, err := w.sendmessages().Handle(t.Context(), fixture[events.SQSEvent](t, "reminders.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := []events.SQSBatchItemFailure{{ItemIdentifier: "2e1424d4-f796-459a-8184-9c92662be6da"}}
	if diff := cmp.Diff(want, answer.BatchItemFailures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	w.expect("m milk-powder 21 09:05")
}

// The price of a reminder: 1 write unit before it leaves, 2 with the sender's
// answer and the index's entry gone, one more where the settlement rode on it, and nothing where nothing is decided.
func TestWriteUnits(t *testing.T) {
	for name, test := range map[string]struct {
		completed bool
		want      float64
	}{"its order completed": {true, 3}, "its settlement rides": {false, 4}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rules())
			w.enrol("m", marketing...)
			key := w.buy("m", day(0, 10, 0), milk)
			if test.completed {
				w.post(key, points.Fact{Kind: points.FactCompleted, At: day(3, 10, 0)}, day(3, 10, 0))
			}
			planned := table.Usage{}
			w.must(w.schedule().Handle(table.WithUsage(t.Context(), &planned), tickAt(day(21, 9, 5))))
			w.now = day(21, 9, 5)
			sent, again := table.Usage{}, table.Usage{}
			event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(w.queue[0])}}}
			for _, usage := range []*table.Usage{&sent, &again} {
				if answer, err := w.sendmessages().Handle(table.WithUsage(t.Context(), usage), event); err != nil || len(answer.BatchItemFailures) > 0 {
					t.Fatalf("%v, %v", answer, err)
				}
			}
			t.Logf("planned %+v, sent %+v, delivered again %+v", planned, sent, again)
			if planned.WriteUnits != 0 || sent.WriteUnits != test.want || again.WriteUnits != 0 {
				t.Errorf("write units: planned %v, sent %v, again %v; want 0, %v, 0", planned.WriteUnits, sent.WriteUnits, again.WriteUnits, test.want)
			}
			w.expect("m milk-powder 21 09:05")
		})
	}
}

// Whatever happens in whatever order, with crashes at any call: at most one
// message for a purchase, none without consent, in quiet hours or after the
// next purchase (I24), and every last purchase's reminder has its outcome in
// the end (I25).
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rules()
		p.Repurchase.Cap.Messages = rapid.IntRange(1, 4).Draw(t, "cap")
		w := newWorld(t, p)
		members := []loyalty.MemberID{"m", "n"}
		for _, member := range members {
			w.enrol(member, marketing...)
		}
		excused, spoken := map[string]bool{}, map[string]bool{}
		excuse := func() { // what is queued may find that it is no longer right
			for _, body := range w.queue {
				if r, err := notify.DecodeReminder(body); err == nil {
					for _, g := range r.Goods {
						excused[notify.ReminderID(r.Member, g.Category, g.Bought)] = true
					}
				}
			}
		}
		w.onTaken = func(message notify.Message) {
			account := w.account(message.Member)
			for _, category := range message.Categories {
				last := account.Bought[category].Last
				purchase := notify.ReminderID(message.Member, category, last)
				if first := account.Reminded[category].Named(category); message.ID != notify.ReminderID(message.Member, first.Category, first.Bought) {
					t.Fatalf("%s left after a purchase of %s at %v", message.ID, category, last)
				}
				if spoken[purchase] {
					t.Fatalf("%s is the second message about %s", message.ID, purchase)
				}
				spoken[purchase] = true
			}
			switch {
			case account.Consents[loyalty.ConsentMarketing].IsZero():
				t.Fatalf("%s left after the opt-out", message.ID)
			case p.Repurchase.Quiet(message.At, shanghai) || p.Repurchase.Quiet(w.now, shanghai):
				t.Fatalf("%s left in quiet hours", message.ID)
			}
			recent := 0
			for _, other := range w.taken {
				if other.Member == message.Member && other.At.After(message.At.AddDate(0, 0, -p.Repurchase.Cap.Days)) {
					recent++
				}
			}
			if recent > p.Repurchase.Cap.Messages {
				t.Fatalf("%s is the %dth message", message.ID, recent)
			}
		}
		orders := map[loyalty.OrderKey]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"buy": func(t *rapid.T) {
				excuse()
				at := w.now.Add(-time.Duration(rapid.IntRange(0, 72).Draw(t, "hours ago")) * time.Hour)
				if rapid.Bool().Draw(t, "told of its completion") {
					w.post(w.next(), points.Fact{Kind: points.FactCompleted, At: at}, w.now)
				}
				key := w.buy(rapid.SampledFrom(members).Draw(t, "member"), at, rapid.SampledFrom([]string{milk, diaper}).Draw(t, "category"))
				orders[key] = true
			},
			"refund": func(t *rapid.T) {
				open := []loyalty.OrderKey{}
				for key, whole := range orders {
					if whole {
						open = append(open, key)
					}
				}
				if len(open) == 0 {
					return // nothing to refund
				}
				excuse()
				slices.SortFunc(open, func(a, b loyalty.OrderKey) int { return strings.Compare(a.Order, b.Order) })
				key := rapid.SampledFrom(open).Draw(t, "order")
				orders[key] = false
				w.refund(key, "1", 10_000)
			},
			"consent": func(t *rapid.T) {
				excuse()
				w.consent(rapid.SampledFrom(members).Draw(t, "member"), rapid.Bool().Draw(t, "given"))
			},
			"wait": func(t *rapid.T) {
				hours := rapid.SampledFrom([]int{1, 5, 12, 24, 24 * 7}).Draw(t, "hours")
				if hours > 12 {
					excuse()
				}
				w.now = w.now.Add(time.Duration(hours) * time.Hour)
			},
			"tick":   func(t *rapid.T) { w.tick(w.now) },
			"settle": func(t *rapid.T) { w.settle() },
			"deliver": func(t *rapid.T) {
				if len(w.queue) == 0 {
					return // nothing queued
				}
				i := rapid.IntRange(0, len(w.queue)-1).Draw(t, "message")
				failed := w.failed(w.queue[i])
				if len(failed) == 0 && !rapid.Bool().Draw(t, "twice") {
					w.queue = slices.Delete(w.queue, i, i+1)
				}
			},
			"crash": func(t *rapid.T) {
				w.death.At = w.death.Calls + rapid.IntRange(1, 40).Draw(t, "calls")
				w.death.After = rapid.Bool().Draw(t, "after")
			},
		})
		w.death.At = 0
		for range 3 * 45 { // more than any cycle
			w.now = w.now.Add(8 * time.Hour)
			w.tick(w.now)
			w.deliver()
		}
		if len(w.queue) > 0 {
			t.Fatalf("%d messages never settle", len(w.queue))
		}
		for _, member := range members {
			account := w.account(member)
			if !account.RemindAt.IsZero() {
				t.Fatalf("the wake-up call of %s stands at %v", member, account.RemindAt)
			}
			for category, bought := range account.Bought {
				outcome := account.Reminded[category]
				id := notify.ReminderID(member, category, bought.Last)
				switch {
				case !outcome.Bought.Equal(bought.Last):
					t.Fatalf("%s has no outcome: %+v", id, outcome)
				case outcome.Outcome == "sent" && !spoken[id] && !excused[id]:
					t.Fatalf("%s is recorded as sent and was not", id)
				}
			}
		}
	})
}

func TestAnotherProgramsWordsAndLinks(t *testing.T) {
	p := rules()
	p.Brand.Links = map[string]string{"": "https://shop.example.com/"}
	p.Repurchase.Categories = program.Default().Repurchase.Categories
	p.Repurchase.Categories[milk] = repurchase.Category{CycleDays: 28, LeadDays: 0}
	w := newWorld(t, p)
	w.enrol("m", marketing...)
	w.buy("m", day(0, 10, 0), milk)
	w.hourly(day(27, 20, 5), day(30, 10, 5))
	w.expect("m milk-powder 28 09:05")
	if want := "【回头牧场】您上次买的milk-powder快用完了，现在补上正好：https://shop.example.com/ 拒收请回复R"; w.taken[0].Text != want {
		t.Errorf("the text is %q, want %q", w.taken[0].Text, want)
	}
}

// Of two members who were merged the whole is written to, once, and a message to
// the part that was on its way is not sent.
func TestMergedMembersGetOneMessage(t *testing.T) {
	for hour, at := range map[string]time.Time{"09": day(10, 10, 0), "10": day(21, 9, 6)} {
		t.Run(hour, func(t *testing.T) {
			w := newWorld(t, rules())
			w.enrol("m", marketing...)
			w.enrol("n", marketing...)
			w.buy("n", day(0, 10, 0), milk)
			if at.After(day(21, 9, 5)) {
				w.tick(day(21, 9, 5))
			}
			_, err := ledger.Merge(t.Context(), w.calm, store.Merge{ID: "x", Into: "m", Part: "n", By: store.Hand{Operator: "wang", At: at}, Reason: "same person"})
			w.must(err)
			w.deliver()
			w.hourly(day(21, 9, 5), day(30, 10, 5))
			w.expect("m milk-powder 21 " + hour + ":05")
			if account := w.account("n"); !account.RemindAt.IsZero() {
				t.Errorf("the part is called at %v", account.RemindAt)
			}
		})
	}
}

// Nobody who was erased is written to, and nobody looks at them for ever.
func TestTheErasedGetNoMessage(t *testing.T) {
	w := newWorld(t, rules())
	w.enrol("m", marketing...)
	key := w.buy("m", day(0, 10, 0), milk)
	w.tick(day(21, 9, 5))
	w.must(enrolment.Erase(t.Context(), w.calm, "m", store.Erasure{By: store.Hand{Operator: "wang", At: day(21, 9, 6)}, Reason: "asked"}))
	w.deliver()
	w.post(key, points.Fact{Kind: points.FactPaid, At: day(0, 10, 0), Lines: []points.Line{{ID: "9", Category: "diapers", Quantity: 1, Paid: 100}}}, day(21, 9, 7))
	w.hourly(day(21, 10, 5), day(60, 10, 5))
	w.expect()
	if account := w.account("m"); !account.RemindAt.IsZero() || len(account.Reminded) != 0 {
		t.Errorf("the erased is called at %v, reminded %v", account.RemindAt, account.Reminded)
	}
}
