package qr_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/qr"
)

// A card's URL: 34 letters of code behind an upper-case address.
const cardURL = "HTTPS://CARD.EXAMPLE.COM/C/1B0NQBC24K1D6DX4W5ETY4GWHNA9VM5B74"

func encode(t *testing.T, text string) qr.Symbol {
	t.Helper()
	symbol, err := qr.Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	return symbol
}

func version(s qr.Symbol) int { return (s.Size() - 17) / 4 }

// A smaller symbol is a bigger module on the same card, which is what a phone
// in a dim kitchen needs.
func TestCardsFitASmallSymbol(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{cardURL, 3},                  // 61 letters, alphanumeric mode: the most that version 3-M holds
		{strings.ToLower(cardURL), 4}, // bytes: a version more
		{"HTTPS://A1B2C3D4E5.EXECUTE-API.CN-NORTHWEST-1.AMAZONAWS.COM.CN/C/1B0NQBC24K1D6DX4W5ETY4GWHNA9VM5B74", 5},
	} {
		if got := version(encode(t, c.text)); got != c.want {
			t.Errorf("%d letters in version %d, want %d", len(c.text), got, c.want)
		}
	}
}

func TestTooMuchText(t *testing.T) {
	if _, err := qr.Encode(strings.Repeat("a", 2332)); err == nil {
		t.Error("2,332 bytes were encoded")
	}
	if got := version(encode(t, strings.Repeat("a", 2331))); got != 40 {
		t.Errorf("2,331 bytes in version %d, want 40", got)
	}
}

// The SVG paints exactly the dark modules, behind a margin of four.
func TestSVGPaintsTheModules(t *testing.T) {
	symbol := encode(t, cardURL)
	text := symbol.SVG(`卡 <"&`)
	var doc struct {
		ViewBox string `xml:"viewBox,attr"`
		Label   string `xml:"aria-label,attr"`
		Paths   []struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	edge := symbol.Size() + 8
	if doc.ViewBox != fmt.Sprintf("0 0 %d %d", edge, edge) || doc.Label != `卡 <"&` || len(doc.Paths) != 2 {
		t.Fatalf("viewBox %q, label %q, %d paths", doc.ViewBox, doc.Label, len(doc.Paths))
	}
	painted := map[[2]int]bool{}
	for _, run := range strings.SplitAfter(doc.Paths[1].D, "z") {
		if run == "" {
			continue
		}
		var x, y, wide, back int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%dz", &x, &y, &wide, &back); err != nil || wide != back {
			t.Fatalf("run %q: %v", run, err)
		}
		for i := range wide {
			painted[[2]int{x + i, y}] = true
		}
	}
	for y := range edge {
		for x := range edge {
			if painted[[2]int{x, y}] != symbol.Dark(x-4, y-4) {
				t.Fatalf("module %d,%d differs", x, y)
			}
		}
	}
	t.Logf("SVG of version %d: %d bytes", version(symbol), len(text))
	if len(text) > 8<<10 {
		t.Errorf("%d bytes", len(text))
	}
}

func TestPNGPaintsTheModules(t *testing.T) {
	symbol := encode(t, cardURL)
	const scale = 5
	text := symbol.PNG(scale)
	img, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	edge := symbol.Size() + 8
	if img.Bounds().Dx() != edge*scale || img.Bounds().Dy() != edge*scale {
		t.Fatalf("bounds %v", img.Bounds())
	}
	for y := range edge * scale {
		for x := range edge * scale {
			dark := color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 128
			if dark != symbol.Dark(x/scale-4, y/scale-4) {
				t.Fatalf("pixel %d,%d differs", x, y)
			}
		}
	}
	if again := symbol.PNG(1); bytes.Equal(again, text) {
		t.Error("the scale does nothing")
	}
}

func TestTerminalPaintsTheModulesInItsOwnColours(t *testing.T) {
	symbol := encode(t, cardURL)
	lines := strings.Split(strings.TrimSuffix(symbol.Terminal(), "\n"), "\n")
	if want := (symbol.Size() + 8 + 1) / 2; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for row, line := range lines {
		const begin, end = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
		if !strings.HasPrefix(line, begin) || !strings.HasSuffix(line, end) {
			t.Fatalf("line %d does not set and reset its colours", row)
		}
		cells := []rune(strings.TrimSuffix(strings.TrimPrefix(line, begin), end))
		if len(cells) != symbol.Size()+8 {
			t.Fatalf("line %d has %d cells", row, len(cells))
		}
		for x, cell := range cells {
			upper, lower := symbol.Dark(x-4, 2*row-4), symbol.Dark(x-4, 2*row-3)
			if (cell == '█' || cell == '▀') != upper || (cell == '█' || cell == '▄') != lower {
				t.Fatalf("line %d cell %d is %q for %v over %v", row, x, cell, upper, lower)
			}
		}
	}
}
