package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
)

func TestPlacesInADocument(t *testing.T) {
	d := document{"f", []byte("{\n \"会员\": 1, \"a\": [\n  true,\n  {\"b/c\": null}\n ]\n}")}
	for pointer, want := range map[string]string{
		"":            "f:1:1",
		"/会员":         "f:2:2",
		"/a":          "f:2:11",
		"/a/0":        "f:3:3",
		"/a/1":        "f:4:3",
		"/a/1/b~1c":   "f:4:4",
		"/a/1/d":      "f:4:3",
		"/a/7":        "f:2:11",
		"/x/y":        "f:1:1",
		"Some-Header": "f:1:1",
	} {
		if got := d.place(d.find(pointer)); got != want {
			t.Errorf("%s is at %s, want %s", pointer, got, want)
		}
	}
}

// Every member and element is found where it stands.
func TestEveryPointerIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z会/~"\\ ]{0,4}`), 1, 6, rapid.ID).Draw(t, "names")
		var text strings.Builder
		starts := map[string]int{}
		text.WriteString("{")
		for i, name := range names {
			if i > 0 {
				text.WriteString(",")
			}
			text.WriteString(rapid.SampledFrom([]string{"", " ", "\n", "\r\n\t"}).Draw(t, "blank"))
			pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
			starts[pointer] = text.Len()
			quoted, err := json.Marshal(name)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(quoted)
			text.WriteString(": [1, ")
			starts[pointer+"/1"] = text.Len()
			text.WriteString("2]")
		}
		text.WriteString("}")
		d := document{"f", []byte(text.String())}
		for pointer, want := range starts {
			if got := d.find(pointer); got != want {
				t.Fatalf("%q is at %d of %q, want %d", pointer, got, text.String(), want)
			}
		}
	})
}

func FuzzReadEvents(f *testing.F) {
	f.Add([]byte(`{"type":"order.completed","channel":"tmall","shop":"s","order_id":"1","occurred_at":"2026-11-21T10:00:00+08:00"}`))
	f.Add([]byte("{}\n{}"))
	f.Add([]byte("\xef\xbb\xbf{\"a\":\"\xff\"}"))
	f.Add([]byte("[,:"))
	f.Add([]byte(`{"lines":[{"paid":1e99}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "e.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		events, err := readEvents(path, time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))
		switch {
		case err == nil && len(events) == 0:
			t.Error("no event and no error")
		case err != nil && (len(events) > 0 || !strings.HasPrefix(err.Error(), path+":")):
			t.Errorf("%d events, %v", len(events), err)
		case err != nil && (strings.ContainsFunc(err.Error(), unicode.IsControl) || !utf8.ValidString(err.Error())):
			t.Errorf("the error steers a terminal: %q", err)
		}
		for _, one := range events {
			if !bytes.Contains(raw, one.body) {
				t.Errorf("%q is sent, and is not in the file", one.body)
			}
		}
	})
}

func FuzzReadDocument(f *testing.F) {
	for _, seed := range []string{"{}", `{"id":"x","a":[1,{"b":2}]}`, "", "null", "{} {}", `{"a":1,"a":2}`, "\xef\xbb\xbf{}", "{\"a\":\"\x1b\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "d.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := readDocument(path)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) || !strings.HasPrefix(err.Error(), path+":") {
				t.Errorf("%q", err)
			}
			return
		}
		body, err := d.without("x", "given")
		if err != nil {
			return // another id
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil || members["id"] != nil || members["given"] != nil {
			t.Errorf("%s: %v", body, err)
		}
	})
}

func FuzzReadIdentity(f *testing.F) {
	for _, seed := range []string{"buyer:tmall:b:1", "phone:138", "phone::138", "", ":", "::", "wecom:x:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		identity, err := readIdentity(text)
		if err != nil {
			if _, usage := errors.AsType[*UsageError](err); !usage || text != "" && len(text) > 30 && strings.Contains(err.Error(), text) {
				t.Errorf("%v", err)
			}
			return
		}
		if identity.Value == "" || !strings.HasPrefix(text, identity.Kind+":"+identity.Channel) || !strings.HasSuffix(text, identity.Value) {
			t.Errorf("%q is read as %+v", text, identity)
		}
	})
}

func FuzzReadPrize(f *testing.F) {
	for _, seed := range []string{"points:200:150", "coupon:welcome-20:60:2000", "gift:小样:5:9900", "red_packet:100:1", "none::1", "points:::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prize, err := readPrize(text)
		if err != nil {
			return
		}
		again := fmt.Sprintf("%s:%v:%d:%d", prize.Kind, prize.Value, prize.Quantity, prize.Worth)
		same, err := readPrize(again)
		if err != nil || cmp.Diff(prize, same) != "" || prize.Quantity < 1 {
			t.Errorf("%q is read as %+v, and %q as %+v, %v", text, prize, again, same, err)
		}
	})
}

func TestCompare(t *testing.T) {
	current := `{"version":3,"versions":[],"effective_at":"x","brand":{"name":"a","links":{"":"u"},"n":null},"points":{"rate":{"points":1,"per_fen":100}},"empty":{},"none":[]}`
	for name, test := range map[string]struct {
		next string
		want []change
	}{
		"the same":      {`{"effective_at":"y","points":{"rate":{"per_fen":100,"points":1}},"brand":{"links":{"":"u"},"name":"a"}}`, nil},
		"changed":       {`{"points":{"rate":{"per_fen":50,"points":1}},"brand":{"links":{"":"u"},"name":"a"}}`, []change{{"/points/rate/per_fen", "100", "50"}}},
		"added":         {`{"points":{"rate":{"per_fen":100,"points":1}},"brand":{"links":{"":"u","a/b":"<v>"},"name":"a"}}`, []change{{"/brand/links/a~1b", "", `"<v>"`}}},
		"gone":          {`{"points":{"rate":{"per_fen":100,"points":1}},"brand":{"name":"a"}}`, []change{{"/brand/links/", `"u"`, ""}}},
		"large numbers": {`{"points":{"rate":{"per_fen":100,"points":9007199254740993}},"brand":{"links":{"":"u"},"name":"a"}}`, []change{{"/points/rate/points", "1", "9007199254740993"}}},
	} {
		got, err := compare([]byte(current), []byte(test.next))
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	for _, bad := range []string{"", "[]", "1", "{"} {
		if _, err := compare([]byte(bad), []byte("{}")); err == nil {
			t.Errorf("%q is an answer", bad)
		}
	}
}

func TestGrid(t *testing.T) {
	hostile := grid{titles: []string{"NAME", "NOTE"}}
	hostile.add("x\u202ey\n", "a\x1b[31mb")
	if got := hostile.String(); got != "NAME          NOTE\n\"x\\u202ey\\n\"  \"a\\x1b[31mb\"\n" {
		t.Errorf("%q", got)
	}
	plain := grid{titles: []string{"NAME", "COUNT", "NOTE"}}
	plain.add("奶粉", "5", "a")
	plain.add("milk", "1000", "")
	if diff := cmp.Diff("NAME  COUNT  NOTE\n奶粉      5  a\nmilk   1000  -\n", plain.String()); diff != "" {
		t.Error(diff)
	}
	if got := (&grid{titles: []string{"A"}}).String(); got != "none\n" {
		t.Error(got)
	}
}

func TestMoney(t *testing.T) {
	for amount, want := range map[loyalty.Fen]string{0: "¥0.00", 5: "¥0.05", 12345: "¥123.45", -5: "-¥0.05", -12345: "-¥123.45"} {
		if got := money(amount); got != want {
			t.Errorf("%d is %s, want %s", amount, got, want)
		}
	}
}

// The API's texts reach the terminal as text, and JSON keeps its meaning.
func TestJSONForATerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, err := json.Marshal(map[string]string{"a": rapid.String().Draw(t, "text")})
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.ReplaceAll(raw, []byte(`\u009b`), []byte("\u009b"))
		var out bytes.Buffer
		if err := (Console{Out: &out}).json(raw); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Fatalf("%q", out.String())
		}
		var before, after map[string]string
		if json.Unmarshal(raw, &before) != nil || json.Unmarshal(out.Bytes(), &after) != nil || before["a"] != after["a"] {
			t.Fatalf("%q became %q", before, after)
		}
	})
}
