package cli_test

import (
	"bytes"
	"compress/zlib"
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/qr/qrtest"
)

// sheets are the drawings of a PDF's pages.
func sheets(t *testing.T, path string) (found []string) {
	t.Helper()
	raw := []byte(content(t, path))
	if !bytes.HasPrefix(raw, []byte("%PDF-1.")) || !bytes.Contains(raw, []byte("/MediaBox [0 0 595.28 841.89]")) {
		t.Fatalf("no PDF of A4: %.100q", raw)
	}
	for _, part := range bytes.Split(raw, []byte("\nstream\n"))[1:] {
		packed, _, _ := bytes.Cut(part, []byte("\nendstream"))
		reader, err := zlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), " re ") {
			found = append(found, string(text))
		}
	}
	return found
}

var (
	symbolDrawn = regexp.MustCompile(`q ([\d.]+) 0 0 -([\d.]+) ([\d.]+) ([\d.]+) cm\n((?:\d+ \d+ \d+ 1 re )+)f Q`)
	runDrawn    = regexp.MustCompile(`(\d+) (\d+) (\d+) 1 re`)
	textDrawn   = regexp.MustCompile(`\(([^)]*)\) ?Tj`)
)

// printed is a piece of the sheet with one symbol, at 203 dots an inch, and
// where it stands in millimetres from the upper left.
func printed(t *testing.T, drawing []string) (piece *image.Gray, x, y, side float64) {
	t.Helper()
	const pointsPerMillimetre, dotsPerPoint = 72 / 25.4, 203.0 / 72
	var module, height, left, top float64
	if _, err := fmt.Sscan(strings.Join(drawing[1:5], " "), &module, &height, &left, &top); err != nil || module != height {
		t.Fatal(drawing[1:5], err)
	}
	at := func(modules int) int { return int(math.Round(float64(modules) * module * dotsPerPoint)) }
	edge := 0
	for _, run := range runDrawn.FindAllStringSubmatch(drawing[5], -1) {
		var from, row, wide int
		if _, err := fmt.Sscan(strings.Join(run[1:], " "), &from, &row, &wide); err != nil {
			t.Fatal(err)
		}
		edge = max(edge, row+1+4)
	}
	piece = image.NewGray(image.Rect(0, 0, at(edge), at(edge)))
	for i := range piece.Pix {
		piece.Pix[i] = 0xFF
	}
	for _, run := range runDrawn.FindAllStringSubmatch(drawing[5], -1) {
		var from, row, wide int
		if _, err := fmt.Sscan(strings.Join(run[1:], " "), &from, &row, &wide); err != nil {
			t.Fatal(err)
		}
		for py := at(row); py < at(row+1); py++ {
			for px := at(from); px < at(from+wide); px++ {
				piece.SetGray(px, py, color.Gray{})
			}
		}
	}
	return piece, left / pointsPerMillimetre, 297 - top/pointsPerMillimetre, float64(edge) * module / pointsPerMillimetre
}

// Every card of the PDF is scanned back from the areas that are drawn, stands
// where it should, and carries its own code and number.
func TestEveryCardOfThePDFIsScannedBack(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 60)
	folder := t.TempDir()
	b.done("cards", "export", id, "--out", filepath.Join(folder, "cards.csv"))
	rows, err := csv.NewReader(strings.NewReader(content(t, filepath.Join(folder, "cards.csv")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		arguments            string
		first, cards, sheets int
		x, y, side           float64 // of the first symbol: the block is centred, 4 mm from the cut
	}{
		"as it comes":     {"", 1, 60, 8, (210-2*96)/2.0 + 3 + 4, (297-4*60)/2.0 + 3 + 4, 54 - 3 - 8},
		"a part":          {"--from 11 --cards 9 --title MilkBar --colour #c8102e", 11, 9, 2, 16, 35.5, 43},
		"a credit card":   {"--size 85.6x54 --bleed 2", 1, 60, 8, (210-2*89.6)/2 + 2 + 4, (297-4*58)/2.0 + 2 + 4, 42.8},
		"small, no bleed": {"--size 54×34 --bleed 0", 1, 60, 3, (210-3*54)/2 + 4, (297-8*34)/2.0 + 4, 34 - 3 - 8},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			out := filepath.Join(t.TempDir(), "cards.pdf")
			got := b.done(append([]string{"cards", "pdf", id, "--out", out}, strings.Fields(c.arguments)...)...)
			pages := sheets(t, out)
			if want := fmt.Sprintf("%d cards of %s are on %d sheets in %s\n", c.cards, id, len(pages), out); got != want {
				t.Fatalf("%s, want %s", got, want)
			}
			card := c.first
			for page, drawing := range pages {
				texts := textDrawn.FindAllStringSubmatch(drawing, -1)
				symbols := symbolDrawn.FindAllStringSubmatch(drawing, -1)
				if marks := strings.Count(drawing, " l S\n"); marks < 8 || marks%4 != 0 {
					t.Errorf("%d crop marks", marks)
				}
				if bands := strings.Count(drawing, "0.784 0.063 0.180 rg\n"); strings.Contains(c.arguments, "colour") != (bands == len(symbols)) {
					t.Errorf("%d bands for %d cards", bands, len(symbols))
				}
				var said []string
				for _, text := range texts {
					said = append(said, text[1])
				}
				for n, symbol := range symbols {
					piece, x, y, side := printed(t, symbol)
					if page == 0 && n == 0 && (math.Abs(x-c.x) > 0.01 || math.Abs(y-c.y) > 0.01 || math.Abs(side-c.side) > 0.01) {
						t.Errorf("the first symbol is %.2f wide at %.2f, %.2f, want %.2f at %.2f, %.2f", side, x, y, c.side, c.x, c.y)
					}
					row := rows[card]
					if text, _, err := qrtest.Read(piece); text != row[1] {
						t.Fatalf("card %d says %q, want %s: %v", card, text, row[1], err)
					}
					if want := row[2][:9] + "|" + row[2][10:] + "|No. " + row[0]; !strings.Contains(strings.Join(said, "|"), want) {
						t.Fatalf("card %d lacks %s: %q", card, want, said)
					}
					card++
				}
			}
			if card-c.first != c.cards || len(pages) != c.sheets {
				t.Errorf("%d cards on %d sheets, want %d on %d", card-c.first, len(pages), c.cards, c.sheets)
			}
			if about, err := os.Stat(out); err != nil || about.Mode().Perm() != 0o600 {
				t.Errorf("others may read the codes: %v", err)
			} else {
				t.Logf("%d cards scanned from %d sheets; %d bytes a card", c.cards, len(pages), about.Size()/int64(c.cards))
			}
		})
	}
}

func TestPDFsThatCannotBeMade(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 3)
	out := filepath.Join(t.TempDir(), "cards.pdf")
	garbage := b.file("font.ttf", strings.Repeat("\x00\x01\x00\x00garbage", 50))
	empty := b.file("empty.ttf", "")
	for name, c := range map[string]struct {
		arguments []string
		want      string
	}{
		"past the end":       {[]string{id, "--from", "4"}, "fewer cards"},
		"card 0":             {[]string{id, "--from", "0"}, "counts from 1"},
		"too many":           {[]string{id, "--cards", "10001"}, "at most 10000"},
		"no size":            {[]string{id, "--size", "big"}, "not a size"},
		"too small":          {[]string{id, "--size", "40x30"}, "at least 54"},
		"too large":          {[]string{id, "--size", "300x54"}, "does not fit"},
		"not a number":       {[]string{id, "--size", "NaNxNaN"}, "at least 54"},
		"a wide bleed":       {[]string{id, "--bleed", "9"}, "0 to 5"},
		"a bad colour":       {[]string{id, "--colour", "red"}, "not a colour"},
		"Chinese, no font":   {[]string{id, "--title", "奶吧"}, "--font"},
		"two lines":          {[]string{id, "--title", "a\nb"}, "one line"},
		"no such font":       {[]string{id, "--font", out + ".ttf"}, "cannot be read"},
		"no font":            {[]string{id, "--font", garbage}, "not a TrueType font"},
		"nothing for a font": {[]string{id, "--font", empty}, "not a TrueType font"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			if got := b.refused(2, append([]string{"cards", "pdf", "--out", out}, c.arguments...)...); !strings.Contains(got, c.want) {
				t.Error(got)
			}
			if _, err := os.Stat(out); !os.IsNotExist(err) {
				t.Errorf("a file was left: %v", err)
			}
		})
	}
	many := b.batch("y", 10_001)
	if got := b.refused(2, "cards", "pdf", many, "--out", out); !strings.Contains(got, "10001 cards") {
		t.Error(got)
	}
	b.done("cards", "pdf", id, "--out", out)
	if got := b.refused(2, "cards", "pdf", id, "--out", out); !strings.Contains(got, "is there already") {
		t.Error(got)
	}
}
