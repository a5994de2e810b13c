// Package webhook asks the brand's own payout service, by a signed webhook.
package webhook

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/payer"
	"github.com/huitou/huitou/shared/strictjson"
	"github.com/huitou/huitou/shared/webhook"
)

// Payer implements payer.Payer.
type Payer struct{ receiver *webhook.Receiver }

var _ payer.Payer = Payer{}

// New makes a payer of the service that takes the posts.
func New(receiver *webhook.Receiver) Payer { return Payer{receiver} }

// payload is the body by the specification. It has no timestamp of its own: the
// same bill is the same body each time that it is asked for.
type payload struct {
	Type string            `json:"type"`
	Data cards.PayoutOrder `json:"data"`
}

// Pay implements payer.Payer. The webhook-id derives from the bill, so that a
// service that deduplicates by it knows the repeat. Only an answer 200 to 299
// with a JSON document {"bill","amount","state",…} is an answer; every other
// status, "not found" included, and every other body is KindUnavailable code
// "payer_unclear".
func (p Payer) Pay(ctx context.Context, order cards.PayoutOrder) (cards.PayoutAnswer, error) {
	body, err := json.Marshal(payload{"payout.requested", order})
	if err != nil {
		return cards.PayoutAnswer{}, err
	}
	status, said, err := p.receiver.Post(ctx, "payout:"+string(order.Bill), body)
	if err != nil {
		return cards.PayoutAnswer{}, err
	}
	var answer cards.PayoutAnswer
	switch {
	case status < 200 || status > 299:
		return cards.PayoutAnswer{}, unclear(fmt.Errorf("status %d", status))
	case strictjson.Known(said, &answer) != nil:
		return cards.PayoutAnswer{}, unclear(fmt.Errorf("%d bytes that are no answer", len(said)))
	}
	return answer, nil
}

func unclear(cause error) error {
	return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "payer_unclear", Detail: "what the payer answered says nothing of the money", Cause: cause}
}
