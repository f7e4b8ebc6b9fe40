"""Who may read a file: who uploaded it, and who may see a message that holds it."""

from __future__ import annotations

from yunsong.auth.v1 import principal_pb2
from yunsong.conversation.v1 import internal_pb2, internal_pb2_grpc
from yunsong_common.errors import PermissionDenied
from yunsong_common.grpc import Channels
from yunsong_gateway.files.store import File, Files

_TIMEOUT_S = 5.0


class FileRights:
    """Asks the conversation service, which knows what is committed: a file can be read as soon as its message is acknowledged."""

    def __init__(self, files: Files, channels: Channels) -> None:
        self._files = files
        self._channels = channels
        self._conversations = internal_pb2_grpc.ConversationInternalServiceStub(channels.conversation)

    async def readable(self, principal: principal_pb2.Principal, file_id: str) -> File:
        """The file. Raises NotFound / FILE_UNKNOWN when it is not there or not the principal's to read."""
        file = await self._files.find(file_id)
        kind = principal_pb2.ActorKind.Name(principal.kind).removeprefix("ACTOR_KIND_").lower()
        is_own = (file.owner_kind, file.owner_id) == (kind, principal.actor_id)
        # Services work for the conversations that they carry.
        if is_own or principal.kind == principal_pb2.ACTOR_KIND_SERVICE:
            return file
        if not await self._sees_a_message_with(principal, file_id):
            raise self._files.unknown(file_id)
        return file

    async def _sees_a_message_with(self, principal: principal_pb2.Principal, file_id: str) -> bool:
        try:
            answer = await self._conversations.CheckFileAccess(
                internal_pb2.CheckFileAccessRequest(file_id=file_id),
                metadata=self._channels.as_principal(principal),
                timeout=_TIMEOUT_S,
            )
        except PermissionDenied:  # who may read no conversation sees no message
            return False
        return bool(answer.allowed)
