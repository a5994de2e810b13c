package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// floor is what no engine on an append log can beat: a map, a buffer of
// records, one fsync for all that wait, and nothing else: no conditions, no
// order, no indexes, no units.
type floor struct {
	mu    sync.Mutex
	items map[string]string
	buf   []byte
	done  chan struct{}
	wake  chan struct{}
	ended chan struct{}
	file  *os.File
	err   error // of the first write that failed; read after done
}

func openFloor(folder string) (*floor, error) {
	file, err := os.Create(filepath.Join(folder, "floor.log"))
	if err != nil {
		return nil, err
	}
	f := &floor{items: map[string]string{}, done: make(chan struct{}), wake: make(chan struct{}, 1), ended: make(chan struct{}), file: file}
	go f.commit()
	return f, nil
}

func (f *floor) commit() {
	defer close(f.ended)
	var spare []byte
	for range f.wake {
		f.mu.Lock()
		buf, done := f.buf, f.done
		f.buf, f.done = spare[:0], make(chan struct{})
		f.mu.Unlock()
		_, err := f.file.Write(buf)
		if err := errors.Join(err, datasync(f.file)); err != nil {
			f.err = err
		}
		spare = buf
		close(done)
	}
}

// credit is the ith order's: an entry and its member's counter.
func (f *floor) credit(i int) error {
	member := fmt.Sprint("M#", i%creditedMembers)
	entry, account, counter := member+fmt.Sprint("E#", i), member+"A", fmt.Sprint(i)
	f.mu.Lock()
	f.items[entry] = strings.Clone(creditDocument)
	f.items[account] = counter
	if len(f.buf) == 0 {
		f.wake <- struct{}{}
	}
	for _, record := range [2][2]string{{entry, creditDocument}, {account, counter}} {
		begin := len(f.buf)
		f.buf = append(f.buf, 0, 0, 0, 0)
		f.buf = binary.AppendUvarint(f.buf, uint64(len(record[0])))
		f.buf = append(f.buf, record[0]...)
		f.buf = append(f.buf, record[1]...)
		binary.LittleEndian.PutUint32(f.buf[begin:], crc32.Checksum(f.buf[begin+4:], castagnoli))
	}
	done := f.done
	f.mu.Unlock()
	<-done
	return nil
}

func (f *floor) close() error {
	close(f.wake)
	<-f.ended
	return errors.Join(f.err, f.file.Close())
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
