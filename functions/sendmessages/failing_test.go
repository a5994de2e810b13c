package sendmessages_test

import (
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/crash"
)

// Whatever call to the table or to the sender fails, the message is not
// acknowledged, and its next delivery brings it to its end, once.
func TestAFailedCallIsNotAcknowledged(t *testing.T) {
	for at := 1; ; at++ {
		w := newWorld(t, rules())
		w.enrol("m", marketing...)
		w.buy("m", day(0, 10, 0), milk)
		w.tick(day(21, 9, 5))
		if len(w.queue) != 1 {
			t.Fatalf("%d messages are due", len(w.queue))
		}
		body := w.queue[0]
		w.queue = nil
		w.death = crash.Point{At: at, Lives: true}
		answer, err := w.sendmessages().Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "id", Body: string(body)}}})
		if w.death.Calls < at {
			if at < 4 {
				t.Fatalf("only %d calls", at)
			}
			return
		}
		w.death = crash.Point{}
		if err == nil && len(answer.BatchItemFailures) == 0 {
			t.Errorf("call %d failed, and the message is acknowledged", at)
		}
		if len(w.failed(body)) != 0 {
			t.Errorf("after call %d had failed the next delivery fails", at)
		}
		w.expect("m milk-powder 21 09:05")
		w.expectOutcome("m", milk, store.OutcomeSent)
	}
}
