/**
 * The beginning of a compressed stream as a stream of its own, so that a clip of three seconds does not cost the decoding of
 * thirteen. The result decodes to the same samples as the whole, only fewer.
 */

const crcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let r = i << 24;
  for (let bit = 0; bit < 8; bit++) r = r & 0x80000000 ? (r << 1) ^ 0x04c11db7 : r << 1;
  return r >>> 0;
});

/** Checksum of an Ogg page whose own checksum field is zero (RFC 3533, §6). */
export function oggCrc(page: Uint8Array): number {
  let crc = 0;
  for (const byte of page) crc = ((crc << 8) ^ crcTable[((crc >>> 24) ^ byte) & 255]!) >>> 0;
  return crc;
}

const pageSize = (bytes: Uint8Array, at: number): number => {
  const segments = bytes[at + 26]!;
  let size = 27 + segments;
  for (let i = 0; i < segments; i++) size += bytes[at + 27 + i] ?? 0;
  return size;
};

/**
 * An Ogg Vorbis stream cut after the page that reaches `seconds`; that page is marked as the last. The stream itself when it
 * is no longer than that, or not an Ogg stream.
 */
export function cutOgg(ogg: Uint8Array, seconds: number): Uint8Array {
  const view = new DataView(ogg.buffer, ogg.byteOffset, ogg.byteLength);
  let rate = 0;
  for (let at = 0; at + 27 <= ogg.length && view.getUint32(at, false) === 0x4f676753;) {
    const end = at + pageSize(ogg, at);
    if (end >= ogg.length) return ogg;
    const body = at + 27 + ogg[at + 26]!;
    if (rate === 0 && ogg[body] === 1) rate = view.getUint32(body + 12, true);
    const high = view.getUint32(at + 10, true);
    const granule = high === 0xffffffff ? 0 : high * 4294967296 + view.getUint32(at + 6, true);
    if (rate > 0 && granule >= seconds * rate) {
      const cut = Uint8Array.from(ogg.subarray(0, end)); // a copy, also of a Buffer, whose slice would not be one
      const page = cut.subarray(at);
      page[5] = page[5]! | 4; // end of stream
      page.fill(0, 22, 26);
      new DataView(cut.buffer).setUint32(at + 22, oggCrc(page), true);
      return cut;
    }
    at = end;
  }
  return ogg;
}

const bitrates = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]; // kbit/s, MPEG-1 layer III
const rates = [44100, 48000, 32000];

/** Bytes and rate of the MPEG-1 layer III frame at `at`, or undefined when there is none. */
function mp3Frame(bytes: Uint8Array, at: number): { size: number; rate: number } | undefined {
  const [a, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
  if (a !== 0xff || b === undefined || c === undefined || (b & 0xfe) !== 0xfa) return undefined;
  const rate = rates[(c >> 2) & 3];
  const bitrate = bitrates[c >> 4];
  if (rate === undefined || !bitrate) return undefined;
  return { size: Math.floor((144000 * bitrate) / rate) + ((c >> 1) & 1), rate };
}

/** Bytes of an ID3v2 tag at the start: ten and a size of four times seven bits. */
function id3Size(bytes: Uint8Array): number {
  if (bytes.length < 10 || bytes[0] !== 0x49 || bytes[1] !== 0x44 || bytes[2] !== 0x33) return 0;
  return 10 + ((bytes[6]! & 127) << 21) + ((bytes[7]! & 127) << 14) + ((bytes[8]! & 127) << 7) + (bytes[9]! & 127);
}

/**
 * A plain MP3 file (after an ID3 tag, frames only; no Xing or LAME tag, whose statement of length a cut would contradict)
 * cut after `seconds` and two frames; the file itself when it is anything else.
 */
export function cutMp3(mp3: Uint8Array, seconds: number): Uint8Array {
  const start = id3Size(mp3);
  let samples = 0;
  for (let at = start, frame = mp3Frame(mp3, at); frame; frame = mp3Frame(mp3, at)) {
    const isFirst = at === start;
    if (isFirst && /Xing|Info|VBRI/.test(String.fromCharCode(...mp3.subarray(at, at + frame.size)))) return mp3;
    at += frame.size;
    samples += 1152;
    if (samples >= seconds * frame.rate + 2 * 1152) return mp3.subarray(0, Math.min(at, mp3.length));
  }
  return mp3;
}
