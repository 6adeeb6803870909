/**
 * Files made to attack whoever reads checkpoints, built here opcode by opcode: after pickletools, the write-ups of fickling and
 * picklescan and of what got around them (dotted and computed names, INST and OBJ instead of REDUCE, broken tails that run before
 * they fail), zip bombs and overlaps (Fifield, "A better zip bomb", WOOT 2019), and plain lies about sizes. For tests only.
 */
import {
  bytes,
  call,
  doublings,
  global,
  proto,
  storage,
  tensorPickle,
  text,
  torchZip,
  u32,
  u64,
  zipOf,
} from './hostile-bytes.ts';

export interface HostileCase {
  readonly name: string;
  readonly kind: 'torch' | 'safetensors' | 'npy';
  readonly bytes: Uint8Array;
}

/** Functions a pickle would call to run something, each a case of its own. */
const gadgets = [
  'os.system', 'posix.system', 'nt.system', 'os.execv', 'subprocess.Popen', 'subprocess.check_output', 'builtins.eval', 'builtins.exec',
  '__builtin__.eval', 'builtins.getattr', 'builtins.__import__', 'builtins.compile', 'builtins.open', 'importlib.import_module',
  'runpy._run_code', 'pty.spawn', 'socket.create_connection', 'shutil.rmtree', 'webbrowser.open', 'ctypes.CDLL', 'pickle.loads',
  '_pickle.loads', 'marshal.loads', 'types.CodeType', 'types.FunctionType', 'code.interact', 'pdb.run', 'bdb.Bdb', 'trace.Trace',
  'timeit.timeit', 'cProfile.run', 'pip.main', 'operator.attrgetter', 'asyncio.subprocess.create_subprocess_shell', 'http.client.HTTPSConnection',
  'urllib.request.urlopen', 'torch.load', 'torch.hub.load', 'torch.storage._load_from_bytes', 'numpy.load', 'numpy.testing._private.utils.runstring',
  'idlelib.run.Executive', 'lib2to3.pgen2.grammar.Grammar', 'doctest.debug_script', 'pydoc.pipepager', 'multiprocessing.util.spawnv_passfds',
] as const; // prettier-ignore

/** @param command what the attacks would run; it must never have run */
export function hostileCorpus(command: string): HostileCase[] {
  const cases: HostileCase[] = [];
  const torch = (name: string, content: Uint8Array): void => void cases.push({ name, kind: 'torch', bytes: content });
  const pickle = (name: string, content: Uint8Array): void => torch(`pickle: ${name}`, torchZip(content));

  for (const gadget of gadgets) pickle(`REDUCE ${gadget}`, call(gadget, command));
  pickle('INST os.system', bytes('(', text(command), 'i', 'os\nsystem\n', '.'));
  pickle('OBJ os.system', bytes(proto, '(', global('os.system'), text(command), 'o', '.'));
  pickle('NEWOBJ subprocess.Popen', bytes(proto, global('subprocess.Popen'), text(command), 0x85, 0x81, '.'));
  pickle('NEWOBJ_EX subprocess.Popen', bytes(proto, global('subprocess.Popen'), text(command), 0x85, '}', 0x92, '.'));
  pickle('STACK_GLOBAL os.system', bytes(proto, text('os'), text('system'), 0x93, text(command), 0x85, 'R', '.'));
  pickle(
    'STACK_GLOBAL with a dotted name',
    bytes(proto, text('builtins'), text('eval.__call__'), 0x93, text(command), 0x85, 'R', '.'),
  );
  pickle(
    'STACK_GLOBAL through an honest module',
    bytes(proto, text('torch'), text('serialization.os.system'), 0x93, text(command), 0x85, 'R', '.'),
  );
  pickle(
    'STACK_GLOBAL in full-width letters',
    bytes(proto, text('ｏｓ'), text('ｓｙｓｔｅｍ'), 0x93, text(command), 0x85, 'R', '.'),
  );
  pickle(
    'STACK_GLOBAL with names that are no strings',
    bytes(proto, 'I1\n', 'I2\n', 0x93, text(command), 0x85, 'R', '.'),
  );
  pickle(
    'STACK_GLOBAL with names from the memo',
    bytes(proto, text('system'), 0x94, '0', text('os'), 0x94, '0', 'h', 1, 'h', 0, 0x93, text(command), 0x85, 'R', '.'),
  );
  pickle(
    'STACK_GLOBAL of dunder attributes',
    bytes(proto, text('collections'), text('OrderedDict.__init__.__globals__'), 0x93, ')', 'R', '.'),
  );
  pickle(
    'GLOBAL with a line break inside',
    bytes(proto, 'c', 'os\rposix', '\n', 'system', '\n', text(command), 0x85, 'R', '.'),
  );
  pickle('EXT1', bytes(proto, 0x82, 1, '.'));
  pickle('EXT2', bytes(proto, 0x83, 1, 0, '.'));
  pickle('EXT4', bytes(proto, 0x84, u32(1), '.'));
  pickle('PERSID of text', bytes('P', command, '\n', '.'));
  pickle('BINPERSID of something else than a storage', bytes(proto, text(command), 'Q', '.'));
  pickle(
    'BUILD that sets __class__ of a dict',
    bytes(
      proto,
      global('collections.OrderedDict'),
      ')',
      'R',
      '}',
      text('__class__'),
      global('os.system'),
      's',
      'b',
      '.',
    ),
  );
  pickle('BUILD of a function', bytes(proto, global('os.system'), '}', 'b', '.'));
  pickle(
    'a call of what a call gave',
    bytes(proto, global('functools.partial'), global('os.system'), 0x85, 'R', text(command), 0x85, 'R', '.'),
  );
  pickle('runs, then breaks (nullifAI)', bytes(proto, global('os.system'), text(command), 0x85, 'R', '0', 'X', u32(5)));
  pickle(
    'a second pickle behind the first',
    bytes(proto, global('os.system'), text(command), 0x85, 'R', '0', 'N', '.', call('os.system', command)),
  );
  const million = Buffer.alloc(1_000_000);
  pickle('a million lists inside each other', bytes(proto, million.fill(']'), '.'));
  pickle('a million tuples inside each other', bytes(proto, ')', Buffer.alloc(1_000_000, 0x85), '.'));
  pickle('a million marks', bytes(proto, Buffer.alloc(1_000_000, '('), '.'));
  pickle('a list that holds itself', bytes(proto, ']', 0x94, 'h', 0, 'a', '.'));
  pickle('sixty doublings (billion laughs)', bytes(proto, ']', ...doublings(60), '.'));
  pickle(
    'calls that copy one large list',
    bytes(
      proto,
      ']',
      '(',
      Buffer.alloc(200_000, 'N'),
      'e',
      0x94,
      '0',
      ...Array.from({ length: 5000 }, () => bytes(global('builtins.list'), 'h', 0, 0x85, 'R', '0')),
      'N',
      '.',
    ),
  );
  pickle('BINUNICODE of 4 GB', bytes(proto, 'X', u32(0xffffffff), 'abc', '.'));
  pickle('BINUNICODE8 of a terabyte', bytes(proto, 0x8d, u64(2n ** 40n), 'abc', '.'));
  pickle('BINBYTES8 of 8 GB', bytes(proto, 0x8e, u64(2n ** 33n), 'abc', '.'));
  pickle('BYTEARRAY8 of 8 GB', bytes(0x80, 5, 0x96, u64(2n ** 33n), 'abc', '.'));
  pickle('a length of 2^64 − 1', bytes(proto, 0x8d, u64(2n ** 64n - 1n), 'abc', '.'));
  pickle('LONG4 of 2 GB', bytes(proto, 0x8b, u32(0x7fffffff), 'abc', '.'));
  pickle('LONG4 of negative length', bytes(proto, 0x8b, u32(0xffffffff), 'abc', '.'));
  pickle('a decimal of a million digits', bytes('L', Buffer.alloc(1_000_000, '9'), 'L\n', '.'));
  pickle('a frame longer than the file', bytes(proto, 0x95, u64(2n ** 50n), 'N', '.'));
  pickle('a frame within a frame', bytes(proto, 0x95, u64(20), 0x95, u64(9), 'N', '.'));
  pickle('a value across the end of its frame', bytes(proto, 0x95, u64(4), text('abcdef'), '.'));
  pickle('a memo that was never stored', bytes(proto, 'h', 7, '.'));
  pickle('a memo key of four billion', bytes(proto, 'j', u32(0xffffffff), '.'));
  pickle('an empty stack', bytes(proto, 'R', '.'));
  pickle('a mark that is missing', bytes(proto, 'N', 't', '.'));
  pickle('values left on the stack', bytes(proto, 'N', 'N', '.'));
  pickle('an opcode that is none', bytes(proto, 0xff, '.'));
  pickle('an out-of-band buffer', bytes(0x80, 5, 0x97, '.'));
  pickle('no end', bytes(proto, 'N'));
  pickle('nothing', bytes());

  torch('tensor: negative offset', torchZip(tensorPickle({ offset: -4 }), [storage(4)]));
  torch('tensor: negative stride', torchZip(tensorPickle({ offset: 3, stride: [-2, -1] }), [storage(4)]));
  torch('tensor: negative size', torchZip(tensorPickle({ shape: [-2, -2] }), [storage(4)]));
  torch('tensor: beyond its storage', torchZip(tensorPickle({ offset: 1 }), [storage(4)]));
  torch(
    'tensor: sizes that overflow',
    torchZip(tensorPickle({ shape: [2 ** 31, 2 ** 31], stride: [0, 0] }), [storage(4)]),
  );
  torch(
    'tensor: four elements broadcast to a billion',
    torchZip(tensorPickle({ shape: [2 ** 15, 2 ** 15], stride: [0, 0] }), [storage(4)]),
  );
  torch(
    'storage: states more than it has',
    torchZip(tensorPickle({ count: 2 ** 40, shape: [2 ** 40], stride: [1] }), [storage(4)]),
  );
  torch('storage: missing', torchZip(tensorPickle()));
  torch('storage: a name that climbs', torchZip(tensorPickle({ key: '../../../etc/passwd' }), [storage(4)]));
  torch('storage: shorter than its tensors', torchZip(tensorPickle({ count: 4 }), [storage(2)]));

  const zeros = new Uint8Array(64 * 2 ** 20);
  torch('zip: 64 MB of zeros in 64 KB', zipOf([{ name: 'a/data.pkl', content: zeros, deflate: true }]));
  const manyZeros = new Uint8Array(600 * 2 ** 20);
  torch('zip: 600 MB of zeros in 600 KB', zipOf([{ name: 'a/data.pkl', content: manyZeros, deflate: true }]));
  torch('zip: says small, is large', zipOf([{ name: 'a/data.pkl', content: zeros, deflate: true, size: 100 }]));
  torch(
    'zip: says huge',
    zipOf([{ name: 'a/data.pkl', content: call('os.system', command), size: 0xfffffff0, packedSize: 0xfffffff0 }]),
  );
  torch(
    'zip: zip64 sizes without a zip64 field',
    zipOf([{ name: 'a/data.pkl', content: bytes(proto, 'N', '.'), size: 0xffffffff, packedSize: 0xffffffff }]),
  );
  torch(
    'zip: one entry over another',
    zipOf([
      { name: 'a/data.pkl', content: tensorPickle() },
      { ...storage(4), offset: 0 },
    ]),
  );
  torch(
    'zip: another name inside',
    zipOf([{ name: 'a/data.pkl', localName: 'b/data.pkl', content: tensorPickle() }, storage(4)]),
  );
  torch(
    'zip: a name twice',
    zipOf([
      { name: 'a/data.pkl', content: bytes(proto, 'N', '.') },
      { name: 'a/data.pkl', content: call('os.system', command) },
    ]),
  );
  torch('zip: wrong checksum', zipOf([{ name: 'a/data.pkl', content: tensorPickle(), crc: 1 }, storage(4)]));
  torch('zip: encrypted', zipOf([{ name: 'a/data.pkl', content: tensorPickle(), flags: 1 }, storage(4)]));
  for (const [what, lie] of [
    ['is encrypted', { localFlags: 1 }],
    ['is deflated', { localMethod: 8 }],
    ['has another size', { localSize: 7 }],
  ] as const) {
    torch(
      `zip: ${what} by its local header only`,
      zipOf([{ name: 'a/data.pkl', content: tensorPickle(), ...lie }, storage(4)]),
    );
  }
  torch(
    'zip: counts more entries than it has',
    zipOf([{ name: 'a/data.pkl', content: tensorPickle() }, storage(4)], { count: 60000 }),
  );
  torch(
    'zip: an archive inside the archive',
    zipOf([{ name: 'a/data.pkl', content: torchZip(call('os.system', command)) }]),
  );
  torch('zip: no pickle', zipOf([storage(4)]));
  torch(
    'zip: TorchScript',
    zipOf([
      { name: 'a/data.pkl', content: call('os.system', command) },
      { name: 'a/code/__torch__.py', content: bytes('import os') },
    ]),
  );
  torch('7z instead of zip (picklescan’s blind spot)', bytes('7z\xbc\xaf\x27\x1c', call('os.system', command)));

  const magic = bytes(0x80, 2, 0x8a, 10, Buffer.from('6cfc9c46f9206aa85019', 'hex'), '.');
  const version = bytes(0x80, 2, 'M', 0xe9, 3, '.');
  const system = bytes(0x80, 2, '}', '.');
  torch('legacy: os.system as its object', bytes(magic, version, system, call('os.system', command)));
  torch('legacy: os.system as its version', bytes(magic, call('os.system', command)));
  torch(
    'legacy: a storage of 2^60 elements',
    bytes(
      magic,
      version,
      system,
      tensorPickle({ count: 2 ** 50 }),
      bytes(0x80, 2, ']', text('0'), 'a', '.'),
      u64(2n ** 60n),
    ),
  );
  torch(
    'legacy: storages that are missing',
    bytes(magic, version, system, tensorPickle(), bytes(0x80, 2, ']', text('0'), 'a', '.')),
  );
  torch('a plain pickle', call('os.system', command));

  const safe = (name: string, header: string | Uint8Array, length?: number | bigint, data = 16): void =>
    void cases.push({
      name: `safetensors: ${name}`,
      kind: 'safetensors',
      bytes: bytes(
        u64(length ?? Buffer.byteLength(header as string)),
        Buffer.from(header as string),
        new Uint8Array(data),
      ),
    });
  const info = (from: number, to: number, shape = '[4]', dtype = 'F32'): string =>
    `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${from},${to}]}`;
  safe('a header of 2^60 bytes', '{}', 2n ** 60n);
  safe('a header of 500 MB', '{}', 500_000_000);
  safe('a header longer than the file', '{}', 1000);
  safe('a name twice', `{"a":${info(0, 16)},"a":${info(0, 16)}}`);
  safe('tensors over each other', `{"a":${info(0, 16)},"b":${info(8, 24)}}`, undefined, 24);
  safe('a negative offset', `{"a":${info(-16, 0)}}`);
  safe('an offset beyond the file', `{"a":${info(0, 160, '[40]')}}`);
  safe('bytes that do not fit the shape', `{"a":${info(0, 16, '[5]')}}`);
  safe('sizes that overflow', `{"a":${info(0, 16, '[4294967296,4294967296,4294967296]')}}`);
  safe('a gap between tensors', `{"a":${info(4, 20)}}`, undefined, 20);
  safe('NaN in its JSON', `{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,16]}}`);
  safe('a dtype that is none', `{"a":${info(0, 16, '[4]', 'O8')}}`);
  safe('a million nested arrays', '['.repeat(1_000_000));
  safe('two million arrays nested in a tensor', `{"a":${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}}`);

  const npy = (name: string, header: string): void => {
    const padded = `${header}\n`;
    cases.push({
      name: `npy: ${name}`,
      kind: 'npy',
      bytes: bytes('\x93NUMPY', 1, 0, padded.length & 255, padded.length >> 8, padded, new Uint8Array(16)),
    });
  };
  npy(
    'code in its header',
    `{'descr': __import__('os').system('${command}'), 'fortran_order': False, 'shape': (4,), }`,
  );
  npy('pickled objects', `{'descr': '|O', 'fortran_order': False, 'shape': (4,), }`);
  npy('sizes that overflow', `{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }`);
  npy('65,000 blanks in its shape', `{'descr': '<f4', 'fortran_order': False, 'shape': (1${' '.repeat(65_000)},,), }`);
  npy('more than it holds', `{'descr': '<f4', 'fortran_order': False, 'shape': (400000000,), }`);
  return cases;
}
