// Package runtimeapi runs a function's real bootstrap binary as Lambda does:
// the binary asks a Runtime API on loopback for its next invocation and posts
// the answer there. Source: AWS Lambda developer guide, "Using the Lambda
// runtime API for custom runtimes".
package runtimeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// FunctionError is what a function reported instead of an answer.
type FunctionError struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
	AtStart bool   `json:"-"` // it failed before it asked for an invocation
}

func (e *FunctionError) Error() string {
	when := "the function failed"
	if e.AtStart {
		when = "the function failed at start"
	}
	return fmt.Sprintf("runtimeapi: %s: %s: %s", when, e.Type, e.Message)
}

// Process is one running bootstrap, as one Lambda instance is.
type Process struct {
	name    string
	command *exec.Cmd
	server  *http.Server
	next    chan invocation
	exited  chan struct{}
	failed  chan error // holds an error that was reported at start

	one     sync.Mutex // an instance has one invocation at a time
	mu      sync.Mutex
	count   int
	current invocation
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	outcome  chan outcome
}

type outcome struct {
	answer []byte
	err    error
}

// maxAnswer is Lambda's limit in bytes for a synchronous answer.
const maxAnswer = 6 << 20

const prefix = "/2018-06-01/runtime/"

// Start runs the binary with the environment, which must hold whatever the
// function reads, and nothing else but what Lambda sets. Its output goes to
// output. The caller closes the process.
func Start(path string, environment []string, output io.Writer) (*Process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtimeapi: %w", err)
	}
	p := &Process{
		name: "bootstrap", command: exec.Command(path),
		next: make(chan invocation), exited: make(chan struct{}), failed: make(chan error, 1),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"invocation/next", p.serveNext)
	mux.HandleFunc("POST "+prefix+"invocation/{id}/response", p.serveResponse)
	mux.HandleFunc("POST "+prefix+"invocation/{id}/error", p.serveError)
	mux.HandleFunc("POST "+prefix+"init/error", p.serveInitError)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	p.command.Env = append(environment[:len(environment):len(environment)],
		"AWS_LAMBDA_RUNTIME_API="+listener.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME="+p.name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"_HANDLER=bootstrap",
	)
	p.command.Stdout, p.command.Stderr = output, output
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("runtimeapi: %w", err), listener.Close())
	}
	go func() {
		// How it ended is read from ProcessState.
		_ = p.command.Wait()
		close(p.exited)
	}()
	go func() {
		// It ends with ErrServerClosed, by Close.
		_ = p.server.Serve(listener)
	}()
	return p, nil
}

// Invoke calls the function and returns its answer. The deadline of ctx is the
// function's; when it passes the process is killed, as Lambda does. It fails
// with a *FunctionError for what the function reported.
func (p *Process) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	p.one.Lock()
	defer p.one.Unlock()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(15 * time.Minute) // Lambda's longest
	}
	p.count++
	call := invocation{
		id: fmt.Sprintf("00000000-0000-4000-8000-%012d", p.count), payload: payload,
		deadline: deadline, outcome: make(chan outcome, 1),
	}
	select {
	case p.next <- call:
	case err := <-p.failed:
		return nil, err
	case <-p.exited:
		return nil, p.gone()
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("runtimeapi: the function did not ask for an invocation: %w", ctx.Err()), p.kill())
	}
	select {
	case out := <-call.outcome:
		return out.answer, out.err
	case <-p.exited:
		select { // it may have answered before it ended
		case out := <-call.outcome:
			return out.answer, out.err
		default:
			return nil, p.gone()
		}
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("runtimeapi: the function timed out: %w", ctx.Err()), p.kill())
	}
}

// gone says how the process ended, or what it reported before.
func (p *Process) gone() error {
	select {
	case err := <-p.failed:
		return err
	default:
		return fmt.Errorf("runtimeapi: the process ended: %s", p.command.ProcessState)
	}
}

// Close kills the process, which has no other way to end, and waits for it.
func (p *Process) Close() error {
	return errors.Join(p.kill(), p.server.Close())
}

func (p *Process) kill() error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	err := p.command.Process.Kill()
	<-p.exited
	return err
}

func (p *Process) serveNext(w http.ResponseWriter, r *http.Request) {
	select {
	case call := <-p.next:
		p.mu.Lock()
		p.current = call
		p.mu.Unlock()
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Lambda-Runtime-Aws-Request-Id", call.id)
		header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(call.deadline.UnixMilli(), 10))
		header.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:local:000000000000:function:"+p.name)
		// A function that went away shows as an exit.
		_, _ = w.Write(call.payload)
	case <-r.Context().Done():
	}
}

// finish hands the outcome to the invocation that the function has; an answer
// to any other is refused as Lambda refuses it.
func (p *Process) finish(w http.ResponseWriter, r *http.Request, out outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.id != r.PathValue("id") {
		reply(w, http.StatusBadRequest, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`)
		return
	}
	p.current.outcome <- out
	p.current = invocation{}
	reply(w, http.StatusAccepted, `{"status":"OK"}`)
}

func (p *Process) serveResponse(w http.ResponseWriter, r *http.Request) {
	answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
	if err != nil {
		p.finish(w, r, outcome{err: &FunctionError{Type: "Function.ResponseSizeTooLarge", Message: err.Error()}})
		return
	}
	p.finish(w, r, outcome{answer: answer})
}

func (p *Process) serveError(w http.ResponseWriter, r *http.Request) {
	p.finish(w, r, outcome{err: readError(r, false)})
}

func (p *Process) serveInitError(w http.ResponseWriter, r *http.Request) {
	select {
	case p.failed <- readError(r, true):
	default: // the first one counts
	}
	reply(w, http.StatusAccepted, `{"status":"OK"}`)
}

func readError(r *http.Request, atStart bool) *FunctionError {
	report := &FunctionError{AtStart: atStart}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxAnswer)).Decode(report); err != nil || report.Type == "" {
		report.Type = r.Header.Get("Lambda-Runtime-Function-Error-Type")
	}
	return report
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A function that went away shows as an exit.
	_, _ = io.WriteString(w, body)
}
