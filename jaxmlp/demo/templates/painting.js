// Small things that all parts of the page use: numbers as text, elements, and numbers as pixels.

const byId = id => document.getElementById(id);
const number = value => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '–').replace('-', '−');
const signed = value => (value > 0 ? '+' : '') + number(value);
const percent = p => (p > 0.9995 && p < 1 ? '> 99.9 %' : `${(100 * p).toFixed(1)} %`);
const clipped = (value, low, high) => Math.min(Math.max(value, low), high);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'text') made.textContent = value;
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// The colours of the theme, as [red, green, blue]; read once, as reading them lays the page out anew.
let theme = null;

function colours() {
  const style = theme ?? getComputedStyle(document.documentElement);
  theme ??= Object.fromEntries(
    ['plus', 'minus', 'zero'].map(name => [name, style.getPropertyValue(`--${name}`).trim().split(/\s+/).map(Number)]),
  );
  return theme;
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (theme = null));

const mixed = (from, to, share) => from.map((value, c) => value + share * (to[c] - value));
const css = colour => `rgb(${colour.map(Math.round).join(' ')})`;

// From -1 to 1: blue, nothing, orange.
function diverging(value, { plus, minus, zero }) {
  return mixed(zero, value < 0 ? minus : plus, clipped(Math.abs(value), 0, 1) ** 0.8);
}

function paint(canvas, width, height, colourOf) {
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d'),
    pixels = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) pixels.data.set([...colourOf(i).map(Math.round), 255], 4 * i);
  context.putImageData(pixels, 0, 0);
}

// The inputs of the network as a picture: black is `low`, white is `high`.
function paintPixels(canvas, { width, height, channels, low, high }, v) {
  const grey = i => clipped((255 * (v[i] - low)) / (high - low), 0, 255);
  paint(canvas, width, height, i =>
    channels === 1 ? [grey(i), grey(i), grey(i)] : [0, 1, 2].map(c => grey(3 * i + c)),
  );
}

// Numbers of either sign, on a scale that ends at the largest; those of several channels are added.
function paintSigned(canvas, { width, height, channels }, values) {
  const ends = colours();
  const sums = Array.from({ length: width * height }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += values[i * channels + c];
    return sum;
  });
  const most = largest(sums.map(Math.abs));
  paint(canvas, width, height, i => diverging(most ? sums[i] / most : 0, ends));
}

// Where in the list the largest of the numbers stands.
const argmax = values => values.reduce((best, value, n) => (value > values[best] ? n : best), 0);
