"""Labels and wrap-up categories."""

from __future__ import annotations

from yunsong.conversation.v1 import conversation_pb2 as pb
from yunsong.conversation.v1 import conversation_pb2_grpc, model_pb2
from yunsong_common.db import Database
from yunsong_common.grpc import current_principal
from yunsong_common.ids import new_id
from yunsong_conversation.entries import viewer_of
from yunsong_conversation.grpc_api.context import Context
from yunsong_conversation.grpc_api.names import checked_name
from yunsong_conversation.handlers import labels
from yunsong_conversation.repository import taxonomy
from yunsong_conversation.repository.taxonomy import Category, Label

_DEFAULT_COLOR = "#64748B"


class TaxonomyServicer(conversation_pb2_grpc.TaxonomyServiceServicer):
    """See the contract."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ListLabels(self, request: pb.ListLabelsRequest, context: Context) -> pb.ListLabelsResponse:
        """See the contract."""
        async with self._db.read() as tx:
            return pb.ListLabelsResponse(labels=[_label(label) for label in await taxonomy.labels(tx)])

    async def CreateLabel(self, request: pb.CreateLabelRequest, context: Context) -> model_pb2.Label:
        """See the contract."""
        label = Label(new_id(), checked_name(request.name), request.color or _DEFAULT_COLOR)
        async with self._db.transaction() as tx:
            await taxonomy.add_label(tx, label)
        return _label(label)

    async def UpdateLabel(self, request: pb.UpdateLabelRequest, context: Context) -> model_pb2.Label:
        """See the contract."""
        name = checked_name(request.name) if request.HasField("name") else None
        color = request.color if request.HasField("color") else None
        async with self._db.transaction() as tx:
            return _label(await taxonomy.change_label(tx, request.label_id, name, color))

    async def DeleteLabel(self, request: pb.DeleteLabelRequest, context: Context) -> pb.DeleteLabelResponse:
        """See the contract."""
        await labels.delete(self._db, request.label_id, viewer_of(current_principal()).actor)
        return pb.DeleteLabelResponse()

    async def ListWrapUpCategories(
        self, request: pb.ListWrapUpCategoriesRequest, context: Context
    ) -> pb.ListWrapUpCategoriesResponse:
        """See the contract."""
        async with self._db.read() as tx:
            found = await taxonomy.categories(tx)
        return pb.ListWrapUpCategoriesResponse(wrap_up_categories=[_category(category) for category in found])

    async def CreateWrapUpCategory(
        self, request: pb.CreateWrapUpCategoryRequest, context: Context
    ) -> model_pb2.WrapUpCategory:
        """See the contract."""
        category = Category(new_id(), checked_name(request.name), request.position)
        async with self._db.transaction() as tx:
            await taxonomy.add_category(tx, category)
        return _category(category)

    async def UpdateWrapUpCategory(
        self, request: pb.UpdateWrapUpCategoryRequest, context: Context
    ) -> model_pb2.WrapUpCategory:
        """See the contract."""
        name = checked_name(request.name) if request.HasField("name") else None
        position = request.position if request.HasField("position") else None
        async with self._db.transaction() as tx:
            return _category(await taxonomy.change_category(tx, request.wrap_up_category_id, name, position))

    async def DeleteWrapUpCategory(
        self, request: pb.DeleteWrapUpCategoryRequest, context: Context
    ) -> pb.DeleteWrapUpCategoryResponse:
        """See the contract."""
        async with self._db.transaction() as tx:
            await taxonomy.delete_category(tx, request.wrap_up_category_id)
        return pb.DeleteWrapUpCategoryResponse()


def _label(label: Label) -> model_pb2.Label:
    return model_pb2.Label(id=label.id, name=label.name, color=label.color)


def _category(category: Category) -> model_pb2.WrapUpCategory:
    return model_pb2.WrapUpCategory(id=category.id, name=category.name, position=category.position)
