"""Training jobs: real processes over a folder shaped like /opt/ml, by the container contract.

A job's thread prepares the folder (configuration, input channels), runs entrypoint and arguments,
and carries results back to S3, everything with the training role's credentials. Its limits hang on
the cloud's clock; what it does takes real time.

A job whose TrainingImage is of this account's ECR finds what that image brings: its library and its
folder (ACADEMY_ROOT). Any other image is taken for one of AWS's deep-learning containers, for which
the packages of the machine stand.

Contract: AWS, "How Amazon SageMaker AI Runs Your Training Image", as read for botocore's version of
the API.

`job` holds a job's states and what is told of them, `instance` does the job's work, `operations`
is the API.
"""

from infra.offline.fidelity import Part
from infra.offline.services.sagemaker.training import instance, operations
from infra.offline.services.sagemaker.training.instance import Work, relative_key
from infra.offline.services.sagemaker.training.job import TrainingJob

FIDELITY = Part(
    title="SageMaker training",
    emulated=(
        "a process over a folder shaped like `/opt/ml`, by the container contract; spot jobs are "
        "interrupted on demand and go on from their checkpoint; the SageMaker SDK's own driver "
        "scripts run"
    ),
    checked=(
        "by client: SageMaker SDK, AWS CLI with its waiters; by model; by the learners' notebook "
        "in the demo"
    ),
    differences=(
        "any image that is not of this account is taken for one with Python; one instance; "
        "VpcConfig is checked, and whether the role may stand a job there, when the job is made "
        "(AWS: when it starts), and the job reaches what this machine reaches; no pipe or "
        "fast-file mode (refused); `/opt/ml` is replaced in entrypoint, arguments, "
        "environment and the SDK's drivers, not inside learners' scripts: they read `ML_ROOT`; "
        "job logs do not need the role's permission; a spot job's wordings and the minute to a "
        "new instance are ours"
    ),
)

__all__ = ["TrainingJob", "Work", "instance", "operations", "relative_key"]
