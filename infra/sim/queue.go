package sim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/queue"
)

// line is one queue (an SQS queue with its dead-letter queue) and the function
// that it feeds. It delivers at least once and in no order, forgets what a
// handler did not name in BatchItemFailures, and gives up on a message after
// maxReceive deliveries.
type line struct {
	*simulation
	name       string
	function   string
	visibility time.Duration // how long a message that was handed out stays hidden
	timeout    time.Duration // of the function
	batch      int           // messages in one event, at most
	workers    int           // invocations at one time, at most
	maxReceive int           // deliveries of a message, at most

	sent     int
	waiting  []*message
	dead     []*message
	busy     int
	pollAt   int64 // when the next poll is due; 0 for none
	received int
}

type message struct {
	id        string
	number    uint64
	body      string
	sentAt    int64
	visibleAt int64
	receives  int
	gone      bool
}

// put keeps a message.
func (l *line) put(body string) {
	l.sent++
	m := &message{
		id: fmt.Sprintf("%s-%d", l.name, l.sent), number: mix(number(l.name), uint64(l.sent)), body: body,
		sentAt: l.nanos, visibleAt: l.nanos,
	}
	if draw, late := l.faults.strikes(Delay, m.id, m.number); late {
		delay := time.Duration(draw%uint64(48*time.Hour/time.Second)) * time.Second
		if draw%3 != 0 {
			delay /= 1000
		}
		m.visibleAt += int64(delay)
	}
	l.waiting = append(l.waiting, m)
	l.look(m.visibleAt)
	if happens := l.reactions[l.name+body]; happens != nil {
		delete(l.reactions, l.name+body)
		happens()
	}
	if l == l.messages {
		l.react(body)
	}
}

// look makes sure that somebody looks at the queue soon after the instant.
func (l *line) look(at int64) {
	at += int64(l.latency()) / 4
	if l.pollAt != 0 && l.pollAt <= at {
		return
	}
	l.pollAt = at
	l.in(time.Duration(at-l.nanos), func() {
		if l.pollAt == at {
			l.pollAt = 0
		}
		l.poll()
	})
}

// poll hands out messages that are visible.
func (l *line) poll() {
	if l.busy >= l.workers {
		return // whoever is done looks again
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(m *message) bool { return m.gone })
	var visible []*message
	next := int64(0)
	for _, m := range l.waiting {
		if m.visibleAt <= l.nanos {
			visible = append(visible, m)
		} else if next == 0 || m.visibleAt < next {
			next = m.visibleAt
		}
	}
	if next != 0 {
		l.look(next)
	}
	if len(visible) == 0 {
		return
	}
	first := visible[0]
	if _, shuffled := l.faults.strikes(Reorder, first.id, first.number, uint64(first.receives)); shuffled && len(visible) > 1 {
		l.rng.Shuffle(len(visible), func(i, j int) { visible[i], visible[j] = visible[j], visible[i] })
	}
	size := 1 + l.rng.IntN(l.batch)
	var handed []*message
	for _, m := range visible[:min(size, len(visible))] {
		if l.receive(m) {
			handed = append(handed, m)
		}
	}
	if len(visible) > size {
		l.look(l.nanos)
	}
	if len(handed) > 0 {
		l.deliver(handed)
	}
}

// receive counts a delivery; false when the message is not handed out.
func (l *line) receive(m *message) bool {
	if m.receives >= l.maxReceive {
		l.record(m.id, "is dead")
		m.gone = true
		l.dead = append(l.dead, m)
		return false
	}
	m.receives++
	l.received++
	m.visibleAt = l.nanos + int64(l.visibility)
	place := []uint64{m.number, uint64(m.receives)}
	if draw, early := l.faults.strikes(ConcurrentDuplicate, m.id, place...); early {
		m.visibleAt = l.nanos + int64(time.Duration(1+draw%2000)*time.Millisecond)
	}
	l.look(m.visibleAt)
	_, nobody := l.faults.strikes(ReceivedByNobody, m.id, place...)
	return !nobody
}

func (l *line) deliver(handed []*message) {
	event := events.SQSEvent{}
	orders := map[string]int{}
	for _, m := range handed {
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: m.id, Body: m.body, EventSource: "aws:sqs",
			Attributes: map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(m.receives),
				"SentTimestamp":           strconv.FormatInt(m.sentAt/int64(time.Millisecond), 10),
			},
		})
		if order := orderOf(m.body); order != "" {
			orders[order]++
			if orders[order] == 2 {
				l.faults.met(SameOrderInBatch)
			}
		}
	}
	l.busy++
	var answer events.SQSEventResponse
	var err error
	i := l.instanceOf(l.function)
	v := l.begin(i, l.timeout, func(ctx context.Context) {
		answer, err = i.handler.batch(ctx, event)
	}, func(crashed bool) {
		l.busy--
		if !crashed && err == nil {
			l.settle(handed, answer)
		}
		l.look(l.nanos)
	})
	v.inBatch, v.handed = true, handed
	l.record(v.label, fmt.Sprintf("gets %d messages from %s", len(handed), handed[0].id))
}

// settle forgets what was not named as failed.
func (l *line) settle(handed []*message, answer events.SQSEventResponse) {
	first := handed[0]
	if _, lost := l.faults.strikes(BatchResponseLost, first.id, first.number, uint64(first.receives)); lost {
		return
	}
	failed := map[string]bool{}
	for _, failure := range answer.BatchItemFailures {
		failed[failure.ItemIdentifier] = true
	}
	for _, m := range handed {
		if failed[m.id] {
			continue
		}
		if draw, again := l.faults.strikes(Duplicate, m.id, m.number, uint64(m.receives)); again {
			m.visibleAt = l.nanos + int64(time.Duration(draw%600_000)*time.Millisecond)
			l.look(m.visibleAt)
			continue
		}
		m.gone = true
	}
}

// redrive puts every dead letter back, as new messages.
func (l *line) redrive() int {
	dead := l.dead
	l.dead = nil
	for _, m := range dead {
		l.record(m.id, "is redriven")
		l.put(m.body)
	}
	return len(dead)
}

// idle tells whether nothing is left to deliver.
func (l *line) idle() bool {
	return l.busy == 0 && !slices.ContainsFunc(l.waiting, func(m *message) bool { return !m.gone })
}

// orderOf is the order that a queued event is about, "" for another body.
func orderOf(body string) string {
	_, rest, found := strings.Cut(body, `"order_id":"`)
	if !found {
		return ""
	}
	order, _, _ := strings.Cut(rest, `"`)
	return order
}

// producer is a queue as one instance sees it.
type producer struct {
	of *instance
	to *line
}

var _ queue.Sender = producer{}

var errQueue = loyalty.Refuse(loyalty.KindUnavailable, "queue_unavailable", "the queue did not answer")

// Send implements queue.Sender.
func (p producer) Send(_ context.Context, bodies ...[]byte) error {
	v := p.of.current
	if err := v.before("send to " + p.to.name); err != nil {
		return err
	}
	if len(bodies) > 1 {
		if draw, part := v.strikes(SendPartial); part {
			for _, body := range bodies[:1+draw%uint64(len(bodies)-1)] {
				p.to.put(string(body))
			}
			return errQueue
		}
	}
	for _, body := range bodies {
		p.to.put(string(body))
	}
	if _, twice := v.strikes(SentTwice); twice {
		for _, body := range bodies {
			p.to.put(string(body))
		}
	}
	if _, lost := v.strikes(ResponseLost); lost {
		v.frozen = time.Second
		v.pause()
		return errQueue
	}
	return v.after()
}

// sender is whoever brings messages to people, as one instance sees it.
type sender struct{ of *instance }

var _ notify.Notifier = sender{}

// Send implements notify.Notifier.
func (n sender) Send(_ context.Context, sent notify.Message) error {
	v := n.of.current
	if err := v.before("notify " + sent.ID); err != nil {
		return err
	}
	timeout := loyalty.Refuse(loyalty.KindUnavailable, "receiver_timeout", "the receiver did not answer")
	if _, lost := v.strikes(NotifierBefore); lost {
		return timeout
	}
	v.check.handedOver(v, sent)
	if _, lost := v.strikes(NotifierAfter); lost {
		return timeout
	}
	return v.after()
}
