"""The first start's work: the first administrator, a key for the demonstration, the demo shop.

Everything goes through the services' own operations. It may be interrupted and run again: what is there already
stays as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

from yunsong.gateway.v1 import gateway_pb2, model_pb2
from yunsong_common.errors import YunsongError
from yunsong_standalone.admin import find_user, make_administrator, new_password
from yunsong_standalone.contract import all_permissions
from yunsong_standalone.demo_shop import Shop, load_shop
from yunsong_standalone.home import Home
from yunsong_standalone.operator_client import Operator, operator

ADMINISTRATOR = "admin"


async def first_start(home: Home, *, demo_data: bool) -> None:
    """Do what is still to do. Raises YunsongError when a service refuses."""
    async with operator(os.environ) as door:
        sign_ins = _known_sign_ins(home)
        if ADMINISTRATOR not in sign_ins:
            sign_ins[ADMINISTRATOR] = await _administrator(door)
            _keep(home, sign_ins)
        if not home.demo_key.is_file():
            home.write_private(home.demo_key, await _demo_key(door) + "\n")
        if demo_data:
            await _demo_data(home, door, sign_ins)


async def _administrator(door: Operator) -> str:
    known = await find_user(door, ADMINISTRATOR)
    if known is None:
        password = await make_administrator(door, ADMINISTRATOR, "Administrator")
    else:  # made by a start that was interrupted before it kept the password
        password = await new_password(door, known.id)
    print(f"\n  First administrator: {ADMINISTRATOR}\n  Password, shown this once: {password}\n", flush=True)
    return password


async def _demo_key(door: Operator) -> str:
    """A key with every right, for `yunsong demo` on this machine."""
    wanted = model_pb2.ApiKey(name="yunsong demo", permissions=all_permissions(), rate_per_minute=10_000)
    answer = await door.api_keys.CreateApiKey(
        gateway_pb2.CreateApiKeyRequest(api_key=wanted), metadata=door.metadata
    )
    return answer.key


async def _demo_data(home: Home, door: Operator, sign_ins: dict[str, str]) -> None:
    data = load_shop()
    shop = Shop(door)
    for agent in data["agents"]:
        if agent["username"] not in sign_ins:
            sign_ins[agent["username"]] = await shop.add_user(agent)
            _keep(home, sign_ins)
    await shop.set_up(data)
    home.write_private(home.demo_shop, json.dumps(shop.page, indent=2, ensure_ascii=False) + "\n")
    print("  The demo shop is loaded: queues, agents, a web inbox, knowledge, a scorecard.", flush=True)


def _known_sign_ins(home: Home) -> dict[str, str]:
    """Passwords by username that an earlier, interrupted start kept."""
    try:
        content = json.loads(home.first_sign_in.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    passwords: dict[str, str] = {content["username"]: content["password"], **content["others"]}
    return passwords


def _keep(home: Home, sign_ins: dict[str, str]) -> None:
    others = {name: password for name, password in sign_ins.items() if name != ADMINISTRATOR}
    content = {"username": ADMINISTRATOR, "password": sign_ins[ADMINISTRATOR], "others": others}
    home.write_private(home.first_sign_in, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-demo-data", action="store_true")
    options = parser.parse_args()
    try:
        asyncio.run(first_start(Home.of_environment(), demo_data=not options.no_demo_data))
    except YunsongError as error:
        sys.exit(
            f"The first start stopped: {error.message} ({error.reason}). Start again to go on from there."
        )


if __name__ == "__main__":
    main()
