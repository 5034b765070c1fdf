#!/usr/bin/env bash
# Makes a space ready when it starts: installs the learners' library, brings the project templates.
# Runs as SageMaker's JupyterLab lifecycle script, at every start; a second run changes nothing.
# What differs between cohorts stands in the workspace config, so this script is the same for all.
set -euo pipefail

image="${ACADEMY_ROOT:-/opt/academy}/image.json"
if [[ -r "$image" ]]; then
  echo "academy: this space runs an image of the academy, which brings everything"
  exit 0
fi

metadata="${ACADEMY_RESOURCE_METADATA:-/opt/ml/metadata/resource-metadata.json}"
if [[ ! -r "$metadata" ]]; then
  echo "academy: no metadata at $metadata; this script runs in a SageMaker Studio space" >&2
  exit 1
fi

# The interpreter that notebooks run on comes first on PATH, here as in SageMaker Distribution.
python=python
command -v python >/dev/null || python=python3

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# -I keeps a learner's own modules (a boto3.py in the home, packages in ~/.local) out of this.
"$python" -I - "$metadata" "$scratch" <<'PYTHON'
"""Fetches the newest library wheel, and the templates as they shall lie in the home."""

import json
import sys
from pathlib import Path, PurePosixPath

import boto3


def objects(s3, bucket, prefix):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (item for item in page.get("Contents", ()) if not item["Key"].endswith("/"))


def wheel(s3, bucket, prefix, scratch):
    found = [
        item
        for item in objects(s3, bucket, prefix)
        if PurePosixPath(item["Key"]).match("academy-*.whl")
    ]
    if not found:
        sys.exit(f"academy: no library in s3://{bucket}/{prefix}; an admin runs `cohort publish`")
    newest = max(found, key=lambda item: (item["LastModified"], item["Key"]))
    name = PurePosixPath(newest["Key"]).name
    s3.download_file(bucket, newest["Key"], str(scratch / name))
    print(f"academy: library {name}", flush=True)


def templates(s3, bucket, prefix, folder):
    for item in objects(s3, bucket, prefix):
        inside = PurePosixPath(item["Key"][len(prefix) :])
        if inside.is_absolute() or ".." in inside.parts:
            sys.exit(f"academy: refused the template {item['Key']}: it leaves its folder")
        file = folder / inside
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, item["Key"], str(file))


def main(metadata, scratch):
    where = json.loads(Path(metadata).read_text())
    space = where["SpaceName"]
    region = where["ResourceArn"].split(":")[3]
    session = boto3.Session(region_name=region)
    parameter = session.client("ssm").get_parameter(Name=f"/academy/workspaces/{space}")
    config = json.loads(parameter["Parameter"]["Value"])
    who = f"of team {config['team']}" if config["team"] else "who advises"
    print(
        f"academy: space {space}: {config['learner']} {who}, cohort {config['cohort']}",
        flush=True,
    )

    s3 = session.client("s3")
    data = config["buckets"]["data"]
    wheel(s3, data, config["prefixes"]["software"], Path(scratch))
    home = Path(scratch, "home")
    home.mkdir()
    templates(s3, data, "templates/welcome/", home)
    for project in config["projects"]:
        templates(s3, data, f"templates/{project}/", home / project.replace("-", "_"))


main(*sys.argv[1:])
PYTHON

"$python" -I -m pip install --no-index --no-deps --quiet --force-reinstall \
  --disable-pip-version-check "$scratch"/academy-*.whl

# The library's own program knows what a learner edited, and leaves it alone.
"$python" -I -m academy.home "$scratch/home" ||
  echo "academy: no templates were brought; with an older library, an admin runs \`cohort publish\`"
echo "academy: ready"
