package stack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/huitou/huitou/shared/loyalty"
)

// recurrence is a ScheduleV2 event.
type recurrence struct {
	name     string // Function/Event
	function string
	input    string
	disabled bool
	next     func(after time.Time) time.Time
}

// parseExpression reads rate(…) and cron(…) as EventBridge Scheduler does. A
// rate counts from midnight, where AWS counts from the schedule's creation.
// Forms that one process does not run are refused: at(…), years, L, W and #.
func parseExpression(expression string, zone *time.Location) (func(time.Time) time.Time, error) {
	unknown := fmt.Errorf("schedule expression %q is not known here", expression)
	kind, rest, _ := strings.Cut(expression, "(")
	inner, closed := strings.CutSuffix(rest, ")")
	if !closed {
		return nil, unknown
	}
	fields := strings.Fields(inner)
	switch {
	case kind == "rate" && len(fields) == 2:
		units := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
		n, err := strconv.Atoi(fields[0])
		unit := units[strings.TrimSuffix(fields[1], "s")]
		if err != nil || n < 1 || unit == 0 {
			return nil, unknown
		}
		every := time.Duration(n) * unit
		return func(after time.Time) time.Time {
			_, offset := after.In(zone).Zone()
			shift := time.Duration(offset) * time.Second
			return after.Add(shift).Truncate(every).Add(every - shift)
		}, nil
	case kind == "cron" && len(fields) == 6:
		day, weekday, year := fields[2], fields[4], fields[5]
		if year != "*" || (day == "?") == (weekday == "?") {
			return nil, unknown
		}
		// Sunday is 1 on AWS and 0 in Unix.
		fields[4] = weekdays.ReplaceAllStringFunc(weekday, func(n string) string { return string(n[0] - 1) })
		if strings.Contains(weekday, "/") || strings.ContainsAny(weekday, "089") {
			return nil, unknown
		}
		parsed, err := cron.ParseStandard(strings.Join(fields[:5], " "))
		if err != nil {
			return nil, unknown
		}
		return func(after time.Time) time.Time { return parsed.Next(after.In(zone)) }, nil
	default:
		return nil, unknown
	}
}

var weekdays = regexp.MustCompile(`[1-7]`)

// firing is one that is to come.
type firing struct {
	at       time.Time // on the stack's clock
	schedule *recurrence
	time     time.Time // what the schedule stands for; before at when it is tried again
	attempt  int
}

// timetable fires schedules by a clock that can be moved. One firing runs at a
// time, in the order of their times.
type timetable struct {
	stack *Stack

	turn    chan struct{} // holds one token, taken by whoever fires: the ticker or SetClock
	wake    chan struct{}
	life    context.Context // ends with the stack
	end     context.CancelFunc
	stopped chan struct{} // closed when the ticker has ended; nil before start

	mu        sync.Mutex
	offset    time.Duration // between the machine's clock and the stack's
	schedules []recurrence
	due       []firing
}

func (t *timetable) open(s *Stack, schedules []recurrence) {
	t.stack = s
	t.schedules = schedules
	t.wake = make(chan struct{}, 1)
	t.turn = make(chan struct{}, 1)
	t.turn <- struct{}{}
	t.life, t.end = context.WithCancel(context.Background())
	slices.SortFunc(t.schedules, func(a, b recurrence) int { return cmp.Compare(a.name, b.name) })
	t.plan(t.now())
}

// plan forgets what was to come and counts anew from a moment.
func (t *timetable) plan(from time.Time) {
	t.due = nil
	for i := range t.schedules {
		if !t.schedules[i].disabled {
			at := t.schedules[i].next(from)
			t.due = append(t.due, firing{at: at, schedule: &t.schedules[i], time: at})
		}
	}
}

func (t *timetable) now() time.Time { return t.stack.base().Add(t.offset) }

// Now is the stack's clock.
func (s *Stack) Now() time.Time {
	s.timetable.mu.Lock()
	defer s.timetable.mu.Unlock()
	return s.timetable.now()
}

// soonest is the position of the next firing, -1 for none. The caller holds mu.
func (t *timetable) soonest() int {
	first := -1
	for i, f := range t.due {
		if first < 0 || f.at.Before(t.due[first].at) {
			first = i
		}
	}
	return first
}

// take removes the next firing that is due by a moment and puts the one after
// it in its place.
func (t *timetable) take(by time.Time) (firing, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.soonest()
	if i < 0 || t.due[i].at.After(by) {
		return firing{}, false
	}
	f := t.due[i]
	if f.attempt == 0 {
		at := f.schedule.next(f.at)
		t.due[i] = firing{at: at, schedule: f.schedule, time: at}
	} else {
		t.due = slices.Delete(t.due, i, i+1)
	}
	return f, true
}

func (t *timetable) start() {
	t.stopped = make(chan struct{})
	go func() {
		defer close(t.stopped)
		for {
			<-t.turn
			for t.life.Err() == nil {
				f, ok := t.take(t.stack.Now())
				if !ok {
					break
				}
				t.attempt(t.life, f)
			}
			t.turn <- struct{}{}
			if !t.sleep() {
				return
			}
		}
	}()
}

// sleep until the next firing or until the clock was moved; false at the end.
func (t *timetable) sleep() bool {
	t.mu.Lock()
	pause := time.Hour
	if i := t.soonest(); i >= 0 {
		// Short enough to notice that the machine itself was asleep.
		pause = min(pause, t.due[i].at.Sub(t.now()))
	}
	t.mu.Unlock()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.wake:
	case <-t.life.Done():
		return false
	}
	return true
}

// wait returns when nothing fires any more, after end.
func (t *timetable) wait() {
	if t.stopped != nil {
		<-t.stopped
	}
	<-t.turn
	t.turn <- struct{}{}
}

// attempt calls the function as Lambda does for an asynchronous event: what
// fails is tried again after one minute, then after two, then goes to the
// failure destination.
func (t *timetable) attempt(ctx context.Context, f firing) {
	payload, err := t.stack.fire(ctx, f.schedule, f.time, f.attempt)
	if err == nil {
		return
	}
	function := t.stack.functions[f.schedule.function]
	t.stack.log.Error("a schedule failed", "schedule", f.schedule.name, "time", f.time, "attempt", f.attempt+1, "error", err)
	if f.attempt < function.retries {
		t.mu.Lock()
		defer t.mu.Unlock()
		delay := time.Duration(f.attempt+1) * time.Minute
		t.due = append(t.due, firing{at: f.at.Add(delay), schedule: f.schedule, time: f.time, attempt: f.attempt + 1})
		return
	}
	if dead := t.stack.queues[function.onFailure]; dead != nil {
		if err := dead.Send(context.WithoutCancel(ctx), t.epitaph(f, function, payload)); err != nil {
			t.stack.log.Error("a failed schedule is not kept", "schedule", f.schedule.name, "time", f.time, "error", err)
		}
	}
}

// epitaph is the record that Lambda sends to a failure destination. The
// error's text stays in the log.
func (t *timetable) epitaph(f firing, function *function, payload []byte) []byte {
	record := map[string]any{
		"version":   "1.0",
		"timestamp": t.stack.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{
			"requestId": t.stack.requestID(), "functionArn": reference(function.name) + ":$LATEST",
			"condition": "RetriesExhausted", "approximateInvokeCount": f.attempt + 1,
		},
		"requestPayload":  json.RawMessage(payload),
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
		"responsePayload": map[string]any{"errorType": "error"},
	}
	// The payload was valid JSON when the function got it.
	body, _ := json.Marshal(record)
	return body
}

// fire calls the function with the schedule's input and returns that input.
func (s *Stack) fire(ctx context.Context, schedule *recurrence, at time.Time, attempt int) ([]byte, error) {
	request := s.requestID()
	input := schedule.input
	if input == "" {
		input = "{}"
	}
	payload := []byte(strings.NewReplacer(
		"<aws.scheduler.scheduled-time>", at.UTC().Format("2006-01-02T15:04:05Z"),
		"<aws.scheduler.schedule-arn>", "arn:aws:scheduler:local:000000000000:schedule/default/"+schedule.name,
		"<aws.scheduler.execution-id>", request,
		"<aws.scheduler.attempt-number>", strconv.Itoa(attempt+1),
	).Replace(input))
	if !json.Valid(payload) {
		return []byte("null"), errors.New("the schedule's Input is no JSON")
	}
	_, err := s.invoke(ctx, s.functions[schedule.function], request, payload)
	return payload, err
}

// Schedules lists every Function/Event.
func (s *Stack) Schedules() []string {
	var names []string
	for _, schedule := range s.timetable.schedules {
		names = append(names, schedule.name)
	}
	return names
}

// Fire fires a schedule ("Function/Event") as if it were that time, once, and
// returns the function's error. The clock stays. It fails with KindNotFound
// for a schedule that is not there.
func (s *Stack) Fire(ctx context.Context, name string, at time.Time) error {
	i := slices.IndexFunc(s.timetable.schedules, func(schedule recurrence) bool { return schedule.name == name })
	if i < 0 {
		return loyalty.Refuse(loyalty.KindNotFound, "no_such_schedule", "there is no such schedule; GET /_local lists them")
	}
	_, err := s.fire(ctx, &s.timetable.schedules[i], at, 0)
	return err
}

// maxLeap bounds one SetClock: a schedule of every minute fires about 1.1
// million times in it, which takes a minute or so.
const maxLeap = 800 * 24 * time.Hour

// SetClock moves the stack's clock, which then runs on. Forward, it goes from
// firing to firing: each schedule that falls between runs at its own time, and
// the messages that it makes are worked off before time goes on, as if the
// hours had really passed. It returns how many fired; a function's failure is
// logged and tried again as always. Backward, nothing fires until its time
// comes again. Queues keep to the machine's clock.
//
// It fails with KindInvalid for a leap over 800 days, and when ctx or the stack
// ends first; then the clock stands where it got to.
func (s *Stack) SetClock(ctx context.Context, to time.Time) (int, error) {
	t := &s.timetable
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	select {
	case <-t.turn:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() {
		t.turn <- struct{}{}
		select {
		case t.wake <- struct{}{}:
		default: // it is woken already
		}
	}()
	if to.Sub(s.Now()) > maxLeap {
		return 0, loyalty.Invalid("/now", "out_of_range", "the clock moves at most 800 days at once")
	}
	fired := 0
	for {
		if err := ctx.Err(); err != nil {
			return fired, err
		}
		f, ok := t.take(to)
		if !ok {
			break
		}
		t.set(f.at)
		t.attempt(ctx, f)
		fired++
		if err := s.Rest(ctx); err != nil {
			return fired, err
		}
	}
	back := to.Before(s.Now())
	t.set(to)
	if back {
		t.mu.Lock()
		t.plan(to)
		t.mu.Unlock()
	}
	return fired, nil
}

func (t *timetable) set(to time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offset = to.Sub(t.stack.base())
}
