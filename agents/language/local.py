"""A model in a folder of this machine, run by transformers.

A folder holds a causal language model as `save_pretrained` writes it, or one GGUF file beside its tokenizer. Nothing is
fetched, and no code of the folder is run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flashsale_env.agents.devices import torch_device
from flashsale_env.agents.language.models import Message, Reply


class LocalModel:
    """A causal language model that answers greedily, so the same question always gets the same answer.

    Args:
        folder: of the model.
        answer_tokens: the longest answer.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ModuleNotFoundError: transformers is not installed.
        FileNotFoundError: no such folder.
    """

    def __init__(self, folder: str | Path, *, answer_tokens: int = 256, device: str = "auto") -> None:
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "a local model needs the package 'transformers': pip install 'flashsale-env[encoders]'",
                name="transformers",
            ) from None
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"no model at {folder}: want a folder as `save_pretrained` writes it.")
        files = sorted(path.name for path in folder.glob("*.gguf"))
        options: dict[str, Any] = {"local_files_only": True} | ({"gguf_file": files[0]} if files else {})
        self.name = folder.resolve().name
        self._device = torch_device(device)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
        self._model = model.to(self._device).eval()
        self._answer_tokens = answer_tokens

    def ask(self, messages: Sequence[Message]) -> Reply:
        """The answer to a conversation, in the model's own form of a conversation where it has one."""
        import torch

        tokenizer = self._tokenizer
        if tokenizer.chat_template:
            text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        else:
            text = "\n\n".join(f"{message['role']}: {message['content']}" for message in messages) + "\n\nassistant: "
        inputs = tokenizer(text, return_tensors="pt", add_special_tokens=not tokenizer.chat_template)
        inputs = {name: tensor.to(self._device) for name, tensor in inputs.items() if name != "token_type_ids"}
        asked = inputs["input_ids"].shape[1]
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs, do_sample=False, max_new_tokens=self._answer_tokens, pad_token_id=pad
            )[0, asked:]
        return Reply(tokenizer.decode(tokens, skip_special_tokens=True), asked, len(tokens))
