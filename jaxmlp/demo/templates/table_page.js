// The page of a network of columns: a control for each, the most important first; how the answer depends on it, and its slope.

const MOST_SHOWN = 8; // columns; the others wait below
const MOST_POINTS = 33; // of a curve
const MOST_PRODUCTS = 2e9; // of weights, as all columns are run over once: some seconds
const [CURVE_WIDTH, CURVE_HEIGHT] = [240, 40];

// An element of SVG.
function drawn(tag, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

class TablePage {
  constructor(page, network, onChange) {
    Object.assign(this, { page, network, blank: false });
    let first = 0;
    this.columns = page.columns.map((column, n) => {
      const made = { ...column, n, first, value: column.typical, missing: false };
      first += (column.categories?.length ?? 1) + column.indicator;
      return made;
    });
    const passes = MOST_PRODUCTS / network.weights / this.columns.length;
    this.points = clipped(Math.floor(passes), 3, MOST_POINTS);
    const importance = this.columns.map(column => this.importance(column));
    this.columns.forEach((column, n) => Object.assign(column, { importance: importance[n] }));
    const ordered = [...this.columns].sort((a, b) => b.importance - a.importance);
    ordered.forEach((column, rank) =>
      byId(rank < MOST_SHOWN ? 'columns' : 'others').append(this.control(column, onChange)),
    );
    byId('rest').hidden = ordered.length <= MOST_SHOWN;
    byId('rest-title').textContent =
      `The other ${ordered.length - MOST_SHOWN} columns, less important; each at its median, or its most frequent category`;
    byId('rest').addEventListener('toggle', onChange);
    byId('reset').addEventListener('click', () => {
      this.columns.forEach(column => this.set(column, column.typical));
      onChange();
    });
  }

  // The inputs of the network: numbers, a 1 for a category, and a 1 where a value is missing.
  inputs(other = null, value = null) {
    const v = new Float64Array(this.network.inputs);
    for (const column of this.columns) {
      const { first, categories, indicator, median } = column,
        now = column === other ? value : column.missing ? null : column.value;
      if (!categories) v[first] = now ?? median;
      else if (now !== null) v[first + now] = 1;
      if (indicator && now === null) v[first + (categories?.length ?? 1)] = 1;
    }
    return v;
  }

  // What the outputs are over the range of a column, all others as they are now.
  along(column) {
    const { categories, low, high } = column;
    const values = categories
      ? categories.map((_, n) => n)
      : Array.from({ length: this.points }, (_, n) => low + (n * (high - low)) / (this.points - 1));
    return values.map(value => this.network.forward(this.inputs(column, value)).values);
  }

  // How much any output changes over the range of a column.
  importance(column) {
    const rows = this.along(column);
    return Math.max(
      ...rows[0].map((_, k) => Math.max(...rows.map(row => row[k])) - Math.min(...rows.map(row => row[k]))),
    );
  }

  // The label and the control of a column, its curve and its slope.
  control(column, onChange) {
    const id = `column-${column.n}`;
    const change = value => {
      this.set(column, value);
      onChange();
    };
    const head = element('div', { class: 'column-head' }, element('label', { for: id, text: column.name }));
    const parts = column.categories ? this.choice(column, id, head, change) : this.slider(column, id, head, change);
    column.curve = drawn('svg', {
      viewBox: `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`,
      class: 'curve',
      'aria-hidden': 'true',
    });
    column.curve.setAttribute('preserveAspectRatio', 'none');
    column.slope = element('span', { class: 'slope' });
    this.set(column, column.typical);
    return element('div', { class: 'column' }, head, ...parts, column.curve, column.slope);
  }

  choice(column, id, head, change) {
    const options = column.categories.map((name, n) => element('option', { value: n, text: name }));
    if (column.indicator) options.push(element('option', { value: '', text: '(missing)' }));
    column.select = element('select', { id }, ...options);
    column.select.addEventListener('change', ({ target }) => change(target.value === '' ? null : Number(target.value)));
    head.append(column.select);
    return [];
  }

  slider(column, id, head, change) {
    const { name, low, high, whole, typical } = column;
    const step = whole ? 1 : Number(((high - low) / 200).toPrecision(1));
    column.field = element('input', { type: 'number', id, step: 'any', inputmode: 'decimal' });
    column.slider = element('input', { type: 'range', 'aria-label': `${name}, slider`, min: low, max: high, step });
    column.slider.addEventListener('input', ({ target }) => change(Number(target.value)));
    column.field.addEventListener('change', ({ target: { valueAsNumber } }) =>
      change(Number.isFinite(valueAsNumber) ? valueAsNumber : typical),
    );
    head.append(column.field);
    if (!column.indicator) return [column.slider];
    column.box = element('input', { type: 'checkbox', id: `${id}-missing`, 'aria-label': `${name} missing` });
    column.box.addEventListener('change', ({ target }) => change(target.checked ? null : column.value));
    return [column.slider, element('label', { class: 'missing', for: `${id}-missing` }, column.box, ' missing')];
  }

  // A value, or null for a missing one.
  set(column, value) {
    column.missing = value === null;
    if (value !== null) column.value = value;
    if (column.select) column.select.value = value ?? '';
    if (column.slider) {
      column.slider.value = column.value;
      column.field.value = column.slider.step === '1' ? column.value : Number(column.value.toPrecision(6));
    }
    if (column.box) column.box.checked = column.missing;
  }

  show(v, gradient, tape, k) {
    const shown = this.columns.filter(column => column.curve.checkVisibility?.() !== false);
    for (const column of shown) {
      this.draw(
        column,
        this.along(column).map(values => values[k]),
        tape.values[k],
      );
      const at = column.categories ? column.first + column.value : column.first;
      column.slope.textContent = column.missing ? 'missing' : `slope ${signed(gradient[at])}`;
    }
  }

  // The curve of the answer over the range of the column, with a mark at the value of now.
  draw({ curve, categories, low, high, value, missing }, answers, now) {
    const [least, most] =
      this.page.output_name === 'probability' ? [0, 1] : [Math.min(...answers, now), Math.max(...answers, now)];
    const y = answer =>
      CURVE_HEIGHT - 4 - (most > least ? (answer - least) / (most - least) : 0.5) * (CURVE_HEIGHT - 8);
    const x = share => 4 + clipped(share, 0, 1) * (CURVE_WIDTH - 8);
    const shapes = [];
    if (categories) {
      const wide = (CURVE_WIDTH - 8) / categories.length;
      answers.forEach((answer, n) =>
        shapes.push([
          'rect',
          {
            x: 4 + n * wide + 1,
            y: y(answer),
            width: Math.max(wide - 2, 1),
            height: CURVE_HEIGHT - 2 - y(answer),
            class: n === value && !missing ? 'now' : '',
          },
        ]),
      );
    } else {
      shapes.push([
        'polyline',
        {
          points: answers
            .map((answer, n) => `${x(n / (this.points - 1)).toFixed(1)},${y(answer).toFixed(1)}`)
            .join(' '),
        },
      ]);
      if (!missing)
        shapes.push(['path', { d: `M${x((value - low) / (high - low || 1)).toFixed(1)} ${y(now).toFixed(1)}h0.01` }]);
    }
    curve.replaceChildren(...shapes.map(([tag, attributes]) => drawn(tag, attributes)));
  }

  steps() {
    const steps = new Float64Array(this.network.inputs).fill(1e-4);
    for (const { first, categories, low, high } of this.columns)
      if (!categories) steps[first] = (high - low) / 1e4 || 1e-4;
    return steps;
  }

  place(i) {
    const { name, categories, first } = this.columns.findLast(column => column.first <= i);
    if (i - first === (categories?.length ?? 1)) return `${name} missing`;
    return categories ? `${name} = ${categories[i - first]}` : name;
  }

  mark() {}

  showWeights(weights) {
    const most = largest(weights.map(Math.abs)),
      ends = colours();
    const order = Array.from(weights.keys())
      .sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]))
      .slice(0, MOST_SHOWN);
    byId('weights').replaceChildren(
      ...order.map(i => {
        const fill = element('span', { class: 'fill' });
        fill.style.width = `${most ? (100 * Math.abs(weights[i])) / most : 0}%`;
        fill.style.backgroundColor = css(weights[i] < 0 ? ends.minus : ends.plus);
        return element(
          'li',
          {},
          element('span', { class: 'name', text: this.place(i) }),
          element('span', { class: 'track' }, fill),
          element('span', { class: 'value', text: signed(weights[i]) }),
        );
      }),
    );
  }
}
