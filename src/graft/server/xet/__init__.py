"""The formats of Xet (its public specification): chunks, hashes, xorbs and shards.

Nothing here knows of the Hub: bytes go in, bytes and plain values come out.
"""
