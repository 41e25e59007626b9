"""What stands before every route: requests come in, and those that may are passed on.

`security` checks Host, Origin and whoever asks, `authorization` is the hook for the last, `admission` counts readers
and turns away who is too many, `body` bounds what is sent. ASGI middleware all of them; imports `service/`.
"""
