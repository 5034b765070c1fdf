"""The competition's Lambda function: the scorer."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
from typing import Any

from infra.services.competition import projects
from infra.services.competition.aws import AwsFiles
from infra.services.competition.logic import publish, score_upload
from infra.services.competition.problems import Misconfigured
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.store import BoardTable
from infra.services.competition.submission import sender_of

# Ours alone: boto3 says much at this level.
logging.getLogger("infra").setLevel(logging.INFO)
log = logging.getLogger(__name__)

_files: AwsFiles | None = None
_table: BoardTable | None = None


def scorer(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Scores the upload that an S3 event tells of, or renews a board.

    Args:
        event: EventBridge's "Object Created" from S3, or {"publish": "<project>"} from an admin,
            which writes the pages anew.
    """
    files, table = _parts()
    settings = CompetitionSettings.from_json(files.parameter(os.environ["SETTINGS_PARAMETER"]))
    if settings.cohort != os.environ["COHORT"]:
        raise Misconfigured(f"the settings are of cohort {settings.cohort}")
    if "publish" in event:
        project = event["publish"]
        if project not in settings.projects:
            raise Misconfigured(f"no project {str(project)[:40]!r}; have {settings.projects}")
        return publish(project, settings, files, table, _now)
    detail = event["detail"]
    bucket, key = str(detail["bucket"]["name"]), str(detail["object"]["key"])
    sender = sender_of(key)
    if bucket != os.environ["WORK_BUCKET"] or sender is None:
        _say("ignored", bucket=bucket, key=key[:200])
        return {"status": "ignored"}
    # EventBridge's own time of the event: the sender cannot set it, and it is the same when the
    # event comes twice.
    received = dt.datetime.fromisoformat(event["time"]).astimezone(dt.UTC)
    limit = projects.max_bytes(sender.project)
    upload = files.upload(key, detail["object"].get("version-id"), received, limit)
    if upload is None:
        _say("gone", key=key)
        return {"status": "gone"}
    receipt = score_upload(upload, sender, settings, files, table, _now)
    _say("upload", key=key, bytes=len(upload.content), sha256=upload.digest, **_public(receipt))
    return receipt


def _public(receipt: dict[str, Any]) -> dict[str, Any]:
    return {name: receipt[name] for name in ("status", "message", "public_score", "counted")}


def _parts() -> tuple[AwsFiles, BoardTable]:
    global _files, _table
    _files = _files or AwsFiles(
        work=os.environ["WORK_BUCKET"],
        vault=os.environ["VAULT_BUCKET"],
        site=os.environ["SITE_BUCKET"],
    )
    _table = _table or BoardTable(os.environ["BOARD_TABLE"])
    return _files, _table


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _say(what: str, **members: Any) -> None:
    log.info(json.dumps({"what": what, **members}))
