/**
 * `node tools/ci/check-quickstart.mjs OUT LOG STATUS`: what `npm start` promised stands in OUT, and in what it printed. One
 * line a promise, then `N passed, N failed`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [out, logFile, status] = process.argv.slice(2);
const columns =
  'model,method,task,task_revision,protocol,metric,score,low,high,n,seed,seconds,engine,params,source'.split(',');
const tasks = ['fluid-family', 'fluid-pitch', 'gm-drums', 'chord-family', 'sonicpi-family', 'tonejs-instrument'];

let passed = 0;
let failed = 0;
/** @param {string} promise @param {() => boolean | string | undefined} holds true, or what was found instead */
function check(promise, holds) {
  let found;
  try {
    found = holds();
  } catch (error) {
    found = error instanceof Error ? error.message : String(error);
  }
  if (found === true) passed++;
  else failed++;
  process.stdout.write(found === true ? `ok    ${promise}\n` : `FAIL  ${promise}: ${String(found)}\n`);
}

/** RFC 4180, as far as a file without line breaks in fields needs it. */
function parseCsv(text) {
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
        quoted === undefined ? plain : quoted.replaceAll('""', '"'),
      ),
    );
}

const read = (name) => readFileSync(join(out, name), 'utf8');
const log = readFileSync(logFile, 'utf8');
const csv = existsSync(join(out, 'leaderboard.csv')) ? parseCsv(read('leaderboard.csv')) : [];
const rows = csv.slice(1).map((fields) => Object.fromEntries(columns.map((name, i) => [name, fields[i]])));
const models = [...new Set(rows.map(({ model }) => model))];

check('npm start ends with status 0', () => status === '0' || `status ${status}`);
check('leaderboard.csv has the agreed columns', () => csv[0]?.join() === columns.join() || csv[0]?.join());
check('every row has every column', () => csv.every((fields) => fields.length === columns.length));
check('the six tasks are there', () => {
  const missing = tasks.filter((task) => !rows.some((row) => row.task === task));
  return missing.length === 0 || `missing ${missing.join(', ')}`;
});
check('five models on every task', () => {
  const wanted = [/delores-s(?!.*(init|random))/, /init|random/, /logmel/, /mfcc/, /chance/];
  const missing = wanted.filter((name) => !models.some((model) => name.test(model)));
  if (missing.length > 0) return `no model like ${missing.join(', ')} among ${models.join(', ')}`;
  const gaps = models.flatMap((model) =>
    tasks
      .filter((task) => !rows.some((row) => row.model === model && row.task === task))
      .map((task) => `${model} × ${task}`),
  );
  return gaps.length === 0 || `no row for ${gaps.join(', ')}`;
});
check('every score lies within its interval, between 0 and 1', () => {
  // An empty field is a value that is not defined (d′ of a class that is told apart perfectly), never a primary metric.
  const open = (text, value) => (text === '' ? value : Number(text));
  const off = rows.filter(({ metric, score, low, high, n }) => {
    const isShare = /acc|mAP|auc/i.test(metric);
    if (score === '' && !isShare) return false;
    const s = open(score, Number.NaN);
    const isInside = open(low, -Infinity) <= s + 1e-12 && s <= open(high, Infinity) + 1e-12;
    return !(Number(n) > 0 && isInside && (!isShare || (s >= 0 && s <= 1)));
  });
  return (rows.length > 0 && off.length === 0) || off.map((row) => Object.values(row).join()).join('\n');
});
check('DeLoRes-S beats the chance row on every task', () => {
  const scoreOf = (model, task) => Number(rows.find((row) => row.model === model && row.task === task)?.score);
  const chance = models.find((model) => /chance/.test(model));
  const trained = models.find((model) => /delores-s/.test(model) && !/init|random/.test(model));
  const lost = tasks.filter((task) => !(scoreOf(trained, task) > scoreOf(chance, task)));
  return lost.length === 0 || lost.join(', ');
});
check('leaderboard.json parses and is not empty', () => Object.keys(JSON.parse(read('leaderboard.json'))).length > 0);
check('leaderboard.html stands alone and shows every model and task', () => {
  const html = read('leaderboard.html');
  const outside = [
    ...html.matchAll(
      /<(?:script|img|iframe)[^>]*\ssrc="(?!data:)[^"]*"|<link[^>]*\shref="(?!data:)[^"]*"|@import|url\((?!["']?(?:data:|#))/g,
    ),
  ];
  if (outside.length > 0) return `loads ${outside[0][0]}`;
  const missing = [...models, ...tasks].filter((name) => !html.includes(name));
  return missing.length === 0 || `does not show ${missing.join(', ')}`;
});
check('the paired difference to the random initialisation is printed, its interval above zero', () => {
  const number = String.raw`([+−-]?\d+(?:\.\d+)?)`;
  const interval = new RegExp(
    String.raw`^.*(?:init|random).*?[[(]\s*${number}\s*(?:,|…|\.\.|–| to )\s*${number}\s*[\])].*$`,
    'gim',
  );
  const found = [...log.matchAll(interval)].filter(([line]) => /differ|above|gain|−|Δ|vs|over/i.test(line));
  if (found.length === 0) return 'no such line';
  const low = Number(found[0][1].replace('−', '-'));
  return low > 0 || found[0][0].trim();
});
check('the run directory is there to go on from', () => existsSync(join(out, 'delores-s', 'config.json')));

process.stdout.write(`${passed} passed, ${failed} failed\n`);
