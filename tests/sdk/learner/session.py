"""A learner's notebook as a script: SageMaker's own SDK in the academy's session.

Runs in the SDK's environment with the learner's credentials and tells what came of each try as
JSON. Nothing in it is the academy's but the session.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import academy
from sagemaker.core.resources import TrainingJob
from sagemaker.core.training.configs import (
    Compute,
    InputData,
    Networking,
    OutputDataConfig,
    SourceCode,
    StoppingCondition,
    Tag,
)
from sagemaker.train import ModelTrainer

# The SDK tells what it does, and the job's log, through this.
logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
SOURCE = sys.argv[1]
session = academy.sagemaker_session("climate-series")


def trainer(**changes: Any) -> ModelTrainer:
    settings: dict[str, Any] = {
        "training_image": session.academy_training_image,
        "source_code": SourceCode(
            source_dir=SOURCE, requirements="requirements.txt", entry_script="train.py"
        ),
        "compute": Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        "stopping_condition": StoppingCondition(max_runtime_in_seconds=600),
        "input_data_config": [InputData(channel_name="train", data_source=session.academy_data)],
        "hyperparameters": {"epochs": 3, "rate": 0.5},
        "environment": {"SEASON": "autumn"},
        "sagemaker_session": session,
    }
    return ModelTrainer(**settings | changes)


def tried(**changes: Any) -> dict[str, Any]:
    """What came of a job with these changes."""
    try:
        made = trainer(**changes)
        made.train()
    except Exception as problem:
        return {
            "type": type(problem).__name__,
            "code": getattr(problem, "code", None),
            "message": str(problem),
        }
    job = made._latest_training_job
    return {
        "name": job.training_job_name,
        "status": job.training_job_status,
        "model": job.model_artifacts.s3_model_artifacts,
        "image": job.algorithm_specification.training_image,
        "role": job.role_arn,
    }


def stopped() -> dict[str, Any]:
    made = trainer(hyperparameters={"epochs": 1, "rate": 0.5, "seconds": 300})
    made.train(wait=False)
    job: TrainingJob = made._latest_training_job
    while job.secondary_status not in ("Training", "Failed"):
        time.sleep(0.2)
        job.refresh()
    job.stop()
    job.wait(poll=1)
    again = TrainingJob.get(job.training_job_name, session=session.boto_session)
    return {"status": again.training_job_status}


def main() -> None:
    local = Path("notes")
    local.mkdir()
    (local / "local.csv").write_text("step,value\n0,1\n")
    work = f"s3://{session.default_bucket()}"
    found = {
        "trained": tried(),
        "local data": tried(
            input_data_config=[InputData(channel_name="train", data_source=str(local))]
        ),
        "failed": tried(hyperparameters={"epochs": 1, "rate": 0.5, "fail": "yes"}),
        "stopped": stopped(),
        "too dear": tried(
            compute=Compute(instance_type="ml.g5.xlarge", instance_count=1, volume_size_in_gb=5),
            stopping_condition=StoppingCondition(max_runtime_in_seconds=4 * 3600),
        ),
        "refused members": tried(
            networking=Networking(
                subnets=["subnet-0a1b2c3d"],
                security_group_ids=["sg-0a1b2c3d"],
                enable_network_isolation=True,
            ),
            compute=Compute(
                instance_type="ml.p5.48xlarge",
                instance_count=8,
                volume_size_in_gb=5,
                keep_alive_period_in_seconds=3600,
                enable_managed_spot_training=True,
            ),
            stopping_condition=StoppingCondition(
                max_runtime_in_seconds=600, max_wait_time_in_seconds=1200
            ),
            tags=[Tag(key="academy:team", value="heron")],
            environment={"AWS_ENDPOINT_URL": "http://elsewhere"},
        ),
        "another team's": tried(
            input_data_config=[
                InputData(channel_name="train", data_source=f"{work}/teams/heron/secret/"),
                InputData(channel_name="up", data_source=f"{work}/teams/falcon/../heron/"),
            ],
            output_data_config=OutputDataConfig(s3_output_path=f"{work}/teams/heron/jobs/"),
        ),
        "foreign": tried(
            training_image="111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:latest",
            role="arn:aws:iam::123456789012:role/admin",
        ),
        "no sources": tried(source_code=None),
        "budget": _budget(),
    }
    # The academy's own library knows the job, too.
    model = academy.attach(found["trained"]["name"]).model()
    found["attached"] = {"files": sorted(file.name for file in model.iterdir())}
    Path("found.json").write_text(json.dumps(found, indent=1))


def _budget() -> dict[str, Any]:
    """The account once nothing is held any more: an event settles the last job."""
    for _ in range(100):
        account = academy.budget()
        if not account.reserved_micro_usd:
            break
        time.sleep(0.2)
    return {"reserved": account.reserved_micro_usd, "spent": account.spent_micro_usd}


main()
