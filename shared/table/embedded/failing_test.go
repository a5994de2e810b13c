package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// A write that the log did not take is acknowledged to nobody, and nothing is
// served any more: after a restart it would be gone.
func TestAWriteThatTheLogRefusesIsNotAcknowledged(t *testing.T) {
	folder := t.TempDir()
	engine, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	put(t, engine, table.Key{PK: "a", SK: "before"}, 1)
	refuses, err := os.Open(filepath.Join(folder)) // nobody can write to it
	if err != nil {
		t.Fatal(err)
	}
	kept := engine.journal.file
	engine.journal.file, engine.journal.sync = refuses, func(*os.File) error { return nil }
	ctx, key := context.Background(), table.Key{PK: "a", SK: "lost"}
	for range 2 {
		if err := engine.Write(ctx, table.Put(table.Item{Key: key})); loyalty.KindOf(err) != loyalty.KindInternal {
			t.Errorf("the write is answered with %v", err)
		}
	}
	if _, err := engine.Get(ctx, table.Strong, key); loyalty.KindOf(err) != loyalty.KindInternal {
		t.Errorf("a read is answered with %v", err)
	}
	if err := errors.Join(engine.Close(), kept.Close()); err == nil {
		t.Error("the engine closes as if all had been written")
	}
	again := open(t, folder)
	items, err := again.Get(ctx, table.Strong, key, table.Key{PK: "a", SK: "before"})
	if err != nil || items[0] != nil || items[1] == nil {
		t.Errorf("after a restart: %v, %v", items, err)
	}
}

// A page that is full ends before the row that does not fit, though a smaller one
// behind it would: a reader who goes on from its end misses none.
func TestAFullPageSkipsNoRow(t *testing.T) {
	engine := Memory()
	defer engine.Close()
	ctx := context.Background()
	var want []string
	for n, size := range []int{390 << 10, 390 << 10, 390 << 10, 10, 390 << 10, 10, 390 << 10, 390 << 10, 10} {
		key := table.Key{PK: "p", SK: string(rune('a' + n))}
		item := table.Item{Key: key, Attributes: map[string]table.Value{
			"fill": table.String(strings.Repeat("x", size)), "mpk": table.String("index"), "msk": table.String(key.SK),
		}}
		if err := engine.Write(ctx, table.Put(item)); err != nil {
			t.Fatal(err)
		}
		want = append(want, key.SK)
	}
	read := func(name string, want []string, next func(cursor string) (table.Page, error)) {
		t.Helper()
		var got []string
		for cursor := ""; ; {
			page, err := next(cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Items {
				got = append(got, item.Key.SK)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	back := slices.Clone(want)
	slices.Reverse(back)
	for _, descending := range []bool{false, true} {
		order := want
		if descending {
			order = back
		}
		read("a query", order, func(cursor string) (table.Page, error) {
			return engine.Query(ctx, table.Query{PK: "p", Limit: 100, Descending: descending, Cursor: cursor, Consistency: table.Strong})
		})
		read("a query of an index", order, func(cursor string) (table.Page, error) {
			return engine.Query(ctx, table.Query{Index: table.IndexMember, PK: "index", Limit: 100, Descending: descending, Cursor: cursor})
		})
	}
	read("a scan", want, func(cursor string) (table.Page, error) {
		return engine.Scan(ctx, table.Scan{Segments: 1, Limit: 100, Cursor: cursor})
	})
}
