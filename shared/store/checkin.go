package store

import (
	"context"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// LastCheckIn is a member's last check-in, as their account keeps it; zero for
// none.
type LastCheckIn struct {
	points.CheckIn
	Request string `json:"request,omitempty"` // fingerprint of the Idempotency-Key
}

// checkIn is the item of one day on which a member checked in (签到记录). It is
// at once the lock on the day and the entry in their ledger.
type checkIn struct {
	points.Fact
	points.CheckIn
}

// CheckIn puts a day's check-in and makes it the member's last one; the
// conditions fail when the day has one, or the account's is not the last any more.
// fact holds what it does to the member's points, decided on their account.
func CheckIn(account Account, is LastCheckIn, fact points.Fact) []table.Action {
	item := documentItem(table.CheckInKey(fact.Member, string(is.Day)), checkIn{fact, is.CheckIn})
	if len(fact.Entries) > 0 {
		item.Attributes["mpk"] = table.String(table.MemberPK(fact.Member))
		item.Attributes["msk"] = table.String(table.HistorySK(fact.At, item.Key))
	}
	changes, conditions := Credit(fact.Entries, account)
	return []table.Action{
		table.Put(item, table.Absent()),
		UpdateAccount(fact.Member, append(changes, checkInChange(is)), append(conditions, checkInStands(account))...),
	}
}

// checkInStands holds a member's last check-in to the one that was read.
func checkInStands(account Account) table.Condition {
	if account.CheckIn == (LastCheckIn{}) {
		return table.Missing(accountCheckIn)
	}
	return table.Equals(accountCheckIn, encode(account.CheckIn))
}

// checkInChange makes a check-in the member's last one; none where it is of no
// day.
func checkInChange(is LastCheckIn) table.Change {
	if is.Day == "" {
		return table.Remove(accountCheckIn)
	}
	return table.Set(accountCheckIn, encode(is))
}

// CheckIns lists the check-ins of one month ("2026-11") by date.
func (s Store) CheckIns(ctx context.Context, member loyalty.MemberID, month string) ([]points.CheckIn, error) {
	days, _, err := documents[points.CheckIn](ctx, s.Table, table.Query{
		PK: table.MemberPK(member), Prefix: table.CheckInPrefix + month, Limit: 31, Consistency: table.Strong,
	})
	return days, err
}
