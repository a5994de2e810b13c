// Package check holds the project to its own rules: which package may import
// which, what code may not do where, what must be true of template.yaml, and
// that template and code agree. Each finding says why the rule is there.
package check

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Finding is one broken rule.
type Finding struct {
	Place string // file:line, or the name of a resource
	What  string
	Why   string
}

func (f Finding) String() string { return f.Place + ": " + f.What + " (" + f.Why + ")" }

const module = "github.com/huitou/huitou/"

// layer is a rule of ARCHITECTURE, "Imports run strictly down". A pattern is a
// package's folder, a folder and everything below it ("shared/boot/..."), or
// one with "*" for a single name; "$" in own stands for that name.
type layer struct {
	of      []string
	own     []string // of ours that it may import
	outside []string // of others; std is free but for not
	not     []string // of std
	why     string
}

// rules are the rule packages: decisions, without anything to decide about.
var rules = []string{
	"shared/audience", "shared/campaign", "shared/cards", "shared/coupons", "shared/experiment", "shared/friend", "shared/identity", "shared/imposition", "shared/localtime",
	"shared/orders", "shared/pagestyle", "shared/points", "shared/qr", "shared/refused", "shared/repurchase", "shared/schedule", "shared/spreadsheet", "shared/strictjson", "shared/tiers", "shared/token", "shared/wecom",
}

// paths are what several functions do alike over the store.
var paths = []string{"shared/census", "shared/claim", "shared/enrolment", "shared/ledger", "shared/liability", "shared/prizes", "shared/simulation", "shared/statement"}

var impure = []string{"context", "os/...", "net", "net/http/...", "log/...", "math/rand/...", "crypto/rand", "syscall", "unsafe"}

var outer = []string{"os/...", "net", "log", "math/rand/...", "crypto/rand", "syscall", "unsafe"}

// layers, the first that fits a package counts. A package of shared that none
// fits is a finding: a new one gets its place here.
var layers = []layer{
	{
		of:      []string{"functions/*/lambda"},
		own:     append([]string{"functions/$", "shared/boot/...", "shared/notify/...", "shared/payer/...", "shared/webhook", "shared/loyalty"}, rules...),
		outside: []string{"github.com/aws/aws-lambda-go/lambda"},
		why:     "a main boots, builds its own function from dependencies and hands it to Lambda; whatever else it does is tested by nobody",
	},
	{
		of: []string{"functions/operate", "functions/members"},
		own: append(append([]string{
			"shared/batch", "shared/gateway", "shared/idempotency", "shared/loyalty", "shared/notify", "shared/notify/outbox",
			"shared/problem", "shared/program", "shared/queue", "shared/rest", "shared/store", "shared/table", "shared/orders/...", "shared/audience/rule",
		}, rules...), paths...),
		outside: []string{"github.com/aws/aws-lambda-go/events", "github.com/danielgtaylor/huma/v2/...", "github.com/go-json-experiment/json/..."},
		not:     outer,
		why:     "a function sees storage, queues, clock and configuration only as what it is given, and never another function; that is what makes it run locally, in the simulator and on AWS",
	},
	{
		of: []string{"functions/*"},
		own: append(append([]string{
			"shared/batch", "shared/gateway", "shared/idempotency", "shared/loyalty", "shared/notify", "shared/notify/outbox",
			"shared/payer", "shared/problem", "shared/program", "shared/queue", "shared/store", "shared/table", "shared/orders/...", "shared/audience/rule",
		}, rules...), paths...),
		outside: []string{
			"github.com/aws/aws-lambda-go/events", "github.com/go-json-experiment/json/...",
			"github.com/standard-webhooks/standard-webhooks/libraries/go",
		},
		not: outer,
		why: "a function sees storage, queues, clock and configuration only as what it is given, and never another function; huma is for the two APIs and doubles a cold start",
	},
	{
		of: []string{"shared/boot/..."}, own: []string{"shared/..."}, outside: []string{"..."},
		why: "boot turns the environment into dependencies and knows no function",
	},
	{
		of: []string{"shared/queue/sqsqueue"}, own: []string{"shared/queue", "shared/loyalty"},
		outside: []string{"github.com/aws/aws-sdk-go-v2/aws/...", "github.com/aws/aws-sdk-go-v2/service/sqs/...", "github.com/aws/smithy-go/..."},
		why:     "the one importer of the SQS client",
	},
	{
		of: []string{"shared/notify/*"}, own: []string{"shared/notify", "shared/loyalty", "shared/strictjson", "shared/table", "shared/webhook"},
		why: "a sender knows its wire and nothing of who is sent what",
	},
	{
		of: []string{"shared/payer/*"}, own: []string{"shared/payer", "shared/cards", "shared/loyalty", "shared/strictjson", "shared/webhook"},
		why: "a payer knows its wire, and pays what the order says",
	},
	{
		of: []string{"shared/payer"}, own: []string{"shared/cards", "shared/loyalty"},
		not: []string{"os/...", "net", "net/http/...", "log/..."},
		why: "an interface drags no implementation along",
	},
	{
		of: []string{"shared/webhook"}, own: []string{"shared/loyalty", "shared/strictjson"},
		outside: []string{"github.com/standard-webhooks/standard-webhooks/libraries/go"}, not: []string{"os/...", "log/..."},
		why: "it signs and posts, whatever it carries",
	},
	{
		of: []string{"shared/queue", "shared/notify"}, own: []string{"shared/loyalty", "shared/strictjson"},
		not: []string{"os/...", "net", "net/http/...", "log/..."},
		why: "an interface drags no implementation along",
	},
	{
		of: []string{"shared/batch", "shared/gateway", "shared/problem"}, own: []string{"shared/loyalty", "shared/problem"},
		outside: []string{"github.com/aws/aws-lambda-go/events"}, not: []string{"os/...", "log"},
		why: "the edge of a function translates events and errors and decides nothing",
	},
	{
		of: []string{"shared/idempotency"}, own: []string{"shared/loyalty", "shared/problem", "shared/store", "shared/table"}, not: outer,
		why: "it remembers answers, whatever they are about",
	},
	{
		of: []string{"shared/rest"}, own: append([]string{"shared/loyalty", "shared/problem"}, rules...),
		outside: []string{"github.com/danielgtaylor/huma/v2/..."}, not: outer,
		why: "the conventions of the two APIs, without what they are about",
	},
	{
		of: []string{"shared/table/dynamo"}, own: []string{"shared/table", "shared/loyalty"},
		outside: []string{"github.com/aws/aws-sdk-go-v2/aws/...", "github.com/aws/aws-sdk-go-v2/service/dynamodb/...", "github.com/aws/smithy-go/..."},
		not:     []string{"os/...", "log/..."},
		why:     "the one importer of the DynamoDB client",
	},
	{
		of: []string{"shared/table/embedded"}, own: []string{"shared/table", "shared/loyalty"}, outside: []string{"github.com/tidwall/btree"},
		not: []string{"net/...", "log/..."},
		why: "an engine knows keys and values, nothing of what they mean",
	},
	{
		of: []string{"shared/table/crash"}, own: []string{"shared/table", "shared/loyalty"},
		why: "a test stops calls to any engine",
	},
	{
		of: []string{"shared/table/tabletest"}, own: []string{"shared/table", "shared/loyalty"},
		outside: []string{"github.com/google/go-cmp/cmp/...", "pgregory.net/rapid"},
		why:     "the suite sees engines through the interface alone",
	},
	{
		of: []string{"shared/table"}, own: []string{"shared/loyalty"}, not: append([]string{"net/...", "log/slog"}, outer...),
		why: "the seam to storage stays free of every engine",
	},
	{
		of: paths, own: append(append([]string{"shared/loyalty", "shared/program", "shared/store", "shared/table"}, rules...), paths...),
		not: append([]string{"net/http/...", "log/slog"}, outer...),
		why: "what functions share is load, decide, commit, and none of HTTP, AWS or the machine",
	},
	{
		of: []string{"shared/store"}, own: append([]string{"shared/loyalty", "shared/program", "shared/table"}, rules...),
		not: append([]string{"net/http/...", "log/slog"}, outer...),
		why: "the store turns entities into items and back; which engine keeps them is not its business",
	},
	{
		of: []string{"shared/program"}, own: append([]string{"shared/loyalty"}, rules...), not: impure,
		why: "the brand's rules document is made of the rule packages' sections",
	},
	{
		of: []string{"shared/orders/*"}, own: []string{"shared/orders", "shared/loyalty", "shared/strictjson"},
		outside: []string{"github.com/go-json-experiment/json/...", "golang.org/x/text/...", "github.com/shopspring/decimal"}, not: impure,
		why: "a platform's form of an order becomes the canonical one, purely",
	},
	{
		of: []string{"shared/wecom/wecomtest"}, not: impure,
		why: "a platform that is made up shares no line with what reads the real one",
	},
	{
		of: []string{"shared/qr/qrtest"}, outside: []string{"github.com/makiuchi-d/gozxing/..."}, not: impure,
		why: "somebody else's reader shares no line with what draws",
	},
	{
		of: []string{"shared/audience/rule"}, own: []string{"shared/audience", "shared/loyalty"},
		outside: []string{"github.com/expr-lang/expr/..."}, not: impure,
		why: "expr keeps every exported method of a program linked, so only who evaluates rules may import it, and it stands alone",
	},
	{
		of: []string{"shared/strictjson"}, own: []string{"shared/loyalty"}, outside: []string{"github.com/go-json-experiment/json/..."}, not: impure,
		why: "whoever takes JSON from outside may read by it",
	},
	{
		of: rules, own: []string{"shared/localtime", "shared/loyalty", "shared/strictjson"},
		outside: []string{
			"github.com/go-json-experiment/json/...", "github.com/golang-jwt/jwt/v5",
			"github.com/robfig/cron/v3", "github.com/shopspring/decimal", "golang.org/x/text/...", "rsc.io/qr/...",
		},
		not: impure,
		why: "a rule takes values and returns values: no context, no machine, no clock, no chance, and no other rule; what a local time is, all of them ask one place",
	},
	{of: []string{"shared/loyalty"}, not: impure, why: "the words stand at the bottom"},
	{
		of: []string{"."}, not: impure,
		why: "the root only carries files into binaries",
	},
	{
		of: []string{"infra/stack/..."}, own: []string{"infra/stack/...", "shared/..."}, outside: []string{"..."},
		why: "the stack knows only the template, so it cannot treat one function differently",
	},
	{
		of: []string{"infra/..."}, own: []string{"infra/...", "shared/...", "functions/*", "functions/*/lambda"}, outside: []string{"..."},
		why: "tools may use anything",
	},
}

// Imports finds every import that runs up or sideways. Tests may import what
// they like.
func Imports(tree fs.FS) ([]Finding, error) {
	var findings []Finding
	err := walk(tree, func(file source) {
		if file.isTest {
			return
		}
		at := slices.IndexFunc(layers, func(l layer) bool { return matchesAny(l.of, file.folder, "") })
		if at < 0 {
			findings = append(findings, Finding{file.name, "package " + file.folder + " has no place among the layers", "every package has one direction to look; name it in infra/check"})
			return
		}
		l := layers[at]
		name := ""
		if parts := strings.Split(file.folder, "/"); len(parts) > 1 {
			name = parts[1]
		}
		for _, spec := range file.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil || imported == "C" {
				imported = "C"
			}
			own, isOwn := strings.CutPrefix(imported, module)
			first, _, _ := strings.Cut(imported, "/")
			allowed := false
			switch {
			case isOwn:
				allowed = matchesAny(l.own, own, name)
			case strings.Contains(first, "."):
				allowed = matchesAny(l.outside, imported, "")
			default:
				allowed = imported != "C" && !matchesAny(l.not, imported, "")
			}
			if !allowed {
				findings = append(findings, Finding{file.at(spec.Pos()), file.folder + " imports " + strings.TrimPrefix(imported, module), l.why})
			}
		}
	})
	return findings, err
}

func matchesAny(patterns []string, folder, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = strings.ReplaceAll(pattern, "$", name)
		if pattern == "..." {
			return true
		}
		if above, ok := strings.CutSuffix(pattern, "/..."); ok {
			return folder == above || strings.HasPrefix(folder, above+"/")
		}
		ok, err := path.Match(pattern, folder)
		return err == nil && ok
	})
}

// source is a parsed Go file.
type source struct {
	name, folder string
	isTest       bool
	lines        int
	ast          *ast.File
	set          *token.FileSet
}

func (s source) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", s.name, s.set.Position(pos).Line)
}

func walk(tree fs.FS, visit func(source)) error {
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != "." && (base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		visit(source{
			name: name, folder: path.Dir(name), isTest: strings.HasSuffix(base, "_test.go"),
			lines: strings.Count(string(text), "\n"), ast: file, set: set,
		})
		return nil
	})
}
