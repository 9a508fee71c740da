"""Embeddings on disk, kept between runs.

Owns    the map (key of a reader, text) -> vector, its files, and their size.
Leaves  the meaning of the key, and computing missing vectors, to `inference`.
Axes    n texts, k of them found, w the vectors' width.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors

from flashsale_env.files import write_atomically

__all__ = ["EmbeddingCache"]


class EmbeddingCache:
    """Vectors on disk, looked up by (reader's key, text).

    There is one folder per key, with shards that are written once and never changed: safetensors files with hashes of
    texts and their vectors, named by their own sha256. Processes can share a cache: they write different files, and
    when one of them merges or removes a shard, the other only has to compute some vectors again. `hits` and `misses`
    count the texts looked up by `get`.
    """

    MAX_SHARDS = 64  # per key; more are merged into one, so that many small writes do not leave many small files

    def __init__(self, folder: str | Path, *, max_bytes: int = 256 << 20) -> None:
        """Open or create a cache.

        Args:
            folder: used by this cache alone.
            max_bytes: of all shards together; the oldest are removed first. 256 MiB hold 160,000 vectors of width 384.

        Raises:
            ValueError: max_bytes is not positive.
            OSError: the folder cannot be created or is not writable. This is checked here, before any vector is
                computed.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be positive, got {max_bytes}.")
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder):
            pass
        self.max_bytes = max_bytes
        self.hits = self.misses = 0
        self._shards: dict[Path, tuple[dict[bytes, int], npt.NDArray[np.float32]]] = {}

    def get(self, key: str, texts: Sequence[str], width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Vectors of the texts found, in their order: (k, width), and whether each text was found: (n,).

        Warns:
            UserWarning: a shard is damaged; it is removed, and its texts count as missing.
        """
        self._refresh(key)
        shards = [shard for path, shard in self._shards.items() if path.parent.name == key]
        found = np.zeros(len(texts), np.bool_)
        vectors = []
        for i, text in enumerate(texts):
            name = _text_hash(text)
            for rows, values in shards:
                if name in rows:
                    vectors.append(values[rows[name]])
                    found[i] = True
                    break
        self.hits += int(found.sum())
        self.misses += int((~found).sum())
        return np.array(vectors, np.float32).reshape(-1, width), found

    def put(self, key: str, texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> None:
        """Store the vectors (n, w) of n texts."""
        folder = self.folder / key
        folder.mkdir(parents=True, exist_ok=True)
        names = np.frombuffer(b"".join(map(_text_hash, texts)), np.uint8).reshape(len(texts), -1)
        _write_shard(folder, names, vectors)
        own = list(folder.glob("*.safetensors"))
        if len(own) > self.MAX_SHARDS:
            self._merge(key, own)
        self._shrink()

    def _refresh(self, key: str) -> None:
        """Load new shards and drop those that were removed."""
        present = set((self.folder / key).glob("*.safetensors"))
        for path in [path for path in self._shards if path.parent.name == key and path not in present]:
            del self._shards[path]
        for path in sorted(present - self._shards.keys()):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # another process has just merged or removed it
                continue
            if hashlib.sha256(content).hexdigest() != path.stem:
                warnings.warn(
                    f"{path} is damaged (its sha256 is not its name): it is ignored and removed, and its texts are "
                    f"computed again.",
                    UserWarning,
                    stacklevel=4,
                )
                path.unlink(missing_ok=True)
                continue
            tensors = from_safetensors(content)
            rows = {name.tobytes(): i for i, name in enumerate(tensors["texts"])}
            self._shards[path] = (rows, tensors["vectors"])

    def _merge(self, key: str, paths: Sequence[Path]) -> None:
        self._refresh(key)
        known = {path: self._shards[path] for path in paths if path in self._shards}
        merged = {name: values[i] for rows, values in known.values() for name, i in rows.items()}
        names = np.frombuffer(b"".join(merged), np.uint8).reshape(len(merged), -1)
        kept = _write_shard(self.folder / key, names, np.array(list(merged.values()), np.float32))
        for path in known.keys() - {kept}:
            path.unlink(missing_ok=True)

    def _shrink(self) -> None:
        """Remove the oldest shards, of any key, until the rest fits."""
        aged = []
        for path in self.folder.glob("*/*.safetensors"):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            aged.append((found.st_mtime_ns, path, found.st_size))
        total = sum(size for _, _, size in aged)
        for _, path, size in sorted(aged):
            if total <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size


def _text_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _write_shard(folder: Path, names: npt.NDArray[np.uint8], vectors: npt.NDArray[np.float32]) -> Path:
    content = to_safetensors({"texts": np.ascontiguousarray(names), "vectors": np.ascontiguousarray(vectors)})
    path = folder / f"{hashlib.sha256(content).hexdigest()}.safetensors"
    write_atomically(path, content)
    return path
