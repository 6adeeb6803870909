/** Writing tar archives, such as no honest writer makes too: for tests of what reads them. */
export interface TarPart {
  readonly name: string;
  readonly content?: string | Uint8Array;
  /** Type flag; default '0'. */
  readonly type?: string;
  readonly linkname?: string;
  /** Stated instead of the content's size: octal digits, or bytes as they are. */
  readonly size?: string | Uint8Array;
  readonly prefix?: string;
}

export function encodeTar(parts: readonly TarPart[], { close = true } = {}): Buffer {
  const blocks: Buffer[] = [];
  for (const { name, content = '', type = '0', linkname = '', size, prefix = '' } of parts) {
    const data = Buffer.from(content);
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    if (size instanceof Uint8Array) header.set(size, 124);
    else header.write(`${size ?? data.length.toString(8).padStart(11, '0')}\0`, 124, 12);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write(type, 156);
    header.write(linkname, 157, 100);
    header.write('ustar\0' + '00', 257);
    header.write(prefix, 345, 155);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    blocks.push(header, data, Buffer.alloc((512 - (data.length % 512)) % 512));
  }
  if (close) blocks.push(Buffer.alloc(1024));
  return Buffer.concat(blocks);
}

/** A pax record. */
export function paxRecord(key: string, value: string): string {
  const tail = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(tail) + 1;
  while (Buffer.byteLength(`${length}${tail}`) !== length) length++;
  return `${length}${tail}`;
}
