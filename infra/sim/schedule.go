package sim

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// event is something that happens at a virtual instant.
type event struct {
	at  int64 // Unix nanoseconds
	seq int   // tells apart what happens at one instant
	do  func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	popped := (*a)[last]
	(*a)[last] = event{}
	*a = (*a)[:last]
	return popped
}

// clockwork is the virtual time and what is still to happen in it.
type clockwork struct {
	nanos   int64
	seq     int
	pending agenda
	rng     *rand.Rand // of the interleaving
	steps   int
	calm    bool // nothing goes wrong any more and every step takes a millisecond
}

func (c *clockwork) now() time.Time { return time.Unix(0, c.nanos).UTC() }

func (c *clockwork) at(when time.Time, do func()) { c.in(when.Sub(c.now()), do) }

func (c *clockwork) in(delay time.Duration, do func()) {
	c.seq++
	heap.Push(&c.pending, event{c.nanos + int64(max(delay, 0)), c.seq, do})
}

// next does what comes next; false when nothing does.
func (c *clockwork) next() bool {
	if len(c.pending) == 0 {
		return false
	}
	e := heap.Pop(&c.pending).(event)
	c.nanos = max(c.nanos, e.at)
	e.do()
	return true
}

// latency is how long a step takes: mostly little, now and then so long that
// everything else overtakes it. It is what draws the interleaving.
func (c *clockwork) latency() time.Duration {
	if c.calm {
		return time.Millisecond
	}
	switch draw := c.rng.IntN(100); {
	case draw < 80:
		return time.Duration(1+c.rng.IntN(20)) * time.Millisecond
	case draw < 96:
		return time.Duration(20+c.rng.IntN(380)) * time.Millisecond
	default:
		return time.Duration(400+c.rng.IntN(2600)) * time.Millisecond
	}
}

// instance is one Lambda instance: its globals, its clock, and the one
// invocation that it works on.
type instance struct {
	*simulation
	name    string
	skew    time.Duration
	handler handler
	current *invocation
	idle    time.Time
	broken  bool
}

// clock is the instance's own.
func (i *instance) clock() time.Time { return i.now().Add(i.skew) }

// invocation is one run of a function, as a coroutine: it goes on only when the
// simulation says so, and it stops at every call it makes.
type invocation struct {
	*instance
	id       uint64
	label    string
	calls    uint64
	deadline int64
	began    int // commits when it began
	inBatch  bool
	handed   []*message // the batch
	dead     bool       // it crashed: every call is refused, so that nothing can clean up
	killed   bool
	frozen   time.Duration
	looks    map[loyalty.MemberID]int // commits when it last saw the account

	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
}

var errCrashed = table.Timeout(errors.New("the invocation is dead"))

// deadlined is the context of an invocation, whose deadline is virtual.
type deadlined struct {
	context.Context
	of *invocation
}

func (d deadlined) Err() error {
	if d.of.dead || d.of.nanos >= d.of.deadline {
		return context.DeadlineExceeded
	}
	return nil
}

// begin runs a function's work on an instance; ended is told at its end
// whether it crashed.
func (s *simulation) begin(i *instance, timeout time.Duration, work func(context.Context), ended func(crashed bool)) *invocation {
	s.ordinals[i.name]++
	v := &invocation{
		instance: i, id: mix(number(i.name), uint64(s.ordinals[i.name])),
		label: fmt.Sprintf("%s#%d", i.name, s.ordinals[i.name]), deadline: s.nanos + int64(timeout),
		began: s.commits, looks: map[loyalty.MemberID]int{},
	}
	i.current = v
	v.resume, v.stop = iter.Pull(func(yield func(struct{}) bool) {
		v.yield = yield
		defer func() {
			if reason := recover(); reason != nil {
				if _, ours := reason.(injectedPanic); !ours {
					s.violate("PANIC", "%s panicked: %v", v.label, reason)
				}
				v.dead = true
			}
		}()
		work(deadlined{context.Background(), v})
	})
	s.running++
	s.record(v.label, "begins")
	var step func()
	step = func() {
		s.steps++
		if !v.dead && s.nanos >= v.deadline {
			s.faults.met(TimeoutKill)
			s.record(v.label, "is killed at its timeout")
			v.dead, v.killed = true, true
		}
		s.active = i
		if v.dead {
			v.stop()
		} else if _, more := v.resume(); more {
			s.in(s.latency()+v.frozen, step)
			v.frozen = 0
			return
		}
		s.running--
		i.current, i.idle = nil, s.now()
		i.broken = i.broken || v.dead
		if v.dead {
			s.record(v.label, "ends dead")
		} else {
			s.record(v.label, "ends")
		}
		ended(v.dead)
	}
	s.in(s.latency(), step)
	return v
}

// pause lets the others run; false when the invocation died meanwhile.
func (v *invocation) pause() bool {
	if v.dead {
		return false
	}
	if !v.yield(struct{}{}) {
		v.dead = true
	}
	return !v.dead
}

type injectedPanic struct{}

func (v *invocation) strikes(kind Kind) (uint64, bool) {
	place := [2]uint64{v.id, v.calls}
	id, strikes := v.faults.decide(kind, place[:])
	if !strikes {
		return 0, false
	}
	v.record(v.label, "FAULT "+kind.String())
	return v.faults.inject(kind, id, fmt.Sprintf("%s call %d", v.label, v.calls)), true
}

// before is the way of a call to whoever serves it, with all that can happen on
// it. After an error the call has not arrived.
func (v *invocation) before(what string) error {
	v.calls++
	v.record(v.label, what)
	if !v.pause() {
		return errCrashed
	}
	if _, crash := v.strikes(CrashBeforeCall); crash {
		v.dead = true
		return errCrashed
	}
	if draw, back := v.strikes(ClockBack); back {
		v.skew = max(v.skew-time.Duration(1+draw%30)*time.Second, -maxSkew)
	}
	if draw, freeze := v.strikes(Freeze); freeze {
		v.frozen = time.Duration(5+draw%50) * time.Second
		if !v.pause() {
			return errCrashed
		}
	}
	if v.inBatch {
		if _, fails := v.strikes(PanicInRecord); fails {
			panic(injectedPanic{})
		}
	}
	if draw, begins := v.strikes(ThrottleBurst); begins {
		v.throttledUntil = v.nanos + int64(time.Duration(2+draw%14)*time.Second)
	}
	if draw, begins := v.strikes(MixedBurst); begins {
		v.lostUntil = v.nanos + int64(time.Duration(1+draw%4)*time.Second)
	}
	if v.nanos < v.throttledUntil && !v.faults.off {
		return table.Throttled(nil)
	}
	if _, fails := v.strikes(Throttle); fails {
		return table.Throttled(nil)
	}
	if _, lost := v.strikes(RequestLost); lost || v.inLostBurst() && mix(v.id, v.calls)%2 == 0 {
		v.frozen = time.Second
		v.pause()
		return table.Timeout(nil)
	}
	return nil
}

func (v *invocation) inLostBurst() bool { return v.nanos < v.lostUntil && !v.faults.off }

// after is the way back of an answer.
func (v *invocation) after() error {
	if !v.pause() {
		return errCrashed
	}
	if _, crash := v.strikes(CrashAfterCommit); crash {
		v.dead = true
		return errCrashed
	}
	return nil
}
