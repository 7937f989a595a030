// From a picture of any size to the pixels that the network takes. A picture is { width, height, channels, data }: numbers
// from 0 (black) to 1 (white), row by row.

// How the pictures of a data set were made from scans: the box that the ink fills, as a share of the picture, and what is put
// in the centre. scikit-learn's digits stand upright, as high as the picture and at most 5.5 of its 8 columns wide: of 200 test
// digits of MNIST a network that learnt them reads 166 if they are framed so, and 105 by the longer side alone.
const FRAMINGS = {
  mnist: { box: 20 / 28, centre: 'mass' }, // 20 x 20 in 28 x 28, by the centre of mass
  digits: { box: 1, centre: 'box', upright: true, widest: 5.5 / 8, finer: 4 }, // bitmaps of 32 x 32, averaged
  fashion: { box: 1, centre: 'box' }, // the longer side fills the picture
};
const INK = 0.1; // of the brightest: what is darker is no ink

function framed(picture, shape, framing) {
  if (!(framing in FRAMINGS)) return resized(cropped(picture, ...middle(picture, shape)), shape.width, shape.height);
  const { box, centre, upright, widest, finer = 1 } = FRAMINGS[framing];
  const [W, H] = [finer * shape.width, finer * shape.height];
  const blank = newPicture(W, H, picture.channels);
  const whole = upright ? sheared(picture) : picture;
  const [left, top, width, height] = boxOf(whole);
  const scale = Math.min((box * W) / width, (box * H) / height);
  const [across, down] = widest ? [Math.min((width * H) / height, widest * W), H] : [scale * width, scale * height];
  if (!width) return resized(blank, shape.width, shape.height);
  const small = resized(cropped(whole, left, top, width, height), atLeastOne(across), atLeastOne(down));
  let [x, y] = [(W - small.width) / 2, (H - small.height) / 2];
  if (centre === 'mass') {
    const [right, below] = massOf(small);
    [x, y] = [W / 2 - right, H / 2 - below];
  }
  const placed = pasted(blank, small, within(Math.round(x), W - small.width), within(Math.round(y), H - small.height));
  return finer > 1 ? resized(placed, shape.width, shape.height) : placed;
}

const atLeastOne = side => Math.max(1, Math.round(side));
const within = (value, most) => Math.min(Math.max(value, 0), most);
const newPicture = (width, height, channels) => ({
  width,
  height,
  channels,
  data: new Float64Array(width * height * channels),
});

// The smallest box around the ink: [left, top, width, height], all 0 where there is none.
function boxOf({ width, height, channels, data }) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  const least = INK * largest(data);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let value = 0;
      for (let c = 0; c < channels; c++) value = Math.max(value, data[(y * width + x) * channels + c]);
      if (value > least)
        [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    }
  }
  return right < 0 ? [0, 0, 0, 0] : [left, top, right - left + 1, bottom - top + 1];
}

const largest = data => data.reduce((most, value) => (value > most ? value : most), 0);

// The centre of mass, in pixels: [across, down].
function massOf({ width, height, channels, data }) {
  let [mass, across, down] = [0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / channels);
    mass += data[i];
    across += data[i] * (pixel % width);
    down += data[i] * Math.floor(pixel / width);
  }
  return mass ? [across / mass, down / mass] : [width / 2, height / 2];
}

// Upright: every row is moved so that the line through the ink, by least squares, has no slant.
function sheared(picture) {
  const { width, height, channels, data } = picture;
  const [across, down] = massOf(picture);
  let [along, square] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [(Math.floor(i / channels) % width) - across, Math.floor(i / channels / width) - down];
    along += data[i] * x * y;
    square += data[i] * y * y;
  }
  const wide = newPicture(3 * width, height, channels);
  for (let y = 0; y < height; y++) {
    const x = within(Math.round(width - (square ? along / square : 0) * (y - down)), 2 * width);
    wide.data.set(data.subarray(y * width * channels, (y + 1) * width * channels), (y * 3 * width + x) * channels);
  }
  return wide;
}

// The largest box in the middle with the sides of `shape`.
function middle({ width, height }, shape) {
  const scale = Math.min(width / shape.width, height / shape.height);
  const [w, h] = [Math.round(shape.width * scale), Math.round(shape.height * scale)];
  return [Math.floor((width - w) / 2), Math.floor((height - h) / 2), w, h];
}

function cropped({ width, channels, data }, left, top, w, h) {
  const part = newPicture(w, h, channels);
  for (let y = 0; y < h; y++)
    part.data.set(
      data.subarray(((top + y) * width + left) * channels, ((top + y) * width + left + w) * channels),
      y * w * channels,
    );
  return part;
}

// Each pixel is the mean of the area that it covers, first along rows, then along columns.
function resized(picture, width, height) {
  const narrow = newPicture(width, picture.height, picture.channels),
    result = newPicture(width, height, picture.channels);
  const c = picture.channels;
  for (let y = 0; y < picture.height; y++)
    averaged(picture.data, y * picture.width * c, picture.width, c, narrow.data, y * width * c, width, c, c);
  for (let x = 0; x < width; x++)
    averaged(narrow.data, x * c, picture.height, width * c, result.data, x * c, height, width * c, c);
  return result;
}

// One line of pixels into a line of another length: `stride` is from one pixel of a line to the next.
function averaged(from, start, length, stride, to, toStart, toLength, toStride, channels) {
  const scale = length / toLength;
  for (let n = 0; n < toLength; n++) {
    const [low, high] = [n * scale, (n + 1) * scale];
    for (let i = Math.floor(low); i < Math.min(Math.ceil(high), length); i++) {
      const share = (Math.min(i + 1, high) - Math.max(i, low)) / scale;
      for (let c = 0; c < channels; c++) to[toStart + n * toStride + c] += share * from[start + i * stride + c];
    }
  }
}

function pasted(onto, { width, height, channels, data }, left, top) {
  for (let y = 0; y < height; y++)
    onto.data.set(
      data.subarray(y * width * channels, (y + 1) * width * channels),
      ((top + y) * onto.width + left) * channels,
    );
  return onto;
}

// The ground of a picture: the median of its border. Where it is light the network, which learnt light on black, is given the
// inverse; a picture in colour stays as it is.
function groundOf({ width, height, data }) {
  const border = Array.from(data).filter((_, i) => i < width || i >= width * (height - 1) || (i + 1) % width < 2);
  return border.sort((a, b) => a - b)[border.length >> 1];
}

const isOnPaper = picture => picture.channels === 1 && groundOf(picture) > 0.5;
const inverted = picture => ({ ...picture, data: picture.data.map(value => 1 - value) });

// The ground at 0 and the brightest ink at 1. Of strokes what is below a third is paper and shadow, above two thirds ink.
function onBlack(picture, strokes) {
  if (picture.channels > 1) return picture;
  const light = isOnPaper(picture) ? inverted(picture) : picture;
  const ground = groundOf(light);
  const most = largest(light.data) - ground;
  const level = value => clipped((value - ground) / (most || 1), 0, 1);
  return { ...light, data: light.data.map(value => (strokes ? clipped(3 * level(value) - 1, 0, 1) : level(value))) };
}
