package cli_test

import "testing"

func TestBindingsOfAnOrder(t *testing.T) {
	b := openBrand(t)
	id := field(t, b.done("members", "enrol", "--json", "--identity", "openid:wechat:o-1"), "member_id")
	b.done("orders", "send", b.file("order.json", `{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"T1","occurred_at":"2026-11-01T10:00:00+08:00","currency":"CNY",
 "buyer":{"id":"b-nobody"},"lines":[{"line_id":"1","quantity":1,"paid":39800}]}`))
	const none = "owner  nobody\n"
	if got := b.done("orders", "owner", "tmall", "flagship", "T1"); got != none {
		t.Error(got)
	}
	bound := "bound  " + id + ", 2026-11-21T10:00:00Z, by admin: seen in the shop\n"
	if got, want := b.done("orders", "bind", "tmall", "flagship", "T1", "--member", id, "--reason", "seen in the shop"), "owner  "+id+"\n"+bound; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := b.done("members", "points", id); got != "points available  0\npoints pending    398\npoints in debt    0\n" {
		t.Error(got)
	}
	want := "owner    nobody\n" + "bound    " + bound[len("bound  "):] + "unbound  " + id + ", 2026-11-21T10:00:00Z, by admin: mistaken\n"
	if got := b.done("orders", "unbind", "tmall", "flagship", "T1", "--reason", "mistaken"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := b.done("members", "points", id); got != "points available  0\npoints pending    0\npoints in debt    0\n" {
		t.Error(got)
	}
}
