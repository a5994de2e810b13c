package redeemcard

import (
	"strings"
	"testing"
	"time"
)

// Whatever is sent for an answer is none but to the challenge that was given
// for the code, and what is to be answered instead is never longer away than a
// minute.
func FuzzAnswer(f *testing.F) {
	function := &Function{PhoneKey: []byte("phone-key-phone-key-phone-key-32")}
	given := time.Date(2026, 11, 11, 4, 0, 0, 0, time.UTC)
	challenge := function.challenge("CODE", given)
	for _, seed := range []string{"", ".", "..", "0.x", "zzzzzzzzzzzzzzzz.x.1", "-1.x", challenge, challenge + ".", challenge + ".7", challenge + "7", "\x00"} {
		f.Add(seed, int64(time.Second))
		f.Add(seed, int64(59*time.Second))
	}
	f.Fuzz(func(t *testing.T, answer string, age int64) {
		now := given.Add(time.Duration(age) % (2 * challengeLife))
		right, again, wait := function.answered(answer, "CODE", now)
		genuine := answer == challenge || strings.HasPrefix(answer, challenge+".")
		if right && !genuine {
			t.Errorf("%q is an answer", answer)
		}
		if fresh := function.challenge("CODE", now); !right && again != fresh && (again != challenge || !genuine) {
			t.Errorf("%q is to be answered by %s", answer, again)
		}
		if !right && !now.Before(given) && (wait <= 0 || wait > challengeAsks) {
			t.Errorf("%q has to wait %v", answer, wait)
		}
	})
}
