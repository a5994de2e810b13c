package cli_test

import (
	"strings"
	"testing"
)

// spaced is a table with one space between its cells.
func spaced(table string) string { return strings.Join(strings.Fields(table), " ") }

func TestOperatorsComeAndGo(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 30)
	first := field(t, b.done("operators", "add", "press", "--role", "printer", "--batch", id, "--json"), "token")
	rotated := b.done("operators", "rotate", "press", "--overlap", "1h", "--idempotency-key", "r1")
	if !strings.Contains(rotated, "tokens before it are good until  2026-11-21T11:00:00Z\n") {
		t.Error(rotated)
	}
	if again := b.done("operators", "rotate", "press", "--overlap", "1h", "--idempotency-key", "r1"); again != rotated {
		t.Error("the same request gave another token")
	}
	second := field(t, b.done("operators", "rotate", "press", "--json"), "token")
	listed := b.done("operators", "list")
	for _, want := range []string{
		"OPERATOR ROLE STATE LAST USED MADE DISABLED TOKEN IN BATCHES",
		"admin admin active - - - parameter store -",
		"press printer active - 2026-11-21T10:00:00Z by admin - table " + id,
	} {
		if !strings.Contains(spaced(listed), want) {
			t.Errorf("no %q in\n%s", want, listed)
		}
	}
	if got := b.refused(1, "cards", "list", "--token", first); !strings.Contains(got, "401 token_invalid") {
		t.Error(got)
	}
	if got := b.done("operators", "disable", "press"); got != "press: disabled\n" {
		t.Error(got)
	}
	if got := b.refused(1, "cards", "list", "--token", second); !strings.Contains(got, "401 token_invalid") {
		t.Error(got)
	}
	if got := b.done("operators", "list", "--json"); !strings.Contains(got, `"state": "disabled"`) {
		t.Error(got)
	}
	for _, test := range [][]string{{"operators", "rotate", "press", "--overlap", "25h"}, {"operators", "rotate", "press", "--overlap", "1500ms"}} {
		if got := b.refused(2, test...); !strings.Contains(got, "--overlap is 0s to 24h") {
			t.Error(got)
		}
	}
	for _, test := range [][]string{{"operators", "disable", "admin"}, {"operators", "rotate", "press"}, {"operators", "disable", "nobody"}} {
		b.refused(1, test...)
	}
}

func TestThePrinterIsNamedWithTheFile(t *testing.T) {
	b := openBrand(t)
	id := b.batch("x", 30)
	printer := field(t, b.done("operators", "add", "press", "--role", "printer", "--json"), "token")
	out := t.TempDir() + "/cards.csv"
	if got := b.refused(1, "cards", "export", id, "--out", out, "--token", printer); !strings.Contains(got, "404 batch_unknown") {
		t.Error(got)
	}
	b.done("cards", "export", id, "--out", out)
	b.done("cards", "print", id, out, "--printer", "press")
	b.done("cards", "export", id, "--out", t.TempDir()+"/theirs.csv", "--token", printer)
}

func TestTheDeskFindsMembersAndWhatWaits(t *testing.T) {
	b := openBrand(t)
	member := field(t, b.done("members", "enrol", "--identity", "phone:13800000000", "--identity", "buyer:tmall:b-1", "--json"), "member_id")
	row := member + " 2026-11-21T10:00:00Z - *******0000 - 0 -"
	for _, by := range [][]string{{"find", "--identity", "phone:+86 13800000000"}, {"find", "--identity", "buyer:tmall:b-1"}, {"list"}} {
		if got := b.done(append([]string{"members"}, by...)...); !strings.HasSuffix(spaced(got), row) {
			t.Errorf("%v: %s, want %s", by, got, row)
		}
	}
	if got := b.done("members", "find", "--order", "tmall,flagship,1001"); got != "none\n" {
		t.Error(got)
	}
	if got := b.done("members", "find", "--card", "K-00001-0000003"); got != "none\n" {
		t.Error(got)
	}
	if got := b.refused(2, "members", "find", "--order", "tmall,flagship"); !strings.Contains(got, "CHANNEL,SHOP,ORDER") {
		t.Error(got)
	}
	b.refused(2, "members", "find")
	b.refused(2, "members", "find", "--card", "x", "--order", "a,b,c")

	order := `{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"2001","occurred_at":"2026-11-20T10:00:00+08:00","currency":"CNY",
		"buyer":{"id":"b-2"},"lines":[{"line_id":"1","sku":"MILK","quantity":2,"paid":39800}]}`
	b.done("orders", "send", b.file("order.json", order))
	if got := b.done("orders", "waiting"); !strings.Contains(got, "2001") || !strings.Contains(spaced(got), "¥398.00 unknown_buyer buyer 0") {
		t.Error(got)
	}
	if got := b.done("orders", "waiting", "--since", "2026-11-21T00:00:00+08:00"); got != "none\n" {
		t.Error(got)
	}
	b.done("orders", "bind", "tmall", "flagship", "2001", "--member", member, "--reason", "receipt")
	if got := b.done("orders", "waiting"); got != "none\n" {
		t.Error(got)
	}
	shown := b.done("orders", "show", "tmall", "flagship", "2001")
	for _, want := range []string{"owner       " + member, "points      398", "line        1 MILK × 2: ¥398.00 paid, ¥0.00 refunded, 398 points earned at 1 per ¥1.00", "bound       2026-11-21T10:00:00Z, " + member + ", by admin: receipt"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
	if got := b.done("claims", "list"); got != "none\n" {
		t.Error(got)
	}
	if got := b.done("adjustments", "list"); got != "none\n" {
		t.Error(got)
	}
}
