package receiveorders

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// tolerance is how many seconds a signature's time may be from ours, either
// way (Standard Webhooks 1.0.0).
const tolerance = 300

// readGeneric reads the canonical event under Standard Webhooks headers.
func (f Function) readGeneric(body []byte, header http.Header) (pushed, error) {
	if err := verify(f.Secrets.Webhook, body, header, f.RealClock()); err != nil {
		return pushed{}, err
	}
	event, err := orders.Decode(body)
	if err != nil {
		return pushed{}, err
	}
	return pushed{kind: string(event.Type), events: []orders.Event{event}}, nil
}

// verify proves that one of the secrets signed the body, at a time within the
// tolerance of now. The library compares in constant time; its own check of
// the time would read the wall clock, so it is done here.
func verify(secrets []string, body []byte, header http.Header, now time.Time) error {
	unproved := loyalty.Refuse(loyalty.KindUnauthenticated, "bad_signature", "the request carries no signature that verifies; sign it as Standard Webhooks 1.0.0 says")
	written := header.Get(standardwebhooks.HeaderWebhookTimestamp)
	if strings.Trim(written, "0123456789") != "" {
		return unproved // the library would take "+5" for "5"
	}
	seconds, err := strconv.ParseInt(written, 10, 64)
	if err != nil {
		return unproved
	}
	proved := false
	for _, secret := range secrets {
		webhook, err := standardwebhooks.NewWebhook(secret)
		// Anybody can sign with an empty key.
		if err != nil || strings.TrimPrefix(secret, "whsec_") == "" {
			continue
		}
		proved = webhook.VerifyIgnoringTimestamp(body, header) == nil || proved
	}
	if !proved {
		return unproved
	}
	if !isFresh(seconds, now) {
		return expired
	}
	return nil
}

// expired answers what was signed right and too long ago, or too far ahead.
var expired = loyalty.Refuse(loyalty.KindUnauthenticated, "signature_expired", "the signature's time is over 300 s away; sign each attempt anew and check the clock")

// isFresh tells whether a time in seconds since 1970 is within the tolerance of
// now.
func isFresh(seconds int64, now time.Time) bool {
	age := now.Unix() - seconds
	return age >= -tolerance && age <= tolerance
}
