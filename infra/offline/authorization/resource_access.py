"""Whether a resource's own policy lets an AWS service act on it, as AWS asks before it acts.

EventBridge invokes functions, CloudWatch publishes to topics, SNS writes to queues: none of them
has a role there, so the policy on the function, topic, queue or key alone decides.
"""

from __future__ import annotations

import logging

from infra.assurance import iam
from infra.offline import runtime

log = logging.getLogger(__name__)


def service_may(
    service: str, action: str, resource: str, document: object, *, source_arn: str
) -> bool:
    """Whether `document`, the policy on `resource`, lets `service` do `action` for `source_arn`.

    No policy lets no service in; one outside the model counts as none, and the log says so.
    """
    if not document:
        return False
    here = runtime.current()
    request = iam.Request(
        iam.Principal.service(service, account=here.account),
        action,
        resource,
        {
            "aws:SourceArn": source_arn,
            "aws:SourceAccount": here.account,
            # A service calls over TLS, and for the owner of the resource.
            "aws:SecureTransport": "true",
            "aws:PrincipalIsAWSService": "true",
        },
    )
    try:
        policy = iam.Policy.parse(document, kind="resource")  # type: ignore[arg-type]
        decision = iam.decide(request, iam.Policies(resource=policy, resource_decides=True))
    except iam.UnmodelledPolicy as error:
        log.warning("the policy of %s is not modelled: %s", resource, error)
        return False
    return decision.allowed


def service_may_encrypt(service: str, key_arn: str, document: object, *, source_arn: str) -> bool:
    """Whether a key's policy lets `service` write what the key encrypts: both permissions that
    SNS and SQS ask of a publisher. Source: "Key management", Amazon SNS developer guide."""
    return all(
        service_may(service, action, key_arn, document, source_arn=source_arn)
        for action in ("kms:GenerateDataKey", "kms:Decrypt")
    )
