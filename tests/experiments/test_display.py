"""What a person sees at the terminal: tables that break no word, progress that never lies."""

import io

import pytest

from flashsale_env.experiments import display
from flashsale_env.experiments.display import collected_tables, progress_bar, show_agents, show_table

COLUMNS = ("agent", "mean profit", "95 % interval", "revenue", "sell-through", "fill rate", "lost sales")
FIGURES = {"revenue": 90_000.0, "sell_through": 0.9, "fill_rate": 0.95, "lost_sales": 12.0}
AGENTS = {
    name: {"mean_profit": profit, "ci_low": profit - 120, "ci_high": profit + 120, **FIGURES}
    for name, profit in (("sell_through", 36_000.0), ("standard-ppo (untuned here)", 37_000.0))
}


def printed(capsys, monkeypatch, width, show):
    monkeypatch.setenv("COLUMNS", str(width))
    show()
    return capsys.readouterr().out


def words(text):
    return set(text.replace("│", " ").replace("┃", " ").split())


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_no_word_and_no_number_is_broken_at_any_width(capsys, monkeypatch, width):
    out = printed(capsys, monkeypatch, width, lambda: show_agents("agents", AGENTS))
    assert all(len(line) <= width for line in out.splitlines())
    wanted = {"sell_through", "standard-ppo", "37,000", "36,880", "37,120", "sell-through", "95.0%", "12.0"}
    assert wanted <= words(out)


def test_a_wide_table_becomes_blocks_and_a_narrow_one_stays_a_table(capsys, monkeypatch):
    wide = printed(capsys, monkeypatch, 60, lambda: show_agents("agents", AGENTS))
    assert "┃" not in wide
    assert "  mean profit" in wide
    assert "┃" in printed(capsys, monkeypatch, 140, lambda: show_agents("agents", AGENTS))


@pytest.mark.parametrize("width", [60, 140])
def test_the_best_row_is_marked(capsys, monkeypatch, width):
    out = printed(capsys, monkeypatch, width, lambda: show_agents("agents", AGENTS))
    assert "* standard-ppo" in out
    assert "* sell_through" not in out
    assert out.splitlines()[-1] == "* best"
    assert "* " not in printed(capsys, monkeypatch, width, lambda: show_table("t", ("a", "b"), [("x", "1")]))


def test_tables_are_collected_in_place_of_printed(capsys):
    with collected_tables() as tables:
        show_table("title", ("a", "b"), [("x", "1")])
    assert capsys.readouterr().out == ""
    assert [(table.title, table.columns, table.rows) for table in tables] == [("title", ("a", "b"), (("x", "1"),))]
    show_table("title", ("a", "b"), [("x", "1")])
    assert "title" in capsys.readouterr().out


def test_off_a_terminal_progress_is_a_line_now_and_then(capsys, monkeypatch):
    now = [0.0]
    advance = display._lines("training ppo", clock=lambda: now[0])
    for second in range(0, 101, 5):
        now[0] = float(second)
        advance(second, 200, "validation profit 5")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "training ppo: 10/200, validation profit 5, about 3 min left",
        "training ppo: 40/200, validation profit 5, about 3 min left",
        "training ppo: 70/200, validation profit 5, about 2 min left",
        "training ppo: 100/200, validation profit 5, about 2 min left",
    ]


def test_short_work_off_a_terminal_says_nothing(capsys):
    with progress_bar("playing") as advance:
        advance(1, 2)
        advance(2, 2)
    assert capsys.readouterr().err == ""


def test_the_bar_shows_no_unknown_end_and_does_not_stand_full(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(
        display,
        "Console",
        lambda **_: display_console(stream),  # a terminal whose screen is the stream
    )
    with progress_bar("training") as advance:
        pass
    assert "/?" not in stream.getvalue()
    stream.truncate(0)
    with progress_bar("training") as advance:
        advance(3, 3)
    assert "3/3, finishing" in stream.getvalue()
    assert "/?" not in stream.getvalue()


def display_console(stream):
    from rich.console import Console

    return Console(file=stream, force_terminal=True, width=100)
