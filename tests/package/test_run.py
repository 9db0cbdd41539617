"""The check of the package's page on PyPI."""

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("the renderer has no wheel for Windows", allow_module_level=True)

from tests.package.run import faults_of


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
    assert "nothing is rendered; readme_renderer[md] does it" in faults_of("", "# Title\n")
