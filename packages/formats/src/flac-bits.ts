/** Bits of a FLAC stream, most significant first, and its Rice-coded residuals. */

/** Thrown within the decoder; the caller turns it into a DataError with the file's name. */
export class FlacFault extends Error {}

export class BitReader {
  readonly #bytes: Uint8Array;
  /** Next byte to load. */
  #next: number;
  /** Loaded bits, left-aligned; below the `#count` valid ones all are zero. */
  #cache = 0;
  #count = 0;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#next = start;
  }

  /** Byte position; only meaningful between whole bytes. */
  get position(): number {
    return this.#next - (this.#count >> 3);
  }

  /** Drops what is left of the current byte. */
  align(): void {
    const drop = this.#count & 7;
    this.#cache <<= drop;
    this.#count -= drop;
  }

  #fill(): void {
    while (this.#count <= 24) {
      if (this.#next >= this.#bytes.length + 8) throw new FlacFault('it is cut short');
      const byte = this.#bytes[this.#next++] ?? 0; // zeros past the end; the checksum of the frame then fails
      this.#cache |= byte << (24 - this.#count);
      this.#count += 8;
    }
  }

  /** Unsigned, n in 0…24. */
  bits(n: number): number {
    if (n === 0) return 0;
    if (this.#count < n) this.#fill();
    const value = this.#cache >>> (32 - n);
    this.#cache <<= n;
    this.#count -= n;
    return value;
  }

  /** Two's complement, n in 1…32. */
  signed(n: number): number {
    if (n <= 24) return (this.bits(n) << (32 - n)) >> (32 - n);
    const high = this.bits(n - 16);
    return (((high << (48 - n)) >> (48 - n)) << 16) | this.bits(16) | 0;
  }

  /** Zeros before the next one, which is taken too. */
  unary(): number {
    let zeros = 0;
    while (this.#cache === 0) {
      zeros += this.#count;
      this.#count = 0;
      this.#fill();
    }
    const z = Math.clz32(this.#cache);
    this.#cache = z === 31 ? 0 : this.#cache << (z + 1);
    this.#count -= z + 1;
    return zeros + z;
  }

  /** Rice codes with parameter k in 0…30 into `out` from `start` to `end`. */
  rice(out: Int32Array, start: number, end: number, k: number): void {
    const bytes = this.#bytes;
    const limit = 0x7fffffff >>> k; // a quotient above it would not fit 32 bits
    let next = this.#next;
    let cache = this.#cache;
    let count = this.#count;
    for (let i = start; i < end; i++) {
      let quotient = 0;
      while (cache === 0) {
        quotient += count;
        count = 0;
        if (next >= bytes.length) throw new FlacFault('it is cut short');
        while (count <= 24) {
          cache |= (bytes[next++] ?? 0) << (24 - count);
          count += 8;
        }
      }
      const z = Math.clz32(cache);
      cache = z === 31 ? 0 : cache << (z + 1);
      count -= z + 1;
      quotient += z;
      if (quotient > limit) throw new FlacFault('a residual is out of range');
      let low = 0;
      let wanted = k;
      while (wanted > 0) {
        while (count <= 24) {
          cache |= (bytes[next++] ?? 0) << (24 - count);
          count += 8;
        }
        const n = wanted > 24 ? 24 : wanted;
        low = (low << n) | (cache >>> (32 - n));
        cache <<= n;
        count -= n;
        wanted -= n;
      }
      const code = (quotient << k) | low;
      out[i] = (code >>> 1) ^ -(code & 1);
    }
    this.#next = next;
    this.#cache = cache;
    this.#count = count;
  }
}

const crc8Table = Uint8Array.from({ length: 256 }, (_, i) => {
  let r = i;
  for (let k = 0; k < 8; k++) r = r & 0x80 ? (r << 1) ^ 0x07 : r << 1;
  return r;
});
const crc16Table = Uint16Array.from({ length: 256 }, (_, i) => {
  let r = i << 8;
  for (let k = 0; k < 8; k++) r = r & 0x8000 ? (r << 1) ^ 0x8005 : r << 1;
  return r;
});

/** Polynomial x⁸ + x² + x + 1 over the bytes of a frame header. */
export function crc8(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++) crc = crc8Table[crc ^ bytes[i]!]!;
  return crc;
}

/** Polynomial x¹⁶ + x¹⁵ + x² + 1 over the bytes of a frame. */
export function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++) crc = ((crc << 8) & 0xffff) ^ crc16Table[(crc >> 8) ^ bytes[i]!]!;
  return crc;
}
