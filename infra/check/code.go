package check

import (
	"go/ast"
	"go/token"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// money are the packages in which fen and points are computed.
var money = []string{
	"functions/convertorders", "functions/settlepoints", "shared/coupons", "shared/ledger", "shared/liability", "shared/loyalty",
	"shared/orders/...", "shared/points", "shared/simulation", "shared/statement",
}

// pure are the packages that take clock and chance as arguments.
var pure = slices.Concat(rules, paths, []string{
	"functions/*", "shared/batch", "shared/gateway", "shared/idempotency", "shared/loyalty", "shared/orders/...",
	"shared/problem", "shared/program", "shared/rest", "shared/store", "shared/table",
})

// quiet are the packages that log only to what they are handed. The gateway is
// not among them: it has nobody who could hand it a log when a handler panics.
var quiet = slices.DeleteFunc(slices.Clone(pure), func(pattern string) bool { return pattern == "shared/gateway" })

// files are the packages that may write files: all but the one that writes CSV.
var files = append(slices.DeleteFunc(slices.Clone(pure), func(pattern string) bool { return pattern == "shared/spreadsheet" }), "functions/...", "infra/...")

// vague are names that say nothing about what is inside.
var vague = []string{
	"base", "common", "data", "helper", "helpers", "lib", "manager", "managers", "misc", "model", "models", "types", "util", "utils",
}

// longestMain of a function, in lines.
const longestMain = 30

// calls that a package may not make, by the import path they come from; "*"
// forbids every use of the package.
type ban struct {
	of    []string
	from  string
	names []string
	why   string
}

// readers are the packages that take what somebody else wrote. Those that read
// only what they wrote themselves are left out: the store its items, the program
// the file that it carries, a cursor that huitou signed, and the connection to
// queues and tables.
var readers = []string{
	"functions/*", "shared/audience/...", "shared/campaign", "shared/cards", "shared/claim", "shared/coupons", "shared/enrolment", "shared/friend", "shared/identity",
	"shared/loyalty", "shared/notify", "shared/notify/webhook", "shared/notify/wecom", "shared/orders", "shared/payer/...", "shared/points", "shared/refused", "shared/rest",
	"shared/schedule", "shared/webhook", "shared/wecom",
}

const oneReader = "shared/strictjson alone knows how JSON of others is read: the standard library takes a key in any case, and the later of two spellings decides"

// timed are the packages that read instants of others, beside the readers of
// JSON: flags, files, queries.
var timed = slices.Concat(readers, []string{"infra/cli/...", "infra/stack", "shared/orders/..."})

const oneClock = "loyalty.ParseTime alone reads instants of others: the standard library takes one-digit hours and offsets that it cannot write"

var bans = []ban{
	{readers, "encoding/json", []string{"Unmarshal", "NewDecoder", "Decoder"}, oneReader},
	{readers, "github.com/go-json-experiment/json", []string{"Unmarshal", "UnmarshalRead", "UnmarshalDecode"}, oneReader},
	{pure, "time", []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}, "now is an argument: any day can be run again, and the simulator owns the clock"},
	{pure, "math/rand", []string{"*"}, "chance is an io.Reader, so that a run can be repeated"},
	{pure, "math/rand/v2", []string{"*"}, "chance is an io.Reader, so that a run can be repeated"},
	{pure, "crypto/rand", []string{"*"}, "chance is an io.Reader, so that a run can be repeated"},
	{pure, "os", []string{"*"}, "configuration comes as values; lambda/main.go and boot read the environment"},
	{pure, "log", []string{"*"}, "the log is a *slog.Logger that is handed in, and log.Fatal skips every defer"},
	{quiet, "log/slog", []string{
		"Debug", "DebugContext", "Default", "Error", "ErrorContext", "Info", "InfoContext", "Log", "LogAttrs", "SetDefault", "Warn", "WarnContext",
	}, "the log is a *slog.Logger that is handed in"},
	{pure, "fmt", []string{"Print", "Printf", "Println"}, "what goes to standard output is a log line that nobody redacted"},
	{files, "encoding/csv", []string{"NewWriter"}, "shared/spreadsheet writes every CSV file, so that no cell of any is a formula"},
	{[]string{"functions/*/lambda"}, "time", []string{"Since", "Sleep", "Tick"}, "a main waits for nothing"},
}

// Code finds what code may not do where it stands, tests left out.
func Code(tree fs.FS) ([]Finding, error) {
	var findings []Finding
	err := walk(tree, func(file source) {
		if slices.Contains(vague, file.ast.Name.Name) {
			findings = append(findings, Finding{file.at(file.ast.Name.Pos()), "package " + file.ast.Name.Name, "a name says what is inside; a helper lives with its only user or gets a noun"})
		}
		if file.isTest {
			return
		}
		if matchesAny([]string{"functions/*/lambda"}, file.folder, "") && file.lines > longestMain {
			findings = append(findings, Finding{file.name, "a main of " + strconv.Itoa(file.lines) + " lines", "a main is boring; what is worth a test lives elsewhere"})
		}
		findings = append(findings, inspect(file)...)
	})
	return findings, err
}

// isSelector tells whether an expression is the name of an imported package.
func isSelector(expression ast.Expr, names map[string]string, from, name string) bool {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	left, ok := selector.X.(*ast.Ident)
	return ok && names[left.Name] == from
}

func isCall(call *ast.CallExpr, names map[string]string, from, name string) bool {
	return isSelector(call.Fun, names, from, name) && len(call.Args) > 0
}

func inspect(file source) []Finding {
	var findings []Finding
	find := func(at token.Pos, what, why string) {
		findings = append(findings, Finding{file.at(at), what, why})
	}
	names := map[string]string{} // of an imported package -> its path
	for _, spec := range file.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := imported[strings.LastIndex(imported, "/")+1:]
		if name == "v2" {
			name = "rand" // the only one of the banned that ends so
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
		for _, b := range bans {
			if b.from == imported && matchesAny(b.of, file.folder, "") && (name == "." || b.names[0] == "*") {
				find(spec.Pos(), "import of "+imported, b.why)
			}
		}
	}
	isMoney := matchesAny(money, file.folder, "")
	isFunction := strings.HasPrefix(file.folder, "functions/")
	isPure := matchesAny(pure, file.folder, "")
	isCalendar := file.folder == "shared/localtime"
	// Platforms write the time of Shanghai, which has been one offset since 1991.
	isPlatform := strings.HasPrefix(file.folder, "shared/orders")
	const calendar = "a local time is no instant: shared/localtime knows which one comes twice or not at all"
	isTimed := matchesAny(timed, file.folder, "") && file.folder != "shared/loyalty"
	ast.Inspect(file.ast, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.SelectorExpr:
			if left, ok := node.X.(*ast.Ident); ok {
				for _, b := range bans {
					if b.from == names[left.Name] && matchesAny(b.of, file.folder, "") && slices.Contains(b.names, node.Sel.Name) {
						find(node.Pos(), left.Name+"."+node.Sel.Name, b.why)
					}
				}
				if isPure && !isCalendar && names[left.Name] == "time" && node.Sel.Name == "ParseInLocation" && !isPlatform {
					find(node.Pos(), "time.ParseInLocation", calendar)
				}
				if isFunction && names[left.Name] == "log" && strings.HasPrefix(node.Sel.Name, "Fatal") {
					find(node.Pos(), "log."+node.Sel.Name, "log.Fatal skips every defer")
				}
			}
			if isPure && !isCalendar && node.Sel.Name == "AddDate" {
				find(node.Pos(), "AddDate", calendar)
			}
		case *ast.CallExpr:
			if isPure && !isCalendar && isCall(node, names, "time", "Date") && !isSelector(node.Args[len(node.Args)-1], names, "time", "UTC") {
				find(node.Pos(), "time.Date", calendar)
			}
			if isTimed && parsesInstant(node, names) {
				find(node.Pos(), "time.Parse of RFC 3339", oneClock)
			}
			if callee, ok := node.Fun.(*ast.Ident); ok && callee.Name == "panic" && isFunction {
				find(node.Pos(), "panic", "a function returns its error; a panic costs the whole batch")
			}
		case *ast.GoStmt:
			if isPure {
				find(node.Pos(), "a go statement", "Lambda freezes what a handler leaves behind, and the simulator must own every interleaving")
			}
		case *ast.Ident:
			if isMoney && (node.Name == "float64" || node.Name == "float32") {
				find(node.Pos(), node.Name, "money and points are whole numbers with a named rounding rule")
			}
		case *ast.BasicLit:
			if isMoney && node.Kind == token.FLOAT {
				find(node.Pos(), "the number "+node.Value, "money and points are whole numbers with a named rounding rule")
			}
		}
		return true
	})
	return findings
}

// parsesInstant is true of time.Parse(time.RFC3339, …) and its like.
func parsesInstant(call *ast.CallExpr, names map[string]string) bool {
	ofTime := func(expression ast.Expr, prefix string) bool {
		selector, ok := expression.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		left, ok := selector.X.(*ast.Ident)
		return ok && names[left.Name] == "time" && strings.HasPrefix(selector.Sel.Name, prefix)
	}
	return len(call.Args) > 1 && ofTime(call.Fun, "Parse") && ofTime(call.Args[0], "RFC3339")
}
