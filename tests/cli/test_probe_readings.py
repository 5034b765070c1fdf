"""Every question can be confirmed and can be contradicted; what it says names what was seen."""

from __future__ import annotations

import datetime as dt

import pytest

from infra.assurance.price_list import Change
from infra.cli.probe.asking import (
    account,
    alarms,
    codes,
    functions,
    images,
    jobs,
    objects,
    policies,
    registries,
    studio,
)
from infra.cli.probe.asking.codes import Refusal
from infra.cli.probe.question import Answer, Verdict
from infra.cli.probe.questions import QUESTIONS
from infra.offline import conformance
from infra.services.guard.training import MARK
from tests.cli.probe_world import Scripted

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:echo"
APP = "arn:aws:sagemaker:us-east-1:123456789012:app/d-1/ana/JupyterLab/default"
DENIED = f"User: … is not authorized to perform: sagemaker:CreateApp on resource: {APP} because …"
FIRST = dt.datetime(2027, 2, 1, tzinfo=dt.UTC)
#: A quota of each name, as Service Quotas lists it.
KNOWN = [{"QuotaName": name, "QuotaCode": "L-1", "Value": 2.0} for name in account.QUOTAS]

ABSENT = Refusal("DescribeApp of no app", "ResourceNotFound", "ResourceNotFound")
DELETED = Refusal("DeleteSpace with an app", "ResourceInUse", "ok")
TOLD = {"an empty value is null": "allowed"}

READINGS: list[tuple[str, Answer, Verdict, str]] = [
    (
        "alias-identity",
        functions.read_alias(FUNCTION, by_alias=f"{FUNCTION}:ana", unqualified=FUNCTION),
        Verdict.CONFIRMED,
        "ends in the alias",
    ),
    (
        "alias-identity",
        functions.read_alias(FUNCTION, by_alias=FUNCTION, unqualified=FUNCTION),
        Verdict.CONTRADICTED,
        FUNCTION,
    ),
    (
        "alias-identity",
        functions.read_alias(
            FUNCTION, by_alias=f"{FUNCTION}:ana", unqualified=f"{FUNCTION}:$LATEST"
        ),
        Verdict.CONTRADICTED,
        "$LATEST",
    ),
    (
        "no-efs-domain",
        studio.read_leftovers(file_system=None, groups=["default"], interfaces=[], failures=[]),
        Verdict.CONFIRMED,
        "without leftovers",
    ),
    (
        "no-efs-domain",
        studio.read_leftovers(file_system="fs-1", groups=[], interfaces=[], failures=[]),
        Verdict.CONTRADICTED,
        "fs-1",
    ),
    (
        "no-efs-domain",
        studio.read_leftovers(
            file_system=None, groups=["default", "nfs-d-1"], interfaces=["eni-1"], failures=[]
        ),
        Verdict.CONTRADICTED,
        "nfs-d-1, eni-1",
    ),
    (
        "no-efs-domain",
        studio.read_leftovers(
            file_system=None, groups=[], interfaces=[], failures=["domain d-1: in use"]
        ),
        Verdict.CONTRADICTED,
        "in use",
    ),
    ("unborn-app", studio.read_unborn(None), Verdict.CONFIRMED, "does not exist yet"),
    ("unborn-app", studio.read_unborn("ValidationException: no"), Verdict.CONTRADICTED, "no"),
    ("stop", studio.read_stop("Deleted"), Verdict.CONFIRMED, "Deleted"),
    ("stop", studio.read_stop("InService"), Verdict.CONTRADICTED, "runs on"),
    ("app-arn", studio.read_arn(DENIED, None, expected=APP), Verdict.CONFIRMED, "as we wrote it"),
    (
        "app-arn",
        studio.read_arn(DENIED.replace("JupyterLab", "jupyterlab"), None, expected=APP),
        Verdict.CONFIRMED,
        "jupyterlab/default, which we would have written",
    ),
    ("app-arn", studio.read_arn("no", None, expected=APP), Verdict.CONFIRMED, "did not say"),
    ("app-arn", studio.read_arn(DENIED, DENIED, expected=APP), Verdict.CONTRADICTED, APP),
    ("app-arn", studio.read_arn(None, None, expected=APP), Verdict.CONTRADICTED, "allowed"),
    (
        "default-image",
        studio.read_image({"Status": "InService", "ResourceSpec": {"SageMakerImageArn": "arn:x"}}),
        Verdict.CONFIRMED,
        "arn:x",
    ),
    (
        "default-image",
        studio.read_image({"Status": "Failed", "FailureReason": "no image"}),
        Verdict.CONTRADICTED,
        "no image",
    ),
    (
        "container-there",
        jobs.read_there([{"imageId": {"imageDigest": "sha256:1"}}], []),
        Verdict.CONFIRMED,
        "sha256:1",
    ),
    (
        "container-there",
        jobs.read_there([], ["Requested image not found"]),
        Verdict.CONTRADICTED,
        "not found",
    ),
    (
        "container-shell",
        jobs.read_shell({"TrainingJobStatus": "Completed", "BillableTimeInSeconds": 51}),
        Verdict.CONFIRMED,
        "51 s",
    ),
    (
        "container-shell",
        jobs.read_shell(
            {"TrainingJobStatus": "Failed", "FailureReason": "python: command not found"}
        ),
        Verdict.CONTRADICTED,
        "command not found",
    ),
    (
        "container-shell",
        jobs.read_shell({"TrainingJobStatus": "Failed", "FailureReason": "CapacityError: none"}),
        Verdict.UNTOLD,
        "CapacityError",
    ),
    (
        "system-type",
        studio.read_system(without_refused=True, with_refused=False),
        *((Verdict.CONFIRMED, "without `system` is refused")),
    ),
    (
        "system-type",
        studio.read_system(without_refused=False, with_refused=False),
        Verdict.CONTRADICTED,
        "not needed",
    ),
    (
        "system-type",
        studio.read_system(without_refused=True, with_refused=True),
        Verdict.CONTRADICTED,
        "sends more",
    ),
    (
        "job-events",
        jobs.read_events(
            [{"detail": {"TrainingJobName": "j", "TrainingJobStatus": "Completed"}}], "j"
        ),
        Verdict.CONFIRMED,
        "2 members",
    ),
    (
        "job-events",
        jobs.read_events([{"detail": {"TrainingJobStatus": "Completed"}}], "j"),
        Verdict.CONTRADICTED,
        "lacks TrainingJobName",
    ),
    ("job-events", jobs.read_events([], "j"), Verdict.CONTRADICTED, "no event"),
    ("quotas", account.read_quotas(KNOWN), Verdict.CONFIRMED, "2 domains"),
    ("quotas", account.read_quotas(KNOWN[1:]), Verdict.CONTRADICTED, "Total domains"),
    ("prices", account.read_prices([]), Verdict.CONFIRMED, "AWS's own"),
    (
        "prices",
        account.read_prices([Change("studio", "ml.m9.large", None, 1)]),
        Verdict.CONFIRMED,
        "AWS's own",
    ),
    (
        "prices",
        account.read_prices([Change("studio", "ml.t3.medium", 50_000, 60_000)]),
        Verdict.CONTRADICTED,
        "ml.t3.medium $0.0500 is $0.0600",
    ),
    ("delete-pending", studio.read_pending("Pending", None), Verdict.CONFIRMED, "accepted"),
    (
        "delete-pending",
        studio.read_pending("Pending", "ResourceInUse: wait"),
        Verdict.CONTRADICTED,
        "ResourceInUse",
    ),
    ("delete-pending", studio.read_pending("InService", None), Verdict.UNTOLD, "InService"),
    (
        "past-schedule",
        studio.read_past("ValidationException", "past"),
        *((Verdict.CONFIRMED, "past")),
    ),
    ("past-schedule", studio.read_past(None, ""), Verdict.CONTRADICTED, "accepted"),
    ("past-schedule", studio.read_past("AccessDenied", "no"), Verdict.UNTOLD, "AccessDenied"),
    ("alarm-silence", alarms.read_silence(4, "OK"), Verdict.CONFIRMED, "after 4"),
    ("alarm-silence", alarms.read_silence(9, "OK"), Verdict.CONTRADICTED, "after 9"),
    ("alarm-silence", alarms.read_silence(None, None), Verdict.CONTRADICTED, "not told"),
    ("encrypted-topic", alarms.read_encrypted("ALARM", "{}"), Verdict.CONFIRMED, "reaches"),
    ("encrypted-topic", alarms.read_encrypted("ALARM", None), Verdict.CONTRADICTED, "nothing"),
    ("encrypted-topic", alarms.read_encrypted("OK", None), Verdict.CONTRADICTED, "is OK"),
    ("annual-budget", alarms.read_annual(FIRST, FIRST), Verdict.CONFIRMED, "2027-02-01"),
    (
        "annual-budget",
        alarms.read_annual(FIRST, FIRST.replace(month=1)),
        Verdict.CONTRADICTED,
        "starts 2027-01-01",
    ),
    ("pulling-role", images.read_pull("InService", ""), Verdict.CONFIRMED, "image's role"),
    (
        "pulling-role",
        images.read_pull("Failed", "not authorized to perform ecr:BatchGetImage"),
        Verdict.CONTRADICTED,
        "ecr:BatchGetImage",
    ),
    ("pulling-role", images.read_pull("Failed", "out of disk"), Verdict.UNTOLD, "out of disk"),
    (
        "image-conditions",
        images.read_conditions(other="denied", this="ok"),
        Verdict.CONFIRMED,
        "ImageArns",
    ),
    (
        "image-conditions",
        images.read_conditions(other="denied", this="denied"),
        Verdict.CONTRADICTED,
        "no space would start",
    ),
    (
        "image-conditions",
        images.read_conditions(other="ok", this="ok"),
        Verdict.CONTRADICTED,
        "does not name",
    ),
    (
        "image-conditions",
        images.read_conditions(other="denied", this="ResourceInUse: …"),
        Verdict.UNTOLD,
        "ResourceInUse",
    ),
    ("older-space", images.read_older_space(None, None), Verdict.CONFIRMED, "older"),
    (
        "older-space",
        images.read_older_space("ValidationException: not present in list", None),
        Verdict.CONTRADICTED,
        "not present in list",
    ),
    ("older-space", images.read_older_space(None, "crash"), Verdict.CONTRADICTED, "crash"),
    ("other-version", images.read_other_version("refused"), Verdict.CONFIRMED, "refused"),
    ("other-version", images.read_other_version(None), Verdict.CONTRADICTED, "another version"),
    ("kept-tag", registries.read_kept(["build-1"]), Verdict.CONFIRMED, "build-1"),
    ("kept-tag", registries.read_kept(["kept-1"]), Verdict.CONTRADICTED, "kept-1"),
    ("kept-tag", registries.read_kept([]), Verdict.UNTOLD, "not applied"),
    (
        "import-repository",
        registries.read_import("CREATE_COMPLETE", ["Import"], ""),
        Verdict.CONFIRMED,
        "there already",
    ),
    (
        "import-repository",
        registries.read_import("CREATE_COMPLETE", ["Add"], ""),
        Verdict.CONTRADICTED,
        "Add",
    ),
    (
        "import-repository",
        registries.read_import("FAILED", [], "exists"),
        Verdict.CONTRADICTED,
        "exists",
    ),
    (
        "if-none-match",
        objects.read_new_only(without="AccessDenied", first="ok", again="PreconditionFailed"),
        Verdict.CONFIRMED,
        "overwritten",
    ),
    (
        "if-none-match",
        objects.read_new_only(without="ok", first="ok", again="PreconditionFailed"),
        Verdict.CONTRADICTED,
        "in spite of Null",
    ),
    (
        "if-none-match",
        objects.read_new_only(without="AccessDenied", first="AccessDenied", again="AccessDenied"),
        Verdict.CONTRADICTED,
        "is refused",
    ),
    (
        "if-none-match",
        objects.read_new_only(without="AccessDenied", first="ok", again="ok"),
        Verdict.CONTRADICTED,
        "second write",
    ),
    (
        "storage-class",
        objects.read_storage_class(
            archived="AccessDenied", standard="ok", read="InvalidObjectState"
        ),
        Verdict.CONFIRMED,
        "denied",
    ),
    (
        "storage-class",
        objects.read_storage_class(archived="ok", standard="ok", read="InvalidObjectState"),
        Verdict.CONTRADICTED,
        "GLACIER",
    ),
    (
        "storage-class",
        objects.read_storage_class(archived="AccessDenied", standard="AccessDenied", read="x"),
        Verdict.CONTRADICTED,
        "names STANDARD",
    ),
    (
        "storage-class",
        objects.read_storage_class(archived="AccessDenied", standard="ok", read="ok"),
        Verdict.CONTRADICTED,
        "reading",
    ),
    (
        "customer-key",
        objects.read_customer_key(default="ok", written="AccessDenied", read="InvalidRequest"),
        Verdict.CONFIRMED,
        "denied",
    ),
    (
        "customer-key",
        objects.read_customer_key(default="ok", written="ok", read="InvalidRequest"),
        Verdict.CONTRADICTED,
        "own key",
    ),
    (
        "customer-key",
        objects.read_customer_key(default="ok", written="AccessDenied", read="ok"),
        Verdict.CONTRADICTED,
        "without its key",
    ),
    (
        "customer-key",
        objects.read_customer_key(
            default="AccessDenied", written="AccessDenied", read="InvalidRequest"
        ),
        Verdict.CONFIRMED,
        "new buckets block them",
    ),
    (
        "customer-key",
        objects.read_customer_key(default="AccessDenied", written="AccessDenied", read="NoSuchKey"),
        Verdict.UNTOLD,
        "could not be opened",
    ),
    (
        "new-bucket",
        objects.read_new_bucket(listed="SSE-C", written="AccessDenied"),
        Verdict.CONFIRMED,
        "blocked: SSE-C",
    ),
    (
        "new-bucket",
        objects.read_new_bucket(listed="", written="ok"),
        Verdict.CONTRADICTED,
        "blocked: nothing",
    ),
    (
        "new-bucket",
        objects.read_new_bucket(listed="", written="InvalidArgument"),
        Verdict.UNTOLD,
        "InvalidArgument",
    ),
    (
        "job-environment",
        jobs.read_environment({MARK: jobs.TOKEN, "OTHER": "1"}),
        Verdict.CONFIRMED,
        "InProgress",
    ),
    ("job-environment", jobs.read_environment({"OTHER": "1"}), Verdict.CONTRADICTED, "OTHER"),
    ("job-environment", jobs.read_environment(None), Verdict.UNTOLD, "never seen"),
    ("refusal-codes", codes.read_codes([ABSENT]), Verdict.CONFIRMED, "1 refusals"),
    (
        "refusal-codes",
        codes.read_codes(
            [
                ABSENT,
                Refusal("DescribeSpace of no space", "ResourceNotFound", "ValidationException"),
                Refusal("CreateApp in no domain", "ResourceNotFound", "AccessDenied"),
            ]
        ),
        Verdict.CONTRADICTED,
        "DescribeSpace of no space is ValidationException, ours ResourceNotFound",
    ),
    (
        "refusal-codes",
        codes.read_codes(
            [ABSENT, Refusal("ListProjects", "InvalidInputException", "AccessDenied")]
        ),
        Verdict.UNTOLD,
        "may not ask: ListProjects",
    ),
    ("wrong-state", codes.read_codes([ABSENT, ABSENT]), Verdict.CONFIRMED, "2 refusals"),
    (
        "wrong-state",
        codes.read_codes([DELETED]),
        Verdict.CONTRADICTED,
        "DeleteSpace with an app is accepted, ours ResourceInUse",
    ),
    (
        "everyone-past-boundary",
        policies.read_everyone(written="ok", everyone="ok", named="AccessDenied"),
        Verdict.CONFIRMED,
        "passes a role's boundary",
    ),
    (
        "everyone-past-boundary",
        policies.read_everyone(written="ok", everyone="AccessDenied", named="AccessDenied"),
        Verdict.CONTRADICTED,
        "does not pass",
    ),
    (
        "everyone-past-boundary",
        policies.read_everyone(written="ok", everyone="ok", named="ok"),
        Verdict.CONTRADICTED,
        "role's ARN",
    ),
    (
        "everyone-past-boundary",
        policies.read_everyone(written="AccessDenied", everyone="", named=""),
        Verdict.UNTOLD,
        "policy is refused: AccessDenied",
    ),
    (
        "simulated-conditions",
        policies.read_simulated(own="allowed", star="implicitDeny", told=TOLD),
        Verdict.CONFIRMED,
        "an empty value is null: allowed",
    ),
    (
        "simulated-conditions",
        policies.read_simulated(own="allowed", star="allowed", told=TOLD),
        Verdict.CONTRADICTED,
        "is a wildcard",
    ),
    (
        "simulated-conditions",
        policies.read_simulated(own="implicitDeny", star="implicitDeny", told=TOLD),
        Verdict.UNTOLD,
        "fill in a variable",
    ),
    (
        "missing-object",
        objects.read_missing(there="ok", missing="AccessDenied"),
        Verdict.CONFIRMED,
        "AccessDenied",
    ),
    (
        "missing-object",
        objects.read_missing(there="ok", missing="NoSuchKey"),
        Verdict.CONTRADICTED,
        "NoSuchKey",
    ),
    (
        "object-events",
        objects.read_told(["submissions/told", "checked/told"], seconds=3),
        Verdict.CONFIRMED,
        "3 s",
    ),
    (
        "object-events",
        objects.read_told(["submissions/told"], seconds=120),
        Verdict.CONTRADICTED,
        "checked/",
    ),
]


@pytest.mark.parametrize(("question", "answer", "verdict", "said"), READINGS)
def test_an_answer_is_read(question, answer, verdict, said):
    assert answer.verdict == verdict
    assert said in answer.said


@pytest.mark.parametrize("question", [each.id for each in QUESTIONS])
@pytest.mark.parametrize("verdict", [Verdict.CONFIRMED, Verdict.CONTRADICTED])
def test_every_question_is_read_both_ways(question, verdict):
    assert verdict in {answer.verdict for name, answer, _, _ in READINGS if name == question}


# --- asked of answers that botocore's own model takes for AWS's -----------------------------------
@pytest.fixture
def scripted(tmp_path):
    return Scripted(tmp_path)


DIGEST = f"sha256:{'1' * 64}"


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"images": [{"imageId": {"imageDigest": DIGEST}}]}, Verdict.CONFIRMED),
        (
            {
                "images": [],
                "failures": [
                    {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
                ],
            },
            Verdict.CONTRADICTED,
        ),
    ],
)
def test_the_registry_of_awss_containers_is_asked_for_the_brokers_tag(scripted, answer, verdict):
    scripted.stub("ecr").add_response(
        "batch_get_image",
        answer,
        {
            "registryId": "763104351884",
            "repositoryName": "pytorch-training",
            "imageIds": [{"imageTag": "2.8.0-cpu-py312-ubuntu22.04-sagemaker"}],
        },
    )
    assert jobs.ask_there(scripted.probe).verdict == verdict
    scripted.all_asked()


@pytest.mark.parametrize(("named", "verdict"), [(7, Verdict.CONFIRMED), (6, Verdict.CONTRADICTED)])
def test_quotas_are_looked_for_in_both_listings(scripted, named, verdict):
    stub = scripted.stub("service-quotas")
    stub.add_response("list_aws_default_service_quotas", {"Quotas": KNOWN[:1]})
    stub.add_response("list_service_quotas", {"Quotas": KNOWN[1:named]})
    assert account.ask_quotas(scripted.probe).verdict == verdict
    scripted.all_asked()


@pytest.mark.parametrize(
    ("tags", "verdict"),
    [
        (["build-1"], Verdict.CONFIRMED),
        (["kept-1", "build-1"], Verdict.CONTRADICTED),
    ],
)
def test_the_life_cycle_is_previewed_and_waited_for(scripted, monkeypatch, tags, verdict):
    monkeypatch.setattr(registries, "push", lambda *_: None)
    stub = scripted.stub("ecr")
    stub.add_response("create_repository", {"repository": {}})
    stub.add_response("start_lifecycle_policy_preview", {"status": "IN_PROGRESS"})
    stub.add_response("get_lifecycle_policy_preview", {"status": "IN_PROGRESS"})
    results = [{"imageTags": [tag], "action": {"type": "EXPIRE"}} for tag in tags]
    stub.add_response(
        "get_lifecycle_policy_preview", {"status": "COMPLETE", "previewResults": results}
    )
    assert registries.ask_kept(scripted.probe).verdict == verdict
    scripted.all_asked()


@pytest.mark.parametrize(
    ("refused", "verdict"),
    [("ValidationException", Verdict.CONFIRMED), (None, Verdict.CONTRADICTED)],
)
def test_a_schedule_of_an_hour_ago_is_asked_for(scripted, refused, verdict):
    scripted.probe.made["workspace"] = {
        "domain": "d-1",
        "space": "s",
        "group": "g",
        "stopper": "arn:aws:iam::123456789012:role/stopper",
    }
    stub = scripted.stub("scheduler")
    if refused:
        stub.add_client_error("create_schedule", refused, "is in the past", 400)
    else:
        stub.add_response("create_schedule", {"ScheduleArn": "arn:aws:scheduler:::schedule/g/s"})
    assert studio.ask_past(scripted.probe).verdict == verdict
    [entry] = scripted.probe.ledger.standing()
    assert entry.kind == "schedule"


def test_a_new_policy_is_waited_for_before_a_refusal_counts(scripted):
    iam, sts, sagemaker = (scripted.stub(each) for each in ("iam", "sts", "sagemaker"))
    role = {
        "Path": "/",
        "RoleName": "r",
        "RoleId": "AROAEXAMPLEEXAMPLE",
        "Arn": "arn:aws:iam::123456789012:role/r",
        "CreateDate": FIRST,
    }
    iam.add_response("create_role", {"Role": role})
    iam.add_response("put_role_policy", {})
    keys = {
        "AccessKeyId": "ASIAEXAMPLEEXAMPLE",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "Expiration": FIRST,
    }
    sts.add_client_error("assume_role", "AccessDenied", "not yet", 403)
    sts.add_response("assume_role", {"Credentials": keys})
    sagemaker.add_client_error(
        "describe_training_job", "AccessDeniedException", "not authorized", 400
    )
    sagemaker.add_client_error("describe_training_job", "ValidationException", "not found", 400)
    assert scripted.probe.acting_role("r", []) == "r"
    scripted.all_asked()
    assert scripted.pace.passed == 10


def test_broken_requests_are_expected_to_be_refused_as_the_embedded_cloud_refuses_them():
    assert {service: conformance.RULES[service].code for service in codes.BROKEN} == codes.BROKEN


BUDGET_ABSENT = "NotFoundException"


def _refuse_all(scripted, broken_budget):
    """All that refusal-codes asks is refused by our codes, but for one."""
    sagemaker = scripted.stub("sagemaker")
    for operation in ("domain", "user_profile", "space", "app"):
        sagemaker.add_client_error(f"describe_{operation}", codes.NOT_FOUND, "…", 400)
    for operation in ("user_profile", "space", "app"):
        sagemaker.add_client_error(f"create_{operation}", codes.NOT_FOUND, "…", 400)
    for operation in ("describe", "stop"):
        sagemaker.add_client_error(f"{operation}_training_job", codes.INVALID, "…", 400)
    budgets = scripted.stub("budgets")
    budgets.add_client_error("describe_budget", broken_budget, "…", 400)
    budgets.add_client_error("create_budget", codes.BROKEN["budgets"], "…", 400)
    scripted.stub("codebuild").add_client_error(
        "list_projects", codes.BROKEN["codebuild"], "…", 400
    )
    functions = scripted.stub("lambda")
    for operation in ("get_function", "list_functions"):
        functions.add_client_error(operation, codes.BROKEN["lambda"], "…", 400)


@pytest.mark.parametrize(
    ("broken_budget", "verdict"),
    [("InvalidParameterException", Verdict.CONFIRMED), (BUDGET_ABSENT, Verdict.CONTRADICTED)],
)
def test_each_refusal_is_asked_for_and_compared(scripted, broken_budget, verdict):
    _refuse_all(scripted, broken_budget)
    answer = codes.ask_absent(scripted.probe)
    assert answer.verdict == verdict
    assert (BUDGET_ABSENT in answer.said) == (verdict == Verdict.CONTRADICTED)
    scripted.all_asked()
    # Only what would be there if it were accepted is looked for afterwards.
    assert [entry.kind for entry in scripted.probe.ledger.standing()] == ["budget"]


def test_nothing_more_is_tried_once_aws_deletes_what_is_in_use(scripted, monkeypatch):
    scripted.probe.made["workspace"] = {"domain": "d-1", "space": "s", "profile": "s"}
    for name in ("start", "end"):
        monkeypatch.setattr(studio, name, lambda _: None)
    stub = scripted.stub("sagemaker")
    stub.add_client_error("create_app", "ResourceInUse", "…", 400)
    stub.add_response("delete_space", {}, {"DomainId": "d-1", "SpaceName": "s"})
    answer = codes.ask_state(scripted.probe)
    assert answer.verdict == Verdict.CONTRADICTED
    assert "DeleteSpace with an app is accepted" in answer.said
    scripted.all_asked()


@pytest.mark.parametrize(
    ("star", "verdict"), [("implicitDeny", Verdict.CONFIRMED), ("allowed", Verdict.CONTRADICTED)]
)
def test_what_the_simulator_decides_or_refuses_to_is_told(scripted, star, verdict):
    stub = scripted.stub("iam")
    for decision in ("allowed", star, "allowed", "implicitDeny"):
        result = {"EvalActionName": "s3:GetObject", "EvalDecision": decision}
        stub.add_response("simulate_custom_policy", {"EvaluationResults": [result]})
    stub.add_client_error("simulate_custom_policy", "InvalidInput", "…", 400)
    answer = policies.ask_simulated(scripted.probe)
    assert answer.verdict == verdict
    assert "StringEquals takes one of two values: InvalidInput" in answer.said
    scripted.all_asked()


@pytest.mark.parametrize(
    ("blocked", "refused", "verdict"),
    [
        ({"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}, True, Verdict.CONFIRMED),
        ({}, False, Verdict.CONTRADICTED),
    ],
)
def test_a_new_bucket_is_looked_at_and_tried(scripted, blocked, refused, verdict):
    scripted.probe.made["bucket"] = {"name": "b"}
    stub = scripted.stub("s3")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, **blocked}
    stub.add_response(
        "get_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}
    )
    if refused:
        stub.add_client_error("put_object", "AccessDenied", "…", 403)
    else:
        stub.add_response("put_object", {})
    answer = objects.ask_new_bucket(scripted.probe)
    assert answer.verdict == verdict
    assert ("SSE-C" in answer.said) == refused
    scripted.all_asked()


def test_a_job_that_ended_at_once_tells_nothing_of_its_environment(scripted):
    assert jobs.ask_environment(scripted.probe).verdict == Verdict.UNTOLD
    scripted.probe.made["job"] = {"name": "j"}
    assert "never seen" in jobs.ask_environment(scripted.probe).said
    scripted.probe.made["job"]["environment"] = f'{{"{MARK}": "{jobs.TOKEN}"}}'
    assert jobs.ask_environment(scripted.probe).verdict == Verdict.CONFIRMED
