// Pictures from elsewhere: a file, the clipboard, a drop; and the examples in the page.

const MOST_SIDE = 640; // pixels; a larger picture is made smaller first

// From a picture in any format of the browser to one with the channels of the network; what is transparent shows white.
async function pictureOf(blob, { width, height, channels }) {
  const bitmap = await createImageBitmap(blob),
    scale = Math.min(1, MOST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas'),
    context = canvas.getContext('2d', { willReadFrequently: true });
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map(side => Math.max(1, Math.round(side * scale)));
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const picture = newPicture(canvas.width, canvas.height, channels);
  for (let i = 0; i < canvas.width * canvas.height; i++) {
    const [red, green, blue] = pixels.subarray(4 * i, 4 * i + 3);
    if (channels === 1) picture.data[i] = Math.round((299 * red + 587 * green + 114 * blue) / 1000) / 255;
    else picture.data.set([red / 255, green / 255, blue / 255], 3 * i);
  }
  return { picture, fits: canvas.width === width && canvas.height === height };
}

function listenForPictures(onBlob) {
  const first = transfer => [...(transfer?.files ?? [])].find(file => file.type.startsWith('image/'));
  byId('file').addEventListener('change', event => {
    if (event.target.files[0]) onBlob(event.target.files[0]);
    event.target.value = '';
  });
  byId('open').addEventListener('click', () => byId('file').click());
  document.addEventListener('paste', event => {
    const file = first(event.clipboardData);
    if (file) (event.preventDefault(), onBlob(file));
  });
  document.addEventListener('dragover', event => event.preventDefault());
  document.addEventListener('drop', event => {
    event.preventDefault();
    if (first(event.dataTransfer)) onBlob(first(event.dataTransfer));
  });
}
