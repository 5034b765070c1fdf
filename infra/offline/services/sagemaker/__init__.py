"""SageMaker of the embedded cloud: Studio whose spaces are real JupyterLabs, training jobs that are
real processes, images that both are started from.

One convention for everything here, whoever calls (the wire, CloudFormation, the scheduler): each
operation is a method of moto's SageMaker backend,

    backend = sagemaker_backends[account][region]
    response = backend.create_space({"DomainId": "d-…", "SpaceName": "ana", …})

which takes the request exactly as boto3 would (CamelCase, tags as [{"Key", "Value"}]) and returns
the response exactly as boto3 would (`{}` where AWS answers nothing; timestamps are aware UTC
datetimes). The request is checked against botocore's service model and against what the embedded
cloud emulates; errors are moto service exceptions whose `code` is AWS's: ValidationException,
ResourceNotFound, ResourceInUse, ResourceLimitExceeded.

Operations: create, describe, list, update and delete of domain, user_profile, space, image,
image_version and app_image_config; create, describe, list and delete of studio_lifecycle_config and
app; create_presigned_domain_url; create,
describe, list (`list_training_jobs`) and stop of training_job. Listings are `list_domains`,
`list_user_profiles`, `list_spaces`, `list_apps`, `list_studio_lifecycle_configs`.

CreateDomain answers with DomainArn, DomainId and Url; CreateUserProfile with UserProfileArn,
CreateSpace with SpaceArn, CreateStudioLifecycleConfig with StudioLifecycleConfigArn. All but
lifecycle configurations and AppImageConfigs change state by themselves after the call: describe
them. Domains, profiles and spaces take `operations.SETTLING_SECONDS`.

Importing this package declares the changes to moto; `patching.apply()` puts them in. For the
server: `apps.open_presigned(token)` answers `/_academy/studio/auth`; `close()` comes first when the
cloud stops.
"""

from infra.offline.services.sagemaker import apps, images, studio, training
from infra.offline.services.sagemaker.operations import close

__all__ = ["apps", "close", "images", "studio", "training"]
