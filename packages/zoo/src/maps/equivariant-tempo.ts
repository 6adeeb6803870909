/** The TCN of equivariant tempo estimation (Quint-e/equivariant-self-supervision-tempo@82ec6aa; equivariant-tempo.md). */
import { frontEnds } from '@unlabel/audio';
import { countLayers, shapeList, sizeAt, type KeyMap } from './key-map.ts';

const block = (i: number): string => `tcn_block.model.TCNBlock${i}`;

export const equivariantTempo: KeyMap = {
  id: 'equivariant-tempo',
  title: 'Equivariant tempo TCN',
  source: 'Quint-e/equivariant-self-supervision-tempo@82ec6aa',
  family: 'tempo-tcn',
  parts: { network: ['state_dict.', 'model.', ''] },
  signature: [/^bn_input\.weight$/, /^conv3\.weight$/, /^tcn_block\.model\.TCNBlock0\.conv\.weight$/],
  configOf(shapes) {
    const renamed = new Map([...shapes].map(([name, shape]) => [name.replace('TCNBlock', 'TCNBlock.'), shape]));
    return {
      channels: sizeAt(shapes, 'conv1.weight', 0),
      blocks: countLayers(renamed, 'tcn_block.model.TCNBlock'),
      kernel: sizeAt(shapes, `${block(0)}.conv.weight`, 2),
      first: sizeAt(shapes, 'conv1.weight', 2),
      second: sizeAt(shapes, 'conv2.weight', 2),
      third: sizeAt(shapes, 'conv3.weight', 2),
      outputs: sizeAt(shapes, 'tempo_block.output.weight', 0),
    };
  },
  expected(config) {
    const { channels, blocks, kernel, first, second, third, outputs } = config as {
      [Name in 'channels' | 'blocks' | 'kernel' | 'first' | 'second' | 'third' | 'outputs']: number;
    };
    const list = shapeList();
    list.batchNorm('bn_input', 1);
    list.conv('conv1', channels, 1, [first, first], true);
    list.conv('conv2', channels, channels, [second, second], true);
    list.conv('conv3', channels, channels, [third, 1], true);
    for (let i = 0; i < blocks; i++) {
      list.conv(`${block(i)}.conv`, channels, channels, [kernel], true);
      list.conv(`${block(i)}.conv1x1`, channels, channels, [1], true);
      list.conv(`${block(i)}.conv1x1_res`, channels, channels, [1], true);
    }
    list.linear('tempo_block.dense', channels, channels);
    list.linear('tempo_block.output', outputs, channels);
    list.linear('tempo_block.output_reg', 1, channels);
    return list.shapes;
  },
  input: { modality: 'audio', sampleRate: frontEnds.tempo.sampleRate, frontEnd: frontEnds.tempo },
};
