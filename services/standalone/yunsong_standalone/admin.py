"""Administrators from the command line: the first one, another one, a new password for one who lost it."""

from __future__ import annotations

import os
import sys

from yunsong.gateway.v1 import gateway_pb2, model_pb2
from yunsong_common.errors import YunsongError
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.home import Home
from yunsong_standalone.operator_client import Operator, operator


async def make_administrator(door: Operator, username: str, display_name: str) -> str:
    """Create an administrator and return the password that was made, which is shown this once."""
    user = model_pb2.User(
        username=username, display_name=display_name or username, roles=["admin"], enabled=True
    )
    answer = await door.users.CreateUser(gateway_pb2.CreateUserRequest(user=user), metadata=door.metadata)
    return answer.password


async def find_user(door: Operator, username: str) -> model_pb2.User | None:
    """The user who signs in with this name, letters compared without case."""
    found = await door.users.ListUsers(
        gateway_pb2.ListUsersRequest(query=username, page_size=200), metadata=door.metadata
    )
    return next((user for user in found.users if user.username.lower() == username.lower()), None)


async def new_password(door: Operator, user_id: str) -> str:
    """Make a new password for a user, whose sessions end; it is shown this once."""
    answer = await door.users.ResetPassword(
        gateway_pb2.ResetPasswordRequest(user_id=user_id), metadata=door.metadata
    )
    return answer.password


async def create_administrator(home: Home, username: str, display_name: str) -> int:
    """`yunsong admin create`: prints the password."""
    try:
        async with operator(running_environment(home)) as door:
            password = await make_administrator(door, username, display_name)
    except YunsongError as error:
        print(f"No administrator was made: {error}", file=sys.stderr)
        return 1
    print(f"{username} is an administrator now. Password, shown this once: {password}")
    return 0


async def reset_password(home: Home, username: str) -> int:
    """`yunsong admin reset-password`: prints the new password."""
    try:
        async with operator(running_environment(home)) as door:
            user = await find_user(door, username)
            if user is None:
                print(f"There is no user {username!r}.", file=sys.stderr)
                return 1
            password = await new_password(door, user.id)
    except YunsongError as error:
        print(f"The password stays as it was: {error}", file=sys.stderr)
        return 1
    print(f"New password of {username}, shown this once: {password}")
    return 0


def running_environment(home: Home) -> dict[str, str]:
    """How to reach the copy that runs in `home`, or the one that the environment names."""
    environment = dict(os.environ)
    running = home.running()
    for service in SERVICES:
        port = running.get("grpc_ports", {}).get(service.name)
        if port is not None:
            environment.setdefault(service.variable("ADDRESS"), f"127.0.0.1:{port}")
    if not environment.get("YUNSONG_RELEASE_KEY") and not environment.get("YUNSONG_RELEASE_KEY_FILE"):
        environment["YUNSONG_RELEASE_KEY"] = home.secret("release_key")
    return environment
