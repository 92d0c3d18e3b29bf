"""A repository's page, its files and its history."""

import html
import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub_samples import OWNER, ROWS, Garden

MODEL = f"/{OWNER}/questions-tiny"


def test_a_models_page_holds_card_figures_and_facts(visitor: httpx.Client, garden: Garden) -> None:
    page = visitor.get(MODEL).text
    assert "what kind of answer a question asks for" in page
    assert re.search(r"Accuracy</th><td[^>]*>0.9683", page)
    assert f"pipe = graft.pipeline(&#34;{OWNER}/questions-tiny&#34;)" in page
    assert f"git clone {garden.url}{MODEL}" in page
    assert f'trained on <a href="/datasets/{OWNER}/questions">' in page
    assert "Grafted onto elsewhere/some-base" in page  # not on this Hub: no link
    assert "apache-2.0" in page
    assert f'src="{MODEL}/resolve/main/figures/chart.png"' in page


def test_a_model_of_pairs_is_used_with_pairs(visitor: httpx.Client) -> None:
    page = html.unescape(visitor.get(f"/{OWNER}/pairs-tiny").text)
    assert 'pipe([("A man sleeps.", "Somebody is awake.")])' in page
    assert '{"inputs": {"text": "A man sleeps.", "text_pair": "Somebody is awake."}}' in page


def test_a_model_without_a_head_is_offered_for_fine_tuning(visitor: httpx.Client) -> None:
    page = visitor.get(f"/{OWNER}/plain-base").text
    assert "graft.Learner(" in page
    assert "widget-form" not in page
    assert "Nothing pushed yet" not in page


def test_a_data_sets_page_shows_its_first_rows(visitor: httpx.Client) -> None:
    page = visitor.get(f"/datasets/{OWNER}/questions").text
    assert "<td>Who wrote Hamlet?</td><td>human</td>" in page.replace("\n", "")
    assert "<td>How far, &lt;b&gt;really&lt;/b&gt;, is it?</td>" in page


def test_a_data_sets_page_counts_rows_and_names_columns(
    visitor: httpx.Client, garden: Garden
) -> None:
    def file(rows: int, **more: int) -> bytes:
        content = io.BytesIO()
        columns = {"text": ["x"] * rows, "label": range(rows)}
        pq.write_table(pa.table(columns | {name: [n] * rows for name, n in more.items()}), content)
        return content.getvalue()

    repo = f"{OWNER}/counted"
    many = {f"c{number}": number for number in range(45)}
    files = {"data/a.parquet": file(1200), "data/b.parquet": file(34, **many)}
    garden.push(repo, files, "dataset")
    page = re.sub(r">\s+<", "><", visitor.get(f"/datasets/{repo}").text)
    assert '<dt>Rows</dt><dd title="1234">' in page
    assert "<dt>Parquet files</dt><dd>2</dd>" in page
    assert "<dt>text</dt><dd><code>string</code></dd><dt>label</dt><dd><code>int64</code>" in page
    assert "<dt>c37</dt>" in page
    assert "<dt>c38</dt>" not in page
    assert "and 7 more" in page
    assert "Rows and columns" not in visitor.get(f"/datasets/{OWNER}/questions").text


def _damaged_parquet() -> bytes:
    """A file whose end is sound, and whose pages are not."""
    whole = io.BytesIO()
    pq.write_table(pa.table({"text": [f"row {n}" for n in range(1000)]}), whole)
    content = bytearray(whole.getvalue())
    content[4:2000] = b"\xff" * 1996
    return bytes(content)


DAMAGED_PARQUET = _damaged_parquet()


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("rows.jsonl", b'{"text": "one", "label": 1}\n{"text": "two"}\n', "<td>two</td>"),
        ("rows.tsv", b"text\tlabel\none\tx\n", "<td>one</td>"),
        ("rows.csv", b"a,b\n1,2,3\n", "cannot be read as a table"),
        ("rows.jsonl", b"{broken\n", "cannot be read as a table"),
        ("rows.parquet", b"PAR1 but no more", "cannot be read as a table"),
        ("rows.parquet", DAMAGED_PARQUET, "cannot be read as a table"),
        ("rows.jsonl", b"[" * 100_000, "cannot be read as a table"),
        ("rows.jsonl", b'{"a": "\\ud800", "\\udfff": 1}\n', "<td>?</td>"),
        ("rows.jsonl", '{"a": "one\u2028two"}\n'.encode(), "<td>one\u2028two</td>"),
        ("rows.csv", b"", "cannot be read as a table"),
        ("rows.csv", b"a,b\n\xff\xfe,2\n", "cannot be read as a table"),
    ],
)
def test_previews_of_other_files(
    visitor: httpx.Client, garden: Garden, name: str, content: bytes, shown: str
) -> None:
    repo = f"{OWNER}/rows-{abs(hash((name, content)))}"
    garden.push(repo, {name: content}, "dataset")
    reply = visitor.get(f"/datasets/{repo}")
    assert reply.status_code == 200
    assert shown in reply.text


def test_a_table_that_unpacks_to_more_than_there_is_room_for(
    visitor: httpx.Client, garden: Garden
) -> None:
    """The Hub does not read it in its own memory: it would read it for everybody who looks."""
    table = pa.table(dict.fromkeys("abcdefgh", pa.array([b"\0" * 150_000_000])))
    content, bare = io.BytesIO(), {"use_dictionary": False, "write_statistics": False}
    pq.write_table(table, content, compression="zstd", **bare)
    del table
    assert len(content.getvalue()) < 200_000
    repo = f"{OWNER}/bomb"
    garden.push(repo, {"train.parquet": content.getvalue()}, "dataset")
    for _ in range(2):  # read once, and remembered
        reply = visitor.get(f"/datasets/{repo}")
        assert "take more than" in reply.text


def parquet(values: pa.Array) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table({"when": values}), content)
    return content.getvalue()


def test_a_whole_class_opens_the_page_of_a_table(visitor: httpx.Client, garden: Garden) -> None:
    repo = f"{OWNER}/class"
    garden.push(repo, {"train.parquet": parquet(pa.array([20_260_101]))}, "dataset")
    with ThreadPoolExecutor(20) as pupils:
        pages = list(pupils.map(lambda _: visitor.get(f"/datasets/{repo}").text, range(20)))
    assert ["20260101" in page for page in pages] == [True] * 20


def test_dates_beyond_what_can_be_shown_are_told(visitor: httpx.Client, garden: Garden) -> None:
    repo = f"{OWNER}/far"
    far = pa.array([10**8], pa.int32()).cast(pa.date32())
    garden.push(repo, {"train.parquet": parquet(far)}, "dataset")
    assert "date value out of range" in visitor.get(f"/datasets/{repo}").text


def test_a_machine_with_too_much_to_do_is_not_remembered(
    visitor: httpx.Client, garden: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = f"{OWNER}/busy"
    garden.push(repo, {"train.parquet": parquet(pa.array([20_260_102]))}, "dataset")
    with monkeypatch.context() as busy:
        busy.setattr(sys, "executable", "/nowhere")  # no process can be started
        assert "reload the page" in visitor.get(f"/datasets/{repo}").text
    assert "20260102" in visitor.get(f"/datasets/{repo}").text


def test_nothing_in_the_folder_that_the_hub_started_in_is_run(
    visitor: httpx.Client, garden: Garden, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo = f"{OWNER}/elsewhere"
    garden.push(repo, {"train.parquet": parquet(pa.array([20_260_103]))}, "dataset")
    (tmp_path / "pyarrow.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert "20260103" in visitor.get(f"/datasets/{repo}").text


def test_a_repository_without_commits_of_its_own_says_how_to_push(visitor: httpx.Client) -> None:
    page = visitor.get(f"/{OWNER}/empty").text
    assert "push_to_hub" in page


def test_files_are_listed_with_sizes_and_marks(visitor: httpx.Client) -> None:
    page = visitor.get(f"{MODEL}/tree/main").text
    assert f'href="{MODEL}/blob/main/config.json"' in page
    assert f'href="{MODEL}/resolve/main/config.json" download' in page
    assert f'href="{MODEL}/tree/main/notes"' in page
    weights = re.search(r"model\.safetensors</a>(.*?)</tr>", page, re.DOTALL)
    assert weights
    assert "LFS" in weights[1]
    assert re.search(r"\d+(\.\d+)? kB", weights[1])


def test_a_text_file_is_shown_escaped_with_numbered_lines(visitor: httpx.Client) -> None:
    page = visitor.get(f"{MODEL}/blob/main/notes/method.md").text
    assert '<tr id="L1"><td><a href="#L1"' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_a_binary_file_is_offered_for_download(visitor: httpx.Client) -> None:
    page = visitor.get(f"{MODEL}/blob/main/model.safetensors").text
    assert "A binary file" in page
    assert f'href="{MODEL}/resolve/main/model.safetensors" download' in page


def test_a_file_too_long_to_show_says_so(visitor: httpx.Client, garden: Garden) -> None:
    garden.push(f"{OWNER}/long", {"long.txt": b"words\n" * 100_000}, "dataset")
    page = visitor.get(f"/datasets/{OWNER}/long/blob/main/long.txt").text
    assert "Too long to show" in page
    assert "600 kB" in page


def test_files_and_folders_find_each_other(visitor: httpx.Client) -> None:
    folder = visitor.get(f"{MODEL}/blob/main/notes")
    assert folder.headers["location"] == f"{MODEL}/tree/main/notes"
    file = visitor.get(f"{MODEL}/tree/main/config.json")
    assert file.headers["location"] == f"{MODEL}/blob/main/config.json"


def test_history_names_who_and_what(visitor: httpx.Client) -> None:
    page = visitor.get(f"{MODEL}/commits/main").text
    assert "Add files" in page
    assert OWNER in page
    (commit, *_) = re.findall(rf'href="{MODEL}/commit/([0-9a-f]{{40}})"', page)
    assert f'href="{MODEL}/tree/{commit}"' in visitor.get(f"{MODEL}/commit/{commit}").text
    assert visitor.get(f"{MODEL}/tree/{commit}").status_code == 200
    assert visitor.get(f"{MODEL}/blob/{commit}/config.json").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/{OWNER}/no-such-model",
        f"/datasets/{OWNER}/no-such-data",
        f"/{OWNER}/secret",
        f"/{OWNER}/secret/tree/main",
        f"/{OWNER}/secret/blob/main/config.json",
        f"/{OWNER}/secret/commits/main",
        f"{MODEL}/tree/no-such-branch",
        f"{MODEL}/blob/main/no-such-file",
        f"{MODEL}/blob/main/../../etc/passwd",
        f"{MODEL}/commits/no-such-branch",
    ],
)
def test_what_is_not_there_answers_404_as_a_page(visitor: httpx.Client, path: str) -> None:
    reply = visitor.get(path)
    assert reply.status_code == 404
    assert reply.headers["content-type"].startswith("text/html")
    assert "Nothing grows here" in reply.text


def test_the_owner_sees_a_private_repository(owner: httpx.Client) -> None:
    page = owner.get(f"/{OWNER}/secret").text
    assert "Private" in page


def test_the_sample_rows_are_what_was_pushed(visitor: httpx.Client) -> None:
    reply = visitor.get(f"/datasets/{OWNER}/questions/resolve/main/train.csv")
    assert reply.text == ROWS
