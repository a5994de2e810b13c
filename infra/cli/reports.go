package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/url"
	"time"

	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/liability"
	"github.com/huitou/huitou/shared/loyalty"
)

type reportsCommands struct {
	Liability ReportsLiabilityCommand `cmd:"" help:"Points owed to members (积分负债)."`
}

// ReportsLiabilityCommand is `huitou reports liability`.
type ReportsLiabilityCommand struct {
	Reconcile  bool `help:"Read every member's ledger as well and compare: the month-end close (月结核对)."`
	CSV        bool `name:"csv" help:"Print figure, month, value and definition as CSV."`
	Connection `embed:""`
}

// Help is the long help.
func (ReportsLiabilityCommand) Help() string {
	return `Goes over all members, in as many calls as it takes. With --reconcile a large brand takes minutes, and the command fails where the books differ from the ledger.

Examples:

    huitou reports liability

    huitou reports liability --csv > liability.csv

    huitou reports liability --reconcile --json`
}

// reported is the answer as far as the text shows it.
type reported struct {
	Definition string    `json:"definition"`
	ReadUntil  time.Time `json:"read_until"`
	liability.Report
	Done       census.Done `json:"done"`
	NextCursor string      `json:"next_cursor"`
}

// Run reports.
func (c ReportsLiabilityCommand) Run(ctx context.Context, console Console) error {
	if c.CSV && c.JSON {
		return &UsageError{"give --csv or --json, not both"}
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	bar := console.progress(1, "members")
	defer func() { _ = bar.Finish() }()
	query := url.Values{}
	if c.Reconcile {
		query.Set("reconcile", "true")
	}
	request := call{method: "GET", path: []string{"v1", "reports", "liability"}, query: query}
	for {
		answer, err := huitou.do(ctx, request)
		if err != nil {
			return err
		}
		found, err := decode[reported](answer)
		if err != nil {
			return err
		}
		bar.ChangeMax(found.Done.Of)
		_ = bar.Set(found.Done.Shards)
		if found.NextCursor != "" {
			if found.NextCursor == query.Get("cursor") {
				return errNotHuitou // it would go on for ever
			}
			query.Set("cursor", found.NextCursor)
			continue
		}
		_ = bar.Finish()
		if c.CSV {
			err = asCSV(ctx, console, huitou, request)
		} else {
			err = render(console, c.Connection, answer, func(r reported) string { return r.text() })
		}
		if err != nil {
			return err
		}
		return found.agrees()
	}
}

// asCSV asks for the last part of the walk once more, in the other form.
func asCSV(ctx context.Context, console Console, huitou *api, request call) error {
	request.path = []string{"v1", "reports", "liability.csv"}
	answer, err := huitou.do(ctx, request)
	if err != nil {
		return err
	}
	rows, err := csv.NewReader(bytes.NewReader(answer.body)).ReadAll()
	if err != nil || len(rows) < 2 || rows[0][0] != "figure" {
		return errNotHuitou
	}
	if rows[len(rows)-1][0] == "next_cursor" {
		return &incompleteError{"members joined while the report was made; run the command again"}
	}
	return console.text(string(answer.body))
}

// agrees fails where the books are not right.
func (r reported) agrees() error {
	switch {
	case r.Difference != 0:
		return &incompleteError{fmt.Sprintf("the books are not right: double entry leaves %d points over", r.Difference)}
	case r.Reconciled != nil && r.Reconciled.Differ > 0:
		return &incompleteError{fmt.Sprintf("the accounts of %d members are not what their ledgers add up to; run the command again, and if it stays, look at them", r.Reconciled.Differ)}
	}
	return nil
}

func (r reported) text() string {
	count := func(p loyalty.Points) string { return fmt.Sprint(p) }
	pairs := []string{
		"read", fmt.Sprintf("from %s until %s", r.AsOf.Format(time.RFC3339), r.ReadUntil.Format(time.RFC3339)), "members", fmt.Sprint(r.Members),
		"issued", count(r.Issued), "spent", count(r.Spent), "expired", count(r.Expired), "clawed back", count(r.Clawed),
		"available", count(r.Available), "  never ending", count(r.NeverEnding), "  ended, not written off", count(r.Ended),
		"pending", count(r.Pending), "debt", count(r.Debt), "outstanding", count(r.Outstanding), "difference", count(r.Difference),
	}
	if r.ErasedMembers > 0 {
		pairs = append(pairs, "of erased members", fmt.Sprintf("%d, of %d members", r.Erased, r.ErasedMembers))
	}
	if r.Breakage.State == liability.Estimated {
		pairs = append(pairs, "expected to lapse", fmt.Sprintf("%d, at %d.%02d %%", r.Breakage.Expected, r.Breakage.BasisPoints/100, r.Breakage.BasisPoints%100))
	} else {
		pairs = append(pairs, "expected to lapse", "not enough history yet")
	}
	pairs = append(pairs, "liability", count(r.Liability))
	if r.Money != nil {
		pairs = append(pairs, "in money", fmt.Sprintf("%s, without lapse %s", money(r.Money.Liability), money(r.Money.Outstanding)))
	}
	if c := r.Reconciled; c != nil {
		pairs = append(pairs, "ledger", fmt.Sprintf("%d lines, %d members differ, %d points apart", c.Facts, c.Differ, c.Difference))
		for _, member := range c.Members {
			pairs = append(pairs, "differs", string(member))
		}
	}
	text := facts(pairs...)
	if len(r.Ending) > 0 {
		table := grid{titles: []string{"GOOD TO THE END OF", "POINTS"}}
		for _, month := range r.Ending {
			table.add(string(month.Month), count(month.Points))
		}
		text += "\n" + table.String()
	}
	if r.Reconciled != nil && len(r.Reconciled.Cohorts) > 0 {
		table := grid{titles: []string{"ENDED IN", "SPENT", "EXPIRED", "LAPSED %"}}
		for _, cohort := range r.Reconciled.Cohorts {
			table.add(string(cohort.Month), count(cohort.Spent), count(cohort.Expired), fmt.Sprintf("%d.%02d", cohort.BasisPoints/100, cohort.BasisPoints%100))
		}
		text += "\n" + table.String()
	}
	return text + "\n" + printable(r.Definition) + "\nWhat each figure is: --csv.\n"
}
