package redeemcard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// A challenge (挑战) is what a caller has to answer before a code that they typed
// is read, while all callers together guess too much. It is answered by work:
// itself, "." and a number such that the SHA-256 of the whole begins with
// challengeWork zero bits. Or by patience: itself, a minute later. It is good for
// one code, so that every guess has to answer its own, and is kept nowhere.
const (
	challengeWork = 15               // a second on a phone
	challengeAsks = time.Minute      // of patience
	challengeWait = 50 * time.Second // that will do, for instances' clocks differ
	challengeLife = 15 * time.Minute // to fill in a form
)

// challenge is the one for a code that was given at the time.
func (f *Function) challenge(raw string, at time.Time) string {
	given := strconv.FormatInt(at.Unix(), 36)
	mac := hmac.New(sha256.New, f.PhoneKey)
	mac.Write([]byte("challenge/v1 " + given + " " + raw)) // a phone begins with "+"
	return given + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// answered tells whether the answer is right for the code, and else what there
// is to answer and how long patience takes. A challenge that is still good goes
// on, so that whoever is in a hurry loses nothing.
func (f *Function) answered(answer, raw string, now time.Time) (right bool, challenge string, wait time.Duration) {
	parts := strings.SplitN(answer, ".", 3)
	unix, err := strconv.ParseInt(parts[0], 36, 64)
	at := time.Unix(unix, 0)
	age := now.Sub(at)
	challenge = f.challenge(raw, at)
	if err != nil || len(parts) < 2 || age > challengeLife || !hmac.Equal([]byte(parts[0]+"."+parts[1]), []byte(challenge)) {
		return false, f.challenge(raw, now), challengeAsks
	}
	sum := sha256.Sum256([]byte(answer))
	return age >= challengeWait || binary.BigEndian.Uint32(sum[:])>>(32-challengeWork) == 0, challenge, challengeAsks - age
}
