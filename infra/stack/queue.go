package stack

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	json "github.com/go-json-experiment/json/v1"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// queueSettings is a queue as the template describes it.
type queueSettings struct {
	name       string
	visibility time.Duration
	retention  time.Duration
	maxBody    int    // bytes
	dead       string // its dead-letter queue, "" for none
	maxReceive int    // failed receptions until it goes there
}

// source is an event source mapping: which function reads a queue, and how.
type source struct {
	function, queue string
	batchSize       int
	window          time.Duration
	concurrency     int
	partial         bool // ReportBatchItemFailures
}

type consumer struct {
	source
	function *function
}

// message is one on a queue. Its fields belong to the queue's lock, but for
// those that never change.
type message struct {
	sequence uint64
	body     string
	sent     time.Time
	from     string // the queue it died on, "" for one that lives

	received int // times
	first    time.Time
	visible  bool // stands in ready
	gone     bool // settled, moved or expired
}

// id looks like the UUID that SQS gives. It is the same after a restart and on
// the dead-letter queue.
func (m *message) id() string {
	sum := sha256.Sum256(fmt.Append(nil, m.sequence))
	return fmt.Sprintf("%x-%x-4%s-8%s-%x", sum[0:4], sum[4:6], hex.EncodeToString(sum[6:8])[1:], hex.EncodeToString(sum[8:10])[1:], sum[10:16])
}

// hidden is a message that somebody works on, until its visibility ends.
type hidden struct {
	*message
	reception int // the message's received then; another one since makes this stale
	until     time.Time
}

// messageQueue is one queue. The messages live in the table; what is here
// finds the next one without asking it. It goes by the machine's clock, not by
// the one that SetClock moves: moving it must neither expire a message nor
// deliver one twice.
type messageQueue struct {
	stack    *Stack
	settings queueSettings
	dead     *messageQueue
	consumer *consumer

	mu         sync.Mutex
	ready      []*message
	hidden     []hidden // by until, because all stay hidden equally long
	settled    int      // how many of hidden are gone
	timer      *time.Timer
	window     *time.Timer
	windowOver bool
	running    int
	started    bool
}

func newQueue(s *Stack, settings queueSettings) *messageQueue {
	return &messageQueue{stack: s, settings: settings}
}

// Send keeps the bodies and hands them on at once. It fails with KindInvalid
// for an empty body or one that is no UTF-8, with KindTooLarge for one over
// the queue's limit.
func (q *messageQueue) Send(ctx context.Context, bodies ...[]byte) error {
	for _, body := range bodies {
		switch {
		case len(body) == 0 || !utf8.Valid(body):
			return loyalty.Refuse(loyalty.KindInvalid, "invalid_message", "a message is text")
		case len(body) > q.settings.maxBody:
			return loyalty.Refuse(loyalty.KindTooLarge, "message_too_large", "a message is too large for the queue")
		}
	}
	now := q.stack.base()
	entries := make([]entry, len(bodies))
	messages := make([]*message, len(bodies))
	for i, body := range bodies {
		messages[i] = &message{sequence: q.stack.sequence.Add(1), body: string(body), sent: now}
		entries[i] = q.put(messages[i])
	}
	for len(entries) > 0 {
		count, actions := gather(entries)
		if err := q.stack.journal.table.Write(ctx, actions...); err != nil {
			return err
		}
		q.push(messages[:count]...)
		entries, messages = entries[count:], messages[count:]
	}
	return nil
}

// push makes messages visible. They are durable already.
func (q *messageQueue) push(messages ...*message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.show(messages...)
	q.dispatch()
}

func (q *messageQueue) show(messages ...*message) {
	for _, m := range messages {
		m.visible = true
	}
	q.ready = append(q.ready, messages...)
	q.note(len(messages))
}

// note counts messages that a function can be given or has been given.
func (q *messageQueue) note(n int) {
	if q.consumer != nil && n != 0 {
		q.stack.rest.add(n)
	}
}

func (q *messageQueue) start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.started = true
	q.dispatch()
}

func (q *messageQueue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.started = false
	for _, timer := range []*time.Timer{q.timer, q.window} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// dispatch begins as many invocations as there are messages and the source
// allows. The caller holds the lock.
func (q *messageQueue) dispatch() {
	if q.consumer == nil || !q.started {
		return
	}
	q.expire()
	for q.running < q.consumer.concurrency && len(q.ready) > 0 {
		if !q.windowClosed() {
			return
		}
		batch := q.receive()
		q.running++
		go q.deliver(batch)
	}
}

// windowClosed is true when a batch is full or has waited long enough.
func (q *messageQueue) windowClosed() bool {
	if q.consumer.window == 0 || len(q.ready) >= q.consumer.batchSize || q.windowOver {
		q.windowOver = false
		if q.window != nil {
			q.window.Stop()
			q.window = nil
		}
		return true
	}
	if q.window == nil {
		var timer *time.Timer
		timer = time.AfterFunc(q.consumer.window, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if q.window == timer {
				q.windowOver = true
				q.dispatch()
			}
		})
		q.window = timer
	}
	return false
}

// expire drops what is older than the queue's retention. The ready ones are
// nearly in the order of sending, so the front is the place to look.
func (q *messageQueue) expire() {
	oldest := q.stack.base().Add(-q.settings.retention)
	var entries []entry
	for len(q.ready) > 0 && q.ready[0].sent.Before(oldest) {
		entries = append(entries, q.delete(q.ready[0]))
		q.ready[0].gone = true
		q.ready = q.ready[1:]
	}
	q.note(-len(entries))
	q.stack.journal.add(entries...)
}

// receive hides the next batch. Its bodies fit an event.
func (q *messageQueue) receive() []*message {
	now := q.stack.base()
	batch := make([]*message, 0, min(q.consumer.batchSize, len(q.ready)))
	size := 0
	for len(q.ready) > 0 && len(batch) < q.consumer.batchSize {
		m := q.ready[0]
		if size += len(m.body) + envelope; len(batch) > 0 && size > maxPayload/2 {
			break
		}
		q.ready[0] = nil
		q.ready = q.ready[1:]
		m.visible = false
		m.received++
		if m.first.IsZero() {
			m.first = now
		}
		q.hidden = append(q.hidden, hidden{m, m.received, now.Add(q.settings.visibility)})
		batch = append(batch, m)
	}
	q.watch()
	return batch
}

// envelope is about what an event holds beside a message's body, in bytes.
const envelope = 1 << 10

// watch sets the timer for the message whose visibility ends first.
func (q *messageQueue) watch() {
	if q.timer == nil && len(q.hidden) > 0 && q.started {
		q.timer = time.AfterFunc(q.hidden[0].until.Sub(q.stack.base()), q.reveal)
	}
}

// reveal makes visible again what was not settled in time, or moves it to the
// dead-letter queue.
func (q *messageQueue) reveal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.timer = nil
	if !q.started {
		return
	}
	now := q.stack.base()
	for len(q.hidden) > 0 {
		h := q.hidden[0]
		if h.gone {
			q.settled--
		} else if h.until.After(now) {
			break
		}
		q.hidden = q.hidden[1:]
		if h.gone || h.received != h.reception {
			continue
		}
		if q.exhausted(h.message) {
			q.bury(h.message)
		} else {
			q.show(h.message)
		}
	}
	q.watch()
	q.dispatch()
}

func (q *messageQueue) exhausted(m *message) bool {
	return q.dead != nil && m.received >= q.settings.maxReceive
}

// bury moves a message to the dead-letter queue in one write. It keeps the
// time it was sent, from which its retention counts.
func (q *messageQueue) bury(m *message) {
	m.gone = true
	corpse := &message{sequence: m.sequence, body: m.body, sent: m.sent, from: q.settings.name, received: m.received, first: m.first}
	put, remove := q.dead.put(corpse), q.delete(m)
	q.stack.journal.add(entry{
		actions: append(remove.actions, put.actions...),
		bytes:   put.bytes,
		then:    func() { q.dead.push(corpse) },
	})
}

// deliver gives a batch to the function and settles what it did. It counts as
// work to its end, so that Close does not miss the outcome; a batch that comes
// after Close is left to the next start.
func (q *messageQueue) deliver(batch []*message) {
	if !q.stack.work.begin() {
		return
	}
	defer q.stack.work.end()
	failed := q.process(batch)
	q.mu.Lock()
	defer q.mu.Unlock()
	entries := make([]entry, 0, len(batch))
	for _, m := range batch {
		switch {
		case m.gone:
		case len(failed) > 0 && failed[m.id()]:
			entries = append(entries, q.count(m))
		default:
			m.gone = true
			q.settled++
			if m.visible { // its visibility ended while the function worked
				q.ready = slices.DeleteFunc(q.ready, func(other *message) bool { return other == m })
				q.note(-1)
			}
			entries = append(entries, q.delete(m))
		}
	}
	q.stack.journal.add(entries...)
	q.tidy()
	q.running--
	q.dispatch()
	q.note(-len(batch))
}

// tidy forgets settled messages, so that a slow one does not keep the memory
// of all that came after it.
func (q *messageQueue) tidy() {
	if q.settled > 1000 && q.settled > len(q.hidden)/2 {
		q.hidden = slices.DeleteFunc(q.hidden, func(h hidden) bool { return h.gone })
		q.settled = 0
	}
}

// process is the set of the ids that failed.
func (q *messageQueue) process(batch []*message) map[string]bool {
	all := func() map[string]bool {
		failed := map[string]bool{}
		for _, m := range batch {
			failed[m.id()] = true
		}
		return failed
	}
	payload, err := q.event(batch)
	if err != nil {
		q.stack.log.Error("a batch does not encode", "queue", q.settings.name, "error", err)
		return all()
	}
	request := q.stack.requestID()
	answer, err := q.stack.invoke(context.Background(), q.consumer.function, request, payload)
	if err != nil {
		q.stack.log.Warn("a batch failed", "queue", q.settings.name, "function", q.consumer.function.name, "request", request, "messages", len(batch), "error", err)
		return all()
	}
	if !q.consumer.partial {
		return nil
	}
	failed, ok := failures(answer)
	for id := range failed {
		ok = ok && slices.ContainsFunc(batch, func(m *message) bool { return m.id() == id })
	}
	if !ok {
		q.stack.log.Error("a batch failed: its answer names no such messages", "queue", q.settings.name, "function", q.consumer.function.name, "request", request)
		return all()
	}
	if len(failed) > 0 {
		q.stack.log.Warn("messages failed", "queue", q.settings.name, "function", q.consumer.function.name, "request", request, "messages", len(failed))
	}
	return failed
}

// failures reads a partial answer as Lambda does: nothing, null and an empty
// list are full success; an answer that is not understood fails the batch.
func failures(answer []byte) (map[string]bool, bool) {
	var partial *struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if len(answer) == 0 {
		return nil, true
	}
	if err := json.Unmarshal(answer, &partial); err != nil {
		return nil, false
	}
	failed := map[string]bool{}
	if partial != nil {
		for _, item := range partial.BatchItemFailures {
			if item.ItemIdentifier == "" {
				return nil, false
			}
			failed[item.ItemIdentifier] = true
		}
	}
	return failed, true
}

func (q *messageQueue) event(batch []*message) ([]byte, error) {
	q.mu.Lock()
	event := events.SQSEvent{Records: make([]events.SQSMessage, len(batch))}
	for i, m := range batch {
		sum := md5.Sum([]byte(m.body))
		id := m.id()
		event.Records[i] = events.SQSMessage{
			MessageId:     id,
			ReceiptHandle: id + "/" + strconv.Itoa(m.received),
			Body:          m.body,
			Md5OfBody:     hex.EncodeToString(sum[:]),
			Attributes: map[string]string{
				"ApproximateReceiveCount":          strconv.Itoa(m.received),
				"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
				"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
				"SenderId":                         "local",
			},
			MessageAttributes: map[string]events.SQSMessageAttribute{},
			EventSource:       "aws:sqs",
			EventSourceARN:    "arn:aws:sqs:local:000000000000:" + q.settings.name,
			AWSRegion:         "local",
		}
	}
	q.mu.Unlock()
	return json.Marshal(event)
}

// The items of messages. They stand in an engine of their own, so the keys
// are no matter of shared/table.

func (q *messageQueue) key(m *message) table.Key {
	return table.Key{PK: q.settings.name, SK: fmt.Sprintf("%020d", m.sequence)}
}

func (q *messageQueue) put(m *message) entry {
	attributes := map[string]table.Value{
		"body":     table.String(m.body),
		"sent":     table.Number(m.sent.UnixMilli()),
		"received": table.Number(int64(m.received)),
	}
	if m.from != "" {
		attributes["from"] = table.String(m.from)
	}
	return entry{actions: []table.Action{table.Put(table.Item{Key: q.key(m), Attributes: attributes})}, bytes: len(m.body) + envelope}
}

func (q *messageQueue) delete(m *message) entry {
	return entry{actions: []table.Action{table.Delete(q.key(m))}}
}

func (q *messageQueue) count(m *message) entry {
	return entry{actions: []table.Action{table.Update(q.key(m), []table.Change{table.Set("received", table.Number(int64(m.received)))})}}
}

// load reads the messages back. One that failed for the last time before the
// process died goes to the dead-letter queue.
func (s *Stack) load(ctx context.Context, t table.Table) error {
	last := uint64(s.base().UnixNano()) // above every one that an earlier run gave and forgot
	lost := map[*message]*messageQueue{}
	for name, q := range s.queues {
		query := table.Query{PK: name, Limit: table.MaxLimit, Consistency: table.Strong}
		for {
			page, err := t.Query(ctx, query)
			if err != nil {
				return fmt.Errorf("stack: queue %s: %w", name, err)
			}
			for _, item := range page.Items {
				sequence, err := strconv.ParseUint(item.Key.SK, 10, 64)
				if err != nil {
					return fmt.Errorf("stack: queue %s holds an item that is no message", name)
				}
				if !item.Has("body") {
					// A failure was counted while the message was redriven.
					s.journal.add(entry{actions: []table.Action{table.Delete(item.Key)}})
					continue
				}
				m := &message{
					sequence: sequence, body: item.Text("body"), from: item.Text("from"),
					sent: time.UnixMilli(item.Int("sent")), received: int(item.Int("received")),
				}
				if q.exhausted(m) {
					lost[m] = q
				} else {
					q.show(m)
				}
				last = max(last, sequence)
			}
			if query.Cursor = page.Next; query.Cursor == "" {
				break
			}
		}
	}
	s.sequence.Store(last)
	for m, q := range lost {
		q.bury(m)
	}
	return nil
}

// QueueState is how much a queue holds.
type QueueState struct {
	Name     string
	Visible  int       // waiting for somebody
	InFlight int       // being worked on, or failed and hidden until the visibility timeout
	Oldest   time.Time // when the oldest visible one was sent; zero when there is none
	Dead     string    // its dead-letter queue, "" for none
}

// Queues are all queues by name.
func (s *Stack) Queues() []QueueState {
	var states []QueueState
	for name, q := range s.queues {
		q.mu.Lock()
		q.expire()
		state := QueueState{Name: name, Visible: len(q.ready), Dead: q.settings.dead}
		for _, h := range q.hidden {
			if !h.gone && h.received == h.reception {
				state.InFlight++
			}
		}
		for _, m := range q.ready {
			if state.Oldest.IsZero() || m.sent.Before(state.Oldest) {
				state.Oldest = m.sent
			}
		}
		q.mu.Unlock()
		states = append(states, state)
	}
	slices.SortFunc(states, func(a, b QueueState) int { return cmp.Compare(a.Name, b.Name) })
	return states
}

// Message is one that waits on a queue.
type Message struct {
	ID       string
	Body     []byte
	Sent     time.Time
	Received int    // times
	From     string // the queue it died on, "" when it was not moved
}

// Messages lists visible messages of a queue, oldest first, at most limit. It
// changes nothing. It fails with KindNotFound for a queue that is not there.
func (s *Stack) Messages(name string, limit int) ([]Message, error) {
	q, ok := s.queues[name]
	if !ok {
		return nil, loyalty.Refuse(loyalty.KindNotFound, "no_such_queue", "there is no such queue")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire()
	listed := make([]Message, 0, min(limit, len(q.ready)))
	for _, m := range q.ready[:min(limit, len(q.ready))] {
		listed = append(listed, Message{ID: m.id(), Body: []byte(m.body), Sent: m.sent, Received: m.received, From: m.from})
	}
	return listed, nil
}

// Redrive sends the visible messages of a dead-letter queue back to where they
// died, each as a new message in one write, and says how many. A message that
// did not come from a queue (the firing of a schedule) stays. It fails with
// KindNotFound for a queue that is not there.
func (s *Stack) Redrive(ctx context.Context, dead string) (int, error) {
	q, ok := s.queues[dead]
	if !ok {
		return 0, loyalty.Refuse(loyalty.KindNotFound, "no_such_queue", "there is no such queue")
	}
	q.mu.Lock()
	var corpses []*message
	q.ready = slices.DeleteFunc(q.ready, func(m *message) bool {
		if s.queues[m.from] == nil {
			return false
		}
		corpses = append(corpses, m)
		return true
	})
	q.note(-len(corpses))
	q.mu.Unlock()
	for i, corpse := range corpses {
		home := s.queues[corpse.from]
		risen := &message{sequence: s.sequence.Add(1), body: corpse.body, sent: s.base()}
		actions := append(q.delete(corpse).actions, home.put(risen).actions...)
		if err := s.journal.table.Write(ctx, actions...); err != nil {
			q.push(corpses[i:]...)
			return i, err
		}
		home.push(risen)
	}
	return len(corpses), nil
}
