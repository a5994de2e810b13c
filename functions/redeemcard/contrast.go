package redeemcard

import "math"

// contrast is the WCAG 2.2 contrast ratio, 1 to 21, of a colour with another
// of the given relative luminance (1 is white).
func contrast(r, g, b int, with float64) float64 {
	own := 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
	return (max(own, with) + 0.05) / (min(own, with) + 0.05)
}

func linear(channel int) float64 {
	c := float64(channel) / 255
	if c <= 0.04045 {
		return c / 12.92
	}
	return math.Pow((c+0.055)/1.055, 2.4)
}
