/** `unlabel engine ls|install|doctor`. */
import { Option, type Command } from 'commander';
import { examples, withDisplay } from '../options.ts';

export function register(program: Command): void {
  const engine = program.command('engine').description('what computes: the embedded engine, or native TensorFlow');
  engine
    .command('ls')
    .description('engines, installed or not')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const { listEngines } = await import('@unlabel/engine/native');
      const engines = listEngines();
      if (options.json) process.stdout.write(`${JSON.stringify(engines, null, 2)}\n`);
      else
        for (const e of engines)
          process.stdout.write(`${e.isInstalled ? '●' : '○'} ${e.id.padEnd(16)} ${e.version.padEnd(8)} ${e.note}\n`);
    });
  const install = engine
    .command('install')
    .description('fetch TensorFlow through your pip, compile the binding, test it; about a minute')
    .addOption(
      new Option('--device <device>', 'cpu, or cuda for NVIDIA GPUs (untested)')
        .choices(['cpu', 'cuda'])
        .default('cpu'),
    )
    .option('--force', 'install again')
    .addHelpText('after', examples(['unlabel engine install', 'unlabel engine install --device cuda']));
  withDisplay(install).action(async (options: { device: 'cpu' | 'cuda'; force?: boolean; display?: string }) => {
    const { installNative } = await import('@unlabel/engine/native');
    const { createDisplay } = await import('../display/display.ts');
    const { installProgress } = await import('../display/install.ts');
    const display = createDisplay(options.display);
    const progress = installProgress(display);
    try {
      const installed = await installNative({
        device: options.device,
        onProgress: progress.update,
        force: options.force ?? false,
      });
      progress.finish();
      process.stdout.write(`native engine ready in ${installed.root}\n`);
    } finally {
      display.close();
    }
  });
  engine.command('doctor').description('check what the native engine needs').action(printDoctor);
}

export async function printDoctor(): Promise<void> {
  const { doctor } = await import('@unlabel/engine/native');
  const checks = await doctor();
  for (const { name, ok, detail, fix } of checks) {
    process.stdout.write(
      `${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(18)} ${detail}${!ok && fix ? `\n     → ${fix}` : ''}\n`,
    );
  }
  if (checks.some(({ ok }) => !ok)) process.exitCode = 1;
}
