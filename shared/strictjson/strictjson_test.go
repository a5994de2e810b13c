package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

type document struct {
	Task   string            `json:"task"`
	Points int64             `json:"points,omitempty"`
	At     time.Time         `json:"at,omitzero"`
	Until  *time.Time        `json:"until,omitempty"`
	Lines  []line            `json:"lines,omitempty"`
	Facts  map[string]string `json:"facts,omitempty"`
	Own    own               `json:"own,omitzero"`
	embedded
}

type embedded struct {
	Stock int `json:"stock,omitempty"`
}

type line struct {
	Kind string `json:"kind"`
}

// own reads itself, as a prize does.
type own struct{ line }

func (o *own) UnmarshalJSON(raw []byte) error { return strictjson.Exact(raw, &o.line) }

// wrong holds an error against the pointer and the code of its one field.
func wrong(t *testing.T, raw string, err error, pointer, code string) {
	t.Helper()
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok || refusal.Kind != loyalty.KindInvalid || len(refusal.Fields) != 1 || refusal.Fields[0] != (loyalty.Field{Pointer: pointer, Code: code}) {
		t.Errorf("%s: %v; want %s at %q", raw, err, code, pointer)
	}
}

func TestWhatIsRead(t *testing.T) {
	var got document
	err := strictjson.Decode([]byte(`{"task":"ſ K","points":-9223372036854775808,"at":"2026-11-21T10:00:00.5+08:00","until":"2026-11-21T10:00:00Z",
		"lines":[{"kind":"a"}],"facts":{"Task":"1","task":"2"},"own":{"kind":"b"},"stock":3}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	if got.Task != "ſ K" || got.Points != -1<<63 || got.At.UnixNano() != time.Date(2026, 11, 21, 2, 0, 0, 500_000_000, time.UTC).UnixNano() ||
		got.Until == nil || got.Lines[0].Kind != "a" || len(got.Facts) != 2 || got.Own.Kind != "b" || got.Stock != 3 {
		t.Errorf("%+v", got)
	}
}

func TestAKeyInAnotherSpellingIsUnknown(t *testing.T) {
	for raw, pointer := range map[string]string{
		`{"TASK":"a"}`:                          "/TASK",
		`{"task":"a","Task":"b"}`:               "/Task",
		`{"Task":"b","task":"a"}`:               "/Task",
		`{"taſk":"a"}`:                          "/taſk",
		"{\"tas\u212a\":\"a\"}":                 "/tas\u212a",
		`{"points":1,"POINTS":-100000}`:         "/POINTS",
		"{\"points\":1,\"point\u017f\":-1}":     "/point\u017f",
		`{"points":1,"point\u017f":-1}`:         "/point\u017f",
		`{"lines":[{"kind":"a"},{"KIND":"a"}]}`: "/lines/1/KIND",
		`{"stoc\u212a":1}`:                      "/stoc\u212a",
		`{"own":{"Kind":"a"}}`:                  "/own/Kind",
		`{"embedded":{"stock":1}}`:              "/embedded",
	} {
		wrong(t, raw, strictjson.Decode([]byte(raw), &document{}), pointer, "unknown_field")
		wrong(t, raw, strictjson.Exact([]byte(raw), &document{}), pointer, "unknown_field")
	}
}

func TestAnotherSpellingNeverSetsAField(t *testing.T) {
	var got document
	if err := strictjson.Known([]byte(`{"task":"a","TASK":"b","taſk":"c","points":1,"POINTS":-5,"at":"0001-01-01T00:00:00Z"}`), &got); err != nil || got.Task != "a" || got.Points != 1 || !got.At.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAKeyThatStandsTwiceIsRefused(t *testing.T) {
	for raw, pointer := range map[string]string{
		`{"points":1,"points":2}`:              "/points",
		`{"points":1,"po\u0069nts":2}`:         "/points",
		`{"lines":[{"kind":"a","kind":"b"}]}`:  "/lines/0/kind",
		`{"facts":{"a":"1","a":"2"}}`:          "/facts/a",
		`{"own":{"kind":"a","kind":"b"}}`:      "/own/kind",
		`{"unknown":{"deep":[{"x":1,"x":2}]}}`: "/unknown/deep/0/x",
	} {
		wrong(t, raw, strictjson.Check([]byte(raw)), pointer, "duplicate_key")
		if err := strictjson.Exact([]byte(raw), &document{}); err == nil {
			t.Errorf("Exact takes %s", raw)
		}
		if err := strictjson.Known([]byte(raw), &document{}); err == nil {
			t.Errorf("Known takes %s", raw)
		}
	}
}

func TestWhatIsNoPlainObjectIsRefused(t *testing.T) {
	for raw, want := range map[string][2]string{
		"":                                   {"", "empty"},
		" \n":                                {"", "empty"},
		"\ufeff{}":                           {"", "byte_order_mark"},
		"{\x00}":                             {"", "not_utf8"},
		"\xff\xfe{\x00}\x00":                 {"", "not_utf8"},
		"{\"task\":\"\xc4\xe3\"}":            {"", "not_utf8"},
		"[]":                                 {"", "not_an_object"},
		"1":                                  {"", "not_an_object"},
		`"x"`:                                {"", "not_an_object"},
		"null":                               {"", "not_an_object"},
		"{}{}":                               {"", "trailing_data"},
		"{} x":                               {"", "trailing_data"},
		`{"task":null}`:                      {"/task", "null"},
		`{"facts":{"a":null}}`:               {"/facts/a", "null"},
		`{"points":-0}`:                      {"/points", "negative_zero"},
		`{"task":"a\u0000"}`:                 {"/task", "bad_character"},
		`{"task":"\u0085"}`:                  {"/task", "bad_character"},
		"{\"task\":\"\ufffd\"}":              {"/task", "bad_character"},
		`{"a\u0007":1}`:                      {"/a\a", "bad_character"},
		`{"points":1.5}`:                     {"/points", "not_a_whole_number"},
		`{"points":9223372036854775808}`:     {"/points", "not_a_whole_number"},
		`{"points":"1"}`:                     {"/points", "wrong_type"},
		`{"task":1}`:                         {"/task", "wrong_type"},
		`{"lines":{}}`:                       {"/lines", "wrong_type"},
		`{"own":{"kind":1}}`:                 {"/own/kind", "wrong_type"},
		`{"at":"2026-11-21T10:00:00+24:00"}`: {"/at", "not_rfc3339"},
		`{"until":"2026-11-21T9:00:00Z"}`:    {"/until", "not_rfc3339"},
		`{"at":"0001-01-01T00:00:00Z"}`:      {"/at", "not_rfc3339"},
		`{"at":1}`:                           {"/at", "wrong_type"},
	} {
		wrong(t, raw, strictjson.Decode([]byte(raw), &document{}), want[0], want[1])
	}
	deep := strings.Repeat(`{"a":`, strictjson.MaxDepth+1) + "1" + strings.Repeat("}", strictjson.MaxDepth+1)
	wrong(t, "a deep one", strictjson.Check([]byte(deep)), "", "too_deep")
	if err := strictjson.Check([]byte(`{"a":"` + strings.Repeat("x", strictjson.MaxBytes) + `"}`)); loyalty.KindOf(err) != loyalty.KindTooLarge {
		t.Errorf("a large one: %v", err)
	}
	for _, raw := range []string{"{", `{"task":`, `{"task" "a"}`, `{'task':1}`, `{"task":"\ud800"}`, `{"points":01}`, `{"points":+1}`, `{"points":NaN}`, `{"task":"a",}`, "{/**/}"} {
		if err := strictjson.Decode([]byte(raw), &document{}); loyalty.KindOf(err) != loyalty.KindInvalid || err == nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"task":"a","points":1}`, `{"points":1,"POINTS":2}`, `{"lines":[{"kind":"a"}]}`, `{"at":"2026-11-21T10:00:00Z"}`, `{"own":{"kind":"b"}}`, "[", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got document
		if err := strictjson.Decode(raw, &got); err != nil {
			if kind := loyalty.KindOf(err); kind != loyalty.KindInvalid && kind != loyalty.KindTooLarge {
				t.Fatal(err)
			}
			return
		}
		// The standard library reads the same, and writes what is read again.
		var standard document
		if err := json.Unmarshal(raw, &standard); err != nil {
			t.Fatalf("%q: only we read it: %v", raw, err)
		}
		if standard.Task != got.Task || standard.Points != got.Points || !standard.At.Equal(got.At) || len(standard.Lines) != len(got.Lines) || standard.Stock != got.Stock {
			t.Errorf("%q: %+v and %+v", raw, standard, got)
		}
	})
}
