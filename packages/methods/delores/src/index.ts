export { checkpoints } from './checkpoints.ts';
export { fromLape } from './delores.ts';
export { deloresM } from './delores-m.ts';
export { deloresS, deloresS as default } from './delores-s.ts';
export { goldens as deloresGoldens } from './goldens.ts';
