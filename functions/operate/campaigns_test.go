package operate_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A campaign that would be kept and never run, or kept and read by nobody, is
// refused with the field and the remedy, and nothing is written.
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
		"at long ago":           {"/v1/campaigns/c", `{"audience":"a","template":"t","schedule":{"at":"2020-01-01T00:00:00Z"}}`, "/schedule/at", "name a later one"},
		"until long ago":        {"/v1/campaigns/c", `{"audience":"a","template":"t","schedule":{"cron":"0 9 * * *","until":"2020-01-01T00:00:00Z"}}`, "/schedule/until", "name a later one"},
		"moved back":            {"/v1/campaigns/daily", `{"audience":"a","template":"t","schedule":{"at":"2020-01-01T00:00:00Z"}}`, "/schedule/at", "name a later one"},
		"paused long ago":       {"/v1/campaigns/c", `{"audience":"a","template":"t","state":"paused","schedule":{"at":"2020-01-01T00:00:00Z"}}`, "/schedule/at", "name a later one"},
		"a route":               {"/v1/campaigns/c", `{"audience":"a","template":"t","schedule":{"cron":"0 9 * * *"},"route":"tmall"}`, "/route", ""},
		"platform codes":        {"/v1/coupon-templates/p", `{"name":"x","kind":"pool","threshold":100,"discount":50,"validity":{"days":1}}`, "/kind", "own"},
		"a limit below zero":    {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_member":-1}}`, "/limits/per_member", ""},
		"a limit of too many":   {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_member":1001}}`, "/limits/per_member", ""},
		"half a coupon":         {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_member":1.5}}`, "/limits/per_member", ""},
		"a window of nothing":   {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_member_per_days":{"count":0,"days":7}}}`, "/limits/per_member_per_days/count", ""},
		"a window of no days":   {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_member_per_days":{"count":1,"days":0}}}`, "/limits/per_member_per_days/days", ""},
		"a window of years":     {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_member_per_days":{"count":1,"days":1101}}}`, "/limits/per_member_per_days/days", ""},
		"a window without days": {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_member_per_days":{"count":1}}}`, "/limits/per_member_per_days", ""},
		"a number of days":      {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_member_per_days":7}}`, "/limits/per_member_per_days", ""},
		"another word for it":   {"/v1/coupon-templates/t", `{"name":"x","threshold":100,"discount":50,"validity":{"days":1},"limits":{"per_user":1}}`, "/limits/per_user", ""},
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

// The limits of a template are shown as they were written, and leaving them out
// brings the default back.
func TestTheLimitsOfATemplateAreShown(t *testing.T) {
	b := open(t)
	const path, terms = "/v1/coupon-templates/t", `"name":"x","threshold":100,"discount":50,"validity":{"days":1}`
	for _, limits := range []string{
		`"limits":{"per_member":3}`, `"limits":{"per_member_per_days":{"count":1,"days":7}}`,
		`"limits":{"per_member":3,"per_member_per_days":{"count":1,"days":7}}`, "",
	} {
		status, written := b.put(path, "{"+strings.Join(slices.DeleteFunc([]string{terms, limits}, func(s string) bool { return s == "" }), ",")+"}")
		_, shown, _ := b.get(path, adminToken)
		_, listed, _ := b.get("/v1/coupon-templates", adminToken)
		for name, answer := range map[string]string{"written": written, "shown": shown, "listed": listed} {
			if status != http.StatusOK || !strings.Contains(answer, limits) || strings.Contains(answer, `"limits"`) != (limits != "") {
				t.Errorf("%s with %q: %d %s", name, limits, status, answer)
			}
		}
	}
}
