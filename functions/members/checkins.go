package members

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"

	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
)

// CheckIn is one day's check-in as the member sees it.
type CheckIn struct {
	Date   points.Day     `json:"date" format:"date" doc:"of the brand's time zone"`
	Streak int64          `json:"streak" doc:"days in a row up to this one"`
	Points loyalty.Points `json:"points" doc:"what the day gave, its bonus included"`
}

type checkInAnswer struct {
	CheckIn
	NextBonus *nextBonus `json:"next_bonus,omitempty" doc:"by the rules of now; absent when none is to come"`
}

type nextBonus struct {
	Streak int64          `json:"streak" doc:"the length of the streak that brings it"`
	Points loyalty.Points `json:"points" doc:"beside those of the day"`
}

// checkInCalendar is the current month (签到日历).
type checkInCalendar struct {
	Today     points.Day `json:"today" format:"date" doc:"in the brand's time zone"`
	Open      bool       `json:"open" doc:"whether the brand takes check-ins"`
	CheckedIn bool       `json:"checked_in" doc:"whether today's is done"`
	Streak    int64      `json:"streak" doc:"days in a row up to today, whose own check-in may be still to come; 0 after a missed day"`
	NextBonus *nextBonus `json:"next_bonus,omitempty" doc:"by the rules of now; absent when none is to come"`
	Items     []CheckIn  `json:"items" doc:"this month's, by date"`
}

type checkInOutput struct {
	Status int
	Body   checkInAnswer
}

func (f Function) registerCheckIns(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/me/check-ins", ID: "check-in", Tag: "me", Security: "member", Status: http.StatusCreated,
		Summary: "Check in (签到), once a day by the brand's time zone; take a new Idempotency-Key each day",
		Also:    map[int]string{http.StatusOK: "OK: the day was checked in before, this is what it gave"},
	}, f.checkIn)
	register(f, api, http.MethodGet, "/v1/me/check-ins", "my-check-ins", "My check-ins of this month, and my streak", f.checkIns)
}

func (f Function) checkIn(ctx context.Context, _ *struct{}) (*checkInOutput, error) {
	now := f.Clock()
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return nil, err
	}
	rules := program.At(versions, now)
	request := sha256.Sum256([]byte(idempotency.Cause(ctx)))
	made, fresh, err := ledger.CheckIn(ctx, f.Store, rules, caller(ctx), hex.EncodeToString(request[:8]), now)
	if err != nil {
		return nil, ofGone(err)
	}
	answer := &checkInOutput{http.StatusOK, checkInAnswer{ofCheckIn(made), upcoming(rules, made.Streak)}}
	if fresh {
		answer.Status = http.StatusCreated
	}
	return answer, nil
}

func (f Function) checkIns(ctx context.Context, account store.Account, _ *struct{}) (checkInCalendar, error) {
	now := f.Clock()
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return checkInCalendar{}, err
	}
	rules := program.At(versions, now)
	today := points.DayOf(now, rules.Zone())
	days, err := f.days(ctx, account, today.Month())
	if err != nil {
		return checkInCalendar{}, err
	}
	streak := account.CheckIn.Running(today)
	shown := checkInCalendar{
		Today: today, Open: rules.Points.CheckIn != nil, CheckedIn: account.CheckIn.Day >= today,
		Streak: streak, NextBonus: upcoming(rules, streak), Items: make([]CheckIn, len(days)),
	}
	for i, day := range days {
		shown.Items[i] = ofCheckIn(day)
	}
	return shown, nil
}

// days are the person's check-ins of a month by date, also those that they made
// as a member who was merged into this one; one a day.
func (f Function) days(ctx context.Context, account store.Account, month string) ([]points.CheckIn, error) {
	byDate := map[points.Day]points.CheckIn{}
	for _, member := range append([]loyalty.MemberID{account.Member}, account.Parts...) {
		days, err := f.Store.CheckIns(ctx, member, month)
		if err != nil {
			return nil, err
		}
		for _, day := range days {
			if _, known := byDate[day.Day]; !known {
				byDate[day.Day] = day
			}
		}
	}
	days := make([]points.CheckIn, 0, len(byDate))
	for _, date := range slices.Sorted(maps.Keys(byDate)) {
		days = append(days, byDate[date])
	}
	return days, nil
}

func ofCheckIn(c points.CheckIn) CheckIn { return CheckIn{c.Day, c.Streak, c.Points} }

func upcoming(rules program.Program, streak int64) *nextBonus {
	if rules.Points.CheckIn == nil {
		return nil
	}
	bonus, ok := rules.Points.CheckIn.NextBonus(streak)
	if !ok {
		return nil
	}
	return &nextBonus{bonus.Days, bonus.Bonus}
}
