"""Expands template.yaml by SAM's own transform, offline, and holds what it makes against what must be true of it.

cfn-lint and infra/check look at the template as it is written; this looks at what CloudFormation would be given.
Each assertion is shown to be able to fail: its fault is planted in the text, and it has to turn red.
"""
import collections
import copy
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class Policies:
    """The managed policies that SAM looks up by name; the template uses none."""

    def load(self):
        return {}


def transformed(text):
    template = yaml_parse(text)
    # A transform has no artifacts to point at.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    template["Globals"]["Function"].pop("CodeUri", None)
    return transform(copy.deepcopy(template), {}, Policies())["Resources"]


def of(resources, kind):
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == kind}


def pages_of_the_brand_may_call(resources):
    """An API Gateway without methods, headers and age in its CORS lets no page call, and the deployment rolls back."""
    for name, api in of(resources, "AWS::ApiGatewayV2::Api").items():
        cors = api["Body"].get("x-amazon-apigateway-cors", {})
        branches = cors.get("Fn::If", [None, {}, None])
        configured = branches[1]
        missing = {"allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders", "maxAge"} - set(configured)
        if missing:
            yield f"{name}: the CORS configuration has no {', '.join(sorted(missing))}: {cors}"
        if branches[2] != {"Ref": "AWS::NoValue"}:
            yield f"{name}: without origins the CORS configuration does not go away"
        for key in ("allowMethods", "allowHeaders"):
            if not isinstance(configured.get(key), list):
                yield f"{name}: {key} is no list"


def two_stacks_stand_side_by_side(resources):
    """A name that does not hold the stack's is taken by the first stack of the account and refused to the second."""
    named = {
        "AWS::Scheduler::Schedule": "Name", "AWS::SQS::Queue": "QueueName", "AWS::Lambda::Function": "FunctionName",
        "AWS::DynamoDB::Table": "TableName", "AWS::IAM::Role": "RoleName", "AWS::CloudWatch::Alarm": "AlarmName",
        "AWS::Logs::LogGroup": "LogGroupName",
    }
    for kind, attribute in named.items():
        for name, properties in of(resources, kind).items():
            if attribute in properties and "AWS::StackName" not in str(properties[attribute]):
                yield f"{name}: {attribute} {properties[attribute]} is the same in every stack of an account"


def every_schedule_wakes_its_function(resources):
    """A schedule that SAM leaves without zone, input or dead-letter queue fires wrongly, or is lost, in silence."""
    schedules = of(resources, "AWS::Scheduler::Schedule")
    if not schedules:
        yield "no schedule is left"
    for name, schedule in schedules.items():
        target = schedule["Target"]
        if schedule.get("ScheduleExpressionTimezone") != "Asia/Shanghai":
            yield f"{name}: no zone"
        if "<aws.scheduler.scheduled-time>" not in target.get("Input", ""):
            yield f"{name}: its input does not hold its time"
        if "Arn" not in target.get("DeadLetterConfig", {}):
            yield f"{name}: what it cannot deliver is kept nowhere"


def a_failed_message_is_delivered_alone(resources):
    """Without ReportBatchItemFailures one message that fails has the whole batch delivered again."""
    for name, mapping in of(resources, "AWS::Lambda::EventSourceMapping").items():
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: reports no single failures"


CONDITIONAL = """      CorsConfiguration: !If
        - HasOrigins
        - AllowOrigins: !Split [",", !Ref AllowedOrigins]
          AllowMethods: [GET, POST, PUT, DELETE]
          AllowHeaders: [authorization, content-type, idempotency-key]
          ExposeHeaders: [idempotency-replayed]
          MaxAge: 600
        - !Ref AWS::NoValue
"""

# Each assertion with faults of the template, as texts to replace, that it has to find.
ASSERTIONS = {
    pages_of_the_brand_may_call: [
        ("        - AllowOrigins: !Split", "        - X: !Split"),
        ("          AllowMethods: [GET, POST, PUT, DELETE]\n", ""),
        ("        - !Ref AWS::NoValue\n      # No path", "        - AllowOrigins: [https://shop.example]\n      # No path"),
        # SAM's trap: where AllowOrigins alone is an intrinsic, it becomes the whole configuration.
        (CONDITIONAL, CONDITIONAL.replace(" !If\n        - HasOrigins\n        - Allow", "\n          Allow").replace("        - !Ref AWS::NoValue\n", "")),
    ],
    two_stacks_stand_side_by_side: [("            OmitName: true", "            OmitName: false")],
    every_schedule_wakes_its_function: [
        ("            ScheduleExpressionTimezone: Asia/Shanghai\n", ""),
        ("            DeadLetterConfig: {Arn: !GetAtt SchedulesDeadQueue.Arn}\n", ""),
    ],
    a_failed_message_is_delivered_alone: [("            FunctionResponseTypes: [ReportBatchItemFailures]\n", "")],
}


def main(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    resources = transformed(text)
    for kind, count in sorted(collections.Counter(r["Type"] for r in resources.values()).items()):
        print(f"{count:4} {kind}")
    failed = planted = 0
    for assertion, faults in ASSERTIONS.items():
        for broken in assertion(resources):
            failed += 1
            print(f"FAILED: {assertion.__name__}: {broken} ({assertion.__doc__})")
        for before, after in faults:
            planted += 1
            if before not in text:
                failed += 1
                print(f"FAILED: {assertion.__name__}: the template has no {before!r}; plant something else")
                continue
            if not list(assertion(transformed(text.replace(before, after, 1)))):
                failed += 1
                print(f"FAILED: {assertion.__name__}: {before!r} changed to {after!r} is not found")
    print(f"{len(ASSERTIONS)} assertions on the transformed template, {planted} planted faults, {failed} failures")
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
