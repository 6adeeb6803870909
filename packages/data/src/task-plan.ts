/** What a task of the suite is before any audio is decoded: data that says which recording goes where under which label. */
import type { MetricName } from '@unlabel/core';
import type { SourcePackage } from './packages.ts';

/** A recording: a whole file, or a byte range of a sound font. */
export interface Recording {
  /** Unique and stable: `fluid/0123`, `sonicpi/bd_808`, `tonejs/harp/A2`. */
  readonly id: string;
  readonly path: string;
  /** Bytes of the stream in `path`; without it, the whole file. */
  readonly range?: { readonly offset: number; readonly length: number };
  /** With an extension that tells the decoder the format. */
  readonly name: string;
}

/** A clip that is one recording, cut or padded with zeros at its end. */
export interface PlainClip {
  readonly file: string;
  readonly labels: readonly string[];
  readonly recording: Recording;
}

export interface EventLabel {
  readonly label: string;
  /** Milliseconds from the clip's start. */
  readonly start: number;
  readonly end: number;
}

/** A clip made from several recordings once those are decoded. */
export interface ComposedClip {
  readonly file: string;
  /** What it is made from, for the leak check and for what has to be decoded. */
  readonly recordings: readonly Recording[];
  /** audio [N] at 16 kHz, one array a recording → the clip's samples and labels. */
  compose(audio: readonly Float32Array[]): {
    readonly samples: Float32Array;
    readonly labels: readonly string[] | readonly EventLabel[];
  };
}

export interface TaskPlan {
  readonly vocabulary: readonly string[];
  /** In order; names as HEAR has them (`train` or `fold00`). */
  readonly splits: ReadonlyMap<string, readonly (PlainClip | ComposedClip)[]>;
}

/** One task of the suite. */
export interface SuiteTask {
  readonly id: string;
  /** Raised when the clips or labels change. */
  readonly version: string;
  readonly title: string;
  readonly embeddingType: 'scene' | 'event';
  readonly predictionType: 'multiclass' | 'multilabel';
  readonly splitMode: 'trainvaltest' | 'new_split_kfold';
  /** Seconds of every clip. */
  readonly sampleDuration: number;
  /** In order; the first is the primary. */
  readonly evaluation: readonly MetricName[];
  readonly packages: readonly SourcePackage[];
  /** How the labels and splits were made, for NOTICE and `unlabel show`. */
  readonly note: string;
  plan(folders: ReadonlyMap<string, string>): TaskPlan;
}

export const isPlain = (clip: PlainClip | ComposedClip): clip is PlainClip => 'recording' in clip;
export const recordingsOf = (clip: PlainClip | ComposedClip): readonly Recording[] =>
  isPlain(clip) ? [clip.recording] : clip.recordings;

/** Lower-case words joined by dashes, for file names. */
export const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/#/g, 's')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '') || 'x';
