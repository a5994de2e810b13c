package cards_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/cards"
)

func referenceRing(t testing.TB) *cards.Keyring {
	t.Helper()
	ring, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{1}}, cards.RootKey{ID: 'B', Secret: [32]byte{2}})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestReferenceRoundTrip(t *testing.T) {
	ring := referenceRing(t)
	rapid.Check(t, func(t *rapid.T) {
		code := cards.Code{
			KeyID: rapid.SampledFrom([]byte("KB")).Draw(t, "key"),
			Batch: rapid.IntRange(0, cards.MaxBatches-1).Draw(t, "batch"), Card: rapid.IntRange(0, cards.MaxCount-1).Draw(t, "card"),
		}
		reference, err := ring.Reference(code)
		if err != nil || len(reference) != cards.ReferenceChars || len(reference) > 30 {
			t.Fatalf("%q, %v", reference, err)
		}
		if got, err := ring.ParseReference(reference); err != nil || got != code {
			t.Fatalf("%q reads as %+v, %v; want %+v", reference, got, err, code)
		}
		token, err := ring.Codec().Token(code)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Codec().Parse(reference); err == nil || strings.Contains(token, reference[9:14]) || strings.Contains(token, reference[2:9]) {
			t.Fatalf("%q says something of the code %q", reference, token)
		}
		// Another letter anywhere is another card's, or nobody's.
		at, letter := rapid.IntRange(0, len(reference)-1).Draw(t, "at"), rapid.SampledFrom([]byte(cards.Alphabet+"abk# \x00")).Draw(t, "letter")
		forged := reference[:at] + string([]byte{letter}) + reference[at+1:]
		if got, err := ring.ParseReference(forged); forged != reference && err == nil {
			t.Fatalf("%q passes for %+v", forged, got)
		}
	})
}

func TestReferenceRefuses(t *testing.T) {
	ring := referenceRing(t)
	for _, code := range []cards.Code{{KeyID: 'X'}, {KeyID: 'K', Batch: -1}, {KeyID: 'K', Batch: cards.MaxBatches}, {KeyID: 'K', Card: cards.MaxCount}, {KeyID: 'K', Card: -1}} {
		if reference, err := ring.Reference(code); err == nil || reference != "" {
			t.Errorf("%+v: %q", code, reference)
		}
	}
	good, err := ring.Reference(cards.Code{KeyID: 'K', Batch: 7, Card: 3})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{9}})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.Reference(cards.Code{KeyID: 'K', Batch: 7, Card: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "wb:1:4285486", "R", good[:24], good + "0", strings.ToLower(good), " " + good[1:], foreign, strings.Repeat("R", 25), strings.Repeat("R", 1<<16)} {
		if code, err := ring.ParseReference(text); err == nil || code != (cards.Code{}) {
			t.Errorf("%.40q passes for %+v", text, code)
		}
	}
}
