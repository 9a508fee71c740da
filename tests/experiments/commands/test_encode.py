"""`flashsale encode`: messages in, customers out."""

import shutil

import pytest

import flashsale_env as fs
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.experiments.runs import read_config

TEXTS = ["do you have any discount code", "I need it by tomorrow", "where is my parcel", "which one is better"]


@pytest.fixture(scope="module")
def encoder(quick_demo):
    """The small encoder of the quick demo, with the demand model fitted on its embeddings."""
    return quick_demo[0] / "encoder"


def test_messages_become_a_population_that_can_be_played(flashsale, messages, tmp_path):
    """With the shipped encoder and demand model."""
    path = messages("id,text\n" + "".join(f"{i},{text}\n" for i, text in enumerate(TEXTS)))
    out = tmp_path / "out"
    answer = flashsale("encode", path, "--text-column", "text", "--out", out, "--json")
    found = answer.json
    assert found["messages"] == 4
    assert set(found["intents"]) == set(fs.INTENTS)
    assert sum(row["messages"] for row in found["intents"].values()) == 4
    assert sum(row["mean_probability"] for row in found["intents"].values()) == pytest.approx(1.0, abs=1e-4)
    assert sum(row["share"] for row in found["intents"].values()) == pytest.approx(1.0, abs=1e-3)
    assert all(0 <= row["share_low"] <= row["share"] <= row["share_high"] <= 1 for row in found["intents"].values())
    examples = {row["text"]: row["intent"] for row in found["examples"]}
    assert examples["where is my parcel"] == "shipping_question"
    assert examples["do you have any discount code"] == "bargain_hunting"
    assert fs.Population.load(out).utterances == tuple(TEXTS)
    assert read_config(out)["finished"]
    played = flashsale("evaluate", "random", "--scenario", "standard", "--population", out, "--episodes", 4, "--json")
    assert played.json["population"] == str(out)


def test_messages_with_none_of_the_intents_are_counted_and_can_be_left_out(flashsale, messages, tmp_path):
    """With the shipped encoder, which reads all of `TEXTS` as intents and does not take a password for one."""
    texts = [*TEXTS, "I forgot my password", "are you a real person"]
    in_scope = IntentEncoder.default().encode(texts).in_scope
    assert in_scope[: len(TEXTS)].all()
    assert not in_scope[len(TEXTS)]
    outside = int((~in_scope).sum())
    path = messages("text\n" + "\n".join(texts) + "\n")
    kept, left_out = (
        flashsale("encode", path, "--text-column", "text", "--out", tmp_path / f"out{len(more)}", *more)
        for more in ((), ("--in-scope-only",))
    )
    assert f"{outside} of 6 messages have none of the nine intents: they count with the nearest" in kept.err
    assert "intents of 6 messages" in kept.out
    assert f"{outside} of 6 messages have none of the nine intents: they were left out" in left_out.err
    passed = tuple(text for text, inside in zip(texts, in_scope, strict=True) if inside)
    assert fs.Population.load(tmp_path / "out1").utterances == passed


def test_the_table_shows_the_mix_and_examples(flashsale, messages, encoder, tmp_path):
    path = messages("text\n" + "\n".join(TEXTS * 3) + "\n")
    answer = flashsale("encode", path, "--text-column", "text", "--encoder", encoder, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "intents of 12 messages" in answer.out
    assert "do you have any discount code" in answer.out
    assert answer.err.strip().splitlines()[-1].startswith("population of 12 voices in")


def test_a_message_of_10000_characters_is_read_with_a_warning_of_one_line(flashsale, messages, encoder, tmp_path):
    path = messages("text\nhello\n" + "price " * 1667 + "\n")
    answer = flashsale(
        "encode", path, "--text-column", "text", "--encoder", encoder, "--out", tmp_path / "out", "--json"
    )
    assert answer.code == 0, answer.err
    warned = [line for line in answer.err.splitlines() if line.startswith("flashsale: warning:")]
    assert len(warned) == 1
    assert "10,002 characters" in warned[0]
    assert answer.json["messages"] == 2


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("id,massage\n1,hello\n", [], "unknown column 'message'. Did you mean 'massage'? Known: id, massage"),
        ("id,message\n1,\n", [], "column 'message' is empty in row 1 below the header"),
        (b"message\ncaf\xe9\n", ["--encoding", "utf-8"], "byte 0xe9 at offset 11 (line 2)"),
        ("message;id\nhello;1\n", [], "give --separator ';'"),
        ("message\n", [], "no rows below it"),
        ("", [], "is empty: want a header"),
        ("message\nhello\n", ["--encoding", "utf-9"], "unknown encoding 'utf-9'"),
        ("message\nhello\n", ["--scenario", "gvr-periodic"], "ticket"),
        ("message\nhello\n", ["--encoder", "nowhere"], "nowhere holds no intent encoder"),
    ],
)
def test_bad_input_costs_one_line_and_leaves_nothing(flashsale, messages, tmp_path, content, options, message):
    out = tmp_path / "out"
    answer = flashsale("encode", messages(content), "--text-column", "message", "--out", out, *options)
    assert message in answer.complaint
    assert not out.exists()


def test_an_encoder_without_its_demand_model_is_refused(flashsale, messages, encoder, tmp_path):
    """Tastes are read from the embeddings of one encoder: another one's would be read as noise."""
    alone = tmp_path / "encoder"
    shutil.copytree(encoder, alone)
    for path in alone.glob("demand.*"):
        path.unlink()
    answer = flashsale(
        "encode", messages("text\nhello\n"), "--text-column", "text", "--encoder", alone, "--out", tmp_path / "out"
    )
    assert "no demand model in" in answer.complaint


def test_weights_with_the_wrong_hash_are_refused(flashsale, messages, encoder, tmp_path):
    damaged = tmp_path / "encoder"
    shutil.copytree(encoder, damaged)
    path = damaged / "head.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    answer = flashsale(
        "encode", messages("text\nhello\n"), "--text-column", "text", "--encoder", damaged, "--out", tmp_path / "out"
    )
    assert "sha256" in answer.complaint


def test_a_population_is_not_overwritten_unasked(flashsale, messages, encoder, tmp_path):
    path, out = messages("text\nhello\n"), tmp_path / "out"
    words = ("encode", path, "--text-column", "text", "--encoder", encoder, "--out", out)
    assert flashsale(*words).code == 0
    assert "already holds something" in flashsale(*words).complaint
    assert flashsale(*words, "--overwrite").code == 0


# Sentences so different that none counts as a repetition of another.
FRAMES = (
    "zorp", "do you sell a zorp here", "my zorp came", "I want the zorp now", "zorp for tomorrow please",
    "tell me about zorp", "how many zorp are left", "zorp???", "is this zorp ok for kids", "another zorp",
)  # fmt: skip


def test_labelled_rows_teach_the_encoder_which_can_be_used_again(flashsale, messages, encoder, tmp_path):
    """Words that no encoder knows get their meaning from the labels; cross-validated figures stand beside."""
    made_up = {"gift": "zorp", "bulk": "quibblet", "comparison": "flernhy"}
    rows = [f"{frame.replace('zorp', word)},{intent}" for intent, word in made_up.items() for frame in FRAMES]
    path = messages("text,intent\n" + "\n".join(rows) + "\nzorp zorp please 99,\n")
    out = tmp_path / "out"
    words = ("encode", path, "--text-column", "text", "--labels", "intent", "--encoder", encoder)
    found = flashsale(*words, "--out", out, "--json").json
    scored = found["cross_validation"]
    assert scored["accuracy"] > scored["zero_shot"]["accuracy"]
    assert fs.Population.load(out).latent_class[-1] == fs.INTENTS.index("gift")
    assert (out / "confusion.png").read_bytes().startswith(b"\x89PNG")
    again = ("encode", path, "--text-column", "text", "--encoder", out / "encoder", "--out", tmp_path / "again")
    assert flashsale(*again, "--json").json["intents"] == found["intents"]
    assert not (tmp_path / "again" / "confusion.png").exists()
    assert "cross-validated" in flashsale(*words, "--out", tmp_path / "table").out

    theirs = {intent: f"LABEL_{number}" for number, intent in enumerate(made_up)}
    text = path.read_text(encoding="utf-8")
    for intent, label in theirs.items():
        text = text.replace(f",{intent}\n", f",{label}\n")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text("[labels]\n" + "".join(f'{label} = "{intent}"\n' for intent, label in theirs.items()))
    mapped = ("encode", messages(text), *words[2:], "--mapping", mapping, "--out", tmp_path / "mapped", "--json")
    assert flashsale(*mapped).json["intents"] == found["intents"]


def test_a_cache_reads_each_text_once_and_changes_nothing(flashsale, messages, encoder, tmp_path):
    path, cache = messages("text\n" + "\n".join(TEXTS) + "\n"), tmp_path / "cache"
    words = ("encode", path, "--text-column", "text", "--encoder", encoder)
    plain = flashsale(*words, "--out", tmp_path / "plain", "--json").json
    first = flashsale(*words, "--cache", cache, "--out", tmp_path / "first")
    second = flashsale(*words, "--cache", cache, "--out", tmp_path / "second")
    products = len(fs.load_scenario("standard").products)
    assert f"0 of {len(TEXTS) + products} texts were in" in first.err
    assert f"{len(TEXTS) + products} of {len(TEXTS) + products} texts were in" in second.err
    cached = flashsale(*words, "--cache", cache, "--out", tmp_path / "third", "--json").json
    assert cached["intents"] == plain["intents"]


def test_a_mapping_without_labels_is_refused(flashsale, messages, tmp_path):
    words = ("encode", messages("text\nhello\n"), "--text-column", "text", "--mapping", tmp_path / "m.toml")
    assert "name their column with --labels" in flashsale(*words, "--out", tmp_path / "out").complaint


def test_a_label_that_is_no_intent_is_refused(flashsale, messages, encoder, tmp_path):
    path = messages("text,intent\nhello,gitf\n")
    words = ("encode", path, "--text-column", "text", "--labels", "intent", "--encoder", encoder)
    assert "Did you mean 'gift'" in flashsale(*words, "--out", tmp_path / "out").complaint
    assert not (tmp_path / "out").exists()


def test_two_labelled_rows_an_intent_are_refused_before_an_encoder_is_loaded(flashsale, messages, tmp_path):
    rows = [f"{word} {i},{i}" for i in fs.INTENTS[:8] for word in ("alpha beta", "gamma delta")]
    path = messages("text,intent\n" + "\n".join(rows) + "\n")
    words = ("encode", path, "--text-column", "text", "--labels", "intent", "--out", tmp_path / "out")
    assert "needs at least one intent with 5 labelled messages or more" in flashsale(*words).complaint
    assert not (tmp_path / "out").exists()


def test_a_first_try_with_16_labelled_rows_ends_in_a_sentence(flashsale, messages, encoder, tmp_path):
    """Two rows of each of eight intents: too few for five folds, enough for two."""
    words = ("alpha beta gamma", "rho sigma tau")
    path = messages("text,intent\n" + "".join(f"{w} {i},{i}\n" for i in fs.INTENTS[:8] for w in words))
    asked = ("encode", path, "--text-column", "text", "--labels", "intent", "--encoder", encoder)
    said = flashsale(*asked, "--out", tmp_path / "out").complaint
    assert "needs at least one intent with 5 labelled messages" in said
    assert "use --folds 2" in said
    found = flashsale(*asked, "--folds", 2, "--out", tmp_path / "out", "--json").json
    assert len(found["cross_validation"]["folds"]) == 2


def test_customers_of_an_own_catalogue_play_the_scenario_of_an_own_shop(
    flashsale, messages, encoder, tmp_path, monkeypatch
):
    """Products that no shipped model knows get a demand model of their own, which can be used again."""
    monkeypatch.setattr("flashsale_env.encoders.world.assortment.VOICES", 180)
    monkeypatch.setattr("flashsale_env.encoders.world.assortment.VISITS", 6000)
    catalogue = messages("name;price\nGreen tea;8,50\nEspresso machine;240\n", "products.csv")
    path = messages("text\n" + "\n".join(TEXTS) + "\n")
    asked = ("encode", path, "--text-column", "text", "--encoder", encoder, "--out", tmp_path / "out")
    assert "give --separator ';'" in flashsale(*asked, "--catalogue", catalogue).complaint
    catalogue = messages("title,price\nGreen tea,8.50\nEspresso machine,240\n", "products.csv")
    answer = flashsale(*asked, "--catalogue", catalogue)
    assert answer.code == 0, answer.err
    assert "fitting demand for 2 products" in answer.err
    population = fs.Population.load(tmp_path / "out")
    assert population.products == ("Green tea", "Espresso machine")
    again = ("encode", path, "--text-column", "text", "--encoder", tmp_path / "out" / "encoder")
    second = flashsale(*again, "--catalogue", catalogue, "--out", tmp_path / "again")
    assert "fitting demand" not in second.err
    assert (fs.Population.load(tmp_path / "again").relevance == population.relevance).all()
    shop = fs.load_scenario("standard").replace(
        name="mine", population=str(tmp_path / "out"), replenishment=None,
        products=tuple(
            fs.Product(title=title, price_levels=(price, price / 2), initial_stock=100)
            for title, price in (("Espresso machine", 240.0), ("Green tea", 8.5))
        ),
    )  # fmt: skip
    fs.Simulator(shop)  # in another order


def test_some_of_the_shipped_products_in_another_order_need_no_new_model(flashsale, messages, encoder, tmp_path):
    from flashsale_env.experiments.toml_writer import scenario_toml

    standard = fs.load_scenario("standard")
    few = standard.replace(name="few", products=standard.products[4:1:-1])
    (tmp_path / "few.toml").write_text(scenario_toml(few), encoding="utf-8")
    path = messages("text\n" + "\n".join(TEXTS) + "\n")
    words = ("encode", path, "--text-column", "text", "--encoder", encoder, "--scenario", tmp_path / "few.toml")
    answer = flashsale(*words, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "fitting demand" not in answer.err
    fs.Simulator(few.replace(population=str(tmp_path / "out")))


def test_an_encoder_and_a_backbone_are_one_too_many(flashsale, messages, encoder, tmp_path):
    words = ("encode", messages("text\nhello\n"), "--text-column", "text", "--encoder", encoder, "--backbone", "tiny")
    assert "--encoder and --backbone are two encoders" in flashsale(*words, "--out", tmp_path / "out").complaint


def test_another_backbone_gets_heads_and_a_demand_model_of_its_own(flashsale, messages, tmp_path, monkeypatch):
    monkeypatch.setattr("flashsale_env.encoders.world.assortment.VOICES", 180)
    monkeypatch.setattr("flashsale_env.encoders.world.assortment.VISITS", 6000)
    monkeypatch.setattr("flashsale_env.experiments.encode._FROZEN", {"train": 180, "validation": 90})
    path = messages("text\n" + "\n".join(TEXTS) + "\n")
    words = ("encode", path, "--text-column", "text", "--backbone", "tiny", "--out", tmp_path / "out", "--json")
    found = flashsale(*words).json
    assert found["messages"] == 4
    card = fs.Population.load(tmp_path / "out").card["encoder"]
    assert card["backbone"]["name"] == "tiny"
    assert (tmp_path / "out" / "encoder" / "demand.json").is_file()
