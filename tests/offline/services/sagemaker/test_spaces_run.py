"""Spaces as real JupyterLabs: start, open, work in a kernel, end, and what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import websocket
from botocore.exceptions import ClientError

from infra.offline.services.sagemaker import apps
from tests.offline.services.sagemaker.studio_cloud import Workspace, until, workspace
from tests.offline.small_cloud import SmallCloud

pytestmark = pytest.mark.end_to_end

#: As the real one: it reads the metadata, installs a package, puts a template into the home.
START = """
set -euo pipefail
space=$(python -c 'import json, os
print(json.load(open(os.environ["ACADEMY_RESOURCE_METADATA"]))["SpaceName"])')
package=$(mktemp -d)
mkdir "$package/greeting"
echo "WORDS = 'hello'" > "$package/greeting/__init__.py"
cat > "$package/pyproject.toml" <<'TOML'
[project]
name = "greeting"
version = "1.0"
TOML
python -m pip install --no-index --no-deps --no-build-isolation --quiet "$package"
rm -r "$package"
test -e ~/template.txt || echo "for $space" > ~/template.txt
echo "ready: $space"
"""

PROBE = """
import json, os, sys, importlib.util, greeting
print(json.dumps({
    "prefix": sys.prefix, "greeting": greeting.WORDS, "home": os.path.expanduser("~"),
    "cwd": os.getcwd(), "infra": importlib.util.find_spec("infra") is not None,
    "torch": importlib.util.find_spec("torch") is not None,
    "key": os.environ["AWS_ACCESS_KEY_ID"], "role": os.environ["AWS_ENDPOINT_URL"],
}))
"""


@pytest.fixture(scope="module")
def running(cloud: SmallCloud) -> Iterator[Workspace]:
    ana = workspace(cloud, START)
    made = ana.sagemaker.create_app(**ana.app)
    assert made["AppArn"].endswith(f":app/{ana.domain_id}/{ana.name}/JupyterLab/default")
    described = ana.ended("InService", "Failed")
    assert described["Status"] == "InService", described
    yield ana
    if [one["Status"] for one in _listed(ana)] == ["InService"]:
        ana.sagemaker.delete_app(**ana.app)
        ana.ended("Deleted")


def presigned(ana: Workspace, **more: Any) -> str:
    """The token of a presigned URL."""
    made = ana.sagemaker.create_presigned_domain_url(
        DomainId=ana.domain_id, UserProfileName=ana.name, SpaceName=ana.name, **more
    )
    url = urllib.parse.urlsplit(made["AuthorizedUrl"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == (
        f"{ana.cloud.here.endpoint}/_academy/studio/auth"
    )
    return urllib.parse.parse_qs(url.query)["token"][0]


def get(url: Any) -> Any:
    return urllib.request.urlopen(url, timeout=30)  # noqa: S310 (loopback)


def location(ana: Workspace, **more: Any) -> str:
    status, headers, _ = apps.open_presigned(presigned(ana, **more))
    assert status == 302
    return headers["Location"]


def in_kernel(ana: Workspace, code: str) -> str:
    """What `code` prints in a new kernel of the space."""
    lab = urllib.parse.urlsplit(location(ana))
    base = f"{lab.netloc}{apps.BASE_URL}/api/kernels"
    request = urllib.request.Request(f"http://{base}?{lab.query}", data=b"{}", method="POST")
    kernel = json.loads(get(request).read())["id"]
    socket = websocket.create_connection(f"ws://{base}/{kernel}/channels?{lab.query}", timeout=60)
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "s"}
    content = {"code": code, "silent": False, "store_history": False}
    socket.send(
        json.dumps(
            {
                "header": {**header, "username": "ana", "version": "5.3"},
                "parent_header": {},
                "metadata": {},
                "content": content,
                "channel": "shell",
            }
        )
    )
    printed = ""
    while True:
        message = json.loads(socket.recv())
        if message.get("parent_header", {}).get("msg_id") != header["msg_id"]:
            continue
        if message["msg_type"] == "stream":
            printed += message["content"]["text"]
        elif message["msg_type"] == "error":
            raise AssertionError(message["content"]["evalue"])
        elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            # On the channel of what is printed; the reply comes on another, in any order.
            break
    socket.close()
    return printed


def test_the_lifecycle_script_ran_in_the_space(running: Workspace) -> None:
    assert (running.home / "template.txt").read_text() == f"for {running.name}\n"
    logs = running.cloud.client("logs")
    stream = f"{running.domain_id}/{running.name}/JupyterLab/default/LifecycleConfigOnStart"
    told = logs.get_log_events(logGroupName="/aws/sagemaker/studio", logStreamName=stream)
    assert f"ready: {running.name}" in [event["message"] for event in told["events"]]


def test_the_presigned_url_leads_into_the_lab(running: Workspace) -> None:
    lab = location(running)
    assert urllib.parse.urlsplit(lab).path == "/jupyterlab/default/lab"
    with get(lab) as page:
        assert page.status == 200
        assert b"JupyterLab" in page.read()


def test_the_lab_is_closed_without_its_token(running: Workspace) -> None:
    address = location(running).split("?")[0].removesuffix("lab") + "api/contents"
    with pytest.raises(urllib.error.HTTPError) as error:
        get(address)
    assert error.value.code == 403


def test_a_landing_uri_opens_a_path_of_the_lab(running: Workspace) -> None:
    lab = location(running, LandingUri="app:JupyterLab:lab/tree/template.txt")
    assert urllib.parse.urlsplit(lab).path == "/jupyterlab/default/lab/tree/template.txt"


def test_a_landing_uri_that_leads_out_of_the_app_is_refused(running: Workspace) -> None:
    with pytest.raises(ClientError, match="LandingUri"):
        presigned(running, LandingUri="app:JupyterLab:../../elsewhere")


def test_a_presigned_url_expires_by_the_clock(running: Workspace) -> None:
    token = presigned(running, ExpiresInSeconds=60)
    running.cloud.clock.move(by=timedelta(seconds=61))
    status, _, page = apps.open_presigned(token)
    assert (status, "expired" in page) == (403, True)


def test_a_url_that_nobody_made_opens_nothing(running: Workspace) -> None:
    assert apps.open_presigned("guess")[0] == 403


def test_a_url_is_for_the_owner_of_the_space(running: Workspace) -> None:
    api = running.sagemaker
    api.create_user_profile(DomainId=running.domain_id, UserProfileName="guest")
    with pytest.raises(ClientError, match="is private to"):
        api.create_presigned_domain_url(
            DomainId=running.domain_id, UserProfileName="guest", SpaceName=running.name
        )


def test_kernels_run_in_the_space_and_know_nothing_of_the_cloud(running: Workspace) -> None:
    seen = json.loads(in_kernel(running, PROBE))
    assert seen["greeting"] == "hello"
    assert seen["prefix"].startswith(str(running.home.parent))
    assert seen["home"] == seen["cwd"] == str(running.home)
    assert (seen["torch"], seen["infra"]) == (True, False)
    assert seen["key"].startswith("ASIA")


def test_terminals_find_the_environment_of_the_space(running: Workspace) -> None:
    lab = urllib.parse.urlsplit(location(running))
    base = f"{lab.netloc}{apps.BASE_URL}"
    url = f"http://{base}/api/terminals?{lab.query}"
    name = json.loads(get(urllib.request.Request(url, method="POST")).read())["name"]
    socket = websocket.create_connection(
        f"ws://{base}/terminals/websocket/{name}?{lab.query}", timeout=30
    )
    socket.send(json.dumps(["stdin", "command -v python pip jupyter > seen; echo over >> seen\r"]))
    seen = running.home / "seen"
    until(lambda: seen.is_file() and seen.read_text().endswith("over\n"))
    socket.close()
    folders = {line.rsplit("/", 1)[0] for line in seen.read_text().splitlines()[:-1]}
    assert folders == {f"{running.home.parent}/app-1/environment/bin"}


def test_a_space_with_an_app_is_in_use(running: Workspace) -> None:
    with pytest.raises(ClientError, match=r"App\(s\) are associated") as error:
        running.sagemaker.delete_space(DomainId=running.domain_id, SpaceName=running.name)
    assert error.value.response["Error"]["Code"] == "ResourceInUse"


def test_a_second_app_in_the_space_is_refused(running: Workspace) -> None:
    with pytest.raises(ClientError, match="already exists") as error:
        running.sagemaker.create_app(**running.app)
    assert error.value.response["Error"]["Code"] == "ResourceInUse"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"AppType": "CodeEditor"}, "AppType of CreateApp as 'CodeEditor'"),
        ({"AppName": "second"}, "AppName of CreateApp as 'second'"),
        ({"UserProfileName": "guest"}, "UserProfileName of CreateApp"),
        ({"RecoveryMode": True}, "RecoveryMode of CreateApp"),
        ({"ResourceSpec": {"InstanceType": "ml.huge"}}, "Member must satisfy enum value set"),
    ],
)
def test_what_an_app_cannot_be_here_is_refused_by_name(
    running: Workspace, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ClientError) as error:
        running.sagemaker.create_app(**{**running.app, **change})
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert says in error.value.response["Error"]["Message"]


def test_nothing_of_it_is_left_but_the_home_when_it_ends(running: Workspace) -> None:
    # The last of this file: it ends the app that the others share.
    in_kernel(running, "pass")
    (process,) = [one for one in running.cloud.here.processes.running() if running.name in one.name]
    running.sagemaker.delete_app(**running.app)
    assert running.ended("Deleted")["Status"] == "Deleted"
    assert not process.running
    assert [one["Status"] for one in _listed(running)] == ["Deleted"]
    assert [path.name for path in running.home.parent.iterdir()] == ["home"]
    assert (running.home / "template.txt").is_file()
    with pytest.raises(ClientError, match="has already been deleted"):
        running.sagemaker.delete_app(**running.app)
    assert apps.open_presigned(presigned(running))[0] == 409
    running.cloud.clock.move(by=timedelta(hours=25))
    assert _listed(running) == []


def _listed(ana: Workspace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ana.sagemaker.list_apps(DomainIdEquals=ana.domain_id)["Apps"]
    return found


def test_a_failed_script_fails_the_app_and_tells_why(cloud: SmallCloud) -> None:
    ben = workspace(cloud, "echo 'no bucket of that name' >&2; exit 7")
    ben.sagemaker.create_app(**ben.app)
    reason = ben.ended("Failed", "InService")["FailureReason"]
    assert "exit code 7" in reason
    assert "no bucket of that name" in reason
    with pytest.raises(ClientError, match="previously failed and was automatically deleted"):
        ben.sagemaker.delete_app(**ben.app)
    ben.sagemaker.delete_space(DomainId=ben.domain_id, SpaceName=ben.name)


def test_an_app_can_be_deleted_while_its_script_runs(cloud: SmallCloud) -> None:
    ben = workspace(cloud, "touch ~/begun; sleep 600")
    ben.sagemaker.create_app(**ben.app)
    until((ben.home / "begun").exists)
    ben.sagemaker.delete_app(**ben.app)
    assert ben.ended("Deleted")["Status"] == "Deleted"
    assert not [one for one in cloud.here.processes.running() if ben.name in one.name]


def test_a_move_of_the_clock_waits_for_the_apps_that_end_on_the_way(cloud: SmallCloud) -> None:
    ben = workspace(cloud, "touch ~/begun; sleep 600")
    ben.sagemaker.create_app(**ben.app)
    until((ben.home / "begun").exists)
    stop = cloud.clock.now() + timedelta(hours=4)
    cloud.clock.call_at(stop, lambda: ben.sagemaker.delete_app(**ben.app), name="stop")
    cloud.clock.move(by=timedelta(hours=5))
    assert ben.status()["Status"] == "Deleted"


def test_a_lab_that_dies_fails_the_app_and_the_next_start_finds_the_home(
    cloud: SmallCloud,
) -> None:
    ben = workspace(cloud, "date >> ~/starts")
    ben.sagemaker.create_app(**ben.app)
    ben.ended("InService")
    (process,) = [one for one in cloud.here.processes.running() if ben.name in one.name]
    os.kill(process.pid, signal.SIGKILL)
    assert "JupyterLab ended with exit code -9" in ben.ended("Failed")["FailureReason"]
    ben.sagemaker.create_app(**ben.app)
    ben.ended("InService")
    assert len((ben.home / "starts").read_text().splitlines()) == 2
    ben.sagemaker.delete_app(**ben.app)
    ben.ended("Deleted")


def test_a_lifecycle_configuration_must_be_attached_to_be_chosen(cloud: SmallCloud) -> None:
    ben = workspace(cloud, "true")
    chosen = f"arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-config/{ben.name}-start"
    with pytest.raises(ClientError, match="is not among the LifecycleConfigArns"):
        ben.sagemaker.create_app(**ben.app, ResourceSpec={"LifecycleConfigArn": chosen})
