package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders/export"
)

// largestExport is the largest file that is read, in bytes (1 GiB). All orders
// of an import are in memory at once, because a file may name the lines of one
// order anywhere.
const largestExport = 1 << 30

// ImportCommand is `huitou orders import`.
type ImportCommand struct {
	Files    []string `arg:"" name:"file" help:"Export files as downloaded: CSV in any encoding, or XLSX. A Tmall export is a pair: the list of orders and the list of lines."`
	Channel  string   `required:"" enum:"tmall,douyin" placeholder:"NAME" help:"Whose export it is: tmall or douyin."`
	Shop     string   `default:"flagship" help:"The shop the orders belong to, as the program names it."`
	URL      string   `name:"url" env:"HUITOU_URL" default:"http://127.0.0.1:8080" help:"Where huitou answers."`
	Secret   string   `env:"HUITOU_WEBHOOK_SECRET" placeholder:"whsec_…" help:"The order feed's signing secret; better given in the environment, where other users of the machine cannot see it."`
	Encoding string   `default:"auto" enum:"auto,utf-8,gb18030,gbk,utf-16" help:"How the CSV is encoded: auto, utf-8, gb18030, gbk or utf-16."`
	History  bool     `help:"The orders are from before the brand came to huitou (历史订单): they enter the purchase history, earn nothing, because their points are in the members' opening balances, and send no message whose date is past."`
	DryRun   bool     `help:"Read and report, send nothing."`
	JSON     bool     `name:"json" help:"Print the report as JSON."`
}

// Help is the long help, with examples.
func (ImportCommand) Help() string {
	return `Every paid order becomes signed events on POST /hooks/orders/generic: paid, completed and refunded, as far as the file knows. ` +
		`Events have keys, so importing a file again, or a later one of the same orders, changes nothing twice.

Examples:

  Look at what a Tmall export holds, without sending anything:

    huitou orders import ExportOrderList.csv ExportOrderDetailList.csv --channel tmall --dry-run

  Import it:

    HUITOU_WEBHOOK_SECRET=whsec_… huitou orders import ExportOrderList.csv ExportOrderDetailList.csv --channel tmall

  The orders of the years before, whose points members import brings:

    huitou orders import 2023.csv 2023-lines.csv --channel tmall --history

  A Douyin export into the deployed stack, the report for a script:

    huitou orders import orders.xlsx --channel douyin --url https://example.execute-api.cn-north-1.amazonaws.com.cn --json

Exit codes: 0 everything taken, 1 something refused or stopped, 2 wrong usage.`
}

// Report is what an import found and did. Amounts are in fen.
type Report struct {
	Orders     int              `json:"orders"` // paid ones, found in the files
	Lines      int              `json:"lines"`
	Currency   string           `json:"currency"`
	Paid       loyalty.Fen      `json:"paid"`     // for goods
	Refunded   loyalty.Fen      `json:"refunded"` // of that
	Unpaid     []export.Unpaid  `json:"unpaid"`
	Refused    []export.Refusal `json:"refused"`
	DryRun     bool             `json:"dry_run"`
	SentOrders int              `json:"sent_orders"` // accepted with all their events
	SentEvents int              `json:"sent_events"`
	Stopped    string           `json:"stopped,omitempty"` // why it ended early
}

// Run imports. It fails with a *UsageError for arguments that cannot be used
// and with an error of exit code 1 where something was refused or it had to
// stop; the report is printed in that case too.
func (c ImportCommand) Run(ctx context.Context, console Console) error {
	target, err := c.target()
	if err != nil {
		return err
	}
	result, err := c.read(ctx, console)
	if err != nil {
		return err
	}
	report := Report{
		Orders: len(result.Orders), Currency: "CNY", Unpaid: result.Unpaid, Refused: result.Refused, DryRun: c.DryRun,
	}
	for _, order := range result.Orders {
		report.Lines += order.Lines
		report.Paid += order.Paid
		report.Refunded += order.Refunded
	}
	if !c.DryRun {
		delivery := newDelivery(target, c.Secret)
		delivery.history = c.History
		bar := console.progress(int64(len(result.Orders)), "sending orders")
		sent := delivery.send(ctx, result.Orders, func() { _ = bar.Add(1) })
		_ = bar.Finish()
		report.SentOrders, report.SentEvents, report.Stopped = sent.orders, sent.events, sent.stopped
		report.Refused = append(report.Refused, sent.refused...)
	}
	if err := c.print(console, report); err != nil {
		return err
	}
	switch {
	case report.Stopped != "":
		return &incompleteError{fmt.Sprintf("stopped: %s\n%d of %d orders were sent. Run the same command again: what has arrived already changes nothing.", report.Stopped, report.SentOrders, report.Orders)}
	case len(report.Refused) > 0:
		return &incompleteError{fmt.Sprintf("%d refused, see above; the rest was taken", len(report.Refused))}
	}
	return nil
}

// target is where to send, checked before any file is read.
func (c ImportCommand) target() (string, error) {
	address, err := parseAddress(c.URL)
	if err != nil {
		return "", err
	}
	if !c.DryRun {
		if err := checkSecret(c.Secret); err != nil {
			return "", err
		}
	}
	return address.JoinPath("hooks", "orders", "generic").String(), nil
}

// read opens all files and gives them to the channel's reader.
func (c ImportCommand) read(ctx context.Context, console Console) (export.Result, error) {
	var files []export.File
	var size int64
	var sources []*os.File
	defer func() {
		for _, source := range sources {
			_ = source.Close()
		}
	}()
	for _, path := range c.Files {
		source, bytes, err := openExport(path)
		if err != nil {
			return export.Result{}, err
		}
		sources, size = append(sources, source), size+bytes
	}
	bar := console.progress(size, "reading files")
	defer func() { _ = bar.Finish() }()
	for i, source := range sources {
		counted := &watched{ctx: ctx, source: io.TeeReader(source, bar)}
		rows, err := openRows(source, counted, c.encoding())
		if ctx.Err() != nil {
			return export.Result{}, errInterrupted
		}
		if err != nil {
			return export.Result{}, &incompleteError{printable(c.Files[i]) + ": " + reasonOf(err)}
		}
		if closer, ok := rows.(io.Closer); ok {
			defer func() { _ = closer.Close() }()
		}
		files = append(files, export.File{Name: printable(c.Files[i]), Rows: rows})
	}
	read := export.Tmall
	if c.Channel == "douyin" {
		read = export.Douyin
	}
	result, err := read(c.Shop, time.Now(), files...)
	if ctx.Err() != nil {
		return export.Result{}, errInterrupted
	}
	if err != nil {
		return export.Result{}, &incompleteError{err.Error()}
	}
	return result, nil
}

func (c ImportCommand) encoding() export.Encoding {
	if c.Encoding == "gbk" {
		return export.EncodingGB18030 // of which it is a part
	}
	return export.Encoding(c.Encoding)
}

// errInterrupted is what Ctrl-C comes to before anything is sent.
var errInterrupted = &incompleteError{"stopped while reading; nothing has been sent"}

// openExport opens what is a plain file and no larger than an export can be.
// Directories, pipes and devices are refused before they are opened, since
// opening a pipe waits for somebody to write.
func openExport(path string) (*os.File, int64, error) {
	about, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, 0, &UsageError{printable(path) + ": there is no such file"}
	case err != nil:
		return nil, 0, &UsageError{printable(path) + ": the file cannot be looked at"}
	case about.IsDir():
		return nil, 0, &UsageError{printable(path) + ": is a directory; name the files in it"}
	case !about.Mode().IsRegular():
		return nil, 0, &UsageError{printable(path) + ": is not a plain file"}
	case about.Size() > largestExport:
		return nil, 0, &UsageError{fmt.Sprintf("%s: is over %d MiB; export fewer days at a time", printable(path), largestExport>>20)}
	}
	source, err := os.Open(path)
	if err != nil {
		return nil, 0, &UsageError{printable(path) + ": the file cannot be opened"}
	}
	return source, about.Size(), nil
}

// watched is a file that stops being read when the user presses Ctrl-C.
type watched struct {
	ctx    context.Context
	source io.Reader
}

func (w *watched) Read(into []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.source.Read(into)
}

func (c ImportCommand) print(console Console, report Report) error {
	if c.JSON {
		// Lists are lists in JSON even when they are empty.
		if report.Unpaid == nil {
			report.Unpaid = []export.Unpaid{}
		}
		if report.Refused == nil {
			report.Refused = []export.Refusal{}
		}
		encoder := json.NewEncoder(console.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	var text strings.Builder
	for _, refused := range report.Refused {
		fmt.Fprintf(&text, "refused  %s\n", refused.Error())
	}
	for _, unpaid := range report.Unpaid {
		fmt.Fprintf(&text, "unpaid   %s:%d: order %s\n", unpaid.File, unpaid.Line, printable(unpaid.OrderID))
	}
	fmt.Fprintf(&text, "orders   %d with %d lines\n", report.Orders, report.Lines)
	fmt.Fprintf(&text, "paid     %s\n", money(report.Paid))
	fmt.Fprintf(&text, "refunded %s\n", money(report.Refunded))
	fmt.Fprintf(&text, "unpaid   %d orders, refused %d rows or orders\n", len(report.Unpaid), len(report.Refused))
	if report.DryRun {
		text.WriteString("sent     nothing (--dry-run)\n")
	} else {
		fmt.Fprintf(&text, "sent     %d orders in %d events\n", report.SentOrders, report.SentEvents)
	}
	_, err := io.WriteString(console.Out, text.String())
	return err
}

// reasonOf is what a refusal says to the user.
func reasonOf(err error) string {
	if refusal, ok := errors.AsType[*loyalty.Error](err); ok {
		return refusal.Detail
	}
	return err.Error()
}
