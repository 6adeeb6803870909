/**
 * What the first lines of `npm start` and `npm test` stand on: plain Node 20, nothing installed, `node:` modules alone.
 * Installs from the lock file when something is missing, and hands over to a Node that runs TypeScript.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const condition = '--conditions=@unlabel/source';

const modules = join(root, 'node_modules');
const stampFile = join(modules, '.unlabel-install');

/** Stop with a message meant for the user as it stands. */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** @returns [major, minor] of a version such as `v20.20.2`. */
const partsOf = (version) => version.replace(/^v/, '').split('.').map(Number);

/** Whether this version runs TypeScript files without a flag. */
export function runsTypeScript(version = process.version) {
  const [major, minor] = partsOf(version);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/** The Node that runs the sources: this one when it is new enough, else the one installed with the packages. */
export function nodeForSources() {
  if (runsTypeScript()) return process.execPath;
  const installed = join(modules, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(installed)) return installed;
  return fail(
    `The sources need Node 22.18 or newer; this is ${process.version}, and the package that brings a newer one exists ` +
      `for Linux x64 only (here: ${process.platform} ${process.arch}). Install Node 22.18 or newer, then run this again.`,
  );
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/** Every package the lock file requires lies in node_modules at its version, as npm's own record of it says. */
function matchesLock() {
  const installedFile = join(modules, '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith('node_modules/')) return true;
    if (entry.link) return existsSync(join(root, path));
    const held = installed[path];
    if (held === undefined) return entry.optional === true || entry.peer === true || entry.devOptional === true;
    return held.version === entry.version && existsSync(join(root, path));
  });
}

function isInstalled(hash) {
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === hash) return true;
  return matchesLock();
}

function writeStamp(hash) {
  writeFileSync(`${stampFile}.tmp`, hash);
  renameSync(`${stampFile}.tmp`, stampFile);
}

/** npm as [command, leading arguments]: the one that called us, else the one on the path. */
function npmCommand() {
  const npm = process.env.npm_execpath;
  if (npm && /^npm-cli\.c?js$/.test(basename(npm)) && existsSync(npm)) return [process.execPath, [npm]];
  return process.platform === 'win32' ? ['npm.cmd', []] : ['npm', []];
}

function explainInstallFailure(output) {
  if (/ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network/i.test(output)) {
    return (
      'The packages could not be fetched: the registry did not answer. The first run needs the network (about 470 MB); ' +
      'check the connection or the proxy npm is configured with, then run this again.'
    );
  }
  if (/ENOSPC/.test(output))
    return 'The disk is full: installing needs about 1.5 GB. Free some space, then run this again.';
  if (/EACCES|EPERM/.test(output)) return `npm may not write to ${modules} or to its cache: see its message above.`;
  if (/EUSAGE|in sync/.test(output)) {
    return 'package-lock.json does not match package.json: run `npm install` once and look at what changed in the lock.';
  }
  return 'npm ci failed: its message stands above.';
}

/** `npm ci`, with a line that says how long it has been going on. */
async function install() {
  const [command, leading] = npmCommand();
  const started = Date.now();
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  const isLive = process.stderr.isTTY === true;
  process.stderr.write(isLive ? 'Installing packages …' : 'Installing packages (npm ci) …\n');
  const timer = isLive && setInterval(() => process.stderr.write(`\rInstalling packages … ${seconds()} `), 1000);
  const child = spawn(
    command,
    leading.concat('ci', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'),
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32' && leading.length === 0,
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += bytes));
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      output += `${error.message}\n`;
      resolve(1);
    });
    child.on('close', (status) => resolve(status ?? 1));
  });
  if (timer) clearInterval(timer);
  if (isLive) process.stderr.write('\r\x1b[K');
  if (code !== 0) fail(`${output.trimEnd()}\n\n${explainInstallFailure(output)}`);
  process.stderr.write(`Installed packages in ${seconds()}.\n`);
}

/** After this, node_modules matches the lock file. */
export async function ensureInstalled() {
  const [major] = partsOf(process.version);
  if (major < 20) fail(`This project needs Node 20 or newer; this is ${process.version}. Install a newer Node.`);
  const hash = lockHash();
  if (!isInstalled(hash)) await install();
  if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== hash) writeStamp(hash);
}

/** Run a script under the Node for sources; resolves to its exit status. Signals go to the child, which decides. */
export function runNode(args, { env = {}, cwd = root } = {}) {
  const path = [join(modules, '.bin'), process.env.PATH ?? ''].join(delimiter);
  const node = String(nodeForSources());
  const child = spawn(node, args, { cwd, stdio: 'inherit', env: { ...process.env, PATH: path, ...env } });
  const forward = (signal) => child.kill(signal);
  // A terminal's Ctrl-C reaches the child too; this process only has to outlive it.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', forward);
  process.on('SIGHUP', forward);
  return new Promise((resolve) => {
    child.on('error', (error) => fail(`${node} could not be started: ${error.message}`));
    child.on('close', (status, signal) => resolve(status ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
