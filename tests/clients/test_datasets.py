"""`datasets`: rows pushed, loaded, streamed; configurations and splits."""

from collections.abc import Callable

from customer import Customer

SCRIPT = """
import os
from datasets import Dataset, DatasetDict, load_dataset

repo = os.environ["REPO"]
numbers = range(3000)
rows = Dataset.from_dict({"text": [f"row {n}" for n in numbers], "label": [n % 3 for n in numbers]})
DatasetDict({"train": rows, "test": rows.select(range(10))}).push_to_hub(repo, private=True)
rows.select(range(20)).push_to_hub(repo, "other", split="train")
loaded = load_dataset(repo)
assert loaded["train"].to_dict() == rows.to_dict()
assert loaded["test"].num_rows == 10
assert load_dataset(repo, "other", split="train").num_rows == 20
streamed = load_dataset(repo, split="train", streaming=True)
assert [row["text"] for row in streamed.take(3)] == ["row 0", "row 1", "row 2"]
assert sum(1 for _ in streamed) == 3000
rows.select(range(5)).push_to_hub(repo, split="test")
assert load_dataset(repo, split="test", download_mode="force_redownload").num_rows == 5
print("done")
"""


def test_rows_come_back(eve: Customer, python: Callable[..., str], way: dict[str, str]) -> None:
    repo = f"{eve.name}/rows"
    assert python(SCRIPT, REPO=repo, HF_TOKEN=eve.token, **way).strip() == "done"
    info = eve.api.dataset_info(repo)
    assert info.card_data is not None
    names = {config["config_name"] for config in info.card_data["configs"]}
    assert names == {"default", "other"}


CSV = """
import os
from datasets import load_dataset
from huggingface_hub import HfApi

repo = os.environ["REPO"]
api = HfApi()
api.create_repo(repo, repo_type="dataset")

def upload(path, text):
    api.upload_file(
        path_or_fileobj=text.encode(), path_in_repo=path, repo_id=repo, repo_type="dataset"
    )

upload("train.csv", "text,label\\n" + "".join(f"row {n},{n % 2}\\n" for n in range(200)))
upload("data/validation.jsonl", "".join(f'{{"text": "row {n}"}}\\n' for n in range(50)))
print(load_dataset(repo, data_files="train.csv", split="train").num_rows)
print(load_dataset(f"{repo}", data_dir="data", split="validation").num_rows)
print(load_dataset("csv", data_files=f"hf://datasets/{repo}/train.csv", split="train").num_rows)
"""


def test_plain_files_are_data_sets_too(
    eve: Customer, python: Callable[..., str], way: dict[str, str]
) -> None:
    said = python(CSV, REPO=f"{eve.name}/plain", HF_TOKEN=eve.token, **way)
    assert said.split() == ["200", "50", "200"]
