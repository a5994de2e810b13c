// Package idempotency gives a repeated POST the first answer again. A client
// that lost the answer sends the same Idempotency-Key and body and learns what
// became of its request; it never happens twice.
//
// An answer that is remembered may tell of a person, and outlives them when they
// are erased. So it is sealed with a key that comes from the request's own
// body, which is not kept: only a client that sends the same request again can
// read it.
package idempotency

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/store"
)

// lease is how long an answer may take; longer than any function of ours runs.
const lease = time.Minute

// maxKey is the longest key a caller may choose.
const maxKey = 200

// Handler wraps the calls of next that are POST. caller names who calls, so
// that nobody meets another's keys; where it is "" (nobody yet) the request
// passes and is refused by what stands behind.
func Handler(s store.Store, clock func() time.Time, caller func(context.Context) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := caller(r.Context())
		if r.Method != http.MethodPost || who == "" {
			next.ServeHTTP(w, r)
			return
		}
		once := once{store: s, clock: clock, caller: who, key: r.Header.Get("Idempotency-Key")}
		if err := once.serve(w, r, next); err != nil {
			problem.Write(w, r, err)
		}
	})
}

type once struct {
	store       store.Store
	clock       func() time.Time
	caller, key string
	seal        cipher.AEAD // of the answer
}

// kept is the key as it is remembered: a client may have made it of a person's
// name.
func (o once) kept() string {
	sum := sha256.Sum256([]byte(o.key))
	return hex.EncodeToString(sum[:16])
}

// serve returns an error only when nothing has been written to w.
func (o once) serve(w http.ResponseWriter, r *http.Request, next http.Handler) error {
	if err := checkKey(o.key); err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "body_unreadable", Detail: "the body could not be read", Cause: err}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	// Under the key, which is not kept, so that nobody finds a short body by trying.
	hash := hmac.New(sha256.New, []byte(o.key))
	fmt.Fprintf(hash, "%q %q", r.URL.Path, body)
	if o.seal, err = sealOf(fmt.Appendf(nil, "answer %q %q %q %q", o.caller, o.key, r.URL.Path, body)); err != nil {
		return err
	}
	now := o.clock()
	begun := store.Request{BodyHash: hex.EncodeToString(hash.Sum(nil)), First: now, Until: now.Add(lease)}
	known, fresh, err := o.store.BeginRequest(r.Context(), o.caller, o.kept(), begun, now)
	switch {
	case err != nil:
		return err
	case !fresh && known.BodyHash != begun.BodyHash:
		return loyalty.Refuse(loyalty.KindMismatch, "idempotency_key_reused", "this Idempotency-Key was used with another path or body; choose a new one")
	case !fresh && known.Until.IsZero():
		return o.replay(w, known)
	case !fresh:
		if now.Before(known.Until) {
			return loyalty.Refuse(loyalty.KindConflict, "in_progress", "a request with this Idempotency-Key is being answered; ask again in a moment")
		}
		// The process that began is dead, or left no answer. What it did, it did
		// under ids that come from this same key, so doing it again changes
		// nothing twice.
		begun.First = known.First
		won, err := o.store.ReplaceRequest(r.Context(), o.caller, o.kept(), known, begun, now)
		if err != nil {
			return err
		}
		if !won {
			return loyalty.Refuse(loyalty.KindConflict, "in_progress", "a request with this Idempotency-Key is being answered; ask again in a moment")
		}
	}
	answer := &recorded{header: w.Header(), status: http.StatusOK}
	call := &call{cause: o.caller + "\n" + o.key, first: begun.First}
	next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), callKey{}, call)))
	if err := o.remember(r.Context(), begun, answer, call.secret); err != nil {
		return err
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body.Bytes()) // a caller who went away asks again
	return nil
}

// remember keeps an answer that says what happened. After one that says "not
// now" or "not you" nothing is kept but the key's first use, so that the same
// request works later and is known as the same. An answer that carries a secret
// is never kept: the handler makes it again from the cause.
func (o once) remember(ctx context.Context, begun store.Request, answer *recorded, secret bool) error {
	switch {
	case answer.status >= 500, answer.status == http.StatusUnauthorized, answer.status == http.StatusForbidden,
		answer.status == http.StatusTooManyRequests, secret:
		open := begun
		open.Until = o.clock()
		_, err := o.store.ReplaceRequest(ctx, o.caller, o.kept(), begun, open, o.clock())
		return err
	}
	done := store.Request{
		BodyHash: begun.BodyHash, Status: answer.status,
		ContentType: answer.header.Get("Content-Type"), Answer: o.sealed(answer.body.Bytes()),
	}
	_, err := o.store.ReplaceRequest(ctx, o.caller, o.kept(), begun, done, o.clock())
	return err
}

// sealOf makes a seal from all that tells one request from any other. It seals
// one answer, so the nonce may be nothing.
func sealOf(request []byte) (cipher.AEAD, error) {
	key := sha256.Sum256(request)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (o once) sealed(answer []byte) string {
	return base64.RawStdEncoding.EncodeToString(o.seal.Seal(nil, make([]byte, o.seal.NonceSize()), answer, nil))
}

func (o once) replay(w http.ResponseWriter, known store.Request) error {
	sealed, err := base64.RawStdEncoding.DecodeString(known.Answer)
	if err == nil {
		sealed, err = o.seal.Open(nil, make([]byte, o.seal.NonceSize()), sealed, nil)
	}
	if err != nil {
		return &loyalty.Error{Kind: loyalty.KindInternal, Code: "item_malformed", Cause: err}
	}
	w.Header().Set("Content-Type", known.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(known.Status)
	_, _ = w.Write(sealed) // a caller who went away asks again
	return nil
}

func checkKey(key string) error {
	refusal := loyalty.Refuse(loyalty.KindInvalid, "idempotency_key", "send an Idempotency-Key header of 1 to 200 printable ASCII characters, new for each new request")
	refusal.Fields = []loyalty.Field{{Pointer: "Idempotency-Key", Code: "malformed"}}
	if key == "" {
		refusal.Fields[0].Code = "required"
		return refusal
	}
	if len(key) > maxKey {
		return refusal
	}
	for _, c := range []byte(key) {
		if c < '!' || c > '~' {
			return refusal
		}
	}
	return nil
}

type callKey struct{}

type call struct {
	cause  string
	first  time.Time
	secret bool
}

// Cause is what ids of this request derive from: the same for every repeat of
// it, different for every other request. It is "" outside a POST.
func Cause(ctx context.Context) string {
	if call, ok := ctx.Value(callKey{}).(*call); ok {
		return call.cause
	}
	return ""
}

// FirstUse is when the first request of this Cause came, zero outside a POST.
func FirstUse(ctx context.Context) time.Time {
	if call, ok := ctx.Value(callKey{}).(*call); ok {
		return call.first
	}
	return time.Time{}
}

// KeepSecret says that the answer to this request carries a secret and must
// not be kept: the handler makes the same answer again from the Cause.
func KeepSecret(ctx context.Context) {
	if call, ok := ctx.Value(callKey{}).(*call); ok {
		call.secret = true
	}
}

// recorded holds an answer back until it is remembered.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorded) Header() http.Header         { return a.header }
func (a *recorded) WriteHeader(status int)      { a.status = status }
func (a *recorded) Write(p []byte) (int, error) { return a.body.Write(p) }
