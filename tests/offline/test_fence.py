"""What nobody here has looked at is refused by name, to the administrator too."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.offline import fence
from infra.offline.authorization import wire
from infra.offline.server import Cloud
from tests.offline import whole_cloud
from tests.offline.clients.served import served_operations


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


OUTSIDE = [
    ("sagemaker", "create_endpoint", {"EndpointName": "e", "EndpointConfigName": "c"}),
    ("sagemaker", "list_notebook_instances", {}),
    ("ec2", "run_instances", {"MinCount": 1, "MaxCount": 1, "ImageId": "ami-12345678"}),
    ("iam", "create_user", {"UserName": "ana"}),
    ("lambda", "list_layers", {}),
    ("s3", "put_bucket_website", {"Bucket": "b", "WebsiteConfiguration": {}}),
    ("dynamodb", "list_backups", {}),
    ("sqs", "list_dead_letter_source_queues", {"QueueUrl": "https://sqs/1/q"}),
]


@pytest.mark.parametrize(("service", "method", "parameters"), OUTSIDE)
def test_an_operation_outside_is_refused_by_name(cloud, service, method, parameters):
    client = whole_cloud.client(cloud, service)
    name = client.meta.method_to_api_mapping[method]
    with pytest.raises(ClientError, match=f"{service}:{name} is not modelled") as caught:
        getattr(client, method)(**parameters)
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize("service", sorted(fence.ADMINISTRATORS))
def test_every_operation_of_the_list_is_one(service):
    assert fence.ADMINISTRATORS[service] <= set(wire.model_of(service).operation_names)


def test_what_the_project_uses_is_inside():
    outside = {
        (service, operation)
        for service, operations in served_operations().items()
        for operation in operations
        if fence.refused(service, operation)
    }
    assert outside == {
        # What SageMaker asks under a job's role, to stand it in a private network: whether IAM
        # lets it is decided when the job is made, and no interface is.
        ("ec2", "CreateNetworkInterfacePermission"),
        ("ec2", "DeleteNetworkInterfacePermission"),
        ("ec2", "DescribeDhcpOptions"),
        # The probe asks for these, and takes the refusal for "could not tell".
        ("ecr", "GetDownloadUrlForLayer"),
        ("ecr", "GetLifecyclePolicyPreview"),
        ("ecr", "StartLifecyclePolicyPreview"),
    }


def test_boto3_knows_each_service_by_the_name_used_here():
    assert set(fence.served()) <= set(boto3.Session().get_available_services())
