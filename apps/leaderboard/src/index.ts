export * from './board.ts';
export * from './collect.ts';
export * from './csv.ts';
export * from './json.ts';
export * from './ranking.ts';
export * from './build.ts';
export { boardTable, type TableOptions } from './table.ts';
export { boardHtml } from './html/page.ts';
