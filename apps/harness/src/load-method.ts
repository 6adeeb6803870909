/**
 * From what the user writes as METHOD to a method: an id of the registry, a module whose default export is one, or `multi:A,B`, a
 * combination of such.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError, load, messageOf, type Method } from '@unlabel/core';
import { methods } from './registry.ts';

const combined = 'multi:';

/** Whether a reference names a module (`./my-method.ts`, an absolute path, a `file:` address) instead of an id. */
export const isMethodModule = (ref: string): boolean =>
  !ref.startsWith(combined) && (ref.startsWith('file:') || /^\.{0,2}\/.*|\.[cm]?[jt]s$/.test(ref));

/**
 * The method `ref` names. Worker threads load it again from the same reference.
 * @throws ConfigError for an unknown id, a missing or broken module, or one that exports no method
 */
export async function loadMethod(ref: string): Promise<Method> {
  if (ref === 'multi') throw new ConfigError('multi: name the methods to combine, with --stages A,B or as multi:A,B.');
  if (ref.startsWith(combined)) {
    const parts = await Promise.all(ref.slice(combined.length).split(',').map(loadMethod));
    return (await import('@unlabel/multi-ssl')).multi(parts);
  }
  if (!isMethodModule(ref)) return load(methods, ref, 'method');
  const path = ref.startsWith('file:') ? fileURLToPath(ref) : resolve(ref);
  if (!existsSync(path)) throw new ConfigError(`method ${ref}: there is no such module.`);
  const module = (await import(pathToFileURL(path).href).catch((cause: unknown) => {
    throw new ConfigError(`method ${ref}: the module cannot be loaded (${messageOf(cause)})`, { cause });
  })) as { default?: Partial<Method> };
  const method = module.default;
  if (typeof method?.id !== 'string' || typeof method.build !== 'function') {
    throw new ConfigError(`method ${ref}: expected a method as the module's default export (see defineMethod).`);
  }
  return method as Method;
}
