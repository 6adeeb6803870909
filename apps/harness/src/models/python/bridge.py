"""Answers for a Python module that has the HEAR API: load_model, get_scene_embeddings, get_timestamp_embeddings.

Usage: python bridge.py MODULE WEIGHTS        (started by the harness; WEIGHTS may be empty)

One message each way, over what were standard input and output; both have the form
    uint32 little-endian: bytes of the header | header, JSON | payload, `bytes` of the header
Requests:  {"op": "scene" | "timestamps", "shape": [n, samples], "bytes": B} and n x samples float32
           {"op": "close"}
Answers:   {"ok": true, "model": {...}} once after loading
           {"ok": true, "arrays": [{"shape", "dtype", "bytes"}...], "bytes": B} and the arrays one after another
           {"ok": false, "kind": "import" | "api" | "load" | "call" | "result", "message": ..., "trace": ...}
The module's own prints go to standard error. Nothing but the standard library is imported here; a module brings what it uses.
"""

import hashlib
import importlib
import json
import os
import struct
import sys
import traceback

channel_in = os.fdopen(os.dup(0), "rb")
channel_out = os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)  # whatever prints, prints beside the channel
sys.stdout = sys.stderr


def die_with_parent():
    """Linux: end when the harness does, also inside a call that never returns."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)
    except Exception:
        pass


def send(header, *payloads):
    text = json.dumps({**header, "bytes": sum(len(p) for p in payloads)}).encode()
    channel_out.write(struct.pack("<I", len(text)) + text)
    for payload in payloads:
        channel_out.write(payload)
    channel_out.flush()


def fail(kind, message):
    lines = traceback.format_exc().strip().splitlines() if sys.exc_info()[0] else []
    send({"ok": False, "kind": kind, "message": message, "trace": lines[-12:]})


def receive():
    head = channel_in.read(4)
    if len(head) < 4:
        sys.exit(0)  # the harness is gone
    header = json.loads(channel_in.read(struct.unpack("<I", head)[0]))
    size = header.get("bytes", 0)
    payload = channel_in.read(size)
    if len(payload) < size:
        sys.exit(0)
    return header, payload


def is_instance(model, module, name):
    """Whether `model` is of a class of a library that is loaded; one that is not loaded made no model."""
    loaded = sys.modules.get(module)
    kind = getattr(loaded, name, None) if loaded is not None else None
    return kind is not None and isinstance(model, kind)


def audio_for(model, payload, shape):
    """[n, samples] float32 as the model's library has it: torch, TensorFlow, NumPy, else a buffer of floats."""
    if is_instance(model, "torch.nn", "Module"):
        torch = sys.modules["torch"]
        audio = torch.frombuffer(bytearray(payload), dtype=torch.float32).reshape(shape)
        return audio.to(device_of(model))
    try:
        import numpy
    except ImportError:
        return memoryview(payload).cast("f", shape)
    audio = numpy.frombuffer(payload, dtype=numpy.float32).reshape(shape)
    if is_instance(model, "tensorflow", "Module"):
        return sys.modules["tensorflow"].convert_to_tensor(audio)
    return audio.copy()


def device_of(model):
    for parameter in model.parameters():
        return parameter.device
    return "cpu"


def array_of(value, what):
    """(shape, dtype, bytes) of a tensor or array of any library."""
    for step in ("detach", "cpu", "contiguous", "resolve_conj"):
        if hasattr(value, step):
            value = getattr(value, step)()
    if hasattr(value, "numpy") and "numpy" in sys.modules:
        value = value.numpy()
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        return list(value.shape), str(value.dtype), value.tobytes()
    try:
        view = memoryview(value)
    except TypeError:
        raise TypeError("%s: expected a tensor or array, found %s" % (what, type(value).__name__))
    kinds = {"f": "float32", "d": "float64", "e": "float16", "i": "int32", "l": "int64", "q": "int64"}
    return list(view.shape), kinds.get(view.format, view.format), view.tobytes()


def fingerprint(module, weights):
    """SHA-256 of the module's own source files and of the weights."""
    total = hashlib.sha256()
    top = importlib.import_module(module.__name__.split(".")[0])
    path = getattr(top, "__file__", None)
    files = [path] if path else []
    if path and os.path.basename(path) == "__init__.py":
        for folder, _, names in os.walk(os.path.dirname(path)):
            files += [os.path.join(folder, name) for name in names if name.endswith(".py")]
    for name in sorted(set(files)):
        with open(name, "rb") as source:
            total.update(os.path.basename(name).encode() + b"\0" + hashlib.sha256(source.read()).digest())
    if weights and os.path.isfile(weights):
        content = hashlib.sha256()
        with open(weights, "rb") as source:
            for block in iter(lambda: source.read(1 << 20), b""):
                content.update(block)
        total.update(content.digest())
    else:
        total.update(weights.encode())
    return total.hexdigest()


def parameters_of(model):
    if is_instance(model, "torch.nn", "Module"):
        return sum(p.numel() for p in model.parameters())
    if is_instance(model, "tensorflow", "Module"):
        return int(sum(sys.modules["tensorflow"].size(v) for v in model.trainable_variables))
    return 0


functions = ("load_model", "get_scene_embeddings", "get_timestamp_embeddings")
attributes = ("sample_rate", "scene_embedding_size", "timestamp_embedding_size")


def load(name, weights):
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        return fail("import", "%s: %s" % (type(error).__name__, error))
    missing = [f for f in functions if not callable(getattr(module, f, None))]
    if missing:
        return fail("api", "the module has no function %s" % ", ".join(missing))
    try:
        model = module.load_model(weights) if weights else module.load_model()
    except BaseException as error:
        return fail("load", "load_model: %s: %s" % (type(error).__name__, error))
    absent = [a for a in attributes if not isinstance(getattr(model, a, None), int)]
    if absent:
        return fail("api", "the model has no whole number %s" % ", ".join(absent))
    if is_instance(model, "torch.nn", "Module"):
        torch = sys.modules["torch"]
        model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    about = {a: getattr(model, a) for a in attributes}
    send({"ok": True, "model": {**about, "parameters": parameters_of(model), "fingerprint": fingerprint(module, weights)}})
    return module, model


def call(module, model, header, payload):
    audio = audio_for(model, payload, header["shape"])
    if header["op"] == "scene":
        return [array_of(module.get_scene_embeddings(audio, model), "get_scene_embeddings")]
    found = module.get_timestamp_embeddings(audio, model)
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise TypeError("get_timestamp_embeddings: expected (embeddings, timestamps), found %s" % type(found).__name__)
    return [array_of(found[0], "embeddings"), array_of(found[1], "timestamps")]


def main():
    die_with_parent()
    loaded = load(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
    if loaded is None:
        return
    module, model = loaded
    while True:
        header, payload = receive()
        if header["op"] == "close":
            return
        try:
            if is_instance(model, "torch.nn", "Module"):
                with sys.modules["torch"].no_grad():
                    arrays = call(module, model, header, payload)
            else:
                arrays = call(module, model, header, payload)
        except BaseException as error:
            fail("call", "%s: %s" % (type(error).__name__, error))
            continue
        about = [{"shape": s, "dtype": d, "bytes": len(b)} for s, d, b in arrays]
        send({"ok": True, "arrays": about}, *[b for _, _, b in arrays])


main()
