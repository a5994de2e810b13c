package identity_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
)

var key = bytes.Repeat([]byte{7}, identity.KeyBytes)

func TestOnePersonHasOnePhone(t *testing.T) {
	for written, want := range map[string]string{
		"13800000000":             "+8613800000000",
		"+8613800000000":          "+8613800000000",
		"008613800000000":         "+8613800000000",
		"8613800000000":           "+8613800000000",
		" +86 138 0000 0000 ":     "+8613800000000",
		"138-0000-0000":           "+8613800000000",
		"(+86)13800000000":        "+8613800000000",
		"+86-138-0000-0000":       "+8613800000000",
		"１３８００００００００":             "+8613800000000",
		"＋８６１３８００００００００":          "+8613800000000",
		"138\u00a00000\u30000000": "+8613800000000",
		"0086 138 0000 0000":      "+8613800000000",
		"+1 (415) 555-0100":       "+14155550100",
		"0014155550100":           "+14155550100",
		"+85261234567":            "+85261234567",
	} {
		phone, err := identity.ParsePhone(written)
		if err != nil || phone.E164() != want {
			t.Errorf("%q: %q, %v; want %s", written, phone.E164(), err, want)
		}
	}
}

func TestWhatIsNoPhone(t *testing.T) {
	for _, written := range []string{
		"", " ", "+", "86", "+86", "0086", "1380000000", "138000000000", "12800000000", "03800000000", "010-88888888",
		"138****0000", "##密文", "$$abc", "t**9", "a13800000000", "13800000000a", "13800000000\x00", "1380000\n0000", "13800000000-1234",
		"13800000000转123", "138---00000000", "+123456", "+1234567890123456", "+0123456789", "+86+13800000000", "++8613800000000", "+8612345",
		"me@example.com", "1e10", "0x13800000000", strings.Repeat("1", 1<<20), "+8613800000000;ext=1", "𝟏3800000000",
	} {
		phone, err := identity.ParsePhone(written)
		if err == nil {
			t.Errorf("%.40q was taken as %s", written, phone.E164())
			continue
		}
		if loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%.40q: kind %d", written, loyalty.KindOf(err))
		}
		if len(written) > 4 && strings.Contains(err.Error(), written) {
			t.Errorf("the error repeats the number: %v", err)
		}
	}
}

func TestVirtualNumber(t *testing.T) {
	for written, want := range map[string]bool{
		"13800000000-1234": true, "13800000000-123": true, "13800000000 转 1234": true, "17000000000转1234": true,
		"13800000000": false, "138-0000-0000": false, "13800000000-12": false, "13800000000-12345": false, "010-8888": false, "": false,
	} {
		if got := identity.IsVirtual(written); got != want {
			t.Errorf("%q: %v, want %v", written, got, want)
		}
	}
}

func TestTokenIsKeyedAndStable(t *testing.T) {
	first, err := identity.ParsePhone("138 0000 0000")
	if err != nil {
		t.Fatal(err)
	}
	name, err := first.Identity(key)
	if err != nil {
		t.Fatal(err)
	}
	// HMAC-SHA-256 of "+8613800000000" under 32 bytes of 7, made with another
	// implementation (Python's hmac).
	want := loyalty.Identity{Kind: loyalty.IdentityPhone, Value: "oNJdxlk0AobTLQH7KxJHk--Kessgv2GPe4s0oIUxkTw"}
	if name != want {
		t.Errorf("%+v, want %+v", name, want)
	}
	other, err := first.Identity(bytes.Repeat([]byte{8}, identity.KeyBytes))
	if err != nil || other.Value == name.Value {
		t.Errorf("another key gives the same token: %v", err)
	}
	for _, short := range [][]byte{nil, {}, key[:31]} {
		if _, err := first.Identity(short); loyalty.KindOf(err) != loyalty.KindInternal || err == nil {
			t.Errorf("a key of %d bytes: %v, want an internal error", len(short), err)
		}
	}
	if name, err := (identity.Phone{}).Identity(key); err == nil {
		t.Errorf("no phone has the token %s", name.Value)
	}
}

func TestPhoneHidesItself(t *testing.T) {
	phone, err := identity.ParsePhone("13812340000")
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(phone), fmt.Sprintf("%v %+v %#v %s", phone, phone, phone, phone)} {
		if strings.Contains(shown, "1381234") {
			t.Errorf("it shows %s", shown)
		}
	}
	if phone.Last4() != "0000" {
		t.Errorf("last four %s", phone.Last4())
	}
	for number, want := range map[string]string{"": "", "123": "****", "1234": "****", "+8613812345678": "*******5678"} {
		if got := identity.Mask(number); got != want {
			t.Errorf("Mask(%q) = %q, want %q", number, got, want)
		}
	}
}

func TestDecorationNeverChangesThePhone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`1[3-9][0-9]{9}`).Draw(t, "number")
		var written strings.Builder
		written.WriteString(rapid.SampledFrom([]string{"", "+86", "0086", "86", "＋86 "}).Draw(t, "prefix"))
		for i, digit := range number {
			if i > 0 && len(number)-i != 3 && len(number)-i != 4 {
				written.WriteString(rapid.SampledFrom([]string{"", "", " ", "-"}).Draw(t, "separator"))
			}
			if rapid.Bool().Draw(t, "wide") {
				digit += '０' - '0'
			}
			written.WriteRune(digit)
		}
		phone, err := identity.ParsePhone(written.String())
		if err != nil || phone.E164() != "+86"+number {
			t.Fatalf("%q: %q, %v", written.String(), phone.E164(), err)
		}
	})
}

func FuzzParsePhone(f *testing.F) {
	for _, seed := range []string{"13800000000", "+86 138-0000-0000", "＋８６１３８００００００００", "00", "+", "138****0000", "13800000000-1234", "\xff1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		phone, err := identity.ParsePhone(written)
		if err != nil {
			if loyalty.KindOf(err) != loyalty.KindInvalid || phone.E164() != "" {
				t.Errorf("%q, %v", phone.E164(), err)
			}
			return
		}
		again, err := identity.ParsePhone(phone.E164())
		if err != nil || again != phone {
			t.Errorf("%q is not its own normal form: %q, %v", phone.E164(), again.E164(), err)
		}
		if digits := strings.TrimPrefix(phone.E164(), "+"); len(digits) < 7 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
			t.Errorf("%q is not E.164", phone.E164())
		}
	})
}
