"""`flashsale new`: every file that it begins can be loaded, and says what its keys mean."""

import re

import pytest

import flashsale_env as fs
from flashsale_env.experiments.meanings import meanings_of
from flashsale_env.experiments.new.begin import OPTIONAL, begin
from flashsale_env.experiments.toml_writer import scenario_toml
from flashsale_env.market.coupon import Coupon

# What a scenario cannot have, by a word of the reason.
REASONS = (
    "scenario has one",
    "1 products",
    "'bernoulli'",
    "resale value",
    "no effect is below 0",
    "not split by seller",
    "it sells nothing",  # a rival beside a single product
    "announce the prices of other sellers",
    "cannot be combined with [waiting]",  # persons
)


def reread(scenario, tmp_path, edit=lambda text: text):
    path = tmp_path / "mine.toml"
    path.write_text(edit(scenario_toml(scenario, explained=True)), encoding="utf-8")
    return fs.load_scenario(path)


@pytest.mark.parametrize("like", fs.SCENARIOS)
def test_a_scenario_like_a_shipped_one_equals_it_but_for_the_name(flashsale, tmp_path, like):
    path = tmp_path / "mine.toml"
    answer = flashsale("new", "mine", "--out", path, "--like", like)
    assert answer.code == 0, answer.err
    assert fs.load_scenario(path) == fs.load_scenario(like).replace(name="mine")


@pytest.mark.parametrize("like", fs.SCENARIOS)
def test_the_defaults_behind_a_number_sign_are_the_defaults(tmp_path, like):
    def taken_away(text):
        assert re.search(r"^#\w+ = ", text, re.M)
        return re.sub(r"^#(?=\w+ = )", "", text, flags=re.M)

    scenario = fs.load_scenario(like)
    assert reread(scenario, tmp_path, taken_away) == scenario


def begun_or_reason(like, mechanism):
    try:
        return begin("mine", like, [mechanism]), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize("like", [None, *fs.SCENARIOS])
def test_every_mechanism_can_be_added_or_is_refused_with_the_reason(tmp_path, like):
    for mechanism in OPTIONAL:
        begun, reason = begun_or_reason(like, mechanism)
        if begun is None:
            assert re.match(r"--with \w+ does not fit", reason), reason  # the mechanism, or one that it needs
            assert any(words in reason for words in REASONS), reason
            continue
        assert getattr(begun.scenario, mechanism) is not None
        assert reread(begun.scenario, tmp_path) == begun.scenario
        if mechanism in begun.added:
            everything = begun.scenario.replace(observe=()).features
            added = {name for name in everything if name in fs.MECHANISMS[mechanism].mechanism.features}
            assert added <= set(begun.scenario.features), "an agent does not see what the mechanism shows"


def test_most_mechanisms_fit_the_small_sale():
    for mechanism in OPTIONAL:
        begin("mine", None, [mechanism])
    # Rivals share no decision that is for the whole sale; persons do not wait.
    together = [name for name in OPTIONAL if name not in ("rivals", "persons")]
    everything = begin("mine", None, together)
    assert all(getattr(everything.scenario, name) is not None for name in together)


def test_what_a_mechanism_needs_is_added_before_it():
    added = begin("mine", None, ["deal", "targeted"]).added
    assert list(added) == ["basket", "deal", "messages", "targeted"]


def test_money_is_in_proportion_to_the_list_prices():
    """A deal from 200 on would never be reached by tickets of 3."""
    deal = begin("mine", "gvr-periodic", ["deal"]).scenario.deal
    assert deal.per < 10
    assert begin("mine", "standard", ["coupon"]).scenario.coupon == fs.load_scenario("standard").coupon


def test_a_new_file_is_shown_and_played(flashsale, tmp_path):
    path = tmp_path / "mine.toml"
    answer = flashsale("new", "mine", "--out", path, "--like", "gvr-periodic")
    assert (answer.code, answer.out) == (0, "")
    assert f"next: flashsale show {path}" in answer.err
    assert flashsale("show", path).code == 0
    played = flashsale("evaluate", "fixed_price", "--scenario", path, "--episodes", 20, "--json").json
    assert played["agent"]["units_sold"] > 0


def test_every_key_has_the_meaning_that_the_documentation_gives(flashsale, tmp_path):
    path = tmp_path / "mine.toml"
    assert flashsale("new", "mine", "--out", path, "--with", "coupon").code == 0
    text = path.read_text(encoding="utf-8")
    joined = re.sub(r"\n# ", " ", text)
    for key, meaning in meanings_of(Coupon).items():
        assert re.search(rf"{re.escape(meaning)}\n#?{key} = ", joined), key
    assert "#   waiting: Customers who come back." in text
    assert "#   coupon" not in text


def test_json_says_where_the_settings_are_from(flashsale, tmp_path):
    words = ["new", "mine", "--out", tmp_path / "mine.toml", "--with", "deal", "--with", "fairness", "--json"]
    found = flashsale(*words).json
    assert found["added"]["basket"] == "as in deal"
    assert "[fairness]" in found["warnings"][0]  # all customers are of one intent


def test_an_own_scenario_with_a_folder_of_customers_is_begun_elsewhere(flashsale, tmp_path):
    shop, other = tmp_path / "shop", tmp_path / "other"
    other.mkdir()
    customers = fs.Population.homogeneous(("ticket",))
    customers.save(shop / "people")
    first = fs.load_scenario("gvr-periodic").replace(name="shop", population="people")
    (shop / "scenario.toml").write_text(scenario_toml(first))
    assert flashsale("new", "mine", "--out", other / "mine.toml", "--like", shop / "scenario.toml").code == 0
    again = fs.load_scenario(other / "mine.toml")
    assert fs.load_population(again.population, again.titles).products == ("ticket",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine", "--out", "{tmp}/old.toml"], "is there already: choose another --out, or pass --overwrite"),
        (["mine", "--out", "{tmp}/mine.txt"], "whose name ends in .toml"),
        (["mine", "--out", "{tmp}/none/mine.toml"], "there is no folder"),
        (["mine", "--out", "{tmp}/mine.toml", "--with", "cupon"], "Did you mean 'coupon'?"),
        (["mine", "--out", "{tmp}/mine.toml", "--with", "pricing"], "unknown mechanism in --with 'pricing'"),
        (["mine", "--out", "{tmp}/mine.toml", "--like", "standart"], "Did you mean 'standard'?"),
        (["mine", "--out", "{tmp}/mine.toml", "--like", "mnl-stock", "--with", "bots"], "needs arrivals.law 'poisson'"),
        (["standard", "--out", "{tmp}/mine.toml"], "a name that no shipped one has, got 'standard'"),
        ([" ", "--out", "{tmp}/mine.toml"], "a name that no shipped one has"),
    ],
)
def test_a_mistake_is_refused_and_nothing_is_written(flashsale, tmp_path, words, message):
    (tmp_path / "old.toml").write_text("mine")
    answer = flashsale("new", *(word.format(tmp=tmp_path) for word in words))
    assert message in answer.complaint
    assert [path.name for path in tmp_path.iterdir()] == ["old.toml"]
    assert (tmp_path / "old.toml").read_text() == "mine"


def test_a_file_is_replaced_when_asked(flashsale, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    assert flashsale("new", "mine", "--out", path, "--overwrite").code == 0
    assert fs.load_scenario(path).name == "mine"
