"""An encoder that is fine-tuned in seconds, for studies that read with one."""

import pytest

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.text.intent import IntentEncoder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """The folder of an encoder on the tiny backbone."""
    train, validation = (generate(split, 90, 0) for split in ("train", "validation"))
    encoder = IntentEncoder.fine_tune(train, validation, backbone="tiny", method="frozen", progress=False)
    return encoder.save(tmp_path_factory.mktemp("tiny") / "encoder")
