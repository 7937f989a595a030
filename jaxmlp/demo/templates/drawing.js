// The area to draw on: mouse, finger, pen and keyboard; undo. White ink on black, whatever the theme.

const SIDE = 280; // pixels of the longer side, about

class Drawing {
  constructor(canvas, cursor, image, onChange, say) {
    const scale = Math.max(1, Math.round(SIDE / Math.max(image.width, image.height)));
    [canvas.width, canvas.height] = [image.width * scale, image.height * scale];
    Object.assign(this, {
      canvas,
      cursor,
      image,
      onChange,
      say,
      items: [],
      erase: false,
      ink: '#ffffff',
      penDown: false,
    });
    this.context = canvas.getContext('2d', { willReadFrequently: true });
    this.width = Math.round(canvas.width * image.pen);
    this.at = [canvas.width / 2, canvas.height / 2];
    this.paper();
    for (const [type, action] of Object.entries({
      pointerdown: 'down',
      pointermove: 'move',
      pointerup: 'up',
      pointercancel: 'up',
      keydown: 'key',
    })) {
      canvas.addEventListener(type, event => this[action](event));
    }
    canvas.addEventListener('blur', () => {
      this.lift();
      cursor.hidden = true;
    });
  }

  // What is drawn, from 0 to 1, with the channels of the network.
  get picture() {
    const { width, height } = this.canvas;
    const pixels = this.context.getImageData(0, 0, width, height).data;
    const picture = newPicture(width, height, this.image.channels);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < picture.channels; c++) picture.data[i * picture.channels + c] = pixels[4 * i + c] / 255;
    }
    return picture;
  }

  get last() {
    return this.items.at(-1);
  }

  get blank() {
    return !this.last || this.last.kind === 'clear';
  }

  add(item) {
    this.lift();
    this.items.push(item);
    this.replay();
  }

  undo() {
    this.lift();
    this.items.pop();
    this.replay();
  }

  clear() {
    if (!this.blank) this.add({ kind: 'clear' });
  }

  // A picture from 0 to 1, scaled to fill the area.
  show(picture, more) {
    const { channels } = this.image,
      copy = document.createElement('canvas');
    const value = (i, c) => 255 * picture.data[i * channels + (channels === 1 ? 0 : c)];
    paint(copy, picture.width, picture.height, i => [0, 1, 2].map(c => value(i, c)));
    this.add({ kind: 'picture', copy, ...more });
  }

  paper() {
    this.context.fillStyle = '#000000';
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  replay() {
    this.paper();
    const from = this.items.findLastIndex(item => item.kind === 'clear') + 1;
    for (const item of this.items.slice(from)) {
      if (item.kind === 'picture') this.fit(item.copy);
      else item.points.forEach((_, n) => this.segment(item, n));
    }
    this.onChange();
  }

  fit(copy) {
    const { width, height } = this.canvas,
      scale = Math.min(width / copy.width, height / copy.height);
    const [w, h] = [copy.width * scale, copy.height * scale];
    this.context.imageSmoothingEnabled = scale < 1 || !Number.isInteger(scale);
    this.paper();
    this.context.drawImage(copy, (width - w) / 2, (height - h) / 2, w, h);
  }

  begin([x, y]) {
    this.lift();
    if (this.last?.greeting && !this.erase) this.add({ kind: 'clear' });
    this.stroke = { kind: 'stroke', colour: this.erase ? '#000000' : this.ink, width: this.width, points: [[x, y]] };
    this.items.push(this.stroke);
    this.segment(this.stroke, 0);
    this.onChange();
  }

  extend(point) {
    this.stroke.points.push(point);
    this.segment(this.stroke, this.stroke.points.length - 1);
    this.onChange();
  }

  segment({ colour, width, points }, n) {
    const [x, y] = points[n],
      { context } = this;
    context.fillStyle = context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, width / 2, 0, 2 * Math.PI);
    context.fill();
    if (!n) return;
    context.beginPath();
    context.moveTo(...points[n - 1]);
    context.lineTo(x, y);
    context.stroke();
  }

  position({ clientX, clientY }) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [((clientX - left) * this.canvas.width) / width, ((clientY - top) * this.canvas.height) / height];
  }

  down(event) {
    if (event.button || this.pointer !== undefined) return;
    this.cursor.hidden = true;
    try {
      this.canvas.setPointerCapture(event.pointerId);
    } catch {
      // a pointer that a script made cannot be captured
    }
    this.begin(this.position(event));
    this.pointer = event.pointerId;
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    const points = event.getCoalescedEvents?.() ?? [];
    for (const sample of points.length ? points : [event]) this.extend(this.position(sample));
  }

  up(event) {
    if (event.pointerId === this.pointer) this.lift();
  }

  lift() {
    this.penDown = false;
    this.stroke = this.pointer = undefined;
  }

  key(event) {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in directions) this.step(directions[event.key], event.shiftKey ? 3 : 1);
    else if (event.key === ' ') this.toggle();
    else if (event.key === 'Escape' && this.penDown) this.toggle();
    else if (event.key === 'Delete') this.clear();
    else if (event.key.toLowerCase() === 'z' && (event.ctrlKey || event.metaKey)) this.undo();
    else return;
    event.preventDefault();
    const { canvas, cursor } = this;
    cursor.hidden = false;
    cursor.classList.toggle('down', this.penDown);
    cursor.style.left = `${(100 * this.at[0]) / canvas.width}%`;
    cursor.style.top = `${(100 * this.at[1]) / canvas.height}%`;
  }

  step(direction, count) {
    const size = [this.canvas.width, this.canvas.height],
      unit = Math.max(...size) / 28;
    this.at = this.at.map((value, n) => clipped(value + count * unit * direction[n], 0, size[n]));
    if (this.penDown) this.extend(this.at);
  }

  toggle() {
    const down = !this.penDown;
    this.lift();
    if (down) this.begin(this.at);
    this.penDown = down;
    const [x, y] = this.at.map((value, n) => Math.round((100 * value) / [this.canvas.width, this.canvas.height][n]));
    this.say(`${this.erase ? 'Eraser' : 'Pen'} ${this.penDown ? 'down' : 'up'} at ${x} % across, ${y} % down.`);
  }
}
