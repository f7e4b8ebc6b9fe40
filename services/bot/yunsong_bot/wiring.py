"""Composes the bot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable

import httpx

from yunsong.bot.v1 import bot_pb2_grpc
from yunsong_bot import repository, resources
from yunsong_bot.chain import Skills
from yunsong_bot.conversations import Conversations
from yunsong_bot.domain.faq import Faq
from yunsong_bot.domain.languages import Languages
from yunsong_bot.domain.skills import Courtesy, HandoffWords, Knowledge, PeopleMentioned
from yunsong_bot.external import ExternalBot
from yunsong_bot.grpc_api import AssistServicer, KnowledgeServicer
from yunsong_bot.handlers import Bot
from yunsong_bot.library import Library
from yunsong_bot.seal import Seal
from yunsong_bot.settings import BotServiceSettings
from yunsong_bot.subscriptions import subscriptions
from yunsong_common.clock import Clock
from yunsong_common.db import Database
from yunsong_common.service import Registries, Service
from yunsong_plugin_api import BOT_SKILLS, BotSkill, PluginRunner, load_plugins

VERSION = "0.1.0"
_SWEEP_S = 3600.0
_SWEPT_AT_ONCE = 1000


def build(settings: BotServiceSettings, registries: Registries) -> Service:
    database = registries.database(settings, "bot")
    bus = registries.bus(settings)
    channels = registries.channels(settings, registries.telemetry(settings, VERSION))
    seal = Seal(settings.release_key.get_secret_value())
    library = Library(
        database,
        bus,
        analyzer=resources.analyzer(),
        seal=seal,
        clock=registries.clock,
        refresh_s=settings.refresh_s,
    )
    languages = resources.languages(settings.default_locale)
    runner = PluginRunner(name="bot-skill")
    builtin = builtin_skills(library.faq, library.now, languages)
    loaded = load_plugins(BOT_SKILLS, BotSkill, builtin=builtin)  # type: ignore[type-abstract]
    skills = Skills.by_priority(loaded, runner)
    conversations = Conversations(channels)
    client = httpx.AsyncClient(timeout=settings.external_bot_timeout_s)
    external = ExternalBot(
        client, timeout_s=settings.external_bot_timeout_s, allow_private=settings.external_bot_allow_private
    )
    metrics = registries.metrics(settings)
    metrics.gauge("yunsong_bot_entries").set_function(lambda: library.size)
    bot = Bot(database, library, conversations, skills, external, languages, metrics)

    async def close() -> None:
        await client.aclose()
        runner.close()

    return Service(
        name="bot",
        version=VERSION,
        settings=settings,
        database=database,
        bus=bus,
        migrations="yunsong_bot.migrations",
        channels=channels,
        package="bot",
        grpc=[
            (
                bot_pb2_grpc.add_KnowledgeServiceServicer_to_server,
                KnowledgeServicer(
                    database,
                    library,
                    skills=skills,
                    languages=languages,
                    seal=seal,
                    allow_private=settings.external_bot_allow_private,
                ),
            ),
            (
                bot_pb2_grpc.add_AssistServiceServicer_to_server,
                AssistServicer(library, conversations, languages),
            ),
        ],
        subscriptions=subscriptions(bot),
        tasks=[
            library.follow,
            _sweeper(database, registries.clock, dt.timedelta(days=settings.dialogue_days)),
        ],
        startup=[library.refresh],
        shutdown=[close],
    )


def builtin_skills(
    faq: Callable[[], Faq], now: Callable[[], dt.datetime], languages: Languages
) -> dict[str, BotSkill]:
    """The skills that every copy has, by name."""
    wishes = resources.wishes()
    skills: list[BotSkill] = [
        HandoffWords(wishes),
        Courtesy(languages),
        Knowledge(faq, now),
        PeopleMentioned(wishes),
    ]
    return {skill.name: skill for skill in skills}


def _sweeper(database: Database, clock: Clock, keep: dt.timedelta) -> Callable[[], Awaitable[None]]:
    """Forgets dialogues that are over."""

    async def sweep() -> None:
        while True:
            deleted = _SWEPT_AT_ONCE
            while deleted == _SWEPT_AT_ONCE:
                async with database.transaction() as tx:
                    before = await tx.now() - keep
                    deleted = await repository.delete_old_dialogues(tx, before, _SWEPT_AT_ONCE)
            await clock.sleep(_SWEEP_S)

    return sweep
