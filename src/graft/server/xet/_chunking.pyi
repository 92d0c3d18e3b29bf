"""The search for the ends of chunks, in C++."""

MIN_CHUNK_BYTES: int
MAX_CHUNK_BYTES: int

class Chunker:
    def __init__(self) -> None: ...
    def feed(self, data: bytes | bytearray | memoryview) -> list[int]: ...
