package check

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// repository is the tree that this package stands in.
func repository() fs.FS { return os.DirFS("../..") }

func TestImports(t *testing.T) { hold(t, Imports) }

func TestCode(t *testing.T) { hold(t, Code) }

func hold(t *testing.T, check func(fs.FS) ([]Finding, error)) {
	t.Helper()
	findings, err := check(repository())
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		t.Error(finding)
	}
}

// planted is a file with one import or one statement, and what must be found
// in it; "" for nothing.
type planted struct{ file, text, want string }

func runPlanted(t *testing.T, check func(fs.FS) ([]Finding, error), cases []planted) {
	t.Helper()
	for _, c := range cases {
		findings, err := check(fstest.MapFS{c.file: {Data: []byte(c.text)}})
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		switch {
		case c.want == "" && len(findings) > 0:
			t.Errorf("%s: %s: found %v", c.file, c.text, findings)
		case c.want != "" && (len(findings) != 1 || !strings.Contains(findings[0].What, c.want) || findings[0].Why == "" || !strings.HasPrefix(findings[0].Place, c.file)):
			t.Errorf("%s: %s: found %v, want %q", c.file, c.text, findings, c.want)
		}
	}
}

func TestImportsCatches(t *testing.T) {
	file := func(folder, imported, want string) planted {
		return planted{folder + "/x.go", "package x\nimport _ \"" + imported + "\"\n", want}
	}
	own := func(folder, imported, want string) planted { return file(folder, module+imported, want) }
	runPlanted(t, Imports, []planted{
		// sideways and up
		own("functions/operate", "functions/members", "imports functions/members"),
		own("functions/operate/lambda", "functions/members", "imports functions/members"),
		own("functions/operate/lambda", "shared/store", "imports shared/store"),
		own("shared/points", "shared/coupons", "imports shared/coupons"),
		own("shared/points", "shared/program", "imports shared/program"),
		own("shared/points", "shared/table", "imports shared/table"),
		own("shared/table", "shared/store", "imports shared/store"),
		own("shared/store", "shared/table/embedded", "imports shared/table/embedded"),
		own("shared/ledger", "shared/queue", "imports shared/queue"),
		own("shared/boot", "functions/operate", "imports functions/operate"),
		own("shared/loyalty", "shared/points", "imports shared/points"),
		own("infra/stack", "functions/operate", "imports functions/operate"),
		own("infra/stack/template", "infra/local", "imports infra/local"),
		// the machine
		own("functions/operate", "shared/table/dynamo", "imports shared/table/dynamo"),
		own("functions/operate", "shared/boot", "imports shared/boot"),
		own("functions/sendmessages", "shared/notify/webhook", "imports shared/notify/webhook"),
		file("functions/operate", "os", "imports os"),
		file("functions/operate", "os/exec", "imports os/exec"),
		file("functions/operate", "log", "imports log"),
		file("functions/operate", "github.com/aws/aws-lambda-go/lambda", "aws-lambda-go/lambda"),
		file("functions/operate", "github.com/aws/aws-sdk-go-v2/service/dynamodb", "aws-sdk-go-v2/service/dynamodb"),
		file("functions/convertorders", "github.com/danielgtaylor/huma/v2", "huma"),
		file("shared/points", "context", "imports context"),
		file("shared/points", "math/rand/v2", "imports math/rand/v2"),
		file("shared/cards", "crypto/rand", "imports crypto/rand"),
		file("shared/cards", "log/slog", "imports log/slog"),
		file("shared/orders/youzan", "net/http", "imports net/http"),
		file("shared/table", "net/http", "imports net/http"),
		file("shared/store", "github.com/aws/aws-sdk-go-v2/service/dynamodb", "aws-sdk-go-v2"),
		file("shared/program", "os", "imports os"),
		file("shared/loyalty", "github.com/shopspring/decimal", "decimal"),
		file("shared/points", "C", "imports C"),
		// a package nobody has placed
		file("shared/surprise", "fmt", "has no place"),
		// as it should be
		own("functions/operate", "shared/points", ""),
		own("functions/operate/lambda", "functions/operate", ""),
		own("infra/local", "functions/operate", ""),
		own("infra/stack", "shared/table", ""),
		own("shared/store", "shared/cards", ""),
		own("shared/points", "shared/loyalty", ""),
		file("functions/members", "github.com/danielgtaylor/huma/v2", ""),
		file("functions/operate", "log/slog", ""),
		file("shared/orders", "net/url", ""),
		file("shared/table/dynamo", "github.com/aws/aws-sdk-go-v2/service/dynamodb/types", ""),
		{"shared/points/x_test.go", "package x\nimport _ \"os\"\n", ""},
		{"shared/points/testdata/x.go", "package x\nimport _ \"os\"\n", ""},
	})
}

func TestCodeCatches(t *testing.T) {
	body := func(folder, imports, statement, want string) planted {
		text := "package x\n"
		for name := range strings.FieldsSeq(imports) {
			text += "import \"" + name + "\"\n"
		}
		return planted{folder + "/x.go", text + "func f() { " + statement + " }\n", want}
	}
	runPlanted(t, Code, []planted{
		body("shared/points", "time", "_ = time.Now()", "time.Now"),
		body("shared/ledger", "time", "f := time.Now; _ = f", "time.Now"),
		body("functions/operate", "time", "_ = time.Since(time.Time{})", "time.Since"),
		body("functions/operate", "time", "time.Sleep(1)", "time.Sleep"),
		body("functions/operate", "log/slog", `slog.Info("x")`, "slog.Info"),
		body("functions/operate", "log/slog", `slog.Default()`, "slog.Default"),
		body("functions/operate", "os", "", "import of os"),
		body("functions/operate", "log", "", "import of log"),
		body("functions/operate", "math/rand/v2", "", "import of math/rand/v2"),
		body("shared/cards", "crypto/rand", "", "import of crypto/rand"),
		body("functions/operate", "fmt", `fmt.Println("x")`, "fmt.Println"),
		body("functions/operate", "encoding/csv", `_ = csv.NewWriter(nil)`, "csv.NewWriter"),
		body("infra/cli", "encoding/csv", `_ = csv.NewWriter(nil)`, "csv.NewWriter"),
		body("shared/spreadsheet", "encoding/csv", `_ = csv.NewWriter(nil)`, ""),
		body("infra/cli", "encoding/csv", `_ = csv.NewReader(nil)`, ""),
		body("functions/operate", "", `panic("x")`, "panic"),
		body("functions/operate/lambda", "log", `log.Fatal("x")`, "log.Fatal"),
		body("functions/operate", "", "go f()", "a go statement"),
		body("shared/points", "", "var x float64; _ = x", "float64"),
		body("shared/orders/youzan", "", "_ = 0.5", "0.5"),
		body("shared/points", "time", "_ = time.Date(2026, 1, 1, 0, 0, 0, 0, zone)", "time.Date"),
		body("functions/operate", "time", `_, _ = time.ParseInLocation("", "", zone)`, "time.ParseInLocation"),
		body("shared/coupons", "time", "_ = time.Time{}.AddDate(0, 0, 1)", "AddDate"),
		body("shared/points", "time", "_ = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)", ""),
		body("shared/localtime", "time", "_ = time.Date(2026, 1, 1, 0, 0, 0, 0, zone).AddDate(0, 0, 1)", ""),
		body("shared/orders/export", "time", `_, _ = time.ParseInLocation("", "", zone)`, ""),
		{"shared/points/x.go", "package x\nimport t \"time\"\nvar now = t.Now\n", "t.Now"},
		{"shared/points/x.go", "package x\nimport . \"time\"\n", "import of time"},
		{"shared/points/x.go", "package utils\n", "package utils"},
		{"infra/helpers/x_test.go", "package helpers\n", "package helpers"},
		{"functions/operate/lambda/main.go", "package main\n" + strings.Repeat("\n", 30), "a main of 31 lines"},
		body("functions/operate", "encoding/json", "_ = json.Unmarshal(nil, nil)", "json.Unmarshal"),
		body("shared/cards", "encoding/json", "json.NewDecoder(nil)", "json.NewDecoder"),
		body("shared/orders", "github.com/go-json-experiment/json", "_ = json.Unmarshal(nil, nil)", "json.Unmarshal"),
		body("functions/operate", "time", `time.Parse(time.RFC3339, "")`, "time.Parse of RFC 3339"),
		body("infra/cli", "time", `time.ParseInLocation(time.RFC3339Nano, "", time.UTC)`, "time.Parse of RFC 3339"),
		body("shared/store", "encoding/json", "_ = json.Unmarshal(nil, nil)", ""),
		body("functions/operate", "encoding/json", "_, _ = json.Marshal(nil)", ""),
		body("functions/operate", "time", `time.Parse(time.DateOnly, "")`, ""),
		body("shared/points", "time", "_ = time.UTC", ""),
		body("shared/repurchase", "", "_ = 0.5", ""),
		body("infra/stack", "time", "_ = time.Now(); go f()", ""),
		body("functions/operate", "log/slog", "var l *slog.Logger; _ = l", ""),
		body("functions/operate/lambda", "time", "_ = time.Now", ""),
		{"shared/points/x_test.go", "package x\nimport \"time\"\nvar now = time.Now\n", ""},
	})
}
