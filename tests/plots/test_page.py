"""Tables of a page are sorted in a browser by what they are of: numbers with commas and units, and words."""

import shutil

import pytest

from jaxmlp.plots import page

HEAD = (
    '<thead><tr><th>name</th><th data-sort-method="number">size</th><th data-sort-method="none">link</th></tr></thead>'
)
CELLS = {"b": "1,000 ± 5", "a": "20.5 %", "d": "–", "c": "<b>-3</b>", "e": "7"}


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs a chromium on PATH")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def table(browser, tmp_path):
    """A page with a table, its errors, and the names in the order of its rows."""
    rows = "".join(f"<tr><td>{name}</td><td>{text}</td><td>x</td></tr>" for name, text in CELLS.items())
    rows = rows.replace("<td>7</td>", '<td data-sort="7e3">7</td>')
    script = page.environment("jaxmlp.run", tmp_path).get_template("sortable.html").render()
    opened, errors = browser.new_page(), []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.set_content(f'<table class="sortable">{HEAD}<tbody>{rows}</tbody></table>{script}')
    yield opened, lambda: "".join(cell.inner_text() for cell in opened.query_selector_all("td:first-child"))
    assert errors == []


def test_a_click_on_a_head_sorts_and_another_turns_it_round(table):
    opened, order = table
    assert order() == "badce"
    opened.click("th:nth-child(2)")
    assert order() == "ebacd"  # what is no number comes last
    assert opened.get_attribute("th:nth-child(2)", "aria-sort") == "descending"
    opened.click("th:nth-child(2)")
    assert order() == "dcabe"


def test_the_keyboard_sorts_words_and_a_column_of_links_stays(table):
    opened, order = table
    opened.click("th:nth-child(3)")
    assert order() == "badce"
    opened.focus("th:nth-child(1)")
    opened.keyboard.press("Enter")
    assert order() == "edcba"
