// Package campaign knows when a campaign (营销活动) is due and who of its
// audience it leaves out for comparison.
package campaign

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/huitou/huitou/shared/localtime"
	"github.com/huitou/huitou/shared/loyalty"
)

// State is whether a campaign runs.
type State string

// The states. Pausing stops an occurrence that is under way as well: members
// it has not reached by then get nothing from it, also after the campaign was
// resumed.
const (
	StateActive State = "active"
	StatePaused State = "paused"
)

// MaxHoldout is the largest part of an audience that may be left out, in
// percent.
const MaxHoldout = 50

// Campaign gives the members of an audience a coupon, once or again and again.
type Campaign struct {
	ID       string   `json:"id"`
	Name     string   `json:"name,omitempty"`
	Audience string   `json:"audience"`
	Template string   `json:"template"`
	Schedule Schedule `json:"schedule"`
	Holdout  int      `json:"holdout,omitempty"` // percent of the audience that gets nothing (对照组)
	State    State    `json:"state"`

	CreatedAt time.Time `json:"created_at"`
	// TimedAt is when its cron schedule was written last; zero for as long as
	// it is the first one. A schedule names no times before it was written.
	TimedAt time.Time `json:"timed_at,omitzero"`
	Ran     Ran       `json:"ran,omitzero"`
}

// Schedule is when a campaign runs: At an instant, or again and again by Cron
// ("minute hour day month weekday" in the brand's time zone) up to and with
// Until, if that is set. Where clocks are put back, a time that comes twice runs
// once, the first time; where they are put forward, one that does not come runs
// at the first minute after.
type Schedule struct {
	At    time.Time `json:"at,omitzero"`
	Cron  string    `json:"cron,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// Ran is the last occurrence whose coupons were ordered.
type Ran struct {
	Occurrence string    `json:"occurrence"`
	At         time.Time `json:"at"`
}

// Occurrence is one instant at which a campaign is due. Its ID is the same
// however often and late the schedule fires, and so is the trigger of its
// coupons.
type Occurrence struct {
	ID string
	At time.Time
}

// Once is the ID of the only occurrence of a campaign that runs At an instant.
// Moving At after it ran does not make it run again: whoever should get a
// second coupon gets it from a second campaign.
const Once = "once"

// CatchUp is how late an occurrence may still run by itself. One that was missed
// by more (the schedule was broken, the campaign paused) is left out: a coupon
// for a morning's sale is no good the day after, and a week of missed mornings
// at once would be a flood. An operator who wants it nonetheless fires the
// schedule for its own time, see Due.
const CatchUp = 24 * time.Hour

// Page is the message that asks for the coupons of one page of one shard of
// the members: those whose ids follow After.
type Page struct {
	Campaign   string           `json:"campaign"`
	Template   string           `json:"template"`
	Occurrence string           `json:"occurrence"`
	Shard      int              `json:"shard"`
	After      loyalty.MemberID `json:"after,omitempty"`
}

// Trigger is why the occurrence's coupons are given. A member gets one coupon
// for a trigger.
func Trigger(campaign, occurrence string) string { return "campaign:" + campaign + ":" + occurrence }

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

func parseCron(text string) (cron.Schedule, bool) {
	// The parser would take a time zone from the text, "TZ=… 0 9 * * *", and
	// falls over one that nothing follows. The brand's zone is the only one.
	if len(text) > 100 || strings.Contains(text, "=") {
		return nil, false
	}
	schedule, err := cronParser.Parse(text)
	return schedule, err == nil
}

// Validate refuses (KindInvalid, with the pointer of the first field that is
// wrong) a campaign that could not run. Whether its audience and template
// exist is for the caller to find out.
func (c Campaign) Validate() error {
	switch {
	case !loyalty.IsID(c.ID):
		return loyalty.Invalid("/id", "malformed", "an id has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
	case len(c.Name) > 200:
		return loyalty.Invalid("/name", "too_long", "a name has at most 200 bytes")
	case !loyalty.IsID(c.Audience):
		return loyalty.Invalid("/audience", "required", "a campaign names an audience")
	case !loyalty.IsID(c.Template):
		return loyalty.Invalid("/template", "required", "a campaign names a coupon template")
	case c.Holdout < 0 || c.Holdout > MaxHoldout:
		return loyalty.Invalid("/holdout", "out_of_range", "0 to 50 percent of an audience can be held out")
	case c.State != StateActive && c.State != StatePaused:
		return loyalty.Invalid("/state", "unknown", `a campaign is "active" or "paused"`)
	}
	return c.Schedule.validate("/schedule")
}

// Startable refuses (KindInvalid, with the pointer of the field that is wrong)
// a campaign that is written or made active at now and would never run: its
// only time has passed by more than CatchUp or has been used, or the last one of
// its cron schedule is over. was is the campaign that it replaces, zero for a new
// one: whatever had its time before may be renamed and paused.
func (c Campaign) Startable(was Campaign, now time.Time, zone *time.Location) error {
	sameTimes := c.Schedule.Cron == was.Schedule.Cron && c.Schedule.At.Equal(was.Schedule.At) && c.Schedule.Until.Equal(was.Schedule.Until)
	if sameTimes && (c.State == StatePaused || c.State == was.State) {
		return nil
	}
	earliest := now.Add(-CatchUp)
	switch {
	case c.Schedule.Cron == "" && !sameTimes && was.Ran.Occurrence == Once:
		return loyalty.Invalid("/schedule/at", "already_ran", "a campaign that runs at one instant has run; write a second campaign for a second time")
	case c.Schedule.Cron == "" && c.Schedule.At.Before(earliest):
		return loyalty.Invalid("/schedule/at", "past", "the instant passed more than 24 hours ago, so the campaign would never run; name a later one")
	case c.Schedule.Cron == "" || c.Schedule.Until.IsZero():
		return nil
	case c.Schedule.Until.Before(earliest):
		return loyalty.Invalid("/schedule/until", "past", "the end passed more than 24 hours ago, so the campaign would never run; name a later one or none")
	}
	c.State = StateActive
	if _, due := c.Due(now, zone); due {
		return nil
	}
	cron, ok := parseCron(c.Schedule.Cron)
	if !ok {
		return loyalty.Invalid("/schedule/cron", "malformed", "a cron schedule has five fields") // Validate said so before
	}
	if next := localtime.Next(cron, now, zone); next.IsZero() || next.After(c.Schedule.Until) {
		return loyalty.Invalid("/schedule/until", "never", "no time of the cron schedule comes before its end; name a later end or none")
	}
	return nil
}

func (s Schedule) validate(pointer string) error {
	switch {
	case s.At.IsZero() == (s.Cron == ""):
		return loyalty.Invalid(pointer, "required", "a schedule has either at or cron")
	case s.Cron == "" && !s.Until.IsZero():
		return loyalty.Invalid(pointer+"/until", "not_allowed", "only a schedule with cron has an end")
	case s.Cron == "":
		if year := s.At.UTC().Year(); year < 2000 || year > 9000 {
			return loyalty.Invalid(pointer+"/at", "out_of_range", "the year is 2000 to 9000")
		}
		return nil
	}
	schedule, ok := parseCron(s.Cron)
	if !ok {
		return loyalty.Invalid(pointer+"/cron", "malformed", `a cron schedule has five fields, "0 9 * * 1" for Mondays at nine`)
	}
	// The parser looks five years ahead, so a day that never comes, such as
	// February 30, shows in any year.
	if schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return loyalty.Invalid(pointer+"/cron", "never", "the day of this schedule never comes")
	}
	return nil
}

// Due is the latest instant at or before now at which the campaign is to run:
// after it was created and timed, and not missed by more than CatchUp. It
// reports false when there is none, when that one is known to have run, and for
// a paused campaign. A campaign that runs At an instant may have been created
// after it, so that "now" can be asked for. zone is the brand's time zone.
//
// now is the time that the schedule fires for. Where that is before the last
// run, because the firing comes late or an operator asks for a day that was
// missed, the occurrence is one of before: whether it ran is known to its run
// alone, and the caller looks there. From the last run on, only what follows it
// is due, so that neither a day that was left out nor the times of another
// schedule run by themselves.
func (c Campaign) Due(now time.Time, zone *time.Location) (Occurrence, bool) {
	if c.State != StateActive {
		return Occurrence{}, false
	}
	earliest := now.Add(-CatchUp) // itself still in time
	if c.Schedule.Cron == "" {
		at := c.Schedule.At
		due := !at.IsZero() && !at.After(now) && !at.Before(earliest) && c.Ran.Occurrence != Once
		return Occurrence{ID: Once, At: at}, due
	}
	schedule, ok := parseCron(c.Schedule.Cron)
	if !ok {
		return Occurrence{}, false // Validate refused it
	}
	bounds := []time.Time{c.CreatedAt, c.TimedAt}
	if !now.Before(c.Ran.At) {
		bounds = append(bounds, c.Ran.At)
	}
	after := earliest.Add(-time.Second)
	for _, bound := range bounds {
		if bound.After(after) {
			after = bound
		}
	}
	until := now
	if end := c.Schedule.Until; !end.IsZero() && end.Before(now) {
		until = end
	}
	var latest time.Time
	for at := localtime.Next(schedule, after, zone); !at.IsZero() && !at.After(until); at = localtime.Next(schedule, at, zone) {
		latest = at
	}
	return Occurrence{ID: latest.UTC().Format(time.RFC3339), At: latest}, !latest.IsZero()
}

// HeldOut tells whether a member is in the part of the audience that the
// campaign gives nothing, so that its effect can be told from what would have
// happened anyway. It is the same in every occurrence, and independent from
// one campaign to the next.
func HeldOut(campaign string, member loyalty.MemberID, percent int) bool {
	if percent <= 0 {
		return false
	}
	sum := sha256.Sum256([]byte(campaign + "\x00" + string(member)))
	return binary.BigEndian.Uint64(sum[:8])%100 < uint64(percent)
}
