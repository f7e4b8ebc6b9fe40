"""Labels and wrap-up categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from yunsong_common.db import Transaction
from yunsong_common.errors import AlreadyExists, NotFound


@dataclass(frozen=True, slots=True)
class Label:
    """A label."""

    id: str
    name: str
    color: str


@dataclass(frozen=True, slots=True)
class Category:
    """A wrap-up category."""

    id: str
    name: str
    position: int


async def labels(tx: Transaction) -> list[Label]:
    """All labels by name."""
    rows = await tx.raw.fetch("SELECT id, name, color FROM labels ORDER BY name, id")
    return [Label(str(row["id"]), row["name"], row["color"]) for row in rows]


async def unknown_labels(tx: Transaction, ids: Sequence[str]) -> set[str]:
    """Which of these are no labels. Those that are stay until the transaction ends."""
    rows = await tx.raw.fetch("SELECT id FROM labels WHERE id = ANY($1::uuid[]) FOR KEY SHARE", list(ids))
    return set(ids) - {str(row["id"]) for row in rows}


async def add_label(tx: Transaction, label: Label) -> None:
    """Stores a label. Raises ALREADY_EXISTS / LABEL_NAME_TAKEN."""
    added = await tx.raw.fetchval(
        "INSERT INTO labels (id, name, color) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING 1",
        label.id, label.name, label.color,
    )  # fmt: skip
    if added is None:
        raise _label_taken(label.name)


async def change_label(tx: Transaction, label_id: str, name: str | None, color: str | None) -> Label:
    """Renames or recolours a label; what is None stays. Raises NOT_FOUND / LABEL_UNKNOWN, ALREADY_EXISTS / LABEL_NAME_TAKEN."""
    try:
        row = await tx.raw.fetchrow(
            "UPDATE labels SET name = coalesce($2, name), color = coalesce($3, color) WHERE id = $1 RETURNING id, name, color",
            label_id, name, color,
        )  # fmt: skip
    except asyncpg.UniqueViolationError as error:
        raise _label_taken(name) from error
    if row is None:
        raise _unknown_label(label_id)
    return Label(str(row["id"]), row["name"], row["color"])


async def delete_label(tx: Transaction, label_id: str) -> None:
    """Deletes a label. Raises NOT_FOUND / LABEL_UNKNOWN."""
    if await tx.raw.fetchval("DELETE FROM labels WHERE id = $1 RETURNING 1", label_id) is None:
        raise _unknown_label(label_id)


async def labelled(tx: Transaction, label_id: str, limit: int) -> list[str]:
    """Some conversations that carry a label."""
    rows = await tx.raw.fetch(
        "SELECT id FROM conversations WHERE label_ids @> ARRAY[$1::uuid] AND label_ids <> '{}' LIMIT $2",
        label_id,
        limit,
    )
    return [str(row["id"]) for row in rows]


async def categories(tx: Transaction) -> list[Category]:
    """All wrap-up categories by their order."""
    rows = await tx.raw.fetch("SELECT id, name, position FROM wrap_up_categories ORDER BY position, name, id")
    return [Category(str(row["id"]), row["name"], row["position"]) for row in rows]


async def has_categories(tx: Transaction) -> bool:
    """Whether the business has defined any."""
    return bool(await tx.raw.fetchval("SELECT EXISTS (SELECT 1 FROM wrap_up_categories)"))


async def category_name(tx: Transaction, category_id: str) -> str:
    """A category's name. Raises NOT_FOUND / CATEGORY_UNKNOWN."""
    name = await tx.raw.fetchval("SELECT name FROM wrap_up_categories WHERE id = $1", category_id)
    if name is None:
        raise _unknown_category(category_id)
    return str(name)


async def add_category(tx: Transaction, category: Category) -> None:
    """Stores a category. Raises ALREADY_EXISTS / CATEGORY_NAME_TAKEN."""
    added = await tx.raw.fetchval(
        "INSERT INTO wrap_up_categories (id, name, position) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING 1",
        category.id, category.name, category.position,
    )  # fmt: skip
    if added is None:
        raise _category_taken(category.name)


async def change_category(
    tx: Transaction, category_id: str, name: str | None, position: int | None
) -> Category:
    """Renames or moves a category; what is None stays.

    Raises NOT_FOUND / CATEGORY_UNKNOWN, ALREADY_EXISTS / CATEGORY_NAME_TAKEN.
    """
    try:
        row = await tx.raw.fetchrow(
            "UPDATE wrap_up_categories SET name = coalesce($2, name), position = coalesce($3, position) WHERE id = $1 "
            "RETURNING id, name, position",
            category_id, name, position,
        )  # fmt: skip
    except asyncpg.UniqueViolationError as error:
        raise _category_taken(name) from error
    if row is None:
        raise _unknown_category(category_id)
    return Category(str(row["id"]), row["name"], row["position"])


async def delete_category(tx: Transaction, category_id: str) -> None:
    """Deletes a category. Raises NOT_FOUND / CATEGORY_UNKNOWN."""
    if await tx.raw.fetchval("DELETE FROM wrap_up_categories WHERE id = $1 RETURNING 1", category_id) is None:
        raise _unknown_category(category_id)


def _label_taken(name: str | None) -> AlreadyExists:
    return AlreadyExists(reason="LABEL_NAME_TAKEN", message=f"there is a label {name!r} already")


def _unknown_label(label_id: str) -> NotFound:
    return NotFound(reason="LABEL_UNKNOWN", message=f"there is no label {label_id}")


def _category_taken(name: str | None) -> AlreadyExists:
    return AlreadyExists(
        reason="CATEGORY_NAME_TAKEN", message=f"there is a wrap-up category {name!r} already"
    )


def _unknown_category(category_id: str) -> NotFound:
    return NotFound(reason="CATEGORY_UNKNOWN", message=f"there is no wrap-up category {category_id}")
