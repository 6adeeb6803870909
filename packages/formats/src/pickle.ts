/**
 * A reader of Python pickles, protocols 0 to 5 (CPython `pickletools`), that runs nothing: a pickle's calls become plain
 * values where `constructors` knows the callable, and `PickleObject` nodes everywhere else.
 *
 * None → null, int → number (bigint beyond 2^53), str → string, bytes and bytearray → Uint8Array, list and tuple → array,
 * dict → Map, set and frozenset → Set.
 */
import { DataError } from '@unlabel/core';
import { copyOf, latin1, utf8, viewOf } from './bytes.ts';

/** A class or function that a pickle names. It is never looked up. */
export class PickleGlobal {
  /** 'module.name'. */
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
}

/** What a pickle would have made by calling something unknown. */
export class PickleObject {
  readonly global: string;
  readonly args: readonly unknown[];
  /** Attributes, as `__setstate__` would have got them. */
  state: unknown = undefined;
  /** Content of a subclass of dict or list. */
  readonly items = new Map<unknown, unknown>();
  readonly elements: unknown[] = [];
  constructor(global: string, args: readonly unknown[]) {
    this.global = global;
    this.args = args;
  }
}

/** Values that take a state after they were made, as numpy arrays do. */
export interface Buildable {
  build(state: unknown): void;
}

export interface PickleOptions {
  /** Stands in front of error messages. */
  readonly name: string;
  /** What a call of 'module.name' gives; `undefined` leaves it opaque. */
  readonly constructors: ReadonlyMap<string, (args: readonly unknown[]) => unknown>;
  /** What a persistent id stands for. Without it, such ids are refused. */
  readonly persistent?: (id: unknown) => unknown;
}

const maxStack = 1 << 20;
const maxLongBytes = 1024;

/**
 * Reads one pickle that starts at `start`.
 * @returns the value and where the pickle ends
 * @throws DataError when it is malformed or needs what is not supported (extension codes, out-of-band buffers)
 */
export function readPickle(bytes: Uint8Array, options: PickleOptions, start = 0): { value: unknown; end: number } {
  return new PickleMachine(bytes, options, start).run();
}

class PickleMachine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: PickleOptions;
  readonly #memo = new Map<number, unknown>();
  #stack: unknown[] = [];
  readonly #marks: unknown[][] = [];
  #at: number;

  constructor(bytes: Uint8Array, options: PickleOptions, start: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#options = options;
    this.#at = start;
  }

  run(): { value: unknown; end: number } {
    for (;;) {
      const op = this.#bytes[this.#take(1)]!;
      if (op === 0x2e) return { value: this.#pop(), end: this.#at };
      const run = operations[op];
      if (!run) throw this.fault(`opcode 0x${op.toString(16).padStart(2, '0')} is not supported`);
      run(this);
      if (this.#stack.length > maxStack || this.#marks.length > maxStack) throw this.fault('its stack grows too deep');
    }
  }

  fault(what: string): DataError {
    return new DataError(`${this.#options.name}: malformed pickle at byte ${this.#at}: ${what}`);
  }

  #take(n: number): number {
    const at = this.#at;
    if (n > this.#bytes.length - at) throw this.fault(`${n} bytes expected, ${this.#bytes.length - at} left`);
    this.#at = at + n;
    return at;
  }

  // Reading arguments of operations.
  u8 = (): number => this.#bytes[this.#take(1)]!;
  u16 = (): number => this.#view.getUint16(this.#take(2), true);
  i32 = (): number => this.#view.getInt32(this.#take(4), true);
  u32 = (): number => this.#view.getUint32(this.#take(4), true);
  f64 = (): number => this.#view.getFloat64(this.#take(8));
  u64 = (): number => {
    const at = this.#take(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 4294967296;
  };
  raw = (n: number): Uint8Array => {
    const at = this.#take(n);
    return this.#bytes.subarray(at, at + n);
  };
  text = (n: number): string => utf8(this.raw(n), `${this.#options.name}: a string`);
  latin1 = (n: number): string => latin1(this.raw(n));
  line = (): string => {
    const end = this.#bytes.indexOf(10, this.#at);
    if (end < 0) throw this.fault('a line does not end');
    const line = this.latin1(end - this.#at);
    this.#at = end + 1;
    return line;
  };

  long(n: number): number | bigint {
    if (n < 0 || n > maxLongBytes) throw this.fault(`an integer of ${n} bytes`);
    const raw = this.raw(n);
    if (n === 0) return 0;
    let value = 0n;
    for (let i = n - 1; i >= 0; i--) value = (value << 8n) | BigInt(raw[i]!);
    return narrow(BigInt.asIntN(8 * n, value));
  }

  decimal(line: string): number | bigint {
    if (!/^[+-]?\d{1,2400}$/.test(line)) throw this.fault(`${JSON.stringify(line.slice(0, 40))} is not an integer`);
    return narrow(BigInt(line));
  }

  // The stack and the memo.
  push = (value: unknown): void => {
    this.#stack.push(value);
  };
  #pop(): unknown {
    if (this.#stack.length === 0) throw this.fault('its stack is empty');
    return this.#stack.pop();
  }
  pop = (): unknown => this.#pop();
  top(): unknown {
    if (this.#stack.length === 0) throw this.fault('its stack is empty');
    return this.#stack.at(-1);
  }
  mark(): void {
    this.#marks.push(this.#stack);
    this.#stack = [];
  }
  popMark(): unknown[] {
    const below = this.#marks.pop();
    if (!below) throw this.fault('a mark is missing');
    const items = this.#stack;
    this.#stack = below;
    return items;
  }
  /** POP also takes away a mark when nothing lies above it. */
  discard(): void {
    if (this.#stack.length === 0 && this.#marks.length > 0) this.popMark();
    else this.#pop();
  }
  memoize(key: number = this.#memo.size): void {
    this.#memo.set(key, this.top());
  }
  recall(key: number): void {
    if (!this.#memo.has(key)) throw this.fault(`memo ${key} was never stored`);
    this.push(this.#memo.get(key));
  }

  // Calls.
  call(callable: unknown, args: unknown): unknown {
    if (!Array.isArray(args)) throw this.fault('the arguments of a call are not a tuple');
    if (!(callable instanceof PickleGlobal))
      return new PickleObject('(an object called as a function)', [callable, ...args]);
    const made = this.#options.constructors.get(callable.path)?.(args as unknown[]);
    return made === undefined ? new PickleObject(callable.path, args as unknown[]) : made;
  }
  persistent(id: unknown): unknown {
    if (!this.#options.persistent) throw this.fault('it refers to objects outside of it');
    return this.#options.persistent(id);
  }
  append(target: unknown, items: readonly unknown[]): void {
    const list = target instanceof PickleObject ? target.elements : target;
    if (list instanceof Set) for (const item of items) list.add(item);
    else if (!Array.isArray(list)) throw this.fault('items are appended to what is not a list');
    else for (const item of items) list.push(item);
  }
  setItems(target: unknown, pairs: readonly unknown[]): void {
    const map: unknown = target instanceof PickleObject ? target.items : target;
    if (!(map instanceof Map) || pairs.length % 2 !== 0) throw this.fault('items are set on what is not a dict');
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }
  build(target: unknown, state: unknown): void {
    if (target instanceof PickleObject) target.state = state;
    else if (target instanceof Map) {
      // Attributes of a dict subclass or a Namespace; those of an OrderedDict (a state dict's _metadata) say nothing we need.
      if (namespaces.has(target) && state instanceof Map) for (const [key, value] of state) target.set(key, value);
    } else if (
      typeof target === 'object' &&
      target !== null &&
      'build' in target &&
      typeof target.build === 'function'
    ) {
      (target as Buildable).build(state);
    } else throw this.fault('a state is given to what takes none');
  }
}

/** Maps that stand for objects whose attributes are their content. */
export const namespaces = new WeakSet<Map<unknown, unknown>>();

const narrow = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;

function pairsToMap(m: PickleMachine, pairs: readonly unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  m.setItems(map, pairs);
  return map;
}

const global = (m: PickleMachine, module: unknown, name: unknown): PickleGlobal => {
  if (typeof module !== 'string' || typeof name !== 'string') throw m.fault('a global is not named by strings');
  return new PickleGlobal(`${module}.${name}`);
};

/** What follows a backslash in a Python string literal. */
function unescape(escape: string): string {
  if (escape.length === 3) return String.fromCharCode(parseInt(escape.slice(1), 16));
  return { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' }[escape] ?? `\\${escape}`;
}

type Operation = (m: PickleMachine) => void;

/** Operations by opcode, in the groups of `pickletools`. */
const operations: Readonly<Record<number, Operation>> = {
  // Protocol and frames.
  0x80: (m) => {
    const version = m.u8();
    if (version > 5) throw m.fault(`protocol ${version}, expected at most 5`);
  },
  0x95: (m) => void m.u64(),
  // Integers and booleans.
  0x49: (m) => {
    const line = m.line();
    m.push(line === '00' ? false : line === '01' ? true : m.decimal(line));
  },
  0x4a: (m) => m.push(m.i32()),
  0x4b: (m) => m.push(m.u8()),
  0x4d: (m) => m.push(m.u16()),
  0x4c: (m) => m.push(m.decimal(m.line().replace(/L$/, ''))),
  0x8a: (m) => m.push(m.long(m.u8())),
  0x8b: (m) => m.push(m.long(m.i32())),
  0x4e: (m) => m.push(null),
  0x88: (m) => m.push(true),
  0x89: (m) => m.push(false),
  // Floats.
  0x46: (m) => {
    const line = m.line().trim();
    const value = { inf: Infinity, '-inf': -Infinity, nan: NaN }[line] ?? Number(line || NaN);
    m.push(value);
  },
  0x47: (m) => m.push(m.f64()),
  // Strings and bytes. Python 2's `str` is read as Latin-1, as torch reads its own legacy files.
  0x53: (m) => {
    const quoted = /^(['"])(.*)\1$/s.exec(m.line().trim())?.[2];
    if (quoted === undefined) throw m.fault('a string has no quotes');
    m.push(quoted.replace(/\\(x[0-9a-fA-F]{2}|.)/gs, (_, escape: string) => unescape(escape)));
  },
  0x54: (m) => m.push(m.latin1(Math.max(0, m.i32()))),
  0x55: (m) => m.push(m.latin1(m.u8())),
  0x56: (m) =>
    m.push(m.line().replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))),
  0x58: (m) => m.push(m.text(m.u32())),
  0x8c: (m) => m.push(m.text(m.u8())),
  0x8d: (m) => m.push(m.text(m.u64())),
  0x42: (m) => m.push(copyOf(m.raw(m.u32()))),
  0x43: (m) => m.push(copyOf(m.raw(m.u8()))),
  0x8e: (m) => m.push(copyOf(m.raw(m.u64()))),
  0x96: (m) => m.push(copyOf(m.raw(m.u64()))),
  // Tuples, lists, dicts, sets.
  0x28: (m) => m.mark(),
  0x29: (m) => m.push([]),
  0x74: (m) => m.push(m.popMark()),
  0x85: (m) => m.push([m.pop()]),
  0x86: (m) => {
    const b = m.pop();
    m.push([m.pop(), b]);
  },
  0x87: (m) => {
    const c = m.pop();
    const b = m.pop();
    m.push([m.pop(), b, c]);
  },
  0x5d: (m) => m.push([]),
  0x6c: (m) => m.push(m.popMark()),
  0x61: (m) => {
    const item = m.pop();
    m.append(m.top(), [item]);
  },
  0x65: (m) => {
    const items = m.popMark();
    m.append(m.top(), items);
  },
  0x7d: (m) => m.push(new Map()),
  0x64: (m) => m.push(pairsToMap(m, m.popMark())),
  0x73: (m) => {
    const value = m.pop();
    const key = m.pop();
    m.setItems(m.top(), [key, value]);
  },
  0x75: (m) => {
    const pairs = m.popMark();
    m.setItems(m.top(), pairs);
  },
  0x8f: (m) => m.push(new Set()),
  0x90: (m) => {
    const items = m.popMark();
    m.append(m.top(), items);
  },
  0x91: (m) => m.push(new Set(m.popMark())),
  // Stack and memo.
  0x30: (m) => m.discard(),
  0x31: (m) => void m.popMark(),
  0x32: (m) => m.push(m.top()),
  0x70: (m) => m.memoize(Number(m.decimal(m.line()))),
  0x71: (m) => m.memoize(m.u8()),
  0x72: (m) => m.memoize(m.u32()),
  0x94: (m) => m.memoize(),
  0x67: (m) => m.recall(Number(m.decimal(m.line()))),
  0x68: (m) => m.recall(m.u8()),
  0x6a: (m) => m.recall(m.u32()),
  // Globals, calls, states.
  0x63: (m) => {
    const module = m.line();
    m.push(global(m, module, m.line()));
  },
  0x93: (m) => {
    const name = m.pop();
    m.push(global(m, m.pop(), name));
  },
  0x52: (m) => {
    const args = m.pop();
    m.push(m.call(m.pop(), args));
  },
  0x81: (m) => {
    const args = m.pop();
    m.push(m.call(m.pop(), args));
  },
  0x92: (m) => {
    const named = m.pop();
    const args = m.pop();
    m.push(m.call(m.pop(), Array.isArray(args) ? [...(args as unknown[]), named] : args));
  },
  0x69: (m) => {
    const module = m.line();
    const callable = global(m, module, m.line());
    m.push(m.call(callable, m.popMark()));
  },
  0x6f: (m) => {
    const [callable, ...args] = m.popMark();
    m.push(m.call(callable, args));
  },
  0x62: (m) => {
    const state = m.pop();
    m.build(m.top(), state);
  },
  0x50: (m) => m.push(m.persistent(m.line())),
  0x51: (m) => m.push(m.persistent(m.pop())),
};
