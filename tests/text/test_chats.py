"""Conversations as text: as the ecosystem renders the same templates."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

import graft
from graft.errors import DataError, ModelError

PLAIN = [{"role": "user", "content": "Rain & <sun>?"}]
LONG = [
    {"role": "system", "content": "  Be brief.  "},
    *PLAIN,
    {"role": "assistant", "content": "Rain.\n", "tool_calls": None},
    {"role": "user", "content": "Frost, n\u00e9v\u00e9?"},
]
CALLS = [
    *PLAIN,
    {"role": "assistant", "tool_calls": [{"name": "ask", "arguments": {"b": 1, "a": "\u00e9<"}}]},
    {"role": "tool", "content": "22"},
]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "ask",
            "description": "Ask 'the' sky",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
        },
    }
]
# Written for these tests, in the manner of templates that models come with.
TEMPLATES = {
    "marks": """
{%- for message in messages %}
    {{- '<|start|>' + message['role'] + '\n' + message['content'] | trim + '<|end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant\n' }}
{%- endif %}""",
    "system first": """
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set system = 'Help.' %}
    {%- set rest = messages %}
{%- endif %}
{{- bos_token }}[S]{{ system }}[/S]
{%- for message in rest %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate') }}
    {%- endif %}
    {%- set told = '[I] ' ~ message.content ~ ' [/I]' %}
    {{- told if loop.index0 is even else message.content ~ eos_token }}
{%- endfor %}""",
    "tools": """
{%- if tools is not none and tools %}
    {{- '# Tools\n' }}
    {%- for tool in tools %}
        {{- tool | tojson }}
        {{- '\n' ~ tool.function | tojson(indent=4) ~ '\n' }}
    {%- endfor %}
{%- endif %}
{%- for message in messages %}
    {%- if message.tool_calls is defined %}
        {%- for call in message.tool_calls %}
            {{- call.name ~ call.arguments | tojson(separators=(',', ':'), sort_keys=true) }}
        {%- endfor %}
    {%- else %}
        {{- message.role ~ ': ' ~ message.content ~ '\n' }}
    {%- endif %}
{%- endfor %}
{%- if documents %}{{ documents | length }}{% endif %}""",
    "loop controls": """
{%- set ns = namespace(seen=0) %}
{%- for message in messages %}
    {%- if message.role == 'system' %}{% continue %}{% endif %}
    {%- if ns.seen == 2 %}{% break %}{% endif %}
    {%- set ns.seen = ns.seen + 1 %}
    {{- loop.index ~ message.content }}
{%- endfor %}""",
    "generation": """
{%- set who = 'nobody' %}
{% for message in messages %}
  {% if message.role == 'assistant' %}
    {% generation %}
    {% set who = message.role %}
{{ message.content }}{{ who }}
    {% endgeneration %}
  {% else %}
{{ message.content }}{{ who }}
  {% endif %}
{% endfor %}""",
    "date": "{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content }}{% endfor %}",
    "macros": """
{%- macro say(message, sep=' | ') -%}
{{ message.role | upper }}{{ sep }}{{ (message.content or 'none').split('?')[0] | safe }}
{%- endmacro -%}
{% for message in messages -%}
{{ say(message) }}
{{ messages[::-1] | map(attribute='role') | join(',') }}
{% endfor %}""",
}


@pytest.fixture(scope="module")
def saved(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = graft.Tokenizer.from_pretrained(base)
    tokenizer.config |= {"bos_token": "[CLS]", "eos_token": "[SEP]"}
    folder = tmp_path_factory.mktemp("saved")
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("messages", [PLAIN, LONG, CALLS], ids=["plain", "long", "calls"])
@pytest.mark.parametrize("options", [{}, {"add_generation_prompt": True}, {"tools": TOOLS}])
def test_templates_give_what_they_give_elsewhere(
    name: str, messages: list[dict[str, Any]], options: dict[str, Any], saved: Path
) -> None:
    ours = graft.Tokenizer.from_pretrained(saved)
    ours.config["chat_template"] = TEMPLATES[name]
    peer = transformers.PreTrainedTokenizerFast.from_pretrained(saved)
    peer.chat_template = TEMPLATES[name]
    try:
        expected = peer.apply_chat_template(messages, tokenize=False, **options)
    except Exception:  # what it raises depends on what the template does
        with pytest.raises((DataError, ModelError)):
            ours.apply_chat_template(messages, **options)
    else:
        assert ours.apply_chat_template(messages, **options) == expected


def test_most_of_these_conversations_render(saved: Path) -> None:
    """That equal failures are not all there is."""
    tokenizer = graft.Tokenizer.from_pretrained(saved)
    for template in TEMPLATES.values():
        tokenizer.config["chat_template"] = template
        assert "frost" in tokenizer.apply_chat_template(LONG).lower() or "break" in template


def test_what_the_files_carry(saved: Path, tmp_path: Path) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(saved)
    tokenizer.config["chat_template"] = TEMPLATES["marks"]
    tokenizer.save_pretrained(tmp_path)
    expected = tokenizer.apply_chat_template(LONG)
    assert graft.Tokenizer.from_pretrained(tmp_path).apply_chat_template(LONG) == expected
    peer = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert peer.apply_chat_template(LONG, tokenize=False) == expected
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].role }}")
    again = graft.Tokenizer.from_pretrained(tmp_path)
    assert again.apply_chat_template(LONG) == "system"
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ModelError, match=r"chat_template\.jinja is not UTF-8"):
        graft.Tokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("as_list", [True, False])
def test_several_templates(saved: Path, as_list: bool) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(saved)
    several: Any = {"default": "plain", "tool_use": "with {{ tools | length }}"}
    if as_list:
        several = [{"name": name, "template": text} for name, text in several.items()]
    tokenizer.config["chat_template"] = several
    assert tokenizer.apply_chat_template(PLAIN) == "plain"
    assert tokenizer.apply_chat_template(PLAIN, tools=TOOLS) == "with 1"
    tokenizer.config["chat_template"] = {"rag": "x"}
    with pytest.raises(ModelError, match="has the chat templates rag, but no default"):
        tokenizer.apply_chat_template(PLAIN)


@pytest.mark.parametrize(
    ("template", "error", "said"),
    [
        (None, ModelError, "carry no chat template"),
        ("{% for %}", ModelError, "does not work"),
        ("{{ ''.__class__.__mro__ }}", ModelError, "does not work"),
        ("{{ messages.append(1) }}", ModelError, "does not work"),
        ("{{ none + 'a' }}", ModelError, "does not work"),
        ("{{ 1 / 0 }}", ModelError, "does not work"),
        ("{{ raise_exception('roles must alternate') }}", DataError, "roles must alternate"),
    ],
)
def test_templates_that_do_not_work(
    saved: Path, template: str | None, error: type[Exception], said: str
) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(saved)
    tokenizer.config["chat_template"] = template
    with pytest.raises(error, match=said):
        tokenizer.apply_chat_template(PLAIN)


@pytest.mark.parametrize("wrong", [[], ["hello"], [PLAIN]])
def test_what_is_no_conversation(saved: Path, wrong: Any) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(saved)
    tokenizer.config["chat_template"] = "{{ messages }}"
    with pytest.raises(DataError, match=r"needs a message|Message 0 is"):
        tokenizer.apply_chat_template(wrong)


def test_messages_stay_as_they_were(saved: Path) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(saved)
    tokenizer.config["chat_template"] = TEMPLATES["marks"]
    before = json.dumps(LONG)
    tokenizer.apply_chat_template(LONG)
    assert json.dumps(LONG) == before
