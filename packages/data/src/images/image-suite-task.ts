/** What a task of the image suite is: data on where its images come from, and what it writes into its folder. */
import type { SourcePackage } from '../packages.ts';

/** Gets a task's files; paths are relative to its folder, with forward slashes. */
export interface TaskFolder {
  write(path: string, content: string | Uint8Array): void;
}

export interface ImageSuiteTask {
  /** Its folder's name. */
  readonly id: string;
  readonly title: string;
  readonly packages: readonly SourcePackage[];
  /** How labels and splits were made, for NOTICE. */
  readonly note: string;
  /**
   * Writes everything but NOTICE.
   * @param folders of the packages, by name
   * @returns number of images
   */
  build(folders: ReadonlyMap<string, string>, to: TaskFolder): Promise<number>;
}
