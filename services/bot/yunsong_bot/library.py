"""Each replica's copy of the knowledge base: entries, index and settings, replaced as a whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from yunsong_bot import repository
from yunsong_bot.domain.analysis import Analyzer
from yunsong_bot.domain.dialogue import Limits
from yunsong_bot.domain.faq import Faq, build_faq
from yunsong_bot.domain.knowledge import BotSettings, Entry
from yunsong_bot.domain.lexical import AnalyzedEntry
from yunsong_bot.seal import Seal
from yunsong_common.bus import Bus, LiveMessage
from yunsong_common.clock import Clock
from yunsong_common.db import Database

# An import that writes entry by entry must not build the index for each of them.
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Edition:
    """One state of all that the bot answers from."""

    version: int
    faq: Faq
    settings: BotSettings

    @property
    def limits(self) -> Limits:
        return Limits(
            self.settings.answer_threshold, self.settings.suggest_threshold, self.settings.max_misses
        )

    @property
    def skill_settings(self) -> dict[str, Any]:
        """What the built-in skills are told."""
        return {
            "answer_threshold": self.settings.answer_threshold,
            "suggest_threshold": self.settings.suggest_threshold,
            "handoff_words": self.settings.handoff_words,
        }


class Library:
    """Follows the knowledge base.

    A change is heard of by its event as it passes, and by a look at the version every `refresh_s` seconds, in
    case the event got lost. Only entries that changed are read and analysed; the index is built in a thread.
    """

    def __init__(
        self, database: Database, bus: Bus, *, analyzer: Analyzer, seal: Seal, clock: Clock, refresh_s: float
    ) -> None:
        self.analyzer = analyzer
        self._database = database
        self._bus = bus
        self._seal = seal
        self._clock = clock
        self._refresh_s = refresh_s
        self._changed = asyncio.Event()
        self._entries: dict[str, Entry] = {}
        self._analyzed: dict[str, AnalyzedEntry] = {}
        self._edition: Edition | None = None

    @property
    def current(self) -> Edition:
        """What to answer from just now."""
        if self._edition is None:
            raise RuntimeError("the library has not been loaded yet")
        return self._edition

    def faq(self) -> Faq:
        return self.current.faq

    @property
    def size(self) -> int:
        """How many entries the bot answers from."""
        return len(self._edition.faq.entries) if self._edition is not None else 0

    def now(self) -> datetime:
        return self._database.now()

    def wake(self) -> None:
        """Looks for a new version soon."""
        self._changed.set()

    async def refresh(self) -> None:
        """Loads the newest version when there is one."""
        async with self._database.read(snapshot=True) as tx:
            version = await repository.read_version(tx)
            if self._edition is not None and version == self._edition.version:
                return
            settings, sealed = await repository.read_settings(tx)
            revisions = await repository.read_revisions(tx)
            known = {key: entry.rev for key, entry in self._entries.items()}
            changed = await repository.read_entries(
                tx, [key for key, rev in revisions.items() if known.get(key) != rev]
            )
        entries = {key: entry for key, entry in self._entries.items() if key in revisions}
        entries |= {entry.id: entry for entry in changed}
        faq, self._analyzed = await asyncio.to_thread(build_faq, entries, self._analyzed, self.analyzer)
        self._entries = entries
        self._edition = Edition(
            version=version,
            faq=faq,
            settings=replace(settings, external_bot_secret=self._seal.open(sealed)),
        )

    async def follow(self) -> None:
        """Keeps the library current until it is cancelled."""
        subscription = await self._bus.subscribe_live("yunsong.bot.v1.knowledge_changed.*", self._on_change)
        self._bus.on_reconnect(self.wake)
        try:
            while True:
                await self._wait()
                self._changed.clear()
                await self.refresh()
        finally:
            await subscription.unsubscribe()

    async def _wait(self) -> None:
        await self._clock.sleep(_PAUSE_S)
        async with asyncio.TaskGroup() as group:
            timer = group.create_task(self._clock.sleep(self._refresh_s))
            change = group.create_task(self._changed.wait())
            await asyncio.wait((timer, change), return_when=asyncio.FIRST_COMPLETED)
            timer.cancel()
            change.cancel()

    def _on_change(self, _message: LiveMessage) -> None:
        self.wake()
