/** Deterministic splits in which no group (program, kit, note, recording) is on both sides. */
import { createRng, DataError } from '@unlabel/core';

export interface SplitItem {
  readonly group: string;
  /** Class balanced over the splits. */
  readonly label: string;
}

/**
 * Distributes whole groups over parts so that each part holds its share of every label: groups in order of size (ties by a
 * seeded shuffle), each to the part where it lowers the squared distance to the wanted counts most.
 * @param shares wanted share of each part; they are normalised
 * @returns the part of each item, 0 … shares.length − 1
 * @throws DataError when there are fewer groups than parts
 */
export function splitGroups(items: readonly SplitItem[], shares: readonly number[], seed: string): number[] {
  const labels = [...new Set(items.map(({ label }) => label))].sort();
  const groups = new Map<string, number[]>();
  for (const { group, label } of items) {
    const counts = groups.get(group) ?? labels.map(() => 0);
    const column = labels.indexOf(label);
    counts[column] = counts[column]! + 1;
    groups.set(group, counts);
  }
  if (groups.size < shares.length) {
    throw new DataError(`${seed}: ${groups.size} groups cannot fill ${shares.length} splits`);
  }
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const totals = labels.map((_, c) => sum([...groups.values()].map((counts) => counts[c]!)));
  const shareSum = sum(shares);
  const want = shares.map((share) => totals.map((total) => (total * share) / shareSum));
  const have = shares.map(() => labels.map(() => 0));

  const names = [...groups.keys()].sort();
  const shuffled = Array.from(createRng(0).fork(seed).permutation(names.length), (i) => names[i]!);
  const ordered = shuffled.map((name) => ({ name, size: sum(groups.get(name)!) })).sort((a, b) => b.size - a.size); // stable: ties keep the shuffled order
  // a class of 10 and one of 100 count alike: distances are relative to the class's total
  const gain = (part: number, counts: readonly number[]): number =>
    sum(
      counts.map((count, c) => {
        const missing = want[part]![c]! - have[part]![c]!;
        return (count * (2 * missing - count)) / (totals[c]! * totals[c]!);
      }),
    );
  const partOf = new Map<string, number>();
  for (const { name } of ordered) {
    const counts = groups.get(name)!;
    const gains = shares.map((_, part) => gain(part, counts));
    const best = gains.indexOf(Math.max(...gains));
    partOf.set(name, best);
    counts.forEach((count, c) => (have[best]![c] = have[best]![c]! + count));
  }
  const used = new Set(partOf.values());
  if (used.size < shares.length) throw new DataError(`${seed}: a split stays empty; there are too few groups`);
  return items.map(({ group }) => partOf.get(group)!);
}

/** `fold00` … of a k-fold task. */
export const foldNames = (k: number): string[] =>
  Array.from({ length: k }, (_, i) => `fold${String(i).padStart(2, '0')}`);
