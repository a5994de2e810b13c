// Package imposition lays package cards out on sheets of A4 (拼版), so that the
// sheet in a browser and the PDF put the same ink in the same place. All
// lengths are millimetres, from the upper left corner of the sheet.
package imposition

import (
	"math"

	"github.com/huitou/huitou/shared/loyalty"
)

// A4 (ISO 216), upright.
const (
	PageWidth  = 210.0
	PageHeight = 297.0
)

const (
	// DefaultWidth and DefaultHeight are a business card as Chinese printing
	// houses cut it (名片 90 × 54).
	DefaultWidth  = 90.0
	DefaultHeight = 54.0
	// DefaultBleed is what they ask for around it (出血).
	DefaultBleed = 3.0

	maxBleed = 5.0
	// A narrower card has no room for a QR that a phone reads and a code that a
	// person reads.
	minWidth, minHeight = 54.0, 34.0

	margin     = 4.0 // what office printers leave white at the paper's edge
	markLength = 4.0
	markGap    = 1.0 // between bleed and mark, so that no mark is on a card that was cut badly
	safe       = 4.0 // between the cut and anything that must not be cut off
	band       = 3.0 // of the brand's colour, at the lower edge
)

// Box is a rectangle.
type Box struct{ X, Y, Width, Height float64 }

// Line goes from one point to another.
type Line struct{ X1, Y1, X2, Y2 float64 }

// Layout is how many cards of one size stand on a sheet, and where. The block
// of cards is centred; bleeds touch and do not overlap.
type Layout struct {
	width, height, bleed float64
	columns, rows        int
}

// New makes the Layout for cards of a size after cutting, with the bleed on
// each side. It refuses with KindInvalid a card that is smaller than 54 × 34,
// a bleed outside 0 to 5, and what does not fit the sheet with its marks.
func New(width, height, bleed float64) (Layout, error) {
	fits := func(page, card float64) int {
		room := page - 2*max(margin, markGap+markLength)
		return int(math.Floor(room/(card+2*bleed) + 1e-9))
	}
	switch {
	case !(bleed >= 0 && bleed <= maxBleed):
		return Layout{}, loyalty.Invalid("bleed", "out_of_range", "the bleed is 0 to 5 mm")
	case !(width >= minWidth && height >= minHeight):
		return Layout{}, loyalty.Invalid("size", "too_small", "a card is at least 54 × 34 mm: on less, its code is hard to read")
	}
	l := Layout{width: width, height: height, bleed: bleed, columns: fits(PageWidth, width), rows: fits(PageHeight, height)}
	if l.columns < 1 || l.rows < 1 {
		return Layout{}, loyalty.Invalid("size", "too_large", "a card with its bleed and crop marks does not fit A4")
	}
	return l, nil
}

// PerPage is how many cards stand on one sheet.
func (l Layout) PerPage() int { return l.columns * l.rows }

// Card is where the nth card of a sheet is after cutting: from 0, row by row.
func (l Layout) Card(n int) Box {
	x0, y0 := l.origin()
	return Box{
		X: x0 + float64(n%l.columns)*(l.width+2*l.bleed) + l.bleed,
		Y: y0 + float64(n/l.columns)*(l.height+2*l.bleed) + l.bleed, Width: l.width, Height: l.height,
	}
}

// origin is the corner of the block of cards with its bleed.
func (l Layout) origin() (x, y float64) {
	return (PageWidth - float64(l.columns)*(l.width+2*l.bleed)) / 2, (PageHeight - float64(l.rows)*(l.height+2*l.bleed)) / 2
}

// Marks are the crop marks (裁切线): where to cut, outside of every bleed.
func (l Layout) Marks() []Line {
	x0, y0 := l.origin()
	near, far := markGap, markGap+markLength
	var marks []Line
	for column := range l.columns {
		for _, x := range []float64{l.Card(column).X, l.Card(column).X + l.width} {
			marks = append(marks, Line{x, y0 - far, x, y0 - near}, Line{x, PageHeight - y0 + near, x, PageHeight - y0 + far})
		}
	}
	for row := range l.rows {
		for _, y := range []float64{l.Card(row * l.columns).Y, l.Card(row*l.columns).Y + l.height} {
			marks = append(marks, Line{x0 - far, y, x0 - near, y}, Line{PageWidth - x0 + near, y, PageWidth - x0 + far, y})
		}
	}
	return marks
}

// Face is what stands where on one card.
type Face struct {
	Bleed  Box     // the paper that is printed, cut or not
	Band   Box     // of the brand's colour, into the bleed
	Symbol Box     // the QR code with its margin
	Text   Box     // beside it
	Code   float64 // size of the typed code's letters: nine of them, 0.6 of it wide each, fit Text
}

// The baselines of the texts, from the top of Text: the brand's name, the code
// in two lines, and the card's number at the foot.
func (f Face) BrandLine() float64  { return 4.5 }
func (f Face) HintLine() float64   { return 9 }
func (f Face) UpperLine() float64  { return 10 + 1.4*f.Code }
func (f Face) LowerLine() float64  { return 10 + 2.8*f.Code }
func (f Face) NumberLine() float64 { return f.Text.Height - 0.5 }

// Face is the face of the nth card of a sheet.
func (l Layout) Face(n int) Face {
	card := l.Card(n)
	side := min(card.Height-band-2*safe, card.Width/2)
	f := Face{
		Bleed:  Box{card.X - l.bleed, card.Y - l.bleed, card.Width + 2*l.bleed, card.Height + 2*l.bleed},
		Band:   Box{card.X - l.bleed, card.Y + card.Height - band, card.Width + 2*l.bleed, band + l.bleed},
		Symbol: Box{card.X + safe, card.Y + safe, side, side},
	}
	f.Text = Box{f.Symbol.X + side + 1, f.Symbol.Y, card.Width - 2*safe - side - 1, card.Height - band - 2*safe}
	f.Code = min(4, f.Text.Width/(9*0.6), (f.Text.Height-13)/3.2)
	return f
}
