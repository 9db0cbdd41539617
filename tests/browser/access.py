"""Accessibility as axe-core sees it."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
}


def violations(page: Page) -> str:
    """Violations of WCAG 2.2, levels A and AA, in words; "" for none.

    All of the page is laid out first, and opened.
    """
    page.evaluate(
        "document.querySelectorAll('.table, .multiples, .sheet').forEach("
        "e => { e.style.contentVisibility = 'visible' });"
        "document.querySelectorAll('details').forEach(e => { e.open = true })"
    )
    found = Axe().run(page, options=RULES)
    # Rules that ran on nothing would find nothing.
    passed = {rule["id"] for rule in found.response["passes"]}
    assert {"color-contrast", "link-name", "label", "aria-required-attr"} <= passed
    return found.generate_report() if found.violations_count else ""
