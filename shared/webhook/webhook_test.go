package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/webhook"
)

// How a post is signed and what it answers, the tests of its users show:
// shared/notify/webhook and shared/payer/webhook.

const newSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

func TestNewRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		url     string
		secrets []string
	}{
		"plain http":        {"http://shop.example.com/hook", []string{newSecret}},
		"no host":           {"https:///hook", []string{newSecret}},
		"another scheme":    {"file:///etc/passwd", []string{newSecret}},
		"no secret":         {"https://shop.example.com/hook", nil},
		"a short secret":    {"https://shop.example.com/hook", []string{newSecret, "whsec_c2hvcnQ="}},
		"no prefix":         {"https://shop.example.com/hook", []string{strings.TrimPrefix(newSecret, "whsec_")}},
		"not base64":        {"https://shop.example.com/hook", []string{"whsec_%%%"}},
		"userinfo is a URL": {"https://", []string{newSecret}},
	} {
		_, err := webhook.New(webhook.Target{URL: test.url, Secrets: test.secrets}, http.DefaultClient, time.Now)
		if loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%s: %v, want KindInvalid", name, err)
		}
		for _, secret := range test.secrets {
			if err != nil && strings.Contains(err.Error(), strings.TrimPrefix(secret, "whsec_")) {
				t.Errorf("%s: the error quotes a secret", name)
			}
		}
	}
}

func TestReadTarget(t *testing.T) {
	got, err := webhook.ReadTarget([]byte(`{"url":"https://shop.example.com/hook","secrets":["` + newSecret + `"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(webhook.Target{URL: "https://shop.example.com/hook", Secrets: []string{newSecret}}, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	for _, document := range []string{"", `{"url":13800000000}`, newSecret} {
		if _, err := webhook.ReadTarget([]byte(document)); err == nil || document != "" && strings.Contains(err.Error(), document) {
			t.Errorf("%q: error %v, want one that does not quote it", document, err)
		}
	}
}
