"""Recordings: widths, channels, rates, lengths that are wrong or not stated, chunks between, FLAC, and damage."""

import io
import struct
from math import sin

import numpy as np
from attempt import Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import damaged, mostly, rarely, used

SUBTYPES = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM", "PCM_U8")


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    files = {"s/a.wav": draw(wav())}
    for number in range(draw(mostly(0, 1, 2, share=3))):
        folder = draw(st.sampled_from(("s", "s/one", "s/two")))
        files[f"{folder}/{number}.wav"] = draw(wav())
    if draw(rarely(4)):
        ending = draw(st.sampled_from(("wav", "flac")))
        files[f"s/b.{ending}"] = _by_libsndfile(draw(st.sampled_from(SUBTYPES)), ending, draw(st.sampled_from((1, 2))))
    where = draw(st.sampled_from(("s", "s/a.wav")))
    window = draw(mostly("16", "1", "0", "-1", "1024", "100000", "1" + "0" * 30))
    context = draw(mostly((), ("--context", "label"), ("--space", "real")))
    more = ("--window", window, *context)
    models = ("gaussian", "gaussian", "histogram", "uniform")
    return draw(used(files, where, models, tiny.run("sound"), more))


@st.composite
def wav(draw: st.DrawFn) -> bytes:
    """A WAV file by hand, so that every number in it may be another."""
    bits, channels = draw(mostly(16, 8, 24, 32, 12, 0)), draw(mostly(1, 2, 0, 65535))
    rate = draw(mostly(8000, 44100, 0, 0xFFFFFFFF))
    form, count = draw(mostly(1, 3, 6, 7, 0xFFFE, 0)), draw(mostly(1200, 15, 16, 1, 0, 160, share=3))
    align = draw(mostly(channels * (bits // 8), 1, 0))
    if bits == 8:
        data = bytes(128 + int(90 * sin(i / 9)) for i in range(count))
    elif bits == 32 and form == 3:
        data = np.sin(np.arange(count) / 9).astype("<f4").tobytes()
    else:
        data = (8000 * np.sin(np.arange(count) / 9)).astype("<i2").tobytes()
    stated = draw(mostly(len(data), 0, 0xFFFFFFFF, 0x7FFFFFFF, len(data) + 100, len(data) // 2, len(data) - 1, share=3))
    whole = draw(mostly(36 + len(data), 0, 0xFFFFFFFF))
    between = draw(mostly(b"", b"LIST\x04\x00\x00\x00INFO", b"junk\xff\xff\xff\xff", b"fact\x04" + bytes(7)))
    head = struct.pack("<HHIIHH", form, channels, rate, 16000, align % 65536, bits)
    content = b"RIFF" + struct.pack("<I", whole) + b"WAVEfmt \x10\x00\x00\x00" + head + between
    content += b"data" + struct.pack("<I", max(0, stated)) + data
    return draw(damaged(content)) if draw(rarely(8)) else content


def _by_libsndfile(subtype: str, ending: str, channels: int) -> bytes:
    import soundfile

    x, out = np.sin(np.arange(1200) / 9), io.BytesIO()
    subtype = subtype if ending == "wav" or subtype in ("PCM_16", "PCM_24") else "PCM_16"
    soundfile.write(out, np.stack([x] * channels, 1), 8000, format=ending, subtype=subtype)
    return out.getvalue()
