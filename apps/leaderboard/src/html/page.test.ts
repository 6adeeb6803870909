import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeBoard } from '../board.ts';
import { collect } from '../collect.ts';
import { boardTable } from '../table.ts';
import { sampleModels, sampleTasks, writeSampleResults, type SampleModel } from '../testing.ts';
import { bar, dot, spanOf } from './charts.ts';
import { escapeHtml, html } from './escape.ts';
import { boardHtml } from './page.ts';

const hostile: SampleModel = {
  id: `<script>alert(1)</script>"'><img src=x onerror=alert(1)>&`,
  method: '</style><link rel=stylesheet href=//evil.example>',
  skill: 1,
  overrides: { source: 'javascript:alert(1)', sawUnlabelled: ['gm-drums'] },
};
let dir: string;
let page: string;
let means: string[];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'page-'));
  await writeSampleResults(dir, [...sampleModels, hostile], sampleTasks);
  const board = makeBoard((await collect([dir])).results, { title: '<b>Sounds</b> & more', resamples: 50 });
  means = board.rows.map(({ mean }) => (100 * mean.value!).toFixed(1));
  page = boardHtml(board);
});
afterAll(() => rm(dir, { recursive: true }));

describe('the page', () => {
  test('shows every model, task and mean in plain markup', () => {
    const withoutScript = page.replace(/<script>[\s\S]*<\/script>/, '');
    for (const { id } of sampleModels) expect(withoutScript).toContain(`>${id}<`);
    for (const { id } of sampleTasks)
      expect(withoutScript.replaceAll('<wbr>', '').replaceAll('<wbr />', '')).toContain(id);
    for (const mean of means) expect(withoutScript).toContain(`>${mean}</span>`);
    expect(withoutScript).toMatch(/delores-s − delores-s-init on the same clips: mean \+/);
    expect(withoutScript).not.toContain('<button');
  });

  test('escapes hostile names wherever they stand', () => {
    expect(page).not.toContain('<script>alert');
    expect(page).not.toContain('<img');
    expect(page).not.toContain('<b>Sounds');
    expect(page).not.toMatch(/<link rel=stylesheet/);
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;');
    expect(page.match(/<script/g)).toHaveLength(1);
  });

  test('asks for nothing outside itself', () => {
    const links = [...page.matchAll(/\s(?:src|href|action|srcset|poster)="([^"]*)"/g)].map(([, target]) => target);
    expect(new Set(links)).toEqual(new Set(['data:,', 'leaderboard.csv', 'leaderboard.json']));
    expect(page).not.toMatch(/@import|url\(/);
    expect(page).toContain('default-src &#39;none&#39;');
  });

  test('carries a script that is plain JavaScript on its own', () => {
    const [, script] = /<script>([\s\S]*)<\/script>/.exec(page)!;
    expect(script).not.toMatch(/\bimport\b|__vite|__name/);
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- compiles the text, does not run it
    expect(() => new Function(script!)).not.toThrow();
  });

  test('has as many cells in every row as its table has columns', () => {
    for (const [table] of page.matchAll(/<table[\s\S]*?<\/table>/g)) {
      const counts = [...table.matchAll(/<tr[\s\S]*?<\/tr>/g)].map(([row]) => row.match(/<t[hd][\s>]/g)!.length);
      expect(new Set(counts).size).toBe(1);
    }
  });

  test('speaks of images where they are what is tested, and of items on a board of both', async () => {
    const pages = ['image', 'both'].map(async (kind) => {
      const folder = join(dir, kind);
      const tasks = sampleTasks.slice(1, 4).map((task, i) => {
        const isImage = kind === 'image' || i > 0;
        return { ...task, id: `${task.id}-${kind}`, ...(isImage && { modality: 'image' as const }) };
      });
      await writeSampleResults(folder, sampleModels.slice(0, 3), tasks);
      const board = makeBoard((await collect([folder])).results, { title: 'Board', resamples: 20 });
      const html = boardHtml(board).replace(/<(style|script)>[\s\S]*?<\/\1>/g, '');
      return { html, table: boardTable(board, { width: 200 }) };
    });
    const [images, both] = await Promise.all(pages);
    for (const text of [images!.html, images!.table]) {
      expect(text).toMatch(/over\s+test images/);
      expect(text).toContain('on the same images: mean');
      expect(text).not.toContain('clips');
    }
    expect(images!.html).toContain('Training images seen unlabelled by');
    expect(both!.html).toContain('Training items met unlabelled by');
    expect(both!.html).not.toMatch(/clips|images/);
  });

  test('says whose training clips were heard without labels', () => {
    const row = /<tr>(?:(?!<\/tr>)[\s\S])*gm-drums[\s\S]*?<\/tr>/.exec(page.slice(page.indexOf('id="tasks"')))![0];
    expect(row).toContain('delores-s, &lt;script');
  });
});

describe('markup', () => {
  test('escapes values and keeps markup', () => {
    expect(html`<i title="${'"'}">${['<', html`<b>${1}</b>`, false, null, undefined]}</i>`.text).toBe(
      '<i title="&quot;">&lt;<b>1</b></i>',
    );
    expect(escapeHtml('a\u0000b\u001Bc\td')).toBe('a\u{FFFD}b\u{FFFD}c\td');
  });

  test('draws a bar to scale, and none outside 0…1', () => {
    const { text } = bar({ value: 0.5, low: 0.25, high: 0.75 });
    expect(text).toContain('width="50"');
    expect(text).toContain('M25 5H75');
    expect(bar({ value: 1.7, low: null, high: null }).text).toBe('');
    expect(bar({ value: null, low: null, high: null }).text).toBe('');
  });

  test('draws a difference around the middle, on a round span that holds all intervals', () => {
    expect(spanOf([{ value: 0.04, low: -0.01, high: 0.12 }])).toBe(0.2);
    expect(dot({ value: 0.1, low: 0.05, high: 0.15 }, 0.2).text).toContain('cx="75%"');
  });
});
