// Package refused is what was accepted, or what a signature vouches for, and
// cannot be applied (待人工处理): it is kept with its reason until a person deals
// with it, and is applied again after a remedy.
package refused

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// Life is how long an input is kept. Content that comes again once half of it
// is over is kept as long once more. The clock in code decides; the table's TTL
// cleans up.
const Life = 30 * 24 * time.Hour

// MaxAnHour is how many new inputs are kept in one hour of UTC. Of those beyond
// only the number is kept.
const MaxAnHour = 1000

// The limits of one input, which Bounded holds it to.
const (
	MaxContent = 64 << 10 // bytes
	MaxFaults  = 5
	MaxNames   = 8
	maxPointer = 128       // bytes
	maxMessage = 200 << 10 // bytes, see queue.Sender
)

// Reason says in a word why an input cannot be applied.
type Reason string

// The closed set of reasons.
const (
	Currency        Reason = "currency"         // amounts in another currency than the program's or, of a refund, than its order's
	UnknownLine     Reason = "unknown_line"     // a refund names a line that its order does not have
	Conflict        Reason = "conflict"         // it says otherwise than what was recorded first, which counts
	AmbiguousRefund Reason = "ambiguous_refund" // one sum for several lines that are not given back whole
	Unreadable      Reason = "unreadable"       // it is not of the form that its source has
	Inapplicable    Reason = "inapplicable"     // readable, and refused by the ledger for another reason than these
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{Currency, UnknownLine, Conflict, AmbiguousRefund, Unreadable, Inapplicable}
}

// Form says how the content of an input is to be read when it is applied again.
type Form string

// The forms.
const (
	Order   Form = "order"   // an event as orders.EncodeQueued writes it
	Youzan  Form = "youzan"  // a push of Youzan as youzan.Push.Kept writes it
	WeCom   Form = "wecom"   // the texts of a WeCom callback
	Message Form = "message" // a message on a queue that is none of ours; phones in it are hidden
	Record  Form = "record"  // says what is recorded, for a person; there is nothing to apply again
)

// Applies tells whether a content of the form can be applied again.
func (f Form) Applies() bool { return f == Order || f == Youzan }

// Input is one of them. It holds no phone in the clear: whoever makes one puts
// tokens in their place (see shared/identity).
type Input struct {
	// Source is where it came from: the channel of an order ("tmall"), "wecom", or
	// "orders" for a message on that queue which tells no channel.
	Source string `json:"source"`
	Reason Reason `json:"reason"`
	// Faults point at what is wrong, where there is such a place.
	Faults []loyalty.Field `json:"faults,omitempty"`
	// Order is what it concerns, empty where nothing readable tells.
	Order   loyalty.OrderKey `json:"order,omitzero"`
	Form    Form             `json:"form"`
	Content string           `json:"content"`
	Cut     bool             `json:"cut,omitempty"` // the content was longer than MaxContent; what is left cannot be applied
	// Names are the identities that stand in the content, so that forgetting a
	// person (注销) reaches it.
	Names []loyalty.Identity `json:"names,omitempty"`
}

// ID names the input by source, form and content, so that the same content is
// the same input however often it comes and whatever is wrong with it.
func (i Input) ID() string {
	hash := sha256.New()
	for _, part := range []string{i.Source, string(i.Form), i.Content} {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		hash.Write([]byte(part))
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// IsID tells whether text can be an ID.
func IsID(text string) bool { return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == "" }

// Bounded is the input within the limits of this package: a longer content is
// cut at the end of a character, faults and names beyond the limits are left
// out.
func (i Input) Bounded() Input {
	i.Content = strings.ToValidUTF8(i.Content, "\ufffd")
	if len(i.Content) > MaxContent {
		i.Content, i.Cut = cut(i.Content, MaxContent), true
	}
	i.Faults = slices.Clone(i.Faults[:min(len(i.Faults), MaxFaults)])
	for at := range i.Faults {
		i.Faults[at].Pointer = cut(strings.ToValidUTF8(i.Faults[at].Pointer, "\ufffd"), maxPointer)
	}
	i.Names = i.Names[:min(len(i.Names), MaxNames)]
	return i
}

func cut(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	for longest > 0 && !utf8.RuneStart(text[longest]) {
		longest--
	}
	return text[:longest]
}

// keepType tells the message from an order event on the same queue.
const keepType = "input.refused"

type keep struct {
	Type  string `json:"type"`
	Input Input  `json:"input"`
}

// Encode is the message by which a function without a table has the input kept:
// it is put on the orders queue. Sending it again only counts again.
func (i Input) Encode() []byte {
	i = i.Bounded()
	raw := encode(keep{keepType, i})
	for len(raw) > maxMessage {
		// Only what is hardly text grows so much when it is written as JSON.
		i.Content, i.Cut = cut(i.Content, len(i.Content)/2), true
		raw = encode(keep{keepType, i})
	}
	return raw
}

// Read reads such a message; false for any other, and for one that holds no
// input.
func Read(body []byte) (Input, bool) {
	if !strings.Contains(string(body[:min(len(body), 64)]), keepType) {
		return Input{}, false // most messages are events, and are not read twice
	}
	var message keep
	if err := strictjson.Known(body, &message); err != nil || message.Type != keepType {
		return Input{}, false
	}
	i := message.Input
	if i.Source == "" || len(i.Source) > 32 || !slices.Contains(Reasons(), i.Reason) || i.Form == "" || len(i.Form) > 32 {
		return Input{}, false
	}
	return i.Bounded(), true
}

// retryType tells the message from an order event on the same queue.
const retryType = "refused.retry"

type retry struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Retry is the message that asks for a kept input to be applied again. Sending
// it again is harmless: what is applied is not applied twice.
func Retry(id string) []byte { return encode(retry{retryType, id}) }

// ReadRetry reads such a message; false for any other.
func ReadRetry(body []byte) (id string, ok bool) {
	if !strings.Contains(string(body[:min(len(body), 64)]), retryType) {
		return "", false
	}
	var message retry
	if err := strictjson.Known(body, &message); err != nil || message.Type != retryType || !IsID(message.ID) {
		return "", false
	}
	return message.ID, true
}

func encode(message any) []byte {
	raw, err := json.Marshal(message)
	if err != nil {
		panic(err) // strings only
	}
	return raw
}
