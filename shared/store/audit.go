package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/table"
)

// Act is one row of the audit log: what an operator was allowed to do, and
// began. Rows are put once and never expire.
type Act struct {
	ID       string    `json:"id"` // 16 hexadecimal digits, the same for every repeat of a request
	At       time.Time `json:"at"` // of the first request, to the microsecond
	Operator string    `json:"operator"`
	Role     string    `json:"role"`
	Action   string    `json:"action"`   // "card-batch.activate"
	Resource string    `json:"resource"` // "/v1/card-batches/K-00001/activation"
	Reason   string    `json:"reason,omitempty"`
	// Failed is how the act's last attempt ended when it did not succeed.
	Failed Failure `json:"-"`
}

// Failure is how an act was refused or failed; zero for one that was not.
type Failure struct {
	Status int    // of HTTP
	Code   string // of the loyalty.Error
}

const (
	actStatus = "status"
	actCode   = "code"
)

// RecordAct puts an act's row before the act is done. Where the row is there
// already it stays as it is, and how the attempt before ended is returned.
func (s Store) RecordAct(ctx context.Context, act Act) (Failure, error) {
	err := s.Table.Write(ctx, table.Put(documentItem(table.AuditKey(act.At, act.ID), act), table.Absent()))
	if refused, known := refusedBy(err); refused && known != nil {
		return actFailure(*known), nil
	}
	return Failure{}, err
}

// EndAct says in an act's row how the attempt ended; the zero Failure takes back
// what was said of the attempt before.
func (s Store) EndAct(ctx context.Context, act Act, failure Failure) error {
	changes := []table.Change{table.Remove(actStatus), table.Remove(actCode)}
	if failure != (Failure{}) {
		changes = []table.Change{table.Set(actStatus, table.Number(int64(failure.Status))), table.Set(actCode, table.String(failure.Code))}
	}
	return s.Table.Write(ctx, table.Update(table.AuditKey(act.At, act.ID), changes, table.Exists()))
}

// Acts is up to limit acts, newest first: those at or after from, and before the
// instant, or before the act of the id at that instant. It reads every month
// between the two until it has enough.
func (s Store) Acts(ctx context.Context, from, before time.Time, id string, limit int) ([]Act, error) {
	acts := []Act{}
	first := monthOf(from)
	for month := monthOf(before); !month.Before(first) && len(acts) < limit; month = monthOf(month.Add(-time.Second)) {
		items, err := s.actsOfMonth(ctx, month, from, table.AuditSK(before, id), limit-len(acts))
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			act, err := decode[Act](item)
			if err != nil {
				return nil, err
			}
			act.Failed = actFailure(item)
			acts = append(acts, act)
		}
	}
	return acts, nil
}

func (s Store) actsOfMonth(ctx context.Context, month, from time.Time, before string, limit int) ([]table.Item, error) {
	var items []table.Item
	for shard := range table.AuditShards {
		query := table.Query{
			PK: table.AuditPK(month, shard), From: table.AuditSK(from, ""), To: before,
			Limit: limit + 1, Descending: true, Consistency: table.Strong, // one more, for To is inclusive
		}
		for enough := len(items) + query.Limit; ; {
			page, err := s.Table.Query(ctx, query)
			if err != nil {
				return nil, err
			}
			items = append(items, page.Items...)
			if query.Cursor = page.Next; query.Cursor == "" || len(items) >= enough {
				break
			}
		}
	}
	items = slices.DeleteFunc(items, func(item table.Item) bool { return item.Key.SK == before })
	slices.SortFunc(items, func(a, b table.Item) int { return strings.Compare(b.Key.SK, a.Key.SK) })
	return items[:min(limit, len(items))], nil
}

func monthOf(at time.Time) time.Time {
	year, month, _ := at.UTC().Date()
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}

func actFailure(item table.Item) Failure {
	return Failure{int(item.Int(actStatus)), item.Text(actCode)}
}
