package cli_test

import (
	"strings"
	"testing"
)

func TestMembersAreMergedAndErased(t *testing.T) {
	b := openBrand(t)
	first := field(t, b.done("members", "enrol", "--json", "--identity", "openid:wechat:a"), "member_id")
	second := field(t, b.done("members", "enrol", "--json", "--identity", "openid:wechat:b"), "member_id")
	alone := b.done("members", "show", second)
	merged := b.done("members", "merge", first, second, "--reason", "same person")
	if !strings.Contains(merged, "merged from       "+second+", 2026-11-21T10:00:00Z, by admin: same person\n") || !strings.Contains(merged, "identity          openid wechat b\n") {
		t.Errorf("%q", merged)
	}
	if got := b.done("members", "show", second); !strings.Contains(got, "merged into       "+first+", 2026-11-21T10:00:00Z, by admin: same person\n") {
		t.Errorf("%q", got)
	}
	if got := b.refused(1, "members", "erase", second, "--reason", "asked"); !strings.Contains(got, "409 member_merged") {
		t.Errorf("%q", got)
	}
	if got := b.done("members", "unmerge", first, second, "--reason", "mistaken"); strings.Contains(got, "merged") {
		t.Errorf("%q", got)
	}
	if got := b.done("members", "show", second); got != alone {
		t.Errorf("%q, was %q", got, alone)
	}
	if got := b.done("members", "erase", second, "--reason", "asked"); got != second+": erased\n" {
		t.Errorf("%q", got)
	}
	if got := b.done("members", "erase", second, "--reason", "asked", "--json"); field(t, got, "state") != "erased" {
		t.Errorf("%q", got)
	}
	if got := b.done("members", "show", second); !strings.Contains(got, "erased            2026-11-21T10:00:00Z\n") || strings.Contains(got, "identity") {
		t.Errorf("%q", got)
	}
	if got := b.refused(2, "members", "erase", first); !strings.Contains(got, "--reason") {
		t.Errorf("%q", got)
	}
}
