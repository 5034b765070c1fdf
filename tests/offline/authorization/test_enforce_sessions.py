"""Who is let in at all: sessions, expiry, trust, and requests that are not what they seem."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from infra.offline import patching
from infra.offline.authorization import credentials, enforcement
from infra.offline.environment import ADMIN_ACCESS_KEY

ACCOUNT, REGION = "123456789012", "us-east-1"


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": action, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusting(principal: Any, action: Any = "sts:AssumeRole", **condition: Any) -> str:
    made = {"Effect": "Allow", "Action": action, "Principal": principal}
    return document(made | ({"Condition": condition} if condition else {}))


def role_arn(name: str, path: str = "/academy/earth/learner/") -> str:
    return f"arn:aws:iam::{ACCOUNT}:role{path}{name}"


# --- sessions -------------------------------------------------------------------------------------
def test_a_session_is_who_it_says(cloud: Any) -> None:
    keys = cloud.role(name="ana")
    who = cloud.client("sts", keys).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/ana/ana"
    session = credentials.principal_of(keys["AWS_ACCESS_KEY_ID"])
    assert session is not None
    assert (session.arn, session.user_id) == (who["Arn"], who["UserId"])
    assert session.role_arn == role_arn("ana")
    assert keys["AWS_SECRET_ACCESS_KEY"] not in repr(session)


def test_a_role_that_does_not_exist_has_no_credentials(cloud: Any) -> None:
    with pytest.raises(LookupError, match="nobody"):
        credentials.for_role(role_arn("nobody"), session_name="xy")
    with pytest.raises(LookupError, match="not the ARN of a role"):
        credentials.for_role("ana", session_name="xy")
    # The path is part of the role's ARN.
    cloud.role(name="ana")
    with pytest.raises(LookupError, match="role/ana"):
        credentials.for_role(role_arn("ana", "/"), session_name="xy")


def test_credentials_end_on_the_clouds_clock(cloud: Any, refused: Any, in_hours: Any) -> None:
    short = cloud.role(allow("s3:*"), duration=in_hours(1))
    lasting = cloud.role(allow("s3:*"))
    cloud.clock.move(by=in_hours(0.9))
    cloud.client("s3", short).list_buckets()
    cloud.clock.move(by=in_hours(0.2))
    refused(lambda: cloud.client("s3", short).list_buckets(), "ExpiredToken", 400)
    refused(lambda: cloud.client("ssm", short).describe_parameters(), "ExpiredTokenException", 400)
    refused(lambda: cloud.client("sts", short).get_caller_identity(), "ExpiredToken", 403)
    cloud.client("s3", lasting).list_buckets()


def test_dates_in_a_policy_are_the_clouds(cloud: Any, refused: Any) -> None:
    end = cloud.clock.now() + dt.timedelta(days=100)
    until = {"DateLessThan": {"aws:CurrentTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    keys = cloud.role(allow("s3:*", "*", **until))
    cloud.client("s3", keys).list_buckets()
    cloud.clock.move(to=end)
    refused(lambda: cloud.client("s3", keys).list_buckets())


def test_a_deleted_roles_sessions_are_over(cloud: Any, refused: Any) -> None:
    keys = cloud.role(allow("s3:*"), name="gone")
    cloud.client("s3", keys).list_buckets()
    iam = cloud.client("iam")
    iam.delete_role_policy(RoleName="gone", PolicyName="own")
    iam.delete_role(RoleName="gone")
    refused(lambda: cloud.client("s3", keys).list_buckets(), "InvalidAccessKeyId", 403)
    cloud.role(allow("s3:*"), name="gone")  # another role of that name
    refused(lambda: cloud.client("s3", keys).list_buckets(), "InvalidAccessKeyId", 403)


def test_policies_are_read_as_they_are_now(cloud: Any, refused: Any) -> None:
    keys = cloud.role(allow("s3:*"), name="ana")
    s3 = cloud.client("s3", keys)
    s3.list_buckets()
    cloud.client("iam").delete_role_policy(RoleName="ana", PolicyName="own")
    refused(s3.list_buckets)
    made = cloud.client("iam").create_policy(
        PolicyName="m", PolicyDocument=document(allow("s3:*"))
    )["Policy"]["Arn"]
    cloud.client("iam").attach_role_policy(RoleName="ana", PolicyArn=made)
    s3.list_buckets()
    cloud.client("iam").create_policy_version(
        PolicyArn=made, PolicyDocument=document(allow("sqs:*")), SetAsDefault=True
    )
    refused(s3.list_buckets)


def test_a_boundary_holds(cloud: Any, refused: Any) -> None:
    keys = cloud.role(allow("*"), boundary=document(allow("s3:*")))
    cloud.client("s3", keys).list_buckets()
    message = refused(
        lambda: cloud.client("ssm", keys).describe_parameters(), "AccessDeniedException"
    )
    assert "no permissions boundary allows the ssm:DescribeParameters action" in message


def test_tags_of_role_and_session_are_the_principals(cloud: Any, refused: Any) -> None:
    own = allow("ssm:GetParameter", "*", StringEquals={"aws:PrincipalTag/team": "falcon"})
    cloud.client("ssm").put_parameter(Name="/a", Value="x", Type="String")
    plain = cloud.role(own)
    tagged = cloud.role(own, tags={"team": "falcon"})
    cloud.client("ssm", tagged).get_parameter(Name="/a")
    refused(
        lambda: cloud.client("ssm", plain).get_parameter(Name="/a"), "AccessDeniedException", 400
    )
    by_role = cloud.role(own, name="by-role")
    cloud.client("iam").tag_role(RoleName="by-role", Tags=[{"Key": "team", "Value": "falcon"}])
    cloud.client("ssm", by_role).get_parameter(Name="/a")


# --- keys that are nobody's -----------------------------------------------------------------------
def test_an_unknown_key_is_refused_in_the_services_words(cloud: Any, refused: Any) -> None:
    stranger = {"AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7STRANGE", "AWS_SECRET_ACCESS_KEY": "x"}
    refused(lambda: cloud.client("s3", stranger).list_buckets(), "InvalidAccessKeyId", 403)
    refused(lambda: cloud.client("iam", stranger).list_roles(), "InvalidClientTokenId", 403)
    refused(
        lambda: cloud.client("sagemaker", stranger).list_apps(), "UnrecognizedClientException", 400
    )
    refused(
        lambda: cloud.client("lambda", stranger).list_functions(),
        "UnrecognizedClientException",
        403,
    )


def test_a_wrong_secret_or_token_is_refused(cloud: Any, refused: Any) -> None:
    keys = cloud.role(allow("*"))
    other = cloud.role(allow("*"))
    wrong = {**keys, "AWS_SECRET_ACCESS_KEY": "x"}
    refused(lambda: cloud.client("s3", wrong).list_buckets(), "SignatureDoesNotMatch", 403)
    refused(lambda: cloud.client("ssm", wrong).describe_parameters(), "InvalidSignatureException")
    mixed = {**keys, "AWS_SESSION_TOKEN": other["AWS_SESSION_TOKEN"]}
    refused(lambda: cloud.client("s3", mixed).list_buckets(), "InvalidToken")
    del mixed["AWS_SESSION_TOKEN"]
    refused(lambda: cloud.client("s3", mixed).list_buckets(), "InvalidToken")


def test_an_unsigned_request_is_refused(cloud: Any, refused: Any) -> None:
    cloud.client("s3").create_bucket(Bucket="open", ACL="public-read")
    anonymous = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED),
    )
    refused(lambda: anonymous.list_objects_v2(Bucket="open"), "MissingAuthenticationToken", 403)


def test_an_old_signature_is_refused(cloud: Any, refused: Any) -> None:
    keys = cloud.role(allow("*"))
    old = cloud.client("s3", keys, signature_version="s3")
    refused(old.list_buckets, "InvalidRequest", 400)


# --- assuming roles over the wire -----------------------------------------------------------------
def assume(cloud: Any, name: str, keys: dict[str, str] | None = None, **extra: Any) -> Any:
    made = cloud.client("sts", keys).assume_role(
        RoleArn=role_arn(name), RoleSessionName="cli", **extra
    )
    return {
        "AWS_ACCESS_KEY_ID": made["Credentials"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["Credentials"]["SecretAccessKey"],
        "AWS_SESSION_TOKEN": made["Credentials"]["SessionToken"],
    }


def test_an_assumed_role_is_enforced(cloud: Any, refused: Any) -> None:
    cloud.role(allow("s3:ListAllMyBuckets"), name="deployer")
    keys = assume(cloud, "deployer")
    cloud.client("s3", keys).list_buckets()
    refused(lambda: cloud.client("s3", keys).create_bucket(Bucket="x12"))


def test_a_role_is_assumed_by_whom_it_trusts(cloud: Any, refused: Any) -> None:
    cloud.role(name="for-sagemaker", trust=trusting({"Service": "sagemaker.amazonaws.com"}))
    cloud.role(name="for-ana", trust=trusting({"AWS": role_arn("ana")}))
    ana = cloud.role(name="ana")
    ben = cloud.role(allow("sts:AssumeRole"), name="ben")
    refused(lambda: assume(cloud, "for-sagemaker"))
    refused(lambda: assume(cloud, "for-ana"))
    refused(lambda: assume(cloud, "nobody"))
    assume(cloud, "for-ana", ana)
    refused(lambda: assume(cloud, "for-ana", ben))
    # A role that trusts the account leaves it to the caller's own policies.
    cloud.role(name="for-account", trust=trusting({"AWS": ACCOUNT}))
    assume(cloud, "for-account")
    assume(cloud, "for-account", ben)
    refused(lambda: assume(cloud, "for-account", ana))


def test_a_sessions_name_cannot_pass_for_another_arn(cloud: Any, refused: Any) -> None:
    cloud.role(name="ana")
    for name in ("x/y", "x:y", "x*", "x" * 65, ""):
        with pytest.raises(ValueError, match="session name"):
            credentials.for_role(role_arn("ana"), session_name=name)
    client = boto3.client(
        "sts",
        endpoint_url=cloud.endpoint,
        region_name=REGION,
        aws_access_key_id=ADMIN_ACCESS_KEY,
        aws_secret_access_key="any",
        config=Config(parameter_validation=False),
    )
    refused(
        lambda: client.assume_role(RoleArn=role_arn("ana"), RoleSessionName="x/y"),
        "ValidationError",
    )


def test_trust_conditions_hold(cloud: Any, refused: Any) -> None:
    trust = trusting({"AWS": ACCOUNT}, StringEquals={"sts:ExternalId": "42"})
    cloud.role(name="guarded", trust=trust)
    refused(lambda: assume(cloud, "guarded"))
    refused(lambda: assume(cloud, "guarded", ExternalId="41"))
    assume(cloud, "guarded", ExternalId="42")


def test_session_tags_need_their_own_trust(cloud: Any, refused: Any) -> None:
    cloud.role(name="plain", trust=trusting({"AWS": ACCOUNT}))
    tags = [{"Key": "team", "Value": "falcon"}]
    assert "sts:TagSession" in refused(lambda: assume(cloud, "plain", Tags=tags))
    cloud.role(
        name="tagged", trust=trusting({"AWS": ACCOUNT}, ["sts:AssumeRole", "sts:TagSession"])
    )
    keys = assume(cloud, "tagged", Tags=tags)
    session = credentials.principal_of(keys["AWS_ACCESS_KEY_ID"])
    assert session is not None
    assert session.tags == {"team": "falcon"}


def test_a_session_policy_limits_the_session(cloud: Any, refused: Any) -> None:
    cloud.role(allow("*"), name="wide")
    keys = assume(cloud, "wide", Policy=document(allow("s3:*")))
    cloud.client("s3", keys).list_buckets()
    message = refused(
        lambda: cloud.client("ssm", keys).describe_parameters(), "AccessDeniedException"
    )
    assert "no session policy" in message
    refused(lambda: assume(cloud, "wide", Policy='{"Statement": 1}'), "MalformedPolicyDocument")


def test_an_assumed_session_ends_when_it_says(cloud: Any, refused: Any, in_hours: Any) -> None:
    cloud.role(allow("s3:*"), name="deployer")
    before = cloud.clock.now()
    made = cloud.client("sts").assume_role(
        RoleArn=role_arn("deployer"), RoleSessionName="cli", DurationSeconds=900
    )["Credentials"]
    assert abs((made["Expiration"] - before).total_seconds() - 900) < 30
    keys = {
        "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        "AWS_SESSION_TOKEN": made["SessionToken"],
    }
    cloud.client("s3", keys).list_buckets()
    cloud.clock.move(by=in_hours(0.3))
    refused(lambda: cloud.client("s3", keys).list_buckets(), "ExpiredToken")
    refused(
        lambda: cloud.client("sts").assume_role(
            RoleArn=role_arn("deployer"), RoleSessionName="cli", DurationSeconds=7200
        ),
        "ValidationError",
    )


def test_a_service_may_assume_what_trusts_it(cloud: Any) -> None:
    cloud.role(name="job", trust=trusting({"Service": "sagemaker.amazonaws.com"}))
    assert enforcement.service_may_assume(role_arn("job"), "sagemaker.amazonaws.com")
    assert not enforcement.service_may_assume(role_arn("job"), "lambda.amazonaws.com")
    assert not enforcement.service_may_assume(role_arn("nobody"), "sagemaker.amazonaws.com")
    group = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/earth--stops"
    cloud.role(
        name="stopper",
        trust=trusting(
            {"Service": "scheduler.amazonaws.com"},
            StringEquals={"aws:SourceAccount": ACCOUNT},
            ArnLike={"aws:SourceArn": group},
        ),
    )
    stopper, service = role_arn("stopper"), "scheduler.amazonaws.com"
    assert enforcement.service_may_assume(stopper, service, source_arn=group)
    assert not enforcement.service_may_assume(stopper, service, source_arn=group + "2")
    assert not enforcement.service_may_assume(stopper, service)


# --- one operation, spelt otherwise ---------------------------------------------------------------
def raw(
    cloud: Any,
    keys: dict[str, str],
    service: str,
    *,
    target: str = "/",
    headers: dict[str, str],
    body: bytes = b"{}",
) -> tuple[int, dict[str, Any]]:
    """A request that is signed as it is sent."""
    address = urlsplit(cloud.endpoint).netloc
    request = AWSRequest(
        method="POST", url=f"{cloud.endpoint}{target}", data=body, headers={"Host": address}
    )
    for name, value in headers.items():
        request.headers[name] = value
    secret = Credentials(
        keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"]
    )
    SigV4Auth(secret, service, REGION).add_auth(request)
    connection = http.client.HTTPConnection(address)
    connection.request("POST", target, body=body, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    content = answer.read()
    try:
        return answer.status, json.loads(content)
    except ValueError:
        return answer.status, {"text": content.decode()}


JSON = {"Content-Type": "application/x-amz-json-1.1"}


@pytest.mark.parametrize(
    ("service", "target", "code"),
    [
        ("sagemaker", "SageMaker.ListApps", None),
        ("sagemaker", "SageMaker.listapps", "UnknownOperationException"),
        ("sagemaker", "SageMaker.LISTAPPS", "UnknownOperationException"),
        ("sagemaker", "SageMaker.list_apps", "UnknownOperationException"),
        ("sagemaker", "SageMaker.DeleteApp.ListApps", "UnknownOperationException"),
        ("sagemaker", "sagemaker.ListApps", "UnknownOperationException"),
        ("sagemaker", "AmazonSSM.ListApps", "UnknownOperationException"),
        ("sagemaker", "AmazonSSM.GetParameter", "UnknownOperationException"),
        ("ssm", "SageMaker.ListApps", "UnknownOperationException"),
        ("sagemaker", "SageMaker.ListApps ", "UnknownOperationException"),
        ("sagemaker", "", "UnknownOperationException"),
    ],
)
def test_the_target_is_an_operation_of_the_signed_service(
    cloud: Any, service: str, target: str, code: str | None
) -> None:
    keys = cloud.role(allow("sagemaker:ListApps"))
    cloud.behind.stub = True
    status, answer = raw(cloud, keys, service, headers={**JSON, "X-Amz-Target": target})
    if code is None:
        assert status == 200, answer
        assert len(cloud.behind.passed) == 1
    else:
        assert (status, answer["__type"]) == (400, code)
        assert cloud.behind.passed == []


def test_an_action_hidden_elsewhere_is_not_taken(cloud: Any) -> None:
    keys = cloud.role(allow("sagemaker:ListApps"))
    cloud.behind.stub = True
    listing = {**JSON, "X-Amz-Target": "SageMaker.ListApps"}
    # moto would take the action from a query string, or from a body that looks like a form.
    status, _ = raw(cloud, keys, "sagemaker", target="/?Action=DeleteApp", headers=listing)
    assert status == 400
    hidden = json.dumps({"SortBy": "&Action=DeleteApp&"}).encode()
    status, _ = raw(cloud, keys, "sagemaker", headers=listing, body=hidden)
    assert status == 200
    (passed,) = cloud.behind.passed
    assert passed["QUERY_STRING"] == "x-id=ListApps"
    status, _ = raw(cloud, keys, "sagemaker", target="/invocations", headers=listing)
    assert status == 400
    twice = b'{"DomainIdEquals": "d-1", "DomainIdEquals": "d-2"}'
    status, _ = raw(cloud, keys, "sagemaker", headers=listing, body=twice)
    assert status == 400
    form = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Amz-Target": "SageMaker.ListApps",
    }
    status, _ = raw(cloud, keys, "sagemaker", headers=form, body=b"Action=DeleteApp")
    assert status == 400
    assert len(cloud.behind.passed) == 1


def test_what_is_passed_on_has_only_what_was_asked_about(cloud: Any) -> None:
    keys = cloud.role(allow("sagemaker:ListApps"))
    cloud.behind.stub = True
    raw(
        cloud,
        keys,
        "sagemaker",
        headers={
            **JSON,
            "X-Amz-Target": "SageMaker.ListApps",
            "x-moto-account-id": "111122223333",
            "User-Agent": "aws region/eu-west-1",
            "Action": "DeleteApp",
            "X-Http-Method-Override": "DELETE",
        },
    )
    (passed,) = cloud.behind.passed
    sent = {key for key in passed if key.startswith("HTTP_")}
    assert sent == {
        "HTTP_AUTHORIZATION",
        "HTTP_HOST",
        "HTTP_X_AMZ_DATE",
        "HTTP_X_AMZ_SECURITY_TOKEN",
        "HTTP_X_AMZ_TARGET",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"Action=GetRole&Version=2010-05-08&RoleName=ana&RoleName=admin",
        b"Action=GetRole&Version=2010-05-08&RoleName=ana&rolename=admin",
        b"Action=GetRole&Action=DeleteRole&Version=2010-05-08&RoleName=ana",
        b"Action=getrole&Version=2010-05-08&RoleName=ana",
        b"Action=GetRole&RoleName=ana",
    ],
)
def test_a_form_says_each_thing_once(cloud: Any, body: bytes) -> None:
    keys = cloud.role(allow("iam:*"), name="ana")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _ = raw(cloud, keys, "iam", headers=form, body=body)
    assert status == 400


def test_services_that_are_not_modelled_are_refused(cloud: Any, refused: Any) -> None:
    keys = cloud.role(allow("*"))
    for service, call in (
        ("sqs", lambda c: c.list_queues()),
        ("ec2", lambda c: c.describe_vpcs()),
        ("dynamodbstreams", lambda c: c.list_streams()),
    ):
        client = cloud.client(service, keys)
        code = "AccessDeniedException" if service != "ec2" else "UnauthorizedOperation"
        if service == "dynamodbstreams":
            code = "UnknownOperationException"
        refused(lambda client=client, call=call: call(client), code)


def test_the_administrator_may_all(cloud: Any) -> None:
    sqs = cloud.client("sqs")
    sqs.create_queue(QueueName="q")
    assert len(sqs.list_queues()["QueueUrls"]) == 1


# --- the rest -------------------------------------------------------------------------------------
def test_each_change_to_moto_is_declared_and_still_fits() -> None:
    ours = {change.target for change in patching.changes()}
    assert {
        "moto.s3.models:FakeBucket.get_permission",
        "moto.sts.responses:TokenResponse.assume_role",
    } <= ours


def test_a_thousand_decisions_do_not_take_long(cloud: Any) -> None:
    """Guards against a policy being parsed anew for each decision, not against a slow machine."""
    from infra.offline.authorization.requests import Question

    statements = [
        allow(f"s3:Action{n}", f"arn:aws:s3:::work/teams/{n}/*", StringLike={"aws:userid": f"{n}*"})
        for n in range(40)
    ]
    keys = cloud.role(*statements, boundary=document(allow("*")))
    session = credentials.principal_of(keys["AWS_ACCESS_KEY_ID"])
    assert session is not None
    question = Question("s3:Action39", "arn:aws:s3:::work/teams/39/x")
    started = time.process_time()
    for _ in range(1000):
        enforcement.decide(session, question)
    assert time.process_time() - started < 5
