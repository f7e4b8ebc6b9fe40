"""Operations over HTTP that are not transcoded: files, raw webhooks, the socket and the documents."""

from __future__ import annotations

from typing import Any

from yunsong_gateway.problems import MEDIA_TYPE

_PROBLEM = {
    "default": {
        "description": "An error.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
_ID = {
    "name": "file_id",
    "in": "path",
    "required": True,
    "description": "The file.",
    "schema": {"type": "string", "format": "uuid"},
}
_FILE = {
    "200": {
        "description": "The stored file.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/File"}}},
    }
}


def direct_paths() -> dict[str, dict[str, Any]]:
    return {
        "/api/v1/files": {
            "post": {
                "operationId": "UploadFile",
                "tags": ["SystemService"],
                "summary": "Stores a file",
                "description": "Stores one file: the body itself with its name in the query, or the part `file` of a form. "
                "The media type is found in the bytes. Errors: INVALID_ARGUMENT / FILE_TYPE_REFUSED, 413 / BODY_TOO_LARGE.",
                "parameters": [
                    {
                        "name": "name",
                        "in": "query",
                        "description": "The file's name, when the body is the file itself.",
                        "schema": {"type": "string", "maxLength": 255},
                    }
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "properties": {"file": {"type": "string", "contentMediaType": "*/*"}},
                                "required": ["file"],
                            }
                        },
                        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                    },
                },
                "responses": {**_FILE, **_PROBLEM},
                "security": [{"staff": []}, {"api_key": []}, {"contact": []}],
                "x-permission": "conversation.write",
            }
        },
        "/api/v1/files/{file_id}/content": {
            "get": {
                "operationId": "DownloadFile",
                "tags": ["SystemService"],
                "summary": "Gives a file's bytes by its signed address",
                "description": "The address is the `url` of a file and works for an hour.",
                "parameters": [
                    _ID,
                    *(
                        {
                            "name": name,
                            "in": "query",
                            "required": True,
                            "description": "Part of the signed address.",
                            "schema": {"type": "string"},
                        }
                        for name in ("expires", "signature")
                    ),
                ],
                "responses": {
                    "200": {"description": "The bytes.", "content": {"*/*": {"schema": {}}}},
                    **_PROBLEM,
                },
                "security": [{}],
            }
        },
    }
