package loyalty

import (
	"strings"
	"time"
)

// The years that ParseTime takes. The first keeps the zero time, which means
// "not said", from being said; the last leaves room for what is reckoned from an
// instant, since storage orders instants by years of four digits.
const (
	earliestYear = 1970
	latestYear   = 8999
)

// ParseTime reads an instant as RFC 3339 writes it and nothing near it: two
// digits in each part, a capital T, seconds, at most nine digits of a second
// behind a dot, and a capital Z or an offset of at most 23:59. In UTC it lies
// in the years 1970 to 8999. A leap second is refused. The error is
// KindInvalid with code "not_rfc3339" and no pointer, and repeats nothing.
//
// Every instant that somebody else writes is read here, because the standard
// library's parser takes one-digit hours, a comma for the dot and offsets of 24
// hours, which it then cannot write.
func ParseTime(text string) (time.Time, error) {
	refused := Invalid("", "not_rfc3339", `a time is written as RFC 3339 says, with its zone: "2027-05-01T09:30:00+08:00", in the years 1970 to 8999`)
	if !looksLikeRFC3339(text) {
		return time.Time{}, refused
	}
	at, err := time.Parse(time.RFC3339, text) // takes the fraction, and knows the days of a month
	if err != nil {
		return time.Time{}, refused
	}
	if year := at.UTC().Year(); year < earliestYear || year > latestYear {
		return time.Time{}, refused
	}
	return at, nil
}

// looksLikeRFC3339 is the grammar without the calendar.
func looksLikeRFC3339(text string) bool {
	const shape = "0000-00-00T00:00:00"
	if len(text) <= len(shape) || !fits(text[:len(shape)], shape) {
		return false
	}
	rest := text[len(shape):]
	if fraction, found := strings.CutPrefix(rest, "."); found {
		rest = strings.TrimLeft(fraction, "0123456789")
		if digits := len(fraction) - len(rest); digits < 1 || digits > 9 {
			return false
		}
	}
	if rest == "Z" {
		return true
	}
	if !fits(rest, "+00:00") && !fits(rest, "-00:00") {
		return false
	}
	return rest[1:3] <= "23" && rest[4:6] <= "59"
}

// fits tells whether a text has a digit where the shape has a 0, and elsewhere
// what the shape has.
func fits(text, shape string) bool {
	if len(text) != len(shape) {
		return false
	}
	for i, want := range []byte(shape) {
		if got := text[i]; want == '0' && (got < '0' || got > '9') || want != '0' && got != want {
			return false
		}
	}
	return true
}
