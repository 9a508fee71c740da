"""The intent encoder: training, encoding, its files, and the shipped default on unseen phrasing."""

import json
from importlib import resources

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from flashsale_env.encoders.corpus.generator import Message, generate
from flashsale_env.encoders.studies import transfer
from flashsale_env.encoders.text.calibration import softmax
from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
from flashsale_env.encoders.text.inference import Reader
from flashsale_env.encoders.text.intent import IntentEncoder, evaluate
from flashsale_env.encoders.text.training import METHODS
from flashsale_env.encoders.text.weights import LORA
from flashsale_env.intents import INTENTS

CATALOGUE = (
    "wireless earbuds",
    "robot vacuum",
    "air fryer",
    "running shoes",
    "down jacket",
    "skin care set",
    "building blocks",
    "coffee beans",
)
TEXTS = ["where is my order", "price of the air fryer?", "I want to return this, it came broken", "emi"]


def tuned(method="lora", **settings):
    settings = {"backbone": "tiny", "epochs": 1, "progress": False, "device": "cpu"} | settings
    return IntentEncoder.fine_tune(generate("train", 540, 0), generate("validation", 180, 0), method=method, **settings)


@pytest.fixture(scope="module")
def encoders():
    """One encoder of each method on the tiny backbone, trained hard enough to have changed it."""
    return {
        "frozen": tuned("frozen"),
        "lora": tuned("lora", epochs=6, learning_rate=1e-2),
        "full": tuned("full", epochs=6, learning_rate=1e-2),
    }


@pytest.fixture(scope="module")
def default():
    return IntentEncoder.default(device="cpu")


@pytest.mark.parametrize("method", METHODS)
def test_an_encoding_has_probabilities_and_unit_vectors(encoders, method):
    encoding = encoders[method].encode(TEXTS)
    assert encoding.probabilities.shape == (4, 9)
    assert encoding.probabilities.dtype == encoding.embeddings.dtype == np.float32
    assert np.allclose(encoding.probabilities.sum(1), 1.0, atol=1e-6)
    assert np.allclose(np.linalg.norm(encoding.embeddings, axis=1), 1.0, atol=1e-5)
    assert encoding.intents == [INTENTS[i] for i in encoding.probabilities.argmax(1)]


@pytest.mark.parametrize("method", METHODS)
def test_even_a_random_backbone_learns_intents_far_better_than_chance(encoders, method):
    """Nine balanced intents: chance is 0.11, and three standard errors with 270 messages are 0.06."""
    assert evaluate(encoders[method], generate("evaluation", 270, 0))["accuracy"] > 0.25


@pytest.mark.parametrize("method", METHODS)
def test_a_loaded_encoder_gives_bit_for_bit_the_output_of_the_saved_one(encoders, method, tmp_path):
    encoder = encoders[method]
    loaded = IntentEncoder.load(encoder.save(tmp_path / "encoder"), device="cpu")
    a, b = encoder.encode(TEXTS), loaded.encode(TEXTS)
    assert np.array_equal(a.probabilities, b.probabilities)
    assert np.array_equal(a.embeddings, b.embeddings)
    assert loaded.card == encoder.card


def test_fine_tuning_changes_the_backbone_and_freezing_does_not(encoders):
    frozen, lora, full = (encoders[m].encode(TEXTS).embeddings for m in ("frozen", "lora", "full"))
    assert all(encoders[m].card["training"]["best_epoch"] > 0 for m in ("lora", "full"))
    assert not np.allclose(frozen, lora, atol=1e-3)
    assert not np.allclose(frozen, full, atol=1e-3)


def test_the_kept_epoch_is_the_one_with_the_lowest_validation_loss(encoders):
    training = encoders["lora"].card["training"]
    losses = [row["validation_log_loss"] for row in training["history"]]
    assert len(losses) == training["epochs"] + 1
    assert training["best_epoch"] == int(np.argmin(losses))


def test_an_absurd_learning_rate_falls_back_to_the_frozen_start(encoders):
    """The untouched backbone with its fitted head is a candidate, so training never makes it worse."""
    wrecked = tuned("full", learning_rate=10.0)
    assert wrecked.card["training"]["best_epoch"] == 0
    a, b = wrecked.encode(TEXTS).probabilities, encoders["frozen"].encode(TEXTS).probabilities
    assert np.allclose(a, b, atol=1e-6)


def test_equal_seeds_train_equal_encoders_and_another_seed_another_one():
    a, b, c = (tuned(seed=s, learning_rate=1e-2) for s in (1, 1, 2))
    assert a.card["training"]["history"] == b.card["training"]["history"] != c.card["training"]["history"]
    assert np.array_equal(a.encode(TEXTS).probabilities, b.encode(TEXTS).probabilities)


def test_training_leaves_the_global_generators_alone():
    before, before_numpy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    tuned()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (np.random.get_state()[1] == before_numpy).all()  # noqa: NPY002


def test_the_order_of_texts_is_kept_whatever_the_batch(encoders):
    texts = [m.text for m in generate("evaluation", 60, 0)]
    whole = encoders["lora"].encode(texts, batch_size=256).embeddings
    small = encoders["lora"].encode(texts, batch_size=7).embeddings
    backwards = encoders["lora"].encode(texts[::-1]).embeddings[::-1]
    assert np.allclose(whole, small, atol=1e-5)
    assert np.allclose(whole, backwards, atol=1e-5)


def test_no_texts_give_an_empty_encoding(encoders):
    encoding = encoders["lora"].encode([])
    assert encoding.probabilities.shape == (0, 9)
    assert encoding.embeddings.shape == (0, 64)


def test_a_message_of_ten_thousand_characters_is_truncated(encoders):
    with pytest.warns(UserWarning, match="only their beginning and end are read: "):
        encoding = encoders["lora"].encode(["price", ("where is my order " * 600)[:10_000]])
    assert np.isfinite(encoding.embeddings).all()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["price", "  "], "row 1 is empty: got '  '"),
        (["price", "order", None], "row 2 is not text: got None of type NoneType"),
        ([float("nan")], "row 0 is not text: got nan of type float"),
        ("where is my order", "got one string"),
    ],
)
def test_an_invalid_text_is_named_by_its_row(encoders, texts, message):
    with pytest.raises(ValueError, match=message):
        encoders["frozen"].encode(texts)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "lorra"}, "unknown method 'lorra'"),
        ({"epochs": 0}, "must be positive, got epochs=0"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
    ],
)
def test_bad_training_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        tuned(**settings)


def test_training_without_an_intent_or_with_an_unknown_one_is_refused():
    messages = generate("train", 90, 0)
    some = [m for m in messages if m.intent != "gift"]
    with pytest.raises(ValueError, match="no message of gift"):
        IntentEncoder.fine_tune(some, messages, backbone="tiny", progress=False)
    strange = [*messages, Message("hm", "musing", "x", None)]
    with pytest.raises(ValueError, match="message 90 has intent 'musing'"):
        IntentEncoder.fine_tune(strange, messages, backbone="tiny", progress=False)
    with pytest.raises(ValueError, match="messages_validation is empty"):
        IntentEncoder.fine_tune(messages, [], backbone="tiny", progress=False)


@pytest.fixture
def saved(encoders, tmp_path):
    return encoders["lora"].save(tmp_path / "encoder")


def edit_card(folder, **changes):
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", ["card.json", "head.safetensors", "adapter.safetensors", "scope.safetensors"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing"):
        IntentEncoder.load(saved)


@pytest.mark.parametrize("name", ["head.safetensors", "adapter.safetensors", "scope.safetensors"])
@pytest.mark.parametrize("damage", [lambda b: b[:-8], lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_truncated_or_changed_file_is_refused(saved, name, damage):
    path = saved / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="damaged or was changed: its sha256"):
        IntentEncoder.load(saved)


def test_a_truncated_card_is_refused(saved):
    path = saved / "card.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ValueError, match="not valid JSON"):
        IntentEncoder.load(saved)


def test_another_order_of_intents_is_refused(saved):
    edit_card(saved, intents=list(INTENTS[::-1]))
    with pytest.raises(ValueError, match="other intents or another order"):
        IntentEncoder.load(saved)


def test_another_backbone_than_the_one_trained_on_is_refused(saved):
    with pytest.raises(ValueError, match="was fine-tuned on backbone 'tiny' with sha256"):
        IntentEncoder.load(saved, backbone="minilm")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "has format 99"),
        ({"kind": "population"}, "not the card of an intent encoder"),
        ({"method": "magic"}, "names method 'magic'"),
    ],
)
def test_a_card_of_something_else_is_refused(saved, changes, message):
    edit_card(saved, **changes)
    with pytest.raises(ValueError, match=message):
        IntentEncoder.load(saved)


def test_an_adapter_of_another_shape_is_refused(saved, monkeypatch):
    monkeypatch.setitem(LORA, "r", 4)
    with pytest.raises(ValueError, match="the adapter does not fit backbone 'tiny'"):
        IntentEncoder.load(saved)


def test_an_encoder_without_calibration_has_temperature_one_and_no_scope(encoders, saved):
    """Files of encoders from before there was a calibration stay readable."""
    card = json.loads((saved / "card.json").read_text())
    del card["calibration"], card["out_of_scope"], card["files"]["scope.safetensors"]
    (saved / "card.json").write_text(json.dumps(card))
    (saved / "scope.safetensors").unlink()
    old = IntentEncoder.load(saved, device="cpu")
    encoding = old.encode(TEXTS)
    assert old.temperature == 1.0
    assert encoding.in_scope is None
    assert encoding.scope_score is None
    with pytest.raises(ValueError, match="has no out-of-scope score"):
        transfer.out_of_scope(old, TEXTS, TEXTS)
    logits = encoding.embeddings @ old.head["weight"].numpy().T + old.head["bias"].numpy()
    assert np.allclose(encoding.probabilities, softmax(logits), atol=1e-6)


def test_logits_are_divided_by_the_temperature_of_the_card(encoders):
    encoder = encoders["lora"]
    calibration = encoder.card["calibration"]
    assert calibration["messages"] == 180
    assert calibration["temperature"] != 1.0
    encoding = encoder.encode(TEXTS)
    logits = encoding.embeddings @ encoder.head["weight"].numpy().T + encoder.head["bias"].numpy()
    assert np.allclose(encoding.probabilities, softmax(logits, calibration["temperature"]), atol=1e-6)


def test_validation_messages_pass_their_own_threshold(encoders):
    encoding = encoders["lora"].encode([m.text for m in generate("validation", 180, 0)])
    assert encoding.in_scope.dtype == bool
    assert encoding.in_scope.mean() == pytest.approx(0.95, abs=0.01)


def test_a_cache_gives_the_same_encoding_without_the_backbone(encoders, tmp_path, monkeypatch):
    cache = EmbeddingCache(tmp_path / "cache")
    first = encoders["lora"].encode(TEXTS, cache=cache)
    monkeypatch.setattr(Reader, "pool_all", lambda *_, **__: pytest.fail("computed the embedding again"))
    again = encoders["lora"].encode(TEXTS, cache=cache)
    assert np.array_equal(first.probabilities, again.probabilities)


def test_a_text_in_an_unknown_language_is_encoded_with_a_warning(default):
    with pytest.warns(UserWarning, match="a language that backbone 'minilm' was not trained on"):
        default.encode(["where is my order", "我的快递什么时候到"])


def test_saving_to_a_folder_in_use_needs_overwrite(encoders, saved):
    with pytest.raises(FileExistsError, match="already holds something"):
        encoders["frozen"].save(saved)
    encoders["frozen"].save(saved, overwrite=True)
    assert IntentEncoder.load(saved).method == "frozen"
    assert not list(saved.glob(".*"))


def test_confusion_rows_are_the_truth(encoders):
    messages = generate("evaluation", 90, 0)
    confusion = np.array(evaluate(encoders["frozen"], messages)["confusion"])
    assert confusion.shape == (9, 9)
    assert (confusion.sum(1) == 10).all()


def test_the_default_reads_unseen_phrasing_as_well_as_its_card_says(default):
    """With 900 messages of another seed the standard error is 0.013."""
    found = evaluate(default, generate("evaluation", 900, 1))
    for name, tolerance in (("accuracy", 0.04), ("macro_f1", 0.04)):
        assert found[name] == pytest.approx(default.card["figures"]["evaluation"]["en"][name], abs=tolerance)


def test_the_default_embedding_still_carries_the_product_named(default):
    """Fine-tuning for intent must not erase the product: the demand model needs it."""

    def named(split, size):
        messages = [m for m in generate(split, size, 0, goods=CATALOGUE) if m.good]
        return default.encode([m.text for m in messages]).embeddings, [m.good for m in messages]

    features, goods = named("demand", 900)
    model = LogisticRegression(C=10.0, max_iter=200).fit(features, goods)
    assert model.score(*named("evaluation", 900)) > 0.9


def test_the_default_classifies_plain_requests(default):
    wanted = {
        "do you ship to Norway and how much is postage": "shipping_question",
        "My blender leaks, I'd like my money refunded": "complaint_return",
        "any vouchers for the headphones?": "bargain_hunting",
        "wrapping paper for my sister's birthday present possible?": "gift",
        "we would need 400 chairs for a conference centre": "bulk",
    }
    assert default.encode(list(wanted)).intents == list(wanted.values())


def test_what_is_said_after_a_purchase_is_no_purchase(default):
    """In the first corpus "my order" stood in orders, and these were read as the keenest buyers."""
    wanted = {
        "where's my order": "shipping_question",
        "where is my order please": "shipping_question",
        "my order arrived broken": "complaint_return",
        "stop my order": "complaint_return",
    }
    assert default.encode(list(wanted)).intents == list(wanted.values())


def test_the_default_is_small_and_records_how_to_rebuild_it(default):
    folder = resources.files("flashsale_env.encoders").joinpath("data", "default")
    assert sum(len(folder.joinpath(f"{n}.safetensors").read_bytes()) for n in ("adapter", "head", "scope")) < 2_000_000
    assert " --out encoders/data/default" in default.card["command"]
    found, reference = (default.card["figures"][name]["en"]["macro_f1"] for name in ("evaluation", "tfidf_evaluation"))
    assert found > reference


def test_progress_goes_to_standard_error_only(encoders, capsys):
    encoders["frozen"].encode(TEXTS, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "encoding" in captured.err
