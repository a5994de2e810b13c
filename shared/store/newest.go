package store

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// newest is one page of a list that is cut into shards of IndexMember, newest
// first, back to a time (zero for the beginning). A cursor is the place of the
// last item in the list, so that it holds whatever comes or goes meanwhile. It
// fails with KindInvalid for what is no such cursor.
func (s Store) newest(ctx context.Context, pk func(shard int) string, since time.Time, limit int, cursor string) ([]table.Item, string, error) {
	before := ""
	if cursor != "" {
		place, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
		if _, malformed := time.Parse(time.RFC3339, string(place[:min(len(place), len(time.DateOnly+"T00:00:00Z"))])); err != nil || malformed != nil {
			return nil, "", loyalty.Invalid("cursor", "invalid_cursor", "this is no cursor of this list; send next_cursor as it came")
		}
		before = string(place)
	}
	from := ""
	if !since.IsZero() {
		from = table.Instant(since)
	}
	if before != "" && before <= from {
		return nil, "", nil
	}
	shards := make([]*run, table.ListShards)
	for i := range shards {
		// Two more than a shard's share: the one that the cursor names, and one that
		// tells whether there are others.
		shards[i] = &run{table: s.Table, before: before, query: table.Query{
			Index: table.IndexMember, PK: pk(i), From: from, To: before, Limit: limit/table.ListShards + 2, Descending: true,
		}}
	}
	var items []table.Item
	for {
		var latest *run
		for _, shard := range shards {
			if err := shard.fill(ctx); err != nil {
				return nil, "", err
			}
			if len(shard.items) > 0 && (latest == nil || place(latest.items[0]) < place(shard.items[0])) {
				latest = shard
			}
		}
		switch {
		case latest == nil:
			return items, "", nil
		case len(items) == limit:
			return items, base64.RawURLEncoding.EncodeToString([]byte(place(items[limit-1]))), nil
		}
		items, latest.items = append(items, latest.items[0]), latest.items[1:]
	}
}

// place is where an item stands in its list.
func place(item table.Item) string { return item.Text("msk") }

// run is what is left of one shard.
type run struct {
	table  table.Table
	query  table.Query
	before string // the last place of the page before, which is on no other
	items  []table.Item
	over   bool
}

// fill reads on where nothing is left of what was read.
func (r *run) fill(ctx context.Context) error {
	for len(r.items) == 0 && !r.over {
		page, err := r.table.Query(ctx, r.query)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if place(item) != r.before {
				r.items = append(r.items, item)
			}
		}
		r.query.Cursor, r.over = page.Next, page.Next == ""
	}
	return nil
}
