// Package openapi makes the published OpenAPI 3.1 document from the code: the
// calls of operate and members as they are registered, and those that are
// served without huma, described by the types that they read and write.
package openapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/token"
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
	describeDocuments(api)
	bound(api.OpenAPI().Components.Schemas.Map())
	readable(api.OpenAPI())
	return api
}

type (
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
	youzanPush struct {
		Body map[string]any `doc:"as Youzan sends it; the signature is over the very bytes"`
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
	WeComQuery struct {
		Signature string `query:"msg_signature"`
		Timestamp string `query:"timestamp" doc:"Unix seconds, at most 300 away"`
		Nonce     string `query:"nonce"`
	}
	CardPath struct {
		Code      string `path:"code"`
		Challenge string `query:"challenge" doc:"the answer to the Card-Challenge of a 429 challenge_required, for a typed code"`
	}
	// award is what cards.Award writes.
	award struct {
		Kind  cards.PrizeKind `json:"kind" enum:"points,coupon,gift,red_packet,none"`
		Value any             `json:"value,omitempty" doc:"points, or fen of a red packet; the coupon template or the gift by name; absent for none"`
	}
	body struct{ Body []byte }
)

// describe adds a call that is served without huma.
func describe[I, O any](api rest.API, o rest.Operation) {
	o.Security, o.NoIdempotencyKey = "none", true
	rest.Register(api, slog.Default(), o, func(context.Context, *I) (*O, error) { return nil, nil })
}

var (
	plain = map[string]reflect.Type{"text/plain": rest.Text}
	html  = map[string]reflect.Type{"text/html": rest.Text}
)

func describeHooks(api rest.API) {
	describe[orderEvent, rest.Body[receiveorders.Accepted]](api, rest.Operation{
		Method: http.MethodPost, Path: receiveorders.Path + "generic", ID: "order-event", Tag: "hooks", Status: http.StatusAccepted,
		Summary: "One thing that happened to one order, signed by Standard Webhooks",
	})
	describe[youzanPush, rest.Body[receiveorders.Acknowledged]](api, rest.Operation{
		Method: http.MethodPost, Path: receiveorders.Path + "youzan", ID: "youzan-push", Tag: "hooks",
		Summary: "A push of Youzan (有赞), signed in its header, its body, or both",
	})
	describe[struct {
		WeComQuery
		Sealed string `query:"echostr"`
	}, body](api, rest.Operation{
		Method: http.MethodGet, Path: receiveorders.WeComPath, ID: "wecom-address", Tag: "hooks", Content: plain, Refuses: []int{http.StatusUnauthorized},
		Summary: "WeCom's check of the address (企业微信验证 URL): the text that it sealed comes back",
	})
	describe[struct {
		WeComQuery
		RawBody []byte `contentType:"text/xml"`
	}, body](api, rest.Operation{
		Method: http.MethodPost, Path: receiveorders.WeComPath, ID: "wecom-callback", Tag: "hooks", Content: plain,
		Summary: "WeCom's events, sealed; the answer has no text",
	})
}

func describeCards(api rest.API) {
	const path = "/c/{code}"
	api.OpenAPI().Components.Schemas.RegisterTypeAlias(reflect.TypeFor[cards.Award](), reflect.TypeFor[award]())
	describe[CardPath, body](api, rest.Operation{
		Method: http.MethodGet, Path: path, ID: "card-page", Tag: "cards", Content: html, Throttled: true,
		Summary: "A card's page; /C/{code}, as printed in QR codes, is the same, here and below",
	})
	describe[struct {
		CardPath
		Withdraw string `query:"withdraw" doc:"present: take back the optional consents that were given with the card"`
		Appeal   string `query:"appeal" doc:"present: appeal against a hold or a void"`
		Claim    string `query:"claim" doc:"present: tell the order that the card came with"`
		RawBody  []byte `contentType:"application/x-www-form-urlencoded"`
	}, body](api, rest.Operation{
		Method: http.MethodPost, Path: path, ID: "card-form", Tag: "cards", Content: html, Throttled: true,
		Summary: "The forms of a card's page, and the page with the prize",
	})
	describe[struct {
		CardPath
		Body redeemcard.Redemption `required:"false"`
	}, rest.Body[redeemcard.Redeemed]](api, rest.Operation{
		Method: http.MethodPost, Path: path + "/redemption", ID: "redeem-card", Tag: "cards", Throttled: true,
		Summary: "Redeem a card once; 409 when somebody else has",
	})
	describe[struct {
		CardPath
		Body redeemcard.Appeal
	}, rest.Body[redeemcard.Appealed]](api, rest.Operation{
		Method: http.MethodPost, Path: path + "/appeal", ID: "appeal-card", Tag: "cards", Status: http.StatusAccepted, Throttled: true,
		Summary: "Appeal (申诉) against a hold or a void; the answer is the same whether the card is the caller's or not",
	})
}

// describeDocuments adds what operate serves beside its API.
func describeDocuments(api rest.API) {
	read := func(path, id, summary string, content map[string]reflect.Type) {
		describe[struct{}, body](api, rest.Operation{Method: http.MethodGet, Path: path, ID: id, Tag: "service", Summary: summary, Content: content})
	}
	object := reflect.TypeFor[map[string]any]()
	read("/openapi.json", "openapi", "This document", map[string]reflect.Type{"application/json": object})
	read("/program.schema.json", "program-schema", "The JSON Schema of the brand's rules", map[string]reflect.Type{"application/schema+json": object})
	read("/console", "console", "The operators' pages (运营台): the first", html)
	describe[struct {
		Page string `path:"page"`
	}, body](api, rest.Operation{
		Method: http.MethodGet, Path: "/console/{page}", ID: "console-page", Tag: "service", Content: html,
		Summary: "Another of the operators' pages, also with further segments; /console/ leads to the first",
		Also:    map[int]string{http.StatusPermanentRedirect: "Permanent Redirect"},
	})
	describe[struct {
		Name string `path:"name"`
	}, body](api, rest.Operation{
		Method: http.MethodGet, Path: "/console/assets/{name}", ID: "console-asset", Tag: "service", Summary: "A file of the operators' pages",
		Content: map[string]reflect.Type{"text/javascript": rest.Text, "text/css": rest.Text, "image/svg+xml": rest.Text},
	})
	rest.Register(api, slog.Default(), rest.Operation{
		Method: http.MethodGet, Path: "/console/session", ID: "console-session", Tag: "service", Summary: "Whose token it is",
		Roles: token.Roles,
	}, func(context.Context, *struct{}) (*rest.Body[token.Operator], error) { return nil, nil })
}
