/**
 * The inner loops of resampling and of mel spectra in WebAssembly SIMD. Spectra work in float64 on two frames at a time:
 * each 16-byte vector holds the same quantity of both frames, so that no butterfly ever shuffles. The arithmetic is that of
 * `fft-passes.ts` and `fft.ts`, which remain for other lengths and as the reference in the tests.
 *
 * All parameters are byte addresses, byte strides or counts. A complex number of two frames is 32 bytes: re, re, im, im.
 */
import { block, doWhile, f32x4, f64x2, i32, v128, wasmFunction, when, type Code, type Local } from './assembler.ts';

const { add, sub, mul } = f64x2;
const bump = (pointer: Local, bytes: Code): Code => pointer.set(i32.add(pointer.get, bytes));

/** out[i] = (a[i]·w[i], b[i]·w[i]) for n float samples of two frames; n even, w in double. */
const windowPair = wasmFunction('windowPair', ['a', 'b', 'w', 'out', 'n'], ({ a, b, w, out, n }, local) => {
  const end = local('i32');
  const [x, y, weight] = [local('v128'), local('v128'), local('v128')];
  return [
    end.set(i32.add(a.get, i32.shl(n.get, i32.const(2)))),
    doWhile(
      [
        weight.set(v128.load(w.get)),
        x.set(mul(f64x2.promoteLow(v128.load64Zero(a.get)), weight.get)),
        y.set(mul(f64x2.promoteLow(v128.load64Zero(b.get)), weight.get)),
        v128.store(out.get, v128.shuffle(x.get, y.get, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23])),
        v128.store(
          out.get,
          v128.shuffle(x.get, y.get, [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31]),
          16,
        ),
        bump(a, i32.const(8)),
        bump(b, i32.const(8)),
        bump(w, i32.const(16)),
        bump(out, i32.const(32)),
      ],
      i32.ltU(a.get, end.get),
    ),
  ];
});

/** A radix-4 pass over 4·m·s points (see `fft-passes.ts`); twiddles are w, w², w³ as doubles. */
const pass4 = wasmFunction('pass4', ['x', 'y', 'm', 's', 'twiddles'], ({ x, y, m, s, twiddles }, local) => {
  const [row, quarter, end, rowEnd] = [local('i32'), local('i32'), local('i32'), local('i32')];
  const sources = [x, local('i32'), local('i32'), local('i32')] as const;
  const targets = [y, local('i32'), local('i32'), local('i32')] as const;
  const w = Array.from({ length: 6 }, () => local('v128'));
  const [ar, ai, br, bi] = [local('v128'), local('v128'), local('v128'), local('v128')];
  const [cr, ci, dr, di] = [local('v128'), local('v128'), local('v128'), local('v128')];
  const [tr, ti] = [local('v128'), local('v128')];
  const rotated = (k: 1 | 2 | 3): Code => {
    const [wr, wi] = [w[2 * k - 2]!, w[2 * k - 1]!];
    return block(
      v128.store(targets[k].get, sub(mul(tr.get, wr.get), mul(ti.get, wi.get))),
      v128.store(targets[k].get, add(mul(tr.get, wi.get), mul(ti.get, wr.get)), 16),
    );
  };
  return [
    row.set(i32.shl(s.get, i32.const(5))),
    quarter.set(i32.mul(m.get, row.get)),
    end.set(i32.add(x.get, quarter.get)),
    ...[1, 2, 3].map((k) => sources[k]!.set(i32.add(sources[k - 1]!.get, quarter.get))),
    ...[1, 2, 3].map((k) => targets[k]!.set(i32.add(targets[k - 1]!.get, row.get))),
    doWhile(
      [
        ...w.map((value, k) => value.set(v128.load64Splat(twiddles.get, 8 * k))),
        bump(twiddles, i32.const(48)),
        rowEnd.set(i32.add(x.get, row.get)),
        doWhile(
          [
            // sums and differences of a, c and of b, d, in place
            ar.set(v128.load(sources[0].get)),
            ai.set(v128.load(sources[0].get, 16)),
            tr.set(v128.load(sources[2].get)),
            ti.set(v128.load(sources[2].get, 16)),
            cr.set(sub(ar.get, tr.get)),
            ci.set(sub(ai.get, ti.get)),
            ar.set(add(ar.get, tr.get)),
            ai.set(add(ai.get, ti.get)),
            br.set(v128.load(sources[1].get)),
            bi.set(v128.load(sources[1].get, 16)),
            tr.set(v128.load(sources[3].get)),
            ti.set(v128.load(sources[3].get, 16)),
            dr.set(sub(br.get, tr.get)),
            di.set(sub(bi.get, ti.get)),
            br.set(add(br.get, tr.get)),
            bi.set(add(bi.get, ti.get)),
            v128.store(targets[0].get, add(ar.get, br.get)),
            v128.store(targets[0].get, add(ai.get, bi.get), 16),
            tr.set(sub(ar.get, br.get)),
            ti.set(sub(ai.get, bi.get)),
            rotated(2),
            tr.set(add(cr.get, di.get)), // (a − c) − i(b − d)
            ti.set(sub(ci.get, dr.get)),
            rotated(1),
            tr.set(sub(cr.get, di.get)),
            ti.set(add(ci.get, dr.get)),
            rotated(3),
            ...[...sources, ...targets].map((pointer) => bump(pointer, i32.const(32))),
          ],
          i32.ltU(x.get, rowEnd.get),
        ),
        ...targets.map((pointer) => bump(pointer, i32.mul(row.get, i32.const(3)))),
      ],
      i32.ltU(x.get, end.get),
    ),
  ];
});

/** The last pass when the length is twice a power of four: sums and differences of halves of s points. */
const lastPass2 = wasmFunction('lastPass2', ['x', 'y', 's'], ({ x, y, s }, local) => {
  const [half, end] = [local('i32'), local('i32')];
  const [a, b] = [local('v128'), local('v128')];
  const part = (offset: number): Code =>
    block(
      a.set(v128.load(x.get, offset)),
      b.set(v128.load(i32.add(x.get, half.get), offset)),
      v128.store(y.get, add(a.get, b.get), offset),
      v128.store(i32.add(y.get, half.get), sub(a.get, b.get), offset),
    );
  return [
    half.set(i32.shl(s.get, i32.const(5))),
    end.set(i32.add(x.get, half.get)),
    doWhile([part(0), part(16), bump(x, i32.const(32)), bump(y, i32.const(32))], i32.ltU(x.get, end.get)),
  ];
});

/**
 * |X|² of two real frames from the transform Z of their samples packed in pairs (`half` complex points), windowed with half
 * the window: bins 0 … half into out, 16 bytes each. Twiddles are e^(−πi·k/half). `isInOrder`: the four squares of a bin are summed one after
 * the other, for the bytes of `fft.ts`; otherwise two by two.
 */
const powerPairOf = (name: string, isInOrder: boolean) =>
  wasmFunction(name, ['z', 'twiddles', 'half', 'out'], ({ z, twiddles, half, out }, local) => {
    const [i, j, low, high, count] = [local('i32'), local('i32'), local('i32'), local('i32'), local('i32')];
    const [sr, si, dr, di, tr, ti] = Array.from({ length: 6 }, () => local('v128')) as [
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
    ];
    const [wr, wi, both, cross] = [local('v128'), local('v128'), local('v128'), local('v128')];
    const [re, im] = [v128.load(i.get), v128.load(i.get, 16)];
    const [mirroredRe, mirroredIm] = [v128.load(j.get), v128.load(j.get, 16)];
    return [
      i.set(z.get),
      j.set(i32.add(z.get, i32.shl(half.get, i32.const(5)))),
      low.set(out.get),
      high.set(i32.add(out.get, i32.shl(half.get, i32.const(4)))),
      // bins 0 and half: (re ± im)², times 4 for the halved window
      sr.set(add(re, im)),
      dr.set(sub(re, im)),
      v128.store(low.get, mul(mul(sr.get, sr.get), v128.splat64(4))),
      v128.store(high.get, mul(mul(dr.get, dr.get), v128.splat64(4))),
      count.set(i32.const(0)),
      doWhile(
        [
          bump(i, i32.const(32)),
          bump(j, i32.const(-32)),
          bump(low, i32.const(16)),
          bump(high, i32.const(-16)),
          bump(twiddles, i32.const(16)),
          sr.set(add(re, mirroredRe)),
          si.set(sub(im, mirroredIm)),
          dr.set(add(im, mirroredIm)),
          di.set(sub(mirroredRe, re)),
          wr.set(v128.load64Splat(twiddles.get)),
          wi.set(v128.load64Splat(twiddles.get, 8)),
          tr.set(sub(mul(dr.get, wr.get), mul(di.get, wi.get))),
          ti.set(add(mul(dr.get, wi.get), mul(di.get, wr.get))),
          both.set(sumOfSquares(isInOrder, [sr, si, tr, ti])),
          cross.set(add(mul(sr.get, tr.get), mul(si.get, ti.get))),
          cross.set(add(cross.get, cross.get)),
          // a bin that is nearly nothing may round below it
          v128.store(high.get, f64x2.max(sub(both.get, cross.get), v128.splat64(0))),
          v128.store(low.get, f64x2.max(add(both.get, cross.get), v128.splat64(0))),
          bump(count, i32.const(2)),
        ],
        i32.ltU(count.get, half.get),
      ),
    ];
  });

const sumOfSquares = (isInOrder: boolean, values: readonly [Local, Local, Local, Local]): Code => {
  const [a, b, c, d] = values.map((value) => mul(value.get, value.get)) as [Code, Code, Code, Code];
  return isInOrder ? add(add(add(a, b), c), d) : add(add(a, b), add(c, d));
};

const [powerPair, powerPairInOrder] = [powerPairOf('powerPair', false), powerPairOf('powerPairInOrder', true)];

/** Square roots of n vectors in place. */
const sqrtPair = wasmFunction('sqrtPair', ['x', 'n'], ({ x, n }, local) => {
  const end = local('i32');
  return [
    end.set(i32.add(x.get, i32.shl(n.get, i32.const(4)))),
    doWhile([v128.store(x.get, f64x2.sqrt(v128.load(x.get))), bump(x, i32.const(16))], i32.ltU(x.get, end.get)),
  ];
});

/** Sparse bank times spectrum: `rows` are (first bin's byte offset, taps) as i32, weights follow each other as doubles. */
const bankPair = wasmFunction(
  'bankPair',
  ['rows', 'weights', 'spectrum', 'out', 'n'],
  ({ rows, weights, spectrum, out, n }, local) => {
    const [end, bin, weightEnd] = [local('i32'), local('i32'), local('i32')];
    const sum = local('v128');
    return [
      end.set(i32.add(rows.get, i32.shl(n.get, i32.const(3)))),
      doWhile(
        [
          sum.set(v128.zero),
          bin.set(i32.add(spectrum.get, i32.load(rows.get))),
          weightEnd.set(i32.add(weights.get, i32.shl(i32.load(rows.get, 4), i32.const(3)))),
          when(i32.ltU(weights.get, weightEnd.get), [
            doWhile(
              [
                sum.set(add(sum.get, mul(v128.load64Splat(weights.get), v128.load(bin.get)))),
                bump(weights, i32.const(8)),
                bump(bin, i32.const(16)),
              ],
              i32.ltU(weights.get, weightEnd.get),
            ),
          ]),
          v128.store(out.get, sum.get),
          bump(rows, i32.const(8)),
          bump(out, i32.const(16)),
        ],
        i32.ltU(rows.get, end.get),
      ),
    ];
  },
);

/**
 * Polyphase filter: for each of `periods`, one output for each of q kernels, the dot product of `tapBytes`/4 float weights (a
 * multiple of 8) with the audio from firsts[j] bytes on; then the audio moves by `strideBytes`.
 */
const resamplePeriods = wasmFunction(
  'resamplePeriods',
  ['audio', 'firsts', 'weights', 'out', 'q', 'tapBytes', 'strideBytes', 'periods'],
  ({ audio, firsts, weights, out, q, tapBytes, strideBytes, periods }, local) => {
    const [first, firstsEnd, weight, weightEnd, input] = [
      local('i32'),
      local('i32'),
      local('i32'),
      local('i32'),
      local('i32'),
    ];
    const [sum, other] = [local('v128'), local('v128')];
    const upperHalf = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
    const neighbours = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
    const term = (offset: number): Code => f32x4.mul(v128.load(input.get, offset), v128.load(weight.get, offset));
    return [
      firstsEnd.set(i32.add(firsts.get, i32.shl(q.get, i32.const(2)))),
      doWhile(
        [
          first.set(firsts.get),
          weight.set(weights.get),
          doWhile(
            [
              input.set(i32.add(audio.get, i32.load(first.get))),
              weightEnd.set(i32.add(weight.get, tapBytes.get)),
              sum.set(v128.zero),
              other.set(v128.zero),
              doWhile(
                [
                  sum.set(f32x4.add(sum.get, term(0))),
                  other.set(f32x4.add(other.get, term(16))),
                  bump(input, i32.const(32)),
                  bump(weight, i32.const(32)),
                ],
                i32.ltU(weight.get, weightEnd.get),
              ),
              sum.set(f32x4.add(sum.get, other.get)),
              sum.set(f32x4.add(sum.get, v128.shuffle(sum.get, sum.get, upperHalf))),
              sum.set(f32x4.add(sum.get, v128.shuffle(sum.get, sum.get, neighbours))),
              v128.store32Lane(out.get, sum.get, 0),
              bump(out, i32.const(4)),
              bump(first, i32.const(4)),
            ],
            i32.ltU(first.get, firstsEnd.get),
          ),
          bump(audio, strideBytes.get),
          bump(periods, i32.const(-1)),
        ],
        periods.get,
      ),
    ];
  },
);

export const kernelFunctions = [
  windowPair,
  pass4,
  lastPass2,
  powerPair,
  powerPairInOrder,
  sqrtPair,
  bankPair,
  resamplePeriods,
];
