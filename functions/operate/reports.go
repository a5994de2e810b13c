package operate

import (
	"bytes"
	"context"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/liability"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/spreadsheet"
	"github.com/huitou/huitou/shared/token"
)

var reportReaders = []token.Role{token.RoleViewer, token.RoleOperator}

type liabilityAnswer struct {
	Definition string    `json:"definition" doc:"what the figures are as a whole"`
	ReadUntil  time.Time `json:"read_until" doc:"when the last of the members looked at were"`
	liability.Report
	Definitions map[string]string `json:"definitions" doc:"of each figure, by its place in this document"`
	Done        census.Done       `json:"done" doc:"how far it is"`
	NextCursor  string            `json:"next_cursor,omitempty" doc:"send it as cursor to go on: the answers hold the sums so far, and the one without it holds all"`
}

// LiabilityQuestion is which part of the walk, and how.
type LiabilityQuestion struct {
	// A cursor holds the sums by month; API Gateway takes 10,240 bytes of
	// address and headers.
	Cursor    string `query:"cursor" maxLength:"8192" doc:"next_cursor of the answer before; reconcile stays the same"`
	Limit     int    `query:"limit" minimum:"1" maximum:"2000" default:"2000" doc:"how many members this call looks at; 200 at most with reconcile"`
	Reconcile bool   `query:"reconcile" doc:"read the ledger of every member as well, compare, and tell what became of lots that ended: the month-end close (月结核对)"`
}

func (f Function) registerReports(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/reports/liability", ID: "report-liability", Tag: "reports", Roles: reportReaders,
		Summary: "Points owed to members (积分负债) as of now: outstanding, ending by month, expected to lapse, in money; goes over all members in as many calls as it takes",
	}, func(ctx context.Context, in *LiabilityQuestion) (*rest.Body[liabilityAnswer], error) {
		answer, err := f.liability(ctx, *in)
		if err != nil {
			return nil, err
		}
		return rest.Answer(answer), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/reports/liability.csv", ID: "report-liability-csv", Tag: "reports", Roles: reportReaders,
		Summary: "The same figures as lines: figure, month, value, definition; one next_cursor says that they are not of all members yet",
		Content: map[string]reflect.Type{"text/csv": rest.Text},
	}, f.liabilityCSV)
}

func (f Function) liability(ctx context.Context, in LiabilityQuestion) (liabilityAnswer, error) {
	rules, err := f.rules(ctx)
	if err != nil {
		return liabilityAnswer{}, err
	}
	asked := liability.Question{Reconcile: in.Reconcile}
	sums, done, next, err := liability.Walk(ctx, f.Store, asked, in.Cursor, in.Limit, rules.Zone(), f.Clock())
	if err != nil {
		return liabilityAnswer{}, err
	}
	return liabilityAnswer{
		Definition: liability.Definition, ReadUntil: f.Clock().UTC(), Report: liability.Of(sums, rules.Document),
		Definitions: liability.Definitions(), Done: done, NextCursor: next,
	}, nil
}

func (f Function) liabilityCSV(ctx context.Context, in *LiabilityQuestion) (*file, error) {
	answer, err := f.liability(ctx, *in)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := spreadsheet.NewWriter(&out)
	w.Write("figure", "month", "value", "definition")
	w.Write("definition", "", "", answer.Definition)
	w.Write("read_until", "", answer.ReadUntil.Format(time.RFC3339Nano), "when the last of the members looked at were")
	for _, row := range answer.Rows() {
		w.Write(row.Figure, string(row.Month), row.Value, liability.DefinitionOf(answer.Definitions, row.Figure))
	}
	w.Write("done.shards", "", strconv.Itoa(answer.Done.Shards), "parts of the list of all members that were looked at whole")
	w.Write("done.of", "", strconv.Itoa(answer.Done.Of), "")
	if answer.NextCursor != "" {
		// With its name before it, because a cursor may begin as a formula does.
		w.Write("next_cursor", "", "cursor="+answer.NextCursor, "these are not all members: put it behind the address to go on")
	}
	w.Flush()
	return &file{
		ContentType: "text/csv; charset=utf-8", CacheControl: "no-store", Body: out.Bytes(),
		ContentDisposition: `attachment; filename="liability.csv"`,
	}, w.Error()
}
