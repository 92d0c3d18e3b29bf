"""The search for the ends of chunks, in C++."""

MIN_CHUNK_BYTES: int
MAX_CHUNK_BYTES: int

def cut(data: bytes | bytearray | memoryview, final: bool) -> list[int]: ...
