"""The tables of the documentation are those of the code, and its figures those of the shipped cards."""

import importlib.util
import json
import re
import typing

import pytest

import flashsale_env as fs
from flashsale_env.agents import AGENTS
from flashsale_env.experiments.verify.cases import CASES
from flashsale_env.experiments.verify.running import as_markdown, run_verification
from flashsale_env.intents import ByIntent
from tests.docs import pages

DOCS = pages.ROOT / "docs"


@pytest.fixture(scope="module")
def generate():
    """docs/generate.py, which is a program and no package."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_generated_block_is_up_to_date(generate):
    assert generate.stale() == [], "python docs/generate.py makes them anew"


def test_a_block_that_is_out_of_date_is_found(generate):
    text = pages.read(DOCS / "environment.md")
    changed = text.replace("time until the close", "time since the opening")
    assert changed != text
    assert generate.rewritten(changed) == text


def test_filling_a_measured_block_changes_it_and_nothing_else(generate):
    text = pages.read(DOCS / "text-value.md")
    filled = generate.rewritten(text, ("ablation", "| a |\n|---|"))
    assert "<!-- measured: ablation -->\n| a |\n|---|\n<!-- end -->" in filled
    assert filled.replace("| a |\n|---|\n", generate.measured("ablation")) == text


def test_a_measured_cell_that_is_not_there_is_an_error(generate):
    with pytest.raises(ValueError, match="no row 'pppo' with a column"):
        generate.measured_cell("ablation", "pppo", "standard: less ppo, intents hidden")
    with pytest.raises(ValueError, match="no page holds a measured block 'nothing'"):
        generate.measured("nothing")


def test_the_blocks_that_the_pages_must_hold_are_there(generate):
    """A page that lost its markers would never be out of date."""
    held = {words for page in generate.pages() for _, _, words, _, _ in generate.BLOCK.findall(pages.read(page))}
    wanted = {name for name in generate.BLOCKS if name not in ("scenario", "layout", "example", "columns")} | set(
        generate.MEASURED
    )
    wanted |= {f"scenario {name}" for name in fs.SCENARIOS} | {"layout standard"}
    wanted |= {f"example {path.stem}" for path in (DOCS / "examples").glob("*.py")}
    wanted |= {f"columns {kind}" for kind in ("transactions", "choices", "catalogue")}
    assert wanted <= held


def test_the_observation_of_standard_is_described_as_its_layout_describes_it(generate):
    assert fs.Layout(fs.load_scenario("standard")).describe() in pages.read(DOCS / "environment.md")


def test_every_agent_is_in_the_table():
    text = pages.read(DOCS / "agents.md")
    for name, entry in AGENTS.items():
        if entry.module:
            assert f"| `{name}` | {'yes' if entry.learns else ''} | {entry.description} |" in text


@pytest.mark.slow
def test_the_verification_table_is_generated(generate):
    assert as_markdown(run_verification(sales=100_000)) == generate.measured("verification").strip()


def test_demand_figures_are_those_of_the_shipped_card():
    text = pages.read(DOCS / "demand.md")
    figures = json.loads((pages.ROOT / "flashsale_env" / "data" / "learned" / "card.json").read_text())["figures"]
    for name in ("no_text_nll", "heldout_nll", "true_intent_nll"):
        assert f"{figures[name]:.4f}" in text, name
    gap, share = figures["gap_no_text_minus_encoder"], figures["share_of_gap_closed"]
    for value in (gap["mean"], gap["low"], gap["high"]):
        assert f"{value:.4f}" in text
    for value in (share["mean"], share["low"], share["high"]):
        assert f"{100 * value:.1f}" in text
    for name in ("visits", "heldout_visits", "heldout_voices"):
        assert f"{figures[name]:,}" in text
    for intent, row in figures["elasticity"].items():
        assert f"| {intent} | {row['true']:.2f} | {row['recovered']:.2f} |" in text


def test_encoder_figures_are_those_of_the_shipped_card():
    text = pages.read(DOCS / "encoder.md")
    figures = json.loads((pages.ROOT / "encoders" / "data" / "default" / "card.json").read_text())["figures"]
    for value in (*figures["evaluation"]["en"].values(), *figures["tfidf_evaluation"]["en"].values()):
        assert f"{value:.3f}".lstrip("0") in text


REPORT = """Made by `flashsale benchmark table --out runs/table`.

**all agents on all problems**

| agent | one: of the optimum |
|---|---|
| ppo | 99.00 % |

Means ± half of the 95 % interval.

**one (homogeneous)**

| agent | runs |
|---|---|
| ppo | 10 |

Expected values.
"""


def test_a_measured_block_is_the_first_table_of_a_report_with_its_note(generate, monkeypatch, tmp_path):
    monkeypatch.setattr(generate, "_flashsale", lambda *words: REPORT)
    wanted = "| agent | one: of the optimum |\n|---|---|\n| ppo | 99.00 % |\n\nMeans ± half of the 95 % interval."
    assert generate.from_report(tmp_path) == wanted


def test_the_table_of_sim2real_is_read_from_its_result(generate, tmp_path):
    gap = {"mean": 163.4, "share": 0.0047, "ci_low": 150.2, "ci_high": 176.1}
    rows = [
        {"world": "reference", "visits": None, "mean_profit": 36644.6},
        {"world": "learned", "visits": 500_000, "mean_profit": 36481.2, "gap": gap},
    ]
    (tmp_path / "result.json").write_text(json.dumps({"rows": rows}))
    assert generate.cells(generate.from_sim2real(tmp_path))[1:] == [
        ["trained in the reference world", "36,645", "", ""],
        ["500,000", "36,481", "163 (0.5 %)", "150 to 176"],
    ]


def test_the_page_of_the_full_sale_has_every_mechanism_its_decisions_terms_and_settings_by_intent(generate):
    """Coupon, targeted offers and messages are older and have pages elsewhere."""
    lines = generate.cells(pages.read(DOCS / "market" / "index.md"))
    optional = {name: entry.mechanism for name, entry in fs.MECHANISMS.items() if entry.optional}
    held = {name: mechanism for name, mechanism in optional.items() if name not in ("coupon", "targeted", "messages")}
    rows = {line[0].split("`")[1]: line for line in lines if len(line) == 5 and "`" in line[0]}
    assert rows.keys() == held.keys()
    for name, mechanism in held.items():
        _, _, decisions, terms, cases = (set(re.findall(r"`([\w-]+)`", cell)) for cell in rows[name])
        assert (decisions, terms) == (set(mechanism.decisions), set(mechanism.terms)), name
        assert cases <= CASES.keys(), name
    by_intent = {line[0].strip("`"): set(re.findall(r"`(\w+)`", line[1])) for line in lines if len(line) == 2}
    found = {name: settings_by_intent(mechanism.settings) for name, mechanism in held.items()}
    assert {name: by_intent.get(name, set()) for name in held} == found


def settings_by_intent(part):
    hints = typing.get_type_hints(part)
    return {name for name, hint in hints.items() if hint is ByIntent or ByIntent in typing.get_args(hint)}
