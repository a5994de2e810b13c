#!/usr/bin/env python3
"""Holds what huitou answers against its published document, by somebody else's tester.

run.py HUITOU_LOCAL SCHEMATHESIS [CASES [ROLE...]]

starts the program on an empty folder, makes a caller of each role, and has schemathesis
send so many requests of its own making a call and phase, right and wrong ones, as each of
these roles, or all. It fails when any answer contradicts the document.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
ADMIN = "the-token-of-the-administrator"


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % listener.getsockname()[1]


def call(url, method, path, body=None, key=None):
    request = urllib.request.Request(url + path, method=method, data=json.dumps(body).encode() if body is not None else None)
    request.add_header("Authorization", "Bearer " + ADMIN)
    request.add_header("Content-Type", "application/json")
    if key:
        request.add_header("Idempotency-Key", key)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def wait(url, program):
    for _ in range(600):
        if program.poll() is not None:
            sys.exit("the program ended with %d" % program.returncode)
        try:
            urllib.request.urlopen(url + "/healthz", timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("the program does not answer")


def callers(url):
    """The token of each role; none for nobody's."""
    tokens = {"nobody": None, "admin": ADMIN}
    for role in ("viewer", "operator", "integration"):
        tokens[role] = call(url, "POST", "/v1/operators", {"name": role + "-1", "role": role}, "add-" + role)["token"]
    batches = [batch["id"] for batch in call(url, "GET", "/v1/card-batches")["items"]]
    tokens["printer"] = call(url, "POST", "/v1/operators", {"name": "printer-1", "role": "printer", "batches": batches}, "add-printer")["token"]
    identity = {"kind": "openid", "channel": "wechat", "value": "o-of-the-tester"}
    member = call(url, "POST", "/v1/members", {"identities": [identity], "consents": ["membership"]}, "enrol")["member_id"]
    tokens["member"] = call(url, "POST", "/v1/members/%s/tokens" % member, {}, "token")["token"]
    return tokens


def main():
    binary, schemathesis = map(os.path.abspath, sys.argv[1:3])
    cases = sys.argv[3] if len(sys.argv) > 3 else "5"
    address = free_address()
    url = "http://" + address
    failed, total, roles = [], 0, sys.argv[4:]
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, HUITOU_ADDR=address, HUITOU_DATA=folder + "/table", HUITOU_OPERATOR_TOKEN=ADMIN)
        with open(folder + "/log", "w") as log:
            program = subprocess.Popen([binary], env=environment, stdout=log, stderr=log)
        try:
            wait(url, program)
            for role, token in callers(url).items():
                if roles and role not in roles:
                    continue
                began = time.monotonic()
                command = [schemathesis, "--config-file", str(HERE / "schemathesis.toml"), "run", url + "/openapi.json", "-n", cases]
                if role == "member": # whose token is refused before the method is looked at
                    command += ["--exclude-checks", "unsupported_method"]
                if token:
                    command += ["-H", "Authorization: Bearer " + token]
                run = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=dict(os.environ, SCHEMATHESIS_HOOKS=str(HERE / "hooks.py")))
                found = re.search(r"(\d+) generated", run.stdout)
                sent = int(found.group(1)) if found else 0
                total += sent
                print("%s: %d cases in %.0f s, exit %d" % (role, sent, time.monotonic() - began, run.returncode), flush=True)
                if run.returncode != 0 or sent == 0:
                    failed.append(role)
                    print(run.stdout.replace(token or "\0", "(token)"), run.stderr)
        finally:
            program.terminate()
            program.wait()
    print("%d cases; contradictions as: %s" % (total, ", ".join(failed) or "none"))
    sys.exit(1 if failed else 0)


main()
