package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMembers(t *testing.T) {
	b := openBrand(t)
	out := b.done("members", "enrol", "--identity", "buyer:tmall:b:1", "--identity", "phone:13800000000", "--consent", "membership", "--consent", "marketing", "--fact", "baby=stage 2; boy", "--birthday", "2024-05")
	id, _, _ := strings.Cut(strings.TrimPrefix(out, "enrolled\nmember            "), "\n")
	profile := strings.ReplaceAll(`member            ID
joined            2026-11-21T10:00:00Z
identity          buyer tmall b:1
identity          phone *******0000
consents          membership, marketing
birthday          2024-05
fact              baby = stage 2; boy
orders            0
paid              ¥0.00
refunded          ¥0.00
points available  0
points pending    0
points in debt    0
`, "ID", id)
	if diff := cmp.Diff("enrolled\n"+profile, out); diff != "" {
		t.Fatal(diff)
	}
	if out := b.done("members", "enrol", "--identity", "phone::13800000000"); out != "found, and given what was new\n"+profile {
		t.Error(out)
	}
	if got := b.done("members", "show", id); got != profile {
		t.Error(got)
	}
	if got := field(t, b.done("members", "show", id, "--json"), "member_id"); got != id {
		t.Error(got)
	}
	if got := b.done("members", "consent", "withdraw", id, "marketing"); got != id+": marketing withdrawn\n" {
		t.Error(got)
	}
	if got := b.done("members", "show", id); !strings.Contains(got, "consents          membership\n") {
		t.Error(got)
	}
	if got := b.done("members", "consent", "give", id, "marketing", "--json"); field(t, got, "state") != "given" {
		t.Error(got)
	}
	if got := b.done("members", "show", id); got != profile {
		t.Error(got)
	}
	if got := b.done("members", "token", id); !strings.HasPrefix(got, "token  ey") || !strings.Contains(got, "\nuntil  2026-11-21T11:00:00Z\n") {
		t.Error(got)
	}
}

func TestHistoryOfAMember(t *testing.T) {
	b := openBrand(t)
	id := field(t, b.done("members", "enrol", "--json", "--identity", "buyer:tmall:b-1", "--consent", "marketing"), "member_id")
	file := b.file("orders.json", `
{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"T1","occurred_at":"2026-11-01T10:00:00+08:00","currency":"CNY","buyer":{"id":"b-1"},
 "lines":[{"line_id":"1","sku":"MILK-400","category":"milk-powder","quantity":2,"paid":39800},{"line_id":"2","quantity":1,"paid":99}]}
{"type":"order.refunded","channel":"tmall","shop":"flagship","order_id":"T1","occurred_at":"2026-11-02T10:00:00+08:00","currency":"CNY","refund_id":"r","lines":[{"line_id":"1","refunded":10000}]}
`)
	if got := b.done("orders", "send", file); got != "events   2\nsent     2\n" {
		t.Error(got)
	}
	for _, test := range []struct{ command, want string }{
		{"points", "points available  0\npoints pending    298\npoints in debt    0\n"},
		{"orders", `PAID AT                    CHANNEL  SHOP      ORDER  LINES     PAID  REFUNDED  POINTS  STATE  SETTLES AT
2026-11-01T10:00:00+08:00  tmall    flagship  T1         2  ¥398.99   ¥100.00     298  paid   2026-12-01T10:00:00+08:00
`},
		{"ledger", `AT                         KIND  AVAILABLE  PENDING  DEBT  CHANNEL  ORDER  LINE  PROGRAM
2026-11-02T10:00:00+08:00  claw          0     -100     0  tmall    T1        1        0
2026-11-01T10:00:00+08:00  earn          0      398     0  tmall    T1        1        0
2026-11-01T10:00:00+08:00  earn          0        0     0  tmall    T1        2        0
`},
		{"coupons", "none\n"},
		{"reminders", `DUE AT                     CATEGORY     BOUGHT AT             LEAD DAYS  STATE      WHY
2026-11-22T09:00:00+08:00  milk-powder  2026-11-01T02:00:00Z          7  scheduled  cycle of the category, counted from the last purchase
`},
	} {
		if diff := cmp.Diff(test.want, b.done("members", test.command, id)); diff != "" {
			t.Errorf("%s: %s", test.command, diff)
		}
	}
	if got := b.done("reminders", "list", "--due-before", "2026-12-01T00:00:00+08:00"); !strings.Contains(got, "  "+id+"  milk-powder  ") {
		t.Error(got)
	}
	if got := b.done("reminders", "list", "--due-before", "2026-11-20T00:00:00+08:00"); got != "none\n" {
		t.Error(got)
	}
}

func TestIdentitiesThatCannotBeRead(t *testing.T) {
	b := openBrand(t)
	for _, text := range []string{"", "13800000000", "phone:", "phone::", "buyer:tmall", "buyer:tmall:", ":"} {
		if got := b.refused(2, "members", "enrol", "--identity", text); !strings.Contains(got, "KIND:CHANNEL:VALUE") || strings.Contains(got, "--identity "+text+" is") && text != "" {
			t.Errorf("%q: %s", text, got)
		}
	}
	if b.asked() != 0 {
		t.Errorf("%d requests were made", b.asked())
	}
	if got := b.refused(1, "members", "enrol", "--identity", "fax:tmall:1"); !strings.Contains(got, "/identities/0/kind") {
		t.Error(got)
	}
}

// Whatever an id is, it stays one segment of the address.
func TestIDsThatAreStrange(t *testing.T) {
	b := openBrand(t)
	for _, id := range []string{"--json", "a/b", "a?b=c", "a#b", "%2e%2e", "会员", "a b", "...", "\x1b[31m"} {
		if got := b.refused(1, "members", "show", "--", id); got != "huitou: there is no such member (404 member_unknown)\n" {
			t.Errorf("%q: %s", id, got)
		}
	}
	for _, r := range b.seen {
		if strings.Count(r.URL.EscapedPath(), "/") != 3 || !strings.HasPrefix(r.URL.Path, "/v1/members/") || r.URL.RawQuery != "" {
			t.Errorf("the id changed the address to %s", r.URL)
		}
	}
	before := b.asked()
	for _, id := range []string{"", ".", ".."} {
		if got := b.refused(2, "members", "show", id); !strings.Contains(got, "is not an id") {
			t.Error(got)
		}
	}
	if b.asked() != before {
		t.Error("a request was made")
	}
}
