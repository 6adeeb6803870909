/** What `unlabel zoo export --site` does: checkpoints as a static directory that any web server serves and `--index` reads. */
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '@unlabel/core';
import { sha256File, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import {
  indexSchema,
  manifestFile,
  readCard,
  readManifest,
  readModelConfig,
  resolveCheckpoint,
  shippedIds,
  verifyCheckpoint,
  type IndexEntry,
  type ModelCard,
} from '@unlabel/zoo/files';

/** An index entry of a checkpoint folder, its files at `prefix` + name. */
export async function checkpointEntry(dir: string, prefix: string): Promise<IndexEntry> {
  const [card, manifest, config] = await Promise.all([readCard(dir), readManifest(dir), readModelConfig(dir)]);
  const own = join(dir, manifestFile);
  const files = [
    ...manifest.files,
    { name: manifestFile, bytes: (await stat(own)).size, sha256: await sha256File(own) },
  ];
  return {
    id: card.id,
    title: card.title,
    method: card.method,
    form: 'checkpoint',
    upstream: null,
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256, addresses: [`${prefix}${name}`] })),
    page: null,
    licence: { id: card.licence, restricted: card.restricted, url: null },
    frontEnd: frontEndOf(config.input),
    scores: card.results
      .filter(({ value }) => value !== null)
      .map(({ task, metric, value, protocol }) => ({ task, metric, value: value!, table: `its card, ${protocol}` })),
    source: card.source,
    notes: [...card.limits],
  };
}

/** `log-mel, 16000 Hz`, `RGB, 64 × 64 pixels`. */
function frontEndOf(input: Readonly<Record<string, unknown>>): string {
  const { sampleRate, frontEnd, image } = input as {
    sampleRate?: number;
    frontEnd?: { kind?: string };
    image?: { size: number };
  };
  if (image) return `RGB, ${image.size} × ${image.size} pixels`;
  return `${frontEnd?.kind ?? 'as its config says'}${sampleRate ? `, ${sampleRate} Hz` : ''}`;
}

/**
 * Writes `index.json`, `index.html` and the folders; the index last, so that it never names what is not there.
 * @throws CheckpointError for a checkpoint that is not as its manifest says
 */
export async function exportSite(site: string, checkpoints: readonly string[]): Promise<string> {
  const ids = checkpoints.length > 0 ? checkpoints : shippedIds();
  const entries: IndexEntry[] = [];
  const cards: ModelCard[] = [];
  for (const idOrDir of ids) {
    const dir = resolveCheckpoint(idOrDir);
    const faults = await verifyCheckpoint(dir);
    if (faults.length > 0)
      throw new CheckpointError(`${idOrDir}: is not as its manifest says:\n  ${faults.join('\n  ')}`, { faults });
    const card = await readCard(dir);
    if (entries.some(({ id }) => id === card.id))
      throw new CheckpointError(`${idOrDir}: its id ${card.id} is there twice`);
    const entry = await checkpointEntry(dir, `checkpoints/${card.id}/`);
    const folder = join(site, 'checkpoints', card.id);
    await mkdir(folder, { recursive: true });
    for (const { name } of entry.files) await copyFile(join(dir, name), join(folder, name));
    entries.push(entry);
    cards.push(card);
  }
  await writeFileAtomic(join(site, 'index.html'), page(cards));
  await writeJsonAtomic(join(site, 'index.json'), indexSchema.parse({ schema: 1, entries }));
  return `${ids.length} checkpoints in ${site}: serve it, then npx unlabel zoo pull ID --index http://…/index.json\n`;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

function page(cards: readonly ModelCard[]): string {
  const rows = cards.map(
    (card) =>
      `<tr><td><a href="checkpoints/${escaped(card.id)}/README.md">${escaped(card.id)}</a></td><td>${escaped(card.title)}</td>` +
      `<td>${escaped(card.licence)}</td><td class="n">${card.params.toLocaleString('en')}</td><td class="n">${card.results.length}</td></tr>`,
  );
  const style =
    'body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}table{border-collapse:collapse;width:100%}' +
    'td,th{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ddd}.n{text-align:right}pre{background:#f4f4f4;padding:1rem;overflow:auto}' +
    '@media(prefers-color-scheme:dark){body{background:#111;color:#eee}td,th{border-color:#333}pre{background:#222}a{color:#8cf}}';
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Checkpoints</title>` +
    `<style>${style}</style><h1>Checkpoints</h1><pre>npx unlabel zoo pull ID --index THIS-PAGE/index.json</pre>` +
    `<table><thead><tr><th>id</th><th>what</th><th>licence</th><th class="n">values</th><th class="n">scores</th></tr></thead>` +
    `<tbody>${rows.join('')}</tbody></table></html>\n`
  );
}
