"""What CloudFormation answers when it refuses a request, by its own codes."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class StackValidationError(ServiceException):  # type: ignore[misc]
    """The request or the template is wrong."""

    code = "ValidationError"


class AlreadyExists(ServiceException):  # type: ignore[misc]
    """A stack or change set of this name is there."""

    code = "AlreadyExistsException"


class ChangeSetNotFound(ServiceException):  # type: ignore[misc]
    """No such change set on this stack."""

    code = "ChangeSetNotFound"


class InvalidChangeSetStatus(ServiceException):  # type: ignore[misc]
    """The change set cannot be executed as it is."""

    code = "InvalidChangeSetStatus"


class TerminationProtected(ServiceException):  # type: ignore[misc]
    """The stack is protected from deletion."""

    code = "ValidationError"


class InsufficientCapabilities(ServiceException):  # type: ignore[misc]
    """The template makes what its caller did not acknowledge."""

    code = "InsufficientCapabilitiesException"


class NotModelled(NotImplementedError):
    """AWS could do this; the embedded cloud says that it cannot."""


class TemplateError(Exception):
    """A template cannot be evaluated. The message is CloudFormation's, or names what is missing."""


class ResourceError(Exception):
    """A resource cannot be as the template wants it."""
