"""A pool and its people from a template: made, changed, gone, and what cannot be changed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from botocore.exceptions import ClientError

SENDER = {
    "EmailSendingAccount": "DEVELOPER",
    "From": "Academy <academy@example.org>",
    "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/academy@example.org",
}
POOL = {"Ref": "Pool"}
IMMUTABLE = "CloudFormation cannot update a stack when a custom-named resource requires replacing."


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::Cognito::{kind}", "Properties": properties}


def person(name: str, email: str) -> dict[str, Any]:
    attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
    return resource(
        "UserPoolUser",
        UserPoolId=POOL,
        Username=name,
        UserAttributes=attributes,
        MessageAction="SUPPRESS",
    )


def template() -> dict[str, Any]:
    """As infra/stacks/door.py has it."""
    return {
        "Pool": resource(
            "UserPool",
            UserPoolName="types-door",
            UserPoolTier="ESSENTIALS",
            AliasAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False},
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
            Policies={
                "PasswordPolicy": {"MinimumLength": 64},
                "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]},
            },
            AccountRecoverySetting={"RecoveryMechanisms": [{"Name": "admin_only", "Priority": 1}]},
            EmailConfiguration=SENDER,
            EmailAuthenticationMessage="Type {####} to enter.",
            EmailAuthenticationSubject="Your code",
            DeletionProtection="INACTIVE",
            MfaConfiguration="OFF",
        ),
        "Client": resource(
            "UserPoolClient",
            UserPoolId=POOL,
            ClientName="types-door",
            GenerateSecret=False,
            ExplicitAuthFlows=["ALLOW_USER_AUTH"],
            PreventUserExistenceErrors="ENABLED",
            AccessTokenValidity=12,
            TokenValidityUnits={"AccessToken": "hours"},
            WriteAttributes=["nickname"],
        ),
        "Learners": resource("UserPoolGroup", UserPoolId=POOL, GroupName="learners"),
        "Ana": person("ana", "ana@example.org"),
        "AnaLearns": resource(
            "UserPoolUserToGroupAttachment",
            UserPoolId=POOL,
            Username={"Ref": "Ana"},
            GroupName={"Ref": "Learners"},
        ),
    }


OUTPUTS = {
    "Pool": POOL,
    "Arn": {"Fn::GetAtt": ["Pool", "Arn"]},
    "Provider": {"Fn::GetAtt": ["Pool", "ProviderURL"]},
    "Client": {"Ref": "Client"},
    "Ana": {"Ref": "Ana"},
    "Learners": {"Ref": "Learners"},
}


def people(client: Any, pool: str, group: str = "learners") -> list[str]:
    found = client("cognito-idp").list_users_in_group(UserPoolId=pool, GroupName=group)["Users"]
    return [each["Username"] for each in found]


def test_a_pool_with_its_people_is_made_and_deleted(stacks, client) -> None:
    made = stacks.deploy("types", template(), OUTPUTS)
    assert made.status == "CREATE_COMPLETE", made.reasons
    pool = made.outputs["Pool"]
    assert made.outputs["Arn"] == f"arn:aws:cognito-idp:us-east-1:123456789012:userpool/{pool}"
    assert made.outputs["Provider"] == f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"
    assert (made.outputs["Ana"], made.outputs["Learners"]) == ("ana", "learners")
    idp = client("cognito-idp")
    told = idp.describe_user_pool(UserPoolId=pool)["UserPool"]
    assert (told["Name"], told["EmailConfiguration"]) == ("types-door", SENDER)
    mail = idp.get_user_pool_mfa_config(UserPoolId=pool)["EmailMfaConfiguration"]
    assert mail == {"Message": "Type {####} to enter.", "Subject": "Your code"}
    asked = idp.describe_user_pool_client(UserPoolId=pool, ClientId=made.outputs["Client"])
    assert asked["UserPoolClient"]["AccessTokenValidity"] == 12
    assert people(client, pool) == ["ana"]
    assert stacks.delete("types").status == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="does not exist"):
        idp.describe_user_pool(UserPoolId=pool)


def test_it_is_changed_where_it_stands(stacks, client) -> None:
    before = stacks.deploy("types", template(), OUTPUTS)
    pool, idp = before.outputs["Pool"], client("cognito-idp")
    wanted = template()
    changes = {
        "Pool": {"EmailAuthenticationMessage": "{####}", "UserPoolTags": {"a": "b"}},
        "Client": {"AccessTokenValidity": 6, "ClientName": "renamed"},
        "Learners": {"Description": "who learns"},
    }
    for logical_id, properties in changes.items():
        wanted[logical_id]["Properties"] |= properties
    wanted["Pool"]["Properties"]["EmailConfiguration"] = {**SENDER, "From": "a@example.org"}
    del wanted["Pool"]["Properties"]["EmailAuthenticationSubject"]
    after = stacks.deploy("types", wanted, OUTPUTS)
    assert (after.status, after.outputs) == ("UPDATE_COMPLETE", before.outputs), after.reasons
    told = idp.describe_user_pool(UserPoolId=pool)["UserPool"]
    assert (told["EmailConfiguration"]["From"], told["UserPoolTags"]) == (
        "a@example.org",
        {"a": "b"},
    )
    mail = idp.get_user_pool_mfa_config(UserPoolId=pool)["EmailMfaConfiguration"]
    assert mail == {"Message": "{####}"}
    asked = idp.describe_user_pool_client(UserPoolId=pool, ClientId=after.outputs["Client"])
    assert asked["UserPoolClient"]["ClientName"] == "renamed"
    group = idp.get_group(UserPoolId=pool, GroupName="learners")["Group"]
    assert group["Description"] == "who learns"
    assert people(client, pool) == ["ana"]


def test_who_leaves_the_template_is_gone_and_who_comes_is_there(stacks, client) -> None:
    pool = stacks.deploy("types", template(), OUTPUTS).outputs["Pool"]
    wanted = template()
    del wanted["Ana"], wanted["AnaLearns"]
    wanted["Ben"] = person("ben", "ben@example.org")
    after = stacks.deploy("types", wanted)
    assert after.status == "UPDATE_COMPLETE", after.reasons
    users = client("cognito-idp").list_users(UserPoolId=pool)["Users"]
    assert [each["Username"] for each in users] == ["ben"]
    assert people(client, pool) == []


def test_an_address_is_not_changed_in_one_deploy_but_in_two(stacks, client) -> None:
    pool = stacks.deploy("types", template(), OUTPUTS).outputs["Pool"]
    wanted = {**template(), "Ana": person("ana", "anna@example.org")}
    after = stacks.deploy("types", wanted, OUTPUTS)
    assert after.status == "UPDATE_ROLLBACK_COMPLETE"
    assert after.reasons["Ana"] == f"{IMMUTABLE} Rename ana and update the stack again."
    without = {name: each for name, each in template().items() if not name.startswith("Ana")}
    assert stacks.deploy("types", without).status == "UPDATE_COMPLETE"
    assert stacks.deploy("types", wanted, OUTPUTS).status == "UPDATE_COMPLETE"
    told = client("cognito-idp").admin_get_user(UserPoolId=pool, Username="anna@example.org")
    assert told["Username"] == "ana"


@pytest.mark.parametrize(
    ("name", "value"),
    [("AliasAttributes", []), ("UsernameConfiguration", {"CaseSensitive": True})],
)
def test_what_a_pool_keeps_for_good_fails_the_update(stacks, name: str, value: Any) -> None:
    before = stacks.deploy("types", template(), OUTPUTS)
    wanted = template()
    wanted["Pool"]["Properties"][name] = value
    after = stacks.deploy("types", wanted, OUTPUTS)
    assert (after.status, after.outputs) == ("UPDATE_ROLLBACK_COMPLETE", before.outputs)
    assert after.reasons["Pool"] == f"Updates are not allowed for property - {name}."


@pytest.mark.parametrize(
    ("logical_id", "properties", "says"),
    [
        ("Pool", {"LambdaConfig": {}}, "Property LambdaConfig of AWS::Cognito::UserPool is not"),
        ("Pool", {"MfaConfiguration": "ON"}, "MfaConfiguration ON is not modelled"),
        ("Pool", {"EmailAuthenticationMessage": "come in"}, "regular expression"),
        ("Client", {"ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"]}, "is not modelled"),
        ("Ana", {"UserAttributes": []}, "needs an email"),
        ("AnaLearns", {"GroupName": "nobody"}, "nobody"),
    ],
)
def test_what_cannot_be_fails_the_stack_and_leaves_nothing(
    stacks, client, logical_id: str, properties: dict[str, Any], says: str
) -> None:
    wanted = template()
    wanted[logical_id]["Properties"] |= properties
    made = stacks.deploy("types", wanted)
    assert made.status == "ROLLBACK_COMPLETE"
    assert any(says in reason for reason in made.reasons.values()), made.reasons
    assert client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"] == []


def test_a_protected_pool_stays_and_the_stack_says_why(stacks, client) -> None:
    wanted = copy.deepcopy(template())
    wanted["Pool"]["Properties"]["DeletionProtection"] = "ACTIVE"
    stacks.deploy("types", wanted)
    gone = stacks.delete("types")
    assert gone.status == "DELETE_FAILED"
    assert "deletion protection is activated" in gone.reasons["Pool"]
    [pool] = client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    settings = {
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
        "DeletionProtection": "INACTIVE",
    }
    client("cognito-idp").update_user_pool(UserPoolId=pool["Id"], **settings)
    assert stacks.delete("types").status == "DELETE_COMPLETE"
