/** What a person sees of an error, and the exit status: 1 failed, 2 wrong usage, 130 interrupted. */
import { Interrupted } from './interrupt.ts';

const shownFaults = 50;

/** Print `error` to stderr and return the exit status. Ours are printed as they stand; others with their stack. */
export async function reportFailure(error: unknown): Promise<number> {
  const { ConfigError, isUnlabelError, messageOf } = await import('@unlabel/core'); // late: `--help` does without
  if (error instanceof Interrupted) {
    process.stderr.write(`${error.message}\n`);
    return 130;
  }
  if (isUnlabelError(error)) {
    const faults = error.faults.slice(0, shownFaults).map((fault) => `  - ${fault}\n`);
    const rest = error.faults.length > shownFaults ? `  … and ${error.faults.length - shownFaults} more\n` : '';
    const lists = error.faults.length > 0 && !error.message.includes(error.faults[0]!);
    process.stderr.write(`error: ${error.message}\n${lists ? faults.join('') + rest : ''}`);
    return error instanceof ConfigError ? 2 : 1;
  }
  const isExpected = error instanceof RangeError && !process.env['UNLABEL_DEBUG'];
  process.stderr.write(
    `error: ${isExpected ? messageOf(error) : (error instanceof Error && error.stack) || messageOf(error)}\n`,
  );
  return 1;
}
