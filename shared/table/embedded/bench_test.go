package embedded_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// BenchmarkTransactions is the credit of one order: a ledger entry put where
// nothing is and a counter added to, durable. The floor is what no engine on
// an append log can beat: a map, a buffer of records, and one fsync for all
// that wait. Compare rows of one run only: fsync and this machine's load decide.
//
//	go test -run '^$' -bench Transactions -benchtime 2s -count 5 ./shared/table/embedded
func BenchmarkTransactions(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("floor/%d writers", writers), func(b *testing.B) {
			f := newFloor(b)
			together(b, writers, func(i int) error { return f.credit(i) })
			f.close()
		})
		b.Run(fmt.Sprintf("engine/%d writers", writers), func(b *testing.B) {
			engine, err := embedded.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			ctx := context.Background()
			together(b, writers, func(i int) error { return engine.Write(ctx, credit(i)...) })
			if err := engine.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.Run("memory/1 writer", func(b *testing.B) {
		engine := embedded.Memory()
		ctx := context.Background()
		together(b, 1, func(i int) error { return engine.Write(ctx, credit(i)...) })
	})
}

// BenchmarkGet is one strong read among 100,000 items.
func BenchmarkGet(b *testing.B) {
	engine := embedded.Memory()
	ctx := context.Background()
	for i := range 100_000 {
		if err := engine.Write(ctx, credit(i)[0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if items, err := engine.Get(ctx, table.Strong, credit(i % 100_000)[0].Item.Key); err != nil || items[0] == nil {
			b.Fatal(items, err)
		}
	}
}

const document = `{"order":"2156000000000000001","lines":[{"line":"1","sku":"MILK-400","quantity":2,"paid":39800}],"points":398}`

func credit(i int) []table.Action {
	member := fmt.Sprint("M#", i%10_000)
	return []table.Action{
		table.Put(table.Item{Key: table.Key{PK: member, SK: fmt.Sprint("E#", i)}, Attributes: map[string]table.Value{
			"at": table.Number(int64(i)), "document": table.String(document),
		}}, table.Absent()),
		table.Update(table.Key{PK: member, SK: "A"}, []table.Change{table.Add("points", 398), table.Set("seen", table.Number(int64(i)))}),
	}
}

// together runs b.N credits on that many goroutines.
func together(b *testing.B, writers int, write func(i int) error) {
	b.ReportAllocs()
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for range writers {
		group.Go(func() {
			for {
				i := int(next.Add(1))
				if i > b.N {
					return
				}
				if err := write(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}

// floor is a map and an append log with group fsync, and nothing else: no
// conditions, no order, no indexes, no units.
type floor struct {
	mu    sync.Mutex
	items map[string]string
	buf   []byte
	done  chan struct{}
	wake  chan struct{}
	ended chan struct{}
	file  *os.File
}

func newFloor(b *testing.B) *floor {
	file, err := os.Create(filepath.Join(b.TempDir(), "floor.log"))
	if err != nil {
		b.Fatal(err)
	}
	f := &floor{items: map[string]string{}, done: make(chan struct{}), wake: make(chan struct{}, 1), ended: make(chan struct{}), file: file}
	go f.commit()
	return f
}

func (f *floor) commit() {
	defer close(f.ended)
	var spare []byte
	for range f.wake {
		f.mu.Lock()
		buf, done := f.buf, f.done
		f.buf, f.done = spare[:0], make(chan struct{})
		f.mu.Unlock()
		if _, err := f.file.Write(buf); err != nil {
			panic(err)
		}
		if err := embedded.Datasync(f.file); err != nil {
			panic(err)
		}
		spare = buf
		close(done)
	}
}

func (f *floor) credit(i int) error {
	member := fmt.Sprint("M#", i%10_000)
	entry, account, counter := member+fmt.Sprint("E#", i), member+"A", fmt.Sprint(i)
	f.mu.Lock()
	f.items[entry] = strings.Clone(document)
	f.items[account] = counter
	if len(f.buf) == 0 {
		f.wake <- struct{}{}
	}
	for _, record := range [2][2]string{{entry, document}, {account, counter}} {
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

func (f *floor) close() {
	close(f.wake)
	<-f.ended
	_ = f.file.Close()
	runtime.KeepAlive(f.items)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
