package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWhatIsKeptForAPersonIsShownAndDecided(t *testing.T) {
	b := openBrand(t)
	if got := b.done("refused", "list"); got != "none\n" {
		t.Error(got)
	}
	foreign := `{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"2001","occurred_at":"2026-11-20T10:00:00+08:00","currency":"USD",
		"buyer":{"id":"b-2"},"lines":[{"line_id":"1","sku":"MILK","quantity":2,"paid":39800}]}`
	b.done("orders", "send", b.file("order.json", foreign))
	var listed struct{ Items []struct{ ID, Reason string } }
	if err := json.Unmarshal([]byte(b.done("refused", "list", "--json")), &listed); err != nil || len(listed.Items) != 1 || listed.Items[0].Reason != "currency" {
		t.Fatalf("%+v, %v", listed, err)
	}
	id := listed.Items[0].ID
	for _, shown := range []string{b.done("refused", "list", "--reason", "currency"), b.done("refused", "show", id), b.done("refused", "retry", id), b.done("refused", "retry", "--reason", "currency")} {
		if !strings.Contains(shown, "2001") && !strings.Contains(shown, "applied again   1") {
			t.Errorf("%s", shown)
		}
	}
	if got := b.done("refused", "list", "--source", "youzan"); got != "none\n" {
		t.Error(got)
	}
	b.refused(2, "refused", "retry")
	b.refused(2, "refused", "retry", id, "--reason", "currency")
	b.refused(2, "refused", "dismiss", id)
	b.refused(1, "refused", "show", strings.Repeat("0", 32))
	if got := b.done("refused", "dismiss", id, "--reason", "paid back by hand"); !strings.Contains(got, "dismissed") || !strings.Contains(got, "paid back by hand") {
		t.Error(got)
	}
	if got := b.refused(1, "refused", "retry", id); !strings.Contains(got, "409") {
		t.Error(got)
	}
	if got := b.done("refused", "list"); got != "none\n" {
		t.Error(got)
	}
}
