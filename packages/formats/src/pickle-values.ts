/** What a pickle's parts become: names, inert objects, and plain values that take a state. */

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

/** Maps that stand for objects whose attributes are their content. */
export const namespaces = new WeakSet<Map<unknown, unknown>>();
