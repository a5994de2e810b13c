package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// Adjustment is an operator's correction of a member's points (人工调整). One that
// waits for a second operator has no entries and is in nobody's ledger.
type Adjustment struct {
	points.Fact                // FactAdjusted; At is when it took effect, zero while it waits
	ID          string         `json:"id"`
	Points      loyalty.Points `json:"points"` // above 0 gives, below takes
	Reason      string         `json:"reason"`
	Proposed    Hand           `json:"proposed"`
	Approved    *Hand          `json:"approved,omitempty"` // the second operator, where one was needed
}

// Hand is who did something, and when.
type Hand struct {
	Operator string    `json:"operator"`
	At       time.Time `json:"at"`
}

// Made tells an adjustment that took effect from one that waits.
func (a Adjustment) Made() bool { return len(a.Entries) > 0 }

// Adjustment reads one adjustment; KindNotFound code "adjustment_unknown".
func (s Store) Adjustment(ctx context.Context, member loyalty.MemberID, id string) (Adjustment, error) {
	return document[Adjustment](ctx, s.Table, table.AdjustmentKey(member, id), "adjustment_unknown")
}

// ProposeAdjustment puts an adjustment under the condition that its id is free.
func ProposeAdjustment(adjustment Adjustment) table.Action {
	return table.Put(adjustmentItem(adjustment), table.Absent())
}

// MakeAdjustment replaces a proposal that is still as it was read by the
// adjustment that takes effect.
func MakeAdjustment(was, is Adjustment) table.Action {
	return table.Put(adjustmentItem(is), table.Equals(doc, encode(was)))
}

func adjustmentItem(adjustment Adjustment) table.Item {
	item := documentItem(table.AdjustmentKey(adjustment.Member, adjustment.ID), adjustment)
	if adjustment.Made() {
		item.Attributes["mpk"] = table.String(table.MemberPK(adjustment.Member))
		item.Attributes["msk"] = table.String(table.HistorySK(adjustment.At, item.Key))
	} else {
		item.Attributes["mpk"] = table.String(table.WaitingAdjustmentsPK())
		item.Attributes["msk"] = table.String(table.HistorySK(adjustment.Proposed.At, item.Key))
	}
	return item
}

// WaitingAdjustments is one page of the corrections that wait for a second
// operator, oldest first, each as it stands: what was decided since is left out.
// One that was proposed a moment ago may be missing.
func (s Store) WaitingAdjustments(ctx context.Context, limit int, cursor string) ([]Adjustment, string, error) {
	page, err := s.Table.Query(ctx, table.Query{
		Index: table.IndexMember, PK: table.WaitingAdjustmentsPK(), Limit: limit, Cursor: cursor,
	})
	if err != nil || len(page.Items) == 0 {
		return nil, page.Next, err
	}
	keys := make([]table.Key, len(page.Items))
	for i, item := range page.Items {
		keys[i] = item.Key
	}
	items, err := s.Table.Get(ctx, table.Strong, keys...)
	if err != nil {
		return nil, "", err
	}
	var waiting []Adjustment
	for _, item := range items {
		if item == nil {
			continue
		}
		adjustment, err := decode[Adjustment](*item)
		if err != nil {
			return nil, "", err
		}
		if !adjustment.Made() {
			waiting = append(waiting, adjustment)
		}
	}
	return waiting, page.Next, nil
}
