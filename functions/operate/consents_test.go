package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
)

// consents are those that the operators' API shows.
func (b *brand) consents(member string) string {
	b.t.Helper()
	var shown struct{ Consents []string }
	if err := json.Unmarshal([]byte(b.look("/v1/members/"+member)), &shown); err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(shown.Consents, " ")
}

// A consent that a member withdrew stays withdrawn at every door by which
// somebody tells of consents, unless they say that it was given later.
func TestAWithdrawnConsentStaysWithdrawn(t *testing.T) {
	const usual = `"consents":["membership","marketing"]`
	withdrawn := now.Add(-time.Hour)
	before, after := withdrawn.Add(-time.Second).Format(time.RFC3339), withdrawn.Add(time.Second).Format(time.RFC3339)
	for name, test := range map[string]struct {
		body   string
		opens  bool
		status int
		want   string
	}{
		"enrolled again":                {usual, false, 200, "membership"},
		"enrolled, given before":        {usual + `,"given_at":"` + before + `"`, false, 200, "membership"},
		"enrolled, given at the moment": {usual + `,"given_at":"` + withdrawn.Format(time.RFC3339) + `"`, false, 200, "membership"},
		"enrolled, given later":         {usual + `,"given_at":"` + after + `"`, false, 200, "membership marketing"},
		"enrolled, given in the future": {usual + `,"given_at":"2026-11-21T10:00:01Z"`, false, 400, "membership"},
		"opened":                        {usual, true, 201, "membership"},
		"opened, given before":          {usual + `,"given_at":"` + before + `"`, true, 201, "membership"},
		"opened, given later":           {usual + `,"given_at":"` + after + `"`, true, 201, "membership marketing"},
		"opened, given in the future":   {usual + `,"given_at":"2026-11-21T10:00:01Z"`, true, 400, "membership"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			const identities = `{"identities":[{"kind":"openid","channel":"wechat","value":"w"}],`
			_, answer := b.post("/v1/members", "join", identities+usual+`}`)
			var joined struct {
				ID string `json:"member_id"`
			}
			if err := json.Unmarshal([]byte(answer), &joined); err != nil {
				t.Fatal(err)
			}
			err := b.function.Store.Table.Write(t.Context(), store.UpdateAccount(loyalty.MemberID(joined.ID), store.WithdrawConsent(loyalty.ConsentMarketing, withdrawn)))
			if err != nil {
				t.Fatal(err)
			}
			path, body := "/v1/members", identities+test.body+`}`
			if test.opens {
				path, body = "/v1/members/"+joined.ID+"/points/opening", `{"source":"old","points":[],`+test.body+`}`
			}
			status, answer := b.post(path, "again", body)
			if got := b.consents(joined.ID); status != test.status || got != test.want {
				t.Errorf("%d, consents %q, want %d and %q: %s", status, got, test.status, test.want, answer)
			}
			account, err := b.function.Store.Account(t.Context(), loyalty.MemberID(joined.ID))
			if err != nil || !account.Withdrawn[loyalty.ConsentMarketing].Equal(withdrawn) {
				t.Errorf("withdrawn at %v, %v", account.Withdrawn, err)
			}
			if shown := b.look("/v1/members/" + joined.ID); strings.Contains(shown, `"withdrawn"`) != (test.want == "membership") {
				t.Errorf("shown as %s", shown)
			}
		})
	}
}

// A consent that was given before is dated as it was told.
func TestAConsentIsDatedAsItWasTold(t *testing.T) {
	b := open(t)
	_, answer := b.post("/v1/members", "join", `{"identities":[{"kind":"openid","channel":"wechat","value":"w"}],"consents":["membership"],"given_at":"2025-03-01T10:00:00+08:00"}`)
	var joined struct {
		ID string `json:"member_id"`
	}
	if err := json.Unmarshal([]byte(answer), &joined); err != nil {
		t.Fatal(err)
	}
	account, err := b.function.Store.Account(t.Context(), loyalty.MemberID(joined.ID))
	if want := time.Date(2025, 3, 1, 2, 0, 0, 0, time.UTC); err != nil || !account.Consents[loyalty.ConsentMembership].Equal(want) {
		t.Errorf("given at %v, %v", account.Consents, err)
	}
	if status, answer := b.post("/v1/members", "early", fmt.Sprintf(`{"identities":[{"kind":"openid","channel":"wechat","value":"x"}],"consents":["membership"],"given_at":%q}`, "1999-12-31T00:00:00Z")); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, answer)
	}
}
