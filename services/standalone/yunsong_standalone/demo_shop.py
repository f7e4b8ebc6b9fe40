"""The demo shop: what `demo_data/` describes, made through the services' own operations.

Each step looks for what is there by its name first, so an interrupted start can be run again.
"""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from importlib import resources
from typing import Any

from google.protobuf import json_format

from yunsong.bot.v1 import bot_pb2
from yunsong.channel.v1 import channel_pb2
from yunsong.channel.v1 import model_pb2 as channel_model
from yunsong.conversation.v1 import desk_pb2
from yunsong.gateway.v1 import gateway_pb2
from yunsong.gateway.v1 import model_pb2 as gateway_model
from yunsong.qa.v1 import model_pb2 as qa_model
from yunsong.qa.v1 import qa_pb2
from yunsong.router.v1 import model_pb2 as router_model
from yunsong.router.v1 import router_pb2
from yunsong_common.errors import AlreadyExists
from yunsong_standalone.admin import find_user, new_password
from yunsong_standalone.operator_client import Operator

_DATA = resources.files("yunsong_standalone") / "demo_data"
_KNOWLEDGE = ("faq.zh-CN.json", "faq.en.json")


def load_shop() -> dict[str, Any]:
    """The shop's people, queues, inbox and rules."""
    content: dict[str, Any] = json.loads((_DATA / "shop.json").read_text("utf-8"))
    return content


class Shop:
    """Makes the shop in a running copy."""

    def __init__(self, door: Operator) -> None:
        self._door = door
        self._queue_ids: dict[str, str] = {}
        self.page: dict[str, Any] = {}  # what the shop's page needs; known once the inbox is there

    async def add_user(self, agent: dict[str, Any]) -> str:
        """One member of staff; returns the password that was made."""
        known = await find_user(self._door, agent["username"])
        if known is not None:
            return await new_password(self._door, known.id)
        user = gateway_model.User(
            username=agent["username"],
            display_name=agent["display_name"],
            locale=agent["locale"],
            roles=agent["roles"],
            enabled=True,
        )
        answer = await self._door.users.CreateUser(
            gateway_pb2.CreateUserRequest(user=user), metadata=self._door.metadata
        )
        return answer.password

    async def set_up(self, shop: dict[str, Any]) -> None:
        """Everything but the users, who are there already."""
        await self._business(shop["business"])
        await self._skills(shop["skills"])
        await self._queues(shop["queues"])
        await self._agents(shop["agents"])
        await self._reasons(shop["presence_reasons"][shop["business"]["locale"]])
        await self._inbox(shop["inbox"], shop["customers"])
        await self._desk(shop["quick_replies"], shop["saved_views"])
        await self._scorecard(shop["rules"], shop["scorecard"])
        for name in _KNOWLEDGE:
            await self._knowledge(json.loads((_DATA / name).read_text("utf-8")))

    async def _business(self, described: dict[str, str]) -> None:
        door = self._door
        known = await door.business.GetBusiness(gateway_pb2.GetBusinessRequest(), metadata=door.metadata)
        if not known.HasField("setup_done_at"):
            request = gateway_pb2.UpdateBusinessRequest(**described, setup_done=True)
            await door.business.UpdateBusiness(request, metadata=door.metadata)

    async def _reasons(self, described: list[dict[str, str]]) -> None:
        door = self._door
        known = await door.agents.ListPresenceReasons(
            router_pb2.ListPresenceReasonsRequest(), metadata=door.metadata
        )
        if not known.reasons:
            request = json_format.ParseDict({"reasons": described}, router_pb2.SetPresenceReasonsRequest())
            await door.agents.SetPresenceReasons(request, metadata=door.metadata)

    async def _desk(self, replies: list[dict[str, str]], views: list[dict[str, Any]]) -> None:
        door = self._door
        for reply in replies:
            with suppress(AlreadyExists):
                await door.quick_replies.CreateQuickReply(
                    desk_pb2.CreateQuickReplyRequest(**reply, shared=True), metadata=door.metadata
                )
        known = await door.saved_views.ListSavedViews(
            desk_pb2.ListSavedViewsRequest(), metadata=door.metadata
        )
        for view in views:
            if not any(one.name == view["name"] for one in known.saved_views):
                request = json_format.ParseDict({**view, "shared": True}, desk_pb2.CreateSavedViewRequest())
                await door.saved_views.CreateSavedView(request, metadata=door.metadata)

    async def _skills(self, skills: list[dict[str, Any]]) -> None:
        for skill in skills:
            request = router_pb2.SetSkillRequest(name=skill["name"], description=skill["description"])
            await self._door.agents.SetSkill(request, metadata=self._door.metadata)

    async def _queues(self, queues: list[dict[str, Any]]) -> None:
        known = await self._door.queues.ListQueues(
            router_pb2.ListQueuesRequest(page_size=200), metadata=self._door.metadata
        )
        known_ids = {queue.name: queue.id for queue in known.queues}
        for described in queues:
            if described["name"] in known_ids:
                self._queue_ids[described["name"]] = known_ids[described["name"]]
            else:
                queue = json_format.ParseDict(described, router_model.Queue())
                made = await self._door.queues.CreateQueue(
                    router_pb2.CreateQueueRequest(queue=queue), metadata=self._door.metadata
                )
                self._queue_ids[made.name] = made.id

    async def _agents(self, agents: list[dict[str, Any]]) -> None:
        members: dict[str, list[str]] = {}
        for agent in agents:
            user = await find_user(self._door, agent["username"])
            if user is None:
                raise LookupError(f"the user {agent['username']!r} is gone: start again")
            request = router_pb2.ConfigureAgentRequest(
                agent_id=user.id,
                name=agent["display_name"],
                capacity=agent["capacity"],
                skills=router_pb2.AgentSkills(levels=agent["skills"]),
                enabled=True,
            )
            await self._door.agents.ConfigureAgent(request, metadata=self._door.metadata)
            for queue in agent["queues"]:
                members.setdefault(queue, []).append(user.id)
        for queue, agent_ids in members.items():
            request_members = router_pb2.SetQueueMembersRequest(
                queue_id=self._queue_ids[queue], agent_ids=agent_ids
            )
            await self._door.queues.SetQueueMembers(request_members, metadata=self._door.metadata)

    async def _inbox(self, described: dict[str, Any], customers: list[dict[str, Any]]) -> None:
        metadata = self._door.metadata
        known = await self._door.inboxes.ListInboxes(
            channel_pb2.ListInboxesRequest(page_size=200), metadata=metadata
        )
        inbox = next((one for one in known.inboxes if one.name == described["name"]), None)
        if inbox is not None:
            # Left by an interrupted start, which nobody can have used: its secret was shown then and is gone.
            rotated = await self._door.inboxes.RotateInboxSecrets(
                channel_pb2.RotateInboxSecretsRequest(inbox_id=inbox.id), metadata=metadata
            )
            self.page = _page(inbox.key, rotated.secrets["identity_secret"], customers)
            return
        fields = {name: value for name, value in described.items() if name != "queue"}
        wanted = json_format.ParseDict(fields, channel_model.Inbox())
        wanted.queue_id = self._queue_ids[described["queue"]]
        made = await self._door.inboxes.CreateInbox(
            channel_pb2.CreateInboxRequest(inbox=wanted), metadata=metadata
        )
        self.page = _page(made.inbox.key, made.secrets["identity_secret"], customers)

    async def _scorecard(self, rules: list[dict[str, Any]], described: dict[str, Any]) -> None:
        metadata = self._door.metadata
        cards = await self._door.scorecards.ListScorecards(qa_pb2.ListScorecardsRequest(), metadata=metadata)
        if any(card.name == described["name"] for card in cards.scorecards):
            return
        known = await self._door.scorecards.ListRules(qa_pb2.ListRulesRequest(), metadata=metadata)
        rule_ids = {rule.name: rule.id for rule in known.rules}
        for rule in rules:
            if rule["name"] not in rule_ids:
                wanted = json_format.ParseDict(rule, qa_model.Rule())
                made = await self._door.scorecards.CreateRule(
                    qa_pb2.CreateRuleRequest(rule=wanted), metadata=self._door.metadata
                )
                rule_ids[made.name] = made.id
        items = [_item(item, rule_ids) for item in described["items"]]
        card = qa_model.Scorecard(
            name=described["name"],
            automatic=described["automatic"],
            pass_score=described["pass_score"],
            items=items,
            queue_ids=self._queue_ids.values(),
        )
        await self._door.scorecards.CreateScorecard(
            qa_pb2.CreateScorecardRequest(scorecard=card), metadata=self._door.metadata
        )

    async def _knowledge(self, collection: dict[str, Any]) -> None:
        entries = [
            bot_pb2.Entry(
                external_key=entry["key"],
                category=entry["category"],
                question=entry["question"],
                similar_questions=entry["similar"],
                answer=entry["answer"],
                locale=collection["language"],
                enabled=True,
            )
            for entry in collection["entries"]
        ]
        answer = await self._door.knowledge.ImportEntries(
            bot_pb2.ImportEntriesRequest(entries=entries), metadata=self._door.metadata
        )
        refused = [f"{result.external_key}: {result.error}" for result in answer.results if result.error]
        if refused:
            raise ValueError("the bot refused entries of the demo shop: " + "; ".join(refused))


def _item(item: dict[str, Any], rule_ids: dict[str, str]) -> qa_model.ScorecardItem:
    fields = {name: value for name, value in item.items() if name != "rule"}
    return json_format.ParseDict({**fields, "rule_id": rule_ids[item["rule"]]}, qa_model.ScorecardItem())


def _page(inbox_key: str, identity_secret: str, customers: list[dict[str, Any]]) -> dict[str, Any]:
    """The inbox, and customers who can sign in to the shop: each with the proof that a shop's own server would make."""
    proved = [
        {
            **customer,
            "user_hash": hmac.new(
                identity_secret.encode(), customer["user_id"].encode(), "sha256"
            ).hexdigest(),
        }
        for customer in customers
    ]
    return {"inbox_key": inbox_key, "customers": proved}
