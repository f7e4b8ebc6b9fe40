"""Where outside channels fetch a file that a message holds: a signed address, asked of the gateway at each attempt."""

from __future__ import annotations

import grpc

from yunsong.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from yunsong_common.errors import NotFound, Unavailable, YunsongError
from yunsong_plugin_api import Attachment

_TIMEOUT_S = 5.0


class FileLinks:
    """The gateway, which keeps files."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._system = gateway_pb2_grpc.SystemServiceStub(channel)

    async def attachment(self, file_id: str) -> Attachment | None:
        """The file by an address that works for an hour; None when it is gone. Raises `Unavailable` when the gateway does not say."""
        try:
            file = await self._system.GetFile(gateway_pb2.GetFileRequest(file_id=file_id), timeout=_TIMEOUT_S)
        except NotFound:
            return None
        except YunsongError as error:
            raise Unavailable(
                reason="GATEWAY_UNAVAILABLE", message="the gateway does not give the file's address"
            ) from error
        return Attachment(url=file.url, name=file.name, mime_type=file.media_type, size=file.size)
