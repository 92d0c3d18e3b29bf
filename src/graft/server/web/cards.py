"""Repository cards as safe HTML: Markdown rendered, then sanitised, whose links work on the Hub.

What a card's author writes is never trusted: only a list of tags and attributes passes (nh3), no
scripts, styles, frames or forms, and no image is fetched from another host. Identifiers are
prefixed, so that a card cannot name or shadow a part of the page around it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urljoin

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from graft.server.errors import BusyError
from graft.server.web.addresses import is_local
from graft.server.web.sanitising import sanitise_apart

ID_PREFIX = "card-"
MAX_CHARACTERS = 400_000
MAX_HTML_CHARACTERS = 100_000
"""Of HTML in a card. Within the three limits a sanitiser takes a second at most: where tags were
left open, it looks through them at each tag, and writes what is bold anew into each paragraph."""
MAX_SEARCHED = 300_000_000
"""Opening tags of a card's HTML, times all tags."""
MAX_REPEATED = 500_000
"""Opening tags of how letters look, times all tags."""

_LINK_SCHEMES = {"http", "https", "mailto"}
_ALIGNED = {"align"}
_ATTRIBUTES = {
    "*": {"title", "lang", "dir"},
    "a": {"href", "aria-label"},
    "img": {"src", "alt", "width", "height", "align"},
    "code": {"class"},
    "div": _ALIGNED,
    "p": _ALIGNED,
    "ol": {"start"},
    "li": {"value"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
    "details": {"open"},
    "abbr": {"title"},
    "time": {"datetime"},
    **{f"h{level}": {"id", "align"} for level in range(1, 7)},
}
_TAGS = (nh3.ALLOWED_TAGS | {"tfoot", "section"}) - {"area", "map", "center", "nav", "header"}
_DROPPED_WITH_CONTENT = {"script", "style", "iframe", "object", "embed", "noscript", "template"}
_OWN_CLASSES = {"a": {"anchor"}, "div": {"scroll"}}
_OPENING = re.compile("<[a-z]", re.IGNORECASE)
# What HTML opens again in each paragraph until it is closed.
_FORMATTING = re.compile(
    r"<(a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)\b", re.IGNORECASE
)
_LANGUAGE_CLASS = re.compile(r"language-[A-Za-z0-9_+#.-]{1,40}")


@dataclass(frozen=True)
class CardLinks:
    """Where a card's relative addresses lead.

    `files` is the address of the folder that holds the card, as downloads (for images), `pages` the
    same folder as pages (for links). Both end in a slash.
    """

    files: str
    pages: str

    @classmethod
    def at(cls, repository_path: str, revision: str) -> "CardLinks":
        """The links of the card at the root of `repository_path` (`owner/name`, `datasets/...`)."""
        base, rev = quote(repository_path), quote(revision, safe="")
        return cls(f"/{base}/resolve/{rev}/", f"/{base}/blob/{rev}/")


def render_card(
    markdown: str, links: CardLinks, *, title: str = "", id_prefix: str = ID_PREFIX
) -> str:
    """Returns a card's Markdown body (without its YAML head) as sanitised HTML.

    Headings move one level down, since the page itself has the first, and carry anchors; a heading
    at the top that only repeats the page's `title` is left out. A card longer than
    `MAX_CHARACTERS` is cut there, and says so; HTML that takes too long to sanitise is shown as the
    text that it is. Several on one page need an `id_prefix` each.
    """
    cut = len(markdown) > MAX_CHARACTERS
    env = {"title": title}
    tokens = _MARKDOWN.parse(markdown[:MAX_CHARACTERS], env)
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env)
    more = f"<p><em>Only the first {MAX_CHARACTERS:,} characters are shown here.</em></p>"
    more = more if cut else ""
    if _may_take_long("".join(_html_in(tokens)), html):
        with suppress(BusyError):
            clean = sanitise_apart(html + more, links.files, links.pages, id_prefix)
            if clean is not None:
                return clean
        html = _WITHOUT_HTML.render(markdown[:MAX_CHARACTERS], {"title": title})
    return sanitise(html + more, links, id_prefix)


def _html_in(tokens: Sequence[Token]) -> Iterator[str]:
    """What a card says in HTML itself."""
    for token in tokens:
        if token.type in ("html_block", "html_inline"):
            yield token.content
        yield from _html_in(token.children or ())


def _may_take_long(own: str, html: str) -> bool:
    """Whether a card's own HTML, within all that it became, may take long to sanitise."""
    tags = html.count("<")
    return (
        len(own) > MAX_HTML_CHARACTERS
        or len(_OPENING.findall(own)) * tags > MAX_SEARCHED
        or len(_FORMATTING.findall(own)) * tags > MAX_REPEATED
    )


def sanitise(html: str, links: CardLinks, id_prefix: str = ID_PREFIX) -> str:
    """Returns `html` with only what a card may contain, its addresses made absolute paths."""
    return nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        allowed_classes=_OWN_CLASSES,
        attribute_filter=_attribute_filter(links, id_prefix),
        url_schemes=_LINK_SCHEMES,
        link_rel="nofollow noopener noreferrer",
        id_prefix=id_prefix,
    )


def _attribute_filter(links: CardLinks, id_prefix: str) -> Callable[[str, str, str], str | None]:
    def keep(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "href":
            return _link(value, links, id_prefix)
        if attribute == "src":
            return _image(value, links)
        if tag == "code" and attribute == "class":
            return value if _LANGUAGE_CLASS.fullmatch(value) else None
        return value

    return keep


def _link(address: str, links: CardLinks, id_prefix: str) -> str | None:
    if address.startswith("#"):
        name = address[1:]
        return address if name.startswith(id_prefix) else f"#{id_prefix}{name}"
    return _resolved(address, links.pages) if is_local(address) else address


def _image(address: str, links: CardLinks) -> str | None:
    """Images of the repository and of this Hub stay; others would tell strangers who reads what."""
    return _resolved(address, links.files) if is_local(address) else None


def _resolved(address: str, folder: str) -> str | None:
    """`address` seen from `folder`; None where it climbs out of the repository."""
    address = address.replace("\\", "/").strip()
    if address.startswith("/"):
        return address
    joined = urljoin(folder, address)
    return joined if joined.startswith(folder) else None


def _slug(text: str) -> str:
    """The anchor of a heading: its words in lower case, joined by hyphens."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return "-".join(re.findall(r"[\w-]+", plain)) or "section"


def _adapt_tokens(state: StateCore) -> None:
    """Moves headings down a level, gives them anchors, and turns cell styles into attributes."""
    if _repeats(state.tokens[:2], state.env.get("title", "")):
        del state.tokens[:3]
    used: dict[str, int] = {}
    for index, token in enumerate(state.tokens):
        if token.type == "heading_open":
            _adapt_heading(state.tokens, index, used)
        elif token.type in ("th_open", "td_open"):
            style = token.attrs.pop("style", None)
            if style:
                token.attrSet("align", str(style).removeprefix("text-align:"))


def _repeats(beginning: Sequence[Token], title: str) -> bool:
    """Whether a card begins with a first heading that says `title`, or `owner/title`."""
    if len(beginning) < 2 or beginning[0].type != "heading_open" or beginning[0].tag != "h1":
        return False
    return beginning[1].content.strip().rpartition("/")[2].lower() == title.lower()


def _adapt_heading(tokens: Sequence[Token], index: int, used: dict[str, int]) -> None:
    opening, inline, closing = tokens[index : index + 3]
    children = inline.children or []
    words = "".join(child.content for child in children if child.type in ("text", "code_inline"))
    slug = _slug(words)
    used[slug] = used.get(slug, 0) + 1
    if used[slug] > 1:
        slug = f"{slug}-{used[slug] - 1}"
    opening.attrSet("id", slug)
    opening.tag = closing.tag = f"h{min(int(opening.tag[1]) + 1, 6)}"
    anchor = Token("html_inline", "", 0)
    anchor.content = f'<a class="anchor" href="#{slug}" aria-label="Link to this section">#</a>'
    inline.children = [*children, anchor]


def _scrolling_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """A wide table scrolls inside its own box; the page never does."""
    table = renderer.renderToken(tokens, index, options, env)
    return f'<div class="scroll">{table}' if tokens[index].nesting == 1 else f"{table}</div>"


def _build_markdown(*, html: bool) -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": html}).enable(["table", "strikethrough"])
    markdown.core.ruler.push("graft_card", _adapt_tokens)
    for rule in ("table_open", "table_close"):
        markdown.add_render_rule(rule, _scrolling_table)
    return markdown


_MARKDOWN = _build_markdown(html=True)
_WITHOUT_HTML = _build_markdown(html=False)
