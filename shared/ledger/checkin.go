package ledger

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// CheckIn records that a member checked in (签到) at now, by the rules in force
// then. It reports false when the day had its check-in before, and returns that
// one. request is "" or tells the repeats of one request from others: a repeat
// gets what the first got, even after midnight. It fails with KindConflict code
// "check_in_closed" where the brand takes no check-ins or as store.Account.Open
// says, and with KindNotFound
// code "member_unknown"; then nothing has changed.
func CheckIn(ctx context.Context, s store.Store, rules program.Program, member loyalty.MemberID, request string, now time.Time) (points.CheckIn, bool, error) {
	zone := rules.Zone()
	for range attempts {
		account, err := s.Account(ctx, member)
		if err != nil {
			return points.CheckIn{}, false, err
		}
		if err := account.Open(); err != nil {
			return points.CheckIn{}, false, err
		}
		was := account.CheckIn
		if request != "" && was.Request == request && was.Running(points.DayOf(now, zone)) > 0 {
			return was.CheckIn, true, nil
		}
		is, fresh, err := rules.Points.CheckIn.After(was.CheckIn, now, zone)
		if err != nil || !fresh {
			return is, false, err
		}
		until := rules.Points.Expiry.Until(now, zone)
		fact := points.Fact{
			Kind: points.FactCheckIn, At: now.UTC().Truncate(time.Second), Member: member, Program: rules.Version,
			Until: until, Entries: is.Credit(until, account.Points(now)),
		}
		err = s.Table.Write(ctx, store.CheckIn(account, store.LastCheckIn{CheckIn: is, Request: request}, fact)...)
		if !store.Refused(err) {
			return is, err == nil, err
		}
	}
	return points.CheckIn{}, false, lostRace()
}
