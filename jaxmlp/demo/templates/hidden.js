// The hidden units, lit by their activations; and what one of them responds to.

const MOST_UNITS = 1024; // of a layer that are shown

class HiddenUnits {
  constructor(network, page) {
    Object.assign(this, { network, page, shown: null, layers: [] });
    network.layers.slice(0, -1).forEach(({ b }, n) => byId('layers').append(this.layer(n, b.length)));
  }

  layer(n, count) {
    const most = Math.min(count, MOST_UNITS),
      name = this.network.layers.length > 2 ? `Hidden layer ${n + 1}` : 'Hidden layer';
    const cells = Array.from({ length: most }, (_, j) => {
      const cell = element('button', {
        type: 'button',
        class: 'unit',
        'aria-label': `${name}, unit ${j + 1}`,
        tabindex: j ? -1 : 0,
      });
      for (const type of ['pointerenter', 'focus', 'click']) cell.addEventListener(type, () => this.show(n, j));
      return cell;
    });
    const group = element(
      'div',
      { class: 'units', role: 'group', 'aria-label': `${name}, ${count} units; arrow keys go from one to the next` },
      ...cells,
    );
    group.style.setProperty('--cell', `${count <= 64 ? 44 : count <= 256 ? 32 : 24}px`);
    group.addEventListener('keydown', event => this.key(event, cells));
    this.layers.push(cells);
    const which = most < count ? `the first ${most} of ${count}` : count;
    return element(
      'div',
      { class: 'layer' },
      element('h3', { text: `${name}: ${which} units, ${this.page.activation}` }),
      group,
    );
  }

  // One cell of a layer is in the order of tabs; arrow keys move within it.
  key(event, cells) {
    const at = cells.indexOf(document.activeElement),
      across = cells.filter(cell => cell.offsetTop === cells[0].offsetTop).length;
    const step = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -across,
      ArrowDown: across,
      Home: -at,
      End: cells.length - 1 - at,
    }[event.key];
    if (step === undefined || at < 0) return;
    event.preventDefault();
    const next = cells[clipped(at + step, 0, cells.length - 1)];
    cells[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  show(n, j) {
    this.shown = [n, j];
    if (this.tape) this.describe();
  }

  update(tape) {
    this.tape = tape;
    const ends = colours();
    this.layers.forEach((cells, n) => {
      const most = largest(tape.a[n].map(Math.abs));
      cells.forEach((cell, j) => {
        cell.style.backgroundColor = css(diverging(most ? tape.a[n][j] / most : 0, ends));
      });
    });
    if (this.layers.length) this.describe();
  }

  // The weights of a unit of the first layer; of a later one the gradient of its pre-activation with respect to the inputs.
  describe() {
    const { network, tape, page } = this;
    const [n, j] = this.shown ?? [0, argmax(tape.a[0].map(Math.abs))];
    const first = network.layers[0],
      width = first.b.length,
      delta = new Float64Array(network.layers[n].b.length);
    delta[j] = 1;
    const weights = n
      ? network.backward(tape, n, delta)
      : Float64Array.from({ length: network.inputs }, (_, i) => first.w[i * width + j]);
    this.layers.forEach((cells, l) => cells.forEach((cell, m) => cell.classList.toggle('shown', l === n && m === j)));
    page.showWeights(weights);
    byId('unit-title').textContent = `${this.layers.length > 1 ? `Layer ${n + 1}, unit` : 'Unit'} ${j + 1}`;
    byId('unit-what').textContent = n
      ? `What would raise it here: the gradient of its pre-activation.`
      : 'Its weights from the inputs.';
    const parts = [`Pre-activation ${number(tape.z[n][j])}, activation ${number(tape.a[n][j])}.`];
    if (n === this.layers.length - 1) parts.push(this.effect(j));
    byId('unit-text').textContent = parts.join(' ');
  }

  // What a unit of the last hidden layer adds to the logits.
  effect(j) {
    const { w, b } = this.network.layers.at(-1),
      a = this.tape.a.at(-1)[j];
    const added = Array.from(b, (_, k) => a * w[j * b.length + k]);
    if (!a) return 'It adds nothing to the outputs.';
    const up = argmax(added),
      down = argmax(added.map(value => -value)),
      { names } = this.page;
    if (b.length === 1) return `It adds ${signed(added[0])} to the output before its activation.`;
    return `It adds ${signed(added[up])} to the logit of ${names[up]}, and ${signed(added[down])} to that of ${names[down]}.`;
  }
}
