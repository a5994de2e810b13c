package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/notify/webhook"
	receiver "github.com/huitou/huitou/shared/webhook"
)

const (
	newSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	oldSecret = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
)

func message() notify.Message {
	return notify.Message{
		ID: "remind:m1:奶粉.1\r\n:1793498400", Member: "m1", Kind: notify.KindRepurchase, Category: "奶粉.1\r\n",
		Text: "【回头牧场】… 拒收请回复R", Link: "https://shop.example.com/", At: time.Date(2026, 11, 22, 1, 5, 0, 0, time.UTC),
	}
}

func sender(t *testing.T, url string, client *http.Client, at time.Time) webhook.Sender {
	t.Helper()
	r, err := receiver.New(receiver.Target{URL: url, Secrets: []string{newSecret, oldSecret}}, client, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return webhook.New(r)
}

func TestSendSignsForEverySecret(t *testing.T) {
	var header http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	at := time.Now()
	if err := sender(t, server.URL+"/hook", server.Client(), at).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{newSecret, oldSecret} {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(body, header); err != nil {
			t.Errorf("a receiver with one of the secrets refuses it: %v", err)
		}
		if verifier.Verify(append(body, ' '), header) == nil {
			t.Error("a changed body verifies")
		}
	}
	if got, want := header.Get("webhook-timestamp"), strconv.FormatInt(at.Unix(), 10); got != want {
		t.Errorf("webhook-timestamp is %s, want %s", got, want)
	}
	if got := header.Get("webhook-id"); got != receiver.ID(message().ID) || !strings.HasPrefix(got, "msg_") || strings.ContainsAny(got, ".:\r\n") {
		t.Errorf("webhook-id is %q", got)
	}
	if got := header.Get("content-type"); got != "application/json" {
		t.Errorf("content-type is %q", got)
	}
	var payload struct {
		Type      string
		Timestamp time.Time
		Data      notify.Message
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(message(), payload.Data); diff != "" || payload.Type != "repurchase.reminder" || !payload.Timestamp.Equal(message().At) {
		t.Errorf("type %q, timestamp %v, data (-want +got):\n%s", payload.Type, payload.Timestamp, diff)
	}
}

// The signature of the specification's own example.
func TestSpecificationVector(t *testing.T) {
	verifier, err := standardwebhooks.NewWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got, err := verifier.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("signature %s, %v; want %s", got, err, want)
	}
}

func TestAnswers(t *testing.T) {
	for status, want := range map[int]loyalty.Kind{
		400: loyalty.KindInvalid, 401: loyalty.KindInvalid, 404: loyalty.KindInvalid, 410: loyalty.KindInvalid, 302: loyalty.KindInvalid,
		408: loyalty.KindUnavailable, 425: loyalty.KindUnavailable, 429: loyalty.KindUnavailable, 500: loyalty.KindUnavailable, 503: loyalty.KindUnavailable,
	} {
		calls := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		err := sender(t, server.URL, server.Client(), time.Now()).Send(t.Context(), message())
		server.Close()
		if err == nil || loyalty.KindOf(err) != want || calls != 1 {
			t.Errorf("%d: %v after %d calls, want Kind %d after 1", status, err, calls, want)
		}
	}
}

func TestNoAnswerInTime(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := sender(t, server.URL+"/?token=13800000000", server.Client(), time.Now()).Send(ctx, message())
	if loyalty.KindOf(err) != loyalty.KindUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want KindUnavailable for the time-out", err)
	}
	if strings.Contains(err.Error(), "13800000000") {
		t.Errorf("the error shows the URL: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := sender(t, server.URL, http.DefaultClient, time.Now()).Send(t.Context(), message())
	if loyalty.KindOf(err) != loyalty.KindUnavailable {
		t.Errorf("error %v, want KindUnavailable", err)
	}
}

func TestTooLarge(t *testing.T) {
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	large := message()
	large.Text = strings.Repeat("x", receiver.MaxBody)
	err := sender(t, server.URL, server.Client(), time.Now()).Send(t.Context(), large)
	if loyalty.KindOf(err) != loyalty.KindInvalid || called {
		t.Errorf("error %v, called %v; want KindInvalid without a call", err, called)
	}
}
