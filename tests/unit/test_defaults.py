from __future__ import annotations

from meshmeter import defaults


def test_every_server_has_a_port_of_its_own() -> None:
    ports = [value for name, value in vars(defaults).items() if name.endswith("_PORT")]
    assert len(ports) == 6 == len(set(ports))
