/** Vision transformers in timm's and DINO's names (facebookresearch/dino@7c446df `vision_transformer.py`). */
import { countLayers, shapeList, sizeAt, type ShapeList, type Shapes } from './key-map.ts';

/** Blocks `blocks.i`: pre-norm attention and MLP. `qkvBias` false leaves the bias of the joint projection out (ATST). */
export function transformerBlocks(
  list: ShapeList,
  { depth, width, hidden, qkvBias = true }: { depth: number; width: number; hidden: number; qkvBias?: boolean },
): void {
  for (let i = 0; i < depth; i++) {
    const block = `blocks.${i}`;
    list.norm(`${block}.norm1`, width);
    list.linear(`${block}.attn.qkv`, 3 * width, width, qkvBias);
    list.linear(`${block}.attn.proj`, width, width);
    list.norm(`${block}.norm2`, width);
    list.linear(`${block}.mlp.fc1`, hidden, width);
    list.linear(`${block}.mlp.fc2`, width, hidden);
  }
}

export function vitConfig(shapes: Shapes): Record<string, unknown> {
  const patch = 'patch_embed.proj.weight';
  return {
    depth: countLayers(shapes, 'blocks'),
    width: sizeAt(shapes, patch, 0),
    hidden: sizeAt(shapes, 'blocks.0.mlp.fc1.weight', 0),
    channels: sizeAt(shapes, patch, 1),
    patchSize: sizeAt(shapes, patch, 2),
    positions: sizeAt(shapes, 'pos_embed', 1),
    tokens: ['cls_token', 'rot_token', 'contrastive_token'].filter((name) => shapes.has(name)),
  };
}

/** Config of our `vit`. */
export function vitFamilyConfig(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { depth, width, hidden, channels, patchSize, positions } = config as {
    [Name in 'depth' | 'width' | 'hidden' | 'channels' | 'patchSize' | 'positions']: number;
  }; // from `vitConfig`
  // No name tells: heads are 64 wide in all published networks; narrower ones, made for tests, have two.
  const heads = width % 64 === 0 ? width / 64 : 2;
  const imageSize = Math.round(Math.sqrt(positions - 1)) * patchSize;
  return { depth, width, heads, mlpRatio: hidden / width, channels, patchSize, imageSize };
}

export function vitShapes(config: Readonly<Record<string, unknown>>): Shapes {
  const { depth, width, hidden, channels, patchSize, positions, tokens } = config as {
    [Name in 'depth' | 'width' | 'hidden' | 'channels' | 'patchSize' | 'positions']: number;
  } & { tokens: readonly string[] }; // from `vitConfig`
  const list = shapeList();
  for (const token of tokens) list.tensor(token, 1, 1, width);
  list.tensor('pos_embed', 1, positions, width);
  list.conv('patch_embed.proj', width, channels, [patchSize, patchSize], true);
  transformerBlocks(list, { depth, width, hidden });
  list.norm('norm', width);
  return list.shapes;
}
