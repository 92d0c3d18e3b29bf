"""`sentence-transformers`: a model for embeddings saved to the Hub, and loaded from it."""

from collections.abc import Callable
from pathlib import Path

from customer import Customer

SCRIPT = """
import os
import numpy as np
from sentence_transformers import SentenceTransformer, models

words = models.Transformer(os.environ["BASE"])
model = SentenceTransformer(
    modules=[words, models.Pooling(words.get_word_embedding_dimension())], device="cpu"
)
repo = os.environ["REPO"]
model.push_to_hub(repo, private=True)
again = SentenceTransformer(repo, device="cpu")
texts = ["One sentence.", "Another one."]
assert np.array_equal(model.encode(texts), again.encode(texts))
print(again.get_sentence_embedding_dimension())
"""


def test_embeddings_of_what_was_loaded_are_the_same(
    eve: Customer, python: Callable[..., str], way: dict[str, str], base: Path
) -> None:
    repo = f"{eve.name}/sentences"
    said = python(SCRIPT, REPO=repo, BASE=str(base), HF_TOKEN=eve.token, **way)
    assert int(said) > 0
    files = eve.api.list_repo_files(repo)
    assert {"modules.json", "1_Pooling/config.json", "model.safetensors"} <= set(files)
