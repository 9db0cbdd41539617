"""The package's page on PyPI, before anything is built, and the check of it."""

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the renderer has no wheel for Windows", allow_module_level=True)

from setup import NOTE, page_of
from tests.package.run import faults_of

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SOURCE = "https://example.org/OWNER/NAME"  # reserved by RFC 2606: it is nobody's
SMALL = "# Title\n\n[한국어](README.ko.md), [LICENSE](LICENSE), [a page](https://example.org/)\n"


@pytest.mark.parametrize("repository", [None, SOURCE, f"{SOURCE}/"])
def test_the_page_has_no_fault(repository):
    assert faults_of(page_of(README, repository), README) == []


def test_without_an_address_links_become_texts_and_paths():
    assert page_of(SMALL, None) == (
        f"# Title\n\n{NOTE}\n\n한국어 (README.ko.md), LICENSE, [a page](https://example.org/)\n"
    )
    assert page_of("![A cat](data/cat.png)\n", None).startswith("(Picture: A cat; data/cat.png)\n")


def test_with_an_address_links_and_pictures_become_absolute():
    assert page_of(SMALL, SOURCE) == (
        f"# Title\n\n[한국어]({SOURCE}/blob/HEAD/README.ko.md), "
        f"[LICENSE]({SOURCE}/blob/HEAD/LICENSE), [a page](https://example.org/)\n"
    )
    assert page_of("![A cat](cat.png)", SOURCE) == f"![A cat]({SOURCE}/raw/HEAD/cat.png)"


@pytest.mark.parametrize("repository", [None, SOURCE])
def test_code_and_anchors_stay_as_they_are(repository):
    text = (
        "[below](#part) `[a](b.md)` ``[`a`](b.md)``\n\n```python\nheads[i](maps)\n```\n\n## Part\n"
    )
    assert page_of(f"# Title\n{text}", repository).endswith(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a page](LICENSE)", "a link leads nowhere: 'LICENSE'"),
        ("[a page](/LICENSE)", "a link leads nowhere: '/LICENSE'"),
        ("[a page](file:///LICENSE)", "a link leads nowhere: ''"),
        ("[below](#nowhere)", "a link leads nowhere: '#user-content-nowhere'"),
        ("![A cat](cat.png)", "a picture is not https: 'cat.png'"),
        ("![A cat](http://example.org/cat.png)", "a picture is not https: 'http://example.org/cat.png'"),
        ("![A cat](data:image/png;base64,iVBO)", "a picture is not https: ''"),
    ],
)  # fmt: skip
def test_what_is_broken_is_found(text, fault):
    assert faults_of(f"# Title\n\n{text}\n", "# Title\n") == [fault]


@pytest.mark.parametrize(
    "page", ["# Title\n\n```sh\nls  -l\n```\n", "# A title\n\n```sh\nls -l\n```\n"]
)
def test_other_headings_and_code_are_found(page):
    (fault,) = faults_of(page, "# Title\n\n```sh\nls -l\n```\n")
    assert fault.startswith("other headings or code than in README.md; not there: [")


def test_a_page_that_is_empty_is_found():
    assert "nothing is rendered; readme_renderer[md] does it" in faults_of("", README)
