package cards_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
)

// root makes a root key whose secret is the byte repeated.
func root(id, fill byte) cards.RootKey {
	key := cards.RootKey{ID: id}
	for i := range key.Secret {
		key.Secret[i] = fill
	}
	return key
}

func ring(t testing.TB, roots ...cards.RootKey) *cards.Keyring {
	t.Helper()
	k, err := cards.NewKeyring(roots...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func drawCode(t *rapid.T, ids string) cards.Code {
	return cards.Code{
		KeyID: ids[rapid.IntRange(0, len(ids)-1).Draw(t, "key")],
		Batch: rapid.IntRange(0, cards.MaxBatches-1).Draw(t, "batch"),
		Card:  rapid.IntRange(0, cards.MaxCount-1).Draw(t, "card"),
	}
}

func token(t interface{ Fatal(...any) }, codec *cards.Codec, code cards.Code) string {
	text, err := codec.Token(code)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func typed(t interface{ Fatal(...any) }, codec *cards.Codec, code cards.Code) string {
	text, err := codec.Typed(code)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestBothFormsReadBackHoweverTheyAreSpelled(t *testing.T) {
	codec := ring(t, root('1', 7), root('2', 8)).Codec()
	rapid.Check(t, func(t *rapid.T) {
		code := drawCode(t, "12")
		for _, text := range []string{token(t, codec, code), typed(t, codec, code)} {
			if got, err := codec.Parse(misspell(t, text)); err != nil || got != code {
				t.Fatalf("Parse = %v, %v, want %v", got, err, code)
			}
		}
	})
}

// misspell writes a code as people and keyboards do.
func misspell(t *rapid.T, text string) string {
	var b strings.Builder
	for _, r := range text {
		switch rapid.IntRange(0, 7).Draw(t, "how") {
		case 0:
			r = []rune(strings.ToLower(string(r)))[0]
		case 1:
			r += '！' - '!'
		case 2:
			b.WriteString(rapid.SampledFrom([]string{" ", "-", "\u3000", "—", "－", "\t"}).Draw(t, "between"))
		case 3:
			switch r {
			case '0':
				r = rapid.SampledFrom([]rune("Oo")).Draw(t, "zero")
			case '1':
				r = rapid.SampledFrom([]rune("IiLl")).Draw(t, "one")
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

func TestCodesAreStable(t *testing.T) {
	// Printed cards live for years: a change here makes them worthless.
	codec := ring(t, root('1', 7)).Codec()
	code := cards.Code{KeyID: '1', Batch: 3, Card: 41}
	if got, want := token(t, codec, code), goldenToken; got != want {
		t.Errorf("token %s, want %s", got, want)
	}
	if got, want := typed(t, codec, code), goldenTyped; got != want {
		t.Errorf("typed %s, want %s", got, want)
	}
	if got := code.BatchID(); got != "1-00003" {
		t.Errorf("batch id %s", got)
	}
	if got, want := cards.URL("https://example.com/", goldenToken), "HTTPS://EXAMPLE.COM/C/"+goldenToken; got != want {
		t.Errorf("URL %s, want %s", got, want)
	}
}

func TestEveryBadCodeGetsTheOneAnswer(t *testing.T) {
	ours, theirs := ring(t, root('1', 7)).Codec(), ring(t, root('1', 9)).Codec()
	other := ring(t, root('2', 7)).Codec()
	code := cards.Code{KeyID: '1', Batch: 3, Card: 41}
	good, short := token(t, ours, code), strings.ReplaceAll(typed(t, ours, code), "-", "")
	neighbour := token(t, ours, cards.Code{KeyID: '1', Batch: 4, Card: 41})
	swap := "0"
	if strings.HasSuffix(short, "0") {
		swap = "1"
	}
	for name, raw := range map[string]string{
		"empty":                   "",
		"separators only":         " - \u3000",
		"truncated tag":           good[:33],
		"tag shortened to typed":  good[1:16],
		"one letter more":         good + "0",
		"zero tag":                good[:8] + strings.Repeat("0", 26),
		"all zeros":               strings.Repeat("0", 34),
		"typed zeros":             strings.Repeat("0", 16),
		"tag of another batch":    good[:8] + neighbour[8:],
		"another brand's":         token(t, theirs, code),
		"another brand's, typed":  typed(t, theirs, code),
		"unknown key":             token(t, other, cards.Code{KeyID: '2', Batch: 3, Card: 41}),
		"letter U":                "U" + good[1:],
		"bad check letter":        short[:15] + swap,
		"one typed letter short":  short[:15],
		"NUL":                     good[:10] + "\x00" + good[10:],
		"emoji":                   "🎁" + good,
		"invalid UTF-8":           good[:10] + "\xff" + good[10:],
		"path":                    "../../etc/passwd",
		"braces":                  "{\"$ne\":1}",
		"a megabyte":              strings.Repeat("A", 1<<20),
		"a megabyte of hyphens":   good + strings.Repeat("-", 1<<20),
		"CRLF":                    good + "\r\nX: y",
		"Cyrillic look-alike":     "А" + good[1:],
		"circled and superscript": "①" + good[1:],
	} {
		got, err := ours.Parse(raw)
		if !errors.Is(err, cards.ErrNotFound) || got != (cards.Code{}) {
			t.Errorf("%s: Parse = %v, %v, want the zero code and ErrNotFound", name, got, err)
		}
	}
	if loyalty.KindOf(cards.ErrNotFound) != loyalty.KindNotFound {
		t.Error("ErrNotFound is no KindNotFound")
	}
	if !cards.Mistyped(short[:15]+swap) || cards.Mistyped(short) || cards.Mistyped(good) || cards.Mistyped("x") {
		t.Error("Mistyped is for typed codes with a wrong check letter only")
	}
}

func TestCheckLetterCatchesSinglesAndSwaps(t *testing.T) {
	codec := ring(t, root('1', 7)).Codec()
	caught := 0
	for card := range 40 {
		short := []byte(strings.ReplaceAll(typed(t, codec, cards.Code{KeyID: '1', Batch: 9, Card: card}), "-", ""))
		try := func(changed []byte) {
			if string(changed) == string(short) {
				return
			}
			if !cards.Mistyped(string(changed)) {
				t.Fatalf("%s passes for %s", changed, short)
			}
			caught++
		}
		for i := range short {
			for _, letter := range []byte(cards.Alphabet) {
				changed := append([]byte(nil), short...)
				changed[i] = letter
				try(changed)
			}
			for j := range i {
				changed := append([]byte(nil), short...)
				changed[i], changed[j] = changed[j], changed[i]
				try(changed)
			}
		}
	}
	t.Logf("check letter: %d of %d slips caught", caught, caught)
}

// A forger who has cards of the batch at hand sends a good code with 1 to 26
// letters of its tag altered, in the QR's form; in the typed form with the
// check letter made to fit, for that is no secret.
func TestAMillionAlteredTagsAreRefused(t *testing.T) {
	const tries = 1_000_000
	codec := ring(t, root('1', 7)).Codec()
	random := rand.New(rand.NewPCG(1, 2))
	var tokens, typeds [1000]string
	for card := range tokens {
		var err error
		if tokens[card], typeds[card], err = codec.Both(cards.Code{KeyID: '1', Batch: 5, Card: card}); err != nil {
			t.Fatal(err)
		}
		typeds[card] = strings.ReplaceAll(typeds[card], "-", "")
	}
	var accepted, letters [2]int
	for i := range 2 * tries {
		typed := i % 2
		good, from, to := tokens[i/2%1000], 8, 34
		if typed == 1 {
			good, from, to = typeds[i/2%1000], 7, 15
		}
		text := []byte(good)
		for range 1 + random.IntN(3)*random.IntN(9) {
			text[from+random.IntN(to-from)] = cards.Alphabet[random.IntN(32)]
		}
		if string(text[:to]) == good[:to] { // every letter was drawn as it was
			text[from] = cards.Alphabet[(strings.IndexByte(cards.Alphabet, text[from])+1)%32]
		}
		if typed == 1 {
			text = fitCheckLetter(text)
		}
		for at := range text {
			if text[at] != good[at] {
				letters[typed]++
			}
		}
		if _, err := codec.Parse(string(text)); !errors.Is(err, cards.ErrNotFound) {
			accepted[typed]++
			t.Errorf("%s was accepted for %s", text, good)
		}
	}
	for typed, form := range []string{"QR", "typed"} {
		t.Logf("%d altered tags, %s: %d accepted (%.1f letters altered on average)", tries, form, accepted[typed], float64(letters[typed])/tries)
	}
}

// fitCheckLetter tries check letters as a forger does.
func fitCheckLetter(text []byte) []byte {
	for _, letter := range []byte(cards.Alphabet) {
		if text[len(text)-1] = letter; !cards.Mistyped(string(text)) {
			return text
		}
	}
	panic("no check letter fits")
}

// A root key that came later signs new batches; what the older ones signed is
// read as long as they are in the ring, and by no other key.
func TestRotation(t *testing.T) {
	code := cards.Code{KeyID: '1', Batch: 3, Card: 41}
	old := ring(t, root('1', 7)).Codec()
	spellings := []string{token(t, old, code), typed(t, old, code)}
	rotated := ring(t, root('2', 8), root('1', 7))
	if rotated.SigningKeyID() != '2' || !rotated.Signs("1") || rotated.Signs("3") || rotated.Signs("") || rotated.Signs("12") {
		t.Error("the first key signs, the ring knows its own")
	}
	for _, text := range spellings {
		if got, err := rotated.Codec().Parse(text); err != nil || got != code {
			t.Errorf("%s reads as %v, %v", text, got, err)
		}
		if got, err := ring(t, root('2', 8)).Codec().Parse(text); !errors.Is(err, cards.ErrNotFound) {
			t.Errorf("%s reads as %v without its key", text, got)
		}
	}
	// The same secret under another id signs the same tags: the id of the QR's
	// form is what tells the keys apart, so a secret is never used twice.
	if got, err := ring(t, root('2', 7)).Codec().Parse(spellings[0]); !errors.Is(err, cards.ErrNotFound) {
		t.Errorf("another id accepts it: %v", got)
	}
}

func TestBothFormsForOneSignature(t *testing.T) {
	codec := ring(t, root('1', 7), root('2', 8)).Codec()
	rapid.Check(t, func(t *rapid.T) {
		code := drawCode(t, "12")
		first, second, err := codec.Both(code)
		if err != nil || first != token(t, codec, code) || second != typed(t, codec, code) {
			t.Fatalf("Both = %s, %s, %v", first, second, err)
		}
		// Serial and tag are the same letters in both.
		if short := strings.ReplaceAll(second, "-", ""); first[1:16] != short[:15] {
			t.Fatalf("%s and %s", first, second)
		}
	})
	if a, b, err := codec.Both(cards.Code{KeyID: '3'}); err == nil || a != "" || b != "" {
		t.Errorf("Both = %q, %q, %v", a, b, err)
	}
}

func TestSerialsAreDistinctAndHideTheirOrder(t *testing.T) {
	codec := ring(t, root('1', 7)).Codec()
	seen := map[string]bool{}
	ascending, last := 0, ""
	const count = 20_000
	for card := range count {
		serial := token(t, codec, cards.Code{KeyID: '1', Batch: 1, Card: card})[1:8]
		if seen[serial] {
			t.Fatalf("serial %s twice", serial)
		}
		seen[serial] = true
		if serial > last {
			ascending++
		}
		last = serial
	}
	// Half of the neighbours of a random order ascend: sd ≈ √(n/12) = 41.
	if ascending < count/2-300 || ascending > count/2+300 {
		t.Errorf("%d of %d neighbours ascend", ascending, count)
	}
}

func TestSigningRefusesWhatNoKeyCanSign(t *testing.T) {
	codec := ring(t, root('1', 7)).Codec()
	for _, code := range []cards.Code{
		{KeyID: '2'},
		{KeyID: '1', Batch: -1},
		{KeyID: '1', Batch: cards.MaxBatches},
		{KeyID: '1', Card: -1},
		{KeyID: '1', Card: cards.MaxCount},
	} {
		if text, err := codec.Token(code); err == nil || text != "" {
			t.Errorf("Token(%v) = %q", code, text)
		}
		if text, err := codec.Typed(code); err == nil || text != "" {
			t.Errorf("Typed(%v) = %q", code, text)
		}
	}
	for name, roots := range map[string][]cards.RootKey{
		"none": nil, "id outside the alphabet": {root('U', 1)}, "lower case": {root('a', 1)}, "twice": {root('1', 1), root('1', 2)},
	} {
		if _, err := cards.NewKeyring(roots...); err == nil {
			t.Errorf("%s: a keyring was made", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	keys, err := cards.NewKeyring(root('1', 7), root('2', 8))
	if err != nil {
		f.Fatal(err)
	}
	codec := keys.Codec()
	for _, seed := range []string{goldenToken, goldenTyped, "", "0", strings.Repeat("0", 34), "\xff\xfe", "ｏ０Ｏ", goldenToken + "\u3000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		code, err := codec.Parse(raw)
		if err != nil {
			if !errors.Is(err, cards.ErrNotFound) || code != (cards.Code{}) {
				t.Fatalf("refused with %v, %v", code, err)
			}
			return
		}
		// Whatever is accepted is a spelling of what we print.
		if again, err := codec.Parse(token(t, codec, code)); err != nil || again != code {
			t.Fatalf("accepted %v, which does not read back: %v, %v", code, again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	codec := ring(b, root('1', 7)).Codec()
	code := cards.Code{KeyID: '1', Batch: 3, Card: 41}
	good := token(b, codec, code)
	for name, raw := range map[string]string{
		"token": good, "typed": typed(b, codec, code), "wrong_tag": good[:33] + "0", "malformed": good[:20],
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = codec.Parse(raw)
			}
		})
	}
}

func BenchmarkBoth(b *testing.B) {
	codec := ring(b, root('1', 7)).Codec()
	b.ReportAllocs()
	card := 0
	for b.Loop() {
		_, _, _ = codec.Both(cards.Code{KeyID: '1', Batch: 3, Card: card & (cards.MaxCount - 1)})
		card++
	}
}

func BenchmarkToken(b *testing.B) {
	codec := ring(b, root('1', 7)).Codec()
	b.ReportAllocs()
	card := 0
	for b.Loop() {
		_, _ = codec.Token(cards.Code{KeyID: '1', Batch: 3, Card: card & (cards.MaxCount - 1)})
		card++
	}
}
