package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Alone is what one operator did without a second on a day of the brand's
// calendar (单人额度). A limit above which two have to agree holds for the day, or
// it could be split.
type Alone struct {
	Operator string
	Day      string         // "2026-11-21"
	Points   loyalty.Points // corrected, either way, and of prizes that were voided
	Fen      loyalty.Fen    // the worth of other prizes that were voided
}

const (
	alonePoints = "points"
	aloneFen    = "fen"
)

// aloneLife is how long a count is kept after its last change. The day is in the
// key, so one that was not cleaned up means nothing later.
const aloneLife = 72 * time.Hour

// Alone reads what an operator did alone on a day, strongly.
func (s Store) Alone(ctx context.Context, operator, day string) (Alone, error) {
	alone := Alone{Operator: operator, Day: day}
	items, err := s.Table.Get(ctx, table.Strong, table.AloneKey(operator, day))
	if err == nil && items[0] != nil {
		alone.Points, alone.Fen = loyalty.Points(items[0].Int(alonePoints)), loyalty.Fen(items[0].Int(aloneFen))
	}
	return alone, err
}

// CorrectAlone counts points, at least 0, in the write that corrects or voids
// them; its condition fails where the day would then have more than the limit.
func (a Alone) CorrectAlone(points, limit loyalty.Points, now time.Time) table.Action {
	return a.count(alonePoints, int64(points), int64(limit), now)
}

// VoidAlone is CorrectAlone for the worth of a prize in fen.
func (a Alone) VoidAlone(worth, limit loyalty.Fen, now time.Time) table.Action {
	return a.count(aloneFen, int64(worth), int64(limit), now)
}

func (a Alone) count(name string, n, limit int64, now time.Time) table.Action {
	return table.Update(table.AloneKey(a.Operator, a.Day), []table.Change{
		table.Add(name, n), table.Set(table.ExpiresAttribute, table.Number(now.Add(aloneLife).Unix())),
	}, table.MissingOrAtMost(name, table.Number(limit-n)))
}
