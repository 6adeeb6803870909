/** The project's errors. Each message says what was expected, what was found, where, and what to do. */

abstract class UnlabelError extends Error {
  /** One fault a line when an input has several. */
  readonly faults: readonly string[];

  constructor(message: string, options?: { faults?: readonly string[]; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.faults = options?.faults ?? [];
  }
}

/** A configuration, option or id that cannot be used. */
export class ConfigError extends UnlabelError {}
/** Audio, images, tasks or data sets that are missing, broken or hostile. */
export class DataError extends UnlabelError {}
/** A checkpoint or run directory that cannot be read or does not match. */
export class CheckpointError extends UnlabelError {}
/** An engine, device, compiler or platform that cannot be used. */
export class DeviceError extends UnlabelError {}

/** Whether an error is one of ours, whose message is meant for the user as it stands. */
export function isUnlabelError(error: unknown): error is Error & { readonly faults: readonly string[] } {
  return error instanceof UnlabelError;
}

/** Message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What was thrown as an error of the data: itself where it is one, else its message with it as the cause. */
export const dataErrorOf = (cause: unknown): DataError =>
  cause instanceof DataError ? cause : new DataError(messageOf(cause), { cause });
