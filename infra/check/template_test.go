package check

import (
	"bytes"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/huitou/huitou/infra/stack/template"
)

func templateText(t *testing.T) string {
	t.Helper()
	text, err := fs.ReadFile(repository(), "template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTemplate(t *testing.T) {
	findings, err := Template([]byte(templateText(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		t.Error(finding)
	}
}

// Every assertion turns red when the template breaks it, in each way that is
// listed. after narrows the change to what follows a line.
func TestTemplateCatches(t *testing.T) {
	text := templateText(t)
	type change struct{ after, from, to string }
	changes := map[string][]change{
		"runtime":     {{"", "provided.al2023", "provided.al2"}, {"", "BuildMethod: makefile", "BuildMethod: go1.x"}, {"Description: Processor", "Default: arm64", "Default: x86_64"}},
		"own role":    {{"", "!GetAtt ConvertOrdersRole.Arn", "!GetAtt OperateRole.Arn"}, {"", "Role: !GetAtt ConvertOrdersRole.Arn", "Description: without"}, {"  MembersRole:", "      Policies:", "      ManagedPolicyArns: [x]\n      Policies:"}},
		"no wildcard": {{"", "dynamodb:BatchGetItem", "dynamodb:*"}, {"", "Resource: !GetAtt OrdersQueue.Arn", `Resource: "*"`}, {"", "parameter/${AWS::StackName}/phone-key", "parameter/*"}},
		"scan and delete": {
			{"", "dynamodb:BatchGetItem", "dynamodb:Scan"},
			{"", "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"},
			{"  RedeemCardRole:", "dynamodb:BatchGetItem", "dynamodb:DeleteItem"},
			{"  PayPrizesRole:", "dynamodb:PutItem", "dynamodb:DeleteItem"},
			{"              - Sid: Payouts", "dynamodb:PutItem", "dynamodb:DeleteItem"},
			{"              - Sid: Erase", `["F#*", "I#*"`, `["F#*", "Y#*"`},
			{"              - Sid: Erase", "dynamodb:LeadingKeys: [", "dynamodb:Attributes: ["},
			{"  ConvertOrdersRole:", "dynamodb:BatchGetItem", "dynamodb:DeleteItem"},
			{"  MembersRole:", `dynamodb:LeadingKeys: ["I#*"]`, `dynamodb:LeadingKeys: ["M#*"]`},
		},
		"leading keys":     {{"", "dynamodb:LeadingKeys: [", "dynamodb:Attributes: ["}, {"", `dynamodb:LeadingKeys: "false"`, `dynamodb:LeadingKeys: "true"`}, {"", `["I#*", "M#*"`, `["Z#*", "M#*"`}, {"", `["I#*", "M#*"`, `["*", "M#*"`}},
		"audit log":        {{"", `dynamodb:LeadingKeys: ["A#*"]`, `dynamodb:LeadingKeys: ["B#*"]`}, {"              - Sid: Audit", "[dynamodb:PutItem,", "[dynamodb:DeleteItem, dynamodb:PutItem,"}, {"  MembersRole:", `["I#*", `, `["A#*", "I#*", `}},
		"table variable":   {{"", "TABLE_NAME: !Ref Table", "TABLE: !Ref Table"}},
		"queue variables":  {{"", "ORDERS_QUEUE_URL: !Ref OrdersQueue", "ORDERS_QUEUE_URL: !Ref CouponsQueue"}, {"  RunCampaignsRole:", "!GetAtt CouponsQueue.Arn", "!GetAtt OrdersQueue.Arn"}, {"", "ORDERS_DEAD_QUEUE_URL: !Ref OrdersDeadQueue", "X: y"}, {"  ConvertOrdersRole:", "!GetAtt OrdersQueue.Arn", "!GetAtt CouponsQueue.Arn"}},
		"secrets":          {{"", "PHONE_KEY_PARAMETER:", "PHONE_KEY:"}, {"", `PHONE_KEY_PARAMETER: !Sub "/${AWS::StackName}/phone-key"`, "PHONE_KEY_PARAMETER: c2VjcmV0"}, {"", "parameter/${AWS::StackName}/phone-key", "parameter/${AWS::StackName}/card-key"}},
		"named keys":       {{"", "Action: [ssm:GetParameters]\n                Resource:", "Action: [ssm:GetParameters, kms:Decrypt]\n                Resource:"}},
		"logs":             {{"  ConvertOrdersLogs:", "RetentionInDays: !Ref LogRetentionDays", "LogGroupName: x"}, {"  ConvertOrdersRole:", "!GetAtt ConvertOrdersLogs.Arn", "!GetAtt OperateLogs.Arn"}},
		"visibility":       {{"", "VisibilityTimeout: 180", "VisibilityTimeout: 179"}},
		"slow calls":       {{"  SendMessages:", "BatchSize: 5\n", "BatchSize: 6\n"}, {"  PayPrizes:", "BatchSize: 5\n", "BatchSize: 6\n"}, {"  WelcomeFriends:", "Timeout: 30\n", "Timeout: 20\n"}},
		"partial failures": {{"", "            FunctionResponseTypes: [ReportBatchItemFailures]\n", ""}},
		"concurrency":      {{"", "            ScalingConfig: {MaximumConcurrency: 10}\n", ""}},
		"window":           {{"", "MaximumBatchingWindowInSeconds: 0", "MaximumBatchingWindowInSeconds: 2"}},
		"greeting": {
			{"  WelcomeFriends:", "BatchSize: 1\n", "BatchSize: 10\n"},
			{"  WelcomeFriends:", "MaximumBatchingWindowInSeconds: 0", "MaximumBatchingWindowInSeconds: 1"},
			{"  FriendsQueue:", "      VisibilityTimeout: 180\n", "      VisibilityTimeout: 180\n      DelaySeconds: 5\n"},
			{"  WelcomeFriends:", "Queue: !GetAtt FriendsQueue.Arn", "Queue: !GetAtt OrdersQueue.Arn"},
		},
		"dead queues":      {{"", "      RedrivePolicy:\n        deadLetterTargetArn: !GetAtt OrdersDeadQueue.Arn\n        maxReceiveCount: 5\n", ""}, {"", "maxReceiveCount: 5", "maxReceiveCount: 4"}, {"  OrdersDeadQueue:", "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 345600"}, {"  OrdersQueue:", "MessageRetentionPeriod: 345600", "MessageRetentionPeriod: 1209600"}},
		"queue encryption": {{"", "SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false"}},
		"table safety": {
			{"", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"},
			{"", "DeletionProtectionEnabled: true", "DeletionProtectionEnabled: false"},
			{"", "SSEEnabled: true", "SSEEnabled: false"},
			{"", "DeletionPolicy: Retain", "DeletionPolicy: Delete"},
			{"", "UpdateReplacePolicy: Retain", "UpdateReplacePolicy: Delete"},
			{"", "PAY_PER_REQUEST", "PROVISIONED"},
			{"", "AttributeName: expires", "AttributeName: ttl"},
		},
		"schedules": {
			{"", "            ScheduleExpressionTimezone: Asia/Shanghai\n", ""},
			{"", "RetryPolicy: {MaximumRetryAttempts: 5", "RetryPolicy: {MaximumRetryAttempts: 0"},
			{"", "            DeadLetterConfig: {Arn: !GetAtt SchedulesDeadQueue.Arn}\n", ""},
			{"", "<aws.scheduler.scheduled-time>", "<aws.scheduler.execution-id>"},
			{"", `Mode: "OFF"`, "Mode: FLEXIBLE"},
			{"", "Type: ScheduleV2", "Type: Schedule"},
			{"  RunCampaigns:", "OmitName: true", "OmitName: false"},
			{"", "        MaximumRetryAttempts: 2\n", ""},
			{"", "OnFailure: {Type: SQS, Destination: !GetAtt SchedulesDeadQueue.Arn}", "OnFailure: {}"},
		},
		"gateway limit": {{"  ReceiveOrders:", "Timeout: 5", "Timeout: 6"}, {"  Operate:", "Timeout: 29", "Timeout: 30"}},
		"throttles":     {{"      RouteSettings:", `"ANY /C/{code}"`, `"GET /D/{code}"`}, {"      DefaultRouteSettings:", "ThrottlingRateLimit: 100", "ThrottlingRateLimit: 0"}},
		"access log":    {{"", "$context.requestTime", "$context.path"}, {"", "$context.requestTime", "$context.identity.sourceIp"}, {"", "$context.requestTime", "$context.authorizer.claims"}, {"", `"route":"$context.routeKey"`, `"route":""`}},
		"origins":       {{"", `AllowOrigins: !Split [",", !Ref AllowedOrigins]`, `AllowOrigins: ["*"]`}, {"", "AllowHeaders: [authorization", `AllowHeaders: ["*"`}, {"", "      CorsConfiguration:", "      X:"}, {"  AllowedOrigins:", `Default: ""`, "Default: https://shop.example"}},
		"one door":      {{"", "!If [HasDomain, true, false]", "false"}, {"", "!If [HasDomain, true, false]", "true"}},
		"reservation":   {{"  ReceiveOrders:", "      ReservedConcurrentExecutions: !If [HasReservedConcurrency, !Ref ReservedConcurrency, !Ref AWS::NoValue]\n", ""}, {"", "!If [HasReservedConcurrency, !Ref ReservedConcurrency, !Ref AWS::NoValue]", "!Ref ReservedConcurrency"}},
		"partitions":    {{"", "arn:${AWS::Partition}:ssm", "arn:aws:ssm"}, {"", "!If [InChina, PassThrough, Active]", "Active"}, {"", "!If [InChina, PassThrough, Active]", "PassThrough"}, {"", "- InChina\n                - !Ref AWS::NoValue", "- HasDomain\n                - !Ref AWS::NoValue"}},
		"alarms":        {{"", "MetricName: TransactionConflict", "MetricName: SystemErrors"}, {"", "AlarmActions: !If [HasAlarmTopic, [!Ref AlarmTopicArn], !Ref AWS::NoValue]", "AlarmActions: []"}, {"", "!GetAtt CouponsDeadQueue.QueueName", "!GetAtt OrdersDeadQueue.QueueName"}, {"  OrdersDeadAlarm:", "Threshold: 0", "Threshold: 10"}, {"", "Type: AWS::Logs::MetricFilter", "Type: AWS::Logs::LogGroup"}, {"", "MetricName: 5xx", "MetricName: 4xx"}, {"", "TreatMissingData: breaching", "TreatMissingData: notBreaching"}, {"  RunCampaignsHeartbeatAlarm:", "Value: !Ref RunCampaigns", "Value: !Ref SettlePoints"}},
		"nothing local": {{"", `Path: "/healthz"`, `Path: "/_local/clock"`}},
		"indexes":       {{"", "IndexName: member", "IndexName: members"}, {"", "ProjectionType: KEYS_ONLY", "ProjectionType: ALL"}, {"", "{AttributeName: ssk, KeyType: RANGE}", "{AttributeName: rsk, KeyType: RANGE}"}, {"", "        - {AttributeName: ssk, AttributeType: S}\n", ""}, {"", "{AttributeName: ssk, AttributeType: S}", "{AttributeName: ssk, AttributeType: N}"}},
	}
	for _, a := range assertions {
		if len(changes[a.name]) == 0 {
			t.Errorf("nothing shows that %q can turn red", a.name)
		}
		for _, c := range changes[a.name] {
			before, rest, found := strings.Cut(text, c.after)
			if !found || !strings.Contains(rest, c.from) {
				t.Errorf("%s: the template has no %q after %q; plant something else", a.name, c.from, c.after)
				continue
			}
			changed := before + c.after + strings.Replace(rest, c.from, c.to, 1)
			findings, err := asserted([]byte(changed), a)
			if err != nil {
				t.Errorf("%s: %s: %v", a.name, c.from, err)
				continue
			}
			if !slices.ContainsFunc(findings, func(f Finding) bool {
				return strings.HasPrefix(f.What, a.name+": ") && f.Place != "" && f.Why == a.why
			}) {
				t.Errorf("%s: %q instead of %q is not found: %v", a.name, c.to, c.from, findings)
			}
		}
	}
	for name := range changes {
		if !slices.ContainsFunc(assertions, func(a assertion) bool { return a.name == name }) {
			t.Errorf("no assertion %q", name)
		}
	}
}

// Each folder of functions is a function of the template and the other way
// round, by the name in lower case.
func TestTemplateAndFolders(t *testing.T) {
	for _, difference := range mismatch(t, repository(), templateText(t)) {
		t.Error(difference)
	}
}

func TestTemplateAndFoldersCatches(t *testing.T) {
	text := strings.Replace(templateText(t), "  SendMessages:\n", "  SendParcels:\n", 1)
	got := mismatch(t, repository(), text)
	slices.Sort(got)
	if want := []string{
		"functions/sendmessages/lambda is no function of the template",
		"function SendParcels has no functions/sendparcels/lambda",
	}; !slices.Equal(got, want) && !slices.Equal(got, []string{want[1], want[0]}) {
		t.Errorf("found %q", got)
	}
}

// A variable that a main reads is one that the template gives its function.
func TestTemplateAndVariables(t *testing.T) {
	for _, difference := range unset(t, repository(), templateText(t)) {
		t.Error(difference)
	}
}

func TestTemplateAndVariablesCatches(t *testing.T) {
	text := strings.Replace(templateText(t), "          TOKEN_KEY_PARAMETER:", "          TOKENS_KEY_PARAMETER:", 1)
	if got := unset(t, repository(), text); !slices.Equal(got, []string{"functions/redeemcard/lambda/main.go reads TOKEN_KEY_PARAMETER, which the template does not give it"}) {
		t.Errorf("found %q", got)
	}
	text = strings.Replace(templateText(t), "          TABLE_NAME:", "          TABLE:", 1)
	if got := unset(t, repository(), text); !slices.Equal(got, []string{"functions/convertorders/lambda/main.go reads TABLE_NAME, which the template does not give it"}) {
		t.Errorf("found %q", got)
	}
}

var (
	variable = regexp.MustCompile(`"([A-Z][A-Z_]*_(?:NAME|PARAMETER|URL))"`)
	store    = []byte(module + "shared/boot/boottable")
)

func unset(t *testing.T, tree fs.FS, text string) []string {
	t.Helper()
	d, err := deploy([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	var differences []string
	read := 0
	for _, name := range d.functions() {
		main := "functions/" + strings.ToLower(name) + "/lambda/main.go"
		code, err := fs.ReadFile(tree, main)
		if err != nil {
			continue // TestTemplateAndFolders tells
		}
		var names []string
		for _, match := range variable.FindAllSubmatch(code, -1) {
			names = append(names, string(match[1]))
		}
		if bytes.Contains(code, store) {
			names = append(names, "TABLE_NAME")
		}
		given := d.variables(name)
		for _, variable := range names {
			read++
			if _, ok := given[variable]; !ok {
				differences = append(differences, main+" reads "+variable+", which the template does not give it")
			}
		}
	}
	if read == 0 {
		t.Fatal("no main reads a variable; look at how they do it now")
	}
	return differences
}

func mismatch(t *testing.T, tree fs.FS, text string) []string {
	t.Helper()
	parsed, err := template.Parse([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	mains, err := fs.Glob(tree, "functions/*/lambda/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no functions: %v", err)
	}
	var differences []string
	var known []string
	for _, resource := range parsed.Resources("AWS::Serverless::Function") {
		folder := "functions/" + strings.ToLower(resource.Name) + "/lambda"
		known = append(known, folder+"/main.go")
		if !slices.Contains(mains, folder+"/main.go") {
			differences = append(differences, "function "+resource.Name+" has no "+folder)
		}
	}
	for _, main := range mains {
		if !slices.Contains(known, main) {
			differences = append(differences, strings.TrimSuffix(main, "/main.go")+" is no function of the template")
		}
	}
	return differences
}
