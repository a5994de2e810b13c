package operate_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

// owing is a brand whose members got points that end and spent some.
func owing(t *testing.T, members int) *brand {
	b := open(t)
	rules := program.Program{Version: 1, EffectiveAt: now.AddDate(-1, 0, 0), Document: program.Default().Document}
	rules.Points.Expiry = &points.Expiry{Months: 2, EndOf: "month"}
	rules.Points.ValuePerPoint = &points.Value{Fen: 1, PerPoints: 2}
	must(t, b.engine.Write(t.Context(), store.PutProgram(rules)))
	for i := range members {
		member := loyalty.MemberID(fmt.Sprintf("m%03d", i))
		must(t, b.engine.Write(t.Context(), store.CreateAccount(member, store.Profile{}, nil, now)...))
		_, err := ledger.Adjust(t.Context(), b.function.Store, store.Adjustment{
			Fact: points.Fact{Member: member}, ID: "gift", Points: 101, Reason: "goodwill", Proposed: store.Hand{Operator: "zhang", At: now.AddDate(0, -i%2, 0)},
		}, math.MaxInt64)
		must(t, err)
		_, err = ledger.Reserve(t.Context(), b.function.Store, store.Reservation{
			Fact: points.Fact{At: now, Member: member}, ID: "v", Points: 1, Reason: "exchange", ExpiresAt: now.Add(time.Hour),
		})
		must(t, err)
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *brand) report(path string) string {
	b.t.Helper()
	status, answer, _ := b.call(request{method: "GET", path: path, token: adminToken})
	if status != http.StatusOK {
		b.t.Fatalf("%s: %d %s", path, status, answer)
	}
	return answer
}

// flat are the leaves of a report, each under its figure and month.
func flat(above, month string, value any, into map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		if named, ok := value["month"].(string); ok {
			month = named
			delete(value, "month")
			if points, ok := value["points"]; ok {
				flat(above, month, points, into)
				return
			}
		}
		for name, inner := range value {
			flat(strings.TrimPrefix(above+"."+name, "."), month, inner, into)
		}
	case []any:
		for _, inner := range value {
			flat(above, month, inner, into)
		}
	default:
		into[strings.TrimSpace(above+" "+month)] += fmt.Sprint(value)
	}
}

func TestTheLiabilityReport(t *testing.T) {
	b := owing(t, 30)
	var whole struct {
		Members, Issued, Available, Spent, Outstanding, Liability, Difference int64
		Ending                                                                []map[string]any
		Money                                                                 map[string]any
		Definition                                                            string
		Definitions                                                           map[string]string
		NextCursor                                                            string `json:"next_cursor"`
	}
	raw := b.report("/v1/reports/liability")
	must(t, json.Unmarshal([]byte(raw), &whole))
	if whole.Members != 30 || whole.Issued != 3030 || whole.Available != 3000 || whole.Spent != 30 || whole.Outstanding != 3000 || whole.Liability != 3000 || whole.Difference != 0 || whole.NextCursor != "" {
		t.Errorf("%+v", whole)
	}
	if diff := cmp.Diff([]map[string]any{{"month": "2026-12", "points": 1500.0}, {"month": "2027-01", "points": 1500.0}}, whole.Ending); diff != "" {
		t.Error(diff)
	}
	if whole.Money["outstanding"] != 1500.0 || whole.Money["currency"] != "CNY" || whole.Definition == "" || whole.Definitions["breakage.expected"] == "" {
		t.Errorf("%s", raw)
	}

	// Call by call it comes to the same.
	cursor, calls := "", 0
	for {
		answer := b.report("/v1/reports/liability?limit=7&cursor=" + url.QueryEscape(cursor))
		calls++
		var page struct {
			Cursor string `json:"next_cursor"`
		}
		must(t, json.Unmarshal([]byte(answer), &page))
		if page.Cursor == "" {
			if diff := cmp.Diff(raw, answer); diff != "" {
				t.Errorf("in %d calls (+) another report than in one (-):\n%s", calls, diff)
			}
			break
		}
		cursor = page.Cursor
	}
	if calls < 4 {
		t.Errorf("30 members at 7 a call took %d calls", calls)
	}
	for _, path := range []string{
		"/v1/reports/liability?reconcile=true&cursor=" + cursor, "/v1/reports/liability?cursor=x",
		"/v1/reports/liability?limit=2001", "/v1/reports/liability?limit=0",
	} {
		if status, answer, _ := b.call(request{method: "GET", path: path, token: adminToken}); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

func TestTheReportAsCSVIsTheReportAsJSON(t *testing.T) {
	b := owing(t, 12)
	// The points that expired, and those that are owed, by other paths than the
	// report's.
	lot := points.Share{Until: now.AddDate(0, -2, 0), Points: 0, Expired: 4}
	changes, _ := store.Credit([]points.Entry{{ID: "x", Kind: points.EntryExpire, Debt: 4, Lots: []points.Share{lot}}}, store.Account{Member: "m000"})
	must(t, b.engine.Write(t.Context(), store.UpdateAccount("m000", changes)))
	for _, query := range []string{"", "?reconcile=true", "?limit=5", "?limit=5&reconcile=true"} {
		var document map[string]any
		decoder := json.NewDecoder(strings.NewReader(b.report("/v1/reports/liability" + query)))
		decoder.UseNumber()
		must(t, decoder.Decode(&document))
		definitions := document["definitions"].(map[string]any)
		document["definition"] = ""
		delete(document, "definitions")
		want := map[string]string{}
		flat("", "", document, want)

		rows, err := csv.NewReader(strings.NewReader(b.report("/v1/reports/liability.csv" + query))).ReadAll()
		must(t, err)
		if diff := cmp.Diff([]string{"figure", "month", "value", "definition"}, rows[0]); diff != "" {
			t.Error(diff)
		}
		got := map[string]string{}
		for _, row := range rows[1:] {
			got[strings.TrimSpace(row[0]+" "+row[1])] += strings.TrimPrefix(row[2], "cursor=")
			if text, ok := definitions[row[0]]; ok && text != row[3] {
				t.Errorf("%s: %s has the definition %q, want %q", query, row[0], row[3], text)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: as CSV (+) it is not what it is as JSON (-):\n%s", query, diff)
		}
		if len(got) < 20 || query == "?reconcile=true" && got["reconciliation.members"] != "m000" {
			t.Errorf("%q: %d figures: %v", query, len(got), slices.Sorted(maps.Keys(got)))
		}
	}
	_, _, header := b.call(request{method: "GET", path: "/v1/reports/liability.csv", token: adminToken})
	if header.Get("Content-Type") != "text/csv; charset=utf-8" || header.Get("Cache-Control") != "no-store" || !strings.Contains(header.Get("Content-Disposition"), "liability.csv") {
		t.Errorf("%v", header)
	}
}

func TestWhoReadsReports(t *testing.T) {
	b := open(t)
	for _, role := range token.Roles {
		_, made := b.post("/v1/operators", "op-"+string(role), fmt.Sprintf(`{"name":"%s-1","role":%q}`, role, role))
		operator := field(t, made, "token")
		before := b.snapshot(t)
		for _, path := range []string{"/v1/reports/liability", "/v1/reports/liability.csv", "/v1/reports/liability?reconcile=true"} {
			may := slices.Contains([]token.Role{token.RoleViewer, token.RoleOperator, token.RoleAdmin}, role)
			status, answer, _ := b.call(request{method: "GET", path: path, token: operator})
			if want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[may]; status != want {
				t.Errorf("%s as %s: %d %s", path, role, status, answer)
			}
		}
		if after := b.snapshot(t); after != before {
			t.Error("a report wrote something")
		}
	}
	for path, bearer := range map[string]string{"/v1/reports/liability": "", "/v1/reports/liability.csv": memberToken(t)} {
		if status, answer, _ := b.call(request{method: "GET", path: path, token: bearer}); status != http.StatusUnauthorized && status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}
