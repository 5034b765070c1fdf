"""A stack from creation to deletion, and what happens when something of it cannot be."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

PARAMETER = "AWS::SSM::Parameter"
BUCKET = "AWS::S3::Bucket"


def parameter(value, **more):
    return {"Type": PARAMETER, "Properties": {"Type": "String", "Value": value, **more}}


def bucket(name, **properties):
    return {"Type": BUCKET, "Properties": {"BucketName": name, **properties}}


def parameters_there(client):
    return {each["Name"] for each in client("ssm").describe_parameters()["Parameters"]}


def test_a_resource_comes_after_what_it_refers_to(stacks):
    made = stacks.deploy(
        "ordered",
        {
            "Last": parameter({"Fn::Sub": "${Middle}!"}, Name="/ordered/last"),
            "Middle": parameter({"Fn::GetAtt": ["First", "Value"]}, Name="/ordered/middle"),
            "First": parameter("1") | {"DependsOn": "Zeroth"},
            "Zeroth": parameter("0"),
        },
        outputs={"Last": {"Ref": "Last"}, "Value": {"Fn::GetAtt": ["Last", "Value"]}},
    )
    assert made.status == "CREATE_COMPLETE"
    assert made.outputs == {"Last": "/ordered/last", "Value": "/ordered/middle!"}
    assert made.events == [
        ("Zeroth", "CREATE_COMPLETE"),
        ("First", "CREATE_COMPLETE"),
        ("Middle", "CREATE_COMPLETE"),
        ("Last", "CREATE_COMPLETE"),
        ("ordered", "CREATE_COMPLETE"),
    ]


def test_deletion_takes_the_reverse_order(stacks):
    stacks.deploy("undone", {"Upper": parameter({"Ref": "Lower"}), "Lower": parameter("x")})
    gone = stacks.delete("undone")
    assert gone.status == "DELETE_COMPLETE"
    assert gone.events[-3:] == [
        ("Upper", "DELETE_COMPLETE"),
        ("Lower", "DELETE_COMPLETE"),
        ("undone", "DELETE_COMPLETE"),
    ]


def test_a_deleted_stack_is_found_by_its_id_alone_and_makes_nothing_again(stacks, client):
    stacks.deploy("gone", {"P": parameter("x", Name="/gone/p")}, outputs={"P": {"Ref": "P"}})
    stack_id = client("cloudformation").describe_stacks(StackName="gone")["Stacks"][0]["StackId"]
    stacks.delete("gone")
    with pytest.raises(ClientError, match="Stack with id gone does not exist"):
        client("cloudformation").describe_stacks(StackName="gone")
    assert stacks.describe(stack_id).status == "DELETE_COMPLETE"
    assert "/gone/p" not in parameters_there(client)


def test_an_unmodelled_type_fails_the_stack_by_name_and_makes_nothing(stacks, client):
    failed = stacks.deploy(
        "unmodelled",
        {
            "Fine": parameter("x", Name="/unmodelled/fine"),
            "Topic": {"Type": "AWS::Kinesis::Stream"},
        },
    )
    assert failed.status == "ROLLBACK_COMPLETE"
    assert "AWS::Kinesis::Stream is not modelled by the embedded cloud" in failed.reasons["Topic"]
    assert "/unmodelled/fine" not in parameters_there(client)


def test_every_unmodelled_property_is_named_at_once(stacks):
    failed = stacks.deploy(
        "properties",
        {
            "P": parameter("x", Policies="[]"),
            "B": bucket("properties-b", WebsiteConfiguration={"IndexDocument": "index.html"}),
        },
    )
    assert failed.status == "ROLLBACK_COMPLETE"
    assert "Property Policies of AWS::SSM::Parameter is not modelled" in failed.reasons["P"]
    assert "Property WebsiteConfiguration of AWS::S3::Bucket" in failed.reasons["B"]


def test_an_unmodelled_nested_property_fails_the_stack_by_name(stacks):
    rule = {"Status": "Enabled", "Transitions": [{"StorageClass": "GLACIER"}]}
    failed = stacks.deploy(
        "nested", {"B": bucket("nested-b", LifecycleConfiguration={"Rules": [rule]})}
    )
    assert failed.status == "ROLLBACK_COMPLETE"
    assert "LifecycleConfiguration/Rules/0/Transitions is not modelled" in failed.reasons["B"]


def test_a_mistyped_member_fails_the_stack_by_name(stacks):
    block = {"BlockPublicAcl": True}
    failed = stacks.deploy(
        "member", {"B": bucket("member-b", PublicAccessBlockConfiguration=block)}
    )
    assert failed.status == "ROLLBACK_COMPLETE"
    assert "PublicAccessBlockConfiguration/BlockPublicAcl is not modelled" in failed.reasons["B"]


def test_a_failed_creation_deletes_what_it_made_even_the_half_made(stacks, client):
    client("s3").create_bucket(Bucket="taken-by-another")
    failed = stacks.deploy(
        "conflict",
        {
            "P": parameter("x", Name="/conflict/p"),
            "Half": bucket("half-made", OwnershipControls={"Rules": [{"ObjectOwnership": "No"}]}),
            "B": bucket("taken-by-another") | {"DependsOn": ["P"]},
        },
    )
    assert failed.status == "ROLLBACK_COMPLETE"
    assert failed.events[0] == ("P", "CREATE_COMPLETE")
    assert "/conflict/p" not in parameters_there(client)
    assert {each["Name"] for each in client("s3").list_buckets()["Buckets"]} == {"taken-by-another"}
    client("s3").delete_bucket(Bucket="taken-by-another")


def test_creation_again_after_a_rollback_needs_the_wreck_deleted_first(stacks, client):
    broken = {"T": {"Type": "AWS::Kinesis::Stream"}}
    assert stacks.deploy("wreck", broken).status == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="already exists and cannot be created again"):
        client("cloudformation").create_change_set(
            StackName="wreck",
            ChangeSetName="again",
            ChangeSetType="CREATE",
            TemplateBody="Resources: {P: {Type: 'AWS::SSM::Parameter'}}",
        )
    stacks.delete("wreck")
    assert stacks.deploy("wreck", {"P": parameter("x")}).status == "CREATE_COMPLETE"


def test_an_update_changes_adds_and_removes(stacks, client):
    stacks.deploy(
        "changing",
        {
            "Kept": parameter("1", Name="/changing/kept"),
            "Dropped": parameter("x", Name="/changing/dropped"),
        },
    )
    updated = stacks.deploy(
        "changing",
        {
            "Kept": parameter("2", Name="/changing/kept"),
            "Added": parameter({"Fn::GetAtt": "Kept.Value"}, Name="/changing/added"),
        },
        outputs={"Added": {"Fn::GetAtt": ["Added", "Value"]}},
    )
    assert updated.status == "UPDATE_COMPLETE"
    assert updated.outputs == {"Added": "2"}
    assert updated.events[-4:] == [
        ("Kept", "UPDATE_COMPLETE"),
        ("Added", "CREATE_COMPLETE"),
        ("Dropped", "DELETE_COMPLETE"),
        ("changing", "UPDATE_COMPLETE"),
    ]
    assert "/changing/dropped" not in parameters_there(client)


def test_a_replacement_comes_before_its_predecessor_goes_and_dependants_follow(stacks, client):
    def template(name):
        return {"P": parameter("x", Name=name), "Q": parameter({"Ref": "P"}, Name="/replaced/q")}

    stacks.deploy("replaced", template("/replaced/old"))
    updated = stacks.deploy("replaced", template("/replaced/new"))
    assert updated.status == "UPDATE_COMPLETE"
    assert updated.events[-4:] == [
        ("P", "UPDATE_COMPLETE"),
        ("Q", "UPDATE_COMPLETE"),
        ("P", "DELETE_COMPLETE"),
        ("replaced", "UPDATE_COMPLETE"),
    ]
    assert client("ssm").get_parameter(Name="/replaced/q")["Parameter"]["Value"] == "/replaced/new"
    assert "/replaced/old" not in parameters_there(client)


def test_a_named_resource_cannot_be_replaced_under_its_name(stacks):
    def group(kind):
        schema = [{"AttributeName": "pk", "KeyType": "HASH"}]
        return {
            "T": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": "named-table",
                    "AttributeDefinitions": [{"AttributeName": kind, "AttributeType": "S"}],
                    "KeySchema": [{**schema[0], "AttributeName": kind}],
                    "BillingMode": "PAY_PER_REQUEST",
                },
            }
        }

    stacks.deploy("named", group("pk"))
    failed = stacks.deploy("named", group("id"))
    assert failed.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Rename named-table and update the stack again" in failed.reasons["T"]


def test_a_failed_update_brings_everything_back(stacks, client):
    before = {
        "Changed": parameter("1", Name="/back/changed"),
        "Dropped": parameter("x", Name="/back/dropped"),
        "Replaced": parameter("x", Name="/back/replaced"),
    }
    stacks.deploy("back", before, outputs={"V": {"Fn::GetAtt": ["Changed", "Value"]}})
    failed = stacks.deploy(
        "back",
        {
            "Changed": parameter("2", Name="/back/changed"),
            "Replaced": parameter("x", Name="/back/successor"),
            "Added": parameter("x", Name="/back/added"),
            "Wrong": parameter("x", Type="SecureString") | {"DependsOn": ["Added", "Replaced"]},
        },
    )
    assert failed.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "SecureString" in failed.reasons["Wrong"]
    there = {name for name in parameters_there(client) if name.startswith("/back/")}
    assert there == {"/back/changed", "/back/dropped", "/back/replaced"}
    assert client("ssm").get_parameter(Name="/back/changed")["Parameter"]["Value"] == "1"
    assert failed.outputs == {"V": "1"}
    assert stacks.resource("back", "Replaced") == "/back/replaced"
    # The template is the old one again, so the same change can be tried once more.
    again = stacks.deploy("back", before | {"Changed": parameter("3", Name="/back/changed")})
    assert again.status == "UPDATE_COMPLETE"


def test_without_rollback_a_failed_stack_stays_as_it_is(client, stacks):
    stacks.names.append("stays")
    body = """
    Resources:
      P: {Type: "AWS::SSM::Parameter", Properties: {Name: /stays/p, Type: String, Value: x}}
      Q: {Type: "AWS::SSM::Parameter", DependsOn: P, Properties: {Type: Secure, Value: x}}
    """
    client("cloudformation").create_stack(
        StackName="stays", TemplateBody=body, DisableRollback=True
    )
    assert stacks.describe("stays").status == "CREATE_FAILED"
    assert "/stays/p" in parameters_there(client)


def test_a_bucket_with_objects_stops_the_deletion_and_the_rest_goes(stacks, client):
    stacks.deploy(
        "full", {"B": bucket("full-bucket"), "P": parameter({"Ref": "B"}, Name="/full/p")}
    )
    client("s3").put_object(Bucket="full-bucket", Key="k", Body=b"x")
    failed = stacks.delete("full")
    assert failed.status == "DELETE_FAILED"
    assert "not empty" in failed.reasons["B"]
    assert "/full/p" not in parameters_there(client)
    client("s3").delete_object(Bucket="full-bucket", Key="k")
    assert stacks.delete("full").status == "DELETE_COMPLETE"


def test_what_may_stay_stays_when_it_is_removed_replaced_or_rolled_back(stacks, client):
    def template(*names, policy="Retain", **more):
        policies = {"DeletionPolicy": policy, "UpdateReplacePolicy": "Retain"}
        return {name: parameter("x", Name=f"/stay/{name}") | policies for name in names} | more

    def there():
        return {name for name in parameters_there(client) if name.startswith("/stay/")}

    def clear():
        for name in there():
            client("ssm").delete_parameter(Name=name)

    wrong = {"Wrong": parameter("x", Type="Secure") | {"DependsOn": ["A"]}}
    stacks.deploy("staying", template("A", "B"))
    removed = stacks.deploy("staying", template("A"))
    assert ("B", "DELETE_SKIPPED") in removed.events
    moved = stacks.deploy("staying", template(A=parameter("x", Name="/stay/other")))
    assert ("A", "DELETE_SKIPPED") in moved.events or "/stay/A" not in there()
    clear()
    stacks.delete("staying")

    failed = stacks.deploy("made", template("A", **wrong))
    assert failed.status == "ROLLBACK_COMPLETE"
    assert ("A", "DELETE_SKIPPED") in failed.events
    assert there() == {"/stay/A"}
    stacks.delete("made")
    clear()

    failed = stacks.deploy("unmade", template("A", policy="RetainExceptOnCreate", **wrong))
    assert ("A", "DELETE_COMPLETE") in failed.events
    assert there() == set()
    stacks.delete("unmade")
    stacks.deploy("unmade", template("A", policy="RetainExceptOnCreate"))
    assert ("A", "DELETE_SKIPPED") in stacks.delete("unmade").events
    clear()


def test_a_replacement_that_fails_leaves_the_old_one(stacks, client):
    before = {"T": bucket("kept-as-it-was")}
    stacks.deploy("replacing", before)
    client("s3").create_bucket(Bucket="taken-already")
    failed = stacks.deploy("replacing", {"T": bucket("taken-already")})
    assert failed.status == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.resource("replacing", "T") == "kept-as-it-was"
    names = {each["Name"] for each in client("s3").list_buckets()["Buckets"]}
    assert {"kept-as-it-was", "taken-already"} <= names
    client("s3").delete_bucket(Bucket="taken-already")


def test_what_the_cleanup_cannot_delete_is_left_behind_and_said(stacks, client):
    stacks.deploy("leaving", {"B": bucket("left-behind"), "P": parameter("x")})
    client("s3").put_object(Bucket="left-behind", Key="k", Body=b"x")
    updated = stacks.deploy("leaving", {"P": parameter("x")})
    assert updated.status == "UPDATE_COMPLETE"
    # CloudFormation tries three times.
    assert updated.events[-4:-1] == [("B", "DELETE_FAILED")] * 3
    (stack,) = client("cloudformation").describe_stacks(StackName="leaving")["Stacks"]
    assert "could not be deleted" in stack["StackStatusReason"]
    client("s3").delete_object(Bucket="left-behind", Key="k")
    client("s3").delete_bucket(Bucket="left-behind")


def test_a_rollback_that_fails_can_be_continued_or_skipped(stacks, client, monkeypatch):
    from infra.offline.services.cloudformation.errors import ResourceError
    from infra.offline.services.cloudformation.types import find

    model = type(find(PARAMETER))
    update = model.update
    stuck = {"now": True}

    def resisting(self, made, before, wanted, scope):
        if stuck["now"] and wanted["Value"] == "1" and scope.logical_id == "A":
            raise ResourceError("it will not go back")
        return update(self, made, before, wanted, scope)

    monkeypatch.setattr(model, "update", resisting)
    api = client("cloudformation")
    before = {"A": parameter("1", Name="/stuck/a"), "B": parameter("1", Name="/stuck/b")}
    after = {
        "A": parameter("2", Name="/stuck/a"),
        "B": parameter("2", Name="/stuck/b") | {"DependsOn": "A"},
        "Wrong": parameter("x", Type="Secure") | {"DependsOn": "B"},
    }

    def value(name):
        return client("ssm").get_parameter(Name=f"/stuck/{name}")["Parameter"]["Value"]

    stacks.deploy("stuck", before)
    failed = stacks.deploy("stuck", after)
    assert failed.status == "UPDATE_ROLLBACK_FAILED"
    assert failed.reasons["A"] == "it will not go back"
    assert (value("a"), value("b")) == ("2", "1")
    with pytest.raises(ClientError, match="is in UPDATE_ROLLBACK_FAILED state and can not be"):
        stacks.deploy("stuck", before)

    api.continue_update_rollback(StackName="stuck")
    assert stacks.describe("stuck").status == "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(ClientError, match="B"):
        api.continue_update_rollback(StackName="stuck", ResourcesToSkip=["B"])
    api.continue_update_rollback(StackName="stuck", ResourcesToSkip=["A"])
    assert stacks.describe("stuck").status == "UPDATE_ROLLBACK_COMPLETE"
    assert value("a") == "2"  # skipped: the stack believes what it was

    failed = stacks.deploy("stuck", after)
    assert failed.status == "UPDATE_ROLLBACK_FAILED"
    stuck["now"] = False
    api.continue_update_rollback(StackName="stuck")
    assert stacks.describe("stuck").status == "UPDATE_ROLLBACK_COMPLETE"
    assert (value("a"), value("b")) == ("1", "1")
    with pytest.raises(ClientError, match="can not be rolled back"):
        api.continue_update_rollback(StackName="stuck")


def test_a_failed_creation_that_will_not_go_is_rollback_failed(stacks, client, monkeypatch):
    from infra.offline.services.cloudformation.errors import ResourceError
    from infra.offline.services.cloudformation.types import find

    model = type(find(PARAMETER))
    delete = model.delete

    def resisting(self, made, properties, scope):
        raise ResourceError("it stays")

    monkeypatch.setattr(model, "delete", resisting)
    wrong = {"Wrong": parameter("x", Type="Secure") | {"DependsOn": "A"}}
    failed = stacks.deploy("stubborn", {"A": parameter("1", Name="/stubborn/a"), **wrong})
    assert failed.status == "ROLLBACK_FAILED"
    assert failed.reasons["A"] == "it stays"
    monkeypatch.setattr(model, "delete", delete)
    assert stacks.delete("stubborn").status == "DELETE_COMPLETE"
    assert "/stubborn/a" not in parameters_there(client)


def test_without_rollback_nothing_is_replaced(stacks, client):
    stacks.deploy("paused", {"P": parameter("x", Name="/paused/old")})
    body = """
    Resources:
      P: {Type: "AWS::SSM::Parameter", Properties: {Name: /paused/new, Type: String, Value: x}}
    """
    client("cloudformation").update_stack(
        StackName="paused", TemplateBody=body, DisableRollback=True
    )
    failed = stacks.describe("paused")
    assert failed.status == "UPDATE_FAILED"
    assert "Replacement type updates not supported" in failed.reasons["P"]
    client("cloudformation").rollback_stack(StackName="paused")
    assert stacks.describe("paused").status == "UPDATE_ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="can not be rolled back"):
        client("cloudformation").rollback_stack(StackName="paused")


@pytest.mark.parametrize("on_failure", ["DO_NOTHING", "DELETE", "ROLLBACK"])
def test_what_becomes_of_a_failed_creation_can_be_chosen(stacks, client, on_failure):
    body = "Resources: {P: {Type: 'AWS::SSM::Parameter', Properties: {Type: Secure, Value: x}}}"
    stack = client("cloudformation").create_stack(
        StackName=f"chosen-{on_failure.lower().replace('_', '-')}",
        TemplateBody=body,
        OnFailure=on_failure,
    )["StackId"]
    ends = {
        "DO_NOTHING": "CREATE_FAILED",
        "DELETE": "DELETE_COMPLETE",
        "ROLLBACK": "ROLLBACK_COMPLETE",
    }
    assert stacks.describe(stack).status == ends[on_failure]
    client("cloudformation").delete_stack(StackName=stack)


def test_a_wreck_cannot_be_updated(stacks, client):
    stacks.deploy("wrecked", {"T": {"Type": "AWS::Kinesis::Stream"}})
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        client("cloudformation").update_stack(
            StackName="wrecked", TemplateBody="Resources: {P: {Type: 'AWS::SSM::Parameter'}}"
        )


def test_a_retained_resource_outlives_its_stack(stacks, client):
    stacks.deploy("kept", {"B": bucket("kept-bucket") | {"DeletionPolicy": "Retain"}})
    gone = stacks.delete("kept")
    assert ("B", "DELETE_SKIPPED") in gone.events
    client("s3").delete_bucket(Bucket="kept-bucket")


def test_a_protected_stack_is_not_deleted(stacks, client):
    stacks.deploy("protected", {"P": parameter("x")})
    api = client("cloudformation")
    api.update_termination_protection(StackName="protected", EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        api.delete_stack(StackName="protected")
    api.update_termination_protection(StackName="protected", EnableTerminationProtection=False)


def test_an_export_in_use_keeps_its_stack(stacks, client):
    exported = {"Arn": {"Value": {"Ref": "P"}, "Export": {"Name": "the-parameter"}}}
    stacks.deploy("exporter", {"P": parameter("x", Name="/exporter/p")}, Outputs=exported)
    importing = {"Q": parameter({"Fn::ImportValue": "the-parameter"}, Name="/importer/q")}
    assert stacks.deploy("importer", importing).status == "CREATE_COMPLETE"
    assert client("ssm").get_parameter(Name="/importer/q")["Parameter"]["Value"] == "/exporter/p"
    with pytest.raises(ClientError, match="in use by importer"):
        client("cloudformation").delete_stack(StackName="exporter")
    stacks.delete("importer")
    assert stacks.delete("exporter").status == "DELETE_COMPLETE"


def test_an_import_of_nothing_fails_by_name(stacks):
    failed = stacks.deploy("lonely", {"Q": parameter({"Fn::ImportValue": "nobody"})})
    assert failed.status == "ROLLBACK_COMPLETE"
    assert "No export named nobody found" in failed.reasons["Q"]


def test_a_get_att_that_the_type_lacks_fails_by_name(stacks):
    failed = stacks.deploy(
        "lacking", {"P": parameter("x"), "Q": parameter({"Fn::GetAtt": ["P", "Nope"]})}
    )
    assert failed.status == "ROLLBACK_COMPLETE"
    assert "does not support attribute Nope" in failed.reasons["Q"]


def test_events_come_in_pages_newest_first_each_later_than_the_one_before(stacks, client):
    stacks.deploy("many", {f"P{number}": parameter("x") for number in range(40)})
    answer = client("cloudformation").describe_stack_events(StackName="many")
    assert len(answer["StackEvents"]) == 100
    pages = client("cloudformation").get_paginator("describe_stack_events")
    events = [each for page in pages.paginate(StackName="many") for each in page["StackEvents"]]
    assert len({event["EventId"] for event in events}) == len(events) == 40 * 3 + 3
    times = [event["Timestamp"] for event in events]
    assert times == sorted(set(times), reverse=True)
