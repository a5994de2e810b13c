package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/huitou/huitou/shared/table"
)

// journal is the append log and the one goroutine that writes it. Writers add
// their records to the pending batch; the committer takes the batch whole,
// writes it as one frame and syncs once for all of them, while the next batch
// fills up.
type journal struct {
	folder string
	lock   *os.File
	mu     *sync.RWMutex // the engine's; it guards the fields down to failed

	pending *batch
	syncing *batch         // the batch before pending; perhaps done
	dirty   [4096]uint64   // by hash of the partition key: number of the last batch that wrote there
	live    int64          // bytes that the log would have if it held only what is there
	failed  error          // why nothing can be written any more; set once
	wake    chan struct{}  // holds one token while pending has records
	closing chan struct{}  // closed by close
	ended   chan struct{}  // closed by the committer when it has gone
	spare   []byte         // a buffer for the next batch; the committer's own
	file    *os.File       // the committer's own, as is size
	size    int64          // bytes of the log
	compact compaction     // the committer's own
	rules   compactionRule // when to compact
	sync    func(*os.File) error
}

// batch is what is written and synced together.
type batch struct {
	number uint64
	buf    []byte // a frame whose header is filled in at the end
	done   chan struct{}
	err    error // valid once done is closed
}

func newBatch(number uint64, buf []byte) *batch {
	return &batch{number: number, buf: append(buf[:0], make([]byte, frameHeader)...), done: make(chan struct{})}
}

// later is the one of two batches that is synced later; nil is synced.
func later(a, b *batch) *batch {
	if a == nil || b != nil && b.number > a.number {
		return b
	}
	return a
}

const (
	logName  = "table.log"
	nextName = "table.log.next" // a compaction under way; worthless after a crash
	lockName = "lock"
)

func openJournal(folder string, restore func(table.Key, *row)) (*journal, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	lock, err := lockFile(filepath.Join(folder, lockName))
	if err != nil {
		return nil, fmt.Errorf("open table in %s: %w", folder, err)
	}
	j := &journal{folder: folder, lock: lock, rules: defaultCompaction, sync: datasync}
	if err := j.openLog(restore); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	j.pending = newBatch(1, nil)
	j.wake = make(chan struct{}, 1)
	j.closing = make(chan struct{})
	j.ended = make(chan struct{})
	return j, nil
}

// openLog reads the log there is, or begins one, and leaves it ready to be
// appended to.
func (j *journal) openLog(restore func(table.Key, *row)) error {
	if err := os.Remove(filepath.Join(j.folder, nextName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("open table: %w", err)
	}
	path := filepath.Join(j.folder, logName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open table: %w", err)
	}
	size, err := readLog(file, path, restore)
	if err == nil {
		err = beginAt(file, size)
	}
	if err == nil {
		err = syncFolder(j.folder)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open table: %w", err), file.Close())
	}
	j.file, j.size = file, max(size, int64(len(logMagic)))
	return nil
}

// beginAt cuts what follows size, writes the magic of an empty log, and leaves
// the file positioned at its end.
func beginAt(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil {
		return err
	}
	if _, err := file.Seek(size, 0); err != nil {
		return err
	}
	if size == 0 {
		if _, err := file.WriteString(logMagic); err != nil {
			return err
		}
	}
	return file.Sync()
}

func (j *journal) start(e *Engine) {
	j.mu = &e.mu
	e.rows.Scan(func(r *row) bool {
		j.live += recordSize(r)
		return true
	})
	go j.commit(e)
}

// add appends the records of a write to the pending batch, which it returns;
// nil when there was nothing to record. The engine's lock must be held.
func (j *journal) add(steps []step) *batch {
	b := j.pending
	empty := len(b.buf)
	for i := range steps {
		s := &steps[i]
		switch {
		case s.after == s.before: // a check, or the deletion of nothing
			continue
		case s.after != nil:
			b.buf = appendPut(b.buf, s.after)
		default:
			b.buf = appendDelete(b.buf, s.before)
		}
		j.live += recordSize(s.after) - recordSize(s.before)
		j.dirty[s.probe.hash%uint32(len(j.dirty))] = b.number
	}
	if len(b.buf) == empty {
		return nil
	}
	if empty == frameHeader {
		j.wake <- struct{}{}
	}
	return b
}

// unsynced is the batch in which the last write to a partition (or to one that
// shares its slot) waits. The engine's lock must be held.
func (j *journal) unsynced(hash uint32) *batch {
	switch number := j.dirty[hash%uint32(len(j.dirty))]; {
	case number == j.pending.number:
		return j.pending
	case j.syncing != nil && number == j.syncing.number:
		return j.syncing
	}
	return nil
}

// latest is the newest batch that has any record. The engine's lock must be held.
func (j *journal) latest() *batch {
	if len(j.pending.buf) > frameHeader {
		return j.pending
	}
	return j.syncing
}

// commit writes one batch after the other until the journal is closed and
// nothing is pending.
func (j *journal) commit(e *Engine) {
	defer close(j.ended)
	for {
		closing := false
		select {
		case <-j.wake:
			j.commitPending()
		case outcome := <-j.compact.written:
			j.adopt(outcome)
		case <-j.closing:
			closing = true
		}
		if closing {
			break
		}
		j.compactIfDue(e)
	}
	select {
	case <-j.wake:
		j.commitPending()
	default:
	}
	if j.compact.written != nil {
		j.abandon(<-j.compact.written)
	}
}

func (j *journal) commitPending() {
	j.mu.Lock()
	b := j.pending
	j.syncing = b
	j.pending = newBatch(b.number+1, j.spare)
	failed := j.failed
	j.mu.Unlock()

	b.err = failed
	if b.err == nil {
		b.err = j.write(b.buf)
	}
	if b.err != nil && failed == nil {
		j.fail(b.err)
	}
	if j.spare = b.buf; cap(j.spare) > 4<<20 {
		j.spare = nil
	}
	close(b.done)
}

// fail is final: what memory holds may be ahead of the disk, so nothing is
// served any more. A failed fsync is not tried again, because the kernel may
// have dropped the pages and would say that all is well.
func (j *journal) fail(err error) {
	j.mu.Lock()
	j.failed = err
	j.mu.Unlock()
}

func (j *journal) write(frame []byte) error {
	sealFrame(frame)
	if _, err := j.file.Write(frame); err != nil {
		return err
	}
	if err := j.sync(j.file); err != nil {
		return err
	}
	j.size += int64(len(frame))
	return nil
}

func (j *journal) close() error {
	close(j.closing)
	<-j.ended
	return errors.Join(j.failed, j.file.Close(), j.lock.Close())
}

func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// The records of a frame: a tag, the lengths, and the bytes.
const (
	recordPut    = 'p'
	recordDelete = 'd'
)

func appendPut(buf []byte, r *row) []byte {
	buf = append(buf, recordPut)
	buf = binary.AppendUvarint(buf, uint64(r.pkLen))
	buf = binary.AppendUvarint(buf, uint64(r.skLen))
	buf = binary.AppendUvarint(buf, uint64(len(r.body())))
	return append(buf, r.data...)
}

func appendDelete(buf []byte, r *row) []byte {
	buf = append(buf, recordDelete)
	buf = binary.AppendUvarint(buf, uint64(r.pkLen))
	buf = binary.AppendUvarint(buf, uint64(r.skLen))
	return append(buf, r.data[:int(r.pkLen)+int(r.skLen)]...)
}

// recordSize is about what a row takes in the log, 0 for none.
func recordSize(r *row) int64 {
	if r == nil {
		return 0
	}
	return int64(len(r.data)) + 6
}
