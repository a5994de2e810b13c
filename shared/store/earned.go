package store

import (
	"context"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

const earnedPoints = "points"

// AccountAndEarned reads in one round trip the account (see Account) and how
// many points the member earned with the orders that they paid on one day
// ("2026-11-18"), refunds aside. That is counted only where the program caps
// it, and in an item of its own for each day: a late order needs its day as it
// was, and an account that kept them all would grow for ever.
func (s Store) AccountAndEarned(ctx context.Context, member loyalty.MemberID, day string) (Account, loyalty.Points, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.AccountKey(member), table.EarnedKey(member, day))
	if err != nil {
		return Account{}, 0, err
	}
	if items[0] == nil {
		return Account{}, 0, memberUnknown()
	}
	account, err := ReadAccount(member, *items[0])
	if items[1] == nil {
		return account, 0, err
	}
	return account, loyalty.Points(items[1].Int(earnedPoints)), err
}

// AddEarned counts points of one day; its condition fails when they would lead
// beyond the most that the day may have. Nothing is ever taken off the count, so
// that a write that fills it up to the most fails, too, when it grew since it
// was read.
func AddEarned(member loyalty.MemberID, day string, points, most loyalty.Points) table.Action {
	return table.Update(table.EarnedKey(member, day), []table.Change{table.Add(earnedPoints, int64(points))},
		table.MissingOrAtMost(earnedPoints, table.Number(int64(most-points))))
}
