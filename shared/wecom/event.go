package wecom

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/loyalty"
)

// TypeExternalContact is the Type of the events about who is whose friend
// (客户联系).
const TypeExternalContact = "change_external_contact"

// The changes of an external contact (外部联系人) that make or end a friendship.
const (
	ChangeAdd          = "add_external_contact"      // a customer and a member of staff are friends
	ChangeAddHalf      = "add_half_external_contact" // the same, not confirmed by the staff yet (免验证)
	ChangeDelete       = "del_external_contact"      // the staff removed the customer
	ChangeDeleteFollow = "del_follow_user"           // the customer removed the staff
)

// Event is one event. Fields that do not concern its Type are empty.
type Event struct {
	Type string // Event or, for somebody else's application, InfoType
	// At is when it happened, to the second, by the platform's clock.
	At       time.Time
	Change   string // ChangeType
	User     string // UserID: of the staff (跟进成员)
	External string // ExternalUserID: of the customer
	// State is what the contact way (联系我) or the acquisition link (获客链接)
	// carried. It comes only the first time that the two become friends.
	State string
	// WelcomeCode allows one greeting (欢迎语), for 20 seconds.
	WelcomeCode string
}

const (
	maxDepth = 16
	maxID    = 128
	maxState = 64 // bytes, of an acquisition link; a contact way has 30 characters
	maxCode  = 512
)

// ReadEncrypted reads the encrypted text out of a callback's body. It fails
// with ErrUnproved alone: nothing in the body is proved yet.
func ReadEncrypted(body []byte) (string, error) {
	fields, err := readFields(body)
	if err != nil || fields["Encrypt"] == "" {
		return "", ErrUnproved
	}
	return fields["Encrypt"], nil
}

// ReadEvent reads an event that Open decrypted, in the form of a brand's own
// application or of somebody else's. It fails with KindInvalid: code
// "bad_callback" for what is no event, and the field of one that is missing or
// not as the platform writes it.
func ReadEvent(text []byte) (Event, error) {
	fields, err := readFields(text)
	if err != nil {
		return Event{}, &loyalty.Error{Kind: loyalty.KindInvalid, Code: "bad_callback", Detail: "the callback is not of the platform's form", Cause: err}
	}
	event, seconds := Event{Type: fields["InfoType"]}, fields["TimeStamp"]
	if event.Type == "" {
		event.Type, seconds = fields["Event"], fields["CreateTime"]
	}
	if event.Type == "" {
		event.Type = fields["MsgType"] // a message, which is no event
	}
	if event.Type != TypeExternalContact {
		return event, nil
	}
	unix, err := strconv.ParseUint(seconds, 10, 33)
	if err != nil || unix == 0 || strings.HasPrefix(seconds, "+") {
		return Event{}, loyalty.Invalid("/CreateTime", "malformed", "the event's time is in seconds since 1970")
	}
	event.At = time.Unix(int64(unix), 0).UTC() // #nosec G115 -- 33 bits
	event.Change, event.User, event.External = fields["ChangeType"], fields["UserID"], fields["ExternalUserID"]
	for _, party := range []struct{ pointer, id string }{{"/UserID", event.User}, {"/ExternalUserID", event.External}} {
		if event.isFriendship() && !isToken(party.id, maxID) {
			return Event{}, loyalty.Invalid(party.pointer, "malformed", "the event does not say whose friendship it is about")
		}
	}
	// Neither is worth losing the event for.
	if state := fields["State"]; isToken(state, maxState) {
		event.State = state
	}
	if code := fields["WelcomeCode"]; isToken(code, maxCode) {
		event.WelcomeCode = code
	}
	return event, nil
}

// Texts are those of an event that ReadEvent looks at, as far as they are there
// and no longer than one that it takes. The code of a greeting is not among them:
// it is over in seconds.
func Texts(text []byte) map[string]string {
	texts := map[string]string{}
	fields, _ := readFields(text) // what is no event tells nothing
	for _, name := range []string{"Event", "InfoType", "MsgType", "ChangeType", "CreateTime", "TimeStamp", "UserID", "ExternalUserID", "State"} {
		if value := fields[name]; value != "" && len(value) <= maxID {
			texts[name] = strings.ToValidUTF8(value, "\ufffd")
		}
	}
	return texts
}

func (e Event) isFriendship() bool {
	switch e.Change {
	case ChangeAdd, ChangeAddHalf, ChangeDelete, ChangeDeleteFollow:
		return true
	}
	return false
}

// isToken tells an id or a code from a text: 1 to most bytes, none of them
// blank or a control character.
func isToken(text string, most int) bool {
	return text != "" && len(text) <= most && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
}

var errForm = errors.New("wecom: not one <xml> with a text for each name")

// readFields reads the texts directly under <xml>. It takes no DTD, and with it
// no entity but XML's own five, no comment, no second root, no text beside the
// elements, no name twice. Anything deeper is passed over: other events have
// lists in them.
func readFields(document []byte) (map[string]string, error) {
	decoder := xml.NewDecoder(bytes.NewReader(document))
	fields := map[string]string{}
	var path []string
	var text strings.Builder
	for ended := false; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			if !ended {
				return nil, errForm
			}
			return fields, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if ended || len(path) == 0 && token.Name.Local != "xml" || len(path) == maxDepth || len(token.Attr) > 0 || token.Name.Space != "" {
				return nil, errForm
			}
			path = append(path, token.Name.Local)
			text.Reset()
		case xml.EndElement:
			if len(path) == 2 {
				if _, twice := fields[path[1]]; twice {
					return nil, errForm
				}
				fields[path[1]] = text.String()
			}
			path = path[:len(path)-1]
			ended = len(path) == 0
			text.Reset()
		case xml.CharData:
			if len(path) < 2 && strings.TrimSpace(string(token)) != "" {
				return nil, errForm
			}
			text.Write(token)
		case xml.ProcInst:
			if token.Target != "xml" || len(path) > 0 || ended {
				return nil, errForm
			}
		default: // a comment or a directive, as <!DOCTYPE
			return nil, errForm
		}
	}
}
