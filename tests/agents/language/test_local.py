"""A model in a folder: a tiny one, built here, with random weights."""

import pytest

from flashsale_env import agents
from flashsale_env.agents.language import Caller, LanguageAgent, LocalModel, play_in_words

CHAT = (
    "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}assistant{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unk>", "<end>", "user", "assistant", "system", "hello", "price", "ticket"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=1,
    )
    home = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(config).save_pretrained(home)
    fast.save_pretrained(home)
    return home, fast


def test_the_same_question_gets_the_same_answer_with_and_without_a_form_of_conversation(folder):
    home, tokenizer = folder
    model = LocalModel(home, answer_tokens=5, device="cpu")
    question = [{"role": "user", "content": "hello price"}]
    plain = model.ask(question)
    assert plain == LocalModel(home, answer_tokens=5, device="cpu").ask(question)
    assert plain.completion_tokens <= 5
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(home)
    chat = LocalModel(home, answer_tokens=5, device="cpu").ask(question)
    assert chat.prompt_tokens == 4  # user hello price assistant
    assert model.name == home.name


def test_it_plays_a_sale(folder):
    agent = LanguageAgent(Caller(LocalModel(folder[0], answer_tokens=3, device="cpu")), attempts=1, memory=0)
    played = play_in_words(agent, "gvr-periodic", seeds=agents.split_seeds("test", 0, 1))
    assert played.passed == 10, "random weights write no JSON, and the sale goes on as it is set"


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model at"):
        LocalModel(tmp_path / "nothing")
