"""The competition's Lambda functions: the checker, the scorer and the steward."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
from typing import Any

from infra.services.competition import checking, steward_aws
from infra.services.competition.aws import AwsFiles
from infra.services.competition.live.publishing import publish as publish_live
from infra.services.competition.live.store import LiveTable
from infra.services.competition.logic import check_upload, publish_and_tell, score_checked
from infra.services.competition.problems import Misconfigured
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.store import BoardTable
from infra.services.competition.submission import sender_of

# Ours alone: boto3 says much at this level.
logging.getLogger("infra").setLevel(logging.INFO)
log = logging.getLogger(__name__)

#: The steward begins nothing new in its last seconds.
STEWARDS_MARGIN_MS = 30_000

_files: AwsFiles | None = None
_table: BoardTable | None = None


def checker(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Checks one upload, and writes what it says for the scorer.

    Args:
        event: EventBridge's "Object Created" from S3 under submissions/, or {"submission":
            {"key": …, "version": … or null}, "rescore": id} from the steward and from admins;
            `rescore` only where scores are to be computed again.
    """
    files = _files_of()
    settings = _settings(files)
    rescore = ""
    if "submission" in event:
        key, version = str(event["submission"]["key"]), event["submission"].get("version")
        rescore = str(event.get("rescore") or "")
    else:
        found = _created(event, "submissions/")
        if found is None:
            return {"status": "ignored"}
        key, version = found
    sender = sender_of(key)
    if sender is None:
        _say("ignored", key=key[:200])
        return {"status": "ignored"}
    limit = checking.max_bytes(sender.project, sender.name)
    upload = files.upload(key, version, limit)
    if upload is None:
        _say("gone", key=key)
        return {"status": "gone"}
    receipt = check_upload(upload, sender, settings, files, rescore)
    answer = receipt or {"status": "checked", "submission": key}
    _say("checked", key=key, bytes=len(upload.content), rescore=rescore, **_told(answer))
    return answer


def scorer(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Scores what was checked, or renews a board.

    Args:
        event: EventBridge's "Object Created" from S3 under checked/, or {"publish": "<project>"}
            from the steward and from admins, which writes the pages anew, or
            {"live": "<project>"} from admins, which writes those of its live round.
    """
    files, table = _files_of(), _table_of()
    settings = _settings(files)
    if "publish" in event:
        project = _project(event["publish"], settings)
        found = publish_and_tell(project, settings, files, table, _now)
        publish_live(project, settings, files, LiveTable.of(table), _now)
        return found or {}
    if "live" in event:
        project = _project(event["live"], settings)
        found = publish_live(project, settings, files, LiveTable.of(table), _now) or {}
        # A round's seals may be more than an answer of Lambda's holds.
        return {name: value for name, value in found.items() if name != "seals"}
    created = _created(event, "checked/")
    if created is None:
        return {"status": "ignored"}
    key, version = created
    checked = files.checked(key, version)
    if checked is None:
        _say("gone", key=key)
        return {"status": "gone"}
    header, body = checked
    sender = sender_of(key, "checked")
    if sender is None or sender.checked != f"checked/{header.project}/{header.team}/{header.name}":
        raise Misconfigured(f"{key[:200]} says to be of {header.key[:200]}")
    receipt = score_checked(header, body, settings, files, table, _now)
    _say("scored", key=header.key, digest=header.digest, rescore=header.rescore, **_told(receipt))
    return receipt


def steward(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Sees to it that no submission is lost, and that boards are of today; see `stewarding`."""

    def more_time() -> bool:
        return bool(context.get_remaining_time_in_millis() > STEWARDS_MARGIN_MS)

    done = steward_aws.from_environment(os.environ, now=_now, more_time=more_time).run()
    _say("stewarded", **done)
    return done


def _created(event: dict[str, Any], prefix: str) -> tuple[str, str | None] | None:
    """Key and version of the object that S3 tells of, if it is one of ours."""
    detail = event["detail"]
    bucket, key = str(detail["bucket"]["name"]), str(detail["object"]["key"])
    if bucket != os.environ["WORK_BUCKET"] or not key.startswith(prefix):
        _say("ignored", bucket=bucket, key=key[:200])
        return None
    return key, detail["object"].get("version-id")


def _project(name: Any, settings: CompetitionSettings) -> str:
    if name not in settings.projects:
        raise Misconfigured(f"no project {str(name)[:40]!r}; have {settings.projects}")
    return str(name)


def _told(receipt: dict[str, Any]) -> dict[str, Any]:
    members = ("status", "message", "public_score", "counted", "late", "hash")
    return {name: receipt[name] for name in members if name in receipt}


def _settings(files: AwsFiles) -> CompetitionSettings:
    settings = CompetitionSettings.from_json(files.parameter(os.environ["SETTINGS_PARAMETER"]))
    if settings.cohort != os.environ["COHORT"]:
        raise Misconfigured(f"the settings are of cohort {settings.cohort}")
    return settings


def _files_of() -> AwsFiles:
    global _files
    _files = _files or AwsFiles(
        work=os.environ["WORK_BUCKET"],
        # A function has what its role may read.
        data=os.environ.get("DATA_BUCKET", ""),
        vault=os.environ.get("VAULT_BUCKET", ""),
        site=os.environ.get("SITE_BUCKET", ""),
        news=os.environ.get("NEWS_TOPIC", ""),
    )
    return _files


def _table_of() -> BoardTable:
    global _table
    _table = _table or BoardTable(os.environ["BOARD_TABLE"])
    return _table


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _say(what: str, **members: Any) -> None:
    log.info(json.dumps({"what": what, **members}))
