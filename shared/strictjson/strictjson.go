// Package strictjson reads JSON that somebody else wrote. It is the one place
// that knows which JSON package does so: the standard library's matches a key
// whatever its case, and folds U+017F into s and U+212A into k, so that of two
// spellings of a key the later one would decide, unchecked.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/huitou/huitou/shared/loyalty"
)

const (
	MaxBytes = 200 << 10 // of a document, so that it fits one queue message
	MaxDepth = 16        // of nested objects and arrays
)

// Decode reads a stranger's document, which Check and Exact take, into what
// into points at.
func Decode(raw []byte, into any) error {
	if err := Check(raw); err != nil {
		return err
	}
	return Exact(raw, into)
}

// Exact reads one JSON value: every key is spelled as the type spells it and
// stands once, no key is unknown, numbers fit their type, and instants are
// written as loyalty.ParseTime takes them. A type's own UnmarshalJSON answers
// for what is inside of it, and a map for its own keys, which may be any but
// stand once. It fails with KindInvalid, whose Fields say pointer and code and
// repeat no value; into may hold a part of the value then.
func Exact(raw []byte, into any) error {
	return refused(json.Unmarshal(raw, into, json.RejectUnknownMembers(true), json.WithUnmarshalers(instants)))
}

// Known is Exact for what comes from a platform, or by a queue from a version of
// huitou that may be newer: keys that the type does not have are passed over,
// and the zero time may be written.
func Known(raw []byte, into any) error {
	return refused(json.Unmarshal(raw, into, json.WithUnmarshalers(instantsOrNone)))
}

var (
	instants       = json.UnmarshalFromFunc(readInstant)
	instantsOrNone = json.UnmarshalFromFunc(func(decoder *jsontext.Decoder, at *time.Time) error {
		if value, err := decoder.ReadValue(); err != nil {
			return err
		} else if string(value) == `"0001-01-01T00:00:00Z"` {
			*at = time.Time{}
			return nil
		} else {
			return instant(value, at)
		}
	})
)

var errInstant = errors.New("no instant")

func readInstant(decoder *jsontext.Decoder, at *time.Time) error {
	value, err := decoder.ReadValue()
	if err != nil {
		return err
	}
	return instant(value, at)
}

func instant(value jsontext.Value, at *time.Time) (err error) {
	if value.Kind() != '"' {
		return errors.New("no text")
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return err
	}
	if *at, err = loyalty.ParseTime(string(text)); err != nil {
		return errInstant
	}
	return nil
}

// Check holds the rules that depend on no type: one object of at most MaxBytes
// and MaxDepth in UTF-8 without a byte order mark, nothing behind it, no key
// twice, no null, no -0, and no text with a control character or U+FFFD. It
// fails with KindTooLarge code "body_too_large" and else with KindInvalid,
// whose Fields say pointer and code and repeat no value.
func Check(raw []byte) error {
	switch {
	case len(raw) > MaxBytes:
		return loyalty.Refuse(loyalty.KindTooLarge, "body_too_large", fmt.Sprintf("the body may hold %d bytes at most", MaxBytes))
	case len(bytes.TrimSpace(raw)) == 0:
		return loyalty.Invalid("", "empty", "the body is empty")
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return loyalty.Invalid("", "byte_order_mark", "the body begins with a byte order mark; send UTF-8 without one")
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")), bytes.IndexByte(raw[:min(len(raw), 4)], 0) >= 0:
		return loyalty.Invalid("", "not_utf8", "the body is UTF-16 or UTF-32; send UTF-8")
	case !utf8.Valid(raw):
		return loyalty.Invalid("", "not_utf8", "the body is not UTF-8 (GBK, perhaps); send UTF-8")
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(raw))
	if decoder.PeekKind() != '{' {
		if _, err := decoder.ReadToken(); err != nil {
			return refused(err)
		}
		return loyalty.Invalid("", "not_an_object", "the body must be one JSON object")
	}
	for first := true; first || decoder.StackDepth() > 0; first = false {
		token, err := decoder.ReadToken()
		if err != nil {
			return refused(err)
		}
		if err := checkToken(token, decoder); err != nil {
			return err
		}
	}
	if len(bytes.TrimSpace(raw[decoder.InputOffset():])) > 0 {
		return loyalty.Invalid("", "trailing_data", "there is more behind the JSON object")
	}
	return nil
}

func checkToken(token jsontext.Token, decoder *jsontext.Decoder) error {
	switch token.Kind() {
	case '{', '[':
		if decoder.StackDepth() > MaxDepth {
			return loyalty.Invalid("", "too_deep", fmt.Sprintf("objects and arrays may nest %d deep at most", MaxDepth))
		}
	case 'n':
		return loyalty.Invalid(pointer(decoder.StackPointer()), "null", "null is not a value here; leave the field out")
	case '0':
		if strings.HasPrefix(token.String(), "-0") && strings.Trim(token.String(), "-0") == "" {
			return loyalty.Invalid(pointer(decoder.StackPointer()), "negative_zero", "-0 is not a number here")
		}
	case '"':
		if strings.ContainsFunc(token.String(), isControl) {
			return loyalty.Invalid(pointer(decoder.StackPointer()), "bad_character", "a text holds a control character or U+FFFD")
		}
	}
	return nil
}

// isControl is true for the characters that no text has: C0 and C1 controls but
// tab and line ends, and U+FFFD, which is what is left of text that was decoded
// wrongly somewhere before.
func isControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError
}

// refused says what the JSON package says, without the values it quotes; nil
// for nil.
func refused(err error) error {
	if err == nil {
		return nil
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return loyalty.Invalid(pointer(syntactic.JSONPointer), "duplicate_key", "a key stands twice in one object")
		}
		return loyalty.Invalid(pointer(syntactic.JSONPointer), "malformed_json", fmt.Sprintf("the body is not JSON at byte %d", syntactic.ByteOffset))
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		at := pointer(semantic.JSONPointer)
		if inner, ok := errors.AsType[*loyalty.Error](err); ok && len(inner.Fields) == 1 { // of a type's own UnmarshalJSON
			return loyalty.Invalid(at+inner.Fields[0].Pointer, inner.Fields[0].Code, inner.Detail)
		}
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return loyalty.Invalid(at, "unknown_field", "there is no such field; keys are spelled exactly as the document says")
		case errors.Is(err, errInstant):
			return loyalty.Invalid(at, "not_rfc3339", `a time is written as RFC 3339 says, with its zone: "2027-05-01T09:30:00+08:00", in the years 1970 to 8999`)
		case semantic.JSONKind == '0' && semantic.GoType != nil && isWhole(semantic.GoType.Kind()):
			return loyalty.Invalid(at, "not_a_whole_number", "a whole number within int64 is wanted here, or no number at all")
		default:
			return loyalty.Invalid(at, "wrong_type", "a value of another JSON type is wanted here")
		}
	}
	return loyalty.Invalid("", "malformed_json", "the body cannot be read as JSON")
}

func isWhole(kind reflect.Kind) bool { return kind >= reflect.Int && kind <= reflect.Uint64 }

// pointer shortens a pointer that a stranger made long: a key that they invented
// is part of it.
func pointer(pointer jsontext.Pointer) string {
	const longest = 128
	if len(pointer) <= longest {
		return string(pointer)
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(pointer[cut]) {
		cut--
	}
	return string(pointer[:cut]) + "…"
}
