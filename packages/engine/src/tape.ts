/**
 * The way back through TensorFlow.js' tape. Its own walk keeps every gradient and everything saved until the end; this one frees what a
 * node saved, and the gradients of its outputs, as soon as the node is done, as torch does: at the end of the forward pass memory is
 * highest, not at the end of the backward pass.
 */
import type { Scalar, Tensor } from '@unlabel/core';
import { tf } from './backend.ts';

/** What of TensorFlow.js' engine is used here; part of it is private to TypeScript only. */
interface TapeEngine {
  readonly state: { activeTape: TapeNode[] | null; gradientDepth: number };
  startTape(): void;
  endTape(): void;
}

interface TapeNode {
  readonly kernelName: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: readonly Tensor[];
  readonly saved?: readonly Tensor[];
  readonly gradient?: (dys: (Tensor | null)[]) => Readonly<Record<string, () => Tensor>>;
}

/**
 * f's value and its gradients in `xs`, undefined where f does not reach. What else f makes is freed; the caller disposes the result. Not
 * inside another gradient.
 */
export function gradientsOf<T extends Scalar>(
  f: () => T,
  xs: readonly Tensor[],
): { readonly value: T; readonly grads: readonly (Tensor | undefined)[] } {
  const engine = tf.engine() as unknown as TapeEngine;
  if (engine.state.gradientDepth > 0) throw new Error('gradientsOf: called inside another gradient');
  engine.startTape();
  let value: T;
  try {
    value = tf.tidy('forward', f);
  } finally {
    engine.endTape();
  }
  const tape = engine.state.activeTape ?? [];
  engine.state.activeTape = null;
  const grads = new Map<number, Tensor>();
  tf.tidy('backward', () => {
    grads.set(value.id, tf.onesLike(value));
    walkBack(tape, reached(tape, xs), grads);
    for (const x of xs) if (grads.has(x.id)) tf.keep(grads.get(x.id)!);
  });
  return { value, grads: xs.map((x) => grads.get(x.id)) };
}

/** Ids of the tensors that depend on one of xs. */
function reached(tape: readonly TapeNode[], xs: readonly Tensor[]): ReadonlySet<number> {
  const ids = new Set(xs.map(({ id }) => id));
  for (const { inputs, outputs } of tape) {
    if (Object.values(inputs).some(({ id }) => ids.has(id))) for (const { id } of outputs) ids.add(id);
  }
  return ids;
}

/** Leaves the gradients of tensors that no node of the tape made: of xs. */
function walkBack(tape: readonly TapeNode[], isReached: ReadonlySet<number>, grads: Map<number, Tensor>): void {
  for (const node of tape.toReversed()) {
    const dys = node.outputs.map(({ id }) => grads.get(id) ?? null);
    const wanted = Object.entries(node.inputs).filter(([, { id }]) => isReached.has(id));
    const dxs = wanted.length > 0 && dys.some((dy) => dy) ? inputGradients(node, wanted, dys) : [];
    tf.dispose([...(node.saved ?? []), ...dys.filter((dy) => dy !== null)]);
    for (const { id } of node.outputs) grads.delete(id);
    dxs.forEach((dx, i) => {
      const { id } = wanted[i]![1];
      const held = grads.get(id);
      grads.set(id, held ? tf.add(held, dx) : dx);
      if (held) tf.dispose([held, dx]);
    });
  }
}

/** Tensors of their own, one an input: a gradient that is handed on as it came is cloned. */
function inputGradients(node: TapeNode, wanted: readonly [string, Tensor][], dys: (Tensor | null)[]): Tensor[] {
  const { kernelName, gradient } = node;
  if (!gradient) throw new Error(`no gradient is known for ${kernelName}`);
  const taken = new Set<Tensor | null>(dys);
  return tf.tidy(() => {
    const found = gradient(dys);
    return wanted.map(([name, x]) => {
      const dx = found[name]?.();
      if (dx?.dtype !== 'float32' || dx.shape.join() !== x.shape.join()) {
        const shape = dx ? `${dx.dtype} [${dx.shape.join(', ')}]` : 'none';
        throw new Error(
          `gradient of ${kernelName} in ${name}: expected float32 [${x.shape.join(', ')}], found ${shape}`,
        );
      }
      if (taken.has(dx)) return tf.clone(dx);
      taken.add(dx);
      return dx;
    });
  });
}
