"""How well and how fast the bot answers: the held-out paraphrases, and the same among 10,000 entries.

The answers come through the bot's own chain of skills, from the choice of language to the decision. Figures:

- `bot_recall1`, `bot_recall3`: share of the paraphrases whose entry ranks first, or among the first three;
- `bot_false_answers`: share of the questions without an entry that get an answer all the same;
- `bot_helped`: share of the paraphrases that get the right answer, or an offer that has it;
- `bot_answered`, `bot_wrong_answers`: shares of the paraphrases that get an answer, and that get a wrong one;
- `..._10k`: the same with 10,000 entries, where a score must mean what it means with 70;
- `bot_answers_per_s`, `bot_p50_ms`, `bot_p99_ms`: questions one after the other over 10,000 entries, on one core;
- `bot_index_s`: building that index from nothing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import statistics
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from yunsong_bot import resources
from yunsong_bot.chain import Skills
from yunsong_bot.domain.dialogue import Decision, Dialogue, Kind, decide
from yunsong_bot.domain.faq import Faq, build_faq
from yunsong_bot.domain.knowledge import BotSettings, Entry
from yunsong_bot.library import Edition
from yunsong_bot.wiring import builtin_skills
from yunsong_plugin_api import LoadedPlugin, PluginRunner, SkillContext

_HELD_OUT = Path(__file__).parent / "data" / "paraphrases.jsonl"
_ENTRIES = 10_000
_ROUNDS = 5
_LOCALES = ("zh-CN", "en")

_GOODS = {
    "zh-CN": "手机 电脑 冰箱 空调 洗衣机 电视 耳机 键盘 鼠标 相机 镜头 手表 眼镜 衬衫 裤子 裙子 外套 鞋子 帽子 "
    "围巾 手套 背包 行李箱 雨伞 台灯 书桌 椅子 沙发 床垫 枕头 被子 毛巾 牙刷 面霜 口红 香水 奶粉 尿布 玩具 积木 "
    "拼图 小说 词典 钢琴 吉他 篮球 足球 球拍 跑步机 自行车 头盔 轮胎 机油 电池 充电器 路由器 打印机 墨盒 硬盘",
    "en": "phone laptop fridge camera watch shirt jacket shoes hat backpack umbrella lamp desk chair sofa "
    "mattress pillow towel toothbrush perfume toy puzzle novel piano guitar basketball racket bicycle helmet "
    "tire battery charger cable router printer disk blender toaster oven carpet mirror ladder drill hammer",
}
_ASKED = {
    "zh-CN": "怎么安装 如何更换 怎么连接 不能开机 有异响 支持哪些型号 怎么设置 有多重 怎么充电 漏水怎么办 怎么升级 "
    "如何拆卸 能用多少年 需要什么工具 怎么校准 噪音大 有味道 掉色 会过敏吗 怎么收纳",
    "en": "install,replace,connect,turn on,calibrate,clean the filter of,upgrade the firmware of,disassemble,"
    "mount,charge,reset,adjust,lubricate,paint,recycle,store,carry,tune,sharpen,fold",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One question of the held-out set, and the keys of the entries that answer it."""

    text: str
    expects: frozenset[str]


@dataclass(frozen=True, slots=True)
class Copy:
    """The bot over one knowledge base."""

    edition: Edition
    skills: Skills

    async def answer(self, text: str) -> Decision:
        context = SkillContext("", "", "", _LANGUAGES.pick(text), text, settings=self.edition.skill_settings)
        results, _ = await self.skills.ask(context, self.edition.limits, {})
        return decide(results, Dialogue(), self.edition.limits)[0]

    def helps(self, row: Row, decision: Decision) -> bool:
        """Whether the contact gets the right answer, or can press a button that gives it."""
        if decision.kind is Kind.ANSWER:
            return decision.source in row.expects
        return any(self.edition.faq.entries[key].question in decision.buttons for key in row.expects)

    def best(self, text: str, limit: int) -> list[str]:
        found = self.edition.faq.rank(text, locale=_LANGUAGES.pick(text), now=_now(), limit=limit)
        return [candidate.entry_id for candidate in found]


_LANGUAGES = resources.languages("zh-CN")


async def run() -> dict[str, float]:
    """All figures by name."""
    analyzer = resources.analyzer()
    rows = _rows()
    shop = _shop_entries()
    faq, analyzed = build_faq(shop, {}, analyzer)
    figures = await _quality(_copy(faq), rows, "")
    many = {**shop, **{entry.id: entry for entry in _other_entries(_ENTRIES - len(shop))}}
    started = time.perf_counter()
    faq, _ = await asyncio.to_thread(build_faq, many, analyzed, analyzer)
    figures["bot_index_s"] = time.perf_counter() - started
    crowded = _copy(faq)
    figures |= await _quality(crowded, rows, "_10k")
    return figures | await _speed(crowded, rows)


async def _quality(copy: Copy, rows: list[Row], suffix: str) -> dict[str, float]:
    asked = [row for row in rows if row.expects]
    unknown = [row for row in rows if not row.expects]
    ranked = [copy.best(row.text, 3) for row in asked]
    decisions = [await copy.answer(row.text) for row in asked]
    answers = [
        (row, decision)
        for row, decision in zip(asked, decisions, strict=True)
        if decision.kind is Kind.ANSWER
    ]
    false = [row for row in unknown if (await copy.answer(row.text)).kind is Kind.ANSWER]
    hits = [row.expects.intersection(best[:1]) for row, best in zip(asked, ranked, strict=True)]
    near = [row.expects.intersection(best) for row, best in zip(asked, ranked, strict=True)]
    wrong = [row for row, decision in answers if decision.source not in row.expects]
    return {
        f"bot_recall1{suffix}": sum(map(bool, hits)) / len(asked),
        f"bot_recall3{suffix}": sum(map(bool, near)) / len(asked),
        f"bot_helped{suffix}": sum(copy.helps(row, each) for row, each in zip(asked, decisions, strict=True))
        / len(asked),
        f"bot_answered{suffix}": len(answers) / len(asked),
        f"bot_wrong_answers{suffix}": len(wrong) / len(asked),
        f"bot_false_answers{suffix}": len(false) / len(unknown),
    }


async def _speed(copy: Copy, rows: list[Row]) -> dict[str, float]:
    times = []
    for _ in range(_ROUNDS):
        for row in rows:
            started = time.perf_counter()
            await copy.answer(row.text)
            times.append(time.perf_counter() - started)
    cuts = statistics.quantiles(times, n=100)
    return {
        "bot_answers_per_s": len(times) / sum(times),
        "bot_p50_ms": cuts[49] * 1000,
        "bot_p99_ms": cuts[98] * 1000,
    }


def _copy(faq: Faq) -> Copy:
    loaded = {
        name: LoadedPlugin(name, "", skill)
        for name, skill in builtin_skills(lambda: faq, _now, _LANGUAGES).items()
    }
    return Copy(Edition(1, faq, BotSettings()), Skills.by_priority(loaded, PluginRunner()))


def _rows() -> list[Row]:
    lines = [json.loads(line) for line in _HELD_OUT.read_text(encoding="utf-8").splitlines()]
    return [Row(line["text"], frozenset(line["expects"])) for line in lines]


def _shop_entries() -> dict[str, Entry]:
    found = {}
    for locale in _LOCALES:
        shop = files("yunsong_standalone") / "demo_data" / f"faq.{locale}.json"
        for entry in json.loads(shop.read_text(encoding="utf-8"))["entries"]:
            found[entry["key"]] = Entry(
                id=entry["key"],
                question=entry["question"],
                similar=tuple(entry["similar"]),
                answer=entry["answer"],
                category=entry["category"],
                locale=locale,
            )
    return found


def _other_entries(count: int) -> list[Entry]:
    """Entries of other trades, the same in every run: none of them answers a question of the held-out set."""
    chance = random.Random(20)
    entries = []
    for number in range(count):
        locale = chance.choice(_LOCALES)
        goods, other = chance.sample(_GOODS[locale].split(), 2)
        asked = chance.choice(_ASKED[locale].split("," if locale == "en" else None))
        if locale == "en":
            phrasings = [
                f"How do I {asked} the {goods} {number}?",
                f"{asked} {goods} {number}",
                f"{asked} a {goods} with a {other}",
            ]
        else:
            phrasings = [
                f"{number} 型{goods}{asked}？",
                f"{goods}{number}{asked}",
                f"{other}旁边的{goods}{asked}",
            ]
        entries.append(
            Entry(f"other-{number}", phrasings[0], " ".join(phrasings), tuple(phrasings[1:]), locale=locale)
        )
    return entries


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


if __name__ == "__main__":
    for name, value in asyncio.run(run()).items():
        print(f"{name:24} {value:12.3f}")
