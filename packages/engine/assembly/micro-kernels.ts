/**
 * Text of `micro.ts`, the register tiles that everything else is built on: MR×NR sums live in registers while the depth runs.
 * Written out by a program because AssemblyScript unrolls no loops and keeps no arrays in registers.
 */

export interface Variant {
  /** Fused multiply-add by relaxed SIMD: one rounding. */
  readonly isRelaxed: boolean;
  /** Columns of a tile. 16 needs the compiler to pair 128-bit operations into 256-bit ones; 8 fits sixteen 128-bit registers. */
  readonly columns: 8 | 16;
}

const MR = 6;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The source of `micro.ts` for a variant. */
export function microKernels({ isRelaxed, columns }: Variant): string {
  const vectors = range(columns / 4);
  const rows = range(MR);
  const fma = isRelaxed ? 'f32x4.relaxed_madd(x, b, c)' : 'f32x4.add(f32x4.mul(x, b), c)';
  const load = rows
    .map((i) => `  let ${vectors.map((j) => `c${i}${j} = v128.load(init + ${i} * initStep, ${16 * j})`).join(', ')};`)
    .join('\n');
  const store = rows
    .map((i) => vectors.map((j) => `  v128.store(c, f32x4.pmax(c${i}${j}, low), ${16 * j});`).join('') + ' c += ldc;')
    .join('\n');
  // Not unrolled over the depth: that was measured slower, and V8 pairs fewer operations then.
  const product = (a: (row: number) => string): string =>
    `{ ${vectors.map((j) => `const b${j} = v128.load(b, ${16 * j});`).join(' ')}\n` +
    rows
      .map(
        (i) =>
          `      { const x = v128.load32_splat(${a(i)}); ${vectors.map((j) => `c${i}${j} = fma(x, b${j}, c${i}${j});`).join(' ')} }`,
      )
      .join('\n') +
    ' }';
  // A strip of 96 columns: at once in sixteen 256-bit registers, in two runs in 128-bit ones.
  const strip = range((columns * 6) / 4);
  const runs = range(16 / columns).map((run) => run * columns * 24);
  // A dot product keeps y in registers: half a strip, or the sums have no room and it runs at half the speed.
  const half = range(12);
  const halves = [0, 192];
  return `
export const MR: i32 = ${MR};
export const NR: i32 = ${columns};

/** x·b + c, rounded once where the variant is relaxed. */
// @ts-ignore: decorator
@inline
export function fma(x: v128, b: v128, c: v128): v128 {
  return ${fma};
}

/** A packed: the tile's rows lie side by side, one depth after the other. */
export function tilePacked(
  a: usize, b: usize, depth: i32, init: usize, initStep: usize, c: usize, ldc: usize, floor: f32,
): void {
${load}
  for (let k = 0; k < depth; k++) {
    ${product((i) => `a, ${4 * i}`)}
    a += ${4 * MR}; b += ${4 * columns};
  }
  const low = f32x4.splat(floor);
${store}
}

/** A with its rows side by side, \`aStep\` bytes from one depth to the next, in \`outer\` runs; adds to C. */
export function tileRuns(
  a: usize, aStep: usize, b: usize, bStep: usize, outer: i32, aOuter: usize, depth: i32, c: usize, ldc: usize,
): void {
  const init = c;
  const initStep = ldc;
${load}
  const skip = aOuter - depth * aStep;
  for (; outer > 0; outer--) {
    for (let k = 0; k < depth; k++) {
      ${product((i) => `a, ${4 * i}`)}
      a += aStep; b += bStep;
    }
    a += skip;
  }
${store.replaceAll(/f32x4\.pmax\((c\d+), low\)/g, '$1')}
}

/** Adds x·(row of b) to a strip of c for each listed x of \`rows\` rows; lists lie \`slot\` bytes apart. See \`sparse.ts\`. */
export function axpyRows(
  lists: usize, slot: usize, ends: usize, b: usize, rows: i32, c: usize, step: usize,
): void {
  for (let i = 0; i < rows; i++, lists += slot, c += step) {
    const end = <usize>load<u32>(ends + (i << 2));
${runs
  .map(
    (from) => `    {
      ${strip.map((j) => `let c${j} = v128.load(c, ${from + 16 * j});`).join(' ')}
      for (let at = lists; at < end; at += 8) {
        const p = b + <usize>load<u32>(at);
        const x = v128.load32_splat(at, 4);
        ${strip.map((j) => `c${j} = fma(x, v128.load(p, ${from + 16 * j}), c${j});`).join(' ')}
      }
      ${strip.map((j) => `v128.store(c, c${j}, ${from + 16 * j});`).join(' ')}
    }`,
  )
  .join('\n')}
  }
}

/** Adds a strip of y·(row of b) to the eight lanes of each listed number of \`rows\` rows. */
export function dotRows(
  lists: usize, slot: usize, ends: usize, b: usize, rows: i32, y: usize, yStep: usize, lanes: usize, lanesStep: usize,
): void {
  for (let i = 0; i < rows; i++, lists += slot, y += yStep, lanes += lanesStep) {
    const end = <usize>load<u32>(ends + (i << 2));
${halves
  .map(
    (from) => `    {
      ${half.map((j) => `const y${j} = v128.load(y, ${from + 16 * j});`).join(' ')}
      let lane = lanes;
      for (let at = lists; at < end; at += 8, lane += 32) {
        const p = b + <usize>load<u32>(at);
        let a0 = v128.load(lane);
        let a1 = v128.load(lane, 16);
        ${half.map((j) => `a${j % 2} = fma(y${j}, v128.load(p, ${from + 16 * j}), a${j % 2});`).join(' ')}
        v128.store(lane, a0);
        v128.store(lane, a1, 16);
      }
    }`,
  )
  .join('\n')}
  }
}

/** A in place: rows \`step\` bytes apart (those beyond \`m\` repeat the last), \`outer\` runs of \`depth\` numbers each. */
export function tileRows(
  a: usize, step: usize, m: i32, outer: i32, aOuter: usize, depth: i32,
  b: usize, init: usize, initStep: usize, c: usize, ldc: usize, floor: f32,
): void {
${load}
${rows.map((i) => `  let a${i} = ${i === 0 ? 'a' : `a${i - 1} + (m > ${i} ? step : 0)`};`).join('\n')}
  const skip = aOuter - (<usize>depth << 2);
  for (; outer > 0; outer--) {
    for (let k = 0; k < depth; k++) {
      ${product((i) => `a${i}`)}
      ${rows.map((i) => `a${i} += 4;`).join(' ')} b += ${columns * 4};
    }
    ${rows.map((i) => `a${i} += skip;`).join(' ')}
  }
  const low = f32x4.splat(floor);
${store}
}
`;
}
