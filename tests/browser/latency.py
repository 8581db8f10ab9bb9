"""From a change to the screen: when each number was in the DOM of a page, by the machine's one clock."""

import re
from typing import Any

RECORD = """(id) => {
  window.shown = [];
  const row = document.getElementById(`service-${id}`);
  const note = () => shown.push([row.textContent, performance.timeOrigin + performance.now()]);
  new MutationObserver(note).observe(row, { subtree: true, childList: true, characterData: true });
}"""


def record(page: Any, service: str) -> None:
    """Begin to note what the service's row says."""
    page.evaluate(RECORD, service)


def delays(page: Any, service: str, sent: dict[int, float]) -> list[float]:
    """Sorted seconds from sending `Change N.` until it, or a later one, was in the page's row."""
    last = f"#service-{service}:has-text('Change {max(sent)}.')"
    page.wait_for_selector(last, state="attached")
    shown = [
        (int(re.search(r"Change (\d+)\.", text)[1]), at / 1000)  # type: ignore[index]
        for text, at in page.evaluate("shown")
        if "Change" in text
    ]
    return sorted(
        min(at for number, at in shown if number >= wanted) - begun for wanted, begun in sent.items()
    )
