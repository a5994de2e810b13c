package batch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/batch"
	"github.com/huitou/huitou/shared/loyalty"
)

func message(id, body string) events.SQSMessage {
	return events.SQSMessage{MessageId: id, Body: body}
}

func count(seen map[string]int) { seen[canary]++ }

func failures(answer events.SQSEventResponse) []string {
	ids := []string{}
	for _, failure := range answer.BatchItemFailures {
		ids = append(ids, failure.ItemIdentifier)
	}
	return ids
}

// canary must never reach the log, whichever way a message fails.
const canary = "13800000000"

func TestEachNamesExactlyTheFailed(t *testing.T) {
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	event := events.SQSEvent{Records: []events.SQSMessage{
		message("a", "good"), message("b", "refused"), message("c", "good"), message("d", "panic"),
		message("e", "index"), message("f", "foreign"), message("g", "nil map"), message("h", "good"),
	}}
	var applied []string
	answer, err := batch.Each(t.Context(), event, log, func(_ context.Context, body []byte, _ time.Time) error {
		switch string(body) {
		case "refused":
			return loyalty.Refuse(loyalty.KindInvalid, "order_malformed", "phone "+canary)
		case "panic":
			panic("phone " + canary)
		case "index":
			return errors.New(canary[:len(body)+20]) // slice bounds out of range
		case "foreign":
			return fmt.Errorf("decode %s: %w", canary, &json.SyntaxError{})
		case "nil map":
			count(nil)
		}
		applied = append(applied, string(body))
		return nil
	})
	if err != nil {
		t.Fatalf("Each: %v", err)
	}
	if diff := cmp.Diff([]string{"b", "d", "e", "f", "g"}, failures(answer)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"good", "good", "good"}, applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	text := logged.String()
	if strings.Contains(text, canary) {
		t.Errorf("the log quotes a message: %s", text)
	}
	for _, want := range []string{`"message_id":"b"`, `"code":"order_malformed"`, `"kind":1`, `"code":"panic"`, `*json.SyntaxError`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s:\n%s", want, text)
		}
	}
	if n := strings.Count(text, `"at":"github.com/huitou/huitou/shared/batch_test.`); n != 3 {
		t.Errorf("%d of 3 panics are logged with their place:\n%s", n, text)
	}
}

func TestEachOfNothing(t *testing.T) {
	answer, err := batch.Each(t.Context(), events.SQSEvent{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatalf("Each: %v", err)
	}
	raw, err := json.Marshal(answer)
	if err != nil || string(raw) != `{"batchItemFailures":[]}` {
		t.Errorf("answer %s, %v; want an empty list", raw, err)
	}
}

func TestEachRefusesAMessageWithoutID(t *testing.T) {
	applied := 0
	event := events.SQSEvent{Records: []events.SQSMessage{message("a", ""), message("", "")}}
	_, err := batch.Each(t.Context(), event, slog.New(slog.DiscardHandler), func(context.Context, []byte, time.Time) error {
		applied++
		return nil
	})
	if loyalty.KindOf(err) != loyalty.KindInvalid || applied != 0 {
		t.Errorf("error %v after %d applied, want KindInvalid and none", err, applied)
	}
}

func TestEachReportsAnIDOnce(t *testing.T) {
	event := events.SQSEvent{Records: []events.SQSMessage{message("a", ""), message("a", ""), message("b", "")}}
	answer, err := batch.Each(t.Context(), event, slog.New(slog.DiscardHandler), func(context.Context, []byte, time.Time) error {
		return errors.New("no")
	})
	if err != nil {
		t.Fatalf("Each: %v", err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, failures(answer)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

func TestEachOutOfTimeFailsTheRest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	event := events.SQSEvent{Records: []events.SQSMessage{message("a", ""), message("b", ""), message("c", "")}}
	applied := 0
	answer, err := batch.Each(ctx, event, slog.New(slog.DiscardHandler), func(context.Context, []byte, time.Time) error {
		applied++
		cancel()
		return nil
	})
	if err != nil {
		t.Fatalf("Each: %v", err)
	}
	if diff := cmp.Diff([]string{"b", "c"}, failures(answer)); diff != "" || applied != 1 {
		t.Errorf("applied %d, failures (-want +got):\n%s", applied, diff)
	}
}

func TestEachTellsWhenTheMessageWasSent(t *testing.T) {
	for name, test := range map[string]struct {
		attributes map[string]string
		want       time.Time
	}{
		"known":     {map[string]string{"SentTimestamp": "1795233600123"}, time.UnixMilli(1795233600123)},
		"absent":    {nil, time.Time{}},
		"malformed": {map[string]string{"SentTimestamp": "soon"}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			var got time.Time
			event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "a", Attributes: test.attributes}}}
			answer, err := batch.Each(t.Context(), event, slog.New(slog.DiscardHandler), func(_ context.Context, _ []byte, sentAt time.Time) error {
				got = sentAt
				return nil
			})
			if err != nil || len(answer.BatchItemFailures) != 0 || !got.Equal(test.want) {
				t.Errorf("sent at %v, failures %v, %v; want %v", got, answer.BatchItemFailures, err, test.want)
			}
		})
	}
}

// A message for which there is no time is handed back untried, rather than
// begun and killed.
func TestEachWithinBeginsNothingThatItHasNoTimeFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		event := events.SQSEvent{Records: []events.SQSMessage{message("a", ""), message("b", ""), message("c", ""), message("d", "")}}
		tried := 0
		answer, err := batch.EachWithin(ctx, event, slog.New(slog.DiscardHandler), 10*time.Second, func(ctx context.Context, _ []byte, _ time.Time) error {
			tried++
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < 10*time.Second {
				t.Errorf("message %d is begun with %s left", tried, time.Until(deadline))
			}
			time.Sleep(26 * time.Second)
			return nil
		})
		if diff := cmp.Diff([]string{"c", "d"}, failures(answer)); diff != "" || err != nil || tried != 2 {
			t.Errorf("tried %d, %v, failures (-want +got):\n%s", tried, err, diff)
		}
	})
}
