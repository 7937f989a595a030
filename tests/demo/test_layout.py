"""The pages as a browser lays them out: names of controls, widths, colours, no script; and that nothing leaves them."""

import re

import numpy as np
import pytest

import jaxmlp
from jaxmlp.data.preparing import Preparation
from jaxmlp.demo.source import Source
from jaxmlp.nn.losses import CLASSES, LABELS, VALUES
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.model import Model

pytestmark = pytest.mark.whole_programs

NAMELESS = re.compile(r"^\s*- (button|slider|checkbox|radio|combobox|spinbutton|img|application|textbox)(?! \")", re.M)
CONTROLS = {"images": {"button", "slider", "checkbox", "radio", "img", "application"}, "table": {"button", "slider"}}
PAIRS = [("text", "card"), ("quiet", "card"), ("quiet", "page"), ("accent", "card"), ("on-accent", "accent")]
PAIRS += [("plus-text", "card"), ("minus-text", "card"), ("text", "soft")]

COLOURS = """
names => {
  const probe = document.body.appendChild(document.createElement('i'));
  return names.map(name => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  });
}
"""


def table(loss="softmax_cross_entropy", kind=CLASSES, names=("a", "b", "<i>c</i>"), hidden=(6,)):
    """A network of twelve columns without names."""
    import jax

    spec = Spec(Network(hidden, "tanh", loss=loss), Training(), 12, len(names))
    mean, std = np.linspace(-3, 8, 12).astype(np.float32), np.linspace(0.5, 6, 12).astype(np.float32)
    params = jaxmlp.init(spec, Hyper(), jax.random.key(2))
    return Model(spec, params, Preparation("per_feature", mean, std, names, (12,), kind))


@pytest.fixture(scope="module", params=["images", "table"])
def page(request, opened, digits, dataset):
    page = opened(digits, Source("mnist5k", dataset), 12) if request.param == "images" else opened(table())
    page.kind = request.param
    return page


def test_every_control_has_a_name(page):
    for details in page.locator("details").all():
        details.evaluate("details => { details.open = true; }")
    tree = page.locator("body").aria_snapshot()
    assert NAMELESS.findall(tree) == []
    assert [role for role in CONTROLS[page.kind] if f"- {role} " not in tree] == []
    assert page.locator("main section h2").count() >= page.locator("main section").count()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(({ id }) => id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(page, scheme):
    page.emulate_media(color_scheme=scheme)
    names = sorted({name for pair in PAIRS for name in pair})
    colours = dict(zip(names, page.evaluate(COLOURS, names), strict=True))
    ratios = {pair: contrast(*(colours[name] for name in pair)) for pair in PAIRS}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}  # WCAG 2.2, 1.4.3
    assert (luminance(colours["card"]) < 0.1) == (scheme == "dark")


def luminance(colour):
    """WCAG 2.2."""
    share = np.asarray(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_those_who_want_less_motion_have_none(page):
    duration = "getComputedStyle(document.querySelector('.fill')).transitionDuration"
    assert page.evaluate(duration) == "0.12s"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(duration) == "0s"
    page.emulate_media(reduced_motion="no-preference")


def test_nothing_is_asked_of_any_machine_nor_can_be(page):
    assert page.requests == [page.url]
    assert page.errors == []
    refused = page.evaluate(
        """() => new Promise(answer => {
          document.addEventListener('securitypolicyviolation', event => answer(event.effectiveDirective), { once: true });
          fetch('http://127.0.0.1:9/').catch(() => {});
        })"""
    )
    assert refused == "connect-src"
    page.errors.clear()


def test_page_says_what_it_is_without_script(chromium, page):
    context = chromium.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page.url)
    assert "needs JavaScript" in plain.locator("noscript").inner_text()
    assert not plain.locator("main").is_visible()
    context.close()


@pytest.mark.parametrize(
    ("trained", "verdict", "controls"),
    [
        (table("squared_error", VALUES, ("price",)), r"−?[\d.e−+]+", False),
        (table("squared_error", VALUES, ("x", "y")), r"−?[\d.e−+]+", True),
        (table("sigmoid_cross_entropy", LABELS, ("news", "sports")), "news|sports|news, sports|none", True),
        (table(hidden=()), "a|b|<i>c</i>", True),
    ],
    ids=["value", "values", "labels", "no hidden layer"],
)
def test_values_labels_and_networks_without_hidden_layers_have_pages(opened, trained, verdict, controls):
    page = opened(trained)
    assert re.fullmatch(verdict, page.locator("#verdict").text_content())
    assert page.locator(".bar").first.is_visible() == controls
    page.locator("#check").click()
    page.locator("#checked:has-text('They agree')").wait_for()
    assert page.errors == []
