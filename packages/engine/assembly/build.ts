/**
 * Compile the embedded engine's kernels and write them as base64 into `src/wasm/binaries.ts`:
 *
 *     npm run build:wasm -w @unlabel/engine
 *
 * The output depends on the sources and the compiler's version alone; a test rebuilds and compares.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { microKernels, type Variant } from './micro-kernels.ts';

export const variants: Readonly<Record<string, Variant>> = {
  /** 256-bit tiles. */
  wide: { isRelaxed: true, columns: 16 },
  /** 128-bit tiles, the same numbers. */
  narrow: { isRelaxed: true, columns: 8 },
  /** Without relaxed SIMD: products are rounded before they are added. */
  plain: { isRelaxed: false, columns: 8 },
};

const folder = fileURLToPath(new URL('.', import.meta.url));

async function compile(variant: Variant): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const messages: string[] = [];
  const { error } = await asc.main(
    [
      'index.ts',
      '--outFile=kernels.wasm',
      '-O3',
      '--noAssert',
      '--disableWarning=201', // offsets wrap at 2³² as they should
      '--runtime=stub',
      '--importMemory',
      '--noExportMemory',
      '--sharedMemory',
      '--initialMemory=1',
      '--maximumMemory=65536',
      `--enable=simd,threads${variant.isRelaxed ? ',relaxed-simd' : ''}`,
    ],
    {
      readFile: (name) => {
        if (name === 'micro.ts') return microKernels(variant);
        try {
          return readFileSync(`${folder}${name}`, 'utf8');
        } catch {
          return null; // the compiler tries several names for an import
        }
      },
      stderr: { write: (text) => void messages.push(String(text)) },
      writeFile: (_, contents) => {
        if (typeof contents !== 'string') binary = contents;
      },
    },
  );
  if (error || !binary) throw new Error(`AssemblyScript: ${error?.message ?? 'no output'}\n${messages.join('')}`);
  return binary;
}

/** Base64 of each variant's bytes, by name. */
export async function build(): Promise<Record<string, string>> {
  const built: Record<string, string> = {};
  for (const [name, variant] of Object.entries(variants)) {
    built[name] = Buffer.from(await compile(variant)).toString('base64');
  }
  return built;
}

function moduleText(built: Record<string, string>): string {
  const lines = ['/** Written by `assembly/build.ts` from `assembly/`: kernels as WebAssembly, base64. */', ''];
  for (const [name, base64] of Object.entries(built)) {
    lines.push(`export const ${name} =`, `  '${base64}';`);
  }
  return [...lines, ''].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = fileURLToPath(new URL('../src/wasm/binaries.ts', import.meta.url));
  writeFileSync(`${file}.tmp`, moduleText(await build()));
  renameSync(`${file}.tmp`, file);
}
