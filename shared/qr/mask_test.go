package qr

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"strings"
	"testing"

	"rsc.io/qr/coding"

	"github.com/huitou/huitou/shared/qr/qrtest"
)

// scan reads a symbol at 4 dots a module, "" where it cannot be read.
func scan(t *testing.T, symbol Symbol) (text string, looks int) {
	t.Helper()
	const scale = 4
	edge := symbol.Edge() * scale
	picture := image.NewGray(image.Rect(0, 0, edge, edge))
	for y := range edge {
		for x := range edge {
			if !symbol.Dark(x/scale-Quiet, y/scale-Quiet) {
				picture.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	text, looks, err := qrtest.Read(picture)
	if err != nil {
		return "", looks
	}
	return text, looks
}

// cardURLs are addresses as cards have them.
func cardURLs(n int) (texts []string) {
	const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		token := make([]byte, 34)
		for i := range token {
			token[i] = letters[random.IntN(len(letters))]
		}
		texts = append(texts, "HTTPS://CARD.EXAMPLE.COM/C/"+string(token))
	}
	return texts
}

func TestEverySymbolIsScannedBack(t *testing.T) {
	const symbols = 1000
	again := 0
	for _, text := range cardURLs(symbols) {
		symbol, err := Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		got, looks := scan(t, symbol)
		if got != text {
			t.Errorf("%s is scanned as %q in %d looks", text, got, looks)
		}
		if looks > 1 {
			again++
		}
	}
	t.Logf("%d symbols scanned back, %d of them at a second look", symbols, again)
}

// Each mask makes a good symbol; the one that is taken has the lowest penalty.
func TestTheMaskWithTheLowestPenaltyIsTaken(t *testing.T) {
	taken := map[coding.Mask]int{}
	for _, text := range append(cardURLs(40), "0123456789", "https://example.com/包裹卡", "") {
		symbol, err := Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		made, err := plans[version(symbol)]()
		if err != nil {
			t.Fatal(err)
		}
		for mask, plan := range made {
			code, err := plan.Encode(encodingOf(text))
			if err != nil {
				t.Fatal(err)
			}
			switch p, least := penalty(code), penalty(symbol.code); {
			case p < least:
				t.Errorf("%q: mask %d has penalty %d, the one taken %d", text, mask, p, least)
			case string(code.Bitmap) == string(symbol.code.Bitmap):
				taken[coding.Mask(mask)]++
			}
		}
	}
	if len(taken) < 6 {
		t.Errorf("43 symbols take the masks %v only", taken)
	}
}

func version(s Symbol) int { return (s.Size() - 17) / 4 }

// The rules of the standard, each by a drawing.
func TestPenalty(t *testing.T) {
	draw := func(rows ...string) *coding.Code {
		code := &coding.Code{Size: len(rows), Stride: (len(rows) + 7) / 8}
		code.Bitmap = make([]byte, code.Stride*code.Size)
		for y, row := range rows {
			for x, letter := range row {
				if letter == '#' {
					code.Bitmap[y*code.Stride+x/8] |= 1 << (7 - x%8)
				}
			}
		}
		return code
	}
	chequered := func(size int, change func(rows [][]byte)) *coding.Code {
		rows := make([][]byte, size)
		for y := range rows {
			for x := range size {
				rows[y] = append(rows[y], ".#"[(x+y)%2])
			}
		}
		change(rows)
		texts := make([]string, size)
		for y := range rows {
			texts[y] = string(rows[y])
		}
		return draw(texts...)
	}
	for name, c := range map[string]struct {
		code *coding.Code
		want int
	}{
		"a chequered board": {chequered(10, func([][]byte) {}), 0},
		"all dark":          {draw("##", "##"), finedBlock + 10*finedSkew},
		"all light":         {draw("..", ".."), finedBlock + 10*finedSkew},
		"5 of 9 dark":       {draw("##.", "##.", "..#"), finedBlock + finedSkew},
		"a row of six":      {chequered(8, func(rows [][]byte) { copy(rows[0], "#####") }), finedRun + 1},
		"a column of six": {chequered(8, func(rows [][]byte) {
			for y := range 5 {
				rows[y][0] = '#'
			}
		}), finedRun + 1},
	} {
		if got := penalty(c.code); got != c.want {
			t.Errorf("%s is fined %d, want %d", name, got, c.want)
		}
	}
	for _, c := range []struct {
		line string
		want int
	}{
		{".#.#.#.#", 0},
		{"####.", 0},
		{"#####.", finedRun},
		{".#######", finedRun + 2},
		{".....#.....", 2 * finedRun},
		{"#.###.#", 2 * finedFinder},           // light beyond both edges
		{"#.#.###.#.#", 0},                     // light on neither side
		{"#.#.###.#....#", finedFinder},        // four light ones follow
		{"#....#.###.#.#", finedFinder},        // four precede
		{"#....#.###.#....#", 2 * finedFinder}, // on both sides
		{"#...#.###.#.#", 0},                   // three only
	} {
		got := penaltyOfLine([]byte(strings.NewReplacer("#", "\x01", ".", "\x00").Replace(c.line)), 1)
		if got != c.want {
			t.Errorf("%s is fined %d, want %d", c.line, got, c.want)
		}
	}
}

func TestTooLongATextIsRefused(t *testing.T) {
	if _, err := Encode(fmt.Sprint(make([]byte, 4000))); !errors.Is(err, errTooLong) {
		t.Error(err)
	}
}

func BenchmarkEncode(b *testing.B) {
	texts := cardURLs(64)
	for i := 0; b.Loop(); i++ {
		if _, err := Encode(texts[i%len(texts)]); err != nil {
			b.Fatal(err)
		}
	}
}
