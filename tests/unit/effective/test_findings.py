"""The register of findings and its reference."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meshmeter.effective.credentials import CertificateState
from meshmeter.effective.findings import FINDINGS, finding

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "findings.md"


def entries() -> dict[str, str]:
    """Code to text, from the headings of the reference."""
    parts = re.split(r"^## `([a-z0-9-]+)`$", REFERENCE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_code_has_one_entry_in_the_reference_and_none_is_superfluous() -> None:
    assert sorted(entries()) == sorted(FINDINGS)
    assert REFERENCE.read_text().count("\n## `") == len(FINDINGS)


@pytest.mark.parametrize("code", FINDINGS)
def test_an_entry_says_severity_scope_cause_and_remedy(code: str) -> None:
    kind, text = FINDINGS[code], entries()[code]
    assert f"*{kind.severity}, {kind.scope}*" in text
    words = " ".join(text.split())
    assert f"**Cause.** {kind.cause}" in words
    assert f"**Remedy.** {kind.remedy}" in words


@pytest.mark.parametrize("code", FINDINGS)
def test_codes_are_kebab_case_and_texts_are_sentences(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
    assert FINDINGS[code].cause.endswith(".") and FINDINGS[code].remedy.endswith(".")


def test_a_finding_takes_everything_but_message_and_field_from_the_register() -> None:
    made = finding(
        "aggregate-port-missing", "aggregate entry 'a' has no port", field="metrics.conf.aggregate[0].port"
    )
    assert (made.severity, made.scope) == ("refused", "source")
    assert made.remedy == FINDINGS["aggregate-port-missing"].remedy


def test_no_finding_without_an_entry() -> None:
    with pytest.raises(KeyError):
        finding("made-up", "something")


def test_every_state_of_a_provided_certificate_but_usable_closes_the_endpoint() -> None:
    for state in CertificateState:
        kind = FINDINGS.get(f"provided-tls-{state}")
        assert (kind is None) == (state is CertificateState.USABLE)
        assert kind is None or (kind.severity, kind.scope) == ("refused", "listener")
