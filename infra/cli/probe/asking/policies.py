"""IAM: what passes a boundary, and what its documentation leaves open. docs/iam.md has our side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.probe.asking.objects import outcome
from infra.cli.probe.probing import Probe, code
from infra.cli.probe.question import Answer, confirmed, contradicted, untold

#: Of objects: granted to everyone (Principal "*"), and to the role by its ARN.
EVERYONE, NAMED = "everyone/object", "named/object"

#: A new bucket policy is in force within seconds.
_LOOKS, _LOOK_SECONDS = 12, 5


def _until(probe: Probe, call: Callable[[], Any], done: Callable[[str], bool]) -> str:
    """How `call` ends once it is `done`, or at last."""
    for _ in range(_LOOKS):
        ended = outcome(call)
        if done(ended):
            break
        probe.pace.look(_LOOK_SECONDS)
    return ended


# --- what passes a boundary -----------------------------------------------------------------------
def ask_everyone(probe: Probe) -> Answer:
    """A role with a boundary that knows nothing of S3 reads what a bucket's policy grants.

    The grant to everyone is held to the role's own session by `aws:userid`, so that nobody else
    gets in, and Block Public Access, which new buckets have, does not take the policy for public.
    Source: "Blocking public access to your Amazon S3 storage", S3 user guide.
    """
    owner, bucket = probe.client("s3"), probe.made["bucket"]["name"]
    for key in (EVERYONE, NAMED):
        owner.put_object(Bucket=bucket, Key=key, Body=b"x")
    role = probe.acting_role("bounded", [], boundary=probe.boundary("boundary"))
    held = probe.client("iam").get_role(RoleName=probe.name(role))["Role"]
    session = {"StringEquals": {"aws:userid": f"{held['RoleId']}:probe"}}
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {**_reading(bucket, EVERYONE), "Principal": "*", "Condition": session},
            {**_reading(bucket, NAMED), "Principal": {"AWS": held["Arn"]}},
        ],
    }
    written = _until(
        probe,
        lambda: owner.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document)),
        # A new role is not known everywhere at once.
        lambda ended: ended != "MalformedPolicy",
    )
    if written != "ok":
        return read_everyone(written=written, everyone="", named="")
    try:
        s3 = probe.client("s3", role)
        return read_everyone(
            written=written,
            everyone=_until(
                probe,
                lambda: s3.get_object(Bucket=bucket, Key=EVERYONE),
                lambda ended: ended == "ok",
            ),
            named=outcome(lambda: s3.get_object(Bucket=bucket, Key=NAMED)),
        )
    finally:
        owner.delete_bucket_policy(Bucket=bucket)


def _reading(bucket: str, key: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/{key}",
    }


def read_everyone(*, written: str, everyone: str, named: str) -> Answer:
    """How the policy was taken, and how reads under the grant to everyone and to the role end."""
    seen = {"written": written, "everyone": everyone, "named": named}
    if written != "ok":
        return untold(f"the bucket's policy is refused: {written}", **seen)
    if named == "ok":
        return contradicted("a grant to the role's ARN passes its boundary, too", **seen)
    if everyone != "ok":
        return contradicted(
            f"a grant to everyone does not pass a role's boundary: {everyone}", **seen
        )
    return confirmed("a grant to everyone passes a role's boundary; one to the role does not")


# --- what the simulator says ----------------------------------------------------------------------
_TAG = "aws:PrincipalTag/team"
_FOLDER = "arn:aws:s3:::academy-probe-nowhere/{}/x"


def ask_simulated(probe: Probe) -> Answer:
    """Four conditions on which the documentation is silent, put to IAM's simulator. It is not what
    decides requests, so its answer is an indication."""

    def of_tag(value: str, folder: str) -> str:
        allow = {"Resource": _FOLDER.format(f"${{{_TAG}}}")}
        return _simulated(probe, allow, {_TAG: [value]}, _FOLDER.format(folder))

    def when(condition: Mapping[str, Any], given: Mapping[str, list[str]]) -> str:
        return _simulated(probe, {"Resource": "*", "Condition": condition}, given)

    return read_simulated(
        own=of_tag("red", "red"),
        star=of_tag("*", "red"),
        told={
            "an empty value is null": when({"Null": {_TAG: "true"}}, {_TAG: [""]}),
            "an empty value is there": when({"Null": {_TAG: "false"}}, {_TAG: [""]}),
            "StringEquals takes one of two values": when(
                {"StringEquals": {"aws:TagKeys": "red"}}, {"aws:TagKeys": ["red", "blue"]}
            ),
        },
    )


def _simulated(
    probe: Probe,
    statement: Mapping[str, Any],
    given: Mapping[str, list[str]],
    resource: str = _FOLDER.format("red"),
) -> str:
    """The decision on reading `resource`, or the code of the refusal to decide."""
    allow = {"Effect": "Allow", "Action": "s3:GetObject", **statement}
    document = {"Version": "2012-10-17", "Statement": [allow]}
    try:
        answer = probe.client("iam").simulate_custom_policy(
            PolicyInputList=[json.dumps(document)],
            ActionNames=["s3:GetObject"],
            ResourceArns=[resource],
            ContextEntries=[
                {
                    "ContextKeyName": name,
                    "ContextKeyValues": values,
                    "ContextKeyType": "stringList" if len(values) > 1 else "string",
                }
                for name, values in given.items()
            ],
        )
    except ClientError as error:
        return code(error)
    return str(answer["EvaluationResults"][0]["EvalDecision"])


def read_simulated(*, own: str, star: str, told: Mapping[str, str]) -> Answer:
    """`own`: a variable's value that is the folder's name; `star`: one that is `*`; `told`: what
    the embedded cloud refuses to decide, and no policy of ours asks."""
    seen = {"own": own, "star": star, **told}
    beside = "; ".join(f"{what}: {decision}" for what, decision in told.items())
    if own != "allowed":
        return untold(f"the simulator does not fill in a variable: {own} ({beside})", **seen)
    if star == "allowed":
        return contradicted(
            f"a * in a variable's value is a wildcard to the simulator ({beside})", **seen
        )
    if star != "implicitDeny":
        return untold(f"a * in a variable's value ends as {star} ({beside})", **seen)
    return confirmed(
        f"a * in a variable's value is no wildcard to the simulator ({beside})", **seen
    )
