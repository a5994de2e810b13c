package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestProgramSchema(t *testing.T) {
	b := openBrand(t)
	t.Setenv("HUITOU_OPERATOR_TOKEN", "")
	var printed, committed any
	if err := json.Unmarshal([]byte(b.done("program", "schema")), &printed); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("../../functions/operate/program.schema.json")
	if err == nil {
		err = json.Unmarshal(raw, &committed)
	}
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(printed) != fmt.Sprint(committed) {
		t.Errorf("it prints %v", printed)
	}
}

func TestProgramDiff(t *testing.T) {
	b := openBrand(t)
	shown := b.done("program", "show", "--json")
	if got := b.done("program", "diff", b.file("p.json", shown)); got != "nothing differs from version 0, which ships with huitou\n" {
		t.Error(got)
	}
	richer := strings.Replace(shown, `"per_fen": 100`, `"per_fen": 50`, 1)
	richer = strings.Replace(richer, `"adjustment_limit": 1000`, `"adjustment_limit": 500`, 1)
	richer = strings.Replace(richer, `"MILK-800"`, `"MILK-900"`, 1)
	richer = strings.Replace(richer, `"name_en": "Huitou Farm",`, ``, 1)
	file := b.file("richer.json", richer)
	const changes = `- /brand/name_en  "Huitou Farm"
~ /points/adjustment_limit  1000 → 500
~ /points/rate/per_fen  100 → 50
~ /repurchase/categories/milk-powder/skus  ["MILK-400","MILK-800"] → ["MILK-400","MILK-900"]
`
	const effects = `  /brand  pages and messages from then on
  /points/adjustment_limit  corrections from then on
  /points  orders paid from then on; those paid before keep their rates and windows, whenever they become known
  /repurchase/categories  reminders from then on, of earlier purchases too; categories by SKU for orders paid from then on
`
	if got := b.done("program", "diff", file); got != "against version 0, which ships with huitou:\n"+changes+"\nIt takes effect when it is applied, or at the time that program apply --effective-at says:\n"+effects {
		t.Error(got)
	}
	b.done("program", "apply", file)
	b.done("program", "apply", b.file("p.json", shown), "--effective-at", "2027-01-01T00:00:00+08:00")
	got := b.done("program", "diff", b.file("p.json", strings.Replace(richer, `"per_fen": 50`, `"per_fen": 40`, 1)))
	if !strings.HasPrefix(got, "against version 1, effective at 2026-11-21T10:00:00Z:\n~ /points/rate/per_fen  50 → 40\n\n") ||
		!strings.HasSuffix(got, "Version 2 takes effect at 2027-01-01T00:00:00+08:00 and counts from then on, unless this begins at that time or later.\n") {
		t.Error(got)
	}
	timed := b.file("timed.json", strings.NewReplacer(`"version": 0,`, ``, `"effective_at": "0001-01-01T00:00:00Z"`, `"effective_at": "2026-12-01T00:00:00+08:00"`).Replace(shown))
	if got := b.done("program", "diff", timed, "--version", "1"); !strings.Contains(got, "~ /points/rate/per_fen  50 → 100\n") || !strings.Contains(got, "It takes effect at 2026-12-01T00:00:00+08:00, or at") {
		t.Error(got)
	}
	if got := b.done("program", "diff", timed, "--version", "0"); got != "nothing differs from version 0, which ships with huitou\n" {
		t.Error(got)
	}
	var document struct {
		Against   struct{ Version int }
		Changes   []map[string]string
		Scheduled []struct{ Version int }
		Effective string `json:"effective_at"`
	}
	if err := json.Unmarshal([]byte(b.done("program", "diff", timed, "--json")), &document); err != nil {
		t.Fatal(err)
	}
	if document.Against.Version != 1 || len(document.Changes) != 4 || document.Changes[2]["from"] != "50" || len(document.Scheduled) != 1 || document.Scheduled[0].Version != 2 || document.Effective != "2026-12-01T00:00:00+08:00" {
		t.Errorf("%+v", document)
	}
	if got := b.refused(1, "program", "diff", timed, "--version", "7"); !strings.Contains(got, "404 version_unknown") {
		t.Error(got)
	}
	if b.calls("PUT", "/v1/program") != 2 {
		t.Error("a diff changed something")
	}
}

// A program that would rewrite the past is refused, and the refusal says where
// the time stood.
func TestProgramApplyRefusesThePast(t *testing.T) {
	b := openBrand(t)
	shown := b.done("program", "show", "--json")
	file := b.file("p.json", strings.Replace(shown, `"per_fen": 100`, `"per_fen": 50`, 1))
	if got := b.refused(1, "program", "apply", file, "--effective-at", "2026-11-21T17:59:59+08:00"); !strings.HasPrefix(got, "huitou: --effective-at: a version cannot begin in the past") {
		t.Error(got)
	}
	past := strings.NewReplacer(`"version": 0,`, ``, `"effective_at": "0001-01-01T00:00:00Z"`, `"effective_at": "2026-11-01T00:00:00+08:00"`).Replace(shown)
	file = b.file("past.json", past)
	line := strings.Count(past[:strings.Index(past, `"effective_at"`)], "\n") + 1
	if got := b.refused(1, "program", "apply", file); !strings.Contains(got, fmt.Sprintf("past.json:%d:", line)) || !strings.Contains(got, "a version cannot begin in the past") {
		t.Error(got)
	}
	if after := b.done("program", "show", "--json"); after != shown {
		t.Errorf("a refusal made a version: %s", after)
	}
}

func TestProgramSimulate(t *testing.T) {
	b := openBrand(t)
	b.done("members", "enrol", "--identity", "buyer:tmall:b-1", "--consent", "membership")
	order := func(id, at string, amount int) string {
		return fmt.Sprintf(`{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":%q,"occurred_at":%q,"currency":"CNY","buyer":{"id":"b-1"},"lines":[{"line_id":"1","sku":"MILK-400","quantity":1,"paid":%d}]}`, id, at, amount)
	}
	b.done("orders", "send", b.file("o.json", order("T1", "2026-10-01T00:00:00+08:00", 10_050)+"\n"+order("T2", "2026-10-31T23:59:59+08:00", 20_000)+"\n"+order("T3", "2026-11-01T00:00:00+08:00", 40_000)))
	shown := b.done("program", "show", "--json")
	richer := strings.Replace(shown, `"points": 1,`, `"points": 2,`, 1)
	file := b.file("richer.json", richer)
	got := b.done("program", "simulate", file, "--month", "2026-10")
	const want = `orders paid    from 2026-10-01T00:00:00+08:00 until 2026-11-01T00:00:00+08:00
orders         2
lines          2
paid           ¥300.50
refunded       ¥0.00
points given   300 → 601 (+301)
after refunds  300 → 601 (+301)
members        1 bought: 1 better off, 0 worse off

CATEGORY     ORDERS     PAID  POINTS THEN  PROPOSED
milk-powder       2  ¥300.50          300       601

CHANNEL  ORDERS     PAID  POINTS THEN  PROPOSED
tmall         2  ¥300.50          300       601

LARGEST DIFFERENCES  CHANNEL  SHOP         PAID  POINTS THEN  PROPOSED
T2                   tmall    flagship  ¥200.00          200       400
T1                   tmall    flagship  ¥100.50          100       201

Orders paid in the period (`
	if !strings.HasPrefix(got, want) {
		t.Error(got)
	}
	same := b.done("program", "simulate", file, "--from", "2026-10-01T00:00:00+08:00", "--to", "2026-11-01T00:00:00+08:00")
	if same != got {
		t.Errorf("the month by its ends: %s", same)
	}
	var answer struct {
		Totals     struct{ Held struct{ Then, Proposed int } }
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal([]byte(b.done("program", "simulate", file, "--month", "2026-11", "--json")), &answer); err != nil || answer.Totals.Held.Then != 400 || answer.Totals.Held.Proposed != 800 || answer.NextCursor != "" {
		t.Errorf("%+v, %v", answer, err)
	}
	for _, arguments := range [][]string{
		{"--month", "2026-13"},
		{"--month", "October"},
		{"--from", "2026-10-01T00:00:00Z"},
		{"--to", "2026-10-01T00:00:00Z"},
		{"--from", "2026-10-01T00:00:00Z", "--to", "2026-10-01T00:00:00Z"},
		{"--month", "2026-10", "--from", "2026-10-01T00:00:00Z", "--to", "2026-11-01T00:00:00Z"},
	} {
		b.refused(2, append([]string{"program", "simulate", file}, arguments...)...)
	}
	broken := strings.Replace(shown, `"per_fen": 100`, `"per_fen": 0`, 1)
	line := strings.Count(broken[:strings.Index(broken, `"per_fen"`)], "\n") + 1
	if got := b.refused(1, "program", "simulate", b.file("broken.json", broken), "--month", "2026-10"); !strings.Contains(got, fmt.Sprintf("broken.json:%d:", line)) {
		t.Error(got)
	}
	if after := b.done("program", "show", "--json"); after != shown {
		t.Error("a simulation changed the program")
	}
}

// The command goes on until there is no cursor, sends each time the same
// question, and stops when huitou turns in circles.
func TestProgramSimulateGoesOn(t *testing.T) {
	b := openBrand(t)
	file := b.file("p.json", b.done("program", "show", "--json"))
	answers := []string{
		`{"totals":{"orders":1},"done":{"shards":3,"of":64},"next_cursor":"a"}`,
		`{"totals":{"orders":2},"done":{"shards":9,"of":64},"next_cursor":"b"}`,
		`{"totals":{"orders":3},"done":{"shards":64,"of":64}}`,
	}
	var cursors []string
	b.first(func(w http.ResponseWriter, r *http.Request) bool {
		var body struct {
			Cursor   string
			From, To time.Time
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.To.Sub(body.From) != 31*24*time.Hour || r.Header.Get("Idempotency-Key") == "" {
			t.Errorf("asked is %+v, %v", body, err)
		}
		cursors = append(cursors, body.Cursor)
		_, _ = w.Write([]byte(answers[min(len(cursors), len(answers))-1]))
		return true
	})
	got := b.done("program", "simulate", file, "--month", "2026-10", "--json")
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(got)); err != nil || compact.String() != answers[2] || strings.Join(cursors, ",") != ",a,b" {
		t.Errorf("%s after %q, %v", got, cursors, err)
	}
	answers, cursors = []string{answers[0], answers[0]}, nil
	if got := b.refused(1, "program", "simulate", file, "--month", "2026-10"); !strings.Contains(got, "not one that huitou gives") {
		t.Error(got)
	}
}
