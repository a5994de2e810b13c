package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// largestDocument is the longest body that the API takes, in bytes.
const largestDocument = orders.MaxBytes

// document is a file with one JSON object that the user wrote.
type document struct {
	name string // printable
	raw  []byte
}

// readDocument reads a file and finds what is wrong with its JSON, with line
// and column. It fails with a *UsageError where the path names no such file.
func readDocument(path string) (document, error) {
	raw, err := readFile(path, largestDocument)
	if err != nil {
		return document{}, err
	}
	d := document{printable(path), bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))}
	decoder := jsontext.NewDecoder(bytes.NewReader(d.raw))
	value, err := decoder.ReadValue()
	switch {
	case errors.Is(err, io.EOF):
		return d, &incompleteError{d.name + ": the file is empty"}
	case err != nil:
		return d, d.syntax(err)
	case value.Kind() != '{':
		return d, d.wrong(skipBlanks(d.raw, 0), "the document must be an object: {…}")
	}
	end := int(decoder.InputOffset())
	if rest := skipBlanks(d.raw, end); rest < len(d.raw) {
		return d, d.wrong(rest, "something follows the document")
	}
	return d, nil
}

// readFile reads a plain file of at most so many bytes.
func readFile(path string, most int64) ([]byte, error) {
	source, size, err := openExport(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	tooLong := &UsageError{fmt.Sprintf("%s: is over %d KiB", printable(path), most>>10)}
	if size > most {
		return nil, tooLong
	}
	raw, err := io.ReadAll(io.LimitReader(source, most+1))
	switch {
	case err != nil:
		return nil, &UsageError{printable(path) + ": the file cannot be read"}
	case int64(len(raw)) > most: // it grows
		return nil, tooLong
	}
	return raw, nil
}

// wrong points at a place in the file.
func (d document) wrong(offset int, reason string) error {
	return &incompleteError{d.place(offset) + ": " + reason}
}

func (d document) syntax(err error) error {
	broken, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return &incompleteError{d.name + ": the file cannot be read"}
	}
	reason := "the JSON ends too early"
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "this is not JSON: " + printable(broken.Err.Error())
	}
	return d.wrong(int(broken.ByteOffset), reason)
}

// place is file:line:column, both from 1; a column is a character.
func (d document) place(offset int) string {
	before := d.raw[:min(offset, len(d.raw))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("%s:%d:%d", d.name, bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[start:])+1)
}

// find is where a JSON pointer leads in the file, or where the nearest of its
// parents does.
func (d document) find(pointer string) int {
	for ; pointer != ""; pointer = pointer[:strings.LastIndexByte(pointer, '/')] {
		if !strings.HasPrefix(pointer, "/") {
			break
		}
		decoder := jsontext.NewDecoder(bytes.NewReader(d.raw))
		for {
			start := skipBlanks(d.raw, int(decoder.InputOffset()))
			if _, err := decoder.ReadToken(); err != nil {
				break
			}
			if string(decoder.StackPointer()) == pointer {
				return start
			}
		}
	}
	return skipBlanks(d.raw, 0)
}

// skipBlanks is where the next token begins.
func skipBlanks(raw []byte, from int) int {
	for from < len(raw) && strings.IndexByte(" \t\r\n,:", raw[from]) >= 0 {
		from++
	}
	return from
}

// explain puts the places in the file before what huitou said of the fields.
func (d document) explain(err error) error {
	refused, ok := errors.AsType[*problemError](err)
	if !ok || len(refused.document.Errors) == 0 || d.name == "" {
		return err
	}
	return &incompleteError{d.places(refused.document.Errors) + ": " + err.Error()}
}

func (d document) places(fields []loyalty.Field) string {
	text := ""
	for i, field := range fields {
		if i > 0 {
			text += ", "
		}
		text += d.place(d.find(field.Pointer))
	}
	return text
}

// without is the document as a request: without the fields that only answers
// have, so that what `show --json` printed can be edited and sent back. An id
// in it must be the id of the command.
func (d document) without(id string, fields ...string) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(d.raw, &members); err != nil {
		return nil, d.wrong(0, err.Error())
	}
	if raw, ok := members["id"]; ok && id != "" {
		var own string
		if json.Unmarshal(raw, &own) != nil || own != id {
			return nil, d.wrong(d.find("/id"), fmt.Sprintf("this is the document of %s, and the command names %q", printable(string(raw)), id))
		}
	}
	if id != "" {
		delete(members, "id")
	}
	for _, field := range fields {
		delete(members, field)
	}
	return json.Marshal(members)
}

// has tells whether the object has a member.
func (d document) has(name string) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(d.raw, &members) == nil && members[name] != nil
}
