/**
 * AudioNTT as BYOL-A, BYOL-S, DeLoRes and LAPE publish it (delores.md §2, hybrid-byols.md §2 and §5): our `audio-ntt`, ready to
 * embed. Their names are the same and their front-ends are not, so each has an id of its own.
 */
import { frontEnds, type FrontEndInput } from '@unlabel/audio';
import { shapeList, sizeAt, type KeyMap } from './key-map.ts';

const channels = 64;

const inputOf = (frontEnd: FrontEndInput): NonNullable<KeyMap['input']> => ({
  modality: 'audio',
  sampleRate: 16000,
  frontEnd: { ...frontEnd },
  normalize: 'dataset',
});

/** The file does not say whose it is; a front-end with an HTK bank is taken. */
export const audioNtt: KeyMap = {
  id: 'audio-ntt',
  title: 'AudioNTT of BYOL-A, BYOL-S, DeLoRes and LAPE',
  source: 'nttcslab/byol-a byol_a/models.py, v2/byol_a2/models.py@3e65c928; Sreyan88/LAPE@81ba8d9c',
  family: 'audio-ntt',
  parts: {
    network: [
      'state_dict.encoder.encoder.', // LAPE, DeLoRes-S
      'encoder.encoder.',
      'state_dict.encoder_q.encoder.', // LAPE, DeLoRes-M
      'encoder_q.encoder.',
      'module.encoder.',
      'encoder.',
      'module.',
      '',
    ],
    key: ['state_dict.encoder_k.encoder.', 'encoder_k.encoder.'],
  },
  signature: [/^features\.0\.weight$/, /^features\.1\.running_mean$/, /^fc\.0\.weight$/, /^fc\.3\.weight$/],
  leftOut: [[/^(projector|projection|fc_\w+|predictor)\b/, 'projector']],
  renames: [
    [/^features_1\.([01])\./, 'features.$1.'],
    [/^features_2\.0\./, 'features.4.'],
    [/^features_2\.1\./, 'features.5.'],
    [/^features_3\.0\./, 'features.8.'],
    [/^features_3\.1\./, 'features.9.'],
  ],
  configOf(shapes) {
    const version = shapes.has('features.8.weight') ? '2020' : '2022';
    const pooled = version === '2020' ? 8 : 4;
    return {
      version,
      bands: (sizeAt(shapes, 'fc.0.weight', 1) / channels) * pooled,
      width: sizeAt(shapes, 'fc.3.weight', 0),
    };
  },
  expected(config) {
    const { version, bands, width } = config as { version: string; bands: number; width: number };
    const list = shapeList();
    const stages = version === '2020' ? 3 : 2;
    for (let stage = 0; stage < stages; stage++) {
      list.conv(`features.${4 * stage}`, channels, stage === 0 ? 1 : channels, [3, 3], true);
      list.batchNorm(`features.${4 * stage + 1}`, channels);
    }
    list.linear('fc.0', width, channels * Math.floor(bands / 2 ** stages));
    list.linear('fc.3', width, width);
    return list.shapes;
  },
  caution:
    'Its names do not say which front-end it was trained with; BYOL-A in torchaudio is taken. --upstream byol-a, byol-s or delores ' +
    'takes theirs.',
  input: inputOf(frontEnds['byol-a']),
};

const named = (id: string, title: string, frontEnd: FrontEndInput): KeyMap => {
  const { caution: _, ...rest } = audioNtt;
  return { ...rest, id, title, input: inputOf(frontEnd) };
};

/** NTT trained its published weights on librosa's Slaney bank. */
export const byolA = named('byol-a', 'AudioNTT of BYOL-A', { kind: 'log-mel', melScale: 'slaney', melNorm: 'slaney' });
export const byolS = named('byol-s', 'AudioNTT of BYOL-S', frontEnds['byol-s']);
export const delores = named('delores', 'AudioNTT of DeLoRes and LAPE', frontEnds.delores);
