package export_test

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/orders/export"
)

// Whatever cells hold, quotes and line ends included, they are read as they
// were written, and each row knows the line it begins on; rows damaged in
// between take nothing else with them.
func TestCSVReadsWhatWasWritten(t *testing.T) {
	cell := rapid.StringMatching(`[a奶 ,;"'\n=-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		var want []export.Row
		damaged := 0
		for range rapid.IntRange(1, 12).Draw(t, "rows") {
			line := strings.Count(text.String(), "\n") + 1
			if rapid.IntRange(0, 4).Draw(t, "damage") == 0 {
				text.WriteString(rapid.SampledFrom([]string{"x,\"a\"b\n", "x\ufffd\n"}).Draw(t, "damaged"))
				damaged++
				continue
			}
			row := export.Row{Line: line, Cells: append([]string{"x"}, rapid.SliceOfN(cell, 0, 4).Draw(t, "cells")...)}
			writer := csv.NewWriter(&text)
			if err := writer.Write(row.Cells); err != nil {
				t.Fatal(err)
			}
			writer.Flush()
			want = append(want, row)
		}
		rows, err := export.NewCSV(strings.NewReader(text.String()), export.EncodingAuto)
		if err != nil {
			t.Fatal(err)
		}
		var got []export.Row
		bad := 0
		for {
			row, err := rows.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if _, ok := errors.AsType[*export.BadRow](err); ok {
				bad++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, row)
		}
		if diff := cmp.Diff(want, got); diff != "" || bad != damaged {
			t.Fatalf("%d damaged rows, want %d; %s\n%q", bad, damaged, diff, text.String())
		}
	})
}
