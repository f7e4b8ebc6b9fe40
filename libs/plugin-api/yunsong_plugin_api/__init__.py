"""What a plugin author imports.

A plugin is a class named by an entry point in one of the groups below; the product makes one instance with no arguments and
checks `api_version`. Its methods run outside of the event loop with a deadline, so they may be plain, blocking code; they must
not keep state between calls
unless their interface says so.

    [project.entry-points."yunsong.routing_strategies.v1"]
    cheapest = "acme_yunsong:CheapestFirst"
"""

from yunsong_plugin_api.bot_skills import Answer, BotSkill, Handoff, NextSkill, SkillContext, SkillResult
from yunsong_plugin_api.channels import (
    Attachment,
    Channel,
    ChannelError,
    ChannelInbox,
    Credentials,
    HttpCall,
    HttpReply,
    HttpRequest,
    Inbound,
    InboundMessage,
    Outbound,
    Receipt,
    SecretFormat,
    Sent,
    SignatureInvalid,
    WebhookResult,
)
from yunsong_plugin_api.inspection_rules import (
    Hit,
    InspectedConversation,
    InspectedMessage,
    InspectionRule,
    Severity,
)
from yunsong_plugin_api.loader import LoadedPlugin, PluginError, load_plugins
from yunsong_plugin_api.routing_strategies import AgentView, Preference, RoutingStrategy, WorkItemView
from yunsong_plugin_api.running import PluginBusy, PluginRunner, PluginTimeout

API_VERSION = "1.0"

CHANNELS = "yunsong.channels.v1"
BOT_SKILLS = "yunsong.bot_skills.v1"
ROUTING_STRATEGIES = "yunsong.routing_strategies.v1"
INSPECTION_RULES = "yunsong.inspection_rules.v1"
GROUPS = (CHANNELS, BOT_SKILLS, ROUTING_STRATEGIES, INSPECTION_RULES)

__all__ = [
    "API_VERSION",
    "BOT_SKILLS",
    "CHANNELS",
    "GROUPS",
    "INSPECTION_RULES",
    "ROUTING_STRATEGIES",
    "AgentView",
    "Answer",
    "Attachment",
    "BotSkill",
    "Channel",
    "ChannelError",
    "ChannelInbox",
    "Credentials",
    "Handoff",
    "Hit",
    "HttpCall",
    "HttpReply",
    "HttpRequest",
    "Inbound",
    "InboundMessage",
    "InspectedConversation",
    "InspectedMessage",
    "InspectionRule",
    "LoadedPlugin",
    "NextSkill",
    "Outbound",
    "PluginBusy",
    "PluginError",
    "PluginRunner",
    "PluginTimeout",
    "Preference",
    "Receipt",
    "RoutingStrategy",
    "SecretFormat",
    "Sent",
    "Severity",
    "SignatureInvalid",
    "SkillContext",
    "SkillResult",
    "WebhookResult",
    "WorkItemView",
    "load_plugins",
]
