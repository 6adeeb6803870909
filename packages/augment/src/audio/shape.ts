import { DataError, type NdArray } from '@unlabel/core';

/** [rows, columns] of a matrix. @throws DataError for other ranks or a length that does not match. */
export function matrixShape(x: NdArray, where: string): [number, number] {
  const [rows = 0, columns = 0] = x.shape;
  if (x.shape.length !== 2 || rows < 1 || columns < 1 || rows * columns !== x.data.length) {
    throw new DataError(
      `${where}: expected [bands, frames], found [${x.shape.join(', ')}] with ${x.data.length} values.`,
    );
  }
  return [rows, columns];
}
