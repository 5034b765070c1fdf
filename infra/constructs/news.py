"""How learners hear of the competition: the topic `news`, and who is subscribed to it."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.cohort.model import TeamsChannel
from infra.constructs import policies
from infra.constructs.arns import Arns
from infra.constructs.role import ServiceRole
from infra.constructs.statements import document


class NewsTopic(Construct):
    """The topic that the scorer publishes to, encrypted with `key`; each of `emails` is subscribed.

    No service of AWS publishes to it, so its policy names none: roles of the account do by their
    own policies.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        key: kms.IKey,
        emails: Iterable[str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(
            self,
            "Topic",
            topic_name=arns.names.topic("news"),
            display_name=f"Academy {arns.names.cohort}",
            master_key=key,
            enforce_ssl=True,
        )
        for index, email in enumerate(emails):
            sns.Subscription(
                self,
                f"Email{index}",
                topic=self.topic,
                protocol=sns.SubscriptionProtocol.EMAIL,
                endpoint=email,
            )


class TeamsNews(Construct):
    """A channel of Microsoft Teams that hears of news, and can do nothing in the account.

    Amazon Q Developer in chat applications subscribes itself to the topic. It also answers who
    writes to it in the channel, under the channel's role and within its guardrails: so the role may
    do nothing, and the guardrail, which is AdministratorAccess unless one is named, denies all.
    The tenant must have agreed to it once, in the AWS console; the deploy fails before that.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        channel: TeamsChannel,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        names = arns.names
        nothing = policies.chat()
        role = ServiceRole(
            self,
            "Chat",
            arns=arns,
            name="chat",
            principal="chatbot.amazonaws.com",
            statements=nothing,
            # Source: "Cross-service confused deputy prevention", guide of Amazon Q Developer in
            # chat applications.
            when={"StringEquals": {"aws:SourceAccount": arns.account}},
        )
        guardrail = iam.CfnManagedPolicy(
            self,
            "Guardrail",
            managed_policy_name=names.chat_policy,
            description=f"Deep Learning Academy {names.cohort}: the chat channel does nothing",
            policy_document=document(nothing),
        )
        chatbot.CfnMicrosoftTeamsChannelConfiguration(
            self,
            "Channel",
            configuration_name=names.news_channel,
            teams_tenant_id=channel.tenant,
            team_id=channel.team,
            teams_channel_id=channel.channel,
            iam_role_arn=role.role.role_arn,
            guardrail_policies=[guardrail.ref],
            sns_topic_arns=[topic.topic_arn],
            logging_level="ERROR",
            # Nobody brings a role of their own either.
            user_role_required=False,
        )
