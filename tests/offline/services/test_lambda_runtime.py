"""Lambda runs the uploaded code, as AWS's Python runtime would, in processes that end."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.awslambda.models import lambda_backends

from infra.offline.services import lambda_runtime
from tests.offline.small_cloud import ACCOUNT, REGION, SmallCloud, small_cloud, zipped

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    with small_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def call(cloud: SmallCloud, name: str, event: Any = None, **how: Any) -> Any:
    reply = cloud.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(event).encode(), **how
    )
    reply["Answer"] = json.loads(reply["Payload"].read() or "null")
    return reply


def test_the_handler_gets_the_event_and_its_answer_comes_back(cloud: SmallCloud) -> None:
    cloud.function("echo", "def handler(event, context):\n    return {'got': event}")
    reply = call(cloud, "echo", {"a": [1, 2]})
    assert reply["StatusCode"] == 200
    assert reply["Answer"] == {"got": {"a": [1, 2]}}
    assert reply["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in reply


def test_a_service_of_motos_that_calls_a_function_runs_it(cloud: SmallCloud) -> None:
    cloud.function("by-moto", "def handler(event, context): return {'told': event}")
    function = lambda_backends[ACCOUNT][REGION].get_function("by-moto")
    payload, failed, _ = function._invoke_lambda({"Records": []})
    assert json.loads(payload) == {"told": {"Records": []}}
    assert not failed


def test_the_worker_stays_warm_between_calls(cloud: SmallCloud) -> None:
    cloud.function(
        "warm",
        """
        import os
        calls = []
        def handler(event, context):
            calls.append(1)
            return [os.getpid(), len(calls)]
        """,
    )
    first, second = call(cloud, "warm")["Answer"], call(cloud, "warm")["Answer"]
    assert first == [second[0], 1]
    assert second[1] == 2


def test_new_code_replaces_the_warm_worker(cloud: SmallCloud) -> None:
    cloud.function("changing", "def handler(event, context): return 'old'")
    assert call(cloud, "changing")["Answer"] == "old"
    cloud.client("lambda").update_function_code(
        FunctionName="changing",
        ZipFile=zipped({"app.py": "def handler(event, context): return 'new'"}),
    )
    assert call(cloud, "changing")["Answer"] == "new"


def test_new_variables_replace_the_warm_worker(cloud: SmallCloud) -> None:
    cloud.function(
        "configured",
        "import os\ndef handler(event, context): return os.environ['COLOUR']",
        Environment={"Variables": {"COLOUR": "red"}},
    )
    assert call(cloud, "configured")["Answer"] == "red"
    cloud.client("lambda").update_function_configuration(
        FunctionName="configured", Environment={"Variables": {"COLOUR": "blue"}}
    )
    assert call(cloud, "configured")["Answer"] == "blue"


CONTEXT = """
def handler(event, context):
    return {
        "arn": context.invoked_function_arn,
        "name": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "left": context.get_remaining_time_in_millis(),
        "id": context.aws_request_id,
    }
"""


@pytest.fixture(scope="module")
def aliased(cloud: SmallCloud) -> str:
    cloud.function("broker", CONTEXT, MemorySize=256, Timeout=7)
    for alias in ("ana", "ben"):
        cloud.client("lambda").create_alias(
            FunctionName="broker", Name=alias, FunctionVersion="$LATEST"
        )
    return "broker"


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"FunctionName": "broker"}, f"{ARN}:broker"),
        ({"FunctionName": "broker", "Qualifier": "ana"}, f"{ARN}:broker:ana"),
        ({"FunctionName": "broker:ben"}, f"{ARN}:broker:ben"),
        ({"FunctionName": f"{ARN}:broker"}, f"{ARN}:broker"),
        ({"FunctionName": f"{ARN}:broker:ana"}, f"{ARN}:broker:ana"),
        ({"FunctionName": f"{ARN}:broker", "Qualifier": "ben"}, f"{ARN}:broker:ben"),
        ({"FunctionName": f"{ACCOUNT}:function:broker:ana"}, f"{ARN}:broker:ana"),
        ({"FunctionName": "broker", "Qualifier": "$LATEST"}, f"{ARN}:broker:$LATEST"),
    ],
)
def test_the_function_is_told_the_arn_that_was_named(
    cloud: SmallCloud, aliased: str, how: dict[str, str], named: str
) -> None:
    reply = cloud.client("lambda").invoke(**how)
    assert json.loads(reply["Payload"].read())["arn"] == named


def test_the_payload_cannot_name_another_alias(cloud: SmallCloud, aliased: str) -> None:
    answer = call(cloud, "broker:ana", {"invoked_function_arn": f"{ARN}:broker:ben"})["Answer"]
    assert answer["arn"] == f"{ARN}:broker:ana"


def test_the_context_carries_the_functions_settings(cloud: SmallCloud, aliased: str) -> None:
    answer = call(cloud, "broker")["Answer"]
    assert (answer["name"], answer["version"], answer["memory"]) == ("broker", "$LATEST", "256")
    assert answer["group"] == "/aws/lambda/broker"
    assert 5000 < answer["left"] <= 7000


@pytest.mark.parametrize("name", ["nobody", "broker:nobody", f"{ARN}:broker:nobody"])
def test_an_unknown_function_or_alias_is_not_found(
    cloud: SmallCloud, aliased: str, name: str
) -> None:
    with pytest.raises(cloud.client("lambda").exceptions.ResourceNotFoundException, match="nobody"):
        cloud.client("lambda").invoke(FunctionName=name)


def test_an_arn_and_a_qualifier_must_agree(cloud: SmallCloud, aliased: str) -> None:
    with pytest.raises(ClientError, match="does not match the specified qualifier"):
        cloud.client("lambda").invoke(FunctionName=f"{ARN}:broker:ana", Qualifier="ben")


def test_an_alias_follows_its_version(cloud: SmallCloud) -> None:
    api = cloud.client("lambda")
    cloud.function("versioned", "def handler(event, context): return 'one'")
    version = api.publish_version(FunctionName="versioned")["Version"]
    api.create_alias(FunctionName="versioned", Name="live", FunctionVersion=version)
    api.update_function_code(
        FunctionName="versioned",
        ZipFile=zipped({"app.py": "def handler(event, context): return 'two'"}),
    )
    assert call(cloud, "versioned:live")["Answer"] == "one"
    assert call(cloud, "versioned")["Answer"] == "two"


def test_an_exception_comes_back_as_lambda_words_it(cloud: SmallCloud) -> None:
    cloud.function(
        "failing",
        """
        def deeper():
            raise KeyError("no such thing")
        def handler(event, context):
            deeper()
        """,
    )
    reply = call(cloud, "failing")
    assert reply["StatusCode"] == 200
    assert reply["FunctionError"] == "Unhandled"
    assert reply["Answer"]["errorType"] == "KeyError"
    assert reply["Answer"]["errorMessage"] == "'no such thing'"
    trace = reply["Answer"]["stackTrace"]
    assert len(trace) == 2
    assert 'File "/var/task/app.py"' in trace[0]


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("import nowhere", "Runtime.ImportModuleError", "Unable to import module 'app'"),
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def handler(e, c): return {1, 2}", "Runtime.MarshalError", "Unable to marshal"),
        ("import sys\ndef handler(e, c): sys.exit(3)", "Runtime.ExitError", "exit status 3"),
        (
            "import os\ndef handler(e, c): os.kill(os.getpid(), 9)",
            "Runtime.ExitError",
            "signal: killed",
        ),
        (
            "import os\ndef handler(e, c): os._exit(0)",
            "Runtime.ExitError",
            "without providing a reason",
        ),
        ("raise ValueError('at import')", "ValueError", "at import"),
    ],
)
def test_what_breaks_the_runtime_has_lambdas_name(
    cloud: SmallCloud, code: str, kind: str, message: str
) -> None:
    name = f"broken-{abs(hash(code))}"
    cloud.function(name, code)
    reply = call(cloud, name)
    assert reply["FunctionError"] == "Unhandled"
    assert reply["Answer"]["errorType"] == kind
    assert message in reply["Answer"]["errorMessage"]


def test_a_function_over_its_time_is_killed(cloud: SmallCloud) -> None:
    cloud.function(
        "slow",
        "import os, time\ndef handler(event, context):\n"
        "    print('pid', os.getpid())\n    time.sleep(event or 0)\n    return 'awake'",
        Timeout=1,
    )
    reply = call(cloud, "slow", 60, LogType="Tail")
    assert reply["FunctionError"] == "Unhandled"
    assert "Task timed out after 1.00 seconds" in reply["Answer"]["errorMessage"]
    assert "\npid " in base64.b64decode(reply["LogResult"]).decode()
    assert not [p for p in cloud.here.processes.running() if p.name == "function slow"]
    assert call(cloud, "slow", 0)["Answer"] == "awake"


def test_the_log_tail_and_the_log_group_have_what_was_printed(cloud: SmallCloud) -> None:
    cloud.client("logs").create_log_group(logGroupName="/aws/lambda/talking")
    cloud.function(
        "talking",
        "import logging\ndef handler(event, context):\n"
        "    print('hello', event)\n    logging.getLogger('x').warning('careful')",
    )
    reply = call(cloud, "talking", 1, LogType="Tail")
    tail = base64.b64decode(reply["LogResult"]).decode()
    assert "hello 1" in tail
    call(cloud, "talking", 2)
    events = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/talking")["events"]
    assert all(event["message"].endswith("\n") for event in events)
    lines = [event["message"].rstrip("\n") for event in events]
    assert [line for line in lines if line.startswith("hello")] == ["hello 1", "hello 2"]
    assert sum(line.startswith("START") for line in lines) == 2
    assert any(line.startswith("[WARNING]") and line.endswith("careful") for line in lines)


def test_without_its_log_group_a_function_makes_none(cloud: SmallCloud) -> None:
    cloud.function("silent", "def handler(event, context): print('x')")
    call(cloud, "silent")
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/silent")
    assert groups["logGroups"] == []


def test_a_worker_sees_lambdas_libraries_and_nothing_of_the_repository(cloud: SmallCloud) -> None:
    cloud.function(
        "looking",
        """
        import importlib.util, os, sys
        def handler(event, context):
            return {
                "found": [n for n in event if importlib.util.find_spec(n)],
                "path": sys.path,
                "keys": sorted(os.environ),
            }
        """,
    )
    names = ["boto3", "botocore", "infra", "moto", "numpy", "torch", "academy"]
    answer = call(cloud, "looking", names)["Answer"]
    assert answer["found"] == ["boto3", "botocore"]
    assert not any("site-packages" in entry for entry in answer["path"])


def test_a_worker_calls_the_cloud_as_its_functions_role(cloud: SmallCloud) -> None:
    cloud.function(
        "whoami",
        "import boto3\ndef handler(e, c): return boto3.client('sts').get_caller_identity()['Arn']",
    )
    answer = call(cloud, "whoami")["Answer"]
    assert answer == f"arn:aws:sts::{ACCOUNT}:assumed-role/whoami-role/whoami"


def test_a_worker_reads_the_clouds_clock(cloud: SmallCloud) -> None:
    cloud.function(
        "clockwork",
        "import datetime, time\n"
        "def handler(e, c): return [time.time(), str(datetime.datetime.now(datetime.UTC))]",
    )
    cloud.clock.move(by=timedelta(days=40))
    seconds, text = call(cloud, "clockwork")["Answer"]
    now = cloud.clock.now()
    assert abs(seconds - now.timestamp()) < 5
    assert abs(datetime.fromisoformat(text) - now) < timedelta(seconds=5)
    assert now - datetime.now(UTC) > timedelta(days=39)


def test_calls_at_the_same_time_run_at_the_same_time(cloud: SmallCloud) -> None:
    # Each call waits until the other has arrived: one after the other, both would time out.
    cloud.function(
        "meeting",
        """
        import os, time
        def handler(event, context):
            open(os.path.join(event["at"], event["me"]), "w").close()
            while not os.path.exists(os.path.join(event["at"], event["other"])):
                time.sleep(0.01)
            return "met"
        """,
    )
    place = cloud.here.state / "place"
    place.mkdir()
    answers: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda me=me, other=other: answers.append(
                call(cloud, "meeting", {"at": str(place), "me": me, "other": other})["Answer"]
            )
        )
        for me, other in (("a", "b"), ("b", "a"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["met", "met"]


def test_more_calls_than_workers_wait_their_turn(cloud: SmallCloud) -> None:
    cloud.function(
        "busy", "import os, time\ndef handler(e, c): time.sleep(.05); return os.getpid()"
    )
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(call(cloud, "busy")["Answer"]))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 10
    assert len(set(answers)) <= lambda_runtime.LARGEST_POOL


def test_no_reserved_concurrency_means_no_call(cloud: SmallCloud) -> None:
    cloud.function("stopped", "def handler(e, c): return 1")
    cloud.client("lambda").put_function_concurrency(
        FunctionName="stopped", ReservedConcurrentExecutions=0
    )
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        impatient_client(cloud).invoke(FunctionName="stopped")


def impatient_client(cloud: SmallCloud) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=cloud.here.endpoint,
        region_name=REGION,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )


COUNTING = """
import json, pathlib
def handler(event, context):
    file = pathlib.Path(event["file"])
    calls = json.loads(file.read_text()) if file.exists() else []
    calls.append(context.aws_request_id)
    file.write_text(json.dumps(calls))
    if len(calls) <= event["fail"]:
        raise RuntimeError("not yet")
"""


def calls_in(file: Path) -> list[str]:
    return json.loads(file.read_text()) if file.exists() else []


def test_an_event_call_answers_at_once_and_runs_later(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.function("later", COUNTING)
    file = tmp_path / "calls"
    reply = call(cloud, "later", {"file": str(file), "fail": 0}, InvocationType="Event")
    assert reply["StatusCode"] == 202
    assert lambda_runtime.drain(20)
    assert len(calls_in(file)) == 1


def test_a_failed_event_call_is_tried_twice_more_after_one_and_two_minutes(
    cloud: SmallCloud, tmp_path: Path
) -> None:
    cloud.function("retried", COUNTING)
    file = tmp_path / "calls"
    call(cloud, "retried", {"file": str(file), "fail": 9}, InvocationType="Event")
    assert lambda_runtime.drain(20)
    assert len(calls_in(file)) == 1
    cloud.clock.move(by=timedelta(seconds=40))
    assert len(calls_in(file)) == 1
    cloud.clock.move(by=timedelta(seconds=30))
    assert len(calls_in(file)) == 2
    cloud.clock.move(by=timedelta(seconds=130))
    assert len(calls_in(file)) == 3
    cloud.clock.move(by=timedelta(hours=7))
    calls = calls_in(file)
    assert len(calls) == 3
    assert len(set(calls)) == 1  # Lambda keeps the request id


def test_a_retry_ends_with_the_first_success(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.function("mended", COUNTING)
    file = tmp_path / "calls"
    call(cloud, "mended", {"file": str(file), "fail": 1}, InvocationType="Event")
    cloud.clock.move(by=timedelta(hours=1))
    assert len(calls_in(file)) == 2


def test_a_dry_run_runs_nothing(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.function("dry", COUNTING)
    file = tmp_path / "calls"
    reply = call(cloud, "dry", {"file": str(file), "fail": 0}, InvocationType="DryRun")
    assert reply["StatusCode"] == 204
    assert not file.exists()


def test_a_payload_that_is_no_json_is_refused(cloud: SmallCloud) -> None:
    cloud.function("strict", "def handler(e, c): return e")
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        cloud.client("lambda").invoke(FunctionName="strict", Payload=b"{not json")


@pytest.mark.parametrize(
    "setting",
    [
        {"Runtime": "nodejs20.x"},
        {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        {"DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"}},
    ],
)
def test_what_cannot_be_run_is_refused_by_name(cloud: SmallCloud, setting: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=next(iter(setting))):
        cloud.function("refused", "def handler(e, c): pass", **setting)


def test_what_cannot_be_run_is_refused_when_a_function_changes(cloud: SmallCloud) -> None:
    cloud.function("steady", "def handler(e, c): return 1", Environment={"Variables": {"A": "b"}})
    api = cloud.client("lambda")
    with pytest.raises(ClientError, match=r"nodejs20\.x"):
        api.update_function_configuration(FunctionName="steady", Runtime="nodejs20.x")
    assert api.get_function(FunctionName="steady")["Configuration"]["Runtime"] == "python3.11"
    api.update_function_configuration(FunctionName="steady", Environment={})
    assert "Environment" not in api.get_function(FunctionName="steady")["Configuration"]


def test_a_role_that_does_not_trust_lambda_is_refused(cloud: SmallCloud) -> None:
    role = cloud.role("not-for-lambda", "sagemaker.amazonaws.com")
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        cloud.function("untrusted", "def handler(e, c): return 1", Role=role)


def test_the_workers_of_a_deleted_function_end(cloud: SmallCloud) -> None:
    cloud.function("leaving", "def handler(e, c): return 1")
    call(cloud, "leaving")
    assert [p for p in cloud.here.processes.running() if p.name == "function leaving"]
    cloud.client("lambda").delete_function(FunctionName="leaving")
    deadline = time.monotonic() + 5
    while [p for p in cloud.here.processes.running() if p.name == "function leaving"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_interpreter_is_the_clouds_own(cloud: SmallCloud) -> None:
    cloud.function("python", "import sys\ndef handler(e, c): return list(sys.version_info[:2])")
    assert call(cloud, "python")["Answer"] == list(sys.version_info[:2])
