"""ConfigWatch: keeps the agent's configuration as the control plane says, by long polling.

It registers again when that is needed: the control plane does not know this proxy (any more), the token was renewed,
or the control plane was away, or is not found by Envoy, and may be elsewhere now, which the bootstrap of a registration
tells.

Whatever goes wrong, the last good configuration stays in force.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from meshmeter.agent.backoff import Backoff
from meshmeter.agent.control_plane import ControlPlane, Registration
from meshmeter.agent.registration import RegistrationClient
from meshmeter.errors import ApiError, TokenError
from meshmeter.scrape.config import ScrapeConfig

log = logging.getLogger(__name__)

WAIT_SECONDS = 25.0
"""How long one poll stays open."""

TOKEN_SECONDS = 1.0
"""Between two looks, while a poll is open, whether another registration is due: a token that replaces a revoked one is
urgent."""


class ConfigWatch:
    """Starts from `registration`; `run` follows the control plane."""

    def __init__(
        self,
        control_plane: ControlPlane,
        registration_client: RegistrationClient,
        registration: Registration,
        *,
        registered: bool,
        on_change: Callable[[Registration], None],
        wait: float = WAIT_SECONDS,
        token_look: float = TOKEN_SECONDS,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        self._control_plane = control_plane
        self._registration_client = registration_client
        self._registration = registration
        self._registered = registered
        self._on_change = on_change
        self._wait = wait
        self._token_look = token_look
        self._backoff = backoff or Backoff(jitter=0.25)
        self._sleep = sleep
        self._failing = ""
        self._ask_again = False

    @property
    def registered(self) -> bool:
        """Whether the control plane knows this proxy, as far as we know."""
        return self._registered

    @property
    def connected(self) -> bool:
        """Whether the control plane knows this proxy and has answered the last time."""
        return self._registered and not self._failing

    @property
    def registration(self) -> Registration:
        """The latest one, with the latest configuration in it."""
        return self._registration

    def config(self) -> ScrapeConfig:
        """What is in force now."""
        return self._registration.config

    def ask_again(self) -> None:
        """Have the bootstrap asked for once more, by another registration; an open poll does not hold that up."""
        self._ask_again = True

    async def run(self) -> None:
        """Follow the control plane until cancelled."""
        while True:
            try:
                await self._step()
            except (ApiError, TokenError) as exc:
                self._tell(exc)
                if isinstance(exc, ApiError) and exc.status == 0:
                    self._ask_again = True
                await self._sleep(self._backoff.next())
            else:
                if self._failing:
                    log.info("the control plane answers again")
                self._failing = ""
                self._backoff.reset()

    async def _step(self) -> None:
        """One registration or one poll. One that only asks for the bootstrap and is refused is not repeated: polls go
        on."""
        if not self._registered or self._ask_again or self._registration_client.token_changed():
            self._ask_again = False
            self._take(await self._registration_client.register())
            self._registered = True
            log.info("registered again as %s in mesh %s", self._registration.name, self._registration.mesh)
            return
        try:
            config = await self._poll()
        except ApiError as exc:
            if exc.status != 404:
                raise
            log.warning("the control plane does not know this proxy, registering again")
            self._registered = False
            return
        if config is not None:
            self._take(replace(self._registration, config=config))
            log.info("the configuration of the metrics endpoint changed to version %s", config.version)

    async def _poll(self) -> ScrapeConfig | None:
        """A configuration that differs from ours; None if there is none yet, or another registration is due."""
        mesh, name = self._registration.mesh, self._registration.name
        try:
            async with asyncio.TaskGroup() as tasks:
                poll = tasks.create_task(
                    self._control_plane.agent_config(mesh, name, self.config().version, self._wait),
                    name="agent: poll",
                )
                while not (await asyncio.wait({poll}, timeout=self._token_look))[0]:
                    if self._ask_again or self._registration_client.token_changed():
                        poll.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # there was but one task
        return None if poll.cancelled() else poll.result()

    def _take(self, registration: Registration) -> None:
        if registration != self._registration:
            self._registration = registration
            self._on_change(registration)

    def _tell(self, exc: Exception) -> None:
        """Each trouble once as an error; while it stays the same, only for those who debug."""
        message = str(exc)
        level = logging.DEBUG if message == self._failing else logging.ERROR
        log.log(level, "%s; the last good configuration stays in force, trying on", message)
        self._failing = message
