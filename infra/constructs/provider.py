"""The organisation's own sign-in beside the codes: a second pool, and one provider in it.

A pool of its own, because in the pool of codes an address belongs to one user: a person who came by
the provider would take it from the user that the deploy made, who would get no more codes
(boto/boto3 issue 3213 shows how an alias wanders). Nobody stands in this pool by a deploy, and who
is in it is nobody: the door asks whose address the provider has checked, and lets in who has it in
the cohort file.

Sources: CreateIdentityProvider, CreateUserPoolClient and CreateUserPoolDomain (Cognito API
reference); "Mapping IdP attributes to profiles and tokens" (developer guide): mapped attributes
must be writable by the client; "Get a secret or secret value from Secrets Manager" (CloudFormation
user guide): the reference stands in any property, and neither service's logs keep what it gives.
"""

from __future__ import annotations

from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.cohort.model import Provider
from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns
from infra.constructs.sign_in import CLOSED, NOBODYS_PASSWORD, SESSIONS
from infra.services.door.entrance.provider import CALLBACK, SCOPES


class ProviderSignIn(Construct):
    """The pool of people whom `provider` vouches for, its host, and the door's client there.

    Attributes:
        environment: what the door must know of it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        provider: Provider,
        address: str,
    ) -> None:
        super().__init__(scope, construct_id)
        names = arns.names
        pool = cognito.CfnUserPool(
            self,
            "Pool",
            user_pool_name=names.provider_pool,
            # Costs the same for people of a provider, and no more for what is not used.
            user_pool_tier="LITE",
            # Nobody is made, either: the provider's people come by its word alone.
            **CLOSED,
            # Of two of the provider's names that differ in case, each is somebody.
            username_configuration={"caseSensitive": True},
            policies={"passwordPolicy": NOBODYS_PASSWORD},
        )
        acknowledge(
            pool,
            {
                "AwsSolutions-COG2": "People sign in at the organisation's provider: a second "
                "factor is asked for there, or nowhere.",
                "AwsSolutions-COG8": "The plan watches passwords, and nobody has one; it costs "
                "more than the whole door.",
            },
        )
        believed = cognito.CfnUserPoolIdentityProvider(
            self,
            "Provider",
            user_pool_id=pool.ref,
            provider_name=provider.name,
            provider_type="OIDC",
            provider_details={
                "client_id": provider.client_id,
                # CloudFormation reads it when it deploys: it stands in no template.
                "client_secret": f"{{{{resolve:secretsmanager:{provider.secret}}}}}",
                "oidc_issuer": provider.issuer,
                "authorize_scopes": "openid email",
                "attributes_request_method": "GET",
            },
            attribute_mapping={"email": "email", "email_verified": provider.verified},
        )
        client = cognito.CfnUserPoolClient(
            self,
            "Client",
            client_name=names.provider_pool,
            user_pool_id=pool.ref,
            # The code is bound to the browser by PKCE; a secret would be one more thing to keep.
            generate_secret=False,
            # None at all would be several (CreateUserPoolClient). This one leads nowhere: it takes
            # functions that this pool has not.
            explicit_auth_flows=["ALLOW_CUSTOM_AUTH"],
            supported_identity_providers=[provider.name],
            allowed_o_auth_flows_user_pool_client=True,
            allowed_o_auth_flows=["code"],
            allowed_o_auth_scopes=SCOPES.split(),
            callback_ur_ls=[f"{address}{CALLBACK}"],
            **SESSIONS,
            read_attributes=["email", "email_verified"],
            # Cognito writes what the provider says through the client. No token of the client may:
            # it has not the scope. That an address was checked, no client ever writes by itself.
            write_attributes=["email"],
        )
        client.add_resource_dependency(believed)
        domain = cognito.CfnUserPoolDomain(
            self,
            "Domain",
            user_pool_id=pool.ref,
            domain=names.provider_domain(account=arns.account, region=arns.region),
            # Its pages are never seen: the door leads straight on to the provider.
            managed_login_version=1,
        )
        self.environment = {
            "PROVIDER": provider.name,
            "PROVIDER_POOL": pool.ref,
            "PROVIDER_CLIENT": client.ref,
            "PROVIDER_DOMAIN": domain.ref,
            "ADDRESS": address,
        }
