"""Notes mention users who are there."""

from __future__ import annotations

from tests.integration.gateway.conftest import Door
from yunsong_common.ids import new_id


async def test_a_note_mentions_enabled_users_alone(door: Door) -> None:
    colleague, _ = await door.new_user("agent")
    gone, _ = await door.new_user("agent")
    admin = await door.staff()
    disabled = {"user": {"enabled": False}, "update_mask": "enabled"}
    assert (
        await door.http.patch(f"/api/v1/users/{gone['id']}", json=disabled, headers=admin)
    ).status_code == 200
    conversation_id, nobody = new_id(), new_id()
    note = {
        "client_id": new_id(),
        "content": {"text": {"text": "@"}},
        "visibility": "internal",
        "mention_user_ids": [colleague["id"], nobody, gone["id"]],
    }
    wrong = [("mention_user_ids[1]", "USER_UNKNOWN"), ("mention_user_ids[2]", "USER_UNKNOWN")]
    posted = await door.http.post(
        f"/api/v1/conversations/{conversation_id}/messages", json=note, headers=admin
    )
    assert (posted.status_code, posted.json()["code"]) == (400, "INVALID_REQUEST")
    assert [(one["field"], one["reason"]) for one in posted.json()["violations"]] == wrong
    assert nobody in posted.json()["violations"][0]["description"]
    async with door.socket(admin["Authorization"].split()[1]) as socket:
        refused = await socket.ask(type="send", conversation_id=conversation_id, **note)
        assert refused["error"]["code"] == "INVALID_REQUEST"
        assert [(one["field"], one["reason"]) for one in refused["error"]["violations"]] == wrong
        note["mention_user_ids"] = [colleague["id"]]
        taken = await socket.ask(type="send", conversation_id=conversation_id, **note)
        assert taken["type"] == "ack", taken
    assert list(door.conversation.appended[-1].mention_user_ids) == [colleague["id"]]
