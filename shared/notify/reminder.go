package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// Reminder is the body of a queued message: the wish to remind a member to buy
// a category again. Whether it is still right is decided when it is sent.
type Reminder struct {
	Kind     string           `json:"kind"` // KindRepurchase
	ID       string           `json:"id"`   // ReminderID of the next three
	Member   loyalty.MemberID `json:"member"`
	Category string           `json:"category"`
	Bought   time.Time        `json:"bought"`  // the purchase it is about, to the second
	At       time.Time        `json:"at"`      // the instant of the schedule that found it due
	Program  int64            `json:"program"` // version of the rules by which it was due
}

// ReminderID names the one reminder that a member may get for a purchase of a
// category.
func ReminderID(member loyalty.MemberID, category string, bought time.Time) string {
	return fmt.Sprintf("remind:%s:%s:%d", member, category, bought.Unix())
}

// MemberOf is the member whom a ReminderID names; false for what is none.
func MemberOf(id string) (loyalty.MemberID, bool) {
	parts := strings.SplitN(id, ":", 3)
	if len(parts) != 3 || parts[0] != "remind" || parts[1] == "" {
		return "", false
	}
	return loyalty.MemberID(parts[1]), true
}

// NewReminder makes the wish that a schedule at the instant puts on the queue.
func NewReminder(member loyalty.MemberID, category string, bought, at time.Time, program int64) Reminder {
	return Reminder{
		Kind: KindRepurchase, ID: ReminderID(member, category, bought),
		Member: member, Category: category, Bought: bought.UTC(), At: at.UTC(), Program: program,
	}
}

// Encode is the queue message's body.
func (r Reminder) Encode() []byte {
	body, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("notify: a reminder does not encode: %v", err)) // plain strings and times of this era
	}
	return body
}

// DecodeReminder reads a body that Encode made. Anything else is refused with
// KindInvalid code "reminder_malformed", and another kind of message with
// "message_unknown"; neither quotes the body.
func DecodeReminder(body []byte) (Reminder, error) {
	var kind struct {
		Kind string `json:"kind"`
	}
	malformed := loyalty.Refuse(loyalty.KindInvalid, "reminder_malformed", "the body is not a reminder")
	if strictjson.Known(body, &kind) != nil {
		return Reminder{}, malformed
	}
	if kind.Kind != KindRepurchase {
		return Reminder{}, loyalty.Refuse(loyalty.KindInvalid, "message_unknown", "no sender knows this kind of message")
	}
	var r Reminder
	if strictjson.Exact(body, &r) != nil {
		return Reminder{}, malformed
	}
	whole := r.Bought.Equal(r.Bought.Truncate(time.Second)) && !r.Bought.IsZero() && !r.At.IsZero()
	if !whole || r.Member == "" || r.Category == "" || r.ID != ReminderID(r.Member, r.Category, r.Bought) {
		return Reminder{}, malformed
	}
	return r, nil
}
