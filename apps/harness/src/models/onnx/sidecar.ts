/** `model.onnx.json`: what an ONNX file does not say of itself, so that it can be evaluated. */
import { frontEndSchema } from '@unlabel/audio';
import { z } from 'zod';

export const sidecarSchema = z.strictObject({
  /** Shown on the board; default the file's name. */
  id: z.string().min(1).optional(),
  method: z.string().min(1).optional(),
  sampleRate: z.int().positive().meta({ unit: 'Hz' }),
  input: z.strictObject({
    /** Name of the input; default the only one. */
    name: z.string().min(1).optional(),
    /** `waveform`: [B, samples]. Else a front-end of ours: bands × frames. */
    frontEnd: z.union([z.literal('waveform'), frontEndSchema]),
    /** Axes of a spectrogram, the channel axis as 1 where the network wants one. */
    layout: z.enum(['BFT', 'BTF', 'B1FT', 'B1TF', 'BS', 'B1S']),
    /** (x − mean)/std of the front-end's output. */
    normalization: z.strictObject({ mean: z.number(), std: z.number().positive() }).optional(),
    /** Frames (or samples of a waveform) the network takes, when it takes one length only: longer clips are cut into such windows and averaged, shorter ones padded with zeros. */
    length: z.int().positive().optional(),
  }),
  /** [B, D], or [B, T, D] which is averaged over T. */
  scene: z.strictObject({ output: z.string().min(1), size: z.int().positive() }),
  /** [B, T, D]: frame t is centred at `first` + t·`hop`. */
  timestamps: z
    .strictObject({
      output: z.string().min(1),
      size: z.int().positive(),
      hop: z.number().positive().meta({ unit: 'ms' }),
      first: z.number().nonnegative().meta({ unit: 'ms' }),
    })
    .optional(),
});
export type Sidecar = z.output<typeof sidecarSchema>;
