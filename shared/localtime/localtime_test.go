package localtime_test

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/localtime"
)

func zone(t interface {
	Helper()
	Fatal(args ...any)
}, name string,
) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestALocalTimeIsTheFirstInstantThatShowsItOrALaterOne(t *testing.T) {
	for _, test := range []struct{ local, zone, want string }{
		{"2026-11-21T09:00:00", "Asia/Shanghai", "2026-11-21T01:00:00Z"},
		{"2027-11-07T01:30:00", "America/New_York", "2027-11-07T05:30:00Z"},    // comes twice
		{"2027-11-07T02:00:00", "America/New_York", "2027-11-07T07:00:00Z"},    // once
		{"2027-03-14T02:30:00", "America/New_York", "2027-03-14T07:00:00Z"},    // does not come
		{"2027-03-14T03:00:00", "America/New_York", "2027-03-14T07:00:00Z"},    // the first minute after
		{"2027-04-04T01:45:00", "Australia/Lord_Howe", "2027-04-03T14:45:00Z"}, // half an hour comes twice
		{"2027-10-03T02:15:00", "Australia/Lord_Howe", "2027-10-02T15:30:00Z"}, // half an hour does not come
		{"1991-04-14T02:30:00", "Asia/Shanghai", "1991-04-13T18:00:00Z"},       // the last summer time
		{"1991-09-15T01:30:00", "Asia/Shanghai", "1991-09-14T16:30:00Z"},       // and its end
		{"2018-11-04T00:00:00", "America/Sao_Paulo", "2018-11-04T03:00:00Z"},   // a day without a midnight
		{"2011-12-30T09:00:00", "Pacific/Apia", "2011-12-30T10:00:00Z"},        // a day that did not come
		{"1993-08-21T12:00:00", "Pacific/Kwajalein", "1993-08-21T12:00:00Z"},   // another
		{"2027-02-31T24:61:00", "Asia/Shanghai", "2027-03-03T17:01:00Z"},       // carried on
		{"2027-01-00T00:00:00", "America/New_York", "2026-12-31T05:00:00Z"},    // so is day 0
		{"2060-03-14T02:30:00", "America/New_York", "2060-03-14T07:00:00Z"},    // by the rule that goes on
		{"2060-11-07T01:30:00", "America/New_York", "2060-11-07T05:30:00Z"},    // the same
		{"1900-12-31T23:59:00", "Asia/Shanghai", "1900-12-31T15:53:17Z"},       // by the sun, 8:05:43 ahead, before 5 minutes and 43 seconds came twice
		{"1900-12-31T12:00:00", "Asia/Shanghai", "1900-12-31T03:54:17Z"},       // and before
		{"2026-06-01T00:00:00", "Etc/GMT+12", "2026-06-01T12:00:00Z"},          // a zone without change
		{"2026-06-01T00:00:00", "Pacific/Kiritimati", "2026-05-31T10:00:00Z"},  // the furthest one
	} {
		var year, month, day, hour, minute, second int
		if _, err := fmt.Sscanf(test.local, "%d-%d-%dT%d:%d:%d", &year, &month, &day, &hour, &minute, &second); err != nil {
			t.Fatal(err)
		}
		got := localtime.Date(year, time.Month(month), day, hour, minute, second, zone(t, test.zone))
		if got.UTC().Format(time.RFC3339) != test.want {
			t.Errorf("%s in %s is %s, want %s", test.local, test.zone, got.UTC().Format(time.RFC3339), test.want)
		}
	}
}

func TestADayEndsWithItsLastSecond(t *testing.T) {
	for _, test := range []struct{ day, zone, want string }{
		{"2026-11-21", "Asia/Shanghai", "2026-11-21T15:59:59Z"},
		{"2018-02-17", "America/Sao_Paulo", "2018-02-18T02:59:59Z"}, // 23:00 to 24:00 came twice
		{"2006-10-29", "America/St_Johns", "2006-10-30T03:29:59Z"},
		{"2006-10-28", "America/St_Johns", "2006-10-29T03:29:59Z"},  // a minute after midnight it was 23:01 again
		{"2018-11-03", "America/Sao_Paulo", "2018-11-04T02:59:59Z"}, // no midnight follows
		{"2011-12-29", "Pacific/Apia", "2011-12-30T09:59:59Z"},
	} {
		day, err := time.Parse(time.DateOnly, test.day)
		if err != nil {
			t.Fatal(err)
		}
		got := localtime.EndOfDay(day.Year(), day.Month(), day.Day(), zone(t, test.zone))
		if got.UTC().Format(time.RFC3339) != test.want {
			t.Errorf("%s in %s ends %s, want %s", test.day, test.zone, got.UTC().Format(time.RFC3339), test.want)
		}
	}
}

// zones with every kind of change: an hour, half an hour, at midnight, a whole
// day, none.
var zones = []string{
	"Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "America/St_Johns", "Pacific/Apia", "Africa/Cairo",
	"Europe/London", "Asia/Kathmandu", "Antarctica/Troll", "Africa/Casablanca", "America/Nuuk", "Pacific/Kwajalein", "Asia/Pyongyang", "UTC",
}

// around draws a moment, mostly within two days of a change of the zone.
func around(t *rapid.T, place *time.Location) time.Time {
	at := time.Unix(rapid.Int64Range(0, 2_200_000_000).Draw(t, "at"), 0).In(place)
	if rapid.IntRange(0, 3).Draw(t, "near a change") == 0 {
		return at
	}
	start, end := at.ZoneBounds()
	switch {
	case !end.IsZero():
		at = end
	case !start.IsZero():
		at = start
	}
	return at.Add(time.Duration(rapid.IntRange(-2*24*60, 2*24*60).Draw(t, "minutes")) * time.Minute)
}

func shown(at time.Time, place *time.Location) string { return at.In(place).Format(time.DateTime) }

// No earlier instant shows the time or a later one; the instant does.
func TestDateIsTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		local := around(t, place)
		local = time.Date(local.Year(), local.Month(), local.Day(), rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, 0, time.UTC)
		at := localtime.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, place)
		if shown(at, place) < local.Format(time.DateTime) {
			t.Fatalf("%s is %s, which shows %s", local.Format(time.DateTime), at, shown(at, place))
		}
		for back := time.Second; back < 60*time.Hour; back += 7 * time.Minute {
			if before := at.Add(-back); shown(before, place) >= local.Format(time.DateTime) {
				t.Fatalf("%s is %s, but %s shows it too", local.Format(time.DateTime), at, before.In(place))
			}
		}
		later := local.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "later")) * time.Minute)
		if next := localtime.Date(later.Year(), later.Month(), later.Day(), later.Hour(), later.Minute(), 0, place); next.Before(at) {
			t.Fatalf("%s is %s, before %s, which is %s", later, next, local, at)
		}
	})
}

// The span's end is the first minute outside of it, however the clock is put.
func TestHoursEndWithTheFirstMinuteOutside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		span := localtime.Hours{From: rapid.IntRange(0, 1439).Draw(t, "from"), To: rapid.IntRange(0, 1439).Draw(t, "to")}
		if rapid.Bool().Draw(t, "at night") {
			span = localtime.Hours{From: rapid.IntRange(0, 200).Draw(t, "from at night"), To: rapid.IntRange(0, 200).Draw(t, "to at night")}
		}
		at := around(t, place).Truncate(time.Minute)
		want := at
		for range 4 * 24 * 60 {
			local := want.In(place)
			minute := local.Hour()*60 + local.Minute()
			inside := minute >= span.From && minute < span.To
			if span.From > span.To {
				inside = minute >= span.From || minute < span.To
			}
			if !inside {
				break
			}
			want = want.Add(time.Minute)
		}
		// Where a change is not on a whole minute, neither is the end.
		if got := span.End(at, place); got.After(want) || want.Sub(got) >= time.Minute || span.Contain(got, place) {
			t.Fatalf("%+v from %s ends %s, want %s", span, at, got.In(place), want.In(place))
		}
	})
}

// A schedule that names one time of the day runs once on every local day that
// there is, and its instants only grow.
func TestADailyTimeComesOnceADay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		every := daily{hour, minute}
		at := around(t, place)
		seen := map[string]time.Time{}
		last := at
		for range 6 {
			next := localtime.Next(every, last, place)
			if !next.After(last) {
				t.Fatalf("after %s comes %s", last, next)
			}
			day := next.In(place).Format(time.DateOnly)
			if before, twice := seen[day]; twice && !startsDay(before, place) {
				t.Fatalf("%02d:%02d comes twice on %s: %s and %s", hour, minute, day, before, next)
			}
			if next.Sub(last) > 50*time.Hour {
				t.Fatalf("%02d:%02d does not come between %s and %s", hour, minute, last, next)
			}
			seen[day], last = next, next
		}
	})
}

// startsDay tells whether the clock was put forward over the end of a day here,
// so that the time of a day that ended early, or never came, falls on it.
func startsDay(at time.Time, place *time.Location) bool {
	start, _ := at.In(place).ZoneBounds()
	return start.Equal(at)
}

type daily struct{ hour, minute int }

func (d daily) Next(after time.Time) time.Time {
	at := time.Date(after.Year(), after.Month(), after.Day(), d.hour, d.minute, 0, 0, time.UTC)
	if !at.After(after) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}

// However a recurrence is asked, step by step or from anywhere between, it names
// the same instants.
func TestNextNamesTheSameInstantsFromAnywhere(t *testing.T) {
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	rapid.Check(t, func(t *rapid.T) {
		place := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		text := rapid.SampledFrom([]string{"30 1 * * *", "*/15 * * * *", "0 2,3 * * *", "59 23 * * *", "0 0 * * *", "15 2 * * 0", "30 * * * *", "7 1-3/2 * * *", "0 9 1 * *"}).Draw(t, "cron")
		every, err := parser.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		from := around(t, place)
		var all []time.Time
		for at := from; len(all) < 40 && at.Before(from.Add(96*time.Hour)); {
			at = localtime.Next(every, at, place)
			all = append(all, at)
		}
		for i, at := range all {
			before := from
			if i > 0 {
				before = all[i-1]
			}
			between := before.Add(time.Duration(rapid.Int64Range(0, int64(at.Sub(before)-1)).Draw(t, "between")))
			if got := localtime.Next(every, between, place); !got.Equal(at) {
				t.Fatalf("%s: after %s comes %s, after %s comes %s", text, before, at, between, got)
			}
		}
	})
}
