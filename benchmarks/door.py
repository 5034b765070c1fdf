"""How long the door's pages take on the embedded cloud, and how many bytes they are.

    python -m benchmarks.door [--learners 4] [--rounds 20]

A cohort is deployed by the CDK CLI; somebody signs in by the mailed code, then asks for each page
in turn, round by round. Beside the pages, in the same rounds, the broker is asked for the budget by
a plain invocation, so that the machine's noise is in both: the last column is the ratio. Bytes are
as sent (gzip), the page's own, and with the style sheet and script that a first visit fetches, too.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.cohorts import cohort_of
from infra.cli.demo.stage import Stage
from infra.cohort.loading import load

LEARNER = ("learner-000", "learner-000@example.org")
PAGES = ("/", "/budget", "/team", "/competition", "/help")
BROKER, SIGN_IN = "(the broker, invoked)", "/ (signed out)"


class Visitor:
    """A browser's part: cookies, forms, and what an answer weighs."""

    def __init__(self, address: str) -> None:
        self._host = urllib.parse.urlsplit(address).netloc
        self._cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, **form: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "Origin": f"http://{self._host}",
            "Accept-Encoding": "gzip",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request(method, path, urllib.parse.urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        raw = answer.read()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, rest = value.partition("=")
                self._cookies[cookie] = rest.split(";")[0]
        connection.close()
        return answer, raw

    def sign_in(self, email: str, code: Callable[[], str]) -> None:
        self.ask("POST", "/sign-in", email=email)
        _, page = self.ask("GET", "/code")
        token = re.search(r'name="csrf" value="([^"]+)"', _text(page))
        assert token, "the page for the code has no form"
        answer, _ = self.ask("POST", "/code", code=code(), csrf=token[1])
        assert answer.status == 303, f"nobody signed in: {answer.status}"


@click.command()
@click.option("--learners", default=4, help="Size of the cohort.")
@click.option("--rounds", default=20, help="How often each page is asked for.")
def main(learners: int, rounds: int) -> None:
    """See the module."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), keep=False)
        try:
            stage.__dict__["cohort_file"] = cohort_of(Path(folder), learners)
            with console.status("deploying"):
                _deploy(stage)
            with console.status("asking"):
                console.print(_measured(stage, rounds, learners))
        finally:
            stage.clear()


def _deploy(stage: Stage) -> None:
    stage.start_cloud()
    stage.cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "", told=_silent)
    context = ("-c", f"cohort={stage.cohort_file}", "--output", str(stage.logs / "cdk.out"))
    stage.cdk(
        *("deploy", "--all", *context, "--require-approval", "never", "--concurrency", "4"),
        told=_silent,
    )


def _measured(stage: Stage, rounds: int, learners: int) -> Table:
    names = load(stage.cohort_file).names
    site = stage.site
    address = site.client("ssm").get_parameter(Name=names.door_url_parameter)["Parameter"]["Value"]
    stranger, learner = Visitor(address), Visitor(address)
    begun = time.perf_counter()
    stranger.ask("GET", "/")
    cold = time.perf_counter() - begun
    learner.sign_in(LEARNER[1], lambda: _code(stage.endpoint))
    lambdas = site.client("lambda")

    def broker() -> bytes:
        answer = lambdas.invoke(
            FunctionName=names.function("broker"),
            Qualifier=LEARNER[0],
            Payload=json.dumps({"v": 1, "op": "budget"}),
        )
        return bytes(answer["Payload"].read())

    asked: dict[str, Callable[[], bytes]] = {BROKER: broker, SIGN_IN: lambda: _page(stranger, "/")}
    asked |= {path: (lambda path=path: _page(learner, path)) for path in PAGES}  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    size: dict[str, int] = {}
    for _ in range(rounds):
        for name, ask in asked.items():
            begun = time.perf_counter()
            size[name] = len(ask())
            seconds[name].append(time.perf_counter() - begun)
    assets = _assets(learner)
    table = Table(title=f"the door, {learners} learners; first answer of all {cold:.1f} s")
    for heading in ("page", "median, ms", "p95, ms", "bytes", "with assets", "x broker"):
        table.add_column(heading, justify="left" if heading == "page" else "right")
    base = statistics.median(seconds[BROKER])
    for name, times in seconds.items():
        middle = statistics.median(times)
        weighs = ("-", "-") if name == BROKER else (f"{size[name]:,}", f"{size[name] + assets:,}")
        table.add_row(
            *(name, f"{1000 * middle:.0f}", f"{1000 * sorted(times)[int(0.95 * rounds)]:.0f}"),
            *weighs,
            f"{middle / base:.2f}",
        )
    return table


def _page(visitor: Visitor, path: str) -> bytes:
    answer, raw = visitor.ask("GET", path)
    assert answer.status == 200, f"{path}: {answer.status}"
    return raw


def _assets(visitor: Visitor) -> int:
    text = _text(_page(visitor, "/"))
    found = set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', text))
    return sum(len(_page(visitor, each)) for each in found)


def _text(raw: bytes) -> str:
    return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()


def _code(endpoint: str) -> str:
    with urllib.request.urlopen(f"{endpoint}/_academy/mail") as answer:  # noqa: S310
        message = json.load(answer)["mail"][-1]["message"]
    found = re.search(r"\b[0-9]{8}\b", message)
    assert found, "no code was mailed"
    return found[0]


def _silent(_text: str) -> None:
    pass


if __name__ == "__main__":
    main()
