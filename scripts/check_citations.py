"""Every citation leads somewhere in this repository.

Code, tests and pages cite rules by a page and a number: `kuma-facts 7.2`, `design 8`, `D21` or `deviations D11-D16`,
`decision 3`. The page has to have that section, row or note. Links between pages, the headings that they name, and
paths such as `docs/api.md` have to exist too. A link to a Python module whose text is a name, [`Store`](…/base.py), has
to find it defined there, and so has the name of a module, `store.base`; the architecture links to every package.

What leads nowhere is printed as `file:line: what`.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDERS = ("src", "native", "tests", "scripts", "docs", "examples")
SUFFIXES = frozenset({".py", ".rs", ".go", ".md", ".sh", ""})
MADE = frozenset({"target", "build", "__pycache__", ".venv", "artifacts", "coverage", "corpus"})
"""Folders that hold nothing written by hand."""

OWN = frozenset({Path("scripts/check_citations.py"), Path("tests/integration/test_check_citations.py")})
"""What is about citations has some that are none."""

SECTIONS = {
    "kuma-facts": Path("docs/reference/kuma-facts.md"),
    "design": Path("docs/reference/design.md"),
}
"""Words that cite a page by the number of a section."""
ROWS = Path("docs/reference/deviations.md")
NOTES = Path("docs/decisions")
MAP = Path("docs/architecture.md")
SOURCE = Path("src/meshmeter")
FILES_AND_FIELDS = frozenset({"agent", "envoy"})
"""Packages whose names also begin those of other things, `agent.sock` or `envoy.usedOnly`."""
PACKAGES = ("src/meshmeter/*/__init__.py", "src/meshmeter/controlplane/*/__init__.py")
"""What the map has a paragraph about."""

_NUMBER = r"\d+(?:\.\d+)?"
_AND = r"(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s+to\s+|\s*[-\u2013]\s*)"
_SECTION = re.compile(rf"(?<![\w/-])({'|'.join(SECTIONS)})\s+({_NUMBER}(?:{_AND}{_NUMBER})*)")
_NO_SECTION = re.compile(r"(?<![\w/-])kuma-facts(?!\.md|\s+\d)")
_ROW = re.compile(r"\bD([1-9]\d?)(?:\s*[-\u2013]\s*D([1-9]\d?))?\b")
_NOTE = re.compile(r"\bdecision\s+(\d{1,4})\b")
_PATH = re.compile(r"(?<![\w/.:-])(?:docs|src|tests|scripts|examples)/[\w./-]*\w")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_MODULE = re.compile(r"`([a-z]\w*(?:\.[A-Za-z_]\w*)+)`")
_NAME = re.compile(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)`")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_ID = re.compile(r"<a (?:id|name)=\"([^\"]+)\">")
_LEADER = re.compile(r"^[ \t]*(?:#+|///?!?|//)?[ \t]*")


@dataclass(frozen=True, slots=True)
class Text:
    """A file with its lines joined, so that a citation may go over the end of one."""

    content: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Text:
        parts, starts, at = [], [], 0
        for line in text.split("\n"):
            starts.append(at)
            part = _LEADER.sub("", line, count=1) + " "
            parts.append(part)
            at += len(part)
        return cls("".join(parts), tuple(starts))

    def line(self, position: int) -> int:
        return bisect_right(self.starts, position)


class Repository:
    """The tree below `root`, and what it has to lead to."""

    def __init__(self, root: Path):
        self.root = root
        self.followed = 0
        self.page = cache(self._page)
        self.sections = cache(self._sections)
        self.anchors = cache(self._anchors)
        self.rows = frozenset(re.findall(r'^\| <a id="d(\d+)"></a>D\1 \|', self.page(ROWS), re.MULTILINE))
        self.notes = {int(path.name[:4]) for path in (root / NOTES).glob("[0-9][0-9][0-9][0-9]-*.md")}

    def faults(self) -> Iterator[str]:
        """All that leads nowhere, in order of files and lines."""
        for path in self._files():
            text = (self.root / path).read_text(encoding="utf-8")
            found = [*self._citations(path, Text.of(text))]
            if path.suffix == ".md":
                found += self._links(path, text)
            yield from (f"{path}:{line}: {what}" for line, what in sorted(set(found)))
        yield from self._unmapped()

    def _files(self) -> list[Path]:
        files = [path for folder in FOLDERS for path in (self.root / folder).rglob("*")]
        files += self.root.glob("*.md")
        relative = (path.relative_to(self.root) for path in files if path.is_file())
        written = (path for path in relative if path.suffix in SUFFIXES and not MADE & set(path.parts))
        return sorted(path for path in written if path not in OWN and path.parts[:2] != ("tests", "data"))

    def _citations(self, path: Path, text: Text) -> Iterator[tuple[int, str]]:
        for found in _SECTION.finditer(text.content):
            word, numbers = found[1], re.findall(_NUMBER, found[2])
            self.followed += len(numbers)
            for number in numbers:
                if number not in self.sections(SECTIONS[word]):
                    yield text.line(found.start()), f"{word} {number}: {SECTIONS[word]} has no such section"
        for found in _NO_SECTION.finditer(text.content):
            yield text.line(found.start()), "kuma-facts without the number of a section"
        for found in _ROW.finditer(text.content):
            first, last = int(found[1]), int(found[2] or found[1])
            self.followed += 1
            if last < first:
                yield text.line(found.start()), f"{found[0]} is no range of rows"
                continue
            for number in range(first, last + 1):
                if str(number) not in self.rows:
                    yield text.line(found.start()), f"D{number}: {ROWS} has no such row"
        for found in _NOTE.finditer(text.content):
            self.followed += 1
            if int(found[1]) not in self.notes:
                yield text.line(found.start()), f"{found[0]}: {NOTES} has no such note"
        for found in _MODULE.finditer(text.content):
            package, *rest = found[1].split(".")
            if package not in FILES_AND_FIELDS and (self.root / SOURCE / package / "__init__.py").exists():
                self.followed += 1
                if not _leads_somewhere(self.root / SOURCE / package, rest):
                    yield text.line(found.start()), f"{found[1]} does not exist"
        for found in _PATH.finditer(text.content):
            if path.suffix == ".md" or found[0].endswith(".md"):
                self.followed += 1
                if not (self.root / found[0]).exists():
                    yield text.line(found.start()), f"{found[0]} does not exist"

    def _links(self, path: Path, page: str) -> Iterator[tuple[int, str]]:
        content = _without_fences(page)
        for found in _LINK.finditer(content):
            number, (text, target) = content.count("\n", 0, found.start()) + 1, found.groups()
            if re.match(r"[a-z+]+:", target):
                continue
            self.followed += 1
            name, _, anchor = target.partition("#")
            to = (self.root / path).parent / name if name else self.root / path
            if not to.exists():
                yield number, f"the link {target} leads to no file"
            elif anchor and anchor not in self.anchors(to):
                yield number, f"the link {target} leads to no heading"
            elif to.suffix == ".py" and (named := _NAME.fullmatch(text)):
                missing = [part for part in named[1].split(".") if not _defines(to, part)]
                if missing:
                    yield number, f"the link {target} leads to a module without {missing[0]}"

    def _unmapped(self) -> Iterator[str]:
        mapped = {(self.root / MAP).parent / target for _, target in _LINK.findall(self.page(MAP))}
        known = {path.resolve() for path in mapped}
        for module in sorted(found for pattern in PACKAGES for found in self.root.glob(pattern)):
            if module.parent.resolve() not in known:
                yield f"{MAP}: has no link to {module.parent.relative_to(self.root)}"

    def _page(self, path: Path) -> str:
        file = self.root / path
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def _sections(self, path: Path) -> frozenset[str]:
        """Numbers that headings of a page begin with."""
        headings = _HEADING.findall(_without_fences(self.page(path)))
        return frozenset(number[0] for heading in headings if (number := re.match(_NUMBER, heading)))

    def _anchors(self, page: Path) -> frozenset[str]:
        """Of the headings as web pages of repositories make them, and those that are written out."""
        text = _without_fences(page.read_text(encoding="utf-8"))
        found: set[str] = set(_ID.findall(text))
        for heading in _HEADING.findall(text):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
            slug = again = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            count = 0
            while again in found:
                count += 1
                again = f"{slug}-{count}"
            found.add(again)
        return frozenset(found)


def _leads_somewhere(package: Path, names: list[str]) -> bool:
    """Whether modules, and what they define, can be found by these names one after another."""
    for index, name in enumerate(names):
        if (module := package / f"{name}.py").exists():
            return all(_defines(module, defined) for defined in names[index + 1 :])
        if not (package / name / "__init__.py").exists():
            return _defines(package / "__init__.py", name)
        package /= name
    return True


def _defines(module: Path, name: str) -> bool:
    source = module.read_text(encoding="utf-8")
    return re.search(rf"^\s*(?:async )?(?:def|class) {name}\b|^{name}\b", source, re.MULTILINE) is not None


def _without_fences(text: str) -> str:
    """The page without its blocks of code; lines keep their numbers."""
    return _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)


def main(arguments: list[str]) -> int:
    """Print what leads nowhere in the tree that is given, else in this one; 1 if anything does."""
    repository = Repository(Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent)
    faults = list(repository.faults())
    print("\n".join(faults) or f"{repository.followed} citations and links, each leads somewhere")
    return min(len(faults), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
