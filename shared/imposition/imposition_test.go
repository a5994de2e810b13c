package imposition_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/imposition"
	"github.com/huitou/huitou/shared/loyalty"
)

const hair = 1e-6 // of a millimetre

func right(b imposition.Box) float64 { return b.X + b.Width }
func foot(b imposition.Box) float64  { return b.Y + b.Height }

// within tells whether inner lies in outer, with so much room around it.
func within(inner, outer imposition.Box, room float64) bool {
	return inner.X >= outer.X+room-hair && inner.Y >= outer.Y+room-hair &&
		right(inner) <= right(outer)-room+hair && foot(inner) <= foot(outer)-room+hair
}

func apart(a, b imposition.Box) bool {
	return right(a) <= b.X+hair || right(b) <= a.X+hair || foot(a) <= b.Y+hair || foot(b) <= a.Y+hair
}

// Whatever the size: cards have it, bleeds do not overlap, nothing stands where
// printers leave the paper white, every cut has its four marks outside of all
// bleeds, and what must not be cut is 4 mm from the cut.
func TestCardsStandApartAndInTheirMarks(t *testing.T) {
	paper := imposition.Box{Width: imposition.PageWidth, Height: imposition.PageHeight}
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.Float64Range(54, 190).Draw(t, "width"), rapid.Float64Range(34, 277).Draw(t, "height")
		bleed := rapid.Float64Range(0, 5).Draw(t, "bleed")
		layout, err := imposition.New(width, height, bleed)
		if err != nil {
			t.Fatal(err)
		}
		var faces []imposition.Face
		for n := range layout.PerPage() {
			card, face := layout.Card(n), layout.Face(n)
			if math.Abs(card.Width-width) > hair || math.Abs(card.Height-height) > hair {
				t.Fatalf("card %d is %+v", n, card)
			}
			if !within(face.Bleed, paper, 5) || !within(card, face.Bleed, bleed) {
				t.Fatalf("card %d at %+v has the bleed %+v", n, card, face.Bleed)
			}
			if !within(face.Symbol, card, 4) || !within(face.Text, card, 4) || !apart(face.Symbol, face.Text) || !apart(face.Text, face.Band) || !apart(face.Symbol, face.Band) {
				t.Fatalf("the face of card %d at %+v is %+v", n, card, face)
			}
			if !within(face.Band, face.Bleed, 0) || math.Abs(face.Symbol.Width-face.Symbol.Height) > hair || face.Symbol.Width < 20 {
				t.Fatalf("%+v", face)
			}
			if 9*0.6*face.Code > face.Text.Width+hair || face.UpperLine()-face.Code < face.HintLine() ||
				face.LowerLine()-face.Code < face.UpperLine() || face.NumberLine()-2 < face.LowerLine() || face.NumberLine() > face.Text.Height {
				t.Fatalf("the lines of a text of %.1f × %.1f with letters of %.1f run into each other", face.Text.Width, face.Text.Height, face.Code)
			}
			for _, other := range faces {
				if !apart(face.Bleed, other.Bleed) {
					t.Fatalf("bleeds overlap: %+v and %+v", face.Bleed, other.Bleed)
				}
			}
			faces = append(faces, face)
		}
		cuts := map[float64]int{} // marks at each cut; x positive, y negative
		rounded := func(v float64) float64 { return math.Round(v*1e6) / 1e6 }
		for _, mark := range layout.Marks() {
			box := imposition.Box{X: min(mark.X1, mark.X2), Y: min(mark.Y1, mark.Y2), Width: math.Abs(mark.X2 - mark.X1), Height: math.Abs(mark.Y2 - mark.Y1)}
			if !within(box, paper, 0) || math.Abs(box.Width+box.Height-4) > hair {
				t.Fatalf("a mark at %+v", mark)
			}
			for _, face := range faces {
				if !apart(box, face.Bleed) {
					t.Fatalf("the mark %+v is on a card", mark)
				}
			}
			if box.Width == 0 {
				cuts[rounded(box.X)]++
			} else {
				cuts[-rounded(box.Y)]++
			}
		}
		for _, face := range faces {
			card := imposition.Box{X: face.Bleed.X + bleed, Y: face.Bleed.Y + bleed, Width: width, Height: height}
			for _, cut := range []float64{card.X, right(card), -card.Y, -foot(card)} {
				if cuts[rounded(cut)] < 2 {
					t.Fatalf("the cut at %g has %d marks", cut, cuts[rounded(cut)])
				}
			}
		}
	})
}

func TestTheUsualSizes(t *testing.T) {
	for _, c := range []struct {
		width, height, bleed float64
		perPage              int
	}{
		{imposition.DefaultWidth, imposition.DefaultHeight, imposition.DefaultBleed, 8},
		{imposition.DefaultWidth, imposition.DefaultHeight, 0, 10},
		{85.6, 53.98, 3, 8},
		{54, 34, 0, 24},
		{148, 105, 3, 2}, // A6 across
		{190, 277, 5, 1},
	} {
		layout, err := imposition.New(c.width, c.height, c.bleed)
		if err != nil || layout.PerPage() != c.perPage {
			t.Errorf("%g × %g with %g: %d to a page, %v, want %d", c.width, c.height, c.bleed, layout.PerPage(), err, c.perPage)
		}
	}
	for _, c := range [][3]float64{
		{53.9, 54, 3},
		{90, 33.9, 3},
		{90, 54, 5.1},
		{90, 54, -0.1},
		{191, 54, 5},
		{90, 288, 0},
		{math.NaN(), 54, 3},
		{90, math.NaN(), 3},
		{90, 54, math.NaN()},
		{math.Inf(1), 54, 3},
		{-90, 54, 3},
	} {
		if layout, err := imposition.New(c[0], c[1], c[2]); loyalty.KindOf(err) != loyalty.KindInvalid || layout != (imposition.Layout{}) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
