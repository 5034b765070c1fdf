"""Events reach the functions that their rules name, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto.events.exceptions import InvalidEventPatternException

from infra.offline.services import events
from tests.offline.small_cloud import ACCOUNT, REGION, SmallCloud, small_cloud

RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"

# --- patterns -----------------------------------------------------------------------------------
EVENT = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Training Job State Change",
    "detail": {
        "TrainingJobName": "earth--falcon--ana--0a1b2c3d",
        "TrainingJobStatus": "Completed",
        "BillableTimeInSeconds": 120,
        "EnableManagedSpotTraining": False,
        "Tags": ["red", "blue"],
        "Channels": [{"name": "data", "size": 5}, {"name": "code", "size": 1}],
        "Nothing": None,
    },
}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"source": ["aws.sagemaker"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"source": ["aws.s3", "aws.sagemaker"]}, True),
        ({"source": ["aws.sagemaker"], "detail-type": ["Object Created"]}, False),
        ({"detail": {"TrainingJobStatus": ["Completed", "Failed", "Stopped"]}}, True),
        ({"detail": {"TrainingJobName": [{"prefix": "earth--"}]}}, True),
        ({"detail": {"TrainingJobName": [{"prefix": "earth--owl--"}]}}, False),
        ({"detail": {"TrainingJobName": [{"suffix": "0a1b2c3d"}]}}, True),
        ({"detail": {"TrainingJobStatus": [{"equals-ignore-case": "COMPLETED"}]}}, True),
        ({"detail": {"TrainingJobStatus": [{"anything-but": "InProgress"}]}}, True),
        ({"detail": {"TrainingJobStatus": [{"anything-but": ["InProgress", "Completed"]}]}}, False),
        ({"detail": {"TrainingJobName": [{"anything-but": {"prefix": "earth--"}}]}}, False),
        ({"detail": {"Absent": [{"anything-but": "x"}]}}, False),
        ({"detail": {"TrainingJobName": [{"exists": True}]}}, True),
        ({"detail": {"TrainingJobName": [{"exists": False}]}}, False),
        ({"detail": {"Absent": [{"exists": False}]}}, True),
        ({"detail": {"Absent": {"Deeper": [{"exists": False}]}}}, True),
        ({"detail": [{"exists": True}]}, False),  # only leaves exist
        ({"detail": {"BillableTimeInSeconds": [{"numeric": [">", 100, "<=", 120]}]}}, True),
        ({"detail": {"BillableTimeInSeconds": [{"numeric": ["<", 120]}]}}, False),
        ({"detail": {"TrainingJobName": [{"numeric": ["<", 120]}]}}, False),
        ({"detail": {"BillableTimeInSeconds": [120]}}, True),
        ({"detail": {"EnableManagedSpotTraining": [False]}}, True),
        ({"detail": {"EnableManagedSpotTraining": [0]}}, False),
        ({"detail": {"Nothing": [None]}}, True),
        ({"detail": {"Tags": ["blue"]}}, True),
        ({"detail": {"Tags": ["green"]}}, False),
        ({"detail": {"Channels": {"name": ["data"], "size": [5]}}}, True),
        ({"detail": {"Channels": {"name": ["data"], "size": [1]}}}, False),
        ({"$or": [{"source": ["aws.s3"]}, {"detail": {"Tags": ["red"]}}]}, True),
        ({"$or": [{"source": ["aws.s3"]}, {"detail": {"Tags": ["green"]}}]}, False),
    ],
)
def test_a_pattern_matches_as_eventbridge_documents(pattern: Any, matches: bool) -> None:
    assert events.Pattern(json.dumps(pattern)).matches(EVENT) is matches


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ('{"source": ', "Invalid JSON"),
        ('["aws.s3"]', "not an object"),
        ('{"source": "aws.s3"}', "'source' must be an object or an array"),
        ('{"detail": {"key": []}}', "Empty arrays"),
        ('{"detail": {"key": [{"wildcard": "*x"}]}}', "'detail.key': wildcard"),
        ('{"detail": {"ip": [{"cidr": "10.0.0.0/8"}]}}', "'detail.ip': cidr"),
        ('{"source": [{"prefix": 3}]}', "'source': prefix"),
        ('{"source": [{"anything-but": {"wildcard": "x"}}]}', "anything-but"),
        ('{"a": [{"numeric": ["~", 3]}]}', "numeric"),
        ('{"a": [{"prefix": "x", "suffix": "y"}]}', "one operator"),
        ('{"$or": {"a": ["b"]}}', "list of objects"),
    ],
)
def test_a_pattern_that_is_wrong_or_not_emulated_is_refused_by_name(
    pattern: str, named: str
) -> None:
    with pytest.raises(InvalidEventPatternException) as refusal:
        events.Pattern(pattern)
    assert named in refusal.value.message


values = st.one_of(st.text(max_size=3), st.integers(-3, 3), st.booleans(), st.none())
objects = st.dictionaries(st.text("abc", min_size=1, max_size=1), values, min_size=1, max_size=3)


@given(objects, objects)
def test_exact_patterns_match_exactly_the_events_that_contain_them(
    wanted: dict[str, Any], event: dict[str, Any]
) -> None:
    pattern = events.Pattern(json.dumps({name: [value] for name, value in wanted.items()}))
    contained = all(
        name in event and json.dumps(event[name]) == json.dumps(value)
        for name, value in wanted.items()
    )
    assert pattern.matches(event) is contained


# --- rules --------------------------------------------------------------------------------------
KEEPING = """
import json, pathlib
def handler(event, context):
    file = pathlib.Path({folder!r}) / (context.function_name + ".jsonl")
    with file.open("a") as lines:
        lines.write(json.dumps({{"event": event, "arn": context.invoked_function_arn}}) + "\\n")
    if (file.parent / "fail").exists():
        raise RuntimeError("told to")
"""


class Kept:
    """A function that keeps what it is called with, and a rule that names it."""

    def __init__(self, cloud: SmallCloud, folder: Path, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self.folder = folder
        self.arn = cloud.function(name, KEEPING.format(folder=str(folder)))

    def rule(
        self, permission: bool = True, target: dict[str, Any] | None = None, **rule: Any
    ) -> None:
        api = self.cloud.client("events")
        if "EventPattern" in rule:
            rule["EventPattern"] = json.dumps(rule["EventPattern"])
        api.put_rule(Name=self.name, **rule)
        api.put_targets(Rule=self.name, Targets=[{"Id": "1", "Arn": self.arn, **(target or {})}])
        if permission:
            self.permit(f"{RULE}/{self.name}")

    def permit(self, source: str) -> None:
        self.cloud.client("lambda").add_permission(
            FunctionName=self.name,
            StatementId="events",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=source,
        )

    def calls(self) -> list[dict[str, Any]]:
        assert events.drain(20)
        file = self.folder / f"{self.name}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def events(self) -> list[dict[str, Any]]:
        return [call["event"] for call in self.calls()]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    with small_cloud(tmp_path_factory.mktemp("cloud"), still=True) as running:
        yield running


@pytest.fixture
def kept(cloud: SmallCloud, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Kept]:
    name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name.removeprefix("test_"))[-60:]
    function = Kept(cloud, tmp_path, name)
    yield function
    api = cloud.client("events")
    for rule in api.list_rules()["Rules"]:
        api.remove_targets(Rule=rule["Name"], Ids=["1"])
        api.delete_rule(Name=rule["Name"])


def test_an_event_of_a_service_reaches_its_function(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(EventPattern={"source": ["aws.sagemaker"]})
    events.emit("aws.sagemaker", "Something Changed", {"a": 1}, ["arn:x"])
    events.emit("aws.s3", "Object Created", {"a": 1}, [])
    [event] = kept.events()
    assert event["detail"] == {"a": 1}
    assert event["detail-type"] == "Something Changed"
    assert event["resources"] == ["arn:x"]
    assert (event["account"], event["region"], event["version"]) == (ACCOUNT, REGION, "0")
    assert event["time"] == f"{cloud.clock.now():%Y-%m-%dT%H:%M}{event['time'][16:]}"


def test_an_event_of_a_user_reaches_its_function(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(EventPattern={"source": ["my.app"]})
    answer = cloud.client("events").put_events(
        Entries=[{"Source": "my.app", "DetailType": "Said", "Detail": '{"word": "yes"}'}]
    )
    assert answer["FailedEntryCount"] == 0
    [event] = kept.events()
    assert event["detail"] == {"word": "yes"}
    assert event["id"] == answer["Entries"][0]["EventId"]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"Source": "aws.sagemaker"}, "NotAuthorizedForSourceException"),
        ({"Detail": "[1]"}, "MalformedDetail"),
        ({"Detail": "{"}, "MalformedDetail"),
        ({"DetailType": ""}, "InvalidArgument"),
        ({"EventBusName": "other"}, "InvalidArgument"),
    ],
)
def test_a_wrong_event_of_a_user_is_refused(
    cloud: SmallCloud, kept: Kept, entry: dict[str, str], code: str
) -> None:
    kept.rule(EventPattern={"detail-type": [{"exists": True}]})
    answer = cloud.client("events").put_events(
        Entries=[{"Source": "my.app", "DetailType": "Said", "Detail": "{}", **entry}]
    )
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == code
    assert kept.calls() == []


def test_without_permission_nothing_is_delivered(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    kept.rule(permission=False, EventPattern={"source": ["my.app"]})
    events.emit("my.app", "x", {}, [])
    assert kept.calls() == []
    assert "resource policy" in caplog.text


def test_a_permission_for_another_rule_is_none(kept: Kept) -> None:
    kept.rule(permission=False, EventPattern={"source": ["my.app"]})
    kept.permit(f"{RULE}/another")
    events.emit("my.app", "x", {}, [])
    assert kept.calls() == []


def test_a_disabled_rule_delivers_nothing(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(EventPattern={"source": ["my.app"]})
    cloud.client("events").disable_rule(Name=kept.name)
    events.emit("my.app", "x", {}, [])
    assert kept.calls() == []
    cloud.client("events").enable_rule(Name=kept.name)
    events.emit("my.app", "x", {}, [])
    assert len(kept.calls()) == 1


def test_a_constant_input_replaces_the_event(kept: Kept) -> None:
    kept.rule(target={"Input": '{"task": "sweep"}'}, EventPattern={"source": ["my.app"]})
    events.emit("my.app", "x", {}, [])
    assert kept.events() == [{"task": "sweep"}]


def test_a_failed_delivery_is_tried_again_on_the_clock(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(EventPattern={"source": ["my.app"]})
    (kept.folder / "fail").touch()
    events.emit("my.app", "x", {}, [])
    assert len(kept.calls()) == 1
    (kept.folder / "fail").unlink()
    cloud.clock.move(by=timedelta(minutes=10))
    calls = kept.calls()
    assert len(calls) == 2
    assert calls[0] == calls[1]


def test_a_rate_runs_each_period_until_its_rule_is_deleted(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(ScheduleExpression="rate(15 minutes)")
    cloud.clock.move(by=timedelta(minutes=14))
    assert kept.calls() == []
    cloud.clock.move(by=timedelta(minutes=32))
    told = kept.events()
    assert [event["detail-type"] for event in told] == ["Scheduled Event"] * 3
    assert told[0]["resources"] == [f"{RULE}/{kept.name}"]
    assert len({event["time"] for event in told}) == 3
    api = cloud.client("events")
    api.remove_targets(Rule=kept.name, Ids=["1"])
    api.delete_rule(Name=kept.name)
    cloud.clock.move(by=timedelta(hours=2))
    assert len(kept.calls()) == 3
    assert not [alarm for alarm in cloud.clock.alarms() if kept.name in alarm.name]


def test_a_rule_put_anew_keeps_one_rate(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(ScheduleExpression="rate(1 hour)")
    cloud.client("events").put_rule(Name=kept.name, ScheduleExpression="rate(2 hours)")
    cloud.clock.move(by=timedelta(hours=4, minutes=1))
    assert len(kept.calls()) == 2


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"ScheduleExpression": "cron(0 10 * * ? *)"}, "cron"),
        ({"ScheduleExpression": "rate(1 minutes)"}, "ScheduleExpression"),
        ({"ScheduleExpression": "rate(0 minutes)"}, "ScheduleExpression"),
        ({"EventPattern": '{"source": [{"wildcard": "a*"}]}'}, "wildcard"),
        ({"EventPattern": '{"source": ["a"]}', "EventBusName": "other"}, "other"),
    ],
)
def test_a_rule_that_is_not_emulated_is_refused(
    cloud: SmallCloud, rule: dict[str, str], named: str
) -> None:
    with pytest.raises(ClientError, match=named):
        cloud.client("events").put_rule(Name="refused", **rule)


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ({"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"}, "sqs"),
        ({"InputPath": "$.detail"}, "InputPath"),
        ({"InputTransformer": {"InputTemplate": "{}"}}, "InputTransformer"),
        ({"DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}}, "DeadLetterConfig"),
        ({"Input": "{"}, "Input"),
    ],
)
def test_a_target_that_is_not_emulated_is_refused(
    kept: Kept, target: dict[str, Any], named: str
) -> None:
    with pytest.raises(ClientError, match=named):
        kept.rule(target=target, EventPattern={"source": ["x"]})


# --- S3 -----------------------------------------------------------------------------------------
@pytest.fixture
def bucket(cloud: SmallCloud, kept: Kept, request: pytest.FixtureRequest) -> str:
    """A bucket that tells EventBridge, and a rule for its events."""
    name = f"bucket-{abs(hash(request.node.name))}"
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    kept.rule(EventPattern={"source": ["aws.s3"], "detail": {"bucket": {"name": [name]}}})
    return name


def test_an_upload_is_told_as_s3_tells_it(cloud: SmallCloud, kept: Kept, bucket: str) -> None:
    put = cloud.client("s3").put_object(
        Bucket=bucket, Key="submissions/a b.csv", Body=b"12345", Metadata={"note": "first"}
    )
    [event] = kept.events()
    assert event["detail-type"] == "Object Created"
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    detail = event["detail"]
    assert detail["bucket"] == {"name": bucket}
    sequencer = detail["object"].pop("sequencer")
    assert int(sequencer, 16) > 0
    assert detail["object"] == {
        "key": "submissions/a b.csv",
        "size": 5,
        "etag": put["ETag"].strip('"'),
    }
    assert detail["reason"] == "PutObject"
    assert detail["requester"] == ACCOUNT
    assert {"version", "request-id", "source-ip-address"} <= set(detail)


def test_in_a_versioned_bucket_the_version_is_told(
    cloud: SmallCloud, kept: Kept, bucket: str
) -> None:
    s3 = cloud.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    marked = s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=put["VersionId"])
    told = sorted(kept.events(), key=lambda event: event["detail"]["object"]["sequencer"])
    assert [(event["detail-type"], event["detail"].get("deletion-type")) for event in told] == [
        ("Object Created", None),
        ("Object Deleted", "Delete Marker Created"),
        ("Object Deleted", "Permanently Deleted"),
    ]
    assert [event["detail"]["object"]["version-id"] for event in told] == [
        put["VersionId"],
        marked["VersionId"],
        put["VersionId"],
    ]


def test_copies_multipart_uploads_and_deletions_are_told(
    cloud: SmallCloud, kept: Kept, bucket: str
) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="c")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="c", UploadId=upload, PartNumber=1, Body=b"1")
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="c",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}]})
    told = sorted(kept.events(), key=lambda event: event["detail"]["object"]["sequencer"])
    assert [(event["detail"]["object"]["key"], event["detail"]["reason"]) for event in told] == [
        ("a", "PutObject"),
        ("b", "CopyObject"),
        ("c", "CompleteMultipartUpload"),
        ("a", "DeleteObject"),
    ]


def test_a_bucket_without_eventbridge_tells_nothing(cloud: SmallCloud, kept: Kept) -> None:
    kept.rule(EventPattern={"source": ["aws.s3"]})
    cloud.client("s3").create_bucket(Bucket="quiet-bucket")
    cloud.client("s3").put_object(Bucket="quiet-bucket", Key="k", Body=b"1")
    assert kept.calls() == []


def test_events_are_held_back_until_the_object_is_complete(
    cloud: SmallCloud, kept: Kept, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.s3.models import FakeKey

    order: list[str] = []
    publish, tell = events._publish, FakeKey.set_metadata
    monkeypatch.setattr(events, "_publish", lambda e: (order.append("told"), publish(e)))
    monkeypatch.setattr(
        FakeKey, "set_metadata", lambda *a, **k: (order.append("metadata"), tell(*a, **k))
    )
    cloud.client("s3").put_object(Bucket=bucket, Key="k", Body=b"1", Metadata={"note": "x"})
    assert order == ["metadata", "told"]
