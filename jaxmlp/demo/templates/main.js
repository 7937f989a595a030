// From the content of the page to the live page: every change is one forward pass, and one backward pass by hand.

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
    page.said === 'probability'
      ? `ln p(${page.names[k]})`
      : page.names.length > 1 || page.kind === 'classes'
        ? page.names[k]
        : page.target;
  byId('checked').textContent = '';
  byId('check').disabled = !largest(gradient.map(Math.abs));
}

function changed() {
  if (!due) requestAnimationFrame(update);
  due = true;
}

async function check() {
  const run = ++checks,
    count = network.inputs,
    v = source.inputs();
  byId('check').disabled = true;
  const result = await network.check(v, k, source.steps(), done => {
    if (run === checks) byId('checked').textContent = `${done} of ${count} …`;
  });
  if (run !== checks) return null; // something else is shown by now
  const relative = result.worst / result.scale;
  const left = result.kinks ? ` ${result.kinks} inputs were left out: within the step a unit crosses its kink.` : '';
  byId('checked').textContent =
    `${relative < 1e-5 ? 'They agree' : 'They do not agree'}: of ${count} derivatives the largest difference is ${relative.toExponential(1).replace('-', '−')} of the largest derivative, at ${source.place(result.at)}.${left}`;
  byId('check').disabled = false;
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
