/** The tasks of the embedded audio suite. A new one is a file here and a line in this table. */
import { scenesId } from '../binaural/scenes.ts';
import { imageTasks } from '../images/index.ts';
import type { SuiteTask } from '../task-plan.ts';
import { chordFamily } from './chord-family.ts';
import { drumEvents } from './drum-events.ts';
import { fluidFamily } from './fluid-family.ts';
import { fluidPitch } from './fluid-pitch.ts';
import { gmDrums } from './gm-drums.ts';
import { sonicPiFamily } from './sonicpi-family.ts';
import { toneJsInstrument } from './tonejs-instrument.ts';

export const suiteTasks: readonly SuiteTask[] = [
  chordFamily,
  drumEvents,
  fluidFamily,
  fluidPitch,
  gmDrums,
  sonicPiFamily,
  toneJsInstrument,
];

/** `quickstart`: the scene tasks that `npm start` scores, and drum-events for the event predictor. `audio`, `images`, `binaural`: all there are. */
export const suites: Readonly<Record<string, readonly string[]>> = {
  audio: suiteTasks.map(({ id }) => id),
  binaural: [scenesId],
  images: imageTasks.map(({ id }) => id),
  quickstart: suiteTasks.map(({ id }) => id),
};
