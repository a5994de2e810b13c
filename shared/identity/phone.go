// Package identity turns a phone number as people and platforms write it into
// the one keyed token by which huitou knows it. The digits themselves are
// personal data and go no further than the function that received them.
package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

// KeyBytes is the least length of the brand's phone key. A number has so few
// possible values that a guessable key is no protection: without one, all
// numbers of the country are hashed in minutes.
const KeyBytes = 32

// Phone is a number in E.164 form, "+8613800000000". Only ParsePhone makes one.
type Phone struct{ e164 string }

// ParsePhone reads a number as people type it: full-width digits, spaces,
// hyphens, dots and brackets between digits, with +86, 0086, 86 or nothing in
// front. A number without country code is a mainland mobile number, 11 digits
// that begin with 13 to 19. Any other country needs its + or 00, followed by 7
// to 15 digits (ITU-T E.164). Everything else, a masked number and an e-mail
// address included, fails with loyalty.KindInvalid, pointer "/phone", code
// "not_a_phone", and so does a number for which IsVirtual holds; the error
// never holds what was given.
func ParsePhone(written string) (Phone, error) {
	if IsVirtual(written) {
		return Phone{}, notAPhone()
	}
	digits, international, ok := digitsOf(written)
	if !ok {
		return Phone{}, notAPhone()
	}
	if rest, found := strings.CutPrefix(digits, "00"); found && !international {
		digits, international = rest, true
	}
	if rest, found := strings.CutPrefix(digits, "86"); found && (international || len(digits) == 13) {
		digits, international = rest, false
	}
	if !international {
		if len(digits) != 11 || digits[0] != '1' || digits[1] < '3' {
			return Phone{}, notAPhone()
		}
		return Phone{e164: "+86" + digits}, nil
	}
	if len(digits) < 7 || len(digits) > 15 || digits[0] == '0' {
		return Phone{}, notAPhone()
	}
	return Phone{e164: "+" + digits}, nil
}

func notAPhone() error {
	return loyalty.Invalid("/phone", "not_a_phone", "a phone number is 11 digits, or + and the country code before them")
}

// IsVirtual is true for a number that a platform lends for one parcel (虚拟号,
// "13800000000-1234"): a mainland number with an extension of 3 or 4 digits.
// It reaches somebody else two weeks later, so it identifies nobody.
func IsVirtual(written string) bool {
	number, extension, found := strings.Cut(strings.ReplaceAll(strings.TrimSpace(written), "转", "-"), "-")
	number, extension = strings.TrimSpace(number), strings.TrimSpace(extension)
	return found && len(number) == 11 && number[0] == '1' && (len(extension) == 3 || len(extension) == 4) &&
		strings.Trim(number+extension, "0123456789") == ""
}

// digitsOf is the digits of a number and whether a plus stood before them. At
// most two separators may stand between two digits, so that text that merely
// holds digits is no number.
func digitsOf(written string) (digits string, plus, ok bool) {
	var kept strings.Builder
	separators := 0
	for _, r := range strings.TrimSpace(written) {
		if r >= '０' && r <= '９' {
			r += '0' - '０'
		}
		switch {
		case r >= '0' && r <= '9':
			kept.WriteRune(r)
			separators = 0
		case (r == '+' || r == '＋') && kept.Len() == 0 && !plus:
			plus = true
		case strings.ContainsRune(" \u00a0\u3000-－‐‑–.()（）", r) && separators < 2:
			separators++
		default:
			return "", false, false
		}
		if kept.Len() > 20 {
			return "", false, false
		}
	}
	return kept.String(), plus, kept.Len() > 0
}

// E164 is the number with its country code, "+8613800000000".
func (p Phone) E164() string { return p.e164 }

// String hides all but the last four digits, so that a Phone that slips into
// a log line or an error tells no more than a page would.
func (p Phone) String() string { return Mask(p.e164) }

// GoString hides what String hides, for %#v.
func (p Phone) GoString() string { return Mask(p.e164) }

// Last4 is the last four digits (后四位), which a page may show and by which a
// customer claims an order.
func (p Phone) Last4() string { return p.e164[max(0, len(p.e164)-4):] }

// Identity is the phone as a name of its owner, the same on every channel:
// kind phone, no channel, and as value the token HMAC-SHA-256(key, E.164) in
// base64url without padding, 43 characters. The key is the brand's secret of
// KeyBytes bytes or more; a shorter one fails with loyalty.KindInternal.
func (p Phone) Identity(key []byte) (loyalty.Identity, error) {
	if len(key) < KeyBytes {
		return loyalty.Identity{}, loyalty.Refuse(loyalty.KindInternal, "phone_key_short", "the phone key is missing or too short")
	}
	if p.e164 == "" {
		return loyalty.Identity{}, notAPhone()
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(p.e164))
	token := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	return loyalty.Identity{Kind: loyalty.IdentityPhone, Value: token}, nil
}

// Mask keeps the last four characters of a number and hides the rest behind
// as many stars as tell nothing about its length; "" stays "".
func Mask(number string) string {
	runes := []rune(number)
	switch {
	case len(runes) == 0:
		return ""
	case len(runes) <= 4:
		return "****"
	default:
		return "*******" + string(runes[len(runes)-4:])
	}
}
