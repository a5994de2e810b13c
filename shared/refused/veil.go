package refused

import (
	"strings"
	"unicode/utf8"
)

// hidden stands where a phone stood.
const hidden = "(phone)"

// longestRun is of how many groups of digits a number is written at most.
const longestRun = 6

// Veil takes out of a text what reads as a phone: a mainland mobile number of
// 11 digits, with or without its country code, and any number of 7 to 15 digits
// behind a plus, as people group them. A longer run of digits is none: orders
// have such.
func Veil(text string) string {
	var veiled strings.Builder
	for text != "" {
		run := groups(text)
		if len(run) == 0 {
			_, size := utf8.DecodeRuneInString(text)
			veiled.WriteString(text[:size])
			text = text[size:]
			continue
		}
		end := run[0].end
		for last := len(run) - 1; last >= 0; last-- {
			if isPhone(run[:last+1]) {
				veiled.WriteString(hidden)
				text, end = text[run[last].end:], 0
				break
			}
		}
		veiled.WriteString(text[:end])
		text = text[end:]
	}
	return veiled.String()
}

// group is some digits of a number without anything between them.
type group struct {
	digits string
	end    int  // where they end in the text
	plus   bool // stands before them
}

// groups are those at the very beginning of a text, with one or two separators
// between two of them.
func groups(text string) []group {
	var found []group
	at := 0
	for len(found) < longestRun {
		next, open := at, group{}
		for separators := 0; next < len(text); {
			r, size := utf8.DecodeRuneInString(text[next:])
			isFirst := len(found) == 0 && open.digits == ""
			switch {
			case digit(r) >= 0:
				open.digits += string(rune('0' + digit(r)))
			case isPlus(r) && isFirst && !open.plus:
				open.plus = true
			case len(found) > 0 && open.digits == "" && separators < 2 && isSeparator(r):
				separators++
			default:
				size = 0
			}
			if size == 0 {
				break
			}
			next += size
		}
		if open.digits == "" {
			return found
		}
		open.end = next
		found, at = append(found, open), next
	}
	return found
}

func isPhone(run []group) bool {
	var digits string
	for _, part := range run {
		digits += part.digits
	}
	if run[0].plus {
		return len(digits) >= 7 && len(digits) <= 15
	}
	digits = strings.TrimPrefix(digits, "00")
	if len(digits) == 13 {
		digits = strings.TrimPrefix(digits, "86")
	}
	return len(digits) == 11 && digits[0] == '1' && digits[1] >= '3'
}

func digit(r rune) int {
	switch {
	case r >= '0' && r <= '9':
		return int(r - '0')
	case r >= '０' && r <= '９':
		return int(r - '０')
	}
	return -1
}

func isPlus(r rune) bool { return r == '+' || r == '＋' }

func isSeparator(r rune) bool { return strings.ContainsRune(" \u00a0\u3000-－‐‑–.()（）", r) }
