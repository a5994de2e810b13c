// Package notify is how huitou reaches people: as one message, handed to a
// sender that knows how to get it to the member.
package notify

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Message is one message to one member. It holds no phone and no other name of
// theirs: whoever delivers it knows them by their member id.
type Message struct {
	// ID is the receiver's deduplication key. It derives from what the message
	// is about, and the same message may be handed over more than once: a
	// receiver keeps the ids it has seen for a week and drops what it knows.
	ID     string           `json:"id"`
	Member loyalty.MemberID `json:"member_id"`
	Kind   string           `json:"kind"` // KindRepurchase, KindWelcome
	// Category is the first of Categories, which a KindRepurchase speaks of: all
	// that was due at once.
	Category   string          `json:"category,omitempty"`
	Categories []string        `json:"categories,omitempty"`
	Channel    loyalty.Channel `json:"channel,omitempty"` // the member's home channel, whose link this is
	Text       string          `json:"text"`              // whole, with the link and the way out
	Link       string          `json:"link,omitempty"`
	// WelcomeCode is WeCom's leave to send a KindWelcome, good once and for 20
	// seconds. The member of such a message may be unknown.
	WelcomeCode string    `json:"welcome_code,omitempty"`
	At          time.Time `json:"at"` // when it was decided to send it
}

// The kinds of message.
const (
	KindRepurchase = "repurchase.reminder"
	KindWelcome    = "friend.welcome" // the greeting of a new WeCom friend (欢迎语)
)

// Notifier hands messages to whoever delivers them.
type Notifier interface {
	// Send returns nil only when the receiver has taken the message. After an
	// error it may have. It fails with KindUnavailable when the same call may
	// succeed later, and with KindInvalid when the receiver refuses the message
	// for good.
	Send(ctx context.Context, message Message) error
}
