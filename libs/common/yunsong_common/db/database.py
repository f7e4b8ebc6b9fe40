"""One service's schema: transactions that carry their events, reads, the database's clock."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg
from google.protobuf.message import Message
from sqlalchemy import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from yunsong_common.db.pool import Connection, Pool
from yunsong_common.errors import Aborted, Unavailable
from yunsong_common.outbox.rows import OutboxRow, row_of
from yunsong_common.outbox.store import insert_rows
from yunsong_common.telemetry import current_traceparent

T = TypeVar("T")

# A live message, and the trace that it belongs to.
Live = tuple[Message, str]
Listener = Callable[[Sequence[OutboxRow], Sequence[Live]], None]

_CONFLICTS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)


class Transaction:
    """A transaction, or a connection for reading; both views of it, `conn` and `raw`, are inside the same transaction."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._now: dt.datetime | None = None
        self.rows: list[OutboxRow] = []
        self.live: list[Message] = []
        self.live_traces: list[str] = []

    @property
    def conn(self) -> AsyncConnection:
        """SQLAlchemy's view."""
        return self._connection.alchemy

    @property
    def raw(self) -> asyncpg.Connection:
        """asyncpg's view: `fetch`, `fetchrow`, `fetchval`, `execute`, with $1 parameters. Several times cheaper; for hot paths."""
        return self._connection.raw

    async def execute(
        self, statement: Executable, params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Runs a SQLAlchemy Core statement; the result is buffered."""
        return await self._connection.alchemy.execute(statement, params)

    def emit(
        self,
        event: Message,
        rev: int = 0,
        public_rev: int | None = None,
        live_copy: Message | None = None,
    ) -> str:
        """Records an event with the fact that this transaction writes; it is published right after the commit.

        The entity comes from the message's `event` option. `rev` is the entity's revision after the change, `public_rev` the contact's
        where it may see the change. `live_copy` is a live message that goes out beside it, unstored. Returns the event's id.
        """
        row = row_of(event, rev=rev, public_rev=public_rev, now=self._now or self._database.now())
        self.rows.append(row)
        if live_copy is not None:
            self.publish_after_commit(live_copy)
        return str(row.event_id)

    def publish_after_commit(self, message: Message) -> None:
        """Publishes a live message once this transaction is committed; lost when the process dies or NATS is away."""
        self.live.append(message)
        self.live_traces.append(current_traceparent())

    def told_now(self, database_now: dt.datetime) -> None:
        """Takes what a statement read of the database's clock beside its own result, unless the clock was read before."""
        if self._now is None:
            self._now = database_now + self._database.clock_offset

    async def now(self) -> dt.datetime:
        """The database's clock, in UTC, plus the test offset. Read once per transaction."""
        if self._now is None:
            database_now: dt.datetime = await self.raw.fetchval("SELECT clock_timestamp()")
            self._now = database_now + self._database.clock_offset
        return self._now


class Database:
    """A service's own schema in one database.

    Give it a URL to have a pool of its own, or a `Pool` that is shared. After a commit `listener` gets what the transaction emitted; the
    service's runtime sets it to the outbox's publisher.
    """

    def __init__(
        self,
        url: str | Pool,
        *,
        schema: str,
        pool_size: int = 10,
        clock_offset: dt.timedelta = dt.timedelta(0),
    ) -> None:
        self.schema = schema
        self.pool = (
            url if isinstance(url, Pool) else Pool(url, size=pool_size, application=f"yunsong-{schema}")
        )
        self.clock_offset = clock_offset
        self.listener: Listener | None = None

    def now(self) -> dt.datetime:
        """This machine's clock plus the test offset, for times that need no agreement between replicas."""
        return dt.datetime.now(dt.UTC) + self.clock_offset

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises.

        A lost database raises `Unavailable`; a conflict with another transaction raises `Aborted`, which `run` retries.
        """
        connection = await self.pool.acquire(self.schema)
        tx = Transaction(self, connection)
        committed = False
        try:
            with _translated(connection):
                await connection.raw.execute("BEGIN")
                yield tx
                if tx.rows:
                    await insert_rows(connection.raw, self.schema, tx.rows)
                await connection.raw.execute("COMMIT")
                committed = True
        finally:
            if not committed:
                await self._roll_back(connection)
            await self.pool.release(connection)
        if self.listener is not None and (tx.rows or tx.live):
            self.listener(tx.rows, list(zip(tx.live, tx.live_traces, strict=True)))

    @contextlib.asynccontextmanager
    async def read(self, *, snapshot: bool = False) -> AsyncIterator[Transaction]:
        """A connection for reading. Each statement sees what was committed before it; with `snapshot` all see the same instant."""
        connection = await self.pool.acquire(self.schema)
        finished = not snapshot
        try:
            with _translated(connection):
                if snapshot:
                    await connection.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield Transaction(self, connection)
                if snapshot:
                    await connection.raw.execute("COMMIT")
                    finished = True
        finally:
            if not finished:
                await self._roll_back(connection)
            await self.pool.release(connection)

    async def run(self, work: Callable[[Transaction], Awaitable[T]], *, attempts: int = 5) -> T:
        """Runs `work` in a transaction, again after a serialisation failure, a deadlock or a lock timeout, at most `attempts` times.

        `work` may run several times, so its only effects are in the transaction.
        """
        for attempt in range(attempts):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except Aborted as error:
                if error.reason != "TRANSACTION_CONFLICT" or attempt == attempts - 1:
                    raise
            # Full jitter keeps those who collided from meeting again.
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - no secret
        raise AssertionError("attempts must be at least 1")

    async def check(self) -> None:
        """Returns when the database answers within two seconds; raises `Unavailable` when not."""
        try:
            async with asyncio.timeout(2), self.read() as tx:
                await tx.raw.fetchval("SELECT 1")
        except TimeoutError:
            raise Unavailable(
                reason="DATABASE_UNAVAILABLE", message="PostgreSQL does not answer in 2 s"
            ) from None

    async def close(self) -> None:
        """Closes the pool."""
        await self.pool.close()

    async def _roll_back(self, connection: Connection) -> None:
        if connection.raw.is_closed():
            return
        try:
            # Also when this task is being cancelled: an abandoned transaction would hold its locks.
            async with asyncio.timeout(5):
                await asyncio.shield(connection.raw.execute("ROLLBACK"))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            connection.raw.terminate()
        except asyncio.CancelledError:
            connection.raw.terminate()
            raise


@contextlib.contextmanager
def _translated(connection: Connection) -> Iterator[None]:
    """Turns the driver's errors that a caller can act on into ours; the rest passes."""
    try:
        yield
    except asyncpg.InternalClientError as error:
        # The server cut the session between two messages of one statement, and the driver lost count of its own state.
        connection.raw.terminate()
        raise _lost() from error
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        cause: BaseException | None = error
        if isinstance(error, DBAPIError):
            cause = error.orig.__cause__ if error.orig is not None else None
        if isinstance(cause, _CONFLICTS):
            raise Aborted(
                reason="TRANSACTION_CONFLICT",
                message="another transaction holds or changed the same rows; try again",
                retry_after_s=0.1,
            ) from error
        if isinstance(cause, _LOST) or connection.raw.is_closed():
            raise _lost() from error
        raise


def _lost() -> Unavailable:
    return Unavailable(
        reason="DATABASE_UNAVAILABLE",
        message="the connection to PostgreSQL was lost; whether the change was committed is unknown",
        retry_after_s=1.0,
    )
