from __future__ import annotations

from meshmeter.options import Option


def test_names_follow_from_the_name() -> None:
    option = Option("some_option", "X", "help", prefix="MESHMETER_DATAPLANE_", aliases=("KUMA_SOME",))
    assert (option.flag, option.variable) == ("--some-option", "MESHMETER_DATAPLANE_SOME_OPTION")
    assert Option("bind", "HOST", "help").variable == "MESHMETER_BIND"
