package cards

// Alphabet is Crockford's base 32: no I, L, O or U, which people misread.
const Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// No honest way of writing a code is longer than this.
const maxRawBytes = 256

const noLetter = 0xFF

var letterValues = func() (values [256]byte) {
	for i := range values {
		values[i] = noLetter
	}
	for i := range Alphabet {
		letter := Alphabet[i]
		values[letter] = byte(i)
		if letter >= 'A' {
			values[letter+'a'-'A'] = byte(i)
		}
	}
	for letter, like := range map[byte]byte{'O': '0', 'o': '0', 'I': '1', 'i': '1', 'L': '1', 'l': '1'} {
		values[letter] = values[like]
	}
	return values
}()

// normalise writes the 5-bit values of the letters of raw and returns how many
// there are; 0 for anything that cannot be a code.
func normalise(raw string, values *[tokenChars]byte) int {
	if len(raw) > maxRawBytes {
		return 0
	}
	length := 0
	for _, r := range raw {
		if separator(r) {
			continue
		}
		if r >= '！' && r <= '～' { // full-width forms of the ASCII letters
			r -= '！' - '!'
		}
		if r > 0x7F || letterValues[r] == noLetter || length == tokenChars {
			return 0
		}
		values[length] = letterValues[r]
		length++
	}
	return length
}

func separator(r rune) bool {
	switch r {
	case ' ', '\t', '-', '_', '\u00A0', '\u3000', // spaces, hyphen
		'\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2015', '\u2212', '－', '＿': // what phones make of a hyphen
		return true
	}
	return false
}

// Mistyped tells whether raw looks like a typed code whose check letter is
// wrong: the page then says "look again at the letters", which a forger gains
// nothing from, for the check letter holds no secret.
func Mistyped(raw string) bool {
	var values [tokenChars]byte
	return normalise(raw, &values) == typedChars && checkValue(values[:typedChars-1]) != values[typedChars-1]
}

// checkValue is the check letter: over GF(32), the sum of all letters, each
// weighted with a power of a generator, is 0. It catches every single wrong
// letter and every swap of two, for the weights differ in the first 31 places.
func checkValue(values []byte) byte {
	var sum byte // Horner's rule; the check letter has weight 1
	for _, value := range values {
		sum = timesAlpha(sum ^ value)
	}
	return sum
}

// timesAlpha multiplies by the generator x of GF(32) = GF(2)[x]/(x⁵+x²+1).
func timesAlpha(value byte) byte {
	value <<= 1
	if value&32 != 0 {
		value ^= 32 | 5
	}
	return value
}
