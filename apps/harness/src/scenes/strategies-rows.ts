/** Rows of the table of strategies: which methods, combined how. */

export interface Row {
  /** `il contrastive: a → b → c`, for tables. */
  readonly name: string;
  /** Folder of its runs. */
  readonly id: string;
  readonly stages: readonly string[];
  readonly kind: 'random' | 'supervised' | 'single' | 'concat' | 'joint' | 'il' | 'progressive';
  /** Rows that differ in the order of their stages alone have one. */
  readonly group: string;
  readonly overrides: Readonly<Record<string, unknown>>;
}

const distances = ['none', 'euclidean', 'contrastive'] as const;

export interface RowOptions {
  /** β besides the default, for `il contrastive` in the order given. */
  readonly betas?: readonly number[];
  /** Whether there is a network that learns from labels. */
  readonly isSupervised?: boolean;
}

/** All rows over `methods`; the untrained and the supervised network are those that the first method starts from. */
export function rowsOf(methods: readonly string[], { betas = [], isSupervised = true }: RowOptions = {}): Row[] {
  const [first] = methods;
  const orders = permutations(methods);
  const arrow = (order: readonly string[]): string => order.join(' → ');
  const folder = (order: readonly string[]): string => order.map((id) => methods.indexOf(id)).join('');
  const alone = (kind: Row['kind'], name: string, id: string, stage: string): Row => ({ name, id, kind, group: name, stages: [stage], overrides: {} }); // prettier-ignore
  const together = (kind: Row['kind'], name: string, id: string, overrides: Row['overrides']): Row => ({ name, id, kind, group: name, stages: methods, overrides }); // prettier-ignore
  const inOrder = (kind: Row['kind'], group: string, order: readonly string[], overrides: Row['overrides']): Row => ({
    name: `${group}: ${arrow(order)}`,
    id: `${group.replaceAll(' ', '-').replace('β=', 'beta')}-${folder(order)}`,
    kind,
    group,
    stages: order,
    overrides,
  });
  return [
    alone('random', 'random', 'random', first!),
    ...(isSupervised ? [alone('supervised', 'supervised', 'supervised', first!)] : []),
    ...methods.map((id) => alone('single', id, `single-${id}`, id)),
    together('concat', 'concat', 'concat', { strategy: 'concat' }),
    ...(['fixed', 'uncertainty'] as const).map((weighting) =>
      together('joint', `joint, ${weighting} weights`, `joint-${weighting}`, { strategy: 'joint', weighting }),
    ),
    ...orders.flatMap((order) =>
      distances.map((distance) => inOrder('il', `il ${distance}`, order, { strategy: 'il', distance })),
    ),
    ...betas.map((beta) =>
      inOrder('il', `il contrastive β=${beta}`, methods, { strategy: 'il', distance: 'contrastive', beta }),
    ),
    ...orders.map((order) => inOrder('progressive', 'progressive', order, { strategy: 'progressive' })),
  ];
}

function permutations(items: readonly string[]): string[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}
