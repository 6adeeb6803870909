/** ResNets in torchvision's names (models/resnet.py): what MoCo, DenseCL, Barlow Twins, VICReg, SwAV, DINO and SSL4EO keep. */
import { imageNetInput } from './image-input.ts';
import { countLayers, shapeList, sizeAt, type ShapeList, type Shapes } from './key-map.ts';

export interface ResnetConfig {
  readonly block: 'basic' | 'bottleneck';
  readonly layers: readonly number[];
  /** Channels of the input. */
  readonly channels: number;
  /** Channels of the stem. */
  readonly width: number;
  /** Size of the stem's kernel: 7, or 3 for small images. */
  readonly stem: number;
}

const stages = [1, 2, 3, 4];

export function resnetConfig(shapes: Shapes): Record<string, unknown> {
  return {
    block: shapes.has('layer1.0.conv3.weight') ? 'bottleneck' : 'basic',
    layers: stages.map((stage) => countLayers(shapes, `layer${stage}`)).filter((count) => count > 0),
    channels: sizeAt(shapes, 'conv1.weight', 1),
    width: sizeAt(shapes, 'conv1.weight', 0),
    stem: sizeAt(shapes, 'conv1.weight', 2),
  };
}

/** A convolution inside a block and its norm, by their names; adapters put other tensors there. */
export type Unit = (
  list: ShapeList,
  at: { conv: string; norm: string },
  out: number,
  inputs: number,
  kernel: number,
) => void;

const plain: Unit = (list, { conv, norm }, out, inputs, kernel) => {
  list.conv(conv, out, inputs, [kernel, kernel]);
  list.batchNorm(norm, out);
};

/** All tensors but the classifier. */
export function resnetShapes(
  config: Readonly<Record<string, unknown>>,
  unit: Unit = plain,
  shortcut: Unit = unit,
): Shapes {
  const { block, layers, channels, width, stem } = config as unknown as ResnetConfig; // from `resnetConfig`
  const list = shapeList();
  plain(list, { conv: 'conv1', norm: 'bn1' }, width, channels, stem);
  const expansion = block === 'bottleneck' ? 4 : 1;
  let inputs = width;
  layers.forEach((count, stage) => {
    const planes = width * 2 ** stage;
    for (let b = 0; b < count; b++) {
      const name = `layer${stage + 1}.${b}`;
      const at = (i: number): { conv: string; norm: string } => ({ conv: `${name}.conv${i}`, norm: `${name}.bn${i}` });
      if (block === 'bottleneck') {
        unit(list, at(1), planes, inputs, 1);
        unit(list, at(2), planes, planes, 3);
        unit(list, at(3), planes * 4, planes, 1);
      } else {
        unit(list, at(1), planes, inputs, 3);
        unit(list, at(2), planes, planes, 3);
      }
      const isReduced = b === 0 && (stage > 0 || inputs !== planes * expansion);
      if (isReduced) {
        shortcut(list, { conv: `${name}.downsample.0`, norm: `${name}.downsample.1` }, planes * expansion, inputs, 1);
      }
      inputs = planes * expansion;
    }
  });
  return list.shapes;
}

/** Config of our `resnet`: any depth and width, the stem for large or for small images. */
function familyConfig(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { block, layers, channels, width, stem } = config as unknown as ResnetConfig; // from `resnetConfig`
  return {
    depth: block === 'basic' ? 18 : 50,
    blocks: [...layers],
    widths: stages.map((_, stage) => width * 2 ** stage),
    channels,
    stem: stem === 3 ? 'small' : 'large',
  };
}

/** What every upstream of ResNets shares. */
export const resnetNetwork = {
  family: 'resnet',
  input: imageNetInput('bilinear'),
  configOf: resnetConfig,
  familyConfig,
  expected: (config: Readonly<Record<string, unknown>>): Shapes => resnetShapes(config),
};
