package cli_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// From the file to the printing house and back: what is recorded is what was
// written, and what comes back is held against it.
func TestABatchGoesToThePrintingHouseAndBack(t *testing.T) {
	b := openBrand(t)
	create := append([]string{"cards", "create", "--json", "--name", "x", "--count", "50", "--canaries", "4", "--prize", "points:200:1"}, strings.Fields(window)...)
	id := field(t, b.done(create...), "id")
	file := filepath.Join(t.TempDir(), "cards.csv")
	b.done("cards", "export", id, "--out", file)
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(content(t, file))))

	if got := b.done("cards", "show", id); !strings.Contains(got, "canaries    4, which makes a print run of 54\n") {
		t.Error(got)
	}
	if got := b.refused(1, "cards", "receive", id, "--cards", "54", "--sha256", hash); !strings.Contains(got, "(409 batch_not_printed)") {
		t.Error(got)
	}
	if got := b.done("cards", "print", id, file); !strings.Contains(got, "state       printed\n") || !strings.Contains(got, "printed     54 by admin at 2026-11-21T10:00:00Z, SHA-256 "+hash+"\n") {
		t.Error(got)
	}
	if got := b.refused(1, "cards", "activate", id); !strings.Contains(got, "(409 batch_not_received)") {
		t.Error(got)
	}
	if got := b.refused(1, "cards", "receive", id, "--cards", "54", "--sha256", strings.Repeat("0", 64)); !strings.Contains(got, "(409 manifest_differs)") {
		t.Error(got)
	}
	if got := b.done("cards", "receive", id, "--cards", "53", "--sha256", hash); !strings.Contains(got, "state       received\n") || !strings.Contains(got, "received    53 by admin") {
		t.Error(got)
	}
	if got := b.done("cards", "canaries", id); strings.Count(got, "\n") != 4 {
		t.Error(got)
	}
	if got := b.done("cards", "canaries", b.batch("y", 3)); got != "none\n" {
		t.Error(got)
	}
	// A batch like this one can be made of what is shown.
	again := b.file("again.json", b.done("cards", "show", id, "--json"))
	if got := b.done("cards", "create", again, "--idempotency-key", "again"); !strings.Contains(got, "canaries    4") || !strings.Contains(got, "state       created\n") {
		t.Error(got)
	}
}

func TestWhatIsNoExportIsNoManifest(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 3)
	file := filepath.Join(t.TempDir(), "cards.csv")
	b.done("cards", "export", id, "--out", file)
	good := content(t, file)
	for name, c := range map[string]struct{ text, want string }{
		"nothing":           {"", "line 1 differs"},
		"no card":           {"card,url,code\n", "line 2 differs"},
		"another header":    {strings.Replace(good, "card", "Card", 1), "line 1 differs"},
		"a byte order mark": {"\ufeff" + good, "line 1 differs"},
		"cut off":           {good[:len(good)-1], "line 4 differs"},
		"a gap":             {strings.Replace(good, "\n2,", "\n3,", 1), "line 3 differs"},
		"a formula":         {good + "4,=1+1,A\n", "line 5 differs"},
		"a long line":       {good + strings.Repeat("x", 10_000) + "\n", "line 5 differs"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			if got := b.refused(2, "cards", "print", id, b.file("c.csv", c.text)); !strings.Contains(got, c.want) {
				t.Error(got)
			}
		})
	}
	if got := b.refused(2, "cards", "print", id, filepath.Join(t.TempDir(), "none")); !strings.Contains(got, "cannot be read") {
		t.Error(got)
	}
	if n := b.calls(http.MethodPost, "/v1/card-batches/"+id+"/printing"); n != 0 {
		t.Errorf("%d requests were made", n)
	}
	// A file of fewer cards is well-formed and not the batch's.
	if err := os.WriteFile(file, []byte(good[:strings.Index(good, "\n3,")+1]), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := b.refused(1, "cards", "print", id, file); !strings.Contains(got, "/count not_the_print_run") {
		t.Error(got)
	}
}

// A printing house exports with its own token, which opens nothing else.
func TestAPrintingHouseExports(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 30)
	printer := field(t, b.done("operators", "add", "press", "--role", "printer", "--batch", id, "--json"), "token")
	ours, theirs := filepath.Join(t.TempDir(), "ours.csv"), filepath.Join(t.TempDir(), "theirs.csv")
	b.done("cards", "export", id, "--out", ours)
	b.done("cards", "export", id, "--out", theirs, "--token", printer)
	if content(t, ours) != content(t, theirs) {
		t.Error("the files differ")
	}
	for _, command := range [][]string{{"show", id}, {"list"}, {"canaries", id}, {"freeze", id}, {"print", id, ours}} {
		if got := b.refused(1, append(append([]string{"cards"}, command...), "--token", printer)...); !strings.Contains(got, "(403 role_missing)") {
			t.Errorf("%v: %s", command, got)
		}
	}
}
