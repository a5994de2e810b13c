package problem_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
)

func write(t *testing.T, err error) (*http.Response, problem.Document, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPost, "/v1/members", nil)
	request = request.WithContext(problem.WithInstance(request.Context(), "req-1"))
	problem.Write(recorder, request, err)
	var document problem.Document
	if err := json.Unmarshal(recorder.Body.Bytes(), &document); err != nil {
		t.Fatalf("the body is not JSON: %v", err)
	}
	return recorder.Result(), document, recorder.Body.String()
}

func TestEveryKindHasItsStatus(t *testing.T) {
	statuses := map[loyalty.Kind]int{
		loyalty.KindInternal: 500, loyalty.KindInvalid: 400, loyalty.KindUnauthenticated: 401, loyalty.KindForbidden: 403,
		loyalty.KindNotFound: 404, loyalty.KindNotAllowed: 405, loyalty.KindConflict: 409, loyalty.KindTooLarge: 413,
		loyalty.KindUnsupported: 415, loyalty.KindMismatch: 422, loyalty.KindThrottled: 429, loyalty.KindUnavailable: 503,
	}
	for kind, status := range statuses {
		response, document, _ := write(t, fmt.Errorf("twice: %w", fmt.Errorf("wrapped: %w", loyalty.Refuse(kind, "some_code", "what to do"))))
		if response.StatusCode != status || document.Status != status || problem.Status(kind) != status {
			t.Errorf("kind %d: status %d, in the body %d, want %d", kind, response.StatusCode, document.Status, status)
		}
		if document.Title == "" {
			t.Errorf("kind %d has no title", kind)
		}
		if got, want := response.Header.Get("Retry-After") != "", status == 429 || status == 503; got != want {
			t.Errorf("kind %d: Retry-After is there: %v, want %v", kind, got, want)
		}
	}
	if _, known := statuses[loyalty.KindUnavailable+1]; known || problem.Status(loyalty.KindUnavailable+1) != 500 {
		t.Errorf("an undeclared kind has status %d, want 500", problem.Status(loyalty.KindUnavailable+1))
	}
}

func TestRefusalIsRFC9457(t *testing.T) {
	response, document, _ := write(t, loyalty.Invalid("/lines/0/paid", "out_of_range", "an amount is wrong"))
	want := problem.Document{
		Type: "https://huitou.dev/problems/invalid", Title: "Invalid request", Status: 400, Detail: "an amount is wrong", Instance: "req-1",
		Errors: []loyalty.Field{{Pointer: "/lines/0/paid", Code: "out_of_range"}},
	}
	if diff := cmp.Diff(want, document); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestInternalErrorsKeepTheirWords(t *testing.T) {
	const secret = "arn:aws:dynamodb:table/huitou"
	for _, err := range []error{
		errors.New(secret),
		&loyalty.Error{Kind: loyalty.KindInternal, Code: secret, Detail: secret, Fields: []loyalty.Field{{Pointer: secret, Code: secret}}, Cause: errors.New(secret)},
		&loyalty.Error{Kind: 99, Code: secret, Detail: secret},
		&loyalty.Error{Kind: loyalty.KindUnavailable, Code: "busy", Cause: errors.New(secret)},
	} {
		response, _, body := write(t, fmt.Errorf("%s: %w", secret, err))
		if strings.Contains(body, secret) || strings.Contains(fmt.Sprint(response.Header), secret) {
			t.Errorf("%#v shows its text: %s", err, body)
		}
	}
}

func TestCallerMayKnowBetterWhenToRetry(t *testing.T) {
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Retry-After", "3600")
	problem.Write(recorder, httptest.NewRequest(http.MethodGet, "/", nil), loyalty.Refuse(loyalty.KindThrottled, "locked", ""))
	if got := recorder.Header().Get("Retry-After"); got != "3600" {
		t.Errorf("Retry-After %q, want 3600", got)
	}
}

func TestHeadGetsNoBody(t *testing.T) {
	recorder := httptest.NewRecorder()
	problem.Write(recorder, httptest.NewRequest(http.MethodHead, "/", nil), loyalty.Refuse(loyalty.KindNotFound, "not_found", ""))
	if recorder.Code != 404 || recorder.Body.Len() != 0 {
		t.Errorf("status %d with %d bytes, want 404 without any", recorder.Code, recorder.Body.Len())
	}
}

func FuzzWrite(f *testing.F) {
	f.Add("code", "detail", "/a~1b/0")
	f.Add("\x00\xff", "</script>\n", "/…\"\\")
	f.Fuzz(func(t *testing.T, code, detail, pointer string) {
		_, document, _ := write(t, &loyalty.Error{Kind: loyalty.KindInvalid, Code: code, Detail: detail, Fields: []loyalty.Field{{Pointer: pointer, Code: code}}})
		if document.Status != 400 || len(document.Errors) != 1 {
			t.Errorf("%+v", document)
		}
	})
}
