/**
 * C = act(op(A)·op(B) + bias), row-major float32, in the blocking of Goto and van de Geijn ("Anatomy of high-performance matrix
 * multiplication", 2008): panels of B of NR columns in cache 1, blocks of A in cache 2, MR×NR of C in registers. The depth is cut
 * every KC whatever the shape, so that an element's sum has one order for any number of threads.
 */
import { MR, NR, tilePacked } from './micro';
import { floatParam, param } from './parameters';
import { scratch } from './scratch';

const KC: i32 = 256;
const MC: i32 = 96;

/** Depths packed together: the pages they lie on stay known to the processor. */
const NEAR: i32 = 64;
/** Panels of row-major B packed together, a row after the other. */
const SIDE_BY_SIDE: i32 = 8;

/** A panel of packed B: a line more than its depth, so that panels do not compete for the same cache sets. */
export function panelBytes(depth: i32): usize {
  return <usize>(depth + 1) * NR * 4;
}

/** Pack the columns of row-major B [k, n] as one panel [k, NR], zero beyond n. */
function packRows(to: usize, b: usize, ldb: usize, k: i32, n: i32): void {
  for (let i = 0; i < k; i++, b += ldb, to += NR * 4) {
    if (n == NR) {
      for (let j: usize = 0; j < <usize>NR * 4; j += 16) v128.store(to + j, v128.load(b + j));
      continue;
    }
    for (let j = 0; j < n; j++) store<f32>(to + (j << 2), load<f32>(b + (j << 2)));
    for (let j = n; j < NR; j++) store<f32>(to + (j << 2), 0);
  }
}

/** Pack the rows of B [n, k] as one panel [k, NR], zero beyond n. */
function packColumns(to: usize, b: usize, ldb: usize, k: i32, n: i32): void {
  for (let k0 = 0; k0 < k; k0 += NEAR, b += NEAR << 2, to += NEAR * NR * 4) {
    const depth = min(NEAR, k - k0);
    for (let j = 0; j < NR; j += 4) {
      let i: usize = 0;
      const at = to + (j << 2);
      if (j + 4 <= n) {
        const r0 = b + j * ldb;
        const r1 = r0 + ldb;
        const r2 = r1 + ldb;
        const r3 = r2 + ldb;
        for (; <i32>i + 4 <= depth; i += 4) {
          transpose4(r0 + i * 4, r1 + i * 4, r2 + i * 4, r3 + i * 4, at + i * NR * 4, NR * 4);
        }
      }
      for (; <i32>i < depth; i++) {
        for (let l = 0; l < 4; l++) {
          store<f32>(at + ((i * NR + l) << 2), j + l < n ? load<f32>(b + (j + l) * ldb + (i << 2)) : 0);
        }
      }
    }
  }
}

function transpose4(r0: usize, r1: usize, r2: usize, r3: usize, to: usize, step: usize): void {
  const a = v128.load(r0);
  const b = v128.load(r1);
  const c = v128.load(r2);
  const e = v128.load(r3);
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const ce0 = v128.shuffle<f32>(c, e, 0, 4, 1, 5);
  const ce1 = v128.shuffle<f32>(c, e, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(ab0, ce0, 0, 1, 4, 5));
  v128.store(to + step, v128.shuffle<f32>(ab0, ce0, 2, 3, 6, 7));
  v128.store(to + 2 * step, v128.shuffle<f32>(ab1, ce1, 0, 1, 4, 5));
  v128.store(to + 3 * step, v128.shuffle<f32>(ab1, ce1, 2, 3, 6, 7));
}

/** Pack A [k, m] as strips of [k, MR], zero beyond m. */
function packAColumns(to: usize, a: usize, lda: usize, m: i32, k: i32): void {
  const strip = <usize>k * MR * 4;
  for (let l = 0; l < k; l++, a += lda, to += MR * 4) {
    let at = to;
    let i = 0;
    for (; i + MR <= m; i += MR, at += strip) {
      const from = a + (i << 2);
      store<u64>(at, load<u64>(from));
      store<u64>(at, load<u64>(from, 8), 8);
      store<u64>(at, load<u64>(from, 16), 16);
    }
    for (let j = 0; i < m && j < MR; j++) store<f32>(at + (j << 2), i + j < m ? load<f32>(a + ((i + j) << 2)) : 0);
  }
}

/** Pack op(A) [m, k] as strips of [k, MR]. */
function packA(to: usize, a: usize, lda: usize, isTransposed: bool, m: i32, k: i32): void {
  if (isTransposed) {
    packAColumns(to, a, lda, m, k);
    return;
  }
  for (let i = 0; i < m; i += MR) {
    const rows = min(MR, m - i);
    const r0 = a + i * lda;
    const r1 = r0 + (rows > 1 ? lda : 0);
    const r2 = r1 + (rows > 2 ? lda : 0);
    const r3 = r2 + (rows > 3 ? lda : 0);
    const r4 = r3 + (rows > 4 ? lda : 0);
    const r5 = r4 + (rows > 5 ? lda : 0); // rows beyond m repeat the last one; their products are thrown away
    for (let l: usize = 0; l < <usize>k * 4; l += 4, to += MR * 4) {
      store<f32>(to, load<f32>(r0 + l));
      store<f32>(to, load<f32>(r1 + l), 4);
      store<f32>(to, load<f32>(r2 + l), 8);
      store<f32>(to, load<f32>(r3 + l), 12);
      store<f32>(to, load<f32>(r4 + l), 16);
      store<f32>(to, load<f32>(r5 + l), 20);
    }
  }
}

/** Pack op(B) [k, n] as panels [k, NR], `panel` bytes apart. */
function packBlock(to: usize, panel: usize, b: usize, ldb: usize, isTransposed: bool, k: i32, n: i32): void {
  if (isTransposed) {
    for (let j = 0; j < n; j += NR, to += panel) packColumns(to, b + j * ldb, ldb, k, min(NR, n - j));
    return;
  }
  for (let i = 0; i < k; i++, b += ldb) {
    let at = to + i * NR * 4;
    for (let j = 0; j < n; j += NR, at += panel) packRows(at, b + (j << 2), ldb, 1, min(NR, n - j));
  }
}

/**
 * Pack some panels of B, all of their depth: parameters 0 B · 1 ldb (bytes) · 2 transposed · 3 packed · 4 N · 5 K. Packed B is
 * [N/NR][K + 1, NR]; a chunk is SIDE_BY_SIDE panels.
 */
export function packB(d: usize, chunk: i32): void {
  const K = param(d, 5);
  const ldb: usize = param(d, 1);
  const isTransposed = param(d, 2) != 0;
  const first = chunk * SIDE_BY_SIDE * NR;
  const b = <usize>param(d, 0) + (isTransposed ? first * ldb : first << 2);
  const n = min(SIDE_BY_SIDE * NR, param(d, 4) - first);
  packBlock(<usize>param(d, 3) + <usize>(first / NR) * panelBytes(K), panelBytes(K), b, ldb, isTransposed, K, n);
}

/** Compute C[m, n] (+)= A block · packed B panels, over one cut of the depth. */
function block(
  a: usize,
  b: usize,
  panelBytes: usize,
  c: usize,
  ldc: usize,
  m: i32,
  n: i32,
  k: i32,
  bias: usize,
  isFirst: bool,
  floor: f32,
): void {
  const temp = scratch; // the first bytes of the scratch: one tile
  for (let j = 0; j < n; j += NR, b += panelBytes) {
    const columns = min(NR, n - j);
    for (let i = 0; i < m; i += MR) {
      const rows = min(MR, m - i);
      const at = c + i * ldc + (j << 2);
      const strip = a + i * k * 4;
      if (columns == NR && rows == MR) {
        const init = isFirst ? bias + (j << 2) : at;
        tilePacked(strip, b, k, init, isFirst ? 0 : ldc, at, ldc, floor);
        continue;
      }
      if (isFirst) {
        for (let l = 0; l < NR; l++) store<f32>(temp + (l << 2), l < columns ? load<f32>(bias + ((j + l) << 2)) : 0);
      } else {
        for (let r = 0; r < rows; r++) memory.copy(temp + r * NR * 4, at + r * ldc, columns << 2);
      }
      tilePacked(strip, b, k, temp, isFirst ? 0 : NR * 4, temp, NR * 4, floor);
      for (let r = 0; r < rows; r++) memory.copy(at + r * ldc, temp + r * NR * 4, columns << 2);
    }
  }
}

/**
 * One tile of C: parameters 0 A · 1 lda · 2 A transposed · 3 packed B · 4 N · 5 K · 6 C · 7 M · 8 bias (N zeros if none) ·
 * 9 lower bound of the result (−∞ or 0) · 10 columns of a tile (multiple of NR) · 11 tiles across.
 */
export function gemm(d: usize, chunk: i32): void {
  const N = param(d, 4);
  const K = param(d, 5);
  const M = param(d, 7);
  const lda: usize = param(d, 1);
  const isTransposed = param(d, 2) != 0;
  const across = param(d, 11);
  const m0 = (chunk / across) * MC;
  const n0 = (chunk % across) * param(d, 10);
  const m = min(MC, M - m0);
  const n = min(param(d, 10), N - n0);
  const packed = scratch + MR * NR * 4;
  const panel = panelBytes(K);
  const b = <usize>param(d, 3) + <usize>(n0 / NR) * panel;
  const ldc = (<usize>N) << 2;
  const c = <usize>param(d, 6) + m0 * ldc + (n0 << 2);
  const bias = <usize>param(d, 8) + (n0 << 2);
  for (let k0 = 0; k0 < K; k0 += KC) {
    const k = min(KC, K - k0);
    const a = <usize>param(d, 0) + (isTransposed ? k0 * lda + (m0 << 2) : m0 * lda + (k0 << 2));
    packA(packed, a, lda, isTransposed, m, k);
    block(
      packed,
      b + <usize>k0 * NR * 4,
      panel,
      c,
      ldc,
      m,
      n,
      k,
      bias,
      k0 == 0,
      k0 + k == K ? floatParam(d, 9) : -Infinity,
    );
  }
}

/**
 * One small product of a batch, B packed by the thread itself: parameters as `gemm`, but 3 B · 10 ldb · 11 B transposed ·
 * 12, 13, 14 bytes from one A, B, C to the next · 15, 16 batches of A and B (1 repeats).
 */
export function gemmSmall(d: usize, chunk: i32): void {
  const N = param(d, 4);
  const K = param(d, 5);
  const M = param(d, 7);
  const lda: usize = param(d, 1);
  const ldb: usize = param(d, 10);
  const isTransposed = param(d, 2) != 0;
  const isBTransposed = param(d, 11) != 0;
  const A = <usize>param(d, 0) + <usize>(chunk % param(d, 15)) * param(d, 12);
  const B = <usize>param(d, 3) + <usize>(chunk % param(d, 16)) * param(d, 13);
  const C = <usize>param(d, 6) + <usize>chunk * param(d, 14);
  const ldc = (<usize>N) << 2;
  const packedA = scratch + MR * NR * 4;
  const packedB = packedA + MC * KC * 4;
  const panel = panelBytes(K);
  packBlock(packedB, panel, B, ldb, isBTransposed, K, N);
  for (let m0 = 0; m0 < M; m0 += MC) {
    const m = min(MC, M - m0);
    for (let k0 = 0; k0 < K; k0 += KC) {
      const k = min(KC, K - k0);
      const a = A + (isTransposed ? k0 * lda + (m0 << 2) : m0 * lda + (k0 << 2));
      packA(packedA, a, lda, isTransposed, m, k);
      const floor = k0 + k == K ? floatParam(d, 9) : -Infinity;
      block(packedA, packedB + <usize>k0 * NR * 4, panel, C + m0 * ldc, ldc, m, N, k, param(d, 8), k0 == 0, floor);
    }
  }
}

/**
 * Some columns of a product with few rows, where a packed copy of all of B would not be used often enough: B is packed a cut of
 * the depth at a time into the thread's cache. Parameters as `gemm`, but 3 B · 11 ldb · 12 B transposed.
 */
export function gemmFlat(d: usize, chunk: i32): void {
  const N = param(d, 4);
  const K = param(d, 5);
  const M = param(d, 7);
  const lda: usize = param(d, 1);
  const ldb: usize = param(d, 11);
  const isTransposed = param(d, 2) != 0;
  const isBTransposed = param(d, 12) != 0;
  const n0 = chunk * param(d, 10);
  const n = min(param(d, 10), N - n0);
  const ldc = (<usize>N) << 2;
  const c = <usize>param(d, 6) + (n0 << 2);
  const bias = <usize>param(d, 8) + (n0 << 2);
  const packedA = scratch + MR * NR * 4;
  const packedB = packedA + MC * KC * 4;
  for (let k0 = 0; k0 < K; k0 += KC) {
    const k = min(KC, K - k0);
    const panel = panelBytes(k);
    const b = <usize>param(d, 3) + (isBTransposed ? n0 * ldb + (k0 << 2) : k0 * ldb + (n0 << 2));
    packBlock(packedB, panel, b, ldb, isBTransposed, k, n);
    const floor = k0 + k == K ? floatParam(d, 9) : -Infinity;
    for (let m0 = 0; m0 < M; m0 += MC) {
      const m = min(MC, M - m0);
      packA(
        packedA,
        <usize>param(d, 0) + (isTransposed ? k0 * lda + (m0 << 2) : m0 * lda + (k0 << 2)),
        lda,
        isTransposed,
        m,
        k,
      );
      block(packedA, packedB, panel, c + m0 * ldc, ldc, m, n, k, bias, k0 == 0, floor);
    }
  }
}
