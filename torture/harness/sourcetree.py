"""A source tree made from a seed: the same files on every machine, and their checksums."""

import hashlib
import io
import random
import tarfile

FILES = 2200
WORDS = ("static", "struct", "return", "if", "while", "uint32_t", "buffer", "length", "0x00ff", "offset", "const", "session", "tree", "open", "lease", "break;", "=", "+", "(", ")", "{", "}")


def files(count=FILES, seed=2):
    """Yields (path, bytes): nested directories, mostly small texts, a few files that need several requests, some empty, some with names beyond ASCII."""
    rng = random.Random(seed)
    text = " ".join(rng.choice(WORDS) for _ in range(40000)).encode()
    for number in range(count):
        directory = f"src/{number % 13:02d}-part/{number % 7}/" + ("deep/er/" if number % 5 == 0 else "")
        name = f"{'größe-' if number % 40 == 0 else ''}file{number:04d}.c"
        if number % 97 == 0:
            data = rng.randbytes(rng.randrange(100_000, 400_000))
        elif number % 50 == 0:
            data = b""
        else:
            start = rng.randrange(len(text) - 6000)
            data = text[start:start + rng.randrange(1, 6000)]
        yield directory + name, data


def tarball(count=FILES, seed=2):
    """(tar archive as bytes, text for `sha256sum -c`)."""
    archive, sums = io.BytesIO(), []
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, data in files(count, seed):
            info = tarfile.TarInfo("tree/" + path)
            info.size, info.mtime, info.mode = len(data), 1_600_000_000, 0o644
            tar.addfile(info, io.BytesIO(data))
            sums.append(f"{hashlib.sha256(data).hexdigest()}  tree/{path}")
    return archive.getvalue(), "\n".join(sums) + "\n"
