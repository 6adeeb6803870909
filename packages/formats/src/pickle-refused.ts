/**
 * What a checkpoint's pickle may not even name. Nothing is ever looked up or run, so this is no line of defence: it keeps a file
 * that was made to attack Python readers from being taken for a checkpoint, imported and passed on.
 *
 * Classes that only hold settings become inert objects. Functions are refused unless `constructors` knows them, since no weights
 * need them; so are modules through which code runs, files open or processes start, classes included. The modules are those of
 * the public lists of pickle scanners (mmaitre314/picklescan, trailofbits/fickling) and of the write-ups that got around them.
 */

const refusedModules = new Set(
  (
    'os posix nt posixpath ntpath subprocess pty popen2 commands sys importlib imp runpy code codeop pdb bdb trace profile ' +
    'cProfile timeit doctest unittest idlelib lib2to3 pydoc webbrowser socket ssl asyncio multiprocessing concurrent threading ' +
    '_thread signal ctypes cffi shutil tempfile glob fileinput linecache pathlib2 io _io zipfile tarfile zipimport pkgutil ' +
    'http urllib urllib2 httplib requests aiohttp ftplib smtplib telnetlib xmlrpc pip ensurepip venv distutils setuptools ' +
    'pickle _pickle cPickle dill cloudpickle joblib marshal shelve inspect types_ gc atexit sched functools_ builtins ' +
    '__builtin__ __main__.__builtins__ operator _operator nturl2path uuid_ platform getpass crypt spwd pwd resource mmap ' +
    'readline rlcompleter tkinter turtle antigravity this site sysconfig nose pytest py IPython jupyter_client ' +
    'bottle flask django sqlalchemy paramiko fabric invoke boto3'
  ).split(/\s+/),
);

/** Names below otherwise honest modules that run or load what they are given. */
const refusedPaths =
  /^(torch\.(load|serialization|jit|hub|storage\._load_from_bytes|utils\.(collect_env|bottleneck|data\.datapipes|_config_module|cpp_extension)|_inductor|_dynamo|testing|package|distributed|multiprocessing|fx|compile)\b|numpy\.(load|testing|f2py|distutils|ctypeslib|memmap|fromfile|savetxt|genfromtxt)\b|numpy\.lib\.(npyio|_npyio_impl)\b|types\.(CodeType|FunctionType|ModuleType|MethodType)$|functools\.reduce$|yaml\.)/;

/** Functions and lower-case classes that settings hold: they stay inert. */
const harmless =
  /^(datetime\.(datetime|date|time|timedelta|timezone)|collections\.deque|functools\.partial|torch\.(device|dtype|finfo|iinfo)|numpy\.(random\.(_pickle\..*|mtrand\.RandomState)|(float|int|uint|bool|complex)\w*|core\.multiarray\.\w+|_core\.multiarray\.\w+)|re\._compile|uuid\.UUID|copy_reg\._reconstructor|copyreg\._reconstructor|copyreg\.__newobj__|getattr_placeholder)$/;

/**
 * Why a checkpoint's pickle must not name (or call) 'module.name', or undefined when it may.
 * @param path '' for a call of something that is no name
 */
export function refusedGlobal(path: string, isCalled: boolean): string | undefined {
  if (path === '') return 'a checkpoint never does';
  if (!/^[A-Za-z_][\w]*(\.[A-Za-z_<][\w<>]*)+$/.test(path)) return 'it is not a plain name';
  if (plainBuiltins.test(path)) return undefined;
  const module = path.slice(0, path.indexOf('.'));
  if (refusedModules.has(module) || refusedPaths.test(path) || /\.__\w+__(\.|$)/.test(path)) {
    if (path !== 'copyreg.__newobj__') return 'it could run code, and no checkpoint needs it';
  }
  const leaf = path.slice(path.lastIndexOf('.') + 1);
  const isFunction = /^[a-z_]/.test(leaf);
  if (isCalled && isFunction && !harmless.test(path))
    return 'only functions that make tensors and plain values are known';
  return undefined;
}

/** Builtin types that settings name or make. */
const plainBuiltins =
  /^(builtins|__builtin__)\.(dict|list|tuple|set|frozenset|bytes|bytearray|int|float|bool|str|complex|slice|range|object|long|unicode|type|NoneType|Ellipsis)$/;
