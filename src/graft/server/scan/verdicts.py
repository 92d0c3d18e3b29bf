"""Which imports of a pickle are harmless, which do harm, and what to think of the others."""

from enum import StrEnum


class Safety(StrEnum):
    """How dangerous an import is: what can do nothing but hold data, what nobody knows, what can
    run programs or reach files and networks."""

    INNOCUOUS = "innocuous"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"


ANY = "*"
UNKNOWN = "?"
"""Stands for a name that is made while the pickle runs: honest ones do not do that."""

# What weights are rebuilt from. Nothing of it calls what it is given, or opens anything.
_HARMLESS: dict[str, str] = {
    "collections": "OrderedDict Counter defaultdict deque",
    "builtins": "set frozenset slice bytearray list dict tuple int float complex bool str bytes "
    "object range",
    "__builtin__": "set frozenset slice bytearray list dict tuple int long float complex bool str "
    "unicode object xrange",
    "copyreg": "_reconstructor",
    "copy_reg": "_reconstructor",
    "_codecs": "encode",
    "argparse": "Namespace",
    "datetime": "datetime date time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "pathlib": "Path PosixPath WindowsPath PurePosixPath PureWindowsPath",
    "numpy": "ndarray dtype bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 "
    "float32 float64 complex64 complex128 str_",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.random._pickle": "__randomstate_ctor __generator_ctor __bit_generator_ctor",
    "torch": "Size Tensor device dtype layout Generator FloatStorage DoubleStorage HalfStorage "
    "BFloat16Storage LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage "
    "ComplexFloatStorage ComplexDoubleStorage QInt8Storage QInt32Storage QUInt8Storage "
    "FloatTensor DoubleTensor HalfTensor BFloat16Tensor LongTensor IntTensor ShortTensor "
    "CharTensor ByteTensor BoolTensor float16 float32 float64 bfloat16 int8 int16 int32 int64 "
    "uint8 bool qint8 qint32 quint8 per_tensor_affine per_channel_affine strided",
    "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter "
    "_rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor "
    "_rebuild_sparse_csr_tensor _rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_numpy",
    "torch._tensor": "_rebuild_from_type_v2",
    "torch.nn.parameter": "Parameter Buffer",
    "torch.storage": "UntypedStorage TypedStorage",
    "torch.serialization": "_get_layout",
    "scipy.sparse._csr": "csr_matrix csr_array",
    "scipy.sparse._csc": "csc_matrix csc_array",
    "scipy.sparse.csr": "csr_matrix",
    "scipy.sparse.csc": "csc_matrix",
    "joblib.numpy_pickle": "NumpyArrayWrapper NDArrayWrapper",
}

# Modules of which nothing is harmless, with all that lies in them.
_HARMFUL_MODULES = """
os posix nt ntpath posixpath genericpath subprocess sys pty socket socketserver ssl shutil runpy
webbrowser importlib imp pkgutil zipimport ctypes _ctypes cffi pickle _pickle cPickle dill
cloudpickle marshal shelve code codeop bdb pdb trace timeit cProfile profile pip ensurepip venv
asyncio multiprocessing _posixsubprocess signal threading _thread concurrent http httplib urllib
urllib2 urllib3 requests aiohttp httpx ftplib smtplib telnetlib poplib imaplib xmlrpc tempfile
glob fileinput io _io commands platform site sitecustomize resource gc inspect ast tokenize
linecache doctest unittest lib2to3 idlelib distutils setuptools antigravity readline rlcompleter
logging pydoc sqlite3 mmap winreg _winreg msvcrt nntplib test torch.hub torch.jit torch.package
torch.utils torch._inductor torch._dynamo torch.distributed numpy.testing numpy.f2py
numpy.distutils numpy.ctypeslib
"""

# What runs programs, loads other pickles, or reaches files and networks.
_HARMFUL: dict[str, str] = {
    "builtins": "eval exec compile open getattr setattr delattr globals locals vars apply "
    "__import__ breakpoint input memoryview map filter",
    "__builtin__": "eval exec execfile compile open file getattr setattr delattr globals locals "
    "vars apply __import__ breakpoint input raw_input map filter",
    "operator": "attrgetter itemgetter methodcaller call",
    "functools": "partial reduce partialmethod",
    "types": "CodeType FunctionType ModuleType MethodType LambdaType",
    "copyreg": "add_extension __newobj__ pickle constructor",
    "torch": "load hub jit compile package classes ops",
    "torch.storage": "_load_from_bytes",
    "torch.serialization": "load _load _legacy_load",
    "numpy": "load fromfile loadtxt genfromtxt save savetxt",
    "joblib": "load",
    "pandas": "read_pickle",
    "pandas.io.pickle": "read_pickle",
    **dict.fromkeys(_HARMFUL_MODULES.split(), ANY),
}

_SAFE = {(module, name) for module, names in _HARMLESS.items() for name in names.split()}
_UNSAFE = {(module, name) for module, names in _HARMFUL.items() for name in names.split()}


def judge(module: str, name: str) -> Safety:
    """What is to be thought of a pickle that imports `name` from `module`.

    A module that is dangerous is so with all below it, and a name is dangerous with all that is
    reached through it: `torch` and `hub.load`.
    """
    if (module, name) in _SAFE:
        return Safety.INNOCUOUS
    first = name.partition(".")[0]
    whole = f"{module}.{first}"
    if (module, first) in _UNSAFE or (whole, ANY) in _UNSAFE:
        return Safety.DANGEROUS
    parts = module.split(".")
    if any((".".join(parts[:count]), ANY) in _UNSAFE for count in range(1, len(parts) + 1)):
        return Safety.DANGEROUS
    if UNKNOWN in (module, name) or any(part.startswith("__") for part in name.split(".")):
        return Safety.DANGEROUS
    return Safety.SUSPICIOUS
