package points

import (
	"cmp"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// The limits of one opening, all of which is one write to the account.
const (
	maxOpeningParts  = 24 // points that end with each month of two years
	maxOpeningMonths = 60 // the longest window over which growth counts
)

// earliestMonth is the first in which growth may have been won.
const earliestMonth = "2000-01"

// Opening is what a member brings along from an old system (期初余额): the points
// that they had there by the end of each part, and the growth value by month.
type Opening struct {
	Source string          `json:"source"` // which system; a member has one opening of each
	Points []OpeningPoints `json:"points,omitempty"`
	Growth []OpeningGrowth `json:"growth,omitempty"`
}

// OpeningPoints are points with one end.
type OpeningPoints struct {
	Points loyalty.Points `json:"points" minimum:"1" maximum:"1000000000"`
	Until  *time.Time     `json:"until,omitempty" doc:"the first moment at which they may not be spent any more, rounded up to the minute; absent: they never end"`
}

// OpeningGrowth is growth value of one month.
type OpeningGrowth struct {
	Month  string         `json:"month" pattern:"^[0-9]{4}-(0[1-9]|1[0-2])$" doc:"in which it counts, by the brand's calendar"`
	Growth loyalty.Points `json:"growth" minimum:"1" maximum:"1000000000"`
}

// Normal is the one form of all openings that say the same: parts of one end,
// or of one month, are one, and they stand in the order of time. Ends are
// rounded up to the minute, to which lots are kept: nobody loses what they were
// promised until 23:59:59.
func (o Opening) Normal() Opening {
	normal := Opening{Source: o.Source}
	for _, part := range o.Points {
		if part.Until != nil {
			until := part.Until.UTC()
			if minute := until.Truncate(time.Minute); minute.Before(until) {
				until = minute.Add(time.Minute)
			}
			part.Until = &until
		}
		i, found := slices.BinarySearchFunc(normal.Points, part, func(a, b OpeningPoints) int { return compareEnds(a.Until, b.Until) })
		if !found {
			normal.Points = slices.Insert(normal.Points, i, OpeningPoints{Until: part.Until})
		}
		normal.Points[i].Points += part.Points
	}
	for _, part := range o.Growth {
		i, found := slices.BinarySearchFunc(normal.Growth, part, func(a, b OpeningGrowth) int { return cmp.Compare(a.Month, b.Month) })
		if !found {
			normal.Growth = slices.Insert(normal.Growth, i, OpeningGrowth{Month: part.Month})
		}
		normal.Growth[i].Growth += part.Growth
	}
	return normal
}

// compareEnds puts points that never end behind all others.
func compareEnds(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}

// Check refuses what no member can bring at now: points that have ended, growth
// of a month to come. The zone is the brand's. It fails with KindInvalid and
// names the part as it was given.
func (o Opening) Check(now time.Time, zone *time.Location) error {
	if len(o.Points) > maxOpeningParts {
		return loyalty.Invalid("/points", "too_many", "an opening has at most 24 parts; points that end together are one")
	}
	for i, part := range o.Points {
		at := item("/points", i)
		if part.Points < 1 || part.Points > MaxSpend {
			return loyalty.Invalid(at+"/points", "out_of_range", "a part has 1 to 1000000000 points")
		}
		if part.Until != nil && !part.Until.After(now) {
			return loyalty.Invalid(at+"/until", "in_the_past", "these points have ended; leave them out")
		}
	}
	if len(o.Growth) > maxOpeningMonths {
		return loyalty.Invalid("/growth", "too_many", "an opening has the growth of at most 60 months")
	}
	for i, part := range o.Growth {
		at := item("/growth", i)
		if part.Growth < 1 || part.Growth > MaxSpend {
			return loyalty.Invalid(at+"/growth", "out_of_range", "a month has 1 to 1000000000 growth value")
		}
		if _, err := time.Parse("2006-01", part.Month); err != nil || part.Month < earliestMonth {
			return loyalty.Invalid(at+"/month", "malformed", `a month is written "2026-11"`)
		}
		if part.Month > now.In(zone).Format("2006-01") {
			return loyalty.Invalid(at+"/month", "in_the_future", "growth of a month to come counts nowhere")
		}
	}
	return nil
}

// Credit is what a normal opening does to the member's account: one entry
// for their points and one for each month's growth. Like every credit the
// points pay debt first, those that would end first before the others.
func (o Opening) Credit(account Account) []Entry {
	id := loyalty.JoinID("opening", o.Source)
	var entries []Entry
	if len(o.Points) > 0 {
		entry := Entry{ID: id, Kind: EntryOpening}
		for _, part := range o.Points {
			credit := account.credit(Entry{}, part.Points, part.Until)
			account = account.Plus(credit)
			entry.Available, entry.Debt, entry.Lots = entry.Available+credit.Available, entry.Debt+credit.Debt, append(entry.Lots, credit.Lots...)
		}
		entries = append(entries, entry)
	}
	for _, part := range o.Growth {
		entries = append(entries, Entry{
			ID: loyalty.JoinID(id, part.Month), Kind: EntryOpening, Growth: &Growth{Month: part.Month, Counting: part.Growth},
		})
	}
	return entries
}
