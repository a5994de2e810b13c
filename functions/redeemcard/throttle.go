package redeemcard

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
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

// reading is a code whose signature verified, and what bounds whoever typed it:
// their own guesses and those of all. A scan is not bounded.
type reading struct {
	cards.Code
	bounds []bound
}

// bound refuses a typed code when there were most of the guesses; nil refuses
// nothing.
type bound struct {
	guesses store.Guesses
	most    int
	refusal *throttledError
}

func (r reading) guesses() []store.Guesses {
	guesses := make([]store.Guesses, len(r.bounds))
	for i := range r.bounds {
		guesses[i] = r.bounds[i].guesses
	}
	return guesses
}

// bounded refuses when as many were counted of the guesses.
func (r reading) bounded(counted []int64) error {
	for i, bound := range r.bounds {
		if bound.refusal != nil && counted[i] >= int64(bound.most) {
			return bound.refusal
		}
	}
	return nil
}

// meters is how many counters all callers share, so that a flood heats none of
// them. The caller's name decides which one is theirs.
const meters = 8

// parse reads a code as cards.Codec.Parse does, and bounds guesses (防刷). A code in
// a QR, and a text that cannot be a code, cost nothing here; nor does a typed code
// that is right: the counters are read with the card. One that is wrong costs one
// read unit, and two write units to be counted. Once its caller had too many, right
// and wrong ones are refused alike, after one read, with KindThrottled code
// "too_many_codes"; once all had, whoever has not answered a challenge, with code
// "challenge_required".
func (f *Function) parse(r *http.Request, raw string, member loyalty.MemberID) (reading, error) {
	code, wrong := f.Keys.Codec().Parse(raw)
	read := reading{Code: code}
	if !cards.Guessable(raw) {
		return read, wrong
	}
	ctx := r.Context()
	rules, err := f.rules(ctx)
	if err != nil {
		return reading{}, err
	}
	now, most := f.Clock().UTC(), rules.Cards.Guesses()
	own := bound{store.Guesses{Caller: f.address(ctx), From: now.Truncate(time.Minute), Window: time.Minute}, most.PerAddress, nil}
	if member != "" {
		own = bound{store.Guesses{Caller: "member " + string(member), From: now.Truncate(time.Hour), Window: time.Hour}, most.PerMember, nil}
	}
	own.refusal = &throttledError{tooManyCodes, own.guesses.Ends().Sub(now), ""}
	meter := fmt.Sprint("all ", crc32.ChecksumIEEE([]byte(own.guesses.Caller))%meters)
	all := bound{store.Guesses{Caller: meter, From: now.Truncate(time.Minute), Window: time.Minute}, most.Global / meters, nil}
	if right, challenge, wait := f.answered(r.URL.Query().Get("challenge"), raw, now); !right {
		all.refusal = &throttledError{challengeRequired, wait, challenge}
	}
	read.bounds = []bound{own, all}
	if wrong == nil {
		return read, nil
	}
	counted, err := f.Store.Counted(ctx, read.guesses()...)
	if err == nil {
		err = read.bounded(counted)
	}
	for _, guesses := range read.guesses() {
		if err == nil {
			err = f.Store.Table.Write(ctx, store.CountGuess(guesses))
		}
	}
	if err != nil {
		return reading{}, err
	}
	return reading{}, wrong
}

// address names where a request comes from: the peer as the gateway saw it,
// which no header changes, and of an IPv6 address the network of 64 bits that
// one customer has to themselves. It is hashed under a key, for an address is
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
type throttledError struct {
	refusal   *loyalty.Error
	after     time.Duration
	challenge string // by whose answer the code is read before, "" for none
}

var (
	tooManyCodes = loyalty.Refuse(loyalty.KindThrottled, "too_many_codes",
		"Too many wrong codes were typed. Wait, or scan the QR on the card: a scan is never refused for this.")
	challengeRequired = loyalty.Refuse(loyalty.KindThrottled, "challenge_required",
		"Many wrong codes are being typed. Send the request again with ?challenge= and the header Card-Challenge: as it is after a minute, "+
			"or at once with a dot and a number behind it that make the SHA-256 of all begin with 15 zero bits. A scan of the QR is never challenged.")
)

func (e *throttledError) Error() string { return e.refusal.Error() }
func (e *throttledError) Unwrap() error { return e.refusal }

// throttled sets the header Retry-After to the seconds until codes are read
// again, and Card-Challenge to what may be answered meanwhile, where it was for
// that that a request was refused.
func throttled(w http.ResponseWriter, err error) throttledError {
	refused, ok := errors.AsType[*throttledError](err)
	if !ok {
		return throttledError{}
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(refused.after.Seconds()))))
	if refused.challenge != "" {
		w.Header().Set("Card-Challenge", refused.challenge)
	}
	return *refused
}
