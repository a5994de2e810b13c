package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/huitou/huitou/shared/loyalty"
)

type cardsCommands struct {
	Create   CardsCreateCommand   `cmd:"" help:"Create a batch of cards (批次)."`
	List     CardsListCommand     `cmd:"" help:"All batches."`
	Show     CardsShowCommand     `cmd:"" help:"One batch and its prizes."`
	Print    CardsPrintCommand    `cmd:"" help:"Record the file that went to the printing house (送印)."`
	Receive  CardsReceiveCommand  `cmd:"" help:"Record that the cards came back (到货)."`
	Canaries CardsCanariesCommand `cmd:"" help:"The cards to take out before packing (暗桩)."`
	Activate CardsActivateCommand `cmd:"" help:"Activate a batch; two operators have to."`
	Freeze   CardsFreezeCommand   `cmd:"" help:"Close a batch for good."`
	Holds    CardsHoldsCommand    `cmd:"" help:"Cards of suspicious runs, whose prizes wait for an operator (可疑兑换)."`
	Release  CardsReleaseCommand  `cmd:"" help:"Let the prize of a held card go (放行)."`
	Void     CardsVoidCommand     `cmd:"" help:"Void a held card, or one that nobody has redeemed (作废)."`
	Export   CardsExportCommand   `cmd:"" help:"Write all codes and addresses to a CSV file for the printing house."`
	PDF      CardsPDFCommand      `cmd:"" name:"pdf" help:"Write cards as a PDF with bleed and crop marks."`
	Result   CardsResultCommand   `cmd:"" help:"What came of a batch, and which arm is best (分组结果)."`
	QR       CardsQRCommand       `cmd:"" name:"qr" help:"Draw a card's QR code (二维码)."`
}

// CardsCreateCommand is `huitou cards create`.
type CardsCreateCommand struct {
	File       string   `arg:"" optional:"" name:"file" help:"The batch as JSON. Or give the flags of a batch with one arm."`
	Name       string   `placeholder:"NAME" help:"What the batch is called."`
	Count      int      `placeholder:"N" help:"How many cards."`
	Canaries   int      `placeholder:"N" help:"How many codes more are printed and taken out before packing; one that is tried tells that codes have leaked."`
	Form       string   `default:"scratch" enum:"scratch,reveal,plain" help:"How a card plays: scratch, reveal (every card wins) or plain."`
	Prize      []string `sep:"none" placeholder:"KIND:VALUE:QUANTITY[:WORTH]" help:"points:200:150 is 150 cards with 200 points; coupon:TEMPLATE:60:2000 60 cards with a coupon worth ¥20.00; gift:TEXT:5:9900; red_packet:FEN:10. May be given several times; other cards win nothing."`
	ValidFrom  Instant  `placeholder:"TIME" help:"From when cards can be redeemed: 2026-12-01T00:00:00+08:00."`
	ValidTo    Instant  `placeholder:"TIME" help:"The first instant after that."`
	RulesText  string   `placeholder:"TEXT" help:"The published rules in words."`
	Key        string   `name:"idempotency-key" placeholder:"KEY" help:"The key of the request. Absent, it derives from the batch, so that the same command makes one batch however often it is run."`
	Connection `embed:""`
}

// Help is the long help.
func (CardsCreateCommand) Help() string {
	return `The same command run again finds the batch it made. For another batch just like it give it another name, or --idempotency-key.

Examples:

    huitou cards create batch.json

    huitou cards create --name "Spring 2027" --count 1000 --prize points:200:150 --prize coupon:welcome-20:60:2000 --valid-from 2027-01-01T00:00:00+08:00 --valid-to 2028-01-01T00:00:00+08:00

  A batch like an older one:

    huitou cards show K-15379 --json > batch.json   (edit it)
    huitou cards create batch.json`
}

type prizeDocument struct {
	Kind     string      `json:"kind"`
	Value    any         `json:"value,omitempty"`
	Quantity int         `json:"quantity,omitempty"`
	Worth    loyalty.Fen `json:"worth,omitempty"`
}

type armDocument struct {
	Name   string          `json:"name"`
	Form   string          `json:"form"`
	Weight int             `json:"weight"`
	Prizes []prizeDocument `json:"prizes"`
}

type batchDocument struct {
	Name      string        `json:"name"`
	Count     int           `json:"count"`
	Canaries  int           `json:"canaries,omitempty"`
	Arms      []armDocument `json:"arms"`
	ValidFrom string        `json:"valid_from"`
	ValidTo   string        `json:"valid_to"`
	RulesText string        `json:"rules_text,omitempty"`
}

type signatureDocument struct {
	Operator string `json:"operator"`
	At       string `json:"at"`
}

func (s *signatureDocument) String() string {
	if s == nil {
		return ""
	}
	return s.Operator + " at " + s.At
}

type manifestDocument struct {
	Count  int    `json:"count"`
	SHA256 string `json:"sha256"`
}

type deliveryDocument struct {
	signatureDocument
	manifestDocument
}

func (d *deliveryDocument) String() string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf("%d by %s, SHA-256 %s", d.Count, d.signatureDocument.String(), d.SHA256)
}

type shownBatch struct {
	ID string `json:"id"`
	batchDocument
	State     string             `json:"state"`
	PrintRun  int                `json:"print_run"`
	Created   *signatureDocument `json:"created"`
	Printed   *deliveryDocument  `json:"printed"`
	Received  *deliveryDocument  `json:"received"`
	Approved  *signatureDocument `json:"approved"`
	Activated *signatureDocument `json:"activated"`
	Frozen    *signatureDocument `json:"frozen"`
	Friends   friendsDocument    `json:"friends"`
}

type friendsDocument struct {
	Added int64 `json:"added"`
	Left  int64 `json:"left"`
}

func (f friendsDocument) String() string {
	if f.Added == 0 {
		return ""
	}
	return fmt.Sprintf("%d added, %d left", f.Added, f.Left)
}

func (b shownBatch) String() string {
	canaries := ""
	if b.Canaries > 0 {
		canaries = fmt.Sprintf("%d, which makes a print run of %d", b.Canaries, b.PrintRun)
	}
	text := facts(
		"batch", b.ID, "name", b.Name, "state", b.State, "cards", strconv.Itoa(b.Count), "canaries", canaries, "valid from", b.ValidFrom, "valid to", b.ValidTo,
		"created", b.Created.String(), "printed", b.Printed.String(), "received", b.Received.String(), "approved", b.Approved.String(), "activated", b.Activated.String(), "frozen", b.Frozen.String(),
		"friends", b.Friends.String(), "rules", b.RulesText,
	)
	table := grid{titles: []string{"ARM", "FORM", "WEIGHT", "PRIZE", "VALUE", "QUANTITY", "WORTH"}}
	for _, arm := range b.Arms {
		for _, prize := range arm.Prizes {
			table.add(arm.Name, arm.Form, strconv.Itoa(arm.Weight), prize.Kind, prize.value(), strconv.Itoa(prize.Quantity), money(prize.Worth))
		}
	}
	return text + table.String()
}

func (p prizeDocument) value() string {
	amount, ok := p.Value.(float64)
	switch {
	case ok && p.Kind == "red_packet":
		return money(loyalty.Fen(amount))
	case ok:
		return strconv.FormatFloat(amount, 'f', -1, 64)
	}
	text, _ := p.Value.(string)
	return text
}

// Run creates.
func (c CardsCreateCommand) Run(ctx context.Context, console Console) error {
	var source document
	var body []byte
	var err error
	if c.File == "" {
		body, err = c.fromFlags()
	} else {
		source, body, err = c.fromFile()
	}
	if err != nil {
		return err
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	answer, err := c.create(ctx, huitou, body)
	if err != nil {
		return source.explain(err)
	}
	if !answer.replayed {
		return render(console, c.Connection, answer, shownBatch.String)
	}
	made, err := decode[shownBatch](answer)
	if err != nil {
		return err
	}
	console.note("the same request was made before; this is its batch as it is now. Another name or --idempotency-key makes another batch.")
	return show(ctx, console, c.Connection, get("v1", "card-batches", made.ID), shownBatch.String)
}

// create sends the batch under the user's key, or under one that derives from
// its content. A refusal is remembered with its key, although what it was
// about (a coupon template that did not exist) may be there by now: then the
// next key of the same content is taken. The body is sent in the canonical
// form, because a key belongs to the bytes of a body.
func (c CardsCreateCommand) create(ctx context.Context, huitou *api, body jsontext.Value) (reply, error) {
	if err := body.Canonicalize(); err != nil {
		return reply{}, err
	}
	request := call{method: http.MethodPost, path: []string{"v1", "card-batches"}, body: body}
	if c.Key != "" {
		key, err := Repeat{c.Key}.key()
		if err != nil {
			return reply{}, err
		}
		request.key = key
		return huitou.do(ctx, request)
	}
	digest := sha256.Sum256(body)
	const most = 100
	for n := 1; ; n++ {
		request.key = fmt.Sprintf("batch-%s-%d", hex.EncodeToString(digest[:16]), n)
		answer, err := huitou.do(ctx, request)
		if refused, ok := errors.AsType[*problemError](err); ok && refused.replayed && n < most {
			continue
		}
		return answer, err
	}
}

func (c CardsCreateCommand) fromFile() (document, []byte, error) {
	if c.Name != "" || c.Count != 0 || c.Canaries != 0 || len(c.Prize) > 0 || !c.ValidFrom.IsZero() || !c.ValidTo.IsZero() || c.RulesText != "" {
		return document{}, nil, &UsageError{"give a file, or the flags of a batch, not both"}
	}
	source, err := readDocument(c.File)
	if err != nil {
		return source, nil, err
	}
	body, err := source.without("", "id", "state", "print_run", "created", "printed", "received", "approved", "activated", "frozen", "friends", "notices")
	return source, body, err
}

func (c CardsCreateCommand) fromFlags() ([]byte, error) {
	if c.Name == "" || c.Count == 0 || c.ValidFrom.IsZero() || c.ValidTo.IsZero() {
		return nil, &UsageError{"give a file, or at least --name, --count, --valid-from and --valid-to"}
	}
	arm := armDocument{Name: c.Form, Form: c.Form, Weight: 1, Prizes: []prizeDocument{}}
	for _, text := range c.Prize {
		prize, err := readPrize(text)
		if err != nil {
			return nil, err
		}
		arm.Prizes = append(arm.Prizes, prize)
	}
	return json.Marshal(batchDocument{
		Name: c.Name, Count: c.Count, Canaries: c.Canaries, Arms: []armDocument{arm}, RulesText: c.RulesText,
		ValidFrom: c.ValidFrom.Format(time.RFC3339), ValidTo: c.ValidTo.Format(time.RFC3339),
	})
}

// readPrize reads kind:value:quantity[:worth].
func readPrize(text string) (prizeDocument, error) {
	wrong := &UsageError{fmt.Sprintf("--prize %s is not KIND:VALUE:QUANTITY[:WORTH], such as points:200:150 or coupon:welcome-20:60:2000", printable(text))}
	parts := strings.Split(text, ":")
	if len(parts) < 3 || len(parts) > 4 {
		return prizeDocument{}, wrong
	}
	prize := prizeDocument{Kind: parts[0], Value: parts[1]}
	quantity, err := strconv.Atoi(parts[2])
	if err != nil || quantity < 1 {
		return prize, wrong
	}
	prize.Quantity = quantity
	if len(parts) == 4 {
		worth, err := strconv.ParseInt(parts[3], 10, 64)
		if err != nil {
			return prize, wrong
		}
		prize.Worth = loyalty.Fen(worth)
	}
	switch prize.Kind {
	case "points", "red_packet":
		amount, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return prize, wrong
		}
		prize.Value = amount
	case "coupon", "gift":
	default:
		return prize, wrong
	}
	return prize, nil
}

// CardsListCommand is `huitou cards list`.
type CardsListCommand struct {
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsListCommand) Help() string {
	return `Examples:

    huitou cards list

    huitou cards list --all --json`
}

// Run lists batches.
func (c CardsListCommand) Run(ctx context.Context, console Console) error {
	return list(ctx, console, c.Connection, c.Paging, get("v1", "card-batches"),
		[]string{"BATCH", "NAME", "STATE", "CARDS", "VALID FROM", "VALID TO"},
		func(b shownBatch) []string {
			return []string{b.ID, b.Name, b.State, strconv.Itoa(b.Count), b.ValidFrom, b.ValidTo}
		})
}

// Batch names the batch of a command.
type Batch struct {
	ID string `arg:"" name:"id" help:"The batch's id."`
}

func (b Batch) path(more ...string) []string {
	return append([]string{"v1", "card-batches", b.ID}, more...)
}

// CardsShowCommand is `huitou cards show`.
type CardsShowCommand struct {
	Batch      `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsShowCommand) Help() string {
	return `Examples:

    huitou cards show K-15379`
}

// Run shows a batch.
func (c CardsShowCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get(c.path()...), shownBatch.String)
}

// CardsActivateCommand is `huitou cards activate`.
type CardsActivateCommand struct {
	Batch      `embed:""`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsActivateCommand) Help() string {
	return `The first operator approves, a second, different one activates; until then no card can be redeemed. A batch that went to a printing house has to be received first.

Examples:

    huitou cards activate K-15379`
}

// Run activates.
func (c CardsActivateCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: c.path("activation"), key: key}, func(b shownBatch) string {
		if b.State == "active" {
			return b.String()
		}
		return b.String() + "\nNot active yet: a second operator has to run the same command.\n"
	})
}

// CardsFreezeCommand is `huitou cards freeze`.
type CardsFreezeCommand struct {
	Batch      `embed:""`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsFreezeCommand) Help() string {
	return `No card of a frozen batch can be redeemed any more, and there is no way back.

Examples:

    huitou cards freeze K-15379`
}

// Run freezes.
func (c CardsFreezeCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: c.path("freeze"), key: key}, shownBatch.String)
}
