// Package youzan reads what Youzan (有赞) pushes: it proves that a push comes
// from the platform and turns what it says into canonical order events.
package youzan

import (
	"bytes"
	"crypto/md5" // Youzan's signature is MD5; the choice is not ours
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// Channel is the channel of every event made here.
const Channel loyalty.Channel = "youzan"

// App is the brand's application on the platform. Several may be live while
// a secret is being changed.
type App struct {
	ClientID     string
	ClientSecret string
}

// Push is one message that has proved its origin.
type Push struct {
	Type string // "trade_TradePaid"; any the brand subscribed to
	Test bool   // sent by the platform's console to try the address
	Shop string // kdt_id (店铺 id)

	id      string // of what it is about, mostly the order
	version int64  // seconds since 1970, grows with each change of the order
	message []byte
	fault   error // why there is no message
}

// lenient is how a platform's document is read: whatever it sends in fields that
// are not ours cannot refuse those that are. Bytes of a text that cannot be kept
// come out as U+FFFD, which no text that we read may hold.
var lenient = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// envelope is the body of a push. Anything else that the platform puts there is
// not ours to refuse.
type envelope struct {
	ClientID text           `json:"client_id"`
	Type     text           `json:"type"`
	Test     jsontext.Value `json:"test"`
	Shop     text           `json:"kdt_id"`
	ID       loose          `json:"id"`
	Sign     text           `json:"sign"`
	Message  jsontext.Value `json:"msg"`
	Version  jsontext.Value `json:"version"`
}

// Open proves and opens a push. body is the raw request; eventSign is the
// header Event-Sign, "" where there is none. The platform signs in two ways:
//
//	Event-Sign = md5hex(client_id + body + client_secret)
//	sign       = md5hex(client_id + msg as it stands in the body + client_secret)
//
// One must be there, and each that is there must be right, by one of the apps.
// Neither covers a time, so a push can be replayed for ever: what comes out
// has keys that make a repeat harmless. A push signed by sign alone vouches
// for msg only, not for its type and shop.
//
// It fails with loyalty.KindUnauthenticated for every fault of a signature, in
// one and the same words, and with KindTooLarge for over orders.MaxBytes that
// only sign could prove. A push that is proved and cannot be read is a Push
// whose Events fail.
func Open(apps []App, body []byte, eventSign string) (Push, error) {
	unproved := loyalty.Refuse(loyalty.KindUnauthenticated, "bad_signature", "the push carries no signature that verifies")
	document := body
	if eventSign != "" {
		apps = signers(apps, body, eventSign)
		if len(apps) == 0 {
			return Push{}, unproved
		}
		document = repair(body)
	} else if len(body) > orders.MaxBytes {
		return Push{}, loyalty.Refuse(loyalty.KindTooLarge, "body_too_large", "a push without Event-Sign may hold 200 KB at most")
	}
	var sent envelope
	if err := json.Unmarshal(document, &sent, lenient); err != nil {
		if eventSign == "" {
			return Push{}, unproved
		}
		return Push{fault: loyalty.Refuse(loyalty.KindInvalid, "bad_push", "the push is not of the platform's form")}, nil
	}
	encoded, isObject := string(sent.Message), true
	if sent.Message.Kind() == '"' {
		isObject = false
		if err := json.Unmarshal(sent.Message, &encoded, lenient); err != nil {
			return Push{}, unproved
		}
	}
	if sent.Sign != "" {
		apps = signers(apps, []byte(encoded), string(sent.Sign))
	}
	if sent.Sign == "" && eventSign == "" || len(apps) == 0 || sent.ClientID != "" && !issuedTo(apps, string(sent.ClientID)) {
		return Push{}, unproved
	}
	push := Push{
		Type: string(sent.Type), Test: slices.Contains([]string{"true", `"true"`}, string(sent.Test)), Shop: string(sent.Shop), id: string(sent.ID),
		message: []byte(encoded), version: version(sent.Version),
	}
	if !isObject {
		decoded, err := unescape(encoded)
		if err != nil {
			push.message, push.fault = nil, loyalty.Invalid("/msg", "not_url_encoded", "msg is not URL-encoded")
			return push, nil
		}
		push.message = []byte(decoded)
	}
	push.message = repair(push.message)
	return push, nil
}

// version reads the time of a push, 0 where it tells none. The platform writes
// seconds, and milliseconds in some.
func version(raw jsontext.Value) int64 {
	written, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	if err != nil {
		return 0
	}
	if written > 100_000_000_000 {
		written /= 1000
	}
	return written
}

// repair makes JSON of what is JSON but for raw control characters in its texts:
// what a customer typed came through unescaped. Each becomes U+FFFD.
func repair(document []byte) []byte {
	if !bytes.ContainsFunc(document, func(r rune) bool { return r < ' ' }) {
		return document
	}
	repaired := make([]byte, 0, len(document)+16)
	inText, escaped := false, false
	for _, c := range document {
		switch {
		case c < ' ' && inText:
			repaired = append(repaired, "\ufffd"...)
			if escaped { // the backslash before it stands for nothing
				repaired = append(repaired[:len(repaired)-len("\ufffd")-1], "\ufffd"...)
			}
			escaped = false
			continue
		case c == '"' && !escaped:
			inText = !inText
		}
		escaped = inText && c == '\\' && !escaped
		repaired = append(repaired, c)
	}
	return repaired
}

// signers are the apps whose signature over content this is. All are tried,
// each in constant time.
func signers(apps []App, content []byte, signature string) []App {
	var matched []App
	given := []byte(strings.ToLower(strings.TrimSpace(signature)))
	for _, app := range apps {
		// An app that was not configured would make a signature anybody can make.
		if app.ClientID == "" || app.ClientSecret == "" {
			continue
		}
		sum := md5.New()
		sum.Write([]byte(app.ClientID))
		sum.Write(content)
		sum.Write([]byte(app.ClientSecret))
		want := hex.AppendEncode(nil, sum.Sum(nil))
		if subtle.ConstantTimeCompare(want, given) == 1 {
			matched = append(matched, app)
		}
	}
	return matched
}

func issuedTo(apps []App, clientID string) bool {
	for _, app := range apps {
		if app.ClientID == clientID {
			return true
		}
	}
	return false
}

// unescape undoes the platform's URL encoding, of which it has had two: with
// %20 for a blank, where + is a plus, and with + for a blank.
func unescape(encoded string) (string, error) {
	if strings.Contains(encoded, "%20") {
		return url.PathUnescape(encoded)
	}
	return url.QueryUnescape(encoded)
}

// text is a string that the platform may also send as a number or null.
type text string

// UnmarshalJSON takes what the platform sends. A text that is told twice, in two
// ways, is none.
func (t *text) UnmarshalJSON(raw []byte) error {
	var read text
	switch jsontext.Value(raw).Kind() {
	case 'n':
	case '0':
		read = text(raw)
	default:
		var plain string
		if err := json.Unmarshal(raw, &plain, lenient); err != nil {
			return err
		}
		// "null" is what the platform's own serialiser makes of a missing text.
		if plain != "null" {
			read = text(strings.TrimSpace(plain))
		}
	}
	if *t != "" && *t != read {
		return errTwice
	}
	*t = read
	return nil
}

var errTwice = errors.New("youzan: a field is told twice")

// loose is a text that no order is refused for: anything else is "".
type loose string

// UnmarshalJSON takes whatever is sent.
func (l *loose) UnmarshalJSON(raw []byte) error {
	var read text
	if read.UnmarshalJSON(raw) != nil {
		read = ""
	}
	*l = loose(read)
	return nil
}

// object is one that the platform's serialiser writes as [], "" or null where it
// has nothing to say.
type object[T any] struct{ is T }

// UnmarshalJSON takes what the platform sends.
func (o *object[T]) UnmarshalJSON(raw []byte) error {
	if isNothing(raw) {
		return nil
	}
	return json.Unmarshal(raw, &o.is, lenient)
}

// list is the same for a list, which may be {} where it is empty.
type list[T any] []T

// UnmarshalJSON takes what the platform sends.
func (l *list[T]) UnmarshalJSON(raw []byte) error {
	*l = nil
	if isNothing(raw) {
		return nil
	}
	return json.Unmarshal(raw, (*[]T)(l), lenient)
}

// isNothing tells an empty list, object or text, and null.
func isNothing(raw []byte) bool {
	compact := strings.Join(strings.Fields(string(raw[:min(len(raw), 16)])), "")
	return slices.Contains([]string{"[]", "{}", `""`, "null"}, compact)
}

// at is the time of a message: what it says itself, else the push's version.
func (p Push) at(written text) (time.Time, error) {
	if written == "" {
		if at := time.Unix(p.version, 0).In(orders.Shanghai); !at.Before(orders.Earliest) {
			return at, nil
		}
	}
	return orders.ParseLocalTime(string(written))
}
