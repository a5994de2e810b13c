package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// Reminder is the body of a queued message: the wish to remind a member of all
// goods that are due at once. The sender decides which of them are still right,
// and in which message they leave.
type Reminder struct {
	Kind    string           `json:"kind"` // KindRepurchase
	ID      string           `json:"id"`   // ReminderID of the member and the first goods
	Member  loyalty.MemberID `json:"member"`
	Goods   []Goods          `json:"goods"`   // 1 to MaxGoods, by category
	At      time.Time        `json:"at"`      // the instant of the schedule that found them due
	Program int64            `json:"program"` // version of the rules by which they were due
}

// Goods are what a member bought of a category and is about to need again.
type Goods struct {
	Category string    `json:"category"`
	Bought   time.Time `json:"bought"` // to the second
}

// MaxGoods bounds what one message speaks of, so that its record is one write.
const MaxGoods = 32

// ReminderID names the one message that a member may get about a purchase of a
// category. A message about several bears the name of the first of them.
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

// NewReminder makes the wish that a schedule at the instant puts on the queue,
// of goods by category.
func NewReminder(member loyalty.MemberID, goods []Goods, at time.Time, program int64) Reminder {
	named := make([]Goods, len(goods))
	for i, g := range goods {
		named[i] = Goods{g.Category, g.Bought.UTC()}
	}
	return Reminder{
		Kind: KindRepurchase, ID: ReminderID(member, goods[0].Category, goods[0].Bought),
		Member: member, Goods: named, At: at.UTC(), Program: program,
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

// DecodeReminder reads a body that Encode made, or that a version made which
// asked for each category by itself. Anything else is refused with KindInvalid
// code "reminder_malformed", and another kind of message with "message_unknown";
// neither quotes the body.
func DecodeReminder(body []byte) (Reminder, error) {
	var kind struct {
		Kind     string          `json:"kind"`
		Category json.RawMessage `json:"category"`
	}
	malformed := loyalty.Refuse(loyalty.KindInvalid, "reminder_malformed", "the body is not a reminder")
	if strictjson.Known(body, &kind) != nil {
		return Reminder{}, malformed
	}
	if kind.Kind != KindRepurchase {
		return Reminder{}, loyalty.Refuse(loyalty.KindInvalid, "message_unknown", "no sender knows this kind of message")
	}
	var r Reminder
	if len(kind.Category) > 0 {
		var single struct {
			Kind   string           `json:"kind"`
			ID     string           `json:"id"`
			Member loyalty.MemberID `json:"member"`
			Goods
			At      time.Time `json:"at"`
			Program int64     `json:"program"`
		}
		if strictjson.Exact(body, &single) != nil {
			return Reminder{}, malformed
		}
		r = Reminder{single.Kind, single.ID, single.Member, []Goods{single.Goods}, single.At, single.Program}
	} else if strictjson.Exact(body, &r) != nil {
		return Reminder{}, malformed
	}
	if len(r.Goods) == 0 || len(r.Goods) > MaxGoods || r.Member == "" || r.At.IsZero() || r.ID != ReminderID(r.Member, r.Goods[0].Category, r.Goods[0].Bought) {
		return Reminder{}, malformed
	}
	for i, g := range r.Goods {
		whole := g.Bought.Equal(g.Bought.Truncate(time.Second)) && !g.Bought.IsZero()
		if !whole || g.Category == "" || i > 0 && g.Category <= r.Goods[i-1].Category {
			return Reminder{}, malformed
		}
	}
	return r, nil
}
