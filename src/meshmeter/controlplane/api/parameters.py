"""The parameters that several routes of the resource API have."""

from __future__ import annotations

from meshmeter.controlplane.api.paging import DEFAULT_SIZE, LARGEST_SIZE
from meshmeter.controlplane.api.route import Parameter


def in_path(name: str, text: str, example: str) -> Parameter:
    """A name in the path."""
    schema = {"type": "string", "minLength": 1, "maxLength": 253, "examples": [example]}
    return Parameter(name, "path", text, schema)


def query(name: str, text: str, **schema: object) -> Parameter:
    """A text in the query."""
    return Parameter(name, "query", text, {"type": "string", **schema})


MESH = in_path("mesh", "Name of the Mesh.", "default")
MESH_NAME = in_path("name", "Name of the Mesh.", "default")
PROXY = (MESH, in_path("name", "Name of the Dataplane.", "backend-1"))
SECRET = (MESH, in_path("name", "Name of the secret.", "ca-key"))

FORMAT = query("format", "Form of the resources.", enum=["universal", "kubernetes", "k8s"])

CONDITIONS = (
    Parameter("If-Match", "header", "Only if the stored version is this."),
    Parameter("If-None-Match", "header", "Only if nothing is stored.", {"const": "*"}),
)

KNOWN_VERSION = Parameter("If-None-Match", "header", "Version that is known already.")

FILTERS = (
    Parameter(
        "size",
        "query",
        "Items per page.",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE, "default": DEFAULT_SIZE},
    ),
    query("offset", "From `next` of the page before."),
    query("name", "Part of the name."),
    query("filter[labels.team]", "Value of the label; any label may stand there."),
)

DATAPLANE_FILTERS = (
    *FILTERS,
    query("tag", "A tag and its value.", pattern="^[^:]+:.*$"),
    query("gateway", "Whether it is a gateway, and which.", enum=["true", "false", "builtin", "delegated"]),
)
