"""docs/fidelity.md says what the code says, and every change to moto has been tried."""

from __future__ import annotations

import json

from infra.offline import fidelity, patching
from tests.offline import fidelity_document


def test_the_document_is_what_the_code_says():
    text = fidelity_document.DOCUMENT.read_text(encoding="utf-8")
    assert fidelity_document.renewed(text) == text, "run `make fidelity`"


def test_every_service_of_the_cloud_says_how_true_it_is():
    from infra.offline import server

    declaring = {name.split(":")[0] for name in fidelity.parts()}
    for extension in server.EXTENSIONS:
        name = extension.__name__
        assert any(each == name or each.startswith(f"{name}.") for each in declaring) or (
            name.rsplit(".", 1)[0] in declaring
        ), f"{name} declares no FIDELITY"


def test_every_change_to_moto_has_been_called_by_a_test():
    tried = json.loads(fidelity_document.TRIED.read_text(encoding="utf-8"))["changes"]
    declared = {change.target for change in patching.changes()}
    assert not declared - set(tried), "test them, then run `make fidelity`"


def test_a_call_that_failed_is_no_coverage():
    def line(operation, client, status):
        call = {"service": "s3", "operation": operation, "client": client, "status": status}
        return json.dumps(call | {"count": 1})

    log = [
        line("ListBuckets", "aws-cli", 200),
        line("ListBuckets", "boto3", 200),
        line("GetObject", "aws-cli", 403),
        line("GetObject", "other", 200),
        json.dumps({"change": "moto.s3.models:FakeBucket.get_permission"}),
    ]
    assert fidelity_document.tried(log) == {
        "operations": {"s3": {"ListBuckets": ["aws-cli", "boto3"]}},
        "changes": ["moto.s3.models:FakeBucket.get_permission"],
    }


def test_what_some_tests_saw_is_added_to_what_is_known() -> None:
    known = {"operations": {"s3": {"GetObject": ["boto3"]}}, "changes": ["a"]}
    seen = {
        "operations": {"s3": {"GetObject": ["cdk"]}, "sns": {"Publish": ["boto3"]}},
        "changes": ["b"],
    }
    assert fidelity_document.added(known, seen) == {
        "operations": {"s3": {"GetObject": ["boto3", "cdk"]}, "sns": {"Publish": ["boto3"]}},
        "changes": ["a", "b"],
    }
