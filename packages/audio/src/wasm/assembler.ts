/**
 * A WebAssembly assembler just large enough for the kernels beside it: expressions are byte strings in stack order, so that
 * `f64x2.add(a, b)` is the code of a, of b, and the instruction. The module is made when it is first needed; there is no
 * binary to keep, and no compiler to install. Opcodes: WebAssembly core specification 2.0, §5.4 (vector instructions §5.4.9).
 */

export type Code = readonly number[];
type ValueType = 'i32' | 'v128';
const valueTypes = { i32: 0x7f, v128: 0x7b } as const;

/** A parameter or local variable. */
export interface Local {
  readonly get: Code;
  set(value: Code): Code;
}

export interface WasmFunction {
  readonly name: string;
  readonly params: number;
  readonly locals: readonly ValueType[];
  readonly body: Code;
}

const unsigned = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
};

const signed = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const isLast = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    bytes.push(isLast ? byte : byte | 0x80);
    if (isLast) return bytes;
  }
};

const binary =
  (...opcode: number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...opcode];
const vector = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
/** Loads and stores take an alignment hint (none here: 0) and a constant offset in bytes. */
const load =
  (opcode: number) =>
  (address: Code, offset = 0): Code => [...address, ...vector(opcode), 0, ...unsigned(offset)];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  load: (address: Code, offset = 0): Code => [...address, 0x28, 0, ...unsigned(offset)],
  eqz: (a: Code): Code => [...a, 0x45],
  ltU: binary(0x49),
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  shl: binary(0x74),
} as const;

export const v128 = {
  load: load(0x00),
  /** Two floats into the lower half, zeros above. */
  load64Zero: load(0x5d),
  /** One double into both lanes. */
  load64Splat: load(0x0a),
  store: (address: Code, value: Code, offset = 0): Code => [
    ...address,
    ...value,
    ...vector(0x0b),
    0,
    ...unsigned(offset),
  ],
  /** One float of a lane to memory. */
  store32Lane: (address: Code, value: Code, lane: number): Code => [...address, ...value, ...vector(0x5a), 0, 0, lane],
  /** Two doubles as a constant. */
  splat64: (value: number): Code => {
    const bytes = [...new Uint8Array(Float64Array.of(value).buffer)];
    return [...vector(0x0c), ...bytes, ...bytes];
  },
  zero: [...vector(0x0c), ...Array.from({ length: 16 }, () => 0)] as Code,
  /** Bytes by index into a (0…15) and b (16…31). */
  shuffle: (a: Code, b: Code, bytes: readonly number[]): Code => [...a, ...b, ...vector(0x0d), ...bytes],
} as const;

export const f64x2 = {
  promoteLow: (a: Code): Code => [...a, ...vector(0x5f)],
  sqrt: (a: Code): Code => [...a, ...vector(0xef)],
  add: binary(...vector(0xf0)),
  sub: binary(...vector(0xf1)),
  mul: binary(...vector(0xf2)),
  max: binary(...vector(0xf5)),
} as const;

export const f32x4 = {
  add: binary(...vector(0xe4)),
  mul: binary(...vector(0xe6)),
} as const;

/** Statements one after the other. */
export const block = (...statements: readonly Code[]): Code => statements.flat();

/** Runs the statements once, and again while `condition` (evaluated after them) is not zero. */
export const doWhile = (statements: readonly Code[], condition: Code): Code => [
  0x03,
  0x40,
  ...statements.flat(),
  ...condition,
  0x0d,
  0x00,
  0x0b,
];

/** Skips the statements when `condition` is zero. */
export const when = (condition: Code, statements: readonly Code[]): Code => [
  ...condition,
  0x04,
  0x40,
  ...statements.flat(),
  0x0b,
];

/** A function of i32 parameters without a result. Locals start at zero. */
export function wasmFunction<Name extends string>(
  name: string,
  params: readonly Name[],
  build: (params: Readonly<Record<Name, Local>>, local: (type: ValueType) => Local) => readonly Code[],
): WasmFunction {
  const locals: ValueType[] = [];
  const variable = (index: number): Local => ({
    get: [0x20, ...unsigned(index)],
    set: (value) => [...value, 0x21, ...unsigned(index)],
  });
  const named = Object.fromEntries(params.map((param, i) => [param, variable(i)])) as Record<Name, Local>;
  const body = build(named, (type) => variable(params.length + locals.push(type) - 1)).flat();
  return { name, params: params.length, locals, body };
}

const vectorOf = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: Code): number[] => [id, ...unsigned(content.length), ...content];
const text = (value: string): number[] => [...unsigned(value.length), ...new TextEncoder().encode(value)];

/** A module of exported functions over the imported memory `env.memory`. */
export function encodeModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ params }) => [
    0x60,
    ...vectorOf(Array.from({ length: params }, () => [valueTypes.i32])),
    0,
  ]);
  const bodies = functions.map(({ locals, body }) => {
    const code = [...vectorOf(locals.map((type) => [1, valueTypes[type]])), ...body, 0x0b];
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    0x01,
    0x00,
    0x00,
    0x00,
    ...section(1, vectorOf(types)),
    ...section(2, vectorOf([[...text('env'), ...text('memory'), 0x02, 0x00, 0x01]])),
    ...section(3, vectorOf(functions.map((_, i) => unsigned(i)))),
    ...section(7, vectorOf(functions.map(({ name }, i) => [...text(name), 0x00, ...unsigned(i)]))),
    ...section(10, vectorOf(bodies)),
  ]);
}
