"""The page of a network of images, in a real browser: what is drawn is read as `Model.predict` reads it."""

import numpy as np
import pytest
from PIL import Image

from jaxmlp.demo.source import Source

pytestmark = pytest.mark.whole_programs

DRAWN = 100  # digits
DRAW = """
([digits, side]) => digits.map(runs => {
  const canvas = document.getElementById('paper'), { left, top, width } = canvas.getBoundingClientRect();
  const send = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, bubbles: true, clientX: left + (x * width) / side, clientY: top + (y * width) / side,
  }));
  document.getElementById('clear').click();
  for (const [from, to, y] of runs) {
    send('pointerdown', from, y);
    send('pointermove', to, y);
    send('pointerup', to, y);
  }
  jaxmlp.update();
  return document.getElementById('verdict').textContent;
})
"""


@pytest.fixture(scope="module")
def page(opened, digits, dataset):
    return opened(digits, Source("mnist5k", dataset), examples=12)


def strokes(pixels, side=280, pen=4):
    """A digit as horizontal strokes [from, to, y] of a pen on an area of `side` pixels."""
    large = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)) > 90
    runs = []
    for y in range(pen // 2, side, pen):
        edges = np.flatnonzero(np.diff(np.r_[False, large[y], False]))
        runs += [[int(a) + pen / 2, max(int(b) - pen / 2, int(a) + pen / 2), y] for a, b in edges.reshape(-1, 2)]
    return runs


def test_digits_that_are_drawn_are_read_as_predict_reads_them(page, digits, dataset):
    images = dataset.test_images[:DRAWN]
    page.locator("#width").fill("4")
    read = page.evaluate(DRAW, [[strokes(image) for image in images], 280])
    equal = int(np.sum(np.array(read) == digits.predict(images).astype(str)))
    assert equal >= 95, f"{equal} of {DRAWN} drawn digits are read as predict reads them"


def test_drawing_is_scaled_to_20_pixels_and_centred_by_its_mass(page):
    bar = "{ width: 280, height: 280, channels: 1, data: Float64Array.from({ length: 280 * 280 }, (_, i) => %s) }"
    ink = "i % 280 > 20 && i % 280 < 60 && i > 280 * 30 && i < 280 * 130 ? 1 : 0"
    pixels = np.array(
        page.evaluate(f"Array.from(jaxmlp.framed({bar % ink}, jaxmlp.page.image, 'mnist').data)")
    ).reshape(28, 28)
    rows, columns = np.nonzero(pixels)
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 == 8  # of 39 by 100
    assert [abs((pixels.sum(1 - axis) * np.arange(28)).sum() / pixels.sum() - 14) <= 0.5 for axis in (0, 1)] == [
        True
    ] * 2


def test_mouse_draws_and_the_first_stroke_replaces_the_greeting(opened, digits, dataset):
    page = opened(digits, Source("mnist5k", dataset), examples=12)
    greeted = page.locator("#verdict").text_content()
    assert greeted == "0"  # the first example
    box = page.locator("#paper").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 240, steps=4)
    page.mouse.up()
    page.evaluate("jaxmlp.update()")  # as the next frame would
    assert page.locator("#verdict").text_content() == "1"
    page.locator("#undo").click()  # the stroke, and then that the greeting is gone
    page.locator("#undo").click()
    page.evaluate("jaxmlp.update()")
    assert page.locator("#verdict").text_content() == greeted


def test_examples_are_seen_as_they_are(page, digits, dataset):
    press = """() => [...document.querySelectorAll('.example')].map(button => {
      button.click();
      jaxmlp.update();
      return [button.textContent, document.getElementById('verdict').textContent, Array.from(jaxmlp.source.inputs())];
    })"""
    labels, said, pixels = zip(*page.evaluate(press), strict=True)
    pixels = np.array(pixels, np.uint8).reshape(12, 28, 28)
    assert [(dataset.test_images == image).all((1, 2)).any() for image in pixels] == [True] * 12
    assert list(said) == digits.predict(pixels).astype(str).tolist()
    assert [one == other for one, other in zip(labels, said, strict=True)] == [True] * 10 + [False] * 2  # two mistakes


@pytest.mark.parametrize("paper", [False, True], ids=["white on black", "black on white"])
@pytest.mark.parametrize("side", [28, 200])
def test_image_file_is_read_as_predict_reads_it(page, digits, dataset, tmp_path, side, paper):
    pixels = dataset.test_images[digits.predict(dataset.test_images) == dataset.test_labels][3]
    image = Image.fromarray(255 - pixels if paper else pixels).resize((side, side))
    image.save(tmp_path / "digit.png")
    page.locator("#file").set_input_files(tmp_path / "digit.png")
    page.locator("#said:has-text('digit.png')").wait_for(state="attached")
    seen = page.evaluate("jaxmlp.update(), Array.from(jaxmlp.source.inputs())")
    assert page.locator("#verdict").text_content() == str(digits.predict(pixels[None])[0])
    assert (seen == pixels.ravel().tolist()) == (side == 28)


def test_photo_of_paper_with_shadow_and_noise_is_read(page, digits, dataset, tmp_path):
    pixels = dataset.test_images[digits.predict(dataset.test_images) == dataset.test_labels][5]
    ink = np.asarray(Image.fromarray(pixels).resize((200, 200), Image.Resampling.BICUBIC)).astype(float) / 255
    paper = np.linspace(190, 225, 320)[None] + np.random.default_rng(0).normal(0, 6, (400, 320))
    paper[150:350, 40:240] -= 150 * ink
    Image.fromarray(paper.clip(0, 255).astype(np.uint8)).save(tmp_path / "photo.jpg")
    page.locator("#file").set_input_files(tmp_path / "photo.jpg")
    page.locator("#said:has-text('photo.jpg: 320 × 400 pixels, dark on light')").wait_for(state="attached")
    page.evaluate("jaxmlp.update()")
    assert page.locator("#verdict").text_content() == str(digits.predict(pixels[None])[0])


def test_what_is_no_picture_costs_a_sentence(page, tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    page.locator("#file").set_input_files(tmp_path / "notes.png")
    page.locator("#said:has-text('notes.png is no picture')").wait_for(state="attached")


def test_keyboard_draws_erases_and_takes_back(page):
    page.locator("#paper").focus()
    page.keyboard.press("Delete")
    ink = "jaxmlp.update(), jaxmlp.source.drawing.picture.data.reduce((a, b) => a + b)"
    assert page.evaluate(ink) == 0
    assert page.locator("#verdict").text_content() == "–"
    for key in ["ArrowUp"] * 6 + ["Space"] + ["ArrowDown"] * 12 + ["Space"] + ["ArrowRight"] * 3:
        page.keyboard.press(key)
    drawn = page.evaluate(ink)
    assert drawn > 120 * page.evaluate("jaxmlp.source.drawing.width")  # a line, 12 pixels of the network long
    assert page.locator("#verdict").text_content() == "1"
    assert "Pen up at 50 %" in page.locator("#said").text_content()
    page.get_by_text("Eraser", exact=True).click()
    page.locator("#paper").focus()
    for key in ["ArrowLeft"] * 3 + ["Space"] + ["ArrowUp"] * 4 + ["Escape"]:
        page.keyboard.press(key)
    assert page.evaluate(ink) < drawn
    page.keyboard.press("Control+z")
    assert page.evaluate(ink) == drawn
    for key in ("Space", "Delete", "ArrowLeft"):  # what is cleared lifts the pen
        page.keyboard.press(key)
    assert page.evaluate(ink) == 0
    page.get_by_text("Pen", exact=True).click()


def test_the_answer_is_read_out_once_all_is_quiet(page):
    page.locator(".example").nth(3).click()
    page.locator("#live:has-text('3, ')").wait_for(state="attached")
    assert page.locator("#live").get_attribute("aria-live") == "polite"


def test_gradient_follows_the_class_that_is_pressed_and_is_checked_on_a_click(page):
    page.locator(".example").nth(3).click()
    bar = page.locator(".bar").nth(8)
    bar.click()
    page.evaluate("jaxmlp.update()")
    assert bar.get_attribute("aria-pressed") == "true"
    assert page.locator("#of").text_content() == "ln p(8)"
    page.locator("#check").click()
    page.locator("#checked:has-text('They agree: of 784 derivatives')").wait_for()
    assert page.locator("#marker").is_visible()
    assert page.evaluate("jaxmlp.check().then(({ worst, scale }) => worst / scale)") < 1e-6
    bar.click()
    page.evaluate("jaxmlp.update()")
    assert page.locator("#of").text_content() == "ln p(3)"
    assert page.locator("#checked").text_content() == ""


def test_unit_that_is_pointed_at_shows_its_weights(page, digits):
    page.locator(".unit").nth(4).hover()
    assert page.locator("#unit-title").text_content() == "Unit 5"
    page.locator(".unit").nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#unit-title").text_content() == "Unit 2"
    shown = page.evaluate(
        "Array.from(document.getElementById('weights').getContext('2d').getImageData(0, 0, 28, 28).data)"
    )
    colours, w = np.reshape(shown, (784, 4))[:, :3], np.asarray(digits.params[0].w)[:, 1]
    most = np.argmax(np.abs(w))
    assert colours[most].tolist() == ([213, 94, 0] if w[most] > 0 else [0, 114, 178])
    assert colours[np.argmax(w)][0] > colours[np.argmax(w)][2]  # towards orange
    assert colours[np.argmin(w)][0] < colours[np.argmin(w)][2]  # towards blue
