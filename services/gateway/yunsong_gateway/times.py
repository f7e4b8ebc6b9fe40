"""Times between Python and protobuf."""

from __future__ import annotations

import datetime as dt

from google.protobuf.timestamp_pb2 import Timestamp


def stamp(moment: dt.datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def moment(value: Timestamp) -> dt.datetime:
    return value.ToDatetime(dt.UTC)
