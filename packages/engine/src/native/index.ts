export { checkBfloat16 } from './bfloat16.ts';
export { doctor, listEngines } from './doctor.ts';
export type { Check, EngineListing } from './doctor.ts';
export { installNative } from './install.ts';
export type { InstallOptions, InstallPhase, InstallProgress } from './install.ts';
export { findNative, loadNative } from './load.ts';
export type { NativeInstall, NativeOptions } from './load.ts';
export type { NativeDevice } from './platform.ts';
