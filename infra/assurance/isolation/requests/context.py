"""The context keys that any request may carry, whatever its action, and what settles them.

Source: IAM User Guide, "AWS global condition context keys": type and availability of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.assurance import iam


@dataclass(frozen=True)
class Key:
    """A context key that a request may carry.

    Attributes:
        name: lower-case.
        type: as the Service Authorization Reference types it; `ArrayOf…`: several values.
        optional: whether a request may be without it.
    """

    name: str
    type: str
    optional: bool = True

    @property
    def many(self) -> bool:
        return self.type.startswith("ArrayOf")

    @property
    def of(self) -> str:
        """The type of one value."""
        return self.type.removeprefix("ArrayOf")


_ALWAYS = ("Always",)

#: Lower-case name to type, and whether every request has it. Those with a service's prefix come
#: with the caller's credentials, so that any service may see them.
_GLOBAL: dict[str, tuple[str, ...]] = {
    "aws:assumedroot": ("Bool",),
    "aws:calledvia": ("ArrayOfString",),
    "aws:calledviaawsmcp": ("String",),
    "aws:calledviafirst": ("String",),
    "aws:calledvialast": ("String",),
    "aws:chatbotsourcearn": ("ARN",),
    "aws:currenttime": ("Date", *_ALWAYS),
    "aws:ec2instancesourceprivateipv4": ("IPAddress",),
    "aws:ec2instancesourcevpc": ("String",),
    "aws:epochtime": ("Date", *_ALWAYS),
    "aws:federatedprovider": ("String",),
    "aws:ismcpserviceaction": ("Bool",),
    "aws:multifactorauthage": ("Numeric",),
    "aws:multifactorauthpresent": ("Bool",),
    "aws:principalaccount": ("String",),
    "aws:principalarn": ("ARN",),
    "aws:principalisawsservice": ("Bool",),
    "aws:principalorgid": ("String",),
    "aws:principalorgpaths": ("ArrayOfString",),
    "aws:principalservicename": ("String",),
    "aws:principalservicenameslist": ("ArrayOfString",),
    "aws:principaltype": ("String",),
    "aws:referer": ("String",),
    "aws:requestedregion": ("String", *_ALWAYS),
    "aws:resourceaccount": ("String",),
    "aws:resourceorgid": ("String",),
    "aws:resourceorgpaths": ("ArrayOfString",),
    "aws:securetransport": ("Bool", *_ALWAYS),
    "aws:signinsessionarn": ("ARN",),
    "aws:sourceaccount": ("String",),
    "aws:sourcearn": ("ARN",),
    "aws:sourceidentity": ("String",),
    "aws:sourceip": ("IPAddress",),
    "aws:sourceorgid": ("String",),
    "aws:sourceorgpaths": ("ArrayOfString",),
    "aws:sourcevpc": ("String",),
    "aws:sourcevpcarn": ("ARN",),
    "aws:sourcevpce": ("String",),
    "aws:tagkeys": ("ArrayOfString",),
    "aws:tokenissuetime": ("Date",),
    "aws:useragent": ("String",),
    "aws:userid": ("String",),
    "aws:username": ("String",),
    "aws:viaawsmcpservice": ("Bool",),
    "aws:viaawsservice": ("Bool", *_ALWAYS),
    "aws:vpceaccount": ("String",),
    "aws:vpceorgid": ("String",),
    "aws:vpceorgpaths": ("ArrayOfString",),
    "aws:vpcsourceip": ("IPAddress",),
    "codebuild:buildarn": ("ARN",),
    "codebuild:projectarn": ("ARN",),
    "ec2:roledelivery": ("Numeric",),
    "ec2:sourceinstancearn": ("ARN",),
    "glue:credentialissuingservice": ("String",),
    "glue:roleassumedby": ("String",),
    "identitystore:userid": ("String",),
    "lambda:sourcefunctionarn": ("ARN",),
    "ssm:sourceinstancearn": ("ARN",),
}
#: One key for each tag. Tag keys that are letters apart in case alone are one.
_TAGS = ("aws:principaltag/", "aws:requesttag/", "aws:resourcetag/")

#: Keys that say when the same request is made: two that would have to agree.
CLOCKS = frozenset({"aws:currenttime", "aws:epochtime"})

#: Global keys whose value the caller chooses freely, so that it may be empty.
_MAY_BE_EMPTY = ("aws:referer", "aws:useragent", *_TAGS)

#: Service keys that are never there and empty, for what IAM makes of that is not said: the guide
#: calls such a value null *and* present.
_NEVER_EMPTY = {
    "sagemaker:instancetypes": "the API knows a list of types, and no empty one",
    "sagemaker:imagearns": "ARNs",
    "sagemaker:imageversionarns": "ARNs",
    "sagemaker:vpcsubnets": "ids; VpcConfig has one at least (CreateTrainingJob)",
    "sagemaker:vpcsecuritygroupids": "ids; VpcConfig has one at least (CreateTrainingJob)",
    "s3:if-none-match": "S3 takes `*` alone (PutObject, If-None-Match)",
    "s3:x-amz-server-side-encryption-customer-algorithm": "S3 takes AES256 alone (PutObject)",
    "s3:x-amz-storage-class": "S3 takes the names of its storage classes alone",
    "iam:passedtoservice": "IAM writes it: a service's name",
    "kms:viaservice": "KMS writes it: a service's name",
    "kms:resourcealiases": "an alias begins with alias/",
    "kms:granteeprincipal": "an ARN",
}

#: What stands for "something else" where a person can read it: real names of that kind.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "aws:principalaccount": ("111122223333",),
    "aws:requestedregion": ("eu-west-1",),
    "aws:sourceaccount": ("111122223333",),
    "aws:vpceaccount": ("111122223333",),
    "aws:sourcevpc": ("vpc-0123456789abcdef0",),
    "aws:sourcevpce": ("vpce-0123456789abcdef0",),
    "cloudwatch:namespace": ("AWS/EC2",),
    "iam:passedtoservice": ("ec2.amazonaws.com",),
    "kms:resourcealiases": ("alias/other",),
    "kms:viaservice": ("ec2.us-east-1.amazonaws.com",),
    "s3:if-none-match": ("*",),
    "s3:x-amz-storage-class": ("GLACIER",),
    "s3:x-amz-server-side-encryption-customer-algorithm": ("AES256",),
    "sagemaker:instancetypes": ("ml.p5.48xlarge",),
    "sagemaker:taggingaction": ("CreateModel",),
}


def global_key(name: str) -> Key | None:
    """The global key of this (lower-case) name; None if it is no global one."""
    found = _GLOBAL.get(name)
    if found is not None:
        return Key(name, found[0], optional=_ALWAYS[0] not in found)
    if any(name.startswith(family) and name != family for family in _TAGS):
        return Key(name, "String")
    return None


def may_be_empty(key: Key) -> bool:
    """Whether a request may carry the key with nothing in it."""
    if key.of not in ("String",) or key.name in _NEVER_EMPTY:
        return False
    return not key.name.startswith("aws:") or key.name.startswith(_MAY_BE_EMPTY)


def settled(principal: iam.Principal) -> Mapping[str, iam.Value | None]:
    """What the caller alone settles; None: absent, whatever is asked."""
    made: dict[str, iam.Value | None] = {}
    if principal.kind == "service":
        made |= _of_a_service(principal)
    else:
        made["kms:calleraccount"] = made["aws:principalaccount"] = principal.account
        # "only when the call to your resource is made directly by an AWS service principal"
        made |= dict.fromkeys(
            ("aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths")
        )
        made |= dict.fromkeys(("aws:principalservicename", "aws:principalservicenameslist"))
        made["aws:principalisawsservice"] = "false"
        made["aws:principalarn"] = principal.role_arn or principal.arn
    if principal.kind == "session":
        made |= {"aws:principaltype": "AssumedRole", "aws:username": None}
    if principal.kind == "user":
        name = principal.arn.rsplit("/", 1)[-1]
        made |= {"aws:principaltype": "User", "aws:username": name}
    return made


def _of_a_service(principal: iam.Principal) -> dict[str, iam.Value | None]:
    if principal == ANONYMOUS:
        return {
            "aws:principalaccount": "anonymous",
            "aws:principaltype": "Anonymous",
            "kms:calleraccount": None,
            **dict.fromkeys(
                (
                    "aws:principalarn",
                    "aws:principalisawsservice",
                    "aws:principalservicename",
                    "aws:principalservicenameslist",
                    "aws:sourceaccount",
                    "aws:sourcearn",
                    "aws:sourceorgid",
                    "aws:sourceorgpaths",
                    "aws:username",
                )
            ),
        }
    return {
        "aws:principalarn": None,
        "aws:principalisawsservice": "true",
        "aws:principalservicename": principal.arn,
        "aws:username": None,
    }


#: Nobody: to the evaluator a caller whom only a Principal of everyone names.
ANONYMOUS = iam.Principal("service", "anonymous", "")
