"""`python -m academy.job` over a folder shaped like a container's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from academy.job import reason

from tests.academy.fake_academy import LIBRARY, tar_of


class Container:
    def __init__(self, root):
        self.root = root
        for part in ("input/config", "input/data/code", "input/data/data"):
            (root / part).mkdir(parents=True)
        self.config("inputdataconfig", {"code": {}, "data": {}, "extra-set": {}})

    def config(self, name, document):
        (self.root / f"input/config/{name}.json").write_text(json.dumps(document))

    def script(self, text, hyperparameters=None, name="train.py"):
        content = tar_of({name: textwrap.dedent(text).encode()})
        (self.root / "input/data/code/source.tar.gz").write_bytes(content)
        self.config("hyperparameters", {"academy_script": name, **(hyperparameters or {})})

    def start(self, **env):
        return subprocess.Popen(
            [sys.executable, "-m", "academy.job"],
            env={
                "PATH": os.environ["PATH"],
                "ML_ROOT": str(self.root),
                "PYTHONPATH": str(LIBRARY),
                **env,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, **env):
        process = self.start(**env)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    @property
    def failure(self):
        return (self.root / "output/failure").read_text()


@pytest.fixture
def container(tmp_path):
    return Container(tmp_path / "ml")


def test_the_script_gets_its_hyperparameters_and_folders(container):
    container.script(
        """
        import json, os, sys
        found = {k: v for k, v in os.environ.items() if k.startswith("SM_")}
        with open(os.environ["SM_MODEL_DIR"] + "/told.json", "w") as file:
            json.dump({"args": sys.argv[1:], "env": found, "cwd": os.getcwd()}, file)
        """,
        {"rate": "0.1", "shift": "-3", "note": "two words"},
    )
    container.config(
        "resourceconfig",
        {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"], "network_interface_name": "e0"},
    )
    code, said = container.run(CUDA_VISIBLE_DEVICES="")
    assert code == 0, said
    told = json.loads((container.root / "model/told.json").read_text())
    assert told["args"] == ["--rate=0.1", "--shift=-3", "--note=two words"]
    assert told["cwd"] == str(container.root / "code/source")
    env = told["env"]
    assert env["SM_CHANNEL_DATA"] == str(container.root / "input/data/data")
    assert env["SM_CHANNEL_EXTRA_SET"] == str(container.root / "input/data/extra-set")
    assert env["SM_OUTPUT_DATA_DIR"] == str(container.root / "output/data")
    assert json.loads(env["SM_HPS"]) == {"rate": "0.1", "shift": "-3", "note": "two words"}
    assert json.loads(env["SM_HOSTS"]) == ["algo-1", "algo-2"]
    assert env["SM_CURRENT_HOST"] == "algo-2"
    assert env["SM_NUM_GPUS"] == "0"
    assert int(env["SM_NUM_CPUS"]) >= 1
    assert not (container.root / "output/failure").exists()


def test_an_exception_becomes_the_failures_reason(container):
    container.script('print("epoch 1")\nraise ValueError("the loss is nan")')
    code, said = container.run()
    assert code == 1
    assert "epoch 1" in said
    assert container.failure.startswith("ValueError: the loss is nan\nTraceback")
    assert 'train.py", line 2' in container.failure
    assert len(container.failure) <= 1024


def test_the_exit_code_passes_through(container):
    container.script('import sys\nprint("no data here")\nsys.exit(7)')
    code, _ = container.run()
    assert code == 7
    assert "exit code 7" in container.failure
    assert "no data here" in container.failure


def test_a_stop_reaches_the_script_which_may_save(container):
    container.script(
        """
        import os, signal, sys, time
        def save(*_):
            open(os.environ["SM_MODEL_DIR"] + "/saved", "w").close()
            sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print("ready")
        time.sleep(60)
        """
    )
    process = container.start()
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert (container.root / "model/saved").exists()


def test_a_stopped_script_says_so(container):
    container.script('import time\nprint("ready")\ntime.sleep(60)')
    process = container.start()
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped (signal 15)" in container.failure


def test_it_ends_when_the_notebook_that_started_it_is_gone(container):
    container.script("import os, time\nprint(os.getpid())\ntime.sleep(60)")
    process = container.start(ACADEMY_STOP_WITH_PARENT="1")
    script = int(process.stdout.readline())
    process.stdin.close()
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(script, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the script lives on")
    process.stdout.close()


def test_a_job_with_a_parent_ends_by_itself_without_noise(container):
    container.script('print("done")')
    process = container.start(ACADEMY_STOP_WITH_PARENT="1")
    assert process.wait(timeout=20) == 0
    assert process.stdout.read() == "done\n"
    process.stdin.close()
    process.stdout.close()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda c: c.script("", name="a.py") or c.config("hyperparameters", {}), "academy_script"),
        (lambda c: c.config("hyperparameters", {"academy_script": "a.py"}), "has no code"),
        (
            lambda c: c.script("") or c.config("hyperparameters", {"academy_script": "b.py"}),
            "There is no b.py",
        ),
        (
            lambda c: c.script("") or c.config("hyperparameters", {"academy_script": "../../x"}),
            "There is no ../../x",
        ),
        (
            lambda c: (
                c.script("")
                or (c.root / "input/data/code/source.tar.gz").write_bytes(
                    tar_of({"../../evil.py": b""})
                )
            ),
            "not safe to unpack",
        ),
    ],
    ids=["no script named", "no code", "another script", "a script outside", "hostile code"],
)
def test_what_cannot_start_says_why(container, prepare, message):
    prepare(container)
    code, said = container.run()
    assert code == 1
    assert message in container.failure
    assert "Traceback" not in said


def test_out_of_memory_is_told_as_such():
    assert "more memory than the instance has" in reason("epoch 1", 137)


def test_a_long_traceback_keeps_its_last_line_and_its_end():
    frames = "\n".join(f'  File "train.py", line {n}, in f' for n in range(200))
    text = reason(f"Traceback (most recent call last):\n{frames}\nKeyError: 'x'", 1)
    assert text.startswith("KeyError: 'x'\n")
    assert "line 199" in text
    assert len(text) <= 1024


def test_nothing_but_the_standard_library_is_loaded(container):
    """A container starts a script at once: neither torch nor boto3 is imported before it."""
    code = (
        "import sys, academy.job; "
        "print([m for m in ('torch', 'boto3', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(LIBRARY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"
