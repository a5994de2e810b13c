// Package repurchase knows when a customer is about to need a product again
// (复购周期) and when it is polite to say so.
package repurchase

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/localtime"
	"github.com/huitou/huitou/shared/loyalty"
)

// Category is how a kind of product is used up.
type Category struct {
	Name      string   `json:"name,omitempty" maxLength:"20" doc:"what a message calls the goods: 奶粉; the category's key where it is absent"`
	CycleDays int      `json:"cycle_days" minimum:"1" maximum:"730" doc:"days a purchase usually lasts"`
	LeadDays  int      `json:"lead_days" minimum:"0" maximum:"365" doc:"days before the end of the cycle at which to remind: deciding and delivery"`
	SKUs      []string `json:"skus,omitempty" doc:"SKUs that belong here when an order line names no category"`
}

// Hours is a span of the day, "21:00" to "09:00", that may cross midnight.
type Hours struct {
	From string `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"first minute"`
	To   string `json:"to" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"first minute after"`
}

// Cap limits how often anyone is written to (防打扰).
type Cap struct {
	Messages int `json:"messages" minimum:"1" maximum:"16" doc:"at most so many messages …"`
	Days     int `json:"days" minimum:"1" maximum:"365" doc:"… in any span of so many days"`
}

// Rules is the repurchase section of the program.
type Rules struct {
	Categories map[string]Category `json:"categories" doc:"how kinds of goods are used up, by category"`
	QuietHours Hours               `json:"quiet_hours" doc:"no message leaves in these hours of the brand's time zone (免打扰时段)"`
	Cap        Cap                 `json:"cap" doc:"how often anyone is written to (防打扰)"`
}

// Validate refuses rules that could not be applied, naming the field below
// pointer.
func (r Rules) Validate(pointer string) error {
	// In order, so that of two errors the same one is always named.
	for _, name := range slices.Sorted(maps.Keys(r.Categories)) {
		category := r.Categories[name]
		at := pointer + "/categories/" + name
		switch {
		case name == "" || len(name) > 64:
			return loyalty.Invalid(pointer+"/categories", "out_of_range", "a category's name must have 1 to 64 bytes")
		case len([]rune(category.Name)) > 20:
			return loyalty.Invalid(at+"/name", "out_of_range", "a category's name for messages must have at most 20 characters")
		case category.CycleDays < 1 || category.CycleDays > 730:
			return loyalty.Invalid(at+"/cycle_days", "out_of_range", "a cycle must be 1 to 730 days")
		case category.LeadDays < 0 || category.LeadDays > 365 || category.LeadDays >= category.CycleDays:
			return loyalty.Invalid(at+"/lead_days", "out_of_range", "the lead must be 0 to 365 days and shorter than the cycle")
		}
	}
	for _, clock := range []struct{ name, value string }{{"from", r.QuietHours.From}, {"to", r.QuietHours.To}} {
		if _, err := minuteOfDay(clock.value); err != nil {
			return loyalty.Invalid(pointer+"/quiet_hours/"+clock.name, "malformed", `an hour is written "21:00"`)
		}
	}
	if r.Cap.Messages < 1 || r.Cap.Messages > MaxCapMessages || r.Cap.Days < 1 || r.Cap.Days > 365 {
		return loyalty.Invalid(pointer+"/cap", "out_of_range", "a cap is 1 to 16 messages in 1 to 365 days")
	}
	return nil
}

// MaxCapMessages bounds the cap, so that the times of a member's last messages
// fit their account.
const MaxCapMessages = 16

// CategoryOf finds the category of an order line: its own, or the one that
// lists its SKU; "" when neither is known.
func (r Rules) CategoryOf(category, sku string) string {
	if category != "" {
		return category
	}
	found := ""
	for name, c := range r.Categories {
		for _, s := range c.SKUs {
			if s == sku && (found == "" || name < found) {
				found = name
			}
		}
	}
	return found
}

// DueAt is when a member who bought at boughtAt should hear from the brand:
// cycle − lead days later by the brand's calendar, at the first minute of that
// day that is not quiet. It is false for a category without a cycle.
func (r Rules) DueAt(category string, boughtAt time.Time, zone *time.Location) (time.Time, bool) {
	c, ok := r.Categories[category]
	if !ok {
		return time.Time{}, false
	}
	local := boughtAt.In(zone)
	day := localtime.Date(local.Year(), local.Month(), local.Day()+c.CycleDays-c.LeadDays, 0, 0, 0, zone)
	return r.Allowed(day, zone), true
}

// TooLate tells whether what was bought at boughtAt is used up by now, so that
// a reminder would come after the customer had to decide: once the day at the
// end of the cycle is over by the brand's calendar, and always for a category
// without a cycle. It is what keeps the import of an old history from writing
// to everybody.
func (r Rules) TooLate(category string, boughtAt, now time.Time, zone *time.Location) bool {
	_, cycles := r.Categories[category]
	return !cycles || !now.Before(r.usedUp(category, boughtAt, zone))
}

// usedUp is the end of the last day on which a reminder is useful.
func (r Rules) usedUp(category string, boughtAt time.Time, zone *time.Location) time.Time {
	local := boughtAt.In(zone)
	return localtime.Date(local.Year(), local.Month(), local.Day()+r.Categories[category].CycleDays+1, 0, 0, 0, zone)
}

// Allowed is the first minute from at on that is not quiet.
func (r Rules) Allowed(at time.Time, zone *time.Location) time.Time {
	from, errFrom := minuteOfDay(r.QuietHours.From)
	to, errTo := minuteOfDay(r.QuietHours.To)
	if errFrom != nil || errTo != nil {
		return at
	}
	return localtime.Hours{From: from, To: to}.End(at, zone)
}

// Quiet tells whether no message may leave at the time (免打扰时段).
func (r Rules) Quiet(at time.Time, zone *time.Location) bool {
	return !r.Allowed(at, zone).Equal(at)
}

// Title is what a message calls the goods of a category.
func (r Rules) Title(category string) string {
	if name := r.Categories[category].Name; name != "" {
		return name
	}
	return category
}

// Purchase is the last one that a member made of a category.
type Purchase struct {
	Category string
	At       time.Time
	Told     bool // what became of its reminder stands on record
	// Begun is when a message about it was decided on that nobody has answered
	// yet; zero for none. It is one of the times that the cap counts, and does
	// not count against itself.
	Begun time.Time
}

// Plan is what a look at a member's purchases comes to.
type Plan struct {
	Due    []Purchase // to be reminded of now
	Missed []Purchase // used up before anybody was reminded: too late
	Capped []Purchase // due, and used up before the cap allows a message
	Next   time.Time  // when the first of the others may leave; zero for never
}

// Plan looks at the last purchase of each category, given the times of the
// member's last messages. It does not ask whether the hour is quiet.
func (r Rules) Plan(purchases []Purchase, sent []time.Time, now time.Time, zone *time.Location) Plan {
	var plan Plan
	for _, purchase := range purchases {
		at, useful, cycles := r.RemindAt(purchase, sent, zone)
		switch {
		case purchase.Told || !cycles:
		case at.After(now):
			if plan.Next.IsZero() || at.Before(plan.Next) {
				plan.Next = at
			}
		case r.TooLate(purchase.Category, purchase.At, now, zone):
			plan.Missed = append(plan.Missed, purchase)
		case !useful:
			plan.Capped = append(plan.Capped, purchase)
		default:
			plan.Due = append(plan.Due, purchase)
		}
	}
	return plan
}

// RemindAt is when the reminder for a purchase may leave, given the times of the
// member's last messages: when it is due, and where the cap has no room then
// (防打扰), at the first minute that is not quiet once it has. It is useful until
// the day is over at whose end the goods are used up (see TooLate). Where the cap
// has no room until then it is not useful, and let go when it is due. cycles is
// false for a category without a cycle.
//
// A message that may have left already is not let go for the cap: where there is
// no room, it waits until it is too late.
func (r Rules) RemindAt(purchase Purchase, sent []time.Time, zone *time.Location) (at time.Time, useful, cycles bool) {
	due, cycles := r.DueAt(purchase.Category, purchase.At, zone)
	if !cycles {
		return time.Time{}, false, false
	}
	if i := slices.IndexFunc(sent, purchase.Begun.Equal); i >= 0 {
		sent = slices.Delete(slices.Clone(sent), i, i+1)
	}
	at = due
	if room := r.roomAt(sent, due); room.After(due) {
		at = r.Allowed(room, zone)
	}
	over := r.usedUp(purchase.Category, purchase.At, zone)
	switch {
	case at.Before(over):
		return at, true, true
	case !purchase.Begun.IsZero():
		return over, false, true
	}
	return due, false, true
}

// roomAt is the first moment from at on at which one more message keeps the cap,
// given the times of the last ones.
func (r Rules) roomAt(sent []time.Time, at time.Time) time.Time {
	if len(sent) < r.Cap.Messages {
		return at
	}
	// Of the last messages the earliest that keeps the others from being one more.
	last := slices.SortedFunc(slices.Values(sent), time.Time.Compare)[len(sent)-r.Cap.Messages]
	if room := last.Add(time.Duration(r.Cap.Days) * 24 * time.Hour); room.After(at) {
		return room
	}
	return at
}

// OverCap tells whether one more message at now would break the cap, given the
// times of the last ones.
func (r Rules) OverCap(sent []time.Time, now time.Time) bool {
	return r.roomAt(sent, now).After(now)
}

func minuteOfDay(clock string) (int, error) {
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return 0, fmt.Errorf("hour of day: %w", err)
	}
	return at.Hour()*60 + at.Minute(), nil
}
