// Package problem answers HTTP requests that were refused, in the form of
// RFC 9457. It is the one place where a loyalty.Kind becomes a status.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// ContentType is the media type of every refusal.
const ContentType = "application/problem+json; charset=utf-8"

// typeBase and the code make the problem's type: a stable name to compare
// with, not an address that anybody fetches.
const typeBase = "https://huitou.dev/problems/"

// Document is the body of a refusal. Its texts are English and meant for the
// developer of the client; pages for people choose their words by the code at
// the end of Type.
type Document struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail,omitempty"`
	Instance string          `json:"instance,omitempty"`
	Errors   []loyalty.Field `json:"errors,omitempty"`
}

// answer is what a Kind looks like from outside.
type answer struct {
	status     int
	title      string
	retryAfter string // seconds; "" where trying again would not help
}

var internal = answer{status: http.StatusInternalServerError, title: "Internal error"}

var answers = map[loyalty.Kind]answer{
	loyalty.KindInternal:        internal,
	loyalty.KindInvalid:         {status: http.StatusBadRequest, title: "Invalid request"},
	loyalty.KindUnauthenticated: {status: http.StatusUnauthorized, title: "Not authenticated"},
	loyalty.KindForbidden:       {status: http.StatusForbidden, title: "Not allowed for this credential"},
	loyalty.KindNotFound:        {status: http.StatusNotFound, title: "Not found"},
	loyalty.KindNotAllowed:      {status: http.StatusMethodNotAllowed, title: "Method not allowed"},
	loyalty.KindConflict:        {status: http.StatusConflict, title: "Conflict"},
	loyalty.KindTooLarge:        {status: http.StatusRequestEntityTooLarge, title: "Too large"},
	loyalty.KindUnsupported:     {status: http.StatusUnsupportedMediaType, title: "Unsupported media type"},
	loyalty.KindMismatch:        {status: http.StatusUnprocessableEntity, title: "Idempotency key used with another body"},
	loyalty.KindThrottled:       {status: http.StatusTooManyRequests, title: "Too many requests", retryAfter: "60"},
	loyalty.KindUnavailable:     {status: http.StatusServiceUnavailable, title: "Unavailable", retryAfter: "1"},
}

func answerTo(kind loyalty.Kind) answer {
	if known, ok := answers[kind]; ok {
		return known
	}
	return internal
}

// Status is the HTTP status of a Kind; 500 for one that nobody declared.
func Status(kind loyalty.Kind) int { return answerTo(kind).status }

// Of describes an error to the caller. An internal error, and any error that
// is not a *loyalty.Error, keeps its text, its code and its fields to itself.
// The Cause of an error is never shown.
func Of(ctx context.Context, err error) Document {
	kind := loyalty.KindOf(err)
	looks := answerTo(kind)
	document := Document{
		Type:     typeBase + "internal",
		Title:    looks.title,
		Status:   looks.status,
		Instance: instance(ctx),
	}
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok || looks.status == http.StatusInternalServerError {
		return document
	}
	document.Type = typeBase + refusal.Code
	document.Detail = refusal.Detail
	document.Errors = refusal.Fields
	return document
}

// Write answers a request with the error, however deeply it is wrapped. A
// caller who answers 405 sets Allow before, and one who knows a better
// Retry-After sets that before. The log is the caller's business.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	document := Of(r.Context(), err)
	header := w.Header()
	header.Set("Content-Type", ContentType)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if seconds := RetryAfter(err); seconds != "" && header.Get("Retry-After") == "" {
		header.Set("Retry-After", seconds)
	}
	// A struct of strings and an int always marshals.
	body, _ := json.Marshal(document)
	w.WriteHeader(document.Status)
	if r.Method != http.MethodHead {
		// A caller who went away cannot be told anything more.
		_, _ = w.Write(body)
	}
}

// RetryAfter is after how many seconds the same request may succeed; "" where
// trying again would not help.
func RetryAfter(err error) string {
	if refusal, ok := errors.AsType[*loyalty.Error](err); ok && refusal.After > 0 {
		return strconv.FormatInt(int64((refusal.After+time.Second-1)/time.Second), 10)
	}
	return answerTo(loyalty.KindOf(err)).retryAfter
}

type instanceKey struct{}

// WithInstance names the request that ctx belongs to, so that a refusal can be
// found in the log. The id must hold nothing secret.
func WithInstance(ctx context.Context, requestID string) context.Context {
	return context.WithValue(ctx, instanceKey{}, requestID)
}

func instance(ctx context.Context) string {
	requestID, _ := ctx.Value(instanceKey{}).(string)
	return requestID
}
