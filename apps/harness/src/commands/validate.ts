/** `unlabel validate MODEL…`: whether a model can be evaluated. */
import type { Command } from 'commander';
import { examples, withDisplay, withEngine, withForeign, withSeed, type EngineCliOptions } from '../options.ts';

export interface ValidateCliOptions extends EngineCliOptions {
  readonly json?: boolean;
  readonly long?: boolean;
  readonly seed: number;
  readonly display?: string;
  readonly weights?: string;
  readonly python?: string;
  readonly timeout?: number;
}

export function register(program: Command): void {
  const command = program
    .command('validate <models...>')
    .description(
      'check models of sounds as hear-validator does, and models of images: sizes, types, timestamps, repeatability',
    )
    .option('--long', 'also embed twenty minutes at once')
    .option('--json', 'findings as JSON')
    .addHelpText(
      'after',
      `
Exit status 1 when a model has an error. A MODEL is anything that \`unlabel eval\` takes. The sidecar of an ONNX file:
  { "sampleRate": 16000,
    "input": { "frontEnd": { "kind": "log-mel", "sampleRate": 16000, "nFft": 1024, "hopLength": 160, "nMels": 64 }, "layout": "B1FT" },
    "scene": { "output": "embedding", "size": 512 },
    "timestamps": { "output": "frames", "size": 512, "hop": 10, "first": 0 } }
${examples(['unlabel validate python:hearbaseline.naive', 'unlabel validate out/mine model.onnx --json'])}`,
    );
  withDisplay(withSeed(withEngine(withForeign(command)))).action(
    async (models: string[], options: ValidateCliOptions) => {
      const { runValidate } = await import('../validate/run.ts');
      await runValidate(models, options);
    },
  );
}
