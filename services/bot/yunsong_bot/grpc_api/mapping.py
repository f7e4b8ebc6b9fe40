"""Between the contract's messages and the domain."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from yunsong.bot.v1 import bot_pb2
from yunsong_bot.domain.analysis import Analyzer
from yunsong_bot.domain.knowledge import BotSettings, Entry
from yunsong_bot.domain.ranking import Candidate
from yunsong_common.errors import InvalidArgument, Violation

# What a mask may name -> (field of the domain, how to read it).
_ENTRY_FIELDS: Mapping[str, tuple[str, Callable[[bot_pb2.Entry], Any]]] = {
    "question": ("question", lambda given: given.question.strip()),
    "similar_questions": ("similar", lambda given: tuple(_texts(given.similar_questions))),
    "answer": ("answer", lambda given: given.answer),
    "category": ("category", lambda given: given.category.strip()),
    "locale": ("locale", lambda given: given.locale),
    "enabled": ("enabled", lambda given: given.enabled),
    "valid_from": ("valid_from", lambda given: _time(given, "valid_from")),
    "valid_until": ("valid_until", lambda given: _time(given, "valid_until")),
    "external_key": ("external_key", lambda given: given.external_key),
}
_SETTINGS_FIELDS: Mapping[str, Callable[[bot_pb2.BotSettings], Any]] = {
    "answer_threshold": lambda given: given.answer_threshold,
    "suggest_threshold": lambda given: given.suggest_threshold,
    "max_misses": lambda given: given.max_misses,
    "handoff_words": lambda given: tuple(_texts(given.handoff_words)),
    "external_bot_url": lambda given: given.external_bot_url,
    "external_bot_secret": lambda given: given.external_bot_secret,
}


def entry_from_proto(given: bot_pb2.Entry, *, entry_id: str, now: datetime) -> Entry:
    """A new entry. Raises `InvalidArgument` (INVALID_REQUEST, VALIDITY_CROSSED)."""
    values = {name: read(given) for name, read in _ENTRY_FIELDS.values()}
    values["enabled"] = given.enabled if given.HasField("enabled") else True
    return _checked(Entry(id=entry_id, created_at=now, updated_at=now, **values))


def entry_changed(entry: Entry, given: bot_pb2.Entry, mask: FieldMask, *, now: datetime) -> Entry:
    """Raises `InvalidArgument` (INVALID_REQUEST, VALIDITY_CROSSED)."""
    _check_mask(mask, _ENTRY_FIELDS)
    values = {name: read(given) for name, read in (_ENTRY_FIELDS[path] for path in mask.paths)}
    return _checked(replace(entry, rev=entry.rev + 1, updated_at=now, **values))


def entry_to_proto(entry: Entry) -> bot_pb2.Entry:
    message = bot_pb2.Entry(
        id=entry.id,
        question=entry.question,
        similar_questions=entry.similar,
        answer=entry.answer,
        category=entry.category,
        locale=entry.locale,
        enabled=entry.enabled,
        external_key=entry.external_key,
        rev=entry.rev,
    )
    for name in ("valid_from", "valid_until", "created_at", "updated_at"):
        moment = getattr(entry, name)
        if moment is not None:
            getattr(message, name).FromDatetime(moment)
    return message


def candidates_to_proto(
    candidates: Iterable[Candidate], entries: Mapping[str, Entry], question: str, analyzer: Analyzer
) -> list[bot_pb2.Candidate]:
    asked = analyzer.surfaces(question)
    found = []
    for candidate in candidates:
        entry = entries[candidate.entry_id]
        known = {term for phrasing in entry.phrasings for term in analyzer.terms(phrasing)}
        matched = dict.fromkeys(surface for term, surface in asked.items() if term in known)
        found.append(
            bot_pb2.Candidate(entry=entry_to_proto(entry), score=candidate.score, matched_terms=matched)
        )
    return found


def settings_changed(settings: BotSettings, given: bot_pb2.BotSettings, mask: FieldMask) -> BotSettings:
    """Raises `InvalidArgument` (UPDATE_MASK_UNKNOWN, THRESHOLDS_CROSSED)."""
    _check_mask(mask, _SETTINGS_FIELDS)
    changed = replace(settings, **{path: _SETTINGS_FIELDS[path](given) for path in mask.paths})
    if changed.suggest_threshold > changed.answer_threshold:
        raise InvalidArgument(
            reason="THRESHOLDS_CROSSED",
            message=f"suggest_threshold {changed.suggest_threshold:g} is above answer_threshold "
            f"{changed.answer_threshold:g}; lower it or raise the other",
        )
    return changed


def settings_to_proto(settings: BotSettings) -> bot_pb2.BotSettings:
    """Without the secret, which is never returned."""
    return bot_pb2.BotSettings(
        answer_threshold=settings.answer_threshold,
        suggest_threshold=settings.suggest_threshold,
        max_misses=settings.max_misses,
        handoff_words=settings.handoff_words,
        external_bot_url=settings.external_bot_url,
    )


def cursor_of(entry: Entry) -> str:
    assert entry.updated_at is not None
    return base64.urlsafe_b64encode(f"{entry.updated_at.isoformat()} {entry.id}".encode()).decode()


def cursor_from(token: str) -> tuple[datetime, str] | None:
    """Raises `InvalidArgument` (PAGE_TOKEN_INVALID)."""
    if not token:
        return None
    try:
        moment, _, entry_id = base64.urlsafe_b64decode(token).decode().partition(" ")
        return datetime.fromisoformat(moment), str(uuid.UUID(entry_id))
    except (ValueError, binascii.Error):
        raise InvalidArgument(
            reason="PAGE_TOKEN_INVALID",
            message="page_token is not one that a list returned; start from the first page",
        ) from None


def _checked(entry: Entry) -> Entry:
    blank = [name for name in ("question", "answer") if not getattr(entry, name).strip()]
    if blank:
        raise InvalidArgument(
            reason="INVALID_REQUEST",
            message=f"{' and '.join(blank)} must say something",
            violations=[Violation(f"entry.{name}", "must not be blank", "REQUIRED") for name in blank],
        )
    if (
        entry.valid_from is not None
        and entry.valid_until is not None
        and entry.valid_until <= entry.valid_from
    ):
        raise InvalidArgument(
            reason="VALIDITY_CROSSED",
            message="valid_until is not after valid_from: the entry would never be used",
        )
    return entry


def _check_mask(mask: FieldMask, known: Mapping[str, Any]) -> None:
    unknown = [path for path in mask.paths if path not in known]
    if unknown:
        raise InvalidArgument(
            reason="INVALID_REQUEST",
            message=f"update_mask names {', '.join(unknown)}; it may name {', '.join(known)}",
            violations=[
                Violation("update_mask", f"{path} cannot be changed", "UNKNOWN_FIELD") for path in unknown
            ],
        )


def _texts(given: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text.strip() for text in given if text.strip()))


def _time(given: bot_pb2.Entry, name: str) -> datetime | None:
    if not given.HasField(name):  # type: ignore[arg-type]
        return None
    moment: Timestamp = getattr(given, name)
    return moment.ToDatetime(tzinfo=UTC)
