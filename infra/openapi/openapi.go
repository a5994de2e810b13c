// Package openapi makes the published OpenAPI 3.1 document from the code: the
// calls of operate and members as they are registered, and those that are
// served without huma, described by the types that they read and write.
package openapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/rest"
)

// Files are where the documents are committed, from the root of the
// repository, and what makes each.
var Files = map[string]func() ([]byte, error){
	"functions/operate/openapi.json":        Document,
	"functions/operate/program.schema.json": ProgramSchema,
}

// Document is the document as it should be committed.
func Document() ([]byte, error) {
	raw, err := json.MarshalIndent(published().OpenAPI(), "", " ")
	return append(raw, '\n'), err
}

func published() rest.API {
	api := rest.Document()
	operate.Function{Log: slog.Default()}.Register(api)
	members.Function{Log: slog.Default()}.Register(api)
	describeHooks(api)
	describeCards(api)
	bound(api.OpenAPI().Components.Schemas.Map())
	return api
}

type (
	accepted struct {
		Accepted int `json:"accepted"`
	}
	acknowledged struct {
		Code int    `json:"code"`
		Msg  string `json:"msg"`
	}
	orderEvent struct {
		ID        string `header:"webhook-id" required:"true" doc:"Standard Webhooks"`
		Timestamp string `header:"webhook-timestamp" required:"true" doc:"Unix seconds, at most 300 away"`
		Signature string `header:"webhook-signature" required:"true" doc:"v1,<base64 of HMAC-SHA256(id.timestamp.body)>, several with blanks between"`
		Body      event
	}
	event struct {
		Type          orders.Type `json:"type" enum:"order.paid,order.completed,order.refunded,order.cancelled"`
		Channel       string      `json:"channel"`
		Shop          string      `json:"shop"`
		OrderID       string      `json:"order_id"`
		OccurredAt    time.Time   `json:"occurred_at"`
		Currency      string      `json:"currency,omitempty" example:"CNY"`
		Buyer         buyer       `json:"buyer,omitempty"`
		RefundID      string      `json:"refund_id,omitempty" doc:"of order.refunded; without it the lines carry refunded_total"`
		Lines         []line      `json:"lines,omitempty" maxItems:"50"`
		Shipping      loyalty.Fen `json:"shipping,omitempty"`
		DiscountCodes []string    `json:"discount_codes,omitempty"`
		Discount      loyalty.Fen `json:"discount,omitempty" doc:"fen off the order as a whole that the lines' paid does not tell yet; it is spread over them"`
		StoredValue   loyalty.Fen `json:"stored_value,omitempty" doc:"fen of goods and shipping that were paid from stored value"`
	}
	buyer struct {
		ID    string `json:"id,omitempty" doc:"the platform's own id, never a masked name"`
		Phone string `json:"phone,omitempty"`
	}
	line struct {
		LineID        string      `json:"line_id"`
		SKU           string      `json:"sku,omitempty"`
		Category      string      `json:"category,omitempty"`
		Quantity      int64       `json:"quantity,omitempty"`
		Gift          bool        `json:"gift,omitempty" doc:"came with other goods; earns only where the program says so"`
		Paid          loyalty.Fen `json:"paid,omitempty" doc:"fen, net for all units after every discount but the order's, without shipping"`
		Refunded      loyalty.Fen `json:"refunded,omitempty" doc:"fen that this refund gave back"`
		RefundedTotal loyalty.Fen `json:"refunded_total,omitempty" doc:"fen ever given back, from a source that knows only the total"`
	}
	redemption struct {
		Code      string `path:"code"`
		Challenge string `query:"challenge" doc:"the answer to the Card-Challenge of a 429 challenge_required, for a typed code"`
		Body      struct {
			Identity *struct {
				Kind    loyalty.IdentityKind `json:"kind" enum:"buyer,openid,unionid,wecom,phone"`
				Channel string               `json:"channel,omitempty"`
				Value   string               `json:"value"`
			} `json:"identity,omitempty" doc:"or a member's token in the Authorization header"`
			Consents []loyalty.Consent `json:"consents,omitempty" enum:"membership,marketing,personalisation"`
		}
	}
	redeemed struct {
		Prize struct {
			Kind  string `json:"kind" enum:"points,coupon,gift,red_packet,none"`
			Value any    `json:"value,omitempty"`
		} `json:"prize"`
		RedeemedAt time.Time `json:"redeemed_at"`
		State      string    `json:"state" enum:"credited,reserved" doc:"reserved: kept for whoever proves the typed phone"`
	}
	page struct {
		Code      string `path:"code"`
		Challenge string `query:"challenge" doc:"the answer to the Card-Challenge of a 429 challenge_required, for a typed code"`
	}
	html struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
)

func describe[I, O any](api rest.API, o rest.Operation) {
	o.Security, o.NoIdempotencyKey = "none", true
	rest.Register(api, slog.Default(), o, func(context.Context, *I) (*O, error) { return nil, nil })
}

func describeHooks(api rest.API) {
	describe[orderEvent, rest.Body[accepted]](api, rest.Operation{
		Method: http.MethodPost, Path: "/hooks/orders/generic", ID: "order-event", Tag: "hooks", Status: http.StatusAccepted,
		Summary: "One thing that happened to one order, signed by Standard Webhooks",
	})
	describe[struct{ RawBody []byte }, rest.Body[acknowledged]](api, rest.Operation{
		Method: http.MethodPost, Path: "/hooks/orders/youzan", ID: "youzan-push", Tag: "hooks",
		Summary: "A push of Youzan (有赞), signed in its header, its body, or both",
	})
}

func describeCards(api rest.API) {
	describe[page, html](api, rest.Operation{
		Method: http.MethodGet, Path: "/c/{code}", ID: "card-page", Tag: "cards",
		Summary: "A card's page; /C/{code}, as printed in QR codes, is the same",
	})
	describe[redemption, rest.Body[redeemed]](api, rest.Operation{
		Method: http.MethodPost, Path: "/c/{code}/redemption", ID: "redeem-card", Tag: "cards",
		Summary: "Redeem a card once; 409 when somebody else has",
	})
}
