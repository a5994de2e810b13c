package webhook_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/payer/webhook"
	receiver "github.com/huitou/huitou/shared/webhook"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

func order(t *testing.T) cards.PayoutOrder {
	t.Helper()
	payout, err := cards.RequestPayout(cards.Code{KeyID: 'K', Batch: 7, Card: 3}, cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}, "mwinner",
		loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wx-app-1", Value: "o-1"}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return payout.Order()
}

// service answers every post alike and keeps what it was posted.
type service struct {
	*httptest.Server
	headers []http.Header
	bodies  []string
}

func serve(t *testing.T, status int, answer string) (*service, webhook.Payer) {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.headers, s.bodies = append(s.headers, r.Header), append(s.bodies, string(body))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	r, err := receiver.New(receiver.Target{URL: s.URL, Secrets: []string{secret}}, s.Client(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s, webhook.New(r)
}

// Each ask is the same post under the same id, signed anew.
func TestEveryAskIsTheSame(t *testing.T) {
	s, payer := serve(t, http.StatusAccepted, `{"bill":"HTK000070000003","amount":188,"state":"accepted"}`)
	for range 2 {
		answer, err := payer.Pay(t.Context(), order(t))
		if err != nil || answer.Outcome != cards.OutcomeAccepted || answer.Bill != "HTK000070000003" || answer.Amount.Fen() != 188 {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
	want := `{"type":"payout.requested","data":{"bill":"HTK000070000003","amount":188,"currency":"CNY","member_id":"mwinner",` +
		`"recipient":{"kind":"openid","channel":"wx-app-1","value":"o-1"},"reason":"card:K-00007:3"}}`
	if diff := cmp.Diff([]string{want, want}, s.bodies); diff != "" {
		t.Errorf("posted (-want +got):\n%s", diff)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	for i, header := range s.headers {
		if err := verifier.Verify([]byte(s.bodies[i]), header); err != nil {
			t.Errorf("the service refuses the signature: %v", err)
		}
		if header.Get("webhook-id") != receiver.ID("payout:HTK000070000003") {
			t.Errorf("webhook-id %q", header.Get("webhook-id"))
		}
	}
}

// Only a document of success says anything of the money.
func TestWhatIsNoAnswer(t *testing.T) {
	paid := `{"bill":"HTK000070000003","amount":188,"state":"paid","reference":"1"}`
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"not found": {404, paid}, "refused": {400, paid}, "gone": {410, paid}, "a redirect": {302, paid}, "too many": {429, paid}, "broken": {500, paid},
		"nothing": {200, ""}, "a page": {200, "<html>"}, "half": {200, paid[:40]},
		"an amount of yuan": {200, `{"bill":"HTK000070000003","amount":1.88,"state":"paid","reference":"1"}`},
		"x100":              {200, `{"bill":"HTK000070000003","amount":1880000,"state":"paid","reference":"1"}`},
		"negative":          {200, `{"bill":"HTK000070000003","amount":-188,"state":"paid","reference":"1"}`},
	} {
		_, payer := serve(t, test.status, test.body)
		if answer, err := payer.Pay(t.Context(), order(t)); loyalty.KindOf(err) != loyalty.KindUnavailable {
			t.Errorf("%s: %+v, %v; want KindUnavailable", name, answer, err)
		}
	}
	s, payer := serve(t, 200, paid)
	s.Close()
	if _, err := payer.Pay(t.Context(), order(t)); loyalty.KindOf(err) != loyalty.KindUnavailable {
		t.Errorf("nobody there: %v", err)
	}
}
