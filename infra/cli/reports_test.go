package cli_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReportsLiability(t *testing.T) {
	b := openBrand(t)
	for i := range 5 {
		b.done("members", "enrol", "--identity", fmt.Sprintf("buyer:tmall:b%d", i))
		b.done("orders", "send", b.file("o.json", fmt.Sprintf(`{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"%d",
"occurred_at":"2026-11-21T10:00:00+08:00","currency":"CNY","buyer":{"id":"b%d"},"lines":[{"line_id":"1","sku":"S","quantity":1,"paid":10000}]}`, 1000+i, i)))
	}
	// A large brand's report takes many calls.
	b.first(func(_ http.ResponseWriter, r *http.Request) bool {
		query := r.URL.Query()
		query.Set("limit", "2")
		r.URL.RawQuery = query.Encode()
		return false
	})
	want := `read                    from 2026-11-21T10:00:00Z until 2026-11-21T10:00:00Z
members                 5
issued                  500
spent                   0
expired                 0
clawed back             0
available               0
  never ending          0
  ended, not written off  0
pending                 500
debt                    0
outstanding             500
difference              0
expected to lapse       not enough history yet
liability               500
`
	got := b.done("reports", "liability")
	head, rest, _ := strings.Cut(got, "\n\n")
	if diff := cmp.Diff(strings.Fields(want), strings.Fields(head)); diff != "" || !strings.Contains(rest, "--csv") {
		t.Errorf("%s\n%s", diff, got)
	}
	if calls := b.calls("GET", "/v1/reports/liability"); calls < 3 {
		t.Errorf("%d calls", calls)
	}
	got = b.done("reports", "liability", "--csv")
	for _, want := range []string{"figure,month,value,definition\n", "\nmembers,,5,", "\npending,,500,", "\nbreakage.state,,not_enough_history,", "\ndone.shards,,64,"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "next_cursor") {
		t.Error("the CSV is not of all members")
	}
	got = b.done("reports", "liability", "--reconcile", "--json")
	for _, want := range []string{`"members": 5`, `"facts": 5`, `"differ": 0`, `"outstanding": 500`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := b.done("reports", "liability", "--reconcile"); !strings.Contains(got, "5 lines, 0 members differ, 0 points apart\n") {
		t.Error(got)
	}
	if got := b.refused(2, "reports", "liability", "--csv", "--json"); !strings.Contains(got, "not both") {
		t.Error(got)
	}
}

// Books that are not right are shown, and make the command fail.
func TestReportsLiabilityOfWrongBooks(t *testing.T) {
	b := openBrand(t)
	for name, test := range map[string]struct{ answer, says string }{
		"a difference": {`{"difference":3,"breakage":{"state":"not_enough_history"}}`, "double entry leaves 3 points over"},
		"members": {
			`{"breakage":{"state":"estimated","basis_points":1234},"reconciliation":{"differ":2,"members":["m1"],"cohorts":[{"month":"2026-10","spent":1,"expired":2,"basis_points":6666}]}}`,
			"the accounts of 2 members",
		},
		"for ever": {`{"next_cursor":"x"}`, "is not one that huitou gives"},
	} {
		t.Run(name, func(t *testing.T) {
			b.first(func(w http.ResponseWriter, _ *http.Request) bool {
				_, _ = w.Write([]byte(test.answer))
				return true
			})
			code, out, errText := run(t, t.Context(), "reports", "liability")
			if code != 1 || !strings.Contains(errText, test.says) {
				t.Errorf("exit code %d, %s", code, errText)
			}
			if name == "members" && (!strings.Contains(out, "12.34 %") || !strings.Contains(out, "66.66") || !strings.Contains(out, "m1")) {
				t.Error(out)
			}
		})
	}
}
