/** Where in a clip which drums are struck: one-shots over ambience, in the manner of DCASE 2016 task 2. */
import { createRng, DataError, type Rng } from '@unlabel/core';
import { activeRegion, cutWithFade, limitPeak, mixInto, rms, tile } from '../compose.ts';
import { sonicPiPackage } from '../packages.ts';
import { sampleRate } from '../render.ts';
import { sonicPiGroup, sonicPiRecordings, type SonicPiRecording } from '../sonic-pi.ts';
import { splitGroups } from '../split.ts';
import type { ComposedClip, EventLabel, SuiteTask } from '../task-plan.ts';

const seconds = 12;
const clips = { train: 48, valid: 16, test: 24 } as const;
const splitNames = Object.keys(clips) as (keyof typeof clips)[];
const drums = ['hat', 'kick', 'perc', 'snare', 'tabla'] as const;
type Drum = (typeof drums)[number];

/** Event to background ratio of a clip: −6, 0, 6, 12 and 18 dB as amplitudes. */
const ratios = [0.501, 1, 1.995, 3.981, 7.943];
const maxEventSamples = 1.5 * sampleRate;
const gapSamples = 0.1 * sampleRate;

function roleOf({ stem, family }: SonicPiRecording): Drum | 'bed' | undefined {
  if (stem.startsWith('ambi_') || stem === 'vinyl_hiss') return 'bed';
  if (stem.startsWith('tabla_')) return 'tabla';
  if (stem.startsWith('perc_') || stem.startsWith('tbd_perc_')) return family === 'hat-cymbal' ? 'hat' : 'perc';
  if (family === 'kick' || family === 'snare') return family;
  return family === 'hat-cymbal' ? 'hat' : undefined;
}

interface Source {
  readonly role: Drum | 'bed';
  readonly recording: SonicPiRecording;
}

/** Recordings of each split; takes of one sound are not in two. */
export function drumSources(folders: ReadonlyMap<string, string>): ReadonlyMap<keyof typeof clips, readonly Source[]> {
  const sources = sonicPiRecordings(folders).flatMap((recording) => {
    const role = roleOf(recording);
    return role === undefined ? [] : [{ role, recording }];
  });
  const items = sources.map(({ role, recording }) => ({ group: sonicPiGroup(recording.stem), label: role }));
  const parts = splitGroups(items, [0.5, 0.2, 0.3], 'drum-events-splits');
  return new Map(splitNames.map((name, part) => [name, sources.filter((_, i) => parts[i] === part)]));
}

const choose = <T>(items: readonly T[], rng: Rng): T => {
  if (items.length === 0) throw new DataError('drum-events: a split has no recording of one kind');
  return items[rng.int(items.length)]!;
};

const sounds = new WeakMap<Float32Array, { sound: Float32Array; level: number }>();

/** The part of a recording that is heard, at most 1.5 s; the same for every clip it is in. */
function soundOf(audio: Float32Array): { sound: Float32Array; level: number } {
  const held = sounds.get(audio);
  if (held) return held;
  const [from, to] = activeRegion(audio, 0.05);
  const sound = cutWithFade(audio.subarray(from, to), maxEventSamples, 0.05 * sampleRate);
  const made = { sound, level: rms(sound) };
  sounds.set(audio, made);
  return made;
}

function scene(file: string, sources: readonly Source[], rng: Rng): ComposedClip {
  const of = (role: Source['role']): Source[] => sources.filter((source) => source.role === role);
  const bed = choose(of('bed'), rng).recording;
  const events = Array.from({ length: 6 + rng.int(13) }, () => {
    const label = choose(drums, rng);
    return { label, recording: choose(of(label), rng).recording };
  });
  return {
    file,
    recordings: [bed, ...events.map(({ recording }) => recording)],
    compose([bedAudio, ...audio]) {
      const length = seconds * sampleRate;
      const samples = new Float32Array(length);
      const places = rng.fork('places');
      const bedLevel = rms(bedAudio!);
      const background = tile(bedAudio!, length, places.int(length), 0.25 * sampleRate);
      if (bedLevel > 0) mixInto(samples, background, 0, 0.03 / bedLevel);
      const ratio = choose(ratios, places);
      const labels: EventLabel[] = [];
      events.forEach(({ label }, i) => {
        const { sound, level } = soundOf(audio[i]!);
        const start = freePlace(labels, label, sound.length, length, places);
        if (sound.length === 0 || start === undefined) return;
        mixInto(samples, sound, start, (0.03 * ratio) / level);
        const end = Math.min(length, start + sound.length);
        labels.push({ label, start: (start * 1000) / sampleRate, end: (end * 1000) / sampleRate });
      });
      limitPeak(samples, 0.95);
      return { samples, labels: labels.sort((a, b) => a.start - b.start || (a.label < b.label ? -1 : 1)) };
    },
  };
}

/** A start at which the event does not touch another of its label; undefined after 50 tries. */
function freePlace(
  placed: readonly EventLabel[],
  label: string,
  length: number,
  total: number,
  rng: Rng,
): number | undefined {
  for (let tries = 0; tries < 50; tries++) {
    const start = Math.floor(rng.range(0.1 * sampleRate, total - 0.25 * sampleRate));
    const [low, high] = [start - gapSamples, start + length + gapSamples].map((at) => (at * 1000) / sampleRate);
    if (placed.every((event) => event.label !== label || event.end <= low! || event.start >= high!)) return start;
  }
  return undefined;
}

export const drumEvents: SuiteTask = {
  id: 'drum-events',
  version: 'v1',
  title: 'Onsets of drums over ambience (Sonic Pi samples)',
  embeddingType: 'event',
  predictionType: 'multilabel',
  splitMode: 'trainvaltest',
  sampleDuration: seconds,
  evaluation: ['event_onset_200ms_fms', 'event_onset_50ms_fms', 'segment_1s_er'],
  packages: [sonicPiPackage],
  note:
    'Composed: 6 to 18 one-shots (kick, snare, hat, tabla, perc) on an ambience, event to background ratio −6 … 18 dB a clip. ' +
    'An event starts where its recording first exceeds 5 % of its peak and ends where it last does, at most 1.5 s later. ' +
    'Recordings and takes of one sound are in one split only.',
  plan(folders) {
    const splits = new Map<string, ComposedClip[]>();
    for (const [split, sources] of drumSources(folders)) {
      splits.set(
        split,
        Array.from({ length: clips[split] }, (_, i) => {
          const rng = createRng(0).fork('drum-events').fork(split).fork(i);
          return scene(`${split}-${String(i).padStart(3, '0')}.wav`, sources, rng);
        }),
      );
    }
    return { vocabulary: drums, splits };
  },
};
