"""What IAM is asked about a call: one question for each permission that AWS asks of its caller.

One function an operation (or a few alike), declared with `maps`. It yields questions: action,
resource ARN and condition keys as AWS's Service Authorization Reference lists them, and the further
permissions that the operation needs (iam:PassRole, tags, keys, a copy's source). An operation
without a function is refused by name: what is not modelled is never let through.

A question also says for which condition keys absence means absence on AWS (`keys`). A policy that
asks for another key is unmodelled, and refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from infra.assurance.iam import Value
from infra.offline.authorization import state
from infra.offline.authorization.wire import Call, WireError, check_key

#: Keys that every request has or lacks as on AWS; enforcement fills them in.
#: aws:SourceArn and aws:SourceAccount are absent from what a role itself calls.
GLOBAL_KEYS = frozenset(
    {
        "aws:calledvia",
        "aws:currenttime",
        "aws:epochtime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principaltag/*",
        "aws:principaltype",
        "aws:requestedregion",
        "aws:resourceaccount",
        "aws:securetransport",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:userid",
        "aws:username",
        "aws:viaawsservice",
    }
)
_TAG_KEYS = frozenset({"aws:requesttag/*", "aws:tagkeys"})


@dataclass(frozen=True)
class Question:
    """One permission that a call needs."""

    action: str
    resource: str
    context: Mapping[str, Value] = field(default_factory=dict)
    keys: frozenset[str] = GLOBAL_KEYS


@dataclass(frozen=True)
class Asked:
    """A call, as it will be passed on, and every permission that it needs."""

    call: Call
    questions: tuple[Question, ...]
    #: A permission for each object of DeleteObjects, which AWS decides one by one.
    each: tuple[Question, ...] = ()


class Unmodelled(Exception):
    """The call is outside what the embedded cloud decides for roles; the message names it."""


Mapper = Callable[[Call, str], Iterator[Question]]
_mappers: dict[tuple[str, str], Mapper] = {}


def maps(service: str, *operations: str) -> Callable[[Mapper], Mapper]:
    """Declare the function that asks for `operations` of `service`, given call and account."""

    def declare(function: Mapper) -> Mapper:
        for operation in operations:
            if (service, operation) in _mappers:
                raise ValueError(f"two functions ask for {service} {operation}")
            _mappers[service, operation] = function
        return function

    return declare


def mapped() -> dict[str, tuple[str, ...]]:
    """Every operation that roles may be allowed, by service."""
    made: dict[str, list[str]] = {}
    for service, operation in sorted(_mappers):
        made.setdefault(service, []).append(operation)
    return {service: tuple(operations) for service, operations in made.items()}


def asked(call: Call, account: str) -> Asked:
    """The permissions that `call` needs of a caller in `account`.

    Raises:
        Unmodelled: if the operation, or something that it was given, is not modelled.
        WireError: if its input is malformed.
    """
    mapper = _mappers.get((call.service, call.operation))
    if mapper is None:
        raise Unmodelled(f"{call.service} {call.operation} is not modelled for roles")
    call = _canonical(call, account)
    questions = tuple(mapper(call, account))
    if call.operation == "DeleteObjects":
        return Asked(call, (), questions)
    return Asked(call, questions)


def _canonical(call: Call, account: str) -> Call:
    """Spell what names the same thing in several ways in one way."""
    if call.service == "lambda" and "FunctionName" in call.params:
        name, qualifier = _function(call, account)
        params = {k: v for k, v in call.params.items() if k != "Qualifier"}
        params |= {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
        return call.with_only(params)
    if call.operation in ("CopyObject", "UploadPartCopy"):
        bucket, key, version = _copy_source(call)
        source = f"/{quote(bucket, safe='')}/{quote(key, safe='/~')}"
        source += f"?versionId={quote(version, safe='')}" if version else ""
        return call.with_params(CopySource=source)
    return call


# --- helpers --------------------------------------------------------------------------------------
def _arn(call: Call, account: str, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{call.region}:{account}:{resource}"


def _need(call: Call, name: str) -> str:
    value = call.params.get(name)
    if not isinstance(value, str) or not value:
        raise WireError("ValidationException", f"{call.operation} needs {name}")
    return value


def _name(call: Call, member: str, pattern: str = r"[A-Za-z0-9_.\-]+") -> str:
    """A name that goes into an ARN: letters that no policy reads as a wildcard."""
    value = _need(call, member)
    if not re.fullmatch(pattern, value):
        raise WireError("ValidationException", f"{member} {value!r} does not match {pattern}")
    return value


def _object(call: Call, *path: str) -> Any:
    """The member at `path`, or None."""
    value: Any = call.params
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _some(**given: Any) -> dict[str, Value]:
    """Context entries without the missing ones; `__` in a name stands for the colon."""
    made: dict[str, Value] = {}
    for name, value in given.items():
        key = name.replace("__", ":")
        if value is None or value == () or value == []:
            continue
        if isinstance(value, bool):
            made[key] = "true" if value else "false"
        elif isinstance(value, list | tuple):
            made[key] = tuple(str(item) for item in value)
        else:
            made[key] = str(value)
    return made


def _tags(given: Any) -> dict[str, Value]:
    """aws:RequestTag/... and aws:TagKeys of a list of Key/Value."""
    if not given:
        return {}
    tags = {str(tag["Key"]): str(tag.get("Value", "")) for tag in given}
    made: dict[str, Value] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    made["aws:TagKeys"] = tuple(tags)
    return made


def _keys(service: str, *names: str) -> frozenset[str]:
    return GLOBAL_KEYS | {f"{service}:{name}".lower() for name in names}


def _pass_role(role: Any, service: str) -> Iterator[Question]:
    if not isinstance(role, str) or not role:
        return
    yield Question(
        "iam:PassRole",
        role,
        {"iam:PassedToService": service},
        _keys("iam", "PassedToService"),
    )


# --- S3 -------------------------------------------------------------------------------------------
_S3_KEYS = _keys(
    "s3",
    "authType",
    "delimiter",
    "if-match",
    "if-none-match",
    "max-keys",
    "ObjectCreationOperation",
    "prefix",
    "RequestObjectTag/*",
    "RequestObjectTagKeys",
    "ResourceAccount",
    "signatureversion",
    "versionid",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    # Never there: a call with this header is refused, see _S3_REFUSED.
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
)

#: Source: "Actions, resources, and condition keys for Amazon S3": operation -> actions on the
#: object, and the same for a named version.
_S3_OBJECT: dict[str, tuple[tuple[str, ...], tuple[str, ...] | None]] = {
    "GetObject": (("GetObject",), ("GetObjectVersion",)),
    "HeadObject": (("GetObject",), ("GetObjectVersion",)),
    "GetObjectAttributes": (
        ("GetObject", "GetObjectAttributes"),
        ("GetObjectVersion", "GetObjectVersionAttributes"),
    ),
    "GetObjectAcl": (("GetObjectAcl",), ("GetObjectVersionAcl",)),
    "GetObjectTagging": (("GetObjectTagging",), ("GetObjectVersionTagging",)),
    "PutObject": (("PutObject",), None),
    "CreateMultipartUpload": (("PutObject",), None),
    "UploadPart": (("PutObject",), None),
    "CompleteMultipartUpload": (("PutObject",), None),
    "AbortMultipartUpload": (("AbortMultipartUpload",), None),
    "ListParts": (("ListMultipartUploadParts",), None),
    "CopyObject": (("PutObject",), None),
    "UploadPartCopy": (("PutObject",), None),
    "DeleteObject": (("DeleteObject",), ("DeleteObjectVersion",)),
    "PutObjectTagging": (("PutObjectTagging",), ("PutObjectVersionTagging",)),
    "DeleteObjectTagging": (("DeleteObjectTagging",), ("DeleteObjectVersionTagging",)),
}

_S3_BUCKET = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketVersioning": "GetBucketVersioning",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketPolicy": "GetBucketPolicy",
    "GetBucketAcl": "GetBucketAcl",
    "GetBucketTagging": "GetBucketTagging",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketOwnershipControls": "GetBucketOwnershipControls",
}

#: Headers whose meaning for IAM is not modelled.
_S3_REFUSED = (
    "x-amz-bypass-governance-retention",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
)

_CREATES = {"PutObject", "CopyObject", "CompleteMultipartUpload"}
_WRITES = _CREATES | {"CreateMultipartUpload", "UploadPart", "UploadPartCopy"}
_READS = {"GetObject", "HeadObject", "GetObjectAttributes"}


def bucket_of(arn: str) -> str:
    """The bucket of an S3 ARN."""
    return arn.removeprefix("arn:aws:s3:::").split("/", 1)[0]


def _s3_context(call: Call) -> dict[str, Value]:
    headers, params = call.headers, call.params
    context = _some(
        s3__authType="REST-QUERY-STRING" if call.signature.presigned else "REST-HEADER",
        s3__signatureversion="AWS4-HMAC-SHA256",
        s3__versionid=params.get("VersionId"),
    )
    for name in (
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-metadata-directive",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-storage-class",
    ):
        if headers.get(name):
            context[f"s3:{name}"] = headers[name]
    for name in ("if-match", "if-none-match"):
        if headers.get(name) and call.operation in _CREATES | {"DeleteObject"}:
            context[f"s3:{name}"] = headers[name]
    if call.operation in _WRITES:
        context["s3:ObjectCreationOperation"] = "true" if call.operation in _CREATES else "false"
    return context


@maps("s3", *_S3_OBJECT)
def _s3_object(call: Call, account: str) -> Iterator[Question]:
    for header in _S3_REFUSED:
        if header in call.headers:
            raise Unmodelled(f"header {header} of S3 {call.operation} is not modelled")
    bucket, key = _need(call, "Bucket"), _need(call, "Key")
    arn = f"arn:aws:s3:::{bucket}/{key}"
    upload = call.params.get("UploadId")
    if upload is not None and state.upload_key(account, bucket, upload) != key:
        # moto looks an upload up by its id alone.
        raise WireError("NoSuchUpload", "The specified upload does not exist.", 404)
    plain, versioned = _S3_OBJECT[call.operation]
    actions = versioned if call.params.get("VersionId") and versioned else plain
    context = _s3_context(call)
    if call.operation in ("CopyObject", "UploadPartCopy"):
        source_bucket, source_key, version = _copy_source(call)
        context["s3:x-amz-copy-source"] = f"{source_bucket}/{source_key}"
        source = f"arn:aws:s3:::{source_bucket}/{source_key}"
        read = "s3:GetObjectVersion" if version else "s3:GetObject"
        yield Question(read, source, _some(s3__versionid=version), _S3_KEYS)
        yield from _reading_key(call, account, source_bucket, source_key, version)
    tags = _tagging(call)
    for action in actions:
        yield Question(f"s3:{action}", arn, {**context, **tags}, _S3_KEYS)
    if tags and call.operation in _WRITES:
        yield Question("s3:PutObjectTagging", arn, {**context, **tags}, _S3_KEYS)
    if "x-amz-acl" in call.headers:
        yield Question("s3:PutObjectAcl", arn, context, _S3_KEYS)
    if call.operation in _WRITES:
        yield from _writing_key(call, account, bucket, key)
    if call.operation in _READS:
        yield from _reading_key(call, account, bucket, key, call.params.get("VersionId"))


@maps("s3", *_S3_BUCKET)
def _s3_bucket(call: Call, _account: str) -> Iterator[Question]:
    context = _s3_context(call) | _some(
        **{
            "s3__prefix": call.params.get("Prefix"),
            "s3__delimiter": call.params.get("Delimiter"),
            "s3__max-keys": call.params.get("MaxKeys"),
        }
    )
    arn = f"arn:aws:s3:::{_need(call, 'Bucket')}"
    yield Question(f"s3:{_S3_BUCKET[call.operation]}", arn, context, _S3_KEYS)


@maps("s3", "ListBuckets")
def _s3_all(call: Call, _account: str) -> Iterator[Question]:
    yield Question("s3:ListAllMyBuckets", "*", _s3_context(call), _S3_KEYS)


@maps("s3", "DeleteObjects")
def _s3_delete(call: Call, _account: str) -> Iterator[Question]:
    bucket = _need(call, "Bucket")
    if "x-amz-bypass-governance-retention" in call.headers:
        raise Unmodelled("header x-amz-bypass-governance-retention is not modelled")
    for item in call.params["Delete"]:
        version = item.get("VersionId")
        yield Question(
            "s3:DeleteObjectVersion" if version else "s3:DeleteObject",
            f"arn:aws:s3:::{bucket}/{item['Key']}",
            _s3_context(call) | _some(s3__versionid=version),
            _S3_KEYS,
        )


def may_list(bucket: str) -> Question:
    """What decides whether a missing object is 404 (the caller may list) or 403 (may not).

    The request has no prefix, so a permission with a condition on s3:prefix does not count.
    Source: GetObject in the S3 API reference, "Permissions".
    """
    return Question("s3:ListBucket", f"arn:aws:s3:::{bucket}", {}, _S3_KEYS)


def _copy_source(call: Call) -> tuple[str, str, str | None]:
    """(bucket, key, version) of x-amz-copy-source."""
    path, _, query = str(call.params["CopySource"]).partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if bucket.startswith("arn:") or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,62}", bucket):
        raise Unmodelled(f"copy source {path!r} is not BUCKET/KEY")
    if not key:
        raise WireError("InvalidArgument", f"copy source {path!r} has no key")
    check_key(key)
    given = parse_qs(query, keep_blank_values=True)
    if set(given) - {"versionId"} or len(given.get("versionId", [])) > 1:
        raise WireError("InvalidArgument", f"copy source has parameters {sorted(given)}")
    return bucket, key, given.get("versionId", [None])[0]


def _tagging(call: Call) -> dict[str, Value]:
    given = parse_qs(call.headers.get("x-amz-tagging", ""), keep_blank_values=True)
    if not given:
        return {}
    made: dict[str, Value] = {
        f"s3:RequestObjectTag/{key}": values[0] for key, values in given.items()
    }
    made["s3:RequestObjectTagKeys"] = tuple(given)
    return made


def _writing_key(call: Call, account: str, bucket: str, key: str) -> Iterator[Question]:
    algorithm, default, bucket_key = state.bucket_encryption(account, bucket)
    algorithm = call.headers.get("x-amz-server-side-encryption") or algorithm
    named = call.headers.get("x-amz-server-side-encryption-aws-kms-key-id") or default
    if algorithm in ("aws:kms", "aws:kms:dsse") and named:
        resource = f"arn:aws:s3:::{bucket}" + ("" if bucket_key else f"/{key}")
        yield from _through(call, account, "GenerateDataKey", named, "s3", resource)
        if call.operation in ("CompleteMultipartUpload", "UploadPart", "UploadPartCopy"):
            yield from _through(call, account, "Decrypt", named, "s3", resource)


def _reading_key(
    call: Call, account: str, bucket: str, key: str, version: str | None
) -> Iterator[Question]:
    stored = state.stored_object(account, bucket, key, version)
    if stored is None or stored.encryption not in ("aws:kms", "aws:kms:dsse"):
        return
    if not stored.kms_key_id:
        return  # AWS's own key for S3, which lets the account's principals use it
    resource = f"arn:aws:s3:::{bucket}"
    resource += "" if str(stored.bucket_key_enabled).lower() == "true" else f"/{key}"
    yield from _through(call, account, "Decrypt", stored.kms_key_id, "s3", resource)


# --- KMS ------------------------------------------------------------------------------------------
_KMS_KEYS = _keys(
    "kms",
    "CallerAccount",
    "EncryptionContext:*",
    "EncryptionContextKeys",
    "RequestAlias",
    "ResourceAliases",
    "ViaService",
)


def _key_context(call: Call, account: str, arn: str) -> dict[str, Value]:
    return _some(
        kms__CallerAccount=account,
        kms__ResourceAliases=state.key_aliases(account, call.region, arn),
    )


def _through(
    call: Call, account: str, action: str, named: str, service: str, encrypted: str
) -> Iterator[Question]:
    """The caller's permission on a key that `service` uses in the caller's name."""
    if state.aws_managed_key(named):
        return
    arn = state.key_arn(account, call.region, named)
    if arn is None:
        raise WireError("KMS.NotFoundException", f"Key {named!r} does not exist")
    context = _key_context(call, account, arn)
    context["kms:ViaService"] = f"{service}.{call.region}.amazonaws.com"
    context["aws:ViaAWSService"] = "true"
    names = {
        "dynamodb": {"aws:dynamodb:tableName": encrypted, "aws:dynamodb:subscriberId": account},
        "s3": {"aws:s3:arn": encrypted},
        "sns": {"aws:sns:topicArn": encrypted},
    }[service]
    context |= {f"kms:EncryptionContext:{key}": value for key, value in names.items()}
    context["kms:EncryptionContextKeys"] = tuple(names)
    yield Question(f"kms:{action}", arn, context, _KMS_KEYS)


@maps(
    "kms",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
)
def _kms(call: Call, account: str) -> Iterator[Question]:
    named = call.params.get("KeyId")
    if not isinstance(named, str) or not named:
        raise Unmodelled(f"kms {call.operation} without KeyId is not modelled")
    arn = state.key_arn(account, call.region, named)
    if arn is None:
        raise WireError("NotFoundException", f"Key {named!r} does not exist")
    context = _key_context(call, account, arn)
    if "alias/" in named:
        context["kms:RequestAlias"] = named.split(":")[-1]
    given = call.params.get("EncryptionContext") or {}
    context |= {f"kms:EncryptionContext:{key}": str(value) for key, value in given.items()}
    if given:
        context["kms:EncryptionContextKeys"] = tuple(given)
    yield Question(f"kms:{call.operation}", arn, context, _KMS_KEYS)


# --- Lambda ---------------------------------------------------------------------------------------
_FUNCTION = re.compile(
    r"^(?:arn:aws:lambda:([a-z0-9-]+):(\d{12}):function:|(\d{12}):function:)?"
    r"([A-Za-z0-9-_]{1,64})(?::(\$LATEST|[A-Za-z0-9-_]+))?$"
)


def _function(call: Call, account: str) -> tuple[str, str | None]:
    """(name, qualifier) that FunctionName and Qualifier name together."""
    given = str(call.params["FunctionName"])
    found = _FUNCTION.match(given)
    if found is None:
        raise WireError("ValidationException", f"FunctionName {given!r} is malformed")
    region, owner, partial_owner, name, qualifier = found.groups()
    if (region or call.region) != call.region or (owner or partial_owner or account) != account:
        raise WireError(
            "ResourceNotFoundException", f"Functions from {given!r} are not reachable here", 404
        )
    asked_for = call.params.get("Qualifier")
    if asked_for is not None and not re.fullmatch(r"\$LATEST|[A-Za-z0-9-_]+", asked_for):
        raise WireError("ValidationException", f"Qualifier {asked_for!r} is malformed")
    if qualifier and asked_for and qualifier != asked_for:
        raise WireError(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )
    return name, qualifier or asked_for


@maps("lambda", "Invoke")
def _invoke(call: Call, account: str) -> Iterator[Question]:
    name, qualifier = _function(call, account)
    resource = f"function:{name}" + (f":{qualifier}" if qualifier else "")
    yield Question("lambda:InvokeFunction", _arn(call, account, "lambda", resource))


@maps("lambda", "GetFunction", "GetFunctionConfiguration", "GetAlias")
def _read_function(call: Call, account: str) -> Iterator[Question]:
    name, qualifier = _function(call, account)
    resource = f"function:{name}"
    if qualifier and call.operation != "GetAlias":
        resource += f":{qualifier}"
    yield Question(f"lambda:{call.operation}", _arn(call, account, "lambda", resource))


# --- Systems Manager parameters ------------------------------------------------------------------
_PARAMETER = re.compile(r"^(/?[A-Za-z0-9_.\-/]+)(?::[A-Za-z0-9_.\-]+)?$")


def _parameter(call: Call, account: str, given: Any) -> str:
    found = _PARAMETER.match(given) if isinstance(given, str) else None
    if found is None:
        raise Unmodelled(f"parameter {given!r}: only names are modelled, not ARNs")
    name = found.group(1).removeprefix("/")
    return _arn(call, account, "ssm", f"parameter/{name}")


def _not_secret(call: Call, account: str, name: str) -> None:
    if state.is_secure_string(account, call.region, name):
        raise Unmodelled(f"SecureString parameters ({name}) are not modelled for roles")


@maps("ssm", "GetParameter", "GetParameterHistory")
def _get_parameter(call: Call, account: str) -> Iterator[Question]:
    name = _need(call, "Name")
    arn = _parameter(call, account, name)
    _not_secret(call, account, name)
    yield Question(f"ssm:{call.operation}", arn)


@maps("ssm", "GetParameters")
def _get_parameters(call: Call, account: str) -> Iterator[Question]:
    for name in call.params.get("Names") or ():
        arn = _parameter(call, account, name)
        _not_secret(call, account, name)
        yield Question("ssm:GetParameters", arn)


@maps("ssm", "GetParametersByPath")
def _get_by_path(call: Call, account: str) -> Iterator[Question]:
    if call.params.get("WithDecryption"):
        raise Unmodelled("GetParametersByPath with decryption is not modelled for roles")
    path = _need(call, "Path").rstrip("/") or "/"
    arn = _parameter(call, account, path)
    context = _some(ssm__Recursive=bool(call.params.get("Recursive")))
    yield Question("ssm:GetParametersByPath", arn, context, _keys("ssm", "Recursive"))


@maps("ssm", "PutParameter")
def _put_parameter(call: Call, account: str) -> Iterator[Question]:
    if call.params.get("Type") == "SecureString" or call.params.get("Tags"):
        raise Unmodelled("SecureString parameters and tags are not modelled for roles")
    arn = _parameter(call, account, _need(call, "Name"))
    context = _some(ssm__Overwrite=bool(call.params.get("Overwrite")))
    yield Question("ssm:PutParameter", arn, context, _keys("ssm", "Overwrite"))


@maps("ssm", "DeleteParameter")
def _delete_parameter(call: Call, account: str) -> Iterator[Question]:
    yield Question("ssm:DeleteParameter", _parameter(call, account, _need(call, "Name")))


@maps("ssm", "DescribeParameters")
def _describe_parameters(call: Call, account: str) -> Iterator[Question]:
    yield Question("ssm:DescribeParameters", _arn(call, account, "ssm", "*"))


# --- DynamoDB -------------------------------------------------------------------------------------
_DYNAMODB_KEYS = _keys("dynamodb", "EnclosingOperation", "LeadingKeys", "Select")
#: Operations on a transaction's items are permitted by these actions.
_TRANSACTED = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


def _table_question(
    call: Call,
    account: str,
    action: str,
    request: Mapping[str, Any],
    leading: list[str],
    **context: Any,
) -> Iterator[Question]:
    table = request.get("TableName")
    if not isinstance(table, str) or not re.fullmatch(r"[A-Za-z0-9_.\-]{3,255}", table):
        raise Unmodelled(f"TableName {table!r}: only names are modelled, not ARNs")
    resource = f"table/{table}"
    index = request.get("IndexName")
    if index is not None:
        if not isinstance(index, str) or not re.fullmatch(r"[A-Za-z0-9_.\-]{3,255}", index):
            raise WireError("ValidationException", f"IndexName {index!r}")
        resource += f"/index/{index}"
    given = _some(dynamodb__LeadingKeys=leading, **context)
    yield Question(
        f"dynamodb:{action}", _arn(call, account, "dynamodb", resource), given, _DYNAMODB_KEYS
    )
    found = state.table(account, call.region, table)
    named = None if found is None else state.table_key(found)
    if named is not None:
        yield from _through(call, account, "Decrypt", named, "dynamodb", table)


def _leading(call: Call, account: str, table: Any, items: list[Any]) -> list[str]:
    """The partition-key values of `items` (attribute maps), where the table is known."""
    found = state.table(account, call.region, str(table))
    if found is None:
        return []
    values = []
    for item in items:
        attribute = item.get(found.hash_key_attr) if isinstance(item, Mapping) else None
        if isinstance(attribute, Mapping) and len(attribute) == 1:
            values.append(str(next(iter(attribute.values()))))
    return values


@maps("dynamodb", "GetItem", "PutItem", "UpdateItem", "DeleteItem")
def _item(call: Call, account: str) -> Iterator[Question]:
    item = call.params.get("Item" if call.operation == "PutItem" else "Key")
    leading = _leading(call, account, call.params.get("TableName"), [item])
    yield from _table_question(call, account, call.operation, call.params, leading)


@maps("dynamodb", "Query", "Scan")
def _query(call: Call, account: str) -> Iterator[Question]:
    yield from _table_question(
        call,
        account,
        call.operation,
        call.params,
        _queried(call, account),
        dynamodb__Select=call.params.get("Select"),
    )


def _queried(call: Call, account: str) -> list[str]:
    """The partition key that a Query asks for."""
    found = state.table(account, call.region, str(call.params.get("TableName")))
    if found is None or call.operation != "Query":
        return []
    attribute = found.hash_key_attr
    if call.params.get("IndexName"):
        # Of an index the leading key is the index's own.
        indexes = [*(found.global_indexes or []), *(found.indexes or [])]
        schemas = [i.schema for i in indexes if i.name == call.params["IndexName"]]
        hashes = [k["AttributeName"] for s in schemas for k in s if k["KeyType"] == "HASH"]
        if not hashes:
            return []
        attribute = hashes[0]
    names = call.params.get("ExpressionAttributeNames") or {}
    values = call.params.get("ExpressionAttributeValues") or {}
    expression = str(call.params.get("KeyConditionExpression") or "")
    for name, value in re.findall(r"([#A-Za-z0-9_.\-]+)\s*=\s*(:[A-Za-z0-9_]+)", expression):
        if names.get(name, name) == attribute and isinstance(values.get(value), Mapping):
            return [str(next(iter(values[value].values())))]
    condition = (call.params.get("KeyConditions") or {}).get(attribute)
    if isinstance(condition, Mapping) and condition.get("AttributeValueList"):
        return [str(next(iter(condition["AttributeValueList"][0].values())))]
    return []


@maps("dynamodb", "TransactWriteItems", "TransactGetItems")
def _transaction(call: Call, account: str) -> Iterator[Question]:
    for entry in call.params.get("TransactItems") or ():
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise WireError("ValidationException", "a transaction's item is one operation")
        ((kind, request),) = entry.items()
        if kind not in _TRANSACTED or not isinstance(request, Mapping):
            raise WireError("ValidationException", f"{kind!r} in a transaction")
        item = request.get("Item" if kind == "Put" else "Key")
        yield from _table_question(
            call,
            account,
            _TRANSACTED[kind],
            {"TableName": request.get("TableName")},
            _leading(call, account, request.get("TableName"), [item]),
            dynamodb__EnclosingOperation=call.operation,
        )


@maps("dynamodb", "BatchGetItem", "BatchWriteItem")
def _batch(call: Call, account: str) -> Iterator[Question]:
    for table, given in (call.params.get("RequestItems") or {}).items():
        if call.operation == "BatchGetItem":
            items = list(given.get("Keys", []))
        else:
            items = [
                request.get("PutRequest", {}).get("Item")
                or request.get("DeleteRequest", {}).get("Key")
                for request in given
            ]
        leading = _leading(call, account, table, items)
        yield from _table_question(call, account, call.operation, {"TableName": table}, leading)


@maps("dynamodb", "DescribeTable")
def _describe_table(call: Call, account: str) -> Iterator[Question]:
    name = _name(call, "TableName")
    yield Question("dynamodb:DescribeTable", _arn(call, account, "dynamodb", f"table/{name}"))


# --- SageMaker: training --------------------------------------------------------------------------
_JOB_KEYS = _TAG_KEYS | _keys(
    "sagemaker",
    "EnableRemoteDebug",
    "FileSystemAccessMode",
    "FileSystemDirectoryPath",
    "FileSystemId",
    "FileSystemType",
    "InstanceTypes",
    "InterContainerTrafficEncryption",
    "KeepAlivePeriod",
    "MaxRuntimeInSeconds",
    "NetworkIsolation",
    "OutputKmsKey",
    "VolumeKmsKey",
    "VpcSecurityGroupIds",
    "VpcSubnets",
)


def _sagemaker(call: Call, account: str, resource: str) -> str:
    return _arn(call, account, "sagemaker", resource)


@maps("sagemaker", "CreateTrainingJob", "UpdateTrainingJob")
def _training(call: Call, account: str) -> Iterator[Question]:
    arn = _sagemaker(call, account, f"training-job/{_name(call, 'TrainingJobName')}")
    resources = call.params.get("ResourceConfig") or {}
    groups = [group for group in resources.get("InstanceGroups") or () if group]
    types = [resources.get("InstanceType"), *(group.get("InstanceType") for group in groups)]
    systems = [
        source
        for channel in call.params.get("InputDataConfig") or ()
        if (source := _object_of(channel, "DataSource", "FileSystemDataSource"))
    ]
    if len(systems) > 1:
        raise Unmodelled("more than one file system in a training job")
    system = systems[0] if systems else {}
    context = _some(
        sagemaker__InstanceTypes=[t for t in types if t],
        sagemaker__MaxRuntimeInSeconds=_object(call, "StoppingCondition", "MaxRuntimeInSeconds"),
        sagemaker__KeepAlivePeriod=resources.get("KeepAlivePeriodInSeconds"),
        sagemaker__VolumeKmsKey=resources.get("VolumeKmsKeyId"),
        sagemaker__OutputKmsKey=_object(call, "OutputDataConfig", "KmsKeyId"),
        sagemaker__EnableRemoteDebug=_object(call, "RemoteDebugConfig", "EnableRemoteDebug"),
        sagemaker__NetworkIsolation=call.params.get("EnableNetworkIsolation"),
        sagemaker__InterContainerTrafficEncryption=call.params.get(
            "EnableInterContainerTrafficEncryption"
        ),
        sagemaker__VpcSubnets=_object(call, "VpcConfig", "Subnets"),
        sagemaker__VpcSecurityGroupIds=_object(call, "VpcConfig", "SecurityGroupIds"),
        sagemaker__FileSystemId=system.get("FileSystemId"),
        sagemaker__FileSystemType=system.get("FileSystemType"),
        sagemaker__FileSystemAccessMode=system.get("FileSystemAccessMode"),
        sagemaker__FileSystemDirectoryPath=system.get("DirectoryPath"),
    )
    tags = _tags(call.params.get("Tags"))
    yield Question(f"sagemaker:{call.operation}", arn, context | tags, _JOB_KEYS)
    if call.operation == "CreateTrainingJob":
        yield from _tagging_on_creation(call, arn, tags)
        yield from _pass_role(_need(call, "RoleArn"), "sagemaker.amazonaws.com")


def _object_of(value: Any, *path: str) -> dict[str, Any]:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}


def _tagging_on_creation(call: Call, arn: str, tags: Mapping[str, Value]) -> Iterator[Question]:
    """Creating with tags needs sagemaker:AddTags on the new resource."""
    if tags:
        context = {**tags, "sagemaker:TaggingAction": call.operation}
        keys = _TAG_KEYS | _keys("sagemaker", "TaggingAction")
        yield Question("sagemaker:AddTags", arn, context, keys)


@maps("sagemaker", "DescribeTrainingJob", "StopTrainingJob", "DeleteTrainingJob")
def _job(call: Call, account: str) -> Iterator[Question]:
    arn = _sagemaker(call, account, f"training-job/{_name(call, 'TrainingJobName')}")
    yield Question(f"sagemaker:{call.operation}", arn)


@maps("sagemaker", "AddTags", "DeleteTags", "ListTags")
def _sagemaker_tags(call: Call, _account: str) -> Iterator[Question]:
    arn = _name(call, "ResourceArn", r"arn:aws:sagemaker:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.\-/]+")
    context: dict[str, Value] = {}
    if call.operation == "AddTags":
        context = _tags(call.params.get("Tags"))
    elif call.operation == "DeleteTags":
        context = _some(aws__TagKeys=call.params.get("TagKeys"))
    # TaggingAction is there only when a creating action adds the tags.
    keys = _TAG_KEYS | _keys("sagemaker", "TaggingAction")
    yield Question(f"sagemaker:{call.operation}", arn, context, keys)


@maps(
    "sagemaker",
    "ListAppImageConfigs",
    "ListApps",
    "ListDomains",
    "ListImages",
    "ListSpaces",
    "ListStudioLifecycleConfigs",
    "ListTrainingJobs",
    "ListUserProfiles",
)
def _sagemaker_lists(call: Call, _account: str) -> Iterator[Question]:
    # None of these can be scoped by resource.
    yield Question(f"sagemaker:{call.operation}", "*")


# --- SageMaker: Studio ----------------------------------------------------------------------------
_APP_KEYS = _TAG_KEYS | _keys(
    "sagemaker",
    "ImageArns",
    "ImageVersionArns",
    "InstanceTypes",
    "OwnerUserProfileArn",
    "SpaceSharingType",
    "StudioLifecycleConfigArns",
)
_STUDIO_NAME = r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}"
_IMAGE_NAME = r"[a-zA-Z0-9](?:[-.]?[a-zA-Z0-9]){0,62}"


@maps("sagemaker", "CreateApp", "DescribeApp", "DeleteApp")
def _app(call: Call, account: str) -> Iterator[Question]:
    domain = _name(call, "DomainId", r"d-(?:-*[a-z0-9]){1,61}")
    if ("SpaceName" in call.params) == ("UserProfileName" in call.params):
        raise WireError("ValidationException", "give either SpaceName or UserProfileName")
    member = "SpaceName" if "SpaceName" in call.params else "UserProfileName"
    owner = _name(call, member, _STUDIO_NAME)
    kind = _name(call, "AppType", r"[A-Za-z]+").lower()
    name = _name(call, "AppName", _STUDIO_NAME)
    arn = _sagemaker(call, account, f"app/{domain}/{owner}/{kind}/{name}")
    context: dict[str, Value] = {}
    if call.operation != "DescribeApp":
        context = _ownership(call, account, domain, owner if member == "SpaceName" else None)
        if member == "UserProfileName":
            profile = _sagemaker(call, account, f"user-profile/{domain}/{owner}")
            context["sagemaker:OwnerUserProfileArn"] = profile
    tags: dict[str, Value] = {}
    if call.operation == "CreateApp":
        spec = call.params.get("ResourceSpec") or {}
        tags = _tags(call.params.get("Tags"))
        context |= tags
        context |= _some(
            sagemaker__InstanceTypes=_list(spec.get("InstanceType")),
            sagemaker__ImageArns=[t for t in (spec.get("SageMakerImageArn"),) if t],
            sagemaker__ImageVersionArns=[t for t in (spec.get("SageMakerImageVersionArn"),) if t],
            sagemaker__StudioLifecycleConfigArns=[
                t for t in (spec.get("LifecycleConfigArn"),) if t
            ],
        )
    yield Question(f"sagemaker:{call.operation}", arn, context, _APP_KEYS)
    yield from _tagging_on_creation(call, arn, tags)


def _list(value: Any) -> list[Any]:
    return [value] if value else []


def _ownership(call: Call, account: str, domain: str, space: str | None) -> dict[str, Value]:
    found = None if space is None else state.space(account, call.region, domain, space)
    if found is None:
        return {}
    return _some(
        sagemaker__OwnerUserProfileArn=_sagemaker(
            call, account, f"user-profile/{domain}/{found.owner}"
        ),
        sagemaker__SpaceSharingType=_object_of(found.settings, "SpaceSharingSettings").get(
            "SharingType"
        ),
    )


@maps("sagemaker", "CreatePresignedDomainUrl")
def _presigned_url(call: Call, account: str) -> Iterator[Question]:
    domain = _name(call, "DomainId", r"d-(?:-*[a-z0-9]){1,61}")
    profile = _name(call, "UserProfileName", _STUDIO_NAME)
    arn = _sagemaker(call, account, f"user-profile/{domain}/{profile}")
    yield Question("sagemaker:CreatePresignedDomainUrl", arn)


@maps("sagemaker", "CreateImage", "UpdateImage", "DescribeImage", "DeleteImage")
def _image(call: Call, account: str) -> Iterator[Question]:
    arn = _sagemaker(call, account, f"image/{_name(call, 'ImageName', _IMAGE_NAME)}")
    tags = _tags(call.params.get("Tags"))
    yield Question(f"sagemaker:{call.operation}", arn, tags, _TAG_KEYS)
    yield from _tagging_on_creation(call, arn, tags)
    if call.operation == "CreateImage":
        _need(call, "RoleArn")
    yield from _pass_role(call.params.get("RoleArn"), "sagemaker.amazonaws.com")


@maps("sagemaker", "CreateImageVersion", "ListImageVersions")
def _versions_of_image(call: Call, account: str) -> Iterator[Question]:
    arn = _sagemaker(call, account, f"image/{_name(call, 'ImageName', _IMAGE_NAME)}")
    yield Question(f"sagemaker:{call.operation}", arn)


@maps("sagemaker", "DescribeImageVersion", "UpdateImageVersion", "DeleteImageVersion")
def _image_version(call: Call, account: str) -> Iterator[Question]:
    if "Alias" in call.params:
        raise Unmodelled(f"{call.operation} by Alias is not modelled for roles; give Version")
    name, number = _name(call, "ImageName", _IMAGE_NAME), call.params.get("Version")
    if number is None:
        number = state.latest_image_version(account, call.region, name)
    elif isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise WireError("ValidationException", f"Version {number!r} is no version's number")
    arn = _sagemaker(call, account, f"image-version/{name}/{number}")
    yield Question(f"sagemaker:{call.operation}", arn)


@maps(
    "sagemaker",
    "CreateAppImageConfig",
    "UpdateAppImageConfig",
    "DescribeAppImageConfig",
    "DeleteAppImageConfig",
)
def _app_image_config(call: Call, account: str) -> Iterator[Question]:
    name = _name(call, "AppImageConfigName", _STUDIO_NAME)
    arn = _sagemaker(call, account, f"app-image-config/{name}")
    tags = _tags(call.params.get("Tags"))
    yield Question(f"sagemaker:{call.operation}", arn, tags, _TAG_KEYS)
    yield from _tagging_on_creation(call, arn, tags)


_STUDIO = {
    "DescribeDomain": ("domain", ("DomainId",)),
    "DescribeUserProfile": ("user-profile", ("DomainId", "UserProfileName")),
    "DescribeSpace": ("space", ("DomainId", "SpaceName")),
    "DescribeStudioLifecycleConfig": (
        "studio-lifecycle-config",
        ("StudioLifecycleConfigName",),
    ),
}


@maps("sagemaker", *_STUDIO)
def _studio(call: Call, account: str) -> Iterator[Question]:
    kind, members = _STUDIO[call.operation]
    names = "/".join(_name(call, member, r"[A-Za-z0-9\-]+") for member in members)
    yield Question(f"sagemaker:{call.operation}", _sagemaker(call, account, f"{kind}/{names}"))


# --- ECR ------------------------------------------------------------------------------------------
_REPOSITORY = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"


def pulling(repository_arn: str) -> Iterator[Question]:
    """What a service asks of a role before it pulls an image for it.

    Source: "CreateTrainingJob API: execution role permissions", SageMaker developer guide; that
    ecr:GetAuthorizationToken is needed besides is asked there too, of all resources.
    """
    yield Question("ecr:GetAuthorizationToken", "*")
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield Question(f"ecr:{action}", repository_arn)


@maps("ecr", "GetAuthorizationToken")
def _registry_token(call: Call, account: str) -> Iterator[Question]:
    if set(call.params.get("registryIds") or ()) - {account}:
        raise Unmodelled("GetAuthorizationToken of other accounts' registries is not modelled")
    yield Question("ecr:GetAuthorizationToken", "*")


@maps(
    "ecr",
    "BatchCheckLayerAvailability",
    "BatchDeleteImage",
    "BatchGetImage",
    "CompleteLayerUpload",
    "DescribeImages",
    "GetLifecyclePolicy",
    "GetRepositoryPolicy",
    "InitiateLayerUpload",
    "ListImages",
    "PutImage",
    "UploadLayerPart",
)
def _repository(call: Call, account: str) -> Iterator[Question]:
    name = _name(call, "repositoryName", _REPOSITORY)
    yield Question(f"ecr:{call.operation}", _repository_arn(call, account, name))


@maps("ecr", "DescribeRepositories")
def _repositories(call: Call, account: str) -> Iterator[Question]:
    # Without names it is a question about all of them.
    for name in call.params.get("repositoryNames") or ["*"]:
        if name != "*" and not (isinstance(name, str) and re.fullmatch(_REPOSITORY, name)):
            raise WireError("InvalidParameterException", f"repositoryName {name!r}")
        yield Question("ecr:DescribeRepositories", _repository_arn(call, account, name))


def _repository_arn(call: Call, account: str, name: str) -> str:
    if call.params.get("registryId", account) != account:
        raise Unmodelled("registries of other accounts are not modelled")
    return _arn(call, account, "ecr", f"repository/{name}")


# --- CodeBuild ------------------------------------------------------------------------------------
_PROJECT = r"[A-Za-z0-9][A-Za-z0-9_-]{1,149}"


def _project_arn(call: Call, account: str, given: Any) -> str:
    """The ARN of a project that is named by itself or by one of its builds ("PROJECT:ID")."""
    name = given.split(":", 1)[0] if isinstance(given, str) else ""
    if not re.fullmatch(_PROJECT, name):
        raise Unmodelled(f"CodeBuild project or build {given!r}: only names are modelled, not ARNs")
    return _arn(call, account, "codebuild", f"project/{name}")


#: Operation -> the member that says which project it is about.
_CODEBUILD = {
    "BatchGetBuilds": "ids",
    "BatchGetProjects": "names",
    "CreateProject": "name",
    "DeleteProject": "name",
    "ListBuildsForProject": "projectName",
    "StartBuild": "projectName",
    "StopBuild": "id",
    "UpdateProject": "name",
}


@maps("codebuild", *_CODEBUILD)
def _codebuild(call: Call, account: str) -> Iterator[Question]:
    given = call.params.get(_CODEBUILD[call.operation])
    context = _tags(
        [
            {"Key": tag.get("key", ""), "Value": tag.get("value", "")}
            for tag in call.params.get("tags") or ()
        ]
    )
    for name in given if isinstance(given, list) else [given]:
        arn = _project_arn(call, account, name)
        yield Question(f"codebuild:{call.operation}", arn, context, _TAG_KEYS)
    yield from _pass_role(call.params.get("serviceRole"), "codebuild.amazonaws.com")
    if "serviceRoleOverride" in call.params:
        raise Unmodelled("StartBuild with serviceRoleOverride is not modelled")


# --- CloudWatch Logs ------------------------------------------------------------------------------
_GROUP = r"[.\-_/#A-Za-z0-9]{1,512}"
_STREAM = r"[^:*?]{1,512}"


@maps(
    "logs",
    "CreateLogGroup",
    "CreateLogStream",
    "DescribeLogStreams",
    "FilterLogEvents",
    "GetLogEvents",
    "PutLogEvents",
)
def _logs(call: Call, account: str) -> Iterator[Question]:
    if "logGroupIdentifier" in call.params:
        raise Unmodelled("logGroupIdentifier is not modelled for roles; give logGroupName")
    if call.operation == "CreateLogGroup" and (call.params.keys() - {"logGroupName"}):
        raise Unmodelled("CreateLogGroup with more than a name is not modelled for roles")
    group = _name(call, "logGroupName", _GROUP)
    # An action on a group is decided on its streams' ARN with an empty stream, so a policy that
    # ends with the group's name does not allow it. Seen in AWS's own denials, for example
    # github.com/prowler-cloud/prowler/pull/37 and hashicorp/terraform-provider-aws issue 8804.
    stream = ""
    if call.operation in ("CreateLogStream", "GetLogEvents", "PutLogEvents"):
        stream = _name(call, "logStreamName", _STREAM)
    arn = _arn(call, account, "logs", f"log-group:{group}:log-stream:{stream}")
    yield Question(f"logs:{call.operation}", arn)


@maps("logs", "DescribeLogGroups")
def _log_groups(call: Call, account: str) -> Iterator[Question]:
    prefix = call.params.get("logGroupNamePrefix") or ""
    if not re.fullmatch(_GROUP, prefix) and prefix:
        raise WireError("InvalidParameterException", f"logGroupNamePrefix {prefix!r}")
    if set(call.params) - {"logGroupNamePrefix", "limit", "nextToken"}:
        raise Unmodelled("DescribeLogGroups by anything but a prefix is not modelled for roles")
    yield Question(
        "logs:DescribeLogGroups", _arn(call, account, "logs", f"log-group:{prefix}:log-stream:")
    )


# --- EventBridge and its scheduler ----------------------------------------------------------------
@maps("scheduler", "CreateSchedule", "UpdateSchedule", "GetSchedule", "DeleteSchedule")
def _schedule(call: Call, account: str) -> Iterator[Question]:
    name = _name(call, "Name")
    # Members of the body and of the query are spelt differently, but mean the same group.
    call = call.with_params(GroupName=call.params.get("GroupName") or "default")
    group = _name(call, "GroupName")
    arn = _arn(call, account, "scheduler", f"schedule/{group}/{name}")
    yield Question(f"scheduler:{call.operation}", arn)
    if call.operation in ("CreateSchedule", "UpdateSchedule"):
        role = _object(call, "Target", "RoleArn")
        if not isinstance(role, str) or not role:
            raise WireError("ValidationException", f"{call.operation} needs Target.RoleArn")
        yield from _pass_role(role, "scheduler.amazonaws.com")


@maps("scheduler", "GetScheduleGroup")
def _schedule_group(call: Call, account: str) -> Iterator[Question]:
    group = _name(call, "Name")
    arn = _arn(call, account, "scheduler", f"schedule-group/{group}")
    yield Question("scheduler:GetScheduleGroup", arn)


@maps("scheduler", "ListSchedules", "ListScheduleGroups")
def _list_schedules(call: Call, _account: str) -> Iterator[Question]:
    yield Question(f"scheduler:{call.operation}", "*")


@maps("events", "PutEvents")
def _put_events(call: Call, account: str) -> Iterator[Question]:
    for entry in call.params.get("Entries") or ():
        bus = str(entry.get("EventBusName") or "default")
        if not re.fullmatch(r"[A-Za-z0-9_.\-/]+", bus):
            raise Unmodelled(f"EventBusName {bus!r}: only names are modelled, not ARNs")
        yield Question(
            "events:PutEvents",
            _arn(call, account, "events", f"event-bus/{bus}"),
            {
                "events:source": str(entry.get("Source", "")),
                "events:detail-type": str(entry.get("DetailType", "")),
            },
            _keys("events", "source", "detail-type", "eventBusInvocation"),
        )


# --- SNS and SQS ----------------------------------------------------------------------------------
@maps("sns", "Publish")
def _publish(call: Call, account: str) -> Iterator[Question]:
    if "TargetArn" in call.params or "PhoneNumber" in call.params:
        raise Unmodelled("Publish to anything but a TopicArn is not modelled for roles")
    topic = _need(call, "TopicArn")
    if not re.fullmatch(r"arn:aws:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+", topic):
        raise WireError("InvalidParameter", f"TopicArn {topic!r} is no topic's ARN")
    yield Question("sns:Publish", topic)
    key = state.topic_key(account, call.region, topic)
    if key:
        # Source: "Key management", Amazon SNS developer guide.
        for action in ("GenerateDataKey", "Decrypt"):
            yield from _through(call, account, action, key, "sns", topic)


#: Source: "Actions, resources, and condition keys for Amazon SQS".
_SQS = {
    "ChangeMessageVisibility": "ChangeMessageVisibility",
    "DeleteMessage": "DeleteMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "GetQueueAttributes": "GetQueueAttributes",
    "GetQueueUrl": "GetQueueUrl",
    "ReceiveMessage": "ReceiveMessage",
    "SendMessage": "SendMessage",
    "SendMessageBatch": "SendMessage",
}


@maps("sqs", *_SQS)
def _queue(call: Call, account: str) -> Iterator[Question]:
    if call.operation == "GetQueueUrl":
        if call.params.get("QueueOwnerAWSAccountId", account) != account:
            raise Unmodelled("queues of other accounts are not modelled")
        name = _name(call, "QueueName", r"[A-Za-z0-9_-]{1,80}")
    else:
        # moto goes by the last part of the URL alone.
        url = re.fullmatch(
            r"https?://[^/]+/(\d{12})/([A-Za-z0-9_-]{1,80})", _need(call, "QueueUrl")
        )
        if url is None or url[1] != account:
            raise WireError(
                "QueueDoesNotExist", f"QueueUrl {call.params['QueueUrl']!r} is no queue's"
            )
        name = url[2]
    yield Question(f"sqs:{_SQS[call.operation]}", _arn(call, account, "sqs", name))


# --- IAM and STS ----------------------------------------------------------------------------------
@maps("iam", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies")
def _read_role(call: Call, account: str) -> Iterator[Question]:
    name = _name(call, "RoleName", r"[\w+=,.@-]{1,64}")
    role = state.role_named(account, name)
    arn = f"arn:aws:iam::{account}:role/{name}" if role is None else str(role.arn)
    yield Question(f"iam:{call.operation}", arn)


@maps("sts", "GetCallerIdentity")
def _who_am_i(_call: Call, _account: str) -> Iterator[Question]:
    """No permission is needed, and none can deny it."""
    yield from ()


@maps("sts", "AssumeRole")
def _assume(call: Call, _account: str) -> Iterator[Question]:
    yield from assume_role(call.params)


def assume_role(params: Mapping[str, Any]) -> Iterator[Question]:
    """The questions of sts:AssumeRole; `params` are the flat form fields."""
    role = str(params.get("RoleArn", ""))
    tags = {
        str(value): str(params.get(name.removesuffix("Key") + "Value", ""))
        for name, value in params.items()
        if re.fullmatch(r"Tags\.member\.\d+\.Key", name)
    }
    for name in params:
        if name.startswith(("PolicyArns.", "ProvidedContexts.", "TransitiveTagKeys.")) or name in (
            "SerialNumber",
            "TokenCode",
            "SourceIdentity",
        ):
            raise Unmodelled(f"AssumeRole with {name} is not modelled")
    context: dict[str, Value] = {
        **_some(
            sts__ExternalId=params.get("ExternalId"),
            sts__RoleSessionName=params.get("RoleSessionName"),
        ),
        **_tags([{"Key": key, "Value": value} for key, value in tags.items()]),
    }
    keys = _TAG_KEYS | _keys("sts", "ExternalId", "RoleSessionName")
    yield Question("sts:AssumeRole", role, context, keys)
    if tags:
        yield Question("sts:TagSession", role, context, keys)


# --- what the CDK CLI's own roles do --------------------------------------------------------------
_STACK = (
    "CreateChangeSet",
    "CreateStack",
    "DeleteChangeSet",
    "DeleteStack",
    "DescribeChangeSet",
    "DescribeEvents",
    "DescribeStackEvents",
    "DescribeStackResource",
    "DescribeStackResources",
    "DescribeStacks",
    "ExecuteChangeSet",
    "GetTemplate",
    "GetTemplateSummary",
    "ListStackResources",
    "RollbackStack",
    "UpdateStack",
    "UpdateTerminationProtection",
)


@maps("cloudformation", *_STACK)
def _stack(call: Call, account: str) -> Iterator[Question]:
    # A change set's ARN alone does not say which stack it is for; nor does no name at all.
    named = call.params.get("StackName")
    resource = "*"
    if named:
        resource = state.stack_arn(account, call.region, named) or (
            named
            if named.startswith("arn:")
            else _arn(call, account, "cloudformation", f"stack/{named}/*")
        )
    context = _some(
        cloudformation__RoleArn=call.params.get("RoleARN"),
        cloudformation__ChangeSetName=call.params.get("ChangeSetName"),
        cloudformation__TemplateUrl=call.params.get("TemplateURL"),
    )
    keys = _keys("cloudformation", "RoleArn", "ChangeSetName", "TemplateUrl")
    yield Question(f"cloudformation:{call.operation}", resource, context, keys)
    yield from _pass_role(call.params.get("RoleARN"), "cloudformation.amazonaws.com")


@maps("cloudformation", "ListStacks")
def _list_stacks(_call: Call, _account: str) -> Iterator[Question]:
    yield Question("cloudformation:ListStacks", "*")


@maps("cloudtrail", "LookupEvents")
def _lookup_events(_call: Call, _account: str) -> Iterator[Question]:
    yield Question("cloudtrail:LookupEvents", "*")
