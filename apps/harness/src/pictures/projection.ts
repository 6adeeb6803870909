/** Embeddings in two dimensions: the first two principal components, coloured by class. */
import { writeFileAtomic } from '@unlabel/formats';
import { scatterChart } from './svg.ts';

const iterations = 60;

/** Scores on the first two principal components, rows [n, width] → [n][2]. Orthogonal iteration from a fixed start. */
export function principalPlane(rows: readonly Float32Array[]): [number, number][] {
  const n = rows.length;
  const width = rows[0]?.length ?? 0;
  const mean = new Float64Array(width);
  for (const row of rows) for (let j = 0; j < width; j++) mean[j]! += row[j]! / n;
  const centered = rows.map((row) => Float64Array.from(row, (x, j) => x - mean[j]!));
  const axes: Float64Array[] = [];
  const scores: Float64Array[] = [];
  for (let k = 0; k < 2; k++) {
    let axis = Float64Array.from({ length: width }, (_, j) => Math.cos(j * (k + 1)));
    let score = new Float64Array(n);
    for (let it = 0; it < iterations; it++) {
      for (const other of axes) {
        const overlap = dot(axis, other);
        axis = axis.map((x, j) => x - overlap * other[j]!);
      }
      const norm = Math.sqrt(dot(axis, axis)) || 1;
      axis = axis.map((x) => x / norm);
      score = Float64Array.from(centered, (row) => dot(row, axis));
      const next = new Float64Array(width);
      centered.forEach((row, i) => {
        for (let j = 0; j < width; j++) next[j]! += score[i]! * row[j]!;
      });
      if (it + 1 < iterations) axis = next;
    }
    axes.push(axis);
    scores.push(score);
  }
  return Array.from({ length: n }, (_, i) => [scores[0]![i]!, scores[1]![i]!]);
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!;
  return sum;
};

/** Write the picture; `classes[i]` is the class name of row i. */
export async function writeProjection(
  file: string,
  title: string,
  rows: readonly Float32Array[],
  classes: readonly string[],
): Promise<void> {
  const plane = principalPlane(rows);
  const names = [...new Set(classes)].sort();
  const groups = names.map((name) => ({ name, points: plane.filter((_, i) => classes[i] === name) }));
  await writeFileAtomic(file, scatterChart(title, groups));
}
