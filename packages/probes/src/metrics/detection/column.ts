/** Numbers of a table whose length is not known beforehand. */
export interface Column {
  push(value: number): void;
  readonly length: number;
  /** What was pushed; a copy of the right length. */
  toFloat64(): Float64Array;
}

export function createColumn(): Column {
  let data = new Float64Array(1024);
  let length = 0;
  return {
    push(value) {
      if (length === data.length) {
        const larger = new Float64Array(2 * length);
        larger.set(data);
        data = larger;
      }
      data[length++] = value;
    },
    get length() {
      return length;
    },
    toFloat64: () => data.slice(0, length),
  };
}
