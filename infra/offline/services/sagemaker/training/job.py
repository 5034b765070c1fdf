"""A training job: its states, its stop, and what is shown and told of them."""

from __future__ import annotations

import math
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from infra.offline.clock import Alarm
from infra.offline.processes import Process
from infra.offline.runtime import Runtime
from infra.offline.services import events
from infra.offline.services.ecr import Stored
from infra.offline.services.sagemaker.operations import Request, Response

#: A move of the clock past MaxRuntime waits for the job's end as long as this.
MOVE_WAITS_SECONDS = 15

#: How long a Spot job waits for another instance, on the cloud's clock; AWS promises nothing.
CAPACITY_SECONDS = 60.0

_TERMINAL = ("Completed", "Failed", "Stopped")
#: What a job does not enter any more once its stop was asked for.
_BEFORE_STOP = ("Starting", "Downloading", "Training", "Interrupted")

#: As DescribeTrainingJob words its SecondaryStatusTransitions.
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job interrupted: the Spot instance was reclaimed",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
}


class Abandoned(Exception):
    """The record of the job is gone; nothing more is done or told."""


class JobFailed(Exception):
    """The job ends as Failed; the message is its FailureReason."""


@dataclass
class TrainingJob:
    """One job. `lock` guards its states; `request` is what CreateTrainingJob got."""

    kind: ClassVar[str] = "training-job"
    arn: str
    request: Request
    tags: list[dict[str, str]]
    created: datetime
    runtime: Runtime
    #: Its image, if that is one of this account's ECR.
    stored: Stored | None = None
    status: str = "InProgress"
    secondary: str = "Starting"
    transitions: list[Response] = field(default_factory=list)
    modified: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    failure: str = ""
    #: Why it is being stopped: Stopped, MaxRuntimeExceeded or MaxWaitTimeExceeded.
    stop: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    done: threading.Event = field(default_factory=threading.Event, repr=False)
    process: Process | None = field(default=None, repr=False)
    abandoned: bool = False
    #: When its process was told to end, by the cloud's clock and the machine's own: because the job
    #: is stopped, or because its Spot instance goes.
    stopped: tuple[datetime, float] | None = field(default=None, repr=False)
    interrupted: tuple[datetime, float] | None = field(default=None, repr=False)
    #: When it came to the instance that it has now, and its time on instances before.
    _began: datetime | None = field(default=None, repr=False)
    _ran: timedelta = timedelta(0)
    #: Ends a wait for capacity.
    _wake: threading.Event = field(default_factory=threading.Event, repr=False)
    _alarms: list[Alarm] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        return str(self.request["TrainingJobName"])

    @property
    def output(self) -> str:
        """The S3 prefix of its results, without a slash at its end."""
        base = str(self.request["OutputDataConfig"]["S3OutputPath"]).rstrip("/")
        return f"{base}/{self.name}/output"

    @property
    def spot(self) -> bool:
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def told_to_end(self) -> tuple[datetime, float] | None:
        """When its process got SIGTERM, by the cloud's clock and the machine's own."""
        return self.stopped or self.interrupted

    def now(self) -> datetime:
        """The cloud's time, but after a stop counted in real seconds from it.

        So a clock that was moved far past MaxRuntime does not add its leap to the bill.
        """
        if self.told_to_end is None:
            return self.runtime.clock.now()
        moment, monotonic = self.told_to_end
        return moment + timedelta(seconds=time.monotonic() - monotonic)

    # --- what is shown ------------------------------------------------------------------------
    def describe(self) -> Response:
        with self.lock:
            shown: Response = {
                **{name: value for name, value in self.request.items() if name != "Tags"},
                "TrainingJobArn": self.arn,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary,
                "CreationTime": self.created,
                "LastModifiedTime": self.modified or self.created,
                # Where a model goes; AWS tells it from the start, and of jobs without a model too.
                "ModelArtifacts": {"S3ModelArtifacts": f"{self.output}/model.tar.gz"},
                "SecondaryStatusTransitions": [dict(one) for one in self.transitions],
                "EnableNetworkIsolation": False,
                "EnableInterContainerTrafficEncryption": False,
                "EnableManagedSpotTraining": self.spot,
            }
            if self.failure:
                shown["FailureReason"] = self.failure
            if self.started is not None:
                shown["TrainingStartTime"] = self.started
            if self.ended is not None:
                shown["TrainingEndTime"] = self.ended
                if self.started is not None:
                    seconds = max(1, math.ceil((self.ended - self.started).total_seconds()))
                    shown["TrainingTimeInSeconds"] = seconds
                    # Of a Spot job not the time between two instances. That AWS bills a Spot
                    # second as a part of one, by its price, is not modelled.
                    billed = max(1, math.ceil(self.on_instances.total_seconds()))
                    shown["BillableTimeInSeconds"] = min(seconds, billed)
            return shown

    @property
    def on_instances(self) -> timedelta:
        """How long it has been on instances, by the cloud's clock."""
        if self._began is None:
            return self._ran
        return self._ran + ((self.ended or self.now()) - self._began)

    def summary(self) -> Response:
        shown = self.describe()
        names = (
            *("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime"),
            *("LastModifiedTime", "TrainingJobStatus", "SecondaryStatus"),
        )
        return {name: shown[name] for name in names if name in shown}

    # --- states -------------------------------------------------------------------------------
    def enter(self, secondary: str, *, status: str | None = None, failure: str = "") -> None:
        """Go to a state, record it and tell EventBridge. An ended job stays as it is."""
        with self.lock:
            if self.abandoned:
                raise Abandoned
            if self.status in _TERMINAL or (self.stop and secondary in _BEFORE_STOP):
                return
            moment = self.now()
            if self.transitions:
                self.transitions[-1]["EndTime"] = moment
            self.transitions.append(
                {
                    "Status": secondary,
                    "StartTime": moment,
                    "StatusMessage": failure or _MESSAGES[secondary],
                }
            )
            self.secondary = secondary
            self.status = status or self.status
            self.modified = moment
            self.failure = failure
            if self.status in _TERMINAL:
                self.ended = moment
                self.transitions[-1]["EndTime"] = moment
            detail = _event_detail({**self.describe(), "Tags": _tag_map(self.tags)})
        events.emit(
            "aws.sagemaker",
            "SageMaker Training Job State Change",
            detail,
            [self.arn],
            time=moment,
        )

    def in_state_for(self) -> timedelta:
        """How long it has been in its state, by the cloud's clock."""
        with self.lock:
            began: datetime = self.transitions[-1]["StartTime"]
            return self.now() - began

    def request_stop(self, reason: str) -> bool:
        """Begin to stop it, for `reason`, which will be its secondary status.

        False: it has ended.
        """
        with self.lock:
            if self.status in _TERMINAL:
                return False
            if self.stop:
                return True
            self.stop = reason
            self.stopped = (self.runtime.clock.now(), time.monotonic())
            process = self.process
        self._wake.set()
        self.enter("Stopping", status="Stopping")
        if process is not None:
            process.signal(signal.SIGTERM)
        return True

    def abandon(self) -> None:
        """End its process because the record of it goes; nobody hears of it again."""
        with self.lock:
            self.abandoned = True
            process = self.process
        self._wake.set()
        if process is not None:
            process.kill()

    # --- instances and limits -------------------------------------------------------------------
    def arrive(self) -> None:
        """It has an instance from now on: MaxRuntime counts."""
        with self.lock:
            self._began = self.now()
            self.started = self.started or self._began
        limit = self.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        self._at(self._began + timedelta(seconds=limit) - self._ran, "MaxRuntime")

    def limit_wait(self) -> None:
        """A Spot job ends MaxWaitTimeInSeconds after it was asked for."""
        if self.spot:
            limit = self.request["StoppingCondition"]["MaxWaitTimeInSeconds"]
            self._at(self.created + timedelta(seconds=limit), "MaxWaitTime")

    def interrupt(self) -> None:
        """Its Spot instance goes: SIGTERM, and the same grace as for a stop."""
        with self.lock:
            if self.stop or self.interrupted:
                return
            self.interrupted = (self.runtime.clock.now(), time.monotonic())
            process = self.process
        if process is not None:
            process.signal(signal.SIGTERM)

    def depart(self) -> None:
        """It has no instance any more; what it did not save is lost."""
        with self.lock:
            if self._began is not None:
                self._ran += self.now() - self._began
            self._began = self.process = None
        self.enter("Interrupted")
        with self.lock:
            self.interrupted = None
            for alarm in self._alarms:
                if alarm.name.startswith("MaxRuntime "):
                    alarm.cancel()

    def wait_for_capacity(self, seconds: float) -> None:
        """Until there may be an instance again, or the job is stopped."""
        if self.stop or self.abandoned:
            return
        clock = self.runtime.clock
        alarm = clock.call_at(
            clock.now() + timedelta(seconds=seconds),
            self._wake.set,
            name=f"capacity for training job {self.name}",
        )
        self._wake.wait()
        alarm.cancel()
        with self.lock:
            if not self.stop and not self.abandoned:
                self._wake.clear()

    def _at(self, when: datetime, limit: str) -> None:
        def time_is_up() -> None:
            if self.request_stop(f"{limit}Exceeded"):
                # Who moves the clock past the limit finds the job ended, unless it clings to life.
                self.done.wait(MOVE_WAITS_SECONDS)

        name = f"{limit} of training job {self.name}"
        self._alarms.append(self.runtime.clock.call_at(when, time_is_up, name=name))

    def disarm(self) -> None:
        for alarm in self._alarms:
            alarm.cancel()


def _tag_map(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _event_detail(value: Any) -> Any:
    """A description as events carry it: times in milliseconds since 1970."""
    if isinstance(value, dict):
        return {name: _event_detail(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_event_detail(item) for item in value]
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    return value
