package cli

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/orders/export"
)

// hurried is a delivery whose pauses pass at once and are written down.
func hurried(target string) (*delivery, *[]time.Duration) {
	d := newDelivery(target, "whsec_aHVpdG91LXRlc3Qtc2VjcmV0LTAwMDAwMDAwMDE=")
	var pauses []time.Duration
	d.pause = func(_ context.Context, length time.Duration) { pauses = append(pauses, length) }
	return d, &pauses
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	d, pauses := hurried(target)
	if _, err := d.post(t.Context(), []byte("{}")); err == nil || err.Error() != target+" does not answer" {
		t.Errorf("%v", err)
	}
	want := []time.Duration{200, 400, 800, 1600, 3200, 5000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if diff := cmp.Diff(want, *pauses); diff != "" {
		t.Error(diff)
	}
}

func TestPausesFollowRetryAfterWithinReason(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", []string{"2", "3600", "soon"}[min(calls.Add(1)-1, 2)])
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	d, pauses := hurried(server.URL)
	if _, err := d.post(t.Context(), []byte("{}")); err == nil || !strings.Contains(err.Error(), "answers 503 again and again") {
		t.Errorf("%v", err)
	}
	want := []time.Duration{2000, 5000, 800, 1600, 3200, 5000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if diff := cmp.Diff(want, *pauses); diff != "" {
		t.Error(diff)
	}
}

func TestEachAttemptIsSignedAnewUnderOneID(t *testing.T) {
	var ids, times []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids, times = append(ids, r.Header.Get("webhook-id")), append(times, r.Header.Get("webhook-timestamp"))
		if len(ids) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	d, _ := hurried(server.URL)
	at := int64(1795233600)
	d.now = func() time.Time { at++; return time.Unix(at, 0) }
	if refused, err := d.post(t.Context(), []byte("{}")); refused != "" || err != nil {
		t.Fatalf("%q, %v", refused, err)
	}
	if len(ids) != 2 || ids[0] != ids[1] || ids[0] == "" || cmp.Diff([]string{"1795233601", "1795233602"}, times) != "" {
		t.Errorf("ids %v at %v", ids, times)
	}
}

// Ctrl-C does not cut off a request whose outcome nobody would know then.
func TestInterruptWaitsForTheAnswer(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		interrupt()
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	d, pauses := hurried(server.URL)
	heard, err := d.attempt(ctx, []byte("{}"))
	if err != nil || heard.status != http.StatusAccepted {
		t.Errorf("%+v, %v", heard, err)
	}
	if _, err := d.post(ctx, []byte("{}")); err == nil || len(*pauses) != 0 {
		t.Errorf("something was sent after the interrupt: %v", err)
	}
}

func TestNothingToSend(t *testing.T) {
	d, _ := hurried("http://127.0.0.1:1")
	if got := d.send(t.Context(), nil, func() {}); got.orders != 0 || got.stopped != "" {
		t.Errorf("%+v", got)
	}
	if got := d.send(t.Context(), []export.Order{}, func() {}); got.stopped != "" {
		t.Errorf("%+v", got)
	}
}
