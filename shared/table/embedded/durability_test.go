package embedded

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// crashFolder is set in the process that TestKillNine starts and kills.
const crashFolder = "HUITOU_TEST_CRASH_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(crashFolder); folder != "" {
		writeUntilKilled(folder)
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled says on standard output what was acknowledged.
func writeUntilKilled(folder string) {
	engine, err := Open(folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	engine.journal.rules.least = 32 << 10
	var mu sync.Mutex
	var group sync.WaitGroup
	for writer := range 8 {
		group.Go(func() {
			for n := 1; ; n++ {
				if err := engine.Write(context.Background(), pair(writer, n)...); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println(writer, n)
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

// pair is the nth transaction of a writer: a line of a ledger (that later ones
// replace, so that the log has dead parts) and a counter.
func pair(writer, n int) []table.Action {
	pk := fmt.Sprint("writer-", writer)
	return []table.Action{
		table.Put(table.Item{Key: table.Key{PK: pk, SK: fmt.Sprint("line-", n%50)}, Attributes: map[string]table.Value{"n": table.Number(int64(n)), "fill": table.String(strings.Repeat("x", 200))}}),
		table.Update(table.Key{PK: pk, SK: "counter"}, []table.Change{table.Add("n", 1)}, table.MissingOrEquals("n", table.Number(int64(n-1)))),
	}
}

func TestKillNine(t *testing.T) {
	for round := range 3 {
		folder := t.TempDir()
		acknowledged := map[int]int{}
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), crashFolder+"="+folder)
		var complaints bytes.Buffer
		command.Stderr = &complaints
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for count := 0; lines.Scan(); count++ {
			var writer, n int
			if _, err := fmt.Sscan(lines.Text(), &writer, &n); err != nil {
				break // the line that the kill cut off
			}
			acknowledged[writer] = max(acknowledged[writer], n)
			if count == 1500*(round+1) {
				if err := command.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = command.Wait() // killed
		if complaints.Len() > 0 {
			t.Fatalf("the writing process: %s", complaints.String())
		}
		engine := open(t, folder)
		for writer, n := range acknowledged {
			pk := fmt.Sprint("writer-", writer)
			counter := int(get(t, engine, table.Key{PK: pk, SK: "counter"}).Int("n"))
			if counter < n {
				t.Errorf("round %d: writer %d was told %d, the counter is at %d", round, writer, n, counter)
			}
			if line := int(get(t, engine, table.Key{PK: pk, SK: fmt.Sprint("line-", counter%50)}).Int("n")); line != counter {
				t.Errorf("round %d: half a transaction: counter %d, line %d", round, counter, line)
			}
		}
		if len(acknowledged) == 0 {
			t.Fatal("nothing was acknowledged")
		}
	}
}

func open(t *testing.T, folder string) *Engine {
	t.Helper()
	engine, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

func get(t *testing.T, engine *Engine, key table.Key) table.Item {
	t.Helper()
	items, err := engine.Get(context.Background(), table.Strong, key)
	if err != nil {
		t.Fatal(err)
	}
	if items[0] == nil {
		return table.Item{}
	}
	return *items[0]
}

func put(t *testing.T, engine *Engine, key table.Key, n int64) {
	t.Helper()
	if err := engine.Write(context.Background(), table.Put(table.Item{Key: key, Attributes: map[string]table.Value{"n": table.Number(n)}})); err != nil {
		t.Fatal(err)
	}
}

// dump is everything in the table, as text.
func dump(t *testing.T, engine *Engine) string {
	t.Helper()
	page, err := engine.Scan(context.Background(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil {
		t.Fatal(err)
	}
	if page.Next != "" {
		t.Fatal("too much to dump")
	}
	var out strings.Builder
	for _, item := range page.Items {
		fmt.Fprintf(&out, "%q %q %d %q\n", item.Key.PK, item.Key.SK, item.Int("n"), item.Text("t"))
	}
	return out.String()
}

// history is a log of a few writes: its bytes, where each write ends, and what
// the table held then.
func history(t *testing.T) (log []byte, ends []int, states []string) {
	folder := t.TempDir()
	engine, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	mark := func() {
		info, err := os.Stat(filepath.Join(folder, logName))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(info.Size()))
		states = append(states, dump(t, engine))
	}
	mark()
	for _, actions := range [][]table.Action{
		{table.Put(table.Item{Key: table.Key{PK: "a", SK: "1"}, Attributes: map[string]table.Value{"n": table.Number(-1), "t": table.String("x")}})},
		{table.Put(table.Item{Key: table.Key{PK: "a", SK: "2"}}), table.Update(table.Key{PK: "b", SK: "1"}, []table.Change{table.Add("n", 7)})},
		{table.Delete(table.Key{PK: "a", SK: "1"}), table.Update(table.Key{PK: "b", SK: "1"}, []table.Change{table.Add("n", 1)})},
		{table.Update(table.Key{PK: "a", SK: "2"}, []table.Change{table.Set("t", table.String("中"))})},
	} {
		if err := engine.Write(context.Background(), actions...); err != nil {
			t.Fatal(err)
		}
		mark()
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	log, err = os.ReadFile(filepath.Join(folder, logName))
	if err != nil {
		t.Fatal(err)
	}
	return log, ends, states
}

// reopen puts a log into a folder and opens it.
func reopen(t *testing.T, log []byte) (*Engine, string, error) {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, logName)
	if err := os.WriteFile(path, log, 0o600); err != nil {
		t.Fatal(err)
	}
	engine, err := Open(folder)
	return engine, path, err
}

func TestTornTailIsCut(t *testing.T) {
	log, ends, states := history(t)
	for length := range len(log) + 1 {
		whole := 0
		for i, end := range ends {
			if end <= length {
				whole = i
			}
		}
		for _, tail := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", frameMagic} {
			if tail != "" && length < len(logMagic) {
				continue
			}
			engine, path, err := reopen(t, append(bytes.Clone(log[:length]), tail...))
			if err != nil {
				t.Fatalf("cut at %d with tail %q: %v", length, tail, err)
			}
			if diff := cmp.Diff(states[whole], dump(t, engine)); diff != "" {
				t.Fatalf("cut at %d with tail %q (-want +got): %s", length, tail, diff)
			}
			put(t, engine, table.Key{PK: "after", SK: "1"}, 5)
			want := dump(t, engine)
			if err := engine.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, filepath.Dir(path))
			if diff := cmp.Diff(want, dump(t, again)); diff != "" {
				t.Fatalf("cut at %d with tail %q, written to and opened again (-want +got): %s", length, tail, diff)
			}
		}
	}
}

func TestDamageInTheMiddleIsAnError(t *testing.T) {
	log, ends, states := history(t)
	last := ends[len(ends)-2]
	for at := range len(log) {
		damaged := bytes.Clone(log)
		damaged[at] ^= 0x10
		engine, path, err := reopen(t, damaged)
		if at >= last { // cannot be told from a torn write
			if err != nil {
				t.Fatalf("byte %d of the last write: %v", at, err)
			}
			if diff := cmp.Diff(states[len(states)-2], dump(t, engine)); diff != "" {
				t.Fatalf("byte %d of the last write (-want +got): %s", at, diff)
			}
			if err := engine.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err == nil {
			t.Fatalf("byte %d was damaged and nobody noticed", at)
		}
		begin := 0
		for _, end := range ends {
			if end <= at {
				begin = end
			}
		}
		if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), fmt.Sprintf("at offset %d", begin)) {
			t.Fatalf("byte %d: the error does not name the file and offset %d: %v", at, begin, err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, damaged) {
			t.Fatalf("byte %d: a damaged log was changed", at)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	folder := t.TempDir()
	first, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(folder); err == nil || !strings.Contains(err.Error(), folder) {
		t.Fatalf("want a refusal that names the folder, got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, folder)
}

func TestClosedEngineRefuses(t *testing.T) {
	engine, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	if err := errors.Join(engine.Close(), engine.Close()); err != nil {
		t.Fatal(err)
	}
	for tries := 0; runtime.NumGoroutine() >= goroutines; tries++ {
		if tries == 1_000_000 {
			t.Fatalf("%d goroutines before Close, %d after", goroutines, runtime.NumGoroutine())
		}
		runtime.Gosched()
	}
	ctx, key := context.Background(), table.Key{PK: "a", SK: "b"}
	_, got := engine.Get(ctx, table.Strong, key)
	_, queried := engine.Query(ctx, table.Query{PK: "a", Limit: 1})
	_, indexed := engine.Query(ctx, table.Query{Index: table.IndexMember, PK: "a", Limit: 1})
	_, scanned := engine.Scan(ctx, table.Scan{Segments: 1, Limit: 1})
	for i, err := range []error{got, queried, indexed, scanned, engine.Write(ctx, table.Delete(key))} {
		if refusal, ok := errors.AsType[*loyalty.Error](err); !ok || refusal.Code != "closed" {
			t.Errorf("call %d: want closed, got %v", i, err)
		}
	}
}

// TestNothingUnsyncedIsSeen holds the disk still and looks who waits.
func TestNothingUnsyncedIsSeen(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		engine, err := Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		a, other := table.Key{PK: "a", SK: "1"}, table.Key{PK: "other", SK: "1"}
		put(t, engine, a, 1)
		put(t, engine, other, 1)
		if hash("a")%4096 == hash("other")%4096 {
			t.Fatal("the partitions share a slot: choose others")
		}

		disk := make(chan error)
		engine.journal.sync = func(*os.File) error { return <-disk }
		calls := map[string]func() error{
			"write":        func() error { return engine.Write(ctx, table.Update(a, []table.Change{table.Add("n", 1)})) },
			"get":          func() error { _, err := engine.Get(ctx, table.Strong, a); return err },
			"eventual get": func() error { _, err := engine.Get(ctx, table.Eventual, a, other); return err },
			"query":        func() error { _, err := engine.Query(ctx, table.Query{PK: "a", Limit: 1}); return err },
			"query index": func() error {
				_, err := engine.Query(ctx, table.Query{Index: table.IndexMember, PK: "x", Limit: 1})
				return err
			},
			"scan":                           func() error { _, err := engine.Scan(ctx, table.Scan{Segments: 1, Limit: 1}); return err },
			"refused write":                  func() error { return engine.Write(ctx, table.Delete(a, table.Equals("n", table.Number(1)))) },
			"check":                          func() error { return engine.Write(ctx, table.Check(a, table.Exists())) },
			"delete of nothing beside it":    func() error { return engine.Write(ctx, table.Delete(table.Key{PK: "a", SK: "none"})) },
			"get of another partition":       func() error { _, err := engine.Get(ctx, table.Strong, other); return err },
			"refusal of another partition":   func() error { return engine.Write(ctx, table.Delete(other, table.Absent())) },
			"query of another partition":     func() error { _, err := engine.Query(ctx, table.Query{PK: "other", Limit: 1}); return err },
			"check alone, another partition": func() error { return engine.Write(ctx, table.Check(other, table.Exists())) },
		}
		free := map[string]bool{"get of another partition": true, "refusal of another partition": true, "query of another partition": true, "check alone, another partition": true}
		results := map[string]chan error{}
		begin := func(name string) {
			result := make(chan error, 1)
			results[name] = result
			go func() { result <- calls[name]() }()
			synctest.Wait()
		}
		begin("write")
		for name := range calls {
			if name != "write" {
				begin(name)
			}
		}
		for name, result := range results {
			if free[name] != (len(result) == 1) {
				t.Errorf("%s: returned %v before the disk did", name, len(result) == 1)
			}
		}
		disk <- nil
		synctest.Wait()
		for name, result := range results {
			if len(result) != 1 {
				t.Errorf("%s waits although the disk is done", name)
				continue
			}
			_, conditional := errors.AsType[*table.ConditionError](<-result)
			if want := strings.HasPrefix(name, "refus"); conditional != want {
				t.Errorf("%s: conditional refusal: %v, want %v", name, conditional, want)
			}
		}
		engine.journal.sync = datasync
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOneSyncForAllWaiting(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		engine, err := Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		syncs := 0
		disk := make(chan error)
		engine.journal.sync = func(*os.File) error { syncs++; return <-disk }
		var group sync.WaitGroup
		for i := range 65 {
			group.Go(func() { put(t, engine, table.Key{PK: fmt.Sprint(i), SK: "1"}, 1) })
			if i == 0 {
				synctest.Wait() // the first is alone in its batch
			}
		}
		synctest.Wait()
		disk <- nil
		disk <- nil
		group.Wait()
		if syncs != 2 {
			t.Errorf("65 writers took %d syncs, want 2", syncs)
		}
		engine.journal.sync = datasync
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFailedDiskStopsTheEngine(t *testing.T) {
	engine, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	engine.journal.sync = func(*os.File) error { return full }
	ctx, key := context.Background(), table.Key{PK: "a", SK: "b"}
	for range 2 {
		if err := engine.Write(ctx, table.Put(table.Item{Key: key})); !errors.Is(err, full) || loyalty.KindOf(err) != loyalty.KindInternal {
			t.Errorf("write: %v", err)
		}
	}
	if _, err := engine.Get(ctx, table.Strong, key); !errors.Is(err, full) {
		t.Errorf("get: %v", err)
	}
	if err := engine.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v", err)
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	engine, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	disk := make(chan error)
	ctx, cancel := context.WithCancel(context.Background())
	engine.journal.sync = func(*os.File) error { cancel(); return <-disk }
	err = engine.Write(ctx, table.Put(table.Item{Key: table.Key{PK: "a", SK: "b"}}))
	if refusal, ok := errors.AsType[*loyalty.Error](err); !ok || refusal.Code != "timeout" || refusal.Kind != loyalty.KindUnavailable {
		t.Errorf("want timeout, got %v", err)
	}
	disk <- nil
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCompactionUnderWriters(t *testing.T) {
	folder := t.TempDir()
	engine, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	const least = 64 << 10
	engine.journal.rules.least = least
	var group sync.WaitGroup
	const writers, writes = 8, 600
	for writer := range writers {
		group.Go(func() {
			for n := 1; n <= writes; n++ {
				if err := engine.Write(context.Background(), pair(writer, n)...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	want := dump(t, engine)
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(folder, logName))
	if err != nil {
		t.Fatal(err)
	}
	if written := int64(writers * writes * 250); info.Size() > written/2 {
		t.Errorf("the log has %d bytes after some %d were written: it was not compacted", info.Size(), written)
	}
	if _, err := os.Stat(filepath.Join(folder, nextName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a compaction was left behind: %v", err)
	}
	if diff := cmp.Diff(want, dump(t, open(t, folder))); diff != "" {
		t.Errorf("after compaction and Open (-want +got): %s", diff)
	}
}

func TestUnfinishedCompactionIsForgotten(t *testing.T) {
	log, _, states := history(t)
	folder := t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(folder, logName), log, 0o600),
		os.WriteFile(filepath.Join(folder, nextName), log[:30], 0o600),
	); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(states[len(states)-1], dump(t, open(t, folder))); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

func TestForeignFileIsRefused(t *testing.T) {
	_, path, err := reopen(t, []byte("not a table at all, but long enough"))
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("want an error that names %s, got %v", path, err)
	}
}

func TestNumberLeavesInt64(t *testing.T) {
	engine := Memory()
	ctx, key := context.Background(), table.Key{PK: "a", SK: "b"}
	for _, test := range []struct{ start, add int64 }{{1<<63 - 1, 1}, {-1 << 63, -1}, {-1 << 63, -1 << 63}} {
		put(t, engine, key, test.start)
		err := engine.Write(ctx, table.Update(key, []table.Change{table.Add("n", test.add)}))
		if refusal, ok := errors.AsType[*loyalty.Error](err); !ok || refusal.Code != "number_out_of_range" {
			t.Errorf("%d + %d: got %v", test.start, test.add, err)
		}
		if got := get(t, engine, key).Int("n"); got != test.start {
			t.Errorf("%d + %d was refused and left %d", test.start, test.add, got)
		}
	}
}

// FuzzReadRecords: whatever a payload holds, it is an error or rows that can
// be read and written again.
func FuzzReadRecords(f *testing.F) {
	f.Add(appendPut(nil, rowOf(table.Item{Key: table.Key{PK: "a", SK: "b"}, Attributes: map[string]table.Value{"n": table.Number(-7), "t": table.String("x")}})))
	f.Add(appendDelete(nil, pivot("a", "b")))
	f.Add([]byte("p\x01\x01\x03ab\x01nn"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		_ = readRecords(payload, func(key table.Key, r *row) {
			if r == nil {
				return
			}
			item := r.item()
			if item.Key != key || table.ItemSize(item) != int(r.size) {
				t.Fatalf("row of %d bytes gives an item of %d", r.size, table.ItemSize(item))
			}
			if again := rowOf(item); compareRows(again, r) != 0 || again.size != r.size {
				t.Fatal("the row changes when it is written again")
			}
		})
	})
}
