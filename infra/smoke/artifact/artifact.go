// Package artifact handles the functions' deployable binaries: it builds them
// by the Makefile's one rule, gives each the environment that template.yaml
// gives it, and stands in for the AWS that they call, so that nothing but the
// network is different from a deployment.
package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou"
	"github.com/huitou/huitou/infra/stack/template"
)

// TableName is the table in the functions' environment.
const TableName = "huitou"

// Function is one deployable of the template.
type Function struct {
	Name      string            // logical id: "ReceiveOrders"
	Folder    string            // below functions/: "receiveorders"
	Variables map[string]string // of its environment; an intrinsic function gives "local:" and the resource
}

// Functions are those of the template, in its order.
func Functions() ([]Function, error) {
	parsed, err := template.Parse(huitou.Template, map[string]string{"PublicUrl": "https://brand.example"})
	if err != nil {
		return nil, err
	}
	var functions []Function
	for _, resource := range parsed.Resources("AWS::Serverless::Function") {
		properties, err := parsed.Function(resource)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", resource.Name, err)
		}
		var settings struct {
			Environment struct{ Variables map[string]string }
		}
		if err := template.Decode(properties, &settings, false); err != nil {
			return nil, fmt.Errorf("%s: %w", resource.Name, err)
		}
		function := Function{Name: resource.Name, Folder: strings.ToLower(resource.Name), Variables: settings.Environment.Variables}
		if _, has := function.Variables["TABLE_NAME"]; has {
			function.Variables["TABLE_NAME"] = TableName // a name of DynamoDB's, which holds no colon
		}
		functions = append(functions, function)
	}
	return functions, nil
}

// Environment is what the binary is started with, but for the variable left
// out: what the template says and what the cloud adds.
func (f Function) Environment(cloud *Cloud, leftOut string) []string {
	environment := cloud.environment()
	for _, name := range slices.Sorted(maps.Keys(f.Variables)) {
		if name != leftOut {
			environment = append(environment, name+"="+f.Variables[name])
		}
	}
	return environment
}

// Root is the folder of the repository.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// Build makes the functions' binaries for this machine's processor and returns
// the path of each by its Name.
func Build(ctx context.Context, functions []Function) (map[string]string, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("the deployable binaries are Linux's and cannot run on %s", runtime.GOOS)
	}
	root, err := Root(ctx)
	if err != nil {
		return nil, err
	}
	binaries := map[string]string{}
	arguments := []string{"-C", root}
	for _, function := range functions {
		target := filepath.Join("build", runtime.GOARCH, function.Folder, "bootstrap")
		binaries[function.Name] = filepath.Join(root, target)
		arguments = append(arguments, target)
	}
	if out, err := exec.CommandContext(ctx, "make", arguments...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make: %w: %s", err, out)
	}
	return binaries, nil
}

// ColdStart is what a binary took from its start to its first request for an
// invocation, which on AWS is the init phase.
type ColdStart struct {
	Wall  time.Duration
	Ended *os.ProcessState // killed at that moment
}

const startLimit = 30 * time.Second

// Spawn starts a binary with nothing in its environment but what is given,
// waits until it asks for its first invocation and kills it.
func Spawn(ctx context.Context, path string, environment []string) (ColdStart, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return ColdStart{}, err
	}
	asked := make(chan time.Time, 1)
	server := &http.Server{ReadHeaderTimeout: startLimit, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- time.Now():
		default: // it came back after a failure; the first request counts
		}
		<-r.Context().Done()
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() { _ = server.Close(); <-served }() // whoever is connected is the process below, which is dead

	command := exec.CommandContext(ctx, path)
	command.Env = append(slices.Clone(environment), "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	ended := make(chan struct{})
	began := time.Now()
	if err := command.Start(); err != nil {
		return ColdStart{}, err
	}
	go func() {
		defer close(ended)
		_ = command.Wait() // how it ended stands in ProcessState
	}()
	select {
	case at := <-asked:
		_ = command.Process.Kill() // it may have ended by itself
		<-ended
		return ColdStart{at.Sub(began), command.ProcessState}, nil
	case <-ended:
		return ColdStart{}, fmt.Errorf("%s ended before it asked for an invocation: %s: %.500s", path, command.ProcessState, said.String())
	case <-time.After(startLimit):
		_ = command.Process.Kill() // as above
		<-ended
		return ColdStart{}, errors.New(path + " did not ask for an invocation")
	}
}
