package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou"
	"github.com/huitou/huitou/infra/cli"
	localstack "github.com/huitou/huitou/infra/stack"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/wecom"
	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

const template = `{"name":"满100减20","threshold":10000,"discount":2000,"validity":{"months":3},"budget":{"quantity":500}}`

func TestCampaigns(t *testing.T) {
	b := openBrand(t)
	written := `template   welcome-20
name       满100减20
kind       own
from       ¥100.00
off        ¥20.00
valid for  3 months
budget     500 coupons
limits     1 live a member
given      0 coupons, ¥0.00
`
	if diff := cmp.Diff(written, b.done("templates", "put", "welcome-20", b.file("t.json", template))); diff != "" {
		t.Error(diff)
	}
	if got := b.done("templates", "show", "welcome-20"); got != written {
		t.Error(got)
	}
	// A document that is shown can be edited and written again.
	edited := strings.Replace(b.done("templates", "show", "welcome-20", "--json"), "2000", "3000", 1)
	if got := b.done("templates", "put", "welcome-20", b.file("t.json", edited)); got != strings.Replace(written, "¥20.00", "¥30.00", 1) {
		t.Error(got)
	}
	limited := strings.Replace(edited, `"budget"`, `"limits":{"per_member":9,"per_member_per_days":{"count":1,"days":7}},"budget"`, 1)
	wanted := strings.NewReplacer("1 live a member", "9 a member, 1 a member in 7 days", "¥20.00", "¥30.00").Replace(written)
	if got := b.done("templates", "put", "welcome-20", b.file("t.json", limited)); got != wanted {
		t.Error(got)
	}
	if got := b.done("templates", "put", "welcome-20", b.file("t.json", b.done("templates", "show", "welcome-20", "--json"))); got != wanted {
		t.Error(got)
	}
	wrong := strings.Replace(limited, `"days":7`, `"days":0`, 1)
	if got := b.refused(1, "templates", "put", "welcome-20", b.file("t.json", wrong)); !strings.Contains(got, "/limits/per_member_per_days/days") {
		t.Error(got)
	}
	if got := b.done("templates", "list"); !strings.Contains(got, "9 a member, 1 a member in 7 days") {
		t.Error(got)
	}
	b.done("templates", "put", "welcome-20", b.file("t.json", edited))
	if got := b.done("templates", "list"); got != "TEMPLATE    NAME       KIND     FROM     OFF  VALID FOR  BUDGET       LIMITS\nwelcome-20  满100减20  own   ¥100.00  ¥30.00  3 months   500 coupons  1 live a member\n" {
		t.Error(got)
	}
	if got := b.done("audiences", "put", "buyers", "--name", "老客", "--rule", "orders >= 1"); got != "audience  buyers\nname      老客\nrule      orders >= 1\n" {
		t.Error(got)
	}
	b.done("audiences", "put", "others", b.file("a.json", `{"rule":"orders == 0"}`))
	if got := b.done("audiences", "list"); got != "AUDIENCE  NAME  RULE\nbuyers    老客  orders >= 1\nothers    -     orders == 0\n" {
		t.Error(got)
	}
	member := field(t, b.done("members", "enrol", "--identity", "buyer:tmall:b", "--json"), "member_id")
	if got := b.done("audiences", "preview", "others"); got != "in it   1 of 1 members\nmember  "+member+"\n" {
		t.Error(got)
	}
	if got := b.done("audiences", "preview", "buyers"); got != "in it  0 of 1 members\n" {
		t.Error(got)
	}
	campaign := `campaign  wednesday
state     active
audience  buyers
template  welcome-20
schedule  0 10 * * 3
holdout   10 %
`
	if got := b.done("campaigns", "put", "wednesday", b.file("c.json", `{"audience":"buyers","template":"welcome-20","schedule":{"cron":"0 10 * * 3"},"holdout":10}`)); got != campaign {
		t.Error(got)
	}
	paused := strings.Replace(b.done("campaigns", "show", "wednesday", "--json"), `"active"`, `"paused"`, 1)
	if got := b.done("campaigns", "put", "wednesday", b.file("c.json", paused)); got != strings.Replace(campaign, "active", "paused", 1) {
		t.Error(got)
	}
	if got := b.done("campaigns", "show", "wednesday"); got != strings.Replace(campaign, "active", "paused", 1) {
		t.Error(got)
	}
	if got := b.done("campaigns", "list"); got != "CAMPAIGN   NAME  STATE   AUDIENCE  TEMPLATE    SCHEDULE    HOLDOUT  LAST RAN\nwednesday     -  paused  buyers    welcome-20  0 10 * * 3  10 %            -\n" {
		t.Error(got)
	}
	if got := b.done("campaigns", "result", "wednesday"); got != "runs            0\nfinished        0\ncoupons issued  0\nheld out        0\nwithout budget  0\nat their limit  0\n" {
		t.Error(got)
	}
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"audiences", "put", "x"}, "give a file, or --rule"},
		{[]string{"audiences", "put", "x", b.file("a.json", "{}"), "--name", "y"}, "give a file, or --rule"},
	} {
		if got := b.refused(2, test.arguments...); !strings.Contains(got, test.want) {
			t.Error(got)
		}
	}
	if got := b.refused(1, "audiences", "put", "x", "--rule", "orders >>> 1"); !strings.Contains(got, "/rule") || strings.Contains(got, `\n`) {
		t.Error(got)
	}
}

// A refusal says where in the file the fault is, and changes nothing.
func TestDocumentsThatAreWrong(t *testing.T) {
	b := openBrand(t)
	b.done("templates", "put", "a", b.file("t.json", template))
	before := b.done("templates", "show", "a", "--json")
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		content string
		want    string
	}{
		"a value":      {"{\n  \"name\": \"x\",\n  \"discount\": 0, \"validity\": {\"days\": 3}}", ":3:3: /discount: expected number >= 1 (400 invalid)"},
		"unknown":      {"{\n  \"会\": 1, \"discounts\": 5, \"name\":\"x\", \"discount\": 1, \"validity\": {\"days\": 3}}", ":2:11"},
		"missing":      {"{\"name\":\"x\",\n\"discount\":5}", ":1:1: expected required property validity to be present (400 invalid)"},
		"deep":         {"{\"name\":\"x\",\"discount\":5,\n\"validity\":{\"days\":-3}}", ":2:13: /validity/days"},
		"a rule of it": {"{\"name\":\"x\",\"discount\":5,\n \"validity\":{\"days\":3,\"months\":3}}", ":2:2: "},
		"syntax":       {"{\n\n\"name\": }", ":3:9: this is not JSON: invalid character '}' at start of value"},
		"cut off":      {"{\"name\":", ": the JSON ends too early"},
		"twice":        {"{\"a\":1,\"a\":2}", ":1:8: this is not JSON: duplicate object member name"},
		"an escape":    {"{\"a\":\x1b[31m}", ":1:6: this is not JSON: invalid character '\\x1b' at start of value"},
		"encoding":     {"{\"a\":\"\xcc\xe5\"}", ":1:7: this is not JSON: invalid UTF-8"},
		"two":          {"{}\n {}", ":2:2: something follows the document"},
		"a list":       {"[]", ":1:1: the document must be an object"},
		"empty":        {"", ": the file is empty"},
		"blank":        {" \n", ": the file is empty"},
		"another id":   {"{\n\"id\":\"b\"}", `:2:1: this is the document of "b", and the command names "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			file := b.file("t.json", test.content)
			if got := b.refused(1, "templates", "put", "a", file); !strings.Contains(got, "huitou: "+file) || !strings.Contains(got, test.want) || strings.Contains(got, "\x1b") {
				t.Error(got)
			}
		})
	}
	for name, test := range map[string]struct{ path, want string }{
		"missing":       {"nowhere.json", "there is no such file"},
		"a folder":      {t.TempDir(), "is a directory"},
		"a pipe":        {pipe, "is not a plain file"},
		"a device":      {"/dev/zero", "is not a plain file"},
		"too long":      {b.file("l.json", strings.Repeat(" ", 200<<10+1)), "is over 200 KiB"},
		"a hidden name": {"\x1b[31m", `"\x1b[31m": there is no such file`},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			for _, command := range [][]string{{"templates", "put", "a"}, {"campaigns", "put", "a"}, {"audiences", "put", "a"}, {"cards", "create"}, {"program", "apply"}} {
				if got := b.refused(2, append(command, test.path)...); !strings.Contains(got, test.want) {
					t.Error(got)
				}
			}
		})
	}
	b.t = t
	if after := b.done("templates", "show", "a", "--json"); after != before {
		t.Errorf("%s became %s", before, after)
	}
	// A byte order mark, as Windows writes it, is no fault.
	b.done("templates", "put", "a", b.file("t.json", "\xef\xbb\xbf"+template))
}

func TestProgram(t *testing.T) {
	b := openBrand(t)
	if got := b.done("program", "show"); !strings.HasPrefix(got, "version        0 (ships with huitou)\nbrand          ") || !strings.Contains(got, "points         1 for each ¥1.00\nreturn window  7 days after completion, 30 days after payment\nquiet hours    21:00 to 09:00\n") || !strings.Contains(got, "milk-powder  奶粉          28          7\n") {
		t.Error(got)
	}
	shown := b.done("program", "show", "--json")
	if got := b.done("program", "apply", "--dry-run", b.file("p.json", shown)); got != "nothing would change (--dry-run)\n" {
		t.Error(got)
	}
	richer := strings.Replace(shown, `"per_fen": 100`, `"per_fen": 50`, 1)
	file := b.file("p.json", richer)
	if got := b.done("program", "apply", "--dry-run", file); got != "~ /points/rate/per_fen  100 → 50\n1 changes, nothing done (--dry-run)\n" {
		t.Error(got)
	}
	var dry struct {
		DryRun  bool `json:"dry_run"`
		Changes []map[string]string
	}
	if err := json.Unmarshal([]byte(b.done("program", "apply", "--dry-run", "--json", file)), &dry); err != nil || !dry.DryRun || len(dry.Changes) != 1 || dry.Changes[0]["to"] != "50" {
		t.Errorf("%+v, %v", dry, err)
	}
	if b.calls("PUT", "/v1/program") != 0 || b.done("program", "show", "--json") != shown {
		t.Error("a dry run changed something")
	}
	if got := b.done("program", "apply", file); got != "~ /points/rate/per_fen  100 → 50\nversion 1, effective at 2026-11-21T10:00:00Z\n" {
		t.Error(got)
	}
	if got := b.done("program", "apply", file); got != "nothing changed: version 1 says the same\n" {
		t.Error(got)
	}
	if got := b.done("program", "apply", b.file("p.json", shown), "--effective-at", "2027-01-01T00:00:00+08:00"); !strings.Contains(got, "~ /points/rate/per_fen  50 → 100\nversion 2, effective at 2027-01-01T00:00:00+08:00\n") {
		t.Error(got)
	}
	if got := b.done("program", "show"); !strings.HasPrefix(got, "version        1\n") || !strings.HasSuffix(got, "VERSION  EFFECTIVE AT\n      1  2026-11-21T10:00:00Z\n      2  2027-01-01T00:00:00+08:00\n") {
		t.Error(got)
	}
	for name, test := range map[string]struct{ old, new, want, dryWant string }{
		"a value":    {`"per_fen": 100`, `"per_fen": 0`, ": /points/rate/per_fen: expected number >= 1 (400 invalid)", ": the amount that earns points must be"},
		"unknown":    {`"per_fen": 100`, `"per_fen": 100, "per_yuan": 1`, "/points/rate/per_yuan: unexpected property", ": /points/rate/per_yuan: there is no such field"},
		"a kind":     {`"per_fen": 100`, `"per_fen": "100"`, "/points/rate/per_fen", ": /points/rate/per_fen: a value of another JSON type is wanted"},
		"a spelling": {`"per_fen": 100`, `"per_fen": 100, "PER_FEN": 1`, "/points/rate/PER_FEN: unexpected property", ": /points/rate/PER_FEN: there is no such field"},
		"the zone":   {`"Asia/Shanghai"`, `"Asia/Nowhere"`, ": a time zone is an IANA name", ": a time zone is an IANA name"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			file := b.file("p.json", strings.Replace(shown, test.old, test.new, 1))
			line := strings.Count(shown[:strings.Index(shown, test.old)], "\n") + 1
			at := fmt.Sprintf("%s:%d:", file, line)
			if got := b.refused(1, "program", "apply", file); !strings.Contains(got, at) || !strings.Contains(got, test.want) {
				t.Errorf("%s; want %s", got, at)
			}
			if got := b.refused(1, "program", "apply", "--dry-run", file); !strings.Contains(got, at) || !strings.Contains(got, test.dryWant) {
				t.Errorf("%s; want %s", got, at)
			}
		})
	}
	b.t = t
	if got := b.done("program", "show"); !strings.Contains(got, "      2  2027") || strings.Contains(got, "      3  ") {
		t.Errorf("a refusal made a version: %s", got)
	}
}

func TestAudit(t *testing.T) {
	b := openBrand(t)
	added := b.done("operators", "add", "zhang.wei", "--role", "operator", "--idempotency-key", "k1")
	b.done("operators", "add", "zhang.wei", "--role", "operator", "--idempotency-key", "k1")
	b.refused(1, "orders", "bind", "tmall", "flagship", "1001", "--member", "m0", "--reason", "called from 13800000000")
	got := b.done("audit")
	for _, want := range []string{
		"AT                    OPERATOR  ROLE   ACTION        OUTCOME                      RESOURCE                                REASON\n",
		"2026-11-21T10:00:00Z  admin     admin  operator.add  accepted                     /v1/operators/zhang.wei                 -\n",
		"2026-11-21T10:00:00Z  admin     admin  order.bind    refused: 404 member_unknown  /v1/orders/tmall/flagship/1001/binding  called from ***\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if lines := strings.Count(got, "\n"); lines != 3 {
		t.Errorf("%d lines:\n%s", lines, got)
	}
	if got := b.done("audit", "--action", "operator.add", "--operator", "admin", "--from", "2026-11-21T18:00:00+08:00", "--to", "2026-11-21T18:00:01+08:00", "--all", "--json"); strings.Count(got, `"action": "operator.add"`) != 1 || strings.Contains(got, "order.bind") {
		t.Error(got)
	}
	for _, none := range [][]string{{"--operator", "li"}, {"--to", "2026-11-21T18:00:00+08:00"}, {"--action", "queue.redrive"}} {
		if got := b.done(append([]string{"audit"}, none...)...); got != "none\n" {
			t.Errorf("%v: %s", none, got)
		}
	}
	if got := b.refused(1, "audit", "--token", strings.Fields(added)[5]); !strings.Contains(got, "403 role_missing") {
		t.Error(got)
	}
}

func TestOperatorsAndQueues(t *testing.T) {
	b := openBrand(t)
	added := b.done("operators", "add", "zhang.wei", "--role", "viewer", "--idempotency-key", "k1")
	if !strings.HasPrefix(added, "operator  zhang.wei\nrole      viewer\ntoken     huitou_") {
		t.Error(added)
	}
	if got := b.done("operators", "add", "zhang.wei", "--role", "viewer", "--idempotency-key", "k1"); got != added {
		t.Error("the same request gave another token")
	}
	// Without the key of the first request nobody learns their token.
	if got := b.refused(1, "operators", "add", "zhang.wei", "--role", "viewer"); !strings.Contains(got, "409 operator_exists") {
		t.Error(got)
	}
	token := strings.Fields(added)[5]
	if got := b.refused(1, "queues", "list", "--token", token); !strings.Contains(got, "403 role_missing); use the token of an operator who may") || strings.Contains(got, token) {
		t.Error(got)
	}
	b.dead = []queue.DeadMessage{{ID: "m-1", Body: `{"a":"` + strings.Repeat("长", 200) + "\u009b31m" + `"}`, Receives: 5, SentAt: now}, {ID: "m-2", Body: "\x1b[2J", Receives: 5, SentAt: now}}
	if got := b.done("queues", "list"); got != "QUEUE     WAITING  IN FLIGHT  DEAD\norders         12          3     2\nmessages        0          0     0\n" {
		t.Error(got)
	}
	if got := b.done("queues", "dead", "orders"); got != "SENT AT               TRIES  MESSAGE  BODY\n2026-11-21T10:00:00Z      5  m-1      {\"a\":\""+strings.Repeat("长", 94)+"…\n2026-11-21T10:00:00Z      5  m-2      \"\\x1b[2J\"\n" {
		t.Error(got)
	}
	raw := b.done("queues", "dead", "orders", "--json")
	if strings.ContainsAny(raw, "\x1b\u009b") || !strings.Contains(raw, `\u009b31m`) || !strings.Contains(raw, strings.Repeat("长", 200)) {
		t.Error(raw)
	}
	if got := b.done("queues", "dead", "orders", "--limit", "1"); strings.Contains(got, "m-2") {
		t.Error(got)
	}
	if got := b.refused(2, "queues", "dead", "orders", "--limit", "101"); !strings.Contains(got, "1 to 100") {
		t.Error(got)
	}
	if got := b.refused(1, "queues", "dead", "nope"); !strings.Contains(got, "404 queue_unknown") {
		t.Error(got)
	}
	if got := b.done("queues", "redrive", "orders"); got != "2 messages go back to the queue\n" {
		t.Error(got)
	}
	if got := b.done("openapi"); !strings.Contains(got, `"openapi": "3.1`) {
		t.Errorf("%.100s", got)
	}
	if request := b.seen[b.asked()-1]; request.Header.Get("Authorization") != "" {
		t.Error("a call that needs no token had one")
	}
}

func TestPages(t *testing.T) {
	b := openBrand(t)
	file := b.file("t.json", template)
	const all = 130
	for i := range all {
		b.done("templates", "put", fmt.Sprintf("t-%03d", i), file)
	}
	for name, test := range map[string]struct {
		flags       string
		first, last string
		more        bool
		calls       int
	}{
		"as it is":    {"", "t-000", "t-049", true, 1},
		"a few":       {"--limit 3", "t-000", "t-002", true, 1},
		"two pages":   {"--limit 120", "t-000", "t-119", true, 2},
		"more than":   {"--limit 1000", "t-000", "t-129", false, 2},
		"everything":  {"--all", "t-000", "t-129", false, 2},
		"just enough": {"--limit 130", "t-000", "t-129", true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			before := b.calls("GET", "/v1/coupon-templates")
			code, out, note := run(t, t.Context(), append([]string{"templates", "list"}, strings.Fields(test.flags)...)...)
			rows := strings.Split(strings.TrimSpace(out), "\n")[1:]
			if code != 0 || !strings.HasPrefix(rows[0], test.first) || !strings.HasPrefix(rows[len(rows)-1], test.last) || strings.Contains(note, "there are more") != test.more {
				t.Errorf("exit code %d, %d rows from %s to %s, %s", code, len(rows), rows[0], rows[len(rows)-1], note)
			}
			if n := b.calls("GET", "/v1/coupon-templates") - before; n != test.calls {
				t.Errorf("%d calls, want %d", n, test.calls)
			}
		})
	}
	var page struct {
		Items      []struct{ ID string }
		NextCursor string `json:"next_cursor"`
	}
	for _, want := range []int{120, 10} {
		if err := json.Unmarshal([]byte(b.done("templates", "list", "--json", "--limit=120", "--cursor="+page.NextCursor)), &page); err != nil || len(page.Items) != want {
			t.Fatalf("%d items, %v", len(page.Items), err)
		}
		if want == 10 && (page.Items[9].ID != "t-129" || page.Items[0].ID != "t-120") {
			t.Errorf("%+v", page)
		}
	}
	if got := b.refused(1, "templates", "list", "--cursor", "made-up"); !strings.Contains(got, "cursor") {
		t.Error(got)
	}
	if got := b.refused(2, "templates", "list", "--limit", "0"); !strings.Contains(got, "at least 1") {
		t.Error(got)
	}
}

// Texts of others that the API repeats cannot steer the terminal.
func TestTextOfOthers(t *testing.T) {
	b := openBrand(t)
	name := "red \x1b[31m\u009b31m\u202e\a\r\n奶粉"
	raw, err := json.Marshal(map[string]any{"rule": "orders > 0", "name": name})
	if err != nil {
		t.Fatal(err)
	}
	b.first(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/v1/audiences":
			_, _ = fmt.Fprintf(w, `{"items":[%s]}`, raw)
		case "/v1/coupon-templates/x":
			_, _ = w.Write([]byte(strings.ReplaceAll(`{"name":"NAME"}`, "NAME", "\u009b31m\u202e")))
		case "/v1/campaigns/x":
			w.WriteHeader(http.StatusConflict)
			document, err := json.Marshal(map[string]any{"type": "https://huitou.dev/problems/" + name, "detail": name, "instance": name, "errors": []any{map[string]any{"pointer": name + "/", "code": name}}})
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(document)
		default:
			return false
		}
		return true
	})
	for _, arguments := range [][]string{{"audiences", "list"}, {"audiences", "list", "--json"}, {"templates", "show", "x"}, {"templates", "show", "x", "--json"}, {"campaigns", "show", "x"}} {
		code, out, errText := run(t, t.Context(), arguments...)
		if strings.ContainsAny(out+errText, "\x1b\u009b\u202e\a\r") || code != 0 && strings.Count(errText, "\n") != 1 || out+errText == "" {
			t.Errorf("%v: exit code %d, %q, %q", arguments, code, out, errText)
		}
	}
	var list struct{ Items []struct{ Name string } }
	if err := json.Unmarshal([]byte(b.done("audiences", "list", "--json")), &list); err != nil || list.Items[0].Name != name {
		t.Errorf("%q, %v", list, err)
	}
}

func TestConnections(t *testing.T) {
	b := openBrand(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect took %s to another server", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	said := http.HandlerFunc(nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { said(w, r) }))
	defer server.Close()
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, test := range map[string]struct {
		url, token string
		answer     http.HandlerFunc
		code       int
		want       string
	}{
		"no token":        {b.URL, "", nil, 2, "set HUITOU_OPERATOR_TOKEN or give --token"},
		"a broken token":  {b.URL, "to ken", nil, 2, "characters that no token has"},
		"another token":   {b.URL, "nobody", nil, 1, "401 token_invalid); set HUITOU_OPERATOR_TOKEN or --token to a token of this huitou"},
		"no scheme":       {"127.0.0.1:8080", "t", nil, 2, "is not an address"},
		"a file":          {"file:///etc/passwd", "t", nil, 2, "is not an address"},
		"a query":         {"http://x/?a=b", "t", nil, 2, "is not an address"},
		"a password":      {"http://u:geheim@x/", "t", nil, 2, "has a name or a password in it"},
		"an escape":       {"http://x\x1b[31m", "t", nil, 2, "is not an address"},
		"nobody listens":  {closed.URL, "t", nil, 1, "nobody listens there"},
		"a redirect":      {server.URL, "t", text(307, ""), 1, "is --url the address of huitou"},
		"a page":          {server.URL, "t", text(200, "<html>"), 1, "the answer is not one that huitou gives"},
		"a page as error": {server.URL, "t", text(404, "<html>"), 1, "gave no reason (404); is --url the address of huitou"},
		"another API":     {server.URL, "t", text(200, `{"items":{"a":1}}`), 1, "the answer is not one that huitou gives"},
		"a bug":           {server.URL, "t", text(500, `{"type":"https://huitou.dev/problems/internal","title":"Internal error","instance":"r-1"}`), 1, "Internal error (500 internal); the log has more under r-1; run the command again"},
		"a sub-path":      {b.URL + "/x/", adminToken, nil, 1, "404 path_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			said = test.answer
			t.Setenv("HUITOU_URL", test.url)
			t.Setenv("HUITOU_OPERATOR_TOKEN", test.token)
			if got := b.refused(test.code, "cards", "list"); !strings.Contains(got, test.want) || strings.ContainsAny(got, "\x1b") || strings.Contains(got, "geheim") || strings.Contains(got, adminToken) {
				t.Error(got)
			}
		})
	}
	// A slash at the end of the address is no fault.
	b.t = t
	if got := b.done("cards", "list", "--url", b.URL+"/"); got != "none\n" {
		t.Error(got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAResultThatCannotBeWritten(t *testing.T) {
	openBrand(t)
	var errText strings.Builder
	for _, arguments := range [][]string{{"cards", "list"}, {"cards", "list", "--json"}, {"openapi"}, {"program", "show"}} {
		errText.Reset()
		if code := cli.Main(t.Context(), arguments, cli.Console{Out: broken{}, Err: &errText}); code != 1 || !strings.Contains(errText.String(), "the result cannot be written: no space left on device") {
			t.Errorf("%v: exit code %d, %s", arguments, code, errText.String())
		}
	}
}

func TestOrdersSend(t *testing.T) {
	b := openBrand(t)
	paid := `{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"T1","occurred_at":"2026-11-01T10:00:00+08:00","currency":"CNY","lines":[{"line_id":"1","quantity":1,"paid":100}]}`
	good := b.file("good.json", paid)
	if got := b.done("orders", "send", "--dry-run", good, good, "--json"); got != "{\n  \"events\": 2,\n  \"sent\": 0,\n  \"refused\": [],\n  \"dry_run\": true\n}\n" || b.asked() != 0 {
		t.Error(got)
	}
	if got := b.done("orders", "send", good); got != "events   1\nsent     1\n" {
		t.Error(got)
	}
	sent := b.asked()
	for name, test := range map[string]struct{ content, want string }{
		"a field":  {paid + "\n " + strings.Replace(paid, `"paid":100`, `"paid":-1`, 1), ":2:171: /lines/0/paid is wrong: out_of_range"},
		"unknown":  {strings.Replace(paid, `"shop"`, `"store"`, 1), ":1:"},
		"a number": {"{}\n5", ":1:1: "},
		"a list":   {"[" + paid + "]", ":1:1: "},
		"syntax":   {paid + "\n}", ":2:1: this is not JSON"},
		"empty":    {"", ": the file is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			file := b.file("e.json", test.content)
			if got := b.refused(1, "orders", "send", good, file); !strings.HasPrefix(got, "huitou: "+file+test.want) {
				t.Error(got)
			}
		})
	}
	b.t = t
	if b.asked() != sent {
		t.Error("events were sent although a file is wrong")
	}
	b.first(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadRequest)
		return true
	})
	code, out, errText := run(t, t.Context(), "orders", "send", good)
	if code != 1 || out != "refused  "+good+":1:1: huitou refused the event: 400\nevents   1\nsent     0\n" || !strings.Contains(errText, "1 refused") {
		t.Errorf("exit code %d, %s, %s", code, out, errText)
	}
	b.first(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	code, _, errText = run(t, t.Context(), "orders", "send", good)
	if code != 1 || !strings.Contains(errText, "stopped: the signature was refused") || strings.Contains(errText, secret) {
		t.Errorf("exit code %d, %s", code, errText)
	}
	t.Setenv("HUITOU_WEBHOOK_SECRET", "")
	if got := b.refused(2, "orders", "send", good); !strings.Contains(got, "HUITOU_WEBHOOK_SECRET") {
		t.Error(got)
	}
}

// The local process is the template's stack, here with functions that do
// nothing.
func TestLocal(t *testing.T) {
	b := openBrand(t)
	builders := map[string]localstack.Builder{}
	for _, name := range []string{"ReceiveOrders", "ConvertOrders", "RedeemCard", "Members", "Operate", "RunCampaigns", "IssueCoupons", "RemindRepurchase", "SettlePoints", "SendMessages", "WelcomeFriends", "PayPrizes"} {
		builders[name] = func(localstack.Environment) (localstack.Handler, error) {
			return localstack.Do(func(context.Context, any) error { return nil }), nil
		}
	}
	callbacks, err := wecom.NewApp(wecomtest.Demo.ID, wecomtest.Demo.Token, wecomtest.Demo.EncodingAESKey)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	engine := embedded.Memory()
	local, err := localstack.Open(localstack.Config{Template: huitou.Template, Builders: builders, Queues: engine, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/_local", local.Control())
	mux.Handle("/_local/", local.Control())
	mux.HandleFunc("GET /_local/outbox", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"items":[{"id":"m","member_id":"m-1","kind":"repurchase.reminder","category":"milk","text":"回来\u001b[31m","at":"2026-11-21T10:00:00Z"}]}`)
	})
	mux.HandleFunc("POST /hooks/wecom", func(_ http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		body, _ := io.ReadAll(r.Body)
		encrypted, err := wecom.ReadEncrypted(body)
		if err != nil {
			t.Error(err)
		}
		text, err := wecom.Open([]wecom.App{callbacks}, wecom.Signature{MsgSignature: query.Get("msg_signature"), Timestamp: query.Get("timestamp"), Nonce: query.Get("nonce")}, encrypted)
		if err != nil {
			t.Error(err)
		}
		event, err := wecom.ReadEvent(text)
		told = append(told, fmt.Sprint(event.Change, " ", event.User, " ", event.External, " ", event.State, " ", event.WelcomeCode != "", " ", err))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	t.Setenv("HUITOU_OPERATOR_TOKEN", "")
	t.Setenv("HUITOU_URL", server.URL)
	if got := b.done("local", "schedules"); !strings.HasPrefix(got, "now       ") || !strings.HasSuffix(got, "\nschedule  RemindRepurchase/Hourly\nschedule  RunCampaigns/EveryMinute\nschedule  SettlePoints/Hourly\n") {
		t.Error(got)
	}
	if got := b.done("local", "fire", "SettlePoints/Hourly", "--time", "2026-12-24T09:00:00+08:00"); got != "fired  SettlePoints/Hourly\nas at  2026-12-24T09:00:00+08:00\n" {
		t.Error(got)
	}
	if got := b.done("local", "fire", "SettlePoints/Hourly", "--json"); field(t, got, "fired") != "SettlePoints/Hourly" {
		t.Error(got)
	}
	if got := b.done("local", "clock"); !strings.HasPrefix(got, "now  20") {
		t.Error(got)
	}
	to := local.Now().Add(90 * time.Minute).UTC().Truncate(time.Second)
	if got := b.done("local", "clock", to.Format(time.RFC3339)); !strings.HasPrefix(got, "now              "+to.Format("2006-01-02T15:04")) || !strings.Contains(got, "schedules fired  9") {
		t.Error(got)
	}
	if got := b.done("local", "outbox"); got != "AT                    MEMBER  KIND                 CATEGORY  CHANNEL  TEXT\n2026-11-21T10:00:00Z  m-1     repurchase.reminder  milk            -  \"回来\\x1b[31m\"\n" {
		t.Error(got)
	}
	if got := b.done("local", "friend", "wm-liu", "--state", "R1"); got != "contact  wm-liu\nchange   add_external_contact\n" {
		t.Error(got)
	}
	b.done("local", "friend", "wm-liu", "--left")
	if want := []string{"add_external_contact zhangsan wm-liu R1 true <nil>", "del_follow_user zhangsan wm-liu  false <nil>"}; !slices.Equal(told, want) {
		t.Errorf("called back with %q, want %q", told, want)
	}
	for _, test := range []struct {
		code      int
		arguments []string
		want      string
	}{
		{1, []string{"local", "fire", "SettlePoints/Yearly"}, "404 no_such_schedule"},
		{2, []string{"local", "fire", "SettlePoints"}, "Function/Event"},
		{2, []string{"local", "fire", "SettlePoints/"}, "is not an id"},
		{2, []string{"local", "clock", "tomorrow"}, "tomorrow is not a time with its zone"},
		{1, []string{"local", "clock", "8999-01-01T00:00:00Z"}, "at most 800 days"},
	} {
		if got := b.refused(test.code, test.arguments...); !strings.Contains(got, test.want) {
			t.Error(got)
		}
	}
	// A deployed stack has none of it.
	t.Setenv("HUITOU_URL", b.URL)
	if got := b.refused(1, "local", "friend", "wm-liu"); !strings.Contains(got, "does not take the made-up application's callbacks") {
		t.Error(got)
	}
	for _, arguments := range []string{"schedules", "fire A/B", "clock", "clock 2026-11-21T10:00:00Z", "outbox"} {
		if got := b.refused(1, append([]string{"local"}, strings.Fields(arguments)...)...); !strings.Contains(got, "has no /_local: clock, schedules and outbox are those of a local process alone") {
			t.Error(got)
		}
	}
}
