// Package pagestyle makes a page's colours of a brand's one, and names inline
// styles and scripts for a Content-Security-Policy.
package pagestyle

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"strings"
)

// fallback is the colour of a brand whose own cannot be read.
const fallback = "#b3261e"

// readable is the contrast that WCAG 2.2 asks for between text and its ground.
const readable = 4.5

// IsColour tells whether text is "#" and six hexadecimal digits.
func IsColour(text string) bool {
	digits, found := strings.CutPrefix(text, "#")
	return found && len(digits) == 6 && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}

// Palette is a rule of CSS with the custom properties --brand (the colour as it
// is, for areas), --ink-on-brand (black or white, whichever can be read on it),
// --veil (the other of the two as "r,g,b": whatever is laid over the colour is of
// it, so that it adds to the ink's contrast) and --accent (the colour darkened
// until it can be read itself on white).
func Palette(colour string) string {
	if !IsColour(colour) {
		colour = fallback
	}
	var r, g, b int
	if _, err := fmt.Sscanf(colour, "#%02x%02x%02x", &r, &g, &b); err != nil {
		return ""
	}
	ink, veil := "#ffffff", "0,0,0"
	if contrastWithWhite(r, g, b) < readable {
		ink, veil = "#000000", "255,255,255" // at least 4.5 wherever white is less
	}
	for contrastWithWhite(r, g, b) < readable {
		r, g, b = r*15/16, g*15/16, b*15/16
	}
	return fmt.Sprintf(":root{--brand:%s;--ink-on-brand:%s;--accent:#%02x%02x%02x;--veil:%s}\n", colour, ink, r, g, b, veil)
}

// contrastWithWhite is the WCAG 2.2 contrast ratio, 1 to 21, of a colour.
func contrastWithWhite(r, g, b int) float64 {
	linear := func(channel int) float64 {
		c := float64(channel) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 1.05 / (0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b) + 0.05)
}

// Hash is how a Content-Security-Policy names an inline script or style.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
