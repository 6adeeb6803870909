import { expect, test } from 'vitest';
import { decodeAudio } from './audio-file.ts';
import { decodeNpy, encodeNpy } from './npy.ts';
import { parseSafetensors } from './safetensors.ts';
import { fixture } from './testing.ts';
import { readTorchCheckpoint } from './torch.ts';
import { readZip } from './zip.ts';

/** The same bytes in a Node `Buffer` at an odd offset, whose `slice` shares memory: what `readFile` may give. */
function oddBuffer(bytes: Uint8Array): Buffer {
  const buffer = Buffer.alloc(bytes.length + 9, 0xee);
  buffer.set(bytes, 3);
  return buffer.subarray(3, 3 + bytes.length);
}

const audio = ['wav/mono_double', 'wav/mono_pcm_16', 'wav/stereo_float_odd', 'wav/mono_pcm_32'].map(
  (name) => `${name}.wav`,
);

test.each([...audio, 'codecs/mono8.flac', 'codecs/double.aiff', 'codecs/mono.mp3', 'codecs/mono.ogg'])(
  '%s is read alike from a Buffer at an odd offset',
  async (name) => {
    expect(await decodeAudio(oddBuffer(fixture(name)), name)).toEqual(await decodeAudio(fixture(name), name));
  },
);

test('arrays, archives and checkpoints are read alike from a Buffer at an odd offset, into memory of their own', () => {
  const npy = encodeNpy({ data: Float64Array.of(1, 2), shape: [2] });
  expect(decodeNpy(oddBuffer(npy))).toEqual(decodeNpy(npy));
  const zip = readZip(oddBuffer(fixture('plain.zip')));
  expect(Buffer.from(zip.read('a/stored.txt')).toString()).toBe('stored');
  const source = oddBuffer(fixture('python.safetensors'));
  const tensor = parseSafetensors(source).read('u8');
  const weights = oddBuffer(fixture('torch-types.pt'));
  const half = readTorchCheckpoint(weights).tensors.get('model.transposed')!.data;
  source.fill(0);
  weights.fill(0);
  expect(tensor.data).toEqual(Uint8Array.of(0, 1, 2, 3, 4));
  expect(half).toEqual(Float32Array.of(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
});
