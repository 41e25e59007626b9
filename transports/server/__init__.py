"""The service as an app, and the app as a process.

`app` puts lanes, routes and door together, `mounting` puts that into somebody's own app, `browser` serves the client
for pages, `uvicorn_server` runs it all, on `protocols` that bound what a client may make a server hold.
"""
