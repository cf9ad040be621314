"""The parts of libwebp that Pillow does not offer: decoding to planes of YUV or to a smaller size, one copy at a time.

Pillow decodes a still image as an animation of one frame, which takes sixteen bytes for each pixel. The functions are
those of the libwebp that Pillow's own module is linked to.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from PIL import _webp

from nxfs.files.errors import Refusal
from nxfs.files.inspection.verdict import Refused

# Only the upper byte is compared.
_DECODER_VERSION = 0x0200
_ENCODER_VERSION = 0x0200
_MODE_RGBA, _MODE_YUV, _MODE_YUVA = 1, 11, 12
_OUT_OF_MEMORY = 1
_LOSSLESS = 2
_YUV420, _YUV420A = 0, 4

_Bytes = ctypes.POINTER(ctypes.c_uint8)


class _Features(ctypes.Structure):
    _fields_ = [
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("has_alpha", ctypes.c_int),
        ("has_animation", ctypes.c_int),
        ("format", ctypes.c_int),
        ("pad", ctypes.c_uint32 * 5),
    ]


class _Pixels(ctypes.Structure):
    _fields_ = [("rgba", ctypes.c_void_p), ("stride", ctypes.c_int), ("size", ctypes.c_size_t)]


class _Planes(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("y", "u", "v", "a")),
        *((name, ctypes.c_int) for name in ("y_stride", "u_stride", "v_stride", "a_stride")),
        *((name, ctypes.c_size_t) for name in ("y_size", "u_size", "v_size", "a_size")),
    ]


class _Memory(ctypes.Union):
    _fields_ = [("pixels", _Pixels), ("planes", _Planes)]


class _Output(ctypes.Structure):
    _fields_ = [
        ("colorspace", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("is_external_memory", ctypes.c_int),
        ("memory", _Memory),
        ("pad", ctypes.c_uint32 * 4),
        ("private_memory", ctypes.c_void_p),
    ]


_OPTIONS = (
    "bypass_filtering",
    "no_fancy_upsampling",
    "use_cropping",
    "crop_left",
    "crop_top",
    "crop_width",
    "crop_height",
    "use_scaling",
    "scaled_width",
    "scaled_height",
    "use_threads",
    "dithering_strength",
    "flip",
    "alpha_dithering_strength",
)


class _Options(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_int) for name in _OPTIONS), ("pad", ctypes.c_uint32 * 5)]


class _DecoderConfig(ctypes.Structure):
    _fields_ = [("input", _Features), ("output", _Output), ("options", _Options)]


class _EncoderConfig(ctypes.Structure):
    # The fields behind are set by libwebp only; more room than any version needs.
    _fields_ = [
        ("lossless", ctypes.c_int),
        ("quality", ctypes.c_float),
        ("method", ctypes.c_int),
        ("before_alpha", ctypes.c_int * 9),
        ("alpha_compression", ctypes.c_int),
        ("others", ctypes.c_int * 51),
    ]


class _Picture(ctypes.Structure):
    _fields_ = [
        ("use_argb", ctypes.c_int),
        ("colorspace", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("y", ctypes.c_void_p),
        ("u", ctypes.c_void_p),
        ("v", ctypes.c_void_p),
        ("y_stride", ctypes.c_int),
        ("uv_stride", ctypes.c_int),
        ("a", ctypes.c_void_p),
        ("a_stride", ctypes.c_int),
        ("pad1", ctypes.c_uint32 * 2),
        ("argb", ctypes.c_void_p),
        ("argb_stride", ctypes.c_int),
        ("pad2", ctypes.c_uint32 * 3),
        ("writer", ctypes.c_void_p),
        ("custom", ctypes.c_void_p),
        ("extra_info_type", ctypes.c_int),
        ("extra_info", ctypes.c_void_p),
        ("stats", ctypes.c_void_p),
        ("error_code", ctypes.c_int),
        ("progress_hook", ctypes.c_void_p),
        ("user_data", ctypes.c_void_p),
        ("pad3", ctypes.c_uint32 * 3),
        ("pad4", ctypes.c_void_p),
        ("pad5", ctypes.c_void_p),
        ("pad6", ctypes.c_uint32 * 8),
        ("memory", ctypes.c_void_p),
        ("memory_argb", ctypes.c_void_p),
        ("pad7", ctypes.c_void_p * 2),
        # Room that a later version may need.
        ("room", ctypes.c_void_p * 8),
    ]


class _Written(ctypes.Structure):
    _fields_ = [
        ("mem", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("max_size", ctypes.c_size_t),
        ("pad", ctypes.c_uint32),
    ]


def _library() -> ctypes.CDLL:
    """Return Pillow's module as a library; a symbol is looked up in what it is linked to as well."""
    library = ctypes.CDLL(_webp.__file__)
    library.WebPGetFeaturesInternal.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.POINTER(_Features),
        ctypes.c_int,
    ]
    library.WebPInitDecoderConfigInternal.argtypes = [ctypes.POINTER(_DecoderConfig), ctypes.c_int]
    library.WebPDecode.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(_DecoderConfig)]
    library.WebPConfigInitInternal.argtypes = [
        ctypes.POINTER(_EncoderConfig),
        ctypes.c_int,
        ctypes.c_float,
        ctypes.c_int,
    ]
    library.WebPPictureInitInternal.argtypes = [ctypes.POINTER(_Picture), ctypes.c_int]
    library.WebPPictureAlloc.argtypes = [ctypes.POINTER(_Picture)]
    library.WebPPictureFree.argtypes = [ctypes.POINTER(_Picture)]
    library.WebPPictureFree.restype = None
    library.WebPPictureImportRGBA.argtypes = [ctypes.POINTER(_Picture), _Bytes, ctypes.c_int]
    library.WebPEncode.argtypes = [ctypes.POINTER(_EncoderConfig), ctypes.POINTER(_Picture)]
    library.WebPMemoryWriterInit.argtypes = [ctypes.POINTER(_Written)]
    library.WebPMemoryWriterInit.restype = None
    library.WebPMemoryWriterClear.argtypes = [ctypes.POINTER(_Written)]
    library.WebPMemoryWriterClear.restype = None
    return library


_webp_library = _library()
_memory_write = ctypes.cast(_webp_library.WebPMemoryWrite, ctypes.c_void_p)


@dataclass(frozen=True)
class Features:
    """What the header of a single image tells."""

    width: int
    height: int
    has_alpha: bool
    is_lossless: bool


@dataclass(frozen=True)
class Settings:
    """How to encode: ``quality`` 0 to 100, ``method`` 0 (fast) to 6 (small).

    Packing an alpha channel takes fifteen bytes for each pixel.
    """

    quality: float
    method: int
    is_lossless: bool = False
    is_alpha_packed: bool = True


def features(content: bytes) -> Features:
    """Return the features of a WebP of one image. Raises ``Refused`` when it is none."""
    found = _Features()
    if _webp_library.WebPGetFeaturesInternal(content, len(content), ctypes.byref(found), _DECODER_VERSION):
        raise Refused(Refusal.DAMAGED)
    return Features(found.width, found.height, bool(found.has_alpha), found.format == _LOSSLESS)


def decode(content: bytes, size: tuple[int, int]) -> bytearray:
    """Return the pixels as RGBA, scaled to ``size``. Raises ``Refused`` for a damaged image, ``MemoryError``."""
    width, height = size
    pixels = bytearray(width * height * 4)
    config = _decoder_config(content, size)
    output = config.output
    output.colorspace = _MODE_RGBA
    output.memory.pixels.rgba = ctypes.addressof(ctypes.c_char.from_buffer(pixels))
    output.memory.pixels.stride = width * 4
    output.memory.pixels.size = len(pixels)
    _run_decoder(content, config)
    return pixels


def encode(pixels: bytearray, size: tuple[int, int], settings: Settings) -> bytes:
    """Return RGBA pixels as WebP. Raises ``MemoryError``."""
    picture = _picture(size)
    picture.use_argb = int(settings.is_lossless)
    try:
        pointer = ctypes.cast(ctypes.byref(ctypes.c_char.from_buffer(pixels)), _Bytes)
        if not _webp_library.WebPPictureImportRGBA(ctypes.byref(picture), pointer, size[0] * 4):
            raise MemoryError
        return _encoded(picture, settings)
    finally:
        _webp_library.WebPPictureFree(ctypes.byref(picture))


def reencode(content: bytes, size: tuple[int, int], settings: Settings) -> bytes:
    """Return the image scaled to ``size`` and encoded anew by way of YUV planes, less than three bytes for each pixel.

    Raises ``Refused`` for a damaged image, ``MemoryError``.
    """
    has_alpha = features(content).has_alpha
    picture = _picture(size)
    picture.colorspace = _YUV420A if has_alpha else _YUV420
    if not _webp_library.WebPPictureAlloc(ctypes.byref(picture)):
        raise MemoryError
    try:
        config = _decoder_config(content, size)
        config.output.colorspace = _MODE_YUVA if has_alpha else _MODE_YUV
        _share_planes(config.output.memory.planes, picture)
        _run_decoder(content, config)
        return _encoded(picture, settings)
    finally:
        _webp_library.WebPPictureFree(ctypes.byref(picture))


def _share_planes(planes: _Planes, picture: _Picture) -> None:
    half = (picture.height + 1) // 2
    planes.y, planes.u, planes.v, planes.a = picture.y, picture.u, picture.v, picture.a
    planes.y_stride, planes.a_stride = picture.y_stride, picture.a_stride
    planes.u_stride = planes.v_stride = picture.uv_stride
    planes.y_size, planes.a_size = picture.y_stride * picture.height, picture.a_stride * picture.height
    planes.u_size = planes.v_size = picture.uv_stride * half


def _decoder_config(content: bytes, size: tuple[int, int]) -> _DecoderConfig:
    config = _DecoderConfig()
    if not _webp_library.WebPInitDecoderConfigInternal(ctypes.byref(config), _DECODER_VERSION):
        raise MemoryError
    found = features(content)
    if (found.width, found.height) != size:
        config.options.use_scaling = 1
        config.options.scaled_width, config.options.scaled_height = size
    config.output.is_external_memory = 1
    return config


def _run_decoder(content: bytes, config: _DecoderConfig) -> None:
    status = _webp_library.WebPDecode(content, len(content), ctypes.byref(config))
    if status == _OUT_OF_MEMORY:
        raise MemoryError
    if status:
        raise Refused(Refusal.DAMAGED)


def _picture(size: tuple[int, int]) -> _Picture:
    picture = _Picture()
    if not _webp_library.WebPPictureInitInternal(ctypes.byref(picture), _ENCODER_VERSION):
        raise MemoryError
    picture.width, picture.height = size
    return picture


def _encoded(picture: _Picture, settings: Settings) -> bytes:
    config = _EncoderConfig()
    _webp_library.WebPConfigInitInternal(ctypes.byref(config), 0, settings.quality, _ENCODER_VERSION)
    config.method = settings.method
    config.lossless = int(settings.is_lossless)
    config.alpha_compression = int(settings.is_alpha_packed)
    written = _Written()
    _webp_library.WebPMemoryWriterInit(ctypes.byref(written))
    picture.writer = _memory_write
    picture.custom = ctypes.addressof(written)
    try:
        if not _webp_library.WebPEncode(ctypes.byref(config), ctypes.byref(picture)):
            raise MemoryError
        return ctypes.string_at(written.mem, written.size)
    finally:
        _webp_library.WebPMemoryWriterClear(ctypes.byref(written))
