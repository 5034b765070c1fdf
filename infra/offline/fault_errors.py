"""The errors by which each service says that it is busy, in conflict or broken, with their status.

Sources: the exceptions in each service's model (botocore), with the HTTP status it gives; for what
no model has, the page "Common errors" of the service's API reference, and for S3 "Error responses".
JSON services answer 400 for what a client causes and 500 for what they cause themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

RATE = "Rate exceeded"
BROKEN = "We encountered an internal error. Please try again."
CHANGED = "The resource is being changed by another request. Try again."

#: DynamoDB's operations that are cancelled as a whole, with a reason for each item.
TRANSACTIONS = ("TransactWriteItems", "TransactGetItems")


@dataclass(frozen=True)
class Error:
    """An error's code, HTTP status and message, and the operations that answer with it."""

    code: str
    status: int
    message: str
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def may_answer(self, operation: str) -> bool:
        return operation not in self.never and (not self.only or operation in (*self.only, "*"))


def _json(
    throttle: str = "ThrottlingException",
    internal: str = "InternalFailure",
    status: int = 400,
    **more: tuple[Error, ...],
) -> dict[str, tuple[Error, ...]]:
    return {
        "throttle": (Error(throttle, status, RATE),),
        "internal": (Error(internal, 500, BROKEN),),
        **more,
    }


#: By service, as requests are signed, and kind of fault; the first of a kind is the usual one.
ERRORS: dict[str, dict[str, tuple[Error, ...]]] = {
    "apigateway": _json(
        "TooManyRequestsException",
        status=429,
        conflict=(Error("ConflictException", 409, CHANGED),),
    ),
    "budgets": _json(internal="InternalErrorException"),
    "cloudformation": _json("Throttling"),
    "cloudtrail": _json(),
    "codebuild": _json(),
    "cognito-idp": _json("TooManyRequestsException", "InternalErrorException"),
    "dynamodb": {
        "throttle": (
            Error(
                "ProvisionedThroughputExceededException",
                400,
                "The level of configured provisioned throughput for the table was exceeded. "
                "Consider increasing your provisioning level with the UpdateTable API.",
            ),
            Error("ThrottlingException", 400, RATE),
            Error("RequestLimitExceeded", 400, "Throughput exceeds the current limit."),
        ),
        "conflict": (
            Error(
                "TransactionCanceledException",
                400,
                "Transaction cancelled, please refer cancellation reasons for specific reasons",
                only=TRANSACTIONS,
            ),
            Error(
                "TransactionInProgressException",
                400,
                "The transaction with the given request token is already in progress.",
                only=("TransactWriteItems",),
            ),
            Error(
                "TransactionConflictException",
                400,
                "Transaction is ongoing for the item",
                never=TRANSACTIONS,
            ),
        ),
        "internal": (Error("InternalServerError", 500, "Internal server error"),),
    },
    "ec2": {
        "throttle": (Error("RequestLimitExceeded", 503, "Request limit exceeded."),),
        "internal": (Error("InternalError", 500, "An internal error has occurred"),),
    },
    "ecr": _json(internal="ServerException"),
    "events": _json(
        internal="InternalException",
        conflict=(Error("ConcurrentModificationException", 400, CHANGED),),
    ),
    "iam": _json(
        "Throttling",
        "ServiceFailure",
        conflict=(Error("ConcurrentModification", 409, CHANGED),),
    ),
    "kms": _json(internal="KMSInternalException"),
    "lambda": _json(
        "TooManyRequestsException",
        "ServiceException",
        429,
        conflict=(Error("ResourceConflictException", 409, CHANGED),),
    ),
    "logs": _json(
        internal="ServiceUnavailableException",
        conflict=(Error("OperationAbortedException", 400, CHANGED),),
    ),
    "monitoring": _json("Throttling", "InternalServiceError"),
    "s3": {
        "throttle": (Error("SlowDown", 503, "Please reduce your request rate."),),
        "conflict": (
            Error(
                "OperationAborted",
                409,
                "A conflicting conditional operation is currently in progress against this "
                "resource. Please try again.",
            ),
            Error(
                "ConditionalRequestConflict",
                409,
                "The conditional request cannot succeed due to a conflicting operation against "
                "this resource.",
                only=("PutObject", "CompleteMultipartUpload"),
            ),
        ),
        "internal": (Error("InternalError", 500, BROKEN),),
    },
    "sagemaker": _json(
        limit=(
            Error(
                "ResourceLimitExceeded",
                400,
                "The account-level service limit is reached. Please use AWS Service Quotas to "
                "request an increase for this quota.",
            ),
        ),
        conflict=(Error("ConflictException", 400, CHANGED),),
    ),
    "scheduler": _json(
        internal="InternalServerException",
        status=429,
        conflict=(Error("ConflictException", 409, CHANGED),),
    ),
    "secretsmanager": _json(internal="InternalServiceError"),
    "servicequotas": _json("TooManyRequestsException", "ServiceException"),
    "sns": _json(
        "Throttled",
        "InternalError",
        429,
        conflict=(Error("ConcurrentAccess", 400, CHANGED),),
    ),
    "sqs": _json("RequestThrottled", "InternalError"),
    "ssm": _json(
        internal="InternalServerError",
        conflict=(
            Error(
                "TooManyUpdates",
                400,
                "There are concurrent updates for a resource that supports one update at a time.",
                only=("PutParameter",),
            ),
        ),
    ),
    "sts": _json("Throttling"),
}
