package cli

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
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/export"
	"github.com/huitou/huitou/shared/problem"
)

// The bounds of sending. A stack that is away for longer than all attempts
// together, about 12 s, stops the import; running it again is safe.
const (
	parallelOrders  = 8
	attempts        = 7
	firstPause      = 200 * time.Millisecond
	longestPause    = 5 * time.Second
	requestDeadline = 15 * time.Second
)

// delivery sends orders to the generic hook.
type delivery struct {
	target  string
	history bool // see orders.Event.History
	webhook *standardwebhooks.Webhook
	client  *http.Client
	now     func() time.Time
	pause   func(context.Context, time.Duration)
}

// checkSecret refuses a secret with which nothing can be signed.
func checkSecret(secret string) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	switch {
	case secret == "":
		return &UsageError{"the signing secret is missing: set HUITOU_WEBHOOK_SECRET or give --secret (or look first, with --dry-run)"}
	case err != nil, len(key) == 0:
		return &UsageError{"the signing secret is not of the form whsec_ and base64"}
	}
	return nil
}

func newDelivery(target, secret string) *delivery {
	// checkSecret has seen that it decodes.
	webhook, _ := standardwebhooks.NewWebhook(secret)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = parallelOrders
	return &delivery{
		target:  target,
		webhook: webhook,
		client: &http.Client{
			Transport: transport,
			Timeout:   requestDeadline,
			// A signed order goes where the user said and nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		now:   time.Now,
		pause: sleep,
	}
}

// delivered is how far a delivery came.
type delivered struct {
	orders  int
	events  int
	refused []export.Refusal
	stopped string
}

// send sends every order, several at a time, and the events of one order one
// after the other. It ends early when ctx does, when the stack stays away and
// when it refuses the signature or the address; what is under way is finished
// first, so that every order's outcome is known. done is called once for each
// order that was taken or refused.
func (d *delivery) send(ctx context.Context, list []export.Order, done func()) delivered {
	outcomes := make([]*export.Refusal, len(list))
	var total delivered
	total.stopped = eachRow(ctx, len(list), parallelOrders, func(ctx context.Context, i int) (func(), error) {
		events, refusal, err := d.sendOrder(ctx, list[i])
		return func() {
			total.events += events
			switch {
			case err != nil:
				return
			case refusal != nil:
				outcomes[i] = refusal
			default:
				total.orders++
			}
			done()
		}, err
	})
	for _, refusal := range outcomes {
		if refusal != nil {
			total.refused = append(total.refused, *refusal)
		}
	}
	return total
}

// sendOrder gives the number of events that were accepted, why the stack
// refused the order if it did, and an error where there is no use in going on.
func (d *delivery) sendOrder(ctx context.Context, order export.Order) (int, *export.Refusal, error) {
	all := order.Events()
	for i, event := range all {
		event.History = d.history
		body, err := orders.Encode(event)
		if err != nil {
			return i, nil, err
		}
		reason, err := d.post(ctx, body)
		if err != nil {
			return i, nil, err
		}
		if reason != "" {
			return i, &export.Refusal{File: order.File, Line: order.Line, Reason: "huitou refused the " + strings.TrimPrefix(string(event.Type), "order.") + " event: " + reason}, nil
		}
	}
	return len(all), nil, nil
}

// post sends one event until it is taken or refused for good.
func (d *delivery) post(ctx context.Context, body []byte) (refused string, err error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		answer, err := d.attempt(ctx, body)
		switch {
		case err == nil && answer.status == http.StatusAccepted:
			return "", nil
		case err == nil && !answer.passing():
			return answer.verdict()
		case attempt == attempts && err != nil:
			return "", fmt.Errorf("%s does not answer", printable(d.target))
		case attempt == attempts:
			return "", fmt.Errorf("%s answers %d again and again", printable(d.target), answer.status)
		}
		d.pause(ctx, max(pause, min(answer.retryAfter, longestPause)))
		pause = min(2*pause, longestPause)
	}
}

// answer is what the stack said to one attempt.
type answer struct {
	status     int
	retryAfter time.Duration
	document   problem.Document
}

// attempt signs anew, because a signature is good for five minutes only, and
// is not cut off by Ctrl-C, so that the stack's answer is always heard.
func (d *delivery) attempt(ctx context.Context, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, d.target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	digest := sha256.Sum256(body)
	id, at := "import_"+hex.EncodeToString(digest[:16]), d.now()
	signature, err := d.webhook.Sign(id, at, body)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(standardwebhooks.HeaderWebhookID, id)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	response, err := d.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	heard := answer{status: response.StatusCode}
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); err == nil {
		heard.retryAfter = time.Duration(seconds) * time.Second
	}
	// Whatever answers without a problem document is told by its status alone.
	if text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10)); err == nil {
		_ = json.Unmarshal(text, &heard.document)
	}
	return heard, nil
}

// passing is true for what may be different the next time.
func (a answer) passing() bool {
	switch a.status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// verdict tells a refusal of this event from one that every event would get.
func (a answer) verdict() (refused string, err error) {
	switch a.status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		told := fmt.Sprintf("%d", a.status)
		for _, field := range a.document.Errors {
			told += fmt.Sprintf(" %s %s", printable(field.Pointer), printable(field.Code))
		}
		return told, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return "", errors.New("the signature was refused; is HUITOU_WEBHOOK_SECRET the feed's secret, and is this machine's clock right?")
	default:
		return "", fmt.Errorf("the answer was %d; is --url the address of huitou?", a.status)
	}
}
