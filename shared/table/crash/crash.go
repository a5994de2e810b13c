// Package crash lets a function die at one of its calls, for tests that a process
// may die anywhere.
package crash

import (
	"context"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Point is the call at which an invocation dies: before it, or after it took
// effect. Any later call of the same invocation fails too, as a dead process
// calls nothing. It serves one goroutine at a time; the zero Point is no crash.
type Point struct {
	At    int  // which call, from 1; 0 for none
	After bool // the call took effect
	Lives bool // the call fails, and the process goes on: an error that is swallowed shows
	Calls int  // so far, of all invocations
	Dead  bool // until the next invocation, see Revive
}

// Died is what a dead process is told, as if there were an answer.
var Died error = loyalty.Refuse(loyalty.KindUnavailable, "crashed", "")

// Around makes a call, or dies of it.
func (p *Point) Around(call func() error) error {
	if p.Dead {
		return Died
	}
	p.Calls++
	if p.Calls != p.At {
		return call()
	}
	p.Dead = !p.Lives
	if p.After {
		_ = call() // nobody hears the answer
	}
	return Died
}

// Revive begins another invocation, and tells whether the one before died.
func (p *Point) Revive() (died bool) {
	died, p.Dead = p.Dead, false
	return died
}

// Table is a table each of whose calls goes through the point.
func (p *Point) Table(t table.Table) table.Table { return mortal{t, p} }

type mortal struct {
	table.Table
	point *Point
}

func (m mortal) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) (items []*table.Item, err error) {
	err = m.point.Around(func() error { items, err = m.Table.Get(ctx, consistency, keys...); return err })
	return items, err
}

func (m mortal) Query(ctx context.Context, query table.Query) (page table.Page, err error) {
	err = m.point.Around(func() error { page, err = m.Table.Query(ctx, query); return err })
	return page, err
}

func (m mortal) Write(ctx context.Context, actions ...table.Action) error {
	return m.point.Around(func() error { return m.Table.Write(ctx, actions...) })
}

// Meanwhile is a table with which something else happens right before one of its
// calls. It serves one goroutine at a time.
type Meanwhile struct {
	table.Table
	At    int // before which call, from 1
	Calls int // so far
	Do    func()
}

func (m *Meanwhile) before() {
	if m.Calls++; m.Calls == m.At {
		m.Do()
	}
}

// Get implements table.Table.
func (m *Meanwhile) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	m.before()
	return m.Table.Get(ctx, consistency, keys...)
}

// Query implements table.Table.
func (m *Meanwhile) Query(ctx context.Context, query table.Query) (table.Page, error) {
	m.before()
	return m.Table.Query(ctx, query)
}

// Write implements table.Table.
func (m *Meanwhile) Write(ctx context.Context, actions ...table.Action) error {
	m.before()
	return m.Table.Write(ctx, actions...)
}
