"""A pool of PostgreSQL connections that starts empty, shrinks when idle and can serve several schemas.

SQLAlchemy's own pools keep what they opened, and the compact topology shares one pool between six schemas; so this one hands
out connections by the schema they last served and closes those that nobody used for a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from yunsong_common.clock import Clock, SystemClock
from yunsong_common.errors import ResourceExhausted, Unavailable

LOG = logging.getLogger(__name__)

_STATEMENT_TIMEOUT_MS = 30_000
_LOCK_TIMEOUT_MS = 5_000
_IDLE_IN_TRANSACTION_MS = 30_000


@dataclass(slots=True, eq=False)
class Connection:
    """One session with PostgreSQL, seen through asyncpg and through SQLAlchemy.

    SQLAlchemy runs in AUTOCOMMIT: `Transaction` sends BEGIN and COMMIT itself, so that both views share the transaction.
    """

    raw: asyncpg.Connection
    alchemy: AsyncConnection
    schema: str | None
    idle_since: float


class Pool:
    """At most `size` connections to one database; `waiters` callers may wait for one, each at most `wait_s` seconds."""

    def __init__(
        self,
        url: str,
        *,
        size: int = 10,
        idle_s: float = 60.0,
        waiters: int = 1000,
        wait_s: float = 10.0,
        application: str = "yunsong",
        clock: Clock | None = None,
    ) -> None:
        self.size = size
        self._idle_s = idle_s
        self._max_waiters = waiters
        self._wait_s = wait_s
        self._clock = clock or SystemClock()
        self._engine = _engine(url, application)
        self._free: list[Connection] = []
        self._opened = 0
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    @property
    def opened(self) -> int:
        """Connections that are open or being opened."""
        return self._opened

    @property
    def in_use(self) -> int:
        """Connections that are handed out."""
        return self._opened - len(self._free)

    @contextlib.asynccontextmanager
    async def connection(self, schema: str) -> AsyncIterator[Connection]:
        """Hands out a connection whose search path is `schema`, then public.

        Raises `ResourceExhausted` when too many wait already or none came free in time, `Unavailable` when the database does not answer.
        """
        connection = await self.acquire(schema)
        try:
            yield connection
        finally:
            await self.release(connection)

    async def acquire(self, schema: str) -> Connection:
        """Takes a connection out; whoever does must `release` it."""
        while True:
            connection = self._pick(schema)
            if connection is None and self._opened < self.size:
                connection = await self._open()
            if connection is None and (connection := await self._wait()) is None:
                continue
            if connection.raw.is_closed():
                await self._discard(connection)
                continue
            if connection.schema == schema:
                return connection
            try:
                await connection.raw.execute(f'SET search_path = "{schema}", public')
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._discard(connection)
                continue
            except BaseException:
                await self._discard(connection)
                raise
            connection.schema = schema
            return connection

    async def release(self, connection: Connection, *, broken: bool = False) -> None:
        """Gives a connection back; a broken or unfinished one is closed."""
        if broken or self._closed or connection.raw.is_closed() or connection.raw.is_in_transaction():
            await self._discard(connection)
            return
        connection.idle_since = self._clock.monotonic()
        self._hand_over(connection)

    async def shrink(self) -> None:
        """Closes what nobody used for `idle_s` seconds; the service's runtime calls it now and then."""
        limit = self._clock.monotonic() - self._idle_s
        # Looks anew after each: while one closes, another may be taken out.
        while (idle := next((free for free in self._free if free.idle_since <= limit), None)) is not None:
            self._free.remove(idle)
            await self._discard(idle, clean=True)

    async def close(self) -> None:
        """Closes every free connection; those handed out are closed when they come back."""
        self._closed = True
        while self._free:
            await self._discard(self._free.pop(), clean=True)
        await self._engine.dispose()

    def _pick(self, schema: str) -> Connection | None:
        # The most recently used connection of the same schema is the warmest: its statements are prepared.
        for index in range(len(self._free) - 1, -1, -1):
            if self._free[index].schema == schema:
                return self._free.pop(index)
        return self._free.pop() if self._free and self._opened >= self.size else None

    async def _open(self) -> Connection:
        self._opened += 1
        try:
            alchemy = await self._engine.connect()
            fairy = await alchemy.get_raw_connection()
        except (OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            self._forget()
            raise Unavailable(
                reason="DATABASE_UNAVAILABLE",
                message=f"PostgreSQL does not accept connections: {type(error).__name__}",
                retry_after_s=1.0,
            ) from error
        except BaseException:
            self._forget()
            raise
        raw = fairy.driver_connection
        assert raw is not None
        return Connection(raw=raw, alchemy=alchemy, schema=None, idle_since=self._clock.monotonic())

    async def _discard(self, connection: Connection, *, clean: bool = False) -> None:
        try:
            if not clean:
                # A session in an unknown state is cut, not asked; the server rolls back what it held.
                connection.raw.terminate()
                await connection.alchemy.invalidate()
            await connection.alchemy.close()
        except (OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError):
            LOG.debug("a database connection was already gone")
        finally:
            self._forget()

    def _forget(self) -> None:
        self._opened -= 1
        self._hand_over(None)

    def _hand_over(self, connection: Connection | None) -> None:
        """Gives a connection, or the room for a new one (None), to who waits longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is not None:
            self._free.append(connection)

    async def _wait(self) -> Connection | None:
        if len(self._waiters) >= self._max_waiters:
            raise _exhausted(f"{self._max_waiters} callers already wait for one of {self.size} connections")
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._wait_s):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                # It came in the same moment; the next one must not sleep on.
                self._hand_over(waiter.result())
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                raise _exhausted(f"none of {self.size} connections came free in {self._wait_s:g} s") from None
            raise


def _exhausted(message: str) -> ResourceExhausted:
    return ResourceExhausted(reason="DATABASE_POOL_EXHAUSTED", message=message, retry_after_s=1.0)


def _engine(url: str, application: str) -> AsyncEngine:
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        pool_reset_on_return=None,
        hide_parameters=True,  # they are what people wrote
        isolation_level="AUTOCOMMIT",
        connect_args={
            "timeout": 5,
            "command_timeout": 60,
            "server_settings": {
                "application_name": application,
                "jit": "off",  # compiling costs more than these short statements
                "statement_timeout": str(_STATEMENT_TIMEOUT_MS),
                "lock_timeout": str(_LOCK_TIMEOUT_MS),
                "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS),
                "timezone": "UTC",
            },
        },
    )
