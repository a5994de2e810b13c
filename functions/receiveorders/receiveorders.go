// Package receiveorders is where platforms call: orders come in, and who became
// a WeCom friend. It proves who sent an event, brings it into the canonical
// form, puts it on a queue and answers. It decides nothing and reads no table,
// because the platforms give it no more than a few seconds.
package receiveorders

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/wecom"
)

// Path is the route of orders; the channel follows it.
const Path = "/hooks/orders/"

// Secrets prove who sends. Each channel takes several at a time, so that a
// secret can be changed without losing an event.
type Secrets struct {
	// Webhook are Standard Webhooks secrets of the generic channel, "whsec_"
	// and base64.
	Webhook []string
	Youzan  []youzan.App
	WeCom   []wecom.App
}

// Accepted answers an event of the generic channel that is kept.
type Accepted struct {
	Events int `json:"accepted"`
}

// Acknowledged answers a push of Youzan, which sends a push again unless told so.
type Acknowledged struct {
	Code    int    `json:"code" enum:"0"`
	Message string `json:"msg" enum:"success"`
}

// Function answers POST /hooks/orders/{channel} and GET and POST /hooks/wecom.
// An event is accepted only once it is safely on the queue; before that nothing
// at all has been kept.
type Function struct {
	Orders   queue.Sender // canonical events in the form of orders.EncodeQueued
	Friends  queue.Sender // who became a friend and who left, in the form of friend.Event
	Secrets  Secrets
	PhoneKey []byte // see identity.Phone.Identity
	// Clock is the brand's time, by which an event may not lie in the future.
	Clock func() time.Time
	// RealClock is the time by which signatures expire. It differs from Clock
	// only where somebody has moved the clock to try a schedule, which must
	// not make old signatures good.
	RealClock func() time.Time
	Log       *slog.Logger // gets kinds and counts; never a body, a phone or an id
}

// reader proves and reads one push of a channel.
type reader func(body []byte, header http.Header) (pushed, error)

// pushed is a push that proved who sent it.
type pushed struct {
	kind   string // as the platform calls it
	events []orders.Event
	// fault is why it cannot be read. Then kept is what is kept of it for a person:
	// the platform would only send the same again. It is nil where the sender
	// reads what the answer says is wrong, and mends it.
	fault error
	kept  func() (refused.Input, error)
}

// Handle answers one request as API Gateway delivers it:
//
//	generic   202 {"accepted":1}
//	youzan    200 {"code":0,"msg":"success"}, for types without meaning too, and for what is kept for a person
//	wecom     200 and no body, the same; a GET is answered with the text that it proves
//	400       generic alone: a body that is not its document (loyalty.KindInvalid); nothing of it is kept
//	401       no signature that verifies, or its time is over 300 s away
//	404       a channel nobody has written
//	405, 413, 415   another method, over 200 KB, not plain JSON in UTF-8
//	503       the queue did not take it; the same request may succeed later
//
// What a platform's signature vouches for is never refused, since the platform
// would send the same again and then give up: what cannot be read goes onto the
// orders queue as a refused.Input, with tokens in the place of phones, and
// convertorders keeps it for a person. The sender of the canonical event is told
// what is wrong with it instead.
//
// A platform that repeats a push gets the first answer again; what consumes
// the queue recognises the repeat.
func (f Function) Handle(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return gateway.Handle(http.HandlerFunc(f.receive))(ctx, event)
}

func (f Function) receive(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == WeComPath {
		f.receiveWeCom(w, r)
		return
	}
	channel := strings.TrimPrefix(r.URL.Path, Path)
	var read reader
	status, acknowledgement := http.StatusOK, any(Acknowledged{Message: "success"})
	switch channel {
	case "generic":
		read = f.readGeneric
		status, acknowledgement = http.StatusAccepted, Accepted{Events: 1}
	case string(youzan.Channel):
		read = f.readYouzan
	default:
		f.refuse(w, r, "unknown", loyalty.Refuse(loyalty.KindNotFound, "unknown_channel", "no such channel"))
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		f.refuse(w, r, channel, loyalty.Refuse(loyalty.KindNotAllowed, "method_not_allowed", "only POST is taken here"))
		return
	}
	if err := f.accept(r, channel, read); err != nil {
		f.refuse(w, r, channel, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The event is kept; a sender who does not hear of it sends it again.
	_ = json.NewEncoder(w).Encode(acknowledgement)
}

// accept takes a request from its raw body to the queue.
func (f Function) accept(r *http.Request, channel string, read reader) error {
	if err := checkMedia(r.Header); err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	push, err := read(body, r.Header)
	if err != nil {
		return err
	}
	kind := push.kind[:min(len(push.kind), 64)]
	bodies, err := f.queued(push.events)
	if err = cmp.Or(push.fault, err); loyalty.KindOf(err) == loyalty.KindInvalid && err != nil && push.kept != nil {
		return f.keep(r, channel, kind, push, err)
	}
	if err != nil {
		return err
	}
	if len(bodies) == 0 {
		f.Log.InfoContext(r.Context(), "push without an order event", "channel", channel, "kind", kind, "request", gateway.RequestID(r.Context()))
		return nil
	}
	if err := f.send(r.Context(), f.Orders, bodies...); err != nil {
		return err
	}
	f.Log.InfoContext(r.Context(), "order events accepted", "channel", channel, "kind", kind, "count", len(bodies), "request", gateway.RequestID(r.Context()))
	return nil
}

// queued are the messages of the events of one push.
func (f Function) queued(found []orders.Event) ([][]byte, error) {
	var bodies [][]byte
	for _, event := range found {
		event, err := f.seal(event)
		if err != nil {
			return nil, err
		}
		if err := event.Validate(f.Clock()); err != nil {
			return nil, err
		}
		body, err := orders.EncodeQueued(event)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

func (f Function) send(ctx context.Context, to queue.Sender, bodies ...[]byte) error {
	if err := to.Send(ctx, bodies...); err != nil {
		return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "queue_unavailable", Detail: "the event could not be kept; send it again", Cause: err}
	}
	return nil
}

// keep has a push that cannot be read kept for a person, by whoever has a table.
func (f Function) keep(r *http.Request, channel, kind string, push pushed, fault error) error {
	input, err := push.kept()
	if err != nil {
		return err
	}
	input.Reason = refused.Unreadable
	if refusal, ok := errors.AsType[*loyalty.Error](fault); ok {
		if input.Faults = refusal.Fields; len(input.Faults) == 0 {
			input.Faults = []loyalty.Field{{Code: refusal.Code}}
		}
	}
	if err := f.send(r.Context(), f.Orders, input.Encode()); err != nil {
		return err
	}
	f.Log.WarnContext(r.Context(), "push kept for a person", "channel", channel, "kind", kind, "request", gateway.RequestID(r.Context()))
	return nil
}

// checkMedia takes JSON in UTF-8 as it is, nothing packed or translated: the
// signature is over the very bytes.
func checkMedia(header http.Header) error {
	media, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset, named := parameters["charset"]
	if err != nil || media != "application/json" || named && !strings.EqualFold(charset, "utf-8") {
		return loyalty.Refuse(loyalty.KindUnsupported, "not_json", "the body must be application/json in UTF-8")
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return loyalty.Refuse(loyalty.KindUnsupported, "encoded_body", "the body must not be compressed")
	}
	return nil
}

// seal takes what nobody behind the hook may see out of an event: the phone
// becomes its token and its last four digits, and a masked name or ciphertext
// disappears, for it stands for nobody.
func (f Function) seal(event orders.Event) (orders.Event, error) {
	buyer := &event.Buyer
	if orders.IsMasked(buyer.ID) {
		buyer.ID = ""
	}
	written := string(buyer.Phone)
	buyer.Phone = ""
	switch {
	case written == "":
		return event, nil
	case orders.IsMasked(written):
		if buyer.PhoneLast4 == "" {
			buyer.PhoneLast4 = orders.VisibleLast4(written)
		}
		return event, nil
	}
	phone, err := identity.ParsePhone(written)
	switch {
	case err != nil && (event.Channel == youzan.Channel || identity.IsVirtual(written)):
		// The order counts whatever its buyer typed, and a lent number is as
		// good as none.
		return event, nil
	case err != nil:
		return orders.Event{}, loyalty.Invalid("/buyer/phone", "not_a_phone", "a phone number is 11 digits, or + and the country code before them")
	}
	name, err := phone.Identity(f.PhoneKey)
	if err != nil {
		return orders.Event{}, err
	}
	buyer.PhoneToken, buyer.PhoneLast4 = name.Value, phone.Last4()
	return event, nil
}

// readYouzan reads a push of Youzan, whose own signatures prove it.
func (f Function) readYouzan(body []byte, header http.Header) (pushed, error) {
	push, err := youzan.Open(f.Secrets.Youzan, body, header.Get("Event-Sign"))
	if err != nil {
		return pushed{}, err
	}
	read := pushed{kind: push.Type}
	read.events, read.fault = push.Events()
	read.kept = func() (refused.Input, error) {
		sealed, err := f.seal(orders.Event{Channel: youzan.Channel, Buyer: push.Buyer()})
		if err != nil {
			return refused.Input{}, err
		}
		content, whole := push.Kept(sealed.Buyer, isPhone)
		return refused.Input{
			Source: string(youzan.Channel), Order: push.Order(), Form: refused.Youzan, Content: content, Cut: !whole, Names: sealed.Identities(),
		}, nil
	}
	return read, nil
}

// isPhone tells a phone in the clear, whatever field it stands in.
func isPhone(text string) bool {
	_, err := identity.ParsePhone(text)
	return err == nil || identity.IsVirtual(text)
}

// refuse answers and leaves a trace: the kind of a caller's mistake, the whole
// of ours.
func (f Function) refuse(w http.ResponseWriter, r *http.Request, channel string, err error) {
	status := problem.Status(loyalty.KindOf(err))
	if status >= http.StatusInternalServerError {
		f.Log.ErrorContext(r.Context(), "event not kept", "channel", channel, "status", status, "error", err, "request", gateway.RequestID(r.Context()))
	} else {
		f.Log.WarnContext(r.Context(), "event refused", "channel", channel, "status", status, "request", gateway.RequestID(r.Context()))
	}
	problem.Write(w, r, err)
}
