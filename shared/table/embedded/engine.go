// Package embedded keeps the table in one process: rows in B-trees, and, when
// opened on a folder, an append log that several writers share one fsync of.
// It is the engine of `make run` and of the tests, for one machine.
//
// What it promises: a Write that returned nil survives kill -9 and a power
// cut; nobody learns of a write that could still be lost, because a read, or a
// condition that failed, waits for the fsync of what it saw. It never expires
// an item: table.ExpiresAttribute is for DynamoDB to clean up with, and no
// decision may rest on it.
package embedded

import (
	"context"
	"errors"
	"sync"

	"github.com/tidwall/btree"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Engine implements table.Table. It is safe for concurrent use.
type Engine struct {
	mu      sync.RWMutex
	rows    *btree.BTreeG[*row]
	indexes []*btree.BTreeG[entry] // one for each of table.Indexes
	closed  bool

	journal *journal // nil in memory
}

var _ table.Table = (*Engine)(nil)

// Memory is an engine that forgets everything with the process.
func Memory() *Engine {
	e := &Engine{rows: btree.NewBTreeGOptions(func(a, b *row) bool { return compareRows(a, b) < 0 }, btree.Options{NoLocks: true})}
	for range table.Indexes {
		e.indexes = append(e.indexes, btree.NewBTreeGOptions(func(a, b entry) bool { return compareEntries(a, b) < 0 }, btree.Options{NoLocks: true}))
	}
	return e
}

// Open opens the table in a folder, which it makes if need be, and reads its
// log. One process at a time has it: a second Open fails. A log that ends in
// the middle of a write is cut there, as that write was never acknowledged; a
// log that is damaged anywhere else is an error that names file and offset.
func Open(folder string) (*Engine, error) {
	e := Memory()
	journal, err := openJournal(folder, e.restore)
	if err != nil {
		return nil, err
	}
	e.journal = journal
	journal.start(e)
	return e, nil
}

// Close waits for the writes under way to be durable and ends the engine. Any
// call after it fails with code "closed".
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	if e.journal == nil {
		return nil
	}
	return e.journal.close()
}

// usable is why the engine cannot serve; e.mu must be held.
func (e *Engine) usable() error {
	if e.closed {
		return loyalty.Refuse(loyalty.KindUnavailable, "closed", "The table is closed.")
	}
	if e.journal != nil && e.journal.failed != nil {
		return &loyalty.Error{Kind: loyalty.KindInternal, Code: "log_failed", Cause: e.journal.failed}
	}
	return nil
}

// wait returns once everything in the batch is on disk. The nil batch is.
func wait(ctx context.Context, b *batch) error {
	if b == nil {
		return nil
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		return table.Timeout(ctx.Err())
	}
	if b.err != nil {
		return &loyalty.Error{Kind: loyalty.KindInternal, Code: "log_failed", Cause: b.err}
	}
	return nil
}

// unsynced is the batch that the last writes to a partition wait in, nil when
// they are durable. e.mu must be held.
func (e *Engine) unsynced(pkHash uint32) *batch {
	if e.journal == nil {
		return nil
	}
	return e.journal.unsynced(pkHash)
}

// latest is the batch after which everything there is now is durable. e.mu
// must be held.
func (e *Engine) latest() *batch {
	if e.journal == nil {
		return nil
	}
	return e.journal.latest()
}

// Get implements table.Table.
func (e *Engine) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	if err := table.ValidateKeys(keys); err != nil || len(keys) == 0 {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, table.Timeout(err)
	}
	found := make([]*row, len(keys))
	for i, key := range keys {
		found[i] = pivot(key.PK, key.SK)
	}
	var newest *batch
	e.mu.RLock()
	if err := e.usable(); err != nil {
		e.mu.RUnlock()
		return nil, err
	}
	for i, probe := range found {
		newest = later(newest, e.unsynced(probe.hash))
		found[i], _ = e.rows.Get(probe)
	}
	e.mu.RUnlock()
	if err := wait(ctx, newest); err != nil {
		return nil, err
	}
	items := make([]*table.Item, len(keys))
	units := 0.0
	for i, row := range found {
		size := 0
		if row != nil {
			item := row.item()
			items[i], size = &item, int(row.size)
		}
		units += table.ReadUnits(consistency, size)
	}
	table.Spend(ctx, units, 0)
	return items, nil
}

// step is what one action does to its row.
type step struct {
	probe         *row // has the action's key
	before, after *row
}

// Write implements table.Table.
func (e *Engine) Write(ctx context.Context, actions ...table.Action) error {
	if err := table.Validate(actions); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return table.Timeout(err)
	}
	var scratch [8]step
	steps := scratch[:0]
	for i := range actions {
		if actions[i].Op == table.OpPut {
			after := rowOf(actions[i].Item)
			steps = append(steps, step{probe: after, after: after})
		} else {
			key := actions[i].Item.Key
			steps = append(steps, step{probe: pivot(key.PK, key.SK)})
		}
	}

	e.mu.Lock()
	if err := e.usable(); err != nil {
		e.mu.Unlock()
		return err
	}
	if err := e.decide(actions, steps); err != nil {
		var newest *batch
		for i := range steps {
			newest = later(newest, e.unsynced(steps[i].probe.hash))
		}
		e.mu.Unlock()
		if err := wait(ctx, newest); err != nil {
			return err
		}
		refusal, ok := errors.AsType[*table.ConditionError](err)
		if !ok {
			table.Spend(ctx, 0, 0)
			return err
		}
		table.Spend(ctx, 0, table.RefusedUnits(actions, refusal))
		return err
	}
	units := 0.0
	for i := range steps {
		units += e.apply(actions[i].Op, &steps[i], table.IsTransaction(actions))
	}
	var mine *batch
	if e.journal != nil {
		mine = e.journal.add(steps)
		if mine == nil { // only checks: durable once what they saw is
			for i := range steps {
				mine = later(mine, e.unsynced(steps[i].probe.hash))
			}
		}
	}
	e.mu.Unlock()
	if err := wait(ctx, mine); err != nil {
		return err
	}
	table.Spend(ctx, 0, units)
	return nil
}

// decide finds what every action meets, holds all conditions and works out the
// updates. It changes nothing but steps.
func (e *Engine) decide(actions []table.Action, steps []step) error {
	var refusal *table.ConditionError
	for i := range actions {
		action, s := &actions[i], &steps[i]
		s.before, _ = e.rows.Get(s.probe)
		for c := range action.If {
			if holds(s.before, &action.If[c]) {
				continue
			}
			failure := table.Failure{Action: i}
			if s.before != nil {
				old := s.before.item()
				failure.Old = &old
			}
			if refusal == nil {
				refusal = &table.ConditionError{}
			}
			refusal.Failed = append(refusal.Failed, failure)
			break
		}
	}
	if refusal != nil {
		return refusal
	}
	for i := range actions {
		action, s := &actions[i], &steps[i]
		switch action.Op {
		case table.OpCheck:
			s.after = s.before
		case table.OpUpdate:
			after, err := changed(s.before, action.Item.Key, action.Changes)
			if err != nil {
				return err
			}
			s.after = after
		}
	}
	return nil
}

// apply changes the trees and says what that costs.
func (e *Engine) apply(op table.Op, s *step, transaction bool) float64 {
	units := table.WriteUnits(transaction, s.before.bytes(), s.after.bytes())
	if op == table.OpCheck {
		return units
	}
	switch {
	case s.after != nil:
		e.rows.Set(s.after)
	case s.before != nil:
		e.rows.Delete(s.before)
	}
	for i := range table.Indexes {
		index := &table.Indexes[i]
		before, was := entryOf(index, s.before)
		after, is := entryOf(index, s.after)
		moved := before.pk != after.pk || before.sk != after.sk
		beforeSize, afterSize := 0, 0
		if was {
			beforeSize = before.size(index)
			if !is || moved {
				e.indexes[i].Delete(before)
			}
		}
		if is {
			afterSize = after.size(index)
			e.indexes[i].Set(after)
		}
		units += table.IndexUnits(beforeSize, afterSize, moved, was && is && !index.KeysOnly && before.row.body() != after.row.body())
	}
	return units
}

// bytes is the size of the row, 0 of none.
func (r *row) bytes() int {
	if r == nil {
		return 0
	}
	return int(r.size)
}

// restore takes one record of the log; after is nil for a deleted row.
func (e *Engine) restore(key table.Key, after *row) {
	probe := after
	if probe == nil {
		probe = pivot(key.PK, key.SK)
	}
	before, _ := e.rows.Get(probe)
	if before == nil && after == nil {
		return
	}
	e.apply(table.OpPut, &step{before: before, after: after}, false)
}
