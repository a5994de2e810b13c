package store

import (
	"context"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

const earnedPoints = "points"

// Earned is how many points a member earned with the orders that he paid on one
// day ("2026-11-18"), refunds aside. It is counted only where the program caps
// it, and in an item of its own for each day: a late order needs its day as it
// was, and an account that kept them all would grow for ever.
func (s Store) Earned(ctx context.Context, member loyalty.MemberID, day string) (loyalty.Points, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.EarnedKey(member, day))
	if err != nil || items[0] == nil {
		return 0, err
	}
	return loyalty.Points(items[0].Int(earnedPoints)), nil
}

// AddEarned counts points of one day; its condition fails when they are not
// any more what the decision saw.
func AddEarned(member loyalty.MemberID, day string, was, points loyalty.Points) table.Action {
	held := table.Equals(earnedPoints, table.Number(int64(was)))
	if was == 0 {
		held = table.Missing(earnedPoints)
	}
	return table.Update(table.EarnedKey(member, day), []table.Change{table.Add(earnedPoints, int64(points))}, held)
}
