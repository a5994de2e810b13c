package redeemcard

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
)

// parse reads a code as cards.Codec.Parse does, and bounds guesses (防刷). What
// a QR holds, and what cannot be a code, costs nothing here. A typed code costs
// half a read unit, and half of one for its batch, which refuses it then and
// there while it is not open; one that is wrong is counted, for a write unit. Once there
// were too many, right and wrong ones are refused alike, after the same read,
// with KindThrottled code "too_many_codes".
func (f *Function) parse(ctx context.Context, raw string, member loyalty.MemberID) (cards.Code, error) {
	code, wrong := f.Keys.Codec().Parse(raw)
	if !cards.Guessable(raw) {
		return code, wrong
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return cards.Code{}, err
	}
	now := f.Clock()
	most := rules.Cards.Guesses()
	guesses, bound := store.Guesses{Caller: f.address(ctx), From: now.UTC().Truncate(time.Minute), Window: time.Minute}, most.PerAddress
	if member != "" {
		guesses, bound = store.Guesses{Caller: "member " + string(member), From: now.UTC().Truncate(time.Hour), Window: time.Hour}, most.PerMember
	}
	named := ""
	if wrong == nil {
		named = code.BatchID()
	}
	counted, batch, err := f.Store.CountedOf(ctx, guesses, named)
	if err != nil {
		return cards.Code{}, err
	}
	if counted >= int64(bound) {
		return cards.Code{}, &throttledError{guesses.Ends().Sub(now)}
	}
	switch {
	case wrong != nil:
		if err := f.Store.Table.Write(ctx, store.CountGuess(guesses)); err != nil {
			return cards.Code{}, err
		}
		return code, wrong
	case batch == nil:
		return code, cards.ErrNotFound
	}
	// What this look cannot give, no better one is paid for.
	if err := f.watchCanary(ctx, code, *batch); err != nil {
		return code, err
	}
	return code, batch.Opened(code.Card, now.UTC().Truncate(time.Second))
}

// address names where a request comes from: the peer as the gateway saw it,
// which no header changes, and of an IPv6 address the network of 64 bits that
// one customer has to himself. It is hashed under a key, for an address is
// personal data. Requests without one share a name.
func (f *Function) address(ctx context.Context) string {
	var network string
	if ip, err := netip.ParseAddr(gateway.SourceIP(ctx)); err == nil {
		ip = ip.Unmap().WithZone("")
		network = ip.String()
		if prefix, err := ip.Prefix(64); ip.Is6() && err == nil {
			network = prefix.String()
		}
	}
	mac := hmac.New(sha256.New, f.PhoneKey)
	mac.Write([]byte("address/v1 " + network)) // a phone begins with "+"
	return "address " + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// throttledError tells when codes are read again.
type throttledError struct{ after time.Duration }

var tooManyCodes = loyalty.Refuse(loyalty.KindThrottled, "too_many_codes",
	"Too many wrong codes were typed. Wait, or scan the QR on the card: a scan is never refused for this.")

func (e *throttledError) Error() string { return tooManyCodes.Error() }
func (e *throttledError) Unwrap() error { return tooManyCodes }

// retryAfter sets the header of that name to the seconds until codes are read
// again, where it was for that that a request was refused.
func retryAfter(w http.ResponseWriter, err error) (wait time.Duration) {
	throttled, ok := errors.AsType[*throttledError](err)
	if !ok {
		return 0
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(throttled.after.Seconds()))))
	return throttled.after
}
