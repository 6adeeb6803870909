/** BYOL's loss written out literally in float64: what the engine's is tested against, and float64 references are met by. */

export interface ByolFloat64 {
  readonly loss: number;
  /** In p₁, p₂, and in z₂ if the targets were no constants. [B, D] */
  readonly gradients: { readonly p1: Float64Array; readonly p2: Float64Array; readonly z2: Float64Array };
}

type Views = Readonly<Record<'p1' | 'p2' | 'z1' | 'z2', Float64Array>>;

/** Row-major [rows, width] each; both ways added. */
export function byolFloat64({ p1, p2, z1, z2 }: Views, rows: number, width: number): ByolFloat64 {
  const gradients = {
    p1: new Float64Array(p1.length),
    p2: new Float64Array(p2.length),
    z2: new Float64Array(z2.length),
  };
  const unused = new Float64Array(z1.length);
  let loss = 0;
  for (let at = 0; at < rows * width; at += width) {
    loss += term(p1, z2, at, width, gradients.p1, gradients.z2) + term(p2, z1, at, width, gradients.p2, unused);
  }
  for (const gradient of Object.values(gradients)) gradient.forEach((value, i) => (gradient[i] = value / rows));
  return { loss: loss / rows, gradients };
}

/** 2 − 2cos of one row; its derivatives are −2·(b̂ − cos·â)/‖a‖ on either side. */
function term(a: Float64Array, b: Float64Array, at: number, width: number, da: Float64Array, db: Float64Array): number {
  const dot = (x: Float64Array, y: Float64Array): number => {
    let sum = 0;
    for (let i = at; i < at + width; i++) sum += x[i]! * y[i]!;
    return sum;
  };
  const [lengthA, lengthB] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  const cos = dot(a, b) / (lengthA * lengthB);
  for (let i = at; i < at + width; i++) {
    const [unitA, unitB] = [a[i]! / lengthA, b[i]! / lengthB];
    da[i]! += (-2 * (unitB - cos * unitA)) / lengthA;
    db[i]! += (-2 * (unitA - cos * unitB)) / lengthB;
  }
  return 2 - 2 * cos;
}
