package stack

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/infra/stack/template"
)

// plan is what the template asks for.
type plan struct {
	functions []*function
	routes    []route
	cors      *cors
	queues    []queueSettings
	sources   []source
	schedules []recurrence
}

// inert are the resource types that need nothing in one process. One that
// stands neither here nor in read is an error: it might do something on AWS
// that nobody would see here.
var inert = []string{
	"AWS::ApiGatewayV2::ApiMapping",
	"AWS::ApiGatewayV2::DomainName",
	"AWS::CloudWatch::Alarm",
	"AWS::DynamoDB::Table",
	"AWS::IAM::Role",
	"AWS::Logs::LogGroup",
	"AWS::Logs::MetricFilter",
}

func read(t *template.Template) (plan, error) {
	var p plan
	var problems []error
	for _, resource := range t.Resources("") {
		var err error
		switch {
		case resource.Type == "AWS::Serverless::Function":
			err = p.function(t, resource)
		case resource.Type == "AWS::Serverless::HttpApi":
			err = p.api(t, resource)
		case resource.Type == "AWS::SQS::Queue":
			err = p.queue(t, resource)
		case !slices.Contains(inert, resource.Type):
			err = fmt.Errorf("resource type %s is not known here", resource.Type)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("stack: template:%d: %s: %w", resource.Line, resource.Name, err))
		}
	}
	if len(problems) == 0 {
		problems = append(problems, p.check()...)
	}
	return p, errors.Join(problems...)
}

func (p *plan) function(t *template.Template, resource template.Resource) error {
	properties, err := t.Function(resource)
	if err != nil {
		return err
	}
	var settings struct {
		Timeout     template.Int
		Environment struct{ Variables map[string]any }
		Role        string
		Events      map[string]struct {
			Type       string
			Properties any
		}
		EventInvokeConfig *struct {
			MaximumRetryAttempts *template.Int
			DestinationConfig    struct {
				OnFailure struct{ Type, Destination string }
			}
		}
	}
	if err := template.Decode(properties, &settings, false); err != nil {
		return err
	}
	f := &function{
		name: resource.Name, timeout: 3 * time.Second, variables: map[string]string{},
		retries: 2, // Lambda's own default for asynchronous calls
	}
	if settings.Timeout > 0 {
		f.timeout = time.Duration(settings.Timeout) * time.Second
	}
	for name, value := range settings.Environment.Variables {
		if value != nil {
			f.variables[name] = fmt.Sprint(value)
		}
	}
	if invoke := settings.EventInvokeConfig; invoke != nil {
		if invoke.MaximumRetryAttempts != nil {
			f.retries = int(*invoke.MaximumRetryAttempts)
		}
		if failure := invoke.DestinationConfig.OnFailure; failure.Destination != "" {
			if failure.Type != "SQS" {
				return fmt.Errorf("a failure destination of type %q is not known here", failure.Type)
			}
			f.onFailure = strings.TrimPrefix(failure.Destination, reference(""))
		}
	}
	if f.grants, err = grants(t, settings.Role); err != nil {
		return err
	}
	p.functions = append(p.functions, f)
	for name, event := range settings.Events {
		var err error
		switch event.Type {
		case "HttpApi":
			err = p.httpEvent(f, event.Properties)
		case "SQS":
			err = p.queueEvent(f, event.Properties)
		case "ScheduleV2":
			err = p.scheduleEvent(f, name, event.Properties)
		default:
			err = fmt.Errorf("event type %q is not known here", event.Type)
		}
		if err != nil {
			return fmt.Errorf("event %s: %w", name, err)
		}
	}
	return nil
}

func (p *plan) httpEvent(f *function, properties any) error {
	var settings struct{ ApiId, Method, Path string }
	if err := template.Decode(properties, &settings, true); err != nil {
		return err
	}
	if settings.Path == "" && settings.Method == "" {
		p.routes = append(p.routes, route{key: "$default", function: f.name})
		return nil
	}
	r, err := newRoute(settings.Method, settings.Path)
	if err != nil {
		return err
	}
	r.function = f.name
	p.routes = append(p.routes, r)
	return nil
}

func (p *plan) queueEvent(f *function, properties any) error {
	var settings struct {
		Queue                          string
		BatchSize                      template.Int
		MaximumBatchingWindowInSeconds template.Int
		FunctionResponseTypes          []string
		ScalingConfig                  struct{ MaximumConcurrency template.Int }
		Enabled                        *bool
	}
	if err := template.Decode(properties, &settings, true); err != nil {
		return err
	}
	if settings.Enabled != nil && !*settings.Enabled {
		return nil
	}
	s := source{
		function: f.name, queue: strings.TrimPrefix(settings.Queue, reference("")),
		batchSize: 10, concurrency: 1000, // what AWS does where the template says nothing
		window: time.Duration(settings.MaximumBatchingWindowInSeconds) * time.Second,
	}
	if settings.BatchSize > 0 {
		s.batchSize = int(settings.BatchSize)
	}
	if s.batchSize > 10 && s.window == 0 {
		return errors.New("a batch over 10 needs a window of at least a second")
	}
	if settings.ScalingConfig.MaximumConcurrency > 0 {
		if s.concurrency = int(settings.ScalingConfig.MaximumConcurrency); s.concurrency < 2 {
			return errors.New("MaximumConcurrency is at least 2")
		}
	}
	for _, kind := range settings.FunctionResponseTypes {
		if kind != "ReportBatchItemFailures" {
			return fmt.Errorf("response type %q is not known here", kind)
		}
		s.partial = true
	}
	p.sources = append(p.sources, s)
	return nil
}

func (p *plan) scheduleEvent(f *function, name string, properties any) error {
	var settings struct {
		ScheduleExpression         string
		ScheduleExpressionTimezone string
		Input                      string
		State                      string
		FlexibleTimeWindow         struct{ Mode string }
		// CloudFormation names the schedule; its name here is the event's.
		OmitName bool
		// How the scheduler behaves when it cannot reach Lambda, which does
		// not happen in one process.
		RetryPolicy      any
		DeadLetterConfig any
	}
	if err := template.Decode(properties, &settings, true); err != nil {
		return err
	}
	if mode := settings.FlexibleTimeWindow.Mode; mode != "" && mode != "OFF" {
		return errors.New("a flexible time window is not known here")
	}
	zone := time.UTC
	if settings.ScheduleExpressionTimezone != "" {
		var err error
		if zone, err = time.LoadLocation(settings.ScheduleExpressionTimezone); err != nil {
			return err
		}
	}
	next, err := parseExpression(settings.ScheduleExpression, zone)
	if err != nil {
		return err
	}
	p.schedules = append(p.schedules, recurrence{
		name: f.name + "/" + name, function: f.name, input: settings.Input,
		disabled: settings.State == "DISABLED", next: next,
	})
	return nil
}

func (p *plan) api(t *template.Template, resource template.Resource) error {
	properties, err := t.Resolve(resource.Properties)
	if err != nil {
		return err
	}
	var settings struct {
		CorsConfiguration         *cors
		FailOnWarnings            bool
		AccessLogSettings         any
		DefaultRouteSettings      any
		RouteSettings             any
		DisableExecuteApiEndpoint bool
	}
	if err := template.Decode(properties, &settings, true); err != nil {
		return err
	}
	p.cors = settings.CorsConfiguration
	return nil
}

func (p *plan) queue(t *template.Template, resource template.Resource) error {
	properties, err := t.Resolve(resource.Properties)
	if err != nil {
		return err
	}
	var settings struct {
		VisibilityTimeout      *template.Int
		MessageRetentionPeriod *template.Int
		MaximumMessageSize     *template.Int
		RedrivePolicy          *struct {
			DeadLetterTargetArn string       `json:"deadLetterTargetArn"`
			MaxReceiveCount     template.Int `json:"maxReceiveCount"`
		}
		QueueName                     string
		ReceiveMessageWaitTimeSeconds template.Int
		SqsManagedSseEnabled          bool
		Tags                          any
	}
	if err := template.Decode(properties, &settings, true); err != nil {
		return err
	}
	// The defaults are those of SQS, but for the size: a body of ours is at
	// most 200 KB, and 256 KB is what SQS took for most of its life.
	q := queueSettings{name: resource.Name, visibility: 30 * time.Second, retention: 4 * 24 * time.Hour, maxBody: 256 << 10}
	if settings.VisibilityTimeout != nil {
		q.visibility = time.Duration(*settings.VisibilityTimeout) * time.Second
	}
	if settings.MessageRetentionPeriod != nil {
		q.retention = time.Duration(*settings.MessageRetentionPeriod) * time.Second
	}
	if settings.MaximumMessageSize != nil {
		q.maxBody = min(q.maxBody, int(*settings.MaximumMessageSize))
	}
	if redrive := settings.RedrivePolicy; redrive != nil {
		if q.maxReceive = int(redrive.MaxReceiveCount); q.maxReceive < 1 {
			return errors.New("maxReceiveCount is at least 1")
		}
		q.dead = strings.TrimPrefix(redrive.DeadLetterTargetArn, reference(""))
	}
	p.queues = append(p.queues, q)
	return nil
}

// check holds what stands in several resources together.
func (p *plan) check() []error {
	var problems []error
	refuse := func(format string, arguments ...any) {
		problems = append(problems, fmt.Errorf("stack: "+format, arguments...))
	}
	known := map[string]queueSettings{}
	for _, q := range p.queues {
		known[q.name] = q
	}
	for _, q := range p.queues {
		if _, ok := known[q.dead]; q.dead != "" && (!ok || q.dead == q.name) {
			refuse("queue %s: its dead-letter queue %s is not another queue of the template", q.name, q.dead)
		}
	}
	readers := map[string]string{}
	for _, s := range p.sources {
		q, ok := known[s.queue]
		if !ok {
			refuse("function %s reads %s, which is no queue of the template", s.function, s.queue)
			continue
		}
		if other, taken := readers[s.queue]; taken {
			refuse("functions %s and %s both read queue %s", other, s.function, s.queue)
		}
		readers[s.queue] = s.function
		// Lambda refuses such a mapping.
		if f := p.named(s.function); q.visibility < f.timeout {
			refuse("queue %s: visibility timeout %s is under the timeout %s of %s", q.name, q.visibility, f.timeout, f.name)
		}
	}
	for _, f := range p.functions {
		if _, ok := known[f.onFailure]; f.onFailure != "" && !ok {
			refuse("function %s: its failure destination %s is no queue of the template", f.name, f.onFailure)
		}
	}
	taken := map[string]string{}
	for _, r := range p.routes {
		if other, twice := taken[r.pattern()]; twice {
			refuse("route %s stands in %s and %s", r.key, other, r.function)
		}
		taken[r.pattern()] = r.function
	}
	return problems
}

func (p *plan) named(function string) *function {
	for _, f := range p.functions {
		if f.name == function {
			return f
		}
	}
	return nil
}

// cors is the API's CorsConfiguration.
type cors struct {
	AllowOrigins  []string
	AllowMethods  []string
	AllowHeaders  []string
	ExposeHeaders []string
	MaxAge        template.Int
}

// methods that a route may name; ANY stands for all.
var methods = []string{
	"ANY", http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
	http.MethodPatch, http.MethodDelete, http.MethodOptions,
}
