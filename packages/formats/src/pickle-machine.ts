/** The stack machine of a pickle, with bounds on everything that a hostile pickle could make grow. It runs nothing. */
import { DataError } from '@unlabel/core';
import { latin1, utf8, viewOf } from './bytes.ts';
import { namespaces, PickleGlobal, PickleObject, type Buildable } from './pickle-values.ts';

export type Operation = (m: PickleMachine) => void;

export interface PickleOptions {
  /** Stands in front of error messages. */
  readonly name: string;
  /** What a call of 'module.name' gives; `undefined` leaves it opaque. */
  readonly constructors: ReadonlyMap<string, (args: readonly unknown[]) => unknown>;
  /** What a persistent id stands for. Without it, such ids are refused. */
  readonly persistent?: (id: unknown) => unknown;
  /** Why the pickle must not name, or call, 'module.name'; undefined where it may. See `refusedGlobal`. */
  readonly refuse?: (path: string, isCalled: boolean) => string | undefined;
}

// Bounds. torch writes pickles of a few thousand objects; fairseq's with their dictionaries have some hundred thousand.
const maxStack = 1 << 18;
const maxMarks = 1 << 12;
const maxMemo = 1 << 20;
const maxContainers = 500_000;
const maxLongBytes = 1024;
/** Elements that calls may copy from their arguments: so many, and so many for each byte of the pickle. */
const copiesAtLeast = 1 << 20;
const copiesPerByte = 8;

export class PickleMachine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: PickleOptions;
  readonly #memo = new Map<number, unknown>();
  #stack: unknown[] = [];
  readonly #marks: unknown[][] = [];
  /** Elements of the stacks below the marks. */
  #below = 0;
  #containers = 0;
  #copies = 0;
  readonly #maxCopies: number;
  #frameEnd = -1;
  #at: number;

  constructor(bytes: Uint8Array, options: PickleOptions, start: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#options = options;
    this.#at = start;
    this.#maxCopies = copiesAtLeast + copiesPerByte * (bytes.length - start);
  }

  run(operations: Readonly<Record<number, Operation>>): { value: unknown; end: number } {
    for (;;) {
      const op = this.#bytes[this.#take(1)]!;
      if (op === 0x2e) return this.#finish();
      const run = operations[op];
      if (!run) throw this.fault(`opcode 0x${op.toString(16).padStart(2, '0')} is not supported`);
      run(this);
      if (this.#stack.length + this.#below > maxStack || this.#marks.length > maxMarks) {
        throw this.fault('its stack grows too deep');
      }
    }
  }

  #finish(): { value: unknown; end: number } {
    const value = this.#pop();
    if (this.#stack.length > 0 || this.#marks.length > 0) throw this.fault('it ends with values left on its stack');
    return { value, end: this.#at };
  }

  fault(what: string): DataError {
    return new DataError(`${this.#options.name}: malformed pickle at byte ${this.#at}: ${what}`);
  }

  #take(n: number): number {
    const at = this.#at;
    if (n > this.#bytes.length - at) throw this.fault(`${n} bytes expected, ${this.#bytes.length - at} left`);
    if (at < this.#frameEnd && at + n > this.#frameEnd) throw this.fault('a value crosses the end of its frame');
    this.#at = at + n;
    return at;
  }

  /** Frames let a reader fetch ahead; one that lies would have another reader see other operations. */
  frame(length: number): void {
    if (this.#at < this.#frameEnd) throw this.fault('a frame begins within another');
    if (length > this.#bytes.length - this.#at) {
      throw this.fault(`a frame of ${length} bytes, ${this.#bytes.length - this.#at} left`);
    }
    this.#frameEnd = this.#at + length;
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
    this.#take(1);
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
  /** Pushes a list, dict, tuple or set that did not exist before. */
  pushNew = (value: unknown): void => {
    this.#count(1);
    this.#stack.push(value);
  };
  #count(containers: number): void {
    this.#containers += containers;
    if (this.#containers > maxContainers) throw this.fault(`it makes more than ${maxContainers} objects`);
  }
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
    this.#below += this.#stack.length;
    this.#marks.push(this.#stack);
    this.#stack = [];
  }
  popMark(): unknown[] {
    const below = this.#marks.pop();
    if (!below) throw this.fault('a mark is missing');
    const items = this.#stack;
    this.#stack = below;
    this.#below -= below.length;
    return items;
  }
  /** POP also takes away a mark when nothing lies above it. */
  discard(): void {
    if (this.#stack.length === 0 && this.#marks.length > 0) this.popMark();
    else this.#pop();
  }
  memoize(key: number = this.#memo.size): void {
    if (!Number.isSafeInteger(key) || key < 0) throw this.fault(`memo ${key}`);
    this.#memo.set(key, this.top());
    if (this.#memo.size > maxMemo) throw this.fault(`it remembers more than ${maxMemo} values`);
  }
  recall(key: number): void {
    if (!this.#memo.has(key)) throw this.fault(`memo ${key} was never stored`);
    this.push(this.#memo.get(key));
  }

  // Names and calls.
  global(path: string): PickleGlobal {
    this.#refuse(path, false);
    return new PickleGlobal(path);
  }
  #refuse(path: string, isCalled: boolean): void {
    const why = this.#options.refuse?.(path, isCalled);
    if (why !== undefined) throw this.fault(`it ${isCalled ? 'calls' : 'names'} ${JSON.stringify(path)}: ${why}`);
  }
  call(callable: unknown, args: unknown): unknown {
    if (!Array.isArray(args)) throw this.fault('the arguments of a call are not a tuple');
    this.#chargeCopies(args as unknown[]);
    if (!(callable instanceof PickleGlobal)) {
      const why = this.#options.refuse?.('', true);
      if (why !== undefined) throw this.fault(`it calls an object: ${why}`);
      return this.#opaque('(an object called as a function)', [callable, ...args]);
    }
    const make = this.#options.constructors.get(callable.path);
    this.#count(1);
    const made = make?.(args as unknown[]);
    if (made !== undefined) return made;
    this.#refuse(callable.path, true);
    return this.#opaque(callable.path, args as unknown[]);
  }
  #opaque(path: string, args: readonly unknown[]): PickleObject {
    this.#count(2); // it holds a map and a list
    return new PickleObject(path, args);
  }
  /** Constructors copy what they are given: without a bound, many calls on one large remembered value would fill the memory. */
  #chargeCopies(args: readonly unknown[]): void {
    for (const arg of args) {
      if (Array.isArray(arg) || typeof arg === 'string') this.#copies += arg.length;
      else if (arg instanceof Map || arg instanceof Set) this.#copies += arg.size;
      else if (arg instanceof Uint8Array) this.#copies += arg.length / 8;
    }
    if (this.#copies > this.#maxCopies) throw this.fault('its calls copy more than the pickle holds');
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
    this.#chargeCopies(Array.isArray(state) ? (state as unknown[]) : [state]);
    if (target instanceof PickleObject) target.state = state;
    else if (target instanceof Map) this.#buildMap(target, state);
    else if (isBuildable(target)) target.build(state);
    else throw this.fault('a state is given to what takes none');
  }
  /** Attributes of a dict subclass or a Namespace; those of an OrderedDict (a state dict's _metadata) say nothing we need. */
  #buildMap(target: Map<unknown, unknown>, state: unknown): void {
    if (state === null) return;
    if (!(state instanceof Map)) throw this.fault('the attributes of an object are not a dict');
    for (const [key, value] of state as Map<unknown, unknown>) {
      if (typeof key !== 'string' || key.startsWith('__')) {
        throw this.fault(`it sets the attribute ${JSON.stringify(String(key))} of an object`);
      }
      if (namespaces.has(target)) target.set(key, value);
    }
  }
}

const isBuildable = (value: unknown): value is Buildable =>
  typeof value === 'object' && value !== null && 'build' in value && typeof value.build === 'function';

const narrow = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
