// Package spreadsheet writes the CSV files that people open in a spreadsheet.
// Every CSV of the project is written here.
package spreadsheet

import (
	"encoding/csv"
	"io"
	"strings"
	"unicode"
)

// Writer writes rows whose cells no spreadsheet takes for a formula (公式注入).
// Like encoding/csv it buffers: Flush writes what is left, and Error tells what
// went wrong with any of it.
type Writer struct{ rows *csv.Writer }

// NewWriter writes to out.
func NewWriter(out io.Writer) Writer { return Writer{csv.NewWriter(out)} }

// Write writes one row; see Cell.
func (w Writer) Write(cells ...string) {
	safe := make([]string, len(cells))
	for i, cell := range cells {
		safe[i] = Cell(cell)
	}
	_ = w.rows.Write(safe) // Error tells
}

// Flush writes what is buffered.
func (w Writer) Flush() { w.rows.Flush() }

// Error is the first error of Write and Flush.
func (w Writer) Error() error { return w.rows.Error() }

// Cell is a text as a spreadsheet shows it and never works it out: one that
// begins, behind any blanks, with =, +, -, @, or their full-width forms, and one
// that begins with a tab or the end of a line gets a ' in front. A number is a
// number, also below zero.
func Cell(text string) string {
	visible := strings.TrimLeftFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
	first := strings.IndexFunc(visible, func(r rune) bool { return strings.ContainsRune("=+-@＝＋－＠", r) }) == 0
	if first && !isNumber(text) || strings.IndexAny(text, "\t\r\n") == 0 {
		return "'" + text
	}
	return text
}

// isNumber is true for digits with at most one point between them, and a minus
// before them.
func isNumber(text string) bool {
	whole, fraction, found := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	digits := func(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
	return digits(whole) && (!found || digits(fraction))
}
