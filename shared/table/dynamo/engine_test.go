package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// answer is one response of the protocol: DynamoDB's own bytes, for the paths
// that no reference engine takes.
type answer struct {
	status int
	body   string
}

// session gives an engine whose requests get the answers in order, and the
// bodies of the requests it sent. The client does not retry by itself, so that
// every request is the engine's.
type session struct {
	engine   *Engine
	requests []map[string]any
	targets  []string
	pauses   []int
}

func answering(t *testing.T, answers ...answer) *session {
	t.Helper()
	s := &session{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var request map[string]any
		if err := json.Unmarshal(body, &request); err != nil {
			t.Error(err)
		}
		s.requests = append(s.requests, request)
		s.targets = append(s.targets, strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810."))
		if len(s.requests) > len(answers) {
			t.Errorf("request %d has no answer: %s", len(s.requests), body)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		one := answers[len(s.requests)-1]
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(one.status)
		_, _ = io.WriteString(w, one.body)
	}))
	t.Cleanup(server.Close)
	s.engine = New(client(server.URL), "huitou")
	s.engine.pause = func(_ context.Context, attempt int) error {
		s.pauses = append(s.pauses, attempt)
		return nil
	}
	t.Cleanup(func() {
		if len(s.requests) < len(answers) {
			t.Errorf("%d of %d answers were asked for", len(s.requests), len(answers))
		}
	})
	return s
}

func client(url string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "dummy", SecretAccessKey: "dummy"}, nil
		}),
	})
}

func fault(name, rest string) answer {
	return answer{400, `{"__type":"com.amazonaws.dynamodb.v20120810#` + name + `"` + rest + `}`}
}

// cancelled is a cancelled transaction with a reason for each action.
func cancelled(reasons ...string) answer {
	return fault("TransactionCanceledException", `,"Message":"Transaction cancelled","CancellationReasons":[`+strings.Join(reasons, ",")+`]`)
}

func reason(code string) string { return `{"Code":"` + code + `","Message":"because"}` }

var (
	keyA = table.Key{PK: "a", SK: "1"}
	keyB = table.Key{PK: "b", SK: "1"}
)

func two() []table.Action {
	return []table.Action{
		table.Put(table.Item{Key: keyA}, table.Absent()),
		table.Update(keyB, []table.Change{table.Add("n", 1)}, table.AtMost("n", 9)),
	}
}

func wants(t *testing.T, err error, kind loyalty.Kind, code string) {
	t.Helper()
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok || refusal.Kind != kind || refusal.Code != code {
		t.Errorf("want kind %d, code %s, got %v", kind, code, err)
	}
}

func TestConflictIsTriedAgain(t *testing.T) {
	conflict := cancelled(reason("None"), reason("TransactionConflict"))
	s := answering(t, conflict, conflict, answer{200, `{"ConsumedCapacity":[{"TableName":"huitou","CapacityUnits":4}]}`})
	usage := table.Usage{}
	if err := s.engine.Write(table.WithUsage(t.Context(), &usage), two()...); err != nil {
		t.Fatal(err)
	}
	if want := (table.Usage{WriteUnits: 4, RoundTrips: 3}); usage != want {
		t.Errorf("usage %+v, want %+v", usage, want)
	}
	if diff := cmp.Diff([]int{0, 1}, s.pauses); diff != "" {
		t.Errorf("pauses: %s", diff)
	}
	tokens := map[any]bool{}
	for _, request := range s.requests {
		tokens[request["ClientRequestToken"]] = true
	}
	if tokens[nil] || len(tokens) != 3 {
		t.Errorf("each attempt has a token of its own: %v", tokens)
	}
}

func TestLostConflictIsUnavailable(t *testing.T) {
	var answers []answer
	for range attempts {
		answers = append(answers, cancelled(reason("TransactionConflict"), reason("None")))
	}
	wants(t, answering(t, answers...).engine.Write(t.Context(), two()...), loyalty.KindUnavailable, "conflict")
	answers = nil
	for range attempts {
		answers = append(answers, fault("TransactionConflictException", ""))
	}
	wants(t, answering(t, answers...).engine.Write(t.Context(), table.Delete(keyA)), loyalty.KindUnavailable, "conflict")
}

func TestConditionWinsOverConflict(t *testing.T) {
	s := answering(t, cancelled(
		`{"Code":"ConditionalCheckFailed","Message":"no","Item":{"pk":{"S":"a"},"sk":{"S":"1"},"n":{"N":"7"},"t":{"S":"x"}}}`,
		reason("TransactionConflict"),
	))
	usage := table.Usage{}
	err := s.engine.Write(table.WithUsage(t.Context(), &usage), two()...)
	refusal, ok := errors.AsType[*table.ConditionError](err)
	if !ok || len(refusal.Failed) != 1 || refusal.FailedAt(0) == nil || refusal.FailedAt(1) != nil {
		t.Fatalf("got %v", err)
	}
	old := refusal.Failed[0].Old
	if old == nil || old.Key != keyA || old.Int("n") != 7 || old.Text("t") != "x" {
		t.Errorf("old item %v", old)
	}
	if want := (table.Usage{WriteUnits: 4, RoundTrips: 1}); usage != want {
		t.Errorf("usage %+v, want %+v", usage, want)
	}
}

func TestErrorsOfWrites(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer answer
		kind   loyalty.Kind
		code   string
	}{
		{"throttled table", fault("ProvisionedThroughputExceededException", ""), loyalty.KindUnavailable, "throttled"},
		{"throttled request", fault("ThrottlingException", ""), loyalty.KindUnavailable, "throttled"},
		{"too many requests", fault("RequestLimitExceeded", ""), loyalty.KindUnavailable, "throttled"},
		{"their fault", answer{500, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}`}, loyalty.KindUnavailable, "throttled"},
		{"throttled in a transaction", cancelled(reason("None"), reason("ThrottlingError")), loyalty.KindUnavailable, "throttled"},
		{"no throughput in a transaction", cancelled(reason("ProvisionedThroughputExceeded"), reason("None")), loyalty.KindUnavailable, "throttled"},
		{"too large", fault("ValidationException", `,"message":"Item size to update has exceeded the maximum allowed size"`), loyalty.KindInvalid, "item_too_large"},
		{"no number, in a transaction", cancelled(reason("ThrottlingError"), `{"Code":"ValidationError","Message":"An operand in the update expression has an incorrect data type"}`), loyalty.KindInvalid, "not_a_number"},
		{"refused for a reason unknown here", fault("ValidationException", `,"message":"new"`), loyalty.KindInvalid, "refused_by_table"},
		{"no such table", fault("ResourceNotFoundException", ""), loyalty.KindInternal, "table_failed"},
		{"no right", fault("AccessDeniedException", ""), loyalty.KindInternal, "table_failed"},
		{"cancelled for no reason", cancelled(reason("None"), reason("None")), loyalty.KindInternal, "table_failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wants(t, answering(t, test.answer).engine.Write(t.Context(), two()...), test.kind, test.code)
		})
	}
}

func TestNoAnswerIsATimeout(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	engine := New(client(server.URL), "huitou")
	wants(t, engine.Write(t.Context(), two()...), loyalty.KindUnavailable, "timeout")
	_, err := engine.Get(t.Context(), table.Strong, keyA)
	wants(t, err, loyalty.KindUnavailable, "timeout")
}

func TestDeadlineDuringACall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees the client go
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	wants(t, New(client(server.URL), "huitou").Write(ctx, two()...), loyalty.KindUnavailable, "timeout")
}

func TestPauseEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wants(t, pause(ctx, 10), loyalty.KindUnavailable, "timeout")
}

func TestUnprocessedKeysAreAskedForAgain(t *testing.T) {
	a, b := `{"pk":{"S":"a"},"sk":{"S":"1"}}`, `{"pk":{"S":"b"},"sk":{"S":"1"}}`
	left := func(keys string) string { return `"UnprocessedKeys":{"huitou":{"Keys":[` + keys + `]}}` }
	s := answering(t,
		answer{200, `{"Responses":{"huitou":[` + b + `]},"ConsumedCapacity":[{"TableName":"huitou","CapacityUnits":1}],` + left(a) + `}`},
		answer{200, `{"Responses":{"huitou":[]},` + left(a) + `}`},
		answer{200, `{"Responses":{"huitou":[` + a + `]},"ConsumedCapacity":[{"TableName":"huitou","CapacityUnits":1}]}`},
	)
	usage := table.Usage{}
	items, err := s.engine.Get(table.WithUsage(t.Context(), &usage), table.Strong, keyA, keyB)
	if err != nil {
		t.Fatal(err)
	}
	if items[0] == nil || items[0].Key != keyA || items[1] == nil || items[1].Key != keyB {
		t.Errorf("items %v", items)
	}
	if want := (table.Usage{ReadUnits: 2, RoundTrips: 3}); usage != want {
		t.Errorf("usage %+v, want %+v", usage, want)
	}
	if diff := cmp.Diff([]int{0}, s.pauses); diff != "" {
		t.Errorf("it pauses only where nothing came: %s", diff)
	}
	for i, request := range s.requests {
		if read, _ := request["RequestItems"].(map[string]any)["huitou"].(map[string]any); read["ConsistentRead"] != true {
			t.Errorf("request %d is not strong", i)
		}
	}
}

func TestUnprocessedKeysForEver(t *testing.T) {
	var answers []answer
	for range attempts {
		answers = append(answers, answer{200, `{"UnprocessedKeys":{"huitou":{"Keys":[{"pk":{"S":"a"},"sk":{"S":"1"}},{"pk":{"S":"b"},"sk":{"S":"1"}}]}}}`})
	}
	_, err := answering(t, answers...).engine.Get(t.Context(), table.Strong, keyA, keyB)
	wants(t, err, loyalty.KindUnavailable, "throttled")
}

func TestForeignItems(t *testing.T) {
	for name, item := range map[string]string{
		"a fraction":      `{"pk":{"S":"a"},"sk":{"S":"1"},"n":{"N":"1.5"}}`,
		"a large number":  `{"pk":{"S":"a"},"sk":{"S":"1"},"n":{"N":"9223372036854775808"}}`,
		"a boolean":       `{"pk":{"S":"a"},"sk":{"S":"1"},"n":{"BOOL":true}}`,
		"a list":          `{"pk":{"S":"a"},"sk":{"S":"1"},"n":{"L":[]}}`,
		"a key less item": `{"pk":{"S":"a"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answering(t, answer{200, `{"Item":` + item + `}`}).engine.Get(t.Context(), table.Strong, keyA)
			wants(t, err, loyalty.KindInternal, "foreign_item")
		})
	}
}

// TestCalls pins the call that each write makes and the words in it.
func TestCalls(t *testing.T) {
	key := map[string]any{"pk": map[string]any{"S": "a"}, "sk": map[string]any{"S": "1"}}
	for _, test := range []struct {
		name   string
		action table.Action
		target string
		want   map[string]any
	}{
		{"put", table.Put(table.Item{Key: keyA}, table.Absent()), "PutItem", map[string]any{
			"Item": key, "ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD", "ReturnConsumedCapacity": "INDEXES",
		}},
		{"update", table.Update(keyA, []table.Change{table.Set("a", table.String("x")), table.Add("b", -2), table.Remove("c"), table.SetIfMissing("d", table.Number(4))}, table.MissingOrAtMost("b", table.Number(9)), table.Exists()), "UpdateItem", map[string]any{
			"Key":                 key,
			"UpdateExpression":    "SET #0 = :0, #3 = if_not_exists(#3, :2) ADD #1 :1 REMOVE #2",
			"ConditionExpression": "(attribute_not_exists(#1) OR #1 <= :3) AND attribute_exists(pk)",
			"ExpressionAttributeNames": map[string]any{
				"#0": "a", "#1": "b", "#2": "c", "#3": "d",
			},
			"ExpressionAttributeValues": map[string]any{
				":0": map[string]any{"S": "x"}, ":1": map[string]any{"N": "-2"}, ":2": map[string]any{"N": "4"}, ":3": map[string]any{"N": "9"},
			},
			"ReturnValuesOnConditionCheckFailure": "ALL_OLD", "ReturnConsumedCapacity": "INDEXES",
		}},
		{"delete", table.Delete(keyA), "DeleteItem", map[string]any{
			"Key": key, "ReturnValuesOnConditionCheckFailure": "ALL_OLD", "ReturnConsumedCapacity": "INDEXES",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := answering(t, answer{200, `{}`})
			if err := s.engine.Write(t.Context(), test.action); err != nil {
				t.Fatal(err)
			}
			test.want["TableName"] = "huitou"
			if diff := cmp.Diff(test.want, s.requests[0]); diff != "" || s.targets[0] != test.target {
				t.Errorf("%s (-want +got): %s", s.targets[0], diff)
			}
		})
	}
	s := answering(t, answer{200, `{}`})
	if err := s.engine.Write(t.Context(), table.Check(keyA, table.Equals("n", table.Number(1)))); err != nil {
		t.Fatal(err)
	}
	if s.targets[0] != "TransactWriteItems" {
		t.Errorf("a check alone is a %s", s.targets[0])
	}
}
