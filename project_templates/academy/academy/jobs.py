"""Training jobs: the same script on a machine of its own, or here, with the same folders."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from academy.cloud import AlreadyThere, Cloud, Missing
from academy.downloads import cache_folder
from academy.errors import AcademyError, CloudError, JobFailed, SourceError
from academy.job import ROOT_VARIABLE, SCRIPT
from academy.money import dollars
from academy.packing import Packed, pack, unpack
from academy.progress import Progress
from academy.workspace import Workspace

Where = Literal["cloud", "here"]

ENDED = ("Completed", "Failed", "Stopped")
ARCHIVE = "source.tar.gz"
#: SageMaker's grace between SIGTERM and SIGKILL is 120 s; on the notebook's machine less will do.
GRACE_SECONDS = 10.0
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


class Job:
    """A training job.

    Attributes
    ----------
    name : str
        As the academy knows it.
    where : str
        ``cloud`` or ``here``.
    """

    where: Where

    def __init__(self, name: str) -> None:
        self.name = name
        self.failure: str | None = None

    # What the two kinds do differently.
    def _refresh(self) -> tuple[str, str]:
        """Status (InProgress, Stopping, or one of ENDED) and what it is doing in a word."""
        raise NotImplementedError

    def _new_lines(self) -> list[str]:
        raise NotImplementedError

    def _model_folder(self) -> Path | None:
        raise NotImplementedError

    def _output_folder(self) -> Path | None:
        raise NotImplementedError

    def stop(self) -> None:
        """Ends the job; what it has saved so far is kept."""
        raise NotImplementedError

    def _note(self) -> str:
        return ""

    def _pause(self, waited: float) -> float:
        raise NotImplementedError

    @property
    def log(self) -> str:
        """Everything the job has said so far."""
        raise NotImplementedError

    @property
    def status(self) -> str:
        """InProgress, Stopping, Completed, Failed or Stopped, as of now."""
        return self._refresh()[0]

    def wait(self) -> Job:
        """Follows the job to its end and returns it.

        Raises
        ------
        JobFailed
            With the end of what the script said.
        """
        progress = Progress(self.name)
        started = time.monotonic()
        while True:
            status, doing = self._refresh()
            try:
                lines = self._new_lines()
            except CloudError:
                # The log is a convenience; the job does not depend on it.
                lines = []
            if status in ENDED:
                progress.update(status, lines, self._note())
                break
            progress.update(doing, lines, self._note())
            time.sleep(self._pause(time.monotonic() - started))
        if status == "Failed":
            raise JobFailed(f"{self.name} failed.\n{self.failure or 'It gave no reason.'}")
        return self

    def model(self) -> Path:
        """The folder with what the script saved in SM_MODEL_DIR.

        Raises
        ------
        JobFailed
            The job has not ended, or it saved nothing.
        """
        return self._result(self._model_folder, "no model", "SM_MODEL_DIR")

    def output(self) -> Path:
        """The folder with what the script saved in SM_OUTPUT_DATA_DIR: tables, figures, metrics."""
        return self._result(self._output_folder, "no output", "SM_OUTPUT_DATA_DIR")

    def _result(self, find: Any, what: str, variable: str) -> Path:
        folder: Path | None = find()
        if folder is not None:
            return folder
        status = self.status
        if status not in ENDED:
            raise JobFailed(f"{self.name} has not ended yet ({status}); call .wait() first.")
        raise JobFailed(
            f"{self.name} ({status}) left {what}. The script must write it to the folder that "
            f"the environment variable {variable} names."
        )

    @property
    def metrics(self) -> dict[str, Any]:
        """What the script wrote to ``metrics.json`` in SM_OUTPUT_DATA_DIR; empty if nothing."""
        try:
            file = self.output() / "metrics.json"
        except JobFailed:
            return {}
        if not file.is_file():
            return {}
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise JobFailed(f"{self.name}: metrics.json is not JSON.") from None
        return document if isinstance(document, dict) else {"metrics": document}

    def __repr__(self) -> str:
        return f"Job {self.name} ({self.where}): {self.status}"


# --- in the cloud ---------------------------------------------------------------------------------
class CloudJob(Job):
    """A SageMaker training job that the broker started."""

    where = "cloud"

    def __init__(self, name: str, cloud: Cloud, workspace: Workspace) -> None:
        super().__init__(name)
        self._cloud, self._workspace = cloud, workspace
        self._mark: str | None = None
        self._last: dict[str, Any] = {}

    def _refresh(self) -> tuple[str, str]:
        if self._last.get("status") not in ENDED:
            self._last = self._cloud.ask(self._workspace.broker, {"op": "job", "job": self.name})
            self.failure = self._last.get("failure")
        status = str(self._last.get("status", "InProgress"))
        return status, str(self._last.get("secondary_status") or status)

    def _new_lines(self) -> list[str]:
        lines, self._mark = self._cloud.log(self.name, self._mark)
        return lines

    @property
    def log(self) -> str:
        """Everything the job has said so far."""
        return "\n".join(self._cloud.log(self.name)[0])

    @property
    def cost_micro_usd(self) -> int | None:
        """What the job cost, in micro-dollars, once it has ended and is settled."""
        self._refresh()
        cost = self._last.get("cost_micro_usd")
        return int(cost) if cost is not None else None

    def _note(self) -> str:
        cost = self._last.get("cost_micro_usd")
        return dollars(int(cost)) if cost is not None else ""

    def _pause(self, waited: float) -> float:
        return 1.0 if waited < 60 else 5.0 if waited < 600 else 15.0

    def stop(self) -> None:
        """Ends the job; what it has saved so far is uploaded, and only its run time is billed."""
        self._cloud.ask(self._workspace.broker, {"op": "stop_job", "job": self.name})

    def _model_folder(self) -> Path | None:
        return self._archive("model")

    def _output_folder(self) -> Path | None:
        return self._archive("output")

    def _archive(self, kind: str) -> Path | None:
        folder = cache_folder() / "jobs" / self.name / kind
        if folder.is_dir():
            return folder
        bucket = self._workspace.buckets["work"]
        key = f"{self._workspace.prefixes['team']}jobs/{self.name}/output/{kind}.tar.gz"
        if not self._cloud.objects(bucket, key):
            return None
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            archive = Path(scratch) / f"{kind}.tar.gz"
            try:
                self._cloud.download(bucket, key, archive)
            except Missing:
                return None
            unpack(archive, folder)
        return folder


def start_in_cloud(
    cloud: Cloud,
    workspace: Workspace,
    packed: Packed,
    *,
    script: str,
    project: str,
    instance: str,
    hours: float,
    hyperparameters: Mapping[str, str],
) -> CloudJob:
    """Uploads the code and asks the broker for the job."""
    token = uuid.uuid4().hex
    key = f"{workspace.prefixes['team']}code/{token}/{ARCHIVE}"
    # A second try of our own finds the same bytes there.
    with contextlib.suppress(AlreadyThere):
        cloud.create(workspace.buckets["work"], key, packed.content)
    answer = cloud.ask(
        workspace.broker,
        {
            "op": "train",
            "token": token,
            "project": project,
            "instance": instance,
            "count": 1,
            "hours": hours,
            "script": script,
            "hyperparameters": dict(hyperparameters),
        },
    )
    return CloudJob(str(answer["job"]), cloud, workspace)


# --- here -----------------------------------------------------------------------------------------
class LocalJob(Job):
    """The same script as a process on this machine, in a folder shaped like a container's."""

    where = "here"

    def __init__(self, name: str, folder: Path, process: subprocess.Popen[bytes], hours: float):
        super().__init__(name)
        self._folder, self._process = folder, process
        self._read = 0
        self._stopped = False
        self._stopping = threading.Lock()
        self._timer = threading.Timer(hours * 3600, self.stop)
        self._timer.daemon = True
        self._timer.start()
        atexit.register(self.stop)
        threading.Thread(target=self._reap, daemon=True, name=name).start()

    def _reap(self) -> None:
        self._process.wait()
        self._timer.cancel()
        atexit.unregister(self.stop)

    def _refresh(self) -> tuple[str, str]:
        code = self._process.poll()
        if code is None:
            return ("Stopping", "Stopping") if self._stopped else ("InProgress", "Training")
        if self._stopped:
            return "Stopped", "Stopped"
        if code == 0:
            return "Completed", "Completed"
        failure = self._folder / "ml/output/failure"
        self.failure = (
            failure.read_text(encoding="utf-8", errors="replace")
            if failure.is_file()
            else f"It ended with exit code {code}.\n{self.log[-700:]}"
        )
        return "Failed", "Failed"

    def _log_file(self) -> Path:
        return self._folder / "log.txt"

    def _new_lines(self) -> list[str]:
        with self._log_file().open("rb") as file:
            file.seek(self._read)
            content = file.read()
        # An unfinished line waits for its end, unless nothing more will come.
        if self._process.poll() is None:
            content = content[: content.rfind(b"\n") + 1]
        self._read += len(content)
        return content.decode("utf-8", "replace").splitlines()

    @property
    def log(self) -> str:
        """Everything the job has said so far."""
        return self._log_file().read_text(encoding="utf-8", errors="replace")

    def _pause(self, waited: float) -> float:
        return 0.1 if waited < 5 else 0.5

    def wait(self) -> Job:
        """Follows the job to its end; an interrupt ends it."""
        try:
            return super().wait()
        except KeyboardInterrupt:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the process: SIGTERM, and after 10 seconds SIGKILL."""
        with self._stopping:
            if self._process.poll() is not None:
                return
            self._stopped = True
            _signal(self._process, signal.SIGTERM)
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                _signal(self._process, signal.SIGKILL)
                self._process.wait()

    def _model_folder(self) -> Path | None:
        return self._filled(self._folder / "ml/model")

    def _output_folder(self) -> Path | None:
        return self._filled(self._folder / "ml/output/data")

    def _filled(self, folder: Path) -> Path | None:
        ended = self._process.poll() is not None
        return folder if ended and folder.is_dir() and any(folder.iterdir()) else None


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    # The process leads a group of its own, with all that the script starts.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def start_here(
    packed: Packed,
    *,
    script: str,
    data: Path | None,
    hours: float,
    hyperparameters: Mapping[str, str],
) -> LocalJob:
    """Lays out the folder as a container sees it and runs `academy.job` over it."""
    name = f"here-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    folder = cache_folder() / "jobs" / name
    root = folder / "ml"
    for part in ("input/config", "input/data/code", "model", "output/data"):
        (root / part).mkdir(parents=True)
    (root / "input/data/code" / ARCHIVE).write_bytes(packed.content)
    channels = ["code"]
    if data is not None:
        (root / "input/data/data").symlink_to(data.resolve(), target_is_directory=True)
        channels.append("data")
    documents: dict[str, Any] = {
        "hyperparameters": {**hyperparameters, SCRIPT: script},
        "inputdataconfig": {c: {"TrainingInputMode": "File"} for c in channels},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    for file, document in documents.items():
        (root / f"input/config/{file}.json").write_text(json.dumps(document), encoding="utf-8")
    environ = {**os.environ, ROOT_VARIABLE: str(root), "ACADEMY_STOP_WITH_PARENT": "1"}
    library = Path(__file__).resolve().parents[1]
    if library.name not in ("site-packages", "dist-packages"):
        # Not installed but imported from its source: the script must find it as well.
        paths = [str(library), os.environ.get("PYTHONPATH", "")]
        environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "academy.job"],
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return LocalJob(name, folder, process, hours)


# --- asking for one -------------------------------------------------------------------------------
def source_of(script: str | Path, source: str | Path | None) -> tuple[Path, str]:
    """The source folder and the script's path in it: the script's own folder if none is named."""
    for what, given in (("script", script), ("source", source or ".")):
        if not isinstance(given, str | Path):
            raise SourceError(f"{what} is {given!r}; expected a path, such as 'train.py'.")
    if source is None:
        file = Path(script).expanduser().resolve()
        folder = file.parent
    else:
        folder = Path(source).expanduser().resolve()
        file = (folder / script).resolve()
    if not folder.is_dir():
        raise SourceError(f"There is no folder {folder}.")
    if not file.is_file():
        raise SourceError(
            f"There is no script {file}. "
            + _suggestion(folder, "The folder has: ")
            + f"You are in {Path.cwd()}."
        )
    if not file.is_relative_to(folder):
        raise SourceError(f"{file} is not in the source folder {folder}.")
    if file.suffix != ".py":
        raise SourceError(f"{file.name} is no Python script; its name must end in .py.")
    return folder, file.relative_to(folder).as_posix()


def _suggestion(folder: Path, text: str) -> str:
    names = sorted(file.name for file in folder.glob("*.py"))[:8]
    return f"{text}{', '.join(names)}. " if names else ""


def as_hyperparameters(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Hyperparameters as text, which is how a job gets them: True becomes ``true``.

    Raises
    ------
    SourceError
        A name that cannot be an option of the script, or a value that is no plain value.
    """
    result: dict[str, str] = {}
    if given is not None and not isinstance(given, Mapping):
        raise SourceError(
            f"hyperparameters is {given!r}; expected names and values: {{'lr': 0.1}}."
        )
    for name, value in (given or {}).items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SourceError(
                f"Hyperparameter {name!r}: a name has letters, digits, - and _, and becomes "
                "--name of your script."
            )
        if name.lower().startswith(("academy_", "sagemaker_")):
            raise SourceError(f"Hyperparameter {name!r}: names with that beginning are taken.")
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, str | int | float):
            text = str(value)
        else:
            raise SourceError(
                f"Hyperparameter {name} is a {type(value).__name__}; expected a number, a text, "
                "True or False. Write lists as text, such as '1,2,3'."
            )
        result[name] = text
    return result


def train(
    cloud: Cloud | None,
    workspace: Workspace | None,
    find_data: Any,
    script: str | Path,
    *,
    project: str | None,
    instance: str | None,
    hours: float,
    hyperparameters: Mapping[str, Any] | None,
    source: str | Path | None,
    where: str,
    wait: bool,
) -> Job:
    """See `academy.train`."""
    if where not in ("cloud", "here"):
        raise SourceError(f"where is {where!r}; expected 'cloud' or 'here'.")
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 < hours < 1000:
        raise SourceError(f"hours is {hours!r}; expected a number above 0, such as 0.5.")
    folder, name = source_of(script, source)
    values = as_hyperparameters(hyperparameters)
    packed = pack(folder, name)
    for left in packed.left_behind:
        print(f"Stays behind: {left}")
    job: Job
    if where == "here":
        meant = project_of(workspace, project, folder) if workspace else project
        job = start_here(
            packed,
            script=name,
            data=Path(find_data(meant)),
            hours=float(hours),
            hyperparameters=values,
        )
    else:
        if cloud is None or workspace is None:
            raise AcademyError("A job in the cloud needs a workspace; use where='here'.")
        meant = project_of(workspace, project, folder)
        job = start_in_cloud(
            cloud,
            workspace,
            packed,
            script=name,
            project=meant,
            instance=instance or workspace.training_instances[0],
            hours=hours,
            hyperparameters=values,
        )
    if wait:
        try:
            job.wait()
        except KeyboardInterrupt:
            if where == "cloud":
                print(
                    f"No longer following; the job goes on, and so does its bill. "
                    f"academy.attach({job.name!r}) gives it back: .wait() or .stop()."
                )
            raise
    return job


def project_of(workspace: Workspace, project: str | None, folder: Path | None = None) -> str:
    """The project that is meant: the one named, that of the folder, or the only one there is.

    A project's notebook and script lie in a folder of its name, with ``_`` for ``-``; what is
    called in there means it. `folder` is the working folder by default.
    """
    if project is None:
        if len(workspace.projects) == 1:
            return workspace.projects[0]
        where = (folder or Path.cwd()).resolve()
        for name in (where.name, *(parent.name for parent in where.parents)):
            if name.replace("_", "-") in workspace.projects:
                return name.replace("_", "-")
        raise SourceError(f"Which project? Name one of {', '.join(workspace.projects)}.")
    if project not in workspace.projects:
        raise SourceError(
            f"There is no project {project!r} in this cohort. Projects: "
            f"{', '.join(workspace.projects)}."
        )
    return project
