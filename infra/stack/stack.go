// Package stack runs a SAM template in one process: its HTTP API, its queues
// and its schedules call the functions with the very JSON that AWS sends. The
// template is the only source of what happens; what it does not say does not
// happen, and what this package cannot do as AWS does is an error at start.
// It knows no function.
//
// It is for one machine. Where it differs from AWS on purpose: the API does
// not throttle; a schedule's firings run one after the other, so overlapping
// runs never happen; and a function that ignores its deadline is given up but
// not killed.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/huitou/huitou/infra/stack/template"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/table"
)

// Config is what a template does not say.
type Config struct {
	Template   []byte
	Parameters map[string]string  // values of the template's parameters in place of their defaults
	Builders   map[string]Builder // by the logical id of the function
	Queues     table.Table        // keeps the messages; an engine of its own, shared with nobody
	Clock      func() time.Time   // runs at the pace of the machine's; time.Now when nil
	Log        *slog.Logger       // slog.Default() when nil; it never sees a body
}

// Builder makes a function's handler once, at start.
type Builder func(env Environment) (Handler, error)

// Environment is what a function finds around it.
type Environment struct {
	Function  string            // logical id
	Variables map[string]string // names of resources are "local:" and the logical id
	Clock     func() time.Time  // the stack's clock, which SetClock moves
	stack     *Stack
	grants    []grant
}

// Queue is the sender of the queue that the variable names. A function whose
// template gives it no such variable cannot send.
func (e Environment) Queue(variable string) (queue.Sender, error) {
	for name, q := range e.stack.queues {
		if e.Variables[variable] == reference(name) {
			return q, nil
		}
	}
	return nil, fmt.Errorf("stack: %s: variable %s names no queue", e.Function, variable)
}

// reference is what the template's !Ref and !GetAtt of a resource resolve to.
func reference(name string) string { return "local:" + name }

// Stack is a template that runs. Its methods may be called from any goroutine.
type Stack struct {
	log       *slog.Logger
	base      func() time.Time
	functions map[string]*function
	routes    []route
	cors      *cors
	queues    map[string]*messageQueue
	sequence  atomic.Uint64 // of the last message
	requests  atomic.Uint64
	journal   *journal
	work      work
	rest      rest
	timetable timetable
}

// Open reads the template, builds the functions and loads the messages that
// are still there: those that were in flight when the process died are visible
// at once. Nothing is delivered before Start. It fails on whatever it does not
// understand.
func Open(config Config) (*Stack, error) {
	parsed, err := template.Parse(config.Template, config.Parameters)
	if err != nil {
		return nil, err
	}
	plan, err := read(parsed)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		log:       config.Log,
		base:      config.Clock,
		functions: map[string]*function{},
		routes:    plan.routes,
		cors:      plan.cors,
		queues:    map[string]*messageQueue{},
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.base == nil {
		s.base = time.Now
	}
	s.journal = newJournal(config.Queues, s.log)
	s.rest.changed = make(chan struct{})
	s.work.idle = sync.NewCond(&s.work.mu)
	for _, settings := range plan.queues {
		s.queues[settings.name] = newQueue(s, settings)
	}
	for _, q := range s.queues {
		q.dead = s.queues[q.settings.dead]
	}
	if err := s.build(plan, config.Builders); err != nil {
		return nil, err
	}
	for _, source := range plan.sources {
		s.queues[source.queue].consumer = &consumer{source: source, function: s.functions[source.function]}
	}
	s.timetable.open(s, plan.schedules)
	if err := s.load(context.Background(), config.Queues); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Stack) build(plan plan, builders map[string]Builder) error {
	var problems []error
	for name := range builders {
		if !slices.ContainsFunc(plan.functions, func(f *function) bool { return f.name == name }) {
			problems = append(problems, fmt.Errorf("stack: a handler for %s, which the template does not have", name))
		}
	}
	for _, f := range plan.functions {
		builder, ok := builders[f.name]
		if !ok {
			problems = append(problems, fmt.Errorf("stack: no handler for function %s", f.name))
			continue
		}
		handler, err := builder(Environment{
			Function: f.name, Variables: maps.Clone(f.variables), Clock: s.Now, stack: s, grants: f.grants,
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("stack: %s: %w", f.name, err))
			continue
		}
		f.handler = handler
		s.functions[f.name] = f
	}
	return errors.Join(problems...)
}

// Start delivers messages and fires schedules until Close. It is called once.
func (s *Stack) Start() {
	for _, q := range s.queues {
		q.start()
	}
	s.timetable.start()
}

// Close takes nothing new, waits for what runs and writes down what is done.
// When ctx ends first it returns its error: what still runs then is delivered
// again at the next start. The engine of the queues stays open; its owner
// closes it afterwards.
func (s *Stack) Close(ctx context.Context) error {
	s.timetable.end()
	for _, q := range s.queues {
		q.stop()
	}
	drained := make(chan struct{})
	go func() {
		s.timetable.wait()
		s.work.close()
		s.journal.wait()
		close(drained)
	}()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stack: closed with work unfinished: %w", ctx.Err())
	}
}

// work counts invocations, so that Close can wait for them.
type work struct {
	mu     sync.Mutex
	idle   *sync.Cond
	count  int
	closed bool
}

// begin is false once the stack closes.
func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.count++
	return true
}

func (w *work) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count--; w.count == 0 {
		w.idle.Broadcast()
	}
}

func (w *work) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for w.count > 0 {
		w.idle.Wait()
	}
}

// rest counts the messages that some function can be given or is working on.
// A failed message that waits for its visibility timeout is at rest.
type rest struct {
	mu      sync.Mutex
	busy    int
	changed chan struct{} // closed and replaced when busy falls to 0
}

func (r *rest) add(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy += n
	if r.busy == 0 && n < 0 {
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

// Rest waits until no message is ready or being worked on. A stack that was
// not started does not deliver, so there it waits for ctx.
func (s *Stack) Rest(ctx context.Context) error {
	for {
		s.rest.mu.Lock()
		busy, changed := s.rest.busy, s.rest.changed
		s.rest.mu.Unlock()
		if busy == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
