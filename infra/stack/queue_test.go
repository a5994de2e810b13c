package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// deliveries are the bodies a function saw, with the receive count.
type deliveries struct {
	mu   sync.Mutex
	seen []string
}

func (d *deliveries) note(m events.SQSMessage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, m.Body+"#"+m.Attributes["ApproximateReceiveCount"])
}

func (d *deliveries) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.seen)
	return strings.Join(d.seen, " ")
}

func TestMessageEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got events.SQSMessage
		s := open(t, toy, embedded.Memory(), map[string]Handler{"Work": perMessage(func(m events.SQSMessage) error { got = m; return nil })})
		s.Start()
		defer s.close(t)
		s.send(t, `{"a":"回头"}`)
		synctest.Wait()
		if got.Body != `{"a":"回头"}` || got.EventSource != "aws:sqs" || got.AWSRegion != "local" || !strings.HasSuffix(got.EventSourceARN, ":WorkQueue") {
			t.Errorf("got %+v", got)
		}
		if got.Md5OfBody != "ae42aa43f8c4033f066b53f650d21081" {
			t.Errorf("md5 %s", got.Md5OfBody)
		}
		if got.Attributes["SentTimestamp"] != fmt.Sprint(time.Now().UnixMilli()) {
			t.Errorf("sent %s", got.Attributes["SentTimestamp"])
		}
		if len(got.MessageId) != 36 || got.MessageId[14] != '4' || got.MessageId[19] != '8' {
			t.Errorf("message id %q is no UUID", got.MessageId)
		}
		if state := s.state("WorkQueue"); state != "0/0" {
			t.Errorf("queue %s", state)
		}
	})
}

// A message that fails is delivered again after the visibility timeout, and
// the third failure sends it to the dead queue. The rest of its batch is done.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deliveries
		s := open(t, toy, embedded.Memory(), map[string]Handler{"Work": perMessage(func(m events.SQSMessage) error {
			d.note(m)
			if m.Body == "poison" {
				return errPlanned
			}
			return nil
		})})
		s.Start()
		defer s.close(t)
		s.send(t, "good", "poison", "fine")
		synctest.Wait()
		if got := d.String(); got != "fine#1 good#1 poison#1" {
			t.Fatal(got)
		}
		if got := s.state("WorkQueue"); got != "0/1" {
			t.Errorf("after the first failure: %s", got)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if got := d.String(); got != "fine#1 good#1 poison#1" {
			t.Errorf("before the visibility timeout: %s", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := d.String(); got != "fine#1 good#1 poison#1 poison#2" {
			t.Errorf("after the visibility timeout: %s", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := d.String(); got != "fine#1 good#1 poison#1 poison#2 poison#3" {
			t.Errorf("in the end: %s", got)
		}
		if got := s.state("WorkQueue") + " " + s.state("WorkDeadQueue"); got != "0/0 1/0" {
			t.Errorf("in the end: %s", got)
		}
		dead, err := s.Messages("WorkDeadQueue", 10)
		if err != nil || len(dead) != 1 || string(dead[0].Body) != "poison" || dead[0].From != "WorkQueue" || dead[0].Received != 3 {
			t.Errorf("dead: %+v, %v", dead, err)
		}
	})
}

func TestRedrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := embedded.Memory()
		var heal atomic.Bool
		var d deliveries
		s := open(t, toy, engine, map[string]Handler{
			"Work": perMessage(func(m events.SQSMessage) error {
				if !heal.Load() {
					return errPlanned
				}
				d.note(m)
				return nil
			}),
			"Tick": func(context.Context, []byte) ([]byte, error) { return nil, errPlanned },
		})
		s.Start()
		defer s.close(t)
		s.send(t, "one", "two")
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if got := s.state("WorkDeadQueue"); got != "2/0" {
			t.Fatalf("dead: %s", got)
		}
		heal.Store(true)
		n, err := s.Redrive(t.Context(), "WorkDeadQueue")
		synctest.Wait()
		if n != 2 || err != nil || d.String() != "one#1 two#1" {
			t.Errorf("redrive: %d, %v, %s", n, err, d.String())
		}
		if n, err := s.Redrive(t.Context(), "WorkDeadQueue"); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
		if _, err := s.Redrive(t.Context(), "Nowhere"); loyalty.KindOf(err) != loyalty.KindNotFound {
			t.Errorf("unknown queue: %v", err)
		}
		// The message that the schedule left came from no queue.
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		before := s.state("TickDeadQueue")
		if n, err := s.Redrive(t.Context(), "TickDeadQueue"); before == "0/0" || n != 0 || err != nil || s.state("TickDeadQueue") != before {
			t.Errorf("schedules' dead queue: %d, %v, %s before, %s after", n, err, before, s.state("TickDeadQueue"))
		}
	})
}

// The ways in which a whole batch fails, and those in which it does not.
func TestBatchOutcome(t *testing.T) {
	const failed, done = "0/2", "0/0"
	answer := func(text string) Handler {
		return func(context.Context, []byte) ([]byte, error) { return []byte(text), nil }
	}
	for name, c := range map[string]struct {
		handler Handler
		want    string
	}{
		"nothing":         {answer(""), done},
		"null":            {answer("null"), done},
		"empty object":    {answer("{}"), done},
		"empty list":      {answer(`{"batchItemFailures":[]}`), done},
		"null list":       {answer(`{"batchItemFailures":null}`), done},
		"error":           {func(context.Context, []byte) ([]byte, error) { return nil, errPlanned }, failed},
		"panic":           {func(context.Context, []byte) ([]byte, error) { panic("13800000000") }, failed},
		"no JSON":         {answer("ok"), failed},
		"empty id":        {answer(`{"batchItemFailures":[{"itemIdentifier":""}]}`), failed},
		"bad key":         {answer(`{"batchItemFailures":[{"id":"x"}]}`), failed},
		"foreign id":      {answer(`{"batchItemFailures":[{"itemIdentifier":"x"}]}`), failed},
		"over the answer": {answer(`"` + strings.Repeat("x", maxPayload) + `"`), failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, toy, embedded.Memory(), map[string]Handler{"Work": c.handler})
				s.Start()
				defer s.close(t)
				s.send(t, "one", "two")
				synctest.Wait()
				if got := s.state("WorkQueue"); got != c.want {
					t.Errorf("queue %s, want %s", got, c.want)
				}
				if strings.Contains(s.log.String(), "13800000000") {
					t.Error("the log holds what the panic said")
				}
			})
		})
	}
}

// A queue does nothing that the template does not say.
func TestWithout(t *testing.T) {
	fails := perMessage(func(m events.SQSMessage) error {
		if m.Body == "poison" {
			return errPlanned
		}
		return nil
	})
	t.Run("ReportBatchItemFailures", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			text := strings.Replace(toy, "            FunctionResponseTypes: [ReportBatchItemFailures]\n", "", 1)
			s := open(t, text, embedded.Memory(), map[string]Handler{"Work": fails})
			s.Start()
			defer s.close(t)
			s.send(t, "good", "poison")
			synctest.Wait()
			if got := s.state("WorkQueue"); got != "0/0" {
				t.Errorf("queue %s: the partial answer was heard", got)
			}
		})
	})
	t.Run("RedrivePolicy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			text := strings.Replace(toy, "      RedrivePolicy: {deadLetterTargetArn: !GetAtt WorkDeadQueue.Arn, maxReceiveCount: 3}\n", "      MessageRetentionPeriod: 3600\n", 1)
			var count atomic.Int32
			s := open(t, text, embedded.Memory(), map[string]Handler{"Work": func(context.Context, []byte) ([]byte, error) {
				count.Add(1)
				return nil, errPlanned
			}})
			s.Start()
			defer s.close(t)
			s.send(t, "poison")
			time.Sleep(59*time.Minute + 30*time.Second)
			synctest.Wait()
			if got := count.Load(); got != 60 {
				t.Errorf("delivered %d times in an hour", got)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := s.state("WorkQueue"); got != "0/0" || count.Load() > 61 {
				t.Errorf("after the retention: queue %s, %d deliveries", got, count.Load())
			}
		})
	})
}

func TestBatchesAndConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var mu sync.Mutex
		var sizes []int
		running, most := 0, 0
		s := open(t, toy, embedded.Memory(), map[string]Handler{"Work": Do(func(_ context.Context, event events.SQSEvent) error {
			mu.Lock()
			sizes = append(sizes, len(event.Records))
			running++
			most = max(most, running)
			mu.Unlock()
			<-gate
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		})})
		for i := range 35 {
			s.send(t, fmt.Sprint(i))
		}
		s.Start()
		defer s.close(t)
		synctest.Wait()
		if got := s.state("WorkQueue"); got != "15/20" {
			t.Errorf("two invocations of ten: %s", got)
		}
		close(gate)
		synctest.Wait()
		slices.Sort(sizes)
		if most != 2 || !slices.Equal(sizes, []int{5, 10, 10, 10}) {
			t.Errorf("at most %d at once, batches of %v", most, sizes)
		}
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Replace(toy, "BatchSize: 10", "BatchSize: 3\n            MaximumBatchingWindowInSeconds: 5", 1)
		var sizes record[int]
		s := open(t, text, embedded.Memory(), map[string]Handler{"Work": Do(func(_ context.Context, event events.SQSEvent) error {
			sizes.add(len(event.Records))
			return nil
		})})
		s.Start()
		defer s.close(t)
		s.send(t, "1")
		time.Sleep(4 * time.Second)
		s.send(t, "2")
		synctest.Wait()
		if got := sizes.take(); len(got) != 0 {
			t.Errorf("batches %v before the window ended", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := sizes.take(); !slices.Equal(got, []int{2}) {
			t.Errorf("batches %v after the window", got)
		}
		s.send(t, "3", "4", "5")
		synctest.Wait()
		if got := sizes.take(); !slices.Equal(got, []int{3}) {
			t.Errorf("batches %v: a full one does not wait", got)
		}
	})
}

// A function that is not back in time has failed, even though it goes on.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan struct{})
		s := open(t, toy, embedded.Memory(), map[string]Handler{"Work": func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			<-late
			return nil, nil
		}})
		s.Start()
		s.send(t, "slow")
		time.Sleep(9 * time.Second)
		if strings.Contains(s.log.String(), "no answer within 10s") {
			t.Error("given up too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := s.state("WorkQueue"); got != "0/1" || !strings.Contains(s.log.String(), "no answer within 10s") {
			t.Errorf("queue %s, log %s", got, s.log)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Close(brief); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close while a function runs: %v", err)
		}
		close(late)
		synctest.Wait()
	})
}

// Close waits for what runs and writes its outcome down; nothing is delivered
// after it.
func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := embedded.Memory()
		var d deliveries
		s := open(t, toy, engine, map[string]Handler{"Work": perMessage(func(m events.SQSMessage) error {
			time.Sleep(5 * time.Second)
			d.note(m)
			return nil
		})})
		s.Start()
		s.send(t, "under way")
		synctest.Wait()
		s.close(t)
		if got := d.String(); got != "under way#1" {
			t.Errorf("closed before the function was done: %q", got)
		}
		s.send(t, "later")
		synctest.Wait()
		if got := d.String(); got != "under way#1" {
			t.Errorf("delivered after Close: %q", got)
		}
		again := open(t, toy, engine, nil)
		if got := again.state("WorkQueue"); got != "1/0" {
			t.Errorf("at the next start: %s", got)
		}
	})
}

// The process dies: whatever was acknowledged is there at the next start, what
// was in flight is visible at once, failures still count, the dead stay dead.
func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := embedded.Memory()
		hang := make(chan struct{})
		first := open(t, toy, engine, map[string]Handler{"Work": perMessage(func(m events.SQSMessage) error {
			switch m.Body {
			case "failing", "poison":
				return errPlanned
			case "in flight":
				<-hang
			}
			return nil
		})})
		first.Start()
		first.send(t, "poison")
		time.Sleep(4 * time.Minute)
		first.send(t, "failing")
		synctest.Wait()
		first.send(t, "in flight")
		synctest.Wait()
		first.send(t, "done")
		synctest.Wait()
		if got := first.state("WorkQueue"); got != "0/2" {
			t.Fatalf("before the kill: %s", got)
		}
		ids, _ := first.Messages("WorkDeadQueue", 1)

		var d deliveries
		second := open(t, toy, engine, map[string]Handler{"Work": perMessage(func(m events.SQSMessage) error { d.note(m); return nil })})
		if got := second.state("WorkQueue") + " " + second.state("WorkDeadQueue"); got != "2/0 1/0" {
			t.Errorf("at the next start: %s", got)
		}
		second.Start()
		synctest.Wait()
		if got := d.String(); got != "failing#2 in flight#1" {
			t.Errorf("delivered: %s", got)
		}
		if again, _ := second.Messages("WorkDeadQueue", 1); len(again) != 1 || again[0].ID != ids[0].ID || again[0].From != "WorkQueue" {
			t.Errorf("dead before %+v, after %+v", ids, again)
		}
		second.close(t)
		close(hang)
		first.close(t)
	})
}

// A message that the sender was not promised is not there.
func TestSendRefuses(t *testing.T) {
	engine := embedded.Memory()
	s := open(t, toy, engine, nil)
	sender, err := s.environments["Greet"].Queue("WORK_QUEUE_URL")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body []byte
		want loyalty.Kind
	}{
		"empty":     {nil, loyalty.KindInvalid},
		"no text":   {[]byte{0xff}, loyalty.KindInvalid},
		"too large": {make([]byte, 256<<10+1), loyalty.KindTooLarge},
	} {
		if err := sender.Send(t.Context(), []byte("good"), c.body); loyalty.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	page, err := engine.Scan(t.Context(), table.Scan{Segments: 1, Limit: 10, Consistency: table.Strong})
	if err != nil || len(page.Items) != 0 || s.state("WorkQueue") != "0/0" {
		t.Errorf("a refusal left %d items, queue %s", len(page.Items), s.state("WorkQueue"))
	}
	if err := sender.Send(t.Context()); err != nil {
		t.Errorf("nothing to send: %v", err)
	}
	large := make([][]byte, 250)
	for i := range large {
		large[i] = []byte(strings.Repeat("x", 200<<10))
	}
	if err := sender.Send(t.Context(), large...); err != nil || s.state("WorkQueue") != "250/0" {
		t.Errorf("250 messages of 200 KB: %v, queue %s", err, s.state("WorkQueue"))
	}
}

// Whatever fails and however often the process dies: every message is done at
// least once or dead after three failures, and nothing is left over.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		poison := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 40).Draw(rt, "failures before success")
		kills := rapid.IntRange(0, 3).Draw(rt, "kills")
		synctest.Test(t, func(t *testing.T) {
			engine := embedded.Memory()
			var mu sync.Mutex
			tries, done := map[string]int{}, map[string]int{}
			handler := perMessage(func(m events.SQSMessage) error {
				mu.Lock()
				defer mu.Unlock()
				var i int
				fmt.Sscan(m.Body, &i)
				if tries[m.Body]++; tries[m.Body] <= poison[i] {
					return errPlanned
				}
				done[m.Body]++
				return nil
			})
			s := open(t, toy, engine, map[string]Handler{"Work": handler})
			s.Start()
			for i := range poison {
				s.send(t, fmt.Sprint(i))
			}
			for range kills {
				time.Sleep(30 * time.Second)
				synctest.Wait() // the journal is written, as it is a moment after each failure
				s.close(t)
				s = open(t, toy, engine, map[string]Handler{"Work": handler})
				s.Start()
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			dead, _ := s.Messages("WorkDeadQueue", 100)
			for i, failures := range poison {
				body := fmt.Sprint(i)
				buried := slices.ContainsFunc(dead, func(m Message) bool { return string(m.Body) == body })
				if failures >= 3 != buried || buried == (done[body] == 1) {
					t.Errorf("message %d fails %d times: done %d times, dead %t", i, failures, done[body], buried)
				}
			}
			if got := s.state("WorkQueue"); got != "0/0" {
				t.Errorf("left over: %s", got)
			}
			s.close(t)
		})
	})
}

// The journal never names a key twice in one write and never outgrows one.
func TestGather(t *testing.T) {
	remove := func(sk string) entry {
		return entry{actions: []table.Action{table.Delete(table.Key{PK: "q", SK: sk})}}
	}
	many := make([]entry, 150)
	for i := range many {
		many[i] = remove(fmt.Sprint(i))
	}
	for name, c := range map[string]struct {
		pending []entry
		want    int
	}{
		"all":      {many[:7], 7},
		"a write":  {many, 100},
		"same key": {[]entry{remove("a"), remove("b"), remove("a")}, 2},
		"too big":  {[]entry{{bytes: 2 << 20}, {bytes: 2 << 20}}, 1},
		"one big":  {[]entry{{bytes: 4 << 20}}, 1},
	} {
		if got, _ := gather(c.pending); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Prompt: a message is with the function before a poller would have woken.
func TestPromptly(t *testing.T) {
	arrived := make(chan time.Time, 1)
	s := open(t, toy, embedded.Memory(), map[string]Handler{"Work": func(context.Context, []byte) ([]byte, error) {
		arrived <- time.Now()
		return nil, nil
	}})
	s.Start()
	defer s.close(t)
	best := time.Hour
	for range 20 {
		begin := time.Now()
		s.send(t, "now")
		best = min(best, waitFor(t, arrived).Sub(begin))
	}
	t.Logf("best of 20: %s", best)
	if best > 5*time.Millisecond {
		t.Errorf("the fastest of 20 messages took %s", best)
	}
}

// End to end on the durable engine: 16 senders of one message each call.
func BenchmarkQueue(b *testing.B) {
	engine, err := embedded.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Replace(toy, "MaximumConcurrency: 2", "MaximumConcurrency: 10", 1)
	var got atomic.Int64
	done := make(chan struct{})
	s, err := tryOpen(text, engine, map[string]Handler{"Work": Call(func(_ context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		if got.Add(int64(len(event.Records))) == int64(b.N) {
			close(done)
		}
		return events.SQSEventResponse{}, nil
	})})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	sender, err := s.environments["Greet"].Queue("WORK_QUEUE_URL")
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"2156000000000000000","lines":[{"line_id":"1","sku":"MILK-400","quantity":2,"paid":39800}]}`)
	b.ResetTimer()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := sender.Send(context.Background(), body); err != nil {
				b.Error(err)
			}
		}
	})
	<-done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if err := errors.Join(s.Close(context.Background()), engine.Close()); err != nil {
		b.Fatal(err)
	}
}
