package points

import (
	"fmt"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// CheckInRules is what checking in once a day gives (签到). Every day gives
// Daily; the days named in Streak give a bonus beside (连续签到).
type CheckInRules struct {
	Daily  loyalty.Points `json:"daily" minimum:"0" maximum:"10000" doc:"points of every day on which a member checks in"`
	Streak []StreakBonus  `json:"streak,omitempty" maxItems:"31" doc:"bonuses for days in a row, by rising days"`
	// CycleDays counts the days of Streak from 1 again after so many.
	CycleDays int64 `json:"cycle_days,omitempty" minimum:"0" maximum:"366" doc:"after so many days in a row the bonuses begin again; 0: each is given once in a streak"`
}

// StreakBonus is what the nth day in a row gives beside the daily points.
type StreakBonus struct {
	Days  int64          `json:"days" minimum:"1" maximum:"366" doc:"days in a row"`
	Bonus loyalty.Points `json:"bonus" minimum:"1" maximum:"1000000" doc:"points, beside those of the day"`
}

// Join is the last check-in of one person who was known as two members: of two
// runs of days that meet or overlap one is made, and of two that do not the later
// one counts. The points that the days gave stay as they were.
func (c CheckIn) Join(other CheckIn) CheckIn {
	if other.Day == "" {
		return c
	}
	later, earlier := c, other
	if later.Day < earlier.Day || later.Day == earlier.Day && later.Streak < earlier.Streak {
		later, earlier = earlier, later
	}
	if begins := later.begins(); earlier.Day != "" && (earlier.Day >= begins || earlier.Day.Next() == begins) {
		later.Streak = max(later.Streak, later.Day.since(earlier.begins())+1)
	}
	return later
}

// Without is the last check-in of a member who is apart again from the one with
// whom joined was made of own: with the days since, as if only own had been.
func (c CheckIn) Without(joined, own CheckIn) CheckIn {
	since := c.Day.since(joined.Day)
	switch {
	case since <= 0:
		return own
	case c.Streak <= since: // a day was missed meanwhile, and the run is their own
		return c
	}
	c.Streak = since
	if own.Day == joined.Day {
		c.Streak += own.Streak
	}
	return c
}

// begins is the first day of the run.
func (c CheckIn) begins() Day { return c.Day.plus(1 - c.Streak) }

// Day is a date of the brand's calendar, "2026-11-21". Byte order is time
// order.
type Day string

// DayOf is the date in the zone at a time: it begins at 00:00:00 there.
func DayOf(at time.Time, zone *time.Location) Day { return Day(at.In(zone).Format(time.DateOnly)) }

// Month is the month of the date, "2026-11".
func (d Day) Month() string { return string(d[:min(len(d), len("2026-11"))]) }

// Next is the date that follows.
func (d Day) Next() Day { return d.plus(1) }

func (d Day) plus(days int64) Day {
	date, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return "" // DayOf makes no other than dates
	}
	return Day(date.Add(time.Duration(days) * 24 * time.Hour).Format(time.DateOnly))
}

// since is how many days after another the date is; 0 where either is none.
func (d Day) since(other Day) int64 {
	to, err := time.Parse(time.DateOnly, string(d))
	from, failed := time.Parse(time.DateOnly, string(other))
	if err != nil || failed != nil {
		return 0
	}
	return int64(to.Sub(from) / (24 * time.Hour))
}

// CheckIn is a day on which a member checked in.
type CheckIn struct {
	Day    Day            `json:"day"`
	Streak int64          `json:"streak"` // days in a row up to this one, from 1
	Points loyalty.Points `json:"points"` // what it gave, with the bonus
}

// After is a member's check-in at now in the brand's zone, given their last one
// (zero for none). It reports false, and the last one again, when that is of
// the same day: two check-ins a day count once. So does a last one of a later
// day, which a clock that runs behind, or a new time zone, can meet. A missed
// day begins a new streak. r is nil where the brand takes no check-ins; then a
// new one fails with KindConflict code "check_in_closed".
func (r *CheckInRules) After(last CheckIn, now time.Time, zone *time.Location) (CheckIn, bool, error) {
	day := DayOf(now, zone)
	if last.counts(day) {
		return last, false, nil
	}
	if r == nil {
		return CheckIn{}, false, loyalty.Refuse(loyalty.KindConflict, "check_in_closed", "the brand takes no check-ins at present")
	}
	next := CheckIn{Day: day, Streak: last.Running(day) + 1}
	next.Points = r.On(next.Streak)
	return next, true, nil
}

// counts tells whether nothing is left to check in for on the day.
func (c CheckIn) counts(day Day) bool { return c.Day >= day }

// Running is the length of the streak as it stands on a day, its own check-in
// done or still to come; 0 once a day was missed.
func (c CheckIn) Running(day Day) int64 {
	if c.Day != "" && (c.counts(day) || c.Day.Next() == day) {
		return c.Streak
	}
	return 0
}

// On is what the nth day in a row gives, the bonus included; n from 1.
func (r CheckInRules) On(n int64) loyalty.Points {
	sum := r.Daily
	for _, bonus := range r.Streak {
		if bonus.Days == r.inCycle(n) {
			sum += bonus.Bonus
		}
	}
	return sum
}

// NextBonus is the first day in a row after the nth that gives a bonus, and the
// bonus; false when none is to come. n is 0 for a member without a streak.
func (r CheckInRules) NextBonus(n int64) (StreakBonus, bool) {
	done := int64(0)
	if n > 0 {
		done = r.inCycle(n)
	}
	for _, bonus := range r.Streak {
		if bonus.Days > done {
			return StreakBonus{Days: n - done + bonus.Days, Bonus: bonus.Bonus}, true
		}
	}
	if r.CycleDays == 0 || len(r.Streak) == 0 {
		return StreakBonus{}, false
	}
	return StreakBonus{Days: n - done + r.CycleDays + r.Streak[0].Days, Bonus: r.Streak[0].Bonus}, true
}

// inCycle is which day of its cycle the nth day in a row is.
func (r CheckInRules) inCycle(n int64) int64 {
	if r.CycleDays == 0 {
		return n
	}
	return (n-1)%r.CycleDays + 1
}

// Validate refuses rules that could not be applied, naming the field below
// pointer.
func (r CheckInRules) Validate(pointer string) error {
	switch {
	case r.Daily < 0 || r.Daily > 10_000:
		return loyalty.Invalid(pointer+"/daily", "out_of_range", "a day must give 0 to 10000 points")
	case r.CycleDays < 0 || r.CycleDays > 366:
		return loyalty.Invalid(pointer+"/cycle_days", "out_of_range", "a cycle must have 0 to 366 days")
	case len(r.Streak) > 31:
		return loyalty.Invalid(pointer+"/streak", "too_many", "there may be at most 31 bonuses")
	case r.Daily == 0 && len(r.Streak) == 0:
		return loyalty.Invalid(pointer+"/daily", "out_of_range", "where no day gives points, leave check_in out")
	}
	longest := int64(366)
	if r.CycleDays > 0 {
		longest = r.CycleDays
	}
	before := int64(0)
	for i, bonus := range r.Streak {
		at := fmt.Sprintf("%s/streak/%d", pointer, i)
		switch {
		case bonus.Days < 1 || bonus.Days > longest:
			return loyalty.Invalid(at+"/days", "out_of_range", "a bonus must fall on day 1 to 366, and within the cycle")
		case bonus.Days <= before:
			return loyalty.Invalid(at+"/days", "not_rising", "each bonus must fall on a later day than the one before it")
		case bonus.Bonus < 1 || bonus.Bonus > 1_000_000:
			return loyalty.Invalid(at+"/bonus", "out_of_range", "a bonus must be 1 to 1000000 points")
		}
		before = bonus.Days
	}
	return nil
}

// Credit is what the check-in does to the member's points; none when the day
// gives nothing. They end at until. Like every credit they pay debt first.
func (c CheckIn) Credit(until *time.Time, account Account) []Entry {
	if c.Points == 0 {
		return nil
	}
	return []Entry{account.credit(Entry{ID: "checkin:" + string(c.Day), Kind: EntryCheckIn}, c.Points, until)}
}
