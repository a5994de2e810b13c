package loyalty

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsChannel tells whether text may name a channel wherever one is written: 1 to
// 32 lower case letters, digits, hyphens and underscores, a letter first. It
// stands in paths and keys, and "Tmall" would be another channel than "tmall".
func IsChannel(text string) bool {
	return text != "" && len(text) <= 32 && text[0] >= 'a' && text[0] <= 'z' && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// IsName tells whether text may be a name that a platform gives a person, a shop
// or an order: 1 to most bytes of printable UTF-8, no blank at either end, and no
// U+FFFD, which is what is left of text that was decoded wrongly.
func IsName(text string, most int) bool {
	return text != "" && len(text) <= most && utf8.ValidString(text) && strings.TrimSpace(text) == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError })
}

// IsLink tells whether text may be a link that people are shown: an absolute
// address of 1 to most characters that begins with https:// and names a host,
// without credentials, blanks, backslashes and control characters.
func IsLink(text string, most int) bool {
	if !strings.HasPrefix(text, "https://") || utf8.RuneCountInString(text) > most || !utf8.ValidString(text) ||
		strings.ContainsFunc(text, func(r rune) bool {
			return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '\\' || r == utf8.RuneError
		}) {
		return false
	}
	link, err := url.Parse(text)
	return err == nil && link.Scheme == "https" && link.Hostname() != "" && link.User == nil && link.Opaque == ""
}
