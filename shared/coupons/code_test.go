package coupons_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
)

const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func code(t testing.TB, member loyalty.MemberID, secret string) string {
	t.Helper()
	code, err := coupons.NewCode(member, strings.NewReader(secret))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestNewCode(t *testing.T) {
	if got, want := code(t, "7Q2M9K4XH0T8C5VD", "0123456789"), "7Q2M9K4XH0T8C5VD-60RK-4CSM-6MV3-EE1S-F"; got != want {
		t.Errorf("code %s, want %s", got, want)
	}
	if got, want := code(t, "m", strings.Repeat("\x00", 10)), "m-0000-0000-0000-0000-0"; got != want {
		t.Errorf("code %s, want %s", got, want)
	}
	if _, err := coupons.NewCode("m", strings.NewReader("too short")); loyalty.KindOf(err) != loyalty.KindInternal || err == nil {
		t.Errorf("without randomness: %v, want KindInternal", err)
	}
}

func TestParseCode(t *testing.T) {
	const canonical = "7Q2M-x_1-60RK-4CSM-6MV3-EE1S-F"
	for name, raw := range map[string]string{
		"as written": canonical,
		"lower case": "7Q2M-x_1-60rk-4csm-6mv3-ee1s-f",
		"one piece":  "7Q2M-x_1-60RK4CSM6MV3EE1SF",
		"spaces":     " 7Q2M-x_1  60RK 4CSM 6MV3 EE1S F ",
		"look-alike": "7Q2M-x_1-6ORK-4CSM-6MV3-EEIS-F",
		"another":    "7Q2M-x_1-6oRK-4CSM-6MV3-EElS-F",
	} {
		t.Run(name, func(t *testing.T) {
			member, got, ok := coupons.ParseCode(raw)
			if !ok || got != canonical || member != "7Q2M-x_1" {
				t.Errorf("%q, %q, %v; want %q", member, got, ok, canonical)
			}
		})
	}
	for name, raw := range map[string]string{
		"nothing":         "",
		"a letter more":   canonical + "0",
		"a letter less":   strings.TrimSuffix(canonical, "F"),
		"wrong letter":    strings.Replace(canonical, "4CSM", "4CSN", 1),
		"swapped":         strings.Replace(canonical, "4CSM", "4SCM", 1),
		"no member":       "60RK-4CSM-6MV3-EE1S-F",
		"hyphen for one":  "-60RK-4CSM-6MV3-EE1S-F",
		"spaces for one":  "  -60RK-4CSM-6MV3-EE1S-F",
		"no boundary":     "7Q2M60RK4CSM6MV3EE1SF",
		"not a letter":    strings.Replace(canonical, "4CSM", "4C!M", 1),
		"U":               strings.Replace(canonical, "4CSM", "4CUM", 1),
		"full width":      strings.Replace(canonical, "F", "Ｆ", 1),
		"NUL":             strings.Replace(canonical, "4CSM", "4C\x00M", 1),
		"a megabyte":      strings.Repeat("0", 1<<20),
		"only separators": strings.Repeat("- ", 100),
	} {
		t.Run(name, func(t *testing.T) {
			if member, got, ok := coupons.ParseCode(raw); ok {
				t.Errorf("taken for the code %q of %q", got, member)
			}
		})
	}
}

// Every single wrong letter is caught, and every swap of neighbours but that of
// the first and the last letter of the alphabet.
func TestCheckLetter(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for range 50 {
		good, err := coupons.NewCode("m", random)
		if err != nil {
			t.Fatal(err)
		}
		for i := len("m-"); i < len(good); i++ {
			if good[i] == '-' {
				continue
			}
			for _, letter := range []byte(letters) {
				wrong := good[:i] + string(letter) + good[i+1:]
				if _, _, ok := coupons.ParseCode(wrong); ok != (wrong == good) {
					t.Fatalf("%s for %s: %v", wrong, good, ok)
				}
			}
			next := i + 1
			if next < len(good) && good[next] == '-' {
				next++
			}
			if next >= len(good) || good[i] == good[next] || strings.Contains("0Z0", string([]byte{good[i], good[next]})) {
				continue
			}
			swapped := []byte(good)
			swapped[i], swapped[next] = swapped[next], swapped[i]
			if _, _, ok := coupons.ParseCode(string(swapped)); ok {
				t.Fatalf("%s for %s is not caught", swapped, good)
			}
		}
	}
}

// Different secrets give different codes, and a code leads to its member.
func TestCodesAreInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		member := loyalty.MemberID(rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9_-]{0,25}[A-Za-z0-9]`).Draw(t, "member"))
		one := rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "one")
		other := rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "other")
		a, err := coupons.NewCode(member, bytes.NewReader(one))
		if err != nil {
			t.Fatal(err)
		}
		b, err := coupons.NewCode(member, bytes.NewReader(other))
		if err != nil {
			t.Fatal(err)
		}
		if (a == b) != bytes.Equal(one, other) {
			t.Fatalf("%x and %x make %s and %s", one, other, a, b)
		}
		if got, canonical, ok := coupons.ParseCode(a); !ok || got != member || canonical != a {
			t.Fatalf("%s parses to %q of %q, %v", a, canonical, got, ok)
		}
	})
}

func FuzzParseCode(f *testing.F) {
	f.Add("7Q2M-60RK-4CSM-6MV3-EE1S-F")
	f.Add("m-0000-0000-0000-0000-0")
	f.Add(" - - ")
	f.Fuzz(func(t *testing.T, raw string) {
		member, code, ok := coupons.ParseCode(raw)
		if !ok {
			return
		}
		again, same, ok := coupons.ParseCode(code)
		if !ok || again != member || same != code {
			t.Fatalf("%q parses to %q of %q, and that to %q of %q, %v", raw, code, member, same, again, ok)
		}
	})
}
