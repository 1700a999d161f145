"""The published contract of the streams, to hold entries to."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

PATH: Final = Path(__file__).parents[2] / "api" / "streams.schema.json"
PUBLISHED: Final[dict[str, Any]] = json.loads(PATH.read_text())


def check(stream: str, fields: Mapping[str, str]) -> None:
    """Raises ValidationError unless an entry, and the JSON in its fields, are as published."""
    schema = PUBLISHED["x-keys"][stream]["schema"]
    _validator(json.dumps(schema)).validate(dict(fields))
    definition = PUBLISHED["$defs"][schema["$ref"].rpartition("/")[2]]
    for name, rule in definition["properties"].items():
        if "contentSchema" in rule and name in fields:
            _validator(json.dumps(rule["contentSchema"])).validate(json.loads(fields[name]))


@functools.cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    """The validator of a schema, given as JSON."""
    return jsonschema_rs.Draft202012Validator({**json.loads(schema), "$defs": PUBLISHED["$defs"]})
