"""XML by element: what the columns are, and files that are broken or hostile."""

from xml.etree import ElementTree

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import DataFile
from graft.data.formats.xml_file import read_xml
from graft.data.load import load_dataset
from graft.errors import DataError


def rows(path, **options):
    content = read_xml(DataFile.of(path), options, BadRows())
    return pa.Table.from_batches(content.batches).to_pylist()


def test_attributes_children_and_text_are_columns(write):
    path = write(
        "a.xml",
        '<?xml version="1.0"?><reviews><review id="1"><text>a &amp; b</text><stars>5</stars>'
        '</review><review id="2" lang="en"><text> <![CDATA[<c>]]> </text></review></reviews>',
    )
    assert rows(path) == [
        {"id": "1", "lang": None, "text": "a & b", "stars": "5"},
        {"id": "2", "lang": "en", "text": "<c>", "stars": None},
    ]


def test_loaded_whole_with_types_and_roles(write):
    items = "".join(f'<s n="{n}" label="{"ab"[n % 2]}">word {n}</s>' for n in range(2500))
    data = load_dataset(write("train.xml", f"<doc>{items}</doc>"), split="train")
    assert (data.roles.text, data.roles.label) == ("text", "label")
    assert data.label_names == ["a", "b"]
    assert data[2499] == {"n": 2499, "label": 1, "text": "word 2499"}
    assert len(data) == 2500


def test_records_and_lists(write):
    path = write(
        "a.xml",
        '<r><s><text>good food</text><terms><term from="5">food</term></terms></s>'
        "<s><text>x</text><terms><term>y</term><term>z</term></terms><tag>1</tag><tag>2</tag></s>"
        "<s><text>none</text></s></r>",
    )
    first, second, third = rows(path)
    assert first["terms"] == {"term": [{"from": "5", "text": "food"}]}
    assert second["terms"] == {"term": [{"from": None, "text": t} for t in "yz"]}
    assert second["tag"] == ["1", "2"]
    assert third == {"text": "none", "terms": None, "tag": None}
    assert load_dataset(path, split="train")["text"] == ["good food", "x", "none"]


def test_marked_up_text_is_the_text_of_it_all(write):
    path = write("a.xml", "<r><p>one <b>two</b> three</p><p>four</p></r>")
    assert rows(path) == [{"text": "one two three"}, {"text": "four"}]


def test_the_element_is_found_out_or_given(write):
    path = write("a.xml", "<r><head><title>t</title></head><body><p>a</p><p>b</p></body></r>")
    assert rows(path, element="p") == [{"text": "a"}, {"text": "b"}]
    with pytest.raises(DataError, match=r"which element is a row\? .*<head> \(1\), <body> \(1\)"):
        rows(path)
    with pytest.raises(DataError, match=r"there is no element <q>.*<head> \(1\)"):
        rows(path, element="q")


def test_namespaces_are_left_out(write):
    path = write("a.xml", '<r xmlns:k="urn:x"><k:row k:id="5">x</k:row></r>')
    assert rows(path, element="row") == [{"id": "5", "text": "x"}]


def test_attribute_child_and_text_of_one_name_stay_apart(write):
    path = write("a.xml", '<r><x text="a"><text>b</text></x><x>c</x></r>')
    assert rows(path) == [
        {"text": "a", "text_element": "b", "text_content": None},
        {"text": None, "text_element": None, "text_content": "c"},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_the_encoding_is_the_declared_one(write, encoding):
    content = f'<?xml version="1.0" encoding="{encoding}"?><r><x>schön</x></r>'
    assert rows(write("a.xml", content.encode(encoding))) == [{"text": "schön"}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<r><x>a</x>\n<x>b</r>", "line 2, column 7: broken XML (mismatched tag)"),
        ("<r><x>a</x>\n<x>b", "line 2, column 5: broken XML (no element found)"),
        ("<r><x>a</x>\n<x>\xf6</x></r>".encode("latin-1"), "line 2, column 4: broken XML (not "),
        ("plain words", "line 1, column 1: broken XML"),
        ("<r/>", "The root has no elements in it"),
        ("<r><x/><x/></r>", "the elements <x> have no attributes, children or text"),
        ("<r>" + "<x>" * 70 + "</x>" * 70 + "</r>", "nested more than 64 deep"),
        ("<!DOCTYPE r>\n<r><x>a</x></r>", "line 1: the file has a document type"),
        ("<r>\n<x>&lol;</x></r>", "line 2, column 4: broken XML (undefined entity)"),
    ],
)
def test_what_is_broken_is_named_by_its_place(write, content, said):
    path = write("a.xml", content)
    with pytest.raises(DataError) as caught:
        load_dataset(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_entities_are_never_expanded(write):
    secret = write("secret.txt", "do not read")
    inside = f'<!DOCTYPE r [<!ENTITY a SYSTEM "{secret.as_uri()}">]><r><x>&a;</x></r>'
    names = [("a", "x" * 10), *((chr(98 + n), f"&{chr(97 + n)};" * 10) for n in range(9))]
    bomb = "".join(f'<!ENTITY {name} "{value}">' for name, value in names)
    for content in (inside, f"<!DOCTYPE r [{bomb}]><r><x>&j;</x></r>"):
        with pytest.raises(DataError, match="document type"):
            rows(write("a.xml", content))


TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)


@given(st.lists(st.fixed_dictionaries({"text": TEXT}, optional={"id": TEXT}), min_size=1))
def test_what_was_written_is_read(tmp_path_factory, items):
    root = ElementTree.Element("root")
    for item in items:
        row = ElementTree.SubElement(root, "row", {k: v for k, v in item.items() if k == "id"})
        ElementTree.SubElement(row, "text").text = item["text"]
    path = tmp_path_factory.mktemp("xml") / "a.xml"
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    wanted = [{"id": item.get("id"), "text": item["text"]} for item in items]
    found = [{"id": row.get("id"), "text": row["text"]} for row in rows(path)]
    assert found == wanted
