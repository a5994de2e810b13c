package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tidwall/btree"
)

// Compaction writes the rows there are into a new log and puts it in the old
// one's place. The rows come from a copy-on-write copy of the tree, taken
// between two batches; what is written meanwhile is copied, frame by frame,
// from the old log. Records are whole rows, so replaying one twice does no
// harm. Writers wait only for the last few frames, one fsync and the rename.

// compactionRule says when a log is worth rewriting: when it is longer than
// least bytes and more than half of it is dead.
type compactionRule struct{ least int64 }

var defaultCompaction = compactionRule{least: 64 << 20}

// compaction is the one under way.
type compaction struct {
	written chan rewritten // nil when none is
	notTill int64          // after a failure: the size of log to try again at
}

// rewritten is a new log that holds everything of the old one up to an offset.
type rewritten struct {
	file *os.File
	size int64
	upTo int64 // of the old log
	err  error
}

func (j *journal) compactIfDue(e *Engine) {
	if j.compact.written != nil || j.size < max(j.rules.least, j.compact.notTill) {
		return
	}
	j.mu.Lock()
	due := j.failed == nil && j.size > 2*j.live
	var rows *btree.BTreeG[*row]
	if due {
		rows = e.rows.Copy()
	}
	j.mu.Unlock()
	if !due {
		return
	}
	// Holding what the pending batch wrote, too, does no harm: its frame comes
	// after this offset and is copied.
	from, old := j.size, j.file
	written := make(chan rewritten, 1)
	j.compact.written = written
	go func() { written <- rewrite(filepath.Join(j.folder, nextName), rows, old, from) }()
}

// rewrite makes the new log as far as it can be made while writers go on.
func rewrite(path string, rows *btree.BTreeG[*row], old *os.File, from int64) rewritten {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return rewritten{err: err}
	}
	r := rewritten{file: file, upTo: from}
	out := bufio.NewWriterSize(file, 1<<20)
	write := func(b []byte) bool {
		if r.err == nil {
			_, r.err = out.Write(b)
			r.size += int64(len(b))
		}
		return r.err == nil
	}
	write([]byte(logMagic))
	frame := make([]byte, frameHeader, 300<<10)
	rows.Scan(func(row *row) bool {
		frame = appendPut(frame, row)
		if len(frame) < 256<<10 {
			return true
		}
		sealFrame(frame)
		more := write(frame)
		frame = frame[:frameHeader]
		return more
	})
	if len(frame) > frameHeader {
		sealFrame(frame)
		write(frame)
	}
	if r.err == nil {
		r.err = out.Flush()
	}
	if r.err == nil {
		r.err = file.Sync()
	}
	return r
}

// catchUp copies what the old log got since, up to its size now.
func (r *rewritten) catchUp(old *os.File, size int64) error {
	if size == r.upTo {
		return nil
	}
	n, err := io.Copy(r.file, io.NewSectionReader(old, r.upTo, size-r.upTo))
	r.size += n
	r.upTo += n
	if err == nil && r.upTo != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// adopt goes on with a new log: a long remainder is copied while writers go
// on, a short one at once, and then the new log takes the old one's place.
func (j *journal) adopt(r rewritten) {
	const short = 1 << 20
	if r.err == nil && j.size-r.upTo > short {
		old, size := j.file, j.size
		written := j.compact.written
		go func() {
			if r.err = r.catchUp(old, size); r.err == nil {
				r.err = r.file.Sync()
			}
			written <- r
		}()
		return
	}
	if r.err == nil {
		r.err = r.catchUp(j.file, j.size)
	}
	if r.err == nil {
		r.err = r.file.Sync()
	}
	if r.err == nil {
		r.err = os.Rename(filepath.Join(j.folder, nextName), filepath.Join(j.folder, logName))
	}
	if r.err != nil {
		j.abandon(r)
		return
	}
	old := j.file
	j.compact = compaction{}
	j.file, j.size = r.file, r.size
	// From here on the old log has no name: a folder that cannot be synced
	// might bring it back after a power cut, without what is written next.
	if err := errors.Join(syncFolder(j.folder), old.Close()); err != nil {
		j.fail(fmt.Errorf("compaction: %w", err))
	}
}

// abandon gives a compaction up. The old log is whole; the next try waits
// until it has doubled.
func (j *journal) abandon(r rewritten) {
	if r.file != nil {
		_ = r.file.Close() // removed next, or at the next Open
		_ = os.Remove(filepath.Join(j.folder, nextName))
	}
	j.compact = compaction{notTill: 2 * j.size}
}
