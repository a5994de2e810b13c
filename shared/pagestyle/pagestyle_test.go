package pagestyle

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Whatever colour a brand has, its page can be read.
func TestTheBrandsColourIsReadable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		channel := rapid.IntRange(0, 255)
		r, g, b := channel.Draw(t, "r"), channel.Draw(t, "g"), channel.Draw(t, "b")
		css := Palette(fmt.Sprintf("#%02x%02x%02x", r, g, b))
		var brand, ink string
		var vr, vg, vb int
		var ar, ag, ab int
		if _, err := fmt.Sscanf(css, ":root{--brand:#%6s;--ink-on-brand:#%6s;--accent:#%02x%02x%02x;--veil:%d,%d,%d}", &brand, &ink, &ar, &ag, &ab, &vr, &vg, &vb); err != nil {
			t.Fatalf("%s: %v", css, err)
		}
		got := contrastWithWhite(r, g, b)
		if ink == "000000" {
			got = 21 / got // the contrast with black
		}
		if got < 4.5 {
			t.Errorf("%s: ink on the brand's colour has contrast %.2f", css, got)
		}
		if (ink == "000000") != (vr == 255 && vg == 255 && vb == 255) || (ink == "ffffff") != (vr+vg+vb == 0) {
			t.Errorf("%s: the veil is not the opposite of the ink", css)
		}
		if got := contrastWithWhite(ar, ag, ab); got < 4.5 {
			t.Errorf("%s: the accent on white has contrast %.2f", css, got)
		}
	})
	if got, want := Palette("red;}</style>"), Palette("#b3261e"); got != want {
		t.Errorf("no colour at all gives %s", got)
	}
}
