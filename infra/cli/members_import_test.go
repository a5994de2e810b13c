package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/huitou/huitou/infra/cli"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders/export"
)

// imported runs `huitou members import --json` and gives its exit code, its
// report and what it says beside it.
func imported(ctx context.Context, t *testing.T, arguments ...string) (int, cli.MembersReport, string) {
	t.Helper()
	code, out, errs := run(t, ctx, append([]string{"members", "import", "--json"}, arguments...)...)
	var report cli.MembersReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("exit code %d, no report: %v\n%s", code, err, errs)
	}
	return code, report, errs
}

const movers = `phone,buyer:tmall,points,points_until,growth,joined_at,consents,备注
"=""13800000001""",b-1,1200,,300@2026-10;20@2026/11,2020-05-01,"membership, marketing",x
+86 138-0000-0002,,500@2027-03-31;700;0@2027-01-01,2027/6/30,,2021/3/4 5:06,membership,y
138****0003,b-3,80.00,,,,,z
,b-4,,,,,,
`

func TestMembersImport(t *testing.T) {
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(movers)
	if err != nil {
		t.Fatal(err)
	}
	want := cli.MembersReport{Members: 4, Points: 2_480, Growth: 320, Masked: 1, Refused: []export.Refusal{}, Asked: true, Imported: 4, New: 4}
	for name, content := range map[string]string{"UTF-8 with BOM": "\ufeff" + movers, "GBK": gbk} {
		t.Run(name, func(t *testing.T) {
			b := openBrand(t)
			file := b.file("members.csv", content)
			dry := want
			dry.DryRun, dry.Imported, dry.New = true, 0, 0
			if _, report, _ := imported(t.Context(), t, file, "--source", "oldcrm", "--ignore", "备注", "--dry-run"); cmp.Diff(dry, report) != "" || b.calls("POST", "/v1/members/imports") != 4 {
				t.Errorf("dry run: %d requests, %s", len(b.seen), cmp.Diff(dry, report))
			}
			for round := range 2 {
				again := want
				if round > 0 {
					again.New = 0
				}
				code, report, errs := imported(t.Context(), t, file, "--source", "oldcrm", "--ignore", "备注")
				if diff := cmp.Diff(again, report); code != 0 || errs != "" || diff != "" {
					t.Fatalf("run %d: exit code %d, %s (-want +got):\n%s", round, code, errs, diff)
				}
			}
			for identity, holds := range map[string][]string{
				"phone:13800000001": {"joined            2020-04-30T16:00:00Z", "buyer tmall b-1", "consents          membership, marketing\n", "points available  1200\n"},
				"phone:13800000002": {"joined            2021-03-03T21:06:00Z", "points available  1200\npoints pending    0\npoints in debt    0\npoints expiring   500 at 2027-03-31T16:00:00Z\npoints expiring   700 at 2027-06-30T16:00:00Z"},
				"buyer:tmall:b-3":   {"points available  80\n", "joined            2026-11-21T10:00:00Z"},
				"buyer:tmall:b-4":   {"points available  0\n"},
			} {
				profile := b.done("members", "enrol", "--identity", identity)
				for _, text := range holds {
					if !strings.Contains(profile, text) {
						t.Errorf("%s: no %q in\n%s", identity, text, profile)
					}
				}
				if !strings.HasPrefix(profile, "found") {
					t.Errorf("%s is not there", identity)
				}
			}
		})
	}
}

// The fault of a row is named by line and column, and never said again.
func TestRowsOfMembersThatAreRefused(t *testing.T) {
	b := openBrand(t)
	file := b.file("members.csv", `phone,openid:wechat,points,points_until,growth,growth_month,joined_at,consents
13800000001,,5,,,,,
13800000001,o-2,5,,,,,
1380000000,,5,,,,,
138****0001,,5,,,,,
13800000001-1234,,5,,,,,
13800000002,,5.5,,,,,
13800000003,,5,soon,,,,
13800000004,,5@soon,,,,,
13800000005,,-5,,,,,
13800000006,,5,,7,,,
13800000007,,5,,7@2026-13,,,
13800000008,,5,,,,yesterday,
13800000009,,5,,,,,everything
,1.38E+10,5,,,,,
13800000010,,5,2020-01-01,,,,
13800000011,,5,,7,2026-12,,
13800000012,,5,,,,2030-01-01,
13800000013,,5
13800000014,,5,2026-11-21,,,,
`)
	code, report, errs := imported(t.Context(), t, file, "--source", "oldcrm")
	var told []string
	for _, refused := range report.Refused {
		if refused.File != file {
			t.Errorf("%+v", refused)
		}
		told = append(told, fmt.Sprintf("%d %s: %s", refused.Line, refused.Column, refused.Reason))
	}
	want := []string{
		"3 phone: line 2 names the same person; a person stands on one line, with all that they have",
		"4 phone: is not a phone number",
		"5 : no cell names a person; a masked name or number stands for nobody",
		"6 : no cell names a person; a masked name or number stands for nobody",
		"7 points: is not a whole number from 0 to 1000000000",
		"8 points_until: is not a date like 2027-03-31 or a time like 2027-03-31T23:59:59+08:00",
		"9 points: is not a date like 2027-03-31 or a time like 2027-03-31T23:59:59+08:00",
		"10 points: is not a whole number from 0 to 1000000000",
		"11 growth_month: growth counts in a month like 2026-11, and none is given",
		"12 growth: growth counts in a month like 2026-11, and none is given",
		"13 joined_at: is not a date like 2024-05-17 or a time like 2024-05-17 10:00:00",
		"14 consents: a consent is membership, marketing or personalisation",
		"15 openid:wechat: a spreadsheet has rounded the number (E+); export the file again and do not save it",
		"19 : has 3 columns and the header 8",
		"16 : huitou refused the line: 400 invalid /opening/points/0/until in_the_past",
		"17 : huitou refused the line: 400 invalid /opening/growth/0/month in_the_future",
		"18 : huitou refused the line: 400 invalid /opening/joined_at out_of_range",
	}
	if diff := cmp.Diff(want, told); diff != "" || code != 1 || report.Imported != 2 {
		t.Errorf("exit code %d, %d imported, %s (-want +got):\n%s", code, report.Imported, errs, diff)
	}
	for _, refused := range report.Refused {
		if strings.Contains(refused.Reason, "1380") {
			t.Errorf("it says a number again: %s", refused.Reason)
		}
	}
}

func TestMembersFilesThatAreOfNoUse(t *testing.T) {
	b := openBrand(t)
	for name, test := range map[string]struct{ content, want string }{
		"empty":         {"", ":1: the file is empty"},
		"no person":     {"points\n5\n", ":1: no column names a person"},
		"unknown":       {"phone,points_untill\n", ":1: points_untill: is not a column that --help names"},
		"twice":         {"phone,Phone\n", ":1: phone: the column stands twice in the header"},
		"no channel":    {"buyer:,phone\n", ":1: buyer:: is not a column"},
		"another kind":  {"fax:tmall\n", ":1: fax:tmall: is not a column"},
		"open quote":    {"\"phone\n", ":1: a quote is opened and never closed"},
		"steers":        {"phone,\x1b[31m\n", `"\x1b[31m"`},
		"no text":       {"phone\x00", "NUL bytes"},
		"UTF-16":        {"\xff\xfep\x00", "--encoding utf-16"},
		"no terminator": {"phone", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			file := b.file("m.csv", test.content)
			if test.want == "" {
				if got := b.done("members", "import", file, "--source", "oldcrm"); got != "members  0 with 0 points and 0 growth value\nimported 0 members, 0 of them new\n" {
					t.Error(got)
				}
				return
			}
			if got := b.refused(1, "members", "import", file, "--source", "oldcrm"); !strings.Contains(got, test.want) {
				t.Error(got)
			}
		})
	}
	for _, source := range []string{"", "Old", "a b", "-x", strings.Repeat("a", 33)} {
		if got := b.refused(2, "members", "import", b.file("m.csv", movers), "--source="+source); !strings.Contains(got, "--source") {
			t.Error(got)
		}
	}
	if len(b.seen) != 0 {
		t.Errorf("%d requests were made", len(b.seen))
	}
}

// crowd is a file of so many members with 10 points each.
func crowd(b *brand, count int) string {
	var rows strings.Builder
	rows.WriteString("buyer:tmall,points\n")
	for i := range count {
		fmt.Fprintf(&rows, "b-%d,10\n", i)
	}
	return b.file("crowd.csv", rows.String())
}

// Ctrl-C half way, and the same command again: nobody is lost, nobody has twice.
func TestMembersImportInterruptedHalfWay(t *testing.T) {
	const count = 60
	b := openBrand(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var requests atomic.Int32
	b.before = func(http.ResponseWriter, *http.Request) bool {
		if requests.Add(1) == count/2 {
			interrupt()
		}
		return false
	}
	file := crowd(b, count)
	code, cut, errs := imported(ctx, t, file, "--source", "oldcrm")
	if code != 1 || cut.Stopped != "interrupted" || cut.Imported == 0 || cut.Imported == count || !strings.Contains(errs, "Run the same command again") {
		t.Fatalf("exit code %d, %+v, %s", code, cut, errs)
	}
	if code, whole, _ := imported(t.Context(), t, file, "--source", "oldcrm"); code != 0 || whole.Imported != count || whole.New != count-cut.New {
		t.Fatalf("exit code %d, %+v after %+v", code, whole, cut)
	}
	for i := range count {
		if got := b.done("members", "enrol", "--identity", fmt.Sprintf("buyer:tmall:b-%d", i)); !strings.HasPrefix(got, "found") || !strings.Contains(got, "points available  10\n") {
			t.Fatal(got)
		}
	}
}

// huitou that stays away, or does not know the token, ends the import at once.
func TestMembersImportStops(t *testing.T) {
	b := openBrand(t)
	file := crowd(b, 40)
	t.Setenv("HUITOU_OPERATOR_TOKEN", "another")
	code, report, _ := imported(t.Context(), t, file, "--source", "oldcrm")
	if code != 1 || report.Imported != 0 || !strings.Contains(report.Stopped, "401") || len(b.seen) > 16 {
		t.Errorf("exit code %d, %d requests, %+v", code, len(b.seen), report)
	}
	li := field(t, b.done("operators", "add", "li", "--role", "operator", "--json", "--token", adminToken), "token")
	code, report, _ = imported(t.Context(), t, file, "--source", "oldcrm", "--token", li)
	if code != 1 || report.Imported != 0 || !strings.Contains(report.Stopped, "403") {
		t.Errorf("not an admin: exit code %d, %+v", code, report)
	}
}

// A refusal of an earlier run does not stand for ever.
func TestARefusedMemberIsAskedForAgain(t *testing.T) {
	b := openBrand(t)
	for _, identity := range []string{"buyer:tmall:b-1", "phone:13800000001"} {
		b.done("members", "enrol", "--identity", identity)
	}
	file := b.file("m.csv", "phone,buyer:tmall,points\n13800000001,b-1,5\n")
	for range 2 {
		code, report, _ := imported(t.Context(), t, file, "--source", "oldcrm")
		if code != 1 || len(report.Refused) != 1 || report.Refused[0].Reason != "huitou refused the line: 409 identities_differ" {
			t.Fatalf("exit code %d, %+v", code, report)
		}
	}
	if calls := b.calls("POST", "/v1/members/imports"); calls != 1+2 {
		t.Errorf("%d calls, want the first answer once more and then a new one", calls)
	}
}

// A dry run and a run refuse the same rows, and a row that is refused has made
// nobody: whatever is wrong with it, and whoever knows of it.
func TestADryRunAndARunRefuseTheSameRows(t *testing.T) {
	b := openBrand(t)
	b.done("members", "enrol", "--identity", "buyer:tmall:known-1", "--identity", "phone:13900000001")
	b.done("members", "enrol", "--identity", "buyer:tmall:known-2")
	b.done("members", "enrol", "--identity", "buyer:tmall:known-3")
	file := b.file("before.csv", "buyer:tmall,points\nknown-2,5\n")
	if code, _, errs := imported(t.Context(), t, file, "--source", "oldcrm"); code != 0 {
		t.Fatal(errs)
	}
	// The faults of rows; those that only huitou can know stand last.
	faults := []struct {
		column, cell string
		known        bool
	}{
		{"joined_at", "2096-01-01", false},
		{"joined_at", "1999-01-01T00:00:00Z", false},
		{"joined_at", "soon", false},
		{"joined_at", "1960-05-01", false},
		{"joined_at", "9999-12-31", false},
		{"points", "5@9999-12-30", false},
		{"points", "5@2001-03-31", false},
		{"points", "-1", false},
		{"points", "1000000001", false},
		{"points", "1;1@2097-01-01" + strings.Repeat(";1@2098-01-01", 24), false},
		{"points_until", "2001-01-01", false},
		{"growth", "5@2096-01", false},
		{"growth", "5@1999-12", false},
		{"growth", "5", false},
		{"consents", "all", false},
		{"phone", "1.38E+10", false},
		{"phone", "1234", false},
		{"buyer:tmall", strings.Repeat("x", 129), false},
		{"phone", "13900000001", true}, // another member's
		{"buyer:tmall", "known-2", true},
	}
	columns := []string{"phone", "buyer:tmall", "points", "points_until", "growth", "growth_month", "joined_at", "consents"}
	next := 0
	for round := range uint64(4) {
		chance := rand.New(rand.NewPCG(round, 21))
		var rows [][]string
		good := func() []string {
			next++
			return []string{fmt.Sprintf("137%08d", next), fmt.Sprintf("b-%d", next), "5", "", "", "", "2020-05-01", "membership"}
		}
		wrong := map[string]string{} // the fault, by the row's buyer
		known := map[string]bool{}
		for _, at := range chance.Perm(len(faults)) {
			row, fault := good(), faults[at]
			row[slices.Index(columns, fault.column)] = fault.cell
			if fault.cell == "13900000001" {
				row[1] = "known-3" // of whom another is the owner
			}
			wrong[row[1]], known[row[1]] = fault.cell, fault.known
			rows = append(rows, row)
			for range chance.IntN(2) {
				rows = append(rows, good())
			}
		}
		var text strings.Builder
		text.WriteString(strings.Join(columns, ",") + "\n")
		var bad, seen []int
		for i, row := range rows {
			text.WriteString(strings.Join(row, ",") + "\n")
			if _, is := wrong[row[1]]; is {
				bad = append(bad, i+2)
				if !known[row[1]] {
					seen = append(seen, i+2)
				}
			}
		}
		file := b.file(fmt.Sprintf("rows-%d.csv", round), text.String())
		lines := func(arguments ...string) []int {
			code, report, errs := imported(t.Context(), t, append([]string{file, "--source", "oldcrm"}, arguments...)...)
			if report.Stopped != "" || code != 1 {
				t.Fatalf("exit code %d, %s: %s", code, report.Stopped, errs)
			}
			var found []int
			for _, refused := range report.Refused {
				found = append(found, refused.Line)
			}
			slices.Sort(found)
			return found
		}
		dry, alone := lines("--dry-run"), lines("--dry-run", "--token", "")
		if ran := lines(); !slices.Equal(dry, ran) || !slices.Equal(ran, bad) {
			t.Fatalf("the dry run refuses %v, the run %v, and wrong are %v in\n%s", dry, ran, bad, text.String())
		}
		if !slices.Equal(alone, seen) {
			t.Fatalf("by itself the file shows %v, want %v in\n%s", alone, seen, text.String())
		}
		for _, row := range rows {
			owners, err := b.store.Owners(t.Context(), loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: row[1]})
			if err != nil {
				t.Fatal(err)
			}
			if _, refused := wrong[row[1]]; refused != (owners[0] == "") && !strings.HasPrefix(row[1], "known") {
				t.Fatalf("%q: refused %v, and it is %q's", row[1], refused, owners[0])
			}
		}
	}
}
