"""`cohort offline`: the embedded cloud as a program."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

import boto3
import click

from infra.cli.terminal import Refused, console, without_traceback


@click.group()
def offline() -> None:
    """The embedded cloud: AWS as far as the academy needs it, on this machine, at no cost."""


@offline.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4599, show_default=True)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for homes, jobs and logs; default: a temporary one, removed at the end.",
)
@click.option("--region", default="us-east-1", show_default=True)
@click.option("--ready-file", type=click.Path(path_type=Path), help="Write the endpoint here.")
@click.option("--until-eof", is_flag=True, help="End when standard input closes.")
@without_traceback
def up(
    port: int, state: Path | None, region: str, ready_file: Path | None, until_eof: bool
) -> None:
    """Serve the embedded cloud on 127.0.0.1 until Ctrl-C; prints what to export.

    In a second terminal, after exporting what this prints, `npx cdk`, the AWS CLI, boto3 and the
    `cohort` command talk to it. Port 0 takes any free port. Everything ends with it: spaces, jobs,
    functions, and, unless --state names a folder, their files. A code to sign in, which AWS would
    mail, is said here.
    """
    # Imported here: moto takes a second, which `cohort check` should not pay.
    from infra.offline.server import Cloud
    from infra.offline.services.cognito_idp.sign_in import mailed

    known = boto3.Session().get_available_regions("sagemaker")
    if region not in known:
        raise Refused(f"{region!r} is no region of SageMaker; there are {', '.join(known)}")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if until_eof:
        threading.Thread(target=_wait_for_eof, args=(ended,), daemon=True).start()
    folder = state or Path(tempfile.mkdtemp(prefix="academy-cloud-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        try:
            cloud = Cloud(port=port, state=folder.resolve(), region=region)
            cloud.start()
        except OSError as error:
            raise Refused(f"the embedded cloud cannot start: {error.strerror or error}") from None
        try:
            mailed.addHandler(_Told())
            for name, value in cloud.client_environment().items():
                click.echo(f"export {name}={shlex.quote(value)}")
            console.print(f"# the embedded cloud is up at {cloud.endpoint}; Ctrl-C ends it")
            # Version 1 has an address of its own for SQS, which no variable changes.
            console.print(
                "# AWS CLI version 1: `aws sqs` needs --endpoint-url $AWS_ENDPOINT_URL too"
            )
            sys.stdout.flush()
            if ready_file is not None:
                partial = ready_file.with_suffix(".partial")
                partial.write_text(cloud.endpoint, encoding="utf-8")
                os.replace(partial, ready_file)
            ended.wait()
        finally:
            cloud.stop()
    finally:
        if state is None:
            shutil.rmtree(folder, ignore_errors=True)


class _Told(logging.Handler):
    """Says in the terminal what would have been mailed: the code to sign in, for one."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"# {record.getMessage()}")


def _wait_for_eof(ended: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    ended.set()
