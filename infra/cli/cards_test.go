package cli_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/qr"
)

func TestCardsFromCreationToFreeze(t *testing.T) {
	b := openBrand(t)
	create := append([]string{"cards", "create", "--name", "春季卡", "--count", "100", "--prize", "points:200:50", "--prize", "gift:小样:5:9900"}, strings.Fields(window)...)
	first := b.done(create...)
	id, _, _ := strings.Cut(strings.TrimPrefix(first, "batch       "), "\n")
	want := strings.ReplaceAll(`batch       ID
name        春季卡
state       created
cards       100
valid from  2026-01-01T00:00:00+08:00
valid to    2028-01-01T00:00:00+08:00
created     admin at 2026-11-21T10:00:00Z
ARM      FORM     WEIGHT  PRIZE   VALUE  QUANTITY   WORTH
scratch  scratch       1  points  200          50   ¥0.00
scratch  scratch       1  gift    小样          5  ¥99.00
`, "ID", id)
	if diff := cmp.Diff(want, first); diff != "" {
		t.Fatal(diff)
	}
	if got := b.done("cards", "show", id); got != want {
		t.Error(got)
	}
	if got := b.done("cards", "list"); got != "BATCH    NAME    STATE    CARDS  VALID FROM                 VALID TO\n"+id+"  春季卡  created    100  2026-01-01T00:00:00+08:00  2028-01-01T00:00:00+08:00\n" {
		t.Error(got)
	}

	operator := field(t, b.done("operators", "add", "li", "--role", "operator", "--json"), "token")
	if got := b.done("cards", "activate", id); !strings.HasSuffix(got, "Not active yet: a second operator has to run the same command.\n") {
		t.Error(got)
	}
	if got := b.done("cards", "activate", id, "--token", operator); !strings.Contains(got, "state       active\n") || !strings.Contains(got, "activated   li at") {
		t.Error(got)
	}

	// The same command finds the batch, as it is by now.
	code, again, note := run(t, t.Context(), create...)
	if code != 0 || !strings.Contains(again, "batch       "+id+"\n") || !strings.Contains(again, "state       active\n") || !strings.Contains(note, "the same request was made before") {
		t.Errorf("exit code %d, %s, %s", code, again, note)
	}
	// So does a file of the same content, whatever its spaces and order.
	file := b.file("batch.json", b.done("cards", "show", id, "--json"))
	if code, again, errText := run(t, t.Context(), "cards", "create", file); code != 0 || !strings.Contains(again, "batch       "+id+"\n") {
		t.Errorf("exit code %d, %s, %s", code, again, errText)
	}
	if other := b.done("cards", "create", file, "--idempotency-key", "another-one"); strings.Contains(other, id) {
		t.Error(other)
	}
	if got := b.done("cards", "freeze", id); !strings.Contains(got, "state       frozen\n") {
		t.Error(got)
	}
}

// A refusal is remembered with its key; what was missing may be there now.
func TestABatchThatWasRefusedCanBeCreatedLater(t *testing.T) {
	b := openBrand(t)
	create := append([]string{"cards", "create", "--name", "x", "--count", "10", "--prize", "coupon:later:5:100"}, strings.Fields(window)...)
	for range 2 {
		if got := b.refused(1, create...); got != "huitou: there is no coupon template of this id [/arms/0/prizes/0/value unknown] (400 invalid)\n" {
			t.Error(got)
		}
	}
	b.done("templates", "put", "later", b.file("t.json", `{"name":"x","discount":100,"validity":{"days":3}}`))
	made := b.done(create...)
	_, again, note := run(t, t.Context(), create...)
	if again != made || note == "" {
		t.Errorf("%s became %s", made, again)
	}
	if n := strings.Count(b.done("cards", "list"), "\n"); n != 2 {
		t.Errorf("%d lines, want the title and one batch", n)
	}
}

func TestBatchesThatCannotBeCreated(t *testing.T) {
	b := openBrand(t)
	file := b.file("b.json", "{}")
	for name, test := range map[string]struct {
		arguments string
		want      string
	}{
		"nothing":       {"", "give a file, or at least"},
		"both":          {file + " --name x", "not both"},
		"no time":       {"--name x --count 1 --valid-from today", "today is not a time with its zone"},
		"no zone":       {"--name x --count 1 --valid-from 2026-01-01T00:00:00", "is not a time with its zone"},
		"form":          {"--form roulette", "--form"},
		"bad key":       {file + " --idempotency-key ü", "printable ASCII"},
		"prize":         {"--name x --count 1 " + window + " --prize points", "KIND:VALUE:QUANTITY"},
		"prize amount":  {"--name x --count 1 " + window + " --prize points:many:1", "KIND:VALUE:QUANTITY"},
		"prize of none": {"--name x --count 1 " + window + " --prize points:1:0", "KIND:VALUE:QUANTITY"},
		"prize kind":    {"--name x --count 1 " + window + " --prize car:vw:1", "KIND:VALUE:QUANTITY"},
		"prize worth":   {"--name x --count 1 " + window + " --prize gift:x:1:y", "KIND:VALUE:QUANTITY"},
		"prize parts":   {"--name x --count 1 " + window + " --prize gift:x:1:2:3", "KIND:VALUE:QUANTITY"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.refused(2, append([]string{"cards", "create"}, strings.Fields(test.arguments)...)...); !strings.Contains(got, test.want) {
				t.Error(got)
			}
		})
	}
	if b.asked() != 0 {
		t.Errorf("%d requests were made", b.asked())
	}
}

const many = 45_000

func TestExport(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", many)
	out := filepath.Join(t.TempDir(), "cards.csv")
	got := b.done("cards", "export", id, "--out", out)
	whole := content(t, out)
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(whole)))
	if got != fmt.Sprintf("%d cards of %s are in %s\nSHA-256 %s\n", many, id, out, hash) {
		t.Error(got)
	}
	if strings.Count(whole, "\n") != many+1 || !strings.HasPrefix(whole, "card,url,code\n1,HTTPS://BRAND.EXAMPLE/C/") || !strings.Contains(whole, "\n45000,HTTPS://") {
		t.Errorf("the file is not whole: %.200s", whole)
	}
	if about, err := os.Stat(out); err != nil || about.Mode().Perm() != 0o600 {
		t.Errorf("others may read the codes: %v, %v", about.Mode(), err)
	}
	if n := b.calls("GET", "/v1/card-batches/"+id+"/cards.csv"); n != 4 {
		t.Errorf("%d calls, want one for the number of cards and 3 pages", n)
	}
	if _, err := os.Stat(out + ".part"); !os.IsNotExist(err) {
		t.Errorf("the part is still there: %v", err)
	}
	if got := b.refused(2, "cards", "export", id, "--out", out); !strings.Contains(got, "--force replaces it") {
		t.Error(got)
	}
	if got := b.done("cards", "export", id, "--out", out, "--force", "--json"); field(t, got, "cards") != "45000" || field(t, got, "sha256") != hash || content(t, out) != whole {
		t.Error(got)
	}
}

// Wherever an export stopped, the next one makes the same file of it.
func TestExportGoesOn(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 25)
	out := filepath.Join(t.TempDir(), "cards.csv")
	b.done("cards", "export", id, "--out", out)
	whole := content(t, out)
	for n := range len(whole) + 1 {
		if n%37 != 0 && n != len(whole) && n != len(whole)-1 && !strings.HasSuffix(whole[:n], "\n") {
			continue
		}
		if err := os.WriteFile(out+".part", []byte(whole[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(out); err != nil {
			t.Fatal(err)
		}
		b.done("cards", "export", id, "--out", out)
		if content(t, out) != whole {
			t.Fatalf("the file differs after %d bytes of it", n)
		}
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Ctrl-C on the second page keeps what is there, and the same command goes on.
func TestExportGoesOnAfterAnInterrupt(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", many)
	out := filepath.Join(t.TempDir(), "cards.csv")
	ctx, interrupt := context.WithCancel(t.Context())
	b.first(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("from") == "20000" {
			interrupt()
		}
		return false
	})
	code, _, errText := run(t, ctx, "cards", "export", id, "--out", out)
	if code != 1 || !strings.Contains(errText, "interrupted\n20000 of 45000 cards are in ") || !strings.Contains(errText, "run the same command again") {
		t.Errorf("exit code %d, %s", code, errText)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("a part got the name of the whole: %v", err)
	}
	b.first(nil)
	before := b.calls("GET", "/v1/card-batches/"+id+"/cards.csv")
	b.done("cards", "export", id, "--out", out)
	// One call asks how many there are, one makes sure that the part is of this
	// batch, two fetch the rest.
	if n := b.calls("GET", "/v1/card-batches/"+id+"/cards.csv") - before; n != 4 {
		t.Errorf("%d calls", n)
	}
	if strings.Count(content(t, out), "\n") != many+1 {
		t.Error("the file is not whole")
	}
}

func TestPartsOfOtherFilesAreLeftAlone(t *testing.T) {
	b := openBrand(t)
	id, other := b.batch("x", 10), b.batch("y", 10)
	foreign := filepath.Join(t.TempDir(), "y.csv")
	b.done("cards", "export", other, "--out", foreign)
	cards := content(t, foreign)
	for name, part := range map[string]string{
		"another batch":   cards[:len(cards)/2],
		"another file":    "a,b,c\n1,2,3\n",
		"a gap":           strings.Replace(cards, "\n2,", "\n3,", 1),
		"a formula":       "card,url,code\n1,=1+1,A\n",
		"too many":        cards + "11,HTTP://X/,A\n",
		"a binary":        "\x7fELF\n",
		"one wide column": strings.Repeat("x", 1<<20) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			out := filepath.Join(t.TempDir(), "x.csv")
			if err := os.WriteFile(out+".part", []byte(part), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := b.refused(2, "cards", "export", id, "--out", out); !strings.Contains(got, "is no part of this export") {
				t.Error(got)
			}
			if content(t, out+".part") != part {
				t.Error("the part was changed")
			}
		})
	}
}

// A row that is no card never reaches the file, so no cell is a formula.
func TestExportTakesCardsOnly(t *testing.T) {
	const header = "card,url,code\n"
	for name, answer := range map[string]string{
		"a formula as code":    header + "1,HTTP://X/C/A,=cmd()\n",
		"a formula as address": header + "1,=HYPERLINK(\"HTTP://X\"),A\n",
		"a formula as number":  header + "=1,HTTP://X/C/A,A\n",
		"a minus":              header + "1,HTTP://X/C/A,-1\n",
		"quoted lines":         header + "1,\"HTTP://X/C/A\n=1\",A\n",
		"a comma":              header + "1,\"HTTP://X/C/A,=1\",A\n",
		"a tab":                header + "1,HTTP://X/C/A,\tA\n",
		"an escape":            header + "1,HTTP://X/\x1b[31m,A\n",
		"a gap":                header + "2,HTTP://X/C/A,A\n",
		"too many":             header + strings.Repeat("1,HTTP://X/C/A,A\n", 2),
		"more than asked for":  header + "1,HTTP://X/C/A,A\n2,HTTP://X/C/B,B\n",
		"two columns":          header + "1,HTTP://X/C/A\n",
		"another header":       "a,b,c\n1,HTTP://X/C/A,A\n",
		"no card":              header,
		"nothing":              "",
		"a page":               "<html>",
		"an open quote":        header + "1,\"HTTP",
	} {
		t.Run(name, func(t *testing.T) {
			b := openBrand(t)
			id := b.batch("x", 1)
			counted := false
			b.first(func(w http.ResponseWriter, r *http.Request) bool {
				if !counted || !strings.HasSuffix(r.URL.Path, ".csv") {
					counted = true
					return false
				}
				w.Header().Set("X-Total-Count", "1")
				_, _ = io.WriteString(w, answer)
				return true
			})
			out := filepath.Join(t.TempDir(), "cards.csv")
			code, _, errText := run(t, t.Context(), "cards", "export", id, "--out", out)
			if code != 1 || !strings.Contains(errText, "the answer is not one that huitou gives") {
				t.Errorf("exit code %d, %s", code, errText)
			}
			if _, err := os.Stat(out); !os.IsNotExist(err) {
				t.Errorf("the file is there: %v", err)
			}
			if part := content(t, out+".part"); strings.ContainsAny(part, "=\x1b\t") || strings.Contains(part, "-1") {
				t.Errorf("the part holds %q", part)
			}
		})
	}
}

func TestFilesThatCannotBeWritten(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 1)
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe.part")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "d.part"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := b.asked()
	for name, test := range map[string]struct{ path, want string }{
		"a directory":      {folder, "is a directory"},
		"a device":         {"/dev/null", "is not a plain file"},
		"no name":          {"", "--out"},
		"a file as folder": {"/dev/null/x.csv", "cannot be looked at"},
		"an escape":        {"/dev/null/\x1b[31m", `\x1b[31m`},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			if got := b.refused(2, "cards", "export", id, "--out", test.path); !strings.Contains(got, test.want) || strings.Contains(got, "\x1b") {
				t.Error(got)
			}
		})
	}
	if b.asked() != before {
		t.Error("requests were made")
	}
	for name, test := range map[string]struct{ path, want string }{
		"no folder":           {filepath.Join(folder, "no", "x.csv"), "no such file or directory"},
		"the part is a pipe":  {filepath.Join(folder, "pipe"), "is not a plain file"},
		"the part's a folder": {filepath.Join(folder, "d"), "is not a plain file"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			if got := b.refused(2, "cards", "export", id, "--out", test.path); !strings.Contains(got, test.want) {
				t.Error(got)
			}
		})
	}
	if got := b.refused(1, "cards", "export", "K-00000", "--out", filepath.Join(folder, "y.csv")); !strings.Contains(got, "404") {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(folder, "y.csv.part")); !os.IsNotExist(err) {
		t.Errorf("an unknown batch left a part: %v", err)
	}
}

func TestQR(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 3)
	var card struct{ URL, Code string }
	if err := json.Unmarshal([]byte(b.done("cards", "qr", id, "--card", "3", "--json")), &card); err != nil {
		t.Fatal(err)
	}
	symbol, err := qr.Encode(card.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.done("cards", "qr", id, "--card", "3"); got != symbol.Terminal()+"url   "+card.URL+"\ncode  "+card.Code+"\n" {
		t.Error(got)
	}
	if got := b.done("cards", "qr", card.URL); got != symbol.Terminal()+"url  "+card.URL+"\n" {
		t.Error(got)
	}
	picture := filepath.Join(t.TempDir(), "card.svg")
	if got := b.done("cards", "qr", id, "--card=3", "--svg", picture); got != picture+" is written\n" || content(t, picture) != symbol.SVG(card.URL) {
		t.Error(got)
	}
	for name, test := range map[string]struct {
		arguments []string
		code      int
		want      string
	}{
		"there already":    {[]string{id, "--svg", picture}, 2, "is there already"},
		"a folder":         {[]string{id, "--svg", t.TempDir()}, 2, "is there already"},
		"no folder":        {[]string{id, "--svg", filepath.Join(t.TempDir(), "a", "b")}, 2, "no such file"},
		"past the end":     {[]string{id, "--card", "4"}, 2, "fewer cards"},
		"card 0":           {[]string{id, "--card", "0"}, 2, "counts from 1"},
		"no batch":         {[]string{"K-00000"}, 1, "404"},
		"a long address":   {[]string{"https://x/" + strings.Repeat("a", 3000)}, 2, "too long"},
		"a broken address": {[]string{"https://x/\x1b[31m"}, 2, "printable"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			if got := b.refused(test.code, append([]string{"cards", "qr"}, test.arguments...)...); !strings.Contains(got, test.want) {
				t.Error(got)
			}
		})
	}
	if content(t, picture) != symbol.SVG(card.URL) {
		t.Error("the picture was overwritten")
	}
}
