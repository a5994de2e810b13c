package operate_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestAnOpeningIsMadeByAnAdminOnce(t *testing.T) {
	b := open(t)
	_, joined := b.post("/v1/members", "m", joining)
	member := "/v1/members/" + field(t, joined, "member_id")
	path := member + "/points/opening"
	opening := `{"source":"oldcrm","points":[{"points":500},{"points":40,"until":"2027-03-31T23:59:30+08:00"}],"growth":[{"month":"2026-10","growth":9}],"joined_at":"2020-05-01T00:00:00+08:00"}`
	_, li := b.post("/v1/operators", "li", `{"name":"li","role":"operator"}`)
	_, feed := b.post("/v1/operators", "feed", `{"name":"feed","role":"integration"}`)
	for _, who := range []string{li, feed} {
		status, answer, _ := b.call(request{method: "POST", path: path, token: field(t, who, "token"), key: "k", body: opening})
		if status != http.StatusForbidden {
			t.Errorf("not an admin: %d %s", status, answer)
		}
	}
	status, first := b.post(path, "o1", opening)
	if status != http.StatusCreated || !strings.Contains(first, `"until":"2027-03-31T16:00:00Z"`) || !strings.Contains(first, `"operator":"admin"`) {
		t.Fatalf("%d %s", status, first)
	}
	// The same under another key, and in other words.
	if status, answer := b.post(path, "o2", opening); status != http.StatusOK || answer != first {
		t.Errorf("%d %s", status, answer)
	}
	said := strings.Replace(opening, `{"points":500}`, `{"points":200},{"points":300}`, 1)
	if status, answer := b.post(path, "o3", said); status != http.StatusOK || answer != first {
		t.Errorf("%d %s", status, answer)
	}
	for name, refused := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"another content": {strings.Replace(opening, "500", "501", 1), http.StatusConflict, "opening_differs"},
		"ended":           {`{"source":"pos","points":[{"points":1},{"points":1,"until":"2026-11-21T18:00:00+08:00"}]}`, http.StatusBadRequest, `{"pointer":"/points/1/until","code":"in_the_past"}`},
		"nothing":         {`{"source":"pos","points":[]}`, http.StatusBadRequest, `{"pointer":"/points","code":"required"}`},
		"no source":       {`{"points":[{"points":1}]}`, http.StatusBadRequest, `source`},
		"a strange one":   {`{"source":"Old CRM","points":[{"points":1}]}`, http.StatusBadRequest, `"/source"`},
		"no points":       {`{"source":"pos","points":[{"points":0}]}`, http.StatusBadRequest, `"/points/0/points"`},
		"a strange month": {`{"source":"pos","points":[],"growth":[{"month":"2026-1","growth":1}]}`, http.StatusBadRequest, `"/growth/0/month"`},
		"in the future":   {`{"source":"pos","points":[],"joined_at":"2026-11-22T00:00:00Z"}`, http.StatusBadRequest, `"/joined_at"`},
		"unknown field":   {`{"source":"pos","points":[{"points":1}],"tier":"gold"}`, http.StatusBadRequest, `tier`},
	} {
		if status, answer := b.post(path, "bad-"+strings.ReplaceAll(name, " ", "-"), refused.body); status != refused.status || !strings.Contains(answer, refused.says) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, answer := b.post("/v1/members/nobody/points/opening", "nobody", opening); status != http.StatusNotFound {
		t.Errorf("%d %s", status, answer)
	}
	_, profile, _ := b.call(request{method: "GET", path: member, token: adminToken})
	if !strings.Contains(profile, `"available":540`) || !strings.Contains(profile, `"joined_at":"2020-04-30T16:00:00Z"`) {
		t.Error(profile)
	}
	_, ledger, _ := b.call(request{method: "GET", path: member + "/points/ledger", token: adminToken})
	if strings.Count(ledger, `"kind":"opening"`) != 2 || !strings.Contains(ledger, `"id":"opening:oldcrm"`) {
		t.Error(ledger)
	}
}
