package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"

	"codeberg.org/go-pdf/fpdf"

	"github.com/huitou/huitou/shared/imposition"
	"github.com/huitou/huitou/shared/qr"
)

// CardsPDFCommand is `huitou cards pdf`.
type CardsPDFCommand struct {
	Batch      `embed:""`
	Out        string    `required:"" placeholder:"FILE.pdf" help:"The file to write; none of that name may be there."`
	From       int       `default:"1" placeholder:"N" help:"The first card, by its number."`
	Cards      int       `placeholder:"N" help:"How many cards, up to 10000 in one file; all that follow unless given."`
	Size       Size      `default:"90x54" placeholder:"WxH" help:"A card after cutting, in millimetres."`
	Bleed      float64   `default:"3" placeholder:"MM" help:"What is printed beyond the cut on each side, 0 to 5 millimetres."`
	Title      string    `placeholder:"TEXT" help:"What stands above the code, such as the brand's name."`
	Font       string    `placeholder:"FILE.ttf" help:"A TrueType font for a title in Chinese, such as NotoSansSC-Regular.ttf."`
	Colour     inkColour `placeholder:"#RRGGBB" help:"A band of this colour at the lower edge."`
	Connection `embed:""`
}

// Help is the long help.
func (CardsPDFCommand) Help() string {
	return `A4, as many cards on a sheet as fit, with bleed and crop marks; QR codes are drawn as areas in black ink alone (K 100 %), so they are sharp at every size. Print it at 100 %.

Examples:

    huitou cards pdf K-15379 --out cards.pdf --title MilkBar --colour "#c8102e"

    huitou cards pdf K-15379 --out second.pdf --from 10001 --size 85.6x54 --title 奶吧 --font NotoSansSC-Regular.ttf`
}

// mostInPDF keeps the file one that viewers open, and the memory it takes small.
const mostInPDF = 10_000

// Size is a width and a height in millimetres, written 90x54.
type Size struct{ Width, Height float64 }

// UnmarshalText reads 90x54, and 90×54.
func (s *Size) UnmarshalText(text []byte) error {
	width, height, found := strings.Cut(strings.ReplaceAll(string(text), "×", "x"), "x")
	var err error
	if s.Width, err = strconv.ParseFloat(width, 64); found && err == nil {
		s.Height, err = strconv.ParseFloat(height, 64)
	}
	if !found || err != nil {
		return fmt.Errorf("%s is not a size such as 90x54", printable(string(text)))
	}
	return nil
}

// inkColour is red, green and blue; absent unless set.
type inkColour struct {
	red, green, blue uint8
	set              bool
}

// UnmarshalText reads #c8102e.
func (c *inkColour) UnmarshalText(text []byte) error {
	value, err := strconv.ParseUint(strings.TrimPrefix(string(text), "#"), 16, 24)
	if err != nil || len(text) != 7 || text[0] != '#' {
		return fmt.Errorf("%s is not a colour such as #c8102e", printable(string(text)))
	}
	*c = inkColour{uint8(value >> 16), uint8(value >> 8), uint8(value), true} // #nosec G115 -- 24 bits, a byte each
	return nil
}

// Run writes the PDF.
func (c CardsPDFCommand) Run(ctx context.Context, console Console) error {
	layout, err := imposition.New(c.Size.Width, c.Size.Height, c.Bleed)
	if err != nil {
		return &UsageError{err.Error()}
	}
	if c.From < 1 || c.Cards < 0 || c.Cards > mostInPDF {
		return &UsageError{"--from counts from 1, and a file holds at most 10000 cards"}
	}
	document, err := newCardDocument(layout, c.Title, c.Font, c.Colour)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(c.Out); err == nil {
		return &UsageError{printable(c.Out) + ": is there already"}
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	cards, err := c.draw(ctx, console, huitou, document)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := document.pdf.Output(&text); err != nil {
		return &incompleteError{"the PDF cannot be made: " + err.Error()}
	}
	if err := writeNew(c.Out, text.String()); err != nil {
		return err
	}
	if c.JSON {
		return console.value(map[string]any{"batch": c.ID, "cards": cards, "sheets": document.pdf.PageCount(), "file": c.Out})
	}
	return console.text(fmt.Sprintf("%d cards of %s are on %d sheets in %s\n", cards, printable(c.ID), document.pdf.PageCount(), printable(c.Out)))
}

// draw puts the cards that were asked for on sheets.
func (c CardsPDFCommand) draw(ctx context.Context, console Console, huitou *api, document *cardDocument) (cards int, err error) {
	_, total, err := c.page(ctx, huitou, 0, 1, func([]string) error { return nil })
	if err != nil {
		return 0, err
	}
	wanted := total - c.From + 1
	if c.Cards > 0 {
		wanted = min(wanted, c.Cards)
	}
	switch {
	case wanted < 1:
		return 0, &UsageError{"the batch has fewer cards than that"}
	case wanted > mostInPDF:
		return 0, &UsageError{fmt.Sprintf("these are %d cards and a file holds at most 10000: write several with --from and --cards, or give the printing house the CSV of huitou cards export", wanted)}
	}
	bar := console.progress(int64(wanted), "drawing cards")
	defer func() { _ = bar.Finish() }()
	got, _, err := c.page(ctx, huitou, c.From-1, wanted, func(row []string) error {
		if err := ctx.Err(); err != nil {
			return &incompleteError{"interrupted"}
		}
		_ = bar.Add(1)
		return document.card(row)
	})
	if err == nil && got != wanted {
		err = errNotHuitou
	}
	return got, err
}

// cardDocument is a PDF of cards that grows by one card at a time.
type cardDocument struct {
	pdf    *fpdf.Fpdf
	layout imposition.Layout
	title  string
	hint   string
	font   string // of title and hint
	colour inkColour
	cards  int
}

// pointsPerMillimetre is PDF's unit, 1/72 inch.
const pointsPerMillimetre = 72 / 25.4

func newCardDocument(layout imposition.Layout, title, font string, colour inkColour) (*cardDocument, error) {
	d := &cardDocument{pdf: fpdf.New("P", "mm", "A4", ""), layout: layout, hint: "Scan, or type", font: "Helvetica", colour: colour}
	d.pdf.SetMargins(0, 0, 0)
	d.pdf.SetAutoPageBreak(false, 0)
	d.pdf.SetProducer("huitou", false)
	switch {
	case strings.ContainsFunc(title, unicode.IsControl):
		return nil, &UsageError{"--title is one line"}
	case font != "":
		if err := d.load(font); err != nil {
			return nil, err
		}
		d.title = title
		if strings.ContainsFunc(title, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			d.hint = "扫码，或输入"
		}
	case strings.ContainsFunc(title, func(r rune) bool { return r > unicode.MaxLatin1 }):
		return nil, &UsageError{"--title has letters that need a --font"}
	default:
		d.title = d.pdf.UnicodeTranslatorFromDescriptor("")(title)
	}
	return d, nil
}

// load reads a font file. The library panics over some that are none.
func (d *cardDocument) load(name string) (err error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return &UsageError{printable(name) + ": cannot be read: " + pathless(err)}
	}
	unusable := &UsageError{printable(name) + ": is not a TrueType font (.ttf) that can be used"}
	if magic := string(raw[:min(len(raw), 4)]); magic != "\x00\x01\x00\x00" && magic != "true" {
		return unusable // collections (.ttc) and PostScript outlines (.otf) among others
	}
	defer func() {
		if recover() != nil {
			err = unusable
		}
	}()
	const family = "title"
	d.pdf.AddUTF8FontFromBytes(family, "", raw)
	d.pdf.SetFont(family, "", 1)
	if d.pdf.Err() {
		return unusable
	}
	d.font = family
	return nil
}

// card draws the next card: its number, address and typed code.
func (d *cardDocument) card(row []string) error {
	symbol, err := qr.Encode(row[1])
	if err != nil {
		return &incompleteError{"an address is too long for a QR code"}
	}
	place := d.cards % d.layout.PerPage()
	if place == 0 {
		d.pdf.AddPage()
		d.marks()
	}
	d.cards++
	face := d.layout.Face(place)
	if d.colour.set {
		d.raw("%.3f %.3f %.3f rg", float64(d.colour.red)/255, float64(d.colour.green)/255, float64(d.colour.blue)/255)
		d.raw("%.3f %.3f %.3f %.3f re f", face.Band.X*pointsPerMillimetre, (imposition.PageHeight-face.Band.Y-face.Band.Height)*pointsPerMillimetre,
			face.Band.Width*pointsPerMillimetre, face.Band.Height*pointsPerMillimetre)
	}
	d.raw("0 0 0 1 k")
	d.symbol(face.Symbol, symbol)
	code := row[2]
	d.text(d.font, "", 4, face.Text, face.BrandLine(), d.title)
	d.text(d.font, "", 2.4, face.Text, face.HintLine(), d.hint)
	d.text("Courier", "B", face.Code, face.Text, face.UpperLine(), code[:len(code)/2])
	d.text("Courier", "B", face.Code, face.Text, face.LowerLine(), strings.TrimPrefix(code[len(code)/2:], "-"))
	d.text("Helvetica", "", 2.4, face.Text, face.NumberLine(), "No. "+row[0])
	return d.pdf.Error()
}

// symbol fills all dark modules as one area, so that no viewer shows seams. One
// unit is a module, from the upper left corner.
func (d *cardDocument) symbol(box imposition.Box, symbol qr.Symbol) {
	module := box.Width / float64(symbol.Edge()) * pointsPerMillimetre
	d.raw("q %.5f 0 0 %.5f %.5f %.5f cm", module, -module, box.X*pointsPerMillimetre, (imposition.PageHeight-box.Y)*pointsPerMillimetre)
	var area strings.Builder
	for _, run := range symbol.Runs() {
		fmt.Fprintf(&area, "%d %d %d 1 re ", run.X, run.Y, run.Width)
	}
	d.raw("%sf Q", area.String())
}

func (d *cardDocument) marks() {
	d.raw("0 0 0 1 K %.3f w", 0.1*pointsPerMillimetre)
	for _, mark := range d.layout.Marks() {
		d.raw("%.3f %.3f m %.3f %.3f l S", mark.X1*pointsPerMillimetre, (imposition.PageHeight-mark.Y1)*pointsPerMillimetre,
			mark.X2*pointsPerMillimetre, (imposition.PageHeight-mark.Y2)*pointsPerMillimetre)
	}
}

// text writes one line into a box, smaller where it is too long.
func (d *cardDocument) text(family, style string, size float64, box imposition.Box, line float64, text string) {
	if text == "" {
		return
	}
	d.pdf.SetFont(family, style, size*pointsPerMillimetre)
	if width := d.pdf.GetStringWidth(text); width > box.Width {
		d.pdf.SetFontUnitSize(size * box.Width / width)
	}
	d.pdf.Text(box.X, box.Y+line, text)
}

func (d *cardDocument) raw(format string, arguments ...any) {
	d.pdf.RawWriteStr(fmt.Sprintf(format, arguments...))
}
