/** `unlabel score`: detections made elsewhere, by the official metrics. */
import { Option, type Command } from 'commander';
import { examples } from '../options.ts';
import type { ScoreCocoOptions } from '../score/coco.ts';
import type { ScoreVocOptions } from '../score/voc.ts';

export function register(program: Command): void {
  const score = program.command('score').description('score detections made elsewhere as COCO and VOC do');
  const board = (command: Command): Command =>
    command
      .option('--out <dir>', 'also write a result for a board to <dir>/results')
      .option('--model <name>', 'name of the model on the board');
  const format = (): Option =>
    new Option('--format <form>', 'what is printed').choices(['table', 'json', 'csv']).default('table');
  board(score.command('coco'))
    .description('COCO’s twelve numbers and the categories’ AP, equal to pycocotools’')
    .requiredOption('--annotations <file>', 'ground truth, an instances file')
    .requiredOption('--results <file>', 'array of { image_id, category_id, score, bbox or segmentation }')
    .addOption(new Option('--iou <kind>', 'overlap of boxes or of masks').choices(['bbox', 'segm']).default('bbox'))
    .option('--no-categories', 'all categories as one')
    .addOption(
      new Option('--id-zero <rule>', 'an annotation with id 0: lost as in COCOeval, or counted as any other')
        .choices(['as-cocoeval', 'as-any'])
        .default('as-cocoeval'),
    )
    .addOption(format())
    .addHelpText(
      'after',
      examples([
        'unlabel score coco --annotations instances_val2017.json --results detections.json',
        'unlabel score coco --annotations gt.json --results detections.json --model faster-rcnn --out out/detect',
        'unlabel score coco --annotations gt.json --results masks.json --iou segm --format csv > categories.csv',
      ]),
    )
    .action(async (options: ScoreCocoOptions) => {
      const { scoreCoco } = await import('../score/coco.ts');
      print(await scoreCoco(options));
    });
  board(score.command('voc'))
    .description('VOC’s average precision of each class, 11-point and area')
    .requiredOption('--tree <dir>', 'a VOC tree, such as VOCdevkit/VOC2007; its images are not needed')
    .option('--split <name>', 'list of ImageSets/Main', 'test')
    .requiredOption(
      '--results <path>',
      'folder of the devkit’s …_<class>.txt, or a .json array of { image_id, category, score, bbox_xyxy }',
    )
    .addOption(
      new Option('--rules <name>', 'matching as the devkit, or as detectron2 (rounded, overlap above the threshold)')
        .choices(['devkit', 'detectron2'])
        .default('devkit'),
    )
    .addOption(format())
    .addHelpText(
      'after',
      examples([
        'unlabel score voc --tree VOCdevkit/VOC2007 --results results/VOC2007/Main',
        'unlabel score voc --tree VOCdevkit/VOC2012 --split val --results detections.json --rules detectron2 --format json',
      ]),
    )
    .action(async (options: ScoreVocOptions) => {
      const { scoreVoc } = await import('../score/voc.ts');
      print(await scoreVoc(options));
    });
}

function print({ output, notes }: { readonly output: string; readonly notes: readonly string[] }): void {
  process.stdout.write(output);
  for (const note of notes) process.stderr.write(`note: ${note}\n`);
}
