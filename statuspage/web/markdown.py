"""Markdown in incident messages, as HTML that may stand on anybody's page."""

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

TAGS = {"p", "br", "strong", "em", "a", "code", "pre", "blockquote", "ul", "ol", "li", "hr"}
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}

# Raw HTML stays text, and an image stays a link: a page loads nothing from elsewhere. One line break is one
# line break, because operators write messages, not documents.
_parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")
# The page has an outline of its own, which a message must not break into.
_parser.add_render_rule("heading_open", lambda *_: "<p><strong>")
_parser.add_render_rule("heading_close", lambda *_: "</strong></p>\n")


@lru_cache(maxsize=2_000)
def markdown(text: str) -> Markup:
    """Safe HTML (CommonMark without raw HTML and images; headings become bold lines)."""
    return Markup(
        nh3.clean(
            _parser.render(text),
            tags=TAGS,
            attributes=ATTRIBUTES,
            url_schemes=SCHEMES,
            link_rel="nofollow noopener",
        ).strip()
    )


def plain(text: str) -> str:
    """The words of a message without its markup, for where only text can stand."""
    return " ".join(markdown(text).striptags().split())
