"""The parts of `cohort probe`: the list of questions, the cap, the record, what may be seen."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from infra.cli.probe.asking import objects, studio
from infra.cli.probe.budget import CAP_MICRO_USD, Budget, Instance, Units, bound, units
from infra.cli.probe.ledger import Busy, Ledger
from infra.cli.probe.permissions import policy
from infra.cli.probe.probing import TookTooLong
from infra.cli.probe.question import Question, Verdict, confirmed
from infra.cli.probe.questions import BY_HAND, ITEMS, QUESTIONS
from infra.cli.probe.removal import KINDS
from infra.cli.probe.run import ask_all, wanted_of
from infra.cli.probe.scrubbing import REDACTED, Scrubber
from infra.cli.probe.shared import SHARED
from infra.cohort.loading import load
from infra.cohort.prices import UnknownPrice
from infra.constructs import policies
from infra.constructs.arns import Arns
from tests.cli.probe_world import Scripted

HERE = Path(__file__).resolve().parents[2]
HOUR = Instance("studio", "ml.t3.medium", 3600, 5, "…")


# --- the list -------------------------------------------------------------------------------------
def test_every_line_that_only_aws_can_confirm_is_asked_or_left_to_people():
    asked = {each.item for each in QUESTIONS} | {each.item for each in BY_HAND}
    assert asked == set(ITEMS)
    written = (HERE / "docs" / "fidelity.md").read_text("utf-8")
    numbers = {int(found) for found in re.findall(r"^(\d+)\. ", written, re.MULTILINE)}
    assert asked <= numbers


def test_questions_have_ids_of_their_own_and_make_what_can_be_removed():
    assert len({each.id for each in QUESTIONS}) == len(QUESTIONS)
    for question in QUESTIONS:
        assert set(question.makes) <= set(KINDS), question.id
        assert set(question.uses) <= set(SHARED), question.id
    for name, shared in SHARED.items():
        assert set(shared.makes) <= set(KINDS), name


def test_the_policies_that_are_asked_about_are_the_academys_own():
    cohort = load(HERE / "cohorts" / "example.yaml")
    arns = Arns(cohort.names, "123456789012", "us-east-1")
    team, learner = cohort.learners[0]
    submit = next(
        each for each in policies.learner(arns, cohort, team, learner.id) if each.sid == "Submit"
    )
    assert submit.when == objects.SUBMIT
    broker = {each.sid: each for each in policies.broker(arns, cohort)}
    start, tag = studio.starting(arns.apps, [*cohort.studio.instances, "system"])
    for ours, theirs in ((start, broker["StartSpaces"]), (tag, broker["TagSpaces"])):
        assert ours["Condition"] == theirs.when
        assert (ours["Action"],) == theirs.actions
        assert (ours["Resource"],) == theirs.resources
    [stopper] = policies.stopper(arns)
    assert stopper.actions == ("sagemaker:DeleteApp",)
    assert stopper.resources == (arns.apps,)


# --- the cap --------------------------------------------------------------------------------------
def test_all_questions_together_stay_below_the_cap_whatever_happens():
    budget = Budget("us-east-1")
    assert [budget.reserve(wanted_of(each)) for each in QUESTIONS] == [None] * len(QUESTIONS)
    assert 0 < budget.total < CAP_MICRO_USD == 2_000_000


def test_a_key_that_stays_for_three_days_is_paid_for():
    [encrypted] = [each for each in QUESTIONS if each.id == "encrypted-topic"]
    [key] = [
        each for each in encrypted.costs if isinstance(each, Units) and each.price == "kms_key"
    ]
    assert key.quantity >= Decimal(3) / 28


def test_what_does_not_fit_is_not_reserved_and_says_how_much_is_left():
    budget = Budget("us-east-1", cap=bound([HOUR], "us-east-1"))
    assert budget.reserve({"first": (HOUR,)}) is None
    assert "$0.0000 of the cap" in (budget.reserve({"second": (HOUR,)}) or "")
    assert set(budget.reserved) == {"first"}


def test_a_shared_thing_is_reserved_once():
    budget = Budget("us-east-1")
    budget.reserve({"one": (), "bucket": (HOUR,)})
    before = budget.total
    budget.reserve({"two": (), "bucket": (HOUR,)})
    assert budget.total == before


def test_a_bound_is_the_price_with_grace_disk_and_margin():
    # $0.05 an hour, 120 s of grace, 5 %; 5 GB at $0.112 for 62 minutes of a month of 28 days.
    assert bound([HOUR], "us-east-1") == 54_250 + 905
    assert bound([units("kms_key", 1, "…")], "us-east-1") == 1_050_000


@pytest.mark.parametrize(
    "cost", [units("moonlight", 1, "…"), Instance("studio", "ml.moon.large", 60, 5, "…")]
)
def test_what_has_no_price_is_refused(cost):
    with pytest.raises(UnknownPrice):
        bound([cost], "us-east-1")
    assert "its cost is not known" in (Budget("us-east-1").reserve({"x": (cost,)}) or "")


def test_a_region_without_prices_is_refused():
    assert "eu-west-1" in (Budget("eu-west-1").reserve({"x": (HOUR,)}) or "")


def _question(name: str, ask, **more) -> Question:
    return Question(name, 1, "…", "…", ask, **more)


def test_a_question_that_does_not_fit_is_skipped_and_the_next_is_asked(tmp_path):
    asked = []

    def ask(name):
        return lambda _: asked.append(name) or confirmed("yes")

    budget = Budget("us-east-1", cap=60_000)
    questions = [
        _question("dear", ask("dear"), costs=(HOUR, HOUR)),
        _question("cheap", ask("cheap"), costs=(HOUR,)),
    ]
    outcome = ask_all(Scripted(tmp_path).probe, budget, questions)
    assert [each.answer.verdict for each in outcome.asked] == [Verdict.SKIPPED, Verdict.CONFIRMED]
    assert asked == ["cheap"]
    assert "of the cap of $0.06" in outcome.asked[0].answer.said


# --- the record -----------------------------------------------------------------------------------
def test_a_line_is_on_the_disk_before_the_thing_is_made(tmp_path):
    scripted = Scripted(tmp_path)

    def create():
        on_disk = (tmp_path / "made.jsonl").read_text()
        assert '"kind": "vpc"' in on_disk
        raise RuntimeError("the process dies")

    with pytest.raises(RuntimeError):
        scripted.probe.make("vpc", "net", create, learn="Vpc.VpcId")
    scripted.probe.ledger.close()
    [entry] = Ledger(tmp_path / "made.jsonl").standing()
    assert entry.at == {"name": "net"}


def test_a_record_survives_a_death_within_a_line(tmp_path):
    path = tmp_path / "made.jsonl"
    first = Ledger(path, {"run": "1"})
    entry = first.intend("vpc", "net", name="net")
    first.learn(entry, id="vpc-1")
    first.close()
    with path.open("a") as file:
        file.write('{"intend": 1, "ki')
    again = Ledger(path)
    assert [each.at for each in again.standing()] == [{"name": "net", "id": "vpc-1"}]
    assert again.header == {"run": "1"}


def test_the_youngest_goes_first_and_what_is_gone_stays_gone(tmp_path):
    ledger = Ledger(tmp_path / "made.jsonl", {})
    made = [ledger.intend("role", "g", name=name) for name in "abc"]
    ledger.strike(made[1])
    ledger.close()
    assert [each.name["name"] for each in Ledger(tmp_path / "made.jsonl").standing()] == ["c", "a"]


def test_the_record_of_a_run_that_is_going_is_left_alone(tmp_path):
    going = Ledger(tmp_path / "made.jsonl", {})
    with pytest.raises(Busy, match="still going"):
        Ledger(tmp_path / "made.jsonl")
    going.close()
    Ledger(tmp_path / "made.jsonl").close()


def test_what_does_not_go_is_told_and_the_rest_is_removed(tmp_path, monkeypatch):
    scripted = Scripted(tmp_path)
    names = [f"/aws/lambda/{scripted.probe.name(each)}" for each in ("first", "second")]
    for name in names:
        scripted.probe.note("log-group", name)
    logs = scripted.stub("logs")
    logs.add_client_error("delete_log_group", "OperationAbortedException", "busy", 400)
    logs.add_client_error("delete_log_group", "ResourceNotFoundException", "no such group", 400)
    failures = scripted.probe.remove()
    assert [each.split(":")[0] for each in failures] == [f"log-group {names[1]}"]
    assert [entry.name["name"] for entry in scripted.probe.ledger.standing()] == names[1:]


# --- errors and interruptions ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TookTooLong("the app took longer than 60 s"), "longer than 60 s"),
        (RuntimeError("bang"), "could not be asked: RuntimeError: bang"),
    ],
)
def test_a_question_that_goes_wrong_tells_nothing_and_stops_no_other(tmp_path, error, said):
    def fails(probe):
        raise error

    questions = [_question("bad", fails), _question("good", lambda _: confirmed("yes"))]
    outcome = ask_all(Scripted(tmp_path).probe, Budget("us-east-1"), questions)
    assert [each.answer.verdict for each in outcome.asked] == [Verdict.UNTOLD, Verdict.CONFIRMED]
    assert said in outcome.asked[0].answer.said


def test_ctrl_c_removes_what_was_made_and_asks_no_more(tmp_path):
    scripted = Scripted(tmp_path)
    left = f"/aws/lambda/{scripted.probe.name('left')}"

    def interrupted(probe):
        probe.note("log-group", left)
        raise KeyboardInterrupt

    scripted.stub("logs").add_response("delete_log_group", {}, {"logGroupName": left})
    questions = [_question("first", interrupted), _question("second", lambda _: 1 / 0)]
    outcome = ask_all(scripted.probe, Budget("us-east-1"), questions)
    assert outcome.interrupted
    assert outcome.asked == []
    assert scripted.probe.ledger.standing() == []
    scripted.all_asked()


# --- what is made to be seen ----------------------------------------------------------------------
OWNER = "arn:aws:sts::111122223333:assumed-role/Admin/jane"
SCRUBBER = {
    "account": "111122223333",
    "run": "deadbeef",
    "owners": [OWNER, "AROAJANEJANEJANEJANE:jane", "jane"],
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("arn:aws:s3:::academy-probe-deadbeef-111122223333", "academy-probe-00000000-123456789012"),
        (OWNER, "arn:aws:iam::123456789012:user/owner"),
        ("principal AROAJANEJANEJANEJANE:jane", "principal owner"),
        ("vpc-0a1b2c3d4e5f60718 in d-abcdefghijkl", "vpc-00000000000000001 in d-000000000001"),
        ("from 8.8.8.8", "from 192.0.2.1"),
        ("10.87.0.0/24 and 127.0.0.1", "10.87.0.0/24 and 127.0.0.1"),
        ("mail jane.doe@science.example", "mail someone@example.com"),
        ("?X-Amz-Signature=abc123&X-Amz-Date=20270101T000000Z", "X-Amz-Signature=REDACTED&"),
        ("<SecretAccessKey>abc</SecretAccessKey>", "<SecretAccessKey>REDACTED</SecretAccessKey>"),
        ("<Owner><ID>abc</ID></Owner>", "<Owner>REDACTED</Owner>"),
        ('{"sessionToken": 1, "SessionToken": "a\\"b"}', '"SessionToken":"REDACTED"'),
        ("<RequestId>abc</RequestId>", "<RequestId>REDACTED</RequestId>"),
        ("763104351884.dkr.ecr", "763104351884.dkr.ecr"),
        ("/users/jane.doe%40science.example/x", "/users/someone@example.com/x"),
        ("jane%2540science.example", "someone@example.com"),
        ("arn:aws:kms:us-east-1:999988887777:key/x", "arn:aws:kms:us-east-1:111122223333:key/x"),
        ("arn%3Aaws%3Aiam%3A%3A999988887777%3Arole", "arn%3Aaws%3Aiam%3A%3A111122223333%3Arole"),
        ("arn:aws:ecr:us-east-1:763104351884:repository", ":763104351884:repository"),
        ("from 2600:1f18::1a2b at 12:30:45", "from 2001:db8::1 at 12:30:45"),
        ("fe80::1 and arn:aws:s3:::b", "fe80::1 and arn:aws:s3:::b"),
        (
            '"{\\"SecretAccessKey\\":\\"abc\\",\\"a\\":1}"',
            '\\"SecretAccessKey\\":\\"REDACTED\\",\\"a',
        ),
        ("role/AWSReservedSSO_Admin_0123456789abcdef/x", "role/AWSReservedSSO_REDACTED/x"),
        ('{"sessionToken": "abc"}', '"sessionToken":"REDACTED"'),
        ("janet's mjane jane_1 %2Fjane", "janet's mjane owner_1 %2Fowner"),
    ],
)
def test_what_names_the_account_or_its_people_is_replaced(text, shown):
    assert shown in Scrubber(**SCRUBBER).text(text)


def test_the_same_thing_has_the_same_placeholder_and_another_has_another():
    scrubber = Scrubber(**SCRUBBER)
    one, two = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e"
    first, second = scrubber.text(f"{one} {two}").split()
    assert first != second
    assert scrubber.text(f"key/{one}") == f"key/{first}"
    assert scrubber.text(first) == first


def test_members_that_are_secrets_are_replaced_whatever_they_hold():
    given = {"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "x", "SessionToken": "y"}}
    assert set(Scrubber(**SCRUBBER).value(given)["Credentials"].values()) == {REDACTED}
    assert Scrubber(**SCRUBBER).value({"sessionToken": "y"}) == {"sessionToken": REDACTED}


# --- permissions ----------------------------------------------------------------------------------
def test_a_policy_holds_names_to_the_probes_prefix_where_aws_lets_it():
    document = policy(QUESTIONS, account="123456789012", region="us-east-1")
    roles = [each for each in document["Statement"] if ":role/" in each["Resource"]]
    assert [each["Resource"] for each in roles] == [
        "arn:aws:iam::123456789012:role/academy-probe-*"
    ]
    everywhere = next(each for each in document["Statement"] if each["Resource"] == "*")
    unbound = [each for each in everywhere["Action"] if each.startswith(("iam:", "s3:"))]
    assert unbound == ["iam:SimulateCustomPolicy"]  # looks at nothing of the account
    assert "{" not in json.dumps([each["Resource"] for each in document["Statement"]])
    # AWS's limit on an inline policy of a role: 10,240 characters.
    assert len(json.dumps(document, separators=(",", ":"))) < 10_240
