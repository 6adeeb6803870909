/** The columns of the HEAR 2021 leaderboard and the task folders behind them (hear.md §3). */

export interface HearColumn {
  /** As the published table spells it. */
  readonly column: string;
  /** Task folders, `<name>-<version>-<mode>`; the score of several is their mean. */
  readonly dirs: readonly string[];
  readonly metric: string;
}

const column = (name: string, metric: string, ...dirs: readonly string[]): HearColumn => ({
  column: name,
  metric,
  dirs,
});

export const hearColumns: readonly HearColumn[] = [
  column('Beehive', 'aucroc', 'beehive_states_fold0-v2-full', 'beehive_states_fold1-v2-full'),
  column('Beijing Opera', 'top1_acc', 'beijing_opera-v1.0-hear2021-full'),
  column('CREMA-D', 'top1_acc', 'tfds_crema_d-1.0.0-full'),
  column('DCASE 2016', 'event_onset_200ms_fms', 'dcase2016_task2-hear2021-full'),
  column('ESC-50', 'top1_acc', 'esc50-v2.0.0-full'),
  column('FSD50K', 'mAP', 'fsd50k-v1.0-full'),
  column('GTZAN Genre', 'top1_acc', 'tfds_gtzan-1.0.0-full'),
  column('GTZAN Music/Speech', 'top1_acc', 'tfds_gtzan_music_speech-1.0.0-full'),
  column('Gunshot', 'top1_acc', 'gunshot_triangulation-v1.0-full'),
  column('Libricount', 'top1_acc', 'libricount-v1.0.0-hear2021-full'),
  column('Maestro 5h', 'event_onset_50ms_fms', 'maestro-v3.0.0-5h'),
  column('Mridangam Stroke', 'top1_acc', 'mridangam_stroke-v1.5-full'),
  column('Mridangam Tonic', 'top1_acc', 'mridangam_tonic-v1.5-full'),
  column('NSynth Pitch 50h', 'pitch_acc', 'nsynth_pitch-v2.2.3-50h'),
  column('NSynth Pitch 5h', 'pitch_acc', 'nsynth_pitch-v2.2.3-5h'),
  column('Speech commands 5h', 'top1_acc', 'speech_commands-v0.0.2-5h'),
  column('Speech commands full', 'top1_acc', 'speech_commands-v0.0.2-full'),
  column('Vocal Imitation', 'mAP', 'vocal_imitation-v1.1.3-full'),
  column('VoxLingua107 top 10', 'top1_acc', 'vox_lingua_top10-hear2021-full'),
];

/** Name, and version with mode, of a task folder: `esc50`, `v2.0.0-full`. */
export function splitDir(dir: string): { readonly id: string; readonly version: string } {
  const dash = dir.indexOf('-');
  return dash < 0 ? { id: dir, version: '' } : { id: dir.slice(0, dash), version: dir.slice(dash + 1) };
}

/** The folder of a result's task: `esc50` and `v2.0.0-full@1f…` → `esc50-v2.0.0-full`. */
export const dirOf = ({ id, revision }: { readonly id: string; readonly revision: string }): string =>
  `${id}-${revision.replace(/@.*$/, '')}`;
