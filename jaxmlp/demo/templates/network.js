// The network in float64: forward pass, backpropagation derived by hand, and central differences beside it.

const sigmoid = z => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const density = z => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
const normal = z => 0.5 * erfc(-z / Math.SQRT2); // the distribution function of the normal distribution
const LEAK = 0.01;

// a = value(z), and its derivative da/dz as a function of (z, a); kink: where the derivative jumps at z = 0.
const ACTIVATIONS = {
  identity: { value: z => z, derivative: () => 1 },
  sigmoid: { value: sigmoid, derivative: (z, a) => a * (1 - a) },
  tanh: { value: Math.tanh, derivative: (z, a) => 1 - a * a },
  relu: { value: z => Math.max(z, 0), derivative: z => (z > 0 ? 1 : 0), kink: true },
  arctan: { value: Math.atan, derivative: z => 1 / (1 + z * z) },
  leaky_relu: { value: z => (z >= 0 ? z : LEAK * z), derivative: z => (z >= 0 ? 1 : LEAK), kink: true },
  elu: { value: z => (z > 0 ? z : Math.expm1(z)), derivative: (z, a) => (z > 0 ? 1 : a + 1), kink: true },
  softplus: { value: z => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))), derivative: z => sigmoid(z) },
  silu: {
    value: z => z * sigmoid(z),
    derivative: (z, a) => {
      const s = sigmoid(z);
      return s + a * (1 - s);
    },
  },
  gelu: { value: z => z * normal(z), derivative: z => normal(z) + z * density(z) },
};

// What the outputs are. `answer` is what the gradient is taken of, for output k: the logarithm of a probability, else the
// output itself; `delta` is its derivative with respect to the logits z, where forward was `answer`.
const OUTPUTS = {
  softmax: {
    values: z => {
      const top = Math.max(...z),
        e = z.map(v => Math.exp(v - top)),
        sum = e.reduce((a, b) => a + b);
      return e.map(v => v / sum);
    },
    answer: (z, k) => -log1pSum(z, k), // ln p_k = -ln(1 + sum over j not k of exp(z_j - z_k)), exact also where p_k is near 1
    delta: (z, k) => {
      const p = OUTPUTS.softmax.values(z);
      return p.map((v, j) => (j === k ? sumWithout(p, k) : -v));
    },
  },
  sigmoid: {
    values: z => z.map(sigmoid),
    answer: (z, k) => -ACTIVATIONS.softplus.value(-z[k]), // ln s(z), so backward is 1 - s(z) = s(-z)
    delta: (z, k) => z.map((v, j) => (j === k ? sigmoid(-v) : 0)),
  },
  one_sigmoid: {
    // a single output for two classes: the probability of class 1
    values: z => [sigmoid(-z[0]), sigmoid(z[0])],
    answer: (z, k) => -ACTIVATIONS.softplus.value(k ? -z[0] : z[0]),
    delta: (z, k) => (k ? [sigmoid(-z[0])] : [-sigmoid(z[0])]),
  },
  activation: {
    values: (z, f) => z.map(f.value),
    answer: (z, k, f) => f.value(z[k]),
    delta: (z, k, f) => z.map((v, j) => (j === k ? f.derivative(v, f.value(v)) : 0)),
  },
  exp: {
    values: z => z.map(Math.exp),
    answer: (z, k) => Math.exp(z[k]),
    delta: (z, k) => z.map((v, j) => (j === k ? Math.exp(v) : 0)),
  },
};

function sumWithout(p, k) {
  return p.reduce((sum, v, j) => (j === k ? sum : sum + v), 0);
}

function log1pSum(z, k) {
  const top = Math.max(...z);
  if (z[k] === top) return Math.log1p(z.reduce((sum, v, j) => (j === k ? sum : sum + Math.exp(v - z[k])), 0));
  return top - z[k] + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

// 1 - erf(x): the series of erf by Kummer's transformation below 2.5, the continued fraction above (Abramowitz and Stegun
// 7.1.6 and 7.1.14); both to the last digits of float64.
function erfc(x) {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2.5) {
    let term = x,
      sum = x;
    for (let n = 1; term > 1e-17 * sum; n++) sum += term *= (2 * x * x) / (2 * n + 1);
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let tail = x;
  for (let n = 60; n > 0; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / tail;
}

// Numbers in base64, little-endian as in the file of the model.
function decoded({ kind, base64 }) {
  const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer),
    size = { uint8: 1, float32: 4, float64: 8 }[kind];
  const read = { uint8: i => bytes[i], float32: i => view.getFloat32(i, true), float64: i => view.getFloat64(i, true) }[
    kind
  ];
  return Float64Array.from({ length: bytes.length / size }, (_, n) => read(n * size));
}

class Network {
  constructor(description) {
    this.normalise = description.normalise;
    this.mean = decoded(description.mean);
    this.std = decoded(description.std);
    this.layers = description.layers.map(layer => ({ w: decoded(layer.w), b: decoded(layer.b) }));
    this.f = ACTIVATIONS[description.activation];
    this.g = ACTIVATIONS[description.output_activation];
    this.outputs = OUTPUTS[description.outputs];
    this.weights = this.layers.reduce((sum, { w }) => sum + w.length, 0);
    this.inputs = this.layers[0].w.length / this.layers[0].b.length;
  }

  // x from inputs as they came. A constant image becomes zeros under per_image.
  normalised(v) {
    if (this.normalise === 'none') return Float64Array.from(v);
    if (this.normalise !== 'per_image')
      return v.map((p, i) => (p - this.mean[this.mean.length > 1 ? i : 0]) / this.std[this.std.length > 1 ? i : 0]);
    const { mean, std } = momentsOf(v);
    return v.map(p => (std ? (p - mean) / std : 0));
  }

  // z_l = a_(l-1) w_l + b_l and a_l = f(z_l), with a_0 = x; the logits are z of the last layer.
  forward(v) {
    let a = this.normalised(Float64Array.from(v));
    const tape = { v: Float64Array.from(v), x: a, z: [], a: [] };
    for (const [n, { w, b }] of this.layers.entries()) {
      const z = Float64Array.from(b),
        width = b.length;
      for (let i = 0; i < a.length; i++) {
        const from = i * width;
        if (a[i] !== 0) for (let j = 0; j < width; j++) z[j] += a[i] * w[from + j];
      }
      if (n < this.layers.length - 1) {
        a = z.map(this.f.value);
        tape.z.push(z);
        tape.a.push(a);
      } else tape.logits = Array.from(z);
    }
    tape.values = this.outputs.values(tape.logits, this.g);
    return tape;
  }

  answer(tape, k) {
    return this.outputs.answer(tape.logits, k, this.g);
  }

  // The derivative of the answer k with respect to the inputs as they came.
  gradient(tape, k) {
    return this.backward(tape, this.layers.length - 1, this.outputs.delta(tape.logits, k, this.g));
  }

  // Forward was z_l = f(z_(l-1)) w_l + b_l, so backward is delta_(l-1) = (delta_l w_l^T) f'(z_(l-1)).
  backward(tape, layer, delta) {
    for (let n = layer; n >= 0; n--) {
      const { w, b } = this.layers[n],
        count = w.length / b.length,
        back = new Float64Array(count);
      for (let i = 0; i < count; i++) {
        let sum = 0;
        for (let j = 0, from = i * b.length; j < b.length; j++) sum += w[from + j] * delta[j];
        back[i] = n ? sum * this.f.derivative(tape.z[n - 1][i], tape.a[n - 1][i]) : sum;
      }
      delta = back;
    }
    return this.throughNormalisation(tape, delta);
  }

  // Forward was x = (v - mean) / std. Under per_image the mean and std are those of v itself, so backward is
  // (g - mean of g - x * mean of g x) / std.
  throughNormalisation({ v, x }, g) {
    if (this.normalise === 'none') return g;
    if (this.normalise !== 'per_image') return g.map((d, i) => d / this.std[this.std.length > 1 ? i : 0]);
    const { std } = momentsOf(v),
      mean = g.reduce((a, b) => a + b) / g.length;
    const along = g.reduce((sum, d, i) => sum + d * x[i], 0) / g.length;
    return g.map((d, i) => (std ? (d - mean - x[i] * along) / std : 0));
  }

  // (answer(v + h) - answer(v - h)) / 2h for every input, whole forward passes, beside the gradient by hand. An input between
  // whose two passes a unit crosses its kink has no derivative to compare: it is counted, and left out.
  async check(v, k, steps, onProgress = () => {}) {
    const hand = this.gradient(this.forward(v), k),
      scale = Math.max(...hand.map(Math.abs));
    const result = { hand, numerical: new Float64Array(v.length), worst: 0, at: 0, kinks: 0, scale };
    let paused = performance.now();
    for (let i = 0; i < v.length; i++) {
      const [up, down] = [steps[i], -steps[i]].map(h => {
        const moved = Float64Array.from(v);
        moved[i] += h;
        return this.forward(moved);
      });
      result.numerical[i] = (this.answer(up, k) - this.answer(down, k)) / (up.v[i] - down.v[i]);
      if (this.f.kink && up.z.some((z, n) => z.some((value, j) => value > 0 !== down.z[n][j] > 0))) result.kinks++;
      else if (Math.abs(result.numerical[i] - hand[i]) > result.worst)
        Object.assign(result, { worst: Math.abs(result.numerical[i] - hand[i]), at: i });
      if (performance.now() - paused > 40) {
        onProgress(i + 1);
        await new Promise(go => setTimeout(go));
        paused = performance.now();
      }
    }
    return result;
  }
}

function momentsOf(v) {
  const mean = v.reduce((a, b) => a + b) / v.length;
  if (v.every(p => p === v[0])) return { mean, std: 0 };
  return { mean, std: Math.sqrt(v.reduce((sum, p) => sum + (p - mean) ** 2, 0) / v.length) };
}
