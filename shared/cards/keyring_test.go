package cards_test

import (
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/cards"
)

func TestKeyringsAreReadAsTheyWereWritten(t *testing.T) {
	document := cards.WriteKeyring(root('K', 7), root('2', 8))
	read, err := cards.ReadKeyring([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if read.SigningKeyID() != 'K' {
		t.Errorf("new batches are signed with %c", read.SigningKeyID())
	}
	for _, id := range []byte("K2") {
		code := cards.Code{KeyID: id, Batch: 3, Card: 41}
		if got, want := token(t, read.Codec(), code), token(t, ring(t, root('K', 7), root('2', 8)).Codec(), code); got != want {
			t.Errorf("key %c signs %s, want %s", id, got, want)
		}
	}
}

func TestBadKeyringsAreRefusedWithoutQuotingThem(t *testing.T) {
	secret := strings.Repeat("Q", 42)
	for name, document := range map[string]string{
		"empty":         "",
		"no keys":       "[]",
		"no list":       `{"id":"K"}`,
		"short secret":  `[{"id":"K","secret":"` + secret[:40] + `"}]`,
		"no base64":     `[{"id":"K","secret":"` + secret + `!!"}]`,
		"long id":       `[{"id":"KK","secret":"` + secret + `Q="}]`,
		"id outside":    `[{"id":"U","secret":"` + secret + `A="}]`,
		"one key twice": `[{"id":"K","secret":"` + secret + `A="},{"id":"K","secret":"` + secret + `A="}]`,
	} {
		ring, err := cards.ReadKeyring([]byte(document))
		if err == nil || ring != nil {
			t.Errorf("%s: a keyring was read", name)
			continue
		}
		if strings.Contains(err.Error(), "QQQ") {
			t.Errorf("%s: the error quotes the secret", name)
		}
	}
}
