/** Settings of the three tasks: the published network, one for the generated scenes, one for tests. */

/** For 5 s scenes at 8 kHz with pictures of 16 × 32 pixels (`unlabel data build binaural`). */
export const generated = {
  note: 'For the generated scenes (unlabel data build binaural): a network of 10,000 values, half a minute on a CPU.',
  config: {
    sampleRate: 8000,
    seconds: 0.5,
    nFft: 128,
    winLength: 128,
    hopLength: 128,
    channels: [8, 16, 32],
    visualWidths: [8, 16, 16, 16],
    visualBlocks: [1, 1, 1, 1],
    visualStem: 'large' as const,
    fusionWidth: 64,
  },
  recipe: { lr: 3e-3, batchSize: 64, steps: 300 },
};

/** Of windows half as long: a quarter of a second tells where a source is, too. For tables of many runs. */
export const quick = {
  note: 'As generated, with windows of 0.25 s: for tables of many runs.',
  config: { ...generated.config, seconds: 0.25 },
  recipe: { lr: 3e-3, batchSize: 16, steps: 450 },
};

/** A network that learns these tasks on generated scenes in seconds. */
export const small = {
  note: 'Ends in seconds on a CPU; for tests.',
  config: {
    sampleRate: 8000,
    seconds: 0.3,
    nFft: 128,
    winLength: 128,
    hopLength: 64,
    channels: [8, 16, 16, 16],
    visualWidths: [8, 8, 8, 8],
    visualBlocks: [1, 1, 1, 1],
    visualStem: 'small' as const,
    fusionWidth: 32,
  },
  recipe: { lr: 3e-3, batchSize: 32, steps: 20 },
};

export const presets = {
  paper: { note: 'The published audio network; heads and recipe are ours.' },
  generated,
  quick,
  smoke: small,
};
