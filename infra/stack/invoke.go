package stack

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	json "github.com/go-json-experiment/json/v1"
)

// Handler is a Lambda function: an event in JSON in, an answer in JSON out. It
// is called from several goroutines at once.
type Handler func(ctx context.Context, payload []byte) ([]byte, error)

// Call makes a Handler of a typed function. (lambda.NewHandler is not used:
// its result aliases a pooled buffer, which calls at the same time corrupt.)
func Call[In, Out any](f func(context.Context, In) (Out, error)) Handler {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		var in In
		if err := json.Unmarshal(payload, &in); err != nil {
			return nil, fmt.Errorf("the event does not decode: %w", err)
		}
		out, err := f(ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}

// Do is Call for a function that answers nothing.
func Do[In any](f func(context.Context, In) error) Handler {
	return Call(func(ctx context.Context, in In) (any, error) { return nil, f(ctx, in) })
}

// maxPayload is Lambda's limit in bytes for the event and the answer of a
// synchronous call.
const maxPayload = 6 << 20

type function struct {
	name      string
	timeout   time.Duration
	variables map[string]string
	grants    []grant
	retries   int    // of an asynchronous call
	onFailure string // queue that gets what an asynchronous call could not do, "" for none
	handler   Handler
}

type outcome struct {
	answer []byte
	err    error
}

// invoke calls the function under its deadline. A panic is a failed call, and
// so is one that is not back at the deadline: it may still finish, as a
// function on AWS may have done its work before it was killed.
func (s *Stack) invoke(ctx context.Context, f *function, request string, payload []byte) ([]byte, error) {
	if !s.work.begin() {
		return nil, fmt.Errorf("%s: the stack is closed", f.name)
	}
	ctx = lambdacontext.NewContext(context.WithoutCancel(ctx), &lambdacontext.LambdaContext{
		AwsRequestID: request, InvokedFunctionArn: reference(f.name),
	})
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	done := make(chan outcome, 1)
	go func() {
		defer s.work.end()
		defer cancel()
		defer func() {
			if reason := recover(); reason != nil {
				s.log.Error("a function panicked", "function", f.name, "request", request,
					"reason", reasonOf(reason), "stack", string(debug.Stack()))
				done <- outcome{err: fmt.Errorf("%s: panic", f.name)}
			}
		}()
		answer, err := f.handler(ctx, payload)
		if err == nil && len(answer) > maxPayload {
			err = fmt.Errorf("%s: the answer is over %d bytes", f.name, maxPayload)
		}
		done <- outcome{answer, err}
	}()
	select {
	case out := <-done:
		return out.answer, out.err
	case <-ctx.Done():
	}
	select { // the answer wins over a deadline that fell at the same moment
	case out := <-done:
		return out.answer, out.err
	default:
		return nil, fmt.Errorf("%s: no answer within %s", f.name, f.timeout)
	}
}

// reasonOf a panic for the log. Only the runtime's own words are known to hold
// nothing personal.
func reasonOf(reason any) string {
	if err, ok := reason.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", reason)
}

// requestID names one invocation in the logs.
func (s *Stack) requestID() string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(s.base().Unix()), s.requests.Add(1))
}
