/**
 * PyTorch checkpoints (`torch.save`) without PyTorch: the ZIP container of 1.6 and later, and the older sequence of pickles
 * (pytorch/pytorch torch/serialization.py describes both). Nothing in the file is run; see `pickle.ts`.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { DataError, isUnlabelError, messageOf } from '@unlabel/core';
import { latin1, readUint64, viewOf } from './bytes.ts';
import { elementBytes } from './dtype.ts';
import { PickleGlobal, PickleObject, readPickle, type PickleOptions } from './pickle.ts';
import { NumpyArray, plainConstructors } from './pickle-globals.ts';
import { refusedGlobal } from './pickle-refused.ts';
import { storageType, TorchTensor, type TorchStorage } from './torch-tensor.ts';
import { openZipSync, readZip, type ZipArchive, type ZipFile } from './zip.ts';

export { NumpyArray } from './pickle-globals.ts';
export { PickleGlobal, PickleObject } from './pickle.ts';
export { TorchTensor } from './torch-tensor.ts';

export interface TorchCheckpoint {
  /** Every tensor that is reached from the root through dicts and lists, by its keys joined with dots. */
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  /**
   * What was saved: dicts as Map, lists and tuples as arrays, `argparse.Namespace` as Map, numpy scalars as numbers, numpy
   * arrays as `NumpyArray`, tensors as `TorchTensor`, objects of other classes as `PickleObject`.
   */
  readonly root: unknown;
}

/**
 * Reads a checkpoint held in memory. Tensors are gathered when their `data` is read; `bytes` must not change meanwhile.
 * @param name stands in front of error messages
 * @throws DataError when it is not a checkpoint, is malformed, or was written on a big-endian machine
 */
export function readTorchCheckpoint(bytes: Uint8Array, name = 'checkpoint'): TorchCheckpoint {
  let root: unknown;
  try {
    root =
      latin1(bytes, 0, Math.min(4, bytes.length)) === 'PK\x03\x04'
        ? readContainer(readZip(bytes, name), name)
        : readLegacy(bytes, name);
  } catch (cause) {
    if (isUnlabelError(cause)) throw cause;
    throw new DataError(`${name}: malformed checkpoint (${messageOf(cause)})`, { cause });
  }
  return { tensors: collectTensors(root, name), root };
}

/** A checkpoint on disk. Close it when no tensor is read any more. */
export interface OpenTorchCheckpoint extends TorchCheckpoint {
  close(): void;
}

/**
 * Opens a checkpoint file: of the ZIP container only its directory and its pickle are read, and each storage when a tensor of it
 * is, once, into memory that the tensor then is a view of. Older files are read whole.
 * @throws DataError as `readTorchCheckpoint`
 */
export function openTorchCheckpoint(path: string): OpenTorchCheckpoint {
  const descriptor = openSync(path, 'r');
  const head = Buffer.alloc(4);
  try {
    readSync(descriptor, head, 0, 4, 0);
  } finally {
    closeSync(descriptor);
  }
  if (head.toString('latin1') !== 'PK\x03\x04') return { ...readTorchCheckpoint(readFileSync(path), path), close() {} };
  const zip = openZipSync(path);
  try {
    const root = readContainer(zip, path, (entry) => zip.readLater(entry));
    return { root, tensors: collectTensors(root, path), close: () => zip.close() };
  } catch (cause) {
    zip.close();
    if (isUnlabelError(cause)) throw cause;
    throw new DataError(`${path}: malformed checkpoint (${messageOf(cause)})`, { cause });
  }
}

/** @param readLater of an archive on disk, which gives memory of its own that tensors may then be views of */
function readContainer(zip: ZipArchive, name: string, readLater?: ZipFile['readLater']): unknown {
  const main = [...zip.entries.keys()].find((entry) => /^[^/]+\/data\.pkl$/.test(entry));
  if (main === undefined) {
    const isScript = [...zip.entries.keys()].some((entry) => entry.includes('/code/'));
    throw new DataError(
      `${name}: expected a torch.save checkpoint, found ${isScript ? 'TorchScript' : 'another ZIP archive'}`,
    );
  }
  const folder = main.slice(0, -'data.pkl'.length);
  if (zip.entries.has(`${folder}byteorder`) && latin1Text(zip.read(`${folder}byteorder`)) !== 'little') {
    throw new DataError(`${name}: it was written on a big-endian machine, which is not read`);
  }
  const storages = new Map<string, TorchStorage>();
  const persistent = (id: unknown): unknown => {
    const { type, key, length } = storageId(id, name);
    const known = storages.get(key);
    if (known) return known;
    const where = `${name}: storage ${key}`;
    const entry = `${folder}data/${key}`;
    let later: Promise<void> | undefined;
    let content: Uint8Array | undefined; // checked once: many tensors may share it
    const storage: TorchStorage = {
      ...type,
      length,
      isOwned: readLater !== undefined,
      bytes: () => (content ??= checkStorage(zip.read(entry), storage, where)),
      ...(readLater && {
        preload: () =>
          (later ??= readLater(entry).then((read) => {
            content ??= checkStorage(read, storage, where);
          })),
      }),
    };
    storages.set(key, storage);
    return storage;
  };
  return readPickle(zip.read(main), { name, constructors: constructors(name), persistent, refuse: refusedGlobal })
    .value;
}

const latin1Text = (bytes: Uint8Array): string => latin1(bytes, 0, Math.min(bytes.length, 32)).trim();

const legacyMagic = 0x1950a86a20f9469cfc6cn;

/** Pickles one after another: magic number, version, system, the object, storage keys; then the storages. */
function readLegacy(bytes: Uint8Array, name: string): unknown {
  const notOurs = new DataError(
    `${name}: expected a PyTorch checkpoint, found ${bytes.length} bytes of something else`,
  );
  if (bytes[0] !== 0x80) throw notOurs;
  const plain: PickleOptions = { name, constructors: plainConstructors(name), refuse: refusedGlobal };
  const magic = readPickle(bytes, plain);
  if (magic.value !== legacyMagic) throw notOurs;
  const version = readPickle(bytes, plain, magic.end);
  if (version.value !== 1001)
    throw new DataError(`${name}: expected PyTorch protocol 1001, found ${String(version.value)}`);
  const system = readPickle(bytes, plain, version.end);
  if (system.value instanceof Map && system.value.get('little_endian') === false) {
    throw new DataError(`${name}: it was written on a big-endian machine, which is not read`);
  }
  const storages = new Map<string, TorchStorage>();
  const content = new Map<string, Uint8Array>(); // filled below, after the pickles
  const persistent = (id: unknown): unknown => {
    if (Array.isArray(id) && id[0] === 'module') return id[1] as unknown; // a class with its source text
    const { type, key, length, view } = storageId(id, name);
    let root = storages.get(key);
    if (!root) {
      const where = `${name}: storage ${key}`;
      const made: TorchStorage = {
        ...type,
        length,
        bytes: () => checkStorage(content.get(key) ?? new Uint8Array(0), made, where),
      };
      storages.set(key, (root = made));
    }
    return view === undefined ? root : viewOfStorage(root, view, name);
  };
  const object = readPickle(
    bytes,
    { name, constructors: constructors(name), persistent, refuse: refusedGlobal },
    system.end,
  );
  const keys = readPickle(bytes, plain, object.end);
  if (!Array.isArray(keys.value)) throw new DataError(`${name}: its list of storages is malformed`);
  let at = keys.end;
  for (const key of keys.value as unknown[]) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage?.type) throw new DataError(`${name}: storage ${String(key)} is of a type whose size is not known`);
    if (at + 8 > bytes.length) throw new DataError(`${name}: it is cut short before storage ${String(key)}`);
    const count = readUint64(viewOf(bytes), at);
    const end = at + 8 + count * elementBytes[storage.type];
    if (count !== storage.length || end > bytes.length) {
      throw new DataError(
        `${name}: storage ${String(key)} should have ${storage.length} elements, it states ${count} or is cut short`,
      );
    }
    content.set(key as string, bytes.subarray(at + 8, end));
    at = end;
  }
  return object.value;
}

interface StorageId {
  readonly type: ReturnType<typeof storageType>;
  readonly key: string;
  readonly length: number;
  readonly view: unknown;
}

/** ('storage', class, key, device, number of elements[, view]) */
function storageId(id: unknown, name: string): StorageId {
  const [kind, type, key, , length, view] = Array.isArray(id) ? (id as unknown[]) : [];
  const isKey = typeof key === 'string' && /^[\w.-]{1,100}$/.test(key);
  if (kind !== 'storage' || !isKey || !Number.isSafeInteger(length) || (length as number) < 0) {
    throw new DataError(`${name}: a persistent id is not that of a storage`);
  }
  return { type: storageType(type), key, length: length as number, view: view ?? undefined };
}

function checkStorage(content: Uint8Array, storage: TorchStorage, where: string): Uint8Array {
  const width = storage.type ? elementBytes[storage.type] : NaN;
  if (content.length === storage.length * width) return content;
  throw new DataError(
    `${where}: ${storage.length} elements of ${storage.typeName} expected, found ${content.length} bytes`,
  );
}

/** Files older than PyTorch 1.0 store views of storages: (key, offset, number of elements). */
function viewOfStorage(root: TorchStorage, view: unknown, name: string): TorchStorage {
  const [, offset, length] = Array.isArray(view) ? (view as unknown[]) : [];
  const isWithin =
    Number.isSafeInteger(offset) && Number.isSafeInteger(length) && (offset as number) >= 0 && (length as number) >= 0;
  if (!isWithin || (offset as number) + (length as number) > root.length) {
    throw new DataError(`${name}: a view leaves its storage`);
  }
  const width = root.type ? elementBytes[root.type] : 0;
  const start = (offset as number) * width;
  return {
    ...root,
    length: length as number,
    bytes: () => root.bytes().subarray(start, start + (length as number) * width),
  };
}

const isStorage = (value: unknown): value is TorchStorage =>
  typeof value === 'object' && value !== null && 'typeName' in value && 'bytes' in value;

/** PyTorch's rebuild functions (torch/_utils.py, torch/_tensor.py) on top of the plain ones. */
function constructors(name: string): PickleOptions['constructors'] {
  const table = plainConstructors(name);
  const tensor = ([storage, offset, shape, strides]: readonly unknown[]): unknown =>
    isStorage(storage) ? new TorchTensor(storage, offset, shape, strides, name) : undefined;
  const first = ([value]: readonly unknown[]): unknown => value;
  table.set('torch._utils._rebuild_tensor', tensor);
  table.set('torch._utils._rebuild_tensor_v2', tensor);
  table.set('torch._utils._rebuild_parameter', first);
  table.set('torch._utils._rebuild_parameter_with_state', first);
  table.set('torch._tensor._rebuild_from_type_v2', ([make, , args]) =>
    make instanceof PickleGlobal && Array.isArray(args) ? table.get(make.path)?.(args as unknown[]) : undefined,
  );
  table.set('torch.Size', ([sizes]) => (Array.isArray(sizes) ? (sizes as unknown[]) : undefined));
  table.set('torch.nn.parameter.Parameter', first);
  return table;
}

const maxDepth = 64;
const maxVisits = 1_000_000;

/**
 * Tensors by path. Lists and dicts may be shared, and hold themselves, so the walk is bounded.
 * @throws DataError when two tensors have one path, or the tree is too deep or too large
 */
function collectTensors(root: unknown, name: string): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  let visits = 0;
  const visit = (value: unknown, path: string, depth: number): void => {
    if (++visits > maxVisits || depth > maxDepth)
      throw new DataError(`${name}: its content is nested too deeply or endlessly`);
    if (value instanceof TorchTensor) {
      if (tensors.has(path)) throw new DataError(`${name}: two tensors are called ${JSON.stringify(path)}`);
      tensors.set(path, value);
      return;
    }
    const children =
      value instanceof Map
        ? value.entries()
        : value instanceof PickleObject
          ? value.items.entries()
          : Array.isArray(value)
            ? value.entries()
            : [];
    for (const [key, child] of children) {
      if (typeof child !== 'object' || child === null || child instanceof NumpyArray) continue;
      const label = typeof key === 'string' || typeof key === 'number' ? String(key) : '?';
      visit(child, path === '' ? label : `${path}.${label}`, depth + 1);
    }
  };
  visit(root, '', 0);
  return tensors;
}
