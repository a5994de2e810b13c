package ledger

import (
	"context"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
)

// EndLots lets go of the points whose lots ended by now (积分过期), with one fact
// of the member's own, and says how many there were. The schedule need not look
// at the account again before rest, or before another lot ends. Where anybody
// changed the lots or asked for the schedule since the account was read,
// nothing happens: the next firing sees to it.
func EndLots(ctx context.Context, s store.Store, account store.Account, rest, now time.Time) (loyalty.Points, error) {
	seen := account.LotsSeen
	fact := points.Fact{Kind: points.FactExpired, At: now, Member: account.Member, Entries: account.Points(now).Expire(strconv.FormatInt(seen, 10))}
	var expired loyalty.Points
	for _, entry := range fact.Entries {
		expired += entry.Expired()
	}
	changes, conditions := store.CreditAndRest(fact.Entries, account, rest)
	err := s.Table.Write(ctx, store.EndLots(fact, seen), store.UpdateAsRead(account, changes, conditions...))
	if store.Refused(err) {
		return 0, nil
	}
	return expired, err
}
