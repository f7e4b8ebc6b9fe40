"""Commands on inboxes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from yunsong.channel.v1 import events_pb2
from yunsong_channel_adapter.channels import Catalogue
from yunsong_channel_adapter.channels.checks import url_problem
from yunsong_channel_adapter.domain.inbox import (
    Inbox,
    new_key,
    new_secret,
    origin_violations,
    skill_violations,
)
from yunsong_channel_adapter.egress import Egress
from yunsong_channel_adapter.owner import Owner
from yunsong_channel_adapter.queues import Queues
from yunsong_channel_adapter.repository import credentials, deliveries, inboxes
from yunsong_channel_adapter.vault import Vault
from yunsong_channel_adapter.wire import inbox_to
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import FailedPrecondition, InvalidArgument, Violation
from yunsong_common.ids import new_id
from yunsong_plugin_api import Channel

_CHANGEABLE = frozenset(
    {
        "name",
        "enabled",
        "bot_enabled",
        "queue_id",
        "allowed_origins",
        "identity_required",
        "reopen_window_s",
        "idle_reminder_s",
        "idle_close_s",
        "greeting",
        "widget",
        "config",
        "required_skills",
    }
)


@dataclass(frozen=True)
class Inboxes:
    """Creates, changes and deletes inboxes, and their secrets."""

    database: Database
    catalogue: Catalogue
    vault: Vault
    owner: Owner
    queues: Queues
    egress: Egress

    async def check_outside(self, wanted: Inbox, mask: Collection[str]) -> None:
        """Asks others about what the mask names of an inbox, before any transaction: its queue, and where its webhook leads."""
        if "queue_id" in mask:
            await self.queues.must_exist(wanted.queue_id)
        if "config" in mask:
            await self._check_address(wanted)

    async def _check_address(self, wanted: Inbox) -> None:
        url = wanted.config.get("url")
        # What is no address at all is the channel's own check to refuse.
        if isinstance(url, str) and not url_problem(url):
            problem = await self.egress.refusal(url)
            if problem:
                raise _config_invalid([Violation("inbox.config.url", problem)])

    async def create(self, tx: Transaction, draft: Inbox, given: Mapping[str, Any]) -> Inbox:
        """Stores a new inbox with the given credentials and made ones; `made_secrets` gives those."""
        channel = self.catalogue.get(draft.channel)
        secrets = {**_made(channel, omit=given), **_texts(given)}
        _check(channel, draft, secrets)
        inbox = replace(draft, id=new_id(), key=new_key(), created_at=await tx.now(), rev=1)
        await inboxes.insert(tx, inbox)
        await credentials.put(tx, self.vault, inbox.id, secrets)
        tx.emit(events_pb2.InboxChanged(inbox=inbox_to(inbox)), rev=inbox.rev)
        return inbox

    async def made_secrets(self, inbox_id: str, given: Collection[str]) -> dict[str, str]:
        """The secrets that creation made; empty once they were rotated or replaced.

        A repeated creation shows them again, so that an answer that was lost on the way does not lock its caller out.
        """
        async with self.database.read() as tx:
            inbox = await inboxes.get(tx, inbox_id)
            sets = await credentials.load(tx, self.vault, inbox_id)
        if sets.created_at != inbox.created_at:
            return {}
        made = self.catalogue.get(inbox.channel).secrets
        return {name: value for name, value in sets.current.items() if name in made and name not in given}

    async def update(
        self, inbox_id: str, wanted: Inbox, mask: Collection[str], given: Mapping[str, Any]
    ) -> Inbox:
        """Changes the fields that the mask names, and the credentials that are given."""
        unknown = sorted(set(mask) - _CHANGEABLE)
        if unknown:
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message=f"update_mask names {', '.join(unknown)}; what can change is {', '.join(sorted(_CHANGEABLE))}",
                violations=[
                    Violation("update_mask", f'"{name}" cannot be changed', "UNKNOWN_FIELD")
                    for name in unknown
                ],
            )
        await self.check_outside(wanted, mask)

        async def work(tx: Transaction) -> Inbox:
            before = await inboxes.get(tx, inbox_id, lock=True)
            after = replace(before, rev=before.rev + 1, **{name: getattr(wanted, name) for name in mask})
            sets = await credentials.load(tx, self.vault, inbox_id)
            secrets = {**sets.current, **_texts(given)}
            _check(self.catalogue.get(after.channel), after, secrets)
            await inboxes.update(tx, after)
            if given:
                await credentials.replace(tx, self.vault, inbox_id, secrets, overlap=dt.timedelta(0))
            tx.emit(events_pb2.InboxChanged(inbox=inbox_to(after)), rev=after.rev)
            return after

        return await self.database.run(work)

    async def rotate_secrets(self, inbox_id: str, overlap: dt.timedelta) -> dict[str, str]:
        """Makes new secrets; the old ones work until the overlap ends."""

        async def work(tx: Transaction) -> dict[str, str]:
            inbox = await inboxes.get(tx, inbox_id, lock=True)
            made = _made(self.catalogue.get(inbox.channel), omit=())
            if not made:
                raise FailedPrecondition(
                    reason="CHANNEL_WITHOUT_SECRETS",
                    message=f'the channel "{inbox.channel}" has no secrets that are made here; change its credentials',
                )
            sets = await credentials.load(tx, self.vault, inbox_id)
            await credentials.replace(tx, self.vault, inbox_id, {**sets.current, **made}, overlap=overlap)
            return made

        return await self.database.run(work)

    async def delete(self, inbox_id: str) -> None:
        """Deletes an inbox on which no conversation is open, with its deliveries."""
        async with self.database.read() as tx:
            await inboxes.get(tx, inbox_id)
        if await self.owner.has_open_conversation(inbox_id):
            raise FailedPrecondition(
                reason="INBOX_IN_USE",
                message="conversations are open on this inbox; close them first, or switch the inbox off",
                inbox_id=inbox_id,
            )

        async def work(tx: Transaction) -> None:
            inbox = await inboxes.get(tx, inbox_id, lock=True)
            await deliveries.delete_of_inbox(tx, inbox_id)
            await inboxes.delete(tx, inbox_id)
            gone = replace(inbox, enabled=False, rev=inbox.rev + 1)
            tx.emit(events_pb2.InboxChanged(inbox=inbox_to(gone), deleted=True), rev=gone.rev)

        await self.database.run(work)


def _made(channel: Channel, omit: Collection[str]) -> dict[str, str]:
    return {name: new_secret(form) for name, form in channel.secrets.items() if name not in omit}


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    wrong = [name for name, value in given.items() if not isinstance(value, str) or not value]
    if wrong:
        raise _config_invalid(
            [Violation(f"credentials.{name}", "must be a text that is not empty") for name in wrong]
        )
    return {name: str(value) for name, value in given.items()}


def _check(channel: Channel, inbox: Inbox, secrets: Mapping[str, str]) -> None:
    fields = [*origin_violations(inbox.allowed_origins), *skill_violations(inbox.required_skills)]
    if not inbox.name:
        fields.append(Violation("inbox.name", "must not be blank", reason="REQUIRED"))
    if inbox.idle_reminder_s and inbox.idle_close_s and inbox.idle_reminder_s >= inbox.idle_close_s:
        fields.append(
            Violation(
                "inbox.idle_reminder_s",
                f"the reminder after {inbox.idle_reminder_s} s must come before the close after {inbox.idle_close_s} s",
            )
        )
    if fields:
        raise InvalidArgument(
            reason="INVALID_REQUEST",
            message="; ".join(each.description for each in fields),
            violations=fields,
        )
    problems = channel.check(inbox.config, secrets)
    if problems:
        raise _config_invalid([Violation(_path(path), sentence) for path, sentence in problems])


def _config_invalid(violations: list[Violation]) -> InvalidArgument:
    return InvalidArgument(
        reason="CHANNEL_CONFIG_INVALID",
        message="; ".join(f"{each.field} {each.description}" for each in violations),
        violations=violations,
    )


def _path(path: str) -> str:
    # A channel speaks of "config.url"; in a request that is a field of the inbox.
    return f"inbox.{path}" if path.startswith("config") else path
