"""The route table of the resource API. `app` serves it, `openapi` describes it.

Every request but for the descriptions carries an admin token, or for identities an identity token. Of two paths that
both match the first one answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from meshmeter.controlplane.api import examples
from meshmeter.controlplane.api import token_bodies as tokens
from meshmeter.controlplane.api.apply import ApplyApi, BatchRequest
from meshmeter.controlplane.api.batch import Applied
from meshmeter.controlplane.api.bodies import Nothing
from meshmeter.controlplane.api.descriptions import DescriptionApi, Index
from meshmeter.controlplane.api.identities import Identity, IdentityApi, IdentityRequest, Trust
from meshmeter.controlplane.api.parameters import DATAPLANE_FILTERS, MESH, MESH_NAME, PROXY, SECRET
from meshmeter.controlplane.api.proxies import Overview, ProxyApi
from meshmeter.controlplane.api.resource_routes import resource_routes
from meshmeter.controlplane.api.route import JSON_OR_YAML, Access, Content, Json, PageOf, Parameter, Route
from meshmeter.controlplane.api.secrets import Secret, SecretApi, Secrets
from meshmeter.controlplane.api.tokens import TokenApi
from meshmeter.resources.kinds import KINDS
from meshmeter.resources.secret import SecretDocument

OBJECT: Json = {"type": "object"}
TEXT: Json = {"type": "string"}

DESCRIPTIONS = (
    Route("GET", "/", "index", "What answers here", DescriptionApi.index, {200: Content("Product", Index)}),
    Route(
        "GET",
        "/openapi.json",
        "openapi",
        "This description",
        DescriptionApi.openapi,
        {200: Content("The description", OBJECT)},
        access=Access.PUBLIC,
    ),
    Route(
        "GET",
        "/schemas/{kind}",
        "schema",
        "JSON Schema of a kind",
        DescriptionApi.schema,
        {200: Content("The schema", OBJECT, ("application/schema+json",))},
        errors=(404,),
        parameters=(
            Parameter(
                "kind",
                "path",
                "Name of the kind.",
                {
                    "type": "string",
                    "enum": [word for k in KINDS.values() for word in (k.name, k.singular, k.plural)],
                },
            ),
        ),
        access=Access.PUBLIC,
    ),
)

APPLY = (
    Route(
        "POST",
        "/_apply",
        "apply",
        "Write several resources, all or none",
        ApplyApi.apply,
        {200: Content("What happened to each", Applied)},
        errors=(400, 409, 413, 415),
        parameters=(
            Parameter(
                "dry-run",
                "query",
                "True: say what would happen, write nothing.",
                {"type": "boolean", "default": False},
            ),
        ),
        body=Content("The resources, in either form.", BatchRequest, example=examples.BATCH),
    ),
)

PROXIES = (
    Route(
        "GET",
        "/meshes/{name}/_metrics",
        "explainMesh",
        "How the proxies of a mesh are",
        ProxyApi.explain_mesh,
        {200: Content("The summary", OBJECT)},
        errors=(404,),
        parameters=(MESH_NAME,),
    ),
    Route(
        "GET",
        "/meshes/{mesh}/dataplanes/{name}/_metrics",
        "explainDataplane",
        "What holds for the metrics of one proxy, and why",
        ProxyApi.explain_dataplane,
        {200: Content("The explanation", OBJECT)},
        errors=(404,),
        parameters=PROXY,
    ),
    Route(
        "GET",
        "/meshes/{mesh}/dataplanes/{name}/_overview",
        "overview",
        "A Dataplane and the state of its proxy",
        ProxyApi.overview,
        {200: Content("The overview", Overview)},
        errors=(404,),
        parameters=PROXY,
    ),
    Route(
        "GET",
        "/meshes/{mesh}/dataplanes/_overview",
        "listOverviews",
        "List Dataplanes with their states",
        ProxyApi.overviews,
        {200: Content("One page", PageOf(Overview))},
        errors=(400, 404),
        parameters=(MESH, *DATAPLANE_FILTERS),
    ),
    Route(
        "GET",
        "/dataplanes/_overview",
        "listAllOverviews",
        "List Dataplanes of all meshes with their states",
        ProxyApi.overviews,
        {200: Content("One page", PageOf(Overview))},
        errors=(400,),
        parameters=DATAPLANE_FILTERS,
    ),
)


def _token(
    audience: str,
    handler: Callable[[TokenApi, web.Request], Awaitable[web.Response]],
    asked: type,
    example: Json,
) -> Route[TokenApi]:
    return Route(
        "POST",
        f"/tokens/{audience}",
        f"{audience}Token",
        f"Issue a {audience} token",
        handler,
        {200: Content("The token", TEXT, ("text/plain",))},
        errors=(400, 413, 415),
        body=Content("What the token covers.", asked, example=example),
    )


TOKENS = (
    _token("dataplane", TokenApi.dataplane, tokens.DataplaneTokenRequest, examples.DATAPLANE_TOKEN),
    _token("discovery", TokenApi.discovery, tokens.DiscoveryTokenRequest, examples.DISCOVERY_TOKEN),
    _token("identity", TokenApi.identity, tokens.IdentityTokenRequest, examples.IDENTITY_TOKEN),
    _token("admin", TokenApi.admin, tokens.AdminTokenRequest, examples.ADMIN_TOKEN),
    Route(
        "GET",
        "/tokens",
        "listTokens",
        "What was issued and has not expired; never a token",
        TokenApi.issued,
        {200: Content("The tokens", tokens.Tokens)},
    ),
    Route(
        "POST",
        "/tokens/_revoke",
        "revokeToken",
        "Make a token void",
        TokenApi.revoke,
        {200: Content("The token", tokens.Token)},
        errors=(400, 404, 413, 415),
        body=Content("Which: its id, or itself.", tokens.RevocationRequest),
    ),
    Route(
        "POST",
        "/tokens/_rotate-key",
        "rotateKey",
        "Sign tokens with a new key",
        TokenApi.rotate_key,
        {200: Content("The new key", tokens.NewKey)},
        errors=(400, 413, 415),
        body=Content("What becomes of earlier tokens.", tokens.RotationRequest, example=examples.ROTATION),
    ),
)

SECRETS = (
    Route(
        "GET",
        "/meshes/{mesh}/secrets",
        "listSecrets",
        "The secrets of a mesh; never what they hold",
        SecretApi.listed,
        {200: Content("All of them", Secrets)},
        errors=(404,),
        parameters=(MESH,),
    ),
    Route(
        "GET",
        "/meshes/{mesh}/secrets/{name}",
        "getSecret",
        "Whether there is a secret; never what it holds",
        SecretApi.get,
        {200: Content("There is", Secret)},
        errors=(404,),
        parameters=SECRET,
    ),
    Route(
        "PUT",
        "/meshes/{mesh}/secrets/{name}",
        "putSecret",
        "Write a secret",
        SecretApi.put,
        {200: Content("Replaced", Nothing), 201: Content("Created", Nothing)},
        errors=(400, 404, 413, 415),
        parameters=SECRET,
        body=Content("The secret.", SecretDocument, JSON_OR_YAML, examples.SECRET),
    ),
    Route(
        "DELETE",
        "/meshes/{mesh}/secrets/{name}",
        "deleteSecret",
        "Delete a secret",
        SecretApi.delete,
        {200: Content("Deleted", Nothing)},
        errors=(404,),
        parameters=SECRET,
    ),
)

IDENTITIES = (
    Route(
        "POST",
        "/meshes/{mesh}/identities",
        "issueIdentity",
        "A certificate of the mesh for a key of yours; an identity token may ask too",
        IdentityApi.issue,
        {201: Content("The certificate", Identity)},
        errors=(400, 403, 409, 413, 415, 429),
        parameters=(MESH,),
        body=Content("The service and the key.", IdentityRequest, example=examples.IDENTITY),
        access=Access.SELF_GUARDED,
    ),
    Route(
        "GET",
        "/meshes/{mesh}/trust",
        "trust",
        "What the mesh trusts now; an identity token may ask too",
        IdentityApi.trust,
        {200: Content("The certificates", Trust)},
        errors=(403, 409),
        parameters=(MESH,),
        access=Access.SELF_GUARDED,
    ),
)

RESOURCES = tuple(route for kind in KINDS.values() for route in resource_routes(kind))

ALL: tuple[Route[Any], ...] = (
    *DESCRIPTIONS,
    *APPLY,
    *PROXIES,
    *RESOURCES,
    *TOKENS,
    *SECRETS,
    *IDENTITIES,
)
