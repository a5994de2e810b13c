// Package youzan reads what Youzan (有赞) pushes: it proves that a push comes
// from the platform and turns what it says into canonical order events.
package youzan

import (
	"crypto/md5" // Youzan's signature is MD5; the choice is not ours
	"crypto/subtle"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/strictjson"
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

	version int64 // seconds since 1970, grows with each change of the order
	message []byte
}

// envelope is the body of a push. What else the platform puts there is not
// ours to refuse.
type envelope struct {
	ClientID text           `json:"client_id"`
	Type     string         `json:"type"`
	Test     bool           `json:"test"`
	Shop     text           `json:"kdt_id"`
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
// one and the same words, and with KindInvalid for a body that is not one JSON
// object with an object or URL-encoded object as msg.
func Open(apps []App, body []byte, eventSign string) (Push, error) {
	unproved := loyalty.Refuse(loyalty.KindUnauthenticated, "bad_signature", "the push carries no signature that verifies")
	if eventSign != "" {
		apps = signers(apps, body, eventSign)
		if len(apps) == 0 {
			return Push{}, unproved
		}
	}
	if err := strictjson.Check(body); err != nil && eventSign == "" && loyalty.KindOf(err) == loyalty.KindInvalid {
		return Push{}, unproved
	} else if err != nil {
		return Push{}, err
	}
	var sent envelope
	if err := json.Unmarshal(body, &sent); err != nil {
		if eventSign == "" {
			return Push{}, unproved
		}
		return Push{}, loyalty.Refuse(loyalty.KindInvalid, "bad_push", "the push is not of the platform's form")
	}
	encoded, isObject := string(sent.Message), true
	if sent.Message.Kind() == '"' {
		isObject = false
		if err := json.Unmarshal(sent.Message, &encoded); err != nil {
			return Push{}, unproved
		}
	}
	if sent.Sign != "" {
		apps = signers(apps, []byte(encoded), string(sent.Sign))
	}
	if sent.Sign == "" && eventSign == "" || len(apps) == 0 || sent.ClientID != "" && !issuedTo(apps, string(sent.ClientID)) {
		return Push{}, unproved
	}
	message := []byte(encoded)
	if !isObject {
		decoded, err := unescape(encoded)
		if err != nil {
			return Push{}, loyalty.Invalid("/msg", "not_url_encoded", "msg is not URL-encoded")
		}
		message = []byte(decoded)
	}
	push := Push{Type: sent.Type, Test: sent.Test, Shop: string(sent.Shop), message: message}
	if sent.Version.Kind() == '0' {
		// A version that is no whole number only costs the fallback time.
		_ = json.Unmarshal(sent.Version, &push.version)
	}
	return push, nil
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

// UnmarshalJSON takes what the platform sends.
func (t *text) UnmarshalJSON(raw []byte) error {
	switch jsontext.Value(raw).Kind() {
	case 'n':
		*t = ""
	case '0':
		*t = text(raw)
	default:
		var plain string
		if err := json.Unmarshal(raw, &plain); err != nil {
			return err
		}
		// "null" is what the platform's own serialiser makes of a missing text.
		if plain == "null" {
			plain = ""
		}
		*t = text(strings.TrimSpace(plain))
	}
	return nil
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
