"""External lanes: other servers, and users' own endpoints, as rows of the same table.

A TOML file says how such a lane is subscribed to and published to, and how its server is started (`description`).
The stream is the one that our lanes carry, published event by event over HTTP by a process of ours on the engine's CPU
(`publisher`), whose log is the journal. The load engine reads SSE or WebSocket messages of any form in which an event
of `ticker` stands as it is, and takes its number for its offset (`engine.decoding.foreign`); so the gate and the join
are those of every lane. `nchan.toml` is an example that runs where nginx and its module nchan are installed.

What differs from our lanes, and so is told beside the figures: the server's CPU and latency have an HTTP request for
each event in them, since that is how these servers are fed.
"""
