"""The Problem of the OpenAPI document, with the codes that any operation can answer with."""

from __future__ import annotations

from yunsong_gateway.openapi.schema import Schema

# Operations name the codes of their own in their descriptions.
CODES = {
    "INVALID_REQUEST": "Fields are wrong, all of them named in `violations`: the same at every door, REST, sockets and webhooks' settings.",
    "JSON_INVALID": "The body is not JSON.",
    "PAGE_TOKEN_INVALID": "The page token is not one that this list gave.",
    "MEDIA_TYPE_UNSUPPORTED": "The body is of another kind than the operation takes.",
    "BODY_TOO_LARGE": "The body is over its bound.",
    "IDEMPOTENCY_KEY_REUSED": "The Idempotency-Key was used for another request.",
    "IDEMPOTENCY_KEY_IN_USE": "The first request with this Idempotency-Key is still running; try again.",
    "TOKEN_NEEDED": "Sign in and send the token.",
    "TOKEN_INVALID": "The token is not one of this product, or not for this.",
    "TOKEN_EXPIRED": "The token has ended; renew it.",
    "SESSION_ENDED": "The session has ended or was revoked; sign in again.",
    "API_KEY_INVALID": "The API key is unknown or has ended.",
    "PASSWORD_CHANGE_REQUIRED": "The first password must be replaced before anything else.",
    "PERMISSION_MISSING": "The caller lacks the permission in `metadata.permission`.",
    "ACCESS_DENIED": "The operation is not for this kind of caller.",
    "ORIGIN_REFUSED": "Pages of this origin may not use the inbox.",
    "ROUTE_UNKNOWN": "There is no operation at this path.",
    "METHOD_NOT_ALLOWED": "The path has no operation of this method; `Allow` names those it has.",
    "RATE_LIMITED": "Too many requests; `Retry-After` says when to go on.",
    "TRANSACTION_CONFLICT": "Somebody changed the same at once; try again.",
    "SERVICE_UNAVAILABLE": "The service behind the operation is away; try again.",
    "SERVICE_NOT_LEARNED": "The operations are not all known yet; try again.",
    "DATABASE_UNAVAILABLE": "The database is away; try again.",
    "TIMEOUT": "No answer in time; whether it was done is unknown.",
    "INTERNAL": "A fault of the product; it is logged under `trace_id`.",
}
VIOLATIONS = {
    "REQUIRED": "is missing or blank",
    "TYPE": "is of another JSON type",
    "UNKNOWN_FIELD": "is no field here, or none that can be changed",
    "UNKNOWN_VALUE": "is none of the values, or one that is not possible here",
    "ENUM": "is none of the values",
    "FORMAT": "has another format",
    "PATTERN": "has characters that it cannot have",
    "INVALID_CHARACTER": "has a character that cannot be stored",
    "TOO_SHORT": "is too short",
    "TOO_LONG": "is too long",
    "TOO_FEW": "has too few entries",
    "TOO_MANY": "has too many entries",
    "TOO_SMALL": "is too small",
    "TOO_LARGE": "is too large",
    "OUT_OF_RANGE": "is too small or too large",
    "USER_UNKNOWN": "is no enabled user",
}


def _listed(meanings: dict[str, str]) -> str:
    return "\n".join(f"- `{code}`: {meaning}" for code, meaning in meanings.items())


PROBLEM: Schema = {
    "type": "object",
    "description": "An error (RFC 9457). `code` is stable; act on it, not on the text.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {
            "type": "string",
            "description": "The reason, such as QUEUE_UNKNOWN. Operations name their own; any can answer with:\n\n"
            + _listed(CODES),
        },
        "detail": {"type": "string", "description": "A sentence for a person."},
        "violations": {
            "type": "array",
            "description": "Every wrong field of the request.",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string", "description": "Path in the request, such as `queue.name`."},
                    "description": {"type": "string"},
                    "reason": {
                        "type": "string",
                        "description": "What is wrong with the field; beside others, it\n\n"
                        + _listed(VIOLATIONS),
                    },
                },
                "required": ["field", "description", "reason"],
            },
        },
        "trace_id": {"type": "string"},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["type", "title", "status", "code", "detail", "violations", "trace_id"],
}
