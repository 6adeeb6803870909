import { expect, test } from 'vitest';
import { confirmFormAddress, directAddresses } from './share-links.ts';

const drive =
  'https://drive.usercontent.google.com/download?id=1xZoOTuxV415icYONYbeFQzgrmJQf4a4B&export=download&confirm=t';

test.each([
  ['https://drive.google.com/file/d/1xZoOTuxV415icYONYbeFQzgrmJQf4a4B/view?usp=sharing', [drive]],
  ['https://drive.google.com/open?id=1xZoOTuxV415icYONYbeFQzgrmJQf4a4B', [drive]],
  ['https://drive.google.com/uc?id=1xZoOTuxV415icYONYbeFQzgrmJQf4a4B&export=download', [drive]],
  ['https://drive.google.com/file/u/0/d/1xZoOTuxV415icYONYbeFQzgrmJQf4a4B/edit', [drive]],
  [
    'https://drive.google.com/file/d/abc/view?resourcekey=0-k',
    ['https://drive.usercontent.google.com/download?id=abc&export=download&confirm=t&resourcekey=0-k'],
  ],
  ['https://drive.google.com/drive/folders/1j8876DWc04GSxaV0lMvLi69BLlP45w2g', []],
  ['https://www.dropbox.com/s/abc123/model.pth?dl=0', ['https://www.dropbox.com/s/abc123/model.pth?dl=1']],
  [
    'https://www.dropbox.com/scl/fi/abc/model.pth?rlkey=xyz&dl=0',
    ['https://www.dropbox.com/scl/fi/abc/model.pth?rlkey=xyz&dl=1'],
  ],
  ['https://www.dropbox.com/sh/abc/AADef', []],
  [
    'https://1drv.ms/u/s!AqeByhGUtINrgcpke6_lRSZEKD5j2Q?e=A3FpOf',
    [
      'https://api.onedrive.com/v1.0/shares/u!aHR0cHM6Ly8xZHJ2Lm1zL3UvcyFBcWVCeWhHVXRJTnJnY3BrZTZfbFJTWkVLRDVqMlE_ZT1BM0ZwT2Y/root/content',
      'https://1drv.ms/u/s!AqeByhGUtINrgcpke6_lRSZEKD5j2Q?e=A3FpOf&download=1',
    ],
  ],
  [
    'https://onedrive.live.com/embed?resid=6B83B49411CA81A7%2125955&authkey=!AHk',
    [
      'https://onedrive.live.com/download?resid=6B83B49411CA81A7%2125955&authkey=%21AHk',
      'https://onedrive.live.com/embed?resid=6B83B49411CA81A7%2125955&authkey=%21AHk&download=1',
    ],
  ],
  [
    'https://uni-my.sharepoint.com/:u:/g/personal/x/EaBc?e=1',
    ['https://uni-my.sharepoint.com/:u:/g/personal/x/EaBc?e=1&download=1'],
  ],
  [
    'https://huggingface.co/microsoft/wavlm-base/blob/main/pytorch_model.bin',
    ['https://huggingface.co/microsoft/wavlm-base/resolve/main/pytorch_model.bin'],
  ],
  ['https://hf.co/a/b/resolve/main/c.pth?download=true', ['https://huggingface.co/a/b/resolve/main/c.pth']],
  ['https://huggingface.co/a/b/tree/main', []],
  ['https://github.com/o/r/blob/main/a/b.pth', ['https://github.com/o/r/raw/main/a/b.pth']],
  ['https://example.org/a.pth?x=1', ['https://example.org/a.pth?x=1']],
  ['not an address', ['not an address']],
])('%s', (address, expected) => {
  expect(directAddresses(address)).toEqual(expected);
});

const page = `<html><body><form id="download-form" action="https://drive.usercontent.google.com/download" method="get">
<input type="submit" id="uc-download-link" value="Download anyway"/><input type="hidden" name="id" value="1abc">
<input type="hidden" name="export" value="download"><input name="confirm" type="hidden" value="t&amp;u"><input type="hidden" name="uuid" value="9-8"></form></body></html>`;

test('the page before a large file of Google Drive leads to the file', () => {
  expect(confirmFormAddress(page, 'https://drive.google.com/uc?id=1abc')).toBe(
    'https://drive.usercontent.google.com/download?id=1abc&export=download&confirm=t%26u&uuid=9-8',
  );
});

test('other pages and other hosts lead nowhere', () => {
  expect(confirmFormAddress('<html><p>Sign in</p></html>', 'https://drive.google.com/uc')).toBeUndefined();
  expect(confirmFormAddress(page, 'https://example.org/uc')).toBeUndefined();
  const away = page.replace('https://drive.usercontent.google.com/', 'https://google.com.example.org/');
  expect(confirmFormAddress(away, 'https://drive.google.com/uc')).toBeUndefined();
});
