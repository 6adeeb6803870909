/** A network that is kept after pre-training. */
import type { Params, Tensor } from './tensor.ts';
import type { Rng } from './rng.ts';

/** Outputs of one pass. A backbone fills what it has; heads and probes take what they need. */
export interface Features {
  /** One vector a clip or image [B, D]. */
  readonly clip: Tensor;
  /** One vector a time step [B, T, D]. */
  readonly frames?: Tensor;
  /** Dense feature maps by stage name [B, H, W, C] (detection, layer-wise objectives). */
  readonly maps?: Readonly<Record<string, Tensor>>;
  /** Outputs of several branches (adapters, concatenated encoders), by branch name. */
  readonly branches?: Readonly<Record<string, Tensor>>;
}

export interface ForwardOptions {
  /** Batch statistics, dropout and drop path on. */
  readonly training: boolean;
  /** Needed when `training` and the network draws (dropout). */
  readonly rng?: Rng;
  /** Valid frames of each row [B], when rows were padded. */
  readonly lengths?: Tensor;
  /** Stages whose maps are wanted; others may be left out to save memory. */
  readonly maps?: readonly string[];
  /** Called with each stage's map (those of `Backbone.mapWidths`); what it returns, of the same shape, goes on instead. */
  readonly lateral?: (stage: string, map: Tensor) => Tensor;
}

export interface Backbone {
  /** `audio-ntt`: the family's name in the backbone registry. */
  readonly id: string;
  /** Everything a checkpoint needs to build it again. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Trainable parameters and buffers (`running_mean`), torch names. */
  readonly params: Params;
  /** D of `Features.clip`. */
  readonly width: number;
  /** D of `Features.frames`; 0 when there are none. */
  readonly frameWidth: number;
  /** Input frames (or pixels) one output frame stands for; timestamps follow from it. */
  readonly frameStride: number;
  /**
   * Input frames that convolutions without padding take away, half of them at either end: the first output frame stands for the
   * input frames from lostFrames/2 on. Default 0.
   */
  readonly lostFrames?: number;
  /**
   * Input frames on either side of an output frame's own, a multiple of `frameStride`, beyond which nothing changes it; left out
   * when it sees the whole clip. With `poolFrames`, long clips can be computed window by window.
   */
  readonly frameHalo?: number;
  /**
   * Longer clips are embedded in windows of at most so many input frames, each on its own, and pooled by `poolFrames`: for networks that
   * see the whole clip, and were trained on short ones. A multiple of `frameStride`.
   */
  readonly windowFrames?: number;
  /** Channels of the stages that `ForwardOptions.lateral` is called for, in order; left out where it is not. */
  readonly mapWidths?: Readonly<Record<string, number>>;
  /** The network this one takes the place of: same inputs, outputs, options. Left out for a network that is itself. */
  readonly standsFor?: { readonly id: string; readonly config: Readonly<Record<string, unknown>> };
  /** What makes `clip` of `frames`: [B, T, D] → [B, D]. Call inside `tf.tidy`. */
  poolFrames?(frames: Tensor): Tensor;
  /** x [B, bands, frames] (audio), [B, H, W, C] (images). Call inside `tf.tidy`. */
  forward(x: Tensor, options: ForwardOptions): Features;
  /** A copy with variables of its own (target, teacher, key network). */
  clone(): Backbone;
}

/** How a family is built; `config` is validated by the family. */
export interface BackboneFamily {
  readonly id: string;
  build(config: Readonly<Record<string, unknown>>, rng: Rng): Backbone;
}
