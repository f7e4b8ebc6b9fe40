"""The business, colleagues, what a client keeps, and whether anybody can be reached."""

from __future__ import annotations

import datetime as dt

from tests.integration.gateway.conftest import RELEASE_KEY, Door, bearer
from yunsong.router.v1 import model_pb2 as router_model_pb2
from yunsong_common.clock import ManualClock
from yunsong_common.grpc import Channels
from yunsong_common.ids import new_id
from yunsong_gateway.identity.opening import Openings
from yunsong_gateway.identity.roles import SUPERVISOR


async def test_the_business_says_who_it_is_and_a_sign_in_page_knows(door: Door) -> None:
    nobody = (await door.http.get("/api/v1/sign_in_options")).json()
    assert not nobody["business_name"]
    assert not nobody["oidc_path"]
    admin = await door.staff()
    before = (await door.http.get("/api/v1/business", headers=admin)).json()
    assert before["time_zone"] == "Asia/Shanghai"
    assert before["setup_done_at"] is None
    changed = await door.http.patch(
        "/api/v1/business", json={"name": " 云松茶铺 ", "locale": "zh-CN"}, headers=admin
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"], changed.json()["locale"]) == ("云松茶铺", "zh-CN")
    done = await door.http.patch(
        "/api/v1/business", json={"setup_done": True, "time_zone": "Europe/Berlin"}, headers=admin
    )
    again = await door.http.patch("/api/v1/business", json={"setup_done": True}, headers=admin)
    assert done.json()["setup_done_at"] == again.json()["setup_done_at"]
    assert (again.json()["name"], again.json()["time_zone"]) == ("云松茶铺", "Europe/Berlin")
    nobody = (await door.http.get("/api/v1/sign_in_options")).json()
    assert (nobody["business_name"], nobody["locale"]) == ("云松茶铺", "zh-CN")

    wrong = await door.http.patch("/api/v1/business", json={"time_zone": "Moon/Crater"}, headers=admin)
    assert wrong.status_code == 400
    entries = (await door.http.get("/api/v1/audit_entries", headers=admin)).json()["audit_entries"]
    assert any(entry["operation"].endswith("UpdateBusiness") for entry in entries)


async def test_everyone_of_staff_reads_the_business_and_few_change_it(door: Door) -> None:
    _, agent = await door.new_user("agent")
    assert (await door.http.get("/api/v1/business", headers=agent)).status_code == 200
    refused = await door.http.patch("/api/v1/business", json={"name": "x"}, headers=agent)
    assert refused.json()["metadata"] == {"permission": "business.write"}
    contact = await door.contact()
    refused = await door.http.get("/api/v1/business", headers=bearer(contact["access_token"]))
    assert refused.status_code == 403


async def test_colleagues_are_the_enabled_users_by_name(door: Door) -> None:
    first, agent = await door.new_user("agent")
    second, _ = await door.new_user("supervisor", "agent")
    gone, _ = await door.new_user("agent")
    admin = await door.staff()
    await door.http.patch(
        f"/api/v1/users/{gone['id']}",
        json={"user": {"enabled": False}, "update_mask": "enabled"},
        headers=admin,
    )
    listed = (await door.http.get("/api/v1/colleagues", headers=agent)).json()["colleagues"]
    assert {first["id"], second["id"]} <= {one["id"] for one in listed}
    assert gone["id"] not in {one["id"] for one in listed}
    names = [one["display_name"].lower() for one in listed]
    assert names == sorted(names)
    assert all(set(one) == {"id", "display_name"} for one in listed)


async def test_a_client_keeps_its_own_settings(door: Door) -> None:
    _, agent = await door.new_user("agent")
    me = (await door.http.get("/api/v1/me", headers=agent)).json()
    assert not me.get("preferences")
    kept = {"theme": "dark", "columns": [1, 2, {"深": None}], "zero": "a\u0001b"}
    changed = await door.http.patch("/api/v1/me", json={"preferences": kept}, headers=agent)
    assert changed.status_code == 200, changed.text
    renamed = await door.http.patch("/api/v1/me", json={"display_name": "Li"}, headers=agent)
    assert renamed.json()["display_name"] == "Li"
    assert (await door.http.get("/api/v1/me", headers=agent)).json()["preferences"] == kept
    too_much = await door.http.patch(
        "/api/v1/me", json={"preferences": {"text": "x" * 16_000}, "display_name": "Big"}, headers=agent
    )
    assert too_much.status_code == 400
    assert [one["field"] for one in too_much.json()["violations"]] == ["preferences"]
    me = (await door.http.get("/api/v1/me", headers=agent)).json()
    assert (me["preferences"], me["user"]["display_name"]) == (kept, "Li")
    await door.http.patch("/api/v1/me", json={"preferences": {}}, headers=agent)
    assert not (await door.http.get("/api/v1/me", headers=agent)).json().get("preferences")


async def test_a_contact_learns_whether_anybody_can_be_reached(door: Door) -> None:
    opens = dt.datetime(2026, 11, 23, 1, 0, tzinfo=dt.UTC)
    closed = router_model_pb2.Queue(id=new_id(), name="Day")
    closed.created_at.FromDatetime(opens - dt.timedelta(days=9))
    closed.next_open_at.FromDatetime(opens)
    younger = router_model_pb2.Queue(id=new_id(), name="Always", open=True)
    younger.created_at.FromDatetime(opens - dt.timedelta(days=1))
    door.router.queues = [younger, closed]
    session = await door.contact()  # its inbox names no queue, so the oldest one counts
    assert session["open"] is False
    assert dt.datetime.fromisoformat(session["next_open_at"]) == opens
    asked = door.router.queues_asked
    renewed = await door.http.post(
        "/api/v1/contact/sessions:renew", json={}, headers=bearer(session["access_token"])
    )
    assert renewed.status_code == 200, renewed.text
    assert renewed.json()["open"] is False
    assert door.router.queues_asked == asked


async def test_hours_are_kept_for_seconds_and_nobody_to_ask_is_open(door: Door) -> None:
    channels = Channels(service="gateway", release_key=RELEASE_KEY, addresses=door.addresses)
    clock = ManualClock()
    openings = Openings(channels, clock)
    inbox_id = new_id()
    queue = router_model_pb2.Queue(id=new_id(), name="Day")
    door.router.queues = [queue]
    door.channel.queue_id = queue.id
    try:
        assert not (await openings.of(inbox_id)).open
        queue.open = True
        assert not (await openings.of(inbox_id)).open
        await clock.advance(6)
        assert (await openings.of(inbox_id)).open
        queue.open, door.router.away = False, True
        await clock.advance(6)
        assert (await openings.of(inbox_id)).open
        door.router.away, door.channel.queue_id = (
            False,
            new_id(),
        )  # the queue is gone: the oldest takes its place
        await clock.advance(6)
        assert not (await openings.of(inbox_id)).open
        door.router.queues = []
        await clock.advance(6)
        assert (await openings.of(inbox_id)).open
    finally:
        await channels.close()


def test_supervisors_look_after_shared_texts_and_views() -> None:
    assert {"quick_reply.write", "saved_view.write"} <= SUPERVISOR
