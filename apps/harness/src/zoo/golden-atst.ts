/** Target of ATST's checkpoint golden: both families of files, imported, give what the authors' code gives. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAtst, type Atst } from '@unlabel/backbones';
import { createRng, type GoldenTarget, type NdArray, type Tensor } from '@unlabel/core';
import { assignArrays, disposeParams, tf } from '@unlabel/engine';
import { mlp } from '@unlabel/nn';
import { importCheckpoint, openContainer } from '@unlabel/zoo';

const rng = createRng(0);
const still = { training: false } as const;

/** The files lie in `checkpoints/` beside the golden, or among the fixtures of the zoo. */
function find(dir: string, name: string): string {
  const besides = join(dir, 'checkpoints', name);
  if (existsSync(besides)) return besides;
  return join(dirname(fileURLToPath(import.meta.resolve('@unlabel/zoo/package.json'))), 'fixtures', 'import', name);
}

async function open(path: string, select: 'teacher' | 'student'): Promise<Atst> {
  const imported = await importCheckpoint(path, { select });
  try {
    const backbone = buildAtst(imported.config, rng);
    const arrays: Record<string, NdArray> = {};
    for (const [name, tensor] of imported.tensors) arrays[name] = await tensor.read();
    assignArrays(backbone.params, arrays);
    return backbone;
  } finally {
    await imported.close();
  }
}

/** The head that training leaves behind, in evaluation. x [B, D] → [B, U] */
async function project(path: string, prefix: string, x: Tensor): Promise<Tensor> {
  const container = await openContainer(path);
  try {
    const arrays: Record<string, NdArray> = {};
    for (const [name, tensor] of container.tensors) {
      if (!name.startsWith(prefix) || name.endsWith('num_batches_tracked')) continue;
      arrays[name.slice(prefix.length)] = await tensor.read();
    }
    const [hidden = 0, inputs = 0] = arrays['0.weight']!.shape;
    const head = mlp({ widths: [inputs, hidden, arrays['3.weight']!.shape[0]!] }, rng);
    assignArrays(head.params, arrays);
    const z = tf.tidy(() => head.forward(x, still));
    disposeParams(head.params);
    return z;
  } finally {
    await container.close();
  }
}

async function taken(tensor: Tensor): Promise<NdArray> {
  const data = (await tensor.data<'float32'>()).slice();
  tensor.dispose();
  return { data, shape: tensor.shape };
}

export const atstCheckpoints: GoldenTarget = {
  async run(golden, tools) {
    const { input, lengths: valid } = golden.cases![0] as {
      input: { key: string; shape: [number, number, number, number]; scale: number };
      lengths: number[];
    };
    const [rows, , bands, frames] = input.shape;
    const x = tf.tensor(tools.tensor(input.key, input.shape, input.scale).data, [rows, bands, frames]);
    const lengths = tf.tensor1d(valid);
    const classOf = (backbone: Atst): Tensor =>
      tf.tidy(() => tf.squeeze(tf.slice(backbone.pass(x, { ...still, lengths }).tokens, [0, 0, 0], [-1, 1, -1]), [1]));
    const clipOf = (backbone: Atst): Tensor => tf.tidy(() => backbone.forward(x, { ...still, lengths }).clip);

    const lightning = find(tools.dir, 'atst-clip-tiny-lightning.ckpt');
    const teacher = await open(lightning, 'teacher');
    const student = await open(lightning, 'student');
    const dino = await open(find(tools.dir, 'atst-clip-tiny-dino.ckpt'), 'teacher');
    const frame = await open(find(tools.dir, 'atst-frame-tiny-lightning.ckpt'), 'teacher');
    const classes = classOf(teacher);
    const projection = await project(lightning, 'state_dict.model.teacher.projector.', classes);
    const outputs = {
      'clip.cls': await taken(classes),
      'clip.chunks_n2': await taken(clipOf(dino)),
      'clip.student_cls': await taken(classOf(student)),
      'clip.teacher_projection': await taken(projection),
      'frame.scene_n2': await taken(clipOf(frame)),
    };
    tf.dispose([x, lengths]);
    for (const { params } of [teacher, student, dino, frame]) disposeParams(params);
    return outputs;
  },
};
