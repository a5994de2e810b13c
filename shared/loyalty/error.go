package loyalty

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the closed set of ways in which huitou refuses. The HTTP status of
// each stands in shared/problem; on a queue every Kind means "this message
// failed".
type Kind int

// The kinds. The zero Kind is KindInternal, so that an error nobody thought
// about never looks like the caller's fault and never shows its text.
const (
	KindInternal        Kind = iota // a bug or a broken promise of ours; the text stays in the log
	KindInvalid                     // the request does not validate; Fields says where
	KindUnauthenticated             // no credential, or one that does not verify
	KindForbidden                   // a good credential without the right
	KindNotFound                    // nothing there, or nothing the caller may know of
	KindNotAllowed                  // the path exists, the method does not
	KindConflict                    // the state does not allow it (taken, in progress)
	KindTooLarge                    // the body is over the limit
	KindUnsupported                 // a media type or encoding we do not take
	KindMismatch                    // an idempotency key used again with another body
	KindThrottled                   // too many failures; try later
	KindUnavailable                 // a lost race or a throttled table; the same request may succeed later
)

// Field points at one part of a request that was refused.
type Field struct {
	Pointer string `json:"pointer"` // RFC 6901, "/lines/0/paid"; or a header or parameter name
	Code    string `json:"code"`    // stable and machine-readable: "required", "out_of_range"
}

// Error is the only error type that crosses a package's border on purpose.
type Error struct {
	Kind   Kind
	Code   string  // stable, snake_case, unique for the reason: "card_taken"
	Detail string  // for the caller: what is wrong and what to do; never a value that is secret or personal
	Fields []Field // for KindInvalid
	Cause  error   // for the log; never shown
	// After is of KindThrottled: so long the same request is refused; 0 where
	// nobody knows.
	After time.Duration
}

func (e *Error) Error() string {
	text := e.Code
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	for _, field := range e.Fields {
		text += fmt.Sprintf(" [%s %s]", field.Pointer, field.Code)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Cause }

// Refuse makes an Error with a sentence for the caller.
func Refuse(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Invalid refuses a request at one field.
func Invalid(pointer, code, detail string) *Error {
	return &Error{Kind: KindInvalid, Code: "invalid", Detail: detail, Fields: []Field{{Pointer: pointer, Code: code}}}
}

// KindOf is the Kind of an error however deeply it is wrapped; KindInternal
// for an error that is not ours.
func KindOf(err error) Kind {
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal.Kind
	}
	return KindInternal
}
