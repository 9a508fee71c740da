"""Fine-tuning: options, each by an identity or by what it must change; resuming; continuing from an encoder."""

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from flashsale_env.encoders.corpus.generator import Message, generate
from flashsale_env.encoders.text import training
from flashsale_env.encoders.text.backbone import load_backbone
from flashsale_env.encoders.text.checkpoint import CHECKPOINT
from flashsale_env.encoders.text.heads import targets
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.text.training import FineTuning, tune
from flashsale_env.intents import INTENTS

TRAIN, VALIDATION = generate("train", 144, 0), generate("validation", 45, 0)
FAST = FineTuning(learning_rate=1e-2, batch_size=16, epochs=2)
# Words of the tiny vocabulary, enough for a random backbone to improve on its frozen self within two epochs.
WORDS = {
    "bargain_hunting": "price cost discount coupon", "urgent_purchase": "buy now today need",
    "browsing": "recommend size features what", "comparison": "compare difference versus better",
    "gift": "gift present birthday wrap", "complaint_return": "refund return broken damaged",
    "shipping_question": "deliver ship track late", "brand_loyal": "original genuine fake always",
    "bulk": "wholesale dealer units bulk",
}  # fmt: skip


def telling(size, seed):
    """Messages of three words; two of them tell the intent."""
    rng = np.random.default_rng(seed)
    messages = []
    for i in range(size):
        intent = INTENTS[i % len(INTENTS)]
        a, b = rng.choice(WORDS[intent].split(), 2, replace=False)
        messages.append(Message(f"{a} {rng.choice(['the', 'my', 'you', 'it'])} {b}", intent, "telling", None))
    return messages


@pytest.fixture(scope="module")
def still():
    """The tiny backbone without dropout, so that two computations of one step can be compared."""
    backbone = load_backbone("tiny")
    for module in backbone.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return backbone


def final(backbone, **changes):
    return tune(backbone, TRAIN, VALIDATION, replace(FAST, **changes))


def same(a, b, tolerance=0.0):
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], rtol=0, atol=tolerance) for k in a)


def losses(found):
    return [row["validation_log_loss"] for row in found.history]


def test_a_batch_computed_in_parts_is_the_same_step(still):
    """Up to the order of float32 sums, which AdamW amplifies. Class weights make the parts unequal."""
    for weights in (None, "balanced"):
        whole = final(still, method="full", learning_rate=1e-4, class_weights=weights, precision="fp32")
        parts = final(
            still, method="full", learning_rate=1e-4, class_weights=weights, precision="fp32", gradient_accumulation=3
        )
        assert losses(parts) == pytest.approx(losses(whole), abs=2e-4)
        assert same(whole.weights, parts.weights, tolerance=2e-4)


def test_full_fine_tuning_leaves_the_embeddings_alone(tiny):
    found = tune(tiny, telling(144, 0), telling(45, 1), replace(FAST, method="full", learning_rate=1e-3))
    assert not [key for key in found.weights if key.startswith("embeddings.")]
    encoder = IntentEncoder(tiny, "full", found.weights, found.head, {"backbone": {}})
    layers, pretrained = encoder.backbone.model.state_dict(), tiny.model.state_dict()
    changed = {key for key in layers if not torch.equal(layers[key], pretrained[key])}
    assert changed
    assert not [key for key in changed if key.startswith("embeddings.")]


@pytest.fixture(scope="module")
def uneven():
    """More gifts than other messages: the class weights of balanced messages would all be 1."""
    return TRAIN[:64] + [m for m in TRAIN if m.intent == "gift"]


@pytest.fixture(scope="module")
def plain(tiny, uneven):
    return tune(tiny, uneven, VALIDATION, replace(FAST, precision="fp32", epochs=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"label_smoothing": 0.0},
        {"class_weights": "balanced"},
        {"adversarial": "fgm"},
        {"augmentation": "typo"},
        {"seed": 1},
        {"precision": "bf16"},
    ],
)
def test_each_option_changes_the_result(tiny, uneven, plain, changes):
    other = tune(tiny, uneven, VALIDATION, replace(FAST, **({"precision": "fp32", "epochs": 1} | changes)))
    assert losses(plain)[1] != losses(other)[1]


def test_the_adversarial_step_raises_the_loss_and_is_undone_afterwards(still):
    tuner = training._Tuner(
        still,
        replace(FAST, adversarial="fgm", epsilon=5.0, precision="fp32"),
        final(still, method="frozen").head,
        {"intent": targets(TRAIN, "intent")},
        None,
    )
    tokens = still.tokenize([m.text for m in TRAIN])
    rows = np.arange(32)
    tuner.net.train()
    tuner.net.apply(lambda m: setattr(m, "p", 0.0) if isinstance(m, torch.nn.Dropout) else None)
    clean = tuner.loss(rows, rows, tokens)
    clean.backward()
    with tuner.attack.shifted():
        moved = tuner.loss(rows, rows, tokens)
        length = tuner.attack.shift.flatten(1).norm(dim=1)
    assert moved > clean
    assert torch.allclose(length, torch.tensor(5.0), rtol=1e-4)
    assert torch.equal(tuner.loss(rows, rows, tokens), clean)


def test_training_stops_when_patience_is_out(tiny):
    """With an absurd learning rate the frozen start stays best, and training stops after two epochs without a gain."""
    found = final(tiny, method="full", learning_rate=10.0, epochs=9, patience=2)
    assert len(found.history) == 1 + 2
    assert found.best_epoch == 0


def test_class_weights_lift_a_rare_intent(tiny):
    gifts = [m for m in TRAIN if m.intent == "gift"]
    rare = [m for m in TRAIN if m.intent != "gift"] + gifts[:2]
    others = generate("evaluation", 450, 0)

    def share_of_gifts(weights):
        encoder = IntentEncoder.fine_tune(
            rare, VALIDATION, backbone="tiny", method="frozen", class_weights=weights, progress=False
        )
        return Counter(encoder.encode([m.text for m in others]).intents)["gift"] / len(others)

    assert share_of_gifts("balanced") > share_of_gifts(None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "lorra"}, "unknown method 'lorra'. Did you mean 'lora'"),
        ({"augmentation": "typos"}, "Did you mean 'typo'"),
        ({"adversarial": "pgd"}, "unknown adversarial training 'pgd'"),
        ({"class_weights": "even"}, "unknown class_weights 'even'"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"patience": 0}, "must be positive, got .*patience=0"),
        ({"label_smoothing": 1.0}, r"must lie in \[0, 1\)"),
    ],
)
def test_a_setting_that_cannot_be_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        FineTuning(**changes)


def test_an_unknown_setting_is_named():
    with pytest.raises(ValueError, match="unknown setting of FineTuning 'epoch'"):
        IntentEncoder.fine_tune(TRAIN, VALIDATION, backbone="tiny", epoch=3)


# -- sentiment ---------------------------------------------------------------------------------------------------------


def with_sentiments(messages):
    """Complaints are negative, gifts positive, other messages neutral; every third message has no label."""
    sentiment = {"complaint_return": "negative", "gift": "positive"}
    return [
        replace(m, sentiment=None if i % 3 == 0 else sentiment.get(m.intent, "neutral")) for i, m in enumerate(messages)
    ]


@pytest.fixture(scope="module")
def both_heads():
    train, validation = with_sentiments(telling(144, 0)), with_sentiments(telling(45, 1))
    return IntentEncoder.fine_tune(train, validation, FAST, backbone="tiny", sentiment_weight=0.5, progress=False)


def test_an_encoder_with_a_sentiment_head_predicts_both(both_heads, tmp_path):
    messages = telling(90, 2)
    texts = [m.text for m in messages]
    encoding = both_heads.encode(texts)
    assert encoding.sentiment.shape == (len(texts), 3)
    assert np.allclose(encoding.sentiment.sum(axis=1), 1, atol=1e-6)
    complaints = np.array([m.intent == "complaint_return" for m in messages])
    assert encoding.sentiment[complaints, 0].mean() > encoding.sentiment[~complaints, 0].mean() + 0.05
    loaded = IntentEncoder.load(both_heads.save(tmp_path / "both_heads"), device="cpu").encode(texts)
    assert np.array_equal(loaded.sentiment, encoding.sentiment)
    assert np.array_equal(loaded.probabilities, encoding.probabilities)


def test_without_the_head_there_is_no_sentiment():
    encoder = IntentEncoder.fine_tune(TRAIN, VALIDATION, backbone="tiny", method="frozen", progress=False)
    assert encoder.encode(["price"]).sentiment is None


def test_a_message_without_a_sentiment_label_adds_no_sentiment_loss(still):
    messages = with_sentiments(TRAIN)
    target = {task: targets(messages, task) for task in ("intent", "sentiment")}
    head = tune(still, messages, VALIDATION, replace(FAST, method="frozen", sentiment_weight=1.0)).head
    tokens = still.tokenize([m.text for m in messages])
    tuner = training._Tuner(still, replace(FAST, sentiment_weight=1.0, precision="fp32"), head, target, None)
    tuner.net.eval()
    silent = np.array([i for i in range(24) if messages[i].sentiment is None])
    both = tuner.loss(silent, silent, tokens)
    del tuner.heads["sentiment"]
    assert torch.equal(tuner.loss(silent, silent, tokens), both)


def test_a_sentiment_without_messages_is_refused():
    with pytest.raises(ValueError, match="no message of negative, neutral, positive: each sentiment needs some"):
        tune(
            load_backbone("tiny"),
            [replace(m, sentiment=None) for m in TRAIN],
            VALIDATION,
            replace(FAST, sentiment_weight=1.0),
        )


# -- resuming ----------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from flashsale_env.encoders.corpus.generator import Message, generate
from flashsale_env.encoders.text import checkpoint, training
from flashsale_env.encoders.text.backbone import load_backbone
import torch
torch.set_num_threads(int(sys.argv[2]))
written, write = 0, checkpoint.write_atomically
def write_and_die(path, content):
    global written
    write(path, content)
    written += 1
    if written == 3:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint.write_atomically = write_and_die
settings = training.FineTuning(learning_rate=1e-2, batch_size=16, epochs=2, augmentation="typo", adversarial="fgm")
training.tune(load_backbone("tiny"), generate("train", 144, 0), generate("validation", 45, 0), settings,
              checkpoint=sys.argv[1], checkpoint_every=4)
"""


def test_a_killed_run_resumes_to_the_weights_of_an_uninterrupted_one(tiny, tmp_path):
    """Killed in the second epoch (after checkpoints at steps 4, 8 and, at the epoch's end, 9)."""
    settings = replace(FAST, augmentation="typo", adversarial="fgm")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(torch.get_num_threads())], check=False)
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == [CHECKPOINT]  # noqa: PTH208
    resumed = tune(tiny, TRAIN, VALIDATION, settings, checkpoint=tmp_path, checkpoint_every=4)
    whole = tune(tiny, TRAIN, VALIDATION, settings)
    assert resumed.history == whole.history
    assert same(resumed.weights, whole.weights)
    assert same(resumed.head, whole.head)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_that_stops_within_an_epoch_resumes_bit_for_bit(tiny, tmp_path, monkeypatch, method):
    settings = replace(FAST, method=method, learning_rate=1e-3, sentiment_weight=0.5)
    train = with_sentiments(TRAIN)
    step = training._Tuner.take_step

    def stops(self, *arguments):
        if self.step == 14:
            raise KeyboardInterrupt
        step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training._Tuner, "take_step", stops)
        with pytest.raises(KeyboardInterrupt):
            tune(tiny, train, VALIDATION, settings, checkpoint=tmp_path, checkpoint_every=4)
    taken = []
    monkeypatch.setattr(training._Tuner, "take_step", lambda self, *a: (taken.append(self.step), step(self, *a)))
    resumed = tune(tiny, train, VALIDATION, settings, checkpoint=tmp_path, checkpoint_every=4)
    assert taken == list(range(12, 18))
    whole = tune(tiny, train, VALIDATION, settings)
    assert resumed.history == whole.history
    assert same(resumed.weights, whole.weights)
    assert same(resumed.head, whole.head)


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tiny, tmp_path):
    tune(tiny, TRAIN, VALIDATION, replace(FAST, epochs=1), checkpoint=tmp_path)
    assert "adam/0/exp_avg" in load_file(tmp_path / CHECKPOINT)
    with pytest.raises(ValueError, match="belongs to another run: its settings differ"):
        tune(tiny, TRAIN, VALIDATION, replace(FAST, epochs=1, seed=1), checkpoint=tmp_path)
    with pytest.raises(ValueError, match="belongs to another run: its messages differ"):
        tune(tiny, TRAIN[:-1], VALIDATION, replace(FAST, epochs=1), checkpoint=tmp_path)
    content = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is not a checkpoint of a fine-tuning run"):
        tune(tiny, TRAIN, VALIDATION, replace(FAST, epochs=1), checkpoint=tmp_path)


# -- starting from an encoder ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder():
    return IntentEncoder.fine_tune(TRAIN, VALIDATION, FAST, backbone="tiny", progress=False)


def test_continuing_from_an_encoder_starts_where_it_ended(encoder):
    """With a learning rate of practically 0 the embeddings stay those of the start."""
    more = IntentEncoder.fine_tune(
        TRAIN, VALIDATION, FAST, start=encoder, learning_rate=1e-12, progress=False, epochs=1
    )
    texts = [m.text for m in VALIDATION]
    assert np.allclose(more.encode(texts).embeddings, encoder.encode(texts).embeddings, atol=1e-5)
    assert more.card["start"]["files"] == encoder.hashes()


def test_refitting_the_head_of_an_encoder_keeps_its_embeddings(encoder, tmp_path):
    refit = IntentEncoder.fine_tune(
        generate("train", 180, 7), VALIDATION, start=encoder, method="frozen", progress=False
    )
    texts = [m.text for m in VALIDATION]
    assert refit.method == "lora"
    assert np.array_equal(refit.encode(texts).embeddings, encoder.encode(texts).embeddings)
    assert not np.array_equal(refit.encode(texts).probabilities, encoder.encode(texts).probabilities)
    loaded = IntentEncoder.load(refit.save(tmp_path / "refit"), device="cpu")
    assert np.array_equal(loaded.encode(texts).probabilities, refit.encode(texts).probabilities)


def test_one_method_cannot_continue_another(encoder):
    with pytest.raises(ValueError, match="'lora', which 'full' cannot continue"):
        IntentEncoder.fine_tune(TRAIN, VALIDATION, start=encoder, method="full", progress=False)
