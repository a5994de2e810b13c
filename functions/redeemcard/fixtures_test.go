package redeemcard_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
)

func phoneIdentity(t *testing.T, key []byte, number string) loyalty.Identity {
	t.Helper()
	phone, err := identity.ParsePhone(number)
	if err != nil {
		t.Fatal(err)
	}
	name, err := phone.Identity(key)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Whatever the body, the function answers it: no fault of ours, and no prize
// but for a body that names somebody.
func FuzzRedemptionBody(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", openid("o-1"), phone("13800000000"), `{"identity":{"kind":"buyer","channel":"tmall","value":"b"},"consents":["marketing"]}`,
		`{"identity":null}`, `{"identity":{"kind":"openid","value":"\u0000"}}`, "\xff\xfe{}", `{"identity":{"kind":"openid","value":"o"}}x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		b := open(t)
		code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
		before := b.snapshot()
		response := b.redeem(code, map[string]string{"content-type": "application/json"}, body)
		switch {
		case response.StatusCode >= 500:
			t.Fatalf("%d %s", response.StatusCode, response.Body)
		case response.StatusCode != 200:
			b.unchanged(before, "a refused body")
		case !strings.Contains(body, "identity"):
			t.Fatal("nobody was given a prize")
		}
	})
}
