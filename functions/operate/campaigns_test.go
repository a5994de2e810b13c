package operate_test

import (
	"net/http"
	"strings"
	"testing"
)

// What would be kept and never run, or kept and read by nobody, is refused with
// the field and the remedy, and nothing is written.
func TestACampaignThatCannotDoWhatItSaysIsRefused(t *testing.T) {
	b := open(t)
	for _, document := range []struct{ path, body string }{
		{"/v1/audiences/a", `{"rule":"orders > 1"}`},
		{"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1}}`},
		{"/v1/campaigns/daily", `{"audience":"a","template":"t","schedule":{"cron":"0 9 * * *"}}`},
	} {
		if status, answer := b.put(document.path, document.body); status != http.StatusOK {
			t.Fatalf("%s: %d %s", document.path, status, answer)
		}
	}
	for name, test := range map[string]struct{ path, body, pointer, remedy string }{
		"at long ago":     {"/v1/campaigns/c", `{"audience":"a","template":"t","schedule":{"at":"2020-01-01T00:00:00Z"}}`, "/schedule/at", "name a later one"},
		"until long ago":  {"/v1/campaigns/c", `{"audience":"a","template":"t","schedule":{"cron":"0 9 * * *","until":"2020-01-01T00:00:00Z"}}`, "/schedule/until", "name a later one"},
		"moved back":      {"/v1/campaigns/daily", `{"audience":"a","template":"t","schedule":{"at":"2020-01-01T00:00:00Z"}}`, "/schedule/at", "name a later one"},
		"paused long ago": {"/v1/campaigns/c", `{"audience":"a","template":"t","state":"paused","schedule":{"at":"2020-01-01T00:00:00Z"}}`, "/schedule/at", "name a later one"},
		"a route":         {"/v1/campaigns/c", `{"audience":"a","template":"t","schedule":{"cron":"0 9 * * *"},"route":"tmall"}`, "/route", ""},
		"platform codes":  {"/v1/coupon-templates/p", `{"name":"x","kind":"pool","threshold":100,"discount":50,"validity":{"days":1}}`, "/kind", "own"},
	} {
		before := b.snapshot(t)
		status, answer := b.put(test.path, test.body)
		if status != http.StatusBadRequest || !strings.Contains(answer, `"`+test.pointer+`"`) || !strings.Contains(answer, test.remedy) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if after := b.snapshot(t); after != before {
			t.Errorf("%s: the refusal wrote %s", name, after)
		}
	}
}
