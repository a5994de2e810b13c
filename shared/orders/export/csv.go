package export

import (
	"bufio"
	"bytes"
	"encoding/csv"
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
	text     strings.Reader // one record at a time, for cells
	cells    *csv.Reader    // over text; nil before the first record and after a bad one
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

// record collects the lines of one record: as long as the number of quotes is
// odd, a quoted cell is open.
func (c *CSV) record(first physicalLine) (Row, error) {
	if first.tooBig {
		return Row{}, &BadRow{Line: first.number, Reason: "the line is too long"}
	}
	taken := []physicalLine{first}
	quotes, size := strings.Count(first.text, `"`), len(first.text)
	for quotes%2 == 1 {
		line, err := c.next()
		unterminated := errors.Is(err, io.EOF)
		if err != nil && !unterminated {
			return Row{}, err
		}
		if !unterminated {
			taken = append(taken, line)
			quotes += strings.Count(line.text, `"`)
			size += len(line.text)
		}
		if unterminated || line.tooBig || size > maxRecordBytes || len(taken) > maxRecordLines {
			// One lost quote must not swallow the file.
			c.replayed = append(taken[1:len(taken):len(taken)], c.replayed...)
			return Row{}, &BadRow{Line: first.number, Reason: "a quote is opened and never closed"}
		}
	}
	var text strings.Builder
	for _, line := range taken {
		text.WriteString(line.text)
		text.WriteByte('\n')
	}
	return c.parse(first.number, text.String())
}

func (c *CSV) parse(line int, text string) (Row, error) {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return Row{}, &BadRow{Line: line, Reason: "the row holds NUL bytes"}
	case !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError):
		return Row{}, &BadRow{Line: line, Reason: "the row holds bytes that are not text in the file's encoding; say --encoding gb18030 or --encoding utf-8"}
	}
	c.text.Reset(text)
	if c.cells == nil {
		c.cells = csv.NewReader(&c.text)
		c.cells.FieldsPerRecord = -1
	}
	cells, err := c.cells.Read()
	if err != nil {
		c.cells = nil // it may still hold a part of the record
		return Row{}, &BadRow{Line: line, Reason: "a quote stands inside of a cell that does not begin with one"}
	}
	return Row{Line: line, Cells: cells}, nil
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
