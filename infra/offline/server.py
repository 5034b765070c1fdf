"""The embedded cloud as one thing to start and stop: its address, its parts, its end.

    with Cloud(state=Path(".academy/cloud")) as cloud:
        boto3.client("s3", endpoint_url=cloud.endpoint, ...)

Requests pass the control routes, then the list of modelled services, then IAM, then the faults that
are set, then the service.
It listens on 127.0.0.1 and nowhere else. Moto keeps one state per process, so one cloud runs at a
time; after `stop` another may start.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_api._internal import moto_api_backend
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Response

from infra.offline import control, dispatch, faults, listings, patching, runtime, traffic
from infra.offline.authorization import enforcement
from infra.offline.clock import Clock
from infra.offline.environment import client_environment
from infra.offline.processes import Processes
from infra.offline.runtime import Runtime
from infra.offline.services import (
    budgets,
    cloudwatch,
    codebuild,
    cognito_idp,
    dynamodb,
    ecr,
    events,
    http_api,
    iam,
    kms,
    lambda_runtime,
    s3,
    sagemaker,
    scheduler,
    secrets_manager,
    sns,
    sqs,
)
from infra.offline.services.cloudformation import engine

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
#: Where a presigned domain URL leads; it answers with the way into the space's JupyterLab.
STUDIO_ROUTE = "/_academy/studio/auth"

#: How often the server looks whether it should stop.
_POLL_SECONDS = 0.05

#: Imported because they declare changes to moto when they are.
EXTENSIONS = (
    budgets,
    cloudwatch,
    codebuild,
    cognito_idp,
    dynamodb,
    ecr,
    engine,
    events,
    http_api,
    iam,
    kms,
    lambda_runtime,
    listings,
    s3,
    sagemaker,
    scheduler,
    secrets_manager,
    sns,
    sqs,
)

WsgiApplication = Callable[..., Any]


class Cloud:
    """The embedded cloud of this process.

    Args:
        port: 0 takes a free one; `endpoint` says which.
        state: folder for homes, jobs, functions and logs; it is made if it is not there.
        account: moto's, AWS's documentation account.
        region: the one region that is served.

    Raises:
        ValueError: for another account than moto's.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        state: Path,
        account: str = DEFAULT_ACCOUNT_ID,
        region: str = "us-east-1",
    ) -> None:
        if account != DEFAULT_ACCOUNT_ID:
            raise ValueError(
                f"the embedded cloud has one account, {DEFAULT_ACCOUNT_ID}, not {account}"
            )
        self._port = port
        self._state = state.resolve()
        self._account = account
        self._region = region
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._runtime: Runtime | None = None
        self._log: logging.Handler | None = None

    @property
    def endpoint(self) -> str:
        """The address of the API.

        Raises:
            RuntimeError: before `start` and after `stop`.
        """
        return self._running.endpoint

    @property
    def runtime(self) -> Runtime:
        """Clock, processes and folder of the running cloud."""
        return self._running

    def client_environment(self) -> dict[str, str]:
        """What the AWS CLI, boto3 and the CDK CLI need in their environment, as the admin."""
        return client_environment(self.endpoint, self._region)

    def start(self) -> Cloud:
        """Start serving; ready when it returns.

        Raises:
            OSError: if the port is taken.
            RuntimeError: if a cloud runs in this process already.
        """
        if self._runtime is not None:
            raise RuntimeError(f"this cloud already runs at {self._runtime.endpoint}")
        patching.apply()
        self._state.mkdir(parents=True, exist_ok=True)
        listening = _listen(self._port)
        port = listening.getsockname()[1]
        started = Runtime(
            clock=Clock(),
            processes=Processes(),
            state=self._state,
            endpoint=f"http://{HOST}:{port}",
            account=self._account,
            region=self._region,
        )
        try:
            runtime.activate(started)
        except RuntimeError:
            listening.close()
            raise
        self._runtime = started
        self._open_log()
        try:
            # Something else in this process may have used moto before.
            _forget_everything()
            with listening:
                self._server = make_server(
                    HOST,
                    port,
                    self._application(),
                    threaded=True,
                    request_handler=_Handler,
                    fd=listening.fileno(),
                )
            self._thread = threading.Thread(
                target=self._server.serve_forever,
                args=(_POLL_SECONDS,),
                name="academy-server",
                daemon=True,
            )
            self._thread.start()
            started.clock.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End schedules, workers, apps and jobs, forget all state, free the port."""
        stopped, self._runtime = self._runtime, None
        if stopped is None:
            return
        try:
            stopped.clock.stop()
            http_api.close()
            engine.forget()
            codebuild.close()
            sagemaker.close()
            lambda_runtime.close()
            stopped.processes.stop_all()
            self._stop_serving()
            _forget_everything()
        finally:
            runtime.deactivate()
            self._close_log()

    def __enter__(self) -> Cloud:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- within -------------------------------------------------------------------------------
    @property
    def _running(self) -> Runtime:
        if self._runtime is None:
            raise RuntimeError("this cloud does not run; start it")
        return self._runtime

    def _application(self) -> WsgiApplication:
        guarded = traffic.counted(
            dispatch.modelled(enforcement.enforce(faults.layer(dispatch.application())))
        )
        mine = self._running

        def serve(environ: dict[str, Any], start_response: Any) -> Any:
            path = environ.get("PATH_INFO", "")
            # A request may still be on its way when the cloud has stopped and another runs.
            if self._runtime is not mine:
                gone = Response("The embedded cloud has stopped.", HTTPStatus.SERVICE_UNAVAILABLE)
                return gone(environ, start_response)
            if cognito_idp.hosted.serves(path):
                return cognito_idp.hosted.handle(environ, start_response)
            if path == STUDIO_ROUTE:
                return _open_studio(environ)(environ, start_response)
            if control.serves(path):
                return control.handle(environ, start_response)
            if path.startswith(control.PREFIX):
                missing = Response(f"There is no {path} here.", HTTPStatus.NOT_FOUND)
                return missing(environ, start_response)
            return guarded(environ, start_response)

        return serve

    def _stop_serving(self) -> None:
        if self._server is not None:
            if self._thread is not None and self._thread.is_alive():
                self._server.shutdown()
                self._thread.join()
            self._server.server_close()
        self._server = self._thread = None

    def _open_log(self) -> None:
        """What the cloud has to say of itself goes to a file: a terminal shows its user's work."""
        self._log = logging.FileHandler(self._state / "cloud.log", encoding="utf-8")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logging.getLogger("infra.offline").addHandler(self._log)

    def _close_log(self) -> None:
        if self._log is not None:
            logging.getLogger("infra.offline").removeHandler(self._log)
            self._log.close()
            self._log = None


def _listen(port: int) -> socket.socket:
    """A listening socket. Werkzeug's own ends the process when the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise OSError(
            error.errno,
            f"port {port} of {HOST} cannot be used ({error.strerror}); choose another, or 0 for a "
            "free one",
        ) from error
    return listening


def _forget_everything() -> None:
    moto_api_backend.reset()
    engine.forget()
    traffic.forget()


def _open_studio(environ: dict[str, Any]) -> Response:
    token = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
    status, headers, body = sagemaker.apps.open_presigned(token)
    return Response(body, status, headers)


class _Handler(MotoRequestHandler):  # type: ignore[misc]
    """Moto's handler, which logs where the cloud logs and only what went wrong."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The header Date, by which clients learn what time it is at AWS: the cloud's clock."""
        return super().date_time_string(  # type: ignore[no-any-return]
            runtime.current().clock.now().timestamp() if timestamp is None else timestamp
        )

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log(self, kind: str, message: str, *args: Any) -> None:
        log.log(logging.ERROR if kind == "error" else logging.DEBUG, message, *args)
