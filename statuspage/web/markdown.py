"""Markdown in incident messages, as HTML that may stand on anybody's page."""

import re
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


_ENDS = re.compile(r"</(?:p|li|pre|blockquote)>")  # of what stands on lines of its own


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
    """The words of a message without its markup, for where only text can stand.

    A line that does not end as a sentence does is set apart from the next: `Reads work · Writes fail`.
    """
    whole = ""
    for block in _ENDS.split(markdown(text)):
        words = " ".join(Markup(block).striptags().split())
        whole += (" · " if whole[-1:].isalnum() else " ") + words if words else ""
    return whole.strip()
