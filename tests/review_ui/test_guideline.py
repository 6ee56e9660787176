"""The labelling guideline: its default, the lead's text, and what can't be in it."""

from pathlib import Path

import pytest

from manifests.errors import UserError
from review_ui.queue.guideline import DEFAULT, MAX_CHARACTERS, Guideline


@pytest.fixture
def guideline(tmp_path: Path) -> Guideline:
    return Guideline(tmp_path)


def test_the_default_is_shown_until_the_lead_writes_one_and_again_when_it_is_emptied(guideline):
    assert guideline.text() == DEFAULT.read_text()
    guideline.save("# Ours\n\nHats are **in**.")
    assert guideline.html() == "<h1>Ours</h1>\n<p>Hats are <strong>in</strong>.</p>\n"
    guideline.save("  \n")
    assert guideline.text() == DEFAULT.read_text()


def test_the_default_is_a_table_and_a_list(guideline):
    assert "<table>" in guideline.html()
    assert guideline.html().count("<li>") == 3


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "[x](javascript:alert(1))", "<img src=x onerror=y>"])
def test_no_script_gets_in(guideline, text):
    guideline.save(text)
    html = guideline.html()
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_a_text_that_is_too_long_is_refused_and_the_old_one_stays(guideline):
    guideline.save("short")
    with pytest.raises(UserError, match="at most 20,000 characters"):
        guideline.save("x" * (MAX_CHARACTERS + 1))
    assert guideline.text() == "short"


def test_a_file_that_is_no_text_is_named(guideline):
    guideline.path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="expected UTF-8 text in"):
        guideline.html()
