/** From what the user writes as METHOD to a method: an id of the registry, or a module whose default export is one. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError, load, messageOf, type Method } from '@unlabel/core';
import { methods } from './registry.ts';

/** Whether a reference names a module (`./my-method.ts`, an absolute path, a `file:` address) instead of an id. */
export const isMethodModule = (ref: string): boolean =>
  ref.startsWith('file:') || /^\.{0,2}\/.*|\.[cm]?[jt]s$/.test(ref);

/**
 * The method `ref` names. Worker threads load it again from the same reference.
 * @throws ConfigError for an unknown id, a missing or broken module, or one that exports no method
 */
export async function loadMethod(ref: string): Promise<Method> {
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
