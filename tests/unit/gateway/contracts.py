"""Contracts out of proto text, for tests of what reads contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import google.api
import grpc_tools
from google.protobuf import descriptor_pb2, message_factory
from grpc_tools import protoc

from yunsong_gateway.transcoding.reflection import Learned, learn

PROTO = Path(__file__).resolve().parents[3] / "proto"

THINGS = """
syntax = "proto3";
package things.v1;
import "google/api/annotations.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "yunsong/options/v1/options.proto";

// Keeps things.
service ThingService {
  // Changes a thing. Errors: NOT_FOUND / THING_UNKNOWN, THING_GONE; ALREADY_EXISTS / NAME_TAKEN.
  rpc UpdateThing(UpdateThingRequest) returns (Thing) {
    option (google.api.http) = {patch: "/api/v1/things/{thing_id}" body: "*"};
    option (yunsong.options.v1.access) = {permission: "thing.write"};
  }
  // Changes how things look.
  rpc UpdateThingLook(UpdateThingLookRequest) returns (Thing) {
    option (google.api.http) = {patch: "/api/v1/look" body: "*"};
    option (yunsong.options.v1.access) = {permission: "thing.write"};
  }
  // Closes a thing.
  rpc CloseThing(CloseThingRequest) returns (Thing) {
    option (google.api.http) = {post: "/api/v1/things/{thing.id}:close" body: "thing"};
    option (yunsong.options.v1.access) = {permission: "thing.write"};
  }
  // Finds things.
  rpc FindThings(FindThingsRequest) returns (Thing) {
    option (google.api.http) = {get: "/api/v1/things"};
    option (yunsong.options.v1.access) = {anonymous: true};
  }
}

// What a thing is.
enum ThingKind {
  // Not set.
  THING_KIND_UNSPECIFIED = 0;
  // Round.
  THING_KIND_ROUND_ONE = 1;
}

message Part {
  // Its name.
  string name = 1 [(yunsong.options.v1.field) = {required: true, max_length: 3}];
  // Smaller ones.
  repeated Part parts = 2;
}

message Thing {
  // Set by the server.
  string id = 1 [(yunsong.options.v1.field) = {output_only: true}];
  // Its name.
  string name = 2 [(yunsong.options.v1.field) = {required: true, min_length: 2, max_length: 4}];
  // Its kind.
  ThingKind kind = 3;
  int32 small = 4 [(yunsong.options.v1.field) = {min: -5, max: 5}];
  uint64 large = 5;
  double ratio = 6;
  float single = 7;
  bool flag = 8;
  bytes data = 9 [(yunsong.options.v1.field) = {max_length: 4}];
  repeated string tags = 10 [(yunsong.options.v1.field) = {max_items: 2, pattern: "[a-z]+"}];
  map<string, uint32> counts = 11 [(yunsong.options.v1.field) = {max_items: 2}];
  Part part = 12;
  repeated Part parts = 13;
  google.protobuf.Timestamp at = 14;
  google.protobuf.Duration lasts = 15;
  google.protobuf.Struct extra = 16;
  optional string note = 17;
  oneof shape {
    string circle = 18;
    Part square = 19;
  }
  string secret = 20 [(yunsong.options.v1.field) = {secret: true}];
  google.protobuf.BoolValue maybe = 21;
  string email = 22 [(yunsong.options.v1.field) = {format: EMAIL}];
}

message ImportPartsRequest {
  repeated Part parts = 1 [(yunsong.options.v1.field) = {own_answers: true}];
}

message UpdateThingRequest {
  string thing_id = 1 [(yunsong.options.v1.field) = {required: true}];
  Thing thing = 2 [(yunsong.options.v1.field) = {required: true}];
  google.protobuf.FieldMask update_mask = 3 [(yunsong.options.v1.field) = {required: true}];
}

message UpdateThingLookRequest {
  Part look = 1 [(yunsong.options.v1.field) = {required: true}];
  google.protobuf.FieldMask update_mask = 2 [(yunsong.options.v1.field) = {required: true}];
}

message CloseThingRequest {
  Thing thing = 1;
  uint32 after_s = 2;
}

message FindThingsRequest {
  uint32 page_size = 1;
  repeated ThingKind kinds = 2;
  Part like = 3;
  bool all = 4;
}
"""


def files_of(folder: Path, text: str, name: str = "things.proto") -> dict[str, bytes]:
    """What reflection would give of a file."""
    (folder / name).write_text(text)
    out = folder / "set.binpb"
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={folder}",
            f"--proto_path={PROTO}",
            f"--proto_path={Path(next(iter(google.api.__path__))).parent.parent}",
            f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
            f"--descriptor_set_out={out}",
            "--include_imports",
            "--include_source_info",
            name,
        ]
    )
    assert status == 0
    files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    return {"": b"things.v1.ThingService", **{file.name: file.SerializeToString() for file in files}}


def learned(folder: Path) -> Learned:
    return learn(files_of(folder, THINGS))


def message(contract: Learned, name: str) -> Any:
    return message_factory.GetMessageClass(contract.pool.FindMessageTypeByName(f"things.v1.{name}"))()
