"""Whom a cohort's roles may set off, and how: the trusted deputies, each with its contract.

A deputy does for others what they may not do themselves. IAM ends there: what it is handed, it
judges by its own code. So each has a contract: who reaches it and in which way, what it believes of
what it is told and what it never does, and the tests that attack it. `chains` follows every step
that a role's rights allow; one that no contract here lists is a breach.

Peers are no deputies: whoever runs learners' code believes whatever it opens. Their contracts say
only who may hand them something.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.assurance.isolation.asking import Region
from infra.assurance.isolation.world import Role, World
from infra.cohort import images
from infra.cohort.naming import Names

#: Kinds of roles that have a contract for all of them.
KINDS = ("learner", "training", "advisor", "domain")

#: In place of an action: a training job ends, which nobody asks IAM for.
END_OF_JOB = "(the end of a training job)"

_INVOKE = ("lambda:InvokeFunction",)
_PUT = ("s3:PutObject",)
_PASS = ("iam:PassRole",)
_OPEN = ("sagemaker:CreateApp", "sagemaker:CreatePresignedDomainUrl")
_ITEMS = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
_LEDGER = ("arn:aws:dynamodb:{region}:{account}:table/{cohort}-ledger",)
_BOARD = ("arn:aws:dynamodb:{region}:{account}:table/{cohort}-board",)
_JOBS = ("arn:aws:sagemaker:{region}:{account}:training-job/{cohort}--*",)


@dataclass(frozen=True)
class Way:
    """One way to a role: who sets it off, by which action, on what.

    Attributes:
        by: kinds (learner, training, advisor) or services (broker, …) of the same cohort.
        on: ARN patterns. In braces: account, region, cohort and the buckets work, data, vault and
            site; reached, the ARN of the role that is reached; owner and team of the caller.
        within_team: whether caller and reached role must be of one team.
    """

    by: tuple[str, ...]
    actions: tuple[str, ...]
    on: tuple[str, ...]
    says: str
    within_team: bool = False

    def region(self, world: World, caller: Role, reached: Role) -> Region | None:
        """What of the caller's `actions` this way covers, or None if it is not theirs."""
        if called(caller) not in self.by:
            return None
        if caller.cohort and reached.cohort and caller.cohort != reached.cohort:
            return None
        if self.within_team and (caller.team is None or caller.team != reached.team):
            return None
        buckets = {
            purpose: "arn:aws:s3:::"
            + Names(reached.cohort or caller.cohort).bucket(
                purpose, account=world.account, region=world.region
            )
            for purpose in ("work", "data", "vault", "site")
        }
        values = {
            "account": world.account,
            "region": world.region,
            "cohort": reached.cohort or caller.cohort,
            "reached": reached.arn,
            "owner": caller.owner,
            "team": caller.team or "",
            **buckets,
        }
        return Region(tuple(pattern.format(**values) for pattern in self.on))


def called(role: Role) -> str:
    """How contracts name a role: a service by its name, one of the account by the role's, others by
    their kind."""
    if not role.cohort:
        return role.name
    return role.owner if role.kind == "service" and role.owner not in KINDS else role.kind


@dataclass(frozen=True)
class Peer:
    """The contract of a kind of roles that run what people of the cohort write."""

    name: str
    says: str
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Deputy:
    """The contract of one service's role.

    Attributes:
        alone: what it may do that no other role of the cohort may.
        believes: what it takes for true of what it is handed, and why that is safe.
        never: what it is handed and takes for nothing.
        tests: pytest's ids of what attacks it, each of which exists (a test sees to that).
    """

    name: str
    says: str
    ways: tuple[Way, ...]
    alone: tuple[str, ...]
    believes: tuple[str, ...]
    never: tuple[str, ...]
    tests: tuple[str, ...]


_HOSTILE = "tests/services/test_guard_hostile.py::"
_REQUESTS = "tests/services/test_guard_requests.py::"
_SDK = "tests/services/test_guard_sdk.py::"
_GUARD = "tests/services/test_guard_handler.py::"
_TURNS = "tests/services/test_guard_turns.py::"
_SWEEP = "tests/services/test_guard_sweep.py::"
_CRASHES = "tests/services/test_guard_crashes.py::"
_ATTACKS = "tests/services/test_competition_attacks.py::"
_CHECKING = "tests/services/test_competition_checking.py::"
_MAPS = "tests/services/test_competition_land_cover.py::"
_SCORER = "tests/services/test_competition_scorer.py::"
_SEALED = "tests/services/test_competition_sealed.py::"
_STEWARD = "tests/services/test_competition_steward.py::"
_DOOR = "tests/services/test_door_attacks.py::"
_PROVIDER = "tests/end_to_end/test_provider.py::"
_SESSIONS = "tests/services/test_door_sessions.py::"
_NOTES = "tests/services/test_door_notes.py::"
_ROLES = "tests/stacks/test_competition_roles.py::"

_KEEPS_LEDGER = Way(
    by=("broker", "settler", "sweep"),
    actions=_ITEMS,
    on=_LEDGER,
    says="Those who keep the ledger believe each other's entries: nobody else writes there.",
)
_KEEPS_BOARD = Way(
    by=("scorer", "steward"),
    actions=_ITEMS,
    on=_BOARD,
    says="Scorer and steward believe each other's lines: nobody else writes there.",
)

BROKER = Deputy(
    name="broker",
    says="Starts what bills, within the cohort file's limits and the learner's money.",
    ways=(
        Way(
            by=("learner", "advisor"),
            actions=_INVOKE,
            on=("arn:aws:lambda:{region}:{account}:function:{cohort}-broker:{owner}",),
            says="Learners and advisors invoke the one alias that is their identity.",
        ),
        Way(
            by=("door",),
            actions=_INVOKE,
            on=("arn:aws:lambda:{region}:{account}:function:{cohort}-broker:*",),
            says="The door invokes the alias of who is signed in.",
        ),
        _KEEPS_LEDGER,
    ),
    alone=(
        "starts and opens spaces (sagemaker:CreateApp, CreatePresignedDomainUrl)",
        "starts training jobs, and passes the teams' training roles for it",
        "writes the stops, and passes the stopper for it",
    ),
    believes=(
        "the alias that Lambda says was invoked: IAM lets each learner invoke one, and the door, "
        "by its contract, that of who is signed in",
        "the parameters settings and workspaces: only deploys write them",
        "the ledger, which its keepers alone write",
        "SageMaker's word on what runs and for how long it billed",
    ),
    never=(
        "anything in the payload about who asks, for which team, under which role or image, at "
        "what price: such a member is refused by name",
        "a number, name, path or type that it has not held against the settings",
        "its own memory of an earlier call, where ledger or SageMaker can be asked",
    ),
    tests=(
        f"{_REQUESTS}test_any_other_call_has_no_learner",
        f"{_REQUESTS}test_anything_in_any_member_is_read_or_refused",
        f"{_REQUESTS}test_deep_nesting_is_refused",
        f"{_GUARD}test_a_payload_of_any_kind_gets_an_answer",
        f"{_HOSTILE}test_it_is_refused_and_logged_and_nothing_is_reserved",
        f"{_HOSTILE}test_absurd_hours_of_a_space_are_refused",
        f"{_HOSTILE}test_no_image_of_a_learners_own_can_be_asked_for",
        f"{_HOSTILE}test_an_unlisted_type_of_a_space_is_refused",
        f"{_HOSTILE}test_a_token_of_anothers_opens_nothing_of_theirs",
        f"{_HOSTILE}test_another_teams_job_is_neither_seen_nor_stopped",
        f"{_HOSTILE}test_a_forged_identity_is_nobodys",
        f"{_HOSTILE}test_nobody_speaks_for_another_in_any_operation",
        f"{_HOSTILE}test_a_link_leads_into_ones_own_profile_whatever_is_asked_for",
        f"{_HOSTILE}test_the_request_that_is_made_has_no_member_but_the_listed_ones",
        f"{_SDK}test_a_member_that_is_not_granted_is_refused_by_name",
        f"{_SDK}test_whatever_is_sent_only_what_the_cohort_grants_is_started",
        f"{_SDK}test_no_uri_leads_out_of_the_team_and_the_cohorts_data",
        f"{_TURNS}test_a_flood_costs_the_broker_no_look_at_aws_and_the_others_nothing",
        f"{_CRASHES}test_books_and_bills_agree_whatever_breaks",
    ),
)

SETTLER = Deputy(
    name="settler",
    says="Settles a job that ended to what was billed.",
    ways=(
        _KEEPS_LEDGER,
        Way(
            by=("training",),
            actions=(END_OF_JOB,),
            on=_JOBS,
            says="A job ends, and EventBridge tells the settler its name.",
        ),
        Way(
            by=("broker", "sweep"),
            actions=("sagemaker:CreateTrainingJob", "sagemaker:StopTrainingJob"),
            on=_JOBS,
            says="A job that is started or stopped changes its state, of which EventBridge tells.",
        ),
    ),
    alone=(),
    believes=("SageMaker's word on a job that it asks for by name", "the ledger"),
    never=("what the event says of the job beyond its name", "a name that is not the cohort's"),
    tests=(
        f"{_GUARD}test_an_event_settles_and_a_foreign_one_does_not",
        f"{_CRASHES}test_events_that_come_twice_late_or_early_settle_once",
        f"{_HOSTILE}test_an_event_is_believed_for_its_jobs_name_alone",
    ),
)

SWEEP = Deputy(
    name="sweep",
    says="Ends what runs without a reservation, settles what events missed, weighs storage.",
    ways=(_KEEPS_LEDGER,),
    alone=(
        "lists every domain, app, space and job of the account by name",
        "lists the versions of what lies in the bucket work, to count bytes",
    ),
    believes=("SageMaker's listings", "the ledger", "sizes that S3 tells"),
    never=("a name that is not the cohort's: it ends nothing else", "the content of any object"),
    tests=(
        f"{_SWEEP}test_an_app_without_a_reservation_is_ended_and_told_once",
        f"{_SWEEP}test_apps_of_other_kinds_and_owners_are_ended_too",
        f"{_SWEEP}test_a_job_that_only_looks_like_one_run_again_is_stopped",
        f"{_SWEEP}test_one_reservation_that_nothing_can_be_made_of_does_not_shield_the_others",
        f"{_SWEEP}test_whenever_time_runs_out_the_next_sweeps_go_through_everything",
    ),
)

STOPPER = Deputy(
    name="stopper",
    says="EventBridge Scheduler ends a space under this role when its reservation ends.",
    ways=(
        Way(
            by=("broker",),
            actions=_PASS,
            on=("{reached}",),
            says="The broker writes a stop and passes the stopper to EventBridge Scheduler.",
        ),
    ),
    alone=(),
    believes=("the one schedule group that its trust policy names",),
    never=("an action but sagemaker:DeleteApp on the cohort's apps: its policy has no other",),
    tests=(
        "tests/services/test_guard_aws.py::"
        "test_the_stop_is_a_one_time_schedule_that_deletes_the_app",
        "tests/stacks/test_guard_stack.py::"
        "test_the_stopper_can_delete_the_cohorts_apps_and_nothing_else",
    ),
)

CHECKER = Deputy(
    name="checker",
    says="Reads what a team sent as it was sent, and writes what it says in canonical form.",
    ways=(
        Way(
            by=("learner",),
            actions=_PUT,
            on=("{work}/submissions/*",),
            says="A file under submissions/ sets the checker off, which reads it.",
        ),
        Way(
            by=("steward",),
            actions=_INVOKE,
            on=("arn:aws:lambda:{region}:{account}:function:{cohort}-checker",),
            says="The steward hands over by its key what an event did not.",
        ),
    ),
    alone=("writes checked/, which the scorer believes",),
    believes=(
        "the key: IAM lets a team write under its own prefix alone",
        "S3's own time of arrival",
        "the published task in the bucket data, which admins write",
    ),
    never=(
        "a byte of the file: formats are read by hand, within limits, without unpickling, and "
        "nothing is written to a disk",
        "the file's metadata, but as words that are shown or as the name of a job to ask about",
    ),
    tests=(
        f"{_MAPS}test_a_wrong_file_is_refused_with_the_place",
        f"{_MAPS}test_a_bomb_is_not_unpacked_beyond_its_shape",
        f"{_MAPS}test_of_members_that_share_bytes_none_is_unpacked",
        f"{_MAPS}test_a_directory_of_a_hundred_thousand_names_is_not_read",
        f"{_MAPS}test_no_damage_takes_the_scorer_down",
        f"{_MAPS}test_no_noise_takes_the_scorer_down",
        f"{_CHECKING}test_any_runs_are_read_or_refused",
        f"{_CHECKING}test_no_noise_after_a_right_header_takes_the_checker_down",
        f"{_CHECKING}test_what_checks_knows_nothing_of_answers",
        f"{_SCORER}test_the_checker_needs_neither_vault_nor_table",
        f"{_SCORER}test_a_large_file_is_refused_without_being_read_whole",
        f"{_ATTACKS}test_a_file_that_cannot_be_read_back_is_refused",
        f"{_ROLES}test_the_checker_reads_what_was_sent_and_reaches_neither_answers_nor_table",
    ),
)

SCORER = Deputy(
    name="scorer",
    says="Scores the checker's form against the held-out answers, and keeps board and pages.",
    ways=(
        Way(
            by=("checker",),
            actions=_PUT,
            on=("{work}/checked/*",),
            says="A canonical form under checked/ sets the scorer off, which reads it.",
        ),
        Way(
            by=("steward",),
            actions=_INVOKE,
            on=("arn:aws:lambda:{region}:{account}:function:{cohort}-scorer",),
            says="The steward has boards written anew.",
        ),
        _KEEPS_BOARD,
    ),
    alone=(
        "reads the vault's answers",
        "writes the site",
        "publishes news",
    ),
    believes=(
        "checked/, which the checker alone writes, after its digest was computed again",
        "the answers in the vault, which admins write",
        "SageMaker's word on the image, type and time of a job of the sender's own team",
    ),
    never=(
        "a submission as it was sent: its role cannot read one",
        "a checked object whose key, header and body are not of one team and project",
        "the sender's word on when it came or what it cost",
    ),
    tests=(
        f"{_CHECKING}test_what_is_no_checked_object_is_a_fault_of_the_deployment",
        f"{_CHECKING}test_a_damaged_body_is_never_scored",
        f"{_CHECKING}test_a_body_of_other_scenes_or_with_no_classes_is_never_scored",
        f"{_SCORER}test_what_was_checked_for_one_team_is_not_anothers",
        f"{_SCORER}test_a_job_that_is_not_the_teams_is_neither_asked_about_nor_shown",
        f"{_SCORER}test_the_private_score_is_in_the_table_alone",
        f"{_SEALED}test_receipts_pages_news_and_logs_hold_no_answer_and_no_private_score",
        f"{_SEALED}test_of_a_map_neither_receipt_nor_page_nor_log_holds_a_row_of_labels",
        f"{_SEALED}test_forecasts_answers_that_cannot_be_read_are_not_quoted",
        f"{_SEALED}test_maps_answers_that_cannot_be_read_are_not_quoted",
        f"{_ATTACKS}test_a_descent_in_step_is_no_equation_in_the_answers",
        f"{_ATTACKS}test_what_is_told_beside_the_score_has_no_more_digits_than_it",
        f"{_ATTACKS}test_what_is_beyond_the_days_limit_is_not_scored",
        f"{_ATTACKS}test_who_was_scored_after_the_moment_of_a_close_does_not_decide",
        f"{_ROLES}test_the_scorer_reads_the_answers_and_no_file_as_it_was_sent",
    ),
)

STEWARD = Deputy(
    name="steward",
    says="Finds submissions without a receipt, and hands them over again.",
    ways=(
        Way(
            by=("checker", "scorer"),
            actions=_PUT,
            on=("{work}/receipts/*",),
            says="A receipt says that a submission is dealt with, or that it waits.",
        ),
        _KEEPS_BOARD,
    ),
    alone=("invokes checker and scorer by hand",),
    believes=("keys and times that S3 lists", "receipts, which checker and scorer write", "board"),
    never=("the content of a submission: its role cannot read one", "a key of another shape"),
    tests=(
        f"{_STEWARD}test_a_key_that_the_library_does_not_make_is_passed_over",
        f"{_STEWARD}test_a_teams_flood_does_not_keep_anothers_waiting",
        f"{_STEWARD}test_names_that_begin_alike_do_not_cover_for_each_other",
        f"{_STEWARD}test_whatever_happens_nothing_is_lost_in_the_end",
        f"{_ROLES}test_the_steward_reads_no_submission_and_writes_nothing_but_receipts",
    ),
)

DOOR = Deputy(
    name="door",
    says="Shows people of the cohort what is theirs to see, and asks the broker in their names.",
    ways=(
        Way(
            by=("learner", "training"),
            actions=_PUT,
            on=("{work}/teams/{team}/*",),
            says="A team and its advisors look at what lies in the team's folder.",
        ),
        Way(
            by=("checker", "scorer", "steward"),
            actions=_PUT,
            on=("{work}/receipts/*",),
            says="A team, and advisors, see its receipts.",
        ),
        Way(
            by=("scorer",),
            actions=_PUT,
            on=("{site}/*",),
            says="Everybody sees the boards.",
        ),
        Way(
            by=("broker", "settler", "sweep"),
            actions=_ITEMS,
            on=_LEDGER,
            says="A learner sees what the ledger has of them.",
        ),
        Way(
            by=("door",),
            actions=_PUT,
            on=("{work}/notes/*",),
            says="A team sees what advisors wrote to it.",
        ),
    ),
    alone=(
        "answers whoever asks over the internet",
        "invokes every person's alias of the broker",
        "writes and reads the advisors' notes",
    ),
    believes=(
        "Cognito's word, at each request, on whose the cookie is, and for who came by a provider "
        "on which address that has checked, and whether the person's own user may sign in",
        "the parameters settings and people: only deploys write them",
        "the ledger, receipts and boards, which their keepers alone write",
    ),
    never=(
        "a path, a form, a header or a cookie on who asks or which team it is about",
        "a token that Cognito has not just taken, and a user that the list of people has not",
        "a byte that people wrote, but as text: names, notes, logs, notebooks",
    ),
    tests=(
        f"{_DOOR}test_one_cookie_cannot_do_anothers_deed",
        f"{_DOOR}test_who_signed_in_second_is_who_acts",
        f"{_DOOR}test_two_sessions_in_one_request_are_none",
        f"{_DOOR}test_a_token_that_does_not_hold_is_out_at_once_on_every_page",
        f"{_DOOR}test_a_token_that_has_ended_does_nothing",
        f"{_DOOR}test_a_page_shows_nothing_to_who_is_not_signed_in",
        f"{_DOOR}test_a_form_that_was_not_sent_from_here_does_nothing",
        f"{_DOOR}test_a_form_without_the_sessions_own_token_does_nothing",
        f"{_DOOR}test_a_learner_finds_no_page_of_the_advisors",
        f"{_DOOR}test_a_learner_finds_no_job_of_another_team",
        f"{_DOOR}test_what_an_instance_or_a_failure_is_called_is_shown_and_not_run",
        f"{_DOOR}test_what_is_typed_is_shown_and_not_run",
        f"{_SESSIONS}test_a_token_that_cognito_takes_but_was_not_made_for_this_door_is_nobodys",
        f"{_SESSIONS}test_claims_are_nothing_until_cognito_has_taken_the_token",
        f"{_SESSIONS}test_while_cognito_does_not_answer_nobody_is_let_in",
        f"{_PROVIDER}test_an_address_that_is_not_checked_or_not_in_the_file_is_nobodys",
        f"{_PROVIDER}test_an_id_token_that_is_not_the_providers_word_signs_nobody_in",
        f"{_PROVIDER}test_what_comes_back_counts_in_the_browser_that_began_it_alone",
        f"{_PROVIDER}test_a_learner_cannot_change_who_she_is_by_the_token_in_her_browser",
        f"{_PROVIDER}test_who_is_shut_out_is_out_at_once_and_does_not_come_back_by_the_provider",
        f"{_NOTES}test_a_form_says_nothing_about_who_wrote_the_note_and_where_it_goes",
        f"{_NOTES}test_a_learner_leaves_no_note_with_a_form_of_the_own_session",
        f"{_NOTES}test_no_path_leads_a_note_elsewhere",
        f"{_NOTES}test_a_hostile_note_is_text_on_every_page",
        f"{_NOTES}test_a_notebook_is_read_by_its_team_and_its_advisor_and_by_nobody_else",
        f"{_NOTES}test_a_notebook_that_tries_everything_leaves_the_page_its_policy",
        "tests/services/test_door_team.py::test_nothing_of_another_team_is_read_or_said",
        "tests/services/test_door_team.py::test_nothing_beside_the_folder_is_opened",
        "tests/services/test_door_advisors.py::test_a_learner_does_nothing_of_an_advisors",
        "tests/services/test_door_shown.py::"
        "test_a_notebook_that_tries_everything_becomes_no_tag_but_ours",
        "tests/stacks/test_door_stack.py::test_the_door_asks_the_broker_and_calls_nothing_else",
        "tests/stacks/test_door_stack.py::test_the_door_writes_notes_and_nothing_else",
    ),
)

CHAT = Deputy(
    name="chat",
    says="Takes news to a channel of Microsoft Teams, and can do nothing.",
    ways=(
        Way(
            by=("scorer",),
            actions=("sns:Publish",),
            on=("arn:aws:sns:{region}:{account}:{cohort}-news",),
            says="The scorer tells news to the topic, to which the channel is subscribed.",
        ),
    ),
    alone=(),
    believes=("what the scorer tells, as text",),
    never=("a request of whoever writes in the channel: role and guardrail deny everything",),
    tests=(
        "tests/stacks/test_competition_stack.py::"
        "test_a_channel_may_do_nothing_by_role_and_by_guardrail",
    ),
)


_TEAMS_FOLDER = Way(
    by=("learner", "training"),
    actions=_PUT,
    on=("{work}/teams/{team}/*",),
    says="A team works in its own folder, and runs what lies there.",
    within_team=True,
)
_OPENED = Way(
    by=("broker",),
    actions=_OPEN,
    on=("*",),
    says="The broker opens a learner's own space, under the role of the learner's profile.",
)

_IMAGES = Way(
    by=(images.BUILD_ROLE,),
    actions=("ecr:PutImage",),
    on=("arn:aws:ecr:{region}:{account}:repository/academy/*",),
    says="What an admin has CodeBuild build of this repository is what spaces and jobs start on.",
)
_RECEIPTS = Way(
    by=("checker", "scorer", "steward"),
    actions=_PUT,
    on=("{work}/receipts/*",),
    says="A team, and advisors, read its receipts.",
)
_BOARDS = Way(
    by=("scorer",),
    actions=_PUT,
    on=("{site}/*",),
    says="People of the cohort read the boards, which hold no script.",
)

ADVISOR = Deputy(
    name="advisor",
    says="Reads every team's work, jobs and boards, and writes nothing of theirs.",
    ways=(
        Way(
            by=("learner", "training"),
            actions=_PUT,
            on=("{work}/teams/{team}/*", "{work}/submissions/*"),
            says="An advisor opens what a team has written.",
        ),
        _OPENED,
        _RECEIPTS,
        _BOARDS,
        _IMAGES,
    ),
    alone=("reads the work, submissions and receipts of every team",),
    believes=("the templates and wheels in the bucket data, which admins write",),
    never=("code of a learner: to open it does not execute it",),
    tests=(
        "tests/academy/test_showing.py::test_a_hostile_notebook_is_text_and_pictures",
        "tests/academy/test_showing.py::test_whatever_a_notebook_is_its_page_is_harmless",
        "tests/academy/test_showing.py::test_links_and_devices_are_passed_over",
        "tests/academy/test_advising.py::"
        "test_no_name_of_theirs_becomes_one_that_python_or_jupyter_looks_for",
        "tests/academy/test_advising.py::test_a_path_that_leads_elsewhere_is_refused",
        "tests/browser/test_shown_pages.py::"
        "test_a_hostile_notebook_runs_nothing_and_shows_its_picture",
        "tests/stacks/test_advisors_stack.py::test_she_reads_every_teams_work_and_writes_none",
    ),
)

LEARNER = Peer(
    name="learner",
    says="Runs what the learner writes; reads what the team and the services write.",
    ways=(
        _TEAMS_FOLDER,
        Way(
            by=("learner",),
            actions=_PUT,
            on=("{work}/submissions/*",),
            says="A team sees what it has sent.",
            within_team=True,
        ),
        _OPENED,
        _RECEIPTS,
        _BOARDS,
        _IMAGES,
    ),
)

TRAINING = Peer(
    name="training",
    says="Runs a team's code as a job.",
    ways=(
        _TEAMS_FOLDER,
        Way(
            by=("broker",),
            actions=_PASS,
            on=("{reached}",),
            says="The broker starts a team's job under the team's role.",
        ),
        # No profile has a training role: doors cannot tell which profile has which.
        _OPENED,
        _IMAGES,
    ),
)

DOMAIN = Peer(
    name="domain",
    says="A domain's role, of whoever has a profile in it that names none: it may do nothing.",
    ways=(_OPENED,),
)

#: Roles of the account, where it has images of its own: nothing of a cohort reaches the first.
IMAGES_BUILD = Peer(
    name=images.BUILD_ROLE,
    says="CodeBuild builds images under it, when an admin says so.",
    ways=(),
)
IMAGES_STUDIO = Peer(
    name=images.STUDIO_ROLE,
    says="SageMaker reads the images under it; it may do nothing else.",
    ways=(_IMAGES, _OPENED),
)

#: Every trusted deputy, by its service's name or its roles' kind. The chat is there where a cohort
#: has a channel, the door where the file asks for one, advisors where it pays for their spaces.
DEPUTIES: dict[str, Deputy] = {
    deputy.name: deputy
    for deputy in (
        *(BROKER, SETTLER, SWEEP, STOPPER, CHECKER, SCORER, STEWARD),
        *(DOOR, CHAT, ADVISOR),
    )
}
PEERS: dict[str, Peer] = {
    peer.name: peer for peer in (LEARNER, TRAINING, DOMAIN, IMAGES_BUILD, IMAGES_STUDIO)
}


def contract_of(role: Role) -> Deputy | Peer | None:
    """The contract of `role`, or None: then nothing may reach it."""
    name = called(role)
    return DEPUTIES.get(name) or PEERS.get(name)
