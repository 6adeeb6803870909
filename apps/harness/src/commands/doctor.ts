/** `unlabel doctor`: the machine, the engine, the data packages. */
import type { Command } from 'commander';
import { printDoctor } from './engine.ts';

export function register(program: Command): void {
  program
    .command('doctor')
    .description('check this machine: Node, cores, memory, engines, data packages')
    .action(async () => {
      const { machineChecks } = await import('../machine.ts');
      for (const { name, ok, detail } of await machineChecks()) {
        process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(18)} ${detail}\n`);
        if (!ok) process.exitCode = 1;
      }
      process.stdout.write('\nNative engine (optional; the embedded one needs none of this):\n');
      const before = process.exitCode;
      await printDoctor();
      process.exitCode = before; // what only the optional engine lacks is no failure
    });
}
