package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// desk is a handler that counts how often it was asked, behind Handler.
type desk struct {
	t       *testing.T
	now     time.Time
	engine  *embedded.Engine
	asked   atomic.Int64
	causes  sync.Map
	firsts  sync.Map
	respond func(w http.ResponseWriter, r *http.Request)
}

func open(t *testing.T) *desk {
	d := &desk{t: t, now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), engine: embedded.Memory()}
	t.Cleanup(func() { d.engine.Close() })
	d.respond = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"n":%d}`, d.asked.Load())
	}
	return d
}

func (d *desk) post(caller, key, body string) (int, string, http.Header) {
	handler := idempotency.Handler(store.Store{Table: d.engine}, func() time.Time { return d.now },
		func(context.Context) string { return caller },
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d.asked.Add(1)
			d.causes.Store(idempotency.Cause(r.Context()), true)
			d.firsts.Store(idempotency.FirstUse(r.Context()), true)
			d.respond(w, r)
		}))
	request := httptest.NewRequest(http.MethodPost, "/v1/things", strings.NewReader(body))
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String(), recorder.Header()
}

func TestParallelRepeatsHaveOneEffect(t *testing.T) {
	d := open(t)
	var wait sync.WaitGroup
	var created atomic.Int64
	for range 32 {
		wait.Go(func() {
			status, body, _ := d.post("zhang", "k", "{}")
			switch {
			case status == http.StatusCreated && body == `{"n":1}`:
				created.Add(1)
			case status == http.StatusConflict && strings.Contains(body, "in_progress"):
			default:
				t.Errorf("%d %s", status, body)
			}
		})
	}
	wait.Wait()
	if d.asked.Load() != 1 || created.Load() < 1 {
		t.Errorf("asked %d times, %d got the answer", d.asked.Load(), created.Load())
	}
	if status, body, header := d.post("zhang", "k", "{}"); status != http.StatusCreated || body != `{"n":1}` || header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %s %v", status, body, header)
	}
}

func TestKeysBelongToTheirCaller(t *testing.T) {
	d := open(t)
	d.post("zhang", "k", "{}")
	if status, body, _ := d.post("li", "k", `{"other":1}`); status != http.StatusCreated || body != `{"n":2}` {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := d.post("", "k", "{}"); status != http.StatusCreated || d.asked.Load() != 3 {
		t.Error("without a caller the request did not pass")
	}
}

// A process that began and died left a claim. It holds for a minute; then a
// repeat takes over, under the same cause, so that what was half done is done
// once.
func TestARepeatTakesOverFromTheDead(t *testing.T) {
	d := open(t)
	d.respond = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	func() {
		defer func() {
			if reason, ok := recover().(error); !ok || !errors.Is(reason, http.ErrAbortHandler) {
				t.Fatal("the handler did not die")
			}
		}()
		d.post("zhang", "k", "{}")
	}()
	d.respond = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") }
	if status, body, _ := d.post("zhang", "k", "{}"); status != http.StatusConflict {
		t.Errorf("at once: %d %s", status, body)
	}
	d.now = d.now.Add(time.Minute)
	if status, body, _ := d.post("zhang", "k", `{"x":1}`); status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d %s", status, body)
	}
	if status, body, _ := d.post("zhang", "k", "{}"); status != http.StatusOK || body != "done" {
		t.Errorf("after a minute: %d %s", status, body)
	}
	causes := 0
	d.causes.Range(func(any, any) bool { causes++; return true })
	if d.asked.Load() != 2 || causes != 1 {
		t.Errorf("asked %d times under %d causes", d.asked.Load(), causes)
	}
}

func TestNotNowIsNotRemembered(t *testing.T) {
	d := open(t)
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusForbidden, http.StatusUnauthorized} {
		d.respond = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
		key := fmt.Sprint(status)
		d.post("zhang", key, "{}")
		d.respond = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }
		if got, _, _ := d.post("zhang", key, "{}"); got != http.StatusCreated {
			t.Errorf("after %d the repeat got %d", status, got)
		}
	}
	d.respond = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }
	d.post("zhang", "refused", "{}")
	d.respond = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }
	if got, _, _ := d.post("zhang", "refused", "{}"); got != http.StatusBadRequest {
		t.Errorf("a refusal was forgotten: %d", got)
	}
}

func TestASecretIsNeverKept(t *testing.T) {
	d := open(t)
	const secret = "secret-of-the-test"
	d.respond = func(w http.ResponseWriter, r *http.Request) {
		idempotency.KeepSecret(r.Context())
		_, _ = io.WriteString(w, secret)
	}
	for range 2 {
		if status, body, _ := d.post("zhang", "k", "{}"); status != http.StatusOK || body != secret {
			t.Errorf("%d %s", status, body)
		}
	}
	page, err := d.engine.Scan(t.Context(), table.Scan{Segments: 1, Limit: 100, Consistency: table.Strong})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(page.Items), secret) {
		t.Error("the table holds the secret")
	}
}

// The first use of a key is known to every repeat that comes as far as the
// handler: after a death, after "not now", and where the answer is a secret.
func TestTheFirstUseIsKnown(t *testing.T) {
	for name, respond := range map[string]func(w http.ResponseWriter, r *http.Request){
		"death":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"not now": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"secret":  func(_ http.ResponseWriter, r *http.Request) { idempotency.KeepSecret(r.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			d.respond = respond
			first := d.now
			for range 3 {
				func() {
					defer func() { _ = recover() }() // of "death"
					d.post("zhang", "k", "{}")
				}()
				d.now = d.now.Add(time.Minute)
			}
			if _, ok := d.firsts.Load(first); !ok || d.asked.Load() != 3 {
				t.Errorf("asked %d times, the first use is unknown", d.asked.Load())
			}
			d.firsts.Range(func(at, _ any) bool {
				if !at.(time.Time).Equal(first) {
					t.Errorf("a repeat says %v, the first use was %v", at, first)
				}
				return true
			})
		})
	}
	if at := idempotency.FirstUse(t.Context()); !at.IsZero() {
		t.Errorf("outside a POST: %v", at)
	}
}

// After "not now" the key belongs to its request still.
func TestAFreedKeyKeepsItsBody(t *testing.T) {
	d := open(t)
	d.respond = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	d.post("zhang", "k", "{}")
	if status, body, _ := d.post("zhang", "k", `{"x":1}`); status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d %s", status, body)
	}
}
