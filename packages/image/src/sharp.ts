/** The native library, loaded when the first image needs it. */
import { DeviceError, messageOf } from '@unlabel/core';
import type { Sharp, SharpOptions } from 'sharp';

export type Open = (input: string | Uint8Array, options: SharpOptions) => Sharp;
let opening: Promise<Open> | undefined;

/** @throws DeviceError with what to do when the library is not installed */
export function loadSharp(): Promise<Open> {
  opening ??= import('sharp').then(
    ({ default: load }) => {
      load.cache(false); // every image is read once
      return (input, options) => load(input, options);
    },
    (cause: unknown) => {
      throw new DeviceError(
        `image decoding: the native library of sharp could not be loaded (${messageOf(cause).split('\n')[0]}). Run npm install, with optional dependencies.`,
        { cause },
      );
    },
  );
  return opening;
}
