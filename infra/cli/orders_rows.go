package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/huitou/huitou/shared/orders/export"
)

// openRows reads a file as what it is, whatever its name says: a ZIP archive
// is a spreadsheet, everything else is CSV. source and counted are the same
// file; only what is read through counted moves the progress bar.
func openRows(source *os.File, counted io.Reader, named export.Encoding) (export.Rows, error) {
	start := make([]byte, 4)
	n, err := source.ReadAt(start, 0)
	if err != nil && n == 0 {
		start = nil // an empty file, which the CSV reader will report
	}
	if bytes.Equal(start, []byte("PK\x03\x04")) {
		return openSheet(counted)
	}
	return export.NewCSV(counted, named)
}

// sheet is the first sheet of a spreadsheet (XLSX), row by row.
type sheet struct {
	book  *excelize.File
	rows  *excelize.Rows
	line  int
	width int // of the header
}

// openSheet reads a spreadsheet. Numbers that hold a date come out in the form
// that the importers read, whatever the machine's language. Unpacked it may
// have 1 GiB; past 16 MiB a sheet goes to a temporary file.
func openSheet(source io.Reader) (*sheet, error) {
	book, err := excelize.OpenReader(source, excelize.Options{
		UnzipSizeLimit: largestExport, UnzipXMLSizeLimit: 16 << 20,
		ShortDatePattern: "yyyy/m/d", LongDatePattern: "yyyy/m/d", LongTimePattern: "hh:mm:ss",
	})
	if err != nil {
		return nil, fmt.Errorf("is not a spreadsheet that can be read: %w", err)
	}
	names := book.GetSheetList()
	if len(names) == 0 {
		return nil, fmt.Errorf("the spreadsheet has no sheet")
	}
	rows, err := book.Rows(names[0])
	if err != nil {
		return nil, fmt.Errorf("the first sheet cannot be read: %w", err)
	}
	return &sheet{book: book, rows: rows}, nil
}

// Next gives the next row that is not blank. A sheet does not keep empty cells
// at the end of a row, so they are put back.
func (s *sheet) Next() (export.Row, error) {
	for s.rows.Next() {
		s.line++
		cells, err := s.rows.Columns()
		if err != nil {
			return export.Row{}, &export.BadRow{Line: s.line, Reason: "the row of the sheet cannot be read"}
		}
		if strings.TrimSpace(strings.Join(cells, "")) == "" {
			continue
		}
		if s.width == 0 {
			s.width = len(cells)
		}
		for len(cells) < s.width {
			cells = append(cells, "")
		}
		return export.Row{Line: s.line, Cells: cells}, nil
	}
	if err := s.rows.Error(); err != nil {
		return export.Row{}, err
	}
	return export.Row{}, io.EOF
}

// Close removes the temporary files.
func (s *sheet) Close() error {
	_ = s.rows.Close()
	return s.book.Close()
}
