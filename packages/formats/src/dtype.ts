/** Element types of foreign files ↔ the typed arrays of `NdArray`. Half floats become float32; 64-bit integers int32. */
import { DataError, type TypedArray } from '@unlabel/core';
import { copyOf } from './bytes.ts';

/** IEEE 754 binary16 → float32, exact. */
export function halfToFloat32(half: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(half.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < half.length; i++) {
    const h = half[i]!;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    const sign = (h & 0x8000) << 16;
    if (exponent === 0) out[i] = (sign ? -fraction : fraction) * 2 ** -24;
    else bits[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  }
  return out;
}

/** bfloat16 → float32, exact. */
export function bfloat16ToFloat32(source: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(source.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
  return out;
}

/** float32 → bfloat16, to nearest, ties to even. NaN stays NaN. */
export function float32ToBfloat16(source: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) {
    const b = bits[i]!;
    const isNotANumber = (b & 0x7fffffff) > 0x7f800000;
    out[i] = isNotANumber ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** float32 → binary16, to nearest, ties to even; beyond ±65504 (and its half step) ±Infinity. NaN stays NaN. */
export function float32ToHalf(source: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) {
    const b = bits[i]!;
    const sign = (b >>> 16) & 0x8000;
    const exponent = ((b >>> 23) & 255) - 112;
    const fraction = b & 0x7fffff;
    if (exponent === 143) out[i] = sign | 0x7c00 | (fraction === 0 ? 0 : 0x200 | (fraction >>> 13));
    else if (exponent <= 0) out[i] = sign | roundHalfEven(Math.abs(source[i]!) * 2 ** 24);
    else {
      const rounded = ((exponent << 10) | (fraction >>> 13)) + (roundsUp(fraction) ? 1 : 0);
      out[i] = sign | Math.min(rounded, 0x7c00); // a carry moves into the exponent, which is the right number
    }
  }
  return out;
}

const roundsUp = (fraction: number): boolean => {
  const rest = fraction & 0x1fff;
  return rest > 0x1000 || (rest === 0x1000 && (fraction & 0x2000) !== 0);
};

function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

/**
 * Little-endian 64-bit integers → int32.
 * @throws DataError naming `where` and the first value that does not fit
 */
export function int64ToInt32(bytes: Uint8Array, where: string): Int32Array<ArrayBuffer> {
  const words = new Int32Array(copyOf(bytes).buffer);
  const out = new Int32Array(words.length / 2);
  for (let i = 0; i < out.length; i++) {
    const low = words[2 * i]!;
    const high = words[2 * i + 1]!;
    if (high !== low >> 31) {
      const value = (BigInt(high) << 32n) | BigInt(low >>> 0);
      throw new DataError(`${where}: element ${i} is the 64-bit integer ${value}, which does not fit 32 bits`);
    }
    out[i] = low;
  }
  return out;
}

/** int32 → little-endian 64-bit integers. */
export function int32ToInt64(source: Int32Array): Uint8Array<ArrayBuffer> {
  const words = new Int32Array(2 * source.length);
  source.forEach((value, i) => {
    words[2 * i] = value;
    words[2 * i + 1] = value >> 31;
  });
  return new Uint8Array(words.buffer);
}

/** Element types that are read, with the bytes of an element. */
export const elementBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

export type ElementType = keyof typeof elementBytes;

/**
 * Elements from their little-endian bytes, always into memory of their own: F32, F16, BF16 → Float32Array, F64 →
 * Float64Array, I32, I16, I8, I64 → Int32Array, U8, BOOL → Uint8Array.
 * @throws DataError for a 64-bit integer that does not fit 32 bits, and a BOOL that is neither 0 nor 1
 */
export function elementsFromBytes(type: ElementType, bytes: Uint8Array, where: string): TypedArray {
  if (type === 'I64') return int64ToInt32(bytes, where);
  const own = copyOf(bytes);
  switch (type) {
    case 'F64':
      return new Float64Array(own.buffer);
    case 'F32':
      return new Float32Array(own.buffer);
    case 'F16':
      return halfToFloat32(new Uint16Array(own.buffer));
    case 'BF16':
      return bfloat16ToFloat32(new Uint16Array(own.buffer));
    case 'I32':
      return new Int32Array(own.buffer);
    case 'I16':
      return Int32Array.from(new Int16Array(own.buffer));
    case 'I8':
      return Int32Array.from(new Int8Array(own.buffer));
    case 'U8':
      return own;
    case 'BOOL': {
      const odd = own.findIndex((value) => value > 1);
      if (odd >= 0) throw new DataError(`${where}: element ${odd} of a boolean array is ${own[odd]}, expected 0 or 1`);
      return own;
    }
  }
}

/** The element type that holds an array as it is. */
export function elementTypeOf(data: TypedArray): 'F32' | 'F64' | 'I32' | 'U8' {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Float64Array) return 'F64';
  return data instanceof Int32Array ? 'I32' : 'U8';
}
