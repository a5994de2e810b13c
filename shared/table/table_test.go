package table_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

func TestAttributeSizeOfNumbers(t *testing.T) {
	for n, want := range map[int64]int{
		0: 1, 1: 2, 99: 2, 100: 2, 101: 3, -1: 3, -1000: 3, 1234: 3, 12345: 4,
		1_000_000_000_000: 2, math.MaxInt64: 11, math.MinInt64: 12,
	} {
		if got := table.AttributeSize("", table.Number(n)); got != want {
			t.Errorf("size of %d is %d, want %d", n, got, want)
		}
	}
}

func TestItemSize(t *testing.T) {
	item := table.Item{Key: table.Key{PK: "中", SK: "ab"}, Attributes: map[string]table.Value{"name": table.String("中文"), "n": table.Number(12)}}
	if got, want := table.ItemSize(item), 2+3+2+2+4+6+1+2; got != want {
		t.Errorf("size %d, want %d", got, want)
	}
}

func TestUnits(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want float64
	}{
		{"nothing is read like something small", table.ReadUnits(table.Strong, 0), 1},
		{"eventual is half", table.ReadUnits(table.Eventual, 4097), 1},
		{"a write is paid by the larger size", table.WriteUnits(false, 3000, 10), 3},
		{"twice in a transaction", table.WriteUnits(true, 0, 1024), 2},
		{"no entry", table.IndexUnits(0, 0, true, true), 0},
		{"new entry", table.IndexUnits(0, 1025, true, true), 2},
		{"gone entry", table.IndexUnits(1025, 0, true, true), 2},
		{"moved entry", table.IndexUnits(100, 1025, true, true), 3},
		{"changed entry", table.IndexUnits(1025, 100, false, true), 2},
		{"entry as it was", table.IndexUnits(100, 100, false, false), 0},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v, want %v", test.name, test.got, test.want)
		}
	}
}

func TestSpendWithoutUsage(t *testing.T) {
	usage := table.Usage{}
	ctx := table.WithUsage(t.Context(), &usage)
	table.Spend(t.Context(), 5, 5)
	table.Spend(ctx, 1.5, 2)
	table.Spend(ctx, 0.5, 0)
	if want := (table.Usage{ReadUnits: 2, WriteUnits: 2, RoundTrips: 2}); usage != want {
		t.Errorf("usage %+v, want %+v", usage, want)
	}
}

func keys() *rapid.Generator[table.Key] {
	return rapid.Custom(func(r *rapid.T) table.Key {
		return table.Key{PK: rapid.StringN(1, 40, -1).Draw(r, "pk"), SK: rapid.StringN(1, 40, -1).Draw(r, "sk")}
	})
}

func TestCursorsAreWhole(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		key, indexSK := keys().Draw(r, "key"), rapid.StringN(1, 20, -1).Draw(r, "index")
		query := table.Query{Index: rapid.SampledFrom([]string{"", table.IndexMember}).Draw(r, "index"), PK: rapid.StringN(1, 20, -1).Draw(r, "pk"), Limit: 1}
		want := table.Position{Key: key, IndexSK: indexSK}
		if query.Index == "" {
			want = table.Position{Key: table.Key{PK: query.PK, SK: key.SK}}
		}
		query.Cursor = query.CursorAt(want)
		if got, err := query.Position(); err != nil || *got != want {
			r.Fatalf("got %v, %v, want %v", got, err, want)
		}
		scan := table.Scan{Segment: rapid.IntRange(0, 9).Draw(r, "segment"), Segments: 10, Limit: 1}
		scan.Cursor = scan.CursorAt(key)
		if got, err := scan.Position(); err != nil || *got != key {
			r.Fatalf("got %v, %v, want %v", got, err, key)
		}
		other := scan
		other.Segments = 11
		if _, err := other.Position(); loyalty.KindOf(err) != loyalty.KindInvalid {
			r.Fatalf("another scan took the cursor: %v", err)
		}
	})
}

// FuzzCursor: any text is a position of this very listing or invalid_cursor.
func FuzzCursor(f *testing.F) {
	query := table.Query{Index: table.IndexMember, PK: "M#1", Limit: 10}
	f.Add(query.CursorAt(table.Position{Key: table.Key{PK: "a", SK: "b"}, IndexSK: "c"}))
	f.Add("AAAA")
	f.Add("\n" + query.CursorAt(table.Position{Key: table.Key{PK: "a", SK: "b"}, IndexSK: "c"}))
	f.Fuzz(func(t *testing.T, cursor string) {
		query.Cursor = cursor
		position, err := query.Position()
		if err != nil {
			if refusal, ok := errors.AsType[*loyalty.Error](err); !ok || refusal.Code != "invalid_cursor" {
				t.Fatal(err)
			}
			return
		}
		if cursor != "" && query.CursorAt(*position) != cursor {
			t.Fatalf("%q is taken and is not what this listing makes", cursor)
		}
	})
}

// Acts are listed by time, whatever their ids, and none in another month.
func TestAuditKeysAreInTimeOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := func(name string) (time.Time, string) {
			at := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(r, name)).In(time.FixedZone("", rapid.IntRange(-12, 14).Draw(r, name+" zone")*3600))
			return at, rapid.StringMatching("[0-9a-f]{16}").Draw(r, name+" id")
		}
		a, idA := draw("a")
		b, idB := draw("b")
		keyA, keyB := table.AuditKey(a, idA), table.AuditKey(b, idB)
		if a.Before(b) && keyA.SK >= keyB.SK || a.Equal(b) && (keyA.SK < keyB.SK) != (idA < idB) {
			r.Fatalf("%v %s is %v, %v %s is %v", a, idA, keyA, b, idB, keyB)
		}
		if before := table.AuditSK(a, ""); before >= keyA.SK || b.Before(a) && before <= keyB.SK {
			r.Fatalf("%s does not stand before %v alone", before, keyA)
		}
		found := false
		for shard := range table.AuditShards {
			found = found || keyA.PK == table.AuditPK(a, shard)
		}
		if !found {
			r.Fatalf("%v is in no shard of its month", keyA)
		}
	})
}
