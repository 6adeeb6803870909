/** The operations of a pickle by opcode, protocols 0 to 5, in the groups of CPython's `pickletools`. */
import { copyOf } from './bytes.ts';
import type { Operation, PickleMachine } from './pickle-machine.ts';
import type { PickleGlobal } from './pickle-values.ts';

function pairsToMap(m: PickleMachine, pairs: readonly unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  m.setItems(map, pairs);
  return map;
}

const global = (m: PickleMachine, module: unknown, name: unknown): PickleGlobal => {
  if (typeof module !== 'string' || typeof name !== 'string') throw m.fault('a global is not named by strings');
  return m.global(`${module}.${name}`);
};

/** What follows a backslash in a Python string literal. */
function unescape(escape: string): string {
  if (escape.length === 3) return String.fromCharCode(parseInt(escape.slice(1), 16));
  return { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' }[escape] ?? `\\${escape}`;
}

export const operations: Readonly<Record<number, Operation>> = {
  // Protocol and frames.
  0x80: (m) => {
    const version = m.u8();
    if (version > 5) throw m.fault(`protocol ${version}, expected at most 5`);
  },
  0x95: (m) => m.frame(m.u64()),
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
    const special = { inf: Infinity, '-inf': -Infinity, nan: NaN }[line];
    if (special === undefined && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(line)) {
      throw m.fault(`${JSON.stringify(line.slice(0, 40))} is not a float`);
    }
    m.push(special ?? Number(line));
  },
  0x47: (m) => m.push(m.f64()),
  // Strings and bytes. Python 2's `str` is read as Latin-1, as torch reads its own legacy files.
  0x53: (m) => {
    const quoted = /^(['"])(.*)\1$/s.exec(m.line().trim())?.[2];
    if (quoted === undefined) throw m.fault('a string has no quotes');
    m.push(quoted.replace(/\\(x[0-9a-fA-F]{2}|.)/gs, (_, escape: string) => unescape(escape)));
  },
  0x54: (m) => {
    const length = m.i32();
    if (length < 0) throw m.fault(`a string of ${length} bytes`);
    m.push(m.latin1(length));
  },
  0x55: (m) => m.push(m.latin1(m.u8())),
  0x56: (m) =>
    m.push(
      m
        .line()
        .replace(
          /\\(?:u([0-9a-fA-F]{4})|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4}))/g,
          (_, short?: string, long?: string) => String.fromCodePoint(parseInt(short ?? long!, 16)),
        ),
    ),
  0x58: (m) => m.push(m.text(m.u32())),
  0x8c: (m) => m.push(m.text(m.u8())),
  0x8d: (m) => m.push(m.text(m.u64())),
  0x42: (m) => m.push(copyOf(m.raw(m.u32()))),
  0x43: (m) => m.push(copyOf(m.raw(m.u8()))),
  0x8e: (m) => m.push(copyOf(m.raw(m.u64()))),
  0x96: (m) => m.push(copyOf(m.raw(m.u64()))),
  // Tuples, lists, dicts, sets.
  0x28: (m) => m.mark(),
  0x29: (m) => m.pushNew([]),
  0x74: (m) => m.pushNew(m.popMark()),
  0x85: (m) => m.pushNew([m.pop()]),
  0x86: (m) => {
    const b = m.pop();
    m.pushNew([m.pop(), b]);
  },
  0x87: (m) => {
    const c = m.pop();
    const b = m.pop();
    m.pushNew([m.pop(), b, c]);
  },
  0x5d: (m) => m.pushNew([]),
  0x6c: (m) => m.pushNew(m.popMark()),
  0x61: (m) => {
    const item = m.pop();
    m.append(m.top(), [item]);
  },
  0x65: (m) => {
    const items = m.popMark();
    m.append(m.top(), items);
  },
  0x7d: (m) => m.pushNew(new Map()),
  0x64: (m) => m.pushNew(pairsToMap(m, m.popMark())),
  0x73: (m) => {
    const value = m.pop();
    const key = m.pop();
    m.setItems(m.top(), [key, value]);
  },
  0x75: (m) => {
    const pairs = m.popMark();
    m.setItems(m.top(), pairs);
  },
  0x8f: (m) => m.pushNew(new Set()),
  0x90: (m) => {
    const items = m.popMark();
    m.append(m.top(), items);
  },
  0x91: (m) => m.pushNew(new Set(m.popMark())),
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
