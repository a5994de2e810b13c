// Package webhook hands messages to the brand's own sender over HTTPS, signed
// by the Standard Webhooks specification (version 1).
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
)

// MaxBody bounds a request's body in bytes; the specification asks for less
// than 20 kB.
const MaxBody = 20_000

// Sender implements notify.Notifier.
type Sender struct {
	url    string
	keys   []*standardwebhooks.Webhook
	client *http.Client
	clock  func() time.Time
}

var _ notify.Notifier = (*Sender)(nil)

// New makes a sender to a URL, which must be https, or http to this machine.
// Each of the secrets ("whsec_" and the base64 of 24 to 64 bytes) signs every
// request, so that a receiver takes the old and the new one while they rotate.
// The client brings the time limit; the clock dates each attempt. It fails with
// KindInvalid and quotes neither URL nor secret.
func New(target string, secrets []string, client *http.Client, clock func() time.Time) (*Sender, error) {
	parsed, err := url.Parse(target)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && (parsed.Scheme != "http" || !local(parsed.Hostname())) {
		return nil, loyalty.Invalid("/url", "malformed", "a sender's URL is https")
	}
	if len(secrets) == 0 {
		return nil, loyalty.Invalid("/secrets", "required", "a sender needs a signing secret")
	}
	s := &Sender{url: target, clock: clock}
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < 24 || len(key) > 64 || !strings.HasPrefix(secret, "whsec_") {
			return nil, loyalty.Invalid("/secrets/"+strconv.Itoa(i), "malformed", `a secret is "whsec_" and the base64 of 24 to 64 bytes`)
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, signer)
	}
	// A redirect would carry the message to somebody the brand did not name.
	straight := *client
	straight.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = &straight
	return s, nil
}

func local(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// payload is the body by the specification.
type payload struct {
	Type      string         `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Data      notify.Message `json:"data"`
}

// ID is the webhook-id header of a message: the same for every attempt, of
// letters and digits whatever stands in the message's own id, which the body
// carries.
func ID(message string) string {
	sum := sha256.Sum256([]byte(message))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// Send implements notify.Notifier. An answer 2xx takes the message. No answer
// in time, 408, 425, 429 and 5xx are KindUnavailable; every other answer, a
// redirect included, is KindInvalid code "message_refused", and a message over
// MaxBody is KindInvalid code "message_too_large".
func (s *Sender) Send(ctx context.Context, message notify.Message) error {
	body, err := json.Marshal(payload{Type: message.Kind, Timestamp: message.At, Data: message})
	if err != nil {
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "message_malformed", Cause: err}
	}
	if len(body) > MaxBody {
		return loyalty.Refuse(loyalty.KindInvalid, "message_too_large", "the message is larger than webhooks may be")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return unavailable(err)
	}
	id, at := ID(message.ID), s.clock()
	var signatures []string
	for _, key := range s.keys {
		signature, err := key.Sign(id, at, body)
		if err != nil {
			return err
		}
		signatures = append(signatures, signature)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "huitou")
	request.Header.Set(standardwebhooks.HeaderWebhookID, id)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	response, err := s.client.Do(request)
	if err != nil {
		return unavailable(err)
	}
	defer response.Body.Close()
	// Read to the end, within reason, so that the connection is used again.
	if _, err := io.CopyN(io.Discard, response.Body, 64<<10); err != nil && !errors.Is(err, io.EOF) {
		return unavailable(err)
	}
	return judge(response.StatusCode)
}

func judge(status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return unavailable(fmt.Errorf("the receiver answered %d", status))
	}
	return &loyalty.Error{
		Kind: loyalty.KindInvalid, Code: "message_refused", Detail: "the receiver does not take the message",
		Cause: fmt.Errorf("the receiver answered %d", status),
	}
}

// unavailable drops the URL from the cause: it may hold a token of the
// receiver's.
func unavailable(cause error) error {
	if named, ok := errors.AsType[*url.Error](cause); ok {
		cause = named.Err
	}
	return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "receiver_unavailable", Detail: "the receiver cannot be reached", Cause: cause}
}
