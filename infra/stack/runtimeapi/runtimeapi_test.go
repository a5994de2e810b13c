package runtimeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// build compiles the toy function once for all tests.
var build = sync.OnceValues(func() (string, error) {
	folder, err := filepath.Abs("testdata")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(buildFolder, "bootstrap")
	out, err := exec.Command("go", "build", "-o", binary, filepath.Join(folder, "bootstrap")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

var buildFolder string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "runtimeapi")
	if err != nil {
		panic(err)
	}
	buildFolder = folder
	code := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		panic(err)
	}
	os.Exit(code)
}

type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func start(t *testing.T, greeting string) (*Process, *buffer) {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	var output buffer
	p, err := Start(path, []string{"GREETING=" + greeting}, &output)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, &output
}

func do(t *testing.T, p *Process, what string) (map[string]any, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	text, err := p.Invoke(ctx, fmt.Appendf(nil, `{"do":%q}`, what))
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer, nil
}

func TestInvoke(t *testing.T) {
	p, output := start(t, "hello")
	for i := range 3 {
		got, err := do(t, p, fmt.Sprint("call ", i))
		if err != nil {
			t.Fatal(err)
		}
		if got["did"] != fmt.Sprint("call ", i) || got["greeting"] != "hello" || got["name"] != "bootstrap" || got["home"] != "" {
			t.Errorf("got %v", got)
		}
		if got["request"] != fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1) {
			t.Errorf("request %v", got["request"])
		}
		if seconds, _ := got["seconds"].(float64); seconds < 10 || seconds > 20 {
			t.Errorf("%v seconds to the deadline", got["seconds"])
		}
	}
	if err := p.Close(); err != nil { // what it printed has come through then
		t.Error(err)
	}
	if got := output.String(); strings.Count(got, "called") != 3 {
		t.Errorf("output %q", got)
	}
}

func TestFailure(t *testing.T) {
	p, _ := start(t, "")
	_, err := do(t, p, "fail")
	report, ok := errors.AsType[*FunctionError](err)
	if !ok || report.Message != "as told" || report.Type != "errorString" || report.AtStart {
		t.Errorf("got %#v, %v", report, err)
	}
	if got, err := do(t, p, "go on"); err != nil || got["did"] != "go on" {
		t.Errorf("after a failure: %v, %v", got, err)
	}
	_, err = do(t, p, "panic")
	if report, ok := errors.AsType[*FunctionError](err); !ok || report.Message != "as told" {
		t.Errorf("panic: %v", err)
	}
}

func TestLongAnswer(t *testing.T) {
	p, _ := start(t, "")
	_, err := do(t, p, "long")
	if report, ok := errors.AsType[*FunctionError](err); !ok || report.Type != "Function.ResponseSizeTooLarge" {
		t.Errorf("got %v", err)
	}
}

func TestExit(t *testing.T) {
	p, _ := start(t, "")
	if _, err := do(t, p, "exit"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if _, err := do(t, p, "more"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("afterwards: %v", err)
	}
}

func TestTimeout(t *testing.T) {
	p, _ := start(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.Invoke(ctx, []byte(`{"do":"sleep"}`)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("got %v", err)
	}
	if _, err := do(t, p, "more"); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("afterwards: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	p, _ := start(t, "quit")
	if _, err := do(t, p, "anything"); err == nil || !strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("quit: %v", err)
	}
	p, _ = start(t, "report")
	_, err := do(t, p, "anything")
	if report, ok := errors.AsType[*FunctionError](err); !ok || !report.AtStart || report.Type != "NoKey" || report.Message != "there is no key" {
		t.Errorf("report: %v", err)
	}
	if _, err := Start(filepath.Join(t.TempDir(), "nothing"), nil, &buffer{}); err == nil {
		t.Error("a binary that is not there starts")
	}
}

// An answer to an invocation that the function does not have is refused.
func TestForeignAnswer(t *testing.T) {
	p, _ := start(t, "")
	if _, err := do(t, p, "one"); err != nil {
		t.Fatal(err)
	}
	var address string
	for _, variable := range p.command.Env {
		if value, ok := strings.CutPrefix(variable, "AWS_LAMBDA_RUNTIME_API="); ok {
			address = value
		}
	}
	response, err := http.Post("http://"+address+prefix+"invocation/00000000-0000-4000-8000-000000000001/response", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("answered %d", response.StatusCode)
	}
	if got, err := do(t, p, "two"); err != nil || got["did"] != "two" {
		t.Errorf("afterwards: %v, %v", got, err)
	}
}
