"""Requests, bodies that go on, polls and upgraded sockets at the level of bytes; aiohttp makes the connections."""
