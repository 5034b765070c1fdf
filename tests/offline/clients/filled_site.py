"""A cloud with five of everything, made when a test of paginators or waiters asks for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from infra.offline.server import Cloud
from tests.offline.services.sagemaker.studio_cloud import in_service, space_request
from tests.offline.small_cloud import zipped
from tests.offline.whole_cloud import client, role

MANY = 5
NAMES = [f"list-{number}" for number in range(MANY)]


class Site:
    """A cloud and what its listings are filled with, made once."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._made: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        return self.once(f"client {service}", lambda: client(self.cloud, service))

    def once(self, what: str, make: Callable[[], Any]) -> Any:
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    @property
    def studio_role(self) -> str:
        return str(self.once("role", lambda: role(self.cloud, "studio", "sagemaker")))

    @property
    def subnet(self) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            ec2 = self.client("ec2")
            vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
            return {"VpcId": vpc, "SubnetIds": [subnet]}

        return dict(self.once("subnet", make))

    def domain(self, name: str) -> str:
        def make() -> str:
            settings = {
                "ExecutionRole": self.studio_role,
                "AutoMountHomeEFS": "Disabled",
                "SpaceStorageSettings": {
                    "DefaultEbsStorageSettings": {
                        "DefaultEbsVolumeSizeInGb": 5,
                        "MaximumEbsVolumeSizeInGb": 20,
                    }
                },
            }
            made = self.client("sagemaker").create_domain(
                DomainName=name,
                AuthMode="IAM",
                HomeEfsFileSystemCreation="Disabled",
                DefaultUserSettings=settings,
                **self.subnet,
            )
            in_service(self.client("sagemaker"), made["DomainId"])
            return str(made["DomainId"])

        return str(self.once(f"domain {name}", make))

    @property
    def profiles(self) -> str:
        """The domain that has five profiles."""

        def make() -> str:
            domain = self.domain(NAMES[0])
            for name in NAMES:
                self.client("sagemaker").create_user_profile(DomainId=domain, UserProfileName=name)
                in_service(self.client("sagemaker"), domain, UserProfileName=name)
            return domain

        return str(self.once("profiles", make))

    @property
    def spaces(self) -> str:
        """The domain that has five spaces."""

        def make() -> str:
            domain = self.profiles
            for name in NAMES:
                self.client("sagemaker").create_space(**space_request(domain, name))
            return domain

        return str(self.once("spaces", make))

    @property
    def bucket(self) -> str:
        """A bucket with two versions of each of five objects."""

        def make() -> str:
            s3 = self.client("s3")
            s3.create_bucket(Bucket="many")
            s3.put_bucket_versioning(Bucket="many", VersioningConfiguration={"Status": "Enabled"})
            for name in NAMES:
                for body in (b"1", b"2"):
                    s3.put_object(Bucket="many", Key=f"folder/{name}", Body=body)
            return "many"

        return str(self.once("bucket", make))

    @property
    def table(self) -> str:
        def make() -> str:
            api = self.client("dynamodb")
            for name in NAMES:
                api.create_table(
                    TableName=name,
                    KeySchema=[
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "sk", "KeyType": "RANGE"},
                    ],
                    AttributeDefinitions=[
                        {"AttributeName": "pk", "AttributeType": "S"},
                        {"AttributeName": "sk", "AttributeType": "S"},
                    ],
                    BillingMode="PAY_PER_REQUEST",
                )
            for name in NAMES:
                api.put_item(TableName=NAMES[0], Item={"pk": {"S": "a"}, "sk": {"S": name}})
            return NAMES[0]

        return str(self.once("table", make))

    @property
    def repository(self) -> str:
        def make() -> str:
            ecr = self.client("ecr")
            for name in NAMES:
                ecr.create_repository(repositoryName=name)
            for name in NAMES:
                push_image(ecr, NAMES[0], name)
            return NAMES[0]

        return str(self.once("repository", make))

    @property
    def stack(self) -> str:
        """The first of five stacks; it has five resources."""

        def make() -> str:
            api = self.client("cloudformation")
            for name in NAMES:
                api.create_stack(
                    StackName=name, TemplateBody=template(name, 1 if name != NAMES[0] else MANY)
                )
            for name in NAMES:
                api.get_waiter("stack_create_complete").wait(
                    StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
                )
            return NAMES[0]

        return str(self.once("stack", make))

    @property
    def function(self) -> str:
        def make() -> str:
            api = self.client("lambda")
            runner = role(self.cloud, "runner", "lambda")
            for name in NAMES:
                api.create_function(
                    FunctionName=name,
                    Runtime="python3.11",
                    Handler="app.handler",
                    Role=runner,
                    Code={"ZipFile": zipped({"app.py": "def handler(event, context): return 1"})},
                )
            version = api.publish_version(FunctionName=NAMES[0])["Version"]
            for name in NAMES:
                api.create_alias(FunctionName=NAMES[0], Name=name, FunctionVersion=version)
            return NAMES[0]

        return str(self.once("function", make))

    @property
    def log_group(self) -> str:
        def make() -> str:
            logs = self.client("logs")
            for name in NAMES:
                logs.create_log_group(logGroupName=f"/many/{name}")
                logs.create_log_stream(logGroupName=f"/many/{NAMES[0]}", logStreamName=name)
            now = int(self.cloud.runtime.clock.now().timestamp() * 1000)
            for number, name in enumerate(NAMES):
                logs.put_log_events(
                    logGroupName=f"/many/{NAMES[0]}",
                    logStreamName=name,
                    logEvents=[{"timestamp": now + number, "message": name}],
                )
            return f"/many/{NAMES[0]}"

        return str(self.once("logs", make))


def template(name: str, parameters: int) -> str:
    return json.dumps(
        {
            "Resources": {
                f"P{number}": {
                    "Type": "AWS::SSM::Parameter",
                    "Properties": {"Type": "String", "Name": f"/{name}/{number}", "Value": "x"},
                }
                for number in range(parameters)
            }
        }
    )


def push_image(ecr: Any, repository: str, tag: str) -> None:
    """An image of one small layer, by ECR's own operations."""

    def upload(content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        started = ecr.initiate_layer_upload(repositoryName=repository)
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=started["uploadId"],
            partFirstByte=0,
            partLastByte=len(content) - 1,
            layerPartBlob=content,
        )
        ecr.complete_layer_upload(
            repositoryName=repository, uploadId=started["uploadId"], layerDigests=[digest]
        )
        return digest

    config, layer = json.dumps({"tag": tag}).encode(), tag.encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(config),
            "digest": upload(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": len(layer),
                "digest": upload(layer),
            }
        ],
    }
    ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=json.dumps(manifest))
