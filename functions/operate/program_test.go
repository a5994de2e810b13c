package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/token"
)

// rules is the shipped program with another rate.
func (b *brand) rules(pointsPerYuan int, more string) string {
	b.t.Helper()
	_, current, _ := b.call(request{method: "GET", path: "/v1/program/versions/0", token: adminToken})
	var document map[string]any
	if err := json.Unmarshal([]byte(current), &document); err != nil {
		b.t.Fatal(err)
	}
	delete(document, "version")
	delete(document, "effective_at")
	document["points"].(map[string]any)["rate"] = map[string]any{"points": pointsPerYuan, "per_fen": 100}
	raw, err := json.Marshal(document)
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSuffix(string(raw), "}") + more + "}"
}

func from(at time.Time) string { return fmt.Sprintf(`,"effective_at":%q`, at.Format(time.RFC3339Nano)) }

func TestAVersionNeverBeginsInThePast(t *testing.T) {
	b := open(t)
	before := b.snapshot(t)
	for _, at := range []time.Time{now.Add(-time.Nanosecond), now.Add(-30 * time.Second), now.AddDate(-1, 0, 0)} {
		status, answer := b.put("/v1/program", b.rules(2, from(at)))
		if status != http.StatusBadRequest || !strings.Contains(answer, `"pointer":"/effective_at"`) {
			t.Errorf("%v: %d %s", at, status, answer)
		}
	}
	if after := b.snapshot(t); after != before {
		t.Errorf("a refusal wrote: %s", after)
	}
	if status, answer := b.put("/v1/program", b.rules(2, from(now))); status != http.StatusOK || field(t, answer, "version") != "1" {
		t.Errorf("from this very moment on: %d %s", status, answer)
	}
}

// A document counts from when it is asked for, whatever waits for later.
func TestVersionsAndTheirTimes(t *testing.T) {
	b := open(t)
	put := func(want int, rate int, more string) {
		t.Helper()
		status, answer := b.put("/v1/program", b.rules(rate, more))
		if status != http.StatusOK || field(t, answer, "version") != fmt.Sprint(want) {
			t.Errorf("%d %s, not version %d", status, answer, want)
		}
	}
	january := now.AddDate(0, 2, 0)
	put(1, 2, "")
	put(2, 3, from(january))
	put(2, 3, from(january))                // again
	put(3, 3, from(january.Add(time.Hour))) // the same rules, from another time on
	put(3, 3, from(january.Add(time.Hour)))
	put(1, 2, "")
	put(4, 3, "")            // what waits for January, but now
	put(5, 2, from(january)) // and January shall be as it was before
	// The answer was lost, and the time comes before the request does again.
	soon := now.Add(time.Second)
	put(6, 9, from(soon))
	b.function.Clock = func() time.Time { return now.Add(time.Minute) }
	b.Handler = b.function.Handler()
	put(6, 9, from(soon))
	if _, answer, _ := b.call(request{method: "GET", path: "/v1/program", token: adminToken}); field(t, answer, "version") != "6" {
		t.Errorf("in force is %s", answer)
	}
	status, answer, _ := b.call(request{method: "GET", path: "/v1/program/versions/2", token: adminToken})
	if status != http.StatusOK || field(t, answer, "version") != "2" || !strings.Contains(answer, `"rate":{"points":3,"per_fen":100}`) {
		t.Errorf("version 2: %d %s", status, answer)
	}
	for _, unknown := range []string{"7", "99999999"} {
		if status, answer, _ := b.call(request{method: "GET", path: "/v1/program/versions/" + unknown, token: adminToken}); status != http.StatusNotFound {
			t.Errorf("version %s: %d %s", unknown, status, answer)
		}
	}
	for _, malformed := range []string{"-1", "x", "1.5"} {
		if status, answer, _ := b.call(request{method: "GET", path: "/v1/program/versions/" + malformed, token: adminToken}); status != http.StatusBadRequest {
			t.Errorf("version %s: %d %s", malformed, status, answer)
		}
	}
}

func TestTheSchemaIsPublic(t *testing.T) {
	b := open(t)
	status, answer, header := b.call(request{method: "GET", path: "/program.schema.json"})
	committed, err := os.ReadFile("program.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if status != http.StatusOK || answer != string(committed) || header.Get("Content-Type") != "application/schema+json; charset=utf-8" {
		t.Errorf("%d %s %s", status, header, answer)
	}
}

// bought posts an order by the rules that the brand has.
func (b *brand) bought(order string, member loyalty.MemberID, at time.Time, paid loyalty.Fen) {
	b.t.Helper()
	versions, err := b.function.Store.Programs(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	news := ledger.News{
		Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order},
		Fact: points.Fact{
			Kind: points.FactPaid, At: at, Member: member,
			Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: paid}},
		},
	}
	if _, err := ledger.Post(b.t.Context(), b.function.Store, versions, news, b.function.Clock()); err != nil {
		b.t.Fatal(err)
	}
}

// An order that was paid before a change keeps the old rate, however late it
// arrives, and one that was paid after has the new one, however early.
func TestAChangeCountsByWhenAnOrderWasPaid(t *testing.T) {
	b := open(t)
	_, joined := b.post("/v1/members", "k", joining)
	member := loyalty.MemberID(field(t, joined, "member_id"))
	change := now.Add(time.Hour)
	if status, answer := b.put("/v1/program", b.rules(5, from(change))); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	pending := func(want string) {
		t.Helper()
		if _, answer, _ := b.call(request{method: "GET", path: "/v1/members/" + string(member) + "/points", token: adminToken}); field(t, answer, "pending") != want {
			t.Errorf("%s, want %s pending", answer, want)
		}
	}
	b.bought("1", member, change, 10_000)
	pending("500")
	b.bought("2", member, change.Add(-time.Second), 10_000)
	pending("600")
	b.function.Clock = func() time.Time { return now.AddDate(0, 1, 0) }
	b.bought("3", member, change.Add(-time.Second), 10_000)
	b.bought("4", member, change.Add(time.Second), 10_000)
	pending("1200")
}

func (b *brand) simulation(rate int, from, to, more string) string {
	return fmt.Sprintf(`{"document":%s,"from":%q,"to":%q%s}`, b.rules(rate, ""), from, to, more)
}

func TestASimulationTellsWhatAChangeWouldHaveGiven(t *testing.T) {
	b := open(t)
	_, joined := b.post("/v1/members", "k", joining)
	member := loyalty.MemberID(field(t, joined, "member_id"))
	b.bought("1", member, now.AddDate(0, -1, 0), 10_050)
	b.bought("2", member, now, 10_000)
	b.bought("3", "", now.AddDate(0, -1, 0), 10_000) // nobody's
	const first, after = "2026-10-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00"
	before := b.programs(t)
	status, answer := b.post("/v1/program/simulation", "s1", b.simulation(2, first, after, ""))
	var got struct {
		Definition, From, To string
		Members              struct{ Bought, Better, Worse int }
		Totals               struct {
			Orders, Lines, Paid int
			Given, Held         struct{ Then, Proposed int }
		}
		Categories, Channels []struct {
			Name   string
			Orders int
		}
		Examples   []map[string]any
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, answer, err)
	}
	if got.Totals.Orders != 1 || got.Totals.Paid != 10_050 || got.Totals.Given.Then != 100 || got.Totals.Given.Proposed != 201 || got.Totals.Held.Proposed != 201 {
		t.Errorf("totals %+v", got.Totals)
	}
	if got.Members.Bought != 1 || got.Members.Better != 1 || got.Members.Worse != 0 || got.NextCursor != "" || len(got.Examples) != 1 {
		t.Errorf("%s", answer)
	}
	if len(got.Categories) != 1 || got.Categories[0].Name != "milk-powder" || len(got.Channels) != 1 || got.Channels[0].Name != "tmall" {
		t.Errorf("parts: %s", answer)
	}
	if !strings.Contains(got.Definition, "orders that nobody owns") || got.From != first || got.To != after {
		t.Errorf("it does not say what it counts: %s", answer)
	}
	if strings.Contains(answer, string(member)) || strings.Contains(answer, "b-1") {
		t.Errorf("it names a person: %s", answer)
	}
	if after := b.programs(t); after != before {
		t.Errorf("a simulation changed the program: %s", after)
	}
}

func (b *brand) programs(t *testing.T) string {
	t.Helper()
	versions, err := b.function.Store.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(versions)
}

func TestRefusalsOfSimulations(t *testing.T) {
	b := open(t)
	const first, after = "2026-10-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00"
	for name, test := range map[string]struct{ key, body, want string }{
		"an empty period":     {"1", b.simulation(2, first, first, ""), `"pointer":"/to"`},
		"the wrong way round": {"2", b.simulation(2, after, first, ""), `"pointer":"/to"`},
		"a rate of none":      {"3", b.simulation(-1, first, after, ""), `"pointer":"/document/points/rate/points"`},
		"an unknown zone":     {"4", strings.Replace(b.simulation(2, first, after, ""), "Asia/Shanghai", "Asia/Nowhere", 1), `"pointer":"/document/time_zone"`},
		"a foreign cursor":    {"5", b.simulation(2, first, after, `,"cursor":"abc"`), `"pointer":"/cursor"`},
		"no document":         {"6", `{"from":"2026-10-01T00:00:00Z","to":"2026-11-01T00:00:00Z"}`, "expected required property document"},
		"a time without zone": {"7", b.simulation(2, "2026-10-01T00:00:00", after, ""), `"pointer":"/from"`},
		"when it counts":      {"8", strings.Replace(b.simulation(2, first, after, ""), `"document":{`, `"document":{"effective_at":"2027-01-01T00:00:00Z",`, 1), `"pointer":"/document/effective_at"`},
	} {
		if status, answer := b.post("/v1/program/simulation", test.key, test.body); status != http.StatusBadRequest || !strings.Contains(answer, test.want) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestRolesOfThePrograms(t *testing.T) {
	b := open(t)
	readers := []token.Role{token.RoleViewer, token.RoleOperator, token.RoleIntegration, token.RoleAdmin}
	for _, role := range []token.Role{token.RoleViewer, token.RoleOperator, token.RoleAdmin, token.RoleIntegration, token.RolePrinter} {
		_, added := b.post("/v1/operators", "op-"+string(role), fmt.Sprintf(`{"name":"%s-1","role":%q}`, role, role))
		bearer := field(t, added, "token")
		for _, test := range []struct {
			request
			may []token.Role
		}{
			{request{method: "GET", path: "/v1/program/versions/0"}, readers},
			{request{method: "POST", path: "/v1/program/simulation", key: "s", body: b.simulation(2, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "")}, []token.Role{token.RoleViewer, token.RoleOperator, token.RoleAdmin}},
			{request{method: "PUT", path: "/v1/program", body: b.rules(2, "")}, []token.Role{token.RoleAdmin}},
		} {
			test.token = bearer
			status, answer, _ := b.call(test.request)
			if want := slices.Contains(test.may, role); want != (status == http.StatusOK) || !want && status != http.StatusForbidden {
				t.Errorf("%s %s as %s: %d %s", test.method, test.path, role, status, answer)
			}
		}
	}
	for _, path := range []string{"/v1/program/versions/0", "/v1/program"} {
		if status, _, _ := b.call(request{method: "GET", path: path}); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, status)
		}
	}
}
