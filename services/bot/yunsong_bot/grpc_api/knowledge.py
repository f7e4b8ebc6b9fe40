"""KnowledgeService: entries, the test box, the bot's settings."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import asyncpg

from yunsong.bot.v1 import bot_pb2, bot_pb2_grpc
from yunsong_bot import addresses, repository
from yunsong_bot.chain import Skills
from yunsong_bot.domain.analysis import tokens
from yunsong_bot.domain.dialogue import Dialogue, decide
from yunsong_bot.domain.knowledge import Entry
from yunsong_bot.domain.languages import Languages
from yunsong_bot.grpc_api import mapping
from yunsong_bot.handlers import PROTO_KINDS
from yunsong_bot.library import Library
from yunsong_bot.seal import Seal
from yunsong_common.db import Database, Transaction, once
from yunsong_common.errors import Aborted, AlreadyExists, InvalidArgument, NotFound, Violation
from yunsong_common.grpc import current_call
from yunsong_common.grpc.validation import validate
from yunsong_common.ids import new_id
from yunsong_plugin_api import SkillContext

T = TypeVar("T")

_PAGE = 50
_RANKED = 5


class KnowledgeServicer(bot_pb2_grpc.KnowledgeServiceServicer):
    """See bot.proto."""

    def __init__(
        self,
        database: Database,
        library: Library,
        *,
        skills: Skills,
        languages: Languages,
        seal: Seal,
        allow_private: bool,
    ) -> None:
        self._database = database
        self._library = library
        self._skills = skills
        self._languages = languages
        self._seal = seal
        self._allow_private = allow_private

    async def ListEntries(
        self, request: bot_pb2.ListEntriesRequest, context: Any
    ) -> bot_pb2.ListEntriesResponse:
        size = request.page_size or _PAGE
        async with self._database.read() as tx:
            entries = await repository.list_entries(
                tx,
                query=request.query.strip(),
                category=request.category,
                after=mapping.cursor_from(request.page_token),
                limit=size + 1,
            )
        page = entries[:size]
        return bot_pb2.ListEntriesResponse(
            entries=[mapping.entry_to_proto(entry) for entry in page],
            next_page_token=mapping.cursor_of(page[-1]) if len(entries) > size else "",
        )

    async def GetEntry(self, request: bot_pb2.GetEntryRequest, context: Any) -> bot_pb2.Entry:
        async with self._database.read() as tx:
            found = await repository.read_entries(tx, [request.entry_id])
        if not found:
            raise _unknown(request.entry_id)
        return mapping.entry_to_proto(found[0])

    async def CreateEntry(self, request: bot_pb2.CreateEntryRequest, context: Any) -> bot_pb2.Entry:
        call = current_call()

        async def create(tx: Transaction) -> bot_pb2.Entry:
            async def effect() -> bot_pb2.Entry:
                entry = mapping.entry_from_proto(request.entry, entry_id=new_id(), now=await tx.now())
                await _write(tx, entry, repository.insert_entry)
                return mapping.entry_to_proto(entry)

            return await once(
                tx,
                key=call.idempotency_key,
                principal=call.principal.actor_id,
                method=call.method,
                request=request,
                response=bot_pb2.Entry,
                effect=effect,
            )

        return await self._change(create)

    async def UpdateEntry(self, request: bot_pb2.UpdateEntryRequest, context: Any) -> bot_pb2.Entry:
        async def update(tx: Transaction) -> bot_pb2.Entry:
            entry = await repository.lock_entry(tx, request.entry_id)
            if entry is None:
                raise _unknown(request.entry_id)
            if request.rev and request.rev != entry.rev:
                raise Aborted(
                    reason="REVISION_CHANGED",
                    message=f"the entry is at revision {entry.rev}, not {request.rev}; read it again",
                )
            changed = mapping.entry_changed(entry, request.entry, request.update_mask, now=await tx.now())
            await _write(tx, changed, repository.update_entry)
            return mapping.entry_to_proto(changed)

        return await self._change(update)

    async def DeleteEntry(
        self, request: bot_pb2.DeleteEntryRequest, context: Any
    ) -> bot_pb2.DeleteEntryResponse:
        async def delete(tx: Transaction) -> bot_pb2.DeleteEntryResponse:
            if not await repository.delete_entry(tx, request.entry_id):
                raise _unknown(request.entry_id)
            await repository.raise_version(tx, "entries")
            return bot_pb2.DeleteEntryResponse()

        return await self._change(delete)

    async def ImportEntries(
        self, request: bot_pb2.ImportEntriesRequest, context: Any
    ) -> bot_pb2.ImportEntriesResponse:
        async def load(tx: Transaction) -> bot_pb2.ImportEntriesResponse:
            given = _importable(request, await tx.now())
            written = {}
            if entries := [entry for entry in given if isinstance(entry, Entry)]:
                written = await repository.upsert_entries(tx, entries)
                await repository.raise_version(tx, "entries")
            return bot_pb2.ImportEntriesResponse(results=[_result(entry, written) for entry in given])

        return await self._change(load)

    async def RankEntries(
        self, request: bot_pb2.RankEntriesRequest, context: Any
    ) -> bot_pb2.RankEntriesResponse:
        edition, now = self._library.current, self._library.now()
        locale = self._languages.pick(request.question, request.locale)
        candidates = edition.faq.rank(
            request.question, locale=locale, now=now, limit=request.limit or _RANKED
        )
        skill_context = SkillContext("", "", "", locale, request.question, settings=edition.skill_settings)
        results, _ = await self._skills.ask(skill_context, edition.limits, {})
        # With one miss to spare, so that the answer is about the question alone.
        decision, _ = decide(results, Dialogue(), replace(edition.limits, max_misses=2))
        return bot_pb2.RankEntriesResponse(
            candidates=mapping.candidates_to_proto(
                candidates, edition.faq.entries, request.question, self._library.analyzer
            ),
            kind=PROTO_KINDS[decision.kind],
            terms=tokens(request.question),
        )

    async def GetBotSettings(
        self, request: bot_pb2.GetBotSettingsRequest, context: Any
    ) -> bot_pb2.BotSettings:
        async with self._database.read() as tx:
            settings, _ = await repository.read_settings(tx)
        return mapping.settings_to_proto(settings)

    async def UpdateBotSettings(
        self, request: bot_pb2.UpdateBotSettingsRequest, context: Any
    ) -> bot_pb2.BotSettings:
        url = request.settings.external_bot_url
        if url and "external_bot_url" in request.update_mask.paths and not self._allow_private:
            await _check_url(url)

        async def update(tx: Transaction) -> bot_pb2.BotSettings:
            # The version's row is the lock: two changes of different fields both stay.
            await repository.raise_version(tx, "settings")
            settings, sealed = await repository.read_settings(tx)
            changed = mapping.settings_changed(settings, request.settings, request.update_mask)
            if "external_bot_secret" in request.update_mask.paths:
                sealed = self._seal.seal(changed.external_bot_secret)
            await repository.write_settings(tx, changed, sealed)
            return mapping.settings_to_proto(changed)

        return await self._change(update)

    async def _change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        answer = await self._database.run(work)
        self._library.wake()
        return answer


async def _check_url(url: str) -> None:
    try:
        await addresses.public_address(url)
    except addresses.AddressRefused as error:
        raise InvalidArgument(
            reason="EXTERNAL_BOT_URL_REFUSED",
            message=f"external_bot_url is refused: {error}",
            violations=[Violation("settings.external_bot_url", str(error), "EXTERNAL_BOT_URL_REFUSED")],
        ) from None


async def _write(
    tx: Transaction, entry: Entry, write: Callable[[Transaction, Entry], Awaitable[None]]
) -> None:
    try:
        await write(tx, entry)
    except asyncpg.UniqueViolationError:
        raise AlreadyExists(
            reason="EXTERNAL_KEY_TAKEN",
            message=f"another entry has the external_key {entry.external_key!r}; change that one",
        ) from None
    await repository.raise_version(tx, "entries")


def _importable(request: bot_pb2.ImportEntriesRequest, now: datetime) -> list[Entry | bot_pb2.ImportResult]:
    """Each entry, or why it cannot be imported."""
    keys = Counter(entry.external_key for entry in request.entries)
    found: list[Entry | bot_pb2.ImportResult] = []
    for given in request.entries:
        refused = bot_pb2.ImportResult(external_key=given.external_key)
        if not given.external_key:
            refused.error = "an import needs external_key, to find the entry again"
        elif keys[given.external_key] > 1:
            refused.error = f"external_key {given.external_key!r} comes {keys[given.external_key]} times"
        else:
            try:
                validate(given)
                found.append(mapping.entry_from_proto(given, entry_id=new_id(), now=now))
                continue
            except InvalidArgument as error:
                refused.error = error.message
        found.append(refused)
    return found


def _result(
    given: Entry | bot_pb2.ImportResult, written: dict[str, tuple[str, bool]]
) -> bot_pb2.ImportResult:
    if not isinstance(given, Entry):
        return given
    entry_id, created = written[given.external_key]
    return bot_pb2.ImportResult(external_key=given.external_key, entry_id=entry_id, created=created)


def _unknown(entry_id: str) -> NotFound:
    return NotFound(
        reason="ENTRY_UNKNOWN", message=f"there is no entry {uuid.UUID(entry_id)}", entry_id=entry_id
    )
