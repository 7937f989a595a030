// The page of a network of images: an area to draw on, what the network sees, and the gradient of its answer.

class ImagePage {
  constructor(page, network, onChange) {
    Object.assign(this, { page, network, image: page.image });
    const say = text => {
      byId('said').textContent = text;
    };
    this.framing = byId('framed');
    this.drawing = new Drawing(
      byId('paper'),
      byId('cursor'),
      page.image,
      () => {
        this.follow();
        onChange();
      },
      say,
    );
    this.say = say;
    this.framing?.addEventListener('change', () => {
      this.chosenFraming = this.framing.checked;
      onChange();
    });
    this.tools();
    listenForPictures(blob => this.open(blob));
    if (page.image.examples.some(({ label }) => label.length > 4))
      byId('examples').style.setProperty('--thumb', '68px');
    page.image.examples.forEach((example, n) => byId('examples').append(this.example(example, n)));
    if (page.image.examples.length) this.put(page.image.examples[0], { greeting: true });
  }

  tools() {
    const { drawing } = this;
    byId('undo').addEventListener('click', () => drawing.undo());
    byId('clear').addEventListener('click', () => drawing.clear());
    for (const id of ['pen', 'eraser'])
      byId(id).addEventListener('change', () => {
        drawing.erase = byId('eraser').checked;
      });
    byId('width').value = drawing.width;
    byId('width').max = Math.round(drawing.canvas.width / 5);
    byId('width').addEventListener('input', () => {
      drawing.width = Number(byId('width').value);
    });
    byId('colour')?.addEventListener('input', () => {
      drawing.ink = byId('colour').value;
    });
  }

  // What is drawn is framed as the data were; examples are already.
  follow() {
    const item = this.drawing.items.findLast(({ kind }) => kind !== 'stroke');
    byId('hint').hidden = !this.drawing.blank;
    byId('undo').disabled = !this.drawing.items.length;
    byId('clear').disabled = this.drawing.blank;
    if (this.framing && item !== this.base) {
      this.base = item;
      this.framing.checked = item?.framed ?? true;
    }
  }

  example({ label, pixels }, n) {
    const picture = element('canvas', { 'aria-hidden': 'true' }),
      v = decoded(pixels);
    paintPixels(picture, this.image, v);
    const button = element(
      'button',
      {
        type: 'button',
        class: 'example',
        'aria-label': `Example ${n + 1}: ${label}`,
        title: `A test example: ${label}`,
      },
      picture,
      element('span', { text: label }),
    );
    button.addEventListener('click', () => this.put({ label, pixels }));
    return button;
  }

  put({ label, pixels }, more = {}) {
    const { low, high, width, height, channels } = this.image,
      raw = decoded(pixels);
    const data = raw.map(value => clipped((value - low) / (high - low), 0, 1));
    this.drawing.show({ width, height, channels, data }, { raw, framed: false, ...more });
    if (!more.greeting) this.say(`A test example, whose label is ${label}.`);
  }

  async open(blob) {
    try {
      const { picture, fits } = await pictureOf(blob, this.image);
      const [turned, strokes] = [isOnPaper(picture), ['mnist', 'digits'].includes(this.image.framing)];
      const shown = fits ? (turned ? inverted(picture) : picture) : onBlack(picture, strokes);
      this.drawing.show(shown, { framed: !fits, raw: fits ? this.raw(shown.data) : null });
      this.say(
        `${blob.name ?? 'The picture'}: ${picture.width} × ${picture.height} pixels${turned ? ', dark on light, so inverted' : ''}.`,
      );
    } catch {
      this.say(`${blob.name ?? 'What was given'} is no picture that this browser can read; PNG and JPEG always work.`);
    }
  }

  // From 0 to 1 to the numbers that the training examples had.
  raw(data) {
    const { low, high, whole } = this.image;
    return data.map(value => {
      const v = low + value * (high - low);
      return whole ? Math.round(v) : v;
    });
  }

  get blank() {
    return this.drawing.blank;
  }

  inputs() {
    const { drawing, image } = this;
    if (drawing.last?.raw && !this.framing?.checked) return drawing.last.raw;
    const { picture } = drawing;
    return this.raw(
      (this.framing
        ? this.framing.checked
          ? framed(picture, image, image.framing)
          : resized(picture, image.width, image.height)
        : framed(picture, image, '')
      ).data,
    );
  }

  // A step of a difference quotient: a ten-thousandth of the range of a pixel.
  steps() {
    return new Float64Array(this.network.inputs).fill((this.image.high - this.image.low) / 2e4);
  }

  place(i) {
    const pixel = Math.floor(i / this.image.channels);
    return `row ${Math.floor(pixel / this.image.width) + 1}, column ${(pixel % this.image.width) + 1}`;
  }

  show(v, gradient) {
    paintPixels(byId('seen'), this.image, v);
    paintSigned(byId('gradient'), this.image, gradient);
    byId('marker').hidden = true;
  }

  mark(i) {
    const pixel = Math.floor(i / this.image.channels),
      { width, height } = this.image,
      { style } = byId('marker');
    [style.left, style.top] = [
      `${(100 * ((pixel % width) + 0.5)) / width}%`,
      `${(100 * (Math.floor(pixel / width) + 0.5)) / height}%`,
    ];
    byId('marker').hidden = false;
  }

  showWeights(weights) {
    paintSigned(byId('weights'), this.image, weights);
  }
}
