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

// reading is a code whose signature verified, and what was counted against
// whoever typed it.
type reading struct {
	cards.Code
	at      time.Time
	guesses []store.Guesses // none for a scan
	most    int
}

// parse reads a code as cards.Codec.Parse does, and bounds guesses (防刷). What
// a QR holds, and what cannot be a code, costs nothing here; nor does a typed code
// that is right: its caller's counter is read with the card. One that is wrong
// costs half a read unit, and a write unit to be counted. Once there were too
// many, right and wrong ones are refused alike, after one read, with KindThrottled
// code "too_many_codes".
func (f *Function) parse(ctx context.Context, raw string, member loyalty.MemberID) (reading, error) {
	code, wrong := f.Keys.Codec().Parse(raw)
	read := reading{Code: code, at: f.Clock()}
	if !cards.Guessable(raw) {
		return read, wrong
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return reading{}, err
	}
	now, most := read.at.UTC(), rules.Cards.Guesses()
	guesses := store.Guesses{Caller: f.address(ctx), From: now.Truncate(time.Minute), Window: time.Minute}
	read.most = most.PerAddress
	if member != "" {
		guesses = store.Guesses{Caller: "member " + string(member), From: now.Truncate(time.Hour), Window: time.Hour}
		read.most = most.PerMember
	}
	read.guesses = []store.Guesses{guesses}
	if wrong == nil {
		return read, nil
	}
	counted, err := f.Store.Counted(ctx, read.guesses...)
	if err == nil {
		err = read.bounded(counted)
	}
	if err == nil {
		err = f.Store.Table.Write(ctx, store.CountGuess(guesses))
	}
	if err != nil {
		return reading{}, err
	}
	return reading{}, wrong
}

// bounded refuses the code of a caller of whom too many guesses were counted.
func (r reading) bounded(counted []int64) error {
	if len(r.guesses) == 0 || counted[0] < int64(r.most) {
		return nil
	}
	return &throttledError{r.guesses[0].Ends().Sub(r.at)}
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
