// Package tiers decides a member's tier (会员等级) from their growth value (成长值):
// what they bought, counted apart from points and never spent.
//
// Growth counts in the month of the purchase, once the return window is over,
// and a refund takes it back there: both as if it had been known at once. The
// growth that counts at a time is that of the window's months. A member rises
// with the month that reaches a level; where it falls short as months leave the
// window, they sink at once or, by rule, one level at the end of the period for
// which the tier was given.
package tiers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/localtime"
	"github.com/huitou/huitou/shared/loyalty"
)

// Rules is the tiers section of the program.
type Rules struct {
	Growth   Growth   `json:"growth" doc:"what purchases count"`
	Window   Window   `json:"window" doc:"over which months growth counts"`
	Demotion Demotion `json:"demotion" enum:"at_once,one_level_at_period_end" doc:"what follows when a member falls short of their level as months leave the window: another tier at once, or one level less at the end of its period"`
	Levels   []Level  `json:"levels" minItems:"1" maxItems:"20" doc:"by growth, lowest first"`
}

// Growth is how much growth value net paid goods give (成长值规则), rounded down
// once per line.
type Growth struct {
	Points loyalty.Points `json:"points" minimum:"0" maximum:"10000" doc:"growth for each per_fen of net paid goods"`
	PerFen loyalty.Fen    `json:"per_fen" minimum:"1" maximum:"1000000000" doc:"the amount, in fen, that gives growth once"`
}

// Window is over which months growth counts (考核周期).
type Window struct {
	Kind   string `json:"kind" enum:"rolling,calendar" doc:"rolling: this month and those before it; calendar: this year"`
	Months int    `json:"months,omitempty" minimum:"1" maximum:"60" doc:"of a rolling window"`
}

// The kinds of window.
const (
	WindowRolling  = "rolling"
	WindowCalendar = "calendar"
)

// Demotion is how a member loses a tier (降级规则).
type Demotion string

// The demotions.
const (
	// DemoteAtOnce follows what counts, down as up: also when a refund takes it
	// back and when a month leaves the window.
	DemoteAtOnce Demotion = "at_once"
	// DemoteOneLevel keeps the tier to the end of its period though months leave
	// the window; a member who then falls short sinks by one level and has a
	// period to win it back (保级). A purchase that a refund takes back was never
	// made, here too: the tier is the one without it.
	DemoteOneLevel Demotion = "one_level_at_period_end"
)

// Level is one tier.
type Level struct {
	ID     string         `json:"id" pattern:"^[a-z0-9-]{1,32}$" doc:"chosen by the brand, for ever"`
	Name   string         `json:"name" minLength:"1" maxLength:"40" doc:"customers see it"`
	Growth loyalty.Points `json:"growth" minimum:"1" maximum:"1000000000" doc:"what must count to reach it"`
}

// State is a member's tier.
type State struct {
	Level string    // its id; "" below the first
	Since time.Time // when it was given; zero with ""
	Until time.Time // end of its period; zero with "" and where demotion is at once
}

// Change is a tier that was given, and why.
type Change struct {
	From     string         `json:"from,omitempty"`
	To       string         `json:"to,omitempty"`
	Counting loyalty.Points `json:"counting"` // growth value at the time
}

// MonthOf is the month in whose growth a purchase counts, "2026-11", in the
// brand's zone.
func MonthOf(at time.Time, zone *time.Location) string { return at.In(zone).Format("2006-01") }

// Counting is the growth that counts at a time, of growth by month.
func (r Rules) Counting(growth map[string]loyalty.Points, now time.Time, zone *time.Location) loyalty.Points {
	from, to := r.first(now, zone), MonthOf(now, zone)
	var sum loyalty.Points
	for month, points := range growth {
		if from <= month && month <= to {
			sum += points
		}
	}
	return sum
}

// first is the first month of the window.
func (r Rules) first(now time.Time, zone *time.Location) string {
	year, month, _ := now.In(zone).Date()
	if r.Window.Kind == WindowCalendar {
		return time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
	}
	return time.Date(year, month-time.Month(r.Window.Months-1), 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
}

// Judge is the tier after all that happened by now, and when time alone may
// change it next; zero for never. was is the growth by month that the state
// rests on and is what it has become; they are the same where only time passed.
//
// Growth counts in the month of its purchase whenever it comes to count, so a
// period that ended is judged again when growth of it is settled late, or taken
// back: the level and the end of its period are those of Fold, whatever the times
// of settlement were. A state that Fold would not give, because the rules changed
// since, is kept to its end: it rises with what counts, and no growth that leaves
// makes it sink earlier. A tier whose level the rules do not know any more counts
// as below the first.
func (r Rules) Judge(state State, was, is map[string]loyalty.Points, now time.Time, zone *time.Location) (State, time.Time) {
	now = now.UTC().Truncate(time.Second)
	reached := r.reached(r.Counting(is, now, zone))
	if r.Demotion == DemoteAtOnce {
		if reached != r.rank(state.Level) {
			state = r.give(reached, now, now, zone)
		}
		return state.shown(), r.next(state, is, now, zone)
	}
	held := r.pass(state, was, now, zone)
	before, after := r.Fold(was, now, zone), r.Fold(is, now, zone)
	if !after.same(before) && (held.same(before) || r.rank(after.Level) > r.rank(held.Level)) {
		switch after.Level {
		case state.Level:
			after.Since = state.Since
		case held.Level:
			after.Since = held.Since
		default:
			after.Since = now
		}
		held = after
	}
	if reached > r.rank(held.Level) {
		held = r.give(reached, now, now, zone)
	}
	return held.shown(), r.next(held, is, now, zone)
}

// Fold is the tier at a time of a member who never had any but by these rules,
// had every purchase counted in its month at once: a function of the growth by
// month alone. It is for DemoteOneLevel.
func (r Rules) Fold(growth map[string]loyalty.Points, now time.Time, zone *time.Location) State {
	var state State
	for _, month := range slices.Sorted(maps.Keys(growth)) {
		first, err := time.Parse("2006-01", month)
		if err != nil || growth[month] <= 0 {
			continue // nothing counts in it
		}
		begins := localtime.Date(first.Year(), first.Month(), 1, 0, 0, 0, zone)
		if begins.After(now) {
			break
		}
		state = r.pass(state, growth, begins, zone)
		if reached := r.reached(r.Counting(growth, begins, zone)); reached > r.rank(state.Level) {
			state = r.give(reached, begins.UTC(), begins, zone)
		}
	}
	return r.pass(state, growth, now, zone).shown()
}

// pass ends the periods that are over by now, one after the other: nobody may
// have looked for longer than one. A member who falls short in a period sinks
// by one level.
func (r Rules) pass(state State, growth map[string]loyalty.Points, now time.Time, zone *time.Location) State {
	held := r.rank(state.Level)
	if held >= 0 && state.Until.IsZero() { // given by rules that knew no periods
		state.Until = r.end(now, zone)
	}
	for held >= 0 && !state.Until.After(now) {
		end := state.Until
		if r.reached(r.Counting(growth, end.Add(-time.Second), zone)) < held {
			held--
			state = r.give(held, end, end, zone)
		} else {
			state.Until = r.end(end, zone)
		}
	}
	return state
}

// Restore is the tier of a member whose growth is again without what another
// brought: judged is what Judge gives, and was the tier before that came. A tier
// that the member has as before keeps its date; where the rules changed
// meanwhile, the earlier tier goes on as if nothing had come. It also tells when
// time alone may change it next.
func (r Rules) Restore(was, judged State, growth map[string]loyalty.Points, now time.Time, zone *time.Location) (State, time.Time) {
	state, _ := r.Judge(was, growth, growth, now, zone)
	if state.Level != judged.Level && (r.Demotion == DemoteAtOnce || judged.same(r.Fold(growth, now, zone))) {
		return judged, r.next(judged, growth, now, zone)
	}
	if state.Level == judged.Level {
		state.Until = judged.Until
	}
	return state, r.next(state, growth, now, zone)
}

// same tells whether two states are the same level to the same end.
func (s State) same(other State) bool { return s.Level == other.Level && s.Until.Equal(other.Until) }

// shown is the state, and nothing of one below the first level.
func (s State) shown() State {
	if s.Level == "" {
		return State{}
	}
	return s
}

func (r Rules) give(rank int, since, at time.Time, zone *time.Location) State {
	if rank < 0 {
		return State{}
	}
	state := State{Level: r.Levels[rank].ID, Since: since}
	if r.Demotion == DemoteOneLevel {
		state.Until = r.end(at, zone)
	}
	return state
}

// end is when a tier's period ends that begins at a time: with the year after,
// or as many months on as the window has.
func (r Rules) end(at time.Time, zone *time.Location) time.Time {
	year, month, _ := at.In(zone).Date()
	if r.Window.Kind == WindowCalendar {
		return localtime.Date(year+2, time.January, 1, 0, 0, 0, zone).UTC()
	}
	return localtime.Date(year, month+time.Month(r.Window.Months)+1, 1, 0, 0, 0, zone).UTC()
}

// next is when a month that counts leaves the window, or the period ends.
func (r Rules) next(state State, growth map[string]loyalty.Points, now time.Time, zone *time.Location) time.Time {
	if state.Level == "" {
		return time.Time{}
	}
	if r.Demotion == DemoteOneLevel {
		return state.Until
	}
	from, oldest := r.first(now, zone), ""
	for month, points := range growth {
		if points > 0 && month >= from && (oldest == "" || month < oldest) {
			oldest = month
		}
	}
	first, err := time.Parse("2006-01", oldest)
	if err != nil {
		return time.Time{}
	}
	if r.Window.Kind == WindowCalendar {
		return localtime.Date(first.Year()+1, time.January, 1, 0, 0, 0, zone).UTC()
	}
	return localtime.Date(first.Year(), first.Month()+time.Month(r.Window.Months), 1, 0, 0, 0, zone).UTC()
}

// reached is the highest level for so much growth; -1 for none.
func (r Rules) reached(growth loyalty.Points) int {
	rank := -1
	for i, level := range r.Levels {
		if growth >= level.Growth {
			rank = i
		}
	}
	return rank
}

func (r Rules) rank(tier string) int {
	return slices.IndexFunc(r.Levels, func(level Level) bool { return level.ID == tier })
}

// Level is a tier's level; false for "" and one that the rules do not know.
func (r Rules) Level(tier string) (Level, bool) {
	i := r.rank(tier)
	if i < 0 {
		return Level{}, false
	}
	return r.Levels[i], true
}

// Above is the next level over a tier; false for the highest.
func (r Rules) Above(tier string) (Level, bool) {
	i := r.rank(tier) + 1
	if i >= len(r.Levels) {
		return Level{}, false
	}
	return r.Levels[i], true
}

// Validate refuses rules that could not be applied, naming the field below
// pointer.
func (r Rules) Validate(pointer string) error {
	switch {
	case r.Growth.Points < 0 || r.Growth.Points > 10_000:
		return loyalty.Invalid(pointer+"/growth/points", "out_of_range", "growth per amount must be 0 to 10000")
	case r.Growth.PerFen < 1 || r.Growth.PerFen > 1_000_000_000:
		return loyalty.Invalid(pointer+"/growth/per_fen", "out_of_range", "the amount that gives growth must be 1 to 1000000000 fen")
	case r.Window.Kind != WindowRolling && r.Window.Kind != WindowCalendar:
		return loyalty.Invalid(pointer+"/window/kind", "unknown", `a window is "rolling" or "calendar"`)
	case r.Window.Kind == WindowRolling && (r.Window.Months < 1 || r.Window.Months > 60):
		return loyalty.Invalid(pointer+"/window/months", "out_of_range", "a rolling window has 1 to 60 months")
	case r.Window.Kind == WindowCalendar && r.Window.Months != 0:
		return loyalty.Invalid(pointer+"/window/months", "not_allowed", "a calendar window is the year; it has no months")
	case r.Demotion != DemoteAtOnce && r.Demotion != DemoteOneLevel:
		return loyalty.Invalid(pointer+"/demotion", "unknown", `a demotion is "at_once" or "one_level_at_period_end"`)
	case len(r.Levels) < 1 || len(r.Levels) > 20:
		return loyalty.Invalid(pointer+"/levels", "out_of_range", "there must be 1 to 20 levels")
	}
	for i, level := range r.Levels {
		at := fmt.Sprintf("%s/levels/%d", pointer, i)
		switch {
		case !isID(level.ID):
			return loyalty.Invalid(at+"/id", "malformed", "a tier's id has 1 to 32 of a-z, 0-9 and -")
		case r.rank(level.ID) != i:
			return loyalty.Invalid(at+"/id", "duplicate", "another level has this id")
		case level.Name == "" || len([]rune(level.Name)) > 40:
			return loyalty.Invalid(at+"/name", "out_of_range", "a tier's name has 1 to 40 characters")
		case level.Growth < 1 || level.Growth > 1_000_000_000:
			return loyalty.Invalid(at+"/growth", "out_of_range", "a level begins at 1 to 1000000000 growth")
		case i > 0 && level.Growth <= r.Levels[i-1].Growth:
			return loyalty.Invalid(at+"/growth", "out_of_order", "each level begins above the one before it")
		}
	}
	return nil
}

func isID(text string) bool {
	return len(text) >= 1 && len(text) <= 32 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
