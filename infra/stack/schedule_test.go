package stack

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

func TestExpressions(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 21, 10, 0, 0, 0, shanghai) // a Saturday
	for expression, want := range map[string]string{
		"cron(* * * * ? *)":       "2026-11-21T10:01:00+08:00",
		"cron(5 * * * ? *)":       "2026-11-21T10:05:00+08:00",
		"cron(0 9 * * ? *)":       "2026-11-22T09:00:00+08:00",
		"cron(0/10 8-20 * * ? *)": "2026-11-21T10:10:00+08:00",
		"cron(0 9 1 * ? *)":       "2026-12-01T09:00:00+08:00",
		"cron(0 9 ? * 2 *)":       "2026-11-23T09:00:00+08:00",
		"cron(0 9 ? * MON-FRI *)": "2026-11-23T09:00:00+08:00",
		"cron(0 9 ? * 1,7 *)":     "2026-11-22T09:00:00+08:00",
		"rate(1 minute)":          "2026-11-21T10:01:00+08:00",
		"rate(7 hours)":           "",
		"rate(1 day)":             "2026-11-22T00:00:00+08:00",
	} {
		next, err := parseExpression(expression, shanghai)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		at := next(from)
		if want != "" && at.In(shanghai).Format(time.RFC3339) != want {
			t.Errorf("%s: %s, want %s", expression, at.In(shanghai).Format(time.RFC3339), want)
		}
		if again := next(at.Add(-time.Nanosecond)); !again.Equal(at) || !next(at).After(at) {
			t.Errorf("%s: %s then %s", expression, at, again)
		}
	}
	for _, expression := range []string{"", "cron()", "cron(* * * * *)", "cron(* * * * * *)", "cron(* * ? * ? *)", "cron(0 9 L * ? *)", "cron(0 9 ? * 2#1 *)", "cron(0 9 ? * 8 *)", "rate(0 minutes)", "rate(1 fortnight)", "rate(-1 hour)", "at(2026-11-21T10:00:00)", "cron(61 * * * ? *)", "cron(* * * * ? *"} {
		if _, err := parseExpression(expression, shanghai); err == nil {
			t.Errorf("%q is taken", expression)
		}
	}
}

// Left alone, the schedules follow the machine's clock.
func TestSchedulesFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01T08:00:00+08:00
		var fired record[string]
		s := open(t, toy, embedded.Memory(), map[string]Handler{"Tick": ticks(func(tick schedule.Tick) error {
			fired.add(tick.Time.UTC().Format("15:04:05") + " at " + time.Now().UTC().Format("15:04:05"))
			return nil
		})})
		s.Start()
		time.Sleep(65 * time.Minute)
		synctest.Wait()
		s.close(t)
		want := []string{"00:05:00 at 00:05:00", "01:00:00 at 01:00:00", "01:05:00 at 01:05:00"}
		if diff := cmp.Diff(want, fired.take()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(2 * time.Hour)
		if len(fired.take()) != 0 {
			t.Error("a schedule fired after Close")
		}
	})
}

// Moving the clock fires what lies between, once each, in order and at its own
// time, and works off the messages of each before the next.
func TestSetClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var history record[string]
		var s stage
		note := func(what string) { history.add(s.Now().UTC().Format("02T15:04") + " " + what) }
		s = open(t, toy, embedded.Memory(), map[string]Handler{
			"Tick": ticks(func(tick schedule.Tick) error {
				note("tick " + tick.Time.UTC().Format("02T15:04"))
				if tick.Time.Minute() == 0 {
					s.send(t, "job")
				}
				return nil
			}),
			"Work": perMessage(func(m events.SQSMessage) error { note(m.Body); return nil }),
		})
		s.Start()
		defer s.close(t)
		begin := s.Now()
		fired, err := s.SetClock(t.Context(), begin.Add(2*time.Hour+6*time.Minute))
		if err != nil || fired != 4 {
			t.Errorf("fired %d, %v", fired, err)
		}
		want := []string{"01T00:05 tick 01T00:05", "01T01:00 tick 01T01:00", "01T01:00 job", "01T01:05 tick 01T01:05", "01T02:05 tick 01T02:05"}
		if diff := cmp.Diff(want, history.take()); diff != "" {
			t.Error(diff)
		}
		if got := s.Now().Sub(begin); got != 2*time.Hour+6*time.Minute {
			t.Errorf("the clock stands %s later", got)
		}
		time.Sleep(time.Hour) // it runs on
		synctest.Wait()
		if diff := cmp.Diff([]string{"01T03:05 tick 01T03:05"}, history.take()); diff != "" {
			t.Error(diff)
		}
		// Back: nothing fires until its time comes again.
		if fired, err := s.SetClock(t.Context(), begin); fired != 0 || err != nil || !s.Now().Equal(begin) {
			t.Errorf("back: fired %d, %v, %s", fired, err, s.Now())
		}
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"01T00:05 tick 01T00:05"}, history.take()); diff != "" {
			t.Error(diff)
		}
		before := s.Now()
		if _, err := s.SetClock(t.Context(), before.Add(801*24*time.Hour)); loyalty.KindOf(err) != loyalty.KindInvalid || !s.Now().Equal(before) {
			t.Errorf("too far: %v", err)
		}
	})
}

// A clock on its way stops when the stack closes or the caller leaves.
func TestSetClockEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, toy, embedded.Memory(), map[string]Handler{"Tick": ticks(func(schedule.Tick) error {
			time.Sleep(time.Second)
			return nil
		})})
		s.Start()
		begin := s.Now()
		brief, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
		defer cancel()
		if fired, err := s.SetClock(brief, begin.Add(700*24*time.Hour)); fired != 5 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller left: fired %d, %v", fired, err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := s.SetClock(t.Context(), begin.Add(700*24*time.Hour))
			done <- err
		}()
		time.Sleep(2500 * time.Millisecond)
		s.close(t)
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the stack closed: %v", err)
		}
		if s.Now().Sub(begin) > 24*time.Hour {
			t.Errorf("the clock stands at %s", s.Now())
		}
	})
}

// Moving the clock neither expires a message nor ends a visibility.
func TestClockLeavesQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		s := open(t, toy, embedded.Memory(), map[string]Handler{"Work": perMessage(func(events.SQSMessage) error { tries.Add(1); return errPlanned })})
		s.Start()
		defer s.close(t)
		s.send(t, "failing")
		synctest.Wait()
		if _, err := s.SetClock(t.Context(), s.Now().Add(30*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := s.state("WorkQueue"); got != "0/1" || tries.Load() != 1 {
			t.Errorf("queue %s, %d tries", got, tries.Load())
		}
	})
}

// A firing that fails is tried again with its own time, then kept.
func TestScheduleFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fired record[string]
		s := open(t, toy, embedded.Memory(), map[string]Handler{"Tick": ticks(func(tick schedule.Tick) error {
			fired.add(time.Now().UTC().Format("15:04") + " for " + tick.Time.UTC().Format("15:04"))
			return errPlanned
		})})
		s.Start()
		defer s.close(t)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"00:05 for 00:05", "00:06 for 00:05"}, fired.take()); diff != "" {
			t.Error(diff)
		}
		dead, err := s.Messages("TickDeadQueue", 10)
		if err != nil || len(dead) != 1 || !strings.Contains(string(dead[0].Body), `"requestPayload":{"time":"2000-01-01T00:05:00Z"}`) || strings.Contains(string(dead[0].Body), "planned") {
			t.Errorf("dead: %+v, %v", dead, err)
		}
	})
}

func TestFire(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	var got time.Time
	s := open(t, toy, embedded.Memory(), map[string]Handler{"Tick": ticks(func(tick schedule.Tick) error {
		got = tick.Time
		if got.Year() == 1999 {
			return errPlanned
		}
		return nil
	})})
	if err := s.Fire(t.Context(), "Tick/Hourly", at); err != nil || !got.Equal(at) {
		t.Errorf("fired %s, %v", got, err)
	}
	if err := s.Fire(t.Context(), "Tick/Hourly", at.AddDate(-27, 0, 0)); !errors.Is(err, errPlanned) {
		t.Errorf("a failure is not told: %v", err)
	}
	if err := s.Fire(t.Context(), "Tick/Yearly", at); loyalty.KindOf(err) != loyalty.KindNotFound {
		t.Errorf("unknown: %v", err)
	}
}

func TestControl(t *testing.T) {
	var fired []string
	s := open(t, toy, embedded.Memory(), map[string]Handler{"Tick": ticks(func(tick schedule.Tick) error {
		fired = append(fired, tick.Time.UTC().Format(time.RFC3339))
		if tick.Time.Year() == 1999 {
			return errPlanned
		}
		return nil
	})})
	control := s.Control()
	begin := s.Now()
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		want                       string
	}{
		{"list", "GET", "/_local", "", 200, `"schedules":["Tick/Daily","Tick/Hourly"]`},
		{"fire", "POST", "/_local/schedules/Tick/Hourly?time=2026-11-21T10:00:00%2B08:00", "", 200, `"fired":"Tick/Hourly"`},
		{"fire now", "POST", "/_local/schedules/Tick/Hourly", "", 200, `"fired":"Tick/Hourly"`},
		{"fire badly", "POST", "/_local/schedules/Tick/Hourly?time=today", "", 400, `{"pointer":"time","code":"invalid_time"}`},
		{"fire without", "POST", "/_local/schedules/Tick/Hourly?time=", "", 400, `{"pointer":"time","code":"invalid_time"}`},
		{"fire nothing", "POST", "/_local/schedules/Tick/Yearly", "", 404, `no_such_schedule`},
		{"fire in vain", "POST", "/_local/schedules/Tick/Hourly?time=1999-11-21T10:00:00Z", "", 500, `"title":"Internal error"`},
		{"no body", "POST", "/_local/clock", "", 400, `invalid_json`},
		{"null", "POST", "/_local/clock", "null", 400, `invalid_json`},
		{"no JSON", "POST", "/_local/clock", "now", 400, `invalid_json`},
		{"no now", "POST", "/_local/clock", "{}", 400, `{"pointer":"/now","code":"required"}`},
		{"bad now", "POST", "/_local/clock", `{"now":"tomorrow"}`, 400, `{"pointer":"/now","code":"invalid_time"}`},
		{"no zone", "POST", "/_local/clock", `{"now":"2026-11-21T10:00:00"}`, 400, `{"pointer":"/now","code":"invalid_time"}`},
		{"too far", "POST", "/_local/clock", `{"now":"8999-01-01T00:00:00Z"}`, 400, `{"pointer":"/now","code":"out_of_range"}`},
		{"unknown field", "POST", "/_local/clock", `{"now":"2026-11-21T10:00:00Z","then":1}`, 400, `invalid_json`},
		{"two bodies", "POST", "/_local/clock", `{"now":"2026-11-21T10:00:00Z"}{}`, 400, `invalid_json`},
	} {
		recorder := httptest.NewRecorder()
		control.ServeHTTP(recorder, httptest.NewRequest(c.method, c.target, strings.NewReader(c.body)))
		kind := "application/json"
		if c.status >= 400 {
			kind = "application/problem+json; charset=utf-8"
		}
		if recorder.Code != c.status || !strings.Contains(recorder.Body.String(), c.want) || recorder.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %d %s %s", c.name, recorder.Code, recorder.Header().Get("Content-Type"), recorder.Body)
		}
		if strings.Contains(recorder.Body.String(), "planned") {
			t.Errorf("%s: the answer holds an internal text", c.name)
		}
	}
	if len(fired) != 3 || fired[0] != "2026-11-21T02:00:00Z" {
		t.Errorf("fired %v", fired)
	}
	if since := s.Now().Sub(begin); since < 0 || since > time.Hour {
		t.Errorf("a refusal moved the clock by %s", since)
	}
	recorder := httptest.NewRecorder()
	to := begin.Add(48 * time.Hour)
	control.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/_local/clock", strings.NewReader(`{"now":"`+to.Format(time.RFC3339)+`"}`)))
	if recorder.Code != 200 || !strings.Contains(recorder.Body.String(), `"fired":5`) || s.Now().Before(to.Truncate(time.Second)) {
		t.Errorf("clock: %d %s", recorder.Code, recorder.Body)
	}
}

func TestRestrict(t *testing.T) {
	text := toy + `
  Table:
    Type: AWS::DynamoDB::Table
  WorkRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: Work
          PolicyDocument:
            Statement:
              - {Sid: Logs, Effect: Allow, Action: logs:PutLogEvents, Resource: x}
              - Sid: Table
                Effect: Allow
                Action: [dynamodb:GetItem, dynamodb:Query, dynamodb:PutItem, dynamodb:ConditionCheckItem]
                Resource: [!GetAtt Table.Arn, !Sub "${Table.Arn}/index/member"]
                Condition:
                  ForAllValues:StringLike: {"dynamodb:LeadingKeys": ["M#*", "P"]}
                  "Null": {"dynamodb:LeadingKeys": "false"}
`
	text = strings.Replace(text, "  Work:\n    Type: AWS::Serverless::Function\n    Properties:\n", "  Work:\n    Type: AWS::Serverless::Function\n    Properties:\n      Role: !GetAtt WorkRole.Arn\n      Environment: {Variables: {TABLE_NAME: !Ref Table}}\n", 1)
	engine := embedded.Memory()
	s := open(t, text, embedded.Memory(), nil)
	ctx := t.Context()
	restricted := s.environments["Work"].Restrict(engine, "TABLE_NAME")
	member, program, card := table.Key{PK: "M#1", SK: "A"}, table.Key{PK: "P", SK: "V"}, table.Key{PK: "C#13800000000", SK: "A"}
	for name, c := range map[string]struct {
		call func(table.Table) error
		ok   bool
	}{
		"get":       {func(t table.Table) error { _, err := t.Get(ctx, table.Strong, member); return err }, true},
		"get exact": {func(t table.Table) error { _, err := t.Get(ctx, table.Strong, program); return err }, true},
		"get two":   {func(t table.Table) error { _, err := t.Get(ctx, table.Strong, member, program); return err }, false},
		"get other": {func(t table.Table) error { _, err := t.Get(ctx, table.Strong, card); return err }, false},
		"get longer": {func(t table.Table) error {
			_, err := t.Get(ctx, table.Strong, table.Key{PK: "PX", SK: "A"})
			return err
		}, false},
		"query": {func(t table.Table) error { _, err := t.Query(ctx, table.Query{PK: "M#1", Limit: 1}); return err }, true},
		"query index": {func(t table.Table) error {
			_, err := t.Query(ctx, table.Query{Index: "member", PK: "M#1", Limit: 1})
			return err
		}, true},
		"query other": {func(t table.Table) error {
			_, err := t.Query(ctx, table.Query{Index: "remind", PK: "M#1", Limit: 1})
			return err
		}, false},
		"scan": {func(t table.Table) error { _, err := t.Scan(ctx, table.Scan{Segments: 1, Limit: 1}); return err }, false},
		"put and check": {func(t table.Table) error {
			return t.Write(ctx, table.Put(table.Item{Key: member}), table.Check(program, table.Absent()))
		}, true},
		"put other": {func(t table.Table) error { return t.Write(ctx, table.Put(table.Item{Key: card})) }, false},
		"delete":    {func(t table.Table) error { return t.Write(ctx, table.Delete(member)) }, false},
		"one of two": {func(t table.Table) error {
			return t.Write(ctx, table.Put(table.Item{Key: program}), table.Put(table.Item{Key: card}))
		}, false},
		"no role at all": {func(table.Table) error {
			_, err := s.environments["Tick"].Restrict(engine, "TABLE_NAME").Get(ctx, table.Strong, member)
			return err
		}, false},
	} {
		err := c.call(restricted)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, errDenied) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "13800000000") {
			t.Errorf("%s: the error holds the key: %v", name, err)
		}
	}
	if items, err := engine.Get(ctx, table.Strong, program, card); err != nil || items[0] != nil || items[1] != nil {
		t.Errorf("a refused write left something: %v, %v", items, err)
	}
}
