"""The drivers of SageMaker's Python SDK name /opt/ml in their files: here they find the job's
folder, which is another."""

from __future__ import annotations

from typing import Any

import pytest

from tests.offline.services.sagemaker.test_training_jobs import BUCKET, Jobs, channel
from tests.offline.small_cloud import SmallCloud

#: As the SDK's own (sagemaker.train.templates): one script that runs others by absolute paths.
SCRIPT = b"""
#!/bin/bash
set -e
cat /opt/ml/input/config/hyperparameters.json
python3 /opt/ml/input/data/sm_drivers/scripts/driver.py
"""
DRIVER = b"""
import pathlib, shutil
shutil.copy("/opt/ml/input/data/code/notes.txt", "/opt/ml/model/notes.txt")
shutil.copy("/opt/ml/input/data/sm_drivers/bytes.bin", "/opt/ml/model/bytes.bin")
"""
BYTES = b"\0/opt/ml\0"
FILES = {
    "sent/sm_drivers/sm_train.sh": SCRIPT,
    "sent/sm_drivers/scripts/driver.py": DRIVER,
    "sent/sm_drivers/bytes.bin": BYTES,
    "sent/code/notes.txt": b"a learner's own words on /opt/ml",
}


@pytest.fixture(scope="module")
def job(cloud: SmallCloud) -> tuple[Jobs, dict[str, Any]]:
    jobs = Jobs(cloud)
    for key, content in FILES.items():
        jobs.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    name = jobs.start(
        "chmod +x /opt/ml/input/data/sm_drivers/sm_train.sh "
        "&& /opt/ml/input/data/sm_drivers/sm_train.sh",
        InputDataConfig=[
            channel("code", f"s3://{BUCKET}/sent/code"),
            channel("sm_drivers", f"s3://{BUCKET}/sent/sm_drivers"),
        ],
    )
    return jobs, jobs.ended(name)


def test_drivers_find_the_jobs_own_folder(job: tuple[Jobs, dict[str, Any]]) -> None:
    jobs, ended = job
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    model = jobs.unpacked(ended["ModelArtifacts"]["S3ModelArtifacts"])
    assert set(model) == {"notes.txt", "bytes.bin"}


def test_only_the_drivers_texts_are_changed(job: tuple[Jobs, dict[str, Any]]) -> None:
    jobs, ended = job
    model = jobs.unpacked(ended["ModelArtifacts"]["S3ModelArtifacts"])
    assert model["notes.txt"] == "a learner's own words on /opt/ml"
    assert model["bytes.bin"].encode() == BYTES
