"""The resource API (kuma-facts 9.2): its handlers, connected and guarded. Which there are says `routes`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web

from meshmeter.addresses import IPNetwork
from meshmeter.controlplane.api import routes
from meshmeter.controlplane.api.apply import ApplyApi
from meshmeter.controlplane.api.descriptions import DescriptionApi
from meshmeter.controlplane.api.explain import Explainer
from meshmeter.controlplane.api.identities import IdentityApi
from meshmeter.controlplane.api.lookup import Lookup
from meshmeter.controlplane.api.openapi import description
from meshmeter.controlplane.api.proxies import ProxyApi
from meshmeter.controlplane.api.resources import ResourceApi
from meshmeter.controlplane.api.route import Access, serve
from meshmeter.controlplane.api.secrets import SecretApi
from meshmeter.controlplane.api.tokens import TokenApi
from meshmeter.controlplane.http.errors import Handler, error_middleware
from meshmeter.controlplane.http.request_body import LARGEST_BATCH
from meshmeter.controlplane.identity.secret_vault import SecretVault
from meshmeter.controlplane.tokens.service import TokenService
from meshmeter.resources.limits import DEFAULT_LIMITS, Limits
from meshmeter.store.base import Store

_NOT_ONLY_ADMINS = frozenset(
    (each.method, each.path) for each in routes.ALL if each.access is not Access.ADMIN
)
"""Where no admin token is demanded before the handler. Whatever else is asked, found or not, demands one."""


def resource_app(
    store: Store,
    *,
    authenticate: Callable[[web.Request], object],
    explainer: Explainer,
    tokens: TokenService,
    identities: IdentityApi,
    secrets: SecretVault,
    zone: str = "default",
    allowed_networks: Sequence[IPNetwork] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> web.Application:
    """The application. `authenticate` raises TokenError for a request that may not be answered."""

    @web.middleware
    async def admins_only(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _route(request) not in _NOT_ONLY_ADMINS:
            authenticate(request)
        return await handler(request)

    app = web.Application(middlewares=[error_middleware, admins_only], client_max_size=LARGEST_BATCH)
    lookup = Lookup(store)
    serve(app, routes.DESCRIPTIONS, DescriptionApi(store, description()))
    batches = ApplyApi(store, lookup, zone=zone, allowed_networks=allowed_networks, limits=limits)
    serve(app, routes.APPLY, batches)
    serve(app, routes.PROXIES, ProxyApi(store, lookup, explainer))
    serve(app, routes.RESOURCES, ResourceApi(store, lookup, zone=zone, limits=limits))
    serve(app, routes.TOKENS, TokenApi(tokens, lookup.mesh_exists))
    serve(app, routes.SECRETS, SecretApi(secrets, lookup.mesh_exists))
    serve(app, routes.IDENTITIES, identities)
    return app


def _route(request: web.Request) -> tuple[str, str]:
    """Method and path of the table; a path that is in none for what nothing answers."""
    resource = request.match_info.route.resource
    return "GET" if request.method == "HEAD" else request.method, resource.canonical if resource else ""
