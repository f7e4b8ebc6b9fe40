"""Who comes in, with what rights, and how that ends."""

from __future__ import annotations

import time

import orjson
import pyotp
import websockets

from tests.integration.gateway.conftest import Door, bearer
from tests.support.polling import eventually
from yunsong_common.ids import new_id


async def test_wrong_sign_ins_are_told_apart_by_nobody_and_lock(door: Door) -> None:
    post = door.http.post
    unknown = await post("/api/v1/sessions", json={"username": "nobody", "password": "x"})
    wrong = await post("/api/v1/sessions", json={"username": "admin", "password": "x"})
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.json()["detail"] == wrong.json()["detail"]
    assert wrong.json()["code"] == "CREDENTIALS_WRONG"
    for _ in range(5):
        await post("/api/v1/sessions", json={"username": "ADMIN", "password": "x"})
    locked = await post("/api/v1/sessions", json={"username": "admin", "password": door.admin_password})
    assert locked.status_code == 429
    assert locked.json()["code"] == "TOO_MANY_ATTEMPTS"
    assert int(locked.headers["retry-after"]) > 10


async def test_a_refresh_whose_answer_was_lost_may_be_repeated(door: Door) -> None:
    first = await door.sign_in()
    lost = await door.http.post("/api/v1/sessions:refresh", json={"refresh_token": first["refresh_token"]})
    again = await door.http.post("/api/v1/sessions:refresh", json={"refresh_token": first["refresh_token"]})
    assert again.status_code == 200, again.text
    onward = await door.http.post(
        "/api/v1/sessions:refresh", json={"refresh_token": again.json()["refresh_token"]}
    )
    assert onward.status_code == 200
    # Only one way leads on: who holds the one that was lost is not its client.
    stolen = await door.http.post(
        "/api/v1/sessions:refresh", json={"refresh_token": lost.json()["refresh_token"]}
    )
    assert stolen.json()["code"] == "REFRESH_TOKEN_REUSED"


async def test_refresh_tokens_rotate_and_a_reused_one_ends_the_session(door: Door) -> None:
    first = await door.sign_in()
    second = await door.http.post("/api/v1/sessions:refresh", json={"refresh_token": first["refresh_token"]})
    renewed = await door.http.post(
        "/api/v1/sessions:refresh", json={"refresh_token": second.json()["refresh_token"]}
    )
    assert renewed.status_code == 200
    access = bearer(renewed.json()["access_token"])
    assert (await door.http.get("/api/v1/me", headers=access)).status_code == 200
    stolen = await door.http.post("/api/v1/sessions:refresh", json={"refresh_token": first["refresh_token"]})
    assert stolen.json()["code"] == "REFRESH_TOKEN_REUSED"

    async def ended() -> bool:
        return "SESSION_ENDED" in (await door.http.get("/api/v1/me", headers=access)).text

    await eventually(ended)
    after = await door.http.post(
        "/api/v1/sessions:refresh", json={"refresh_token": renewed.json()["refresh_token"]}
    )
    assert after.json()["code"] == "REFRESH_TOKEN_INVALID"


async def test_revoking_a_session_closes_its_socket(door: Door) -> None:
    first, second = await door.sign_in(), await door.sign_in()
    async with door.socket(first["access_token"]) as socket, door.socket(second["access_token"]) as other:
        answer = await door.http.delete(
            f"/api/v1/me/sessions/{first['session_id']}", headers=bearer(second["access_token"])
        )
        assert answer.status_code == 200
        assert await socket.close_code() == 4001
        assert (await other.ask(type="ping"))["type"] == "pong"
    sessions = (await door.http.get("/api/v1/me/sessions", headers=bearer(second["access_token"]))).json()[
        "sessions"
    ]
    assert [one["current"] for one in sessions] == [True]


async def test_a_new_password_ends_other_sessions(door: Door) -> None:
    first, second = await door.sign_in(), await door.sign_in()
    headers = bearer(first["access_token"])
    weak = await door.http.post(
        "/api/v1/me:change_password",
        json={"current_password": door.admin_password, "new_password": "admin123456"},
        headers=headers,
    )
    assert weak.json()["code"] == "PASSWORD_WEAK"
    changed = await door.http.post(
        "/api/v1/me:change_password",
        json={"current_password": door.admin_password, "new_password": "correct horse battery"},
        headers=headers,
    )
    assert changed.status_code == 200, changed.text
    assert (await door.http.get("/api/v1/me", headers=headers)).status_code == 200

    async def ended() -> bool:
        return (await door.http.get("/api/v1/me", headers=bearer(second["access_token"]))).status_code == 401

    await eventually(ended)
    assert (await door.sign_in("admin", "correct horse battery"))["user"]["username"] == "admin"


async def test_a_second_factor(door: Door) -> None:
    headers = await door.staff()
    begun = (await door.http.post("/api/v1/me/totp:begin", json={}, headers=headers)).json()
    totp = pyotp.TOTP(begun["secret"])
    confirmed = await door.http.post(
        "/api/v1/me/totp:confirm", json={"totp_code": totp.now()}, headers=headers
    )
    codes = confirmed.json()["recovery_codes"]
    assert len(codes) == 10
    body = {"username": "admin", "password": door.admin_password}
    assert (await door.http.post("/api/v1/sessions", json=body)).json()["code"] == "TOTP_REQUIRED"
    used = await door.http.post("/api/v1/sessions", json={**body, "totp_code": totp.now()})
    assert used.json()["code"] == "TOTP_WRONG"  # a code counts once
    following = totp.at(time.time() + 30)
    assert (
        await door.http.post("/api/v1/sessions", json={**body, "totp_code": following})
    ).status_code == 200
    lost = {**body, "totp_code": codes[0]}  # the device is lost; a recovery code counts once too
    assert (await door.http.post("/api/v1/sessions", json=lost)).status_code == 200
    assert (await door.http.post("/api/v1/sessions", json=lost)).json()["code"] == "TOTP_WRONG"


async def test_roles_bound_what_is_given(door: Door) -> None:
    user, agent = await door.new_user("agent")
    assert await eventually(lambda: user["id"] in door.router.configured)
    refused = await door.http.get("/api/v1/users", headers=agent)
    assert refused.status_code == 403
    assert refused.json()["metadata"] == {"permission": "user.read"}
    admin = await door.staff()
    made = await door.http.put(
        "/api/v1/roles/lead", json={"permissions": ["user.read", "user.write"]}, headers=admin
    )
    assert made.status_code == 200, made.text
    unknown = await door.http.put("/api/v1/roles/odd", json={"permissions": ["no.such"]}, headers=admin)
    assert unknown.json()["code"] == "PERMISSION_UNKNOWN"
    _, lead = await door.new_user("lead")
    above = await door.http.post(
        "/api/v1/users",
        json={"user": {"username": "evil", "display_name": "Evil", "roles": ["admin"]}},
        headers=lead,
    )
    assert above.json()["code"] == "ROLE_ABOVE_OWN"
    me = (await door.http.get("/api/v1/me", headers=admin)).json()
    steal = await door.http.post(f"/api/v1/users/{me['user']['id']}:reset_password", json={}, headers=lead)
    assert steal.json()["code"] == "ROLE_ABOVE_OWN", steal.text
    rename = await door.http.patch(
        f"/api/v1/users/{me['user']['id']}", json={"user": {"username": "gone"}}, headers=lead
    )
    assert rename.json()["code"] == "ROLE_ABOVE_OWN", rename.text
    last = await door.http.patch(
        f"/api/v1/users/{me['user']['id']}", json={"user": {"enabled": False}}, headers=admin
    )
    assert last.json()["code"] == "LAST_ADMIN"
    in_use = await door.http.delete("/api/v1/roles/lead", headers=admin)
    assert in_use.json()["code"] == "ROLE_IN_USE"


async def test_fewer_rights_end_sessions(door: Door) -> None:
    user, headers = await door.new_user("supervisor")
    assert (await door.http.get("/api/v1/users", headers=headers)).status_code == 200
    admin = await door.staff()
    changed = await door.http.patch(
        f"/api/v1/users/{user['id']}", json={"user": {"roles": ["agent"]}}, headers=admin
    )
    assert changed.json()["roles"] == ["agent"], changed.text
    assert changed.json()["display_name"] == user["display_name"]

    async def ended() -> bool:
        return (await door.http.get("/api/v1/users", headers=headers)).status_code == 401

    await eventually(ended)


async def test_api_keys_have_scopes_and_end(door: Door) -> None:
    admin = await door.staff()
    made = await door.http.post(
        "/api/v1/api_keys",
        json={"name": "shop", "permissions": ["conversation.read"], "rate_per_minute": 600},
        headers=admin,
    )
    assert made.status_code == 200, made.text
    key = bearer(made.json()["key"])
    assert (await door.http.get("/api/v1/conversations", headers=key)).status_code == 200
    assert (await door.http.get("/api/v1/users", headers=key)).status_code == 403
    assert (await door.http.get("/api/v1/me", headers=key)).status_code == 403
    past = {"name": "late", "permissions": ["user.read"], "expires_at": "2020-01-01T00:00:00Z"}
    refused = await door.http.post("/api/v1/api_keys", json=past, headers=admin)
    assert refused.json()["code"] == "EXPIRY_PAST"
    odd = {"name": "odd", "permissions": ["user.read", "user.raed", "quick_reply.write"]}
    refused = await door.http.post("/api/v1/api_keys", json=odd, headers=admin)
    assert (refused.status_code, refused.json()["code"]) == (400, "PERMISSION_UNKNOWN")
    assert [one["field"] for one in refused.json()["violations"]] == ["api_key.permissions[1]"]
    listed = (await door.http.get("/api/v1/api_keys", headers=admin)).json()["api_keys"]
    assert made.json()["key"] not in str(listed)
    assert made.json()["key"].startswith(listed[0]["prefix"])
    assert listed[0]["last_used_at"]
    await door.http.delete(f"/api/v1/api_keys/{listed[0]['id']}", headers=admin)

    async def ended() -> bool:
        return (await door.http.get("/api/v1/conversations", headers=key)).status_code == 401

    await eventually(ended)


async def test_the_audit_log_knows_who_did_what_and_no_secret(door: Door) -> None:
    admin = await door.staff()
    await door.http.post("/api/v1/sessions", json={"username": "admin", "password": "a wrong secret"})
    await door.http.post(
        "/api/v1/users",
        json={"user": {"username": "audited", "display_name": "A"}, "password": "a first password"},
        headers=admin,
    )
    answer = await door.http.get("/api/v1/audit_entries", headers=admin)
    entries = answer.json()["audit_entries"]
    assert [entry["operation"].rpartition("/")[2] for entry in entries[:2]] == ["CreateUser", "SignIn"]
    assert entries[0]["outcome"] == "ok"
    assert entries[0]["request"]["user"]["username"] == "audited"
    assert entries[0]["actor_name"] == "Administrator"
    assert entries[0]["client_address"] == "127.0.0.1"
    assert entries[1]["outcome"] == "CREDENTIALS_WRONG"
    assert "secret" not in str(entries)
    assert "a first password" not in str(entries)
    one_page = await door.http.get("/api/v1/audit_entries?page_size=1", headers=admin)
    token = one_page.json()["next_page_token"]
    second = await door.http.get(f"/api/v1/audit_entries?page_size=1&page_token={token}", headers=admin)
    assert second.json()["audit_entries"][0]["id"] == entries[1]["id"]


async def test_an_idempotency_key_creates_once(door: Door) -> None:
    headers = {**await door.staff(), "Idempotency-Key": "k1"}
    body = {"user": {"username": "once", "display_name": "Once"}}
    first = await door.http.post("/api/v1/users", json=body, headers=headers)
    again = await door.http.post("/api/v1/users", json=body, headers=headers)
    assert first.status_code == 200, first.text
    assert first.json()["user"]["id"] == again.json()["user"]["id"]


async def test_contacts_have_short_tokens_of_their_own(door: Door) -> None:
    session = await door.contact(name="contact 1")
    assert len(session["visitor_id"]) >= 16
    again = await door.contact(visitor_id=session["visitor_id"])
    assert again["contact_id"] == session["contact_id"]
    token = bearer(session["access_token"])
    assert (await door.http.get("/api/v1/conversations", headers=token)).status_code == 403
    assert (await door.http.get("/api/v1/me", headers=token)).status_code == 403
    guessable = await door.http.post(
        "/api/v1/contact/sessions", json={"inbox_key": "web_test", "visitor_id": "1"}
    )
    assert guessable.status_code == 400
    unproved = await door.http.post(
        "/api/v1/contact/sessions", json={"inbox_key": "web_test", "user_id": "u"}
    )
    assert unproved.json()["violations"][0]["field"] == "user_id"


async def test_secrets_outside_of_ascii_are_just_wrong(door: Door) -> None:
    headers = await door.staff()
    begun = (await door.http.post("/api/v1/me/totp:begin", json={}, headers=headers)).json()
    wrong = await door.http.post(
        "/api/v1/me/totp:confirm", json={"totp_code": "１２３４５６"}, headers=headers
    )
    assert begun["secret"]
    assert wrong.json()["code"] == "TOTP_WRONG"
    link = await door.http.get(f"/api/v1/files/{new_id()}/content?expires=٣&signature=é")
    assert link.json()["code"] == "FILE_LINK_INVALID"


async def test_a_first_password_opens_nothing_but_its_change(door: Door) -> None:
    admin = await door.staff()
    made = await door.http.post(
        "/api/v1/users",
        json={"user": {"username": "new", "display_name": "New", "roles": ["admin"]}},
        headers=admin,
    )
    first = made.json()["password"]
    session = await door.sign_in("new", first)
    assert session["user"]["password_change_required"] is True
    headers = bearer(session["access_token"])
    for method, path in (
        ("GET", "/api/v1/users"),
        ("GET", "/api/v1/conversations"),
        ("GET", "/api/v1/me/sessions"),
        ("PATCH", "/api/v1/me"),
        ("POST", "/api/v1/files"),
        ("POST", "/api/v1/contact/sessions"),
        ("GET", "/api/v1/no/such/path"),
    ):
        refused = await door.http.request(method, path, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "PASSWORD_CHANGE_REQUIRED"), path
    address = door.url.replace("http", "ws") + "/api/v1/ws"
    async with websockets.connect(address, additional_headers=headers) as connection:
        assert orjson.loads(await connection.recv())["error"]["code"] == "PASSWORD_CHANGE_REQUIRED"
    assert (await door.http.get("/api/v1/me", headers=headers)).status_code == 200
    renewed = await door.http.post(
        "/api/v1/sessions:refresh", json={"refresh_token": session["refresh_token"]}, headers=headers
    )
    assert renewed.status_code == 200
    changed = await door.http.post(
        "/api/v1/me:change_password",
        json={"current_password": first, "new_password": "a password of my own"},
        headers=headers,
    )
    assert changed.status_code == 200, changed.text
    assert (await door.http.get("/api/v1/users", headers=headers)).status_code == 200
    reset = await door.http.post(
        f"/api/v1/users/{session['user']['id']}:reset_password", json={}, headers=admin
    )
    again = await door.sign_in("new", reset.json()["password"])
    assert again["user"]["password_change_required"] is True
    signed_out = await door.http.post(
        "/api/v1/sessions:sign_out", json={}, headers=bearer(again["access_token"])
    )
    assert signed_out.status_code == 200


async def test_an_integration_provisions_accounts_with_passwords_that_hold(door: Door) -> None:
    key = await door.http.post(
        "/api/v1/api_keys",
        json={"name": "directory", "permissions": ["user.read", "user.write"]},
        headers=await door.staff(),
    )
    headers = bearer(key.json()["key"])
    for username, password, required in (("chosen", "a long enough secret", False), ("made", "", True)):
        made = await door.http.post(
            "/api/v1/users",
            json={"user": {"username": username, "display_name": "P"}, "password": password},
            headers=headers,
        )
        assert made.status_code == 200, made.text
        session = await door.sign_in(username, password or made.json()["password"])
        assert session["user"]["password_change_required"] is required


async def test_an_idempotency_key_is_printable(door: Door) -> None:
    headers = [*(await door.staff()).items(), ("Idempotency-Key", "caf\u00e9")]
    refused = await door.http.post(
        "/api/v1/users",
        json={"user": {"username": "keyed", "display_name": "Keyed"}},
        headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
    )
    assert refused.status_code == 400, refused.text
    assert refused.json()["violations"][0]["field"] == "Idempotency-Key"
