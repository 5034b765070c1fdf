"""The competition's stack through the unmodified CDK CLI: its functions run, its news arrive."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cli.account import Site
from infra.cli.close import close_cohort
from infra.cli.demo.leftovers import leftovers
from infra.cli.publish import publish_cohort
from infra.offline.server import Cloud
from infra.offline.services import chatbot, lambda_runtime, sns
from infra.publishing.land_cover import Plan
from tests.end_to_end.test_cohort_life import ANA, cdk, cohort_file
from tests.end_to_end.test_cohort_life import cloud as cloud  # the fixture
from tests.offline import whole_cloud

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

CHANNEL = {
    "tenant": "11111111-2222-3333-4444-555555555555",
    "team": "66666666-7777-8888-9999-aaaaaaaaaaaa",
    "channel": "19%3a0123456789abcdef%40thread.tacv2",
}


def test_a_lost_submission_is_found_and_news_reach_the_channel(
    cloud: Cloud, tmp_path: Path
) -> None:
    notify: dict[str, Any] = {
        "email": "academy@example.org",
        "news": ["earth@example.org"],
        "teams": CHANNEL,
    }
    file = cohort_file(tmp_path, teams=[{"id": "falcon", "learners": [ANA]}], notify=notify)
    everything = ("--all", "-c", f"cohort={file}", "--output", str(tmp_path / "cdk.out"))
    cdk("bootstrap", "-c", f"cohort={file}")
    cdk("deploy", *everything, "--require-approval", "never")
    site = Site.of(file)
    names = site.cohort.names
    list(publish_cohort(site, plan=Plan(size=192, train=2), slow_rivals=False))

    made = chatbot.channels()[names.news_channel]
    [topic] = made.topics
    assert topic.endswith(f":{names.topic('news')}")
    assert made.guardrails == (f"arn:aws:iam::123456789012:policy/{names.chat_policy}",)

    # The event of this one is lost: the rule was off when it came.
    events, s3 = site.client("events"), site.client("s3")
    events.disable_rule(Name=names.rule("checker"))
    key = "submissions/land-cover/falcon/20261201T120000Z-0123abcd.npz"
    s3.put_object(Bucket=site.bucket("work"), Key=key, Body=b"no such thing as a map")
    lambda_runtime.drain()
    receipt = f"receipts/land-cover/falcon/{key.rsplit('/', 1)[-1]}.json"
    assert not _there(s3, site.bucket("work"), receipt)

    cloud.runtime.clock.move(by=dt.timedelta(hours=2))
    lambda_runtime.drain()
    body = s3.get_object(Bucket=site.bucket("work"), Key=receipt)["Body"].read()
    assert json.loads(body)["status"] == "refused"
    for project in site.cohort.projects:
        assert _there(s3, site.bucket("site"), f"boards/{project}.json")
    failed = [m.subject for m in sns.mail() if "ALARM" in m.subject and "-errors" in m.subject]
    assert failed == [], logs(site)
    assert site.client("sqs").receive_message(QueueUrl=queue(site)).get("Messages", []) == []

    # What the scorer may say, the channel hears, and so does who reads news by mail.
    scorer = whole_cloud.as_role(
        cloud, names.role_arn("service", "scorer", account="123456789012"), "sns"
    )
    note = {"version": "1.0", "source": "custom", "content": {"description": "falcon leads"}}
    message = {"default": "x", "https": json.dumps(note), "email": "falcon leads"}
    scorer.publish(TopicArn=topic, MessageStructure="json", Message=json.dumps(message))
    last = chatbot.told()[-1]
    assert (last.channel, last.text, last.problem) == (names.news_channel, "falcon leads", "")
    assert (sns.mail()[-1].to, sns.mail()[-1].message) == (
        "earth@example.org",
        "falcon leads",
    )

    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["notify"] = {"email": "academy@example.org"}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    cdk("deploy", *everything, "--require-approval", "never")
    assert chatbot.channels() == {}

    list(close_cohort(Site.of(file)))
    cdk("destroy", "--force", *everything)
    assert leftovers(site) == {}


def _there(s3: Any, bucket: str, key: str) -> bool:
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"])


def queue(site: Site) -> str:
    name = site.cohort.names.dead_letters
    return str(site.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])


def logs(site: Site) -> str:
    """What the competition's functions said, for the one who reads a failure."""
    found = []
    client = site.client("logs")
    for service in ("checker", "scorer", "steward"):
        group = site.cohort.names.log_group(service)
        for stream in client.describe_log_streams(logGroupName=group)["logStreams"]:
            said = client.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])
            found += [f"{service}: {each['message']}" for each in said["events"]]
    return "\n".join(found)
