package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/functions/payprizes"
	"github.com/huitou/huitou/functions/sendmessages"
	"github.com/huitou/huitou/infra/stack/template"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/table"
)

// assertion is one thing that must be true of template.yaml. Its check calls
// broken for every resource of which it is not.
type assertion struct {
	name  string
	why   string
	check func(d *deployment, broken func(resource, what string))
}

// Template finds every assertion that does not hold. A template that does not
// parse is an error.
func Template(text []byte) ([]Finding, error) { return asserted(text, assertions...) }

func asserted(text []byte, all ...assertion) ([]Finding, error) {
	d, err := deploy(text, nil)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, a := range all {
		a.check(d, func(resource, what string) {
			findings = append(findings, Finding{resource, a.name + ": " + what, a.why})
		})
	}
	return findings, nil
}

// deployment is a template with its values resolved, by resource name and by
// property path.
type deployment struct {
	text      []byte
	kinds     map[string]string
	resources map[string]tree // properties
	whole     map[string]tree // the resources' own attributes: DeletionPolicy, Metadata
}

func deploy(text []byte, values map[string]string) (*deployment, error) {
	parsed, err := template.Parse(text, values)
	if err != nil {
		return nil, err
	}
	d := &deployment{text: text, kinds: map[string]string{}, resources: map[string]tree{}, whole: map[string]tree{}}
	for _, resource := range parsed.Resources("") {
		properties, err := parsed.Function(resource)
		if resource.Type != "AWS::Serverless::Function" {
			properties, err = parsed.Resolve(resource.Properties)
		}
		if err != nil {
			return nil, err
		}
		whole, err := parsed.Resolve(resource.Attributes)
		if err != nil {
			return nil, err
		}
		d.kinds[resource.Name] = resource.Type
		d.resources[resource.Name] = tree{properties}
		d.whole[resource.Name] = tree{whole}
	}
	return d, nil
}

// of are the names of the resources of a type, sorted.
func (d *deployment) of(kind string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(d.kinds)), func(name string) bool { return d.kinds[name] != kind })
}

func (d *deployment) functions() []string { return d.of("AWS::Serverless::Function") }

// tree reads a resolved value by path without asking whether it is there.
type tree struct{ value any }

func (t tree) at(path ...string) tree {
	for _, name := range path {
		mapping, _ := t.value.(map[string]any)
		t = tree{mapping[name]}
	}
	return t
}

func (t tree) text() string {
	if t.value == nil {
		return ""
	}
	return fmt.Sprint(t.value)
}

func (t tree) number() int64 {
	n, _ := json.Number(t.text()).Int64()
	return n
}

func (t tree) keys() []string {
	mapping, _ := t.value.(map[string]any)
	return slices.Sorted(maps.Keys(mapping))
}

func (t tree) list() []tree {
	elements, isList := t.value.([]any)
	if !isList && t.value != nil {
		return []tree{t}
	}
	list := make([]tree, len(elements))
	for i, element := range elements {
		list[i] = tree{element}
	}
	return list
}

func (t tree) texts() []string {
	var texts []string
	for _, element := range t.list() {
		texts = append(texts, element.text())
	}
	return texts
}

func local(reference string) string { return strings.TrimPrefix(reference, "local:") }

// event is one event of a function.
type event struct {
	function, name, kind string
	properties           tree
}

func (d *deployment) events(kind string) []event {
	var found []event
	for _, function := range d.functions() {
		for _, name := range d.resources[function].at("Events").keys() {
			e := d.resources[function].at("Events", name)
			if e.at("Type").text() == kind {
				found = append(found, event{function, name, kind, e.at("Properties")})
			}
		}
	}
	return found
}

func (e event) String() string { return e.function + "/" + e.name }

// statement of a function's role.
type statement struct {
	role, sid          string
	actions, resources []string
	condition          tree
}

// partitions are the leading keys that the statement is for.
func (s statement) partitions() []string {
	return s.condition.at("ForAllValues:StringLike", "dynamodb:LeadingKeys").texts()
}

func (d *deployment) statements(function string) []statement {
	role := local(d.resources[function].at("Role").text())
	var found []statement
	for _, policy := range d.resources[role].at("Policies").list() {
		for _, s := range policy.at("PolicyDocument", "Statement").list() {
			found = append(found, statement{role, s.at("Sid").text(), s.at("Action").texts(), s.at("Resource").texts(), s.at("Condition")})
		}
	}
	return found
}

// allowed are the resources on which the function may do the action.
func (d *deployment) allowed(function, action string) []string {
	var resources []string
	for _, s := range d.statements(function) {
		if slices.Contains(s.actions, action) {
			resources = append(resources, s.resources...)
		}
	}
	slices.Sort(resources)
	return resources
}

func (d *deployment) variables(function string) map[string]string {
	variables := map[string]string{}
	for _, name := range d.resources[function].at("Environment", "Variables").keys() {
		variables[name] = d.resources[function].at("Environment", "Variables", name).text()
	}
	return variables
}

// mayDelete are the functions that an access pattern lets delete items, and the
// partitions in which they are. No function deletes anything else, such as
// orders, payouts, redeemed cards and the audit log.
var mayDelete = map[string][]string{
	"ConvertOrders": {"I#*"},                      // the mark of an order that waited for its buyer
	"Members":       {"I#*"},                      // the same mark, when a claim finds the owner
	"Operate":       {"F#*", "I#*", "M#*", "R#*"}, // what the law says to erase: friend's log, identities, claims, the roster's line
}

// public are the routes that anybody can call without a credential that was
// issued to them.
var public = []string{"/hooks/", "/c/", "/C/"}

const (
	day       = 24 * 60 * 60 // seconds
	scanning  = "dynamodb:Scan"
	deleting  = "dynamodb:DeleteItem"
	batchEdit = "dynamodb:BatchWriteItem"
)

var assertions = []assertion{
	{"runtime", "one artifact for every function, built by `make build`, on a runtime that is kept up to date", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			f := d.resources[name]
			if f.at("Runtime").text() != "provided.al2023" || f.at("Handler").text() != "bootstrap" || f.at("Architectures").text() != "[arm64]" {
				broken(name, "is not a bootstrap on provided.al2023, arm64")
			}
			if d.whole[name].at("Metadata", "BuildMethod").text() != "makefile" {
				broken(name, "is not built by the Makefile")
			}
		}
	}},
	{"own role", "a function that is taken over can do what its own path does and no more", func(d *deployment, broken func(string, string)) {
		owner := map[string]string{}
		for _, name := range d.functions() {
			role := local(d.resources[name].at("Role").text())
			if d.kinds[role] != "AWS::IAM::Role" {
				broken(name, "has no role in the template")
			}
			if other, taken := owner[role]; taken {
				broken(name, "has the role of "+other)
			}
			owner[role] = name
			if d.resources[role].at("ManagedPolicyArns").value != nil {
				broken(role, "takes a policy that others write")
			}
		}
	}},
	{"no wildcard", "exact actions on exact resources; X-Ray alone knows no narrower one", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			for _, s := range d.statements(name) {
				tracing := !slices.ContainsFunc(s.actions, func(action string) bool { return !strings.HasPrefix(action, "xray:Put") })
				for _, text := range slices.Concat(s.actions, s.resources) {
					if strings.Contains(text, "*") && !(tracing && text == "*") {
						broken(s.role, "statement "+s.sid+" has "+text)
					}
				}
			}
		}
	}},
	{"scan and delete", "only where an access pattern names them; a record of money, of an order or of an act stays for ever", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			for _, action := range []string{scanning, batchEdit} {
				if len(d.allowed(name, action)) > 0 {
					broken(name, "may "+action)
				}
			}
			for _, s := range d.statements(name) {
				if !slices.Contains(s.actions, deleting) {
					continue
				}
				if len(s.partitions()) == 0 {
					broken(s.role, "statement "+s.sid+" may delete everything")
				}
				for _, key := range s.partitions() {
					if !slices.Contains(mayDelete[name], key) {
						broken(s.role, "statement "+s.sid+" may delete "+key)
					}
				}
			}
		}
	}},
	{"leading keys", "a function sees only the partitions of its own path", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			for _, s := range d.statements(name) {
				if !slices.ContainsFunc(s.actions, func(action string) bool { return strings.HasPrefix(action, "dynamodb:") }) {
					continue
				}
				keys := s.partitions()
				if len(keys) == 0 {
					broken(s.role, "statement "+s.sid+" names no partitions")
				}
				for _, key := range keys {
					if !strings.ContainsAny(key[:min(1, len(key))], "ABCDFGHIJKLMNOPQRSTUXY") || len(key) > 1 && key[1] != '#' {
						broken(s.role, "statement "+s.sid+" names "+key+", which is no tag of shared/table/keys.go")
					}
				}
				if s.condition.at("Null", "dynamodb:LeadingKeys").text() != "false" {
					broken(s.role, "statement "+s.sid+" lets a request without a key through")
				}
			}
		}
	}},
	{"audit log", "rows are only ever added: nobody may delete one, and nobody but Operate sees them", func(d *deployment, broken func(string, string)) {
		kept := false
		for _, name := range d.functions() {
			for _, s := range d.statements(name) {
				keys := s.partitions()
				if !slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(key, "A") }) {
					continue
				}
				kept = kept || slices.Contains(s.actions, "dynamodb:PutItem")
				if name != "Operate" || slices.Contains(s.actions, deleting) {
					broken(s.role, "statement "+s.sid+" lets "+name+" do more to the audit log than add and read")
				}
			}
		}
		if !kept {
			broken("Operate", "may not add to the audit log")
		}
	}},
	{"table variable", "whoever may use the table is told its name, and nobody else", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			_, told := d.variables(name)["TABLE_NAME"]
			if may := slices.Contains(d.allowed(name, "dynamodb:GetItem"), "local:Table"); may != told {
				broken(name, fmt.Sprintf("TABLE_NAME %t, dynamodb:GetItem %t", told, may))
			}
		}
	}},
	{"queue variables", "a function sends to the queues that it is told, and reads its own", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			var send, read []string
			for variable, value := range d.variables(name) {
				switch {
				case strings.HasSuffix(variable, "_DEAD_QUEUE_URL"):
					read = append(read, value)
				case strings.HasSuffix(variable, "_QUEUE_URL"):
					send = append(send, value)
				}
			}
			if failure := d.resources[name].at("EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination"); failure.value != nil {
				send = append(send, failure.text())
			}
			for _, e := range d.events("SQS") {
				if e.function == name {
					read = append(read, e.properties.at("Queue").text())
				}
			}
			slices.Sort(send)
			slices.Sort(read)
			if got := d.allowed(name, "sqs:SendMessage"); !slices.Equal(got, send) {
				broken(name, fmt.Sprintf("may send to %v, is told %v", got, send))
			}
			if got := d.allowed(name, "sqs:ReceiveMessage"); !slices.Equal(got, read) {
				broken(name, fmt.Sprintf("may read %v, should %v", got, read))
			}
		}
	}},
	{"secrets", "a secret is named, never written: whoever reads the template or the console sees where it is", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			var wanted []string
			for variable, value := range d.variables(name) {
				isName := strings.HasSuffix(variable, "_PARAMETER")
				if isName && !strings.HasPrefix(value, "/local/") {
					broken(name, variable+" is not a parameter of this stack")
				}
				if isName {
					wanted = append(wanted, "arn:aws:ssm:local:000000000000:parameter"+value)
				}
				for _, word := range []string{"KEY", "SECRET", "TOKEN", "PASSWORD"} {
					if !isName && strings.Contains(variable, word) {
						broken(name, variable+" looks like the secret itself")
					}
				}
			}
			slices.Sort(wanted)
			if got := d.allowed(name, "ssm:GetParameters"); !slices.Equal(got, wanted) {
				broken(name, fmt.Sprintf("may read %v, is told %v", got, wanted))
			}
		}
	}},
	{"named keys", "kms:Decrypt without a key's name opens every secret of the account", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			for _, resource := range d.allowed(name, "kms:Decrypt") {
				if !strings.Contains(resource, ":key/") {
					broken(name, "may kms:Decrypt "+resource)
				}
			}
		}
	}},
	{"logs", "logs are kept for a stated time, and a function writes its own alone", func(d *deployment, broken func(string, string)) {
		for _, name := range d.functions() {
			group := local(d.resources[name].at("LoggingConfig", "LogGroup").text())
			if d.resources[group].at("RetentionInDays").number() == 0 {
				broken(name, "has no log group with a retention")
			}
			if got := d.allowed(name, "logs:PutLogEvents"); !slices.Equal(got, []string{"local:" + group}) {
				broken(name, fmt.Sprintf("writes logs to %v", got))
			}
		}
	}},
	{"visibility", "a message that is worked on is not given to a second one; AWS asks for six times the timeout", func(d *deployment, broken func(string, string)) {
		for _, e := range d.events("SQS") {
			queue := local(e.properties.at("Queue").text())
			if timeout := d.resources[e.function].at("Timeout").number(); d.resources[queue].at("VisibilityTimeout").number() < 6*timeout {
				broken(queue, fmt.Sprintf("its visibility timeout is under 6 times the %d s of %s", timeout, e.function))
			}
		}
	}},
	{"partial failures", "one bad message must not bring back the good ones beside it", func(d *deployment, broken func(string, string)) {
		for _, e := range d.events("SQS") {
			if !slices.Contains(e.properties.at("FunctionResponseTypes").texts(), "ReportBatchItemFailures") {
				broken(e.String(), "does not ReportBatchItemFailures")
			}
		}
	}},
	{"slow calls", "somebody who is called and hangs is tried with every message that was received: a function that is killed over the first ones leaves the others untried, and they burn their receptions into the dead queue", func(d *deployment, broken func(string, string)) {
		limits := map[string]time.Duration{"SendMessages": sendmessages.CallLimit, "PayPrizes": payprizes.CallLimit, "WelcomeFriends": friend.WelcomeWithin}
		for _, e := range d.events("SQS") {
			most := time.Duration(e.properties.at("BatchSize").number()) * limits[e.function]
			if timeout := d.resources[e.function].at("Timeout").number(); most >= time.Duration(timeout)*time.Second {
				broken(e.String(), fmt.Sprintf("calls somebody for up to %s in the %d s of %s", most, timeout, e.function))
			}
		}
	}},
	{"concurrency", "a flood on one queue must not take the account's concurrency from the others", func(d *deployment, broken func(string, string)) {
		for _, e := range d.events("SQS") {
			if e.properties.at("ScalingConfig", "MaximumConcurrency").number() < 2 {
				broken(e.String(), "has no MaximumConcurrency of 2 or more")
			}
		}
	}},
	{"window", "an accepted event shows within 2 s", func(d *deployment, broken func(string, string)) {
		for _, e := range d.events("SQS") {
			if e.properties.at("MaximumBatchingWindowInSeconds").number() > 1 {
				broken(e.String(), "waits more than a second for a fuller batch")
			}
		}
	}},
	{"greeting", "a new friend can be greeted for 20 seconds: nobody stands before them in the queue, and nobody's slow call beside them", func(d *deployment, broken func(string, string)) {
		for _, e := range d.events("SQS") {
			queue := local(e.properties.at("Queue").text())
			if e.function != "WelcomeFriends" {
				continue
			}
			if e.properties.at("BatchSize").number() != 1 || e.properties.at("MaximumBatchingWindowInSeconds").number() != 0 {
				broken(e.String(), "does not take one message at a time, at once")
			}
			if d.resources[queue].at("DelaySeconds").number() != 0 {
				broken(queue, "holds messages back")
			}
			for _, name := range d.functions() {
				if sends := slices.Contains(d.allowed(name, "sqs:SendMessage"), "local:"+queue); sends && name != "ReceiveOrders" && name != "Operate" {
					broken(queue, "is also the queue of "+name)
				}
			}
		}
	}},
	{"dead queues", "poison is kept where an operator finds it, longer than it lived", func(d *deployment, broken func(string, string)) {
		for _, e := range d.events("SQS") {
			name := local(e.properties.at("Queue").text())
			queue := d.resources[name]
			dead := local(queue.at("RedrivePolicy", "deadLetterTargetArn").text())
			if d.kinds[dead] != "AWS::SQS::Queue" || dead == name {
				broken(name, "has no dead-letter queue")
				continue
			}
			if queue.at("RedrivePolicy", "maxReceiveCount").number() < 5 {
				broken(name, "gives up before the fifth try; a throttled minute is no poison")
			}
			if kept := d.resources[dead].at("MessageRetentionPeriod").number(); kept != 14*day || kept <= queue.at("MessageRetentionPeriod").number() {
				broken(dead, "does not keep messages for 14 days, longer than its source")
			}
		}
	}},
	{"queue encryption", "a message holds an order", func(d *deployment, broken func(string, string)) {
		for _, name := range d.of("AWS::SQS::Queue") {
			if d.resources[name].at("SqsManagedSseEnabled").text() != "true" {
				broken(name, "is not encrypted")
			}
		}
	}},
	{"table safety", "the ledger is the one thing that cannot be made again", func(d *deployment, broken func(string, string)) {
		for _, name := range d.of("AWS::DynamoDB::Table") {
			t, whole := d.resources[name], d.whole[name]
			for what, ok := range map[string]bool{
				"point-in-time recovery":           t.at("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled").text() == "true",
				"deletion protection":              t.at("DeletionProtectionEnabled").text() == "true",
				"encryption":                       t.at("SSESpecification", "SSEEnabled").text() == "true",
				"DeletionPolicy":                   whole.at("DeletionPolicy").text() == "Retain",
				"UpdateReplacePolicy":              whole.at("UpdateReplacePolicy").text() == "Retain",
				"payment by the request":           t.at("BillingMode").text() == "PAY_PER_REQUEST",
				"TTL on " + table.ExpiresAttribute: t.at("TimeToLiveSpecification", "AttributeName").text() == table.ExpiresAttribute && t.at("TimeToLiveSpecification", "Enabled").text() == "true",
			} {
				if !ok {
					broken(name, "is without "+what)
				}
			}
		}
	}},
	{"schedules", "a firing has its own time and zone, is tried again, and is kept when all fails", func(d *deployment, broken func(string, string)) {
		if len(d.events("Schedule")) > 0 {
			broken("template", "a Schedule has no time zone; use ScheduleV2")
		}
		for _, e := range d.events("ScheduleV2") {
			p := e.properties
			for what, ok := range map[string]bool{
				"the zone Asia/Shanghai": p.at("ScheduleExpressionTimezone").text() == "Asia/Shanghai",
				"a retry policy":         p.at("RetryPolicy", "MaximumRetryAttempts").number() > 0,
				"a dead-letter queue":    d.kinds[local(p.at("DeadLetterConfig", "Arn").text())] == "AWS::SQS::Queue",
				"its own time as input":  p.at("Input").text() == `{"time":"<aws.scheduler.scheduled-time>"}`,
				"a fixed moment":         p.at("FlexibleTimeWindow", "Mode").text() == "OFF",
				"OmitName: SAM's own name holds no stack, so that a second stack of the account would have no schedule": p.at("OmitName").text() == "true",
			} {
				if !ok {
					broken(e.String(), "is without "+what)
				}
			}
			invoke := d.resources[e.function].at("EventInvokeConfig")
			if d.kinds[local(invoke.at("DestinationConfig", "OnFailure", "Destination").text())] != "AWS::SQS::Queue" || invoke.at("MaximumRetryAttempts").text() == "" {
				broken(e.function, "does not say what becomes of a firing that it fails")
			}
		}
	}},
	{"gateway limit", "the gateway gives up after 30 s, and a platform's hook after 5", func(d *deployment, broken func(string, string)) {
		for _, e := range d.events("HttpApi") {
			limit := int64(29)
			if strings.HasPrefix(e.properties.at("Path").text(), "/hooks/") {
				limit = 5
			}
			if d.resources[e.function].at("Timeout").number() > limit {
				broken(e.function, fmt.Sprintf("may take longer than %d s for %s", limit, e.name))
			}
		}
	}},
	{"throttles", "the stack's money and everybody else's share are not at the mercy of one caller", func(d *deployment, broken func(string, string)) {
		for _, name := range d.of("AWS::Serverless::HttpApi") {
			api := d.resources[name]
			limited := func(settings tree) bool {
				return settings.at("ThrottlingRateLimit").number() > 0 && settings.at("ThrottlingBurstLimit").number() > 0
			}
			if !limited(api.at("DefaultRouteSettings")) {
				broken(name, "has no throttle by default")
			}
			for _, e := range d.events("HttpApi") {
				route := e.properties.at("Method").text() + " " + e.properties.at("Path").text()
				isPublic := slices.ContainsFunc(public, func(prefix string) bool { return strings.HasPrefix(e.properties.at("Path").text(), prefix) })
				if isPublic && !limited(api.at("RouteSettings", route)) {
					broken(name, "has no throttle of its own for "+route)
				}
			}
		}
	}},
	{"access log", "a path holds a card's code, a query may hold a phone, a header a token", func(d *deployment, broken func(string, string)) {
		for _, name := range d.of("AWS::Serverless::HttpApi") {
			format := d.resources[name].at("AccessLogSettings", "Format").text()
			if !strings.Contains(format, "$context.requestId") || !strings.Contains(format, "$context.routeKey") || !strings.Contains(format, "$context.status") {
				broken(name, "does not log request, route and status")
			}
			for rest := format; ; {
				_, after, found := strings.Cut(rest, "$context.")
				if !found {
					break
				}
				variable := after[:strings.IndexFunc(after+"\"", func(r rune) bool { return r != '.' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })]
				if !slices.Contains(loggable, variable) {
					broken(name, "logs $context."+variable)
				}
				rest = after
			}
		}
	}},
	{"origins", "a list, so that no stranger's page calls with a member's token", func(d *deployment, broken func(string, string)) {
		with, err := deploy(d.text, map[string]string{"AllowedOrigins": "https://shop.example,https://m.shop.example"})
		if err != nil {
			broken("template", err.Error())
			return
		}
		for _, name := range with.of("AWS::Serverless::HttpApi") {
			if len(d.resources[name].at("CorsConfiguration").keys()) != 0 {
				broken(name, "lets pages call although no origin is given")
			}
			cors := with.resources[name].at("CorsConfiguration")
			if !slices.Equal(cors.at("AllowOrigins").texts(), []string{"https://shop.example", "https://m.shop.example"}) {
				broken(name, "does not list its origins")
			}
			for _, key := range []string{"AllowOrigins", "AllowMethods", "AllowHeaders"} {
				for _, value := range cors.at(key).texts() {
					if strings.Contains(value, "*") || value == "true" {
						broken(name, key+" has "+value)
					}
				}
			}
		}
	}},
	{"one door", "with a domain of its own the API has no second address beside it", func(d *deployment, broken func(string, string)) {
		with, err := deploy(d.text, map[string]string{"DomainName": "brand.example", "CertificateArn": "arn"})
		if err != nil {
			broken("template", err.Error())
			return
		}
		for _, name := range with.of("AWS::Serverless::HttpApi") {
			if with.resources[name].at("DisableExecuteApiEndpoint").text() != "true" || len(with.of("AWS::ApiGatewayV2::ApiMapping")) == 0 {
				broken(name, "keeps its default address with a domain")
			}
			if d.resources[name].at("DisableExecuteApiEndpoint").text() == "true" {
				broken(name, "has no address without a domain")
			}
		}
	}},
	{"reservation", "a public path can be kept from starving the others, and a new account can still deploy", func(d *deployment, broken func(string, string)) {
		with, err := deploy(d.text, map[string]string{"ReservedConcurrency": "7"})
		if err != nil {
			broken("template", err.Error())
			return
		}
		for _, e := range d.events("HttpApi") {
			if !slices.ContainsFunc(public, func(prefix string) bool { return strings.HasPrefix(e.properties.at("Path").text(), prefix) }) {
				continue
			}
			if d.resources[e.function].at("ReservedConcurrentExecutions").value != nil || with.resources[e.function].at("ReservedConcurrentExecutions").number() != 7 {
				broken(e.function, "does not take its reserved concurrency from the parameter")
			}
		}
	}},
	{"partitions", "the same template deploys in China: other ARNs, no X-Ray", func(d *deployment, broken func(string, string)) {
		if strings.Contains(string(d.text), "arn:aws:") || strings.Contains(string(d.text), "amazonaws.com\"") {
			broken("template", "writes a partition or a suffix out")
		}
		china, err := deploy(d.text, map[string]string{"AWS::Partition": "aws-cn"})
		if err != nil {
			broken("template", err.Error())
			return
		}
		for _, name := range d.functions() {
			if d.resources[name].at("Tracing").text() != "Active" || len(d.allowed(name, "xray:PutTraceSegments")) == 0 {
				broken(name, "is not traced")
			}
			if china.resources[name].at("Tracing").text() == "Active" || len(china.allowed(name, "xray:PutTraceSegments")) > 0 {
				broken(name, "is traced in China")
			}
		}
	}},
	{"alarms", "whatever goes wrong without a caller who notices is told to somebody", func(d *deployment, broken func(string, string)) {
		with, err := deploy(d.text, map[string]string{"AlarmTopicArn": "topic"})
		if err != nil {
			broken("template", err.Error())
			return
		}
		heard := map[string]bool{}
		for _, name := range with.of("AWS::CloudWatch::Alarm") {
			alarm := with.resources[name]
			if !slices.Equal(alarm.at("AlarmActions").texts(), []string{"topic"}) {
				broken(name, "tells nobody")
			}
			about := alarm.at("MetricName").text()
			for _, dimension := range alarm.at("Dimensions").list() {
				about += " " + dimension.at("Value").text()
			}
			heard[about] = true
			if alarm.at("MetricName").text() == "Invocations" && (alarm.at("TreatMissingData").text() != "breaching" || alarm.at("ComparisonOperator").text() != "LessThanThreshold") {
				broken(name, "takes silence for a heartbeat")
			}
		}
		wanted := []string{
			"TransactionConflict local:Table", "ReadThrottleEvents local:Table", "WriteThrottleEvents local:Table",
			"5xx local:Api", "Errors", "Throttles", "FailedCodes", "CanaryTried", "LookupsRefused", "PayoutsHang",
		}
		for _, e := range d.events("SQS") {
			queue := e.properties.at("Queue").text()
			wanted = append(wanted, "ApproximateAgeOfOldestMessage "+queue+".QueueName")
			wanted = append(wanted, "ApproximateNumberOfMessagesVisible "+d.resources[local(queue)].at("RedrivePolicy", "deadLetterTargetArn").text()+".QueueName")
		}
		for _, e := range d.events("ScheduleV2") {
			wanted = append(wanted, "ApproximateNumberOfMessagesVisible "+e.properties.at("DeadLetterConfig", "Arn").text()+".QueueName")
			wanted = append(wanted, "Invocations local:"+e.function)
		}
		for _, about := range wanted {
			if !heard[about] {
				broken("template", "no alarm on "+about)
			}
		}
		for _, name := range d.of("AWS::CloudWatch::Alarm") {
			alarm := d.resources[name]
			if alarm.at("MetricName").text() == "ApproximateNumberOfMessagesVisible" && alarm.at("Threshold").text() != "0" {
				broken(name, "sleeps through the first dead message")
			}
		}
		counted := map[string]bool{}
		for _, name := range d.of("AWS::Logs::MetricFilter") {
			for _, transformation := range d.resources[name].at("MetricTransformations").list() {
				counted[transformation.at("MetricName").text()] = true
			}
		}
		for _, name := range d.of("AWS::CloudWatch::Alarm") {
			alarm := d.resources[name]
			if metric := alarm.at("MetricName").text(); !strings.HasPrefix(alarm.at("Namespace").text(), "AWS/") && !counted[metric] {
				broken(name, "waits for "+metric+", which no log is counted for")
			}
		}
	}},
	{"nothing local", "the local process's own endpoints need no token and must not exist anywhere else", func(d *deployment, broken func(string, string)) {
		for _, e := range d.events("HttpApi") {
			if strings.Contains(e.properties.at("Path").text(), "_local") {
				broken(e.String(), "routes "+e.properties.at("Path").text())
			}
		}
	}},
	{"indexes", "an index that only one of template and code knows is a query that fails on AWS alone", func(d *deployment, broken func(string, string)) {
		for _, name := range d.of("AWS::DynamoDB::Table") {
			t := d.resources[name]
			if got, want := describe(t), declared(); got != want {
				broken(name, "has "+got+", code declares "+want)
			}
			var attributes []string
			for _, definition := range t.at("AttributeDefinitions").list() {
				attributes = append(attributes, definition.at("AttributeName").text()+":"+definition.at("AttributeType").text())
			}
			wanted := []string{"pk:S", "sk:S"}
			for _, index := range table.Indexes {
				wanted = append(wanted, index.PK+":S", index.SK+":S")
			}
			slices.Sort(attributes)
			slices.Sort(wanted)
			if !slices.Equal(attributes, wanted) {
				broken(name, fmt.Sprintf("defines %v, keys and indexes need %v", attributes, wanted))
			}
		}
	}},
}

// loggable are the context variables that hold nothing of a caller's.
var loggable = []string{
	"integration.error", "requestId", "requestTime", "responseLatency", "responseLength", "routeKey", "status",
}

// describe the keys and indexes of the template's table in one line.
func describe(t tree) string {
	lines := []string{"(table) " + keys(t)}
	for _, index := range t.at("GlobalSecondaryIndexes").list() {
		lines = append(lines, index.at("IndexName").text()+" "+keys(index)+" "+index.at("Projection", "ProjectionType").text())
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

func keys(t tree) string {
	var names []string
	for _, key := range t.at("KeySchema").list() {
		names = append(names, key.at("AttributeName").text()+"/"+key.at("KeyType").text())
	}
	return strings.Join(names, " ")
}

// declared is the same line from shared/table/keys.go.
func declared() string {
	lines := []string{"(table) pk/HASH sk/RANGE"}
	for _, index := range table.Indexes {
		projection := map[bool]string{false: "ALL", true: "KEYS_ONLY"}[index.KeysOnly]
		lines = append(lines, index.Name+" "+index.PK+"/HASH "+index.SK+"/RANGE "+projection)
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}
