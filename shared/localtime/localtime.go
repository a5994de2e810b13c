// Package localtime turns what a calendar and a clock on a wall say into
// instants. It is the one place that does, because a local time is no instant:
// where clocks are put back one comes twice, where they are put forward some do
// not come at all, and time.Date picks one of the two sides as it likes.
//
// One rule holds for all of them: a local time is the first instant at which
// the clock shows it or a later one. So a time that comes twice counts once, the
// first time; and one that does not come is the first minute after the gap. A
// later local time is never an earlier instant.
package localtime

import "time"

// furthest is more than any zone is or was away from UTC.
const furthest = 26 * time.Hour

// Date is the instant of a local time. Values beyond their usual ranges are
// carried on, as time.Date does: day 0 is the last of the month before.
func Date(year int, month time.Month, day, hour, minute, second int, zone *time.Location) time.Time {
	return instant(time.Date(year, month, day, hour, minute, second, 0, time.UTC), zone)
}

// EndOfDay is the last second of a local day: the last one that the day's date
// stands at, also where the hour before midnight comes twice.
func EndOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	midnight := time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
	end := instant(midnight, zone)
	for at := end; at.Before(midnight.Add(furthest)); {
		_, next := at.ZoneBounds()
		if next.IsZero() {
			break
		}
		if again := instantFrom(next, midnight, zone); again.After(next) {
			end = again // the clock went back to the day before
		}
		at = next
	}
	return end.Add(-time.Second)
}

// Recurrence says which local time comes after another. It knows no zones: it
// is given and returns wall clock times as if they were in UTC, and the zero
// time when none follows.
type Recurrence interface {
	Next(wall time.Time) time.Time
}

// Next is the first instant after at which the recurrence names in the zone;
// zero when there is none. Local times that fall on the same instant, because
// the clocks were put forward over them, are one.
func Next(every Recurrence, after time.Time, zone *time.Location) time.Time {
	for local := every.Next(wall(after, zone)); !local.IsZero(); local = every.Next(local) {
		if at := instant(local, zone); at.After(after) {
			return at
		}
	}
	return time.Time{}
}

// Hours is a span of every day, in minutes after midnight on the clock: from
// the first, up to but without the last, over midnight where From is later than
// To. It is empty where they are equal.
type Hours struct{ From, To int }

// Contain tells whether the clock shows a time of the span.
func (h Hours) Contain(at time.Time, zone *time.Location) bool {
	local := at.In(zone)
	minute := local.Hour()*60 + local.Minute()
	if h.From > h.To {
		return minute >= h.From || minute < h.To
	}
	return minute >= h.From && minute < h.To
}

// End is the first instant from at on that lies outside the span.
func (h Hours) End(at time.Time, zone *time.Location) time.Time {
	for h.Contain(at, zone) {
		local := wall(at, zone)
		over := time.Date(local.Year(), local.Month(), local.Day(), 0, h.To, 0, 0, time.UTC)
		if !over.After(local) {
			over = over.AddDate(0, 0, 1)
		}
		next := instantFrom(at, over, zone)
		if _, change := at.In(zone).ZoneBounds(); !change.IsZero() && change.Before(next) {
			next = change // the clock is put elsewhere: look what it shows then
		}
		at = next
	}
	return at
}

// wall is what calendar and clock show, as if it were UTC.
func wall(at time.Time, zone *time.Location) time.Time {
	at = at.In(zone)
	return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
}

func instant(local time.Time, zone *time.Location) time.Time {
	return instantFrom(local.Add(-furthest), local, zone)
}

// instantFrom is the first instant from a moment on at which the clock shows
// the local time or a later one.
func instantFrom(from, local time.Time, zone *time.Location) time.Time {
	for at := from.In(zone); ; {
		_, offset := at.Zone()
		shown := local.Add(-time.Duration(offset) * time.Second).In(zone) // while this offset lasts
		_, change := at.ZoneBounds()
		switch {
		case !shown.After(at):
			return at
		case change.IsZero() || shown.Before(change):
			return shown
		}
		at = change.In(zone)
	}
}
