#!/usr/bin/env bash
# Makes a space ready when it starts: installs the learners' library, brings the project templates.
# Runs as SageMaker's JupyterLab lifecycle script, at every start; a second run changes nothing.
# What differs between cohorts stands in the workspace config, so this script is the same for all.
set -euo pipefail

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

# -I keeps a learner's own modules (a boto3.py in the home) out of this.
"$python" -I - "$metadata" "$scratch" <<'PYTHON'
"""Fetches the newest library wheel to the scratch folder and the templates to the home."""

import hashlib
import json
import os
import sys
from pathlib import Path, PurePosixPath

import boto3

RECORD = ".academy/templates.json"


def say(text):
    print(f"academy: {text}", flush=True)


def digest(content):
    return hashlib.sha256(content).hexdigest()


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
    say(f"library {name}")


def write(path, content):
    """All or nothing: a space may be stopped at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)


def place(path, content, installed):
    """Put a template's file at `path` unless a learner has made the place their own.

    `installed` is the digest of what this script last put there, or None. Returns what was done.
    """
    new = digest(content)
    if not os.path.lexists(path):
        write(path, content)
        return "added"
    current = digest(path.read_bytes()) if path.is_file() else None
    if current == new or installed == new:
        return None
    if current is not None and current == installed:
        write(path, content)
        return "updated"
    beside = path.with_name(path.name + ".new")
    write(beside, content)
    return f"you edited it; the new one lies beside it as {beside.name}"


def templates(s3, bucket, project, home, record):
    prefix = f"templates/{project}/"
    folder = home / project.replace("-", "_")
    for item in objects(s3, bucket, prefix):
        inside = PurePosixPath(item["Key"][len(prefix) :])
        if inside.is_absolute() or ".." in inside.parts:
            sys.exit(f"academy: refused the template {item['Key']}: it leaves its folder")
        path = folder / inside
        name = str(path.relative_to(home))
        content = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        try:
            done = place(path, content, record.get(name))
        except OSError as error:
            # A folder in a file's place, say: not worth a space that does not start.
            say(f"~/{name}: not brought: {error.strerror}")
            continue
        record[name] = digest(content)
        if done:
            say(f"~/{name}: {done}")


def main(metadata, scratch):
    where = json.loads(Path(metadata).read_text())
    space = where["SpaceName"]
    region = where["ResourceArn"].split(":")[3]
    session = boto3.Session(region_name=region)
    parameter = session.client("ssm").get_parameter(Name=f"/academy/workspaces/{space}")
    config = json.loads(parameter["Parameter"]["Value"])
    say(f"space {space}: {config['learner']} of team {config['team']}, cohort {config['cohort']}")

    s3 = session.client("s3")
    data = config["buckets"]["data"]
    wheel(s3, data, config["prefixes"]["software"], Path(scratch))

    home = Path.home()
    book = home / RECORD
    try:
        record = dict(json.loads(book.read_text()))
    except (OSError, TypeError, ValueError):
        record = {}
    for project in config["projects"]:
        templates(s3, data, project, home, record)
    try:
        write(book, json.dumps(record, indent=1, sort_keys=True).encode())
    except OSError as error:
        say(f"~/{RECORD}: not written: {error.strerror}")


main(*sys.argv[1:])
PYTHON

"$python" -m pip install --no-index --no-deps --quiet --force-reinstall \
  --disable-pip-version-check "$scratch"/academy-*.whl
echo "academy: ready"
