package coupons

import (
	"encoding/base32"
	"io"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

// A code is the member's id, a hyphen, 16 random letters and a check letter:
//
//	7Q2M9K4XH0T8C5VD-3F0G-QH2B-9W7K-4TNV-R
//
// The id in front is where the coupon is found: a code needs no item and no
// index of its own, which would make each coupon half as dear again. It is no
// secret and no personal data. The letters after it are the secret: 80 bits,
// and a guess has to be made for one member, so that 1,000 guesses a second at
// a member with 100 coupons find one in some 10¹¹ years. Codes are handed from
// system to system and scanned; typing one is the exception, for which the
// check letter is there.

// alphabet is Crockford's base 32: no I, L, O or U, which people misread.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

const (
	secretBytes   = 10
	secretLetters = secretBytes * 8 / 5
)

// NewCode makes a member's next code out of 10 bytes of random.
func NewCode(member loyalty.MemberID, random io.Reader) (string, error) {
	var secret [secretBytes]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", &loyalty.Error{Kind: loyalty.KindInternal, Code: "no_randomness", Cause: err}
	}
	letters := encoding.EncodeToString(secret[:])
	var code strings.Builder
	code.WriteString(string(member))
	for i := 0; i < secretLetters; i += 4 {
		code.WriteByte('-')
		code.WriteString(letters[i : i+4])
	}
	code.WriteByte('-')
	code.WriteByte(check(letters))
	return code.String(), nil
}

// ParseCode finds whose coupon a code is, and the code as NewCode wrote it. It
// takes the letters after the id in lower case, with O for 0 and I or L for 1,
// and with other spaces and hyphens. It reports false for what is not a code;
// that it is one does not mean that there is such a coupon.
func ParseCode(raw string) (member loyalty.MemberID, code string, ok bool) {
	if len(raw) > 256 {
		return "", "", false
	}
	// From the end: what looks like the secret and its check letter.
	letters := make([]byte, secretLetters+1)
	rest := len(raw)
	for n := len(letters); n > 0; {
		if rest == 0 {
			return "", "", false
		}
		rest--
		letter := raw[rest]
		if letter == '-' || letter == ' ' {
			continue
		}
		value, known := value(letter)
		if !known {
			return "", "", false
		}
		n--
		letters[n] = alphabet[value]
	}
	id := strings.TrimRight(raw[:rest], " -")
	if len(id) == rest { // nothing between the id and the secret
		return "", "", false
	}
	id = strings.TrimLeft(id, " ")
	secret := string(letters[:secretLetters])
	if id == "" || check(secret) != letters[secretLetters] {
		return "", "", false
	}
	return loyalty.MemberID(id), id + "-" + secret[0:4] + "-" + secret[4:8] + "-" + secret[8:12] + "-" + secret[12:16] + "-" + string(letters[secretLetters:]), true
}

func value(letter byte) (int, bool) {
	switch {
	case 'a' <= letter && letter <= 'z':
		letter -= 'a' - 'A'
	}
	switch letter {
	case 'O':
		letter = '0'
	case 'I', 'L':
		letter = '1'
	}
	value := strings.IndexByte(alphabet, letter)
	return value, value >= 0
}

// check is the check letter by the Luhn algorithm modulo 32: it catches every
// single wrong letter and every swap of neighbours but of 0 and Z.
func check(letters string) byte {
	sum, double := 0, true
	for i := len(letters) - 1; i >= 0; i-- {
		addend := strings.IndexByte(alphabet, letters[i])
		if double {
			addend *= 2
			addend = addend/32 + addend%32
		}
		sum += addend
		double = !double
	}
	return alphabet[(32-sum%32)%32]
}
