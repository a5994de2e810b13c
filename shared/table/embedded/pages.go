package embedded

import (
	"context"
	"slices"
	"strings"

	"github.com/huitou/huitou/shared/table"
)

// highest sorts after every key: keys are UTF-8, which has no such byte.
const highest = "\xff"

// Query implements table.Table.
func (e *Engine) Query(ctx context.Context, query table.Query) (table.Page, error) {
	if err := query.Validate(); err != nil {
		return table.Page{}, err
	}
	last, err := query.Position()
	if err != nil {
		return table.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Page{}, table.Timeout(err)
	}
	if query.Index == "" {
		return e.queryTable(ctx, query, last)
	}
	return e.queryIndex(ctx, query, last)
}

// bounds are where a query starts, in its own direction, and what is beyond
// its end.
func bounds(query table.Query) (start string, beyond func(sk string) bool) {
	if query.Descending {
		start = highest
		switch {
		case query.Prefix != "":
			start = query.Prefix + highest
		case query.To != "":
			start = query.To
		}
		return start, func(sk string) bool {
			return query.Prefix != "" && !strings.HasPrefix(sk, query.Prefix) || query.From != "" && sk < query.From
		}
	}
	start = query.From
	if query.Prefix != "" {
		start = query.Prefix
	}
	return start, func(sk string) bool {
		return query.Prefix != "" && !strings.HasPrefix(sk, query.Prefix) || query.To != "" && sk > query.To
	}
}

// reading collects one page. Like DynamoDB's, it stops at its limit without
// looking whether anything follows, so the last page may be empty.
type reading struct {
	limit, size int
	rows        []*row
	more        bool
}

// take adds a row unless the page is full.
func (r *reading) take(row *row, size int) bool {
	if len(r.rows) > 0 && r.size+size > table.MaxPageSize {
		r.more = true
		return false
	}
	r.rows = append(r.rows, row)
	r.size += size
	r.more = len(r.rows) == r.limit
	return !r.more
}

func (e *Engine) queryTable(ctx context.Context, query table.Query, last *table.Position) (table.Page, error) {
	start, beyond := bounds(query)
	if last != nil {
		start = last.Key.SK
	}
	from := pivot(query.PK, start)
	page := reading{limit: query.Limit}
	visit := func(row *row) bool {
		if row.hash != from.hash || row.pk() != query.PK || beyond(row.sk()) {
			return false
		}
		if last != nil && row.sk() == last.Key.SK {
			return true
		}
		return page.take(row, int(row.size))
	}
	e.mu.RLock()
	if err := e.usable(); err != nil {
		e.mu.RUnlock()
		return table.Page{}, err
	}
	if query.Descending {
		e.rows.Descend(from, visit)
	} else {
		e.rows.Ascend(from, visit)
	}
	unsynced := e.unsynced(from.hash)
	e.mu.RUnlock()
	if err := wait(ctx, unsynced); err != nil {
		return table.Page{}, err
	}
	result := table.Page{Items: make([]table.Item, 0, len(page.rows))}
	for _, row := range page.rows {
		result.Items = append(result.Items, row.item())
	}
	if page.more {
		result.Next = query.CursorAt(table.Position{Key: page.rows[len(page.rows)-1].key()})
	}
	table.Spend(ctx, table.ReadUnits(query.Consistency, page.size), 0)
	return result, nil
}

func (e *Engine) queryIndex(ctx context.Context, query table.Query, last *table.Position) (table.Page, error) {
	at := slices.IndexFunc(table.Indexes, func(index table.Index) bool { return index.Name == query.Index })
	index := &table.Indexes[at]
	start, beyond := bounds(query)
	from := entry{pk: query.PK, sk: start, row: pivot("", "")}
	if query.Descending {
		from.row = pivot(highest, highest)
	}
	if last != nil {
		from = entry{pk: query.PK, sk: last.IndexSK, row: pivot(last.Key.PK, last.Key.SK)}
	}
	page := reading{limit: query.Limit}
	var entries []entry
	visit := func(found entry) bool {
		if found.pk != query.PK || beyond(found.sk) {
			return false
		}
		if last != nil && compareEntries(found, from) == 0 {
			return true
		}
		before := len(page.rows)
		more := page.take(found.row, found.size(index))
		if len(page.rows) > before {
			entries = append(entries, found)
		}
		return more
	}
	e.mu.RLock()
	if err := e.usable(); err != nil {
		e.mu.RUnlock()
		return table.Page{}, err
	}
	if query.Descending {
		e.indexes[at].Descend(from, visit)
	} else {
		e.indexes[at].Ascend(from, visit)
	}
	// A partition of an index is written from any partition of the table.
	unsynced := e.latest()
	e.mu.RUnlock()
	if err := wait(ctx, unsynced); err != nil {
		return table.Page{}, err
	}
	result := table.Page{Items: make([]table.Item, 0, len(entries))}
	for _, found := range entries {
		result.Items = append(result.Items, found.item(index))
	}
	if page.more {
		end := entries[len(entries)-1]
		result.Next = query.CursorAt(table.Position{Key: end.row.key(), IndexSK: end.sk})
	}
	table.Spend(ctx, table.ReadUnits(table.Eventual, page.size), 0)
	return result, nil
}

// Scan implements table.Table.
func (e *Engine) Scan(ctx context.Context, scan table.Scan) (table.Page, error) {
	if err := scan.Validate(); err != nil {
		return table.Page{}, err
	}
	last, err := scan.Position()
	if err != nil {
		return table.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Page{}, table.Timeout(err)
	}
	segment := func(hash uint32) int { return int(uint64(hash) * uint64(scan.Segments) >> 32) }
	from := pivot("", "")
	from.hash = uint32((uint64(scan.Segment)<<32 + uint64(scan.Segments) - 1) / uint64(scan.Segments))
	if last != nil {
		from = pivot(last.PK, last.SK)
	}
	page := reading{limit: scan.Limit}
	e.mu.RLock()
	if err := e.usable(); err != nil {
		e.mu.RUnlock()
		return table.Page{}, err
	}
	e.rows.Ascend(from, func(row *row) bool {
		if segment(row.hash) != scan.Segment {
			return false
		}
		if last != nil && compareRows(row, from) == 0 {
			return true
		}
		return page.take(row, int(row.size))
	})
	unsynced := e.latest()
	e.mu.RUnlock()
	if err := wait(ctx, unsynced); err != nil {
		return table.Page{}, err
	}
	result := table.Page{Items: make([]table.Item, 0, len(page.rows))}
	for _, row := range page.rows {
		result.Items = append(result.Items, row.item())
	}
	if page.more {
		result.Next = scan.CursorAt(page.rows[len(page.rows)-1].key())
	}
	table.Spend(ctx, table.ReadUnits(scan.Consistency, page.size), 0)
	return result, nil
}
