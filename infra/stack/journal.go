package stack

import (
	"context"
	"log/slog"
	"sync"

	"github.com/huitou/huitou/shared/table"
)

// journal writes down what became of messages, many in one write, after the
// fact. Nothing waits for it: a line that is lost with the process only means
// that a message is delivered once more, or that one of its failures is not
// counted, and both may happen on AWS too. Putting a message on a queue, which
// must not be lost, does not go through here.
type journal struct {
	table table.Table
	log   *slog.Logger

	mu      sync.Mutex
	idle    *sync.Cond
	pending []entry
	writing bool
}

// entry is written as a whole, then its follow-up runs.
type entry struct {
	actions []table.Action
	bytes   int
	then    func() // nil for nothing
}

// The limits of one write: those of table.Table, less room for attributes.
const (
	maxActions = table.MaxActions
	maxBytes   = 3 << 20
)

func newJournal(t table.Table, log *slog.Logger) *journal {
	j := &journal{table: t, log: log}
	j.idle = sync.NewCond(&j.mu)
	return j
}

func (j *journal) add(entries ...entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(j.pending, entries...)
	if !j.writing && len(j.pending) > 0 {
		j.writing = true
		go j.drain()
	}
}

func (j *journal) drain() {
	for {
		j.mu.Lock()
		if len(j.pending) == 0 {
			j.pending = nil
			j.writing = false
			j.idle.Broadcast()
			j.mu.Unlock()
			return
		}
		count, actions := gather(j.pending)
		batch := j.pending[:count:count]
		j.pending = j.pending[count:]
		j.mu.Unlock()
		if err := j.table.Write(context.Background(), actions...); err != nil {
			j.log.Error("messages that were settled are not written down; a restart delivers them again", "count", count, "error", err)
		}
		for _, e := range batch {
			if e.then != nil {
				e.then()
			}
		}
	}
}

// gather takes as many entries from the front as one write holds; no key may
// stand in it twice.
func gather(pending []entry) (count int, actions []table.Action) {
	seen := make(map[table.Key]bool, min(2*len(pending), maxActions))
	bytes := 0
	for _, e := range pending {
		if count > 0 && (len(actions)+len(e.actions) > maxActions || bytes+e.bytes > maxBytes) {
			break
		}
		for _, action := range e.actions {
			if seen[action.Item.Key] {
				return count, actions
			}
		}
		for _, action := range e.actions {
			seen[action.Item.Key] = true
		}
		actions = append(actions, e.actions...)
		bytes += e.bytes
		count++
	}
	return count, actions
}

// wait returns when everything is written.
func (j *journal) wait() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.writing {
		j.idle.Wait()
	}
}
