/** Maximum-cardinality matching of a bipartite graph (Hopcroft and Karp, SIAM J. Comput. 2(4), 1973). */

/**
 * Size of the largest set of edges that share no vertex. O(E √V).
 * @param neighbours for each left vertex, the right vertices it may be matched with
 */
export function maximumMatching(neighbours: readonly (readonly number[])[], rights: number): number {
  const left = new Int32Array(neighbours.length).fill(-1); // matched right vertex
  const right = new Int32Array(rights).fill(-1);
  let size = matchGreedily(neighbours, left, right);
  const level = new Int32Array(neighbours.length);
  const next = new Int32Array(neighbours.length);
  while (layer(neighbours, left, right, level)) {
    next.fill(0);
    for (let v = 0; v < left.length; v++) {
      if (left[v] === -1 && augment(v, neighbours, left, right, level, next)) size++;
    }
  }
  return size;
}

function matchGreedily(neighbours: readonly (readonly number[])[], left: Int32Array, right: Int32Array): number {
  let size = 0;
  for (const [v, row] of neighbours.entries()) {
    const free = row.find((u) => right[u] === -1);
    if (free === undefined) continue;
    left[v] = free;
    right[free] = v;
    size++;
  }
  return size;
}

/** Breadth-first distances from the free left vertices; whether a free right vertex can be reached. */
function layer(
  neighbours: readonly (readonly number[])[],
  left: Int32Array,
  right: Int32Array,
  level: Int32Array,
): boolean {
  const queue: number[] = [];
  for (let v = 0; v < left.length; v++) {
    level[v] = left[v] === -1 ? 0 : -1;
    if (left[v] === -1) queue.push(v);
  }
  let isReached = false;
  for (let head = 0; head < queue.length; head++) {
    const v = queue[head]!;
    for (const u of neighbours[v]!) {
      const mate = right[u]!;
      if (mate === -1) isReached = true;
      else if (level[mate] === -1) {
        level[mate] = level[v]! + 1;
        queue.push(mate);
      }
    }
  }
  return isReached;
}

/** One augmenting path from `root` along the layers, without recursion: paths can be as long as the graph. */
function augment(
  root: number,
  neighbours: readonly (readonly number[])[],
  left: Int32Array,
  right: Int32Array,
  level: Int32Array,
  next: Int32Array,
): boolean {
  const path = [root];
  while (path.length > 0) {
    const v = path[path.length - 1]!;
    const row = neighbours[v]!;
    if (next[v]! === row.length) {
      path.pop();
      if (path.length > 0) next[path[path.length - 1]!]!++;
      continue;
    }
    const u = row[next[v]!]!;
    const mate = right[u]!;
    if (mate === -1) {
      for (const w of path) {
        const taken = neighbours[w]![next[w]!]!;
        left[w] = taken;
        right[taken] = w;
        next[w]!++;
      }
      return true;
    }
    if (level[mate] === level[v]! + 1) path.push(mate);
    else next[v]!++;
  }
  return false;
}
