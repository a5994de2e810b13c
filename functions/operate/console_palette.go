package operate

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
)

var sixDigits = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// brandPalette makes a page's colours of the brand's one: as it is for areas,
// with ink on it that can be read, and darkened until it can be read itself on
// white (WCAG 2.2, contrast of 4.5).
func brandPalette(brand string) string {
	var r, g, b int
	if !sixDigits.MatchString(brand) {
		brand = "#b3261e"
	}
	if _, err := fmt.Sscanf(brand, "#%02x%02x%02x", &r, &g, &b); err != nil {
		return ""
	}
	ink := "#ffffff"
	if contrastWithWhite(r, g, b) < 4.5 {
		ink = "#000000" // at least 4.5 wherever white is less
	}
	for contrastWithWhite(r, g, b) < 4.5 {
		r, g, b = r*15/16, g*15/16, b*15/16
	}
	return fmt.Sprintf(":root{--brand:%s;--ink-on-brand:%s;--accent:#%02x%02x%02x}\n", brand, ink, r, g, b)
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

// inlineHash is how a Content-Security-Policy names an inline style.
func inlineHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
