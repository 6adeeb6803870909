/**
 * Many standard normal draws at once: Marsaglia and Tsang, "The ziggurat method for generating random variables", Journal of Statistical
 * Software 5(8), 2000, with 128 layers; four times as fast as Box and Muller's in `Rng.normal`.
 */
import type { Rng } from '@unlabel/core';

const layers = 128;
/** Where the lowest layer ends and the tail begins, and the area of every layer, for 128 of them. */
const R = 3.442619855899;
const AREA = 9.91256303526217e-3;

interface Ziggurat {
  /** [128] A draw's size times this is x. */
  readonly width: Float64Array;
  /** [128] Sizes below it lie under the curve whatever y. */
  readonly inside: Float64Array;
  /** [129] The curve at the layers' edges. */
  readonly height: Float64Array;
}

let tables: Ziggurat | undefined;

function ziggurat(): Ziggurat {
  if (tables) return tables;
  const curve = (x: number): number => Math.exp((-x * x) / 2);
  // edges[1] = R, edges[2], … fall to 0; layer 0 is the lowest with its tail, as wide as its area asks for
  const edges = new Float64Array(layers + 1);
  edges[0] = AREA / curve(R);
  edges[1] = R;
  for (let i = 2; i < layers; i++) edges[i] = Math.sqrt(-2 * Math.log(AREA / edges[i - 1]! + curve(edges[i - 1]!)));
  return (tables = {
    width: edges.subarray(0, layers),
    inside: Float64Array.from({ length: layers }, (_, i) => edges[i + 1]! / edges[i]!),
    height: edges.map(curve),
  });
}

/** n draws of mean 0 and deviation 1 [n]; into `out` where one is given. */
export function normals(n: number, rng: Rng, out: Float64Array = new Float64Array(n)): Float64Array {
  const { width, inside, height } = ziggurat();
  for (let filled = 0; filled < n;) {
    const u = rng.uniform(); // 53 bits: seven choose the layer, one the sign, the others the place in it
    const scaled = u * (2 * layers);
    const choice = scaled | 0;
    const layer = choice >> 1;
    const size = scaled - choice;
    const sign = choice & 1 ? -1 : 1;
    let x = size * width[layer]!;
    if (size >= inside[layer]!) {
      if (layer === 0) x = tail(rng);
      else {
        const y = height[layer]! + rng.uniform() * (height[layer + 1]! - height[layer]!);
        if (y >= Math.exp((-x * x) / 2)) continue;
      }
    }
    out[filled++] = sign * x;
  }
  return out;
}

/** A draw beyond R (Marsaglia, "Generating a variable from the tail of the normal distribution", 1964). */
function tail(rng: Rng): number {
  for (;;) {
    const x = -Math.log(1 - rng.uniform()) / R;
    const y = -Math.log(1 - rng.uniform());
    if (y + y > x * x) return R + x;
  }
}
