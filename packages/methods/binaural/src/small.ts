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
