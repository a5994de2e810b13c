// Package qr draws QR codes (二维码): as SVG for print and pages, as PNG where a
// phone's long press must recognise them, and in a terminal.
package qr

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"rsc.io/qr/coding"
)

// Quiet is the width of the margin that scanners need, in modules (ISO/IEC
// 18004, 6.3.8).
const Quiet = 4

// Symbol is one QR code.
type Symbol struct {
	code *coding.Code
}

// Encode makes a symbol that can still be read with 15 % of it soiled (level
// M). Text of digits, capitals and " $%*+-./:" alone is packed tighter than
// any other. It fails for text beyond 2,331 bytes.
func Encode(text string) (Symbol, error) {
	code, err := encode(text)
	if err != nil {
		return Symbol{}, fmt.Errorf("qr: %w", err)
	}
	return Symbol{code}, nil
}

// Size is the width of the symbol without its margin: 17 + 4 × version.
func (s Symbol) Size() int { return s.code.Size }

// Dark tells whether the module is dark; everything around the symbol is not.
func (s Symbol) Dark(x, y int) bool { return s.code.Black(x, y) }

// Run is a row of dark modules, from (X, Y).
type Run struct{ X, Y, Width int }

// Runs are the dark modules in rows as long as they go, of the symbol with its
// margin: what to fill for print. Edge is its width.
func (s Symbol) Runs() []Run {
	var runs []Run
	for y := range s.Size() {
		for x := 0; x < s.Size(); x++ {
			if !s.Dark(x, y) {
				continue
			}
			start := x
			for s.Dark(x+1, y) {
				x++
			}
			runs = append(runs, Run{start + Quiet, y + Quiet, x + 1 - start})
		}
	}
	return runs
}

// Edge is the width of the symbol with its margin, in modules.
func (s Symbol) Edge() int { return s.Size() + 2*Quiet }

// Path is the dark modules as the data of one SVG path.
func (s Symbol) Path() string {
	var path strings.Builder
	for _, run := range s.Runs() {
		fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", run.X, run.Y, run.Width, run.Width)
	}
	return path.String()
}

// SVG is the symbol with its margin as one <svg> element of 1 unit a module,
// black on white and sharp at every scale. title is read out by screen
// readers.
func (s Symbol) SVG(title string) string {
	edge := s.Edge()
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`, edge, edge, escape.Replace(title), edge, edge, s.Path())
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// PNG is the symbol with its margin as an image of scale pixels a module.
// WeChat's long press (长按识别) reads images only, not SVG.
func (s Symbol) PNG(scale int) []byte {
	edge := s.Edge() * scale
	img := image.NewPaletted(image.Rect(0, 0, edge, edge), color.Palette{color.White, color.Black})
	for y := range edge {
		for x := range edge {
			if s.Dark(x/scale-Quiet, y/scale-Quiet) {
				img.Pix[y*img.Stride+x] = 1
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic("qr: " + err.Error()) // a buffer does not fail, and no image is empty
	}
	return b.Bytes()
}

// Terminal is the symbol with its margin in half-block characters, two rows of
// modules a line. It sets both colours itself, so it is black on white on a
// dark screen and on a light one.
func (s Symbol) Terminal() string {
	const blackOnWhite, reset = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
	var b strings.Builder
	for y := -Quiet; y < s.Size()+Quiet; y += 2 {
		b.WriteString(blackOnWhite)
		for x := -Quiet; x < s.Size()+Quiet; x++ {
			switch upper, lower := s.Dark(x, y), s.Dark(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString(reset + "\n")
	}
	return b.String()
}
