package sim

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

// Secrets of the simulated brand.
var (
	phoneKey      = []byte("simulated phone key of 32 bytes!")
	tokenKey      = []byte("simulated token key of 32 bytes!")
	webhookKey    = []byte("simulated webhook key")
	webhookSecret = "whsec_" + base64.StdEncoding.EncodeToString(webhookKey)
)

// request calls an HTTP function; answered gets status 0 when no answer came.
func (s *simulation) request(function, method, target string, headers map[string]string, body string, answered func(status int, body string)) {
	s.ordinals["request"]++
	path, query, _ := strings.Cut(target, "?")
	event := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RawPath: path, RawQueryString: query, Headers: map[string]string{"content-type": "application/json"}, Body: body,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RequestID: strconv.Itoa(s.ordinals["request"]),
			HTTP:      events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path, SourceIP: "192.0.2.1"},
		},
	}
	for name, value := range headers {
		event.Headers[name] = value
	}
	i := s.instanceOf(function)
	var answer events.APIGatewayV2HTTPResponse
	var err error
	s.begin(i, timeouts[function], func(ctx context.Context) {
		answer, err = i.handler.http(ctx, event)
	}, func(crashed bool) {
		if crashed || err != nil {
			answered(0, "")
			return
		}
		answered(answer.StatusCode, answer.Body)
	})
}

// patience is how long a client waits before it tries again.
func (s *simulation) patience(tries int) time.Duration {
	return time.Duration(200+s.rng.IntN(3000))*time.Millisecond + time.Duration(min(tries, 20))*10*time.Second
}

// push sends an order's event as its platform does: signed, again and again
// until it is accepted.
func (s *simulation) push(n *news, tries int) {
	if n.push != "" {
		s.request(receiveOrders, http.MethodPost, "/hooks/orders/youzan", nil, n.push, func(status int, _ string) { s.pushed(n, tries, status) })
		return
	}
	body, err := orders.Encode(n.event)
	if err != nil {
		panic(err) // the plan's events are plain
	}
	signer, err := standardwebhooks.NewWebhookRaw(webhookKey)
	if err != nil {
		panic(err)
	}
	id := fmt.Sprint("push-", n.event.OrderID, "-", tries)
	signature, err := signer.Sign(id, s.now(), body)
	if err != nil {
		panic(err)
	}
	s.request(receiveOrders, http.MethodPost, "/hooks/orders/generic", map[string]string{
		"webhook-id": id, "webhook-timestamp": strconv.FormatInt(s.now().Unix(), 10), "webhook-signature": signature,
	}, string(body), func(status int, _ string) { s.pushed(n, tries, status) })
}

// pushed is the hook's answer to a platform.
func (s *simulation) pushed(n *news, tries, status int) {
	switch {
	case status == http.StatusAccepted, status == http.StatusOK && n.push != "":
		n.accepted = true
	case status != 0 && status < 500:
		s.violate("I26", "the hook answers %d to a good event of %s", status, n.event.OrderID)
	default:
		s.in(s.patience(tries), func() { s.push(n, tries+1) })
	}
}

// redeem asks for a card's prize, again and again until there is a final
// answer.
func (s *simulation) redeem(a *ask) {
	a.attempts++
	code, err := s.keys.Codec().Token(s.plan.batch.Code(a.card))
	if err != nil {
		panic(err) // the batch's key is in the ring
	}
	headers := map[string]string{"idempotency-key": a.key}
	body := ""
	switch a.way {
	case byOpenID:
		body = s.askBody(a.by.openID.Kind, a.by.openID.Channel, a.by.openID.Value)
	case byPhone:
		body = s.askBody(loyalty.IdentityPhone, "", a.by.phone)
	case byToken:
		raw := s.memberToken(a.by)
		if a.by.erased || raw == "" && a.by.forgotten.commit > 0 { // nobody gives them a token any more
			a.final = true
			return
		}
		if raw == "" {
			s.in(time.Minute, func() { s.redeem(a) })
			return
		}
		headers["authorization"] = "Bearer " + raw
	}
	sentAt := s.now()
	s.request(redeemCard, http.MethodPost, "/c/"+code+"/redemption", headers, body, func(status int, body string) {
		if s.called != nil {
			s.called(a, sentAt.UnixNano(), status, body)
		}
		final := status != 0 && status < 500
		if status == http.StatusUnauthorized && a.way == byToken && (len(a.by.family) > 0 || a.by.erased) {
			final = false // the token was of one who is a part by now; he gets another
		}
		if final && a.attempts < 6 {
			place := []uint64{number("ask"), uint64(a.number), uint64(a.attempts)}
			_, same := s.faults.strikes(RetrySameKey, a.key, place...)
			_, other := s.faults.strikes(RetryOtherKey, a.key, place...)
			if other {
				a.key += "'"
			}
			if same || other {
				s.in(s.patience(0), func() { s.redeem(a) })
				return
			}
		}
		if !final {
			s.in(s.patience(a.attempts), func() { s.redeem(a) })
			return
		}
		s.check.answered(a, status, body, sentAt)
	})
}

// memberToken is a token of the person as a member, or of whom they are a part; ""
// while they are nobody.
func (s *simulation) memberToken(who *person) string {
	member := s.memberOf(who)
	if member == "" {
		return ""
	}
	if account := s.check.account[member]; account.Merged != nil {
		member = account.Merged.Into
	}
	raw, _, err := token.NewMember(tokenKey, member, s.now().Add(-2*time.Minute))
	if err != nil {
		panic(err)
	}
	return raw
}

func (s *simulation) askBody(kind loyalty.IdentityKind, channel loyalty.Channel, value string) string {
	body := map[string]any{
		"identity": map[string]any{"kind": kind, "channel": channel, "value": value},
		"consents": []string{"membership", "marketing"},
	}
	if channel == "" {
		body["identity"] = map[string]any{"kind": kind, "value": value}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// memberOf is who the person is by now, looked up past all faults; "" while he
// is nobody.
func (s *simulation) memberOf(who *person) loyalty.MemberID {
	owners, err := s.raw().Owners(context.Background(), who.openID)
	if err != nil {
		panic(err)
	}
	if who.member == "" {
		who.member = owners[0]
	}
	return owners[0]
}

// raw is the store without faults and steps.
func (s *simulation) raw() store.Store { return store.Store{Table: s.engine} }

// call is an operator's or an integration's call: repeated until it works.
func (s *simulation) call(what string, work func(ctx context.Context, data store.Store, i *instance) error) {
	i := s.instanceOf(operate)
	var err error
	s.begin(i, timeouts[operate], func(ctx context.Context) {
		s.record(i.current.label, what)
		err = work(ctx, store.Store{Table: client{i}}, i)
	}, func(crashed bool) {
		if crashed || err != nil {
			s.in(s.patience(0), func() { s.call(what, work) })
		}
	})
}

// identities are all by which a person enrols.
func (p *person) identities() []enrolment.Identity {
	phone, err := identity.ParsePhone(p.phone)
	if err != nil {
		panic(err)
	}
	known, err := phone.Identity(phoneKey)
	if err != nil {
		panic(err)
	}
	return []enrolment.Identity{{Identity: p.openID}, {Identity: p.buyer}, {Identity: known, Shown: phone.String()}}
}

// join enrols a person as POST /v1/members does.
func (s *simulation) join(who *person) {
	s.call(who.name+" joins", func(ctx context.Context, data store.Store, i *instance) error {
		request := enrolment.Request{Identities: who.identities(), Consents: who.consents}
		if _, _, err := enrolment.Enrol(ctx, data, request, s.random, i.clock()); err != nil {
			return err
		}
		messages := make([][]byte, len(request.Identities))
		for n, identity := range request.Identities {
			messages[n] = enrolment.JoinedMessage(identity.Identity)
		}
		return producer{i, s.orders}.Send(ctx, messages...)
	})
}

// optOut withdraws a person's consent to marketing.
func (s *simulation) optOut(who *person) {
	s.call(who.name+" opts out", func(ctx context.Context, data store.Store, i *instance) error {
		member, err := s.acting(ctx, data, who)
		if err != nil || member == "" {
			return err
		}
		return data.Table.Write(ctx, store.UpdateAccount(member, store.WithdrawConsent(loyalty.ConsentMarketing, i.clock())))
	})
}

// edit pauses the campaign, or lets it go on.
func (s *simulation) edit(state campaign.State) {
	s.call("campaign "+string(state), func(ctx context.Context, data store.Store, _ *instance) error {
		c, revision, err := data.Campaign(ctx, s.plan.campaign.ID)
		if err != nil || c.State == state {
			return err
		}
		c.State = state
		return data.Table.Write(ctx, store.PutCampaign(c, revision))
	})
}

// lower leaves the coupon template a budget for one coupon.
func (s *simulation) lower() {
	s.call("budget lowered", func(ctx context.Context, data store.Store, _ *instance) error {
		template, revision, err := data.Template(ctx, s.plan.template.ID)
		if err != nil {
			return err
		}
		template.Budget.Quantity = 1
		return data.Table.Write(ctx, store.PutTemplate(template, revision))
	})
}

// freezeBatch closes the card batch.
func (s *simulation) freezeBatch() {
	s.call("batch frozen", func(ctx context.Context, data store.Store, i *instance) error {
		batch, err := data.Batch(ctx, s.plan.batch.ID())
		if err != nil {
			return err
		}
		return data.ChangeBatch(ctx, batch, batch.Freeze("operator", i.clock()))
	})
}
