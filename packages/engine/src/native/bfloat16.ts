/** Whether `precision: 'bf16'` can mean anything here: oneDNN multiplies in bfloat16 where the CPU does, and silently in float32 elsewhere. */
import { DeviceError } from '@unlabel/core';
import { flagsOf, readCpuinfo } from './cpu-flags.ts';

/** Flags of x86 CPUs, as Linux lists them, whose instructions oneDNN's bfloat16 products are made of. */
const bfloat16Flags = ['avx512_bf16', 'amx_bf16'] as const;

/** Instruction sets to name when those are missing. */
const vectorFlags = ['avx512f', 'avx2', 'avx'] as const;

/**
 * Refuses bfloat16 where it would change nothing: results would say bf16 and be float32.
 * @param engine what computes: `tensorflow-cpu` can
 * @param cpuinfo text of `/proc/cpuinfo`
 * @throws DeviceError naming what was found and what to do
 */
export function checkBfloat16(engine: string, cpuinfo: string | undefined = readCpuinfo()): void {
  const advice = 'Leave --precision out to compute in float32.';
  if (engine !== 'tensorflow-cpu')
    throw new DeviceError(`precision bf16 is for the native engine on a CPU; here the engine is ${engine}. ${advice}`);
  const flags = flagsOf(cpuinfo);
  if (!flags)
    throw new DeviceError(`precision bf16: this system does not list what its CPU can do (/proc/cpuinfo). ${advice}`);
  if (bfloat16Flags.some((flag) => flags.has(flag))) return;
  const model = /^model name\s*:\s*(.+)$/m.exec(cpuinfo!)?.[1] ?? 'the CPU';
  const best = vectorFlags.find((flag) => flags.has(flag)) ?? 'no vector instructions';
  throw new DeviceError(
    `precision bf16: ${model} multiplies no bfloat16: expected ${bfloat16Flags.join(' or ')}, found ${best}. ${advice}`,
  );
}
