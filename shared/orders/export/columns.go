package export

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// columns finds cells by the names of their columns.
type columns struct {
	width int              // up to the last column that has a name
	at    map[string]int   // by the name that this package uses
	twice map[string][]int // where a name stands that stands more than once
}

// spellings are other names that a platform has given its columns over the
// years, and what this package calls them.
type spellings map[string]string

// nameOf is what this package calls a column: without blanks, the unit and
// what joining two lists by a program leaves behind, half-width, and by its
// first name.
func (s spellings) nameOf(cell string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, width.Fold.String(Clean(cell)))
	for _, ending := range []string{"_X", "_Y", ".1", "(元)"} {
		name = strings.TrimSuffix(name, ending)
	}
	if first, ok := s[name]; ok {
		return first
	}
	return name
}

// readHeader reads the first row of a file. Everything that is wrong with it
// ends the import: a file of another kind has no good rest.
func readHeader(file File, names spellings) (columns, error) {
	row, err := file.Rows.Next()
	if bad, ok := errors.AsType[*BadRow](err); ok {
		return columns{}, Refusal{File: file.Name, Line: bad.Line, Reason: bad.Reason}
	}
	if errors.Is(err, io.EOF) {
		return columns{}, Refusal{File: file.Name, Line: 1, Reason: "the file is empty"}
	}
	if err != nil {
		return columns{}, Refusal{File: file.Name, Line: 1, Reason: "the file cannot be read: " + err.Error()}
	}
	header := columns{at: map[string]int{}, twice: map[string][]int{}}
	for i, cell := range row.Cells {
		name := names.nameOf(cell)
		if name == "" {
			continue
		}
		header.width = i + 1
		first, known := header.at[name]
		switch {
		case !known:
			header.at[name] = i
		case header.twice[name] == nil:
			header.twice[name] = []int{first, i}
		default:
			header.twice[name] = append(header.twice[name], i)
		}
	}
	return header, nil
}

func (c columns) has(name string) bool { _, ok := c.at[name]; return ok }

// lacking are the wanted columns that are not there.
func (c columns) lacking(wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), c.has)
}

// once refuses a file in which a column that is read stands twice: nothing says
// which of the two to believe.
func (c columns) once(file File, read []string) error {
	for _, name := range read {
		if len(c.twice[name]) > 0 {
			return Refusal{File: file.Name, Line: 1, Column: name, Reason: "the column stands twice in the header"}
		}
	}
	return nil
}

// fit brings a row to the width of the header, or says that it cannot be. Empty
// cells behind the last column are commas too many. A word of a state has a
// comma in it (买家已付款,等待卖家发货); where the file does not quote it, its two
// halves stand in two cells, and together they are a word.
func (c columns) fit(cells []string, words map[string]vocabulary) ([]string, bool) {
	for _, column := range slices.Sorted(func(yield func(int) bool) {
		for name := range words {
			if at, ok := c.at[name]; ok && !yield(at) {
				return
			}
		}
	}) {
		if len(cells) <= c.width || column+1 >= len(cells) {
			break
		}
		for name, known := range words {
			joined := cells[column] + "," + cells[column+1]
			if c.at[name] == column && c.has(name) && known.holds(joined) {
				cells = slices.Concat(cells[:column], []string{joined}, cells[column+2:])
				break
			}
		}
	}
	if len(cells) > c.width && !slices.ContainsFunc(cells[c.width:], func(cell string) bool { return Clean(cell) != "" }) {
		cells = cells[:c.width]
	}
	return cells, len(cells) == c.width
}

// each gives every row behind the header to read, and refuses the rows that
// are damaged or that read refuses. words are the columns that hold words of a
// closed set, and order is the column that names the row's order.
func (b *book) each(file File, header columns, order string, words map[string]vocabulary, read func(record) error) error {
	for {
		row, err := file.Rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if bad, ok := errors.AsType[*BadRow](err); ok {
			b.refuse(file.Name, bad.Line, "", bad.Reason)
			continue
		}
		if err != nil {
			return Refusal{File: file.Name, Line: row.Line, Reason: "the file cannot be read on: " + err.Error()}
		}
		cells, fits := header.fit(row.Cells, words)
		if !fits {
			b.refuse(file.Name, row.Line, "", fmt.Sprintf("has %d columns and the header %d", len(row.Cells), header.width))
			if at := header.at[order]; at < len(row.Cells) {
				b.incomplete[Clean(row.Cells[at])] = true
			}
			continue
		}
		if err := read(record{file: file.Name, line: row.Line, columns: header, cells: cells}); err != nil {
			column, reason := "", err.Error()
			if fault, ok := errors.AsType[*refusal](err); ok {
				column, reason = fault.column, fault.reason
			}
			b.refuse(file.Name, row.Line, column, reason)
		}
	}
}
