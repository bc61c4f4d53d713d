"""Looking through the catalog, page by page."""

from datetime import datetime
from typing import Any

from cvops_common.errors import BadArgument
from cvops_common.mongo import Document, MongoStore, mongo_errors
from cvops_labeling.catalog import candidates_query
from cvops_labeling.documents import stamp, where_of
from cvops_labeling.observation import KEPT, LABELLED, PICKED, SEEN, SKIPPED
from cvops_protos.v1.labeling_pb2 import CatalogFrame, SearchFramesRequest, SearchFramesResponse
from cvops_protos.v1.prediction_pb2 import ModelRef

_STATUSES = (SEEN, KEPT, PICKED, LABELLED, SKIPPED)
_MOST, _USUAL = 1000, 100


class Search:
    """Answers about frames."""

    def __init__(self, mongo: MongoStore) -> None:
        self._frames = mongo.db["frames"]

    async def page(
        self, request: SearchFramesRequest, since: datetime | None, until: datetime | None
    ) -> SearchFramesResponse:
        """Frames that fit, newest first; imported ones come last. Pages stay apart while frames come and go.

        Raises:
            BadArgument: a status, score, limit or page that makes no sense.
        """
        query = candidates_query(request.project or "default", list(request.cameras), since, until)
        query |= _query(request)
        limit = request.limit or _USUAL
        with mongo_errors():
            found: list[Any] = await self._frames.find(query).sort("_id", -1).limit(limit + 1).to_list()
        response = SearchFramesResponse(frames=[frame_message(each) for each in found[:limit]])
        if len(found) > limit:
            response.next_page = found[limit - 1]["_id"]
        return response


def frame_message(document: Document) -> CatalogFrame:
    """A frame as it is told."""
    frame = CatalogFrame(
        frame_id=document["_id"],
        camera_id=document["camera_id"],
        project=document["project"],
        captured_at=stamp(document["captured_ns"]),
        boxes=document["boxes"],
        best_score=document["best"],
        mean_score=document["mean"],
        classes=[each["class"] for each in document["found"]],
        tags=document.get("tags", []),
        status=document["status"],
        asset_sha256=document.get("asset_sha256", ""),
    )
    if "model" in document:
        frame.model.CopyFrom(ModelRef(**document["model"]))
    if "outlier" in document:
        frame.outlier_score = document["outlier"]
    if (where := where_of(document)) is not None:
        frame.where.CopyFrom(where)
    return frame


def _query(request: SearchFramesRequest) -> Document:
    if request.limit > _MOST:
        raise BadArgument(f"limit is {request.limit}, expected at most {_MOST}; ask for the next page instead")
    if request.status and request.status not in _STATUSES:
        raise BadArgument(f"status {request.status[:40]!r} is not known: expected one of {', '.join(_STATUSES)}")
    if request.page and not (len(request.page) <= 64 and request.page.isalnum()):
        raise BadArgument(f"page {request.page[:40]!r} is not one that an answer gave: take its next_page")
    query: Document = {}
    if request.tags:
        query["tags"] = {"$all": list(request.tags)}
    if request.status:
        query["status"] = request.status
    if request.page:
        query["_id"] = {"$lt": request.page}
    least = request.least_score if request.HasField("least_score") else None
    if least is not None and not 0 <= least <= 1:
        raise BadArgument(f"least_score is {least:g}, expected 0 to 1")
    if request.class_name:
        found: Document = {"class": request.class_name} | ({} if least is None else {"score": {"$gte": least}})
        query["found"] = {"$elemMatch": found}
    elif least is not None:
        query["best"] = {"$gte": least}
    return query
