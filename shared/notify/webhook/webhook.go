// Package webhook hands messages to the brand's own sender as signed webhooks.
package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/webhook"
)

// Sender implements notify.Notifier.
type Sender struct{ receiver *webhook.Receiver }

var _ notify.Notifier = Sender{}

// New makes a sender to a receiver.
func New(receiver *webhook.Receiver) Sender { return Sender{receiver} }

// payload is the body by the specification.
type payload struct {
	Type      string         `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Data      notify.Message `json:"data"`
}

// Send implements notify.Notifier. An answer 2xx takes the message. No answer
// in time, 408, 425, 429 and 5xx are KindUnavailable; every other answer, a
// redirect included, is KindInvalid code "message_refused", and a message over
// webhook.MaxBody is KindInvalid code "message_too_large". The webhook-id comes
// from the message's own id, which the body carries.
func (s Sender) Send(ctx context.Context, message notify.Message) error {
	body, err := json.Marshal(payload{Type: message.Kind, Timestamp: message.At, Data: message})
	if err != nil {
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "message_malformed", Cause: err}
	}
	status, _, err := s.receiver.Post(ctx, message.ID, body)
	if err != nil {
		return err
	}
	return judge(status)
}

func judge(status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return webhook.Unavailable(fmt.Errorf("the receiver answered %d", status))
	}
	return &loyalty.Error{
		Kind: loyalty.KindInvalid, Code: "message_refused", Detail: "the receiver does not take the message",
		Cause: fmt.Errorf("the receiver answered %d", status),
	}
}
