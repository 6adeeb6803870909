/**
 * Finds the recordings that MuseScore_General_Lite shares with FluidR3Mono and writes `src/twins.json`. Vorbis was run anew, so
 * no bytes are equal. A pair is a candidate when its names (channel aside) or its lengths to 0.2 ms agree; candidates of one
 * name are twins (of one instrument, when not the same take), those of one length when the waveforms correlate.
 *
 *   node --conditions=@unlabel/source packages/data/scripts/find-twins.ts
 *
 * Seen: correlations of candidates are below 0.1 or above 0.3; 764 of 801 twins are above 0.9, the others are the two channels
 * of one recording.
 */
import { writeFileSync } from 'node:fs';
import { requirePackages, sf3Package } from '../src/packages.ts';
import { renderRecording } from '../src/render.ts';
import { loadSoundFont, type SoundFontRecording } from '../src/sound-fonts.ts';

const nameOf = ({ sampleName }: SoundFontRecording): string =>
  sampleName
    .toLowerCase()
    .replace(/\((l|r)\)?$/, '')
    .replace(/[^a-z0-9#]/g, '')
    .replace(/(l|r)$/, '');

/** Half a second at 8 kHz. */
async function waveforms(recordings: readonly SoundFontRecording[]): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>();
  for (const recording of recordings) {
    const samples = await renderRecording(recording, 0.5);
    all.set(
      recording.id,
      Float32Array.from({ length: samples.length >> 1 }, (_, i) => samples[2 * i]! + samples[2 * i + 1]!),
    );
  }
  return all;
}

/** Largest |normalised correlation| over lags up to `reach` samples. */
function correlation(a: Float32Array, b: Float32Array, reach: number): number {
  const length = Math.min(a.length, b.length);
  let best = 0;
  for (let lag = -reach; lag <= reach; lag++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = Math.max(0, -lag); i < length - Math.max(0, lag); i++) {
      ab += a[i]! * b[i + lag]!;
      aa += a[i]! * a[i]!;
      bb += b[i + lag]! * b[i + lag]!;
    }
    best = Math.max(best, Math.abs(ab) / Math.sqrt(aa * bb + 1e-12));
  }
  return best;
}

const folders = requirePackages([sf3Package]);
const fluid = loadSoundFont('fluid', folders);
const musescore = loadSoundFont('musescore', folders);
const [a, b] = [await waveforms(fluid.recordings), await waveforms(musescore.recordings)];
const twins: Record<string, string> = {};
for (const recording of musescore.recordings) {
  let best = { score: 0, id: '' };
  for (const other of fluid.recordings) {
    const hasName = nameOf(other) === nameOf(recording);
    if (!hasName && Math.abs(other.seconds - recording.seconds) > 0.0002) continue;
    const score = correlation(a.get(other.id)!, b.get(recording.id)!, 4) + (hasName ? 1 : 0);
    if (score > best.score) best = { score, id: other.id };
  }
  if (best.score > 0.3) twins[recording.id] = best.id;
}
writeFileSync(new URL('../src/twins.json', import.meta.url), `${JSON.stringify(twins, null, 1)}\n`);
console.log(`${Object.keys(twins).length} of ${musescore.recordings.length} recordings have a twin`);
