package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answers is an api whose pauses pass at once and are written down, and whose
// server gives one answer after the other, the last one again and again.
func answers(t *testing.T, each ...http.HandlerFunc) (*api, *[]time.Duration, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		each[min(int(calls.Add(1)), len(each))-1](w, r)
	}))
	t.Cleanup(server.Close)
	huitou, err := Connection{URL: server.URL, Token: "secret-token"}.open()
	if err != nil {
		t.Fatal(err)
	}
	var pauses []time.Duration
	huitou.pause = func(_ context.Context, length time.Duration) { pauses = append(pauses, length) }
	return huitou, &pauses, &calls
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte("{}"))
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

func TestCallsAreRepeatedWhereThatMayHelp(t *testing.T) {
	for name, test := range map[string]struct {
		answers []http.HandlerFunc
		calls   int32
		err     string
	}{
		"well":              {[]http.HandlerFunc{status(200)}, 1, ""},
		"busy":              {[]http.HandlerFunc{status(503), status(429), status(504), status(200)}, 4, ""},
		"busy for ever":     {[]http.HandlerFunc{status(503)}, 4, "(503)"},
		"hangs up":          {[]http.HandlerFunc{hangUp, status(200)}, 2, ""},
		"hangs up for ever": {[]http.HandlerFunc{hangUp}, 4, "does not answer: EOF; whether it was done is not known, --idempotency-key the-key repeats"},
		"refused":           {[]http.HandlerFunc{status(400)}, 1, "(400)"},
		"a bug":             {[]http.HandlerFunc{status(500)}, 1, "(500)"},
		"elsewhere":         {[]http.HandlerFunc{status(307, "Location", "http://192.0.2.1/")}, 1, "is --url the address of huitou"},
	} {
		t.Run(name, func(t *testing.T) {
			huitou, pauses, calls := answers(t, test.answers...)
			_, err := huitou.do(t.Context(), call{method: http.MethodPost, path: []string{"v1", "members"}, body: []byte("{}"), key: "the-key"})
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("%v", err)
			}
			if calls.Load() != test.calls || len(*pauses) != int(test.calls)-1 {
				t.Errorf("%d calls, %v", calls.Load(), *pauses)
			}
			if err != nil && strings.Contains(err.Error(), "secret-token") {
				t.Error("the token is in the error")
			}
		})
	}
}

func TestPausesOfCalls(t *testing.T) {
	huitou, pauses, _ := answers(t, status(503, "Retry-After", "2"), status(503, "Retry-After", "3600"), status(503, "Retry-After", "soon"), status(200))
	if _, err := huitou.do(t.Context(), get("healthz")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{2 * time.Second, 5 * time.Second, 800 * time.Millisecond}, *pauses); diff != "" {
		t.Error(diff)
	}
}

func TestEveryRepeatIsTheSameRequest(t *testing.T) {
	var keys, bodies []string
	hear := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, body.String())
			next(w, r)
		}
	}
	huitou, _, _ := answers(t, hear(status(503)), hear(status(201)))
	if _, err := huitou.do(t.Context(), call{method: http.MethodPost, path: []string{"x"}, body: []byte(`{"a":1}`), key: "k"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"k", "k"}, keys) + cmp.Diff([]string{`{"a":1}`, `{"a":1}`}, bodies); diff != "" {
		t.Error(diff)
	}
}

func TestCtrlCEndsACall(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	huitou, _, calls := answers(t, func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	})
	_, err := huitou.do(ctx, call{method: http.MethodPost, path: []string{"x"}, key: "k"})
	if err == nil || err.Error() != "interrupted; whether it was done is not known, --idempotency-key k repeats the same request safely" || calls.Load() != 1 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

// A server that names one page for ever is not followed for ever.
func TestAListThatDoesNotEnd(t *testing.T) {
	huitou, _, calls := answers(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"items":[{}],"next_cursor":"again"}`))
	})
	console := Console{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}
	if _, err := collect(t.Context(), console, huitou, Paging{All: true}, get("x")); err == nil || calls.Load() != 2 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

func TestAnAnswerThatIsTooLong(t *testing.T) {
	huitou, _, _ := answers(t, func(w http.ResponseWriter, _ *http.Request) {
		block := bytes.Repeat([]byte(" "), 1<<20)
		for range largestAnswer>>20 + 1 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if _, err := huitou.do(t.Context(), get("x")); err != errNotHuitou {
		t.Errorf("%v", err)
	}
}
