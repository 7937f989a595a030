// From the content of the page to the live page: every change is one forward pass, and one backward pass by hand.

byId('main').hidden = false;
const CHECK = byId('check').textContent;
const page = JSON.parse(byId('content').textContent);
const network = new Network(page.network);
let chosen = null; // the output that the gradient is taken of; null follows the prediction
let [tape, gradient, k, due, checks] = [null, null, 0, false, 0];

function update() {
  due = false;
  checks++;
  const v = source.inputs();
  tape = network.forward(v);
  k = chosen ?? Answer.predicted(page, tape);
  gradient = network.gradient(tape, k);
  answer.update(tape, k, chosen, source.blank);
  hidden.update(tape);
  source.show(v, gradient, tape, k);
  byId('of').textContent =
    page.output_name === 'probability'
      ? `ln p(${page.names[k]})`
      : page.names.length > 1 || page.kind === 'classes'
        ? page.names[k]
        : page.target;
  byId('checked').textContent = '';
  byId('check').textContent = CHECK;
  byId('check').disabled = !largest(gradient.map(Math.abs));
}

function changed() {
  if (!due) requestAnimationFrame(update);
  due = true;
}

// A sentence about a check of so many derivatives.
function verdictOf({ worst, scale, at, kinks }, count) {
  const relative = worst / scale;
  const left = kinks === 1 ? '1 was' : `${kinks} were`;
  const why = kinks ? ` ${left} left out: within the step a unit crosses the kink of its activation.` : '';
  if (kinks === count) return `There is nothing to compare.${why}`;
  const share = `${relative.toExponential(1).replace('-', '−')} of the largest derivative`;
  const agree = relative < 1e-5 ? 'They agree' : 'They do not agree';
  return `${agree}: of ${count} derivatives the largest difference is ${share}, at ${source.place(at)}.${why}`;
}

async function check() {
  const run = ++checks,
    count = network.inputs,
    v = source.inputs();
  const result = await network.check(v, k, source.steps(), done => {
    if (run === checks) byId('check').textContent = `Checked ${done} of ${count} …`;
  });
  if (run !== checks) return null; // something else is shown by now
  byId('checked').textContent = verdictOf(result, count);
  byId('check').textContent = CHECK;
  source.mark(result.at);
  return result;
}

const answer = new Answer(page, which => {
  chosen = chosen === which ? null : which;
  changed();
});
const source = page.image ? new ImagePage(page, network, changed) : new TablePage(page, network, changed);
const hidden = new HiddenUnits(network, { ...page, showWeights: weights => source.showWeights(weights) });
byId('check').addEventListener('click', check);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
update();

// For the console of the browser, and for tests.
window.jaxmlp = { page, network, source, Network, framed, update, check, state: () => ({ ...tape, k, gradient }) };
