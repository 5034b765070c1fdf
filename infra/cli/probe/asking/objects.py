"""S3: what IAM holds a learner's write to, what EventBridge tells, what a missing object says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.probe.probing import Probe, code, denied
from infra.cli.probe.question import Answer, confirmed, contradicted, untold
from infra.cli.probe.shared import caught, rule

PREFIXES = ("submissions/", "checked/")
#: 32 bytes that anyone may know: they encrypt an object of a few bytes for a minute.
PUBLIC_KEY = "0" * 32

#: How a learner's role may submit; the same words as in infra/constructs/policies.py.
SUBMIT = {
    "Null": {
        "s3:if-none-match": "false",
        "s3:x-amz-server-side-encryption-customer-algorithm": "true",
    },
    "StringEqualsIfExists": {"s3:x-amz-storage-class": "STANDARD"},
}


def outcome(call: Callable[[], Any]) -> str:
    """ "ok", or the code of AWS's refusal."""
    try:
        call()
    except ClientError as error:
        return "AccessDenied" if denied(error) else code(error)
    return "ok"


def _submitting(probe: Probe) -> Any:
    """A client that may write as a learner may, and read."""
    if "submitter" not in probe.made:
        objects = f"arn:aws:s3:::{probe.made['bucket']['name']}/submissions/*"
        probe.acting_role(
            "learner",
            [
                {
                    "Effect": "Allow",
                    "Action": "s3:PutObject",
                    "Resource": objects,
                    "Condition": SUBMIT,
                },
                {"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects},
            ],
        )
        probe.made["submitter"] = {"role": "learner"}
    return probe.client("s3", "learner")


def ask_new_only(probe: Probe) -> Answer:
    s3, bucket = _submitting(probe), probe.made["bucket"]["name"]
    given = {"Bucket": bucket, "Key": "submissions/new-only", "Body": b"first"}
    return read_new_only(
        without=outcome(lambda: s3.put_object(**given)),
        first=outcome(lambda: s3.put_object(**given, IfNoneMatch="*")),
        again=outcome(lambda: s3.put_object(**given, IfNoneMatch="*")),
    )


def read_new_only(*, without: str, first: str, again: str) -> Answer:
    """Writes without the header, with it where nothing is, and with it where something is."""
    seen = {"without": without, "first": first, "again": again}
    if without == "ok":
        return contradicted("a write without If-None-Match is allowed in spite of Null", **seen)
    if first != "ok":
        return contradicted(f"a write with If-None-Match: * is refused: {first}", **seen)
    if again != "PreconditionFailed":
        return contradicted(f"a second write to the same key ends as {again}", **seen)
    return confirmed("without the header a write is denied; with it nothing is overwritten", **seen)


def ask_storage_class(probe: Probe) -> Answer:
    s3, bucket = _submitting(probe), probe.made["bucket"]["name"]

    def write(key: str, **more: Any) -> str:
        return outcome(
            lambda: s3.put_object(
                Bucket=bucket, Key=f"submissions/{key}", Body=b"x", IfNoneMatch="*", **more
            )
        )

    archived = f"{probe.prefix}-archived"
    owner = probe.client("s3")
    owner.put_object(Bucket=bucket, Key=archived, Body=b"x", StorageClass="GLACIER")
    return read_storage_class(
        archived=write("archived", StorageClass="GLACIER"),
        standard=write("standard", StorageClass="STANDARD"),
        read=outcome(lambda: owner.get_object(Bucket=bucket, Key=archived)),
    )


def read_storage_class(*, archived: str, standard: str, read: str) -> Answer:
    seen = {"archived": archived, "standard": standard, "read": read}
    if archived != "AccessDenied":
        return contradicted(f"a write to GLACIER ends as {archived}", **seen)
    if standard != "ok":
        return contradicted(f"a write that names STANDARD ends as {standard}", **seen)
    if read != "InvalidObjectState":
        return contradicted(f"reading an archived object ends as {read}", **seen)
    return confirmed("archived writes are denied; reading one is InvalidObjectState", **seen)


def ask_new_bucket(probe: Probe) -> Answer:
    """Asked before the bucket is opened to such keys."""
    s3, bucket = probe.client("s3"), probe.made["bucket"]["name"]
    try:
        answer = s3.get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        listed = code(error)
    else:
        rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
        blocked = [each.get("BlockedEncryptionTypes", {}) for each in rules]
        listed = ", ".join(kind for each in blocked for kind in each.get("EncryptionType", ()))
    written = outcome(
        lambda: s3.put_object(
            Bucket=bucket,
            Key=f"{probe.prefix}-at-once",
            Body=b"x",
            SSECustomerAlgorithm="AES256",
            SSECustomerKey=PUBLIC_KEY,
        )
    )
    return read_new_bucket(listed=listed, written=written)


def read_new_bucket(*, listed: str, written: str) -> Answer:
    """`listed`: what GetBucketEncryption says is blocked, or its error."""
    seen = {"listed": listed, "written": written}
    says = f"GetBucketEncryption lists as blocked: {listed or 'nothing'}"
    if written == "ok":
        return contradicted(f"a new bucket takes a customer's key; {says}", **seen)
    if written != "AccessDenied":
        return untold(f"a write under a customer's key ends as {written}; {says}", **seen)
    return confirmed(f"a new bucket refuses a customer's key by itself; {says}", **seen)


def ask_customer_key(probe: Probe) -> Answer:
    """New buckets block such keys by default, so the probe's own is opened to them: else a refusal
    would say nothing of the condition. Source: "Blocking or unblocking SSE-C for a general purpose
    bucket", S3 user guide.
    """
    s3, bucket = _submitting(probe), probe.made["bucket"]["name"]
    sealed = f"{probe.prefix}-sealed"
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": PUBLIC_KEY}
    owner = probe.client("s3")

    def seal() -> Any:
        return owner.put_object(Bucket=bucket, Key=sealed, Body=b"x", **key)

    default = outcome(seal)
    rule_of_bucket = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
        "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]},
    }
    owner.put_bucket_encryption(
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule_of_bucket]}
    )
    for _ in range(12):
        if outcome(seal) == "ok":
            break
        probe.pace.look(10)
    written = outcome(
        lambda: s3.put_object(
            Bucket=bucket, Key="submissions/sealed", Body=b"x", IfNoneMatch="*", **key
        )
    )
    read = outcome(lambda: owner.get_object(Bucket=bucket, Key=sealed))
    return read_customer_key(default=default, written=written, read=read)


def read_customer_key(*, default: str, written: str, read: str) -> Answer:
    """`default`: how the owner's own write ends in a new bucket; the others once it is opened."""
    seen = {"default": default, "written": written, "read": read}
    if written != "AccessDenied":
        return contradicted(f"a write under the learner's own key ends as {written}", **seen)
    if read == "NoSuchKey":
        return untold("the bucket could not be opened to such keys", **seen)
    if read not in ("InvalidRequest", "400"):
        return contradicted(f"reading such an object without its key ends as {read}", **seen)
    anyway = "; new buckets block them for everybody" if default == "AccessDenied" else ""
    return confirmed(
        f"writes under a key of one's own are denied; reading is InvalidRequest{anyway}", **seen
    )


def ask_missing(probe: Probe) -> Answer:
    bucket = probe.made["bucket"]["name"]
    objects = f"arn:aws:s3:::{bucket}/*"
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects}
    role = probe.acting_role("reader", [allow])
    probe.client("s3").put_object(Bucket=bucket, Key="there", Body=b"x")
    s3 = probe.client("s3", role)
    there = outcome(lambda: s3.get_object(Bucket=bucket, Key="there")["Body"].read())
    return read_missing(
        there=there, missing=outcome(lambda: s3.get_object(Bucket=bucket, Key="missing"))
    )


def read_missing(*, there: str, missing: str) -> Answer:
    seen = {"there": there, "missing": missing}
    if there != "ok":
        return contradicted(f"an object that is there ends as {there}", **seen)
    if missing != "AccessDenied":
        return contradicted(f"a missing object ends as {missing} without ListBucket", **seen)
    return confirmed("a missing object is AccessDenied to who may not list", **seen)


def ask_told(probe: Probe) -> Answer:
    bucket = probe.made["bucket"]["name"]
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [bucket]},
            "object": {"key": [{"prefix": f"{prefix}told"} for prefix in PREFIXES]},
        },
    }
    rule(probe, "objects", pattern)
    if probe.source == "aws":
        # A new notification, and a new rule, take effect within minutes.
        probe.pace.look(120)
    began = probe.now()
    for prefix in PREFIXES:
        probe.client("s3").put_object(Bucket=bucket, Key=f"{prefix}told", Body=b"x")
    events = caught(
        probe,
        lambda event: event.get("source") == "aws.s3",
        count=len(PREFIXES),
        seconds=120,
    )
    return read_told(
        [str(event["detail"]["object"]["key"]) for event in events],
        seconds=(probe.now() - began).total_seconds(),
    )


def read_told(keys: list[str], *, seconds: float) -> Answer:
    silent = [prefix for prefix in PREFIXES if f"{prefix}told" not in keys]
    if silent:
        return contradicted(f"nothing was told of objects below {' and '.join(silent)}", keys=keys)
    return confirmed(f"objects below both prefixes were told of, within {seconds:.0f} s", keys=keys)
