package convertorders_test

import (
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/table/crash"
)

// Whatever call to the table fails, the message is not acknowledged, and its next
// delivery does what is left.
func TestAFailedCallIsNotAcknowledged(t *testing.T) {
	joined := enrolment.JoinedMessage(buyer("b-1"))
	refund := milk(0)
	refund.Refunded = 5_000
	for name, c := range map[string]struct {
		before []byte
		waits  int // orders, until the buyer joins
		body   []byte
		want   loyalty.Points
	}{
		"an order":                   {body: event(orders.TypePaid, "1", milk(10_000)), want: 100},
		"a refund":                   {before: event(orders.TypePaid, "1", milk(10_000)), body: event(orders.TypeRefunded, "1", refund), want: 50},
		"a buyer with three orders":  {waits: 3, body: joined, want: 300},
		"a buyer with no order":      {waits: 0, body: joined, want: 0},
		"an order that was told of":  {before: event(orders.TypePaid, "1", milk(10_000)), body: event(orders.TypePaid, "1", milk(10_000)), want: 100},
		"an order that is cancelled": {before: event(orders.TypePaid, "1", milk(10_000)), body: event(orders.TypeCancelled, "1"), want: 0},
	} {
		for at := 1; ; at++ {
			b := open(t)
			for n := range c.waits {
				if b.deliver(event(orders.TypePaid, string(rune('1'+n)), milk(10_000))) != 0 {
					t.Fatal("an order of nobody was not taken")
				}
			}
			member := b.enrol(buyer("b-1"))
			if c.before != nil && b.deliver(c.before) != 0 {
				t.Fatal("what came before was not taken")
			}
			engine := b.Store.Table
			point := &crash.Point{At: at, Lives: true}
			b.Store.Table = point.Table(engine)
			acknowledged := b.tries(c.body)
			b.Store.Table = engine
			if point.Calls < at {
				break
			}
			if acknowledged {
				t.Errorf("%s: call %d failed, and the message is acknowledged", name, at)
			}
			if b.deliver(c.body) != 0 {
				t.Errorf("%s: after call %d had failed the next delivery fails", name, at)
			}
			if got := b.account(member).Balance.Pending; got != c.want {
				t.Errorf("%s: after call %d had failed %d points, want %d", name, at, got, c.want)
			}
		}
	}
}

// tries delivers one message and tells whether it was acknowledged.
func (b brand) tries(body []byte) bool {
	b.t.Helper()
	answer, err := b.Handle(b.t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "id", Body: string(body)}}})
	return err == nil && len(answer.BatchItemFailures) == 0
}
