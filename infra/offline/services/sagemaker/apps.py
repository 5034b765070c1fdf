"""Apps: the JupyterLab of a space, as a real process under the space's own role.

CreateApp builds the app's environment, runs the lifecycle scripts in it and starts JupyterLab on a
free loopback port, with the base URL that Studio uses. The space's home is its home; it stays when
the app ends. Where Studio's proxy would check who is asking, a random token does.

An app of the account's own image finds what the image brings: its layer is unpacked and its library
installed, the lifecycle scripts run, then what the image's entrypoint does before JupyterLab (the
templates' sync). The entrypoint itself, and the image's operating system, are stood for.

What AWS does with an app that ended is known from its error messages, as other clients quote them:
a deleted app stays listed for a day, a failed one counts as deleted.
"""

from __future__ import annotations

import html
import json
import logging
import os
import re
import secrets
import shutil
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from moto.sagemaker.models import sagemaker_backends

from infra.offline import runtime
from infra.offline.processes import Process
from infra.offline.runtime import Runtime
from infra.offline.services import quotas
from infra.offline.services.sagemaker import containers, environments, images
from infra.offline.services.sagemaker.images import Choice, Version
from infra.offline.services.sagemaker.logs import Shipper
from infra.offline.services.sagemaker.operations import (
    Request,
    Response,
    State,
    arn,
    in_use,
    invalid,
    listing,
    not_found,
    now,
    operation,
    require_assumable,
    state,
    wrong_state,
)
from infra.offline.services.sagemaker.studio import (
    APP_TYPE,
    LifecycleConfig,
    Space,
    config_of_arn,
    profile_of,
    space_of,
    user_settings,
)
from infra.offline.services.sagemaker.validation import Only, Support

log = logging.getLogger(__name__)

#: Studio's own; what a learner's browser, an extension or a proxy may rely on.
BASE_URL = "/jupyterlab/default"
STATUS_PATH = f"{BASE_URL}/api/status"
#: Studio writes the logs of apps and of their lifecycle scripts here.
LOG_GROUP = "/aws/sagemaker/studio"

#: Real seconds. Studio gives a lifecycle script five minutes.
SCRIPT_SECONDS = 300
START_SECONDS = 90
INSTALL_SECONDS = 120
SYNC_SECONDS = 120
STOP_SECONDS = 10
POLL_SECONDS = 0.05

#: How long an ended app is still described and listed.
REMEMBERED = timedelta(hours=24)

#: Beside JupyterLab itself only terminals: each extension costs start time. A login shell would
#: read /etc/profile, which on some systems takes the space's environment off PATH.
_SERVER_CONFIG = {
    "ServerApp": {
        "jpserver_extensions": {"jupyter_server_terminals": True},
        "terminado_settings": {"shell_command": ["bash"]},
    }
}

#: `python -m jupyterlab`, but without a package that compiles a grammar when it is imported, which
#: takes as long as everything else together. jsonschema does without it: it then lets every text
#: pass as an internationalised address (IRI), a format that Jupyter's schemas do not use.
_LAUNCH = (
    "import sys; sys.modules['rfc3987_syntax'] = None; "
    "from jupyterlab.labapp import main; sys.exit(main())"
)

#: JupyterLab asks nobody outside this machine for news, updates or extensions.
_QUIET = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)

#: Nor does it ask the learner whether it may.
_LAB_SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}

_ACTIVE = ("Pending", "InService", "Deleting")


class StartFailed(Exception):
    """An app did not come up; the message is its FailureReason."""


class Abandoned(Exception):
    """The app was deleted while it started."""


@dataclass
class App:
    """One run of a space's JupyterLab. `lock` guards `status`, `process` and what goes with it."""

    kind: ClassVar[str] = "app"
    arn: str
    space: Space
    profile: str
    role_arn: str
    resource_spec: dict[str, Any]
    built_in: LifecycleConfig | None
    scripts: tuple[LifecycleConfig, ...]
    tags: list[dict[str, str]]
    created: datetime
    folder: Path
    runtime: Runtime
    #: The account's own image that it runs; None: SageMaker Distribution.
    choice: Choice | None = None
    status: str = "Pending"
    failure: str = ""
    ended: datetime | None = None
    checked: datetime | None = None
    port: int = 0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    process: Process | None = field(default=None, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    started: threading.Event = field(default_factory=threading.Event, repr=False)
    gone: threading.Event = field(default_factory=threading.Event, repr=False)
    #: Its thread has nothing more to do.
    done: threading.Event = field(default_factory=threading.Event, repr=False)
    abandoned: bool = False

    @property
    def active(self) -> bool:
        """Whether it stands in the way of another app, or of its space's end."""
        return self.status in _ACTIVE

    @property
    def version(self) -> Version | None:
        """The image version that it runs."""
        return None if self.choice is None else self.choice.version

    def summary(self) -> Response:
        return {
            "DomainId": self.space.domain_id,
            "SpaceName": self.space.name,
            "AppType": APP_TYPE,
            "AppName": "default",
            "Status": self.status,
            "CreationTime": self.created,
            "ResourceSpec": self.resource_spec,
        }

    def describe(self) -> Response:
        shown = {"AppArn": self.arn, **self.summary()}
        if self.failure:
            shown["FailureReason"] = self.failure
        if self.checked is not None:
            shown["LastHealthCheckTimestamp"] = self.checked
        if self.built_in is not None:
            shown["BuiltInLifecycleConfigArn"] = self.built_in.arn
        return shown

    def remembered(self, moment: datetime) -> bool:
        return self.ended is None or moment - self.ended < REMEMBERED

    # --- its life, in a thread of its own ---------------------------------------------------------
    def run(self) -> None:
        """Start, then watch until it ends."""
        try:
            self._start()
            self.started.set()
            self._watch()
        except Abandoned:
            log.debug("the app of space %s was given up while it started", self.space.name)
        except StartFailed as failure:
            self._fail(str(failure))
        except Exception as error:
            self._fail(f"InternalServerError: {type(error).__name__}: {error}")
            log.exception("the app of space %s", self.space.name)
        finally:
            self.started.set()
            self.done.set()

    def delete(self) -> None:
        """End it and what it runs; the space's home stays."""
        with self.lock:
            self.status = "Deleting"
            process = self.process
        if process is not None:
            process.terminate(STOP_SECONDS)
        self.started.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        with self.lock:
            self.ended = self.runtime.clock.now()
            self.status = "Deleted"
        self.gone.set()

    def abandon(self) -> None:
        """End its process because the record of it goes."""
        with self.lock:
            self.abandoned = True
            process = self.process
        if process is not None:
            process.kill()

    def _start(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.space.home.mkdir(parents=True, exist_ok=True)
        environment = self.folder / "environment"
        python = environments.build(environment)
        variables = self._variables(environment)
        if self.choice is not None:
            variables = self._prepare_image(self.choice, python, variables)
        for script in self.scripts:
            self._run_script(script, variables)
        if self.choice is not None:
            self._bring_templates(python, variables)
        self._start_jupyter(python, variables)
        with self.lock:
            self._require_wanted()
            self.status = "InService"

    def _variables(self, environment: Path) -> dict[str, str]:
        metadata = self.folder / "metadata" / "resource-metadata.json"
        metadata.parent.mkdir()
        metadata.write_text(
            json.dumps(
                {
                    "AppType": APP_TYPE,
                    "DomainId": self.space.domain_id,
                    "SpaceName": self.space.name,
                    "ExecutionRoleArn": self.role_arn,
                    "ResourceArn": self.arn,
                    "ResourceName": "default",
                    "AppImageVersion": "" if self.version is None else str(self.version.number),
                }
            )
        )
        home = self.space.home
        return {
            **environments.variables(
                home, environment, role_arn=self.role_arn, session="SageMaker"
            ),
            "ACADEMY_RESOURCE_METADATA": str(metadata),
            "SAGEMAKER_APP_TYPE_LOWERCASE": APP_TYPE.lower(),
            "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
            "JUPYTER_DATA_DIR": str(home / ".local" / "share" / "jupyter"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "IPYTHONDIR": str(home / ".ipython"),
            "MPLCONFIGDIR": str(home / ".config" / "matplotlib"),
        }

    def _prepare_image(
        self, choice: Choice, python: Path, variables: dict[str, str]
    ) -> dict[str, str]:
        """Unpack the image and install its library; returns the environment with the image's."""
        try:
            root = containers.unpack(choice.stored, self.folder / "image")
        except containers.NotOfTheAcademy as error:
            raise StartFailed(str(error)) from error
        given = choice.config.container().get("ContainerEnvironmentVariables", {})
        # The configuration's variables first: they must not redirect PATH, home or credentials.
        variables = {**given, **variables, "ACADEMY_ROOT": str(root)}
        if (root / "jupyter").is_dir():
            # As the image's ENV has it: culling of idle kernels, the page to begin with.
            variables["JUPYTER_CONFIG_PATH"] = str(root / "jupyter")

        def run(arguments: list[str]) -> tuple[int, str]:
            return self._run(arguments, variables, self.folder / "image.log", INSTALL_SECONDS)

        try:
            containers.install(root, python, run)
        except containers.NotOfTheAcademy as error:
            raise StartFailed(str(error)) from error
        return variables

    def _bring_templates(self, python: Path, variables: dict[str, str]) -> None:
        """What the entrypoint does before JupyterLab; it starts whatever comes of this, too.

        Isolated (-I): a folder of the learner's is never taken for the library.
        """
        output = self.folder / "templates.log"
        known = "import importlib.util as u, sys; sys.exit(u.find_spec('academy.home') is None)"
        if self._run([str(python), "-I", "-c", known], variables, output, SYNC_SECONDS)[0] != 0:
            log.info("the image of space %s has no academy.home", self.space.name)
            return
        shipper = self._shipper(output, "")
        templates = str(Path(variables["ACADEMY_ROOT"], "templates"))
        arguments = [str(python), "-I", "-m", "academy.home", templates]
        status, ending = self._run(arguments, variables, output, SYNC_SECONDS)
        shipper.pump(final=True)
        if status != 0:
            log.warning("templates of space %s (exit %s): %s", self.space.name, status, ending)

    def _run(
        self, arguments: list[str], variables: dict[str, str], output: Path, seconds: float
    ) -> tuple[int, str]:
        """Run a program in the space to its end; returns exit status and end of its log."""
        process = self._launch(arguments, variables, output)
        status = process.wait(seconds)
        if status is None:
            status = process.kill()
        with self.lock:
            self._require_wanted()
        return status, environments.tail(output)

    def _run_script(self, config: LifecycleConfig, variables: dict[str, str]) -> None:
        script = self.folder / f"{config.name}.sh"
        script.write_bytes(config.script)
        output = self.folder / f"{config.name}.log"
        process = self._launch(["bash", str(script)], variables, output)
        shipper = self._shipper(output, "/LifecycleConfigOnStart")
        status = process.wait(SCRIPT_SECONDS)
        if status is None:
            process.kill()
        shipper.pump(final=True)
        with self.lock:
            self._require_wanted()
        if status is None:
            raise StartFailed(
                f"The lifecycle configuration {config.name} did not end within {SCRIPT_SECONDS} "
                f"seconds. Its log ends: {environments.tail(output)}"
            )
        if status != 0:
            raise StartFailed(
                f"The lifecycle configuration {config.name} failed with exit code {status}. "
                f"Its log ends: {environments.tail(output)}"
            )

    def _start_jupyter(self, python: Path, variables: dict[str, str]) -> None:
        settings = python.parent.parent / "etc" / "jupyter"
        (settings / "labconfig").mkdir(parents=True)
        (settings / "jupyter_server_config.json").write_text(json.dumps(_SERVER_CONFIG))
        overrides = settings / "labconfig" / "default_setting_overrides.json"
        overrides.write_text(json.dumps(_LAB_SETTINGS))
        output = self.folder / "jupyter.log"
        # A port can be taken between its choice and JupyterLab's bind.
        for attempt in range(3):
            self.port = _free_port()
            arguments = [
                str(python),
                *("-c", _LAUNCH, "--no-browser", "--ip", "127.0.0.1"),
                *("--port", str(self.port), "--ServerApp.port_retries=0"),
                f"--ServerApp.base_url={BASE_URL}",
                f"--ServerApp.root_dir={self.space.home}",
                *_QUIET,
            ]
            if os.geteuid() == 0:
                arguments.append("--allow-root")
            process = self._launch(arguments, {**variables, "JUPYTER_TOKEN": self.token}, output)
            if self._wait_for_status(process):
                return
            if attempt < 2 and "already in use" in environments.tail(output):
                continue
            break
        raise StartFailed(
            f"JupyterLab did not answer at {STATUS_PATH}. Its log ends: {environments.tail(output)}"
        )

    def _wait_for_status(self, process: Process) -> bool:
        deadline = time.monotonic() + START_SECONDS
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{STATUS_PATH}",
            headers={"Authorization": f"token {self.token}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while process.running and time.monotonic() < deadline:
            try:
                with opener.open(request, timeout=5) as answer:
                    if answer.status == 200:
                        self.checked = self.runtime.clock.now()
                        return True
            except (OSError, urllib.error.URLError):
                pass
            process.wait(POLL_SECONDS)
        with self.lock:
            self._require_wanted()
        process.kill()
        return False

    def _watch(self) -> None:
        process, output = self.process, self.folder / "jupyter.log"
        assert process is not None
        shipper = self._shipper(output, "")
        while (status := process.wait(0.5)) is None:
            shipper.pump()
        shipper.pump(final=True)
        with self.lock:
            if self.status != "InService" or self.abandoned:
                return
        self._fail(
            f"JupyterLab ended with exit code {status}. Its log ends: {environments.tail(output)}"
        )

    def _launch(self, arguments: list[str], variables: dict[str, str], output: Path) -> Process:
        with self.lock:
            self._require_wanted()
            self.process = self.runtime.processes.start(
                f"space {self.space.name}",
                arguments,
                env=variables,
                cwd=self.space.home,
                log=output,
            )
            return self.process

    def _require_wanted(self) -> None:
        if self.abandoned or self.status != "Pending":
            raise Abandoned

    def _fail(self, reason: str) -> None:
        with self.lock:
            if self.status == "Pending" or self.status == "InService":
                self.failure = reason[:1024]
                self.ended = self.runtime.clock.now()
                self.status = "Failed"

    def _shipper(self, output: Path, suffix: str) -> Shipper:
        return Shipper(
            output,
            account=self.runtime.account,
            region=self.runtime.region,
            group=LOG_GROUP,
            stream=f"{self.space.domain_id}/{self.space.name}/{APP_TYPE}/default{suffix}",
            clock=self.runtime.clock,
        )


@dataclass(frozen=True)
class Presigned:
    """Where a presigned URL leads, and until when."""

    key: tuple[str, str]
    path: str
    expires: datetime


# --- operations ---------------------------------------------------------------------------------
_THIS_APP: Support = {
    "DomainId": None,
    "SpaceName": None,
    "AppType": Only((APP_TYPE,), "spaces run JupyterLab"),
    "AppName": Only(("default",), "a space's JupyterLab is named default"),
}


def _key(request: Request) -> tuple[str, str]:
    if "SpaceName" not in request:
        raise invalid("SpaceName is required: the embedded cloud runs apps in spaces only.")
    return request["DomainId"], request["SpaceName"]


def _shown_name(key: tuple[str, str]) -> str:
    return f"{key[0]}/{key[1]}/{APP_TYPE}/default"


@operation(
    "CreateApp",
    {
        **_THIS_APP,
        "Tags": None,
        "ResourceSpec": {
            "InstanceType": None,
            "LifecycleConfigArn": None,
            "SageMakerImageArn": None,
            "SageMakerImageVersionAlias": None,
            "SageMakerImageVersionArn": None,
        },
        "RecoveryMode": Only((False,), "it would skip the lifecycle script"),
    },
)
def create_app(backend: Any, request: Request) -> Response:
    kept = state(backend)
    key = _key(request)
    current = runtime.current()
    with kept.lock:
        space = space_of(kept, *key)
        apps = kept.apps.setdefault(key, [])
        if any(app.active for app in apps):
            raise in_use(f"App [{_shown_name(key)}] already exists.")
        if space.status != "InService":
            raise wrong_state(
                "create app", f"[{arn(backend, 'app', *key, APP_TYPE, 'default')}]", space
            )
        role_arn = user_settings(kept, space.domain_id, space.owner, "ExecutionRole")
        app_arn = arn(backend, "app", *key, APP_TYPE, "default")
        require_assumable(role_arn, source_arn=app_arn)
        spec = _resource_spec(kept, space, request.get("ResourceSpec", {}))
        _check_quotas(kept, spec["InstanceType"])
        choice = _choice(kept, space, app_arn, spec)
        built_in, chosen = _scripts(kept, space, spec)
        app = App(
            arn=app_arn,
            space=space,
            profile=space.owner,
            role_arn=role_arn,
            resource_spec=spec,
            built_in=built_in,
            scripts=tuple(script for script in (built_in, chosen) if script is not None),
            tags=request.get("Tags", []),
            created=current.clock.now(),
            folder=space.folder / f"app-{len(apps) + 1}",
            runtime=current,
            choice=choice,
        )
        apps.append(app)
        if not kept.waits_for_apps:
            kept.waits_for_apps = True
            current.clock.after_each_step(lambda: _wait_for_deletions(kept))
    threading.Thread(target=app.run, name=f"app-{space.name}", daemon=True).start()
    return {"AppArn": app.arn}


def _check_quotas(kept: State, instance: str) -> None:
    """An app counts from its start to its end."""
    running = [app for apps in kept.apps.values() for app in apps if app.active]
    quotas.require(quotas.APPS, in_use=len(running), unit="Apps")
    same = [app for app in running if app.resource_spec["InstanceType"] == instance]
    quotas.require(quotas.apps_on(instance), in_use=len(same), unit="Instances")


def _wait_for_deletions(kept: State) -> None:
    """Let a move of the clock see the end of an app whose time came on the way."""
    with kept.lock:
        leaving = [app for apps in kept.apps.values() for app in apps if app.status == "Deleting"]
    for app in leaving:
        app.gone.wait(STOP_SECONDS + 5)


def _resource_spec(kept: State, space: Space, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the request says, then the space, then its owner's profile, then the domain."""
    of_space = (
        space.settings["SpaceSettings"]
        .get("JupyterLabAppSettings", {})
        .get("DefaultResourceSpec", {})
    )
    of_owner = (
        user_settings(
            kept, space.domain_id, space.owner, "JupyterLabAppSettings", "DefaultResourceSpec"
        )
        or {}
    )
    spec: dict[str, Any] = {**of_owner, **of_space, **wanted}
    instance = spec.get("InstanceType")
    if instance is None:
        raise invalid("ResourceSpec.InstanceType is required: neither space nor domain has one.")
    if instance == "system":
        raise invalid("ResourceSpec.InstanceType system is not for JupyterLab apps.")
    return spec


def _choice(kept: State, space: Space, app_arn: str, spec: dict[str, Any]) -> Choice | None:
    """The account's own image that the app runs; None for SageMaker Distribution.

    Raises AWS's errors where it would refuse the image, and ours where nothing here stands for it.
    """
    image, version = spec.get("SageMakerImageArn"), spec.get("SageMakerImageVersionArn")
    if version in (None, "None") and (image is None or "image/sagemaker-distribution-" in image):
        return None
    named = str(image if version in (None, "None") else version)
    if named.split(":")[4] != runtime.current().account:
        raise invalid(
            f"The embedded cloud does not run {named}: what is installed with it stands "
            "for SageMaker Distribution, and it has this account's own images."
        )
    attached = user_settings(
        kept, space.domain_id, space.owner, "JupyterLabAppSettings", "CustomImages"
    )
    return images.choose(kept, app_arn, spec, attached or [])


def _scripts(
    kept: State, space: Space, spec: dict[str, Any]
) -> tuple[LifecycleConfig | None, LifecycleConfig | None]:
    """The built-in lifecycle configuration, which runs first, and the one that was chosen."""

    def setting(name: str) -> Any:
        return user_settings(kept, space.domain_id, space.owner, "JupyterLabAppSettings", name)

    built_in, chosen = setting("BuiltInLifecycleConfigArn"), spec.get("LifecycleConfigArn")
    if chosen not in (None, "None") and chosen not in (setting("LifecycleConfigArns") or ()):
        raise invalid(
            f"LifecycleConfigArn {chosen} is not among the LifecycleConfigArns of user profile "
            f"{space.owner} or of its domain."
        )
    return (
        None if built_in in (None, "None") else config_of_arn(kept, built_in),
        None if chosen in (None, "None") else config_of_arn(kept, chosen),
    )


@operation("DescribeApp", {**_THIS_APP})
def describe_app(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return _latest(kept, _key(request)).describe()


def _latest(kept: State, key: tuple[str, str]) -> App:
    apps = kept.apps.get(key, [])
    if not apps or not apps[-1].remembered(now()):
        raise not_found("App", _shown_name(key))
    return apps[-1]


@operation(
    "ListApps",
    {
        "NextToken": None,
        "MaxResults": None,
        "SortOrder": None,
        "SortBy": None,
        "DomainIdEquals": None,
        "SpaceNameEquals": None,
    },
)
def list_apps(backend: Any, request: Request) -> Response:
    kept = state(backend)
    moment = now()
    with kept.lock:
        found = [
            apps[-1]
            for (domain_id, space), apps in kept.apps.items()
            if apps
            and apps[-1].remembered(moment)
            and request.get("DomainIdEquals") in (None, domain_id)
            and request.get("SpaceNameEquals") in (None, space)
        ]
        return listing(
            request,
            found,
            "Apps",
            summary=App.summary,
            order=lambda app: (app.created, app.arn),
        )


@operation("DeleteApp", {**_THIS_APP})
def delete_app(backend: Any, request: Request) -> Response:
    kept = state(backend)
    key = _key(request)
    with kept.lock:
        app = _latest(kept, key)
        name = _shown_name(key)
        with app.lock:
            if app.status == "Deleted":
                raise invalid(f"App [{name}] has already been deleted.")
            if app.status == "Failed":
                raise invalid(f"App [{name}] previously failed and was automatically deleted.")
            if app.status == "Deleting":
                return {}
            app.status = "Deleting"
    threading.Thread(target=app.delete, name=f"delete-app-{key[1]}", daemon=True).start()
    return {}


@operation(
    "CreatePresignedDomainUrl",
    {
        "DomainId": None,
        "UserProfileName": None,
        "SpaceName": None,
        "ExpiresInSeconds": None,
        "SessionExpirationDurationInSeconds": None,
        "LandingUri": None,
    },
)
def create_presigned_domain_url(backend: Any, request: Request) -> Response:
    kept = state(backend)
    key = _key(request)
    lifetime = timedelta(seconds=request.get("ExpiresInSeconds", 300))
    current = runtime.current()
    token = secrets.token_urlsafe(32)
    with kept.lock:
        profile_of(kept, request["DomainId"], request["UserProfileName"])
        space = space_of(kept, *key)
        if space.owner != request["UserProfileName"]:
            raise invalid(
                f"Space [{space.name}] is private to user profile [{space.owner}], not "
                f"[{request['UserProfileName']}]."
            )
        moment = current.clock.now()
        for old in [old for old, url in kept.presigned.items() if url.expires <= moment]:
            del kept.presigned[old]
        kept.presigned[token] = Presigned(
            key, _landing_path(request.get("LandingUri")), moment + lifetime
        )
    return {"AuthorizedUrl": f"{current.endpoint}/_academy/studio/auth?token={token}"}


def _landing_path(uri: str | None) -> str:
    """The path below the app's base URL that a LandingUri names."""
    if uri is None:
        return "lab"
    match = re.fullmatch(rf"app:{APP_TYPE}:([\w./-]*)", uri)
    if match is None or ".." in match[1].split("/"):
        raise invalid(
            f"The embedded cloud does not emulate LandingUri {uri!r}; give app:{APP_TYPE}: and a "
            "path below the app, or leave it out."
        )
    return match[1].strip("/") or "lab"


# --- what a browser sees ------------------------------------------------------------------------
def open_presigned(token: str) -> tuple[int, dict[str, str], str]:
    """Answer to `GET /_academy/studio/auth?token=…`: status, headers and body.

    302 to the space's running JupyterLab; 403 if the URL has expired or was never made; 409 with
    the app's state if it is not in service.
    """
    current = runtime.current()
    kept = state(sagemaker_backends[current.account][current.region])
    with kept.lock:
        url = kept.presigned.get(token)
        if url is None or url.expires <= current.clock.now():
            return _page(
                403,
                "This link has expired",
                "A link into a space holds for at most five minutes. Ask for a new one.",
            )
        apps = kept.apps.get(url.key, [])
        app = apps[-1] if apps else None
        if app is None or app.status != "InService":
            status = app.status if app is not None else "not started"
            return _page(
                409,
                f"The space {url.key[1]} is not running",
                f"Its JupyterLab is {status}. {app.failure if app else ''}",
            )
        query = urllib.parse.urlencode({"token": app.token})
        location = f"http://127.0.0.1:{app.port}{BASE_URL}/{url.path}?{query}"
    return 302, {"Location": location, "Cache-Control": "no-store"}, ""


def _page(status: int, title: str, text: str) -> tuple[int, dict[str, str], str]:
    body = (
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>"
    )
    return status, {"Content-Type": "text/html; charset=utf-8"}, body


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
