"""Links, paths and names of the documentation lead somewhere."""

import importlib
import re
from pathlib import Path

import pytest

import flashsale_env as fs
from flashsale_env import agents
from tests.docs import pages

FOLDERS = ("flashsale_env", "agents", "encoders", "experiments", "tests", "docs", "benchmarks")


def anchors(page):
    """The anchors of a page's headings, as mkdocs makes them."""
    headings = re.findall(r"^#+ (.+)$", pages.prose(page), re.MULTILINE)
    words = (re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower() for heading in headings)
    return {re.sub(r"[-\s]+", "-", word) for word in words}


def by_page(page):
    return str(page.relative_to(pages.ROOT))


@pytest.mark.parametrize("page", pages.PAGES, ids=by_page)
def test_every_link_leads_to_a_file_and_a_heading(page):
    links = re.findall(r"\]\(([^)\s]+)\)", pages.prose(page)) + re.findall(r'src="([^"]+)"', pages.read(page))
    for link in links:
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{by_page(page)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{by_page(page)}: {link}: {sorted(anchors(target))}"


def test_every_page_can_be_reached():
    """From the navigation of mkdocs.yml, which names each page once."""
    named = re.findall(r"[\w/-]+\.md", (pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    docs = {path.relative_to(pages.ROOT / "docs").as_posix() for path in (pages.ROOT / "docs").rglob("*.md")}
    assert sorted(named) == sorted(docs)


@pytest.mark.parametrize("page", pages.PAGES, ids=by_page)
def test_every_path_in_a_sentence_is_there(page):
    for code in pages.inline_code(page):
        if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*", code):
            assert list(pages.ROOT.glob(code.rstrip("/"))), f"{by_page(page)}: {code}"


@pytest.mark.parametrize("page", pages.PAGES, ids=by_page)
def test_every_dotted_name_can_be_imported(page):
    for code in pages.inline_code(page):
        name = code.partition("(")[0]
        if re.fullmatch(r"(?:flashsale_env|agents)(?:\.\w+)+", name) and not name.endswith((".py", ".json")):
            find(name if name.startswith("flashsale_env") else f"flashsale_env.{name}", by_page(page))


def find(name, place):
    module, rest = name, []
    while True:
        try:
            found = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            assert module, f"{place}: no {name}"
            rest.insert(0, last)
    for part in rest:
        assert hasattr(found, part), f"{place}: {name} is not there"
        found = getattr(found, part)


@pytest.mark.parametrize(("page", "names"), [("flashsale_env", fs.__all__), ("agents", agents.__all__)])
def test_the_reference_has_every_public_name(page, names):
    text = pages.read(pages.ROOT / "docs" / "api" / f"{page}.md")
    for name in names:
        assert re.search(rf"(?:[.`]){name}\b", text), f"docs/api/{page}.md does not have {name}"


def test_every_scenario_has_a_page():
    folder = pages.ROOT / "docs" / "scenarios"
    assert {path.stem for path in folder.glob("*.md")} - {"index"} == set(fs.SCENARIOS)


def test_the_readme_is_short_and_shows_a_picture():
    readme = pages.ROOT / "README.md"
    assert len(pages.read(readme).splitlines()) <= 200
    pictures = [Path(path) for path in re.findall(r'src="([^"]+)"', pages.read(readme))]
    assert pictures
    for picture in pictures:
        assert (pages.ROOT / picture).stat().st_size < 200_000
