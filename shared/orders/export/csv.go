package export

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/huitou/huitou/shared/loyalty"
)

// The limits of one record of a CSV file. They bound the memory that a
// missing quote or a file without line ends can take.
const (
	maxRecordBytes = 256 << 10
	maxRecordLines = 200
	sniffedBytes   = 64 << 10
)

// Encoding names how the text of a CSV file is written.
type Encoding string

// The encodings. EncodingAuto is UTF-8 where the beginning of the file is
// valid UTF-8 and GB18030, of which GBK is a part, where it is not.
const (
	EncodingAuto    Encoding = "auto"
	EncodingUTF8    Encoding = "utf-8"
	EncodingGB18030 Encoding = "gb18030"
	EncodingUTF16   Encoding = "utf-16"
)

// CSV reads the records of a CSV file one by one. A record that is damaged
// costs itself only: reading goes on with the line after the one it began on.
type CSV struct {
	source   *bufio.Reader
	lineEnd  byte
	replayed []physicalLine // read already, to be read again
	line     int            // of the last line read from source
}

type physicalLine struct {
	text   string
	number int
	tooBig bool
}

// NewCSV begins to read. It fails with loyalty.KindInvalid, code
// "wrong_encoding", where the beginning is UTF-16 and the encoding does not
// say so, and code "not_text" where it is no text at all.
func NewCSV(source io.Reader, named Encoding) (*CSV, error) {
	buffered := bufio.NewReaderSize(source, sniffedBytes)
	// A file shorter than the buffer is sniffed whole; its end is no error.
	start, err := buffered.Peek(sniffedBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	decoding, err := decodingOf(start, named)
	if err != nil {
		return nil, err
	}
	decoded := bufio.NewReaderSize(decoding.NewDecoder().Reader(buffered), sniffedBytes)
	if mark, _ := decoded.Peek(3); string(mark) == "\ufeff" {
		_, _ = decoded.Discard(3) // cannot fail: the bytes have been seen
	}
	start, err = decoded.Peek(sniffedBytes / 2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	file := &CSV{source: decoded, lineEnd: '\n'}
	if !bytes.ContainsRune(start, '\n') && bytes.ContainsRune(start, '\r') {
		file.lineEnd = '\r'
	}
	return file, nil
}

func decodingOf(start []byte, named Encoding) (encoding.Encoding, error) {
	isUTF16 := bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff"))
	switch {
	case named == EncodingUTF16:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), nil
	case isUTF16:
		return nil, loyalty.Refuse(loyalty.KindInvalid, "wrong_encoding", "the file is UTF-16; say --encoding utf-16, or save it as UTF-8")
	case bytes.IndexByte(start, 0) >= 0:
		return nil, loyalty.Refuse(loyalty.KindInvalid, "not_text", "the file holds NUL bytes, so it is not a CSV file (an old Excel file, perhaps)")
	case named == EncodingGB18030, named == EncodingAuto && !utf8.Valid(wholeRunes(start)):
		return simplifiedchinese.GB18030, nil
	default:
		// Bytes that are not UTF-8 pass unchanged and are refused row by row.
		return encoding.Nop, nil
	}
}

// wholeRunes leaves out the part of a character at the end of the sniffed
// piece.
func wholeRunes(piece []byte) []byte {
	for cut := 1; cut < utf8.UTFMax && cut < len(piece); cut++ {
		if last := piece[len(piece)-cut]; utf8.RuneStart(last) {
			if !utf8.FullRune(piece[len(piece)-cut:]) {
				return piece[:len(piece)-cut]
			}
			break
		}
	}
	return piece
}

// Next gives the next record that is not blank, with the line it begins on.
// It fails with io.EOF at the end and with a *BadRow for a record that cannot
// be read, after which Next may be called again.
func (c *CSV) Next() (Row, error) {
	for {
		first, err := c.next()
		if err != nil {
			return Row{}, err
		}
		if strings.TrimSpace(first.text) == "" && !first.tooBig {
			continue
		}
		return c.record(first)
	}
}

// record collects the lines of one record: as long as a quoted cell is open.
func (c *CSV) record(first physicalLine) (Row, error) {
	if first.tooBig {
		return Row{}, &BadRow{Line: first.number, Reason: "the line is too long"}
	}
	text := first.text
	cells, state := splitCells(text)
	var further []physicalLine
	for state == cellOpen {
		line, err := c.next()
		unterminated := errors.Is(err, io.EOF)
		if err != nil && !unterminated {
			return Row{}, err
		}
		if !unterminated {
			further = append(further, line)
		}
		if unterminated || line.tooBig || len(text)+len(line.text) > maxRecordBytes || len(further) >= maxRecordLines {
			break
		}
		text += "\n" + line.text
		cells, state = splitCells(text)
	}
	if reason := faultOf(text, state); reason != "" {
		// A fault of this line must not take the lines behind it along.
		c.replayed = append(further, c.replayed...)
		return Row{}, &BadRow{Line: first.number, Reason: reason}
	}
	return Row{Line: first.number, Cells: cells}, nil
}

func faultOf(text string, state cellState) string {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return "the row holds NUL bytes"
	case !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError):
		return "the row holds bytes that are not text in the file's encoding; say --encoding gb18030 or --encoding utf-8"
	case state == cellOpen:
		return "a quote is opened and never closed"
	case state == cellBroken:
		return "text follows the closing quote of a cell"
	}
	return ""
}

// cellState is how a piece of a record ended.
type cellState int

const (
	cellWhole  cellState = iota
	cellOpen             // a quote was opened and not closed
	cellBroken           // something follows a closing quote
)

const blanks = " \t"

// splitCells takes a record apart as RFC 4180 does, and beyond it what sellers'
// exports hold: blanks around a quoted cell, quotes inside of a cell that does
// not begin with one, which stand for themselves, and formula cells that are
// not quoted (="35"), whose commas belong to them.
func splitCells(text string) (cells []string, state cellState) {
	for more := true; more; {
		var cell string
		if cell, text, more, state = firstCell(text); state != cellWhole {
			return nil, state
		}
		cells = append(cells, cell)
	}
	return cells, cellWhole
}

// firstCell is the first cell of a record, what stands behind the comma after
// it, and whether there was one.
func firstCell(text string) (cell, rest string, more bool, state cellState) {
	start := strings.TrimLeft(text, blanks)
	switch {
	case strings.HasPrefix(start, `"`):
		cell, rest, state = unquote(start[1:])
		if state != cellWhole {
			return "", "", false, state
		}
		rest = strings.TrimLeft(rest, blanks)
		if rest != "" && rest[0] != ',' {
			return "", "", false, cellBroken
		}
		return cell, strings.TrimPrefix(rest, ","), rest != "", cellWhole
	case strings.HasPrefix(start, `="`):
		if end := formulaEnd(start); end > 0 {
			rest = strings.TrimLeft(start[end:], blanks)
			return start[:end], strings.TrimPrefix(rest, ","), rest != "", cellWhole
		}
	}
	cell, rest, more = strings.Cut(text, ",")
	return cell, rest, more, cellWhole
}

// unquote reads a quoted cell from behind its first quote.
func unquote(text string) (cell, rest string, state cellState) {
	var whole strings.Builder
	for {
		before, after, found := strings.Cut(text, `"`)
		switch {
		case !found:
			return "", "", cellOpen
		case strings.HasPrefix(after, `"`):
			whole.WriteString(before)
			whole.WriteByte('"')
			text = after[1:]
		case whole.Len() == 0:
			return before, after, cellWhole
		default:
			whole.WriteString(before)
			return whole.String(), after, cellWhole
		}
	}
}

// formulaEnd is where the formula ="…" at the beginning of a text ends: behind
// the first quote that a comma or the end follows. It is 0 where there is none.
func formulaEnd(text string) int {
	for at := len(`="`); ; {
		next := strings.IndexByte(text[at:], '"')
		if next < 0 {
			return 0
		}
		at += next + 1
		if rest := strings.TrimLeft(text[at:], blanks); rest == "" || rest[0] == ',' {
			return at
		}
	}
}

// next gives one physical line without its end.
func (c *CSV) next() (physicalLine, error) {
	if len(c.replayed) > 0 {
		line := c.replayed[0]
		c.replayed = c.replayed[1:]
		return line, nil
	}
	var text []byte
	tooBig := false
	for {
		piece, err := c.source.ReadSlice(c.lineEnd)
		if tooBig = tooBig || len(text)+len(piece) > maxRecordBytes; !tooBig {
			text = append(text, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(text) > 0 || tooBig):
		case err != nil:
			return physicalLine{}, err
		}
		c.line++
		line := strings.TrimSuffix(strings.TrimSuffix(string(text), string(c.lineEnd)), "\r")
		return physicalLine{text: line, number: c.line, tooBig: tooBig}, nil
	}
}
