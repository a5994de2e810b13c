"""Expands template.yaml by SAM's own transform, offline, and prints what it makes.

cfn-lint looks at the template as it is written; this looks at what CloudFormation would be given.
"""
import collections
import sys

import yaml
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class Policies:
    """The managed policies that SAM looks up by name; the template uses none."""

    def load(self):
        return {}


with open(sys.argv[1], encoding="utf-8") as file:
    template = yaml_parse(file.read())

# A transform has no artifacts to point at.
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
template["Globals"]["Function"].pop("CodeUri", None)

resources = transform(template, {}, Policies())["Resources"]
for kind, count in sorted(collections.Counter(r["Type"] for r in resources.values()).items()):
    print(f"{count:4} {kind}")
