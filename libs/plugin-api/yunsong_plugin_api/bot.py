"""Bot skills: what an integrator adds to the bot.

A package offers skills in the entry-point group `yunsong.bot_skills.v1`; each entry point names a callable without
parameters that returns a `BotSkill`. Skills are asked in the order of their entry points' names, before the knowledge
base, and the first that does not answer None decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

ENTRY_POINT_GROUP = "yunsong.bot_skills.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a contact, and where the dialogue stands."""

    conversation_id: str  # UUID
    message_id: str  # UUID
    inbox_id: str  # UUID
    text: str  # at most 10,000 characters; empty for a picture, a file or another message without text
    locale: str  # BCP 47; the language to answer in
    misses: int  # questions in a row that nothing could answer
    now: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Choice:
    """One button. `value` is what the contact is taken to say when it is pressed; the label when empty."""

    label: str  # at most 200 characters
    value: str = ""  # at most 500 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The bot knows: the text, up to 10,000 characters (2,000 with choices), and up to 10 choices to go on with."""

    text: str
    choices: tuple[Choice, ...] = ()
    source: str = ""  # what it was taken from, such as an entry's id; stored with the message
    score: float = 1.0  # confidence, 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The bot is not sure: up to 10 things the contact may have meant, best first. The bot writes the sentence above them."""

    choices: tuple[Choice, ...]
    source: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOff:
    """People go on. `queue_id` empty means the inbox's default queue; `required_skills` map a name to a level, 1 to 5."""

    reason: str  # at most 60 characters, such as "contact_asked"
    text: str = ""  # said to the contact before; the bot's own sentence when empty
    queue_id: str = ""
    required_skills: Mapping[str, int] = field(default_factory=dict)
    score: float = 0.0


Response = Answer | Offer | HandOff


class BotSkill(Protocol):
    """Something the bot can do."""

    def respond(self, turn: Turn) -> Response | None:
        """What the bot does with this message; None when the skill has nothing to say.

        Called in a worker thread, several at once, with a deadline of a few seconds; a skill that fails or does not
        return in time counts as having nothing to say. The same message may be asked about again after a crash.
        """
