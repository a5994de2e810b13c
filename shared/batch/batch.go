// Package batch works through what SQS hands a function in one go: each message
// by itself, so that a message that cannot be dealt with is delivered again,
// or ends in the dead-letter queue, alone.
package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/loyalty"
)

// Apply deals with one message. nil means that the queue may forget it: it was
// applied, now or earlier. sentAt is when the message was put on the queue, the
// zero time where the queue does not say; it is for measuring, a decision takes
// its time from the body.
type Apply func(ctx context.Context, body []byte, sentAt time.Time) error

// Each applies every message of the event, in order. The answer names exactly
// those that failed, by an error or a panic, so that SQS delivers them again
// and forgets the others (ReportBatchItemFailures).
//
// The messages that the time of the invocation did not suffice for fail with
// the rest. An event with a message that has no id is refused whole with
// KindInvalid code "message_without_id" before anything is applied: its failure
// could not be named, and SQS takes an answer that names "" for a failure of
// the batch anyhow.
//
// The log tells of a failure its Kind, code, message id and the Go types of
// its causes; never the body, a detail or a cause's text, which may quote one.
func Each(ctx context.Context, event events.SQSEvent, log *slog.Logger, apply Apply) (events.SQSEventResponse, error) {
	return EachWithin(ctx, event, log, 0, apply)
}

// EachWithin is Each for what calls somebody who may hang: a message is begun
// only while at least so much time is left until the deadline. The others are
// handed back untried, rather than be killed with the invocation half-way.
func EachWithin(ctx context.Context, event events.SQSEvent, log *slog.Logger, need time.Duration, apply Apply) (events.SQSEventResponse, error) {
	taking := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		taking, cancel = context.WithDeadline(ctx, deadline.Add(-need))
		defer cancel()
	}
	for _, message := range event.Records {
		if message.MessageId == "" {
			return events.SQSEventResponse{}, loyalty.Refuse(loyalty.KindInvalid, "message_without_id", "a message of the batch has no id")
		}
	}
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	failed := map[string]bool{}
	for _, message := range event.Records {
		err := untried(taking)
		if err == nil {
			err = one(ctx, message, apply)
		}
		if err == nil {
			continue
		}
		report(ctx, log, message, err)
		if !failed[message.MessageId] {
			failed[message.MessageId] = true
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	return answer, nil
}

// panicked is what became of a message whose Apply panicked. The value of the
// panic is dropped: it may quote what the message said.
type panicked struct{ at string }

func (p *panicked) Error() string { return "panic at " + p.at }

// untried tells that there is no time left to begin a message.
func untried(taking context.Context) error {
	if taking.Err() != nil {
		return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "out_of_time", Cause: taking.Err()}
	}
	return nil
}

func one(ctx context.Context, message events.SQSMessage, apply Apply) (err error) {
	defer func() {
		if recover() != nil {
			err = &loyalty.Error{Kind: loyalty.KindInternal, Code: "panic", Cause: &panicked{at: origin()}}
		}
	}()
	return apply(ctx, []byte(message.Body), sentAt(message))
}

// origin is the function and line that panicked. It is called by the deferred
// function that recovers.
func origin() string {
	callers := make([]uintptr, 16)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		frame, more := frames.Next()
		// Above the deferred function come the runtime's own frames, as many
		// as the kind of panic needs; then the culprit.
		inRuntime := len(frame.Function) > 8 && frame.Function[:8] == "runtime."
		if !inRuntime || !more {
			return frame.Function + ":" + strconv.Itoa(frame.Line)
		}
	}
}

// sentAt reads the SentTimestamp that SQS puts on every message, in
// milliseconds since 1970.
func sentAt(message events.SQSMessage) time.Time {
	millis, err := strconv.ParseInt(message.Attributes["SentTimestamp"], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

func report(ctx context.Context, log *slog.Logger, message events.SQSMessage, err error) {
	code := ""
	if refusal, ok := errors.AsType[*loyalty.Error](err); ok {
		code = refusal.Code
	}
	attributes := []any{
		slog.String("message_id", message.MessageId),
		slog.String("receive_count", message.Attributes["ApproximateReceiveCount"]),
		slog.Int("kind", int(loyalty.KindOf(err))),
		slog.String("code", code),
		slog.Any("causes", types(err)),
	}
	if p, ok := errors.AsType[*panicked](err); ok {
		attributes = append(attributes, slog.String("at", p.at))
	}
	log.ErrorContext(ctx, "message failed", attributes...)
}

// types names the Go type of the error and of each cause below it.
func types(err error) []string {
	var names []string
	for ; err != nil; err = errors.Unwrap(err) {
		names = append(names, fmt.Sprintf("%T", err))
	}
	return names
}
