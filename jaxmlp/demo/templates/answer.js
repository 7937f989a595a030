// What the network says: the answer in large, a bar for each output, and a sentence for screen readers once all is quiet.

const MOST_BARS = 16; // of more outputs the largest are shown, the largest first
const QUIET = 700; // ms without a change, after which the answer is read out

class Answer {
  constructor(page, onChoose) {
    this.page = page;
    this.bars = Array.from({ length: Math.min(page.names.length, MOST_BARS) }, (_, n) => this.bar(n, onChoose));
    byId('bars').style.setProperty(
      '--name',
      `${clipped(Math.max(...page.names.map(name => name.length)) + 1, 2, 16)}ch`,
    );
    byId('outputs').hidden = page.names.length === 1; // it is said in large
    byId('bars').append(...this.bars.map(({ button }) => element('li', {}, button)));
  }

  bar(n, onChoose) {
    const [name, fill, value] = [
      element('span', { class: 'name' }),
      element('span', { class: 'fill' }),
      element('span', { class: 'value' }),
    ];
    const track = element('span', { class: 'track', 'aria-hidden': 'true' }, fill);
    const button = element('button', { type: 'button', class: 'bar' }, name, track, value);
    const bar = { button, name, fill, track, value, k: n };
    button.addEventListener('click', () => onChoose(bar.k));
    return bar;
  }

  // The class that is predicted: of the largest logit, as an output may saturate. Of labels the likeliest, of values the first.
  static predicted({ kind }, { logits, values }) {
    if (kind === 'values') return 0;
    return logits.length > 1 ? argmax(logits) : argmax(values);
  }

  update(tape, k, chosen, blank) {
    const { page } = this,
      { values } = tape,
      order = values.map((_, n) => n);
    if (values.length > MOST_BARS) order.sort((a, b) => values[b] - values[a]);
    for (const [n, bar] of this.bars.entries()) {
      bar.k = order[n];
      const value = values[bar.k],
        [low, high] = page.range ?? [0, 0];
      bar.name.textContent = page.names[bar.k];
      bar.value.textContent = this.text(value);
      bar.fill.style.width = `${high > low ? 100 * clipped((value - low) / (high - low), 0, 1) : 0}%`;
      bar.track.hidden = !page.range;
      bar.button.setAttribute('aria-pressed', String(chosen === bar.k));
      bar.button.classList.toggle('best', bar.k === k);
    }
    const [big, small, sentence] = blank
      ? ['–', 'Nothing is there yet', 'Nothing is there yet']
      : this.verdict(tape, k);
    byId('verdict').textContent = big;
    byId('verdict').classList.toggle('long', big.length > 3);
    byId('certainty').textContent = small;
    byId('badge').textContent = blank ? '' : big;
    byId('answer').classList.toggle('blank', blank);
    clearTimeout(this.timer);
    if (sentence !== this.spoken)
      this.timer = setTimeout(() => {
        byId('live').textContent = this.spoken = sentence;
      }, QUIET);
  }

  text(value) {
    return this.page.output_name === 'probability' ? percent(value) : number(value);
  }

  // [in large, below it, as a sentence]
  verdict({ values, logits }, k) {
    const { page } = this,
      { names } = page;
    if (page.kind === 'values') {
      const which = names.length > 1 ? ` ${names[k]}` : '';
      return [number(values[k]), page.target + which, `${page.target + which}: ${number(values[k])}`];
    }
    if (page.kind === 'labels') {
      const held = names.filter((_, n) => logits[n] > 0).join(', ') || 'none';
      return [held, 'labels that hold, at one half or more', `Labels: ${held}`];
    }
    const best = Answer.predicted(page, { values, logits }),
      [next] = values
        .map((_, n) => n)
        .filter(n => n !== best)
        .sort((a, b) => values[b] - values[a]);
    const what = page.output_name === 'probability' ? '' : 'output ';
    const second =
      page.output_name === 'probability' && values[next] < 0.0005
        ? ''
        : `, then ${names[next]} with ${this.text(values[next])}`;
    const small = what + this.text(values[best]) + second;
    return [names[best], small, `${names[best]}, ${small}`];
  }
}
