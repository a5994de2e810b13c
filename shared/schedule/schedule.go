// Package schedule is the event with which EventBridge Scheduler calls a
// function. template.yaml makes it with the scheduler's own context
// attributes, so a day that was missed can be run again with its own time.
package schedule

import "time"

// Tick is one firing of a schedule.
type Tick struct {
	// Time is the instant the schedule stands for, not the one at which the
	// function happens to run. A Tick without it is refused.
	Time time.Time `json:"time"`
}
