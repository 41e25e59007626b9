"""Bytes in, offsets and data out, no I/O: what the wires' readers share."""
