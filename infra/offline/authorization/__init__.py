"""Who is calling, what they ask for, and whether IAM lets them: the embedded cloud's front door."""

from infra.offline.fidelity import Part

FIDELITY = Part(
    title="IAM",
    emulated=(
        "our evaluator (`infra/assurance/iam.py`) in front of every request: identity, boundary, "
        "session, bucket, key, topic, queue and repository policies, trust; signatures are "
        "verified, and the request is rebuilt from what was authorised; "
        "`SimulatePrincipalPolicy` and `SimulateCustomPolicy` answer from it"
    ),
    checked=(
        "by an independent simulator, 12,450 requests over our policies and mutants of them, "
        "differences ruled on ([iam](iam.md)); condition keys by the Service Authorization "
        "Reference; a table of requests, each with exactly its permissions and without any one "
        "of them"
    ),
    differences=(
        "what is not mapped is denied; loopback counts as TLS; CloudFormation's own calls are "
        "not decided; the administrator may all; resource tags of CloudFormation, CodeBuild, "
        "ECR, EventBridge, KMS, Logs, Scheduler and SSM, and keys that [iam](iam.md) names, are "
        "refused when a policy asks for them"
    ),
)
