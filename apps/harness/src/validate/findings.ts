/** What checks of a model find, and how they are run. */
import { messageOf } from '@unlabel/core';

export interface Finding {
  readonly level: 'ok' | 'warning' | 'error';
  readonly check: string;
  readonly detail: string;
}
export type Found = Omit<Finding, 'check'>;

export const ok = (detail: string): Found => ({ level: 'ok', detail });
export const warning = (detail: string): Found => ({ level: 'warning', detail });
export const error = (detail: string): Found => ({ level: 'error', detail });

export interface Checks {
  readonly findings: readonly Finding[];
  /** A check that throws is an error of its own, and the others go on. */
  readonly run: (check: string, body: () => Promise<readonly Found[]>) => Promise<void>;
}

export function startChecks(onCheck?: (check: string) => void): Checks {
  const findings: Finding[] = [];
  return {
    findings,
    async run(check, body) {
      onCheck?.(check);
      try {
        findings.push(...(await body()).map((one) => ({ ...one, check })));
      } catch (cause) {
        findings.push({ ...error(messageOf(cause)), check });
      }
    },
  };
}

/** Embeddings of `rows` inputs, each called `what`. */
export function checkRows(values: Float32Array, rows: number, size: number, what: string): Found[] {
  if (!(values instanceof Float32Array))
    return [error(`expected float32, found ${Object.prototype.toString.call(values)}`)];
  if (values.length !== rows * size) return [error(`expected ${rows} x ${size} values, found ${values.length}`)];
  const bad = values.findIndex((value) => !Number.isFinite(value));
  return bad >= 0
    ? [error(`${what} ${Math.floor(bad / size)} has ${values[bad]} at ${bad % size}`)]
    : [ok(`[${rows}, ${size}], finite`)];
}

export function checkSame(a: Float32Array, b: Float32Array): Found[] {
  const differs = a.findIndex((value, i) => value !== b[i]);
  return differs < 0
    ? [ok('equal to the last bit')]
    : [
        warning(
          `differs by up to ${difference(a, b).toExponential(1)} of the largest value: results will not repeat exactly`,
        ),
      ];
}

export function checkAlone(together: Float32Array, alone: Float32Array, what: string): Found[] {
  const share = difference(together, alone);
  return share > 1e-4
    ? [
        warning(
          `the embedding of ${what} changes by ${share.toExponential(1)} with those beside it: batch size matters`,
        ),
      ]
    : [ok(`within ${share.toExponential(1)}`)];
}

/** Largest difference as a share of the largest value. */
function difference(a: Float32Array, b: Float32Array): number {
  let [most, largest] = [0, 1e-12];
  a.forEach((value, i) => {
    most = Math.max(most, Math.abs(value - b[i]!));
    largest = Math.max(largest, Math.abs(value));
  });
  return most / largest;
}
