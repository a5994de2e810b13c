package operate

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/imposition"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/pagestyle"
	"github.com/huitou/huitou/shared/qr"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/spreadsheet"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

// printers may take a batch's codes out of the house. A printing house may take
// those of the batches that it is bound to, as long as it prints them, see
// cards.Batch.Readable; it reads nothing else.
var printers = []token.Role{token.RoleOperator, token.RolePrinter}

func (f Function) registerPrinting(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-batches/{id}/cards.csv", ID: "batch-codes", Tag: "cards", Roles: printers, Refuses: []int{http.StatusConflict},
		Summary: "Codes and URLs for the printing house, up to 20000 cards a call; X-Total-Count tells how many there are",
		Content: map[string]reflect.Type{"text/csv": rest.Text},
	}, f.codesCSV)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-batches/{id}/sheet.html", ID: "batch-sheet", Tag: "cards", Roles: printers, Refuses: []int{http.StatusConflict},
		Summary: "Cards with bleed and crop marks that print true on A4, up to 480 a call",
		Content: map[string]reflect.Type{"text/html": rest.Text},
	}, f.sheet)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-batches/{id}/canaries", ID: "batch-canaries", Tag: "cards", Refuses: []int{http.StatusConflict}, Roles: []token.Role{token.RoleOperator},
		Summary: "The cards to take out before packing (暗桩), by their printed numbers; the printing house must not know them",
	}, f.canaries)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/card-batches/{id}/printing", ID: "print-batch", Act: "card-batch.print", Tag: "cards", Roles: shopkeepers,
		Summary: "Record the file that went to the printing house (送印), and let the printer that it names read the codes",
	}, f.printBatch)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/card-batches/{id}/receipt", ID: "receive-batch", Act: "card-batch.receive", Tag: "cards", Roles: shopkeepers,
		Summary: "Record that the cards came back (到货), held against the file they were made of; only then can they be activated",
	}, func(ctx context.Context, in *manifestOf) (*rest.Body[batchAnswer], error) {
		return f.changeBatch(ctx, in.ID, func(b cards.Batch, operator string, now time.Time) (cards.Batch, error) {
			return b.Receive(operator, cards.Manifest(in.Body), now)
		})
	})
}

type manifestOf struct {
	BatchPath
	Body manifestBody
}

type manifestBody struct {
	Count  int    `json:"count" minimum:"1" maximum:"1048576" doc:"cards in the boxes"`
	SHA256 string `json:"sha256" pattern:"^[0-9a-f]{64}$" doc:"of the file that they were made of, as the printing house certifies it"`
}

type printingOf struct {
	BatchPath
	Body struct {
		Count   int    `json:"count" minimum:"1" maximum:"1048576" doc:"codes in the file, that is all of the print run"`
		SHA256  string `json:"sha256" pattern:"^[0-9a-f]{64}$" doc:"of the file"`
		Printer string `json:"printer,omitempty" maxLength:"64" doc:"name of the printing house's operator: its token reads the codes of this batch from now on, until the cards come back or are activated"`
	}
}

// printBatch records the file and binds the printer to the batch in one write.
func (f Function) printBatch(ctx context.Context, in *printingOf) (*rest.Body[batchAnswer], error) {
	batch, err := f.Store.Batch(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	next, err := batch.Print(f.whoCalls(ctx), cards.Manifest{Count: in.Body.Count, SHA256: in.Body.SHA256}, f.Clock())
	if err != nil {
		return nil, err
	}
	var bound []table.Action
	if in.Body.Printer != "" {
		if bound, err = f.bindPrinter(ctx, in.Body.Printer, in.ID); err != nil {
			return nil, err
		}
	}
	return rest.Answer(f.shownBatch(next)), f.Store.ChangeBatch(ctx, batch, next, bound...)
}

// bindPrinter adds a batch to those whose codes a printing house may read.
func (f Function) bindPrinter(ctx context.Context, name, batch string) ([]table.Action, error) {
	printer, err := f.Store.Operator(ctx, name)
	switch {
	case err != nil:
		return nil, missing(err, "/printer", "there is no operator of this name; POST /v1/operators adds a printer")
	case token.Role(printer.Role) != token.RolePrinter || printer.Disabled != nil:
		return nil, loyalty.Invalid("/printer", "not_a_printer", "this operator has another role or is disabled; name one of the role printer")
	case slices.Contains(printer.Batches, batch):
		return nil, nil
	case len(printer.Batches) >= maxBatches:
		return nil, loyalty.Refuse(loyalty.KindConflict, "too_many_batches", "this printer is bound to 500 batches; add another one for the same house")
	}
	next := printer
	next.Batches = append(slices.Clone(printer.Batches), batch)
	return store.ChangeOperator(printer, next), nil
}

// batchUnknown is what store.Batch says of a batch that does not exist.
var batchUnknown = loyalty.Refuse(loyalty.KindNotFound, "batch_unknown", "there is nothing of this id")

type canariesAnswer struct {
	Items []int `json:"items" doc:"printed numbers, ascending, from 1"`
}

func (f Function) canaries(ctx context.Context, in *BatchPath) (*rest.Body[canariesAnswer], error) {
	batch, err := f.Store.Batch(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	draws, err := f.Keys.Draws(batch)
	if err != nil {
		return nil, keyGone
	}
	answer := canariesAnswer{Items: draws.Canaries()}
	for i := range answer.Items {
		answer.Items[i]++
	}
	return rest.Answer(answer), nil
}

// keyGone is said of a batch whose codes nobody can make any more.
var keyGone = loyalty.Refuse(loyalty.KindConflict, "card_key_retired", "the key that signed this batch is not in use any more; its cards cannot be redeemed")

// run is a part of a print run.
type run struct {
	batch     cards.Batch
	from, end int // cards, from 0
	codec     *cards.Codec
	publicURL string
}

// run opens the part of a batch's print run that a caller asks for. It is
// refused with KindConflict while the brand's address is unknown, and to a
// printing house whose work is done. A batch that a printing house is not bound
// to is to it as one that does not exist.
func (f Function) run(ctx context.Context, id string, from, limit int) (*run, error) {
	if f.PublicURL == "" {
		return nil, loyalty.Refuse(loyalty.KindConflict, "public_url_unset",
			"codes hold the address customers reach; deploy with the parameter PublicUrl or DomainName first")
	}
	operator, _ := rest.Operator(ctx) // the call asked for a role
	printing := operator.Role == token.RolePrinter
	if printing {
		house, err := f.Store.Operator(ctx, operator.Name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(house.Batches, id) {
			return nil, batchUnknown
		}
	}
	batch, err := f.Store.Batch(ctx, id)
	if err != nil {
		return nil, err
	}
	if printing {
		if err := batch.Readable(f.Clock()); err != nil {
			return nil, err
		}
	}
	if !f.Keys.Signs(batch.KeyID) {
		return nil, keyGone
	}
	from = min(from, batch.PrintRun())
	return &run{batch, from, min(batch.PrintRun(), from+limit), f.Keys.Codec(), f.PublicURL}, nil
}

// card is what is printed on a card.
func (r *run) card(card int) (url, typed string, err error) {
	qrToken, typed, err := r.codec.Both(r.batch.Code(card))
	return cards.URL(r.publicURL, qrToken), typed, err
}

type file struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	CacheControl       string `header:"Cache-Control"`
	ContentSecurity    string `header:"Content-Security-Policy"` // of a page
	TotalCount         int    `header:"X-Total-Count" doc:"cards of the whole print run"`
	Body               []byte
}

// codesCSV writes only digits, capitals, hyphens and the brand's own address,
// so no cell is a formula to a spreadsheet, none needs quotes, and it is ASCII:
// a byte order mark would only stand in the way of printing houses' programs.
func (f Function) codesCSV(ctx context.Context, in *struct {
	BatchPath
	From  int `query:"from" minimum:"0" default:"0" doc:"first card, from 0"`
	Limit int `query:"limit" minimum:"1" maximum:"20000" default:"20000"`
},
) (*file, error) {
	run, err := f.run(ctx, in.ID, in.From, in.Limit)
	if err != nil {
		return nil, err
	}
	const row = 80 // bytes of most rows
	out := bytes.NewBuffer(make([]byte, 0, row*(run.end-run.from+1)))
	w := spreadsheet.NewWriter(out)
	w.Write("card", "url", "code")
	for card := run.from; card < run.end; card++ {
		url, typed, err := run.card(card)
		if err != nil {
			return nil, err
		}
		w.Write(strconv.Itoa(card+1), url, typed)
	}
	w.Flush()
	return &file{
		ContentType: "text/csv; charset=utf-8", CacheControl: "no-store", TotalCount: run.batch.PrintRun(), Body: out.Bytes(),
		ContentDisposition: fmt.Sprintf("attachment; filename=%q", run.batch.ID()+".csv"),
	}, w.Error()
}

//go:embed sheet.html
var sheetFile string

//go:embed sheet.css
var sheetStyle string

var sheetPage = sync.OnceValue(func() *template.Template { return template.Must(template.New("sheet").Parse(sheetFile)) })

const (
	sheetHint = "扫码，或输入 Scan, or type"
	brandSize = 4.0
	hintSize  = 2.4
)

// lettersFor is the size of the letters of a line that fits a width, largest
// at most. Which font the browser has is unknown: a Chinese letter is as wide
// as it is high, and 0.62 of it is ample for most others.
func lettersFor(line string, width, largest float64) float64 {
	wide := 0.0
	for _, r := range line {
		if r >= 0x2E80 {
			wide++
		} else {
			wide += 0.62
		}
	}
	return min(largest, width/max(wide, 1))
}

// sheetCSP lets a sheet load nothing and run nothing.
func sheetCSP() string {
	return "default-src 'none'; style-src " + pagestyle.Hash(sheetStyle) + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

type sheetShown struct {
	Batch      cards.Batch
	ID         string
	Brand      string
	BrandSize  float64 // of its letters
	Hint       string
	HintSize   float64
	Colour     string
	From, Upto int // printed numbers
	Style      template.CSS
	Marks      []imposition.Line
	Pages      [][]sheetCard
}

type sheetCard struct {
	imposition.Face
	Number int
	Path   string  // of the symbol
	Scale  float64 // millimetres a module
	Typed  [2]string
}

func (f Function) sheet(ctx context.Context, in *struct {
	BatchPath
	From   int     `query:"from" minimum:"0" default:"0" doc:"first card, from 0"`
	Limit  int     `query:"limit" minimum:"1" maximum:"480" default:"24"`
	Width  float64 `query:"width" default:"90" minimum:"54" maximum:"210" doc:"of a card after cutting, in mm"`
	Height float64 `query:"height" default:"54" minimum:"34" maximum:"297" doc:"of a card after cutting, in mm"`
	Bleed  float64 `query:"bleed" default:"3" minimum:"0" maximum:"5" doc:"on each side, in mm"`
},
) (*file, error) {
	layout, err := imposition.New(in.Width, in.Height, in.Bleed)
	if err != nil {
		return nil, err
	}
	run, err := f.run(ctx, in.ID, in.From, in.Limit)
	if err != nil {
		return nil, err
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	text := layout.Face(0).Text
	shown := sheetShown{
		Batch: run.batch, ID: run.batch.ID(), From: run.from + 1, Upto: run.end,
		Brand: rules.Brand.Name, BrandSize: lettersFor(rules.Brand.Name, text.Width, brandSize), Colour: rules.Brand.Colour,
		Hint: sheetHint, HintSize: lettersFor(sheetHint, text.Width, hintSize),
		Style: template.CSS(sheetStyle), Marks: layout.Marks(), // #nosec G203 -- our own file
	}
	var all []sheetCard
	for card := run.from; card < run.end; card++ {
		url, typed, err := run.card(card)
		if err != nil {
			return nil, err
		}
		symbol, err := qr.Encode(url)
		if err != nil {
			return nil, err
		}
		face := layout.Face((card - run.from) % layout.PerPage())
		upper, lower := typed[:len(typed)/2], typed[len(typed)/2+1:]
		all = append(all, sheetCard{face, card + 1, symbol.Path(), face.Symbol.Width / float64(symbol.Edge()), [2]string{upper, lower}})
	}
	shown.Pages = slices.Collect(slices.Chunk(all, layout.PerPage()))
	var out strings.Builder
	if err := sheetPage().Execute(&out, shown); err != nil {
		return nil, err
	}
	return &file{
		ContentType: "text/html; charset=utf-8", CacheControl: "no-store", ContentDisposition: "inline", ContentSecurity: sheetCSP(),
		TotalCount: run.batch.PrintRun(), Body: []byte(out.String()),
	}, nil
}
