package spreadsheet_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/width"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/spreadsheet"
)

func TestCellsThatBeginLikeAFormulaAreTexts(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1+1": "'-1+1", "@SUM(A1)": "'@SUM(A1)", "＝1+1": "'＝1+1", "＋1": "'＋1", "－1": "'－1", "＠SUM": "'＠SUM",
		"\t=1": "'\t=1", "\r=1": "'\r=1", "\tx": "'\tx", "\nx": "'\nx", " =1+1": "' =1+1", "\u3000=1": "'\u3000=1", "\u200b=1": "'\u200b=1", "-": "'-", "--1": "'--1", "-1.": "'-1.", "-1e5": "'-1e5", "-.5": "'-.5",
		"": "", "-5": "-5", "-0.25": "-0.25", "7": "7", "a=1": "a=1", "红包": "红包", "'=1": "'=1", "K-15379": "K-15379", " x": " x", "，=1": "，=1",
	} {
		if got := spreadsheet.Cell(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// Whatever cells hold, they are read back as texts that begin as no formula
// does, and without the mark as what they were.
func TestNoCellOfAnyFileIsAFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.SliceOfN(rapid.StringMatching("[-=+@＝＋－＠\t\r\n '\",0-9a红\u3000\u00a0\u200b\ufeff.]{0,6}"), 1, 5).Draw(t, "cells")
		var out bytes.Buffer
		w := spreadsheet.NewWriter(&out)
		w.Write(append([]string{"x"}, cells...)...)
		w.Flush()
		if err := w.Error(); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != 1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for i, got := range rows[0][1:] {
			want := strings.ReplaceAll(cells[i], "\r\n", "\n") // as every reader of CSV has it
			if got != want && got != "'"+want {
				t.Fatalf("%q became %q", want, got)
			}
			shown := strings.TrimLeftFunc(got, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
			first := width.Fold.String(shown)
			if first != "" && strings.ContainsAny(first[:1], "=+@") || strings.HasPrefix(first, "-") && strings.Trim(got, "-.0123456789") != "" || got != "" && strings.ContainsAny(got[:1], "\t\r\n") {
				t.Fatalf("%q is a formula to a spreadsheet", got)
			}
		}
	})
}

func TestAWriterTellsWhatWentWrong(t *testing.T) {
	w := spreadsheet.NewWriter(full{})
	w.Write("a")
	w.Flush()
	if w.Error() == nil {
		t.Error("a full disk was not told")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }
