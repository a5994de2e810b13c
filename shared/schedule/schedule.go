// Package schedule is the event with which EventBridge Scheduler calls a
// function. template.yaml makes it with the scheduler's own context
// attributes, so a day that was missed can be run again with its own time.
package schedule

import (
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// Tick is one firing of a schedule.
type Tick struct {
	// Time is the instant the schedule stands for, not the one at which the
	// function happens to run. It is zero where the event said none, or none that
	// loyalty.ParseTime reads; see At.
	Time time.Time `json:"time"`
}

// UnmarshalJSON reads an event. It takes one without a time, or with a broken
// one, so that every function refuses it by itself and alike.
func (t *Tick) UnmarshalJSON(raw []byte) error {
	var event struct {
		Time any `json:"time"`
	}
	*t = Tick{}
	if strictjson.Known(raw, &event) == nil {
		written, _ := event.Time.(string)
		t.Time, _ = loyalty.ParseTime(written)
	}
	return nil
}

// At is the instant that the tick stands for. A tick without one is refused by
// every scheduled function with this error, KindInvalid at /time code
// "not_rfc3339", before anything is read.
func (t Tick) At() (time.Time, error) {
	if t.Time.IsZero() {
		return time.Time{}, loyalty.Invalid("/time", "not_rfc3339", `a schedule's event says the instant that it stands for: {"time":"2027-05-01T01:30:00Z"}`)
	}
	return t.Time, nil
}
