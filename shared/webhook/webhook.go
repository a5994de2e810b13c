// Package webhook posts to the brand's own services over HTTPS, signed by the
// Standard Webhooks specification (version 1).
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/shared/loyalty"
)

// MaxBody bounds a request's body in bytes; the specification asks for less
// than 20 kB.
const MaxBody = 20_000

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 10

// Receiver is one service that takes posts.
type Receiver struct {
	url    string
	keys   []*standardwebhooks.Webhook
	client *http.Client
	clock  func() time.Time
}

// New makes a receiver at a target, whose URL must be https, or http to this
// machine. Each of its secrets ("whsec_" and the base64 of 24 to 64 bytes) signs
// every request, so that the service takes the old and the new one while they
// rotate. The client brings the time limit; the clock dates each attempt. It
// fails with KindInvalid and quotes neither URL nor secret.
func New(target Target, client *http.Client, clock func() time.Time) (*Receiver, error) {
	parsed, err := url.Parse(target.URL)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && (parsed.Scheme != "http" || !local(parsed.Hostname())) {
		return nil, loyalty.Invalid("/url", "malformed", "a receiver's URL is https")
	}
	if len(target.Secrets) == 0 {
		return nil, loyalty.Invalid("/secrets", "required", "a receiver needs a signing secret")
	}
	r := &Receiver{url: target.URL, clock: clock}
	for i, secret := range target.Secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < 24 || len(key) > 64 || !strings.HasPrefix(secret, "whsec_") {
			return nil, loyalty.Invalid("/secrets/"+strconv.Itoa(i), "malformed", `a secret is "whsec_" and the base64 of 24 to 64 bytes`)
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, signer)
	}
	// A redirect would carry the message to somebody the brand did not name.
	straight := *client
	straight.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r.client = &straight
	return r, nil
}

func local(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// ID is the webhook-id header of what a post is about: the same for every
// attempt, of letters and digits whatever stands in the cause.
func ID(cause string) string {
	sum := sha256.Sum256([]byte(cause))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// Post sends a body about a cause once and returns the answer whatever its
// status, up to 64 kB of it. It fails with KindUnavailable code
// "receiver_unavailable" when no whole answer came, which says nothing of what
// the receiver did, and with KindInvalid code "message_too_large" when the body
// is over MaxBody, and was not sent.
func (r *Receiver) Post(ctx context.Context, cause string, body []byte) (status int, answer []byte, err error) {
	if len(body) > MaxBody {
		return 0, nil, loyalty.Refuse(loyalty.KindInvalid, "message_too_large", "the message is larger than webhooks may be")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, Unavailable(err)
	}
	id, at := ID(cause), r.clock()
	var signatures []string
	for _, key := range r.keys {
		signature, err := key.Sign(id, at, body)
		if err != nil {
			return 0, nil, err
		}
		signatures = append(signatures, signature)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "huitou")
	request.Header.Set(standardwebhooks.HeaderWebhookID, id)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	response, err := r.client.Do(request)
	if err != nil {
		return 0, nil, Unavailable(err)
	}
	defer response.Body.Close()
	// Read to the end, within reason, so that the connection is used again.
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, nil, Unavailable(err)
	}
	return response.StatusCode, answer, nil
}

// Unavailable is KindUnavailable code "receiver_unavailable". It drops the URL
// from the cause: it may hold a token of the receiver's.
func Unavailable(cause error) error {
	for {
		named, ok := cause.(*url.Error)
		if !ok {
			break
		}
		cause = named.Err
	}
	return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "receiver_unavailable", Detail: "the receiver cannot be reached", Cause: cause}
}
