/** Ctrl-C: the first asks for a clean stop, the second ends at once. */

export interface Interrupt {
  readonly requested: boolean;
  release(): void;
}

/** Thrown after a clean stop; the message says how to go on. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export function watchInterrupt(onFirst: () => void): Interrupt {
  let requested = false;
  const handler = (): void => {
    if (requested) process.exit(130);
    requested = true;
    onFirst();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return {
    get requested() {
      return requested;
    },
    release() {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    },
  };
}

/** The command as it was typed, to repeat it. */
export function commandLine(): string {
  const quote = (word: string): string => (/^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
  return ['npx unlabel', ...process.argv.slice(2).map(quote)].join(' ');
}
