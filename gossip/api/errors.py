"""Every refusal in the one form of errors, with the status that says whose fault it is."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, MethodNotAllowed, NotAuthenticated
from rest_framework.views import APIView

from gossip.api.responses import failure
from gossip.core.errors import EntryFault, GossipError, WriteRefused, WriteUnanswered
from gossip.services import NoEngine, Unavailable, UnknownKey, WatchRefused

RETRY_AFTER = {"Retry-After": "1"}
"""Seconds: a restart, a full queue and a failing disk are over in seconds or take an operator."""

EXPECTED = (APIException, GossipError)
"""What views raise on purpose. Anything else is a bug of ours and gets a 500 and a log line."""


class BodyTooLarge(APIException):
    """The body is larger than any value that this node takes."""

    status_code = 413
    default_code = "too_large"


def respond(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's hook: the answer to an error of `EXPECTED`; None for any other."""
    message = str(error)
    headers: dict[str, str] = {}
    match error:
        case APIException():
            status, message = error.status_code, str(error.detail)
            headers = _headers(error, context["view"])
        case EntryFault():
            status = 413 if error.reason == "value-size" else 400
        case UnknownKey():
            status = 404
        case WriteRefused() if error.reason == "condition":
            # In the body it is about the resource's state, in a header a precondition of HTTP.
            status = 412 if _has_precondition(context["request"]) else 409
        case WriteRefused():
            status, message = 503, f"The write was refused ({error.reason}): {error}"
            headers = RETRY_AFTER
        case NoEngine() | Unavailable() | WriteUnanswered() | WatchRefused():
            status, headers = 503, RETRY_AFTER
        case _:
            return None
    return failure(status, message[:1].upper() + message[1:], headers=headers)


def _has_precondition(request: HttpRequest) -> bool:
    return "If-Match" in request.headers or "If-None-Match" in request.headers


def _headers(error: APIException, view: APIView) -> dict[str, str]:
    match error:
        case MethodNotAllowed():
            return {"Allow": ", ".join(view.allowed_methods)}
        case NotAuthenticated():
            return {"WWW-Authenticate": view.get_authenticate_header(view.request) or ""}
        case _:
            return {}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """`handler400` of a URL configuration."""
    return failure(400, str(exception) or "Bad request")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """`handler404` of a URL configuration."""
    return failure(404, f"Cannot {request.method} {request.path}")


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """`handler500` of a URL configuration. The log has the rest."""
    return failure(500, "Internal error: it is in the log of this node")
