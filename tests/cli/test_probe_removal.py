"""What `cohort probe` removes, and what it does not: another's things, and what ends an app."""

from __future__ import annotations

import datetime as dt
import signal

import boto3
import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ReadTimeoutError
from botocore.stub import ANY

from infra.cli.probe import command
from infra.cli.probe.asking import studio
from infra.cli.probe.ledger import FILE, Ledger
from infra.cli.probe.removal import NotOurs, require_ours
from infra.cli.terminal import Refused
from tests.cli.probe_world import RUN, Scripted

PREFIX = f"academy-probe-{RUN}"
KEY, OTHER = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-9999-000000000000"


@pytest.fixture
def scripted(tmp_path) -> Scripted:
    return Scripted(tmp_path)


# --- what is not of the run -----------------------------------------------------------------------
FOREIGN = [
    ("bucket", {"name": "earth-vault"}),
    ("bucket", {"name": "academy-probe-ffffffff-1"}),
    ("bucket", {"name": f"x-{PREFIX}-1"}),
    ("bucket", {"name": f"{PREFIX}0"}),
    ("role", {"name": "admin"}),
    ("function", {"name": "earth-broker"}),
    ("queue", {"name": "earth"}),
    ("repository", {"name": "academy/segmentation"}),
    ("stack", {"name": "Academy-Base"}),
    ("log-group", {"name": "/aws/lambda/earth-broker"}),
    ("policy", {"name": f"{PREFIX}-b", "arn": "arn:aws:iam::123456789012:policy/earth"}),
    ("topic", {"name": f"{PREFIX}-n", "arn": "arn:aws:sns:us-east-1:123456789012:earth"}),
    ("schedule", {"name": f"{PREFIX}--ana", "within": "earth--stops"}),
    ("app", {"name": f"{PREFIX}--ana", "space": "earth--ana", "domain": "d-1"}),
    ("log-streams", {"name": "/aws/sagemaker/studio", "prefix": ""}),
    ("log-streams", {"name": "/aws/lambda/earth-broker", "prefix": "2027/"}),
    ("vpc", {"name": "production", "id": "vpc-1"}),
]


@pytest.mark.parametrize(("kind", "at"), FOREIGN)
def test_what_a_record_names_of_another_is_refused_by_name_and_not_called(scripted, kind, at):
    def no_call(*_):
        raise AssertionError("a call was made")

    scripted.probe.client = no_call
    scripted.probe.ledger.intend(kind, "q", **at)
    [failure] = scripted.probe.remove()
    assert failure.startswith(f"{kind} {at['name']}: refused: ")
    assert len(scripted.probe.ledger.standing()) == 1


def test_a_record_of_no_run_names_nothing():
    with pytest.raises(NotOurs, match="the prefix of no run"):
        require_ours("bucket", {"name": "academy-probe-vault"}, "academy-probe-")


def test_an_id_on_record_is_another_things_on_aws(scripted):
    ec2, kms, sagemaker = (scripted.stub(each) for each in ("ec2", "kms", "sagemaker"))
    at = {"name": f"{PREFIX}-net"}
    for name, given in (("vpc", "VpcIds"), ("subnet", "SubnetIds")):
        one = {given[:-1]: "x-1", "Tags": [{"Key": "Name", "Value": "production"}]}
        member = f"{name.capitalize()}s"
        ec2.add_response(f"describe_{name}s", {member: []}, {"Filters": ANY})
        ec2.add_response(f"describe_{name}s", {member: [one]}, {given: ["x-1"]})
    kms.add_response("list_keys", {"Keys": []})
    tags = {"Tags": [{"TagKey": "Name", "TagValue": "vault"}]}
    kms.add_response("list_resource_tags", tags, {"KeyId": KEY})
    sagemaker.add_response("list_domains", {"Domains": []})
    sagemaker.add_response("describe_domain", {"DomainName": "earth"}, {"DomainId": "d-1"})
    ids = {"vpc": "x-1", "subnet": "x-1", "key": KEY, "domain": "arn:aws:sagemaker:…:domain/d-1"}
    for kind, known in ids.items():
        with pytest.raises(NotOurs, match=r"is named (production|vault|earth) on AWS"):
            scripted.probe.remove_thing(kind, {**at, "id": known})
    scripted.all_asked()


def test_log_streams_of_others_below_the_same_domain_stay(scripted):
    logs = scripted.stub("logs")
    streams = [f"d-1/{PREFIX}--ana/JupyterLab/default", "d-1/earth--ana/JupyterLab/default"]
    found = {"logStreams": [{"logStreamName": each} for each in streams]}
    logs.add_response("describe_log_streams", found)
    group = "/aws/sagemaker/studio"
    logs.add_response("delete_log_stream", {}, {"logGroupName": group, "logStreamName": streams[0]})
    scripted.probe.remove_thing("log-streams", {"name": group, "prefix": "d-1/"})
    scripted.all_asked()


# --- what was made twice --------------------------------------------------------------------------
def test_a_network_that_was_made_twice_is_removed_twice(scripted):
    ec2 = scripted.stub("ec2")
    named = [{"Key": "Name", "Value": f"{PREFIX}-net"}]
    both = [{"VpcId": each, "Tags": named} for each in ("vpc-1", "vpc-2")]
    ec2.add_response("describe_vpcs", {"Vpcs": both})
    for each in ("vpc-1", "vpc-2"):
        ec2.add_response("delete_vpc", {}, {"VpcId": each})
    scripted.probe.remove_thing("vpc", {"name": f"{PREFIX}-net", "id": "vpc-1"})
    scripted.all_asked()


def test_a_key_that_was_made_twice_is_removed_twice_and_others_are_not_written_down(scripted):
    kms, name = scripted.stub("kms"), f"{PREFIX}-notices"
    foreign = "99999999-aaaa-4bbb-8ccc-dddddddddddd"
    kms.add_response("list_keys", {"Keys": [{"KeyId": each} for each in (foreign, KEY, OTHER)]})
    for each, tag in ((foreign, "earth-vault"), (KEY, name), (OTHER, name)):
        tags = {"Tags": [{"TagKey": "Name", "TagValue": tag}]}
        kms.add_response("list_resource_tags", tags, {"KeyId": each})
    for each in (KEY, OTHER):
        metadata = {"KeyMetadata": {"KeyId": each, "KeyState": "Enabled"}}
        kms.add_response("describe_key", metadata, {"KeyId": each})
        kms.add_response("schedule_key_deletion", {}, {"KeyId": each, "PendingWindowInDays": 7})
    client = scripted.probe.client("kms")
    scripted.probe.recorder.about("cleanup")
    seen = []
    client.meta.events.register(
        "before-parameter-build",
        lambda model, **_: seen.append((model.name, scripted.probe.recorder._question)),
    )
    scripted.probe.remove_thing("key", {"name": name, "id": KEY})
    assert {about for call, about in seen if call.startswith("List")} == {None}
    assert {about for call, about in seen if call == "ScheduleKeyDeletion"} == {"cleanup"}
    scripted.all_asked()


def test_a_key_whose_tags_cannot_be_read_for_now_is_not_passed_over(scripted):
    kms = scripted.stub("kms")
    kms.add_response("list_keys", {"Keys": [{"KeyId": KEY}]})
    kms.add_client_error("list_resource_tags", "ThrottlingException", "Rate exceeded", 400)
    scripted.probe.ledger.intend("key", "q", name=f"{PREFIX}-notices")
    [failure] = scripted.probe.remove()
    assert "ThrottlingException" in failure


# --- an app that does not go ----------------------------------------------------------------------
def _with_app(scripted: Scripted) -> None:
    note = scripted.probe.ledger.intend
    note("role", "workspace", name=f"{PREFIX}-stopper")
    note("schedule-group", "workspace", name=f"{PREFIX}--stops")
    note("schedule", "stop", name=f"{PREFIX}--ana", within=f"{PREFIX}--stops")
    note("app", "stop", name=f"{PREFIX}--ana", domain="d-1", space=f"{PREFIX}--ana")
    # The run died after the next stop was written, before the next app.
    note("schedule", "stop", name=f"{PREFIX}--ana", within=f"{PREFIX}--stops")


@pytest.mark.parametrize("kinds", [None, ("app", "schedule", "space", "profile", "domain")])
def test_what_ends_an_app_stays_until_the_app_is_gone(scripted, kinds):
    _with_app(scripted)
    sagemaker = scripted.stub("sagemaker")
    sagemaker.add_client_error("describe_app", "ThrottlingException", "Rate exceeded", 400)
    # Nothing is scripted for Scheduler and IAM: a call to them would be an error of its own.
    failures = scripted.probe.remove(kinds)
    assert "ThrottlingException" in failures[0]
    assert failures[1:]
    assert all("kept, since it may have to end an app" in each for each in failures[1:])
    assert len(scripted.probe.ledger.standing()) == 5


def test_once_the_app_is_gone_what_would_end_it_goes(scripted):
    _with_app(scripted)
    gone = ("describe_app", "ResourceNotFound", "no such app", 400)
    scripted.stub("sagemaker").add_client_error(*gone)
    scheduler, iam = scripted.stub("scheduler"), scripted.stub("iam")
    for _ in range(2):
        scheduler.add_response("delete_schedule", {})
    scheduler.add_response("delete_schedule_group", {})
    iam.add_response("list_role_policies", {"PolicyNames": []})
    iam.add_response("delete_role", {})
    assert scripted.probe.remove() == []
    scripted.all_asked()


def test_the_stop_of_an_app_that_may_still_run_is_moved_and_never_taken_away(scripted):
    group = f"{PREFIX}--stops"
    arn = "arn:aws:iam::123456789012:role/stopper"
    scripted.probe.made["workspace"] = {
        "domain": "d-1",
        "space": f"{PREFIX}--ana",
        "group": group,
        "stopper": arn,
    }
    scheduler = scripted.stub("scheduler")
    scheduler.add_client_error("create_schedule", "ConflictException", "already exists", 409)
    updated = {"ScheduleArn": "arn:aws:scheduler:us-east-1:123456789012:schedule/g/s"}
    scheduler.add_response("update_schedule", updated)
    assert studio.write_stop(scripted.probe)["GroupName"] == group
    scripted.all_asked()


def test_a_stop_of_a_job_that_is_throttled_is_asked_for_again(scripted):
    sagemaker, name = scripted.stub("sagemaker"), f"{PREFIX}--team--ana--check"

    def is_(status: str) -> None:
        job = {"TrainingJobName": name, "TrainingJobStatus": status}
        required = {
            "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/j",
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/k"},
            "SecondaryStatus": "Training",
            "ResourceConfig": {"VolumeSizeInGB": 1},
            "StoppingCondition": {},
            "CreationTime": dt.datetime.now(dt.UTC),
            "AlgorithmSpecification": {"TrainingInputMode": "File"},
        }
        sagemaker.add_response("describe_training_job", {**required, **job})

    is_("InProgress")
    sagemaker.add_client_error("stop_training_job", "ThrottlingException", "Rate exceeded", 400)
    is_("InProgress")
    sagemaker.add_response("stop_training_job", {})
    is_("Stopped")
    sagemaker.add_response("delete_training_job", {})
    scripted.probe.remove_thing("training-job", {"name": name})
    scripted.all_asked()


# --- making once ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("service", "operation", "given", "tries"),
    [
        ("kms", "create_key", {}, 1),
        ("ec2", "create_vpc", {"CidrBlock": "10.87.0.0/24"}, 1),
        ("kms", "list_keys", {}, 4),
    ],
)
def test_what_makes_a_thing_is_sent_once_though_its_answer_is_lost(
    monkeypatch, service, operation, given, tries
):
    monkeypatch.setattr("time.sleep", lambda _: None)
    session = boto3.Session(
        aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    sent = []

    def lost(request, **_):
        sent.append(request)
        raise ReadTimeoutError(endpoint_url=request.url)

    session.events.register("before-send", lost)
    client = command._Place("us-east-1", None).client(session, service)
    with pytest.raises(ReadTimeoutError):
        getattr(client, operation)(**given)
    assert len(sent) == tries


# --- credentials and signals ----------------------------------------------------------------------
def _ending(in_minutes: int, method: str) -> RefreshableCredentials:
    return RefreshableCredentials(
        "a", "b", "t",
        expiry_time=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=in_minutes),
        refresh_using=dict,
        method=method,
    )  # fmt: skip


def test_credentials_that_end_before_the_run_are_refused():
    with pytest.raises(Refused, match="the run takes 100 minutes: nothing was started"):
        command._require_lasting(_ending(60, "env"), 100)


@pytest.mark.parametrize(
    ("credentials", "warned"),
    [
        (_ending(180, "env"), None),
        (_ending(60, "iam-role"), None),
        (_ending(60, "sso"), "while your sign-in lasts"),
        (Credentials("a", "b", "t", method="env"), "is not known"),
        (Credentials("a", "b", method="shared-credentials-file"), None),
    ],
)
def test_credentials_whose_end_is_open_are_warned_of(capsys, credentials, warned):
    command._require_lasting(credentials, 100)
    said = capsys.readouterr().out
    assert (warned in " ".join(said.split())) if warned else (said == "")


def test_the_end_of_the_terminal_interrupts_once_and_is_ignored_under_nohup():
    before = signal.getsignal(signal.SIGHUP)
    try:
        heard: list[int] = []
        signal.signal(signal.SIGHUP, lambda *_: heard.append(1))
        with command._terminable():
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)  # while it removes
        assert heard == []
        signal.raise_signal(signal.SIGHUP)
        assert heard == [1]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with command._terminable():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


# --- the record -----------------------------------------------------------------------------------
def test_what_is_written_after_a_death_within_a_line_is_not_glued_to_it(tmp_path):
    record = Ledger(tmp_path / FILE, {"run": RUN})
    record.intend("bucket", "q", name=f"{PREFIX}-1")
    record.close()
    with record.path.open("a") as file:
        file.write('{"intend": 1, "ki')
    again = Ledger(record.path)
    again.strike(again.entries[0])
    again.intend("role", "q", name=f"{PREFIX}-r")
    again.close()
    assert [str(each) for each in Ledger(record.path).standing()] == [f"role {PREFIX}-r"]
