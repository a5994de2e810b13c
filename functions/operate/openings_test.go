package operate_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
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

// people is all that the table knows of members and their names.
func (b *brand) people(t *testing.T) string {
	page, err := b.engine.Scan(t.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(slices.DeleteFunc(page.Items, func(item table.Item) bool {
		return !strings.HasPrefix(item.Key.PK, "M#") && !strings.HasPrefix(item.Key.PK, "I#") && !strings.HasPrefix(item.Key.PK, "L#")
	}))
}

// A line of a file is taken whole or not at all, and a check tells the same and
// changes nothing.
func TestALineThatIsRefusedMakesNobody(t *testing.T) {
	b := open(t)
	_, joined := b.post("/v1/members", "m", `{"identities":[{"kind":"buyer","channel":"tmall","value":"known-1"}]}`)
	_, other := b.post("/v1/members", "o", `{"identities":[{"kind":"buyer","channel":"tmall","value":"known-2"}]}`)
	known := field(t, joined, "member_id")
	if status, answer := b.post("/v1/members/"+field(t, other, "member_id")+"/points/opening", "o1", `{"source":"oldcrm","points":[{"points":500}]}`); status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	line := func(who, opening, more string) string {
		return `{"identities":[{"kind":"buyer","channel":"tmall","value":"` + who + `"}` + more + `],"opening":` + opening + `}`
	}
	balance := `{"source":"oldcrm","points":[{"points":7}]}`
	for name, test := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"in the future":   {line("new", `{"source":"oldcrm","points":[],"joined_at":"2036-01-01T00:00:00Z"}`, ""), http.StatusBadRequest, `{"pointer":"/opening/joined_at","code":"out_of_range"}`},
		"ended":           {line("new", `{"source":"oldcrm","points":[{"points":1,"until":"2026-11-21T00:00:00Z"}]}`, ""), http.StatusBadRequest, `{"pointer":"/opening/points/0/until","code":"in_the_past"}`},
		"growth to come":  {line("new", `{"source":"oldcrm","points":[],"growth":[{"month":"2026-12","growth":1}]}`, ""), http.StatusBadRequest, `{"pointer":"/opening/growth/0/month","code":"in_the_future"}`},
		"nothing":         {line("new", `{"source":"oldcrm","points":[]}`, ""), http.StatusBadRequest, `{"pointer":"/opening/points","code":"required"}`},
		"masked":          {line("n**w", balance, ""), http.StatusBadRequest, "masked"},
		"no phone":        {line("new", balance, `,{"kind":"phone","value":"138"}`), http.StatusBadRequest, `"/identities/1/value"`},
		"two members":     {line("known-1", balance, `,{"kind":"buyer","channel":"tmall","value":"known-2"}`), http.StatusConflict, "identities_differ"},
		"another balance": {line("known-2", balance, `,{"kind":"buyer","channel":"douyin","value":"new"}`), http.StatusConflict, "opening_differs"},
	} {
		for _, check := range []string{"", `"check":true,`} {
			before := b.people(t)
			status, answer := b.post("/v1/members/imports", strings.ReplaceAll(name+check, " ", "-"), strings.Replace(test.body, "{", "{"+check, 1))
			if status != test.status || !strings.Contains(answer, test.says) {
				t.Errorf("%s %s: %d %s", name, check, status, answer)
			}
			if after := b.people(t); after != before {
				t.Errorf("%s %s: it left something", name, check)
			}
		}
	}
	good := line("new", balance, "")
	before := b.people(t)
	if status, answer := b.post("/v1/members/imports", "c1", strings.Replace(good, "{", `{"check":true,`, 1)); status != http.StatusOK || answer != `{"created":false}`+"\n" {
		t.Errorf("%d %s", status, answer)
	}
	if after := b.people(t); after != before {
		t.Error("a check made something")
	}
	status, made := b.post("/v1/members/imports", "i1", good)
	if status != http.StatusCreated || !strings.Contains(made, `"created":true`) {
		t.Fatalf("%d %s", status, made)
	}
	if status, again := b.post("/v1/members/imports", "i2", good); status != http.StatusOK || field(t, again, "member_id") != field(t, made, "member_id") {
		t.Errorf("%d %s", status, again)
	}
	if status, answer := b.post("/v1/members/imports", "i3", line("known-1", balance, `,{"kind":"buyer","channel":"douyin","value":"d-1"}`)); status != http.StatusOK || field(t, answer, "member_id") != known {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := b.post("/v1/members/imports", "i4", `{"identities":[{"kind":"buyer","channel":"tmall","value":"bare"}]}`); status != http.StatusCreated {
		t.Errorf("%d %s", status, answer)
	}
	_, li := b.post("/v1/operators", "li", `{"name":"li","role":"operator"}`)
	if status, answer, _ := b.call(request{method: "POST", path: "/v1/members/imports", token: field(t, li, "token"), key: "k", body: good}); status != http.StatusForbidden {
		t.Errorf("not an admin: %d %s", status, answer)
	}
}

// A person who joins by the API agrees to the texts in force, and later
// versions do not change what was agreed to.
func TestTheVersionThatAMemberAgreedToIsKept(t *testing.T) {
	b := open(t)
	publish := func(number int64, version string) {
		t.Helper()
		rules := program.Default()
		text := program.LegalText{Chinese: program.LegalSource{Link: "https://brand.example/" + version}}
		rules.Version, rules.EffectiveAt, rules.Legal = number, now, &program.Legal{Version: version, Agreement: text, Privacy: text}
		must(t, rules.Validate())
		must(t, b.engine.Write(t.Context(), store.PutProgram(rules)))
	}
	join := func(key, who, consents string) string {
		t.Helper()
		status, answer := b.post("/v1/members", key, `{"identities":[{"kind":"buyer","channel":"tmall","value":"`+who+`"}],"consents":[`+consents+`]}`)
		if status >= 300 {
			t.Fatalf("%d %s", status, answer)
		}
		return answer
	}
	if answer := join("before", "early", `"membership"`); strings.Contains(answer, "agreed_version") {
		t.Error(answer)
	}
	publish(1, "2027-01")
	if answer := join("one", "lan", `"membership","marketing"`); field(t, answer, "agreed_version") != "2027-01" {
		t.Error(answer)
	}
	if answer := join("two", "wei", `"marketing"`); strings.Contains(answer, "agreed_version") {
		t.Error(answer)
	}
	publish(2, "2027-02")
	if answer := join("again", "lan", `"membership"`); field(t, answer, "agreed_version") != "2027-01" {
		t.Error(answer)
	}
	if answer := join("later", "wei", `"membership"`); field(t, answer, "agreed_version") != "2027-02" {
		t.Error(answer)
	}
}
