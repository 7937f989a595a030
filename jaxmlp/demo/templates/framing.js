// From a picture of any size to the pixels that the network takes. A picture is { width, height, channels, data }: numbers
// from 0 (black) to 1 (white), row by row.

// How the pictures of a data set were made from scans: the side of the box that the longer side of the ink fills, what is
// put in the centre, and how many grey levels there are.
const FRAMINGS = {
  mnist: { box: 20 / 28, centre: 'mass' }, // 20 x 20 in 28 x 28, by the centre of mass
  digits: { box: 1, centre: 'box' }, // 32 x 32 bitmaps, of which each pixel counts 4 x 4
  fashion: { box: 1, centre: 'box' }, // the longer side fills the picture
};
const INK = 0.1; // of the brightest: what is darker is no ink

function framed(picture, shape, framing) {
  if (!(framing in FRAMINGS)) return resized(cropped(picture, ...middle(picture, shape)), shape.width, shape.height);
  const { box, centre } = FRAMINGS[framing],
    blank = newPicture(shape.width, shape.height, picture.channels);
  const [left, top, width, height] = boxOf(picture);
  if (!width) return blank;
  const scale = Math.min((box * shape.width) / width, (box * shape.height) / height);
  const small = resized(
    cropped(picture, left, top, width, height),
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  let [x, y] = [Math.floor((shape.width - small.width) / 2), Math.floor((shape.height - small.height) / 2)];
  if (centre === 'mass') {
    const [across, down] = massOf(small);
    x = Math.round(shape.width / 2 - across);
    y = Math.round(shape.height / 2 - down);
  }
  return pasted(blank, small, within(x, shape.width - small.width), within(y, shape.height - small.height));
}

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

// Dark ink on light paper becomes light on black, with the paper at 0 and the ink at 1; of light ink only the ground is taken
// off. The ground is the median of the border. Pictures in colour stay as they are.
function onBlack(picture) {
  if (picture.channels > 1) return picture;
  const { width, height, data } = picture,
    border = [];
  for (let x = 0; x < width; x++) border.push(data[x], data[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) border.push(data[y * width], data[(y + 1) * width - 1]);
  const ground = border.sort((a, b) => a - b)[border.length >> 1],
    sign = ground > 0.5 ? -1 : 1;
  const ink = data.map(value => Math.max(0, sign * (value - ground))),
    most = largest(ink);
  return { ...picture, data: most ? ink.map(value => value / most) : ink };
}
