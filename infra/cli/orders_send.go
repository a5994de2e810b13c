package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// OrdersSendCommand is `huitou orders send`.
type OrdersSendCommand struct {
	Files  []string `arg:"" name:"file" help:"JSON files with one canonical event, or several one after the other."`
	URL    string   `name:"url" env:"HUITOU_URL" default:"http://127.0.0.1:8080" help:"Where huitou answers."`
	Secret string   `env:"HUITOU_WEBHOOK_SECRET" placeholder:"whsec_…" help:"The order feed's signing secret; better given in the environment, where other users of the machine cannot see it."`
	DryRun bool     `help:"Check the events, send nothing."`
	JSON   bool     `name:"json" help:"Print the report as JSON."`
}

// Help is the long help.
func (OrdersSendCommand) Help() string {
	return `All files are checked before anything is sent. Events have keys, so sending a file again changes nothing twice.

Examples:

    HUITOU_WEBHOOK_SECRET=whsec_… huitou orders send paid.json completed.json

    huitou orders send events.ndjson --dry-run`
}

// largestEvents is the longest file of events, in bytes.
const largestEvents = 64 << 20

// event is one event of a file, as it is sent.
type event struct {
	place string
	body  []byte
}

// refusedEvent is an event that huitou did not take.
type refusedEvent struct {
	Place  string `json:"place"` // file:line:column
	Reason string `json:"reason"`
}

// Run sends.
func (c OrdersSendCommand) Run(ctx context.Context, console Console) error {
	target, err := ImportCommand{URL: c.URL, Secret: c.Secret, DryRun: c.DryRun}.target()
	if err != nil {
		return err
	}
	var events []event
	for _, path := range c.Files {
		more, err := readEvents(path, time.Now())
		if err != nil {
			return err
		}
		events = append(events, more...)
	}
	report := struct {
		Events  int            `json:"events"`
		Sent    int            `json:"sent"`
		Refused []refusedEvent `json:"refused"`
		DryRun  bool           `json:"dry_run"`
	}{Events: len(events), Refused: []refusedEvent{}, DryRun: c.DryRun}
	var stopped error
	if !c.DryRun {
		delivery := newDelivery(target, c.Secret)
		bar := console.progress(int64(len(events)), "sending events")
		for _, one := range events {
			reason, err := delivery.post(ctx, one.body)
			if err != nil {
				stopped = err
				break
			}
			if reason != "" {
				report.Refused = append(report.Refused, refusedEvent{one.place, "huitou refused the event: " + reason})
			} else {
				report.Sent++
			}
			_ = bar.Add(1)
		}
		_ = bar.Finish()
	}
	if c.JSON {
		err = console.value(report)
	} else {
		text := ""
		for _, refused := range report.Refused {
			text += fmt.Sprintf("refused  %s: %s\n", refused.Place, refused.Reason)
		}
		err = console.text(text + fmt.Sprintf("events   %d\nsent     %d\n", report.Events, report.Sent))
	}
	switch {
	case err != nil:
		return err
	case errors.Is(stopped, context.Canceled):
		stopped = errors.New("interrupted")
		fallthrough
	case stopped != nil:
		return &incompleteError{fmt.Sprintf("stopped: %s\n%d of %d events were sent. Run the same command again: what has arrived already changes nothing.", stopped, report.Sent, report.Events)}
	case len(report.Refused) > 0:
		return &incompleteError{fmt.Sprintf("%d refused, see above; the rest was taken", len(report.Refused))}
	}
	return nil
}

// readEvents reads a file and holds its events against the rules that huitou
// has for them.
func readEvents(path string, now time.Time) ([]event, error) {
	raw, err := readFile(path, largestEvents)
	if err != nil {
		return nil, err
	}
	d := document{printable(path), bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))}
	decoder := jsontext.NewDecoder(bytes.NewReader(d.raw))
	var events []event
	for {
		start := skipBlanks(d.raw, int(decoder.InputOffset()))
		value, err := decoder.ReadValue()
		if errors.Is(err, io.EOF) && len(events) > 0 {
			return events, nil
		}
		if errors.Is(err, io.EOF) {
			return nil, &incompleteError{d.name + ": the file is empty"}
		}
		if err != nil {
			return nil, d.syntax(err)
		}
		one := event{d.place(start), bytes.Clone(value)}
		decoded, err := orders.Decode(one.body)
		if err == nil {
			err = decoded.Validate(now)
		}
		if err != nil {
			return nil, wrongEvent(d, start, one, err)
		}
		events = append(events, one)
	}
}

// wrongEvent says where in the file an event is wrong.
func wrongEvent(d document, start int, one event, err error) error {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok || len(refusal.Fields) == 0 {
		return d.wrong(start, reasonOf(err))
	}
	field := refusal.Fields[0]
	text := printable(refusal.Detail)
	if field.Pointer != "" {
		text = fmt.Sprintf("%s is wrong: %s", printable(field.Pointer), printable(field.Code))
	}
	return d.wrong(start+document{raw: one.body}.find(field.Pointer), text)
}
