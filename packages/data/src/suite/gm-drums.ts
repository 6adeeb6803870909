/** What kind of drum a one-shot is. */
import { sf3Package } from '../packages.ts';
import { foldNames, splitGroups } from '../split.ts';
import { loadSoundFont, type LoadedSoundFont, type SoundFontRecording } from '../sound-fonts.ts';
import { slug, type PlainClip, type SuiteTask } from '../task-plan.ts';

type Drum = 'kick' | 'snare' | 'tom' | 'cymbal' | 'percussion';

const keysOf: Readonly<Record<Drum | 'hi-hat', readonly number[]>> = {
  kick: [35, 36],
  snare: [38, 40],
  tom: [41, 43, 45, 47, 48, 50],
  cymbal: [49, 51, 52, 53, 55, 57, 59],
  'hi-hat': [42, 44, 46],
  percussion: [37, 39, 54, 56, 58, ...Array.from({ length: 22 }, (_, i) => 60 + i)],
};
const drumOfKey = new Map(Object.entries(keysOf).flatMap(([drum, keys]) => keys.map((key) => [key, drum] as const)));

const brushKits = [40, 41, 42];
const orchestraKit = 48;
const marchingKits = [56, 57, 58, 95];

/** Kits of bank 128 by program. Brush kits slap on key 39; the orchestra kit has its own keys (timpani are pitched: none). */
function drumOf(kit: number, key: number): string | undefined {
  if (brushKits.includes(kit) && key === 39) return 'snare';
  if (kit !== orchestraKit) return drumOfKey.get(key);
  if ([35, 36].includes(key)) return 'kick';
  if ([38, 40].includes(key)) return 'snare';
  if ([30, 57, 59].includes(key)) return 'cymbal';
  return key >= 54 ? drumOfKey.get(key) : undefined;
}

/** Marching kits lay their drums out over the keyboard; the recording's name says what is struck and how. */
const marching: readonly (readonly [pattern: RegExp, drum: Drum | undefined])[] = [
  [/_SNR_VIS$/, undefined], // the plain stroke once more
  [/_SNR_(BUZZ|NORM|RIMSHOT|STICKSHOT)/, 'snare'],
  [/_BD\d_?NORM$/, 'kick'],
  [/_TNR(\d|SPOCK2?)_(NO|MUTED)/, 'tom'],
  [/_SNR_RIDECYM$/, 'cymbal'],
  [/(HIHAT\d?|HHLOOSE|HHCLOSE|ROLL\d?|Roll)$/, undefined],
  [/^58_/, 'cymbal'],
  [/_(RIM?|SHELL|STICKCLIC)$/, 'percussion'],
];

/** Two channels or two strokes of one drum: they stay together. */
const strokeGroup = (name: string): string =>
  name
    .replace(/\((L|R)\)?$/, '')
    .replace(/^(58_.*)[12]$/, '$1')
    .replace(/^(RmPwr|Snr|Piccolo|Std Snr|Power Snare|Electronic Snr|808 Snare)( \d)?.*/, '$1$2')
    .trim();

/** Unique one-shots with their drum, by sample name order. */
export function drumsOf({ font, recording }: LoadedSoundFont): (SoundFontRecording & { drum: Drum })[] {
  const drums = new Map<number, Map<string, number>>();
  for (const { bank, program, regions } of font.presets) {
    if (bank !== 128) continue;
    for (const { sample, keyLow, keyHigh } of regions) {
      const votes = drums.get(sample) ?? new Map<string, number>();
      drums.set(sample, votes);
      const vote = (drum: string | undefined): void => {
        if (drum !== undefined) votes.set(drum, (votes.get(drum) ?? 0) + 1);
      };
      if (marchingKits.includes(program)) vote(marching.find(([p]) => p.test(font.samples[sample]!.name))?.[1]);
      else for (let key = keyLow; key <= keyHigh; key++) vote(drumOf(program, key));
    }
  }
  const kept = [...drums].flatMap(([sample, votes]) => {
    const [drum] = [...votes].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0] ?? [];
    const source = recording(sample);
    return drum === undefined || drum === 'hi-hat' || source.seconds < 0.05 ? [] : [{ ...source, drum: drum as Drum }];
  });
  return kept.sort((a, b) => (a.id < b.id ? -1 : 1));
}

export const gmDrums: SuiteTask = {
  id: 'gm-drums',
  version: 'v1',
  title: 'Kind of drum of a one-shot (FluidR3Mono drum kits)',
  embeddingType: 'scene',
  predictionType: 'multiclass',
  splitMode: 'new_split_kfold',
  sampleDuration: 1.5,
  evaluation: ['top1_acc', 'mAP', 'd_prime', 'aucroc'],
  packages: [sf3Package],
  note:
    'Label: the General MIDI drum of the keys a recording is played at in the kits of bank 128, by majority; in marching kits ' +
    'the recording’s name. Hi-hats are too few and left out. Five stratified folds; channels and strokes of one drum stay ' +
    'together. Kits share recordings, so folds cannot be split by kit.',
  plan(folders) {
    const drums = drumsOf(loadSoundFont('fluid', folders));
    const items = drums.map(({ sampleName, drum }) => ({ group: `${drum} ${strokeGroup(sampleName)}`, label: drum }));
    const folds = splitGroups(items, [1, 1, 1, 1, 1], 'gm-drums-folds');
    const names = foldNames(5);
    const splits = new Map<string, PlainClip[]>(names.map((name) => [name, []]));
    drums.forEach((source, i) => {
      const file = `${source.drum}-${slug(source.sampleName)}-${source.id.slice(-4)}.wav`;
      splits.get(names[folds[i]!]!)!.push({ file, labels: [source.drum], recording: source });
    });
    return { vocabulary: ['cymbal', 'kick', 'percussion', 'snare', 'tom'], splits };
  },
};
