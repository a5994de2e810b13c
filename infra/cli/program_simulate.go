package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/simulation"
)

// ProgramSimulateCommand is `huitou program simulate`.
type ProgramSimulateCommand struct {
	File       string   `arg:"" name:"file" help:"The rules as JSON."`
	Month      *Month   `placeholder:"YYYY-MM" help:"Orders paid in this month of the file's time zone; last month when absent."`
	From       *Instant `placeholder:"TIME" help:"Instead of a month: the first moment."`
	To         *Instant `placeholder:"TIME" help:"Instead of a month: the first moment after."`
	Connection `embed:""`
}

// Month is a calendar month, "2026-10".
type Month struct{ time.Time }

// UnmarshalText reads a month.
func (m *Month) UnmarshalText(text []byte) error {
	first, err := time.Parse("2006-01", string(text))
	if err != nil {
		return fmt.Errorf("%s is not a month, such as 2026-10", printable(string(text)))
	}
	m.Time = first
	return nil
}

// Help is the long help.
func (ProgramSimulateCommand) Help() string {
	return `Tells what the orders of a past month gave their members and what a file's rules would have given. Changes nothing. A large brand takes minutes: every member's history is read.

Examples:

    huitou program simulate program.json

    huitou program simulate program.json --month 2026-10 --json`
}

// simulated is the answer as far as the text shows it.
type simulated struct {
	Definition string    `json:"definition"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	simulation.Result
	Done       census.Done `json:"done"`
	NextCursor string      `json:"next_cursor"`
}

// Run simulates.
func (c ProgramSimulateCommand) Run(ctx context.Context, console Console) error {
	source, err := readDocument(c.File)
	if err != nil {
		return err
	}
	rules, err := rulesOf(source)
	if err != nil {
		return err
	}
	delete(rules, "effective_at") // the period is what counts here
	from, to, err := c.period(rules, time.Now())
	if err != nil {
		return err
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	bar := console.progress(1, "members")
	defer func() { _ = bar.Finish() }()
	cursor := ""
	for {
		body, err := json.Marshal(map[string]any{"document": rules, "from": from, "to": to, "cursor": cursor})
		if err != nil {
			return err
		}
		answer, err := huitou.do(ctx, call{method: http.MethodPost, path: []string{"v1", "program", "simulation"}, body: body, key: rand.Text()})
		if err != nil {
			return source.explain(inFile(err))
		}
		found, err := decode[simulated](answer)
		if err != nil {
			return err
		}
		bar.ChangeMax(found.Done.Of)
		_ = bar.Set(found.Done.Shards)
		if found.NextCursor != "" {
			if found.NextCursor == cursor {
				return errNotHuitou // it would go on for ever
			}
			cursor = found.NextCursor
			continue
		}
		_ = bar.Finish()
		return render(console, c.Connection, answer, func(s simulated) string { return s.text() })
	}
}

// period is what the flags say, in the file's time zone.
func (c ProgramSimulateCommand) period(rules map[string]json.RawMessage, now time.Time) (from, to time.Time, err error) {
	switch {
	case (c.From != nil || c.To != nil) && c.Month != nil, (c.From == nil) != (c.To == nil):
		return from, to, &UsageError{"give --month, or --from and --to"}
	case c.From != nil && !c.From.Before(c.To.Time):
		return from, to, &UsageError{"--to must come after --from"}
	case c.From != nil:
		return c.From.Time, c.To.Time, nil
	}
	var name string
	_ = json.Unmarshal(rules["time_zone"], &name) // huitou says what is wrong with it
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = time.UTC
	}
	local := now.In(zone)
	first := time.Date(local.Year(), local.Month()-1, 1, 0, 0, 0, 0, zone)
	if c.Month != nil {
		first = time.Date(c.Month.Year(), c.Month.Month(), 1, 0, 0, 0, 0, zone)
	}
	return first, first.AddDate(0, 1, 0), nil
}

// inFile moves the fields of a refusal to where they stand in the file.
func inFile(err error) error {
	refused, ok := errors.AsType[*problemError](err)
	if !ok {
		return err
	}
	moved := *refused
	moved.document.Errors = nil
	for _, field := range refused.document.Errors {
		moved.document.Errors = append(moved.document.Errors, loyalty.Field{Pointer: strings.TrimPrefix(field.Pointer, "/document"), Code: field.Code})
	}
	return &moved
}

func (s simulated) text() string {
	given := func(p simulation.Points) string {
		return fmt.Sprintf("%d → %d (%+d)", p.Then, p.Proposed, p.Proposed-p.Then)
	}
	count := func(n int64) string { return fmt.Sprint(n) }
	text := facts(
		"orders paid", fmt.Sprintf("from %s until %s", s.From.Format(time.RFC3339), s.To.Format(time.RFC3339)),
		"orders", count(s.Totals.Orders), "lines", count(s.Totals.Lines), "paid", money(s.Totals.Paid), "refunded", money(s.Totals.Refunded),
		"points given", given(s.Totals.Given), "after refunds", given(s.Totals.Held),
		"members", fmt.Sprintf("%d bought: %d better off, %d worse off", s.Members.Bought, s.Members.Better, s.Members.Worse),
	)
	for _, parts := range []struct {
		title string
		parts []simulation.Part
	}{{"CATEGORY", s.Categories}, {"CHANNEL", s.Channels}} {
		table := grid{titles: []string{parts.title, "ORDERS", "PAID", "POINTS THEN", "PROPOSED"}}
		for _, part := range parts.parts {
			table.add(part.Name, count(part.Orders), money(part.Paid), count(int64(part.Held.Then)), count(int64(part.Held.Proposed)))
		}
		text += "\n" + table.String()
	}
	if len(s.Examples) > 0 {
		table := grid{titles: []string{"LARGEST DIFFERENCES", "CHANNEL", "SHOP", "PAID", "POINTS THEN", "PROPOSED"}}
		for _, e := range s.Examples {
			table.add(e.OrderID, string(e.Channel), e.Shop, money(e.Paid), count(int64(e.Held.Then)), count(int64(e.Held.Proposed)))
		}
		text += "\n" + table.String()
	}
	return text + "\n" + printable(s.Definition) + "\n"
}
