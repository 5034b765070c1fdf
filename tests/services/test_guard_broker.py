"""What the broker does for a learner, over a simulated cloud."""

from __future__ import annotations

import datetime as dt

import pytest

from infra.services.guard import money
from infra.services.guard.ledger import freeze
from tests.services.guard_cloud import (
    CAP,
    PROJECTS,
    START,
    TEAMS,
    Academy,
    Trouble,
    image_of,
    images,
)

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
M5 = 115_000
G5 = 1_408_000
T3 = 50_000
#: Of a job with the disk it gets unless it asks: 10 GB.
DISK = {"disk_gb": 10, "disk_price": 140_000}


def m5_cost(seconds: int) -> int:
    return money.cost(M5, 1, seconds, **DISK)


M5_RESERVED = money.worst_case(M5, 1, 3600, upload_seconds=300, **DISK)


@pytest.fixture
def academy() -> Academy:
    return Academy()


# --- jobs ---------------------------------------------------------------------------------------


def test_a_job_is_reserved_started_and_settled_to_what_was_billed(academy: Academy) -> None:
    answer = academy.train()
    reserved = M5_RESERVED
    assert answer == {
        "ok": True,
        "job": "earth--falcon--ana--aaaaaaaa",
        "reserved_micro_usd": reserved,
        "price_micro_usd_per_hour": M5,
    }
    assert academy.money().reserved == reserved
    academy.cloud.move(HOUR)
    status = academy.ask("ana", op="job", job=answer["job"])
    assert status["status"] == "Completed"
    assert status["cost_micro_usd"] == m5_cost(1800) == academy.money().spent
    assert academy.money().reserved == 0


def test_the_request_is_constructed_from_the_allow_list(academy: Academy) -> None:
    name = academy.train(instance="ml.g5.xlarge", count=2, hours=0.5)["job"]
    request = academy.cloud.jobs[name].request
    assert request["ResourceConfig"] == {
        "InstanceType": "ml.g5.xlarge",
        "InstanceCount": 2,
        "VolumeSizeInGB": 10,
    }
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 1800}
    assert request["EnableManagedSpotTraining"] is False
    assert request["HyperParameters"] == {"epochs": "20", "academy_script": "train.py"}
    assert "-gpu-" in request["AlgorithmSpecification"]["TrainingImage"]
    assert request["RoleArn"].endswith("training/falcon")
    uris = [c["DataSource"]["S3DataSource"]["S3Uri"] for c in request["InputDataConfig"]]
    assert uris == [
        f"s3://earth-work/teams/falcon/code/{'a' * 32}/",
        "s3://earth-data/software/",
        "s3://earth-data/datasets/climate-series/",
    ]
    assert request["OutputDataConfig"]["S3OutputPath"] == "s3://earth-work/teams/falcon/jobs/"


def test_the_same_token_twice_is_one_job_and_one_charge(academy: Academy) -> None:
    first, second = academy.train(), academy.train()
    assert first == second
    assert len(academy.cloud.jobs) == 1
    academy.cloud.move(HOUR)
    academy.sweep()
    assert academy.train() == first
    assert academy.money().spent == m5_cost(1800)


def test_one_token_cannot_stand_for_two_jobs(academy: Academy) -> None:
    academy.train()
    for change in ({"hours": 2}, {"token": "a" * 8 + "b" * 24}):
        error = academy.train(**change)["error"]
        assert error["code"] == "input"
        assert "new one" in error["message"]
    assert academy.money().reserved == M5_RESERVED


def test_a_job_over_budget_is_refused_with_the_figures() -> None:
    academy = Academy(cap_micro_usd=3_209_999)
    answer = academy.train(instance="ml.g5.xlarge", hours=4)
    # No disk: instances of this family bring their own.
    needed = money.worst_case(G5, 1, 4 * 3600, upload_seconds=300)
    assert answer["error"] == {
        "code": "budget",
        "message": "Your budget has $3.20 left; this job could cost up to $6.09 "
        "(1 x ml.g5.xlarge for 4 h).",
        "available_micro_usd": 3_209_999,
        "needed_micro_usd": needed,
        "reserved_micro_usd": 0,
        "cap_micro_usd": 3_209_999,
    }
    assert not academy.cloud.jobs


def test_what_runs_counts_against_the_budget() -> None:
    academy = Academy(cap_micro_usd=7_000_000)
    assert academy.train(instance="ml.g5.xlarge", hours=4)["ok"]
    error = academy.train(token="b" * 32, instance="ml.g5.xlarge", hours=4)["error"]
    assert error["code"] == "budget"
    assert "$6.08 is held for what runs now" in error["message"]


@pytest.mark.parametrize(
    ("code", "refusal", "words"),
    [
        ("ResourceLimitExceeded", "unavailable", "quota"),
        ("ThrottlingException", "busy", "again in a minute"),
        ("ValidationException", "unavailable", "no such data"),
        ("AccessDeniedException", "unavailable", "Tell your admin"),
    ],
)
def test_a_job_that_aws_turns_down_costs_nothing(
    academy: Academy, monkeypatch: pytest.MonkeyPatch, code: str, refusal: str, words: str
) -> None:
    from infra.services.guard.cloud import TurnedDown

    def turn_down(_request: object) -> None:
        raise TurnedDown(code, "no such data")

    with monkeypatch.context() as patch:
        patch.setattr(academy.cloud, "create_job", turn_down)
        error = academy.train()["error"]
    assert error["code"] == refusal
    assert words in error["message"]
    assert academy.money().available == CAP
    assert academy.train()["ok"], "the same token may be tried again"


def test_more_is_billed_than_reserved_and_the_ledger_says_so(academy: Academy) -> None:
    name = academy.train()["job"]
    academy.cloud.jobs[name].billed = 2 * 3600
    academy.cloud.move(HOUR)
    academy.sweep()
    assert academy.money().spent == m5_cost(7200)
    [line] = academy.ask("ana", op="budget")["entries"]
    assert line["overrun"] is True
    assert line["billed_micro_usd"] > line["reserved_micro_usd"]
    academy.check()


def test_a_released_job_that_ran_after_all_is_charged(academy: Academy) -> None:
    # CreateTrainingJob was accepted, its answer lost, and SageMaker did not know the job for long.
    academy.cloud.trouble = Trouble()
    name = academy.train()["job"]
    job = academy.cloud.jobs.pop(name)
    held = academy.ledger.find("ana", "aaaaaaaa")
    assert held is not None
    from dataclasses import replace

    academy.ledger.reservations["ana", "aaaaaaaa"] = replace(held, started_at=None)
    academy.cloud.move(HOUR)
    assert academy.sweep()["released"] == 1
    academy.cloud.jobs[name] = job
    assert academy.ask("ana", op="job", job=name)["cost_micro_usd"] == m5_cost(1800)
    assert academy.money().spent == m5_cost(1800)
    assert academy.ledger.lines[-1].overrun
    academy.check()


def test_a_job_that_sagemaker_forgot_is_charged_in_full(academy: Academy) -> None:
    academy.cloud.jobs.pop(academy.train()["job"])
    academy.cloud.move(HOUR)
    assert academy.sweep()["open"] == 1
    academy.cloud.move(26 * HOUR)
    assert academy.sweep()["settled"] == 1
    assert academy.money().spent == m5_cost(3600)
    assert "no longer knows" in academy.ledger.lines[-1].note


def test_a_team_sees_and_stops_its_own_jobs_only(academy: Academy) -> None:
    name = academy.train()["job"]
    assert academy.ask("ben", op="job", job=name)["status"] == "InProgress"
    for operation in ("job", "stop_job"):
        error = academy.ask("chi", op=operation, job=name)["error"]
        assert error["code"] == "not_found"
    academy.cloud.move(10 * MINUTE)
    assert academy.ask("ben", op="stop_job", job=name)["status"] == "Stopped"
    academy.ask("ana", op="budget")
    assert academy.money().spent == m5_cost(600)
    assert academy.money("ben").spent == 0
    assert academy.ask("ana", op="stop_job", job=name)["status"] == "Stopped"


def test_a_failed_job_is_paid_and_its_failure_shown(academy: Academy) -> None:
    name = academy.train()["job"]
    academy.cloud.jobs[name].fails = "AlgorithmError: out of memory"
    academy.cloud.move(HOUR)
    status = academy.ask("ana", op="job", job=name)
    assert status["failure"] == "AlgorithmError: out of memory"
    assert status["cost_micro_usd"] == m5_cost(1800)


# --- spaces -------------------------------------------------------------------------------------


def test_a_space_opens_gives_a_link_and_is_settled_when_seen_gone(academy: Academy) -> None:
    opened = academy.ask("ana", op="open_space", hours=2)
    assert opened["status"] == "Pending"
    assert opened["instance"] == "ml.t3.medium"
    assert opened["ends_at"] == "2026-12-01T11:00:00Z"
    assert opened["reserved_micro_usd"] == money.worst_case(T3, 1, 7200)
    assert academy.ask("ana", op="space", link=True)["status"] == "Pending"
    academy.cloud.move(HOUR)
    assert academy.ask("ana", op="space", link=True)["url"] == "https://d-ana/auth"
    assert "url" not in academy.ask("ana", op="space")
    assert academy.ask("ana", op="close_space") == {"ok": True, "status": "Deleting"}
    assert academy.ask("ana", op="open_space")["error"]["code"] == "busy"
    academy.cloud.move(MINUTE)
    assert academy.ask("ana", op="space") == {"ok": True, "status": "Closed"}
    assert academy.money().spent == money.cost(T3, 1, 3660)
    assert academy.money().reserved == 0
    assert academy.cloud.stops == {}
    assert academy.ask("ana", op="close_space")["status"] == "Closed"


def test_opening_twice_is_opening_once(academy: Academy) -> None:
    first = academy.ask("ana", op="open_space")
    academy.cloud.move(MINUTE)
    again = academy.ask("ana", op="open_space", hours=1)
    assert again["ends_at"] == first["ends_at"]
    assert again["status"] == "InService"
    other = academy.ask("ana", op="open_space", instance="ml.g4dn.xlarge")
    assert "Close it before" in other["error"]["message"]
    assert len(academy.cloud.apps["d-ana", "earth--ana"]) == 1


def test_the_stop_ends_a_forgotten_space_and_the_sweep_settles_it(academy: Academy) -> None:
    academy.ask("ana", op="open_space", hours=1)
    academy.cloud.move(5 * HOUR)
    assert academy.ask("ana", op="budget")["open"] == []
    assert academy.true_cost("ana") <= academy.money().spent <= money.worst_case(T3, 1, 3600)


def test_staying_reserves_more_and_moves_the_stop(academy: Academy) -> None:
    academy.ask("ana", op="open_space", hours=1)
    academy.cloud.move(30 * MINUTE)
    stayed = academy.ask("ana", op="stay", hours=2)
    assert stayed["ends_at"] == "2026-12-01T11:30:00Z"
    assert academy.money().reserved == money.worst_case(T3, 1, 9000)
    [(at, _, _)] = academy.cloud.stops.values()
    assert at == START + dt.timedelta(seconds=9000)
    assert academy.ask("ana", op="stay", hours=2) == stayed, "asked twice is granted once"
    assert academy.ask("ana", op="stay", hours=0.5)["ends_at"] == stayed["ends_at"]
    academy.check()


def test_staying_beyond_the_budget_is_refused_and_nothing_moves() -> None:
    academy = Academy(cap_micro_usd=60_000)
    academy.ask("ana", op="open_space", hours=1)
    stops = dict(academy.cloud.stops)
    error = academy.ask("ana", op="stay", hours=4)["error"]
    assert error["code"] == "budget"
    assert academy.cloud.stops == stops
    assert academy.ask("ben", op="stay", hours=1)["error"]["code"] == "not_found"


def test_a_stay_that_broke_off_is_finished_by_the_next(academy: Academy) -> None:
    academy.ask("ana", op="open_space", hours=1)
    academy.cloud.trouble.at = len(academy.cloud.trouble.calls) + 4
    academy.cloud.trouble.how = "lost_before"
    assert academy.ask("ana", op="stay", hours=3)["error"]["code"] == "unavailable"
    assert academy.cloud.trouble.calls[-1] == "put_stop"
    [(at, _, _)] = academy.cloud.stops.values()
    assert at == START + HOUR
    academy.ask("ana", op="stay", hours=3)
    [(at, _, _)] = academy.cloud.stops.values()
    assert at == START + 3 * HOUR


def test_a_space_that_fails_to_start_says_why_and_can_be_opened_again(academy: Academy) -> None:
    academy.cloud.app_fails = "start.sh: exit 1"
    academy.ask("ana", op="open_space")
    found = academy.ask("ana", op="space")
    assert found["status"] == "Failed"
    assert "start.sh: exit 1" in found["failure"]
    assert academy.money().reserved == 0
    assert "start.sh: exit 1" in academy.ask("ana", op="space")["failure"]
    academy.cloud.app_fails = ""
    academy.cloud.move(MINUTE)
    assert academy.ask("ana", op="open_space")["ok"]


def test_an_app_that_lost_its_schedule_is_ended_by_the_sweep(academy: Academy) -> None:
    academy.ask("ana", op="open_space", hours=1)
    academy.cloud.stops.clear()
    academy.cloud.move(HOUR + 6 * MINUTE)
    academy.sweep()
    academy.cloud.move(MINUTE)
    assert academy.sweep()["settled"] == 1


def test_an_earlier_opening_is_not_taken_for_the_new_one(academy: Academy) -> None:
    academy.ask("ana", op="open_space")
    academy.ask("ana", op="close_space")
    academy.cloud.move(MINUTE)
    academy.sweep()
    academy.ask("ana", op="open_space", hours=1)
    assert academy.sweep()["open"] == 1
    [name] = academy.cloud.stops
    assert name == "ana--stop-app-00000003"


# --- the academy's images -------------------------------------------------------------------------


@pytest.fixture
def imaged() -> Academy:
    return Academy(projects=PROJECTS, images=images())


def test_without_images_spaces_and_jobs_start_on_aws_own(academy: Academy) -> None:
    opened = academy.ask("ana", op="open_space", project="climate-series")
    assert "project" not in opened, "AWS's own image is that of every project"
    [app] = academy.cloud.apps["d-ana", "earth--ana"]
    assert app.image == ""
    name = academy.train()["job"]
    specification = academy.cloud.jobs[name].request["AlgorithmSpecification"]
    assert specification["TrainingImage"] == (
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/"
        "pytorch-training:2.8.0-cpu-py312-ubuntu22.04-sagemaker"
    )
    assert specification["ContainerArguments"] == [
        "python -m pip install --no-index --no-deps --quiet "
        "/opt/ml/input/data/software/academy-*.whl && exec python -m academy.job"
    ]


@pytest.mark.parametrize(
    ("asked", "project", "kind"),
    [
        ({}, "land-cover", "cpu"),
        ({"project": "climate-series"}, "climate-series", "cpu"),
        ({"project": "climate-series", "instance": "ml.g4dn.xlarge"}, "climate-series", "gpu"),
    ],
)
def test_a_space_starts_on_the_image_of_its_project_and_instance(
    imaged: Academy, asked: dict[str, str], project: str, kind: str
) -> None:
    opened = imaged.ask("ana", op="open_space", **asked)
    assert opened["project"] == project
    [app] = imaged.cloud.apps["d-ana", "earth--ana"]
    assert app.image == image_of(project, kind)["app"]
    assert imaged.ask("ana", op="space")["project"] == project


def test_a_space_that_is_open_on_another_image_is_closed_first(imaged: Academy) -> None:
    opened = imaged.ask("ana", op="open_space", project="climate-series")
    imaged.cloud.move(MINUTE)
    for asked in ({}, {"project": "climate-series"}):
        again = imaged.ask("ana", op="open_space", **asked)
        assert (again["project"], again["ends_at"]) == ("climate-series", opened["ends_at"])
    error = imaged.ask("ana", op="open_space", project="land-cover")["error"]
    assert error["code"] == "busy"
    assert error["message"] == (
        "Your space is open for climate-series. Close it before you open it for land-cover; your "
        "files stay."
    )
    assert imaged.money().reserved == opened["reserved_micro_usd"]
    imaged.ask("ana", op="close_space")
    imaged.cloud.move(MINUTE)
    assert imaged.ask("ana", op="open_space", project="land-cover")["project"] == "land-cover"


def test_another_version_waits_for_the_next_start(imaged: Academy) -> None:
    imaged.ask("ana", op="open_space")
    imaged.cloud.move(MINUTE)
    imaged.configure(projects=PROJECTS, images=images(version=3))
    assert imaged.ask("ana", op="open_space", project="land-cover")["status"] == "InService"
    imaged.ask("ana", op="close_space")
    imaged.cloud.move(MINUTE)
    imaged.ask("ana", op="open_space")
    used = [app.image for app in imaged.cloud.apps["d-ana", "earth--ana"]]
    assert used == [image_of("land-cover", "cpu", version)["app"] for version in (2, 3)]


def test_a_space_from_before_the_images_moves_when_it_starts_anew(academy: Academy) -> None:
    academy.ask("ana", op="open_space")
    academy.cloud.move(MINUTE)
    academy.configure(projects=PROJECTS, images=images())
    assert "project" not in academy.ask("ana", op="open_space")
    error = academy.ask("ana", op="open_space", project="land-cover")["error"]
    assert "open on an image of AWS's own" in error["message"]
    academy.ask("ana", op="close_space")
    academy.cloud.move(MINUTE)
    assert academy.ask("ana", op="open_space")["project"] == "land-cover"


def test_a_start_that_broke_off_goes_on_with_the_image_that_it_had(imaged: Academy) -> None:
    calls = imaged.cloud.trouble.calls
    imaged.cloud.trouble.how = "lost_before"
    # workspace, account, find, apply, put_stop, create_app
    imaged.cloud.trouble.at = 5
    assert imaged.ask("ana", op="open_space", project="climate-series")["error"]
    assert "create_app" in calls
    assert not imaged.cloud.apps
    imaged.cloud.move(2 * MINUTE)
    opened = imaged.ask("ana", op="open_space", project="land-cover")
    assert opened["project"] == "climate-series"
    [app] = imaged.cloud.apps["d-ana", "earth--ana"]
    assert app.image == image_of("climate-series", "cpu")["app"]
    assert len(imaged.ledger.open_of("ana")) == 1


def test_images_that_lack_one_start_nothing_and_reserve_nothing() -> None:
    """Never AWS's own by chance: a notebook that works there may not work in the job."""
    academy = Academy(projects=PROJECTS, images={"land-cover": {"cpu": image_of("x", "cpu")}})
    answers = [
        academy.ask("ana", op="open_space", project="climate-series"),
        academy.ask("ana", op="open_space", instance="ml.g4dn.xlarge"),
        academy.train(),
    ]
    assert {answer["error"]["code"] for answer in answers} == {"unavailable"}
    assert academy.ledger.reservations == {}
    assert (academy.cloud.apps, academy.cloud.jobs) == ({}, {})


@pytest.mark.parametrize(("instance", "kind"), [("ml.m5.large", "cpu"), ("ml.g5.xlarge", "gpu")])
def test_a_job_runs_on_the_spaces_layers_by_digest_and_installs_nothing(
    imaged: Academy, instance: str, kind: str
) -> None:
    name = imaged.train(instance=instance)["job"]
    request = imaged.cloud.jobs[name].request
    job = image_of("climate-series", kind)["job"]
    specification = request["AlgorithmSpecification"]
    assert specification["TrainingImage"] == job
    assert "@sha256:" in job
    assert specification["ContainerArguments"] == ["exec python -m academy.job"]
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["code", "data"]


def test_a_jobs_answer_and_the_ledger_say_what_it_ran_on(imaged: Academy) -> None:
    name = imaged.train()["job"]
    job = image_of("climate-series", "cpu")["job"]
    assert imaged.ask("ana", op="job", job=name)["image"] == job
    # What it ran on is known of SageMaker, whatever the settings say by then.
    imaged.configure(projects=PROJECTS, images=images(version=3))
    imaged.cloud.move(HOUR)
    imaged.ask("ana", op="open_space")
    imaged.cloud.move(MINUTE)
    imaged.ask("ana", op="close_space")
    imaged.cloud.move(MINUTE)
    imaged.sweep()
    lines = imaged.ask("ana", op="budget")["entries"]
    assert {line["kind"]: line["image"] for line in lines} == {
        "job": job,
        "space": image_of("land-cover", "cpu", 3)["app"],
    }


# --- money, dates, identity -----------------------------------------------------------------------


def test_the_budget_lists_what_runs_and_what_it_came_to(academy: Academy) -> None:
    academy.train()
    academy.cloud.move(HOUR)
    academy.ask("ana", op="open_space", hours=1)
    found = academy.ask("ana", op="budget")
    assert found["cap_micro_usd"] == CAP
    assert found["spent_micro_usd"] == m5_cost(1800)
    [running] = found["open"]
    assert running["kind"] == "space"
    assert found["available_micro_usd"] == CAP - m5_cost(1800) - running["reserved_micro_usd"]
    [line] = found["entries"]
    assert (line["name"], line["seconds"]) == ("earth--falcon--ana--aaaaaaaa", 1800)


def test_a_cap_that_changes_in_the_file_moves_what_is_left(academy: Academy) -> None:
    academy.train(hours=4)
    held = academy.money().reserved
    academy.configure(cap_micro_usd=2 * CAP)
    assert academy.ask("ana", op="budget")["available_micro_usd"] == 2 * CAP - held
    academy.configure(cap_micro_usd=100_000)
    lowered = academy.ask("ana", op="budget")
    assert lowered["available_micro_usd"] == 100_000 - held < 0
    error = academy.train(token="b" * 32)["error"]
    assert "has $0.00 left" in error["message"]
    academy.check()


def test_a_frozen_account_prolongs_nothing(academy: Academy) -> None:
    academy.ask("ana", op="open_space", hours=1)
    stops, before = dict(academy.cloud.stops), academy.money().reserved
    academy.ledger.record(freeze(academy.money(), at=START, who="arn:admin", why="lost laptop"))
    assert academy.ask("ana", op="stay", hours=4)["error"]["code"] == "frozen"
    assert (academy.cloud.stops, academy.money().reserved) == (stops, before)
    assert academy.ask("ana", op="close_space")["ok"]


def test_a_frozen_account_starts_nothing_and_is_settled_all_the_same(academy: Academy) -> None:
    academy.train()
    academy.ledger.record(freeze(academy.money(), at=START, who="arn:admin", why="lost laptop"))
    assert academy.train(token="b" * 32)["error"]["code"] == "frozen"
    assert academy.ask("ana", op="open_space")["error"]["code"] == "frozen"
    academy.cloud.move(HOUR)
    assert academy.sweep()["settled"] == 1
    assert academy.ask("ana", op="budget")["frozen"] is True


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (dt.datetime(2026, 11, 29, 23, 59, tzinfo=dt.UTC), "opens on 2026-11-30"),
        (dt.datetime(2027, 4, 1, tzinfo=dt.UTC), "ended on 2027-03-31"),
    ],
)
def test_nothing_starts_outside_the_dates(academy: Academy, when: dt.datetime, words: str) -> None:
    academy.cloud.now = when
    for answer in (academy.train(), academy.ask("ana", op="open_space")):
        assert answer["error"]["code"] == "dates"
        assert words in answer["error"]["message"]
    assert academy.ask("ana", op="budget")["ok"]


def test_nothing_outlives_the_last_day(academy: Academy) -> None:
    academy.cloud.now = dt.datetime(2027, 3, 31, 22, 30, tzinfo=dt.UTC)
    assert "in 90 minutes" in academy.train(hours=2)["error"]["message"]
    assert academy.train(hours=1)["ok"]
    assert academy.ask("ana", op="open_space")["ends_at"] == "2027-04-01T00:00:00Z"
    assert academy.ask("ana", op="stay", hours=2)["error"]["code"] == "dates"


def test_learners_do_not_share_money(academy: Academy) -> None:
    academy.train("ana", instance="ml.g5.xlarge", hours=4)
    assert {learner: academy.money(learner).reserved > 0 for learner in TEAMS} == {
        "ana": True,
        "ben": False,
        "chi": False,
    }


def test_who_has_no_workspace_is_told_so(academy: Academy) -> None:
    assert academy.train("eve")["error"]["code"] == "not_found"
    assert not academy.ledger.open_of("eve")


def test_anothers_workspace_under_my_name_is_a_fault_of_the_deployment(academy: Academy) -> None:
    name = academy.guard.names.workspace_parameter
    academy.cloud.workspaces[name("ana")] = academy.cloud.workspaces[name("chi")]
    assert academy.train("ana")["error"]["code"] == "unavailable"
    assert not academy.cloud.jobs
