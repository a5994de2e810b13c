package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// toy is a template with one function of each kind.
const toy = `
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Greeting: {Type: String, Default: hello}
Conditions:
  InChina: !Equals [!Ref AWS::Partition, aws-cn]
Globals:
  Function:
    Timeout: 10
    Environment: {Variables: {SHARED: yes}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
  WorkQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt WorkDeadQueue.Arn, maxReceiveCount: 3}
  WorkDeadQueue:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: 1209600}
  TickDeadQueue:
    Type: AWS::SQS::Queue
  Greet:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          GREETING: !Ref Greeting
          WORK_QUEUE_URL: !Ref WorkQueue
          PARAMETER: !Sub "/${AWS::StackName}/key"
          WHERE: !If [InChina, china, !Sub "arn:${AWS::Partition}:x:${WorkQueue.Arn}"]
      Events:
        Page: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/c/{code}"}}
        Otherwise: {Type: HttpApi, Properties: {ApiId: !Ref Api}}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt WorkQueue.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 2}
  Tick:
    Type: AWS::Serverless::Function
    Properties:
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt TickDeadQueue.Arn}}
      Events:
        Hourly:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: cron(5 * * * ? *)
            ScheduleExpressionTimezone: Asia/Shanghai
            Input: '{"time":"<aws.scheduler.scheduled-time>"}'
        Daily:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: cron(0 9 * * ? *)
            ScheduleExpressionTimezone: Asia/Shanghai
            Input: '{"time":"<aws.scheduler.scheduled-time>"}'
`

// stage is a stack whose functions a test gives, by name; the others do
// nothing.
type stage struct {
	*Stack
	environments map[string]Environment
	log          *output
}

// record is what functions did, in their order.
type record[T any] struct {
	mu   sync.Mutex
	list []T
}

func (r *record[T]) add(value T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, value)
}

// take empties the record.
func (r *record[T]) take() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.list
	r.list = nil
	return taken
}

// output is a log that is read while it is written.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func open(t *testing.T, text string, engine table.Table, handlers map[string]Handler) stage {
	t.Helper()
	made, err := tryOpen(text, engine, handlers)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func tryOpen(text string, engine table.Table, handlers map[string]Handler) (stage, error) {
	made := stage{environments: map[string]Environment{}, log: &output{}}
	builders := map[string]Builder{}
	for _, name := range []string{"Greet", "Work", "Tick"} {
		builders[name] = func(env Environment) (Handler, error) {
			made.environments[name] = env
			if handler, ok := handlers[name]; ok {
				return handler, nil
			}
			return Do(func(context.Context, any) error { return nil }), nil
		}
	}
	var err error
	made.Stack, err = Open(Config{
		Template: []byte(text), Builders: builders, Queues: engine,
		Log: slog.New(slog.NewTextHandler(made.log, nil)),
	})
	return made, err
}

func (s stage) close(t *testing.T) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func (s stage) send(t *testing.T, bodies ...string) {
	t.Helper()
	sender, err := s.environments["Greet"].Queue("WORK_QUEUE_URL")
	if err != nil {
		t.Fatal(err)
	}
	messages := make([][]byte, len(bodies))
	for i, body := range bodies {
		messages[i] = []byte(body)
	}
	if err := sender.Send(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
}

// state of a queue as "visible/in flight".
func (s stage) state(name string) string {
	for _, q := range s.Queues() {
		if q.Name == name {
			return fmt.Sprintf("%d/%d", q.Visible, q.InFlight)
		}
	}
	return "no such queue"
}

// perMessage makes a handler that answers ReportBatchItemFailures.
func perMessage(f func(events.SQSMessage) error) Handler {
	return Call(func(_ context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		var response events.SQSEventResponse
		for _, record := range event.Records {
			if err := f(record); err != nil {
				response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
			}
		}
		return response, nil
	})
}

// ticks makes a handler of schedules.
func ticks(f func(schedule.Tick) error) Handler {
	return Do(func(_ context.Context, tick schedule.Tick) error { return f(tick) })
}

var errPlanned = errors.New("planned")

func TestEnvironment(t *testing.T) {
	s := open(t, toy, embedded.Memory(), nil)
	got := s.environments["Greet"].Variables
	for name, want := range map[string]string{
		"SHARED": "yes", "GREETING": "hello", "WORK_QUEUE_URL": "local:WorkQueue",
		"PARAMETER": "/local/key", "WHERE": "arn:aws:x:local:WorkQueue",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	if len(got) != 5 {
		t.Errorf("variables %v: more than the template gives", got)
	}
	if _, err := s.environments["Work"].Queue("WORK_QUEUE_URL"); err == nil {
		t.Error("a function without the variable can send")
	}
}

// Each change makes the template say something that cannot run here, or not
// as on AWS.
func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"unknown event":         {"Type: SQS\n", "Type: SNS\n", `event type "SNS" is not known here`},
		"unknown resource":      {"Type: AWS::Serverless::HttpApi", "Type: AWS::Serverless::Api", "resource type AWS::Serverless::Api is not known here"},
		"unknown intrinsic":     {"GREETING: !Ref Greeting", "GREETING: !ImportValue Greeting", "!ImportValue: an unknown intrinsic"},
		"unknown reference":     {"GREETING: !Ref Greeting", "GREETING: !Ref Farewell", "no parameter or resource Farewell"},
		"unknown condition":     {"!If [InChina", "!If [InFrance", "no condition InFrance"},
		"unknown property":      {"            BatchSize: 10", "            FilterCriteria: {}", `unknown field "FilterCriteria"`},
		"fifo":                  {"      VisibilityTimeout: 60", "      FifoQueue: true", `unknown field "FifoQueue"`},
		"no value":              {"{Type: String, Default: hello}", "{Type: String}", "parameter Greeting has no default"},
		"no dead queue":         {"!GetAtt WorkDeadQueue.Arn, max", "!GetAtt Work.Arn, max", "its dead-letter queue Work is not another queue"},
		"own dead queue":        {"!GetAtt WorkDeadQueue.Arn, max", "!GetAtt WorkQueue.Arn, max", "its dead-letter queue WorkQueue is not another queue"},
		"receive count":         {"maxReceiveCount: 3", "maxReceiveCount: 0", "maxReceiveCount is at least 1"},
		"reads no queue":        {"Queue: !GetAtt WorkQueue.Arn", "Queue: !GetAtt Greet.Arn", "reads Greet, which is no queue"},
		"visibility":            {"VisibilityTimeout: 60", "VisibilityTimeout: 9", "visibility timeout 9s is under the timeout 10s"},
		"failure destination":   {"Destination: !GetAtt TickDeadQueue.Arn", "Destination: !GetAtt Tick.Arn", "failure destination Tick is no queue"},
		"method":                {"Method: GET", "Method: FETCH", `method "FETCH" is not known here`},
		"path":                  {`Path: "/c/{code}"`, `Path: "/c/{code+}/x"`, `"{code+}" is no segment`},
		"same route":            {"Otherwise: {Type: HttpApi, Properties: {ApiId: !Ref Api}}", `Again: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/c/{other}"}}`, "stands in Greet and Greet"},
		"expression":            {"cron(5 * * * ? *)", "at(2026-11-21T10:00:00)", "is not known here"},
		"year":                  {"cron(5 * * * ? *)", "cron(5 * * * ? 2027)", "is not known here"},
		"two days":              {"cron(5 * * * ? *)", "cron(5 * 1 * 1 *)", "is not known here"},
		"zone":                  {"ScheduleExpressionTimezone: Asia/Shanghai", "ScheduleExpressionTimezone: Asia/Shangri-La", "unknown time zone"},
		"response type":         {"[ReportBatchItemFailures]", "[ReportEverything]", `response type "ReportEverything"`},
		"concurrency":           {"{MaximumConcurrency: 2}", "{MaximumConcurrency: 1}", "at least 2"},
		"handler too many":      {"  Greet:\n", "  Welcome:\n", "a handler for Greet, which the template does not have"},
		"function too many":     {"  Greet:\n", "  Welcome:\n", "no handler for function Welcome"},
		"property stands twice": {"            BatchSize: 10", "            BatchSize: 10\n            BatchSize: 5", "BatchSize"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(toy, c.from, c.to, 1)
			if text == toy {
				t.Fatal("the change changes nothing")
			}
			_, err := tryOpen(text, embedded.Memory(), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

func TestBuilderError(t *testing.T) {
	_, err := Open(Config{Template: []byte(toy), Queues: embedded.Memory(), Builders: map[string]Builder{
		"Greet": func(Environment) (Handler, error) { return nil, errPlanned },
	}})
	if !errors.Is(err, errPlanned) || !strings.Contains(err.Error(), "Greet") {
		t.Errorf("got %v", err)
	}
}

func realTemplate(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The stack understands all of our own template.
func TestOurTemplate(t *testing.T) {
	environments := map[string]Environment{}
	builders := map[string]Builder{}
	for _, name := range []string{
		"ReceiveOrders", "ConvertOrders", "RedeemCard", "Members", "Operate",
		"RunCampaigns", "IssueCoupons", "RemindRepurchase", "SettlePoints", "SendMessages", "WelcomeFriends", "PayPrizes",
	} {
		builders[name] = func(env Environment) (Handler, error) {
			environments[name] = env
			return func(context.Context, []byte) ([]byte, error) {
				return json.Marshal(map[string]string{"function": name})
			}, nil
		}
	}
	s, err := Open(Config{Template: realTemplate(t), Builders: builders, Queues: embedded.Memory(), Parameters: map[string]string{"PublicUrl": "http://127.0.0.1:8080"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := environments["Operate"].Variables["PUBLIC_URL"]; got != "http://127.0.0.1:8080" {
		t.Errorf("PUBLIC_URL = %q", got)
	}
	if got := environments["ReceiveOrders"].Variables["TABLE_NAME"]; got != "" {
		t.Errorf("ReceiveOrders has the table: %q", got)
	}
	if got := environments["ConvertOrders"].Variables["TABLE_NAME"]; got != "local:Table" {
		t.Errorf("TABLE_NAME = %q", got)
	}
	for name, env := range environments {
		for variable := range env.Variables {
			var sender queue.Sender
			if strings.HasSuffix(variable, "_QUEUE_URL") {
				if sender, err = env.Queue(variable); err != nil || sender == nil {
					t.Errorf("%s: %s: %v", name, variable, err)
				}
			}
		}
	}
	for request, want := range map[string]string{
		"POST /hooks/orders/generic": "ReceiveOrders",
		"GET /c/ABC":                 "RedeemCard",
		"GET /C/ABC":                 "RedeemCard",
		"POST /C/ABC/redemption":     "RedeemCard",
		"GET /hooks/orders/generic":  "ReceiveOrders",
		"PUT /c/ABC":                 "RedeemCard",
		"GET /v1/me":                 "Members",
		"DELETE /v1/me":              "Members",
		"POST /v1/me/orders":         "Members",
		"GET /v1/members/1":          "Operate",
		"GET /v1/melon":              "Operate",
		"GET /healthz":               "Operate",
		"GET /console":               "Operate",
		"GET /console/cards/1":       "Operate",
		"GET /_local":                "Operate",
		"GET /":                      "Operate",
		"POST /hooks/orders/a/b":     "Operate",
	} {
		method, path, _ := strings.Cut(request, " ")
		got, _, ok := find(s.routes, method, path)
		if !ok || got.function != want {
			t.Errorf("%s goes to %s (%s), want %s", request, got.function, got.key, want)
		}
	}
	if got := strings.Join(s.Schedules(), " "); got != "RemindRepurchase/Hourly RunCampaigns/EveryMinute SettlePoints/Hourly" {
		t.Errorf("schedules: %s", got)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// waitFor a value that a function sends; a hang is a failure of the test.
func waitFor[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
