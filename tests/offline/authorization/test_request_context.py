"""What a policy may ask of a request besides its action and resource, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

ACCOUNT, REGION = "123456789012", "us-east-1"


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": action, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def deny(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return allow(action, resource, **condition) | {"Effect": "Deny"}


def tagged(team: str) -> dict[str, Any]:
    return {"StringEquals": {"aws:ResourceTag/team": team}}


def test_a_queues_tags_decide(cloud: Any, refused: Any) -> None:
    admin = cloud.client("sqs")
    urls = {
        team: admin.create_queue(QueueName=team, tags={"team": team})["QueueUrl"]
        for team in ("falcon", "heron")
    }
    falcon = cloud.client("sqs", cloud.role(allow("sqs:*", "*", **tagged("falcon"))))
    falcon.send_message(QueueUrl=urls["falcon"], MessageBody="x")
    refused(
        lambda: falcon.send_message(QueueUrl=urls["heron"], MessageBody="x"),
        "AccessDeniedException",
    )


def test_a_topics_tags_decide(cloud: Any, refused: Any) -> None:
    admin = cloud.client("sns")
    arns = [
        admin.create_topic(Name=team, Tags=[{"Key": "team", "Value": team}])["TopicArn"]
        for team in ("falcon", "heron")
    ]
    falcon = cloud.client("sns", cloud.role(allow("sns:Publish", "*", **tagged("falcon"))))
    falcon.publish(TopicArn=arns[0], Message="x")
    refused(lambda: falcon.publish(TopicArn=arns[1], Message="x"), "AuthorizationError")


def test_a_tables_tags_decide(cloud: Any, refused: Any) -> None:
    admin = cloud.client("dynamodb")
    for team in ("falcon", "heron"):
        admin.create_table(
            TableName=team,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            Tags=[{"Key": "team", "Value": team}],
        )
    falcon = cloud.client("dynamodb", cloud.role(allow("dynamodb:*", "*", **tagged("falcon"))))
    falcon.put_item(TableName="falcon", Item={"pk": {"S": "x"}})
    refused(
        lambda: falcon.put_item(TableName="heron", Item={"pk": {"S": "x"}}),
        "AccessDeniedException",
    )


@pytest.mark.parametrize("key", ["aws:ResourceTag/team", "iam:ResourceTag/Team"])
def test_a_roles_tags_decide_who_may_read_it(cloud: Any, refused: Any, key: str) -> None:
    cloud.role(name="ben")
    cloud.client("iam").tag_role(RoleName="ben", Tags=[{"Key": "team", "Value": "falcon"}])
    cloud.role(name="chi")
    reader = cloud.client(
        "iam", cloud.role(allow("iam:GetRole", "*", StringEquals={key: "falcon"}))
    )
    reader.get_role(RoleName="ben")
    refused(lambda: reader.get_role(RoleName="chi"))


def test_a_new_training_job_has_no_tags_of_its_own_yet(cloud: Any, refused: Any) -> None:
    cloud.behind.stub = False
    only_untagged = {"Null": {"aws:ResourceTag/team": "true", "sagemaker:ResourceTag/x": "true"}}
    keys = cloud.role(allow("sagemaker:StopTrainingJob", "*", **only_untagged))
    tagged_only = cloud.role(allow("sagemaker:StopTrainingJob", "*", **tagged("falcon")))
    cloud.behind.stub = True
    cloud.client("sagemaker", keys).stop_training_job(TrainingJobName="job")
    refused(
        lambda: cloud.client("sagemaker", tagged_only).stop_training_job(TrainingJobName="job"),
        "AccessDeniedException",
    )


def test_old_tls_can_be_forbidden_without_forbidding_everything(cloud: Any, refused: Any) -> None:
    old = deny("s3:*", "*", NumericLessThan={"s3:TlsVersion": "1.2"})
    cloud.client("s3", cloud.role(allow("s3:*"), old)).list_buckets()
    newest = deny("s3:*", "*", NumericLessThan={"s3:TlsVersion": "1.4"})
    refused(cloud.client("s3", cloud.role(allow("s3:*"), newest)).list_buckets)


def test_a_key_is_told_by_what_it_is_for(cloud: Any, refused: Any) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["KeyId"]
    asks = {
        "StringEquals": {
            "kms:KeySpec": "SYMMETRIC_DEFAULT",
            "kms:KeyUsage": "ENCRYPT_DECRYPT",
            "kms:KeyOrigin": "AWS_KMS",
            "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        },
        "Bool": {"kms:MultiRegion": "false"},
        "Null": {"kms:RecipientAttestation:PCR0": "true"},
    }
    may = cloud.client("kms", cloud.role(allow("kms:Encrypt", "*", **asks)))
    may.encrypt(KeyId=key, Plaintext=b"x")
    other = {**asks, "Bool": {"kms:MultiRegion": "true"}}
    may_not = cloud.client("kms", cloud.role(allow("kms:Encrypt", "*", **other)))
    refused(lambda: may_not.encrypt(KeyId=key, Plaintext=b"x"), "AccessDeniedException")


def job(**changed: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "job",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/job",
        "OutputDataConfig": {"S3OutputPath": "s3://earth-work/x"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changed,
    }


def test_a_jobs_keys_are_compared_by_their_arns(cloud: Any, refused: Any) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]
    only = {"ArnEquals": {"sagemaker:OutputKmsKeyArn": key["Arn"]}}
    keys = cloud.role(allow("sagemaker:CreateTrainingJob", "*", **only), allow("iam:PassRole"))
    cloud.behind.stub = True
    client = cloud.client("sagemaker", keys)
    output = {"S3OutputPath": "s3://earth-work/x", "KmsKeyId": key["KeyId"]}
    client.create_training_job(**job(OutputDataConfig=output))
    refused(lambda: client.create_training_job(**job()), "AccessDeniedException")


def test_a_role_that_is_passed_is_told_by_its_tags(cloud: Any, refused: Any) -> None:
    cloud.role(name="job", path="/")
    cloud.client("iam").tag_role(RoleName="job", Tags=[{"Key": "team", "Value": "falcon"}])
    passes = allow("iam:PassRole", "*", **tagged("falcon"))
    fails = allow("iam:PassRole", "*", **tagged("heron"))
    create = allow("sagemaker:CreateTrainingJob")
    good, bad = cloud.role(create, passes), cloud.role(create, fails)
    cloud.behind.stub = True
    cloud.client("sagemaker", good).create_training_job(**job())
    message = refused(
        lambda: cloud.client("sagemaker", bad).create_training_job(**job()),
        "AccessDeniedException",
    )
    assert "iam:PassRole" in message


def test_a_stacks_tags_in_the_request_decide(cloud: Any, refused: Any) -> None:
    required = {"StringEquals": {"aws:RequestTag/course": "earth"}}
    keys = cloud.role(allow("cloudformation:CreateStack", "*", **required))
    cloud.behind.stub = True
    client = cloud.client("cloudformation", keys)
    refused(lambda: client.create_stack(StackName="s", TemplateBody="{}"))
    before = len(cloud.behind.passed)
    with pytest.raises(Exception):  # noqa: B017, PT011 (the recorder's {} is no XML)
        client.create_stack(
            StackName="s", TemplateBody="{}", Tags=[{"Key": "course", "Value": "earth"}]
        )
    assert len(cloud.behind.passed) == before + 1


def test_a_key_that_is_not_modelled_is_refused_by_name(cloud: Any, refused: Any) -> None:
    keys = cloud.role(
        allow("s3:ListAllMyBuckets", "*", NumericLessThan={"s3:signatureAge": "600000"})
    )
    assert "s3:signatureage" in refused(cloud.client("s3", keys).list_buckets)
