package settlepoints_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/functions/remindrepurchase"
	"github.com/huitou/huitou/functions/sendmessages"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
)

// messages is the queue of reminders, and a receiver that takes them all.
type messages [][]byte

func (m *messages) Send(_ context.Context, bodies ...[]byte) error {
	*m = append(*m, bodies...)
	return nil
}

type taken struct{}

func (taken) Send(context.Context, notify.Message) error { return nil }

// remind fires the schedule of reminders, and brings what it asks for to its end.
func (b *brand) remind(at time.Time) {
	b.Helper()
	var queue messages
	ctx, quiet := context.Background(), slog.New(slog.DiscardHandler)
	b.must(remindrepurchase.Function{Store: b.store, Messages: &queue, Log: quiet}.Handle(ctx, schedule.Tick{Time: at}))
	var event events.SQSEvent
	for i, body := range queue {
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: string(body)})
	}
	sender := sendmessages.Function{Store: b.store, Notifier: taken{}, Clock: func() time.Time { return at }, Log: quiet}
	answer, err := sender.Handle(ctx, event)
	b.must(err)
	if len(answer.BatchItemFailures) > 0 {
		b.Fatalf("%d of %d reminders failed", len(answer.BatchItemFailures), len(queue))
	}
}

// Two schedules, one of which may not run for weeks, and one call of a member
// that rides on the other: after any history each finds all that is due to it,
// alone. That no call is late or unheard in between, audited sees to.
func TestEachScheduleFindsWhatIsDueAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := ranked(t)
		l := &life{brands: []*brand{b}, now: day(0, 10, 0), owner: map[string]loyalty.MemberID{}}
		for _, member := range both {
			b.enrol(member)
		}
		rules, merged := program.Default().Repurchase, false
		for round := range rapid.IntRange(1, 6).Draw(t, "rounds") {
			members := both
			if merged {
				members = both[:1] // the other is a part
			}
			l.steps(t, members, 8, func(loyalty.MemberID, loyalty.Points) {})
			switch rapid.SampledFrom([]string{"remind", "remind", "settle", "merge"}).Draw(t, "then") {
			case "remind":
				l.now = rules.Allowed(l.now, shanghai)
				b.remind(l.now)
				for _, member := range members {
					if plan := rules.Plan(b.account(member).Purchases(), nil, l.now, shanghai); len(plan.Due) > 0 {
						t.Fatalf("%s is not reminded of %+v", member, plan.Due)
					}
				}
			case "settle":
				b.tick(l.now)
				for _, member := range both {
					if at := b.account(member).SettleAt; !at.IsZero() && !at.After(l.now) {
						t.Fatalf("%s is still called at %v", member, at)
					}
				}
			case "merge":
				if merged = !merged; merged {
					b.merge("a", "b", fmt.Sprint("x", round), l.now)
				} else {
					b.unmerge("a", "b", fmt.Sprint("y", round), l.now)
				}
			}
		}
	})
}

// Nobody reminds a person who was erased, or a part of another member; what rode
// on the reminder's call is settled all the same.
func TestWhatRodeOnAReminderThatIsNoMore(t *testing.T) {
	for name, end := range map[string]func(*brand){
		"erased": func(b *brand) {
			b.must(enrolment.Erase(context.Background(), b.store, "b", store.Erasure{By: hand(day(5, 10, 0)), Reason: "asked"}))
		},
		"merged": func(b *brand) { b.merge("a", "b", "x", day(5, 10, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.enrol("a")
			b.enrol("b")
			b.post("1", points.Fact{Kind: points.FactPaid, At: day(0, 10, 0), Member: "b", Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 1_000}}})
			if !b.account("b").SettleRides {
				t.Fatal("the settlement does not ride")
			}
			end(b)
			if after := b.account("b"); !after.RemindAt.IsZero() || !after.SettleAt.Equal(day(30, 10, 0)) {
				t.Errorf("they are called at %v and %v", after.RemindAt, after.SettleAt)
			}
			b.tick(day(30, 10, 15))
			b.expect("b", 10, 0, 0, time.Time{})
		})
	}
}
